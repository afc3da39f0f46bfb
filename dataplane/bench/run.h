/*
 * A run from outside: loads that are turned by other threads, taken through their phases by the
 * main one, and what they found put into a report.
 */
#ifndef DP_BENCH_RUN_H
#define DP_BENCH_RUN_H

#include "dataplane/bench/load.h"
#include "dataplane/bench/progress.h"
#include "dataplane/bench/report.h"

#define DP_BENCH_LOADS_MAX 64

struct dp_bench_run {
	const struct dp_bench_options *options;
	struct dp_bench_load *loads[DP_BENCH_LOADS_MAX];
	uint32_t load_count;
	struct dp_bench_progress progress;
	/* called when the measured time begins and when it has ended; NULL: nothing to do */
	void (*on_begin)(void *context);
	void (*on_end)(void *context, struct dp_bench_report *report);
	void *context;
	struct dp_bench_report report;
};

/** Let SIGINT and SIGTERM end a run early, cleanly. */
void dp_bench_run_catch_signals(void);
bool dp_bench_run_is_interrupted(void);

/** Fill in what follows from the options. */
void dp_bench_run_init(struct dp_bench_run *run, const struct dp_bench_options *options);
/** Create `count` loads of one run; `now` is of their edge's clock. Errors: QR_NO_MEMORY. */
QR_MUST_USE enum qr_error dp_bench_run_create_loads(struct dp_bench_run *run, uint32_t count,
						    const struct dp_bench_load_config *config,
						    qr_ns now);
void dp_bench_run_destroy_loads(struct dp_bench_run *run);

/**
 * Take the loads through a whole run, while other threads turn them.
 * @return whether all went well and everything was verified; else report.problem says what not.
 */
QR_MUST_USE bool dp_bench_run_execute(struct dp_bench_run *run);

#endif
