#include "tests/unit/storage/backup_sample.h"

#include "consensus/base/assert.h"
#include "consensus/base/crc.h"

#include <string.h>

#define STATE_BYTES 100
#define CRC_AT 8

static uint8_t *next_block(struct backup_sample *sample, uint32_t blocks)
{
	uint8_t *at = sample->bytes + (size_t)sample->blocks * STORE_BACKUP_BLOCK_BYTES;

	QR_ASSERT(sample->blocks + blocks <= SAMPLE_BLOCKS_MAX);
	sample->blocks += blocks;
	return at;
}

void sample_header(struct backup_sample *sample)
{
	const struct store_backup_header header = {
		.cluster = SAMPLE_CLUSTER, .node = 2, .time_ns = 77};

	memset(sample, 0, sizeof(*sample));
	store_backup_header_encode(next_block(sample, 1), &header);
}

void sample_group(struct backup_sample *sample, qr_group group, uint64_t first_segment,
		  uint32_t snapshot_count)
{
	sample->group = (struct store_backup_group){
		.cluster = SAMPLE_CLUSTER,
		.group = group,
		.geometry = {SAMPLE_SEGMENT_BLOCKS, SAMPLE_STRIDE_BLOCKS},
		.configuration = {.voters = 0xe},
		.term = 5,
		.first_segment = first_segment,
		.snapshot_count = snapshot_count,
	};
	if (first_segment > 0) {
		sample->group.before = (struct store_prefix){
			.index = 100,
			.term = 3,
			.block = first_segment * SAMPLE_SEGMENT_BLOCKS - 2,
			.offset = 1000,
			.chain = 0x1234,
		};
		sample->group.start = (struct store_start){
			.segment = first_segment, .before = 100, .offset = 1000};
	}
	sample->end = (struct store_backup_end){
		.cluster = SAMPLE_CLUSTER, .group = group, .last = sample->group.before};
	store_backup_group_encode(next_block(sample, 1), &sample->group);
}

void sample_snapshot(struct backup_sample *sample, const struct store_prefix *base,
		     uint64_t segment)
{
	uint8_t *bytes = next_block(sample, 2);
	struct store_snapshot snapshot = {
		.serial = base->index,
		.cluster = SAMPLE_CLUSTER,
		.group = sample->group.group,
		.geometry = sample->group.geometry,
		.base = *base,
		.state_bytes = STATE_BYTES,
		.segment = segment,
	};

	memset(bytes + STORE_SNAPSHOT_HEADER_BYTES, 7, STATE_BYTES);
	snapshot.body_crc = qr_crc32c(0, bytes + STORE_SNAPSHOT_HEADER_BYTES, STATE_BYTES);
	store_snapshot_encode(bytes, &snapshot);
}

void sample_entry(struct backup_sample *sample, uint32_t payload_bytes)
{
	struct store_prefix *last = &sample->end.last;
	struct store_entry entry = {
		.kind = RAFT_ENTRY_DATA,
		.cluster = SAMPLE_CLUSTER,
		.group = sample->group.group,
		.index = last->index + 1,
		.term = 4,
		.block = last->block,
		.blocks = qr_blocks_for(STORE_ENTRY_HEADER_BYTES + (uint64_t)payload_bytes),
		.payload_bytes = payload_bytes,
		.first_offset = last->offset,
		.record_count = 3,
		.chain = last->chain,
		.commit = last->index,
		.time_ns = 1000 + last->index,
	};
	uint8_t *bytes = next_block(sample, entry.blocks);

	if (entry.block % SAMPLE_STRIDE_BLOCKS + entry.blocks > SAMPLE_STRIDE_BLOCKS)
		entry.block += SAMPLE_STRIDE_BLOCKS - entry.block % SAMPLE_STRIDE_BLOCKS;
	memset(bytes + STORE_ENTRY_HEADER_BYTES, (int)entry.index & 255, payload_bytes);
	entry.payload_crc = qr_crc32c(0, bytes + STORE_ENTRY_HEADER_BYTES, payload_bytes);
	store_entry_encode(bytes, &entry);
	*last = (struct store_prefix){
		.index = entry.index,
		.term = entry.term,
		.block = entry.block + entry.blocks,
		.offset = entry.first_offset + entry.record_count,
		.chain = store_entry_digest(bytes),
	};
	sample->end.entries++;
	sample->end.records += entry.record_count;
	sample->end.blocks += entry.blocks;
	sample->end.time_ns = entry.time_ns;
}

void sample_end(struct backup_sample *sample)
{
	store_backup_end_encode(next_block(sample, 1), &sample->end);
	sample->group_count++;
}

void sample_trailer(struct backup_sample *sample)
{
	const struct store_backup_trailer trailer = {
		.cluster = SAMPLE_CLUSTER,
		.group_count = sample->group_count,
		.blocks = sample->blocks,
		.crc = qr_crc32c(0, sample->bytes,
				 (size_t)sample->blocks * STORE_BACKUP_BLOCK_BYTES),
	};

	store_backup_trailer_encode(next_block(sample, 1), &trailer);
}

void sample_whole(struct backup_sample *sample)
{
	sample_header(sample);
	sample_group(sample, 3, 0, 0);
	for (uint32_t i = 0; i < 5; i++)
		sample_entry(sample, 3000 + 2500 * i);
	sample_end(sample);
	sample_group(sample, 4, 6, 1);
	sample_snapshot(sample, &sample->group.before, 6);
	for (uint32_t i = 0; i < 3; i++)
		sample_entry(sample, 500 * i);
	sample_end(sample);
	sample_trailer(sample);
}

enum qr_error sample_parse(const uint8_t *bytes, uint32_t blocks,
			   struct store_backup_parser *ret_parser)
{
	struct store_backup_parser *parser = ret_parser;
	uint32_t at = 0;

	memset(parser, 0, sizeof(*parser));
	while (at < blocks) {
		const uint8_t *next = bytes + (size_t)at * STORE_BACKUP_BLOCK_BYTES;
		struct store_backup_item item;
		enum qr_error error = store_backup_look(parser, next, &item);

		if (error == QR_OK && item.blocks > blocks - at)
			return QR_AGAIN;
		if (error == QR_OK)
			error = store_backup_take(parser, next, &item);
		if (error != QR_OK)
			return error;
		at += item.blocks;
	}
	return parser->phase == STORE_BACKUP_DONE ? QR_OK : QR_AGAIN;
}

void sample_mend(uint8_t *block)
{
	bool is_entry = memcmp(block, "QRE1", 4) == 0;
	uint32_t crc;

	memset(block + CRC_AT, 0, sizeof(crc));
	crc = qr_crc32c(0, block, is_entry ? STORE_ENTRY_HEADER_BYTES : STORE_BACKUP_BLOCK_BYTES);
	memcpy(block + CRC_AT, &crc, sizeof(crc));
}
