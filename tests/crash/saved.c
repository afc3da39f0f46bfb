/*
 * Judging the state of a snapshot.
 *
 * It is read as a node reads it (dataplane/node/snapshot.c), and must be:
 *   - the terms of the entries up to the base, run by run;
 *   - a producer table, and that one which the entries give when they are applied one after the
 *     other: the same sessions, opened by the same entries for the same clients, each with the same
 *     next sequence, and no answer that was not given;
 *   - with the answers that a client may still ask for. The ring of a session also holds what was
 *     not committed yet, at most what a producer had under way: so many of the oldest answers may
 *     be missing.
 */
#include "tests/crash/saved.h"

#include "consensus/base/assert.h"
#include "dataplane/node/sessions_table.h"
#include "tests/crash/cluster.h"

#include <stdlib.h>

#define MEMORY_ALIGN 4096u
#define RUN_BYTES 16
#define KEPT_MIN (DP_SESSION_RING - LOAD_PENDING_MAX)

/* ---- memory ---- */

size_t saved_bytes_max(void)
{
	return sizeof(uint32_t) + (size_t)RAFT_TERM_RUNS_MAX * RUN_BYTES +
	       dp_sessions_image_bytes(CLUSTER_SESSIONS_MAX);
}

static void create_tables(struct saved *saved, struct qr_arena *arena)
{
	saved->restored = dp_sessions_create(arena, CLUSTER_SESSIONS_MAX);
	saved->replayed = dp_sessions_create(arena, CLUSTER_SESSIONS_MAX);
}

void saved_init(struct saved *saved)
{
	struct qr_arena arena;
	size_t size_bytes;

	*saved = (struct saved){0};
	qr_arena_init(&arena, NULL, 0);
	create_tables(saved, &arena);
	size_bytes = (arena.used_bytes + MEMORY_ALIGN - 1) / MEMORY_ALIGN * MEMORY_ALIGN;
	saved->memory = aligned_alloc(MEMORY_ALIGN, size_bytes);
	QR_ASSERT(saved->memory != NULL);
	qr_arena_init(&arena, saved->memory, size_bytes);
	create_tables(saved, &arena);
}

void saved_fini(struct saved *saved)
{
	free(saved->memory);
	*saved = (struct saved){0};
}

/* ---- terms ---- */

/** A run begins with every entry of another term; a round has too few for one to be forgotten. */
static bool are_runs_right(const struct truth *truth, const uint32_t *versions, qr_index base,
			   struct qr_reader *reader)
{
	uint32_t left = qr_read_u32(reader);
	qr_term term = 0;

	for (qr_index i = 1; i <= base; i++) {
		qr_term next = truth_version(truth, versions[i])->entry.term;

		if (next == term)
			continue;
		term = next;
		if (left-- == 0 || qr_read_u64(reader) != i || qr_read_u64(reader) != term)
			return false;
	}
	return left == 0 && !reader->failed;
}

/* ---- the producer table, from the entries ---- */

static bool apply_changes(struct dp_sessions *table, struct dp_session_entry place,
			  struct qr_reader *payload)
{
	struct store_session_change change;

	while (store_session_change_next(payload, &change) == QR_OK) {
		if (!dp_sessions_apply_change(table, place, &change))
			return false;
	}
	return true;
}

static bool apply_chunks(struct dp_sessions *table, const struct store_entry *entry,
			 struct dp_session_entry place, struct qr_reader *payload)
{
	qr_offset offset = entry->first_offset;
	struct store_chunk chunk;
	struct qr_span body;

	while (store_chunk_next(payload, &chunk, &body) == QR_OK) {
		if (!dp_sessions_apply_chunk(table, place, &chunk, offset))
			return false;
		offset += chunk.count;
	}
	return true;
}

/** @return false: no table comes of these entries. */
static bool replay(struct dp_sessions *table, const struct truth *truth, const uint32_t *versions,
		   qr_index base)
{
	dp_sessions_clear(table);
	for (qr_index i = 1; i <= base; i++) {
		const struct truth_version *version = truth_version(truth, versions[i]);
		const struct store_entry *entry = &version->entry;
		struct dp_session_entry place = {.index = i, .commit = entry->commit};
		struct qr_reader payload = qr_reader_over(version->bytes + STORE_ENTRY_HEADER_BYTES,
							  entry->payload_bytes);

		if ((entry->kind == RAFT_ENTRY_SESSION && !apply_changes(table, place, &payload)) ||
		    (entry->kind == RAFT_ENTRY_DATA &&
		     !apply_chunks(table, entry, place, &payload)))
			return false;
	}
	dp_sessions_commit_upto(table, base);
	return true;
}

/* ---- one against the other ---- */

static const char *compare_answers(const struct saved *saved, uint32_t mine, uint32_t theirs)
{
	const struct dp_session *session = &saved->restored->sessions[mine];
	const struct dp_session *expected = &saved->replayed->sessions[theirs];
	const struct dp_session_chunk *ring = dp_session_ring(saved->restored, mine);
	const struct dp_session_chunk *ring_expected = dp_session_ring(saved->replayed, theirs);

	if (session->kept > expected->kept)
		return "a session has answers that nobody gave";
	if (session->kept < expected->kept && session->kept < KEPT_MIN)
		return "a session has lost answers";
	for (uint32_t age = 0; age < session->kept; age++) {
		const struct dp_session_chunk *chunk = &ring[dp_session_position(session, age)];
		const struct dp_session_chunk *same =
			&ring_expected[dp_session_position(expected, age)];

		if (chunk->sequence != same->sequence || chunk->count != same->count ||
		    chunk->offset != same->offset || chunk->index != same->index)
			return "a session has another answer";
	}
	return NULL;
}

static const char *compare_session(const struct saved *saved, uint32_t theirs)
{
	const struct dp_session *expected = &saved->replayed->sessions[theirs];
	const struct dp_session_life *life = &saved->replayed->lives[theirs];
	uint32_t mine = dp_sessions_find(saved->restored, expected->id);

	if (mine == DP_SESSION_NONE)
		return "a session is missing";
	if (saved->restored->lives[mine].opened != life->opened ||
	    dp_sessions_find_nonce(saved->restored, life->nonce) != mine)
		return "a session is another client's";
	if (saved->restored->sessions[mine].next_committed != expected->next_committed ||
	    dp_sessions_expected(saved->restored, mine) != expected->next_appended)
		return "a session goes on at another sequence";
	return compare_answers(saved, mine, theirs);
}

const char *saved_problem(struct saved *saved, const struct truth *truth, const uint32_t *versions,
			  const struct store_recovered_state *found)
{
	struct qr_reader reader = qr_reader_over(found->state.data, found->state.size_bytes);
	const char *problem = NULL;

	if (!are_runs_right(truth, versions, found->base.index, &reader))
		return "the terms are not those of the entries";
	dp_sessions_clear(saved->restored);
	if (!dp_sessions_restore(saved->restored, &found->base, &reader))
		return "the sessions are no table";
	if (!replay(saved->replayed, truth, versions, found->base.index))
		return "no table comes of the entries";
	if (dp_sessions_count(saved->restored) != dp_sessions_count(saved->replayed))
		return "there are more or fewer sessions";
	for (uint32_t slot = 0; slot < saved->replayed->slots && problem == NULL; slot++) {
		if (saved->replayed->sessions[slot].phase == DP_SESSION_LIVE)
			problem = compare_session(saved, slot);
	}
	return problem;
}
