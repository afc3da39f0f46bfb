/*
 * The datagram around the messages: its header, its checksum, its validation as a whole. Owns no
 * state. The byte table is docs/formats/wire.md.
 *
 * The checksum covers every byte of the datagram, its own field counted as zero. The header's
 * fields are judged first: they cost nothing, and a flood of foreign bytes should not buy a
 * checksum each.
 */
#include "consensus/base/assert.h"
#include "consensus/base/crc.h"
#include "consensus/wire/message.h"

#define CRC_AT 20
#define KEY_EPOCH_BYTES 4
#define TAG_BYTES 16
#define RESERVED_BYTES 8

_Static_assert(4 + 4 + 8 + 4 + 4 + 8 + KEY_EPOCH_BYTES + 4 + TAG_BYTES + RESERVED_BYTES ==
		       WIRE_HEADER_BYTES,
	       "the fields fill the header");
_Static_assert(CRC_AT == 4 + 4 + 8 + 4, "the checksum follows the incarnation");

uint64_t wire_cluster_id(const char *name)
{
	uint64_t id = qr_crc64(0, name, strlen(name));

	return id != 0 ? id : 1;
}

/** The checksum of a datagram: its header with the field at zero, what follows, and the bulk. */
static uint32_t checksum(const uint8_t header[WIRE_HEADER_BYTES], struct qr_span messages,
			 struct qr_span bulk)
{
	uint32_t crc = qr_crc32c(0, header, WIRE_HEADER_BYTES);

	crc = qr_crc32c(crc, messages.data, messages.size_bytes);
	return qr_crc32c(crc, bulk.data, bulk.size_bytes);
}

static struct qr_span messages_of(const uint8_t *datagram, size_t size_bytes)
{
	return (struct qr_span){datagram + WIRE_HEADER_BYTES, size_bytes - WIRE_HEADER_BYTES};
}

void wire_begin(struct qr_writer *writer)
{
	qr_write_zeros(writer, WIRE_HEADER_BYTES);
}

size_t wire_finish(struct qr_writer *writer, const struct wire_header *header)
{
	return wire_finish_bulk(writer, header, (struct qr_span){0});
}

/** The header's bytes, with the checksum at zero. */
static void encode_header(uint8_t bytes[WIRE_HEADER_BYTES], const struct wire_header *header,
			  size_t length_bytes)
{
	struct qr_writer fields = qr_writer_over(bytes, WIRE_HEADER_BYTES);

	qr_write_u32(&fields, WIRE_MAGIC);
	qr_write_u8(&fields, WIRE_VERSION);
	qr_write_u8(&fields, (uint8_t)header->source);
	qr_write_u8(&fields, header->from);
	qr_write_u8(&fields, header->to);
	qr_write_u64(&fields, header->cluster);
	qr_write_u32(&fields, header->incarnation);
	qr_write_u32(&fields, 0);
	qr_write_u64(&fields, header->counter);
	qr_write_zeros(&fields, KEY_EPOCH_BYTES);
	qr_write_u32(&fields, (uint32_t)length_bytes);
	qr_write_zeros(&fields, TAG_BYTES + RESERVED_BYTES);
	QR_ASSERT(!fields.failed && fields.at == fields.end);
}

size_t wire_finish_bulk(struct qr_writer *writer, const struct wire_header *header,
			struct qr_span bulk)
{
	size_t size_bytes = qr_writer_size(writer);
	uint8_t bytes[WIRE_HEADER_BYTES];
	struct qr_writer field = qr_writer_over(bytes + CRC_AT, sizeof(uint32_t));

	QR_ASSERT(writer->failed || size_bytes >= WIRE_HEADER_BYTES);
	QR_ASSERT(header->from <= QR_NODE_MAX && header->to <= QR_NODE_MAX);
	QR_ASSERT(header->source == WIRE_FROM_CLIENT || header->from != 0);

	if (writer->failed || size_bytes > WIRE_DATAGRAM_MAX ||
	    bulk.size_bytes > WIRE_DATAGRAM_MAX - size_bytes)
		return 0;

	encode_header(bytes, header, size_bytes + bulk.size_bytes);
	qr_write_u32(&field, checksum(bytes, messages_of(writer->start, size_bytes), bulk));
	memcpy(writer->start, bytes, sizeof(bytes));
	return size_bytes;
}

enum qr_error wire_open(struct qr_span datagram, struct wire_header *ret_header,
			struct qr_reader *ret_messages)
{
	struct qr_reader reader = qr_reader_over(datagram.data, datagram.size_bytes);
	const struct qr_span none = {0};
	uint8_t bytes[WIRE_HEADER_BYTES];
	struct wire_header header;
	uint32_t crc;

	if (datagram.size_bytes < WIRE_HEADER_BYTES || datagram.size_bytes > WIRE_DATAGRAM_MAX)
		return QR_MALFORMED;
	if (qr_read_u32(&reader) != WIRE_MAGIC)
		return QR_MALFORMED;
	if (qr_read_u8(&reader) != WIRE_VERSION)
		return QR_VERSION;

	header.source = (enum wire_source)wire_read_at_most(&reader, WIRE_FROM_PEER);
	header.from = wire_read_node(&reader);
	header.to = wire_read_node(&reader);
	header.cluster = qr_read_u64(&reader);
	header.incarnation = qr_read_u32(&reader);
	crc = qr_read_u32(&reader);
	header.counter = qr_read_u64(&reader);
	wire_read_zeros(&reader, KEY_EPOCH_BYTES);
	wire_require(&reader, qr_read_u32(&reader) == datagram.size_bytes);
	wire_read_zeros(&reader, TAG_BYTES + RESERVED_BYTES);
	wire_require(&reader, header.source == WIRE_FROM_CLIENT || header.from != 0);
	if (reader.failed)
		return QR_MALFORMED;
	memcpy(bytes, datagram.data, sizeof(bytes));
	memset(bytes + CRC_AT, 0, sizeof(uint32_t));
	if (checksum(bytes, messages_of(datagram.data, datagram.size_bytes), none) != crc)
		return QR_CHECKSUM;

	*ret_header = header;
	*ret_messages = reader;
	return QR_OK;
}

/** Whether a message of this type fills the rest of its datagram. */
static bool carries_bulk(enum wire_type type)
{
	return type == WIRE_FRAGMENT || type == WIRE_FETCHED || type == WIRE_CHUNK ||
	       type == WIRE_RECORDS;
}

static bool is_known(uint8_t type)
{
	return (type >= WIRE_RAFT && type <= WIRE_FETCHED) ||
	       (type >= WIRE_DESCRIBE && type <= WIRE_STATUS_REPLY);
}

enum qr_error wire_next(struct qr_reader *messages, struct wire_message *ret_message)
{
	struct wire_message message;
	uint8_t type;

	if (messages->failed)
		return QR_MALFORMED;
	if (messages->at == messages->end)
		return QR_AGAIN;

	type = qr_read_u8(messages);
	wire_require(messages, is_known(type));
	message.type = (enum wire_type)type;
	wire_read_zeros(messages, 1);
	message.body.size_bytes = qr_read_u16(messages);
	message.group = qr_read_u32(messages);
	message.body.data = qr_read_bytes(messages, message.body.size_bytes);
	wire_require(messages, !carries_bulk(message.type) || messages->at == messages->end);
	if (messages->failed)
		return QR_MALFORMED;

	*ret_message = message;
	return QR_OK;
}
