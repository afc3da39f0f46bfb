/*
 * Memory of the simulator itself: it is a program that ends, so running out of memory ends it.
 */
#ifndef QR_TEST_SIM_MEMORY_H
#define QR_TEST_SIM_MEMORY_H

#include <stddef.h>
#include <stdlib.h>

/** `memory` itself; the program ends when there is none. */
static inline void *sim_must(void *memory)
{
	if (memory == NULL)
		abort();
	return memory;
}

static inline void *sim_take(size_t size_bytes)
{
	return sim_must(calloc(1, size_bytes));
}

static inline void *sim_resize(void *memory, size_t size_bytes)
{
	return sim_must(realloc(memory, size_bytes));
}

static inline void sim_free(void *memory)
{
	free(memory);
}

#endif
