/*
 * Memory for a checker: arrays that grow. What cannot be had ends the process, as an assertion.
 */
#ifndef CHECK_MEMORY_H
#define CHECK_MEMORY_H

#include <stddef.h>

/** Zeroed memory for `count` objects; never NULL. Free with free(). */
void *check_memory_take(size_t count, size_t size_bytes);
/**
 * `array` (or NULL) of `*capacity` objects, made large enough for `count`; what is new is not
 * zeroed. Never NULL if count > 0.
 */
void *check_memory_grow(void *array, size_t *capacity, size_t count, size_t size_bytes);

#endif
