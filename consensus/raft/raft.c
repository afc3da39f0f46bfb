/*
 * The group as a whole: its start, the step function, and the rules that hold for every message
 * before its kind is looked at.
 *
 *   role.c         hard state and roles              terms.c, sizes.c   what is known of entries
 *   vote.c         PreVote, elections                log.c              the own log, durability
 *   replicate.c    AppendEntries, the leader         progress.c         its view of a follower
 *   accept.c       AppendEntries, the follower       commit.c           what is decided
 *   heartbeat.c    leadership and commit             read.c             ReadIndex
 *   transfer.c     handing over                      tick.c             deadlines
 *   recall.c       without hard state                configuration.c    every quorum
 *   invariants.c   what must always hold
 *
 * One event changes one group and nothing else. All that must happen outside is in the effects, and
 * what must be durable before a message leaves is on the message. A crash between any two steps is
 * therefore a crash of the caller's carrying out: raft_init with what the store then holds.
 */
#include "consensus/raft/internal.h"

#include <string.h>

static void check_parameters(const struct raft_parameters *parameters)
{
	QR_ASSERT(parameters->self >= 1 && parameters->self <= QR_NODE_MAX);
	QR_ASSERT(parameters->heartbeat_interval_ns > 0);
	QR_ASSERT(parameters->heartbeat_interval_ns <= parameters->election_timeout_ns / 3);
	QR_ASSERT(parameters->election_timeout_ns < (qr_ns)1 << 40);
	QR_ASSERT(parameters->priority <= 100);
	QR_ASSERT(parameters->window_entries >= 1);
	QR_ASSERT(parameters->window_entries <= RAFT_WINDOW_ENTRIES_MAX);
	QR_ASSERT(parameters->window_blocks >= 1);
}

/* NOLINTNEXTLINE(readability-function-size): runs and their count are one argument in two */
void raft_init(struct raft_group *group, const struct raft_parameters *parameters,
	       const struct raft_recovered *recovered, const struct raft_term_run *runs,
	       uint32_t run_count, qr_ns now_ns)
{
	check_parameters(parameters);
	QR_ASSERT(raft_configuration_is_valid(&recovered->configuration));
	QR_ASSERT(recovered->commit <= recovered->last);
	memset(group, 0, sizeof(*group));
	group->parameters = *parameters;
	group->configuration = recovered->configuration;
	group->state = recovered->state;
	group->state_durable_generation = recovered->state.generation;
	group->role = RAFT_FOLLOWER;
	group->now_ns = now_ns;
	group->ticked_ns = now_ns;
	group->generation = 1;
	group->last = recovered->last;
	group->commit = recovered->commit;
	group->matched = recovered->commit;
	raft_terms_init(group, runs, run_count);
	raft_sizes_init(group);
	group->durable.index = group->last;
	group->durable.term = raft_term_at(group, group->last);
	group->durable.generation = group->generation;
	QR_ASSERT(group->durable.term <= group->state.term);
	group->lease_until_ns = now_ns + parameters->election_timeout_ns;
	/* Until the first tick brings random bits, at least not all nodes alike. */
	group->random = (uint32_t)parameters->self * 0x9e3779b9u;
	raft_role_arm_election(group);
}

/* Scalars only: the arrays are counted, and large. */
static void clear_effects(struct raft_effects *effects)
{
	effects->save_state = false;
	effects->truncated = false;
	effects->truncate_to = 0;
	effects->appended = false;
	effects->write_first = 0;
	effects->write_last = 0;
	effects->generation = 0;
	effects->wants_snapshot = false;
	effects->snapshot_index = 0;
	effects->snapshot_term = 0;
	effects->commit_moved = false;
	effects->commit = 0;
	effects->role_changed = false;
	effects->wants_noop = false;
	effects->message_count = 0;
	effects->read_count = 0;
}

/*
 * A new message of this term. It may not leave before the term and vote that it speaks for are on
 * stable media: "updated on stable storage before responding to RPCs" (figure 2, persistent state).
 */
struct raft_message *raft_send(const struct raft_group *group, struct raft_effects *effects,
			       enum raft_message_kind kind, qr_node to)
{
	struct raft_message *message = &effects->messages[effects->message_count];

	QR_ASSERT(effects->message_count < RAFT_MESSAGES_MAX);
	QR_ASSERT(to != group->parameters.self && to != 0);
	effects->message_count++;
	*message = (struct raft_message){
		.kind = kind,
		.from = group->parameters.self,
		.to = to,
		.term = group->state.term,
		.amnesia = group->state.amnesia,
		.requires.state_generation = group->state.generation,
	};
	return message;
}

static bool is_for_us(const struct raft_group *group, const struct raft_message *message)
{
	qr_nodes members = raft_configuration_members(&group->configuration);

	return message->to == group->parameters.self && message->from != group->parameters.self &&
	       message->from >= 1 && message->from <= QR_NODE_MAX &&
	       qr_nodes_has(members, message->from) &&
	       (message->term >= 1 || message->kind >= RAFT_MESSAGE_RECALL) &&
	       message->term <= RAFT_TERM_MAX;
}

/*
 * A message of an older term changes nothing, but its sender is told: a leader that does not know
 * that it was replaced, or an asker that could otherwise neither win nor rejoin (etcd #8501).
 */
static void answer_stale(struct raft_group *group, const struct raft_message *message,
			 struct raft_effects *effects)
{
	switch (message->kind) {
	case RAFT_MESSAGE_PRE_VOTE:
	case RAFT_MESSAGE_VOTE:
		raft_vote_refuse(group, message, effects);
		break;
	case RAFT_MESSAGE_APPEND:
	case RAFT_MESSAGE_SNAPSHOT:
		raft_accept_refuse(group, message, effects);
		break;
	case RAFT_MESSAGE_HEARTBEAT:
		raft_heartbeat_answer(group, message->from, effects);
		break;
	case RAFT_MESSAGE_PRE_VOTE_REPLY:
	case RAFT_MESSAGE_VOTE_REPLY:
	case RAFT_MESSAGE_APPEND_REPLY:
	case RAFT_MESSAGE_HEARTBEAT_REPLY:
	case RAFT_MESSAGE_TIMEOUT_NOW:
		break;
	case RAFT_MESSAGE_RECALL:
		raft_recall_answer(group, message, effects);
		break;
	case RAFT_MESSAGE_RECALL_REPLY:
		raft_recall_reply(group, message);
		break;
	}
}

/*
 * PreVote speaks of a term that nobody is in yet: asking and granting move no term. Nor does
 * RECALL, which says only that its sender has forgotten its own.
 */
static bool moves_term(const struct raft_message *message)
{
	return message->kind != RAFT_MESSAGE_PRE_VOTE && message->kind != RAFT_MESSAGE_RECALL &&
	       !(message->kind == RAFT_MESSAGE_PRE_VOTE_REPLY && !message->reject);
}

/* What figure 2 says of terms, for all servers. True: the message is of this term, look at it. */
static bool admit(struct raft_group *group, const struct raft_message *message,
		  struct raft_effects *effects)
{
	bool asks = message->kind == RAFT_MESSAGE_PRE_VOTE || message->kind == RAFT_MESSAGE_VOTE;

	if (message->term < group->state.term) {
		answer_stale(group, message, effects);
		return false;
	}
	if (asks && raft_vote_is_held_off(group, message))
		return false;
	if (message->term > group->state.term && moves_term(message))
		raft_role_follow(group, effects, message->term, 0);
	return true;
}

static void take_message(struct raft_group *group, const struct raft_message *message,
			 struct raft_effects *effects)
{
	if (!is_for_us(group, message)) {
		group->ignored++;
		return;
	}
	if (!admit(group, message, effects))
		return;
	switch (message->kind) {
	case RAFT_MESSAGE_PRE_VOTE:
	case RAFT_MESSAGE_VOTE:
		raft_vote_request(group, message, effects);
		break;
	case RAFT_MESSAGE_PRE_VOTE_REPLY:
	case RAFT_MESSAGE_VOTE_REPLY:
		raft_vote_reply(group, message, effects);
		break;
	case RAFT_MESSAGE_APPEND:
		raft_accept_append(group, message, effects);
		break;
	case RAFT_MESSAGE_SNAPSHOT:
		raft_accept_snapshot(group, message, effects);
		break;
	case RAFT_MESSAGE_APPEND_REPLY:
		raft_replicate_reply(group, message, effects);
		break;
	case RAFT_MESSAGE_HEARTBEAT:
		raft_heartbeat_take(group, message, effects);
		break;
	case RAFT_MESSAGE_HEARTBEAT_REPLY:
		raft_heartbeat_reply(group, message, effects);
		break;
	case RAFT_MESSAGE_TIMEOUT_NOW:
		raft_transfer_timeout_now(group, message, effects);
		break;
	case RAFT_MESSAGE_RECALL:
		raft_recall_answer(group, message, effects);
		break;
	case RAFT_MESSAGE_RECALL_REPLY:
		raft_recall_reply(group, message);
		break;
	}
}

void raft_step(struct raft_group *group, const struct raft_event *event,
	       struct raft_effects *effects)
{
	clear_effects(effects);
	if (event->now_ns > group->now_ns)
		group->now_ns = event->now_ns;
	/* A poisoned store: dead to the others, and a read is sent elsewhere. */
	if (group->failed && event->kind != RAFT_EVENT_READ)
		return;
	switch (event->kind) {
	case RAFT_EVENT_TICK:
		raft_tick(group, event, effects);
		break;
	case RAFT_EVENT_MESSAGE:
		take_message(group, event->message, effects);
		break;
	case RAFT_EVENT_PROPOSE:
		raft_replicate_propose(group, event, effects);
		break;
	case RAFT_EVENT_ENTRIES_DURABLE:
		raft_log_durable(group, &event->position, effects);
		break;
	case RAFT_EVENT_STATE_DURABLE:
		raft_vote_state_durable(group, event->state_generation, effects);
		break;
	case RAFT_EVENT_COMMITTED:
		raft_commit_told(group, &event->position, effects);
		break;
	case RAFT_EVENT_READ:
		raft_read_request(group, event->context, effects);
		break;
	case RAFT_EVENT_TRANSFER:
		raft_transfer_request(group, event->peer, effects);
		break;
	case RAFT_EVENT_STORAGE_FAILED:
		raft_role_fail(group, effects);
		break;
	}
	if (group->state.amnesia)
		raft_recall_try(group, effects);
}

bool raft_can_propose(const struct raft_group *group)
{
	return group->role == RAFT_LEADER && group->transfer_to == 0;
}
