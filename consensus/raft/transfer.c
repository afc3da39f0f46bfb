/*
 * Handing over leadership on request (thesis §3.10).
 *
 * The leader stops taking proposals, so that the target can catch up, and tells it TIMEOUT_NOW once
 * the target has everything on stable media. The target stands at once, without sounding out; its
 * requests say so, and get past leader stickiness. After one election timeout without a new leader
 * the old one goes on as if nothing had been asked.
 *
 * Nothing here is needed for safety: the election that follows is an ordinary one.
 */
#include "consensus/raft/internal.h"

static bool may_lead(const struct raft_group *group, const struct raft_progress *progress)
{
	return raft_configuration_is_voter(&group->configuration, progress->node) &&
	       !progress->amnesia;
}

/* The voter that has most, and of those one that was heard last. NULL: there is no other voter. */
static const struct raft_progress *best_target(const struct raft_group *group)
{
	const struct raft_progress *best = NULL;

	for (uint32_t i = 0; i < group->progress_count; i++) {
		const struct raft_progress *progress = &group->progress[i];

		if (!may_lead(group, progress))
			continue;
		if (best == NULL || progress->match > best->match ||
		    (progress->match == best->match && progress->heard_ns > best->heard_ns))
			best = progress;
	}
	return best;
}

/* To `peer`, or to the best voter if 0. Without such a voter nothing happens. */
void raft_transfer_request(struct raft_group *group, qr_node peer, struct raft_effects *effects)
{
	const struct raft_progress *target;

	if (group->role != RAFT_LEADER)
		return;
	target = peer == 0 ? best_target(group) : raft_progress_of(group, peer);
	if (target == NULL || !may_lead(group, target))
		return;
	group->transfer_to = target->node;
	group->transfer_until_ns = group->now_ns + group->parameters.election_timeout_ns;
	raft_transfer_try(group, effects);
}

/* "Once the target has caught up, the prior leader sends TimeoutNow". Again with each heartbeat. */
void raft_transfer_try(const struct raft_group *group, struct raft_effects *effects)
{
	const struct raft_progress *target = raft_progress_of(group, group->transfer_to);

	QR_ASSERT(group->role == RAFT_LEADER);
	QR_ASSERT(target != NULL);
	if (target->match == group->last)
		raft_send(group, effects, RAFT_MESSAGE_TIMEOUT_NOW, target->node);
}

/* TIMEOUT_NOW of this term: "has the same effect as the target server's election timer firing". */
void raft_transfer_timeout_now(struct raft_group *group, const struct raft_message *message,
			       struct raft_effects *effects)
{
	QR_ASSERT(!group->failed);
	if (group->role != RAFT_FOLLOWER || group->leader != message->from)
		return;
	if (raft_vote_may_stand(group))
		raft_vote_campaign(group, true, effects);
}
