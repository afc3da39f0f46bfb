#include "tests/unit/storage/io/files.h"

#include "tests/unit/unit.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char base[PATH_MAX];
static char path[PATH_MAX + 16];
static struct store_problem problem;

static int set_up(void **state)
{
	(void)state;
	files_make(base);
	(void)snprintf(path, sizeof(path), "%s/deep/node", base);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	files_remove(base);
	return 0;
}

static enum qr_error open_as_a_node(void)
{
	struct store_directory directory;
	enum qr_error error =
		store_directory_open(path, FILES_CLUSTER, FILES_NODE, false, &directory, &problem);

	if (error == QR_OK)
		store_directory_close(&directory);
	return error;
}

static unsigned count_names(void)
{
	DIR *stream = opendir(path);
	unsigned count = 0;

	assert_non_null(stream);
	while (readdir(stream) != NULL) /* NOLINT(concurrency-mt-unsafe) */
		count++;
	(void)closedir(stream);
	return count - 2;
}

static void no_node_opens_one_that_is_not_sealed(void **state)
{
	const struct store_identity identity = {.cluster = FILES_CLUSTER, .node = FILES_NODE};
	struct store_directory directory;
	struct store_extent segments;

	(void)state;
	assert_int_equal(store_directory_create(path, &directory, &problem), QR_OK);
	assert_int_equal(open_as_a_node(), QR_LOCKED);
	store_directory_close(&directory); /* as if the process had died: not even a group */
	assert_int_equal(open_as_a_node(), QR_CORRUPT);
	files_remove(path);
	assert_int_equal(store_directory_create(path, &directory, &problem), QR_OK);
	assert_int_equal(store_directory_group(&directory, FILES_GROUP, &segments, &problem),
			 QR_OK);
	assert_int_equal(store_directory_seal(&directory, &identity, &problem), QR_OK);
	store_directory_close(&directory);
	assert_int_equal(open_as_a_node(), QR_OK);
}

static void only_an_empty_one_is_taken(void **state)
{
	struct store_directory directory;

	(void)state;
	assert_int_equal(open_as_a_node(), QR_OK); /* makes one */
	assert_int_equal(store_directory_create(path, &directory, &problem), QR_CONFIG);
	assert_non_null(strstr(problem.text, "not empty"));
	assert_int_equal(open_as_a_node(), QR_OK);
	files_remove(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(store_directory_create(path, &directory, &problem), QR_OK);
	store_directory_close(&directory);
}

static void what_is_discarded_leaves_an_empty_one(void **state)
{
	struct store_directory directory;
	struct store_extent segments;

	(void)state;
	assert_int_equal(store_directory_create(path, &directory, &problem), QR_OK);
	for (qr_group group = 1; group < 4; group++) {
		assert_int_equal(store_directory_group(&directory, group, &segments, &problem),
				 QR_OK);
	}
	store_directory_discard_group(&directory, 2);
	assert_int_equal(count_names(), 4); /* lock, the mark, two groups */
	store_directory_discard(&directory);
	store_directory_close(&directory);
	assert_int_equal(count_names(), 0);
	assert_int_equal(open_as_a_node(), QR_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(no_node_opens_one_that_is_not_sealed, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(only_an_empty_one_is_taken, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_discarded_leaves_an_empty_one, set_up,
						tear_down),
	};

	return cmocka_run_group_tests_name("storage/io/fresh", tests, NULL, NULL);
}
