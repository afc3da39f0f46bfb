/*
 * A snapshot that a peer has given takes the place of this log: what is here ends before it, or
 * belongs to a loser. Or it takes the place of the log's beginning only: recovery misses an entry
 * there, and nobody has it any more. What is here behind the snapshot was promised, and stays.
 *
 *   1. The snapshot is written to a file, its header last. The slots do not name its base yet, and
 *      it says of itself that it was given: a start ignores it, and has the log as it was.
 *   2. The slots are written: settled up to the base, the log begins behind it, and `reset`: the
 *      segments that are there are of no use (unless the log goes on in them). From here on this is
 *      the log.
 *   3. The log begins anew, as after a crash: recovery removes the segments, restores the state,
 *      finds nothing behind it, and clears the mark.
 *
 * (term, vote) stays what it is. The caller sees to it that nothing is promised of the old log from
 * step 1 on.
 */
#include "consensus/base/assert.h"
#include "consensus/base/crc.h"
#include "storage/engine/internal.h"

/** Errors: QR_CORRUPT  damaged on its way, or in the file that it came from; others: not for us. */
static enum qr_error check(const struct store_log *log, const struct store_snapshot *given,
			   const struct store_snapshot_buffer *buffer, size_t size_bytes)
{
	const uint8_t *body = buffer->data + STORE_SNAPSHOT_HEADER_BYTES;
	enum qr_error error = store_snapshot_check_owner(log, given);

	if (error != QR_OK)
		return error;
	if (given->segment == 0 || given->base.index <= log->last.index ||
	    given->base.term > log->slots.current.state.term)
		return QR_STALE;
	if (log->condition != QR_AGAIN && given->base.index <= log->slots.current.settled.index)
		return QR_STALE;
	if (store_snapshot_file_bytes(given) != size_bytes ||
	    qr_crc32c(0, body, store_snapshot_body_bytes(given)) != given->body_crc)
		return QR_CORRUPT;
	return QR_OK;
}

enum qr_error store_install_begin(struct store_log *log, struct store_snapshot_buffer buffer,
				  size_t size_bytes)
{
	struct store_snapshots *snapshots = &log->snapshots;
	struct store_snapshot given;
	enum qr_error error;

	if (snapshots->phase != STORE_SNAPSHOT_IDLE)
		return QR_BUSY; /* the newest one here is being made durable */
	QR_ASSERT(!snapshots->inflight);
	if (log->condition != QR_OK && log->condition != QR_NO_SPACE && !store_is_mending(log))
		return log->condition;
	if (size_bytes < STORE_SNAPSHOT_HEADER_BYTES || size_bytes > buffer.size_bytes)
		return QR_MALFORMED;
	error = store_snapshot_decode(buffer.data, &given);
	if (error == QR_OK)
		error = check(log, &given, &buffer, size_bytes);
	if (error != QR_OK)
		return error;
	given.given = true;
	given.checkpoint_count = 0; /* of entries that are not here */
	store_snapshot_lend(log, &given, buffer);
	return QR_OK;
}

void store_install_name(struct store_log *log)
{
	const struct store_snapshot *given = &log->snapshots.taken;
	struct store_slot *slot = &log->slots.current;

	QR_ASSERT(log->snapshots.phase == STORE_SNAPSHOT_NAME);
	if (log->start.segment < given->segment) {
		log->start = (struct store_start){.segment = given->segment,
						  .before = given->base.index,
						  .offset = given->base.offset};
	}
	if (slot->settled.index < given->base.index)
		slot->settled = given->base;
	slot->start = log->start;
	slot->reset = log->condition != QR_AGAIN || given->segment >= log->segments.ready;
	log->slots.dirty = true;
}

static bool is_idle(const struct store_log *log)
{
	for (unsigned i = 0; i <= log->recovery.ahead; i++) {
		if (log->recovery.reads[i].inflight)
			return false;
	}
	return !store_slots_is_busy(log) && log->writes.inflight == 0 && !log->segments.preparing &&
	       !log->segments.dropping && !log->scrub.inflight && !log->repair.inflight &&
	       !log->give.inflight;
}

enum qr_error store_install_end(struct store_log *log)
{
	const struct store_snapshots *snapshots = &log->snapshots;

	if (log->condition == QR_POISONED)
		return QR_POISONED;
	if (snapshots->phase == STORE_SNAPSHOT_IDLE)
		return QR_NO_SPACE; /* given up; the log is as it was */
	if (snapshots->phase != STORE_SNAPSHOT_NAME ||
	    log->slots.durable_start < snapshots->taken.segment || !is_idle(log))
		return QR_AGAIN;
	return QR_OK;
}
