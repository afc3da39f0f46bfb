/*
 * Who is known: opening, expiring, and the appended view with its way back.
 *
 * Invariants, with the phases of sessions_table.h:
 *   - LIVE is a function of the log alone: every replica with the same log has the same sessions.
 *     ENDING depends also on how much this replica knows to be committed; so it never decides
 *     whether an opening of the log is taken.
 *   - There are capacity + DP_SESSIONS_EXPIRING_MAX slots. A leader opens only when one is free by
 *     its own knowledge. A replica that knows less of the commit may have none left when it applies
 *     that opening; then it has more ENDING sessions than the leader had, and the oldest of them
 *     was committed for the leader already: its slot can be taken.
 *   - Likewise chunks: see the ring in sessions_table.h.
 *
 * A crash forgets the table; recovery builds it again from a snapshot (sessions_image.c) and the
 * log behind it.
 */
#include "dataplane/node/sessions_table.h"

#include "consensus/base/assert.h"

#define CACHE_LINE_BYTES 64

static uint32_t hash_nonce(const uint64_t nonce[2])
{
	return dp_slot_hash(nonce[0] ^ (nonce[1] << 1 | nonce[1] >> 63));
}

static bool has_session(const struct dp_sessions *sessions, uint32_t slot)
{
	return slot < sessions->slots && sessions->sessions[slot].phase != DP_SESSION_FREE;
}

/* ---- creation ---- */

struct dp_sessions *dp_sessions_create(struct qr_arena *arena, uint32_t capacity)
{
	struct dp_sessions *sessions =
		qr_arena_take(arena, sizeof(struct dp_sessions), CACHE_LINE_BYTES);
	struct dp_sessions measured = {0};
	struct dp_sessions *into = sessions != NULL ? sessions : &measured;
	size_t slots = (size_t)capacity + DP_SESSIONS_EXPIRING_MAX;

	QR_ASSERT(capacity > 0 && capacity <= 1u << 24);
	into->capacity = capacity;
	into->slots = (uint32_t)slots;
	into->sessions = qr_arena_take(arena, slots * sizeof(struct dp_session), CACHE_LINE_BYTES);
	into->rings = qr_arena_take(
		arena, slots * DP_SESSION_RING * sizeof(struct dp_session_chunk), CACHE_LINE_BYTES);
	into->lives =
		qr_arena_take(arena, slots * sizeof(struct dp_session_life), CACHE_LINE_BYTES);
	into->touched = qr_arena_take(arena, slots * sizeof(qr_index), CACHE_LINE_BYTES);
	into->free_slots = qr_arena_take(arena, slots * sizeof(uint32_t), CACHE_LINE_BYTES);
	into->expiring = qr_arena_take(arena, slots * sizeof(uint32_t), CACHE_LINE_BYTES);
	dp_slot_map_init(&into->by_id, arena, (uint32_t)slots);
	dp_slot_map_init(&into->by_nonce, arena, (uint32_t)slots);
	if (sessions != NULL)
		dp_sessions_clear(sessions);
	return sessions;
}

void dp_sessions_clear(struct dp_sessions *sessions)
{
	sessions->live = 0;
	sessions->free_count = sessions->slots;
	for (uint32_t slot = 0; slot < sessions->slots; slot++) {
		sessions->sessions[slot] = (struct dp_session){.phase = DP_SESSION_FREE};
		sessions->touched[slot] = UINT64_MAX;
		sessions->free_slots[slot] = sessions->slots - 1 - slot;
	}
	dp_slot_map_clear(&sessions->by_id);
	dp_slot_map_clear(&sessions->by_nonce);
	sessions->expiring_first = 0;
	sessions->expiring_count = 0;
	sessions->due_first = DP_SESSION_NONE;
	sessions->due_last = DP_SESSION_NONE;
}

/* ---- looking up ---- */

uint32_t dp_sessions_count(const struct dp_sessions *sessions)
{
	return sessions->live;
}

uint32_t dp_sessions_expiring(const struct dp_sessions *sessions)
{
	return sessions->expiring_count;
}

bool dp_sessions_is_full(const struct dp_sessions *sessions)
{
	return sessions->live >= sessions->capacity || sessions->free_count == 0;
}

uint32_t dp_sessions_find(const struct dp_sessions *sessions, uint64_t session)
{
	uint32_t hash = dp_slot_hash(session);
	uint32_t probe = hash;
	uint32_t slot;

	do {
		slot = dp_slot_map_next(&sessions->by_id, hash, &probe);
	} while (slot != DP_SESSION_NONE && sessions->sessions[slot].id != session);
	return slot;
}

uint32_t dp_sessions_find_nonce(const struct dp_sessions *sessions, const uint64_t nonce[2])
{
	uint32_t hash = hash_nonce(nonce);
	uint32_t probe = hash;
	uint32_t slot;

	do {
		slot = dp_slot_map_next(&sessions->by_nonce, hash, &probe);
	} while (slot != DP_SESSION_NONE && (sessions->lives[slot].nonce[0] != nonce[0] ||
					     sessions->lives[slot].nonce[1] != nonce[1]));
	return slot;
}

uint64_t dp_sessions_id(const struct dp_sessions *sessions, uint32_t slot)
{
	QR_ASSERT(has_session(sessions, slot));
	return sessions->sessions[slot].id;
}

bool dp_sessions_is_open_committed(const struct dp_sessions *sessions, uint32_t slot)
{
	QR_ASSERT(has_session(sessions, slot));
	return sessions->lives[slot].open_committed;
}

bool dp_sessions_is_expiring(const struct dp_sessions *sessions, uint32_t slot)
{
	QR_ASSERT(has_session(sessions, slot));
	return sessions->sessions[slot].phase == DP_SESSION_ENDING;
}

uint32_t dp_sessions_oldest(const struct dp_sessions *sessions)
{
	qr_index oldest = UINT64_MAX;
	uint32_t found = DP_SESSION_NONE;

	for (uint32_t slot = 0; slot < sessions->slots; slot++) {
		if (sessions->touched[slot] < oldest) {
			oldest = sessions->touched[slot];
			found = slot;
		}
	}
	return found;
}

uint64_t dp_sessions_expected(const struct dp_sessions *sessions, uint32_t slot)
{
	QR_ASSERT(has_session(sessions, slot));
	return sessions->sessions[slot].next_appended;
}

void dp_sessions_set_address(struct dp_sessions *sessions, uint32_t slot, struct dp_address from)
{
	QR_ASSERT(has_session(sessions, slot));
	sessions->sessions[slot].address = from;
	sessions->sessions[slot].heard = true;
}

bool dp_sessions_address(const struct dp_sessions *sessions, uint32_t slot,
			 struct dp_address *ret_address)
{
	QR_ASSERT(has_session(sessions, slot));
	if (!sessions->sessions[slot].heard)
		return false;
	*ret_address = sessions->sessions[slot].address;
	return true;
}

/* ---- opening and expiring ---- */

/** The session goes back to where its log now ends. */
static qr_index touched_of(const struct dp_sessions *sessions, uint32_t slot)
{
	const struct dp_session *session = &sessions->sessions[slot];

	return session->kept != 0 ? dp_session_ring(sessions, slot)[session->newest].index
				  : sessions->lives[slot].opened;
}

static void free_slot(struct dp_sessions *sessions, uint32_t slot)
{
	struct dp_session *session = &sessions->sessions[slot];

	dp_session_forget_answers(sessions, slot);
	dp_slot_map_remove(&sessions->by_id, dp_slot_hash(session->id), slot);
	session->phase = DP_SESSION_FREE;
	QR_ASSERT(sessions->free_count < sessions->slots);
	sessions->free_slots[sessions->free_count++] = slot;
}

/** LIVE no longer: neither counted, nor found by nonce, nor the oldest. */
static void leave_live(struct dp_sessions *sessions, uint32_t slot)
{
	QR_ASSERT(sessions->sessions[slot].phase == DP_SESSION_LIVE && sessions->live > 0);
	dp_slot_map_remove(&sessions->by_nonce, hash_nonce(sessions->lives[slot].nonce), slot);
	sessions->touched[slot] = UINT64_MAX;
	sessions->live--;
}

void dp_session_enter_live(struct dp_sessions *sessions, uint32_t slot)
{
	QR_ASSERT(sessions->live < sessions->slots);
	dp_slot_map_insert(&sessions->by_nonce, hash_nonce(sessions->lives[slot].nonce), slot);
	sessions->sessions[slot].phase = DP_SESSION_LIVE;
	sessions->touched[slot] = touched_of(sessions, slot);
	sessions->live++;
}

/** The session that expired first ends for good. */
static void end_first_expiring(struct dp_sessions *sessions)
{
	QR_ASSERT(sessions->expiring_count > 0);
	free_slot(sessions, sessions->expiring[sessions->expiring_first]);
	sessions->expiring_first = (sessions->expiring_first + 1) % sessions->slots;
	sessions->expiring_count--;
}

static bool apply_open(struct dp_sessions *sessions, struct dp_session_entry entry,
		       const struct store_session_change *change)
{
	uint32_t slot;

	if (dp_sessions_find(sessions, change->session) != DP_SESSION_NONE ||
	    sessions->live >= sessions->capacity)
		return false;
	if (sessions->free_count == 0) {
		const struct dp_session_life *first =
			&sessions->lives[sessions->expiring[sessions->expiring_first]];

		if (first->expired > entry.commit)
			return false;
		end_first_expiring(sessions); /* committed for the leader: see the top */
	}

	slot = sessions->free_slots[--sessions->free_count];
	sessions->sessions[slot] = (struct dp_session){.id = change->session};
	sessions->lives[slot] = (struct dp_session_life){
		.nonce = {change->nonce[0], change->nonce[1]},
		.opened = entry.index,
	};
	dp_slot_map_insert(&sessions->by_id, dp_slot_hash(change->session), slot);
	dp_session_enter_live(sessions, slot);
	return true;
}

static bool apply_expire(struct dp_sessions *sessions, struct dp_session_entry entry,
			 const struct store_session_change *change)
{
	uint32_t slot = dp_sessions_find(sessions, change->session);
	uint32_t place;

	if (slot == DP_SESSION_NONE || sessions->sessions[slot].phase != DP_SESSION_LIVE)
		return false;
	leave_live(sessions, slot);
	sessions->sessions[slot].phase = DP_SESSION_ENDING;
	sessions->lives[slot].expired = entry.index;
	place = (sessions->expiring_first + sessions->expiring_count) % sessions->slots;
	sessions->expiring[place] = slot;
	sessions->expiring_count++;
	QR_ASSERT(sessions->expiring_count <= sessions->slots);
	return true;
}

bool dp_sessions_apply_change(struct dp_sessions *sessions, struct dp_session_entry entry,
			      const struct store_session_change *change)
{
	QR_ASSERT(entry.index != 0 && entry.commit < entry.index);
	switch (change->op) {
	case STORE_SESSION_OPEN:
		return apply_open(sessions, entry, change);
	case STORE_SESSION_EXPIRE:
		return apply_expire(sessions, entry, change);
	}
	return false;
}

void dp_session_end_expired(struct dp_sessions *sessions, qr_index index)
{
	while (sessions->expiring_count > 0 &&
	       sessions->lives[sessions->expiring[sessions->expiring_first]].expired <= index)
		end_first_expiring(sessions);
}

void dp_sessions_commit_change(struct dp_sessions *sessions,
			       const struct store_session_change *change)
{
	uint32_t slot = dp_sessions_find(sessions, change->session);

	if (slot == DP_SESSION_NONE)
		return; /* its slot was taken meanwhile: see the top */
	if (change->op == STORE_SESSION_OPEN) {
		sessions->lives[slot].open_committed = true;
		return;
	}
	QR_ASSERT(sessions->sessions[slot].phase == DP_SESSION_ENDING);
	QR_ASSERT(sessions->expiring[sessions->expiring_first] == slot);
	end_first_expiring(sessions);
}

/* ---- chunks ---- */

bool dp_sessions_apply_chunk(struct dp_sessions *sessions, struct dp_session_entry entry,
			     const struct store_chunk *chunk, qr_offset offset)
{
	uint32_t slot = dp_sessions_find(sessions, chunk->session);
	struct dp_session_chunk *place;
	struct dp_session *session;
	uint8_t newest;

	QR_ASSERT(entry.index != 0 && entry.commit < entry.index);
	if (slot == DP_SESSION_NONE || chunk->count == 0)
		return false;
	session = &sessions->sessions[slot];
	if (session->phase != DP_SESSION_LIVE || chunk->sequence != session->next_appended)
		return false;
	newest = (uint8_t)((session->newest + 1u) % DP_SESSION_RING);
	place = &dp_session_ring(sessions, slot)[newest];
	/* What the ring loses was committed for the leader: a truncation cannot want it back. */
	if (session->kept == DP_SESSION_RING && place->index > entry.commit)
		return false;

	session->newest = newest;
	if (session->kept < DP_SESSION_RING)
		session->kept++;
	dp_session_forget_answer(sessions, slot, newest);
	*place = (struct dp_session_chunk){
		.sequence = chunk->sequence,
		.offset = offset,
		.index = entry.index,
		.count = chunk->count,
	};
	session->next_appended += chunk->count;
	session->uncommitted++;
	sessions->touched[slot] = entry.index;
	return true;
}

/** The newest chunks go as far as they are above `to`. */
static void truncate_chunks(struct dp_sessions *sessions, uint32_t slot, qr_index to)
{
	struct dp_session *session = &sessions->sessions[slot];
	const struct dp_session_chunk *ring = dp_session_ring(sessions, slot);

	while (session->kept != 0 && ring[session->newest].index > to) {
		QR_ASSERT(session->uncommitted > 0);
		session->next_appended = ring[session->newest].sequence;
		session->uncommitted--;
		session->kept--;
		session->newest = (uint8_t)dp_session_position(session, 1);
	}
	QR_ASSERT(session->next_appended >= session->next_committed);
}

void dp_sessions_truncate(struct dp_sessions *sessions, qr_index to)
{
	while (sessions->expiring_count > 0) {
		uint32_t last = sessions->expiring_first + sessions->expiring_count - 1;
		uint32_t slot = sessions->expiring[last % sessions->slots];

		if (sessions->lives[slot].expired <= to)
			break;
		dp_session_enter_live(sessions, slot);
		sessions->expiring_count--;
	}
	for (uint32_t slot = 0; slot < sessions->slots; slot++) {
		if (sessions->sessions[slot].phase == DP_SESSION_FREE)
			continue;
		if (sessions->lives[slot].opened > to) {
			QR_ASSERT(!sessions->lives[slot].open_committed);
			leave_live(sessions, slot);
			free_slot(sessions, slot);
			continue;
		}
		truncate_chunks(sessions, slot, to);
		if (sessions->sessions[slot].phase == DP_SESSION_LIVE)
			sessions->touched[slot] = touched_of(sessions, slot);
	}
}
