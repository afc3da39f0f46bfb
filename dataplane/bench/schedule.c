/*
 * The open loop's schedule. dp_bench_schedule_due and dp_bench_schedule_at are each other's inverse
 * to the nanosecond: at(due(now) - 1) <= now < at(due(now)).
 */
#include "dataplane/bench/schedule.h"

#include "consensus/base/assert.h"

void dp_bench_schedule_init(struct dp_bench_schedule *schedule, qr_ns start, double rate)
{
	QR_ASSERT(rate >= DP_BENCH_RATE_MIN && rate <= DP_BENCH_RATE_MAX);

	schedule->start = start;
	schedule->interval = (uint64_t)(1e9 / rate * 0x1p32);
	QR_ASSERT(schedule->interval != 0);
}

uint64_t dp_bench_schedule_due(const struct dp_bench_schedule *schedule, qr_ns now)
{
	unsigned __int128 until;

	if (now < schedule->start)
		return 0;
	/* number * interval >> 32 <= elapsed, so number * interval < (elapsed + 1) << 32 */
	until = ((unsigned __int128)(now - schedule->start) + 1) << 32;
	return (uint64_t)((until - 1) / schedule->interval) + 1;
}
