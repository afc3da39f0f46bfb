/*
 * Terminals. Widths are counted by code points, combining marks as nothing and East Asian wide
 * ranges as two, without the locale: the same table comes out wherever the command runs.
 */
#include "control/cli/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

bool ctl_terminal_is(FILE *stream)
{
	return isatty(fileno(stream)) == 1;
}

unsigned ctl_terminal_columns(FILE *stream)
{
	struct winsize size;

	if (!ctl_terminal_is(stream) || ioctl(fileno(stream), TIOCGWINSZ, &size) != 0)
		return 0;
	return size.ws_col;
}

static bool has_colours(FILE *stream)
{
	const char *no_color = secure_getenv("NO_COLOR");
	const char *term = secure_getenv("TERM");

	if (no_color != NULL && no_color[0] != '\0')
		return false;
	return ctl_terminal_is(stream) && term != NULL && strcmp(term, "dumb") != 0;
}

const char *ctl_terminal_style(FILE *stream, enum ctl_style style)
{
	static const char *const sequences[] = {
		[CTL_STYLE_NONE] = "\033[0m",  [CTL_STYLE_TITLE] = "\033[1m",
		[CTL_STYLE_GOOD] = "\033[32m", [CTL_STYLE_WARN] = "\033[33m",
		[CTL_STYLE_BAD] = "\033[31m",  [CTL_STYLE_DIM] = "\033[2m",
	};

	return has_colours(stream) ? sequences[style] : "";
}

/* The code point at `text`, and its length in bytes; a stray byte stands for itself. */
static uint32_t code_point(const char *text, size_t size_bytes, size_t *ret_bytes)
{
	const unsigned char *at = (const unsigned char *)text;
	unsigned more = at[0] >= 0xf0 ? 3 : at[0] >= 0xe0 ? 2 : at[0] >= 0xc2 ? 1 : 0;
	uint32_t point = at[0];

	*ret_bytes = 1;
	if (more == 0 || more >= size_bytes || at[0] > 0xf4)
		return point;
	point &= 0x3fu >> more;
	for (unsigned i = 1; i <= more; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return at[0];
		point = point << 6 | (at[i] & 0x3fu);
	}
	*ret_bytes = more + 1;
	return point;
}

static size_t cells_of(uint32_t point)
{
	static const struct {
		uint32_t first;
		uint32_t last;
		size_t cells;
	} ranges[] = {
		{0x0300, 0x036f, 0},   {0x200b, 0x200f, 0}, {0x20d0, 0x20ff, 0},
		{0xfe00, 0xfe0f, 0},   {0x1100, 0x115f, 2}, {0x2e80, 0xa4cf, 2},
		{0xac00, 0xd7a3, 2},   {0xf900, 0xfaff, 2}, {0xfe30, 0xfe6f, 2},
		{0xff00, 0xff60, 2},   {0xffe0, 0xffe6, 2}, {0x1f300, 0x1faff, 2},
		{0x20000, 0x3fffd, 2},
	};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		if (point >= ranges[i].first && point <= ranges[i].last)
			return ranges[i].cells;
	}
	return 1;
}

size_t ctl_terminal_cells(const char *text, size_t size_bytes)
{
	size_t cells = 0;

	for (size_t at = 0, bytes; at < size_bytes; at += bytes)
		cells += cells_of(code_point(text + at, size_bytes - at, &bytes));
	return cells;
}

size_t ctl_terminal_fit(const char *text, size_t cells)
{
	size_t size_bytes = strlen(text);
	size_t taken = 0;
	size_t at = 0;

	while (at < size_bytes) {
		size_t bytes;

		taken += cells_of(code_point(text + at, size_bytes - at, &bytes));
		if (taken > cells)
			break;
		at += bytes;
	}
	return at;
}
