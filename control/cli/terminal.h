/*
 * What the other end of a stream is: a terminal with a width and colours, or a file. Colours appear
 * on a terminal only, and never with NO_COLOR set (https://no-color.org).
 */
#ifndef CTL_CLI_TERMINAL_H
#define CTL_CLI_TERMINAL_H

#include "consensus/base/types.h"

#include <stdio.h>

enum ctl_style {
	CTL_STYLE_NONE,
	CTL_STYLE_TITLE,
	CTL_STYLE_GOOD,
	CTL_STYLE_WARN,
	CTL_STYLE_BAD,
	CTL_STYLE_DIM,
};

bool ctl_terminal_is(FILE *stream);
/** Columns of the terminal; 0 where it has none: a file is never cut. */
unsigned ctl_terminal_columns(FILE *stream);
/** The escape sequence that starts a style (NONE: ends any), "" where there are no colours. */
const char *ctl_terminal_style(FILE *stream, enum ctl_style style);
/** Cells that `size_bytes` bytes of UTF-8 take; a byte that is not UTF-8 counts as one. */
size_t ctl_terminal_cells(const char *text, size_t size_bytes);
/** Bytes of `text` that take at most `cells` cells. */
size_t ctl_terminal_fit(const char *text, size_t cells);

#endif
