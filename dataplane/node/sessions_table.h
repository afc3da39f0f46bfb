/*
 * The producer table's layout, shared by sessions.c (who is known), answers.c (what they are told)
 * and sessions_image.c (all of it as bytes); for nobody else.
 *
 * A slot is FREE, LIVE or ENDING:
 *
 *   FREE      -- OPEN applied -->         LIVE
 *   LIVE      -- EXPIRE applied -->       ENDING, last in the queue of expiries
 *   ENDING    -- EXPIRE truncated -->     LIVE, taken from the queue's end
 *   ENDING    -- EXPIRE committed -->     FREE, taken from the queue's front
 *   LIVE      -- OPEN truncated -->       FREE
 *
 * LIVE and ENDING slots are in `by_id`, LIVE ones also in `by_nonce`. Their state is split by
 * heat: what a chunk touches (one cache line and one ring entry), and what only opening touches.
 *
 * The ring of a session holds its newest chunks, `kept` of them, the newest at `newest`.
 * Uncommitted ones are the newest `uncommitted` of these; when there are more than fit (recovery
 * replays a log whose commit index is not known yet), the older ones are in truth committed: a
 * leader never has more than WIRE_WINDOW_CHUNKS uncommitted, so a truncation never reaches them.
 */
#ifndef DP_NODE_SESSIONS_TABLE_H
#define DP_NODE_SESSIONS_TABLE_H

#include "dataplane/node/sessions.h"
#include "dataplane/node/slot_map.h"

#define DP_SESSION_RING WIRE_WINDOW_CHUNKS

_Static_assert(DP_SESSION_RING == 64, "a set of ring positions is one word");
_Static_assert(DP_SESSION_NONE == DP_SLOT_NONE, "one word for no slot");

enum dp_session_phase { DP_SESSION_FREE, DP_SESSION_LIVE, DP_SESSION_ENDING };

/** What a chunk touches. */
struct dp_session {
	uint64_t id;
	uint64_t next_appended;	 /* sequence */
	uint64_t next_committed; /* sequence */
	uint64_t due;		 /* ring positions whose answers are due; not 0: in the due queue */
	uint32_t uncommitted;	 /* chunks */
	uint8_t newest;		 /* ring position of the newest chunk */
	uint8_t kept;		 /* chunks in the ring */
	uint8_t phase;		 /* enum dp_session_phase */
	bool heard;		 /* `address` is set */
	struct dp_address address;
	uint32_t due_next; /* in the due queue */
	uint32_t due_previous;
};

_Static_assert(sizeof(struct dp_session) <= 64, "one cache line");

/** What opening and expiring touch. */
struct dp_session_life {
	uint64_t nonce[2];
	qr_index opened;  /* entry */
	qr_index expired; /* entry; ENDING only */
	bool open_committed;
};

struct dp_session_chunk {
	uint64_t sequence;
	qr_offset offset;
	qr_index index; /* of its entry */
	uint32_t count;
};

_Static_assert(sizeof(struct dp_session_chunk) == 32, "never across two cache lines");

struct dp_sessions {
	uint32_t capacity; /* LIVE sessions */
	uint32_t slots;	   /* LIVE and ENDING */
	uint32_t live;
	uint32_t free_count;
	struct dp_session *sessions;
	struct dp_session_chunk *rings; /* DP_SESSION_RING for each slot */
	struct dp_session_life *lives;
	qr_index *touched;    /* entry of the last chunk or the opening; UINT64_MAX unless LIVE */
	uint32_t *free_slots; /* a stack */
	struct dp_slot_map by_id;
	struct dp_slot_map by_nonce;

	/* ENDING slots in log order: a ring of `slots` places */
	uint32_t *expiring;
	uint32_t expiring_first;
	uint32_t expiring_count;

	/* slots with answers due, oldest first */
	uint32_t due_first;
	uint32_t due_last;
};

static inline struct dp_session_chunk *dp_session_ring(const struct dp_sessions *sessions,
						       uint32_t slot)
{
	return sessions->rings + (size_t)slot * DP_SESSION_RING;
}

/** The ring position of the chunk that is `age` older than the newest. */
static inline uint32_t dp_session_position(const struct dp_session *session, uint32_t age)
{
	return (session->newest - age) % DP_SESSION_RING;
}

/** The ring moves over this position: no answer is due from it any more. */
void dp_session_forget_answer(struct dp_sessions *sessions, uint32_t slot, uint32_t position);
/** The session ends: no answer is due at all. */
void dp_session_forget_answers(struct dp_sessions *sessions, uint32_t slot);
/** The slot's session, of which all else is set, counts from here on. */
void dp_session_enter_live(struct dp_sessions *sessions, uint32_t slot);
/** Expiries of entries up to `index` are committed. */
void dp_session_end_expired(struct dp_sessions *sessions, qr_index index);

#endif
