/*
 * Where the log begins.
 *
 * The start is what was agreed: an entry of the log says that what lies in front of a segment is
 * given up, so every replica comes to the same start, in the same order with everything else. It
 * goes to the slots with the settled prefix that has reached it. Nothing below it is served.
 *
 * The origin is what is really there: the newest snapshot that stands for a segment at or below the
 * start, if there is a newer one as well, so that one damaged file costs nothing. A start reads the
 * log from a snapshot, and a replica that has less is given that one and what follows it; in front
 * of the origin nobody needs anything. It moves once the slots name the start for good.
 *
 *   segments.first <= origin.segment <= start.segment
 *
 * A crash leaves segments in front of the origin, never a hole behind it: the first one goes first.
 */
#include "consensus/base/assert.h"
#include "storage/engine/internal.h"

struct store_start store_log_start(const struct store_log *log)
{
	return log->start;
}

struct store_prefix store_log_origin(const struct store_log *log)
{
	return log->origin.base;
}

bool store_trim(struct store_log *log, const struct store_start *start)
{
	if (start->segment <= log->start.segment ||
	    !store_start_is_sound(start, &log->last, &log->parameters.geometry))
		return false;
	log->start = *start;
	return true;
}

bool store_trim_wanted(const struct store_log *log, const struct store_retention *retention,
		       struct store_start *ret_start)
{
	const struct store_snapshot *newest = store_snapshot_newest(log);
	uint64_t after = log->start.segment;

	for (uint32_t n = 0; n < STORE_SNAPSHOTS; n++) {
		const struct store_snapshot *file = &log->snapshots.files[n];
		bool is_old = file->time_ns < retention->before_ns;
		bool is_far = retention->keep_blocks != 0 &&
			      store_segment_block(log, file->segment) + retention->keep_blocks <=
				      log->released_block;

		if (file->serial == 0 || file == newest || file->segment <= after ||
		    !(is_old || is_far))
			continue;
		after = file->segment;
		*ret_start = (struct store_start){.segment = file->segment,
						  .before = file->base.index,
						  .offset = file->base.offset};
	}
	return after != log->start.segment;
}

/** The later of two places to begin, if that is within what the slots allow and what is there. */
static const struct store_snapshot *later(const struct store_log *log,
					  const struct store_snapshot *best,
					  const struct store_snapshot *file)
{
	if (file->serial == 0 || file->segment == 0 || file->segment > log->slots.durable_start ||
	    file->segment < log->segments.first)
		return best;
	return best == NULL || file->segment > best->segment ? file : best;
}

/** The latest place to begin that leaves a newer snapshot; NULL: there is none. */
static const struct store_snapshot *find_origin(const struct store_log *log)
{
	const struct store_snapshot *newest = store_snapshot_newest(log);
	const struct store_snapshot *best = NULL;

	for (uint32_t n = 0; n < STORE_SNAPSHOTS; n++) {
		if (&log->snapshots.files[n] != newest)
			best = later(log, best, &log->snapshots.files[n]);
	}
	return best;
}

void store_origin_restore(struct store_log *log)
{
	const struct store_snapshot *file = find_origin(log);
	struct store_origin *origin = &log->origin;

	if (file == NULL && log->segments.first > 0 && store_snapshot_newest(log) != NULL)
		file = later(log, NULL, store_snapshot_newest(log));
	if (file != NULL) {
		*origin = (struct store_origin){.segment = file->segment, .base = file->base};
	} else if (log->segments.first > 0) { /* its snapshot is damaged: the slots know enough */
		*origin = (struct store_origin){
			.segment = log->start.segment,
			.base = {.index = log->start.before, .offset = log->start.offset}};
	}
	store_index_drop(log);
}

void store_origin_advance(struct store_log *log)
{
	const struct store_snapshot *file = find_origin(log);

	if (file == NULL || file->segment <= log->origin.segment)
		return;
	log->origin = (struct store_origin){.segment = file->segment, .base = file->base};
	store_index_drop(log);
}
