/*
 * What goes into the consensus core and what comes out: entries, messages, events, effects.
 */
#ifndef QR_RAFT_MESSAGE_H
#define QR_RAFT_MESSAGE_H

#include "consensus/base/types.h"

#define RAFT_READS_MAX 64    /* linearizable reads waiting for their round */
#define RAFT_MESSAGES_MAX 64 /* messages that one step can emit */
#define RAFT_READS_DONE_MAX RAFT_READS_MAX
enum raft_role { RAFT_FOLLOWER, RAFT_PRE_CANDIDATE, RAFT_CANDIDATE, RAFT_LEADER };

enum raft_entry_kind {
	RAFT_ENTRY_DATA = 1,
	RAFT_ENTRY_NOOP = 2, /* a new leader's first entry (Raft §8) */
	RAFT_ENTRY_CONFIGURATION = 3,
	RAFT_ENTRY_SESSION = 4,
	RAFT_ENTRY_TRIM = 5, /* the log begins later from here on */
};
#define RAFT_ENTRY_KIND_MAX RAFT_ENTRY_TRIM

/** What consensus sees of an entry. */
struct raft_entry {
	qr_index index;
	qr_term term;
	enum raft_entry_kind kind;
	uint32_t blocks; /* its size in the log, for the flow window */
};

/** What is on stable media; `generation` grows with every change of it. */
struct raft_hard_state {
	qr_term term;
	qr_node vote;
	bool amnesia;  /* what was here before is lost, and the log with it: recall.c */
	uint64_t life; /* 0, or what the latest life after such a loss is told by */
	uint64_t generation;
};

/*
 * A position in this replica's own log that can be durable. `generation` grows whenever a suffix is
 * cut off: a notice for (index, term, generation) that has been overwritten since does not count,
 * even if index and term match again (the late-completion ABA).
 */
struct raft_position {
	qr_index index;
	qr_term term;
	uint64_t generation;
};

enum raft_message_kind {
	RAFT_MESSAGE_PRE_VOTE = 1, /* thesis §9.6 */
	RAFT_MESSAGE_PRE_VOTE_REPLY,
	RAFT_MESSAGE_VOTE, /* Raft §5.2 */
	RAFT_MESSAGE_VOTE_REPLY,
	RAFT_MESSAGE_APPEND, /* Raft §5.3 */
	RAFT_MESSAGE_APPEND_REPLY,
	RAFT_MESSAGE_HEARTBEAT, /* leadership and commit without log matching */
	RAFT_MESSAGE_HEARTBEAT_REPLY,
	RAFT_MESSAGE_TIMEOUT_NOW, /* thesis §3.10 */
	RAFT_MESSAGE_SNAPSHOT,	  /* Raft §7: what the receiver lacks is not in the log any more */
	RAFT_MESSAGE_RECALL,	  /* recall.c: the sender has forgotten what it promised */
	RAFT_MESSAGE_RECALL_REPLY,
};
#define RAFT_MESSAGE_MAX RAFT_MESSAGE_RECALL_REPLY

/*
 * One flat message for every kind; fields that a kind does not use are 0.
 *
 *   kind              index, log_term            other
 *   PRE_VOTE, VOTE    candidate's last entry     transfer: the leader asked for this election;
 * round: its life
 *   *_VOTE_REPLY      -                          reject; round, of the request
 *   APPEND            the entry before (prev)    commit, next_term, last
 *   APPEND_REPLY      matched and durable index  hint_index: matched index; round
 *     with reject     the refused prev index     hint_index, hint_term: where to look next; round
 *   HEARTBEAT         -                          commit (never beyond what `to` matched), round
 *   HEARTBEAT_REPLY   matched and durable index  round
 *   TIMEOUT_NOW       -                          -
 *   SNAPSHOT          the last entry of it       -
 *   RECALL            -                          round: what the reply repeats
 *   RECALL_REPLY      the last entry             round
 *
 * `term` is the sender's, except that PRE_VOTE and its grant carry the term of the
 * election asked about, one above the asker's own. *Matched* means: accepted from the leader of
 * `term` in `term`, or committed. Only what is matched and durable is acknowledged (`index`); a
 * success also says how far the log matches, durable or not (`hint_index` >= `index`), so that a
 * leader that probes may go on without waiting for the follower's disk.
 *
 * APPEND going out names a range of entries: `index`+1 .. `last`; empty when last == index (a
 * probe). The transport carries their bytes. APPEND coming in has the same range, whole and
 * checksummed, in `entries` (borrowed until raft_step returns). `next_term` is the term of the
 * leader's entry at index+1, 0 if it has none: a receiver whose own entry there has another term
 * drops its suffix (figure 2, AppendEntries rule 3) before the bytes that replace it arrive.
 */
struct raft_message {
	enum raft_message_kind kind;
	qr_node from;
	qr_node to;
	qr_term term;
	qr_index index;
	qr_term log_term;
	qr_index commit;
	qr_term next_term;
	qr_index last;
	const struct raft_entry *entries; /* incoming APPEND: last - index of them */
	bool reject;
	bool transfer;
	bool amnesia;	     /* the sender counts for nothing: recall.c */
	bool full;	     /* the sender's disk has no room: not set and not read by consensus */
	qr_index hint_index; /* reject: where to look next (Raft §5.3 end); success: matched */
	qr_term hint_term;
	uint64_t round; /* numbers leadership confirmations: ReadIndex (thesis §6.4), CheckQuorum */

	/*
	 * Outgoing only: what must be durable here before this may leave. Satisfied when the
	 * durable hard state has at least this generation, and the log is durable to at least
	 * position.index in position.generation. A message that waits may also be dropped.
	 */
	struct {
		uint64_t state_generation;     /* raft_hard_state.generation; 0: nothing */
		struct raft_position position; /* index 0: nothing */
	} requires;
};

enum raft_event_kind {
	RAFT_EVENT_TICK,    /* time passed: at least every heartbeat interval / 2 */
	RAFT_EVENT_MESSAGE, /* `message` from a peer; bounds already checked by wire */
	RAFT_EVENT_PROPOSE, /* leader: the entry at last+1 has been laid out; kind and blocks */
	/*
	 * `position`: all entries up to it are on stable media. Counts only if its generation is
	 * the group's and its term is that of the entry there: after a truncation the caller
	 * announces its durable prefix once more, in the new generation.
	 */
	RAFT_EVENT_ENTRIES_DURABLE,
	RAFT_EVENT_STATE_DURABLE,  /* `state_generation` is on stable media */
	RAFT_EVENT_COMMITTED,	   /* the entry at `position` is, a member says; no generation */
	RAFT_EVENT_READ,	   /* `context` wants the commit index, linearizable */
	RAFT_EVENT_TRANSFER,	   /* leader: hand over to `peer` (0: the best caught-up voter) */
	RAFT_EVENT_STORAGE_FAILED, /* the store is poisoned: step down, never ack again */
};

struct raft_event {
	enum raft_event_kind kind;
	qr_ns now_ns;
	uint32_t random;  /* TICK: fresh uniform bits, spreads election timeouts */
	bool store_hangs; /* TICK: the store has owed something for an election timeout */
	union {
		const struct raft_message *message;
		struct {
			enum raft_entry_kind kind;
			uint32_t blocks;
		} propose;
		struct raft_position position;
		uint64_t state_generation;
		uint64_t context;
		qr_node peer;
	};
};

struct raft_read_done {
	uint64_t context;
	qr_index index; /* serve the read once applied reaches this */
	bool failed;	/* leadership was lost: ask elsewhere */
};

/*
 * What one step wants done. The caller clears nothing: raft_step starts with empty effects.
 * Order of carrying out: drop the suffix, then write state and entries, then send what requires
 * nothing that is not yet durable; a message that must wait is kept by the caller.
 */
struct raft_effects {
	bool save_state; /* write `state`, then tell RAFT_EVENT_STATE_DURABLE */
	struct raft_hard_state state;

	bool truncated;	      /* entries above `truncate_to` no longer exist */
	qr_index truncate_to; /* never below the commit index */
	bool appended;	      /* entries write_first..write_last are accepted: write them as */
	qr_index write_first; /* `generation`, then tell RAFT_EVENT_ENTRIES_DURABLE */
	qr_index write_last;
	uint64_t generation;

	/*
	 * The leader's log begins behind entry `snapshot_index`, which this one does not have: get
	 * the state after it from the leader, put it in the place of the log, and start anew with
	 * raft_init. Nothing more comes of it here: the leader says so again.
	 */
	bool wants_snapshot;
	qr_index snapshot_index;
	qr_term snapshot_term;

	bool commit_moved;
	qr_index commit;
	bool role_changed; /* the group's role, leader or failed flag is another */

	/*
	 * A new leader: it needs a no-op entry in its term. The caller lays it out and proposes it
	 * (RAFT_EVENT_PROPOSE, RAFT_ENTRY_NOOP) before any other.
	 */
	bool wants_noop;

	uint32_t message_count;
	struct raft_message messages[RAFT_MESSAGES_MAX];
	uint32_t read_count;
	struct raft_read_done reads[RAFT_READS_DONE_MAX];
};

#endif
