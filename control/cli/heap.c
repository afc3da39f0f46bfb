/*
 * The heap of a command. Owns nothing; the only place that decides what running out means.
 */
#include "control/cli/heap.h"
#include "control/cli/complain.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static _Noreturn void give_up(void)
{
	ctl_complain("out of memory: free some, or raise the limit (ulimit -v)");
	_exit(CTL_EXIT_FAILED);
}

void *ctl_heap_take(size_t count, size_t size_bytes)
{
	void *memory = calloc(count == 0 ? 1 : count, size_bytes);

	if (memory == NULL)
		give_up();
	return memory;
}

void *ctl_heap_resize(void *memory, size_t count, size_t size_bytes)
{
	void *resized = reallocarray(memory, count == 0 ? 1 : count, size_bytes);

	if (resized == NULL)
		give_up();
	return resized;
}

char *ctl_heap_vprint(const char *format, va_list arguments)
{
	char *text;

	if (vasprintf(&text, format, arguments) < 0)
		give_up();
	return text;
}

char *ctl_heap_print(const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	text = ctl_heap_vprint(format, arguments);
	va_end(arguments);
	return text;
}
