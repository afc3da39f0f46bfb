/*
 * Each line is put together by its client and written whole, so that lines never mix.
 */
#include "tests/check/record/lines.h"

#include "consensus/base/assert.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

qr_ns record_now(void)
{
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (qr_ns)now.tv_sec * 1000000000u + (qr_ns)now.tv_nsec;
}

/* ---- texts ---- */

void record_text_fini(struct record_text *text)
{
	free(text->data);
	*text = (struct record_text){0};
}

void record_text_clear(struct record_text *text)
{
	text->size_bytes = 0;
}

static void make_room(struct record_text *text, size_t size_bytes)
{
	size_t wanted = text->capacity != 0 ? text->capacity : 256;

	while (wanted - text->size_bytes <= size_bytes)
		wanted *= 2;
	if (wanted == text->capacity)
		return;
	text->data = realloc(text->data, wanted);
	QR_ASSERT(text->data != NULL);
	text->capacity = wanted;
}

void record_text_put(struct record_text *text, const char *format, ...)
{
	char piece[512];
	va_list arguments;
	int size;

	va_start(arguments, format);
	size = vsnprintf(piece, sizeof(piece), format, arguments);
	va_end(arguments);
	QR_ASSERT(size >= 0 && (size_t)size < sizeof(piece));
	make_room(text, (size_t)size);
	memcpy(text->data + text->size_bytes, piece, (size_t)size);
	text->size_bytes += (size_t)size;
}

void record_text_put_bytes(struct record_text *text, const void *data, size_t size_bytes)
{
	const unsigned char *bytes = data;

	record_text_put(text, "\"");
	for (size_t i = 0; i < size_bytes; i++) {
		if (bytes[i] < 0x20 || bytes[i] >= 0x7f || bytes[i] == '"' || bytes[i] == '\\') {
			record_text_put(text, "\\u%04x", bytes[i]);
		} else {
			record_text_put(text, "%c", bytes[i]);
		}
	}
	record_text_put(text, "\"");
}

/* ---- lines ---- */

void record_lines_write(struct record_lines *lines, const struct record_line *line,
			const struct record_text *value)
{
	int size = value != NULL ? (int)value->size_bytes : 4;

	(void)pthread_mutex_lock(&lines->mutex);
	if (fprintf(lines->out,
		    "{\"process\": %u, \"type\": \"%s\", \"f\": \"%s\", \"value\": %.*s, "
		    "\"time\": %" PRIu64 "}\n",
		    line->process, line->type, line->f, size, value != NULL ? value->data : "null",
		    line->time) < 0)
		lines->broken = true;
	(void)pthread_mutex_unlock(&lines->mutex);
}
