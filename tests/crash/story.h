/*
 * The story of one recorded round: a cluster on empty disks, a load, and what goes wrong.
 */
#ifndef QR_TESTS_CRASH_STORY_H
#define QR_TESTS_CRASH_STORY_H

#include "tests/crash/tape.h"

struct story_options {
	const char *path; /* a folder for the nodes' directories */
	uint64_t seed;	  /* decides the cluster's shape and the faults; time decides the rest */
	uint64_t bytes_per_group; /* of records, roughly */
	bool calm;		  /* nothing goes wrong */
};

struct story_outcome {
	uint64_t records; /* answered */
	uint64_t operations;
	uint32_t cuts;
	uint32_t kills;
	uint32_t isolations;
	char problem[320]; /* why the round could not be told to its end */
};

/** Record one round at the end of the tape. @return false: ret_outcome->problem says why. */
bool story_record(struct tape *tape, const struct story_options *options,
		  struct story_outcome *ret_outcome);

#endif
