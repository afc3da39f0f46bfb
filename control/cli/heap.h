/*
 * Memory for a short-lived command: what cannot be had ends it with a message. Free with free().
 */
#ifndef CTL_CLI_HEAP_H
#define CTL_CLI_HEAP_H

#include <stdarg.h>
#include <stddef.h>

/** Zeroed memory for `count` objects; never NULL. */
void *ctl_heap_take(size_t count, size_t size_bytes);
/** `memory` (or NULL) made large enough for `count` objects; what is new is not zeroed. */
void *ctl_heap_resize(void *memory, size_t count, size_t size_bytes);
char *ctl_heap_vprint(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));
char *ctl_heap_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
