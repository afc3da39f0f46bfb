/*
 * A file is written under a temporary name, synced, renamed, and its folder is synced: a crash
 * leaves the file that was there before, and FILE.tmp. Standard output is somebody else's: what it
 * becomes is checked when it is read.
 *
 * A file is written past the page cache where that can be, a piece at a time: what the kernel
 * writes back by itself it writes in such amounts that reading from the same disk hardly gets a
 * turn.
 */
#include "storage/tool/output.h"

#include "consensus/base/crc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BUFFER_BYTES ((size_t)1 << 20)
#define MEMORY_BYTES (TOOL_OUTPUT_BUFFERS * BUFFER_BYTES) /* a huge page, where there are some */
#define FILE_MODE 0640
#define TEMPORARY_SUFFIX ".tmp"

static enum qr_error told(struct store_problem *problem, const char *name, int number)
{
	(void)snprintf(problem->text, sizeof(problem->text), "%.180s: %s", name,
		       strerrordesc_np(number));
	if (number == EPIPE) {
		(void)snprintf(problem->text, sizeof(problem->text),
			       "%.180s was closed: the backup is not whole", name);
	}
	return number == ENOSPC || number == EDQUOT ? QR_NO_SPACE : QR_IO;
}

static const char *name_of(const struct tool_output *output)
{
	return output->path != NULL ? output->path : "standard output";
}

/** @return 0 or errno. */
static int open_temporary(struct tool_output *output, const char *path)
{
	int length =
		snprintf(output->temporary, sizeof(output->temporary), "%s" TEMPORARY_SUFFIX, path);

	if (length < 0 || (size_t)length >= sizeof(output->temporary))
		return ENAMETOOLONG;
	output->fd = open(output->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_DIRECT | O_CLOEXEC,
			  FILE_MODE);
	if (output->fd < 0 && errno == EINVAL) {
		output->fd = open(output->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
				  FILE_MODE);
	}
	return output->fd < 0 ? errno : 0;
}

/** @return 0 or errno. */
static int write_out(int fd, const uint8_t *data, size_t size_bytes)
{
	while (size_bytes > 0) {
		ssize_t written = write(fd, data, size_bytes);

		if (written < 0 && errno != EINTR)
			return errno;
		if (written > 0) {
			data += written;
			size_bytes -= (size_t)written;
		}
	}
	return 0;
}

static void *run(void *argument)
{
	struct tool_output *output = argument;

	(void)pthread_mutex_lock(&output->lock);
	for (;;) {
		const uint8_t *data;
		int failed = output->failed;

		if (output->pending_bytes == 0 && output->stops)
			break;
		if (output->pending_bytes == 0) {
			(void)pthread_cond_wait(&output->changed, &output->lock);
			continue;
		}
		data = output->buffers[1 - output->filling];
		(void)pthread_mutex_unlock(&output->lock);
		if (failed == 0)
			failed = write_out(output->fd, data, output->pending_bytes);
		(void)pthread_mutex_lock(&output->lock);
		output->failed = failed;
		output->pending_bytes = 0;
		(void)pthread_cond_signal(&output->changed);
	}
	(void)pthread_mutex_unlock(&output->lock);
	return NULL;
}

/** @return 0 or errno. */
static int start_thread(struct tool_output *output)
{
	output->memory = aligned_alloc(MEMORY_BYTES, MEMORY_BYTES);
	if (output->memory == NULL)
		return ENOMEM;
	(void)madvise(output->memory, MEMORY_BYTES, MADV_HUGEPAGE); /* else writes are of 4 KiB */
	for (size_t i = 0; i < TOOL_OUTPUT_BUFFERS; i++)
		output->buffers[i] = output->memory + i * BUFFER_BYTES;
	(void)pthread_mutex_init(&output->lock, NULL);
	(void)pthread_cond_init(&output->changed, NULL);
	return pthread_create(&output->thread, NULL, run, output);
}

enum qr_error tool_output_open(struct tool_output *ret_output, const char *path,
			       struct store_problem *ret_problem)
{
	struct tool_output *output = ret_output;
	int failed = 0;

	*output = (struct tool_output){.fd = STDOUT_FILENO, .path = path};
	if (path == NULL && isatty(STDOUT_FILENO)) {
		(void)snprintf(ret_problem->text, sizeof(ret_problem->text),
			       "a backup is no text: send it to a file with -o FILE or > FILE");
		return QR_CONFIG;
	}
	if (path != NULL)
		failed = open_temporary(output, path);
	if (failed != 0)
		return told(ret_problem, path, failed);
	failed = start_thread(output);
	if (failed == 0)
		return QR_OK;
	free(output->memory);
	if (path != NULL) {
		(void)close(output->fd);
		(void)unlink(output->temporary);
	}
	return told(ret_problem, name_of(output), failed);
}

/** The other buffer has been written. */
static void wait_written(struct tool_output *output)
{
	while (output->pending_bytes != 0)
		(void)pthread_cond_wait(&output->changed, &output->lock);
}

/** What was filled is the thread's to write. */
static void flush_buffer(struct tool_output *output)
{
	(void)pthread_mutex_lock(&output->lock);
	wait_written(output);
	output->filling = 1 - output->filling;
	output->pending_bytes = output->used_bytes;
	(void)pthread_cond_signal(&output->changed);
	(void)pthread_mutex_unlock(&output->lock);
	output->used_bytes = 0;
}

bool tool_output_has_failed(struct tool_output *output)
{
	bool failed;

	(void)pthread_mutex_lock(&output->lock);
	failed = output->failed != 0;
	(void)pthread_mutex_unlock(&output->lock);
	return failed;
}

/** All of it has been written, or failed to. */
static void stop_thread(struct tool_output *output)
{
	flush_buffer(output);
	(void)pthread_mutex_lock(&output->lock);
	wait_written(output);
	output->stops = true;
	(void)pthread_cond_signal(&output->changed);
	(void)pthread_mutex_unlock(&output->lock);
	(void)pthread_join(output->thread, NULL);
	(void)pthread_cond_destroy(&output->changed);
	(void)pthread_mutex_destroy(&output->lock);
	free(output->memory);
}

void tool_output_write(struct tool_output *output, struct qr_span bytes)
{
	const uint8_t *data = bytes.data;
	size_t left_bytes = bytes.size_bytes;

	output->crc = qr_crc32c(output->crc, bytes.data, bytes.size_bytes);
	output->size_bytes += bytes.size_bytes;
	while (left_bytes > 0) {
		size_t room_bytes = BUFFER_BYTES - output->used_bytes;
		size_t piece_bytes = left_bytes < room_bytes ? left_bytes : room_bytes;

		memcpy(output->buffers[output->filling] + output->used_bytes, data, piece_bytes);
		output->used_bytes += piece_bytes;
		data += piece_bytes;
		left_bytes -= piece_bytes;
		if (output->used_bytes == BUFFER_BYTES)
			flush_buffer(output);
	}
}

/** The file's name is durable. @return 0 or errno. */
static int sync_folder(const char *path)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(path, '/');
	int failed = 0;
	int fd;

	(void)snprintf(folder, sizeof(folder), "%.*s", slash != NULL ? (int)(slash - path + 1) : 1,
		       slash != NULL ? path : ".");
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	if (fsync(fd) != 0)
		failed = errno;
	(void)close(fd);
	return failed;
}

enum qr_error tool_output_close(struct tool_output *output, bool whole,
				struct store_problem *ret_problem)
{
	int failed;

	stop_thread(output);
	failed = output->failed;
	if (output->path != NULL) {
		if (whole && failed == 0 && fsync(output->fd) != 0)
			failed = errno;
		if (close(output->fd) != 0 && failed == 0)
			failed = errno;
		if (whole && failed == 0 && rename(output->temporary, output->path) != 0)
			failed = errno;
		if (!whole || failed != 0)
			(void)unlink(output->temporary);
		if (whole && failed == 0)
			failed = sync_folder(output->path);
	}
	return failed == 0 ? QR_OK : told(ret_problem, name_of(output), failed);
}
