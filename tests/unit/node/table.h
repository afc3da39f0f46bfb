/* A producer table in memory of its own, and short words for what goes into it. */
#ifndef QR_TESTS_UNIT_NODE_TABLE_H
#define QR_TESTS_UNIT_NODE_TABLE_H

#include "dataplane/node/sessions.h"
#include "tests/unit/unit.h"

#include <stdlib.h>

/** Freed with free(). */
static inline struct dp_sessions *table_create(uint32_t capacity)
{
	struct qr_arena arena;
	size_t size_bytes;
	void *memory;

	qr_arena_init(&arena, NULL, 0);
	assert_null(dp_sessions_create(&arena, capacity));
	size_bytes = (arena.used_bytes + 63) / 64 * 64;
	memory = aligned_alloc(64, size_bytes);
	assert_non_null(memory);
	qr_arena_init(&arena, memory, size_bytes);
	return dp_sessions_create(&arena, capacity);
}

/** An entry whose leader knew of all before it that they are committed. */
static inline struct dp_session_entry table_entry(qr_index index)
{
	return (struct dp_session_entry){.index = index, .commit = index - 1};
}

static inline struct store_session_change table_change(enum store_session_op op, uint64_t session)
{
	return (struct store_session_change){
		.op = op,
		.session = session,
		.nonce = {op == STORE_SESSION_OPEN ? session * 31 : 0, session},
	};
}

static inline struct store_chunk table_chunk(uint64_t session, uint64_t sequence, uint32_t count)
{
	return (struct store_chunk){.session = session, .sequence = sequence, .count = count};
}

#endif
