/* quorate-log over real directories: sound, torn, damaged, different, foreign, in use. */
#include "tests/unit/storage/io/files.h"

#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_BYTES 65536

extern char **environ;

static char base[PATH_MAX];
static char paths[3][PATH_MAX + 8];
static char output[OUTPUT_BYTES];

static int set_up(void **state)
{
	(void)state;
	files_make(base);
	for (unsigned i = 0; i < 3; i++)
		(void)snprintf(paths[i], sizeof(paths[i]), "%s/n%u", base, i + 1);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	files_remove(base);
	return 0;
}

/** Run the tool; its exit status, with its output, errors included, in `output`. */
static int run(const char *command, const char *const arguments[])
{
	char program[PATH_MAX];
	const char *argv[16] = {program, command};
	posix_spawn_file_actions_t actions;
	unsigned count = 2;
	size_t size = 0;
	ssize_t got;
	int ends[2];
	int status = -1;
	pid_t child;

	(void)snprintf(program, sizeof(program), "%s/storage/quorate-log",
		       secure_getenv("QUORATE_BUILD"));
	for (unsigned i = 0; arguments[i] != NULL; i++)
		argv[count++] = arguments[i];
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
	assert_int_equal(posix_spawn_file_actions_adddup2(&actions, ends[1], 1), 0);
	assert_int_equal(posix_spawn_file_actions_adddup2(&actions, ends[1], 2), 0);
	assert_int_equal(posix_spawn(&child, program, &actions, NULL, (char *const *)argv, environ),
			 0);
	(void)close(ends[1]);
	while ((got = read(ends[0], output + size, sizeof(output) - 1 - size)) > 0)
		size += (size_t)got;
	output[size] = '\0';
	(void)close(ends[0]);
	(void)posix_spawn_file_actions_destroy(&actions);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

#define RUN(command, ...) run(command, (const char *const[]){__VA_ARGS__, NULL})

static const struct store_log_parameters parameters = {
	.cluster = FILES_CLUSTER,
	.node = FILES_NODE,
	.group = FILES_GROUP,
	.geometry = {.segment_blocks = 64, .stride_blocks = 16},
	.configuration = {.voters = 0xe},
	.window_blocks = 128,
	.write_depth = 4,
	.write_max_blocks = 8,
	.segments_ahead = 1,
	.checkpoints_max = 64,
};

/** A log of `count` entries; those above `common` are filled differently in each directory. */
static void make_log(unsigned number, qr_index common, qr_index count)
{
	struct store_problem problem;
	struct files_log files;

	assert_int_equal(files_open(&files, paths[number], &parameters, &problem), QR_OK);
	while (store_log_last(files.log) < count) {
		qr_index next = store_log_last(files.log) + 1;
		uint8_t fill = (uint8_t)(next <= common ? 1 : 2 + number);

		if (files_append(&files, 3000 + (uint32_t)next * 100, fill) != QR_OK)
			files_turn(&files);
		store_release(files.log, store_log_durable(files.log).index);
	}
	files_drain(&files);
	files_close(&files);
}

static void flip(unsigned number, unsigned segment, off_t at)
{
	char name[PATH_MAX + 64];
	uint8_t byte;
	int fd;

	(void)snprintf(name, sizeof(name), "%s/group-%08x/%016x.seg", paths[number], FILES_GROUP,
		       segment);
	fd = open(name, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 8;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	(void)close(fd);
}

static void a_sound_log_verifies(void **state)
{
	(void)state;
	make_log(0, 100, 100);
	assert_int_equal(RUN("verify", paths[0]), 0);
	assert_non_null(strstr(output, "100 entries"));
	assert_non_null(strstr(output, "sound"));
	assert_int_equal(RUN("verify", paths[0], "--json"), 0);
	assert_non_null(strstr(output, "\"sound\":true"));
}

static void damage_is_found_and_named(void **state)
{
	(void)state;
	make_log(0, 300, 300);
	flip(0, 1, 5000);
	assert_int_equal(RUN("verify", paths[0]), 1);
	assert_non_null(strstr(output, "DAMAGED"));
	assert_non_null(strstr(output, "segment 1"));
	assert_int_equal(RUN("dump", paths[0], "--group", "3"), 1);
}

static void looking_changes_nothing(void **state)
{
	(void)state;
	make_log(0, 40, 40);
	assert_int_equal(RUN("verify", paths[0]), 0);
	assert_int_equal(RUN("diff", paths[0], paths[0]), 0);
	make_log(0, 41, 41); /* recovers, appends one */
	assert_int_equal(RUN("verify", paths[0]), 0);
	assert_non_null(strstr(output, "41 entries"));
}

static void equal_replicas_are_identical(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		make_log(i, 120, 100 + i);
	assert_int_equal(RUN("diff", paths[0], paths[1], paths[2]), 0);
	assert_non_null(strstr(output, "identical up to entry 100"));
	assert_int_equal(RUN("diff", "--json", paths[0], paths[1], paths[2]), 0);
	assert_non_null(strstr(output, "\"identical\":true}"));
	assert_non_null(strstr(output, "\"tail\":2"));
}

static void different_tails_are_told_and_allowed(void **state)
{
	(void)state;
	make_log(0, 90, 100);
	make_log(1, 90, 100);
	/* No header says that anything was committed. */
	assert_int_equal(RUN("diff", paths[0], paths[1]), 0);
	assert_non_null(strstr(output, "identical up to entry 90"));
	assert_non_null(strstr(output, "tail of 10"));
}

static void a_group_that_one_lacks_is_a_difference(void **state)
{
	(void)state;
	make_log(0, 10, 10);
	make_log(1, 10, 10);
	(void)snprintf(output, sizeof(output), "%s/group-00000009", paths[0]);
	assert_int_equal(mkdir(output, 0700), 0);
	assert_int_equal(RUN("diff", paths[0], paths[1]), 1);
}

static void entries_are_dumped_from_where_one_asks(void **state)
{
	(void)state;
	make_log(0, 20, 20);
	assert_int_equal(RUN("dump", paths[0], "--group=3", "--from=19"), 0);
	assert_ptr_equal(strstr(output, "19 term=1 data block="), output);
	assert_non_null(strstr(output, "\n20 term=1"));
	assert_int_equal(RUN("dump", paths[0], "--group=3", "--count=1", "--json"), 0);
	assert_ptr_equal(strstr(output, "{\"index\":1,\"term\":1,\"kind\":\"data\""), output);
}

static void wrong_usage_and_foreign_directories_are_told(void **state)
{
	(void)state;
	assert_int_equal(RUN("verify", base), 1);
	assert_non_null(strstr(output, "not a node's data directory"));
	assert_int_equal(RUN("verify", "/no/such"), 1);
	assert_int_equal(RUN("frobnicate", base), 2);
	assert_int_equal(RUN("diff", base), 2);
	assert_int_equal(RUN("dump", base), 2);
	assert_int_equal(RUN("dump", base, "--group=x"), 2);
}

static void a_running_node_is_left_alone(void **state)
{
	struct store_directory directory;
	struct store_problem problem;

	(void)state;
	make_log(0, 5, 5);
	assert_int_equal(store_directory_open(paths[0], FILES_CLUSTER, FILES_NODE, false,
					      &directory, &problem),
			 QR_OK);
	assert_int_equal(RUN("verify", paths[0]), 1);
	assert_non_null(strstr(output, "running node"));
	store_directory_close(&directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_sound_log_verifies, set_up, tear_down),
		cmocka_unit_test_setup_teardown(damage_is_found_and_named, set_up, tear_down),
		cmocka_unit_test_setup_teardown(looking_changes_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(equal_replicas_are_identical, set_up, tear_down),
		cmocka_unit_test_setup_teardown(different_tails_are_told_and_allowed, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_group_that_one_lacks_is_a_difference, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(entries_are_dumped_from_where_one_asks, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(wrong_usage_and_foreign_directories_are_told,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_running_node_is_left_alone, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("storage/tool/tool", tests, NULL, NULL);
}
