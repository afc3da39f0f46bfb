/*
 * What happens because time passed. The only file that compares deadlines.
 *
 * All times are of the one monotonic clock that the caller passes in; a jump of any other clock is
 * invisible here. A group that was not run for a while (a stopped process, a busy core) finds all
 * its deadlines missed at once: a leader then gives replies and completions that are already
 * waiting one more election timeout before it judges by their absence. That costs no safety, since
 * nothing is served or decided by time.
 */
#include "consensus/raft/internal.h"

/* Leadership ends by absence: of a quorum (thesis §6.2), or of the own disk. */
static bool must_step_down(const struct raft_group *group, bool store_hangs)
{
	/* "A leader steps down if an election timeout elapses without a successful round". */
	if (group->now_ns >= group->quorum_check_at_ns && !raft_progress_quorum_heard(group))
		return true;
	/*
	 * A leader whose disk hangs must not keep others from leading (hashicorp/raft #503): also
	 * one that takes no appends for want of room, and so waits for no write of entries.
	 */
	return raft_log_is_stalled(group) || store_hangs;
}

static void forgive_pause(struct raft_group *group)
{
	QR_ASSERT(group->role == RAFT_LEADER);
	group->quorum_check_at_ns = group->now_ns + group->parameters.election_timeout_ns;
	group->write_since_ns = group->now_ns;
}

static void tick_leader(struct raft_group *group, bool paused, bool store_hangs,
			struct raft_effects *effects)
{
	QR_ASSERT(!group->failed);
	if (paused)
		forgive_pause(group);
	if (must_step_down(group, store_hangs && !paused)) {
		raft_role_follow(group, effects, group->state.term, 0);
		return;
	}
	/* "Leadership transfer is aborted after about an election timeout" (thesis §3.10). */
	if (group->transfer_to != 0 && group->now_ns >= group->transfer_until_ns)
		group->transfer_to = 0;
	if (group->now_ns < group->heartbeat_at_ns)
		return;
	group->heartbeat_at_ns = group->now_ns + group->parameters.heartbeat_interval_ns;
	raft_heartbeat_round(group, effects);
	raft_replicate_repeat(group, effects);
	if (group->transfer_to != 0)
		raft_transfer_try(group, effects);
}

void raft_tick(struct raft_group *group, const struct raft_event *event,
	       struct raft_effects *effects)
{
	bool paused = group->now_ns - group->ticked_ns >= group->parameters.election_timeout_ns;

	QR_ASSERT(group->ticked_ns <= group->now_ns);
	group->random = event->random;
	group->ticked_ns = group->now_ns;
	if (group->state.amnesia)
		raft_recall_tick(group, effects);
	if (group->role == RAFT_LEADER) {
		tick_leader(group, paused, event->store_hangs, effects);
	} else if (group->now_ns < group->election_at_ns) {
		return;
	} else if (raft_vote_may_stand(group)) {
		raft_vote_sound_out(group, effects);
	} else {
		raft_role_arm_election(group);
	}
}

qr_ns raft_next_deadline(const struct raft_group *group)
{
	const struct raft_parameters *parameters = &group->parameters;
	qr_ns deadline = group->heartbeat_at_ns;

	if (group->failed)
		return UINT64_MAX;
	if (group->state.amnesia && group->recall_at_ns < group->election_at_ns)
		return group->recall_at_ns;
	if (group->role != RAFT_LEADER)
		return group->election_at_ns;
	if (group->transfer_to != 0 && group->transfer_until_ns < deadline)
		deadline = group->transfer_until_ns;
	if (group->durable.index < group->last &&
	    group->write_since_ns + parameters->election_timeout_ns < deadline)
		deadline = group->write_since_ns + parameters->election_timeout_ns;
	return deadline;
}
