/* A small backup in memory, item by item: what the tests of its parser share. */
#ifndef QR_TESTS_STORAGE_BACKUP_SAMPLE_H
#define QR_TESTS_STORAGE_BACKUP_SAMPLE_H

#include "storage/format/backup.h"

#define SAMPLE_CLUSTER 0xabcdef0012345678u
#define SAMPLE_SEGMENT_BLOCKS 32u
#define SAMPLE_STRIDE_BLOCKS 8u
#define SAMPLE_BLOCKS_MAX 96

struct backup_sample {
	uint8_t bytes[SAMPLE_BLOCKS_MAX * STORE_BACKUP_BLOCK_BYTES];
	uint32_t blocks;
	uint32_t group_count;
	struct store_backup_group group; /* under way */
	struct store_backup_end end;
};

void sample_header(struct backup_sample *sample);
/** A log that begins with `first_segment`, behind an entry 100 where that is not 0. */
void sample_group(struct backup_sample *sample, qr_group group, uint64_t first_segment,
		  uint32_t snapshot_count);
/** Of the state after `base`; `segment` begins behind it, or 0. */
void sample_snapshot(struct backup_sample *sample, const struct store_prefix *base,
		     uint64_t segment);
/** At the tail, or at the next stride when it does not fit. */
void sample_entry(struct backup_sample *sample, uint32_t payload_bytes);
void sample_end(struct backup_sample *sample);
void sample_trailer(struct backup_sample *sample);

/** All of one: two groups, the second of them without its beginning. */
void sample_whole(struct backup_sample *sample);

/** What the parser makes of `blocks` blocks; QR_AGAIN: they end too soon. */
QR_MUST_USE enum qr_error sample_parse(const uint8_t *bytes, uint32_t blocks,
				       struct store_backup_parser *ret_parser);
/** Make the checksum of a block right that has one, as far as that block goes. */
void sample_mend(uint8_t *block);

#endif
