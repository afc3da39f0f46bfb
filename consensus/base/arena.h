/*
 * A bump allocator over memory of the caller. Everything that the dataplane keeps comes from one
 * arena per replication core, sized from the configuration before start; after qr_arena_seal any
 * further request is a bug. Nothing is ever given back.
 *
 * The same code computes the size: an arena over NULL hands out no memory and only counts, so a
 * budget can never disagree with what start-up takes.
 */
#ifndef QR_BASE_ARENA_H
#define QR_BASE_ARENA_H

#include "consensus/base/types.h"

struct qr_arena {
	uint8_t *base; /* NULL: measuring only */
	size_t size_bytes;
	size_t used_bytes;
	bool sealed;
};

void qr_arena_init(struct qr_arena *arena, void *base, size_t size_bytes);
/**
 * Zeroed memory, aligned to `align_bytes` (a power of two). NULL while measuring.
 * Asserts that the arena is not sealed and, when it has memory, that it suffices.
 */
void *qr_arena_take(struct qr_arena *arena, size_t size_bytes, size_t align_bytes);
void qr_arena_seal(struct qr_arena *arena);

#endif
