/*
 * Sessions and appending: SESSION_OPEN, SESSION_REPLY, CHUNK, CHUNK_REPLY. Owns no state.
 * The byte table is docs/formats/wire.md.
 */
#include "consensus/base/assert.h"
#include "consensus/wire/client.h"
#include "consensus/wire/message.h"

#define CHUNK_SPARE_BYTES 7 /* room for a codec and a producer epoch */
#define RECORD_PREFIX_BYTES 4

_Static_assert(8 + 8 + 4 + 4 + 8 + 4 + 4 + 1 + CHUNK_SPARE_BYTES == WIRE_CHUNK_BYTES,
	       "the fixed fields of a chunk");
_Static_assert(8 + 8 + 8 + 4 + 1 + 1 + 1 + 1 == WIRE_CHUNK_REPLY_BYTES,
	       "the fixed fields of a chunk reply");
_Static_assert(8 + 8 + 4 == WIRE_ANSWER_BYTES, "the fields of an answer");
_Static_assert((WIRE_DATAGRAM_MIN - WIRE_HEADER_BYTES - WIRE_MESSAGE_HEADER_BYTES -
		WIRE_CHUNK_REPLY_BYTES) /
			       WIRE_ANSWER_BYTES ==
		       WIRE_ANSWERS_FIT_MIN,
	       "what fits the smallest datagram");
_Static_assert(WIRE_ANSWERS_MAX <= UINT8_MAX, "the count of answers fits its field");

/* A status travels as its position in the list: a new error goes to the end. See wire.md. */
_Static_assert(QR_NOT_LEADER == 2 && QR_EXPIRED == 13 && QR_POISONED == 27,
	       "the numbers of the errors are part of the format");

void wire_put_session_open(struct qr_writer *writer, qr_group group,
			   const struct wire_session_open *open)
{
	uint8_t *header = wire_message_begin(writer, WIRE_SESSION_OPEN, group);

	QR_ASSERT(open->ticket.size_bytes <= WIRE_TICKET_MAX);

	qr_write_u64(writer, open->nonce[0]);
	qr_write_u64(writer, open->nonce[1]);
	qr_write_u16(writer, (uint16_t)open->ticket.size_bytes);
	qr_write_bytes(writer, open->ticket.data, open->ticket.size_bytes);
	wire_message_end(writer, header, 0);
}

enum qr_error wire_get_session_open(const struct wire_message *message,
				    struct wire_session_open *ret_open)
{
	struct qr_reader reader = wire_message_reader(message);
	struct wire_session_open open;

	QR_ASSERT(message->type == WIRE_SESSION_OPEN);

	open.nonce[0] = qr_read_u64(&reader);
	open.nonce[1] = qr_read_u64(&reader);
	open.ticket.size_bytes = qr_read_u16(&reader);
	open.ticket.data = qr_read_bytes(&reader, open.ticket.size_bytes);
	wire_require(&reader, open.ticket.size_bytes <= WIRE_TICKET_MAX);
	if (!wire_message_is_whole(&reader))
		return QR_MALFORMED;

	*ret_open = open;
	return QR_OK;
}

void wire_put_session_reply(struct qr_writer *writer, qr_group group,
			    const struct wire_session_reply *reply)
{
	uint8_t *header = wire_message_begin(writer, WIRE_SESSION_REPLY, group);

	QR_ASSERT(reply->window_chunks <= WIRE_WINDOW_CHUNKS);

	qr_write_u64(writer, reply->nonce[0]);
	qr_write_u64(writer, reply->nonce[1]);
	qr_write_u64(writer, reply->session);
	qr_write_u8(writer, (uint8_t)reply->status);
	qr_write_u8(writer, reply->leader);
	qr_write_zeros(writer, 2);
	qr_write_u32(writer, reply->retry_us);
	qr_write_u32(writer, reply->window_chunks);
	qr_write_u32(writer, reply->record_max_bytes);
	qr_write_u32(writer, reply->chunk_max_bytes);
	wire_message_end(writer, header, 0);
}

enum qr_error wire_get_session_reply(const struct wire_message *message,
				     struct wire_session_reply *ret_reply)
{
	struct qr_reader reader = wire_message_reader(message);
	struct wire_session_reply reply;

	QR_ASSERT(message->type == WIRE_SESSION_REPLY);

	reply.nonce[0] = qr_read_u64(&reader);
	reply.nonce[1] = qr_read_u64(&reader);
	reply.session = qr_read_u64(&reader);
	reply.status = wire_read_status(&reader);
	reply.leader = wire_read_node(&reader);
	wire_read_zeros(&reader, 2);
	reply.retry_us = qr_read_u32(&reader);
	reply.window_chunks = qr_read_u32(&reader);
	reply.record_max_bytes = qr_read_u32(&reader);
	reply.chunk_max_bytes = qr_read_u32(&reader);
	wire_require(&reader, reply.window_chunks <= WIRE_WINDOW_CHUNKS);
	wire_require(&reader, reply.status != QR_OK || reply.window_chunks != 0);
	if (!wire_message_is_whole(&reader))
		return QR_MALFORMED;

	*ret_reply = reply;
	return QR_OK;
}

void wire_put_chunk(struct qr_writer *writer, qr_group group, const struct wire_chunk *chunk)
{
	uint8_t *header = wire_message_begin(writer, WIRE_CHUNK, group);

	qr_write_u64(writer, chunk->session);
	qr_write_u64(writer, chunk->sequence);
	qr_write_u32(writer, chunk->count);
	qr_write_u32(writer, chunk->crc);
	qr_write_u64(writer, chunk->time_ns);
	qr_write_u32(writer, chunk->total_bytes);
	qr_write_u32(writer, chunk->offset);
	qr_write_u8(writer, (uint8_t)chunk->kind);
	qr_write_zeros(writer, CHUNK_SPARE_BYTES);
	wire_message_end(writer, header, chunk->bulk.size_bytes);
}

enum qr_error wire_get_chunk(const struct wire_message *message, struct wire_chunk *ret_chunk)
{
	struct qr_reader reader = wire_message_reader(message);
	struct wire_chunk chunk;

	QR_ASSERT(message->type == WIRE_CHUNK);

	chunk.session = qr_read_u64(&reader);
	chunk.sequence = qr_read_u64(&reader);
	chunk.count = qr_read_u32(&reader);
	chunk.crc = qr_read_u32(&reader);
	chunk.time_ns = qr_read_u64(&reader);
	chunk.total_bytes = qr_read_u32(&reader);
	chunk.offset = qr_read_u32(&reader);
	chunk.kind = (enum wire_chunk_kind)wire_read_at_most(&reader, WIRE_CHUNK_OPAQUE);
	wire_read_zeros(&reader, CHUNK_SPARE_BYTES);
	chunk.bulk = wire_read_rest(&reader);
	wire_require(&reader, chunk.count != 0 && chunk.sequence <= UINT64_MAX - chunk.count);
	wire_require(&reader, chunk.bulk.size_bytes != 0 && chunk.offset < chunk.total_bytes);
	wire_require(&reader, chunk.bulk.size_bytes <= chunk.total_bytes - chunk.offset);
	wire_require(&reader, chunk.kind != WIRE_CHUNK_RECORDS ||
				      chunk.count <= chunk.total_bytes / RECORD_PREFIX_BYTES);
	if (!wire_message_is_whole(&reader))
		return QR_MALFORMED;

	*ret_chunk = chunk;
	return QR_OK;
}

void wire_put_chunk_reply(struct qr_writer *writer, qr_group group,
			  const struct wire_chunk_reply *reply)
{
	uint8_t *header = wire_message_begin(writer, WIRE_CHUNK_REPLY, group);

	QR_ASSERT(reply->answer_count <= WIRE_ANSWERS_MAX);

	qr_write_u64(writer, reply->session);
	qr_write_u64(writer, reply->sequence);
	qr_write_u64(writer, reply->expected);
	qr_write_u32(writer, reply->retry_us);
	qr_write_u8(writer, (uint8_t)reply->status);
	qr_write_u8(writer, reply->leader);
	qr_write_u8(writer, (uint8_t)reply->answer_count);
	qr_write_u8(writer, 0);
	for (uint32_t i = 0; i < reply->answer_count; i++) {
		qr_write_u64(writer, reply->answers[i].sequence);
		qr_write_u64(writer, reply->answers[i].offset);
		qr_write_u32(writer, reply->answers[i].count);
	}
	wire_message_end(writer, header, 0);
}

enum qr_error wire_get_chunk_reply(const struct wire_message *message,
				   struct wire_chunk_reply *ret_reply)
{
	struct qr_reader reader = wire_message_reader(message);
	struct wire_chunk_reply reply;

	QR_ASSERT(message->type == WIRE_CHUNK_REPLY);

	reply.session = qr_read_u64(&reader);
	reply.sequence = qr_read_u64(&reader);
	reply.expected = qr_read_u64(&reader);
	reply.retry_us = qr_read_u32(&reader);
	reply.status = wire_read_status(&reader);
	reply.leader = wire_read_node(&reader);
	reply.answer_count = wire_read_at_most(&reader, WIRE_ANSWERS_MAX);
	wire_read_zeros(&reader, 1);
	if (reader.failed ||
	    qr_reader_left(&reader) != (size_t)reply.answer_count * WIRE_ANSWER_BYTES)
		return QR_MALFORMED;
	for (uint32_t i = 0; i < reply.answer_count; i++) {
		struct wire_answer *answer = &reply.answers[i];

		answer->sequence = qr_read_u64(&reader);
		answer->offset = qr_read_u64(&reader);
		answer->count = qr_read_u32(&reader);
		wire_require(&reader, answer->count != 0);
		wire_require(&reader, answer->sequence <= UINT64_MAX - answer->count);
		wire_require(&reader, answer->offset <= UINT64_MAX - answer->count);
	}
	if (!wire_message_is_whole(&reader))
		return QR_MALFORMED;

	/* The unused tail is not copied: most replies carry a few answers. */
	memcpy(ret_reply, &reply, offsetof(struct wire_chunk_reply, answers));
	memcpy(ret_reply->answers, reply.answers, reply.answer_count * sizeof(reply.answers[0]));
	return QR_OK;
}
