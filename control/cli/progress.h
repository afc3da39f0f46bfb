/*
 * A progress bar: one line, redrawn ten times a second at most, on a terminal only.
 */
#ifndef CTL_CLI_PROGRESS_H
#define CTL_CLI_PROGRESS_H

#include "control/cli/terminal.h"

struct ctl_progress {
	FILE *stream; /* NULL: not shown */
	const char *verb;
	const char *noun;     /* what is counted beside the bytes */
	uint64_t total_bytes; /* 0: not known, so no bar and no time left */
	qr_ns started;
	qr_ns drawn;	      /* when, last; 0: not yet */
	double rate;	      /* bytes a second, smoothed */
	uint64_t rated_bytes; /* what `rate` has counted */
};

/** @param stream  shown there if it is a terminal. */
void ctl_progress_init(struct ctl_progress *progress, FILE *stream, const char *verb,
		       uint64_t total_bytes, qr_ns now);
/** Draw, if it is time to. */
void ctl_progress_update(struct ctl_progress *progress, uint64_t count, uint64_t bytes, qr_ns now);
/** Wipe the line: what comes next on the stream starts clean. */
void ctl_progress_fini(struct ctl_progress *progress);
/** The text of the line within `cells` cells, for tests and for update. Returns its bytes. */
size_t ctl_progress_format(const struct ctl_progress *progress, uint64_t count, uint64_t bytes,
			   char *ret_line, size_t cells);

#define CTL_PROGRESS_LINE_BYTES 512

#endif
