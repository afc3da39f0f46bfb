/*
 * Heartbeats: "upon election, and during idle periods, to prevent election timeouts" (figure 2,
 * leaders). Apart from APPEND, so that they can later be coalesced per peer across groups.
 *
 * A heartbeat carries the commit index, never beyond what the receiver has acknowledged, and a
 * round number. The reply repeats the round, which confirms the leadership (ReadIndex, thesis
 * §6.4; CheckQuorum, §6.2), and carries what is matched and durable, which mends a lost
 * acknowledgement: so a window that was closed by one lost reply opens again.
 */
#include "consensus/raft/internal.h"

/* Begin a new round with everybody. */
void raft_heartbeat_round(struct raft_group *group, struct raft_effects *effects)
{
	QR_ASSERT(group->role == RAFT_LEADER);
	group->round++;
	for (uint32_t i = 0; i < group->progress_count; i++) {
		const struct raft_progress *progress = &group->progress[i];
		struct raft_message *message =
			raft_send(group, effects, RAFT_MESSAGE_HEARTBEAT, progress->node);

		message->commit = raft_min(group->commit, progress->match);
		message->round = group->round;
	}
}

/* Also to the leader of an older term, which learns the newer one from it and reads no further. */
void raft_heartbeat_answer(const struct raft_group *group, qr_node to, struct raft_effects *effects)
{
	struct raft_message *reply = raft_send(group, effects, RAFT_MESSAGE_HEARTBEAT_REPLY, to);

	QR_ASSERT(!group->failed);
	reply->requires.position = raft_log_acknowledged(group);
	reply->index = reply->requires.position.index;
	reply->round = group->round;
}

/* HEARTBEAT of this term. */
void raft_heartbeat_take(struct raft_group *group, const struct raft_message *message,
			 struct raft_effects *effects)
{
	if (!raft_role_hear_leader(group, message->from, effects))
		return;
	group->round = message->round > group->round ? message->round : group->round;
	raft_commit_learn(group, message->commit, effects);
	raft_heartbeat_answer(group, message->from, effects);
}

/* HEARTBEAT_REPLY of this term. */
void raft_heartbeat_reply(struct raft_group *group, const struct raft_message *reply,
			  struct raft_effects *effects)
{
	struct raft_progress *progress = raft_progress_find(group, reply->from);

	if (group->role != RAFT_LEADER)
		return;
	if (progress == NULL || reply->index > group->last) {
		group->ignored++;
		return;
	}
	if (raft_progress_heard(group, progress, reply))
		raft_commit_advance(group, effects);
	if (reply->index < progress->match) {
		raft_replicate_remind(group, progress, effects);
	} else {
		raft_replicate_acknowledged(group, progress, reply->index, reply->index, effects);
	}
	raft_read_confirm(group, effects);
}
