/*
 * The progress bar. Owns the last line of the terminal while it is shown; the figures are smoothed
 * over about two seconds, so that the time left does not jump.
 */
#include "control/cli/progress.h"
#include "control/cli/units.h"

#include "consensus/base/assert.h"

#include <string.h>

#define SECOND 1000000000ull
#define REDRAW (SECOND / 10)
#define BAR_MAX 30

void ctl_progress_init(struct ctl_progress *progress, FILE *stream, const char *verb,
		       uint64_t total_bytes, qr_ns now)
{
	*progress = (struct ctl_progress){
		.stream = ctl_terminal_is(stream) ? stream : NULL,
		.verb = verb,
		.noun = "records",
		.total_bytes = total_bytes,
		.started = now,
		.drawn = now,
	};
}

static size_t put_bar(char *line, size_t cells, double part)
{
	size_t full = (size_t)(part * (double)cells);
	size_t used = 0;

	for (size_t i = 0; i < cells; i++)
		used += (size_t)sprintf(line + used, "%s", i < full ? "█" : "░");
	return used;
}

size_t ctl_progress_format(const struct ctl_progress *progress, uint64_t count, uint64_t bytes,
			   char *ret_line, size_t cells)
{
	double part = 0;
	char tail[128];
	size_t used = 0;
	size_t tail_cells;

	if (progress->total_bytes != 0) {
		part = bytes >= progress->total_bytes
			       ? 1
			       : (double)bytes / (double)progress->total_bytes;
	}
	(void)snprintf(tail, sizeof(tail), "%s %s  %s  %s/s", ctl_units_count(count).text,
		       progress->noun, ctl_units_bytes((double)bytes).text,
		       ctl_units_bytes(progress->rate).text);
	if (part > 0 && progress->rate > 1) {
		double left = (double)progress->total_bytes * (1 - part) / progress->rate;

		used = strlen(tail);
		(void)snprintf(tail + used, sizeof(tail) - used, "  eta %s",
			       ctl_units_span((qr_ns)(left * (double)SECOND)).text);
	}
	used = (size_t)sprintf(ret_line, "%s  ", progress->verb);
	tail_cells = strlen(tail) + used + 10; /* the percentage and the gaps */
	if (progress->total_bytes != 0 && cells > tail_cells + 4) {
		size_t bar = cells - tail_cells;

		used += put_bar(ret_line + used, bar > BAR_MAX ? BAR_MAX : bar, part);
		used += (size_t)sprintf(ret_line + used, " %3.0f %%  ", part * 100);
	}
	used += (size_t)snprintf(ret_line + used, CTL_PROGRESS_LINE_BYTES - used, "%s", tail);
	QR_ASSERT(used < CTL_PROGRESS_LINE_BYTES);
	return ctl_terminal_fit(ret_line, cells);
}

void ctl_progress_update(struct ctl_progress *progress, uint64_t count, uint64_t bytes, qr_ns now)
{
	char line[CTL_PROGRESS_LINE_BYTES];
	double seconds;
	size_t line_bytes;
	unsigned columns;

	if (progress->stream == NULL || now - progress->drawn < REDRAW)
		return;
	seconds = (double)(now - progress->drawn) / (double)SECOND;
	double sample = (double)(bytes - progress->rated_bytes) / seconds;
	double weight = progress->rate < 1 ? 1 : seconds / (seconds + 2);

	progress->rate += weight * (sample - progress->rate);
	progress->rated_bytes = bytes;
	progress->drawn = now;
	columns = ctl_terminal_columns(progress->stream);
	line_bytes =
		ctl_progress_format(progress, count, bytes, line, columns > 1 ? columns - 1 : 79);
	fprintf(progress->stream, "\r%.*s\033[K", (int)line_bytes, line);
	(void)fflush(progress->stream);
}

void ctl_progress_fini(struct ctl_progress *progress)
{
	if (progress->stream != NULL) {
		fputs("\r\033[K", progress->stream);
		(void)fflush(progress->stream);
	}
	progress->stream = NULL;
}
