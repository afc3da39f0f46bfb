/*
 * One producer of the load: makes records, remembers when each should have been sent, and keeps
 * what was acknowledged. Generating costs one store and the client's copy for each record.
 *
 * Threads: one.
 */
#ifndef DP_BENCH_LANE_H
#define DP_BENCH_LANE_H

#include "consensus/base/histogram.h"
#include "dataplane/bench/ledger.h"
#include "dataplane/bench/options.h"
#include "dataplane/bench/schedule.h"
#include "dataplane/client/machine.h"

#define DP_BENCH_BURSTS 65536u /* a power of two */

/** The load's time line, monotonic; written once, before the lanes begin. */
struct dp_bench_times {
	qr_ns start;
	qr_ns measure; /* the warm-up ends */
	qr_ns end;
};

/** Results that the lanes of one thread share. The counters may be read by others (relaxed). */
struct dp_bench_tally {
	struct qr_histogram latency; /* of records that were due in the measured time */
	uint64_t acked;		     /* answered in the measured time */
	uint64_t acked_total;
	uint64_t errors;
	enum qr_error error; /* the first one */
};

/** Records appended at one time: those below `end` and not below the burst before. */
struct dp_bench_burst {
	uint64_t end;
	qr_ns at;
};

struct dp_bench_lane {
	const struct dp_bench_times *times;
	struct dp_bench_tally *tally;
	struct dp_producer *producer;
	struct dp_bench_ledger ledger;
	uint8_t *record; /* the next one, but for its sequence */
	uint32_t record_bytes;
	uint64_t token;
	uint64_t appended; /* also the next sequence */
	uint64_t answered; /* completed, well or not */

	enum dp_bench_mode mode;
	uint64_t target; /* closed loop: in flight */
	struct dp_bench_schedule schedule;
	uint32_t burst_head; /* closed loop: when the unanswered ones were sent */
	uint32_t burst_tail;
	struct dp_bench_burst *bursts;
};

struct dp_bench_lane_config {
	const struct dp_bench_options *options;
	const struct dp_bench_times *times;
	struct dp_bench_tally *tally;
	uint64_t run;	     /* see dp_bench_token */
	uint32_t number;     /* of all lanes */
	uint32_t lane_count; /* in all */
};

/** Errors: QR_NO_MEMORY. */
QR_MUST_USE enum qr_error dp_bench_lane_init(struct dp_bench_lane *lane,
					     const struct dp_bench_lane_config *config);
void dp_bench_lane_fini(struct dp_bench_lane *lane);

/** The time line is known: `number` of `lane_count` lanes takes its part of an open loop. */
void dp_bench_lane_start(struct dp_bench_lane *lane, const struct dp_bench_lane_config *config);
/** Append what is due by now. @return whether anything was. */
bool dp_bench_lane_generate(struct dp_bench_lane *lane, qr_ns now);
/** Records that were due before the end and never appended. */
uint64_t dp_bench_lane_unsent(const struct dp_bench_lane *lane);
/** Open loop: when the next record is due; UINT64_MAX: only an answer brings the next. */
qr_ns dp_bench_lane_next_due(const struct dp_bench_lane *lane);
/** For dp_producer_config.on_done, with the lane as context. `now` is taken by the lane. */
void dp_bench_lane_done(void *context, uint64_t sequence, uint32_t count, qr_offset offset,
			enum qr_error error);

#endif
