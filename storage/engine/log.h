/*
 * One group's log: the window in memory, the layout, the index, group commit to the disk, and the
 * durable prefix. Pure: it takes calls and completions and gives out struct store_op.
 *
 * Log space is a line of blocks, the same on every replica: segment s holds blocks
 * [s * segment_blocks, (s+1) * segment_blocks). The window is a ring of memory over the newest
 * part of that line. An entry is laid out (leader) or placed (follower) at its final position in
 * the window, once, and written from there. No entry crosses a multiple of the stride: the rest of
 * a stride that is too small for the next entry stays unused, and the entry begins at the next one.
 *
 * Positions, always in this order (blocks):
 *
 *   released <= committed | durable <= accepted (last) <= open or placed <= limit (overdrawn)
 *
 * The window still holds the blocks that lie less than a window below the highest one laid out or
 * placed. Nothing above `limit` may be touched: it would overwrite blocks that are not yet durable
 * here or not yet released by the node. `limit` is also the credit that a follower grants.
 *
 * A durable block is never rewritten, except by an entry that replaces an uncommitted suffix that
 * lost. A write that overlaps one in flight waits for it.
 *
 * What a crash leaves: any subset of the writes in flight, each torn anywhere. Recovery accepts the
 * longest prefix of entries whose headers, payloads, positions and chain hold.
 *
 * Threads: a log belongs to one replication core.
 */
#ifndef QR_STORE_ENGINE_LOG_H
#define QR_STORE_ENGINE_LOG_H

#include "consensus/base/arena.h"
#include "storage/engine/op.h"
#include "storage/format/entry.h"
#include "storage/format/snapshot.h"

#define STORE_WRITES_MAX 32 /* in flight per group, a bound for write_depth */

/*
 * A constant of the format: nothing is written further away than this many strides past the stride
 * where the durable prefix ends. It is what tells damage from a torn tail (engine/recover.c).
 */
#define STORE_REACH_STRIDES 4

struct store_log; /* engine/internal.h */

struct store_log_parameters {
	uint64_t cluster;
	qr_node node;
	qr_group group;
	struct store_geometry geometry;
	struct raft_configuration configuration; /* for a new group */
	uint32_t window_blocks; /* whole strides, two at least; never less than in an earlier run */
	uint32_t write_depth;	/* writes in flight, 1..STORE_WRITES_MAX */
	uint32_t write_max_blocks; /* one write merges neighbouring entries up to this */
	uint32_t segments_ahead;   /* how many ready segments to keep in front of the tail */
	uint32_t checkpoints_max;  /* of the sparse index; when full, every second one is dropped */
	uint32_t snapshot_blocks;  /* of log from one snapshot to the next; 0: none is taken */
	bool lazy;		   /* durability = memory: accepted is called durable */
	bool mends;		   /* recovery waits for what is missing below the settled prefix */
	bool forgets; /* the others have it: without slots the log is given up, and filled anew */
};

/**
 * A log over memory of the arena. Measures when the arena only measures (returns NULL then).
 * The window is the largest part; it is aligned to 2 MiB.
 */
struct store_log *store_log_create(struct qr_arena *arena,
				   const struct store_log_parameters *parameters);

/** The window's memory, for registration with io_uring. */
struct qr_span store_log_window(const struct store_log *log);

/** An entry by its place: behind its predecessor, of which more or less is known. */
struct store_missing {
	struct store_prefix before; /* only index and block are known unless `linked` */
	bool linked;
	bool placed;	 /* it begins at before.block; else there, or at the next stride */
	uint64_t digest; /* of its header; 0: not known */
};

/* ---- where it begins: start.c ---- */

/** As agreed: what lies in front of it may not be served any more, here or elsewhere. */
struct store_start store_log_start(const struct store_log *log);
/**
 * The last entry in front of what this replica really has; empty: it has everything. At or below
 * the start, and there is a snapshot of the state after it.
 */
struct store_prefix store_log_origin(const struct store_log *log);
/**
 * An entry that is committed says that the log begins there. What lies in front is given up once
 * the slots say so for good.
 * @return false: it begins there or later already, or that cannot be.
 */
bool store_trim(struct store_log *log, const struct store_start *start);

/** What is to be kept; 0 is no bound. */
struct store_retention {
	uint64_t keep_blocks; /* at least so much in front of what is released */
	uint64_t before_ns;   /* entries that were closed before this wall clock time may go */
};
/** @return whether the log could begin later: ret_start is then the latest that is allowed. */
bool store_trim_wanted(const struct store_log *log, const struct store_retention *retention,
		       struct store_start *ret_start);

/* ---- the leader lays out entries ---- */

/**
 * Open an entry at the tail. One at a time; nothing is open before or after.
 * @param room_bytes  payload that must fit at least; decides whether the next stride is needed.
 * Errors: QR_BUSY       the window or the next segment is not free yet;
 *         QR_NO_SPACE   no segment can be prepared: what is ready is kept for entries without data
 *                       (no-op, configuration), which are refused last;
 *         QR_TOO_LARGE  more than a stride; QR_POISONED, QR_CORRUPT.
 */
QR_MUST_USE enum qr_error store_entry_open(struct store_log *log, qr_term term,
					   enum raft_entry_kind kind, uint32_t room_bytes);
bool store_entry_is_open(const struct store_log *log);
/** Payload bytes that the open entry could still take: up to its stride's end and the limit. */
uint32_t store_entry_room(const struct store_log *log);
/** Payload bytes in it so far. */
uint32_t store_entry_used(const struct store_log *log);
/** The next `size_bytes` of its payload, to be filled by the caller; at most store_entry_room. */
uint8_t *store_entry_take(struct store_log *log, uint32_t size_bytes);
/** The index that it will have: last + 1. */
qr_index store_entry_index(const struct store_log *log);
/** Take back the latest `size_bytes` (a chunk that turned out to be bad). */
void store_entry_untake(struct store_log *log, uint32_t size_bytes);
/** Close: pads, sums, writes the header, appends it to the index. The caller proposes it. */
struct store_entry store_entry_close(struct store_log *log, uint32_t record_count, qr_index commit,
				     uint64_t time_ns);
/** Drop the open entry (leadership was lost). */
void store_entry_drop(struct store_log *log);

/* ---- a follower places fragments ---- */

/**
 * Copy bytes of an entry that is not yet accepted to their final position.
 * Errors: QR_STALE   below the accepted tail: refused, that memory is no longer the sender's;
 *         QR_BUSY    beyond the limit; QR_MALFORMED  crosses a stride; QR_POISONED, QR_CORRUPT.
 */
QR_MUST_USE enum qr_error store_place(struct store_log *log, qr_block block, uint32_t offset,
				      struct qr_span bytes);
/**
 * All bytes of the entry after the tail have been placed at `block`: validate it (header, payload,
 * position, chain, index = last + 1), zero its padding and append it to the index.
 * @param ret_entry  written only on QR_OK. Tell consensus next.
 * Errors: QR_CHECKSUM, QR_MALFORMED, QR_STALE, QR_FOREIGN, QR_VERSION: not accepted; the bytes must
 *         be sent again; QR_BUSY, QR_POISONED, QR_CORRUPT as in store_place.
 */
QR_MUST_USE enum qr_error store_accept(struct store_log *log, qr_block block, uint32_t entry_bytes,
				       struct store_entry *ret_entry);

/* ---- both ---- */

/**
 * Forget entries above `to` (never a released one), and the open one; what replaces them gets a new
 * generation. If some of them had been written, the limit may stand at the cut until those writes
 * are done, and what follows is written after their blocks have been zeroed.
 */
void store_truncate(struct store_log *log, qr_index to, uint64_t generation);
/** Entries first..last are consensus' to keep: write them. They follow what was queued before. */
void store_write(struct store_log *log, qr_index first, qr_index last, uint64_t generation);
/** Entries up to `index` are committed and applied: the window may drop them. */
void store_release(struct store_log *log, qr_index index);
/**
 * Write (term, vote); at most one in flight, a newer one replaces one that waits. Entries that are
 * not on their way to the disk yet wait for it.
 */
void store_save_state(struct store_log *log, const struct raft_hard_state *state);

/** Ops to start now, at most `max`; they are in flight from here on. */
unsigned store_log_poll(struct store_log *log, struct store_op *ops, unsigned max);
/** One of them is done. A failed write poisons the log. */
void store_log_complete(struct store_log *log, const struct store_completion *completion,
			qr_ns now_ns);
/**
 * Called about once a second, always: notes in the slots how far the log is settled, when that has
 * moved, and asks again for a segment that could not be prepared (disk full).
 */
void store_log_retry(struct store_log *log);

/**
 * The contiguous durable prefix, under the generation in force: that of the latest store_truncate
 * or store_write; 1 right after recovery, as consensus counts.
 */
struct raft_position store_log_durable(const struct store_log *log);
/** What the slots said; valid once recovery has given its first entry or its end. */
const struct store_slot *store_log_slot(const struct store_log *log);
/** The generation of the newest hard state on stable media. */
uint64_t store_log_state_durable(const struct store_log *log);
/**
 * Whether the device owes a write of a slot, or the segment that appends wait for (no space).
 * @return a number that changes with every completion; 0: it owes neither.
 */
uint64_t store_log_owed(const struct store_log *log);
/** QR_OK, QR_NO_SPACE (serves reads, takes no appends, mends itself), QR_POISONED, QR_CORRUPT. */
enum qr_error store_log_condition(const struct store_log *log);
/** Whether another write could start at once: the moment to close an open entry. */
bool store_log_has_slot(const struct store_log *log);
/** Writes queued or in flight. */
unsigned store_log_pending(const struct store_log *log);
/** How many segments are ready in front of the tail: a benchmark waits for them. */
uint32_t store_log_ready_segments(const struct store_log *log);

qr_index store_log_last(const struct store_log *log);
/** One past the last record. */
qr_offset store_log_end(const struct store_log *log);
/** The first entry above `index` where a reader can begin without those before it. */
qr_index store_log_next_start(const struct store_log *log, qr_index index);
/**
 * One past the last record of entries up to `index`, of the log's.
 * Errors: QR_NOT_FOUND  older than the newest window_blocks entries: only the disk knows.
 */
QR_MUST_USE enum qr_error store_log_offset_after(const struct store_log *log, qr_index index,
						 qr_offset *ret_offset);
/** One past the last block of entries up to `index`, of the log's. Errors: QR_NOT_FOUND as above.
 */
QR_MUST_USE enum qr_error store_log_block_after(const struct store_log *log, qr_index index,
						qr_block *ret_block);
/** One past the last block: the next entry starts there, or at the next stride. */
qr_block store_log_tail(const struct store_log *log);
qr_block store_log_limit(const struct store_log *log);
/**
 * Where the entries must end that a leader needs before anything can be committed (no-op,
 * configuration). A new leader may find its window full of what earlier ones left uncommitted, and
 * so may its followers: these entries go over what is durable and not yet released, half a window
 * at most, which cold readers and recovery have on the disk.
 */
qr_block store_log_limit_overdrawn(const struct store_log *log);

struct store_log_counters {
	uint64_t writes; /* to segments */
	uint64_t write_blocks;
	uint64_t write_entries; /* / writes: how well group commit merges */
	uint64_t slot_writes;
	uint64_t scrubs;   /* suffixes that were cut off after they had been written */
	uint64_t segments; /* prepared */
	uint64_t snapshots;
	uint64_t repairs; /* entries that were written again */
	uint64_t dropped; /* segments that were given up: removed, or used again */
};
struct store_log_counters store_log_counters(const struct store_log *log);

/* ---- reading ---- */

/** Where an entry is: dense for the window's entries, found in the index. */
struct store_location {
	qr_index index;
	qr_term term;
	qr_block block;
	uint32_t blocks;
	uint32_t bytes; /* header and payload */
	qr_offset first_offset;
	uint32_t record_count;
	enum raft_entry_kind kind;
};

/**
 * An accepted entry that the window still holds.
 * @param ret_bytes  header and payload, borrowed until the window moves over them (the next call
 *                   that opens, takes or places).
 * Errors: QR_NOT_FOUND  beyond the last, or only on disk now: use a reader.
 */
QR_MUST_USE enum qr_error store_window_entry(const struct store_log *log, qr_index index,
					     struct store_location *ret_location,
					     struct qr_span *ret_bytes);
/** The same by record. */
QR_MUST_USE enum qr_error store_window_find(const struct store_log *log, qr_offset offset,
					    struct store_location *ret_location,
					    struct qr_span *ret_bytes);

#endif
