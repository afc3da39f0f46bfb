/*
 * Who this replica is: the hard state (term, vote) and the role, and every way either may change.
 *
 *   from \ to       FOLLOWER             PRE_CANDIDATE   CANDIDATE         LEADER
 *   FOLLOWER        a leader is heard    timeout         TIMEOUT_NOW       -
 *   PRE_CANDIDATE   leader, refused,     timeout again   quorum would      -
 *                   or another's vote
 *   CANDIDATE       leader, or refused   timeout         -                 quorum did
 *   LEADER          term, quorum or      -               -                 -
 *                   store is lost
 *
 * Invariants: the term never falls; within a term the vote is given once; a change of either grows
 * state.generation and is written (save_state), and whatever depends on it names that generation
 * (raft_send). A leader's own term and vote are on stable media: vote.c counts nothing before.
 *
 * A crash keeps an older (term, vote) until the write completes. That is harmless, because nothing
 * that depends on the newer one has left by then.
 *
 * Entering a term forgets which entries match its leader, because its leader is not known yet; what
 * is committed matches every later leader (Leader Completeness, Raft §5.4.3).
 */
#include "consensus/raft/internal.h"

static const bool may_become[4][4] = {
	[RAFT_FOLLOWER] =
		{[RAFT_FOLLOWER] = true, [RAFT_PRE_CANDIDATE] = true, [RAFT_CANDIDATE] = true},
	[RAFT_PRE_CANDIDATE] =
		{[RAFT_FOLLOWER] = true, [RAFT_PRE_CANDIDATE] = true, [RAFT_CANDIDATE] = true},
	[RAFT_CANDIDATE] =
		{[RAFT_FOLLOWER] = true, [RAFT_PRE_CANDIDATE] = true, [RAFT_LEADER] = true},
	[RAFT_LEADER] = {[RAFT_FOLLOWER] = true},
};

const char *raft_role_name(enum raft_role role)
{
	static const char *const names[] = {
		[RAFT_FOLLOWER] = "follower",
		[RAFT_PRE_CANDIDATE] = "pre-candidate",
		[RAFT_CANDIDATE] = "candidate",
		[RAFT_LEADER] = "leader",
	};

	QR_ASSERT((size_t)role < sizeof(names) / sizeof(names[0]));
	return names[role];
}

static void save_state(struct raft_group *group, qr_term term, qr_node vote,
		       struct raft_effects *effects)
{
	QR_ASSERT(!group->failed);
	QR_ASSERT(term > group->state.term ||
		  (term == group->state.term && group->state.vote == 0));
	QR_ASSERT(term <= RAFT_TERM_MAX);
	if (term > group->state.term) {
		group->matched = group->commit;
		group->round = 0;
		group->lease_until_ns = 0;
	}
	group->state.term = term;
	group->state.vote = vote;
	group->state.generation++;
	effects->save_state = true;
	effects->state = group->state;
}

static void move(struct raft_group *group, enum raft_role role, qr_node leader,
		 struct raft_effects *effects)
{
	QR_ASSERT(may_become[group->role][role]);
	QR_ASSERT((role == RAFT_LEADER) == (leader == group->parameters.self));
	if (group->role != role || group->leader != leader)
		effects->role_changed = true;
	if (group->role == RAFT_LEADER) {
		raft_read_fail_all(group, effects);
		group->transfer_to = 0;
		group->progress_count = 0;
		group->term_start = 0;
	}
	group->role = role;
	group->leader = leader;
	group->votes_granted = 0;
	group->votes_rejected = 0;
}

/* When to stand if no leader is heard until then. Spread by the random bits of the newest tick. */
void raft_role_arm_election(struct raft_group *group)
{
	const struct raft_parameters *parameters = &group->parameters;
	qr_ns timeout = parameters->election_timeout_ns;
	qr_ns spread = (timeout * (group->random >> 16)) >> 16;
	qr_ns priority = timeout / 100 * (100u - parameters->priority);

	group->election_at_ns = group->now_ns + timeout + spread + priority;
}

/*
 * Figure 2, all servers: "if RPC request or response contains term T > currentTerm: set currentTerm
 * = T, convert to follower". Also within a term: a leader that gives up, a candidate that lost.
 */
void raft_role_follow(struct raft_group *group, struct raft_effects *effects, qr_term term,
		      qr_node leader)
{
	bool led = group->role == RAFT_LEADER;

	QR_ASSERT(term >= group->state.term);
	QR_ASSERT(leader != group->parameters.self);
	if (term > group->state.term)
		save_state(group, term, 0, effects);
	move(group, RAFT_FOLLOWER, leader, effects);
	if (led)
		raft_role_arm_election(group);
}

/*
 * A message of this term that only its leader sends. Figure 2, candidates: "if AppendEntries RPC
 * received from new leader: convert to follower". False if the term has another leader, which no
 * correct peer brings about.
 */
bool raft_role_hear_leader(struct raft_group *group, qr_node from, struct raft_effects *effects)
{
	if (group->role == RAFT_LEADER || (group->leader != 0 && group->leader != from)) {
		group->ignored++;
		return false;
	}
	if (group->role != RAFT_FOLLOWER || group->leader == 0)
		raft_role_follow(group, effects, group->state.term, from);
	QR_ASSERT(group->leader == from);
	group->lease_until_ns = group->now_ns + group->parameters.election_timeout_ns;
	raft_role_arm_election(group);
	return true;
}

/* Thesis §9.6: the term does not grow before a quorum would vote. Nothing durable changes. */
void raft_role_sound_out(struct raft_group *group, struct raft_effects *effects)
{
	move(group, RAFT_PRE_CANDIDATE, 0, effects);
	group->votes_granted = qr_nodes_of(group->parameters.self);
	raft_role_arm_election(group);
}

/*
 * Figure 2, candidates: "increment currentTerm, vote for self, reset election timer". The own vote
 * counts when it is on stable media, like any other.
 */
void raft_role_stand(struct raft_group *group, struct raft_effects *effects)
{
	save_state(group, group->state.term + 1, group->parameters.self, effects);
	move(group, RAFT_CANDIDATE, 0, effects);
	raft_role_arm_election(group);
}

void raft_role_lead(struct raft_group *group, struct raft_effects *effects)
{
	QR_ASSERT(group->state.vote == group->parameters.self);
	QR_ASSERT(group->state_durable_generation == group->state.generation);
	move(group, RAFT_LEADER, group->parameters.self, effects);
	group->matched = group->last;
	group->term_start = group->last + 1;
	group->heartbeat_at_ns = group->now_ns + group->parameters.heartbeat_interval_ns;
	group->quorum_check_at_ns = group->now_ns + group->parameters.election_timeout_ns;
	effects->wants_noop = true;
	raft_replicate_start(group, effects);
}

void raft_role_record_vote(struct raft_group *group, qr_node candidate,
			   struct raft_effects *effects)
{
	QR_ASSERT(group->role != RAFT_LEADER && group->leader == 0);
	move(group, RAFT_FOLLOWER, 0, effects);
	save_state(group, group->state.term, candidate, effects);
}

/*
 * What was forgotten binds no more (recall.c). The vote of this term goes to its leader, whoever
 * had it before: the term has a leader, and needs no other.
 */
void raft_role_remember(struct raft_group *group, struct raft_effects *effects)
{
	QR_ASSERT(group->role == RAFT_FOLLOWER && group->leader != 0);
	QR_ASSERT(group->state.amnesia);
	group->state.amnesia = false;
	group->state.life = group->recall_round;
	save_state(group, group->state.term, group->leader, effects);
}

/*
 * The store is poisoned. From here on this replica is as good as dead to the others: it neither
 * sends nor believes anything until it was restarted from verified media. So a leader can never
 * send other entries under an (index, term) that it sent before.
 */
void raft_role_fail(struct raft_group *group, struct raft_effects *effects)
{
	if (group->failed)
		return;
	move(group, RAFT_FOLLOWER, 0, effects);
	group->failed = true;
	effects->role_changed = true;
}
