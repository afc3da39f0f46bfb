/*
 * The consensus core: a pure step function.
 *
 * Events go in, effects come out. It reads no clock (the time is in the event), draws no randomness
 * (the tick carries some), allocates nothing, performs no I/O, does not log, and cannot fail for
 * lack of memory: every capacity is a constant of this header and message.h.
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
#include "consensus/raft/message.h"

#define RAFT_TERM_RUNS_MAX 1024	     /* elections that left entries and that term_at can answer */
#define RAFT_WINDOW_ENTRIES_MAX 4096 /* raft_parameters.window_entries can be this at most */
#define RAFT_ENTRY_BLOCKS_MAX (1u << 18) /* one entry, in blocks */
#define RAFT_SIZES_MAX 8192		 /* newest entries whose sizes are remembered */

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
 * acknowledged and does not say so, stays in PROBE: that is where an operator sees it.
 */
enum raft_progress_state { RAFT_PROBE, RAFT_REPLICATE };

/** The leader's view of one follower (figure 2: nextIndex, matchIndex). */
struct raft_progress {
	qr_node node;
	enum raft_progress_state state;
	qr_index next;	       /* PROBE: one above the probed; else the first not yet handed over */
	qr_index match;	       /* durable at the follower */
	uint64_t round;	       /* the newest confirmation round that it answered */
	qr_ns heard_ns;	       /* CheckQuorum (thesis §6.2) */
	qr_ns probed_ns;       /* a lost probe is repeated after a heartbeat interval */
	qr_ns moved_ns;	       /* match moved, or the empty pipe was filled */
	qr_index offered;      /* a snapshot; 0: none */
	bool amnesia;	       /* it has lost what it promised, and is not counted */
	uint64_t recall_round; /* of its newest RECALL: each loss has another */
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
	/* The log begins behind `floor`: a leader has nothing to send up to there (Raft §7). A term
	 * of 0: nothing else either, for want of a snapshot. */
	qr_index floor;
	qr_term floor_term;
	qr_ns write_since_ns; /* while durable.index < last: when the store last made progress */
	qr_index commit;

	/* elections (vote.c, tick.c) */
	qr_ns lease_until_ns; /* vote requests are ignored until then (thesis §4.2.3, §6.2) */
	qr_ns election_at_ns;
	qr_ns ticked_ns;
	uint32_t random; /* of the newest tick */
	qr_nodes votes_granted;
	qr_nodes votes_rejected;

	/* amnesia (recall.c) */
	uint64_t recall_round; /* what the answers must repeat; 0: nobody was asked yet */
	qr_ns recall_at_ns;    /* the others are asked again */
	qr_nodes recalled;     /* who has answered */
	qr_term recall_term;   /* of the latest entry that one of them had then */
	qr_index recall_index;

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

/**
 * Entries up to `index` are not in the log any more; whoever lacks them is offered the snapshot of
 * the state after `index`. It never moves back, and is committed.
 */
void raft_set_floor(struct raft_group *group, qr_index index, qr_term term);

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
