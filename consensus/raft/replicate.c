/*
 * The leader's half of AppendEntries (Raft §5.3, figure 2 "leaders").
 *
 * A follower is first probed: empty APPENDs look for the place where the logs meet. Then ranges of
 * entries are named to the transport as soon as they exist, one message each, and `next` moves on
 * at once (pipelining, thesis §10.2.1: the own write and the sends go out together). The transport
 * delivers a range and fills its holes; nothing is sent twice from here. Only a refusal leads back
 * to probing: the follower restarted, or had another leader in between. A pipe that stands still
 * for an election timeout is asked by one empty APPEND whether it still holds what it was sent.
 *
 * A follower that lacks what the log does not have any more is probed with SNAPSHOT instead, which
 * says where the log begins (Raft §7). It fetches the state from there by itself, and answers like
 * to any other probe once it has it.
 *
 * Invariants: figure 2's Leader Append-Only holds because a leader calls raft_log_append and never
 * raft_log_truncate. Every message of a leader is of a term whose vote is durable. A crash loses
 * nothing but the follower's progress, which the next leader finds again by probing.
 */
#include "consensus/raft/internal.h"

_Static_assert(RAFT_MESSAGES_MAX >= 2 * RAFT_MEMBERS_MAX + 2,
	       "a heartbeat and an append to everybody, a transfer and a reply fit into one step");

static void send_range(const struct raft_group *group, qr_node to, qr_index prev, qr_index last,
		       struct raft_effects *effects)
{
	struct raft_message *message = raft_send(group, effects, RAFT_MESSAGE_APPEND, to);

	QR_ASSERT(prev <= last && last <= group->last);
	message->index = prev;
	message->log_term = raft_term_at(group, prev);
	message->next_term = raft_term_at(group, prev + 1);
	message->last = last;
	message->commit = group->commit;
}

static void offer_snapshot(const struct raft_group *group, struct raft_progress *progress,
			   struct raft_effects *effects)
{
	struct raft_message *message;

	if (group->floor_term == 0)
		return;
	progress->offered = group->floor;
	message = raft_send(group, effects, RAFT_MESSAGE_SNAPSHOT, progress->node);
	message->index = group->floor;
	message->log_term = group->floor_term;
}

static void probe(const struct raft_group *group, struct raft_progress *progress,
		  struct raft_effects *effects)
{
	QR_ASSERT(progress->state == RAFT_PROBE);
	progress->probed_ns = group->now_ns;
	if (progress->next <= group->floor) {
		offer_snapshot(group, progress, effects);
		return;
	}
	send_range(group, progress->node, progress->next - 1, progress->next - 1, effects);
}

/* "If last log index >= nextIndex for a follower: send AppendEntries starting at nextIndex". */
static void send_next(const struct raft_group *group, struct raft_progress *progress,
		      struct raft_effects *effects)
{
	qr_index last;

	if (progress->state == RAFT_PROBE || progress->next > group->last)
		return;
	last = raft_progress_window_end(group, progress);
	if (last < progress->next)
		return;
	if (progress->next == progress->match + 1)
		progress->moved_ns = group->now_ns;
	send_range(group, progress->node, progress->next - 1, last, effects);
	progress->next = last + 1;
}

/* A new leader makes itself known and looks for where the logs meet. */
void raft_replicate_start(struct raft_group *group, struct raft_effects *effects)
{
	QR_ASSERT(group->role == RAFT_LEADER);
	raft_progress_init(group);
	for (uint32_t i = 0; i < group->progress_count; i++)
		probe(group, &group->progress[i], effects);
}

/*
 * "If command received from client: append entry to local log" (figure 2, leaders). The first entry
 * of a leader is its no-op (Raft §8).
 */
void raft_replicate_propose(struct raft_group *group, const struct raft_event *event,
			    struct raft_effects *effects)
{
	bool noop = event->propose.kind == RAFT_ENTRY_NOOP;

	QR_ASSERT(group->role == RAFT_LEADER);
	QR_ASSERT(noop || raft_can_propose(group));
	QR_ASSERT(noop == (group->last + 1 == group->term_start));
	raft_log_append(group, group->state.term, event->propose.blocks, effects);
	group->matched = group->last;
	for (uint32_t i = 0; i < group->progress_count; i++)
		send_next(group, &group->progress[i], effects);
}

/* A follower has our log up to `matched`, on stable media up to `durable`: both of this term. */
void raft_replicate_acknowledged(struct raft_group *group, struct raft_progress *progress,
				 qr_index durable, qr_index matched, struct raft_effects *effects)
{
	bool rose = raft_progress_matched(group, progress, durable, matched);

	send_next(group, progress, effects);
	if (!rose)
		return;
	raft_commit_advance(group, effects);
	if (group->transfer_to == progress->node)
		raft_transfer_try(group, effects);
}

/* No correct follower of this term has matched more than its leader has. */
static bool is_plausible(const struct raft_group *group, const struct raft_message *reply)
{
	if (reply->index > group->last)
		return false;
	if (reply->reject)
		return reply->hint_index <= reply->index;
	return reply->index <= reply->hint_index && reply->hint_index <= group->last;
}

/* APPEND_REPLY of this term. */
void raft_replicate_reply(struct raft_group *group, const struct raft_message *reply,
			  struct raft_effects *effects)
{
	struct raft_progress *progress = raft_progress_find(group, reply->from);

	if (group->role != RAFT_LEADER)
		return;
	if (progress == NULL || !is_plausible(group, reply)) {
		group->ignored++;
		return;
	}
	if (raft_progress_heard(group, progress, reply))
		raft_commit_advance(group, effects);
	if (!reply->reject) {
		raft_replicate_acknowledged(group, progress, reply->index, reply->hint_index,
					    effects);
	} else if (raft_progress_refused(group, progress, reply)) {
		probe(group, progress, effects);
	}
	raft_read_confirm(group, effects);
}

/*
 * The follower says that it matches less than it once acknowledged: it restarted, and cannot know
 * that its log is still ours. An empty APPEND at what it acknowledged tells it, and the commit
 * index with it, even if nothing is ever appended again.
 */
void raft_replicate_remind(const struct raft_group *group, const struct raft_progress *progress,
			   struct raft_effects *effects)
{
	QR_ASSERT(group->role == RAFT_LEADER);
	if (progress->state == RAFT_REPLICATE)
		send_range(group, progress->node, progress->match, progress->match, effects);
}

/* With every heartbeat: repeat a probe that may be lost, question a pipe that stands still. */
void raft_replicate_repeat(struct raft_group *group, struct raft_effects *effects)
{
	const struct raft_parameters *parameters = &group->parameters;

	QR_ASSERT(group->role == RAFT_LEADER);
	for (uint32_t i = 0; i < group->progress_count; i++) {
		struct raft_progress *progress = &group->progress[i];
		qr_index sent = progress->next - 1;

		if (progress->state == RAFT_PROBE) {
			if (group->now_ns - progress->probed_ns >=
			    parameters->heartbeat_interval_ns)
				probe(group, progress, effects);
		} else if (sent > progress->match &&
			   group->now_ns - progress->moved_ns >= parameters->election_timeout_ns) {
			progress->moved_ns = group->now_ns;
			send_range(group, progress->node, sent, sent, effects);
		}
	}
}
