/*
 * Segments ready in front of the tail, one being prepared at a time; and those that the log no
 * longer needs, which become new ones or are removed, the first one first.
 *
 * A segment counts once it is allocated, written with zeros and durable together with its name, so
 * that a write to it is an overwrite and costs no journal commit. A crash in between leaves none:
 * the file gets its name last. One that is recycled has lost its old name by then, and is gone.
 *
 * A full disk is not a failure: what is ready stays usable, for entries of followers already under
 * way and for what a leader needs to work at all; new data is refused until a retry succeeds. It
 * never gets the last stride, however late "no space" is noticed: without room for the entry that
 * gives up the beginning of the log, what is full stays full.
 */
#include "consensus/base/assert.h"
#include "storage/engine/internal.h"

/** Counted from where the next entry begins at most: so a whole stride is left behind it. */
static uint64_t wanted(const struct store_log *log)
{
	const struct store_log_parameters *parameters = &log->parameters;

	return store_stride_end(log, log->last.block) / parameters->geometry.segment_blocks + 1 +
	       parameters->segments_ahead;
}

qr_block store_segments_reserve(const struct store_log *log)
{
	qr_block ready = store_segment_block(log, log->segments.ready);

	return ready > log->stride_blocks ? ready - log->stride_blocks : 0;
}

/**
 * In front of the log's origin. That lies where it does because of the newest snapshot, which a
 * start may have read from the device's cache: until it is on stable media nothing goes.
 */
static uint64_t count_unneeded(const struct store_log *log)
{
	const struct store_segments *segments = &log->segments;

	if (!log->snapshots.newest_is_stable)
		return 0;
	return log->origin.segment > segments->first ? log->origin.segment - segments->first : 0;
}

unsigned store_segments_drop(struct store_log *log, struct store_op *ret_op)
{
	struct store_segments *segments = &log->segments;

	/* What is being repaired may lie there. */
	if (segments->dropping || segments->preparing || segments->stuck || log->repair.inflight)
		return 0;
	QR_ASSERT(segments->first < segments->ready);
	*ret_op = (struct store_op){.kind = STORE_OP_DROP,
				    .group = log->parameters.group,
				    .segment = segments->first,
				    .tag = store_tag(STORE_PART_DROP, 0)};
	segments->dropping = true;
	return 1;
}

void store_segments_dropped(struct store_log *log, enum qr_error result)
{
	struct store_segments *segments = &log->segments;

	QR_ASSERT(segments->dropping);
	segments->dropping = false;
	if (result == QR_OK || result == QR_NOT_FOUND) {
		segments->first++;
		log->counters.dropped++;
	} else { /* it only takes space: tried again later */
		segments->stuck = true;
	}
}

unsigned store_segments_poll(struct store_log *log, struct store_op *ret_op)
{
	struct store_segments *segments = &log->segments;
	uint32_t blocks = log->parameters.geometry.segment_blocks;
	uint64_t unneeded = count_unneeded(log);

	if (segments->preparing || segments->dropping)
		return 0;
	/* As many are kept as will be wanted next. */
	if (unneeded > log->parameters.segments_ahead && !segments->stuck)
		return store_segments_drop(log, ret_op);
	if (segments->ready >= wanted(log)) {
		if (log->condition == QR_NO_SPACE) /* a suffix was cut off since */
			log->condition = QR_OK;
		return 0;
	}
	if (segments->full && unneeded == 0)
		return 0;
	segments->preparing = true;
	segments->recycling = unneeded > 0 && !log->repair.inflight;
	*ret_op = (struct store_op){.kind = STORE_OP_PREPARE,
				    .group = log->parameters.group,
				    .segment = segments->ready,
				    .recycled = segments->recycling ? segments->first
								    : STORE_NONE_RECYCLED,
				    .size_bytes = blocks * QR_BLOCK_BYTES,
				    .blocks = blocks,
				    .tag = store_tag(STORE_PART_SEGMENTS, 0)};
	return 1;
}

void store_segments_complete(struct store_log *log, enum qr_error result)
{
	struct store_segments *segments = &log->segments;

	QR_ASSERT(segments->preparing);
	segments->preparing = false;
	segments->first += segments->recycling; /* its file is gone, whatever came of it */
	log->counters.dropped += segments->recycling;
	if (result == QR_OK) {
		segments->ready++;
		log->counters.segments++;
		if (log->condition == QR_NO_SPACE)
			log->condition = QR_OK;
	} else if (result == QR_NO_SPACE) {
		segments->full = true;
		if (log->condition == QR_OK)
			log->condition = QR_NO_SPACE;
	} else { /* a device that fails here is not to be trusted with the log either */
		store_log_poison(log);
	}
}

uint32_t store_log_ready_segments(const struct store_log *log)
{
	uint64_t used = log->last.block / log->parameters.geometry.segment_blocks + 1;

	return log->segments.ready > used ? (uint32_t)(log->segments.ready - used) : 0;
}
