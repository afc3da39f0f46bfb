/*
 * What sessions are told: the leader's check, the committed view, and the answers that are due.
 *
 * A due answer is one bit: the ring position of its chunk. A session with bits set is in the due
 * queue, once; so many answers become one reply, and what is queued is bounded by the table. When
 * the ring moves over a due answer it is dropped: a client that sends a chunk 64 later has it.
 */
#include "dataplane/node/sessions_table.h"

#include "consensus/base/assert.h"

/* ---- the leader's check ---- */

/** The ring position of the chunk that starts at `sequence`, or DP_SESSION_RING. */
static uint32_t find_chunk(const struct dp_sessions *sessions, uint32_t slot, uint64_t sequence)
{
	const struct dp_session *session = &sessions->sessions[slot];
	const struct dp_session_chunk *ring = dp_session_ring(sessions, slot);
	uint32_t low = 0; /* ages: sequences fall as they grow */
	uint32_t high = session->kept;

	while (low < high) {
		uint32_t age = low + (high - low) / 2;

		if (ring[dp_session_position(session, age)].sequence > sequence) {
			low = age + 1;
		} else {
			high = age;
		}
	}
	if (low < session->kept) {
		uint32_t position = dp_session_position(session, low);

		if (ring[position].sequence == sequence)
			return position;
	}
	return DP_SESSION_RING;
}

static enum dp_session_verdict check_old(const struct dp_sessions *sessions, uint32_t slot,
					 uint64_t sequence, uint32_t count,
					 struct wire_answer *ret_answer)
{
	uint32_t position = find_chunk(sessions, slot, sequence);
	const struct dp_session_chunk *chunk;

	if (position == DP_SESSION_RING)
		return DP_SESSION_FORGOTTEN;
	chunk = dp_session_ring(sessions, slot) + position;
	if (chunk->count != count)
		return DP_SESSION_FORGOTTEN;
	if (sequence >= sessions->sessions[slot].next_committed)
		return DP_SESSION_PENDING;
	*ret_answer = (struct wire_answer){
		.sequence = sequence,
		.count = count,
		.offset = chunk->offset,
	};
	return DP_SESSION_ANSWERED;
}

enum dp_session_verdict dp_sessions_check(const struct dp_sessions *sessions, uint32_t slot,
					  uint64_t sequence, uint32_t count,
					  struct wire_answer *ret_answer)
{
	const struct dp_session *session = &sessions->sessions[slot];

	QR_ASSERT(slot < sessions->slots && session->phase != DP_SESSION_FREE);
	if (sequence < session->next_appended)
		return check_old(sessions, slot, sequence, count, ret_answer);
	if (session->phase == DP_SESSION_ENDING)
		return DP_SESSION_EXPIRING;
	if (sequence > session->next_appended)
		return DP_SESSION_GAP;
	if (count == 0)
		return DP_SESSION_FORGOTTEN;
	return session->uncommitted < DP_SESSION_RING ? DP_SESSION_APPEND : DP_SESSION_FULL;
}

/* ---- the due queue ---- */

static void enqueue(struct dp_sessions *sessions, uint32_t slot)
{
	struct dp_session *session = &sessions->sessions[slot];

	session->due_next = DP_SESSION_NONE;
	session->due_previous = sessions->due_last;
	if (sessions->due_last == DP_SESSION_NONE) {
		sessions->due_first = slot;
	} else {
		sessions->sessions[sessions->due_last].due_next = slot;
	}
	sessions->due_last = slot;
}

static void dequeue(struct dp_sessions *sessions, uint32_t slot)
{
	struct dp_session *session = &sessions->sessions[slot];

	if (session->due_previous == DP_SESSION_NONE) {
		sessions->due_first = session->due_next;
	} else {
		sessions->sessions[session->due_previous].due_next = session->due_next;
	}
	if (session->due_next == DP_SESSION_NONE) {
		sessions->due_last = session->due_previous;
	} else {
		sessions->sessions[session->due_next].due_previous = session->due_previous;
	}
}

static void answer_is_due(struct dp_sessions *sessions, uint32_t slot, uint32_t position)
{
	struct dp_session *session = &sessions->sessions[slot];

	if (session->due == 0)
		enqueue(sessions, slot);
	session->due |= (uint64_t)1 << position;
}

void dp_session_forget_answer(struct dp_sessions *sessions, uint32_t slot, uint32_t position)
{
	struct dp_session *session = &sessions->sessions[slot];

	if (session->due == 0)
		return;
	session->due &= ~((uint64_t)1 << position);
	if (session->due == 0)
		dequeue(sessions, slot);
}

void dp_session_forget_answers(struct dp_sessions *sessions, uint32_t slot)
{
	if (sessions->sessions[slot].due != 0)
		dequeue(sessions, slot);
	sessions->sessions[slot].due = 0;
}

/* ---- the committed view ---- */

void dp_sessions_commit_chunk(struct dp_sessions *sessions, const struct store_chunk *chunk,
			      qr_offset offset)
{
	uint32_t slot = dp_sessions_find(sessions, chunk->session);
	const struct dp_session_chunk *kept;
	struct dp_session *session;
	uint32_t position;
	uint32_t age;

	if (slot == DP_SESSION_NONE)
		return; /* expired since, and its slot was taken: nobody waits */
	session = &sessions->sessions[slot];
	if (chunk->sequence < session->next_committed)
		return; /* dp_sessions_commit_upto could tell already */
	QR_ASSERT(chunk->sequence == session->next_committed);
	QR_ASSERT(session->uncommitted > 0);

	age = --session->uncommitted;
	session->next_committed += chunk->count;
	if (!session->heard || age >= session->kept)
		return;
	position = dp_session_position(session, age);
	kept = dp_session_ring(sessions, slot) + position;
	QR_ASSERT(kept->sequence == chunk->sequence && kept->offset == offset);
	answer_is_due(sessions, slot, position);
}

/**
 * Chunks of a slot's session up to entry `index`. Those that the ring lost may lie behind it, but
 * are committed as well, known or not: see sessions_table.h.
 */
static void commit_chunks_upto(struct dp_sessions *sessions, uint32_t slot, qr_index index)
{
	struct dp_session *session = &sessions->sessions[slot];
	const struct dp_session_chunk *ring = dp_session_ring(sessions, slot);

	while (session->uncommitted > 0) {
		uint32_t age = session->uncommitted - 1;
		uint32_t position = dp_session_position(session, age);

		if (age < session->kept && ring[position].index > index)
			break;
		session->uncommitted--;
		if (age < session->kept && session->heard)
			answer_is_due(sessions, slot, position);
	}
	session->next_committed =
		session->uncommitted == 0
			? session->next_appended
			: ring[dp_session_position(session, session->uncommitted - 1)].sequence;
}

void dp_sessions_commit_upto(struct dp_sessions *sessions, qr_index index)
{
	for (uint32_t slot = 0; slot < sessions->slots; slot++) {
		if (sessions->sessions[slot].phase == DP_SESSION_FREE)
			continue;
		commit_chunks_upto(sessions, slot, index);
		if (sessions->lives[slot].opened <= index)
			sessions->lives[slot].open_committed = true;
	}
	dp_session_end_expired(sessions, index);
}

void dp_sessions_answer_again(struct dp_sessions *sessions, uint32_t slot,
			      const struct wire_answer *answer)
{
	const struct dp_session *session = &sessions->sessions[slot];
	uint32_t position = find_chunk(sessions, slot, answer->sequence);
	uint32_t newer;

	QR_ASSERT(session->heard);
	if (position == DP_SESSION_RING)
		return;
	newer = (session->newest - position) % DP_SESSION_RING;
	for (uint32_t count = newer + 1; count > session->uncommitted; count--)
		answer_is_due(sessions, slot, dp_session_position(session, count - 1));
}

/* ---- replies ---- */

bool dp_sessions_has_reply(const struct dp_sessions *sessions)
{
	return sessions->due_first != DP_SESSION_NONE;
}

/** Oldest first, as many as fit. */
static void take_answers(struct dp_sessions *sessions, uint32_t slot, uint32_t max,
			 struct wire_chunk_reply *reply)
{
	struct dp_session *session = &sessions->sessions[slot];
	const struct dp_session_chunk *ring = dp_session_ring(sessions, slot);
	/* Turned so that the oldest position of the ring, right after the newest, is bit 0. */
	uint32_t oldest = (session->newest + 1u) % DP_SESSION_RING;
	uint64_t turned = session->due >> oldest | session->due << (DP_SESSION_RING - oldest) % 64;

	while (turned != 0 && reply->answer_count < max) {
		uint32_t age_order = (uint32_t)__builtin_ctzll(turned);
		const struct dp_session_chunk *chunk =
			&ring[(oldest + age_order) % DP_SESSION_RING];

		turned &= turned - 1;
		reply->answers[reply->answer_count++] = (struct wire_answer){
			.sequence = chunk->sequence,
			.count = chunk->count,
			.offset = chunk->offset,
		};
	}
	session->due = turned << oldest | turned >> (DP_SESSION_RING - oldest) % 64;
}

bool dp_sessions_next_reply(struct dp_sessions *sessions, uint32_t max,
			    struct wire_chunk_reply *ret_reply, struct dp_address *ret_to)
{
	uint32_t slot = sessions->due_first;
	const struct dp_session *session;

	QR_ASSERT(max > 0 && max <= WIRE_ANSWERS_MAX);
	if (slot == DP_SESSION_NONE)
		return false;
	session = &sessions->sessions[slot];
	QR_ASSERT(session->due != 0 && session->heard);

	ret_reply->session = session->id;
	ret_reply->status = QR_OK;
	ret_reply->leader = 0;
	ret_reply->retry_us = 0;
	ret_reply->sequence = 0;
	ret_reply->expected = session->next_appended;
	ret_reply->answer_count = 0;
	*ret_to = session->address;
	dequeue(sessions, slot);
	take_answers(sessions, slot, max, ret_reply);
	if (session->due != 0)
		enqueue(sessions, slot);
	return true;
}

void dp_sessions_drop_replies(struct dp_sessions *sessions)
{
	for (uint32_t slot = 0; slot < sessions->slots; slot++) {
		sessions->sessions[slot].due = 0;
		sessions->sessions[slot].heard = false;
	}
	sessions->due_first = DP_SESSION_NONE;
	sessions->due_last = DP_SESSION_NONE;
}
