/*
 * Reading: READ, RECORDS, TAIL, TAIL_REPLY. Owns no state. The byte table is docs/formats/wire.md.
 */
#include "consensus/base/assert.h"
#include "consensus/wire/client.h"
#include "consensus/wire/message.h"

#define RECORDS_SPARE_BYTES 5
#define RECORD_PREFIX_BYTES 4

_Static_assert(3 * 8 + 4 * 4 + 1 + 1 + 1 + RECORDS_SPARE_BYTES == WIRE_RECORDS_BYTES,
	       "the fixed fields of a slice of records");

void wire_put_read(struct qr_writer *writer, qr_group group, const struct wire_read *read)
{
	uint8_t *header = wire_message_begin(writer, WIRE_READ, group);

	qr_write_u64(writer, read->request);
	qr_write_u64(writer, read->offset);
	qr_write_u32(writer, read->max_bytes);
	qr_write_u32(writer, read->wait_ms);
	wire_message_end(writer, header, 0);
}

enum qr_error wire_get_read(const struct wire_message *message, struct wire_read *ret_read)
{
	struct qr_reader reader = wire_message_reader(message);
	struct wire_read read;

	QR_ASSERT(message->type == WIRE_READ);

	read.request = qr_read_u64(&reader);
	read.offset = qr_read_u64(&reader);
	read.max_bytes = qr_read_u32(&reader);
	read.wait_ms = qr_read_u32(&reader);
	if (!wire_message_is_whole(&reader))
		return QR_MALFORMED;

	*ret_read = read;
	return QR_OK;
}

void wire_put_records(struct qr_writer *writer, qr_group group, const struct wire_records *records)
{
	uint8_t *header = wire_message_begin(writer, WIRE_RECORDS, group);

	qr_write_u64(writer, records->request);
	qr_write_u64(writer, records->offset);
	qr_write_u64(writer, records->committed);
	qr_write_u32(writer, records->count);
	qr_write_u32(writer, records->slice);
	qr_write_u32(writer, records->piece_total);
	qr_write_u32(writer, records->piece_offset);
	qr_write_u8(writer, (uint8_t)records->status);
	qr_write_u8(writer, (uint8_t)records->kind);
	qr_write_u8(writer, records->last);
	qr_write_zeros(writer, RECORDS_SPARE_BYTES);
	wire_message_end(writer, header, records->bulk.size_bytes);
}

/** What the counts and places of a slice claim fits its bulk. */
static bool slice_is_sound(const struct wire_records *records)
{
	size_t bulk_bytes = records->bulk.size_bytes;
	bool native = records->kind == WIRE_CHUNK_RECORDS;

	if (records->offset > UINT64_MAX - records->count)
		return false;
	if (records->count == 0)
		return bulk_bytes == 0 && records->piece_total == 0 && records->piece_offset == 0;
	if (bulk_bytes == 0)
		return false;
	if (records->piece_total == 0) {
		return records->piece_offset == 0 &&
		       (!native || records->count <= bulk_bytes / RECORD_PREFIX_BYTES);
	}
	return (!native || records->count == 1) && records->piece_offset < records->piece_total &&
	       bulk_bytes <= records->piece_total - records->piece_offset;
}

enum qr_error wire_get_records(const struct wire_message *message, struct wire_records *ret_records)
{
	struct qr_reader reader = wire_message_reader(message);
	struct wire_records records;

	QR_ASSERT(message->type == WIRE_RECORDS);

	records.request = qr_read_u64(&reader);
	records.offset = qr_read_u64(&reader);
	records.committed = qr_read_u64(&reader);
	records.count = qr_read_u32(&reader);
	records.slice = qr_read_u32(&reader);
	records.piece_total = qr_read_u32(&reader);
	records.piece_offset = qr_read_u32(&reader);
	records.status = wire_read_status(&reader);
	records.kind = (enum wire_chunk_kind)wire_read_at_most(&reader, WIRE_CHUNK_OPAQUE);
	records.last = wire_read_bool(&reader);
	wire_read_zeros(&reader, RECORDS_SPARE_BYTES);
	records.bulk = wire_read_rest(&reader);
	if (!wire_message_is_whole(&reader) || !slice_is_sound(&records))
		return QR_MALFORMED;

	*ret_records = records;
	return QR_OK;
}

void wire_put_tail(struct qr_writer *writer, qr_group group, const struct wire_tail *tail)
{
	uint8_t *header = wire_message_begin(writer, WIRE_TAIL, group);

	qr_write_u64(writer, tail->request);
	wire_message_end(writer, header, 0);
}

enum qr_error wire_get_tail(const struct wire_message *message, struct wire_tail *ret_tail)
{
	struct qr_reader reader = wire_message_reader(message);
	struct wire_tail tail;

	QR_ASSERT(message->type == WIRE_TAIL);

	tail.request = qr_read_u64(&reader);
	if (!wire_message_is_whole(&reader))
		return QR_MALFORMED;

	*ret_tail = tail;
	return QR_OK;
}

void wire_put_tail_reply(struct qr_writer *writer, qr_group group,
			 const struct wire_tail_reply *reply)
{
	uint8_t *header = wire_message_begin(writer, WIRE_TAIL_REPLY, group);

	qr_write_u64(writer, reply->request);
	qr_write_u64(writer, reply->start);
	qr_write_u64(writer, reply->end);
	qr_write_u8(writer, (uint8_t)reply->status);
	qr_write_u8(writer, reply->leader);
	qr_write_zeros(writer, 6);
	wire_message_end(writer, header, 0);
}

enum qr_error wire_get_tail_reply(const struct wire_message *message,
				  struct wire_tail_reply *ret_reply)
{
	struct qr_reader reader = wire_message_reader(message);
	struct wire_tail_reply reply;

	QR_ASSERT(message->type == WIRE_TAIL_REPLY);

	reply.request = qr_read_u64(&reader);
	reply.start = qr_read_u64(&reader);
	reply.end = qr_read_u64(&reader);
	reply.status = wire_read_status(&reader);
	reply.leader = wire_read_node(&reader);
	wire_read_zeros(&reader, 6);
	wire_require(&reader, reply.start <= reply.end);
	if (!wire_message_is_whole(&reader))
		return QR_MALFORMED;

	*ret_reply = reply;
	return QR_OK;
}
