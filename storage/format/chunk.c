/*
 * Chunks: what the payload of a data entry is made of. A chunk's header is written once, by the
 * leader that lays it out; its body is the producer's own bytes, guarded by the producer's own
 * checksum, which travels on to readers.
 *
 * The payload's checksum has been verified before anything is decoded here; a chunk that does not
 * fit its payload is still refused, never trusted.
 */
#include "consensus/base/assert.h"
#include "storage/format/entry.h"
#include "storage/format/put.h"

#define SESSION_AT 0
#define SEQUENCE_AT 8
#define COUNT_AT 16
#define BODY_BYTES_AT 20
#define CRC_AT 24
#define KIND_AT 28
#define CODEC_AT 29
#define RESERVED_AT 30
#define EPOCH_AT 32
#define RESERVED_TOO_AT 36
#define TIME_AT 40

#define CHUNK_PADDING_MAX (STORE_CHUNK_ALIGN_BYTES - 1)

_Static_assert(STORE_CHUNK_HEADER_BYTES % STORE_CHUNK_ALIGN_BYTES == 0, "bodies lie aligned");
_Static_assert(TIME_AT + 8 == STORE_CHUNK_HEADER_BYTES, "nothing between the fields");

void store_chunk_encode(uint8_t bytes[STORE_CHUNK_HEADER_BYTES], const struct store_chunk *chunk)
{
	QR_ASSERT(chunk->count > 0);
	store_put_u64(bytes + SESSION_AT, chunk->session);
	store_put_u64(bytes + SEQUENCE_AT, chunk->sequence);
	store_put_u32(bytes + COUNT_AT, chunk->count);
	store_put_u32(bytes + BODY_BYTES_AT, chunk->body_bytes);
	store_put_u32(bytes + CRC_AT, chunk->crc);
	bytes[KIND_AT] = chunk->kind;
	bytes[CODEC_AT] = chunk->codec;
	store_put_u16(bytes + RESERVED_AT, 0);
	store_put_u32(bytes + EPOCH_AT, chunk->epoch);
	store_put_u32(bytes + RESERVED_TOO_AT, 0);
	store_put_u64(bytes + TIME_AT, chunk->time_ns);
}

/** The zeros that bring a body to a multiple of 8 bytes. */
static bool read_padding(struct qr_reader *payload, uint32_t body_bytes)
{
	uint32_t padding = (0u - body_bytes) & CHUNK_PADDING_MAX;
	const uint8_t *at = qr_read_bytes(payload, padding);
	uint8_t any = 0;

	for (uint32_t i = 0; at != NULL && i < padding; i++)
		any |= at[i];
	return at != NULL && any == 0;
}

enum qr_error store_chunk_next(struct qr_reader *payload, struct store_chunk *ret_chunk,
			       struct qr_span *ret_body)
{
	struct store_chunk chunk = {0};
	struct qr_span body;
	uint32_t reserved;

	if (!payload->failed && qr_reader_left(payload) == 0)
		return QR_AGAIN;
	chunk.session = qr_read_u64(payload);
	chunk.sequence = qr_read_u64(payload);
	chunk.count = qr_read_u32(payload);
	chunk.body_bytes = qr_read_u32(payload);
	chunk.crc = qr_read_u32(payload);
	chunk.kind = qr_read_u8(payload);
	chunk.codec = qr_read_u8(payload);
	reserved = qr_read_u16(payload);
	chunk.epoch = qr_read_u32(payload);
	reserved |= qr_read_u32(payload);
	chunk.time_ns = qr_read_u64(payload);
	body = (struct qr_span){qr_read_bytes(payload, chunk.body_bytes), chunk.body_bytes};
	if (!read_padding(payload, chunk.body_bytes) || payload->failed)
		return QR_MALFORMED;
	if (chunk.count == 0 || reserved != 0 || chunk.sequence > UINT64_MAX - chunk.count)
		return QR_MALFORMED;
	*ret_chunk = chunk;
	*ret_body = body;
	return QR_OK;
}
