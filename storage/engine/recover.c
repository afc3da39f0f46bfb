/*
 * Recovery: from two slots, a snapshot and the segments to an open log.
 *
 * Reading (recover_read.c) begins where the slots say (recover_slots.c), behind the newest sound
 * snapshot (restore.c), which it must where the log's first segments were given up (start.c). What
 * lies below it was settled, so that no tail can begin there; damage to it is found when it is
 * read. Strides are read whole, a few ahead, straight to their ring place in the window, and the
 * entries are verified there: header, payload, padding, position, chain. The next entry lies right
 * behind the last one or, if the rest of that stride was too small for it, at the next stride; the
 * first of the two that is the successor is it. Both can never be: see scrub.c. So when recovery is
 * done the window holds the newest part of the log, but for the strides that were read ahead.
 *
 * The first hole. At some place the successor of entry N is missing: no header, a checksum that
 * does not hold, another position or chain. Then either the crash tore writes that were in flight,
 * so that N + 1 was never durable here and never acknowledged: cut. Or N + 1 was durable once and
 * is damaged: cutting it would take back a promise. What decides:
 *
 *   1. The slots name a settled prefix that was durable here and committed (noted once a second and
 *      at every change of the hard state). A hole at or below its end is damage; the other replicas
 *      have what is missing, so recovery waits for it, if somebody asks them (parameters.mends).
 *
 *   2. Nothing is ever written beyond store_reach(end of the durable prefix), and what is cut off
 * is zeroed before anything is written in its place (write.c, scrub.c). So a valid entry of this
 *      log, at its own position, with an index above N and beyond store_reach(end of N) proves that
 *      the durable prefix once went past N: damage. Everything that exists is searched for one.
 *
 *   3. Otherwise the hole is within reach of what was in flight: a torn tail, of any number of
 *      records, since writes overlap. Sound entries behind it are cut as well: they were not
 * durable as a prefix, so nobody was told.
 *
 * What does not decide: the commit index that entries behind the hole carry. Within reach it may
 * well name N + 1, because a follower whose own write of N + 1 is still in flight gets entries that
 * say that the others have committed it, and a leader may commit before its own write is done.
 * Beyond reach it adds nothing to rule 2. What remains undecidable is damage to entries that were
 * acknowledged within about the last second before the crash; as on any log without a second copy
 * of its headers it looks exactly like a torn write, and is treated as one.
 *
 * A header that is sound but of another cluster, group or format version where the next entry
 * should be is no torn write either: nothing is touched.
 *
 * The torn tail is zeroed from the top down before the log opens, which restores the invariant that
 * nothing valid lies above the end. A crash during that leaves a shorter torn tail. Identical
 * entries that arrive again from a leader are written as if they were new.
 *
 * What was read need not be on stable media: a process that was killed leaves writes in the
 * device's cache that were never acknowledged to it, entries as well as zeros over a suffix that
 * was cut off. Before the log opens, the segments within reach of the end, on both sides of it, are
 * synced and the slots written anew, so that "recovered" means durable, and what was seen to be
 * gone does not come back.
 *
 * Under durability = memory any block may be missing after a crash, nothing was promised: the first
 * hole is the end, whatever lies behind it (the slots say how the log was written).
 */
#include "consensus/base/assert.h"
#include "storage/engine/internal.h"
#include "storage/format/zero.h"

#include <string.h>

/* ---- ends ---- */

enum qr_error store_recovery_fail(struct store_log *log, enum qr_error error)
{
	log->recovery.phase = STORE_RECOVERY_FAILED;
	log->recovery.result = error;
	log->condition = error == QR_IO ? QR_POISONED : QR_CORRUPT;
	return error;
}

/**
 * The next entry is settled and not there. Readers are given what was verified so far: other
 * replicas may ask for it, and miss something else.
 */
static enum qr_error miss(struct store_log *log, enum qr_error error)
{
	if (!log->parameters.mends)
		return store_recovery_fail(log, error);
	log->recovery.phase = STORE_RECOVERY_MEND;
	log->writes.flushed = log->last;
	return QR_BUSY;
}

void store_recovery_note_damage(struct store_log *log, qr_block block, enum qr_error reason)
{
	uint32_t segment_blocks = log->parameters.geometry.segment_blocks;

	log->recovery.damage = (struct store_damage){
		.index = log->last.index + 1,
		.segment = block / segment_blocks,
		.offset_bytes = block % segment_blocks * QR_BLOCK_BYTES,
		.reason = reason,
	};
}

/** The log is what was verified; the window holds what reading on has not overwritten of it. */
static enum qr_error finish(struct store_log *log)
{
	qr_block read_end = (log->last.block / log->stride_blocks + 1 + log->recovery.ahead) *
			    log->stride_blocks;

	log->recovery.phase = STORE_RECOVERY_DONE;
	log->intact = log->index.base.block;
	if (log->intact < log->recovery.read_again)
		log->intact = log->recovery.read_again;
	store_window_touch(log, read_end);
	log->released_block = log->intact; /* what is not there any more needs no protection */
	log->writes.flushed = log->last;
	log->writes.queued = log->last.index;
	log->writes.issued = log->last.index;
	/* What was torn is zeros by now: from the tail on, or from where the segments begin. */
	QR_ASSERT(log->writes.end <= log->last.block ||
		  log->writes.end == store_segment_block(log, log->segments.first));
	log->writes.end = log->last.block;
	log->condition = QR_OK;
	QR_ASSERT(store_slots_is_state_durable(log));
	return QR_NOT_FOUND;
}

/* ---- entry after entry ---- */

/** Verify the entry that should start at `block`. */
static enum qr_error probe(struct store_log *log, qr_block block, struct store_entry *ret_entry)
{
	struct store_expected expected = {
		.cluster = log->parameters.cluster,
		.group = log->parameters.group,
		.index = log->last.index + 1,
		.term_min = log->last.term,
		.block = block,
		.blocks_max = store_stride_rest(log, block),
		.linked = true,
		.chain = log->last.chain,
		.first_offset = log->last.offset,
	};
	enum qr_error error = store_recovery_stride_state(log, block / log->stride_blocks);

	if (error != QR_OK)
		return error;
	return store_entry_verify(store_window_at(log, block), &expected, ret_entry);
}

static enum qr_error begin_look(struct store_log *log, enum qr_error reason)
{
	struct store_recovery *recovery = &log->recovery;

	store_recovery_note_damage(log, log->last.block, reason);
	if (log->last.index < log->slots.current.settled.index)
		return miss(log, QR_CORRUPT);
	recovery->phase = STORE_RECOVERY_LOOK;
	recovery->stride_hole = log->last.block / log->stride_blocks;
	recovery->stride_look = store_recovery_tail_stride(log);
	recovery->torn_end = log->last.block;
	return QR_OK;
}

static enum qr_error accept(struct store_log *log, const struct store_entry *entry,
			    struct store_recovered_entry *ret_entry)
{
	const struct store_prefix *settled = &log->slots.current.settled;
	const uint8_t *bytes = store_window_at(log, entry->block);
	uint64_t digest = store_entry_digest(bytes);
	struct store_prefix prefix = store_index_prefix_after(entry, digest);

	if (entry->index == settled->index && memcmp(&prefix, settled, sizeof(prefix)) != 0) {
		store_recovery_note_damage(log, entry->block, QR_STALE);
		return store_recovery_fail(log, QR_CORRUPT);
	}
	/* No entry is written before its term: a newer slot is lost, and with it the vote. */
	if (entry->term > log->slots.current.state.term) {
		store_recovery_note_damage(log, entry->block, QR_CORRUPT);
		return store_recovery_fail(log, QR_CORRUPT);
	}
	store_index_append(log, entry, digest);
	*ret_entry = (struct store_recovered_entry){
		.entry = *entry,
		.payload = {bytes + STORE_ENTRY_HEADER_BYTES, entry->payload_bytes},
	};
	return QR_OK;
}

/** Bytes that cannot be read, or that are somebody else's: nothing to judge by. */
static bool is_no_hole(enum qr_error error)
{
	return error == QR_IO || error == QR_CORRUPT || error == QR_FOREIGN || error == QR_VERSION;
}

/** Nobody needs what lies in front of the first entry: what that says of it is believed. */
static enum qr_error adopt(struct store_log *log)
{
	enum qr_error error = store_recovery_stride_state(log, log->recovery.stride_first);
	struct store_entry entry;

	if (error != QR_OK)
		return error == QR_NOT_FOUND ? QR_CORRUPT : error;
	error = store_entry_decode(store_window_at(log, log->last.block), &entry);
	if (error != QR_OK)
		return QR_CORRUPT;
	log->last.index = entry.index - 1;
	log->last.offset = entry.first_offset;
	log->last.chain = entry.chain;
	log->index.base = log->last;
	log->index.first = entry.index;
	log->recovery.adopts = false;
	return QR_OK;
}

/** The next entry, or QR_NOT_FOUND when the hole was found and `phase` has moved on. */
static enum qr_error step_scan(struct store_log *log, struct store_recovered_entry *ret_entry)
{
	enum qr_error error = log->recovery.adopts ? adopt(log) : QR_OK;
	qr_block tail = log->last.block;
	qr_block next = store_stride_end(log, tail);
	struct store_entry entry;
	enum qr_error second = QR_NOT_FOUND;

	if (error == QR_OK)
		error = probe(log, tail, &entry);
	if (error == QR_AGAIN)
		return QR_AGAIN;
	if (error == QR_OK)
		return accept(log, &entry, ret_entry);
	if (next != tail) {
		second = probe(log, next, &entry);
		if (second == QR_AGAIN)
			return QR_AGAIN;
		if (second == QR_OK)
			return accept(log, &entry, ret_entry);
	}
	if (error == QR_NOT_FOUND || is_no_hole(second))
		error = second;
	if (is_no_hole(error)) {
		bool settled = log->last.index < log->slots.current.settled.index;

		store_recovery_note_damage(log, tail, error);
		return settled && (error == QR_IO || error == QR_FOREIGN)
			       ? miss(log, error)
			       : store_recovery_fail(log, error);
	}
	error = begin_look(log, error);
	return error == QR_OK ? QR_NOT_FOUND : error;
}

/* ---- behind the hole ---- */

/** A sound header of this log's future, at its own position. Rule 2 at the head of this file. */
static bool is_evidence(const struct store_log *log, const uint8_t *bytes, qr_block block)
{
	struct store_entry entry;

	return store_entry_decode(bytes, &entry) == QR_OK &&
	       entry.cluster == log->parameters.cluster && entry.group == log->parameters.group &&
	       entry.block == block && entry.index > log->last.index;
}

static enum qr_error look_at_stride(struct store_log *log, uint64_t stride)
{
	struct store_recovery *recovery = &log->recovery;
	qr_block reach = log->slots.current.lazy ? UINT64_MAX : store_reach(log, log->last.block);
	qr_block block = stride * log->stride_blocks;
	const uint8_t *bytes = store_recovery_memory(log, stride);

	for (uint32_t i = 0; i < log->stride_blocks; i++, block++, bytes += QR_BLOCK_BYTES) {
		if (block < log->last.block || store_is_zero(bytes, QR_BLOCK_BYTES))
			continue;
		if (block < reach) {
			recovery->torn_end = block + 1;
		} else if (is_evidence(log, bytes, block)) {
			return store_recovery_fail(log, QR_CORRUPT);
		}
	}
	return QR_OK;
}

/*
 * The first segment that may hold writes which the device never said were durable: what was in
 * flight lay within reach of a prefix that had not gone past the tail.
 */
static uint64_t first_unsure_segment(const struct store_log *log)
{
	const struct store_slot *slot = &log->slots.current;
	uint64_t stride = log->last.block / log->stride_blocks;
	qr_block unsure = 0;

	if (!slot->lazy && stride > STORE_REACH_STRIDES + 1)
		unsure = (stride - STORE_REACH_STRIDES - 1) * log->stride_blocks;
	if (unsure < slot->settled.block)
		unsure = slot->settled.block;
	if (unsure < store_segment_block(log, log->segments.first))
		return log->segments.first;
	return unsure / log->parameters.geometry.segment_blocks;
}

static enum qr_error step_sync(struct store_log *log)
{
	struct store_recovery *recovery = &log->recovery;

	if (store_recovery_wants_sync(log) || recovery->sync_inflight)
		return QR_AGAIN;
	log->slots.dirty = true; /* also makes good a torn or damaged twin */
	recovery->phase = STORE_RECOVERY_SAVE;
	return QR_OK;
}

static enum qr_error step_look(struct store_log *log)
{
	struct store_recovery *recovery = &log->recovery;
	enum qr_error error = store_recovery_stride_state(log, recovery->stride_look);

	if (error == QR_OK) {
		error = look_at_stride(log, recovery->stride_look);
		recovery->stride_look++;
		return error;
	}
	if (error != QR_NOT_FOUND)
		return error == QR_AGAIN ? QR_AGAIN : store_recovery_fail(log, error);
	/* Everything that exists has been searched: a torn tail. */
	recovery->phase = STORE_RECOVERY_SCRUB;
	recovery->damage = (struct store_damage){0};
	log->writes.end = recovery->torn_end;
	store_scrub_from(log, log->last.block);
	return QR_OK;
}

/* ---- from outside ---- */

void store_recover_begin(struct store_log *log, struct store_extent segments,
			 const struct store_snapshot_buffer *buffer)
{
	struct store_recovery *recovery = &log->recovery;

	QR_ASSERT(recovery->phase == STORE_RECOVERY_NONE);
	if (buffer != NULL) {
		QR_ASSERT(buffer->size_bytes >= STORE_SNAPSHOT_HEADER_BYTES);
		log->restore.buffer = *buffer;
	}
	log->segments.first = segments.first;
	log->segments.ready = segments.first + segments.count;
	recovery->phase = STORE_RECOVERY_SLOTS;
	recovery->ahead = log->window_blocks / log->stride_blocks - 1;
	if (recovery->ahead > STORE_RECOVERY_AHEAD_MAX)
		recovery->ahead = STORE_RECOVERY_AHEAD_MAX;
	QR_ASSERT(recovery->ahead >= 1);
	for (unsigned i = 0; i <= recovery->ahead; i++)
		recovery->reads[i].stride = UINT64_MAX;
}

enum qr_error store_recover_next(struct store_log *log, struct store_recovered_entry *ret_entry)
{
	struct store_recovery *recovery = &log->recovery;
	enum qr_error error = QR_OK;

	QR_ASSERT(recovery->phase != STORE_RECOVERY_NONE);
	for (;;) {
		if (log->condition == QR_POISONED && recovery->phase != STORE_RECOVERY_FAILED)
			return store_recovery_fail(log, QR_IO);
		switch (recovery->phase) {
		case STORE_RECOVERY_SLOTS:
		case STORE_RECOVERY_RESET:
		case STORE_RECOVERY_STATE:
			error = store_recover_to_state(log);
			break;
		case STORE_RECOVERY_SCAN:
			error = step_scan(log, ret_entry);
			if (error == QR_OK)
				return QR_OK;
			if (error == QR_NOT_FOUND)
				error = QR_OK;
			break;
		case STORE_RECOVERY_MEND:
			return QR_BUSY;
		case STORE_RECOVERY_LOOK:
			error = step_look(log);
			break;
		case STORE_RECOVERY_SCRUB:
			if (store_scrub_is_active(log))
				return QR_AGAIN;
			recovery->sync_next = first_unsure_segment(log);
			recovery->phase = STORE_RECOVERY_SYNC;
			break;
		case STORE_RECOVERY_SYNC:
			error = step_sync(log);
			break;
		case STORE_RECOVERY_SAVE:
			if (store_slots_is_busy(log))
				return QR_AGAIN;
			return finish(log);
		case STORE_RECOVERY_DONE:
			return QR_NOT_FOUND;
		case STORE_RECOVERY_FAILED:
			return recovery->result;
		case STORE_RECOVERY_NONE:
		default:
			QR_ASSERT(false);
		}
		if (error != QR_OK)
			return error;
	}
}

struct store_missing store_recover_missing(const struct store_log *log)
{
	QR_ASSERT(log->recovery.phase == STORE_RECOVERY_MEND);
	return (struct store_missing){.before = log->last, .linked = true};
}

bool store_recover_again(struct store_log *log)
{
	struct store_recovery *recovery = &log->recovery;

	QR_ASSERT(recovery->phase == STORE_RECOVERY_MEND);
	for (unsigned i = 0; i <= recovery->ahead; i++) {
		if (recovery->reads[i].inflight)
			return false;
	}
	for (unsigned i = 0; i <= recovery->ahead; i++)
		recovery->reads[i] = (struct store_recovery_read){.stride = UINT64_MAX};
	recovery->stride_next = store_recovery_tail_stride(log);
	recovery->read_again = log->last.block;
	recovery->damage = (struct store_damage){0};
	recovery->phase = STORE_RECOVERY_SCAN;
	return true;
}

struct store_damage store_log_damage(const struct store_log *log)
{
	return log->recovery.damage;
}
