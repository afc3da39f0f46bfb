/*
 * One line on a terminal that says what the benchmark is doing; nothing where stderr is no
 * terminal.
 */
#ifndef DP_BENCH_PROGRESS_H
#define DP_BENCH_PROGRESS_H

#include "consensus/base/types.h"

struct dp_bench_progress {
	bool shown; /* stderr is a terminal */
	qr_ns last;
	uint64_t last_count;
};

void dp_bench_progress_init(struct dp_bench_progress *progress);
/** Show a step that has no count. */
void dp_bench_progress_say(struct dp_bench_progress *progress, const char *what);
/** Show a step that counts records: how many so far, and how many a second. At most ten a second.
 */
void dp_bench_progress_count(struct dp_bench_progress *progress, const char *what, uint64_t count,
			     qr_ns now);
/** Take the line away. */
void dp_bench_progress_clear(struct dp_bench_progress *progress);

#endif
