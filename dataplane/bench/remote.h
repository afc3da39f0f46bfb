/*
 * Measuring a cluster that runs elsewhere, through the kernel's UDP: finds its nodes, gives each
 * load a thread with a socket, and measures the disk if the cluster's is on this machine.
 */
#ifndef DP_BENCH_REMOTE_H
#define DP_BENCH_REMOTE_H

#include "dataplane/bench/run.h"

/** @return whether all went well; else the problem, here or in the run's report, says what not. */
QR_MUST_USE bool dp_bench_remote_run(struct dp_bench_run *run,
				     struct dp_bench_problem *ret_problem);

#endif
