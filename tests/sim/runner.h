/*
 * Running seeds: one, many in several processes, or one again and again with fewer faults.
 */
#ifndef QR_TEST_SIM_RUNNER_H
#define QR_TEST_SIM_RUNNER_H

#include "consensus/base/types.h"

#define SIM_JOBS_MAX 64

struct sim_request {
	uint64_t first;
	uint64_t last;
	bool single;
	uint64_t minutes; /* 0: no bound */
	uint32_t jobs;
	uint32_t seconds;
	uint32_t rate_min; /* UINT32_MAX: the default */
	bool trace;
	bool plan;
	bool shrink;
};

/** @return the exit status. */
int sim_run_one(const struct sim_request *request);
int sim_run_many(const struct sim_request *request);
int sim_shrink(const struct sim_request *request);

#endif
