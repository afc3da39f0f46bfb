/*
 * Messages for a person. Owns nothing; stderr is buffered by line, so a message that was given is
 * out.
 */
#include "control/cli/complain.h"
#include "control/cli/terminal.h"

#include <stdarg.h>
#include <stdio.h>

void ctl_complain(const char *format, ...)
{
	va_list arguments;

	if (ctl_terminal_is(stderr))
		fputs("\r\033[K", stderr);
	fprintf(stderr, "%squorate:%s ", ctl_terminal_style(stderr, CTL_STYLE_BAD),
		ctl_terminal_style(stderr, CTL_STYLE_NONE));
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}
