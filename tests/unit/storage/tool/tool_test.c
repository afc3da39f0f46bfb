/* quorate-log over real directories: sound, torn, damaged, different, foreign, in use. */
#include "tests/unit/storage/io/files.h"
#include "tests/unit/storage/tool/logs.h"

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

static void verify_says(int status, const char *text)
{
	assert_int_equal(LOGS_RUN("verify", logs_paths[0]), status);
	if (strstr(logs_output, text) == NULL)
		fail_msg("'%s' does not contain '%s'", logs_output, text);
}

static void a_sound_log_verifies(void **state)
{
	(void)state;
	logs_make(0, 100, 100);
	assert_int_equal(LOGS_RUN("verify", logs_paths[0]), 0);
	assert_non_null(strstr(logs_output, "100 entries"));
	assert_non_null(strstr(logs_output, "sound"));
	assert_int_equal(LOGS_RUN("verify", logs_paths[0], "--json"), 0);
	assert_non_null(strstr(logs_output, "\"sound\":true"));
}

static void damage_is_found_and_named(void **state)
{
	(void)state;
	logs_make(0, 300, 300);
	logs_flip(0, 1, 5000);
	assert_int_equal(LOGS_RUN("verify", logs_paths[0]), 1);
	assert_non_null(strstr(logs_output, "DAMAGED"));
	assert_non_null(strstr(logs_output, "segment 1"));
	assert_int_equal(LOGS_RUN("dump", logs_paths[0], "--group", "3"), 1);
}

static void looking_changes_nothing(void **state)
{
	(void)state;
	logs_make(0, 40, 40);
	assert_int_equal(LOGS_RUN("verify", logs_paths[0]), 0);
	assert_int_equal(LOGS_RUN("diff", logs_paths[0], logs_paths[0]), 0);
	logs_make(0, 41, 41); /* recovers, appends one */
	assert_int_equal(LOGS_RUN("verify", logs_paths[0]), 0);
	assert_non_null(strstr(logs_output, "41 entries"));
}

static void equal_replicas_are_identical(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		logs_make(i, 120, 100 + i);
	assert_int_equal(LOGS_RUN("diff", logs_paths[0], logs_paths[1], logs_paths[2]), 0);
	assert_non_null(strstr(logs_output, "identical up to entry 100"));
	assert_int_equal(LOGS_RUN("diff", "--json", logs_paths[0], logs_paths[1], logs_paths[2]),
			 0);
	assert_non_null(strstr(logs_output, "\"identical\":true}"));
	assert_non_null(strstr(logs_output, "\"tail\":2"));
}

static void different_tails_are_told_and_allowed(void **state)
{
	(void)state;
	logs_make(0, 90, 100);
	logs_make(1, 90, 100);
	/* No header says that anything was committed. */
	assert_int_equal(LOGS_RUN("diff", logs_paths[0], logs_paths[1]), 0);
	assert_non_null(strstr(logs_output, "identical up to entry 90"));
	assert_non_null(strstr(logs_output, "tail of 10"));
}

static void a_group_that_one_lacks_is_a_difference(void **state)
{
	(void)state;
	logs_make(0, 10, 10);
	logs_make(1, 10, 10);
	(void)snprintf(logs_output, sizeof(logs_output), "%s/group-00000009", logs_paths[0]);
	assert_int_equal(mkdir(logs_output, 0700), 0);
	assert_int_equal(LOGS_RUN("diff", logs_paths[0], logs_paths[1]), 1);
}

static void a_log_without_its_first_segments_says_where_it_begins(void **state)
{
	(void)state;
	logs_make_trimmed(0, 200);
	verify_says(0, "group 3: begins at entry ");
	assert_non_null(strstr(logs_output, "snapshots: sound"));
	assert_int_equal(LOGS_RUN("verify", logs_paths[0], "--json"), 0);
	assert_null(strstr(logs_output, "\"first\":1,"));
	assert_non_null(strstr(logs_output, "\"snapshots_unfinished\":0"));
	assert_int_equal(LOGS_RUN("dump", logs_paths[0], "--group=3", "--from=5", "--count=1"), 0);
	assert_non_null(strstr(logs_output, ": entry 5 is gone"));
	assert_non_null(strstr(logs_output, " term=1 data block="));
	assert_int_equal(LOGS_RUN("dump", logs_paths[0], "--group=3", "--from=200"), 0);
	assert_null(strstr(logs_output, "gone"));
}

static void replicas_are_compared_from_the_later_beginning_on(void **state)
{
	(void)state;
	logs_make_trimmed(0, 200);
	logs_make(1, 200, 200);
	assert_int_equal(LOGS_RUN("diff", logs_paths[0], logs_paths[1]), 0);
	assert_non_null(strstr(logs_output, "identical up to entry 200"));
	assert_non_null(strstr(logs_output, ", from entry "));
	assert_int_equal(LOGS_RUN("diff", logs_paths[1], logs_paths[0], "--json"), 0);
	assert_null(strstr(logs_output, "\"compared_from\":1,"));
	logs_make(2, 20, 20);
	assert_int_equal(LOGS_RUN("diff", logs_paths[2], logs_paths[0]), 1);
	assert_non_null(strstr(logs_output, "nothing was compared"));
}

static void what_a_crash_leaves_of_a_snapshot_is_no_damage(void **state)
{
	static const uint8_t zeros[STORE_SNAPSHOT_HEADER_BYTES];
	uint32_t file;
	int fd;

	(void)state;
	logs_make_trimmed(0, 200);
	file = logs_snapshot_file(0, 1);
	logs_flip_snapshot(0, file, STORE_SNAPSHOT_STATE_AT); /* being written over */
	verify_says(0, "and 1 unfinished: sound");
	fd = logs_open_snapshot(0, file);
	assert_int_equal(pwrite(fd, zeros, sizeof(zeros), 0), sizeof(zeros));
	verify_says(0, "and 1 unfinished: sound"); /* a first write */
	(void)close(fd);
}

static void a_damaged_snapshot_is_damage(void **state)
{
	uint32_t newest;
	int fd;

	(void)state;
	logs_make_trimmed(0, 200);
	newest = logs_snapshot_file(0, 0);
	logs_flip_snapshot(0, newest, STORE_SNAPSHOT_STATE_AT + LOGS_STATE_BYTES - 1);
	verify_says(1, "the newest one, and its body does not hold");
	logs_flip_snapshot(0, newest, STORE_SNAPSHOT_STATE_AT + LOGS_STATE_BYTES - 1);
	verify_says(0, "snapshots: sound");
	logs_flip_snapshot(0, logs_snapshot_file(0, 1), 40); /* of a header: one sector */
	verify_says(1, "DAMAGED: snapshot-");
	for (uint32_t n = 0; n < STORE_SNAPSHOTS; n++) {
		fd = logs_open_snapshot(0, n);
		assert_int_equal(ftruncate(fd, 0), 0);
		(void)close(fd);
	}
	verify_says(1, "no snapshot says what was in front of it");
}

static void an_empty_snapshot_in_front_of_others_is_damage(void **state)
{
	int fd;

	(void)state;
	logs_make_trimmed(0, 200);
	fd = logs_open_snapshot(0, 0);
	assert_int_equal(ftruncate(fd, 0), 0);
	(void)close(fd);
	verify_says(1, "snapshot-0: empty, so a start does not look at those behind it");
}

static void entries_are_dumped_from_where_one_asks(void **state)
{
	(void)state;
	logs_make(0, 20, 20);
	assert_int_equal(LOGS_RUN("dump", logs_paths[0], "--group=3", "--from=19"), 0);
	assert_ptr_equal(strstr(logs_output, "19 term=1 data block="), logs_output);
	assert_non_null(strstr(logs_output, "\n20 term=1"));
	assert_int_equal(LOGS_RUN("dump", logs_paths[0], "--group=3", "--count=1", "--json"), 0);
	assert_ptr_equal(strstr(logs_output, "{\"index\":1,\"term\":1,\"kind\":\"data\""),
			 logs_output);
}

static void wrong_usage_and_foreign_directories_are_told(void **state)
{
	(void)state;
	assert_int_equal(LOGS_RUN("verify", logs_base), 1);
	assert_non_null(strstr(logs_output, "not a node's data directory"));
	assert_int_equal(LOGS_RUN("verify", "/no/such"), 1);
	assert_int_equal(LOGS_RUN("frobnicate", logs_base), 2);
	assert_int_equal(LOGS_RUN("diff", logs_base), 2);
	assert_int_equal(LOGS_RUN("dump", logs_base), 2);
	assert_int_equal(LOGS_RUN("dump", logs_base, "--group=x"), 2);
}

static void a_running_node_is_left_alone(void **state)
{
	struct store_directory directory;
	struct store_problem problem;

	(void)state;
	logs_make(0, 5, 5);
	assert_int_equal(store_directory_open(logs_paths[0], FILES_CLUSTER, FILES_NODE, false,
					      &directory, &problem),
			 QR_OK);
	assert_int_equal(LOGS_RUN("verify", logs_paths[0]), 1);
	assert_non_null(strstr(logs_output, "running node"));
	store_directory_close(&directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_sound_log_verifies, logs_set_up, logs_tear_down),
		cmocka_unit_test_setup_teardown(damage_is_found_and_named, logs_set_up,
						logs_tear_down),
		cmocka_unit_test_setup_teardown(looking_changes_nothing, logs_set_up,
						logs_tear_down),
		cmocka_unit_test_setup_teardown(equal_replicas_are_identical, logs_set_up,
						logs_tear_down),
		cmocka_unit_test_setup_teardown(different_tails_are_told_and_allowed, logs_set_up,
						logs_tear_down),
		cmocka_unit_test_setup_teardown(a_group_that_one_lacks_is_a_difference, logs_set_up,
						logs_tear_down),
		cmocka_unit_test_setup_teardown(
			a_log_without_its_first_segments_says_where_it_begins, logs_set_up,
			logs_tear_down),
		cmocka_unit_test_setup_teardown(replicas_are_compared_from_the_later_beginning_on,
						logs_set_up, logs_tear_down),
		cmocka_unit_test_setup_teardown(what_a_crash_leaves_of_a_snapshot_is_no_damage,
						logs_set_up, logs_tear_down),
		cmocka_unit_test_setup_teardown(a_damaged_snapshot_is_damage, logs_set_up,
						logs_tear_down),
		cmocka_unit_test_setup_teardown(an_empty_snapshot_in_front_of_others_is_damage,
						logs_set_up, logs_tear_down),
		cmocka_unit_test_setup_teardown(entries_are_dumped_from_where_one_asks, logs_set_up,
						logs_tear_down),
		cmocka_unit_test_setup_teardown(wrong_usage_and_foreign_directories_are_told,
						logs_set_up, logs_tear_down),
		cmocka_unit_test_setup_teardown(a_running_node_is_left_alone, logs_set_up,
						logs_tear_down),
	};

	return cmocka_run_group_tests_name("storage/tool/tool", tests, NULL, NULL);
}
