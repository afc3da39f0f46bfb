/*
 * The window is a ring of 64-bit words over the counters (RFC 6479): moving it forward clears whole
 * words, never shifts. So the word that holds `highest` is only partly used, and the window is
 * between DP_REPLAY_WINDOW and DP_REPLAY_BITS wide.
 *
 * Incarnations of a peer grow from start to start, so whatever is of an earlier one is old, however
 * long the network kept it. A receiver that has just started itself may take an old one for the
 * newest, until the first datagram of the newest comes. Until datagrams are authenticated this
 * keeps out the network's duplicates, not an attacker.
 */
#include "dataplane/transport/replay.h"

#include <string.h>

#define WORD_BITS 64u
#define WORDS (DP_REPLAY_BITS / WORD_BITS)

_Static_assert(DP_REPLAY_BITS % WORD_BITS == 0 && WORDS >= 2, "whole words");
_Static_assert((WORDS & (WORDS - 1)) == 0, "the ring wraps with the counters");

/** Forget the words between the old highest counter and the new one. */
static void advance(struct dp_replay *replay, uint64_t counter)
{
	uint64_t from = replay->highest / WORD_BITS;
	uint64_t steps = counter / WORD_BITS - from;

	if (steps > WORDS)
		steps = WORDS;
	for (uint64_t i = 1; i <= steps; i++)
		replay->seen[(from + i) % WORDS] = 0;
	replay->highest = counter;
}

enum dp_replay_verdict dp_replay_check(struct dp_replay *replay, uint32_t incarnation,
				       uint64_t counter)
{
	uint64_t *word = &replay->seen[counter / WORD_BITS % WORDS];
	uint64_t bit = (uint64_t)1 << counter % WORD_BITS;

	if (incarnation < replay->incarnation || incarnation == 0)
		return DP_REPLAY_SEEN;
	if (incarnation > replay->incarnation) {
		replay->incarnation = incarnation;
		replay->highest = counter;
		memset(replay->seen, 0, sizeof(replay->seen));
		*word = bit;
		return DP_REPLAY_NEW_INCARNATION;
	}
	if (counter > replay->highest) {
		advance(replay, counter);
	} else if (replay->highest - counter >= DP_REPLAY_WINDOW) {
		return DP_REPLAY_SEEN;
	}
	if ((*word & bit) != 0)
		return DP_REPLAY_SEEN;
	*word |= bit;
	return DP_REPLAY_FRESH;
}
