/*
 * The leader's view of one follower (figure 2: nextIndex, matchIndex), as values: nothing here
 * sends.
 *
 * Invariants: match < next <= last + 1, and match only rises while the leader leads, unless its
 * follower loses all that it had (recall.c). `match` counts durable entries only. In REPLICATE the
 * entries between match and next are in flight, and the window bounds them in number and in blocks;
 * one entry larger than the window goes alone, so that nothing is ever too large to be sent.
 */
#include "consensus/raft/internal.h"

/* Figure 2: nextIndex starts at "leader last log index + 1", matchIndex at 0. */
void raft_progress_init(struct raft_group *group)
{
	qr_nodes members = raft_configuration_members(&group->configuration);

	members &= ~qr_nodes_of(group->parameters.self);
	group->progress_count = 0;
	while (members != 0) {
		QR_ASSERT(group->progress_count < RAFT_MEMBERS_MAX);
		group->progress[group->progress_count++] = (struct raft_progress){
			.node = qr_nodes_take(&members),
			.state = RAFT_PROBE,
			.next = group->last + 1,
			.heard_ns = group->now_ns,
			.moved_ns = group->now_ns,
		};
	}
}

struct raft_progress *raft_progress_find(struct raft_group *group, qr_node node)
{
	for (uint32_t i = 0; i < group->progress_count; i++) {
		if (group->progress[i].node == node)
			return &group->progress[i];
	}
	return NULL;
}

const struct raft_progress *raft_progress_of(const struct raft_group *group, qr_node node)
{
	for (uint32_t i = 0; i < group->progress_count; i++) {
		if (group->progress[i].node == node)
			return &group->progress[i];
	}
	return NULL;
}

/* It has lost its log with its promises: it is filled like a learner, and counts for nothing. */
void raft_progress_forget(struct raft_group *group, struct raft_progress *progress)
{
	QR_ASSERT(group->role == RAFT_LEADER);
	progress->amnesia = true;
	progress->state = RAFT_PROBE;
	progress->match = 0;
	progress->next = group->last + 1;
	progress->probed_ns = 0;
}

/*
 * A reply of this term came; a round that was not sent yet is nonsense and confirms nothing. One
 * that counts for nothing confirms nothing either, and its sender was not heard. True: the sender
 * counts again, and so does what it has: there may be something to commit.
 */
bool raft_progress_heard(struct raft_group *group, struct raft_progress *progress,
			 const struct raft_message *reply)
{
	bool again = progress->amnesia && !reply->amnesia;

	QR_ASSERT(group->role == RAFT_LEADER);
	if (reply->amnesia) {
		if (!progress->amnesia)
			raft_progress_forget(group, progress);
		return false;
	}
	progress->amnesia = false;
	progress->heard_ns = group->now_ns;
	if (reply->round > progress->round && reply->round <= group->round)
		progress->round = reply->round;
	return again;
}

/* Whether a quorum, with this leader, was heard within an election timeout (thesis §6.2). */
bool raft_progress_quorum_heard(const struct raft_group *group)
{
	qr_nodes heard = qr_nodes_of(group->parameters.self);

	QR_ASSERT(group->role == RAFT_LEADER);
	for (uint32_t i = 0; i < group->progress_count; i++) {
		const struct raft_progress *progress = &group->progress[i];

		if (group->now_ns - progress->heard_ns < group->parameters.election_timeout_ns)
			heard |= qr_nodes_of(progress->node);
	}
	return raft_configuration_has_quorum(&group->configuration, heard);
}

/* The last entry that may be in flight to this follower; below `next` when the window is full. */
qr_index raft_progress_window_end(const struct raft_group *group,
				  const struct raft_progress *progress)
{
	const struct raft_parameters *parameters = &group->parameters;
	qr_index low = progress->next - 1; /* fits, or is in flight already */
	qr_index high = raft_min(group->last, progress->match + parameters->window_entries);

	QR_ASSERT(progress->match < progress->next);
	if (high <= low)
		return low;
	if (raft_sizes_between(group, progress->match, high) <= parameters->window_blocks)
		return high;
	while (low + 1 < high) {
		qr_index middle = low + (high - low) / 2;

		if (raft_sizes_between(group, progress->match, middle) <=
		    parameters->window_blocks) {
			low = middle;
		} else {
			high = middle;
		}
	}
	if (low == progress->match)
		return low + 1;
	return low;
}

void raft_set_floor(struct raft_group *group, qr_index index, qr_term term)
{
	QR_ASSERT(index >= group->floor && index <= group->commit);
	group->floor = index;
	group->floor_term = term;
	if (group->role != RAFT_LEADER)
		return;
	for (uint32_t i = 0; i < group->progress_count; i++) {
		struct raft_progress *progress = &group->progress[i];

		if (progress->match >= index || progress->state == RAFT_PROBE)
			continue;
		progress->state = RAFT_PROBE; /* what was in flight is not repeated */
		progress->next = progress->match + 1;
	}
}

/*
 * The follower has our log up to `matched`, and up to `durable` on stable media. True if match
 * rose: there may be something to commit.
 */
bool raft_progress_matched(struct raft_group *group, struct raft_progress *progress,
			   qr_index durable, qr_index matched)
{
	bool rose = durable > progress->match;

	QR_ASSERT(durable <= matched);
	QR_ASSERT(matched <= group->last);
	if (rose) {
		progress->match = durable;
		progress->moved_ns = group->now_ns;
	}
	if (progress->state == RAFT_PROBE && matched + 1 >= progress->next &&
	    matched >= group->floor) {
		progress->state = RAFT_REPLICATE;
		progress->moved_ns = group->now_ns;
		progress->next = matched + 1;
	}
	progress->next = raft_max(progress->next, progress->match + 1);
	return rose;
}

/*
 * "If AppendEntries fails because of log inconsistency: decrement nextIndex and retry" (figure 2,
 * leaders), a whole run of terms at a time (end of Raft §5.3): the follower named the last place
 * where its term is not above ours, and we go on to the last place where ours is not above its.
 * True if a new probe is due; false if the refusal is of something else than what is asked now.
 */
bool raft_progress_refused(const struct raft_group *group, struct raft_progress *progress,
			   const struct raft_message *reply)
{
	qr_index meet;

	if (progress->state == RAFT_PROBE && reply->index != progress->next - 1)
		return false;
	if (reply->index <= progress->match || reply->index >= progress->next)
		return false;
	QR_ASSERT(reply->index <= group->last);
	meet = raft_min(reply->hint_index, reply->index - 1);
	if (reply->hint_term != 0)
		meet = raft_terms_find_at_most(group, meet, reply->hint_term);
	progress->state = RAFT_PROBE;
	progress->next = raft_max(meet, progress->match) + 1;
	return true;
}
