/*
 * A simulated disk for one group: what is on stable media, and what is in flight. A crash keeps any
 * subset of the 512-byte sectors of the writes in flight. Writes remember their bytes from the
 * start, and completing one asserts that the engine left that memory alone meanwhile.
 */
#ifndef QR_TESTS_STORAGE_DISK_H
#define QR_TESTS_STORAGE_DISK_H

#include "consensus/base/prng.h"
#include "storage/engine/recover.h"
#include "storage/format/snapshot.h"

#define DISK_SEGMENTS_MAX 64
#define DISK_PENDING_MAX 64
#define DISK_SECTOR_BYTES 512
#define DISK_SNAPSHOT_BYTES ((size_t)16 * QR_BLOCK_BYTES)

struct disk_pending {
	struct store_op op;
	uint8_t *copy; /* of a write's bytes */
};

struct disk {
	uint32_t segment_blocks;
	uint32_t segment_limit; /* more at a time are "no space" */
	uint64_t lent_count;	/* so many of the first segments lie in somebody else's memory */
	struct store_extent extent;	      /* the segments that exist */
	uint8_t *segments[DISK_SEGMENTS_MAX]; /* NULL: does not */
	uint8_t slots[STORE_SLOTS * STORE_SLOT_BYTES];
	uint64_t snapshot_bytes[STORE_SNAPSHOTS]; /* how long the files are */
	uint8_t snapshots[STORE_SNAPSHOTS][DISK_SNAPSHOT_BYTES];
	uint32_t pending_count;
	struct disk_pending pending[DISK_PENDING_MAX];
	enum qr_error fail_next_write; /* QR_OK: none */
	enum qr_error fail_snapshots;  /* every write of one, while it is not QR_OK */
};

void disk_init(struct disk *disk, uint32_t segment_blocks);
void disk_fini(struct disk *disk);
void disk_start(struct disk *disk, const struct store_op *op);
/** Carry out pending operation `number` and say so. */
struct store_completion disk_finish(struct disk *disk, uint32_t number);
/** Lose power: pending writes leave any of their sectors; pending PREPAREs all or nothing. */
void disk_crash(struct disk *disk, struct qr_prng *prng);
/** The bytes of a block of the log. */
uint8_t *disk_block(struct disk *disk, qr_block block);

#endif
