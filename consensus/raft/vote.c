/*
 * Elections: sounding out (PreVote, thesis §9.6), standing and voting (Raft §5.2, §5.4.1).
 *
 * A timeout first asks whether a quorum *would* vote: nothing durable changes, the term does not
 * grow, a replica that cannot win disturbs nobody. Only then the term grows and votes are asked
 * for.
 *
 * Durability: a vote, the own included, counts and leaves only once (term, vote) is on stable
 * media. Requests and replies name the generation; the own vote waits for STATE_DURABLE. So no
 * crash at any line can make a replica vote twice in one term.
 *
 * Leader stickiness: within an election timeout of hearing a leader, requests are not even
 * considered (thesis §4.2.3, §6.2), unless the leader itself asked for the election (transfer).
 * Together with PreVote this could lock out a replica that came back with a higher term, so stale
 * requests and stale leaders are always told the current term (etcd #8501): see raft.c.
 *
 * A learner neither stands nor votes, nor does a replica that has lost its hard state (recall.c);
 * one whose store hangs or failed does not stand.
 */
#include "consensus/raft/internal.h"

bool raft_vote_may_stand(const struct raft_group *group)
{
	return !group->failed && !group->state.amnesia && !raft_log_is_stalled(group) &&
	       group->state.term < RAFT_TERM_MAX &&
	       raft_configuration_is_voter(&group->configuration, group->parameters.self);
}

static void ask_voters(const struct raft_group *group, enum raft_message_kind kind, qr_term term,
		       bool transfer, struct raft_effects *effects)
{
	qr_nodes voters = group->configuration.voters | group->configuration.voters_outgoing;

	voters &= ~qr_nodes_of(group->parameters.self);
	while (voters != 0) {
		struct raft_message *request =
			raft_send(group, effects, kind, qr_nodes_take(&voters));

		request->term = term;
		request->index = group->last;
		request->log_term = raft_term_at(group, group->last);
		request->transfer = transfer;
		request->round = group->state.life;
	}
}

/* Raise the term and ask for votes. */
void raft_vote_campaign(struct raft_group *group, bool transfer, struct raft_effects *effects)
{
	QR_ASSERT(raft_vote_may_stand(group));
	raft_role_stand(group, effects);
	QR_ASSERT(group->state.vote == group->parameters.self);
	ask_voters(group, RAFT_MESSAGE_VOTE, group->state.term, transfer, effects);
}

/* "If votes received from majority of servers: become leader" (figure 2, candidates). */
static void win(struct raft_group *group, struct raft_effects *effects)
{
	if (group->role == RAFT_CANDIDATE) {
		if (group->state_durable_generation == group->state.generation)
			raft_role_lead(group, effects);
	} else if (raft_vote_may_stand(group)) {
		raft_vote_campaign(group, false, effects);
	} else {
		raft_role_follow(group, effects, group->state.term, 0);
	}
}

static void tally(struct raft_group *group, struct raft_effects *effects)
{
	const struct raft_configuration *configuration = &group->configuration;

	QR_ASSERT((group->votes_granted & group->votes_rejected) == 0);
	if (raft_configuration_has_quorum(configuration, group->votes_granted)) {
		win(group, effects);
	} else if (raft_configuration_has_blocked(configuration, group->votes_rejected)) {
		raft_role_follow(group, effects, group->state.term, 0);
	}
}

/* The election timeout passed. "If election timeout elapses: start new election" (figure 2). */
void raft_vote_sound_out(struct raft_group *group, struct raft_effects *effects)
{
	QR_ASSERT(raft_vote_may_stand(group));
	QR_ASSERT(group->role != RAFT_LEADER);
	raft_role_sound_out(group, effects);
	ask_voters(group, RAFT_MESSAGE_PRE_VOTE, group->state.term + 1, false, effects);
	tally(group, effects);
}

/*
 * "If a server receives a RequestVote request within the minimum election timeout of hearing from a
 * current leader, it does not update its term or grant its vote" (thesis §4.2.3). A leader hears
 * itself; CheckQuorum ends that.
 */
bool raft_vote_is_held_off(const struct raft_group *group, const struct raft_message *request)
{
	if (request->transfer)
		return false;
	return group->role == RAFT_LEADER || group->now_ns < group->lease_until_ns;
}

static struct raft_message *answer(const struct raft_group *group,
				   const struct raft_message *request, struct raft_effects *effects)
{
	bool pre = request->kind == RAFT_MESSAGE_PRE_VOTE;
	struct raft_message *reply = raft_send(
		group, effects, pre ? RAFT_MESSAGE_PRE_VOTE_REPLY : RAFT_MESSAGE_VOTE_REPLY,
		request->from);

	reply->round = request->round;
	return reply;
}

/* Say no, in the own term: an asker that is behind learns it. */
void raft_vote_refuse(const struct raft_group *group, const struct raft_message *request,
		      struct raft_effects *effects)
{
	answer(group, request, effects)->reject = true;
}

/* "The later term is more up-to-date; if equal terms, the longer log is" (Raft §5.4.1). */
static bool is_up_to_date(const struct raft_group *group, const struct raft_message *request)
{
	qr_term last_term = raft_term_at(group, group->last);

	if (request->log_term != last_term)
		return request->log_term > last_term;
	return request->index >= group->last;
}

/*
 * "If votedFor is null or candidateId, and candidate's log is at least as up-to-date as receiver's
 * log, grant vote" (figure 2, RequestVote rule 2). A term that is known to have a leader needs no
 * other. PreVote asks about a term that has not begun here.
 */
static bool may_grant(const struct raft_group *group, const struct raft_message *request)
{
	if (group->state.amnesia ||
	    !raft_configuration_is_voter(&group->configuration, group->parameters.self))
		return false;
	if (!is_up_to_date(group, request))
		return false;
	if (request->kind == RAFT_MESSAGE_PRE_VOTE)
		return request->term > group->state.term;
	return group->state.vote == request->from || (group->state.vote == 0 && group->leader == 0);
}

/*
 * VOTE or PRE_VOTE, not held off and not stale; for VOTE the term has been adopted.
 * Durability: the grant names the generation that holds the vote (raft_send).
 */
void raft_vote_request(struct raft_group *group, const struct raft_message *request,
		       struct raft_effects *effects)
{
	QR_ASSERT(!group->failed);
	QR_ASSERT(request->term >= group->state.term);
	if (!may_grant(group, request)) {
		raft_vote_refuse(group, request, effects);
		return;
	}
	if (request->kind == RAFT_MESSAGE_PRE_VOTE) {
		answer(group, request, effects)->term = request->term;
		return;
	}
	if (group->state.vote == 0)
		raft_role_record_vote(group, request->from, effects);
	raft_role_arm_election(group);
	(void)answer(group, request, effects);
}

/*
 * A reply answers the open question if it is of its kind and of its term. A refusal to sound out
 * comes in the refuser's term; in a newer one it has made a follower of this replica already.
 */
static bool is_awaited(const struct raft_group *group, const struct raft_message *reply)
{
	if (reply->kind == RAFT_MESSAGE_VOTE_REPLY)
		return group->role == RAFT_CANDIDATE;
	return group->role == RAFT_PRE_CANDIDATE &&
	       reply->term == group->state.term + (reply->reject ? 0 : 1);
}

void raft_vote_reply(struct raft_group *group, const struct raft_message *reply,
		     struct raft_effects *effects)
{
	qr_nodes from = qr_nodes_of(reply->from);

	QR_ASSERT(reply->kind != RAFT_MESSAGE_VOTE_REPLY || reply->term == group->state.term);
	/* What was granted to this replica before it lost its log was granted for that log. */
	if (!is_awaited(group, reply) || reply->round != group->state.life)
		return;
	if (((group->votes_granted | group->votes_rejected) & from) != 0)
		return;
	if (reply->reject) {
		group->votes_rejected |= from;
	} else {
		group->votes_granted |= from;
	}
	tally(group, effects);
}

/* The hard state of `generation` is on stable media. */
void raft_vote_state_durable(struct raft_group *group, uint64_t generation,
			     struct raft_effects *effects)
{
	if (generation > group->state.generation || generation <= group->state_durable_generation)
		return;
	group->state_durable_generation = generation;
	if (group->role != RAFT_CANDIDATE || generation != group->state.generation)
		return;
	group->votes_granted |= qr_nodes_of(group->parameters.self);
	tally(group, effects);
}
