/*
 * "Did you mean": the known word nearest to one that is not known.
 */
#ifndef CTL_CLI_SUGGEST_H
#define CTL_CLI_SUGGEST_H

#include <stddef.h>

/** Edits (insert, delete, replace, swap of neighbours) from `a` to `b`; words beyond 64 bytes: 64.
 */
unsigned ctl_suggest_distance(const char *a, const char *b);
/** The nearest of `words`, or NULL when none is near enough to be meant. */
const char *ctl_suggest(const char *word, const char *const *words, size_t word_count);

#endif
