/*
 * Checking a tape: images all along it, by several processes.
 */
#ifndef QR_TESTS_CRASH_CHECK_H
#define QR_TESTS_CRASH_CHECK_H

#include "tests/crash/judge.h"

#define CHECK_ALL UINT64_MAX

struct check_options {
	uint64_t images;
	uint64_t seed;
	uint32_t jobs;
	const char *folder; /* where real directories are made; NULL: none are */
	uint64_t position;  /* only images behind this event; CHECK_ALL */
	uint64_t number;    /* only this one of them; CHECK_ALL */
};

/** What was found wrong first. */
struct check_failure {
	uint64_t position;
	uint64_t number; /* of the image there; CHECK_ALL: the tape itself is wrong */
	char text[256];
};

struct check_outcome {
	struct judge_counts counts;
	uint64_t rounds;
	uint64_t events;
	uint64_t answered;  /* different records, of all rounds */
	uint64_t snapshots; /* completed */
	uint64_t trims;	    /* later beginnings of logs that became stable */
	uint64_t installs;  /* of peers' snapshots in the place of a log */
	bool failed;
	struct check_failure failure;
};

void check_tape(const struct tape *tape, const struct check_options *options,
		struct check_outcome *ret_outcome);

#endif
