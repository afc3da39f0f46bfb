/*
 * Segments ready in front of the tail, one being prepared at a time.
 *
 * A segment counts once it is allocated, written with zeros and durable together with its name, so
 * that a write to it is an overwrite and costs no journal commit. A crash in between leaves none:
 * the file gets its name last.
 *
 * A full disk is not a failure: what is ready stays usable, for entries of followers already under
 * way and for what a leader needs to work at all; new data is refused until a retry succeeds.
 */
#include "consensus/base/assert.h"
#include "storage/engine/internal.h"

static uint64_t wanted(const struct store_log *log)
{
	const struct store_log_parameters *parameters = &log->parameters;

	return log->last.block / parameters->geometry.segment_blocks + 1 +
	       parameters->segments_ahead;
}

unsigned store_segments_poll(struct store_log *log, struct store_op *ret_op)
{
	struct store_segments *segments = &log->segments;
	uint32_t blocks = log->parameters.geometry.segment_blocks;

	if (segments->preparing || segments->full || segments->ready >= wanted(log))
		return 0;
	*ret_op = (struct store_op){.kind = STORE_OP_PREPARE,
				    .group = log->parameters.group,
				    .segment = segments->ready,
				    .size_bytes = blocks * QR_BLOCK_BYTES,
				    .blocks = blocks,
				    .tag = store_tag(STORE_PART_SEGMENTS, 0)};
	segments->preparing = true;
	return 1;
}

void store_segments_complete(struct store_log *log, enum qr_error result)
{
	struct store_segments *segments = &log->segments;

	QR_ASSERT(segments->preparing);
	segments->preparing = false;
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

bool store_log_has_room(const struct store_log *log)
{
	return log->condition == QR_OK && log->segments.ready >= wanted(log);
}

uint32_t store_log_ready_segments(const struct store_log *log)
{
	uint64_t used = log->last.block / log->parameters.geometry.segment_blocks + 1;

	return log->segments.ready > used ? (uint32_t)(log->segments.ready - used) : 0;
}
