/*
 * A cluster inside this process, to be measured without a network: three nodes joined by rings,
 * each with a data directory of its own on the same disk.
 *
 * Threads: the main thread only. What it reads of running cores are single words and histograms
 * that tolerate it.
 */
#ifndef DP_BENCH_EMBEDDED_H
#define DP_BENCH_EMBEDDED_H

#include "dataplane/bench/options.h"
#include "dataplane/bench/plan.h"
#include "dataplane/bench/report.h"
#include "dataplane/bench/workdir.h"
#include "dataplane/lcore/host.h"

#define DP_BENCH_LOG "bench" /* the name of the one log */

/** Where the data goes and how much of it is prepared. */
struct dp_bench_place {
	struct dp_bench_workdir workdir;
	struct dp_bench_plan plan;
};

struct dp_bench_embedded {
	struct dp_config config;
	struct dp_process *process;
	uint32_t core_count; /* of all nodes */
	bool started;
	/* counters when the measured time began, one per core */
	struct dp_stats *before;
	/* what happened since, of the cores that led something */
	struct dp_stats during;
};

/**
 * Build everything up to polling.
 * @param clients  endpoints of the fabric for the load.
 */
QR_MUST_USE enum qr_error dp_bench_embedded_create(struct dp_bench_embedded *embedded,
						   const struct dp_bench_options *options,
						   const struct dp_bench_place *place,
						   uint32_t clients,
						   struct dp_bench_problem *ret_problem);
/** Poll, and wait until all segments are written in advance. Errors: QR_TIMED_OUT, QR_AGAIN
 * (interrupted) and others. */
QR_MUST_USE enum qr_error dp_bench_embedded_start(struct dp_bench_embedded *embedded,
						  struct dp_bench_problem *ret_problem);

/** Remember the counters: the measured time begins. */
void dp_bench_embedded_begin(struct dp_bench_embedded *embedded);
/** It ends: `during` and the report's stages. */
void dp_bench_embedded_end(struct dp_bench_embedded *embedded, struct dp_bench_report *report);

/** Stop polling; a half-built one is fine. */
void dp_bench_embedded_stop(struct dp_bench_embedded *embedded);
/** Take everything down, stopped before; a half-built one is fine. */
void dp_bench_embedded_destroy(struct dp_bench_embedded *embedded);

#endif
