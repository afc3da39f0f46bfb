/*
 * Reading a log from the disk, and writing again what is not there any more.
 *
 * A cold reader: streams verified entries from the segments through a buffer of its own. It may be
 * used for any log of its core, one at a time; its buffer must hold a stride of that log. One entry
 * costs it reads of about that size; for whoever goes on, it reads ahead, more and more at a time.
 * Its ops carry `tag`, which must lie below STORE_TAG_LOG.
 */
#ifndef QR_STORE_ENGINE_READER_H
#define QR_STORE_ENGINE_READER_H

#include "storage/engine/log.h"

/* Of one op: as much as an append may find in front of it in the device's queue. */
#define STORE_READ_BLOCKS_MAX 64u

struct store_reader;

struct store_reader *store_reader_create(struct qr_arena *arena, uint32_t buffer_blocks);
struct qr_span store_reader_buffer(const struct store_reader *reader);

/** Start at the entry `index`, or at the one with record `offset`. `tag` names this reader in ops.
 */
void store_reader_start_index(struct store_reader *reader, struct store_log *log, qr_index index,
			      uint64_t tag);
void store_reader_start_offset(struct store_reader *reader, struct store_log *log, qr_offset offset,
			       uint64_t tag);
/**
 * Start at that entry. Nothing in front of it is read: damage there does not matter.
 */
void store_reader_start_at(struct store_reader *reader, struct store_log *log,
			   const struct store_missing *missing, uint64_t tag);
/** Of the op that it needs next, and of the one that is in flight; 0: none. */
uint32_t store_reader_wanted(const struct store_reader *reader);
uint32_t store_reader_inflight(const struct store_reader *reader);
/** The next op that it needs: 0 or 1. */
unsigned store_reader_poll(struct store_reader *reader, struct store_op *ret_op);
void store_reader_complete(struct store_reader *reader, const struct store_completion *completion);
/**
 * The next verified entry, header included; borrowed until the next call.
 * Errors: QR_AGAIN  waiting for the disk; QR_NOT_FOUND  beyond the durable end; QR_OUT_OF_RANGE the
 *         log begins behind it by now; QR_CORRUPT; QR_IO.
 */
QR_MUST_USE enum qr_error store_reader_next(struct store_reader *reader,
					    struct store_location *ret_location,
					    struct qr_span *ret_bytes);
/** After QR_CORRUPT or QR_IO: the entry that it did not get. */
struct store_missing store_reader_missing(const struct store_reader *reader);

/**
 * The index of the entry that it looks at next. It gives what is durable, also above the commit
 * index: who serves committed entries only asks here before the next one.
 */
qr_index store_reader_index(const struct store_reader *reader);
/**
 * Whether the device owes it a read, also one that has yet to be started.
 * @return a number that changes with every completion; 0: it does not.
 */
uint64_t store_reader_owed(const struct store_reader *reader);
/** Stop using it. An op still in flight is waited for before it can start again. */
void store_reader_stop(struct store_reader *reader);
bool store_reader_is_idle(const struct store_reader *reader);

/* ---- repair ---- */

/**
 * Write an entry again that is committed, and that this disk has lost.
 * @param bytes  `entry_bytes` and room up to a whole block, which is zeroed; lent while
 *               store_repair_is_busy.
 * Errors: QR_OUT_OF_RANGE  not committed and durable here;
 *         QR_POISONED, QR_CORRUPT, QR_AGAIN  the log's condition;
 *         others  these bytes are not that entry.
 */
QR_MUST_USE enum qr_error store_repair_write(struct store_log *log,
					     const struct store_missing *missing, qr_block block,
					     uint8_t *bytes, uint32_t entry_bytes);
bool store_repair_is_busy(const struct store_log *log);

#endif
