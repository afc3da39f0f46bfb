/* The engine over real files: prepare, write, restart, read back; a disk that is full. */
#include "tests/unit/storage/io/files.h"

#include "storage/engine/reader.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static char path[PATH_MAX];
static struct files_log files;
static struct store_problem problem;

static struct store_log_parameters parameters(void)
{
	return (struct store_log_parameters){
		.cluster = FILES_CLUSTER,
		.node = FILES_NODE,
		.group = FILES_GROUP,
		.geometry = {.segment_blocks = 256, .stride_blocks = 64},
		.configuration = {.voters = 0xe},
		.window_blocks = 512,
		.write_depth = 8,
		.write_max_blocks = 32,
		.segments_ahead = 1,
		.checkpoints_max = 64,
	};
}

static int set_up(void **state)
{
	(void)state;
	files_make(path);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	(void)umount2(path, MNT_DETACH); /* the ring's files are let go in the background */
	files_remove(path);
	return 0;
}

static void open_log(void)
{
	const struct store_log_parameters wanted = parameters();
	enum qr_error error = files_open(&files, path, &wanted, &problem);

	if (error != QR_OK)
		print_error("%s\n", problem.text);
	assert_int_equal(error, QR_OK);
	assert_int_equal(files.recovered, QR_NOT_FOUND);
	while (store_log_ready_segments(files.log) < 1)
		files_turn(&files);
}

static uint32_t size_of(qr_index index)
{
	return 1000 + (uint32_t)(index * 7919 % 60000);
}

/** Entry after entry, as fast as the window gives room. */
static void append_up_to(qr_index last)
{
	while (store_log_last(files.log) < last) {
		qr_index next = store_log_last(files.log) + 1;

		if (files_append(&files, size_of(next), (uint8_t)next) != QR_OK)
			files_turn(&files);
		store_release(files.log, store_log_durable(files.log).index);
	}
	files_drain(&files);
	assert_int_equal(store_log_durable(files.log).index, last);
}

static void read_all(qr_index last)
{
	store_reader_start_index(files.reader, files.log, 1, 77);
	for (qr_index index = 1; index <= last; index++) {
		struct store_location location;
		struct qr_span bytes;
		enum qr_error error;

		while ((error = store_reader_next(files.reader, &location, &bytes)) == QR_AGAIN) {
			struct store_op op;

			if (store_reader_poll(files.reader, &op) > 0)
				assert_int_equal(store_io_submit(files.io, &op, 1), 1);
			files_turn(&files);
		}
		assert_int_equal(error, QR_OK);
		assert_int_equal(location.index, index);
		assert_int_equal(bytes.size_bytes, size_of(index) + STORE_ENTRY_HEADER_BYTES);
		assert_int_equal(bytes.data[bytes.size_bytes - 1], (uint8_t)index);
	}
	store_reader_stop(files.reader);
	files_drain(&files);
}

static void written_entries_are_there_after_a_restart(void **state)
{
	(void)state;
	open_log();
	append_up_to(200);
	files_close(&files);

	open_log();
	assert_int_equal(store_log_last(files.log), 200);
	read_all(200);
	append_up_to(300);
	files_close(&files);

	open_log();
	assert_int_equal(store_log_last(files.log), 300);
	read_all(300);
	files_close(&files);
}

static void hard_state_is_there_after_a_restart(void **state)
{
	struct raft_hard_state hard = {.term = 9, .vote = 2, .generation = 4};

	(void)state;
	open_log();
	store_save_state(files.log, &hard);
	while (store_log_state_durable(files.log) < 4)
		files_turn(&files);
	files_close(&files);
	open_log();
	assert_int_equal(store_log_slot(files.log)->state.term, 9);
	assert_int_equal(store_log_slot(files.log)->state.vote, 2);
	assert_int_equal(store_log_slot(files.log)->state.generation, 4);
	files_close(&files);
}

static void a_reader_goes_through_more_segments_than_stay_open(void **state)
{
	(void)state;
	open_log();
	append_up_to(2500); /* about 90 segments of 1 MiB; 65 stay open */
	read_all(2500);
	files_close(&files);
}

static void a_missing_range_is_said_to_be_missing(void **state)
{
	static _Alignas(QR_BLOCK_BYTES) uint8_t block[QR_BLOCK_BYTES];
	struct store_op op = {.kind = STORE_OP_READ,
			      .group = FILES_GROUP,
			      .segment = 4711,
			      .data = block,
			      .size_bytes = sizeof(block),
			      .blocks = 1,
			      .tag = 5};
	struct store_completion completion;

	(void)state;
	open_log();
	files_drain(&files);
	assert_int_equal(store_io_submit(files.io, &op, 1), 1);
	while (store_io_reap(files.io, &completion, 1) == 0)
		(void)usleep(0);
	assert_int_equal(completion.result, QR_NOT_FOUND);
	assert_int_equal(completion.tag, 5);

	op.segment = 0;
	op.offset_bytes = 1u << 30;
	assert_int_equal(store_io_submit(files.io, &op, 1), 1);
	while (store_io_reap(files.io, &completion, 1) == 0)
		(void)usleep(0);
	assert_int_equal(completion.result, QR_NOT_FOUND);
	files_close(&files);
}

static void segments_are_written_not_merely_allocated(void **state)
{
	char name[PATH_MAX + 64];
	struct stat status;

	(void)state;
	open_log();
	(void)snprintf(name, sizeof(name), "%s/group-%08x/%016x.seg", path, FILES_GROUP, 0);
	assert_int_equal(stat(name, &status), 0);
	assert_int_equal(status.st_size, 256 * QR_BLOCK_BYTES);
	assert_true(status.st_blocks * 512 >= status.st_size);
	files_close(&files);
}

static void write_snapshot(uint32_t number, uint8_t *block)
{
	struct store_completion done;
	const struct store_op op = {
		.kind = STORE_OP_WRITE_SNAPSHOT,
		.group = FILES_GROUP,
		.segment = number,
		.data = block,
		.size_bytes = QR_BLOCK_BYTES,
		.blocks = 1,
	};

	memset(block, (int)number + 1, QR_BLOCK_BYTES);
	assert_int_equal(store_io_submit(files.io, &op, 1), 1);
	while (store_io_reap(files.io, &done, 1) == 0)
		continue;
	assert_int_equal(done.result, QR_OK);
}

/** None of them is taken for another, or for a segment. */
static void every_snapshot_has_a_file_of_its_own(void **state)
{
	static _Alignas(4096) uint8_t block[QR_BLOCK_BYTES];

	(void)state;
	open_log();
	append_up_to(100);
	for (uint32_t n = 0; n < STORE_SNAPSHOTS; n++)
		write_snapshot(n, block);
	for (uint32_t n = 0; n < STORE_SNAPSHOTS; n++) {
		char name[PATH_MAX + 64];
		int fd;

		(void)snprintf(name, sizeof(name), "%s/group-%08x/snapshot-%u", path, FILES_GROUP,
			       n);
		fd = open(name, O_RDONLY | O_CLOEXEC);
		assert_true(fd >= 0);
		assert_int_equal(read(fd, block, sizeof(block)), sizeof(block));
		assert_int_equal(block[0], n + 1);
		(void)close(fd);
	}
	read_all(100);
	files_close(&files);
}

static void a_full_disk_refuses_appends_and_resumes(void **state)
{
	char filler[PATH_MAX + 16];
	int fd;

	(void)state;
	if (mount("none", path, "tmpfs", 0, "size=6m") != 0) {
		print_message("# no full disk here: mounting a small tmpfs: %s\n",
			      strerrordesc_np(errno));
		return;
	}
	(void)snprintf(filler, sizeof(filler), "%s/filler", path);
	fd = open(filler, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	assert_int_equal(posix_fallocate(fd, 0, 2 << 20), 0);
	open_log();
	for (unsigned i = 0; i < 100000 && store_log_condition(files.log) == QR_OK; i++) {
		(void)files_append(&files, 60000, 1);
		files_drain(&files);
		store_release(files.log, store_log_durable(files.log).index);
	}
	assert_int_equal(store_log_condition(files.log), QR_NO_SPACE);
	assert_int_equal(files_append(&files, 10, 1), QR_NO_SPACE);
	files_drain(&files);
	assert_int_equal(store_log_durable(files.log).index, store_log_last(files.log));

	assert_int_equal(ftruncate(fd, 0), 0);
	(void)close(fd);
	store_log_retry(files.log);
	while (store_log_condition(files.log) == QR_NO_SPACE)
		files_turn(&files);
	assert_int_equal(files_append(&files, 10, 1), QR_OK);
	files_drain(&files);
	assert_int_equal(store_log_durable(files.log).index, store_log_last(files.log));
	files_close(&files);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(written_entries_are_there_after_a_restart, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(hard_state_is_there_after_a_restart, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_reader_goes_through_more_segments_than_stay_open,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_missing_range_is_said_to_be_missing, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(segments_are_written_not_merely_allocated, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(every_snapshot_has_a_file_of_its_own, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_full_disk_refuses_appends_and_resumes, set_up,
						tear_down),
	};

	return cmocka_run_group_tests_name("storage/io/ring", tests, NULL, NULL);
}
