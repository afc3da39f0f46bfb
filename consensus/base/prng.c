/* xoshiro256** with splitmix64 seeding, after the authors' public-domain code. Owns no state. */
#include "consensus/base/prng.h"

#include "consensus/base/assert.h"

static uint64_t rotate_left(uint64_t value, unsigned count)
{
	return value << count | value >> (64 - count);
}

void qr_prng_init(struct qr_prng *prng, uint64_t seed)
{
	for (unsigned i = 0; i < 4; i++) {
		uint64_t mixed = seed += 0x9e3779b97f4a7c15u;

		mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9u;
		mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
		prng->state[i] = mixed ^ mixed >> 31;
	}
}

uint64_t qr_prng_next(struct qr_prng *prng)
{
	uint64_t *state = prng->state;
	uint64_t result = rotate_left(state[1] * 5, 7) * 9;
	uint64_t shifted = state[1] << 17;

	state[2] ^= state[0];
	state[3] ^= state[1];
	state[1] ^= state[2];
	state[0] ^= state[3];
	state[2] ^= shifted;
	state[3] = rotate_left(state[3], 45);
	return result;
}

uint64_t qr_prng_below(struct qr_prng *prng, uint64_t bound)
{
	unsigned __int128 product;

	QR_ASSERT(bound > 0);

	/*
	 * Lemire, "Fast Random Integer Generation in an Interval" (2019): the high half of a
	 * product is uniform once the few low halves that would favour some values are drawn again.
	 */
	product = (unsigned __int128)qr_prng_next(prng) * bound;
	if ((uint64_t)product < bound) {
		uint64_t unfair = -bound % bound;

		while ((uint64_t)product < unfair)
			product = (unsigned __int128)qr_prng_next(prng) * bound;
	}
	return (uint64_t)(product >> 64);
}
