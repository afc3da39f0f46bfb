/*
 * Any bytes as a backup: first as they are, then as steps of 8 bytes that change a sound one (bytes
 * and blocks, with their checksums mended or not). What the parser takes up to the trailer must be
 * what a log can be: dense, in its strides, counted, and with every checksum right.
 */
#include "consensus/base/assert.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/storage/backup_sample.h"

#include <string.h>

#define STEP_BYTES 8

enum step { FLIP, SET, DROP, DOUBLE, SWAP, MEND_ALL, STEPS };

static struct backup_sample sample;
static struct backup_sample sound;

static uint8_t *block_at(uint32_t block)
{
	return sample.bytes + (size_t)block * STORE_BACKUP_BLOCK_BYTES;
}

/** What was taken, by other means than the parser's. */
static void check_entry(const struct store_backup_parser *before,
			const struct store_backup_parser *after, const struct store_entry *entry)
{
	uint32_t stride_blocks = before->group.geometry.stride_blocks;

	QR_ASSERT(entry->index == before->last.index + 1 && after->last.index == entry->index);
	QR_ASSERT(entry->block >= before->last.block &&
		  entry->block - before->last.block < stride_blocks);
	QR_ASSERT(entry->block / stride_blocks ==
		  (entry->block + entry->blocks - 1) / stride_blocks);
	QR_ASSERT(entry->term >= before->last.term && entry->term <= before->group.term);
	QR_ASSERT(after->last.offset - before->last.offset == entry->record_count);
}

static void check_group(const struct store_backup_parser *parser,
			const struct store_backup_end *end)
{
	QR_ASSERT(end->last.index - parser->group.before.index == end->entries);
	QR_ASSERT(end->last.offset - parser->group.before.offset == end->records);
	QR_ASSERT(parser->snapshots == parser->group.snapshot_count);
	for (uint32_t n = 0; n < parser->snapshots; n++) {
		QR_ASSERT(parser->bases[n].index >= parser->group.before.index &&
			  parser->bases[n].index <= end->last.index);
	}
	QR_ASSERT(parser->group.start.before <= end->last.index);
}

/** @return whether it was taken as a whole. */
static bool parse(const uint8_t *bytes, uint32_t blocks)
{
	struct store_backup_parser parser = {0};
	struct store_backup_parser before;
	struct store_backup_item item;
	uint32_t at = 0;

	while (at < blocks) {
		const uint8_t *next = bytes + (size_t)at * STORE_BACKUP_BLOCK_BYTES;

		if (store_backup_look(&parser, next, &item) != QR_OK || item.blocks > blocks - at)
			return false;
		QR_ASSERT(item.blocks > 0 && item.blocks <= STORE_BACKUP_ITEM_BLOCKS_MAX);
		before = parser;
		if (store_backup_take(&parser, next, &item) != QR_OK)
			return false;
		if (item.kind == STORE_BACKUP_ENTRY)
			check_entry(&before, &parser, &item.entry);
		if (item.kind == STORE_BACKUP_END)
			check_group(&parser, &item.end);
		at += item.blocks;
		QR_ASSERT(parser.blocks == at);
	}
	return parser.phase == STORE_BACKUP_DONE;
}

static void drop_block(uint32_t block)
{
	memmove(block_at(block), block_at(block + 1),
		(size_t)(sample.blocks - block - 1) * STORE_BACKUP_BLOCK_BYTES);
	sample.blocks--;
}

static void double_block(uint32_t block)
{
	if (sample.blocks == SAMPLE_BLOCKS_MAX)
		return;
	memmove(block_at(block + 1), block_at(block),
		(size_t)(sample.blocks - block) * STORE_BACKUP_BLOCK_BYTES);
	sample.blocks++;
}

static void swap_blocks(uint32_t one, uint32_t other)
{
	uint8_t block[STORE_BACKUP_BLOCK_BYTES];

	memcpy(block, block_at(one), sizeof(block));
	memcpy(block_at(one), block_at(other), sizeof(block));
	memcpy(block_at(other), block, sizeof(block));
}

/** The trailer says what is there by now, so that what is in front of it decides. */
static void mend_trailer(void)
{
	struct store_backup_trailer trailer = {.cluster = SAMPLE_CLUSTER,
					       .group_count = sample.group_count};

	trailer.blocks = sample.blocks - 1;
	trailer.crc = qr_crc32c(0, sample.bytes, (size_t)trailer.blocks * STORE_BACKUP_BLOCK_BYTES);
	store_backup_trailer_encode(block_at(sample.blocks - 1), &trailer);
}

/* 0 what, 1 block, 2 where in it u16, 4 value u32 */
static void change(const uint8_t *step)
{
	uint32_t block = step[1] % sample.blocks;
	struct qr_reader reader = qr_reader_over(step + 2, STEP_BYTES - 2);
	uint32_t at = qr_read_u16(&reader) % (STORE_BACKUP_BLOCK_BYTES - 3);
	uint32_t value = qr_read_u32(&reader);

	switch ((enum step)(step[0] % STEPS)) {
	case FLIP:
		block_at(block)[at] ^= (uint8_t)value;
		break;
	case SET: /* in the part where fields are, and the checksum holds */
		memcpy(block_at(block) + at % 192, &value, sizeof(value));
		sample_mend(block_at(block));
		break;
	case DROP:
		if (sample.blocks > 1)
			drop_block(block);
		break;
	case DOUBLE:
		double_block(block);
		break;
	case SWAP:
		swap_blocks(block, value % sample.blocks);
		break;
	case MEND_ALL:
	case STEPS:
	default:
		mend_trailer();
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	size_t raw_bytes = size_bytes < sizeof(sample.bytes) ? size_bytes : sizeof(sample.bytes);
	bool same;

	memset(sample.bytes, 0, sizeof(sample.bytes));
	memcpy(sample.bytes, data, raw_bytes);
	(void)parse(sample.bytes, qr_blocks_for(raw_bytes));

	if (sound.blocks == 0)
		sample_whole(&sound);
	sample = sound;
	for (size_t at = 0; at + STEP_BYTES <= size_bytes; at += STEP_BYTES)
		change(data + at);
	same = sample.blocks == sound.blocks &&
	       memcmp(sample.bytes, sound.bytes, (size_t)sound.blocks * STORE_BACKUP_BLOCK_BYTES) ==
		       0;
	if (!parse(sample.bytes, sample.blocks))
		QR_ASSERT(!same);
	mend_trailer();
	(void)parse(sample.bytes, sample.blocks);
	return 0;
}
