/*
 * The time of the command line's loops.
 */
#ifndef CTL_CLI_CLOCK_H
#define CTL_CLI_CLOCK_H

#include "consensus/base/types.h"

#include <time.h>

static inline qr_ns ctl_clock_now(void)
{
	struct timespec now = {0};

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (qr_ns)now.tv_sec * 1000000000u + (qr_ns)now.tv_nsec;
}

/** Milliseconds for poll(2) from `now` to `until`, rounded up. */
static inline int ctl_clock_poll_ms(qr_ns now, qr_ns until)
{
	qr_ns left = until > now ? (until - now + 999999) / 1000000 : 0;

	return left > 60000 ? 60000 : (int)left;
}

#endif
