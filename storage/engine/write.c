/*
 * Group commit. Entries that consensus wants kept wait in order of index; neighbours in one stride
 * are merged into one write; several writes are in flight; what is durable is the prefix without a
 * hole.
 *
 * Invariants:
 *
 *   flushed.index <= issued <= queued <= last.index
 *   no write reaches beyond store_reach(flushed): four strides past the stride where the durable
 *   prefix ends. Recovery relies on it: what is valid further away proves that the hole in front of
 *   it was durable once. The bound is a constant of the format and not of the configuration, which
 *   may have been another one in the run that crashed.
 *   above `end`, and above store_reach(flushed), the disk holds nothing that is valid.
 *   no entry is on the disk before the hard state that was asked for when it was queued: after a
 * crash the term in the slots is at least that of the last entry (Raft §5.1: currentTerm never lags
 * the log). It costs one slot write when the term changes, and nothing otherwise.
 *
 * Cutting a suffix off. Writes of it may be in flight; they are marked stale: their completion
 * counts for nothing above the cut, whatever the generation. Until the last of them is done the
 * window beyond the lowest is closed (store_log_limit), because the device may still read that
 * memory; then scrub.c zeroes the blocks, and only then the entries that replace them are written.
 * So the disk never holds two suffixes at once, a write never overlaps one in flight, and an entry
 * that is cut off and later comes again, bit by bit the same, is simply written again.
 *
 * A crash leaves any subset of the sectors of the writes in flight.
 */
#include "consensus/base/assert.h"
#include "storage/engine/internal.h"

_Static_assert(STORE_WRITES_MAX <= UINT8_MAX, "slot numbers fit in a tag");

/* ---- handing out ---- */

/** How many blocks from entry `first` on make one write, and its last entry. */
static uint32_t merge(const struct store_log *log, qr_index first, qr_index *ret_last)
{
	const struct store_index_entry *entry = store_index_at(log, first);
	qr_block start = entry->block;
	uint32_t rest = store_stride_rest(log, start);
	uint32_t blocks = entry->blocks;
	qr_index last = first;

	while (last < log->writes.queued) {
		entry = store_index_at(log, last + 1);
		if (entry->block != start + blocks || blocks + entry->blocks > rest ||
		    blocks + entry->blocks > log->parameters.write_max_blocks)
			break;
		blocks += entry->blocks;
		last++;
	}
	*ret_last = last;
	return blocks;
}

static bool may_start(const struct store_log *log)
{
	const struct store_writes *writes = &log->writes;

	return writes->issued < writes->queued && writes->inflight < log->parameters.write_depth &&
	       writes->count < STORE_WRITES_MAX && !store_scrub_is_active(log) &&
	       store_slots_is_state_durable(log);
}

unsigned store_writes_poll(struct store_log *log, struct store_op *ops, unsigned max)
{
	struct store_writes *writes = &log->writes;
	qr_block reach = store_reach(log, writes->flushed.block);
	unsigned taken = 0;

	while (taken < max && may_start(log)) {
		qr_index first = writes->issued + 1;
		qr_block block = store_index_at(log, first)->block;
		uint32_t number = (writes->head + writes->count) % STORE_WRITES_MAX;
		struct store_op *op = &ops[taken];
		qr_index last;
		uint32_t blocks = merge(log, first, &last);

		if (block + blocks > reach)
			break;
		QR_ASSERT(writes->stale_count == 0);
		QR_ASSERT(block + blocks <= store_segment_block(log, log->segments.ready));
		*op = (struct store_op){.kind = store_write_kind(log),
					.data = store_window_at(log, block),
					.size_bytes = blocks * QR_BLOCK_BYTES,
					.blocks = blocks,
					.tag = store_tag(STORE_PART_WRITE, number)};
		store_op_locate(log, op, block);
		writes->slots[number] = (struct store_write_slot){.last = last, .block = block};
		writes->issued = last;
		writes->count++;
		writes->inflight++;
		if (writes->end < block + blocks)
			writes->end = block + blocks;
		log->counters.writes++;
		log->counters.write_blocks += blocks;
		log->counters.write_entries += last - first + 1;
		taken++;
	}
	return taken;
}

/* ---- coming back ---- */

static void retire(struct store_log *log)
{
	struct store_writes *writes = &log->writes;

	while (writes->count > 0 && writes->slots[writes->head].done) {
		qr_index last = writes->slots[writes->head].last;

		if (last > writes->flushed.index)
			writes->flushed = store_index_prefix(log, last);
		writes->head = (writes->head + 1) % STORE_WRITES_MAX;
		writes->count--;
	}
	QR_ASSERT(writes->flushed.index <= writes->issued);
}

void store_writes_complete(struct store_log *log, uint32_t number, enum qr_error result)
{
	struct store_writes *writes = &log->writes;
	struct store_write_slot *slot;

	QR_ASSERT(number < STORE_WRITES_MAX);
	slot = &writes->slots[number];
	QR_ASSERT((number + STORE_WRITES_MAX - writes->head) % STORE_WRITES_MAX < writes->count);
	QR_ASSERT(!slot->done && writes->inflight > 0);

	slot->done = true;
	writes->inflight--;
	if (slot->stale) {
		QR_ASSERT(writes->stale_count > 0);
		if (--writes->stale_count == 0)
			writes->stale_block = STORE_NOT_STALE;
	}
	if (result != QR_OK)
		store_log_poison(log);
	if (log->condition != QR_POISONED)
		retire(log);
}

/* ---- what consensus says ---- */

void store_write(struct store_log *log, qr_index first, qr_index last, uint64_t generation)
{
	struct store_writes *writes = &log->writes;

	QR_ASSERT(first == writes->queued + 1 && last >= first);
	QR_ASSERT(last <= log->last.index);
	QR_ASSERT(generation >= log->generation);
	log->generation = generation;
	writes->queued = last;
}

void store_writes_truncate(struct store_log *log, qr_index to)
{
	struct store_writes *writes = &log->writes;

	for (uint32_t i = 0; i < writes->count; i++) {
		uint32_t number = (writes->head + i) % STORE_WRITES_MAX;
		struct store_write_slot *slot = &writes->slots[number];

		if (slot->last <= to)
			continue;
		slot->last = to;
		if (slot->done || slot->stale)
			continue;
		slot->stale = true;
		writes->stale_count++;
		if (slot->block < writes->stale_block)
			writes->stale_block = slot->block;
	}
	if (writes->queued > to)
		writes->queued = to;
	if (writes->issued > to)
		writes->issued = to;
	if (writes->flushed.index > to)
		writes->flushed = store_index_prefix(log, to);
}
