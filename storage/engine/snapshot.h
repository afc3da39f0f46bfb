/*
 * Snapshots of what a group is after a prefix of its log: where a start begins to read, what a
 * replica gets that lacks what the log does not have any more, and what takes the place of its log.
 * What the state is, only the caller knows.
 */
#ifndef QR_STORE_ENGINE_SNAPSHOT_H
#define QR_STORE_ENGINE_SNAPSHOT_H

#include "storage/engine/log.h"

#define STORE_SNAPSHOT_STATE_AT QR_BLOCK_BYTES /* where in the buffer the state begins */

/** Memory that a snapshot goes through, on its way in or out. Whole blocks, block-aligned. */
struct store_snapshot_buffer {
	uint8_t *data;
	size_t size_bytes;
};

/* ---- taken here: snapshot.c ---- */

/** How large a buffer is for a state of at most `state_bytes`. */
size_t store_snapshot_bytes(uint32_t checkpoints_max, size_t state_bytes);
/**
 * Whether a snapshot of the state after entry `index` is worth while: the next entry begins a
 * segment, it lies snapshot_blocks behind the newest one, and no other is being written.
 */
bool store_snapshot_is_due(const struct store_log *log, qr_index index);
/**
 * Write one: the state after entry `index`, which is committed. It waits until the slots say that
 * so much is settled; if there is no space it is given up.
 * @param time_ns  when that entry was closed, as its header says.
 * @param buffer   holds the state; lent while store_snapshot_is_busy.
 */
void store_snapshot_take(struct store_log *log, qr_index index, uint64_t time_ns,
			 struct store_snapshot_buffer buffer, size_t state_bytes);
bool store_snapshot_is_busy(const struct store_log *log);

/* ---- for a peer: give.c ---- */

/**
 * The one that a replica is given which lacks what the log does not have any more; NULL: there is
 * none.
 */
const struct store_snapshot *store_snapshot_to_give(const struct store_log *log);
/**
 * Read a piece of the file of that with base `base`. One at a time.
 * @param piece  whole blocks; lent while store_give_is_busy.
 * Errors: QR_NOT_FOUND  there is no such snapshot; QR_OUT_OF_RANGE  the file ends before.
 */
QR_MUST_USE enum qr_error store_give_begin(struct store_log *log, qr_index base, uint32_t at_bytes,
					   struct store_snapshot_buffer piece);
bool store_give_is_busy(const struct store_log *log);
/** What became of the latest. Errors: QR_AGAIN  nothing yet; QR_IO, QR_NOT_FOUND. */
QR_MUST_USE enum qr_error store_give_end(const struct store_log *log, uint32_t *ret_bytes,
					 uint32_t *ret_file_bytes);

/* ---- from a peer: install.c ---- */

/**
 * Put a snapshot in the place of the log. From here on nothing of it may be promised to anybody.
 * @param buffer  holds the file that a peer gave, of `size_bytes`; lent until it has ended.
 * Errors: QR_CORRUPT, QR_FOREIGN, QR_CONFIG, QR_STALE, QR_MALFORMED, QR_VERSION: not with this one;
 *         QR_BUSY: not now; the log's condition. Nothing was begun.
 */
QR_MUST_USE enum qr_error
store_install_begin(struct store_log *log, struct store_snapshot_buffer buffer, size_t size_bytes);
/**
 * Errors: QR_AGAIN     not yet;
 *         QR_NO_SPACE  it was given up, and the log is what it was; QR_POISONED.
 * QR_OK: nothing is in flight; store_log_restart is what must follow.
 */
QR_MUST_USE enum qr_error store_install_end(struct store_log *log);
/**
 * Forget everything that is in memory, as a crash would.
 * @return the segments that exist, for store_recover_begin.
 */
struct store_extent store_log_restart(struct store_log *log);

#endif
