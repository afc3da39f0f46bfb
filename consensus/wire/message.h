/*
 * What the encoders and decoders of the messages share; not for users of the codec.
 *
 * A message is a header (type u8, flags u8 = 0, body length u16, group u32) and a body. An encoder
 * fills in the length last. A decoder reads all fields, lets the reader remember the first thing
 * that is wrong, and asks once whether the body was whole: neither short nor with bytes left over.
 */
#ifndef QR_WIRE_MESSAGE_H
#define QR_WIRE_MESSAGE_H

#include "consensus/wire/wire.h"

#define WIRE_BODY_MAX (WIRE_DATAGRAM_MAX - WIRE_HEADER_BYTES - WIRE_MESSAGE_HEADER_BYTES)

_Static_assert(WIRE_BODY_MAX <= UINT16_MAX, "a body's length fits its field");

/** Start a message; NULL (and a failed writer) when there is no room. */
static inline uint8_t *wire_message_begin(struct qr_writer *writer, enum wire_type type,
					  qr_group group)
{
	uint8_t *header = qr_write_room(writer, WIRE_MESSAGE_HEADER_BYTES);
	struct qr_writer fields;

	if (header == NULL)
		return NULL;
	fields = qr_writer_over(header, WIRE_MESSAGE_HEADER_BYTES);
	qr_write_u8(&fields, (uint8_t)type);
	qr_write_u8(&fields, 0);
	qr_write_u16(&fields, 0);
	qr_write_u32(&fields, group);
	return header;
}

/** End it: the length covers what was written since and `bulk_bytes` that the caller adds. */
static inline void wire_message_end(struct qr_writer *writer, uint8_t *header, size_t bulk_bytes)
{
	struct qr_writer field;
	size_t body_bytes;

	if (writer->failed)
		return;
	body_bytes = (size_t)(writer->at - header) - WIRE_MESSAGE_HEADER_BYTES;
	if (bulk_bytes > WIRE_BODY_MAX - body_bytes) {
		writer->failed = true;
		return;
	}
	field = qr_writer_over(header + 2, sizeof(uint16_t));
	qr_write_u16(&field, (uint16_t)(body_bytes + bulk_bytes));
}

static inline struct qr_reader wire_message_reader(const struct wire_message *message)
{
	return qr_reader_over(message->body.data, message->body.size_bytes);
}

/** All read, nothing left, nothing wrong. */
static inline bool wire_message_is_whole(const struct qr_reader *reader)
{
	return !reader->failed && reader->at == reader->end;
}

/** Mark the body as wrong unless `holds`. */
static inline void wire_require(struct qr_reader *reader, bool holds)
{
	if (!holds)
		reader->failed = true;
}

static inline uint8_t wire_read_at_most(struct qr_reader *reader, unsigned max)
{
	uint8_t value = qr_read_u8(reader);

	wire_require(reader, value <= max);
	return value;
}

static inline bool wire_read_bool(struct qr_reader *reader)
{
	return wire_read_at_most(reader, 1) != 0;
}

static inline qr_node wire_read_node(struct qr_reader *reader)
{
	return wire_read_at_most(reader, QR_NODE_MAX);
}

/** QR_AGAIN is between a caller and its own machine ("poll, then again"): no answer says it. */
static inline enum qr_error wire_read_status(struct qr_reader *reader)
{
	enum qr_error status = (enum qr_error)wire_read_at_most(reader, QR_ERROR_COUNT - 1);

	wire_require(reader, status != QR_AGAIN);
	return status;
}

/** Bytes that a later version may use. */
static inline void wire_read_zeros(struct qr_reader *reader, size_t size_bytes)
{
	const uint8_t *bytes = qr_read_bytes(reader, size_bytes);
	uint8_t any = 0;

	if (bytes == NULL)
		return;
	for (size_t i = 0; i < size_bytes; i++)
		any |= bytes[i];
	wire_require(reader, any == 0);
}

/** All that is left. */
static inline struct qr_span wire_read_rest(struct qr_reader *reader)
{
	size_t size_bytes = qr_reader_left(reader);

	return (struct qr_span){qr_read_bytes(reader, size_bytes), size_bytes};
}

#endif
