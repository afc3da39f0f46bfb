/*
 * Linearizable reads without a log entry: ReadIndex (thesis §6.4).
 *
 * A read is answered when (1) the leader has committed an entry of its own term, so that it knows
 * everything that was committed before it, and (2) a quorum has confirmed its leadership in a round
 * that was *sent* after the read came in. Nothing here looks at a clock, so a pause of any length
 * between any two steps serves nothing stale (etcd #20418): whoever took over in the meantime has a
 * quorum that refuses the round.
 *
 * One round is under way at a time; reads that come meanwhile share the next one. `round` of the
 * waiting reads never falls, so they are answered in order. When leadership is lost all fail.
 */
#include "consensus/raft/internal.h"

_Static_assert(RAFT_READS_DONE_MAX >= RAFT_READS_MAX, "all waiting reads can end in one step");

static void done(struct raft_effects *effects, uint64_t context, qr_index index, bool failed)
{
	QR_ASSERT(effects->read_count < RAFT_READS_DONE_MAX);
	effects->reads[effects->read_count++] = (struct raft_read_done){
		.context = context,
		.index = index,
		.failed = failed,
	};
}

/* The newest round that a quorum has answered. */
static uint64_t confirmed_round(const struct raft_group *group)
{
	uint64_t answered[QR_NODE_MAX + 1];

	QR_ASSERT(group->role == RAFT_LEADER);
	answered[group->parameters.self] = group->round;
	for (uint32_t i = 0; i < group->progress_count; i++)
		answered[group->progress[i].node] = group->progress[i].round;
	return raft_configuration_committed(&group->configuration, answered);
}

static void answer(struct raft_group *group, uint64_t confirmed, struct raft_effects *effects)
{
	uint32_t count = 0;

	/* "If the leader has not yet marked an entry from its current term committed, it waits". */
	if (group->commit < group->term_start)
		return;
	while (count < group->read_count && group->reads[count].round <= confirmed) {
		done(effects, group->reads[count].context, group->reads[count].index, false);
		count++;
	}
	group->read_count -= count;
	for (uint32_t i = 0; i < group->read_count && count > 0; i++)
		group->reads[i] = group->reads[i + count];
}

/* Something changed that reads may wait for: a reply, or the commit index. */
void raft_read_confirm(struct raft_group *group, struct raft_effects *effects)
{
	uint64_t confirmed;

	if (group->read_count == 0)
		return;
	confirmed = confirmed_round(group);
	QR_ASSERT(confirmed <= group->round);
	answer(group, confirmed, effects);
	if (group->read_count > 0 && confirmed == group->round &&
	    group->reads[group->read_count - 1].round > group->round)
		raft_heartbeat_round(group, effects);
}

/*
 * "The leader saves the current value of its commit index" (thesis §6.4, step 2). Before its no-op
 * is committed it knows a lower bound only; the no-op itself is above all that was committed.
 */
void raft_read_request(struct raft_group *group, uint64_t context, struct raft_effects *effects)
{
	if (group->role != RAFT_LEADER || group->read_count == RAFT_READS_MAX) {
		done(effects, context, 0, true);
		return;
	}
	group->reads[group->read_count++] = (struct raft_read){
		.context = context,
		.round = group->round + 1,
		.index = raft_max(group->commit, group->term_start),
	};
	/* Twice: a voter that is alone confirms its round at once. */
	raft_read_confirm(group, effects);
	raft_read_confirm(group, effects);
}

void raft_read_fail_all(struct raft_group *group, struct raft_effects *effects)
{
	for (uint32_t i = 0; i < group->read_count; i++)
		done(effects, group->reads[i].context, 0, true);
	group->read_count = 0;
}
