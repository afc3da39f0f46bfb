/*
 * The result of a benchmark: one object, shown as a table or as JSON. The names in the JSON are
 * part of the interface; docs/operations/bench.md describes them.
 */
#ifndef DP_BENCH_REPORT_H
#define DP_BENCH_REPORT_H

#include "consensus/base/histogram.h"
#include "dataplane/bench/device.h"
#include "dataplane/bench/options.h"

#include <stdio.h>

struct dp_bench_stage {
	double p50_us;
	double p99_us;
};

struct dp_bench_report {
	const char *git;
	const char *profile;
	bool embedded;
	enum wire_durability durability;
	uint32_t replicas;
	uint32_t groups;
	uint32_t sessions; /* per group */
	uint32_t cores;
	uint32_t lcores; /* embedded */
	uint32_t record_bytes;
	enum dp_bench_mode mode;
	uint64_t inflight;
	double rate;
	double seconds; /* measured, without warm-up */

	uint64_t acked;	      /* in these seconds */
	uint64_t acked_total; /* with warm-up and what was in flight at the end */
	uint64_t errors;
	uint64_t unsent; /* open loop: due, and never sent before the end */
	uint64_t verified;
	double cpu_seconds; /* of this process, in these seconds */
	struct qr_histogram latency;
	struct dp_bench_stage stages[WIRE_STAGES];

	bool has_device; /* a running cluster's disks may be elsewhere */
	struct dp_bench_device device;

	char problem[512]; /* why the run does not count; empty: it does */
};

/** @return text that the caller frees; NULL: out of memory. */
char *dp_bench_report_json(const struct dp_bench_report *report);
void dp_bench_report_table(const struct dp_bench_report *report, FILE *to);

#endif
