/*
 * What is decided.
 *
 * Leader: an index is committed when a quorum has it on stable media and it is of the leader's own
 * term (Raft §5.3, §5.4.2). The leader is one of those that are counted, at its own durable index
 * and no further; so commit may pass its own write when the others are faster (thesis §10.2.1).
 * Follower: the leader's commit, but never beyond what is known to be the leader's log.
 * Whoever does not lead: what another member knows, if the own log has that very entry.
 *
 * commit only rises. It is not durable of itself: after a crash it is found again.
 */
#include "consensus/raft/internal.h"

static void move_to(struct raft_group *group, qr_index index, struct raft_effects *effects)
{
	QR_ASSERT(index > group->commit);
	QR_ASSERT(index <= group->matched);
	group->commit = index;
	effects->commit_moved = true;
	effects->commit = index;
}

/*
 * "If there exists an N such that N > commitIndex, a majority of matchIndex[i] >= N, and
 * log[N].term == currentTerm: set commitIndex = N" (figure 2, leaders).
 */
void raft_commit_advance(struct raft_group *group, struct raft_effects *effects)
{
	qr_index reached[QR_NODE_MAX + 1];
	qr_index index;

	QR_ASSERT(group->role == RAFT_LEADER);
	reached[group->parameters.self] = group->durable.index;
	for (uint32_t i = 0; i < group->progress_count; i++) {
		const struct raft_progress *progress = &group->progress[i];

		reached[progress->node] = progress->amnesia ? 0 : progress->match;
	}
	index = raft_configuration_committed(&group->configuration, reached);
	if (index <= group->commit || raft_term_at(group, index) != group->state.term)
		return;
	move_to(group, index, effects);
	raft_read_confirm(group, effects);
}

/*
 * "If leaderCommit > commitIndex, set commitIndex = min(leaderCommit, index of last new entry)"
 * (figure 2, AppendEntries rule 5). The last *matched* entry: what lies above it in the own log may
 * be another leader's.
 */
void raft_commit_learn(struct raft_group *group, qr_index leader_commit,
		       struct raft_effects *effects)
{
	qr_index index = raft_min(leader_commit, group->matched);

	QR_ASSERT(group->role == RAFT_FOLLOWER);
	if (index > group->commit)
		move_to(group, index, effects);
}

/*
 * "If two entries in different logs have the same index and term, then the logs are identical in
 * all preceding entries" (Log Matching, §5.3). So whoever has a committed entry, as its index and
 * term say, has all that is committed up to it, and so will every later leader. Without this a
 * member whose disk has lost that entry, and the only one that could give it, may wait for each
 * other where nobody can be elected. A leader finds out by itself, or steps down.
 */
void raft_commit_told(struct raft_group *group, const struct raft_position *committed,
		      struct raft_effects *effects)
{
	if (group->role == RAFT_LEADER || committed->term == 0 ||
	    committed->index <= group->commit ||
	    raft_term_at(group, committed->index) != committed->term)
		return;
	group->matched = raft_max(group->matched, committed->index);
	move_to(group, committed->index, effects);
}
