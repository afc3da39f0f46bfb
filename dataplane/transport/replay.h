/*
 * Replay window over a peer's datagram counters (RFC 4303 §3.4.3): each counter of an incarnation
 * is taken once; reordering within the window is fine. A higher incarnation starts a new window,
 * and ends every lower one for good.
 *
 * Zeroed memory is a window that has heard nothing. Incarnation 0 stands for none.
 *
 * Pure.
 */
#ifndef DP_TRANSPORT_REPLAY_H
#define DP_TRANSPORT_REPLAY_H

#include "consensus/base/types.h"

#define DP_REPLAY_BITS 1024 /* a multiple of 64 */
#define DP_REPLAY_WINDOW                                                                           \
	(DP_REPLAY_BITS - 64) /* counters below the highest that are still told apart */

struct dp_replay {
	uint32_t incarnation;
	uint64_t highest;
	uint64_t seen[DP_REPLAY_BITS / 64];
};

enum dp_replay_verdict {
	DP_REPLAY_FRESH,
	DP_REPLAY_NEW_INCARNATION, /* fresh, and the first of another life of the peer */
	DP_REPLAY_SEEN, /* taken before, too old to tell, or of an earlier life: drop it */
};

/**
 * Judge a datagram and remember it. Only for datagrams that are otherwise valid: a forged counter
 * would move the window.
 */
enum dp_replay_verdict dp_replay_check(struct dp_replay *replay, uint32_t incarnation,
				       uint64_t counter);

#endif
