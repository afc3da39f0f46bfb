/*
 * What a poll loop does after a turn without work. Pure: times in, a decision out.
 *
 *   poll      never sleeps. It yields, so that the disk's interrupt and kernel workers get the CPU
 *             (a loop that does not turns a 70 us write into 4 ms), unless the CPU is isolated.
 *   adaptive  yields for DP_IDLE_SPIN_NS, the time of a disk write; then sleeps for an eighth of
 * the time it has been idle, within DP_IDLE_SLEEP_MIN_NS and DP_IDLE_SLEEP_MAX_NS. So what comes
 * after a pause waits for an eighth of that pause at most, and a process with nothing to do wakes a
 * thousand times a second, not a million. Needed because memif and rings have no descriptor to wait
 * for.
 *
 * A loop that always has work yields too, every DP_IDLE_BUSY_NS, on a CPU that is not isolated: its
 * own disk writes may be waiting for a kernel worker on the same CPU, which else gets it at the
 * next tick, up to 4 ms later.
 */
#ifndef DP_LCORE_IDLE_H
#define DP_LCORE_IDLE_H

#include "dataplane/config/config.h"

#define DP_IDLE_SPIN_NS 100000u
#define DP_IDLE_SLEEP_MIN_NS 50000u
#define DP_IDLE_BUSY_NS 50000u
#define DP_IDLE_SLEEP_MAX_NS 1000000u

enum dp_idle_action { DP_IDLE_SPIN, DP_IDLE_YIELD, DP_IDLE_SLEEP };

struct dp_idler {
	enum dp_idle policy;
	bool isolated;	    /* the CPU serves nothing but this thread */
	qr_ns sleep_max_ns; /* lower when something without a deadline is polled */
	qr_ns busy_at_ns;   /* the last turn that had work */
	qr_ns yielded_at_ns;
};

void dp_idler_init(struct dp_idler *idler, enum dp_idle policy, bool isolated, qr_ns now_ns);

/** A turn had work. @return whether to yield before the next one. */
bool dp_idler_busy(struct dp_idler *idler, qr_ns now_ns);

/**
 * A turn had none.
 * @param deadline_ns   when the next turn has work by itself.
 * @param ret_sleep_ns  for DP_IDLE_SLEEP: at most this long.
 */
enum dp_idle_action dp_idler_next(struct dp_idler *idler, qr_ns now_ns, qr_ns deadline_ns,
				  qr_ns *ret_sleep_ns);

#endif
