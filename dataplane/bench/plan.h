/*
 * How much disk an embedded run gets: enough segments written in advance that the load never waits
 * for one, as far as the disk has room.
 *
 * Pure.
 */
#ifndef DP_BENCH_PLAN_H
#define DP_BENCH_PLAN_H

#include "dataplane/bench/device.h"
#include "dataplane/bench/options.h"

#define DP_BENCH_REPLICAS 3

struct dp_bench_plan {
	uint64_t segment_bytes;
	uint32_t segments_ahead;
	uint64_t disk_bytes; /* all replicas together, before the load */
	bool short_of_disk;  /* at the device's full speed, the load would outrun them */
};

/**
 * Errors: QR_NO_SPACE  not even the smallest run fits.
 */
QR_MUST_USE enum qr_error dp_bench_plan_make(const struct dp_bench_options *options,
					     const struct dp_bench_device *device,
					     uint64_t free_bytes, struct dp_bench_plan *ret_plan);

#endif
