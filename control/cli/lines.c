/*
 * The record splitter. Owns one buffer of the record limit and a read's worth more; every byte is
 * searched once: `scanned` remembers how far the search came.
 *
 * Invariant: start <= scanned <= end <= buffer_bytes. A record within the limit always fits, so a
 * buffer without room and without a delimiter holds a record that is too large.
 */
#include "control/cli/lines.h"
#include "control/cli/heap.h"

#include "consensus/base/assert.h"

#include <stdlib.h>
#include <string.h>

#define READ_BYTES (256u << 10)

void ctl_lines_init(struct ctl_lines *lines, size_t record_max_bytes, uint8_t delimiter, bool keep)
{
	*lines = (struct ctl_lines){
		.buffer_bytes = record_max_bytes + 1 + READ_BYTES,
		.record_max_bytes = record_max_bytes,
		.delimiter = delimiter,
		.keep = keep,
	};
	lines->buffer = ctl_heap_take(lines->buffer_bytes, 1);
}

void ctl_lines_fini(struct ctl_lines *lines)
{
	free(lines->buffer);
	lines->buffer = NULL;
}

uint8_t *ctl_lines_room(struct ctl_lines *lines, size_t *ret_bytes)
{
	if (lines->start == lines->end) {
		lines->start = lines->scanned = lines->end = 0;
	} else if (lines->buffer_bytes - lines->end < READ_BYTES) {
		memmove(lines->buffer, lines->buffer + lines->start, lines->end - lines->start);
		lines->scanned -= lines->start;
		lines->end -= lines->start;
		lines->start = 0;
	}
	QR_ASSERT(lines->end < lines->buffer_bytes);
	*ret_bytes = lines->buffer_bytes - lines->end;
	return lines->buffer + lines->end;
}

void ctl_lines_fill(struct ctl_lines *lines, size_t bytes)
{
	QR_ASSERT(!lines->finished);
	QR_ASSERT(bytes <= lines->buffer_bytes - lines->end);
	lines->end += bytes;
}

void ctl_lines_finish(struct ctl_lines *lines)
{
	lines->finished = true;
}

/* Hand out [start, start + size), and step over it and `skip` bytes more. */
static enum qr_error give(struct ctl_lines *lines, size_t size, size_t skip,
			  struct qr_span *ret_record)
{
	if (size > lines->record_max_bytes)
		return QR_TOO_LARGE;
	*ret_record = (struct qr_span){.data = lines->buffer + lines->start, .size_bytes = size};
	lines->start += size + skip;
	lines->scanned = lines->start;
	lines->count++;
	return QR_OK;
}

enum qr_error ctl_lines_next(struct ctl_lines *lines, struct qr_span *ret_record)
{
	const uint8_t *found = NULL;
	size_t size;

	if (lines->scanned < lines->end) {
		found = memchr(lines->buffer + lines->scanned, lines->delimiter,
			       lines->end - lines->scanned);
	}
	if (found != NULL) {
		size = (size_t)(found - lines->buffer) - lines->start;
		lines->scanned = lines->start + size; /* found again if it is too large */
		return give(lines, size + lines->keep, !lines->keep, ret_record);
	}
	lines->scanned = lines->end;
	size = lines->end - lines->start;
	if (lines->finished && size != 0) {
		lines->cut = true;
		return give(lines, size, 0, ret_record);
	}
	return size > lines->record_max_bytes ? QR_TOO_LARGE : QR_AGAIN;
}
