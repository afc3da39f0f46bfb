/*
 * The own log as consensus sees it: how far it reaches (`last`), how far it is known to be the
 * leader's (`matched`), how far it is on stable media (`durable`), and how far it is decided
 * (`commit`, commit.c).
 *
 *     commit <= matched <= last        durable.index <= last
 *
 * commit and durable are not ordered: an entry is committed when a quorum has it, with or without
 * this replica's own disk (thesis §10.2.1).
 *
 * Entries go away only as an uncommitted suffix that lost (figure 2, AppendEntries rule 3). Each
 * time `generation` grows, and every write that is asked for from then on carries the new one. So a
 * completion that was under way when its entries were cut off can never be taken for the
 * completion of what replaced them, not even if index and term are the same again: the
 * late-completion ABA.
 *
 * A crash keeps a prefix of the log that contains everything up to durable.index. Only that may be
 * told to others: raft_log_acknowledged.
 */
#include "consensus/raft/internal.h"

void raft_log_append(struct raft_group *group, qr_term term, uint32_t blocks,
		     struct raft_effects *effects)
{
	qr_index index = group->last + 1;

	QR_ASSERT(!group->failed);
	QR_ASSERT(term <= group->state.term);
	if (group->durable.index == group->last)
		group->write_since_ns = group->now_ns;
	raft_sizes_append(group, index, blocks);
	raft_terms_append(group, index, term);
	group->last = index;
	if (!effects->appended) {
		effects->appended = true;
		effects->write_first = index;
		effects->generation = group->generation;
	}
	effects->write_last = index;
}

/* The new last entry's term must be known: elections compare it. */
bool raft_log_can_truncate(const struct raft_group *group, qr_index to)
{
	QR_ASSERT(to < group->last);
	return to == 0 || raft_term_at(group, to) != 0;
}

void raft_log_truncate(struct raft_group *group, qr_index to, struct raft_effects *effects)
{
	QR_ASSERT(raft_log_can_truncate(group, to));
	QR_ASSERT(to >= group->matched);
	QR_ASSERT(!effects->appended);
	raft_sizes_truncate(group, to);
	raft_terms_truncate(group, to);
	group->last = to;
	group->generation++;
	if (group->durable.index > to)
		group->durable.index = to;
	group->durable.term = raft_term_at(group, group->durable.index);
	group->durable.generation = group->generation;
	effects->truncated = true;
	effects->truncate_to = to;
	effects->generation = group->generation;
}

static bool notice_counts(const struct raft_group *group, const struct raft_position *position)
{
	return position->generation == group->generation && position->index <= group->last &&
	       position->index > group->durable.index &&
	       raft_term_at(group, position->index) == position->term;
}

/* The store says that everything up to `position` is on stable media. */
void raft_log_durable(struct raft_group *group, const struct raft_position *position,
		      struct raft_effects *effects)
{
	qr_index before = raft_log_acknowledged(group).index;

	if (!notice_counts(group, position))
		return;
	group->durable = *position;
	group->write_since_ns = group->now_ns;
	if (group->role == RAFT_LEADER) {
		raft_commit_advance(group, effects);
	} else if (group->leader != 0 && raft_log_acknowledged(group).index > before) {
		raft_accept_acknowledge(group, effects);
	}
}

/* The store owes a completion and has made no progress for an election timeout. */
bool raft_log_is_stalled(const struct raft_group *group)
{
	return group->durable.index < group->last &&
	       group->now_ns - group->write_since_ns >= group->parameters.election_timeout_ns;
}

/* What this replica may say it has: the leader's entry, on stable media. */
struct raft_position raft_log_acknowledged(const struct raft_group *group)
{
	qr_index index = raft_min(group->matched, group->durable.index);

	return (struct raft_position){
		.index = index,
		.term = raft_term_at(group, index),
		.generation = index == 0 ? 0 : group->generation,
	};
}
