/*
 * One group on a bench: the test is everybody else. It hands in events, and looks at the effects.
 * The invariants are checked around every step.
 *
 * Logs are written as in figure 7 of the Raft paper: "1144" is a log of four entries, of terms 1,
 * 1, 4 and 4. Node 1 is the one on the bench.
 */
#ifndef QR_TESTS_RIG_H
#define QR_TESTS_RIG_H

#include "consensus/raft/raft.h"
#include "tests/unit/unit.h"

#define RIG_ELECTION_NS 100000000u /* 100 ms */
#define RIG_HEARTBEAT_NS 10000000u

struct rig {
	struct raft_parameters parameters;
	struct raft_configuration configuration;
	struct raft_group group;
	struct raft_group before;
	struct raft_effects effects; /* of the newest step */
	struct raft_entry entries[256];
};

/** Voters 1..`voters`; node 1 starts in `term`, having voted for nobody, with this durable log. */
void rig_start(struct rig *rig, qr_node voters, qr_term term, const char *log);
/** The same with the parameters and the configuration that were set in the rig before. */
void rig_restart(struct rig *rig, struct raft_hard_state state, const char *log, qr_index commit);

void rig_step(struct rig *rig, struct raft_event event);
void rig_receive(struct rig *rig, struct raft_message message);
/** Time passes, then a tick. */
void rig_tick_after(struct rig *rig, qr_ns elapsed_ns);
/** Ticks until nothing is left of the time, every half heartbeat. */
void rig_run_for(struct rig *rig, qr_ns elapsed_ns);
void rig_propose(struct rig *rig, uint32_t blocks);
/** The store finished everything up to `index`, or the newest state. */
void rig_durable(struct rig *rig, qr_index index);
void rig_state_durable(struct rig *rig);

/* NOLINTBEGIN(readability-function-size): the arguments of AppendEntries, as in figure 2 */
/** An APPEND to node 1 whose entries have the terms written in `entries`. */
void rig_append(struct rig *rig, qr_node from, qr_term term, qr_index prev, qr_term prev_term,
		const char *entries, qr_index commit);
/* NOLINTEND(readability-function-size) */

/** To the election timeout and a tick: node 1 is a pre-candidate afterwards. */
void rig_time_out(struct rig *rig);
/** A candidate of the next term, its state durable; nobody answered yet. */
void rig_stand(struct rig *rig);
/** A leader of the next term, with the votes of a bare majority, its no-op proposed. */
void rig_lead(struct rig *rig);
/** The follower matches the leader's log up to `index`, durably. */
void rig_acknowledge(struct rig *rig, qr_node from, qr_index index);

/** How many messages of this kind the newest step sent (to anybody; to `to`). */
unsigned rig_count(const struct rig *rig, enum raft_message_kind kind);
bool rig_has_sent(const struct rig *rig, enum raft_message_kind kind, qr_node to);
/** The one message of this kind to `to`; fails the test if there is none. */
const struct raft_message *rig_sent(const struct rig *rig, enum raft_message_kind kind, qr_node to);
/** Fails unless the group's log has exactly these terms. */
void rig_expect_log(const struct rig *rig, const char *log);

#endif
