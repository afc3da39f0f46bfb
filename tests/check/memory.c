/*
 * Growth doubles, so adding one object at a time costs constant time on average.
 */
#include "tests/check/memory.h"

#include "consensus/base/assert.h"

#include <stdint.h>
#include <stdlib.h>

#define COUNT_MIN 16u

void *check_memory_take(size_t count, size_t size_bytes)
{
	void *memory = calloc(count != 0 ? count : 1, size_bytes);

	QR_ASSERT(memory != NULL);
	return memory;
}

void *check_memory_grow(void *array, size_t *capacity, size_t count, size_t size_bytes)
{
	size_t wanted = *capacity;
	void *memory;

	if (count <= *capacity)
		return array;
	QR_ASSERT(count <= SIZE_MAX / 2 / size_bytes);
	while (wanted < count)
		wanted = wanted < COUNT_MIN ? COUNT_MIN : wanted * 2;
	memory = realloc(array, wanted * size_bytes);
	QR_ASSERT(memory != NULL);
	*capacity = wanted;
	return memory;
}
