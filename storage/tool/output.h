/* Where a backup goes: a file that is there whole or not at all, or standard output. */
#ifndef QR_STORE_TOOL_OUTPUT_H
#define QR_STORE_TOOL_OUTPUT_H

#include "consensus/base/codec.h"
#include "consensus/base/error.h"
#include "storage/io/io.h"

#include <limits.h>
#include <pthread.h>

#define TOOL_OUTPUT_BUFFERS 2

/*
 * Threads: the caller fills one buffer while a thread writes the other one. What the thread is to
 * write, and what came of it, is under the lock.
 */
struct tool_output {
	int fd;
	const char *path; /* NULL: standard output */
	char temporary[PATH_MAX];
	uint8_t *memory;
	uint8_t *buffers[TOOL_OUTPUT_BUFFERS]; /* whole blocks */
	uint32_t filling;		       /* which of them */
	size_t used_bytes;		       /* of it */
	uint64_t size_bytes;		       /* of all that was given */
	uint32_t crc;			       /* CRC32C of that */

	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	size_t pending_bytes; /* of the other buffer, to be written */
	bool stops;
	int failed; /* errno of the first write that failed; 0 */
};

/** Errors: QR_CONFIG, QR_NO_SPACE, QR_IO, with the cause and the next step. */
QR_MUST_USE enum qr_error tool_output_open(struct tool_output *ret_output, const char *path,
					   struct store_problem *ret_problem);
/** Whether a write has failed: then nothing more is written, and tool_output_close tells it. */
bool tool_output_has_failed(struct tool_output *output);
void tool_output_write(struct tool_output *output, struct qr_span bytes);
/**
 * @param whole  everything was written: a file gets its name. Else it is removed.
 * Durability: a file is on stable media when this returns QR_OK.
 */
QR_MUST_USE enum qr_error tool_output_close(struct tool_output *output, bool whole,
					    struct store_problem *ret_problem);

#endif
