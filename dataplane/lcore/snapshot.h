/*
 * A value that one thread writes now and then and others read: a sequence lock. Telemetry reads
 * groups through it, because asking a core would mean to run in its thread.
 *
 * The writer never waits; a reader tries again while a write is going on. The value is copied in
 * relaxed words, so that a torn copy, which is then thrown away, is no data race.
 */
#ifndef DP_LCORE_SNAPSHOT_H
#define DP_LCORE_SNAPSHOT_H

#include "dataplane/node/core.h"

/** A group. */
struct dp_group_view {
	struct wire_status_group status;
	struct dp_scrub_group scrub;
};

#define DP_SNAPSHOT_WORDS ((sizeof(struct dp_group_view) + 7) / 8)

struct dp_snapshot {
	uint64_t sequence; /* odd: being written; 0: never */
	uint64_t words[DP_SNAPSHOT_WORDS];
};

/** The writer's. */
void dp_snapshot_write(struct dp_snapshot *snapshot, const struct dp_group_view *value);
/** Any thread. @return false when it was never written, or is written all the time. */
QR_MUST_USE bool dp_snapshot_read(const struct dp_snapshot *snapshot,
				  struct dp_group_view *ret_value);

#endif
