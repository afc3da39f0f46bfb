/*
 * DPDK's environment abstraction layer, started once for a process: memory, threads, telemetry.
 * Whatever needs privileges is used when it is there and done without when not.
 */
#ifndef DP_LCORE_ENVIRONMENT_H
#define DP_LCORE_ENVIRONMENT_H

#include "dataplane/lcore/host.h"

struct dp_plan;

struct dp_environment {
	bool started;
	bool huge;	      /* DPDK's memory is on huge pages */
	char prefix[32];      /* of its files below run_dir: dpdk-telemetry.py -f PREFIX */
	uint32_t lcore_count; /* polling threads */
	unsigned lcores[64];  /* their EAL numbers */
	bool isolated[64];    /* pinned to a CPU that serves nothing else */
};

/**
 * Make run_dir if it is not there; it must be ours alone, since who can write to it can be a peer.
 * Errors: QR_DENIED, QR_IO.
 */
QR_MUST_USE enum qr_error dp_environment_run_dir(const char *path, struct dp_problem *ret_problem);

/**
 * @param memory_bytes  of DPDK: buffers, rings, drivers.
 * Context: once in the life of a process, from its main thread, which becomes EAL's main lcore.
 * Errors:  QR_CONFIG, QR_UNSUPPORTED, QR_LOCKED (the same nodes run already), QR_NO_MEMORY.
 */
QR_MUST_USE enum qr_error dp_environment_start(const struct dp_plan *plan, uint64_t memory_bytes,
					       struct dp_environment *ret_environment,
					       struct dp_problem *ret_problem);
void dp_environment_stop(struct dp_environment *environment);

#endif
