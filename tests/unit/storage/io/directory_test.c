#include "tests/unit/storage/io/files.h"

#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CLUSTER 77u

static char path[PATH_MAX];
static struct store_directory directory;
static struct store_problem problem;

static int set_up(void **state)
{
	(void)state;
	files_make(path);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	files_remove(path);
	return 0;
}

static enum qr_error open_as(uint64_t cluster, qr_node node)
{
	problem.text[0] = '\0';
	return store_directory_open(path, cluster, node, false, &directory, &problem);
}

static const char *inside(const char *name)
{
	static char buffer[PATH_MAX + 64];

	(void)snprintf(buffer, sizeof(buffer), "%s/%s", path, name);
	return buffer;
}

static void flip(const char *name, off_t at)
{
	int fd = open(inside(name), O_RDWR | O_CLOEXEC);
	uint8_t byte = 0;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	(void)close(fd);
}

static void make_file(const char *name)
{
	int fd = open(inside(name), O_CREAT | O_RDWR | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	(void)close(fd);
}

static void a_directory_is_made_and_opened_again(void **state)
{
	(void)state;
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(open_as(CLUSTER, 1), QR_OK);
	store_directory_close(&directory);
	assert_int_equal(open_as(CLUSTER, 1), QR_OK);
	store_directory_close(&directory);
	store_directory_close(&directory); /* closing twice is fine */
}

static void missing_parents_are_made(void **state)
{
	static const char *const names[] = {"deep/er/one", "deep/er//other/", "deep/er"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(store_directory_open(inside(names[i]), CLUSTER, 1, false,
						      &directory, &problem),
				 QR_OK);
		store_directory_close(&directory);
	}
}

static void a_second_user_is_refused(void **state)
{
	struct store_directory other;

	(void)state;
	assert_int_equal(open_as(CLUSTER, 1), QR_OK);
	assert_int_equal(store_directory_open(path, CLUSTER, 1, false, &other, &problem),
			 QR_LOCKED);
	assert_non_null(strstr(problem.text, "in use"));
	store_directory_close(&directory);
	assert_int_equal(open_as(CLUSTER, 1), QR_OK);
	store_directory_close(&directory);
}

static void another_cluster_or_node_is_refused(void **state)
{
	(void)state;
	assert_int_equal(open_as(CLUSTER, 1), QR_OK);
	store_directory_close(&directory);
	assert_int_equal(open_as(CLUSTER + 1, 1), QR_FOREIGN);
	assert_non_null(strstr(problem.text, "cluster"));
	assert_int_equal(open_as(CLUSTER, 2), QR_FOREIGN);
	assert_non_null(strstr(problem.text, "node 1, not 2"));
	assert_int_equal(open_as(CLUSTER, 1), QR_OK);
	store_directory_close(&directory);
}

static void a_damaged_identity_is_refused(void **state)
{
	(void)state;
	assert_int_equal(open_as(CLUSTER, 1), QR_OK);
	store_directory_close(&directory);
	for (off_t at = 0; at < 24; at++) {
		flip("node", at);
		assert_int_equal(open_as(CLUSTER, 1), QR_CORRUPT);
		assert_true(problem.text[0] != '\0');
		flip("node", at);
	}
	assert_int_equal(open_as(CLUSTER, 1), QR_OK);
	store_directory_close(&directory);
}

static void logs_without_an_identity_are_refused(void **state)
{
	(void)state;
	assert_int_equal(mkdir(inside("group-00000001"), 0700), 0);
	assert_int_equal(open_as(CLUSTER, 1), QR_CORRUPT);
}

static void a_group_is_made_once(void **state)
{
	struct stat status;
	struct store_extent segments = {.first = 99, .count = 99};

	(void)state;
	assert_int_equal(open_as(CLUSTER, 1), QR_OK);
	assert_int_equal(store_directory_group(&directory, 5, &segments, &problem), QR_OK);
	assert_int_equal(segments.count, 0);
	assert_int_equal(stat(inside("group-00000005/state"), &status), 0);
	assert_int_equal(status.st_size, 8192);
	make_file("group-00000005/0000000000000000.seg");
	make_file("group-00000005/0000000000000001.seg");
	make_file("group-00000005/0000000000000002.tmp");
	make_file("group-00000005/notes.seg");
	assert_int_equal(store_directory_group(&directory, 5, &segments, &problem), QR_OK);
	assert_int_equal(segments.count, 2);
	assert_int_equal(stat(inside("group-00000005/0000000000000002.tmp"), &status), -1);
	store_directory_close(&directory);
}

static void a_missing_segment_or_state_is_refused(void **state)
{
	struct store_extent segments;

	(void)state;
	assert_int_equal(open_as(CLUSTER, 1), QR_OK);
	assert_int_equal(store_directory_group(&directory, 5, &segments, &problem), QR_OK);
	make_file("group-00000005/0000000000000000.seg");
	make_file("group-00000005/0000000000000002.seg");
	assert_int_equal(store_directory_group(&directory, 5, &segments, &problem), QR_CORRUPT);
	assert_non_null(strstr(problem.text, "1 of its 3 segments"));
	make_file("group-00000005/0000000000000001.seg");
	assert_int_equal(truncate(inside("group-00000005/state"), 100), 0);
	assert_int_equal(store_directory_group(&directory, 5, &segments, &problem), QR_CORRUPT);
	assert_non_null(strstr(problem.text, "--lost-data"));
	store_directory_close(&directory);
}

/** The first byte of a group's slots; they are not all zero, or all. */
static void expect_state_of(const char *name, int byte)
{
	FILE *file = fopen(inside(name), "rbe");

	assert_non_null(file);
	assert_int_equal(fgetc(file), byte);
	assert_int_equal(fclose(file), 0);
}

/* Zeros are what a new group has. */
static void a_state_that_was_lost_is_not_that_of_a_new_group(void **state)
{
	struct store_extent segments;

	(void)state;
	assert_int_equal(open_as(CLUSTER, 1), QR_OK);
	assert_int_equal(store_directory_group(&directory, 5, &segments, &problem), QR_OK);
	expect_state_of("group-00000005/state", 0);
	make_file("group-00000005/0000000000000000.seg");
	assert_int_equal(unlink(inside("group-00000005/state")), 0);
	assert_int_equal(store_directory_group(&directory, 5, &segments, &problem), QR_OK);
	expect_state_of("group-00000005/state", 0xff);
	store_directory_close(&directory);
}

/* A start that says so fails before the last group is there; the next one need not say it again. */
static void lost_data_are_lost_until_all_groups_are_there(void **state)
{
	struct store_extent segments;

	(void)state;
	assert_int_equal(open_as(CLUSTER, 1), QR_OK);
	assert_int_equal(store_directory_lose(&directory, path, &problem), QR_OK);
	assert_int_equal(store_directory_group(&directory, 5, &segments, &problem), QR_OK);
	expect_state_of("group-00000005/state", 0xff);
	store_directory_close(&directory);
	assert_int_equal(open_as(CLUSTER, 1), QR_OK);
	assert_int_equal(store_directory_group(&directory, 6, &segments, &problem), QR_OK);
	expect_state_of("group-00000006/state", 0xff);
	assert_int_equal(store_directory_found(&directory, &problem), QR_OK);
	store_directory_close(&directory);
	assert_int_equal(open_as(CLUSTER, 1), QR_OK);
	assert_int_equal(store_directory_group(&directory, 7, &segments, &problem), QR_OK);
	expect_state_of("group-00000007/state", 0);
	/* It holds logs: whoever says it now has started it without before. */
	assert_int_equal(store_directory_lose(&directory, path, &problem), QR_CONFIG);
	assert_non_null(strstr(problem.text, "empty the directory"));
	store_directory_close(&directory);
}

static void a_tool_looks_only_when_no_node_runs(void **state)
{
	struct store_identity identity;
	struct store_directory other;

	(void)state;
	assert_int_equal(store_directory_inspect(path, false, &other, &identity, &problem),
			 QR_NOT_FOUND);
	assert_int_equal(open_as(CLUSTER, 3), QR_OK);
	assert_int_equal(store_directory_inspect(path, false, &other, &identity, &problem),
			 QR_LOCKED);
	assert_non_null(strstr(problem.text, "running node"));
	store_directory_close(&directory);
	assert_int_equal(store_directory_inspect(path, false, &other, &identity, &problem), QR_OK);
	assert_true(identity.cluster == CLUSTER && identity.node == 3);
	assert_int_equal(open_as(CLUSTER, 3), QR_LOCKED);
	store_directory_close(&other);
}

static void a_path_that_is_no_directory_is_an_error(void **state)
{
	(void)state;
	make_file("file");
	assert_int_equal(
		store_directory_open(inside("file"), CLUSTER, 1, false, &directory, &problem),
		QR_IO);
	assert_true(problem.text[0] != '\0');
}

static void o_direct_is_used_or_refused_with_the_reason(void **state)
{
	enum qr_error error;

	(void)state;
	error = store_directory_open(path, CLUSTER, 1, true, &directory, &problem);
	if (error == QR_NO_DIRECT_IO) {
		assert_non_null(strstr(problem.text, "--direct-io=off"));
		print_message("# no O_DIRECT here\n");
		return;
	}
	assert_int_equal(error, QR_OK);
	assert_true(directory.direct);
	store_directory_close(&directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_directory_is_made_and_opened_again, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(missing_parents_are_made, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_second_user_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(another_cluster_or_node_is_refused, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_damaged_identity_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(logs_without_an_identity_are_refused, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_group_is_made_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_missing_segment_or_state_is_refused, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_state_that_was_lost_is_not_that_of_a_new_group,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(lost_data_are_lost_until_all_groups_are_there,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_tool_looks_only_when_no_node_runs, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_path_that_is_no_directory_is_an_error, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(o_direct_is_used_or_refused_with_the_reason, set_up,
						tear_down),
	};

	return cmocka_run_group_tests_name("storage/io/directory", tests, NULL, NULL);
}
