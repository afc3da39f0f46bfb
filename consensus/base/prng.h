/*
 * xoshiro256** (Blackman and Vigna, 2018): the one source of pseudo-randomness. It is handed in
 * from outside wherever it is used, so one seed decides a whole simulated run. Not for secrets.
 */
#ifndef QR_BASE_PRNG_H
#define QR_BASE_PRNG_H

#include "consensus/base/types.h"

struct qr_prng {
	uint64_t state[4];
};

/** Seed by splitmix64, so that any seed, 0 included, is a good one. */
void qr_prng_init(struct qr_prng *prng, uint64_t seed);
uint64_t qr_prng_next(struct qr_prng *prng);
/** Uniform in [0, bound); bound > 0. */
uint64_t qr_prng_below(struct qr_prng *prng, uint64_t bound);

#endif
