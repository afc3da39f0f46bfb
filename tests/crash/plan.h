/*
 * Which images are made at which place of a tape: everything follows from the tape, the number of
 * images and a seed, so one of them can be made again alone.
 */
#ifndef QR_TESTS_CRASH_PLAN_H
#define QR_TESTS_CRASH_PLAN_H

#include "tests/crash/judge.h"

struct plan {
	uint64_t seed;
	uint64_t images; /* wanted in all */
	uint64_t count;	 /* of events */
	uint32_t *weights;
	uint64_t weight; /* of all */
};

/** Add an event whose effect is in `media` now. Called for each, in order. */
void plan_add(struct plan *plan, const struct tape_event *event, const struct media *media);
void plan_fini(struct plan *plan);

/** Images behind event number `position`, where the weights before it sum up to `before`. */
uint64_t plan_share(const struct plan *plan, uint64_t position, uint64_t before);

/** One of them. */
struct plan_image {
	uint64_t position;
	uint64_t number; /* from 0 */
	uint64_t share;	 /* of how many */
};
/**
 * @param ret_fates   [1..TAPE_NODES]
 * @param ret_folder  the node that is recovered from a real directory too; 0: none.
 */
void plan_fates(const struct plan *plan, const struct plan_image *image, const struct media *media,
		struct judge_fate *ret_fates, qr_node *ret_folder);

#endif
