/*
 * What the files of the engine share: the parts of a log and the calls between them. Nobody outside
 * storage/engine includes this.
 *
 *   log.c       creation, routing of ops and completions, queries
 *   index.c     where entries are: dense for the newest, sparse for all
 *   layout.c    the leader's open entry
 *   place.c     a follower's fragments
 *   write.c     group commit, the durable prefix
 *   scrub.c     zeros over what was cut off
 *   segments.c  segments ready in front of the tail
 *   slots.c     hard state
 *   snapshot.c  snapshots on their way out
 *   restore.c   the newest of them, at the start
 *   give.c      the one where the log begins, for a peer
 *   install.c   one that a peer has given, in the place of the log
 *   recover.c   the start: entry after entry, and what lies behind the first hole
 *   recover_read.c, recover_slots.c  what it reads, and where it begins
 *   start.c     where the log begins: what was given up, and what is still there
 *   reader.c    cold reads
 *   repair.c    entries that the disk has lost, written again
 */
#ifndef QR_STORE_ENGINE_INTERNAL_H
#define QR_STORE_ENGINE_INTERNAL_H

#include "storage/engine/internal_start.h"
#include "storage/engine/reader.h"

#define STORE_SCRUB_BLOCKS 64
#define STORE_NOT_STALE UINT64_MAX

/** Which part of a log an op belongs to; beside a number of that part, in its tag. */
enum store_part {
	STORE_PART_WRITE = 1,
	STORE_PART_SCRUB,
	STORE_PART_SEGMENTS,
	STORE_PART_SLOTS,
	STORE_PART_RECOVERY,
	STORE_PART_RECOVERY_SLOTS,
	STORE_PART_RECOVERY_SYNC,
	STORE_PART_SNAPSHOT,
	STORE_PART_RESTORE,
	STORE_PART_REPAIR,
	STORE_PART_DROP,
	STORE_PART_GIVE,
};

static inline uint64_t store_tag(enum store_part part, uint32_t number)
{
	return STORE_TAG_LOG | (uint64_t)part << 32 | number;
}

/* ---- index.c ---- */

struct store_index_entry {
	qr_term term;
	qr_block block;
	qr_offset first_offset;
	uint64_t digest; /* of the header */
	uint32_t blocks;
	uint32_t bytes; /* header and payload */
	uint32_t record_count;
	uint8_t kind;
};

struct store_index {
	/* The newest entries, at `index & mask`: two windows' worth, so that the entry in front of
	 * whatever can be cut off is still known. */
	struct store_index_entry *entries;
	uint32_t mask;
	qr_index first;		  /* the oldest entry that is still there */
	struct store_prefix base; /* in front of what recovery read */

	struct store_checkpoint *checkpoints;
	uint32_t checkpoint_count;
	uint32_t checkpoint_max;
	uint32_t spacing_blocks;
};

void store_index_init(struct store_index *index, struct qr_arena *arena,
		      const struct store_log_parameters *parameters);
/** Empty again, over the memory of another one. */
void store_index_restart(struct store_index *index, const struct store_index *before);
/** The entry after `log->last`, which becomes the last. */
void store_index_append(struct store_log *log, const struct store_entry *entry, uint64_t digest);
/** Forget the entries above `to`. */
void store_index_truncate(struct store_log *log, qr_index to);
/** Of the dense part; NULL when it is not there. */
const struct store_index_entry *store_index_at(const struct store_log *log, qr_index at);
/** Whether store_index_prefix can tell. */
bool store_index_knows(const struct store_log *log, qr_index to);
/** The prefix that ends with entry `to`: none, the base, the last, or one in the dense part. */
struct store_prefix store_index_prefix(const struct store_log *log, qr_index to);
struct store_prefix store_index_prefix_after(const struct store_entry *entry, uint64_t digest);
/** The newest checkpoint at or before an entry, or a record; else where the log begins. */
struct store_checkpoint store_index_before(const struct store_log *log, qr_index at);
struct store_checkpoint store_index_before_offset(const struct store_log *log, qr_offset offset);
/** How many checkpoints are of entries up to `to`. */
uint32_t store_index_checkpoints_upto(const struct store_log *log, qr_index to);
/** Checkpoints in front of the log's origin are gone. */
void store_index_drop(struct store_log *log);
/** Begin behind `base`, with the checkpoints of a snapshot. */
void store_index_restore(struct store_log *log, const struct store_snapshot *snapshot,
			 const uint8_t *checkpoints);

/* ---- layout.c ---- */

struct store_open {
	bool active;
	enum raft_entry_kind kind;
	qr_term term;
	qr_block block;
	uint32_t used_bytes; /* of the payload */
};

/* ---- write.c ---- */

struct store_write_slot {
	bool done;
	bool stale;	/* some of it was cut off after it had started */
	qr_index last;	/* what its completion makes durable; 0: nothing any more */
	qr_block block; /* of its first block, for overlap with what follows a cut */
};

struct store_writes {
	qr_index queued;	     /* store_write was called up to here */
	qr_index issued;	     /* handed to the disk up to here */
	struct store_prefix flushed; /* on the disk without a hole */
	qr_block end;		     /* one past the highest block that was ever handed out */
	uint32_t inflight;
	uint32_t stale_count; /* in flight, and cut off */
	qr_block stale_block; /* the lowest block of those; STORE_NOT_STALE */
	uint32_t head;	      /* a ring of slots, oldest first, retired in order */
	uint32_t count;
	struct store_write_slot slots[STORE_WRITES_MAX];
};

unsigned store_writes_poll(struct store_log *log, struct store_op *ops, unsigned max);
void store_writes_complete(struct store_log *log, uint32_t number, enum qr_error result);
/** The accepted suffix above `to` is gone: late completions of it count for nothing. */
void store_writes_truncate(struct store_log *log, qr_index to);

/* ---- scrub.c ---- */

struct store_scrub {
	uint8_t *zeros;
	qr_block low;
	qr_block high; /* [low, high) is still to be zeroed, from the top down */
	qr_block next; /* what `high` becomes when the write in flight is done */
	bool inflight;
};

/** Zero what was written from `low` on, before anything else is written there. */
void store_scrub_from(struct store_log *log, qr_block low);
bool store_scrub_is_active(const struct store_log *log);
unsigned store_scrub_poll(struct store_log *log, struct store_op *ret_op);
void store_scrub_complete(struct store_log *log, enum qr_error result);

/* ---- segments.c ---- */

struct store_segments {
	uint64_t first; /* segments first..ready-1 exist */
	uint64_t ready;
	bool preparing;
	bool recycling; /* the first one's file becomes the one that is being prepared */
	bool dropping;
	bool full;  /* the last attempt found no space; nothing is tried until a retry */
	bool stuck; /* the same of one that cannot be removed */
};

unsigned store_segments_poll(struct store_log *log, struct store_op *ret_op);
/** Where data ends: what lies behind it is kept for entries without. */
qr_block store_segments_reserve(const struct store_log *log);
void store_segments_complete(struct store_log *log, enum qr_error result);
/** Remove the first one. */
unsigned store_segments_drop(struct store_log *log, struct store_op *ret_op);
void store_segments_dropped(struct store_log *log, enum qr_error result);

/* ---- slots.c ---- */

struct store_slots {
	uint8_t *blocks;	   /* both slots as read; then the one that is being written */
	struct store_slot current; /* the newest in memory */
	uint64_t durable_generation;
	qr_index durable_settled;
	uint64_t durable_start;	     /* a segment */
	uint64_t written_generation; /* of the bytes in `blocks` */
	qr_index written_settled;
	uint64_t written_start;
	bool dirty;  /* `current` is newer than what was written */
	bool mirror; /* the twin has yet to get the same bytes */
	bool inflight;
	bool inflight_mirror;
};

void store_slots_begin(struct store_log *log);
void store_slots_touch(struct store_log *log);
bool store_slots_is_busy(const struct store_log *log);
/** Whether the newest (term, vote) that was asked for is on stable media. */
bool store_slots_is_state_durable(const struct store_log *log);
unsigned store_slots_poll(struct store_log *log, struct store_op *ret_op);
void store_slots_complete(struct store_log *log, enum qr_error result);

/* ---- the log ---- */

struct store_log {
	struct store_log_parameters parameters;
	uint8_t *window;
	uint32_t window_blocks;
	uint32_t stride_blocks;

	struct store_prefix last; /* the accepted prefix */
	qr_block intact;	  /* the window still has the accepted entries from here on */
	qr_index released;
	qr_block released_block; /* what lies below may be overwritten */
	uint64_t generation;
	enum qr_error condition; /* QR_AGAIN until recovered */

	struct store_start start; /* as agreed; the slots follow */
	struct store_origin origin;

	struct store_open open;
	struct store_index index;
	struct store_writes writes;
	struct store_scrub scrub;
	struct store_segments segments;
	struct store_slots slots;
	struct store_snapshots snapshots;
	struct store_restore restore;
	struct store_repair repair;
	struct store_give give;
	struct store_recovery recovery;
	struct store_log_counters counters;
	uint64_t completions; /* of every kind */
};

/** Where a block lies in the window. */
static inline uint8_t *store_window_at(const struct store_log *log, qr_block block)
{
	return log->window + block % log->window_blocks * QR_BLOCK_BYTES;
}

/** Blocks below `end` are about to change: those a window further down are gone. */
static inline void store_window_touch(struct store_log *log, qr_block end)
{
	if (end > log->window_blocks && log->intact < end - log->window_blocks)
		log->intact = end - log->window_blocks;
}

/** The first block of the next stride, for a block inside of one; itself for a stride's first. */
static inline qr_block store_stride_end(const struct store_log *log, qr_block block)
{
	return (block + log->stride_blocks - 1) / log->stride_blocks * log->stride_blocks;
}

/** Blocks from `block` to the end of its stride. */
static inline uint32_t store_stride_rest(const struct store_log *log, qr_block block)
{
	return log->stride_blocks - (uint32_t)(block % log->stride_blocks);
}

static inline qr_block store_segment_block(const struct store_log *log, uint64_t segment)
{
	return segment * log->parameters.geometry.segment_blocks;
}

/** Fill in where in which file `block` is. */
static inline void store_op_locate(const struct store_log *log, struct store_op *op, qr_block block)
{
	uint32_t segment_blocks = log->parameters.geometry.segment_blocks;

	op->group = log->parameters.group;
	op->segment = block / segment_blocks;
	op->offset_bytes = block % segment_blocks * QR_BLOCK_BYTES;
}

static inline enum store_op_kind store_write_kind(const struct store_log *log)
{
	return log->parameters.lazy ? STORE_OP_WRITE_LAZY : STORE_OP_WRITE;
}

/** One past the last block that writes in flight can reach when the prefix ends at `block`. */
static inline qr_block store_reach(const struct store_log *log, qr_block block)
{
	return (block / log->stride_blocks + 1 + STORE_REACH_STRIDES) * log->stride_blocks;
}

void store_log_poison(struct store_log *log);

#endif
