/*
 * Zeros over a suffix that was cut off, before anything takes its place.
 *
 * Why: recovery follows the chain from entry to entry, and judges the first hole by what lies
 * behind it. Remains of a suffix that lost would be valid in themselves, and sometimes even
 * chain-valid: an entry can begin at two places (right behind its predecessor, or at the next
 * stride), and the loser could survive at one while the winner went to the other, with either of
 * the higher term (Raft figure 8). With nothing left on the disk none of this arises. It costs a
 * few large writes at a change of leadership that cut something off, on the replica that had the
 * loser.
 *
 * From the top down, one write at a time: a crash in between leaves the old suffix shorter, with a
 * hole no longer than one write (never longer than store_reach) at its end, which recovery takes
 * for the torn tail that it is. Nothing was promised about the suffix: its entries were never
 * committed, and the acknowledgements for what replaces it wait until the zeros and the new entries
 * are durable.
 */
#include "consensus/base/assert.h"
#include "storage/engine/internal.h"

bool store_scrub_is_active(const struct store_log *log)
{
	return log->scrub.high > log->scrub.low;
}

void store_scrub_from(struct store_log *log, qr_block low)
{
	struct store_scrub *scrub = &log->scrub;
	qr_block exists = store_segment_block(log, log->segments.first);

	if (low < exists) /* the rest of a stride behind which the log begins */
		low = exists;
	if (log->writes.end <= low)
		return;
	log->counters.scrubs++;
	if (!store_scrub_is_active(log)) {
		scrub->high = log->writes.end;
		scrub->low = low;
	} else if (low < scrub->low) {
		scrub->low = low; /* cut again, further down, before anything was written */
	}
}

/*
 * The hole that a torn write leaves begins with the entry that its lowest block belongs to, at most
 * a stride further down: with this many blocks its end is within store_reach of that entry.
 */
static uint32_t piece_blocks(const struct store_log *log)
{
	uint32_t reach = STORE_REACH_STRIDES * log->stride_blocks;

	return reach < STORE_SCRUB_BLOCKS ? reach : STORE_SCRUB_BLOCKS;
}

unsigned store_scrub_poll(struct store_log *log, struct store_op *ret_op)
{
	struct store_scrub *scrub = &log->scrub;
	uint32_t segment_blocks = log->parameters.geometry.segment_blocks;
	uint32_t piece = piece_blocks(log);
	qr_block low;
	uint32_t blocks;

	if (!store_scrub_is_active(log) || scrub->inflight || log->writes.stale_count > 0)
		return 0;
	low = scrub->high > piece ? scrub->high - piece : 0;
	if (low < scrub->low)
		low = scrub->low;
	if (low < (scrub->high - 1) / segment_blocks * segment_blocks)
		low = (scrub->high - 1) / segment_blocks * segment_blocks;
	blocks = (uint32_t)(scrub->high - low);
	QR_ASSERT(blocks > 0 && blocks <= piece);
	*ret_op = (struct store_op){.kind = store_write_kind(log),
				    .data = scrub->zeros,
				    .size_bytes = blocks * QR_BLOCK_BYTES,
				    .blocks = blocks,
				    .tag = store_tag(STORE_PART_SCRUB, 0)};
	store_op_locate(log, ret_op, low);
	scrub->next = low;
	scrub->inflight = true;
	return 1;
}

void store_scrub_complete(struct store_log *log, enum qr_error result)
{
	struct store_scrub *scrub = &log->scrub;

	QR_ASSERT(scrub->inflight);
	scrub->inflight = false;
	if (result != QR_OK) {
		store_log_poison(log);
		return;
	}
	QR_ASSERT(scrub->next < scrub->high);
	scrub->high = scrub->next;
	log->writes.end = scrub->high;
}

uint32_t store_log_torn_blocks(const struct store_log *log)
{
	return (uint32_t)(log->scrub.high - log->scrub.low);
}
