/*
 * What must hold of a group between any two steps, and across one step (after LogCabin's
 * Invariants.cc). Tests and the simulator call both after every step; a release build of a node
 * may, since they cost a fraction of a microsecond for a group that follows.
 *
 * Properties that need more than one replica (election safety, log matching, leader completeness,
 * state machine safety) are checked where all replicas are at hand: tests/paper/harness.
 */
#include "consensus/raft/internal.h"

static void check_log(const struct raft_group *group)
{
	QR_ASSERT(group->commit <= group->matched);
	QR_ASSERT(group->matched <= group->last);
	QR_ASSERT(group->durable.index <= group->last);
	QR_ASSERT(group->durable.generation == group->generation);
	QR_ASSERT(group->durable.term == raft_term_at(group, group->durable.index) ||
		  raft_term_at(group, group->durable.index) == 0);
	QR_ASSERT(group->last == 0 || raft_term_at(group, group->last) > 0);
	QR_ASSERT(raft_term_at(group, group->last) <= group->state.term);
	QR_ASSERT(group->sizes_base <= group->last);
	QR_ASSERT(group->write_since_ns <= group->now_ns);
}

static void check_runs(const struct raft_group *group)
{
	struct raft_term_run before = {0};

	QR_ASSERT(group->run_count <= RAFT_TERM_RUNS_MAX);
	QR_ASSERT(group->run_head < RAFT_TERM_RUNS_MAX);
	QR_ASSERT((group->run_count == 0) == (group->last == 0));
	for (uint32_t i = 0; i < group->run_count; i++) {
		const struct raft_term_run *run =
			&group->runs[(group->run_head + i) % RAFT_TERM_RUNS_MAX];

		QR_ASSERT(run->first > before.first);
		QR_ASSERT(run->term > before.term);
		before = *run;
	}
	QR_ASSERT(before.first <= group->last);
}

static void check_role(const struct raft_group *group)
{
	qr_node self = group->parameters.self;
	qr_nodes members = raft_configuration_members(&group->configuration);

	QR_ASSERT((group->role == RAFT_LEADER) == (group->leader == self));
	QR_ASSERT(group->role == RAFT_FOLLOWER || (!group->failed && !group->state.amnesia));
	QR_ASSERT(group->role == RAFT_FOLLOWER || group->role == RAFT_LEADER || group->leader == 0);
	QR_ASSERT(group->role != RAFT_CANDIDATE || group->state.vote == self);
	QR_ASSERT(group->role == RAFT_FOLLOWER ||
		  raft_configuration_is_voter(&group->configuration, self));
	QR_ASSERT((group->votes_granted & group->votes_rejected) == 0);
	QR_ASSERT(((group->votes_granted | group->votes_rejected) & ~members) == 0);
	QR_ASSERT(group->votes_granted == 0 || group->role == RAFT_PRE_CANDIDATE ||
		  group->role == RAFT_CANDIDATE);
	QR_ASSERT(group->state_durable_generation <= group->state.generation);
	QR_ASSERT(group->state.term <= RAFT_TERM_MAX);
	QR_ASSERT(group->leader == 0 || qr_nodes_has(members, group->leader));
}

static void check_progress(const struct raft_group *group, const struct raft_progress *progress)
{
	QR_ASSERT(progress->node != group->parameters.self);
	QR_ASSERT(progress->match < progress->next);
	QR_ASSERT(progress->next <= group->last + 1);
	QR_ASSERT(progress->round <= group->round);
	QR_ASSERT(progress->heard_ns <= group->now_ns);
	if (progress->state == RAFT_REPLICATE)
		QR_ASSERT(progress->next - 1 - progress->match <= RAFT_WINDOW_ENTRIES_MAX);
}

static void check_leader(const struct raft_group *group)
{
	qr_nodes members = raft_configuration_members(&group->configuration);

	QR_ASSERT(group->state.vote == group->parameters.self);
	QR_ASSERT(group->state_durable_generation == group->state.generation);
	QR_ASSERT(group->matched == group->last);
	QR_ASSERT(group->term_start > 0 && group->term_start <= group->last + 1);
	QR_ASSERT(raft_term_at(group, group->term_start - 1) < group->state.term);
	QR_ASSERT(group->last < group->term_start ||
		  raft_term_at(group, group->term_start) == group->state.term);
	QR_ASSERT(group->progress_count + 1 ==
		  qr_nodes_count(members | qr_nodes_of(group->parameters.self)));
	for (uint32_t i = 0; i < group->progress_count; i++)
		check_progress(group, &group->progress[i]);
	QR_ASSERT(group->transfer_to == 0 ||
		  raft_configuration_is_voter(&group->configuration, group->transfer_to));
}

static void check_reads(const struct raft_group *group)
{
	uint64_t round = 0;

	QR_ASSERT(group->read_count <= RAFT_READS_MAX);
	QR_ASSERT(group->read_count == 0 || group->role == RAFT_LEADER);
	for (uint32_t i = 0; i < group->read_count; i++) {
		QR_ASSERT(group->reads[i].round >= round);
		QR_ASSERT(group->reads[i].round <= group->round + 1);
		QR_ASSERT(group->reads[i].index >= group->term_start);
		round = group->reads[i].round;
	}
}

void raft_invariants_check(const struct raft_group *group)
{
	check_log(group);
	check_runs(group);
	check_role(group);
	check_reads(group);
	if (group->role == RAFT_LEADER) {
		check_leader(group);
	} else {
		QR_ASSERT(group->progress_count == 0);
		QR_ASSERT(group->transfer_to == 0);
		QR_ASSERT(group->term_start == 0);
	}
}

static void check_state_step(const struct raft_group *before, const struct raft_group *after)
{
	bool changed =
		before->state.term != after->state.term || before->state.vote != after->state.vote;

	QR_ASSERT(before->state.amnesia || !after->state.amnesia);
	QR_ASSERT(after->state.term >= before->state.term);
	QR_ASSERT(changed == (after->state.generation != before->state.generation));
	QR_ASSERT(after->state.generation >= before->state.generation);
	QR_ASSERT(after->state_durable_generation >= before->state_durable_generation);
	if (after->state.term == before->state.term && before->state.vote != 0)
		QR_ASSERT(after->state.vote == before->state.vote);
	if (after->role == RAFT_LEADER && before->role != RAFT_LEADER)
		QR_ASSERT(before->role == RAFT_CANDIDATE);
	QR_ASSERT(after->failed || !before->failed);
}

static void check_log_step(const struct raft_group *before, const struct raft_group *after)
{
	bool truncated = after->generation != before->generation;
	qr_term decided = raft_term_at(before, before->commit);

	QR_ASSERT(after->commit >= before->commit);
	QR_ASSERT(after->generation >= before->generation);
	QR_ASSERT(after->last >= before->commit);
	if (!truncated) {
		QR_ASSERT(after->last >= before->last);
		QR_ASSERT(after->durable.index >= before->durable.index);
	}
	if (after->state.term == before->state.term)
		QR_ASSERT(after->matched >= before->matched);
	if (decided != 0 && raft_term_at(after, before->commit) != 0)
		QR_ASSERT(raft_term_at(after, before->commit) == decided);
	/* "A leader never overwrites or deletes entries in its log" (Leader Append-Only). */
	if (before->role == RAFT_LEADER && after->role == RAFT_LEADER)
		QR_ASSERT(!truncated);
	/* "... only log entries from the leader's current term are committed by counting" (§5.4.2)
	 */
	if (after->role == RAFT_LEADER && after->commit != before->commit)
		QR_ASSERT(raft_term_at(after, after->commit) == after->state.term);
}

static void check_progress_step(const struct raft_group *before, const struct raft_group *after)
{
	QR_ASSERT(after->state.term == before->state.term);
	QR_ASSERT(after->term_start == before->term_start);
	QR_ASSERT(after->round >= before->round);
	for (uint32_t i = 0; i < after->progress_count; i++) {
		QR_ASSERT(after->progress[i].node == before->progress[i].node);
		QR_ASSERT(after->progress[i].match >= before->progress[i].match ||
			  after->progress[i].amnesia);
		QR_ASSERT(after->progress[i].round >= before->progress[i].round);
	}
}

void raft_invariants_check_step(const struct raft_group *before, const struct raft_group *after)
{
	QR_ASSERT(before->parameters.self == after->parameters.self);
	QR_ASSERT(after->now_ns >= before->now_ns);
	QR_ASSERT(after->ignored >= before->ignored);
	check_state_step(before, after);
	check_log_step(before, after);
	if (before->role == RAFT_LEADER && after->role == RAFT_LEADER)
		check_progress_step(before, after);
}
