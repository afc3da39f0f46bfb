/*
 * The consensus core: a pure step function.
 *
 * Events go in, effects come out. It reads no clock (the time is in the event), draws no randomness
 * (the tick carries some), allocates nothing, performs no I/O, does not log, and cannot fail for
 * lack of memory: every capacity is a constant of this header.
 *
 * It knows entries as (index, term, kind, blocks), never payload bytes: the cost is per entry, and
 * an entry is a batch. What a message needs to be durable before it may leave is written on the
 * message (`requires`), so ordering lives in the data and not in the order of calls.
 *
 * References are to "In Search of an Understandable Consensus Algorithm (Extended Version)"
 * (Raft §n) and to Ongaro's thesis (thesis §n). Deviations: docs/raft-deviations.md.
 *
 * Threads: a group belongs to one replication core; nothing here is shared.
 */
#ifndef QR_RAFT_RAFT_H
#define QR_RAFT_RAFT_H

#include "consensus/base/types.h"
#include "consensus/raft/configuration.h"

#define RAFT_TERM_RUNS_MAX 1024 /* elections that left entries and that term_at can answer */
#define RAFT_READS_MAX 64	/* linearizable reads waiting for their round */
#define RAFT_MESSAGES_MAX 64	/* messages that one step can emit */
#define RAFT_READS_DONE_MAX RAFT_READS_MAX
#define RAFT_WINDOW_ENTRIES_MAX 4096	 /* raft_parameters.window_entries can be this at most */
#define RAFT_ENTRY_BLOCKS_MAX (1u << 18) /* one entry, in blocks */
#define RAFT_SIZES_MAX 8192		 /* newest entries whose sizes are remembered */

enum raft_role { RAFT_FOLLOWER, RAFT_PRE_CANDIDATE, RAFT_CANDIDATE, RAFT_LEADER };

enum raft_entry_kind {
	RAFT_ENTRY_DATA = 1,
	RAFT_ENTRY_NOOP = 2, /* a new leader's first entry (Raft §8) */
	RAFT_ENTRY_CONFIGURATION = 3,
	RAFT_ENTRY_SESSION = 4,
};

/** What consensus sees of an entry. */
struct raft_entry {
	qr_index index;
	qr_term term;
	enum raft_entry_kind kind;
	uint32_t blocks; /* its size in the log, for the flow window */
};

/** (term, vote) as it is on stable media; `generation` grows with every change of either. */
struct raft_hard_state {
	qr_term term;
	qr_node vote;
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
};

/*
 * One flat message for every kind; fields that a kind does not use are 0.
 *
 *   kind              index, log_term            other
 *   PRE_VOTE, VOTE    candidate's last entry     transfer: the leader asked for this election
 *   *_VOTE_REPLY      -                          reject
 *   APPEND            the entry before (prev)    commit, next_term, last
 *   APPEND_REPLY      matched and durable index  hint_index: matched index; round
 *     with reject     the refused prev index     hint_index, hint_term: where to look next; round
 *   HEARTBEAT         -                          commit (never beyond what `to` matched), round
 *   HEARTBEAT_REPLY   matched and durable index  round
 *   TIMEOUT_NOW       -                          -
 *
 * `term` is the sender's, except that PRE_VOTE and its grant carry the term of the election asked
 * about, one above the asker's own. *Matched* means: accepted from the leader of `term` in `term`,
 * or committed. Only what is matched and durable is acknowledged (`index`); a success also says how
 * far the log matches, durable or not (`hint_index` >= `index`), so that a leader that probes may
 * go on without waiting for the follower's disk.
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
	RAFT_EVENT_READ,	   /* `context` wants the commit index, linearizable */
	RAFT_EVENT_TRANSFER,	   /* leader: hand over to `peer` (0: the best caught-up voter) */
	RAFT_EVENT_STORAGE_FAILED, /* the store is poisoned: step down, never ack again */
};

struct raft_event {
	enum raft_event_kind kind;
	qr_ns now_ns;
	uint32_t random; /* TICK: fresh uniform bits, spreads election timeouts */
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

struct raft_parameters {
	qr_node self;
	qr_ns election_timeout_ns; /* a follower waits 1..2 times this, and its priority's share */
	qr_ns heartbeat_interval_ns; /* at most a third of the election timeout */
	uint8_t priority;	     /* 0..100: lower waits longer, by up to one election timeout */
	uint32_t window_entries;     /* in flight to one follower, 1..RAFT_WINDOW_ENTRIES_MAX */
	uint32_t window_blocks;	     /* in flight to one follower; one larger entry may go alone */
};

/** What recovery found: where a group resumes. */
struct raft_recovered {
	struct raft_configuration configuration;
	struct raft_hard_state state;
	qr_index last;	 /* every entry up to here is durable and verified */
	qr_index commit; /* a lower bound, 0 is always right */
};

/*
 * PROBE: the leader looks for the place where the logs meet, one empty APPEND at a time.
 * REPLICATE: it was found; ranges are pipelined. A follower whose log cannot be compared, because
 * its entries are older than RAFT_TERM_RUNS_MAX elections or because it lost what it had
 * acknowledged, stays in PROBE: that is where an operator sees it.
 */
enum raft_progress_state { RAFT_PROBE, RAFT_REPLICATE };

/** The leader's view of one follower (figure 2: nextIndex, matchIndex). */
struct raft_progress {
	qr_node node;
	enum raft_progress_state state;
	qr_index next;	 /* PROBE: one above the probed; else the first not yet handed over */
	qr_index match;	 /* durable at the follower */
	uint64_t round;	 /* the newest confirmation round that it answered */
	qr_ns heard_ns;	 /* CheckQuorum (thesis §6.2) */
	qr_ns probed_ns; /* a lost probe is repeated after a heartbeat interval */
	qr_ns moved_ns;	 /* match moved, or the empty pipe was filled */
};

/** Entries first..(next run's first - 1) have this term. */
struct raft_term_run {
	qr_index first;
	qr_term term;
};

struct raft_read {
	uint64_t context;
	uint64_t round; /* the first round sent after it came */
	qr_index index;
};

/*
 * One group. Visible so that callers can place it and tools can show it; only the functions below
 * change it.
 */
struct raft_group {
	struct raft_parameters parameters;
	struct raft_configuration configuration;

	/* hard state, and how much of it is on stable media (role.c) */
	struct raft_hard_state state;
	uint64_t state_durable_generation;

	enum raft_role role;
	qr_node leader; /* 0: unknown */
	bool failed;	/* the store is poisoned: silent until restarted */
	qr_ns now_ns;
	uint64_t ignored; /* messages of strangers and such as no correct peer sends */

	/* the own log (log.c) */
	qr_index last;
	qr_index matched; /* of the leader of this term, or committed; a leader: last */
	struct raft_position durable;
	uint64_t generation;
	qr_ns write_since_ns; /* while durable.index < last: when the store last made progress */
	qr_index commit;

	/* elections (vote.c, tick.c) */
	qr_ns lease_until_ns; /* vote requests are ignored until then (thesis §4.2.3, §6.2) */
	qr_ns election_at_ns;
	qr_ns ticked_ns;
	uint32_t random; /* of the newest tick */
	qr_nodes votes_granted;
	qr_nodes votes_rejected;

	/* leader */
	qr_index term_start; /* its no-op; reads wait until that is committed */
	qr_ns heartbeat_at_ns;
	qr_ns quorum_check_at_ns; /* CheckQuorum judges from then on */
	uint64_t round;		  /* newest sent; a follower: newest heard in this term */
	qr_node transfer_to;
	qr_ns transfer_until_ns;
	uint32_t progress_count;
	uint32_t read_count;
	struct raft_progress progress[RAFT_MEMBERS_MAX];
	struct raft_read reads[RAFT_READS_MAX];

	/* Term runs, oldest first in a ring; entries below the first run have unknown terms. */
	uint32_t run_head;
	uint32_t run_count;
	struct raft_term_run runs[RAFT_TERM_RUNS_MAX];

	/* Cumulative blocks up to and including an entry, modulo 2^32, for the flow window. */
	qr_index sizes_base; /* entries up to here count as one block each */
	uint32_t sizes[RAFT_SIZES_MAX];
};

/**
 * Start a group from what recovery found, as a follower.
 *
 * @param group       of the caller; overwritten.
 * @param recovered   read until return.
 * @param runs        the term runs of entries 1..recovered->last, oldest first; the newest
 *                    RAFT_TERM_RUNS_MAX are kept.
 * The log starts in generation 1; recovered->state counts as durable. The group grants no vote for
 * one election timeout, since it cannot know which leader it heard just before it stopped.
 * Context: allocates nothing, never blocks.
 */
void raft_init(struct raft_group *group, const struct raft_parameters *parameters,
	       const struct raft_recovered *recovered, const struct raft_term_run *runs,
	       uint32_t run_count, qr_ns now_ns);

/**
 * Take one event and say what must be done about it.
 *
 * @param effects  of the caller; overwritten. Carry all of it out before the next step.
 * PROPOSE is the caller's promise that raft_can_propose holds, and that the first entry of a term
 * is the no-op; everything else is safe to pass at any time. A time older than one already seen
 * counts as that one.
 * Context: the owning core only; bounded time; allocates nothing; cannot fail.
 */
void raft_step(struct raft_group *group, const struct raft_event *event,
	       struct raft_effects *effects);

/** The term of the entry at `index`; 0 for index 0, beyond last, or too old to be known. */
qr_term raft_term_at(const struct raft_group *group, qr_index index);

/** Whether PROPOSE is allowed now: leader and not transferring. The no-op is allowed regardless. */
bool raft_can_propose(const struct raft_group *group);

/** The follower's progress on a leader, else NULL. */
const struct raft_progress *raft_progress_of(const struct raft_group *group, qr_node node);

/** When the next TICK has something to do, in monotonic ns: lets an idle core sleep. */
qr_ns raft_next_deadline(const struct raft_group *group);

const char *raft_role_name(enum raft_role role);

/** State invariants of one group; asserts. Called after every step by tests and the simulator. */
void raft_invariants_check(const struct raft_group *group);
/** Step-to-step invariants: terms, commit and durable never move back, a leader only appends. */
void raft_invariants_check_step(const struct raft_group *before, const struct raft_group *after);

#endif
