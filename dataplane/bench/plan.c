/*
 * The plan of an embedded run's disk space. A load writes at most what the device takes, and at
 * most one block for each record when every record travels alone; whichever is less, for as long as
 * the run takes, is prepared in advance.
 *
 * While the load uses segments the nodes prepare more, so twice as much must be free.
 */
#include "dataplane/bench/plan.h"

#include "consensus/base/assert.h"

#define MIB ((uint64_t)1 << 20)
#define SEGMENT_UNIT (8 * MIB) /* the stride */
#define SEGMENT_MIN (2 * SEGMENT_UNIT)
#define AHEAD_MIN 2u
#define AHEAD_WANTED 16u
#define AHEAD_MAX 64u
#define SPARE_MIB_PER_S 16.0

/** What one replica can write in a second at most, in MiB. */
static double rate_mib(const struct dp_bench_options *options, const struct dp_bench_device *device)
{
	double blocks = (double)qr_blocks_for((uint64_t)options->record_bytes + QR_BLOCK_BYTES / 2);
	double records;
	double mib;

	/* A commit takes no less than half the time of the device's quorum write. */
	if (options->mode == DP_BENCH_OPEN) {
		records = options->rate;
	} else {
		records = (double)options->inflight * 2e6 / device->quorum_write_4k_us_p50;
	}
	mib = records * blocks * QR_BLOCK_BYTES / (double)MIB + SPARE_MIB_PER_S;
	return mib < device->write_256k_qd4_mib_per_s ? mib : device->write_256k_qd4_mib_per_s;
}

static uint64_t whole_segments(uint64_t bytes)
{
	return (bytes + SEGMENT_UNIT - 1) / SEGMENT_UNIT * SEGMENT_UNIT;
}

enum qr_error dp_bench_plan_make(const struct dp_bench_options *options,
				 const struct dp_bench_device *device, uint64_t free_bytes,
				 struct dp_bench_plan *ret_plan)
{
	uint64_t logs = (uint64_t)DP_BENCH_REPLICAS * options->groups;
	double seconds = options->seconds + options->warmup_seconds;
	uint64_t wanted;
	uint64_t room; /* of one log: four fifths of what is free, half of it for later */
	uint64_t ahead;
	struct dp_bench_plan plan = {0};

	QR_ASSERT(device->quorum_write_4k_us_p50 > 0.0);

	wanted = (uint64_t)(rate_mib(options, device) * seconds * (double)MIB) / options->groups;
	room = free_bytes / 5 * 4 / logs / 2;
	if (room < AHEAD_MIN * SEGMENT_MIN)
		return QR_NO_SPACE;
	plan.short_of_disk = room < wanted;
	if (plan.short_of_disk)
		wanted = room;

	plan.segment_bytes = whole_segments(wanted / AHEAD_WANTED);
	if (plan.segment_bytes < SEGMENT_MIN)
		plan.segment_bytes = SEGMENT_MIN;
	ahead = wanted / plan.segment_bytes + AHEAD_MIN;
	while (ahead > AHEAD_MIN && ahead * plan.segment_bytes > room)
		ahead--;
	QR_ASSERT(ahead <= AHEAD_MAX);
	if (ahead * plan.segment_bytes > room)
		plan.segment_bytes = SEGMENT_MIN;
	plan.segments_ahead = (uint32_t)ahead;
	plan.disk_bytes = logs * ahead * plan.segment_bytes;
	*ret_plan = plan;
	return QR_OK;
}
