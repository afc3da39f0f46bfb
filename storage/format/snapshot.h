/*
 * A snapshot: what a group was after a prefix of its log, so that a start reads the log from there
 * on and not from its beginning. A block of header, then the body: the node's state (opaque here),
 * then a part of the index. The byte table is docs/formats/snapshot.md.
 *
 * A few files take turns, body first, header last. So a crash, or damage, costs one of them, and
 * the others are whole; they are older, and the log is read from further back. One that stands for
 * all that lies in front of a segment lets the log begin there, once what is before it is given up.
 */
#ifndef QR_STORE_FORMAT_SNAPSHOT_H
#define QR_STORE_FORMAT_SNAPSHOT_H

#include "consensus/base/codec.h"
#include "consensus/base/error.h"
#include "storage/format/slot.h"

#define STORE_SNAPSHOT_MAGIC 0x314d5251u /* "QRM1" */
#define STORE_SNAPSHOT_HEADER_BYTES QR_BLOCK_BYTES
#define STORE_SNAPSHOTS 16 /* of a group, at most */
#define STORE_CHECKPOINT_BYTES 24

struct store_snapshot {
	uint64_t serial; /* orders them; from 1 */
	uint64_t cluster;
	qr_group group;
	struct store_geometry geometry;
	struct store_prefix base; /* not empty: what the state contains, all of it committed */
	uint32_t state_bytes;	  /* at least 1 */
	uint32_t checkpoint_count;
	uint32_t spacing_blocks; /* of the checkpoints: at least so far apart */
	uint32_t body_crc;	 /* CRC32C of the state and the checkpoints */
	uint64_t time_ns;	 /* of the last entry that it contains, as its header says */
	uint64_t segment;	 /* that begins right behind the base; 0: none does */
	bool given; /* by a peer: counts once the slots name its base, and not before */
};

/** Entry `index` begins at `block`. */
struct store_checkpoint {
	qr_index index;
	qr_offset first_offset;
	qr_block block;
};

/** State and checkpoints, without padding. */
static inline uint64_t store_snapshot_body_bytes(const struct store_snapshot *snapshot)
{
	return snapshot->state_bytes +
	       (uint64_t)snapshot->checkpoint_count * STORE_CHECKPOINT_BYTES;
}

/** Of the file: header, body, padding. */
static inline uint64_t store_snapshot_file_bytes(const struct store_snapshot *snapshot)
{
	uint64_t body_bytes = store_snapshot_body_bytes(snapshot);

	return STORE_SNAPSHOT_HEADER_BYTES +
	       (body_bytes + QR_BLOCK_BYTES - 1) / QR_BLOCK_BYTES * QR_BLOCK_BYTES;
}

void store_snapshot_encode(uint8_t bytes[STORE_SNAPSHOT_HEADER_BYTES],
			   const struct store_snapshot *snapshot);
/** Errors: QR_NOT_FOUND (all zero), QR_CHECKSUM, QR_VERSION, QR_MALFORMED. */
QR_MUST_USE enum qr_error store_snapshot_decode(const uint8_t bytes[STORE_SNAPSHOT_HEADER_BYTES],
						struct store_snapshot *ret_snapshot);

void store_checkpoint_encode(uint8_t bytes[STORE_CHECKPOINT_BYTES],
			     const struct store_checkpoint *checkpoint);
struct store_checkpoint store_checkpoint_decode(const uint8_t bytes[STORE_CHECKPOINT_BYTES]);

#endif
