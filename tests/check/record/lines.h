/*
 * The history as it is written: a line for each call and each answer, by many clients. A time is
 * taken in front of a call and behind an answer, by whoever makes it; lines of different clients
 * may therefore stand a little out of order, which quorate-check sorts out by these times.
 *
 * Threads: any, but one per process of the history.
 */
#ifndef RECORD_LINES_H
#define RECORD_LINES_H

#include "consensus/base/types.h"

#include <pthread.h>
#include <stdio.h>

struct record_lines {
	FILE *out;
	pthread_mutex_t mutex;
	bool broken; /* it cannot be written */
};

qr_ns record_now(void);

/** A text that grows, for a value. */
struct record_text {
	char *data;
	size_t size_bytes;
	size_t capacity;
};

void record_text_fini(struct record_text *text);
void record_text_clear(struct record_text *text);
void record_text_put(struct record_text *text, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/** Bytes as a JSON string; those beyond ASCII as the characters of these numbers. */
void record_text_put_bytes(struct record_text *text, const void *data, size_t size_bytes);

struct record_line {
	unsigned process;
	const char *type;
	const char *f;
	qr_ns time;
};

/** @param value  JSON; NULL: null. */
void record_lines_write(struct record_lines *lines, const struct record_line *line,
			const struct record_text *value);

#endif
