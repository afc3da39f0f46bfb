/*
 * Little-endian reading and writing over byte spans: the only way bytes of a foreign origin become
 * values. No struct is ever laid over such bytes.
 *
 * A cursor never moves outside its span: the first access that would do so marks it failed, reads
 * give 0 from then on, writes do nothing. So a decoder reads all its fields and asks once.
 */
#ifndef QR_BASE_CODEC_H
#define QR_BASE_CODEC_H

#include "consensus/base/types.h"

#include <string.h>

/** Bytes that somebody else owns. */
struct qr_span {
	const uint8_t *data;
	size_t size_bytes;
};

struct qr_reader {
	const uint8_t *at;
	const uint8_t *end;
	bool failed;
};

struct qr_writer {
	uint8_t *start;
	uint8_t *at;
	uint8_t *end;
	bool failed;
};

static inline struct qr_reader qr_reader_over(const void *data, size_t size_bytes)
{
	const uint8_t *start = data;

	return (struct qr_reader){.at = start, .end = start + size_bytes};
}

static inline struct qr_writer qr_writer_over(void *data, size_t size_bytes)
{
	uint8_t *start = data;

	return (struct qr_writer){.start = start, .at = start, .end = start + size_bytes};
}

static inline size_t qr_reader_left(const struct qr_reader *reader)
{
	return reader->failed ? 0 : (size_t)(reader->end - reader->at);
}

static inline size_t qr_writer_size(const struct qr_writer *writer)
{
	return (size_t)(writer->at - writer->start);
}

static inline size_t qr_writer_left(const struct qr_writer *writer)
{
	return writer->failed ? 0 : (size_t)(writer->end - writer->at);
}

/** The next `size_bytes` bytes, or NULL and a failed cursor. */
static inline const uint8_t *qr_read_bytes(struct qr_reader *reader, size_t size_bytes)
{
	const uint8_t *at = reader->at;

	if (reader->failed || qr_reader_left(reader) < size_bytes) {
		reader->failed = true;
		return NULL;
	}
	reader->at += size_bytes;
	return at;
}

static inline uint8_t *qr_write_room(struct qr_writer *writer, size_t size_bytes)
{
	uint8_t *at = writer->at;

	if (qr_writer_left(writer) < size_bytes) {
		writer->failed = true;
		return NULL;
	}
	writer->at += size_bytes;
	return at;
}

/*
 * gcc 12 follows the path on which a cursor is already full, forgets that nothing is written there,
 * and warns of writing to "a region of size 0".
 */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wstringop-overflow"
#endif

#define QR_CODEC_INTEGER(bits, from_le, to_le)                                                     \
	static inline uint##bits##_t qr_read_u##bits(struct qr_reader *reader)                     \
	{                                                                                          \
		const uint8_t *at = qr_read_bytes(reader, sizeof(uint##bits##_t));                 \
		uint##bits##_t value = 0;                                                          \
                                                                                                   \
		if (at != NULL)                                                                    \
			memcpy(&value, at, sizeof(value));                                         \
		return from_le(value);                                                             \
	}                                                                                          \
	static inline void qr_write_u##bits(struct qr_writer *writer, uint##bits##_t value)        \
	{                                                                                          \
		uint8_t *at = qr_write_room(writer, sizeof(value));                                \
                                                                                                   \
		value = to_le(value);                                                              \
		if (at != NULL)                                                                    \
			memcpy(at, &value, sizeof(value));                                         \
	}

#include <endian.h>
#define QR_CODEC_SAME(value) (value)
QR_CODEC_INTEGER(8, QR_CODEC_SAME, QR_CODEC_SAME)
QR_CODEC_INTEGER(16, le16toh, htole16)
QR_CODEC_INTEGER(32, le32toh, htole32)
QR_CODEC_INTEGER(64, le64toh, htole64)
#undef QR_CODEC_SAME
#undef QR_CODEC_INTEGER

static inline void qr_write_bytes(struct qr_writer *writer, const void *data, size_t size_bytes)
{
	uint8_t *at = qr_write_room(writer, size_bytes);

	if (at != NULL && size_bytes != 0)
		memcpy(at, data, size_bytes);
}

static inline void qr_write_zeros(struct qr_writer *writer, size_t size_bytes)
{
	uint8_t *at = qr_write_room(writer, size_bytes);

	if (at != NULL)
		memset(at, 0, size_bytes);
}

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#endif
