/*
 * The byte layout of a snapshot's header and of a checkpoint.
 *
 * The header's checksum covers its block, and the checksum of the body lies in it: a header that
 * holds beside a body of another serial is found out.
 */
#include "storage/format/snapshot.h"

#include "consensus/base/assert.h"
#include "consensus/base/crc.h"
#include "storage/format/entry.h"
#include "storage/format/put.h"
#include "storage/format/zero.h"

#include <string.h>

#define MAGIC_AT 0
#define VERSION_AT 4
#define CRC_AT 8
#define GROUP_AT 12
#define CLUSTER_AT 16
#define SERIAL_AT 24
#define SEGMENT_BLOCKS_AT 32
#define STRIDE_BLOCKS_AT 36
#define BASE_INDEX_AT 40
#define BASE_TERM_AT 48
#define BASE_BLOCK_AT 56
#define BASE_OFFSET_AT 64
#define BASE_CHAIN_AT 72
#define STATE_BYTES_AT 80
#define CHECKPOINT_COUNT_AT 84
#define SPACING_BLOCKS_AT 88
#define BODY_CRC_AT 92
#define TIME_AT 96
#define SEGMENT_AT 104
#define FLAGS_AT 112
#define FLAG_GIVEN 1u
#define USED_BYTES (FLAGS_AT + 4)

void store_snapshot_encode(uint8_t bytes[STORE_SNAPSHOT_HEADER_BYTES],
			   const struct store_snapshot *snapshot)
{
	QR_ASSERT(snapshot->serial > 0);
	QR_ASSERT(snapshot->base.index > 0 && snapshot->state_bytes > 0);

	memset(bytes, 0, STORE_SNAPSHOT_HEADER_BYTES);
	store_put_u32(bytes + MAGIC_AT, STORE_SNAPSHOT_MAGIC);
	store_put_u16(bytes + VERSION_AT, STORE_FORMAT_VERSION);
	store_put_u32(bytes + GROUP_AT, snapshot->group);
	store_put_u64(bytes + CLUSTER_AT, snapshot->cluster);
	store_put_u64(bytes + SERIAL_AT, snapshot->serial);
	store_put_u32(bytes + SEGMENT_BLOCKS_AT, snapshot->geometry.segment_blocks);
	store_put_u32(bytes + STRIDE_BLOCKS_AT, snapshot->geometry.stride_blocks);
	store_put_u64(bytes + BASE_INDEX_AT, snapshot->base.index);
	store_put_u64(bytes + BASE_TERM_AT, snapshot->base.term);
	store_put_u64(bytes + BASE_BLOCK_AT, snapshot->base.block);
	store_put_u64(bytes + BASE_OFFSET_AT, snapshot->base.offset);
	store_put_u64(bytes + BASE_CHAIN_AT, snapshot->base.chain);
	store_put_u32(bytes + STATE_BYTES_AT, snapshot->state_bytes);
	store_put_u32(bytes + CHECKPOINT_COUNT_AT, snapshot->checkpoint_count);
	store_put_u32(bytes + SPACING_BLOCKS_AT, snapshot->spacing_blocks);
	store_put_u32(bytes + BODY_CRC_AT, snapshot->body_crc);
	store_put_u64(bytes + TIME_AT, snapshot->time_ns);
	store_put_u64(bytes + SEGMENT_AT, snapshot->segment);
	store_put_u32(bytes + FLAGS_AT, snapshot->given ? FLAG_GIVEN : 0);
	store_put_u32(bytes + CRC_AT, qr_crc32c(0, bytes, STORE_SNAPSHOT_HEADER_BYTES));
}

/** It begins with the first stride that the base does not reach into. */
static bool is_segment_sound(const struct store_snapshot *snapshot)
{
	qr_block block = snapshot->segment * snapshot->geometry.segment_blocks;

	return snapshot->segment == 0 ||
	       (snapshot->segment <= STORE_SEGMENTS_MAX && block >= snapshot->base.block &&
		block < snapshot->base.block + snapshot->geometry.stride_blocks);
}

/** What a sound header can still get wrong: values that no writer of ours produces. */
static bool is_well_formed(const struct store_snapshot *snapshot)
{
	const struct store_prefix *base = &snapshot->base;

	if (snapshot->serial == 0 || snapshot->serial > STORE_COUNT_MAX ||
	    snapshot->state_bytes == 0)
		return false;
	if (base->index == 0 || base->index > STORE_COUNT_MAX || base->term == 0 ||
	    base->term > STORE_COUNT_MAX || base->block == 0 || base->block > STORE_COUNT_MAX ||
	    base->offset > STORE_COUNT_MAX)
		return false;
	return store_geometry_is_sound(&snapshot->geometry) && is_segment_sound(snapshot);
}

enum qr_error store_snapshot_decode(const uint8_t bytes[STORE_SNAPSHOT_HEADER_BYTES],
				    struct store_snapshot *ret_snapshot)
{
	struct qr_reader reader = qr_reader_over(bytes, STORE_SNAPSHOT_HEADER_BYTES);
	struct store_snapshot snapshot = {0};
	uint16_t version;
	uint16_t reserved;
	uint32_t flags;

	if (store_is_zero(bytes, STORE_SNAPSHOT_HEADER_BYTES))
		return QR_NOT_FOUND;
	if (qr_read_u32(&reader) != STORE_SNAPSHOT_MAGIC)
		return QR_CHECKSUM;
	version = qr_read_u16(&reader);
	reserved = qr_read_u16(&reader);
	if (qr_read_u32(&reader) != qr_crc32c_around(bytes, STORE_SNAPSHOT_HEADER_BYTES, CRC_AT))
		return QR_CHECKSUM;
	if (version != STORE_FORMAT_VERSION)
		return QR_VERSION;
	snapshot.group = qr_read_u32(&reader);
	snapshot.cluster = qr_read_u64(&reader);
	snapshot.serial = qr_read_u64(&reader);
	snapshot.geometry.segment_blocks = qr_read_u32(&reader);
	snapshot.geometry.stride_blocks = qr_read_u32(&reader);
	snapshot.base.index = qr_read_u64(&reader);
	snapshot.base.term = qr_read_u64(&reader);
	snapshot.base.block = qr_read_u64(&reader);
	snapshot.base.offset = qr_read_u64(&reader);
	snapshot.base.chain = qr_read_u64(&reader);
	snapshot.state_bytes = qr_read_u32(&reader);
	snapshot.checkpoint_count = qr_read_u32(&reader);
	snapshot.spacing_blocks = qr_read_u32(&reader);
	snapshot.body_crc = qr_read_u32(&reader);
	snapshot.time_ns = qr_read_u64(&reader);
	snapshot.segment = qr_read_u64(&reader);
	flags = qr_read_u32(&reader);
	snapshot.given = (flags & FLAG_GIVEN) != 0;
	QR_ASSERT(!reader.failed && reader.at == bytes + USED_BYTES);
	if (reserved != 0 || (flags & ~FLAG_GIVEN) != 0 ||
	    !store_is_zero(reader.at, qr_reader_left(&reader)) || !is_well_formed(&snapshot))
		return QR_MALFORMED;
	*ret_snapshot = snapshot;
	return QR_OK;
}

void store_checkpoint_encode(uint8_t bytes[STORE_CHECKPOINT_BYTES],
			     const struct store_checkpoint *checkpoint)
{
	store_put_u64(bytes, checkpoint->index);
	store_put_u64(bytes + 8, checkpoint->first_offset);
	store_put_u64(bytes + 16, checkpoint->block);
}

struct store_checkpoint store_checkpoint_decode(const uint8_t bytes[STORE_CHECKPOINT_BYTES])
{
	struct qr_reader reader = qr_reader_over(bytes, STORE_CHECKPOINT_BYTES);
	struct store_checkpoint checkpoint;

	checkpoint.index = qr_read_u64(&reader);
	checkpoint.first_offset = qr_read_u64(&reader);
	checkpoint.block = qr_read_u64(&reader);
	return checkpoint;
}
