/*
 * The open loop's schedule: when record number i should have been sent, whatever the system does.
 * Latency is counted from there, so that a stall is charged to every record that it delayed and not
 * only to the one that was being sent (no coordinated omission).
 *
 * Times are kept in 2^-32 ns: at a rate of five million the error after a day is below 2 us.
 *
 * Pure.
 */
#ifndef DP_BENCH_SCHEDULE_H
#define DP_BENCH_SCHEDULE_H

#include "consensus/base/types.h"

struct dp_bench_schedule {
	qr_ns start;
	uint64_t interval; /* between records, in 2^-32 ns */
};

#define DP_BENCH_RATE_MIN 1.0
#define DP_BENCH_RATE_MAX 1e9

/** @param rate  records per second, DP_BENCH_RATE_MIN to DP_BENCH_RATE_MAX. */
void dp_bench_schedule_init(struct dp_bench_schedule *schedule, qr_ns start, double rate);

/** When record `number` (from 0) is due. */
static inline qr_ns dp_bench_schedule_at(const struct dp_bench_schedule *schedule, uint64_t number)
{
	return schedule->start + (qr_ns)((unsigned __int128)number * schedule->interval >> 32);
}

/** How many records are due by `now`: all numbers below it. */
uint64_t dp_bench_schedule_due(const struct dp_bench_schedule *schedule, qr_ns now);

#endif
