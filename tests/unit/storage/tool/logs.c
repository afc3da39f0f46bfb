/* Real directories with logs, and the tool over them. */
#include "tests/unit/storage/tool/logs.h"

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

extern char **environ;

char logs_base[PATH_MAX];
char logs_paths[LOGS_DIRECTORIES][PATH_MAX + 8];
char logs_output[LOGS_OUTPUT_BYTES];

int logs_set_up(void **state)
{
	(void)state;
	files_make(logs_base);
	for (unsigned i = 0; i < LOGS_DIRECTORIES; i++)
		(void)snprintf(logs_paths[i], sizeof(logs_paths[i]), "%s/n%u", logs_base, i + 1);
	return 0;
}

int logs_tear_down(void **state)
{
	(void)state;
	files_remove(logs_base);
	return 0;
}

int logs_run(const char *command, const char *const arguments[])
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
	while ((got = read(ends[0], logs_output + size, sizeof(logs_output) - 1 - size)) > 0)
		size += (size_t)got;
	logs_output[size] = '\0';
	(void)close(ends[0]);
	(void)posix_spawn_file_actions_destroy(&actions);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

const struct store_log_parameters logs_parameters = {
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

void logs_make(unsigned number, qr_index common, qr_index count)
{
	struct store_problem problem;
	struct files_log files;

	assert_int_equal(files_open(&files, logs_paths[number], &logs_parameters, &problem), QR_OK);
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

/** Entries up to `count`, whose headers call those up to `committed` so. */
static void append_upto(struct files_log *files, qr_index committed, qr_index count)
{
	while (store_log_last(files->log) < count) {
		qr_index last = store_log_last(files->log);

		if (files_append_saying(files, 3000 + ((uint32_t)last + 1) * 100, 1,
					last < committed ? last : committed) != QR_OK)
			files_turn(files);
		store_release(files->log, store_log_durable(files->log).index);
	}
	files_drain(files);
}

void logs_make_settled(unsigned number, qr_index settled, qr_index committed, qr_index count)
{
	struct store_problem problem;
	struct files_log files;

	assert_int_equal(files_open(&files, logs_paths[number], &logs_parameters, &problem), QR_OK);
	append_upto(&files, 0, settled);
	store_release(files.log, settled);
	store_log_retry(files.log);
	files_drain(&files);
	append_upto(&files, committed, count);
	files_close(&files);
}

/* ---- a log that has given up what lies in front ---- */

#define BUFFER_BYTES (64u << 10)

static uint8_t buffer_bytes[BUFFER_BYTES] __attribute__((aligned(4096)));
static const struct store_snapshot_buffer buffer = {buffer_bytes, sizeof(buffer_bytes)};

/** A snapshot of the state after `index`, if it is time for one; its time is the index. */
static void take_snapshot(struct store_log *log, qr_index index)
{
	if (!store_snapshot_is_due(log, index))
		return;
	memset(buffer.data + STORE_SNAPSHOT_STATE_AT, (int)index & 255, LOGS_STATE_BYTES);
	store_snapshot_take(log, index, index, buffer, LOGS_STATE_BYTES);
}

static void retain(struct store_log *log, const struct store_retention *retention)
{
	struct store_start start;

	if (store_trim_wanted(log, retention, &start))
		assert_true(store_trim(log, &start));
	store_log_retry(log);
}

void logs_make_trimmed(unsigned number, qr_index count)
{
	static const struct store_retention retention = {.keep_blocks = 256};
	struct store_log_parameters wanted = logs_parameters;
	struct store_problem problem;
	struct files_log files;
	qr_index seen = 0;

	wanted.snapshot_blocks = 64;
	assert_int_equal(files_open(&files, logs_paths[number], &wanted, &problem), QR_OK);
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

int logs_open_snapshot(unsigned number, uint32_t file)
{
	char name[PATH_MAX + 64];
	int fd;

	(void)snprintf(name, sizeof(name), "%s/group-%08x/snapshot-%u", logs_paths[number],
		       FILES_GROUP, file);
	fd = open(name, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

uint32_t logs_snapshot_file(unsigned number, unsigned newer)
{
	uint8_t block[STORE_SNAPSHOT_HEADER_BYTES];
	uint64_t serials[STORE_SNAPSHOTS] = {0};

	for (uint32_t n = 0; n < STORE_SNAPSHOTS; n++) {
		struct store_snapshot header;
		int fd = logs_open_snapshot(number, n);

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

void logs_flip_snapshot(unsigned number, uint32_t file, off_t at)
{
	int fd = logs_open_snapshot(number, file);
	uint8_t byte;

	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 8;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	(void)close(fd);
}

void logs_flip(unsigned number, unsigned segment, off_t at)
{
	char name[PATH_MAX + 64];
	uint8_t byte;
	int fd;

	(void)snprintf(name, sizeof(name), "%s/group-%08x/%016x.seg", logs_paths[number],
		       FILES_GROUP, segment);
	fd = open(name, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 8;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	(void)close(fd);
}
