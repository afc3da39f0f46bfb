/*
 * Recovery, before the first entry: whose log this is, whether what is there counts, and where
 * reading begins.
 */
#include "consensus/base/assert.h"
#include "storage/engine/internal.h"

static enum qr_error check_slot(const struct store_log *log)
{
	const struct store_slot *slot = &log->slots.current;
	const struct store_log_parameters *parameters = &log->parameters;

	if (slot->cluster != parameters->cluster || slot->node != parameters->node ||
	    slot->group != parameters->group)
		return QR_FOREIGN;
	if (slot->geometry.segment_blocks != parameters->geometry.segment_blocks ||
	    slot->geometry.stride_blocks != parameters->geometry.stride_blocks)
		return QR_CONFIG;
	/* It does not change yet: somebody has edited the file, on this node or on all. */
	if (slot->configuration.voters != parameters->configuration.voters ||
	    slot->configuration.voters_outgoing != parameters->configuration.voters_outgoing ||
	    slot->configuration.learners != parameters->configuration.learners)
		return QR_CONFIG;
	return QR_OK;
}

/**
 * What the slots said of terms and votes is lost, and with it what tells a torn tail from damage:
 * the log that is here is given up, where a quorum can do without this replica. This is said on
 * stable media first, in the words of an install whose base is the empty log; then its segments go,
 * and its snapshots. A crash before the end begins it anew.
 */
static void forget(struct store_log *log)
{
	struct store_slot *slot = &log->slots.current;

	store_slots_begin(log);
	slot->state.amnesia = true;
	slot->reset = true;
}

/** Its snapshots are still to go. */
static bool is_forgetting(const struct store_slot *slot)
{
	return slot->state.amnesia && slot->reset && slot->settled.index == 0;
}

/** A read can be wrong where the disk is not: it is read again before anything is given up. */
static enum qr_error doubt_slots(struct store_log *log)
{
	log->recovery.slots_doubted = true;
	log->recovery.slots_asked = false;
	return QR_AGAIN;
}

/** What the two blocks say. */
static enum qr_error step_slots(struct store_log *log)
{
	struct store_slots *slots = &log->slots;
	enum qr_error error = log->recovery.slots_result;

	if (!log->recovery.slots_asked || error == QR_AGAIN)
		return QR_AGAIN;
	if (error == QR_OK)
		error = store_slot_choose(slots->blocks, &slots->current);
	/* The slots of a new group are written before its first segment is prepared. */
	if (error == QR_NOT_FOUND && log->segments.ready > log->segments.first)
		error = QR_CORRUPT;
	if (error == QR_NOT_FOUND) {
		store_slots_begin(log);
		slots->dirty = true;
		log->recovery.phase = STORE_RECOVERY_SAVE;
		return QR_OK;
	}
	if (error == QR_CORRUPT && log->parameters.forgets) {
		if (!log->recovery.slots_doubted)
			return doubt_slots(log);
		forget(log);
		error = QR_OK;
	}
	if (error == QR_OK)
		error = check_slot(log);
	if (error != QR_OK)
		return store_recovery_fail(log, error);
	log->restore.forgets = is_forgetting(&slots->current);
	log->start = slots->current.start;
	slots->durable_start = slots->current.start.segment;
	log->recovery.phase = STORE_RECOVERY_RESET;
	return QR_OK;
}

/*
 * A process that was killed may have left the slots that say so in a cache only: they are written
 * anew before anything goes, or a power cut could bring back those that still need it.
 */
static bool is_reset_stable(struct store_log *log)
{
	struct store_recovery *recovery = &log->recovery;

	if (!recovery->reset_is_saved)
		log->slots.dirty = true;
	recovery->reset_is_saved = true;
	recovery->reset_is_stable = recovery->reset_is_stable || !store_slots_is_busy(log);
	return recovery->reset_is_stable;
}

/** Segments of another log are removed. Those of this one are counted. */
static enum qr_error step_reset(struct store_log *log)
{
	struct store_recovery *recovery = &log->recovery;
	struct store_segments *segments = &log->segments;
	struct store_slot *slot = &log->slots.current;
	uint32_t strides = log->parameters.geometry.segment_blocks / log->stride_blocks;

	if (log->restore.forgets && !is_reset_stable(log))
		return QR_AGAIN;
	if (slot->reset && segments->first < segments->ready) {
		if (is_reset_stable(log) && segments->stuck)
			return store_recovery_fail(log, QR_IO);
		return QR_AGAIN;
	}
	if (segments->first == segments->ready)
		segments->first = segments->ready = slot->start.segment;
	slot->reset = false;
	if (segments->first > slot->start.segment) {
		store_recovery_note_damage(log, store_segment_block(log, slot->start.segment),
					   QR_NOT_FOUND);
		return store_recovery_fail(log, QR_CORRUPT);
	}
	recovery->stride_first = segments->first * strides;
	recovery->stride_count = segments->ready * strides;
	recovery->phase = STORE_RECOVERY_STATE;
	return QR_OK;
}

/** Where to begin. */
static enum qr_error step_state(struct store_log *log)
{
	struct store_recovery *recovery = &log->recovery;
	enum qr_error error = store_restore_step(log);

	if (error == QR_AGAIN)
		return QR_AGAIN;
	if (error == QR_NOT_FOUND && recovery->stride_first > 0) {
		log->last.block = recovery->stride_first * log->stride_blocks;
		recovery->adopts = log->restore.buffer.data == NULL;
		/* What the first segments did is gone with them, and with the snapshots. */
		if (!recovery->adopts)
			error = QR_CORRUPT;
	}
	if (error != QR_OK && error != QR_NOT_FOUND) {
		store_recovery_note_damage(log, log->last.block, error);
		return store_recovery_fail(log, error);
	}
	store_origin_restore(log);
	recovery->stride_next = store_recovery_tail_stride(log);
	recovery->phase = STORE_RECOVERY_SCAN;
	return QR_OK;
}

enum qr_error store_recover_to_state(struct store_log *log)
{
	const struct store_recovery *recovery = &log->recovery;
	enum qr_error error = QR_OK;

	QR_ASSERT(recovery->phase != STORE_RECOVERY_NONE);
	if (log->condition == QR_POISONED && recovery->phase != STORE_RECOVERY_FAILED)
		return store_recovery_fail(log, QR_IO);
	while (error == QR_OK && recovery->phase == STORE_RECOVERY_SLOTS)
		error = step_slots(log);
	if (error == QR_OK && recovery->phase == STORE_RECOVERY_RESET)
		error = step_reset(log);
	while (error == QR_OK && recovery->phase == STORE_RECOVERY_STATE)
		error = step_state(log);
	return recovery->phase == STORE_RECOVERY_FAILED ? recovery->result : error;
}
