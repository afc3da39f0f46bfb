/*
 * quorate-sim: run seeds. Every seed is a run of its own; with several jobs, processes take them in
 * turn. A process that finds a violation says so and ends; the first one ends all.
 */
#include "tests/sim/git.h"
#include "tests/sim/report.h"
#include "tests/sim/runner.h"
#include "tests/sim/world.h"

#include "consensus/base/assert.h"

#include <argp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *argp_program_version = "quorate-sim " QUORATE_VERSION;

enum {
	OPTION_SEED = 's',
	OPTION_JOBS = 'j',
	OPTION_TRACE = 't',
	OPTION_SEEDS = 256,
	OPTION_MINUTES,
	OPTION_SECONDS,
	OPTION_SHRINK,
	OPTION_PLAN,
	OPTION_RATE
};

static const struct argp_option options[] = {
	{"seed", OPTION_SEED, "S", 0, "Run one seed and print its trace's hash", 0},
	{"seeds", OPTION_SEEDS, "A..B", 0, "Run the seeds A to B", 0},
	{"minutes", OPTION_MINUTES, "M", 0, "End after so long, whatever is left of the seeds", 0},
	{"jobs", OPTION_JOBS, "N", 0, "Processes (default 1)", 0},
	{"seconds", OPTION_SECONDS, "N", 0,
	 "Simulated seconds of faults per seed (default: 30 to 70, as the seed says)", 0},
	{"trace", OPTION_TRACE, NULL, 0, "With --seed: print every step", 0},
	{"plan", OPTION_PLAN, NULL, 0,
	 "With --seed: print what the seed stands for, and its faults", 0},
	{"shrink", OPTION_SHRINK, NULL, 0,
	 "With --seed, one that fails: find fewer faults that still make it fail", 0},
	{"min-rate", OPTION_RATE, "N", 0,
	 "Fail when fewer appends per simulated second were acknowledged (default 50 from 100 "
	 "seeds on)",
	 0},
	{0},
};

/* NOLINTBEGIN(concurrency-mt-unsafe): argp, before anything else runs */

static uint64_t number(const char *text, struct argp_state *state)
{
	char *end;
	uint64_t value = strtoull(text, &end, 10);

	if (*text == '\0' || *end != '\0')
		argp_error(state, "'%s' is no number", text);
	return value;
}

static void seeds(struct sim_request *request, char *text, struct argp_state *state)
{
	char *dots = strstr(text, "..");

	if (dots == NULL) {
		argp_error(state, "'%s' is no range: write A..B", text);
		return;
	}
	*dots = '\0';
	request->first = number(text, state);
	request->last = number(dots + 2, state);
	if (request->last < request->first)
		argp_error(state, "the range ends before it begins");
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct sim_request *request = state->input;

	switch (key) {
	case OPTION_SEED:
		request->first = request->last = number(argument, state);
		request->single = true;
		return 0;
	case OPTION_SEEDS:
		seeds(request, argument, state);
		return 0;
	case OPTION_MINUTES:
		request->minutes = number(argument, state);
		return 0;
	case OPTION_JOBS:
		request->jobs = (uint32_t)number(argument, state);
		if (request->jobs == 0 || request->jobs > SIM_JOBS_MAX)
			argp_error(state, "1 to %u jobs", SIM_JOBS_MAX);
		return 0;
	case OPTION_SECONDS:
		request->seconds = (uint32_t)number(argument, state);
		return 0;
	case OPTION_TRACE:
		request->trace = true;
		return 0;
	case OPTION_PLAN:
		request->plan = true;
		return 0;
	case OPTION_SHRINK:
		request->shrink = true;
		return 0;
	case OPTION_RATE:
		request->rate_min = (uint32_t)number(argument, state);
		return 0;
	case ARGP_KEY_END:
		if ((request->trace || request->plan || request->shrink) && !request->single)
			argp_error(state, "--trace, --plan and --shrink go with --seed");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.doc = "Run whole clusters of real nodes and clients in a simulated world under "
		       "faults, "
		       "and check what must hold.\v"
		       "Exit status: 0 nothing was found; 1 a property does not hold (it says "
		       "which, "
		       "and the seed); 2 wrong usage.\n\n"
		       "The properties and their numbers are in docs/CORRECTNESS.md.",
	};
	struct sim_request request = {.first = 1, .last = 100, .jobs = 1, .rate_min = UINT32_MAX};

	argp_err_exit_status = 2;
	if (argp_parse(&argp, argc, argv, 0, NULL, &request) != 0)
		return 2;
	if (request.shrink)
		return sim_shrink(&request);
	return request.single ? sim_run_one(&request) : sim_run_many(&request);
}

/* NOLINTEND(concurrency-mt-unsafe) */
