/* quorate-log backup and restore over real directories. */
#include "tests/unit/storage/io/files.h"
#include "tests/unit/storage/tool/logs.h"

#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK_BYTES 4096

static char file[PATH_MAX + 16];

static int set_up(void **state)
{
	(void)logs_set_up(state);
	(void)snprintf(file, sizeof(file), "%s/backup", logs_base);
	return 0;
}

static void said(const char *text)
{
	if (strstr(logs_output, text) == NULL)
		fail_msg("'%s' does not contain '%s'", logs_output, text);
}

static void back_up(const char *text)
{
	if (LOGS_RUN("backup", logs_paths[0], "-o", file) != 0)
		fail_msg("%s", logs_output);
	said(text);
	assert_int_equal(LOGS_RUN("restore", "--check", file), 0);
	said("sound");
}

static void restore(unsigned number)
{
	if (LOGS_RUN("restore", file, logs_paths[number], "--node", "1") != 0)
		fail_msg("%s", logs_output);
}

static bool is_there(const char *path)
{
	return access(path, F_OK) == 0;
}

static off_t size_of(const char *path)
{
	struct stat status;

	assert_int_equal(stat(path, &status), 0);
	return status.st_size;
}

/** Nothing is accepted, and nothing is left. */
static void refused(const char *text)
{
	assert_int_equal(LOGS_RUN("restore", "--check", file), 1);
	said(text);
	assert_int_equal(LOGS_RUN("restore", file, logs_paths[1], "--node=1"), 1);
	said(text);
	assert_false(is_there(logs_paths[1]));
}

/** A start over the restored directory finds this many entries, and takes another one. */
static void opens_with(unsigned number, qr_index last)
{
	struct store_problem problem;
	struct files_log files;

	assert_int_equal(files_open(&files, logs_paths[number], &logs_parameters, &problem), QR_OK);
	assert_int_equal(files.recovered, QR_NOT_FOUND);
	assert_int_equal(store_log_last(files.log), last);
	while (files_append(&files, 5000, 9) != QR_OK)
		files_turn(&files);
	files_drain(&files);
	files_close(&files);
}

static void what_is_restored_is_the_same(void **state)
{
	(void)state;
	logs_make_settled(0, 150, 150, 150);
	back_up("entries 1 to 150, 150 records from offset 0 on");
	restore(1);
	assert_int_equal(LOGS_RUN("diff", logs_paths[0], logs_paths[1]), 0);
	said("identical up to entry 150");
	assert_int_equal(LOGS_RUN("verify", logs_paths[1]), 0);
	said("150 entries");
	said("settled up to 150: sound");
	opens_with(1, 150);
}

static void what_is_not_committed_is_left_out(void **state)
{
	(void)state;
	logs_make_settled(0, 100, 120, 150);
	back_up("entries 1 to 120");
	restore(1);
	assert_int_equal(LOGS_RUN("diff", logs_paths[0], logs_paths[1]), 0);
	said("identical up to entry 120");
	opens_with(1, 120);
}

static void a_log_of_which_nothing_is_committed_begins_as_a_new_one(void **state)
{
	(void)state;
	logs_make(0, 20, 20);
	back_up("group 3: nothing committed");
	restore(1);
	opens_with(1, 0);
}

static void a_log_without_its_beginning_comes_with_its_snapshots(void **state)
{
	(void)state;
	logs_make_trimmed(0, 200);
	back_up(" to 200");
	assert_null(strstr(logs_output, "entries 1 to"));
	restore(1);
	assert_int_equal(LOGS_RUN("verify", logs_paths[1]), 0);
	said("begins at entry ");
	said(" snapshots: sound");
	assert_int_equal(LOGS_RUN("diff", logs_paths[0], logs_paths[1]), 0);
	said("identical up to entry 200");
}

static void a_node_that_runs_is_backed_up(void **state)
{
	struct store_directory directory;
	struct store_problem problem;

	(void)state;
	logs_make_settled(0, 150, 150, 150);
	assert_int_equal(store_directory_open(logs_paths[0], FILES_CLUSTER, FILES_NODE, false,
					      &directory, &problem),
			 QR_OK);
	back_up("entries 1 to 150");
	/* Its end moves, but not below what is settled. */
	logs_flip(0, 1, 5000);
	assert_int_equal(LOGS_RUN("backup", logs_paths[0], "-o", file), 1);
	said("stored data is damaged");
	store_directory_close(&directory);
}

static void flip_backup(off_t at)
{
	int fd = open(file, O_RDWR | O_CLOEXEC);
	uint8_t byte;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	(void)close(fd);
}

static void a_damaged_backup_is_refused_and_leaves_nothing(void **state)
{
	(void)state;
	logs_make_trimmed(0, 120);
	back_up("group 3");
	for (off_t at = 0; at < size_of(file); at += size_of(file) / 37) {
		flip_backup(at);
		refused(at < 4 ? "no backup" : "damaged: use another backup");
		flip_backup(at);
	}
	flip_backup(size_of(file) - 1);
	refused("damaged: use another backup");
}

static void a_backup_that_ends_too_soon_is_refused(void **state)
{
	(void)state;
	logs_make_settled(0, 30, 30, 30);
	back_up("group 3");
	while (size_of(file) > 0) {
		off_t less = size_of(file) - 7 * BLOCK_BYTES / 2;

		assert_int_equal(truncate(file, less > 0 ? less : 0), 0);
		refused("it ends too soon");
	}
}

static void what_follows_a_backup_is_refused(void **state)
{
	int fd;

	(void)state;
	logs_make_settled(0, 30, 30, 30);
	back_up("group 3");
	fd = open(file, O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_int_equal(write(fd, "x", 1), 1);
	(void)close(fd);
	refused("something follows the end");
}

static void a_directory_that_is_in_use_is_not_restored_over(void **state)
{
	(void)state;
	logs_make_settled(0, 30, 30, 30);
	logs_make_settled(1, 10, 10, 10);
	back_up("group 3");
	assert_int_equal(LOGS_RUN("restore", file, logs_paths[1], "--node=1"), 1);
	said("is not empty");
	assert_int_equal(LOGS_RUN("verify", logs_paths[1]), 0);
	said("10 entries");
	assert_int_equal(mkdir(logs_paths[2], 0700), 0);
	restore(2); /* an empty one is as good as none */
	opens_with(2, 30);
}

static void damage_is_refused_unless_another_replica_has_it(void **state)
{
	(void)state;
	logs_make_settled(0, 300, 300, 300);
	logs_make_settled(1, 300, 300, 300);
	logs_flip(0, 1, 5000);
	assert_int_equal(LOGS_RUN("backup", logs_paths[0], "-o", file), 1);
	said("group 3: entry ");
	said("segment 1, byte ");
	assert_false(is_there(file));
	assert_int_equal(LOGS_RUN("backup", logs_paths[0], logs_paths[1], "-o", file), 0);
	said("is damaged: it and what follows come from");
	said("entries 1 to 300");
	restore(2);
	assert_int_equal(LOGS_RUN("diff", logs_paths[1], logs_paths[2]), 0);
	/* The second is damaged, too: it takes a third, which is whole. */
	logs_flip(1, 3, 9000);
	assert_int_equal(LOGS_RUN("backup", logs_paths[0], logs_paths[1], "-o", file), 1);
	said("group 3: entry ");
	said("stored data is damaged");
	assert_int_equal(LOGS_RUN("restore", "--check", file), 0); /* the old one is still there */
	assert_int_equal(
		LOGS_RUN("backup", logs_paths[0], logs_paths[1], logs_paths[2], "-o", file), 0);
	said("entries 1 to 300");
}

static void a_lost_snapshot_of_the_beginning_is_told(void **state)
{
	char name[PATH_MAX + 64];

	(void)state;
	logs_make_trimmed(0, 200);
	for (uint32_t n = 0; n < 16; n++) {
		(void)snprintf(name, sizeof(name), "%s/group-%08x/snapshot-%u", logs_paths[0],
			       FILES_GROUP, n);
		assert_int_equal(truncate(name, 0), 0);
	}
	assert_int_equal(LOGS_RUN("backup", logs_paths[0], "-o", file), 1);
	said("no sound snapshot");
	assert_false(is_there(file));
}

/** The chain is another one, everything else is not. */
static void it_can_become_another_clusters(void **state)
{
	struct store_directory directory;
	struct store_identity identity;
	struct store_problem problem;

	(void)state;
	logs_make_trimmed(0, 200);
	back_up(" to 200");
	assert_int_equal(LOGS_RUN("restore", file, logs_paths[1], "--node=2", "--cluster=another"),
			 0);
	assert_int_equal(LOGS_RUN("verify", logs_paths[1]), 0);
	said(" snapshots: sound");
	assert_int_equal(
		store_directory_inspect(logs_paths[1], false, &directory, &identity, &problem),
		QR_OK);
	store_directory_close(&directory);
	assert_int_equal(identity.node, 2);
	assert_true(identity.cluster != FILES_CLUSTER && identity.cluster != 0);
	/* It is what a backup of that cluster can be made of. */
	assert_int_equal(LOGS_RUN("backup", logs_paths[1], "-o", file), 0);
	said(" to 200");
	assert_int_equal(LOGS_RUN("restore", "--check", file), 0);
}

static void groups_and_nodes_are_chosen(void **state)
{
	(void)state;
	logs_make_settled(0, 30, 30, 30);
	assert_int_equal(LOGS_RUN("backup", logs_paths[0], "-o", file, "--group=9"), 1);
	said("no such group");
	back_up("group 3");
	assert_int_equal(LOGS_RUN("restore", file, logs_paths[1], "--node=1", "--group=9"), 1);
	said("has no group 9");
	assert_int_equal(LOGS_RUN("restore", file, logs_paths[1], "--node=7"), 1);
	said("node 7 has no replica of it");
	assert_false(is_there(logs_paths[1]));
	assert_int_equal(LOGS_RUN("restore", file, logs_paths[1], "--node=3", "--group=3"), 0);
}

static void wrong_usage_is_told(void **state)
{
	(void)state;
	logs_make_settled(0, 3, 3, 3);
	back_up("group 3");
	assert_int_equal(LOGS_RUN("restore", file, logs_paths[1]), 2);
	said("--node");
	assert_int_equal(LOGS_RUN("restore", file, "--node=1"), 2);
	assert_int_equal(LOGS_RUN("restore", file, logs_paths[1], "--node=64"), 2);
	assert_int_equal(LOGS_RUN("restore", "/no/such", logs_paths[1], "--node=1"), 1);
	assert_int_equal(LOGS_RUN("backup", "/no/such", "-o", file), 1);
	assert_int_equal(LOGS_RUN("backup", logs_paths[0], "-o", "/no/such/file"), 1);
	assert_int_equal(LOGS_RUN("backup", logs_paths[0], "-o", "/dev/full/x"), 1);
	assert_int_equal(LOGS_RUN("restore", "--check", logs_paths[0]), 1);
	assert_false(is_there(logs_paths[1]));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, logs_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_restored_is_the_same),
		TEST(what_is_not_committed_is_left_out),
		TEST(a_log_of_which_nothing_is_committed_begins_as_a_new_one),
		TEST(a_log_without_its_beginning_comes_with_its_snapshots),
		TEST(a_node_that_runs_is_backed_up),
		TEST(a_damaged_backup_is_refused_and_leaves_nothing),
		TEST(a_backup_that_ends_too_soon_is_refused),
		TEST(what_follows_a_backup_is_refused),
		TEST(a_directory_that_is_in_use_is_not_restored_over),
		TEST(damage_is_refused_unless_another_replica_has_it),
		TEST(a_lost_snapshot_of_the_beginning_is_told),
		TEST(it_can_become_another_clusters),
		TEST(groups_and_nodes_are_chosen),
		TEST(wrong_usage_is_told),
	};

	return cmocka_run_group_tests_name("storage/tool/backup", tests, NULL, NULL);
}
