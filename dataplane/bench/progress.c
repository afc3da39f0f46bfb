/* The progress line. State: when it was last drawn, and the count then. */
#include "dataplane/bench/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define REDRAW_NS 100000000u
#define LINE_START "\r\033[K" /* and the rest of it is cleared */

void dp_bench_progress_init(struct dp_bench_progress *progress)
{
	*progress = (struct dp_bench_progress){.shown = isatty(STDERR_FILENO) == 1};
}

void dp_bench_progress_say(struct dp_bench_progress *progress, const char *what)
{
	if (progress->shown)
		(void)fprintf(stderr, LINE_START "%s", what);
	progress->last = 0;
}

void dp_bench_progress_count(struct dp_bench_progress *progress, const char *what, uint64_t count,
			     qr_ns now)
{
	double seconds = (double)(now - progress->last) / 1e9;

	if (!progress->shown || now - progress->last < REDRAW_NS)
		return;
	if (progress->last != 0 && count >= progress->last_count) {
		(void)fprintf(stderr, LINE_START "%s: %" PRIu64 " records, %.0f/s", what, count,
			      (double)(count - progress->last_count) / seconds);
	}
	progress->last = now;
	progress->last_count = count;
}

void dp_bench_progress_clear(struct dp_bench_progress *progress)
{
	if (progress->shown)
		(void)fprintf(stderr, LINE_START);
}
