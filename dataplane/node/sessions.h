/*
 * The producer table of one group: which sequences of which session are in the log, so that a
 * retried chunk is never appended twice (thesis §6.3) and its retry gets the original answer.
 *
 * Two views in one table. The *appended* view counts every entry of this replica's log, committed
 * or not: the leader checks new chunks against it. The *committed* view counts committed entries
 * only: answers come from it. Truncation of a suffix takes the appended view back.
 *
 * It is a function of the log: every replica applies every entry, recovery replays them. A session
 * opens and expires through the log, so all replicas agree on who is known.
 *
 * Answers of the newest WIRE_WINDOW_CHUNKS chunks of a session are kept: a client never has more
 * unanswered, and a leader appends no more of a session than that beyond what is committed
 * (DP_SESSION_FULL), so truncation always finds what it takes back.
 *
 * Pure; memory from the arena at create. Lookup is O(1) by session id (open addressing) and by
 * nonce.
 */
#ifndef DP_NODE_SESSIONS_H
#define DP_NODE_SESSIONS_H

#include "consensus/base/arena.h"
#include "consensus/wire/client.h"
#include "dataplane/node/core.h"
#include "storage/format/entry.h"
#include "storage/format/slot.h"

#define DP_SESSION_NONE UINT32_MAX

/*
 * Expiries that can be in the log and not yet committed: an expired session keeps its slot until
 * its expiry is committed, since a truncation may bring it back.
 */
#define DP_SESSIONS_EXPIRING_MAX 64

struct dp_sessions;

/** `capacity` sessions, the same number on every replica. NULL while measuring. */
struct dp_sessions *dp_sessions_create(struct qr_arena *arena, uint32_t capacity);
/** Back to empty: before recovery. */
void dp_sessions_clear(struct dp_sessions *sessions);
/** Known in the appended view, those that are about to expire not counted. */
uint32_t dp_sessions_count(const struct dp_sessions *sessions);
/** Expiries in the log that are not committed; at DP_SESSIONS_EXPIRING_MAX append no other. */
uint32_t dp_sessions_expiring(const struct dp_sessions *sessions);
/**
 * No session can be opened now. If dp_sessions_count is at the capacity, expire the oldest first;
 * otherwise wait for expiries to be committed.
 */
bool dp_sessions_is_full(const struct dp_sessions *sessions);

/**
 * A session's handle (its slot), or DP_SESSION_NONE: never opened, or expired for good. A session
 * whose expiry is appended but not committed is still found: whether it ends is not decided.
 */
uint32_t dp_sessions_find(const struct dp_sessions *sessions, uint64_t session);
/** By the nonce that opened it; one that is about to expire is not found: its client may reopen. */
uint32_t dp_sessions_find_nonce(const struct dp_sessions *sessions, const uint64_t nonce[2]);
uint64_t dp_sessions_id(const struct dp_sessions *sessions, uint32_t slot);
bool dp_sessions_is_open_committed(const struct dp_sessions *sessions, uint32_t slot);
bool dp_sessions_is_expiring(const struct dp_sessions *sessions, uint32_t slot);

/**
 * The session whose last appended chunk or opening is oldest in the log: the one to expire; or
 * DP_SESSION_NONE. One pass over an array: microseconds.
 */
uint32_t dp_sessions_oldest(const struct dp_sessions *sessions);

/* ---- the appended view: follows the log, on every replica, in log order ---- */

/** The entry that a change or a chunk is in. */
struct dp_session_entry {
	qr_index index;
	qr_index commit; /* what its leader knew to be committed when it closed it */
};

/**
 * Apply a session change.
 * @return whether it belongs: a log that a correct leader wrote opens no session twice or beyond
 *         the capacity, expires only what is open, and never has more than
 *         DP_SESSIONS_EXPIRING_MAX expiries uncommitted. Otherwise nothing changed.
 */
QR_MUST_USE bool dp_sessions_apply_change(struct dp_sessions *sessions,
					  struct dp_session_entry entry,
					  const struct store_session_change *change);
/**
 * Apply a chunk whose first record is at `offset`.
 * @return whether it belongs: a chunk of an unknown session, out of sequence, or beyond
 *         WIRE_WINDOW_CHUNKS of a session uncommitted, is not possible in a log that a correct
 *         leader wrote. Otherwise nothing changed.
 */
QR_MUST_USE bool dp_sessions_apply_chunk(struct dp_sessions *sessions,
					 struct dp_session_entry entry,
					 const struct store_chunk *chunk, qr_offset offset);
/** Entries above `to` are gone; never a committed one. */
void dp_sessions_truncate(struct dp_sessions *sessions, qr_index to);

/* ---- the leader's check ---- */

enum dp_session_verdict {
	DP_SESSION_APPEND,    /* next in sequence: append it */
	DP_SESSION_ANSWERED,  /* committed before: the answer is given again */
	DP_SESSION_PENDING,   /* in the log, not committed: the answer comes with the commit */
	DP_SESSION_GAP,	      /* an earlier chunk is missing: `expected` */
	DP_SESSION_FULL,      /* next, but WIRE_WINDOW_CHUNKS are not committed: BUSY, later */
	DP_SESSION_EXPIRING,  /* new, but its expiry is appended: no answer until that is decided */
	DP_SESSION_FORGOTTEN, /* older than the kept answers, or not a chunk boundary of before */
};

/** @param ret_answer  written on DP_SESSION_ANSWERED only. */
enum dp_session_verdict dp_sessions_check(const struct dp_sessions *sessions, uint32_t slot,
					  uint64_t sequence, uint32_t count,
					  struct wire_answer *ret_answer);
/** The next sequence of the appended view. */
uint64_t dp_sessions_expected(const struct dp_sessions *sessions, uint32_t slot);

/** Where the client of a session was last heard: answers go there. The leader's to set. */
void dp_sessions_set_address(struct dp_sessions *sessions, uint32_t slot, struct dp_address from);
/** Not heard since this replica leads: false. */
bool dp_sessions_address(const struct dp_sessions *sessions, uint32_t slot,
			 struct dp_address *ret_address);

/* ---- the committed view and the answers that are due ---- */

/**
 * An entry that opens or expires sessions is committed; it was applied before. An expired session's
 * slot is free from here on.
 */
void dp_sessions_commit_change(struct dp_sessions *sessions,
			       const struct store_session_change *change);
/**
 * A chunk is committed; it was applied before, and the caller walks the committed entries in log
 * order. If the session's client has been heard, the answer is queued for it.
 */
void dp_sessions_commit_chunk(struct dp_sessions *sessions, const struct store_chunk *chunk,
			      qr_offset offset);
/**
 * All entries up to `index` are committed, and nobody can walk them: recovery has read past them,
 * or the window has dropped them. One pass over the table.
 */
void dp_sessions_commit_upto(struct dp_sessions *sessions, qr_index index);
/**
 * Queue an answer again (DP_SESSION_ANSWERED), and those of all later chunks that are committed:
 * who lost one usually lost them, too, and would ask for each after a timeout of its own.
 */
void dp_sessions_answer_again(struct dp_sessions *sessions, uint32_t slot,
			      const struct wire_answer *answer);
/** Whether dp_sessions_next_reply has something. */
bool dp_sessions_has_reply(const struct dp_sessions *sessions);
/**
 * The next session with answers due: fills session, status OK, expected and up to `max` answers, in
 * the order of their sequences. A session with more comes again after the others.
 * @return false when none is left.
 */
bool dp_sessions_next_reply(struct dp_sessions *sessions, uint32_t max,
			    struct wire_chunk_reply *ret_reply, struct dp_address *ret_to);
/** Leadership was lost: drop what is queued and forget who was heard; another leader answers them.
 */
void dp_sessions_drop_replies(struct dp_sessions *sessions);

/* ---- as bytes, for snapshots ---- */

/** The most that dp_sessions_save writes. */
size_t dp_sessions_image_bytes(uint32_t capacity);
/** What the table is after entry `index`, which is the newest that is committed. */
void dp_sessions_save(const struct dp_sessions *sessions, qr_index index, struct qr_writer *writer);
/**
 * The opposite, into an empty table: what was saved after `base`, all of it committed.
 * @return false: these bytes are no table, or a larger one than this. It is empty again.
 */
QR_MUST_USE bool dp_sessions_restore(struct dp_sessions *sessions, const struct store_prefix *base,
				     struct qr_reader *reader);

#endif
