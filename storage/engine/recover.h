/*
 * The start of a group's log: from the files that are there to an open log, entry by entry.
 */
#ifndef QR_STORE_ENGINE_RECOVER_H
#define QR_STORE_ENGINE_RECOVER_H

#include "storage/engine/log.h"
#include "storage/engine/snapshot.h"

/** One entry that recovery has verified, in order; borrowed until the next call. */
struct store_recovered_entry {
	struct store_entry entry;
	struct qr_span payload;
};

/**
 * Begin recovery. Ops come out of store_log_poll, completions go in as always.
 * @param buffer  lent until store_recover_state has ended; NULL: snapshots are not looked at, and
 *                the log is read from the first block that there is, as a tool does that looks at
 *                all of it; where others were given up, nothing says what their entries did.
 */
void store_recover_begin(struct store_log *log, struct store_extent segments,
			 const struct store_snapshot_buffer *buffer);

/** What the newest sound snapshot says: the state is that after `base`. */
struct store_recovered_state {
	struct store_prefix base;
	struct qr_span state; /* lies in the buffer */
};

/**
 * The state to begin with; store_recover_next then gives the entries behind it.
 * Errors: QR_AGAIN      waiting for the disk;
 *         QR_NOT_FOUND  no sound snapshot: begin with nothing, the whole log follows;
 *         others as store_recover_next.
 */
QR_MUST_USE enum qr_error store_recover_state(struct store_log *log,
					      struct store_recovered_state *ret_state);

/**
 * The next verified entry of the log, oldest first.
 * Errors: QR_AGAIN        waiting for the disk;
 *         QR_NOT_FOUND    done: the end of the log; a torn tail has been cut. The log is open.
 *         QR_BUSY         a settled entry is missing, and parameters.mends: see
 *                         store_recover_missing;
 *         QR_CORRUPT      damage below what may be torn: nothing was cut (see store_log_damage);
 *         QR_FOREIGN, QR_VERSION  another cluster's, node's or format's files;
 *         QR_CONFIG       the group was created with another geometry; QR_IO.
 * An error stays: the log is not opened, and nothing on the disk was changed.
 */
QR_MUST_USE enum qr_error store_recover_next(struct store_log *log,
					     struct store_recovered_entry *ret_entry);

/** After QR_BUSY: which entry. It can be written with store_repair_write. */
struct store_missing store_recover_missing(const struct store_log *log);
/**
 * Look at its place again: it was repaired, or can perhaps be read by now.
 * @return false: not yet, the disk still owes something.
 */
bool store_recover_again(struct store_log *log);

struct store_damage {
	qr_index index; /* the first entry that is missing */
	uint64_t segment;
	uint64_t offset_bytes;
	enum qr_error reason;
};
struct store_damage store_log_damage(const struct store_log *log);
/** While a torn tail is being zeroed: how many blocks behind the last entry still are to be. */
uint32_t store_log_torn_blocks(const struct store_log *log);

#endif
