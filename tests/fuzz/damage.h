/*
 * A sound log on a simulated disk, and changes to its bytes: what the targets of the storage engine
 * begin with. A change is six bytes: what, block, offset (two bytes), value, count.
 */
#ifndef QR_TESTS_FUZZ_DAMAGE_H
#define QR_TESTS_FUZZ_DAMAGE_H

#include "tests/fuzz/snapshot.h"
#include "tests/unit/storage/rig.h"

#define DAMAGE_BYTES 6
#define DAMAGE_ENTRIES 40
#define DAMAGE_SEGMENTS_MAX 8

enum damage_kind {
	DAMAGE_XOR,
	DAMAGE_ZERO, /* a sector */
	DAMAGE_COPY, /* a block to another place */
	DAMAGE_MEND, /* a byte of a header, with the checksum to go with it */
	DAMAGE_SLOT,
	DAMAGE_KINDS
};

/** The log as it was written: entries of all sizes, most of them released, some of them settled. */
struct damage {
	struct rig rig;
	struct snapshot image; /* of the segments */
	uint64_t segment_count;
	uint8_t slots[STORE_SLOTS * STORE_SLOT_BYTES];
	bool forged; /* a checksum was mended: what is read need not be what was written */
};

/** Once. The log stays open. */
void damage_init(struct damage *damage);
/** The disk as it was. */
void damage_undo(struct damage *damage);
void damage_apply(struct damage *damage, enum damage_kind kind, const uint8_t change[DAMAGE_BYTES]);

#endif
