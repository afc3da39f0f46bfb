/*
 * The group's metadata and hard state: two slots of one block each. A change is written to slot
 * `serial % 2`; it counts once that write is on stable media; then the other slot gets the same
 * bytes. So a write under way can only damage a slot whose twin holds what counted before, and at
 * rest both hold the same: one damaged slot loses nothing. Losing both means that this replica has
 * forgotten how it voted (state.amnesia). The byte table is docs/formats/log.md.
 *
 * Not ordered by raft_hard_state.generation: generations may be skipped (a newer state replaces one
 * that waits), and 5 and 7 would go to the same slot, the second over the only good copy.
 */
#ifndef QR_STORE_FORMAT_SLOT_H
#define QR_STORE_FORMAT_SLOT_H

#include "consensus/base/error.h"
#include "consensus/base/types.h"
#include "consensus/raft/raft.h"
#include "storage/format/entry.h"

#define STORE_SLOT_MAGIC 0x31535251u /* "QRS1" */
#define STORE_SLOT_BYTES QR_BLOCK_BYTES
#define STORE_SLOTS 2

#define STORE_STRIDE_BLOCKS_MAX                                                                    \
	(1u << 14) /* 64 MiB: bounds an entry, and what recovery reads at once */
#define STORE_SEGMENT_BLOCKS_MAX ((1u << 20) - 1) /* a segment's bytes fit in 32 bits */

#define STORE_SEGMENTS_MAX ((uint64_t)1 << 40) /* their blocks can be counted */
/* No writer counts so far: what is added to a number up to here does not overflow. */
#define STORE_COUNT_MAX ((uint64_t)1 << 62)

/** How a log lies in its files; fixed when the group is created, equal on all replicas. */
struct store_geometry {
	uint32_t segment_blocks; /* whole strides */
	uint32_t stride_blocks;	 /* no entry crosses a multiple of this */
};

bool store_geometry_is_sound(const struct store_geometry *geometry);

/** A prefix of a log, by where it ends. All zero: the empty one. */
struct store_prefix {
	qr_index index;
	qr_term term;
	qr_block block;	  /* one past its last block */
	qr_offset offset; /* one past its last record */
	uint64_t chain;	  /* the digest of its last header */
};

struct store_slot {
	uint64_t serial; /* orders the slots; grows with every change of any field */
	uint64_t cluster;
	qr_node node;
	qr_group group;
	bool lazy; /* written under durability = memory: any of it may be missing after a crash */
	struct store_geometry geometry;
	struct raft_hard_state state;
	struct raft_configuration configuration;
	/*
	 * Both durable here and committed when the slot was written. It never moves back: damage
	 * at or below it is never a torn tail.
	 */
	struct store_prefix settled;
	struct store_start start; /* at or below the settled prefix */
	bool reset; /* the log begins at `settled`, with nothing: segments that are there are old */
};

/** Whether a log that reaches to `within` can begin there. */
bool store_start_is_sound(const struct store_start *start, const struct store_prefix *within,
			  const struct store_geometry *geometry);

void store_slot_encode(uint8_t bytes[STORE_SLOT_BYTES], const struct store_slot *slot);
/** Errors: QR_NOT_FOUND (all zero), QR_CHECKSUM, QR_VERSION, QR_MALFORMED. */
QR_MUST_USE enum qr_error store_slot_decode(const uint8_t bytes[STORE_SLOT_BYTES],
					    struct store_slot *ret_slot);
/**
 * Choose between the two: the valid one with the higher serial.
 * Errors: QR_NOT_FOUND  both never written (a new group);
 *         QR_CORRUPT    none is valid and one was written;
 *         QR_VERSION    one is of another format version, or sound and not understood: whether it
 * is newer cannot be known.
 */
QR_MUST_USE enum qr_error store_slot_choose(const uint8_t bytes[STORE_SLOTS * STORE_SLOT_BYTES],
					    struct store_slot *ret_slot);

#endif
