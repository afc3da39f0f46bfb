/*
 * Hard state and metadata in two slots; the rules are in format/slot.h.
 *
 * One write at a time. A change goes to slot serial % 2 and counts when that is on stable media;
 * then its twin gets the same bytes, unless a newer change waits, which goes to that twin anyway.
 * So at any moment one slot that is not being written holds the newest state that counts. A crash
 * may tear the one that is being written, and only that.
 *
 * The slots also say how far the log is settled. That is noted about once a second, when it has
 * moved, and with every change of the hard state: it is what tells damage in the last part of an
 * idle log from a torn tail.
 */
#include "consensus/base/assert.h"
#include "storage/engine/internal.h"

void store_slots_begin(struct store_log *log)
{
	struct store_slots *slots = &log->slots;

	slots->current = (struct store_slot){
		.cluster = log->parameters.cluster,
		.node = log->parameters.node,
		.group = log->parameters.group,
		.lazy = log->parameters.lazy,
		.geometry = log->parameters.geometry,
		.configuration = log->parameters.configuration,
	};
}

/** The part of the log that is durable here and committed. */
static void settle(struct store_log *log)
{
	struct store_prefix *settled = &log->slots.current.settled;
	qr_index to = log->writes.flushed.index;

	if (to > log->released)
		to = log->released;
	/* Lazy writes promise nothing; and the entry must still be known. */
	if (!log->parameters.lazy && to > settled->index && to + 1 >= log->index.first &&
	    store_index_at(log, to) != NULL)
		*settled = store_index_prefix(log, to);
	if (log->start.before <= settled->index)
		log->slots.current.start = log->start;
}

void store_slots_touch(struct store_log *log)
{
	struct store_slots *slots = &log->slots;
	qr_index before = slots->current.settled.index;
	uint64_t start = slots->current.start.segment;

	settle(log);
	if (slots->current.settled.index != before || slots->current.start.segment != start ||
	    slots->current.lazy != log->parameters.lazy)
		slots->dirty = true;
}

bool store_slots_is_busy(const struct store_log *log)
{
	return log->slots.inflight || log->slots.dirty || log->slots.mirror;
}

bool store_slots_is_state_durable(const struct store_log *log)
{
	return log->slots.current.state.generation == log->slots.durable_generation;
}

void store_save_state(struct store_log *log, const struct raft_hard_state *state)
{
	struct store_slots *slots = &log->slots;

	QR_ASSERT(state->term >= slots->current.state.term);
	QR_ASSERT(state->generation >= slots->current.state.generation);
	slots->current.state = *state;
	slots->dirty = true;
}

unsigned store_slots_poll(struct store_log *log, struct store_op *ret_op)
{
	struct store_slots *slots = &log->slots;
	uint64_t slot;

	if (slots->inflight || (!slots->dirty && !slots->mirror))
		return 0;
	if (slots->dirty) {
		settle(log);
		slots->current.lazy = log->parameters.lazy;
		slots->current.serial++;
		store_slot_encode(slots->blocks, &slots->current);
		slots->written_generation = slots->current.state.generation;
		slots->written_settled = slots->current.settled.index;
		slots->written_start = slots->current.start.segment;
		slots->dirty = false;
		slots->inflight_mirror = false;
		slot = slots->current.serial % STORE_SLOTS;
	} else {
		slots->inflight_mirror = true;
		slot = (slots->current.serial + 1) % STORE_SLOTS;
	}
	slots->mirror = false;
	slots->inflight = true;
	*ret_op = (struct store_op){.kind = STORE_OP_WRITE_SLOT,
				    .group = log->parameters.group,
				    .offset_bytes = slot * STORE_SLOT_BYTES,
				    .data = slots->blocks,
				    .size_bytes = STORE_SLOT_BYTES,
				    .blocks = 1,
				    .tag = store_tag(STORE_PART_SLOTS, 1)};
	return 1;
}

void store_slots_complete(struct store_log *log, enum qr_error result)
{
	struct store_slots *slots = &log->slots;

	QR_ASSERT(slots->inflight);
	slots->inflight = false;
	if (result != QR_OK) {
		store_log_poison(log);
		return;
	}
	log->counters.slot_writes++;
	if (slots->inflight_mirror)
		return;
	slots->durable_generation = slots->written_generation;
	slots->durable_settled = slots->written_settled;
	slots->durable_start = slots->written_start;
	slots->mirror = true;
	if (log->condition != QR_AGAIN)
		store_origin_advance(log);
}
