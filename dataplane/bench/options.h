/*
 * The command line of the benchmark: what is to be measured, and where.
 */
#ifndef DP_BENCH_OPTIONS_H
#define DP_BENCH_OPTIONS_H

#include "consensus/base/types.h"
#include "consensus/wire/client.h"

enum dp_bench_mode { DP_BENCH_CLOSED, DP_BENCH_OPEN };

struct dp_bench_options {
	/* where */
	bool embedded;
	const char *dir;       /* embedded: data below it; NULL: a temporary one */
	const char *config;    /* running cluster: its configuration file */
	const char *endpoints; /* running cluster: ADDRESS:PORT,... */
	const char *log;       /* running cluster: its log */
	const char *cluster;   /* with endpoints: the cluster's name */

	/* what */
	enum dp_bench_mode mode;
	uint64_t inflight; /* closed loop: records in flight, over all producers */
	double rate;	   /* open loop: records per second, over all producers */
	uint32_t record_bytes;
	double seconds;
	double warmup_seconds;
	enum wire_durability durability;

	/* shape */
	uint32_t groups;
	uint32_t cores;	   /* replication cores per node */
	uint32_t lcores;   /* threads; 0: by the number of CPUs */
	uint32_t sessions; /* producers per group */

	bool json;
};

/** Parse, check, and fill in what was left out. Exits with 2 and a message when something is wrong.
 */
void dp_bench_options_parse(struct dp_bench_options *options, int argc, char **argv);

#endif
