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

/* ---- a log that has given up what lies in front ---- */

#define STATE_BYTES 5000
#define BUFFER_BYTES (64u << 10)

static uint8_t buffer_bytes[BUFFER_BYTES] __attribute__((aligned(4096)));
static const struct store_snapshot_buffer buffer = {buffer_bytes, sizeof(buffer_bytes)};

/** A snapshot of the state after `index`, if it is time for one; its time is the index. */
static void take_snapshot(struct store_log *log, qr_index index)
{
	if (!store_snapshot_is_due(log, index))
		return;
	memset(buffer.data + STORE_SNAPSHOT_STATE_AT, (int)index & 255, STATE_BYTES);
	store_snapshot_take(log, index, index, buffer, STATE_BYTES);
}

static void retain(struct store_log *log, const struct store_retention *retention)
{
	struct store_start start;

	if (store_trim_wanted(log, retention, &start))
		assert_true(store_trim(log, &start));
	store_log_retry(log);
}

/** As make_log with `common` = `count`, with a snapshot for each segment, and the last few kept. */
static void make_trimmed_log(unsigned number, qr_index count)
{
	static const struct store_retention retention = {.keep_blocks = 256};
	struct store_log_parameters wanted = parameters;
	struct store_problem problem;
	struct files_log files;
	qr_index seen = 0;

	wanted.snapshot_blocks = 64;
	assert_int_equal(files_open(&files, paths[number], &wanted, &problem), QR_OK);
	while (seen < count) {
		qr_index next = store_log_last(files.log) + 1;

		if (next > count || files_append(&files, 3000 + (uint32_t)next * 100, 1) != QR_OK)
			files_turn(&files);
		store_release(files.log, store_log_durable(files.log).index);
		for (; seen < store_log_durable(files.log).index; seen++)
			take_snapshot(files.log, seen);
		while (store_snapshot_is_busy(files.log)) {
			retain(files.log, &retention);
			files_turn(&files);
		}
	}
	retain(files.log, &retention);
	files_drain(&files);
	assert_true(store_log_origin(files.log).index > 0);
	files_close(&files);
}

static int open_snapshot(unsigned number, uint32_t file)
{
	char name[PATH_MAX + 64];
	int fd;

	(void)snprintf(name, sizeof(name), "%s/group-%08x/snapshot-%u", paths[number], FILES_GROUP,
		       file);
	fd = open(name, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

/** The file with the snapshot that has `newer` newer ones. */
static uint32_t snapshot_file(unsigned number, unsigned newer)
{
	uint8_t block[STORE_SNAPSHOT_HEADER_BYTES];
	uint64_t serials[STORE_SNAPSHOTS] = {0};

	for (uint32_t n = 0; n < STORE_SNAPSHOTS; n++) {
		struct store_snapshot header;
		int fd = open_snapshot(number, n);

		if (read(fd, block, sizeof(block)) == (ssize_t)sizeof(block) &&
		    store_snapshot_decode(block, &header) == QR_OK)
			serials[n] = header.serial;
		(void)close(fd);
	}
	for (uint32_t n = 0; n < STORE_SNAPSHOTS; n++) {
		unsigned above = 0;

		for (uint32_t other = 0; other < STORE_SNAPSHOTS; other++)
			above += serials[other] > serials[n];
		if (serials[n] != 0 && above == newer)
			return n;
	}
	fail();
	return 0;
}

static void flip_snapshot(unsigned number, uint32_t file, off_t at)
{
	int fd = open_snapshot(number, file);
	uint8_t byte;

	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 8;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	(void)close(fd);
}

static void verify_says(int status, const char *text)
{
	assert_int_equal(RUN("verify", paths[0]), status);
	if (strstr(output, text) == NULL)
		fail_msg("'%s' does not contain '%s'", output, text);
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

static void a_log_without_its_first_segments_says_where_it_begins(void **state)
{
	(void)state;
	make_trimmed_log(0, 200);
	verify_says(0, "group 3: begins at entry ");
	assert_non_null(strstr(output, "snapshots: sound"));
	assert_int_equal(RUN("verify", paths[0], "--json"), 0);
	assert_null(strstr(output, "\"first\":1,"));
	assert_non_null(strstr(output, "\"snapshots_unfinished\":0"));
	assert_int_equal(RUN("dump", paths[0], "--group=3", "--from=5", "--count=1"), 0);
	assert_non_null(strstr(output, ": entry 5 is gone"));
	assert_non_null(strstr(output, " term=1 data block="));
	assert_int_equal(RUN("dump", paths[0], "--group=3", "--from=200"), 0);
	assert_null(strstr(output, "gone"));
}

static void replicas_are_compared_from_the_later_beginning_on(void **state)
{
	(void)state;
	make_trimmed_log(0, 200);
	make_log(1, 200, 200);
	assert_int_equal(RUN("diff", paths[0], paths[1]), 0);
	assert_non_null(strstr(output, "identical up to entry 200"));
	assert_non_null(strstr(output, ", from entry "));
	assert_int_equal(RUN("diff", paths[1], paths[0], "--json"), 0);
	assert_null(strstr(output, "\"compared_from\":1,"));
	make_log(2, 20, 20);
	assert_int_equal(RUN("diff", paths[2], paths[0]), 1);
	assert_non_null(strstr(output, "nothing was compared"));
}

static void what_a_crash_leaves_of_a_snapshot_is_no_damage(void **state)
{
	static const uint8_t zeros[STORE_SNAPSHOT_HEADER_BYTES];
	uint32_t file;
	int fd;

	(void)state;
	make_trimmed_log(0, 200);
	file = snapshot_file(0, 1);
	flip_snapshot(0, file, STORE_SNAPSHOT_STATE_AT); /* being written over */
	verify_says(0, "and 1 unfinished: sound");
	fd = open_snapshot(0, file);
	assert_int_equal(pwrite(fd, zeros, sizeof(zeros), 0), sizeof(zeros));
	verify_says(0, "and 1 unfinished: sound"); /* a first write */
	(void)close(fd);
}

static void a_damaged_snapshot_is_damage(void **state)
{
	uint32_t newest;
	int fd;

	(void)state;
	make_trimmed_log(0, 200);
	newest = snapshot_file(0, 0);
	flip_snapshot(0, newest, STORE_SNAPSHOT_STATE_AT + STATE_BYTES - 1);
	verify_says(1, "the newest one, and its body does not hold");
	flip_snapshot(0, newest, STORE_SNAPSHOT_STATE_AT + STATE_BYTES - 1);
	verify_says(0, "snapshots: sound");
	flip_snapshot(0, snapshot_file(0, 1), 40); /* of a header: one sector */
	verify_says(1, "DAMAGED: snapshot-");
	for (uint32_t n = 0; n < STORE_SNAPSHOTS; n++) {
		fd = open_snapshot(0, n);
		assert_int_equal(ftruncate(fd, 0), 0);
		(void)close(fd);
	}
	verify_says(1, "no snapshot says what was in front of it");
}

static void an_empty_snapshot_in_front_of_others_is_damage(void **state)
{
	int fd;

	(void)state;
	make_trimmed_log(0, 200);
	fd = open_snapshot(0, 0);
	assert_int_equal(ftruncate(fd, 0), 0);
	(void)close(fd);
	verify_says(1, "snapshot-0: empty, so a start does not look at those behind it");
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
		cmocka_unit_test_setup_teardown(
			a_log_without_its_first_segments_says_where_it_begins, set_up, tear_down),
		cmocka_unit_test_setup_teardown(replicas_are_compared_from_the_later_beginning_on,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_a_crash_leaves_of_a_snapshot_is_no_damage,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_damaged_snapshot_is_damage, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_empty_snapshot_in_front_of_others_is_damage,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(entries_are_dumped_from_where_one_asks, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(wrong_usage_and_foreign_directories_are_told,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_running_node_is_left_alone, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("storage/tool/tool", tests, NULL, NULL);
}
