/*
 * The bump allocator. Alignment is computed on offsets, never on addresses: the measuring run has
 * no addresses and must come to the same sum. So the base itself has to be aligned to the largest
 * alignment asked for, which is asserted at the take.
 */
#include "consensus/base/arena.h"

#include "consensus/base/assert.h"

#include <string.h>

void qr_arena_init(struct qr_arena *arena, void *base, size_t size_bytes)
{
	*arena = (struct qr_arena){.base = base, .size_bytes = size_bytes};
}

void *qr_arena_take(struct qr_arena *arena, size_t size_bytes, size_t align_bytes)
{
	size_t start = (arena->used_bytes + align_bytes - 1) & ~(align_bytes - 1);
	uint8_t *taken = NULL;

	QR_ASSERT(!arena->sealed);
	QR_ASSERT(align_bytes != 0 && (align_bytes & (align_bytes - 1)) == 0);
	QR_ASSERT(start >= arena->used_bytes && size_bytes <= SIZE_MAX - start);

	if (arena->base != NULL) {
		QR_ASSERT(start + size_bytes <= arena->size_bytes);
		taken = arena->base + start;
		QR_ASSERT(((uintptr_t)taken & (align_bytes - 1)) == 0);
		memset(taken, 0, size_bytes);
	}
	arena->used_bytes = start + size_bytes;
	return taken;
}

void qr_arena_seal(struct qr_arena *arena)
{
	arena->sealed = true;
}
