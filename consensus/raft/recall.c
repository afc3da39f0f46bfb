/*
 * A replica that has lost its hard state: it does not know for whom it voted, nor what it
 * acknowledged. Both may be counted already, or still be on their way.
 *
 * Until it is safe again it neither stands nor votes, and says in every message that it counts for
 * nothing; leaders fill it like a learner. Its log is empty at first: what it had cannot be judged
 * without the hard state, and is of no use to a quorum.
 *
 * When it counts again
 *   1. Every other voter has told its term, when it was asked after the loss (`round`). A vote was
 *      given in a term that its candidate was in, on stable media, before it asked; an entry was
 *      acknowledged to a leader in that leader's term. So no promise is of a later term than the
 *      highest of those told, which this replica enters like any other. A majority will not do: the
 *      one candidate that has the vote may be the one that was not asked (Michael et al.,
 *      "Recovering Shared Objects Without Stable Storage", 2017, of Viewstamped Replication).
 *      Its own candidacies are over: requests name the life that asks, and so do grants (vote.c).
 *   2. The leader of the term that it is in has committed an entry of that term, and all up to
 *      there is on stable media here. Whatever was committed with this replica's help is part of
 *      it: the leader was elected with a vote that came from there (Leader Completeness).
 *   3. So is everything of that term that anybody had when it was asked: its leader may have
 *      committed that with acknowledgements from before the loss, and have restarted since. What
 *      it commits after it was asked, it commits without them.
 *
 * The transport's part: once a message of a restarted replica was delivered, none from before is.
 *
 * A crash begins it anew: that the hard state is lost is part of the hard state.
 */
#include "consensus/raft/internal.h"

static qr_nodes other_voters(const struct raft_group *group)
{
	qr_nodes voters = group->configuration.voters | group->configuration.voters_outgoing;

	return voters & ~qr_nodes_of(group->parameters.self);
}

/* Ask who has not answered. */
void raft_recall_tick(struct raft_group *group, struct raft_effects *effects)
{
	qr_nodes voters = other_voters(group) & ~group->recalled;

	QR_ASSERT(group->role == RAFT_FOLLOWER);
	if (group->now_ns < group->recall_at_ns)
		return;
	if (group->recall_round == 0)
		group->recall_round = (uint64_t)group->random << 32 | (uint32_t)group->now_ns | 1;
	group->recall_at_ns = group->now_ns + group->parameters.heartbeat_interval_ns;
	while (voters != 0) {
		struct raft_message *request =
			raft_send(group, effects, RAFT_MESSAGE_RECALL, qr_nodes_take(&voters));

		request->round = group->recall_round;
	}
}

/* RECALL of any term. */
void raft_recall_answer(struct raft_group *group, const struct raft_message *request,
			struct raft_effects *effects)
{
	struct raft_message *reply =
		raft_send(group, effects, RAFT_MESSAGE_RECALL_REPLY, request->from);
	struct raft_progress *progress = raft_progress_find(group, request->from);

	reply->round = request->round;
	reply->index = group->last;
	reply->log_term = raft_term_at(group, group->last);
	if (progress != NULL && progress->recall_round != request->round) {
		progress->recall_round = request->round;
		raft_progress_forget(group, progress);
	}
}

/* RECALL_REPLY: of this term, which it may have brought, or of an older one. */
void raft_recall_reply(struct raft_group *group, const struct raft_message *reply)
{
	if (!group->state.amnesia || reply->round != group->recall_round || reply->amnesia)
		return;
	group->recalled |= qr_nodes_of(reply->from);
	if (reply->log_term > group->recall_term) {
		group->recall_term = reply->log_term;
		group->recall_index = reply->index;
	} else if (reply->log_term == group->recall_term) {
		group->recall_index = raft_max(group->recall_index, reply->index);
	}
}

/* Whether it counts again: the rules are at the head of this file. */
void raft_recall_try(struct raft_group *group, struct raft_effects *effects)
{
	qr_index until = group->recall_term == group->state.term ? group->recall_index : 0;

	QR_ASSERT(group->state.amnesia);
	if (group->failed || group->leader == 0 || (other_voters(group) & ~group->recalled) != 0)
		return;
	if (group->commit == 0 || raft_term_at(group, group->commit) != group->state.term)
		return;
	if (group->durable.index < raft_max(until, group->commit) || group->matched < until)
		return;
	raft_role_remember(group, effects);
}
