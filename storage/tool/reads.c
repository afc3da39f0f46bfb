/*
 * A thread that reads strides of segments, in the order in which they were asked for, so that the
 * disk works while what was read is verified, and written elsewhere.
 *
 * It reads past the page cache where that can be, since a node that runs writes past it, too, and
 * in pieces of which one is under way at a time: what appends beside it hardly feel
 * (docs/DECISIONS.md, 16).
 *
 * Threads: queue and results are under the lock. The file, and the memory of an op between its
 * submission and its completion, are the thread's alone.
 */
#include "storage/tool/reads.h"

#include "consensus/base/assert.h"
#include "storage/io/io.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define OPS_MAX 8 /* a power of two: positions wrap */
#define PIECE_BYTES (256u << 10)

struct tool_reads {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	int folder;
	bool stops;
	/* Positions that only grow: reaped <= done <= submitted. */
	uint32_t submitted;
	uint32_t done;
	uint32_t reaped;
	struct store_op ops[OPS_MAX];
	enum qr_error results[OPS_MAX];

	/* The thread's own. */
	int segment_fd;
	uint64_t segment_open; /* the number of what segment_fd is */
};

enum qr_error tool_read_at(int fd, const struct store_op *op)
{
	uint32_t done = 0;

	while (done < op->size_bytes) {
		uint32_t left = op->size_bytes - done;
		ssize_t size = pread(fd, op->data + done, left < PIECE_BYTES ? left : PIECE_BYTES,
				     (off_t)(op->offset_bytes + done));

		if (size < 0)
			return QR_IO;
		if (size == 0)
			return QR_NOT_FOUND;
		done += (uint32_t)size;
	}
	return QR_OK;
}

static int open_segment(int folder, uint64_t segment)
{
	char name[STORE_NAME_BYTES];
	int fd;

	store_segment_name(name, segment);
	fd = openat(folder, name, O_RDONLY | O_DIRECT | O_CLOEXEC);
	return fd < 0 && errno == EINVAL ? openat(folder, name, O_RDONLY | O_CLOEXEC) : fd;
}

static enum qr_error read_segment(struct tool_reads *reads, const struct store_op *op)
{
	if (reads->segment_fd < 0 || reads->segment_open != op->segment) {
		if (reads->segment_fd >= 0)
			(void)close(reads->segment_fd);
		reads->segment_fd = open_segment(reads->folder, op->segment);
		reads->segment_open = op->segment;
		if (reads->segment_fd < 0)
			return errno == ENOENT ? QR_NOT_FOUND : QR_IO;
	}
	return tool_read_at(reads->segment_fd, op);
}

static void *run(void *argument)
{
	struct tool_reads *reads = argument;

	(void)pthread_mutex_lock(&reads->lock);
	while (!reads->stops) {
		struct store_op op;
		enum qr_error result;

		if (reads->done == reads->submitted) {
			(void)pthread_cond_wait(&reads->changed, &reads->lock);
			continue;
		}
		op = reads->ops[reads->done % OPS_MAX];
		(void)pthread_mutex_unlock(&reads->lock);
		result = read_segment(reads, &op);
		(void)pthread_mutex_lock(&reads->lock);
		reads->results[reads->done % OPS_MAX] = result;
		reads->done++;
		(void)pthread_cond_signal(&reads->changed);
	}
	(void)pthread_mutex_unlock(&reads->lock);
	return NULL;
}

struct tool_reads *tool_reads_create(int folder)
{
	struct tool_reads *reads = calloc(1, sizeof(*reads));

	if (reads == NULL)
		return NULL;
	reads->folder = folder;
	reads->segment_fd = -1;
	(void)pthread_mutex_init(&reads->lock, NULL);
	(void)pthread_cond_init(&reads->changed, NULL);
	if (pthread_create(&reads->thread, NULL, run, reads) == 0)
		return reads;
	free(reads);
	return NULL;
}

void tool_reads_destroy(struct tool_reads *reads)
{
	if (reads == NULL)
		return;
	(void)pthread_mutex_lock(&reads->lock);
	reads->stops = true;
	(void)pthread_cond_signal(&reads->changed);
	(void)pthread_mutex_unlock(&reads->lock);
	(void)pthread_join(reads->thread, NULL);
	if (reads->segment_fd >= 0)
		(void)close(reads->segment_fd);
	(void)pthread_cond_destroy(&reads->changed);
	(void)pthread_mutex_destroy(&reads->lock);
	free(reads);
}

void tool_reads_submit(struct tool_reads *reads, const struct store_op *op)
{
	(void)pthread_mutex_lock(&reads->lock);
	QR_ASSERT(reads->submitted - reads->reaped < OPS_MAX);
	reads->ops[reads->submitted % OPS_MAX] = *op;
	reads->submitted++;
	(void)pthread_cond_signal(&reads->changed);
	(void)pthread_mutex_unlock(&reads->lock);
}

bool tool_reads_reap(struct tool_reads *reads, bool waits, struct store_completion *ret_completion)
{
	bool found;

	(void)pthread_mutex_lock(&reads->lock);
	while (waits && reads->reaped == reads->done && reads->done != reads->submitted)
		(void)pthread_cond_wait(&reads->changed, &reads->lock);
	found = reads->reaped != reads->done;
	if (found) {
		const struct store_op *op = &reads->ops[reads->reaped % OPS_MAX];

		*ret_completion = (struct store_completion){
			.kind = op->kind,
			.group = op->group,
			.tag = op->tag,
			.result = reads->results[reads->reaped % OPS_MAX],
		};
		reads->reaped++;
	}
	(void)pthread_mutex_unlock(&reads->lock);
	return found;
}
