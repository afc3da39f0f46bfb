/*
 * Consensus messages on their way out.
 *
 * The one rule: a message leaves only when what it names (hard state generation, log position) is
 * on stable media here. What must wait is held in the group, and looked at again whenever the store
 * has made something durable. Everything ready for one peer, of all groups, is packed into as few
 * datagrams as a turn allows: so heartbeats of many groups coalesce.
 *
 * All queues are bounded; a full one drops. Consensus lives with lost messages.
 */
#include "dataplane/node/internal.h"

#define RAFT_MESSAGE_ROOM 160 /* a RAFT message and its header fit */
#define ACK_ROOM 320

_Static_assert(WIRE_DATAGRAM_MIN >= WIRE_HEADER_BYTES + RAFT_MESSAGE_ROOM + ACK_ROOM,
	       "the smallest datagram takes a message and an acknowledgement");

static bool may_leave(const struct dp_group *group, const struct raft_message *message)
{
	struct raft_position durable = store_log_durable(group->log);

	if (message->requires.state_generation > store_log_state_durable(group->log))
		return false;
	if (message->requires.position.index == 0)
		return true;
	return message->requires.position.generation == durable.generation &&
	       message->requires.position.index <= durable.index;
}

/** A position of a generation that was cut off can never become durable. */
static bool is_void(const struct dp_group *group, const struct raft_message *message)
{
	return message->requires.position.index != 0 &&
	       message->requires.position.generation < store_log_durable(group->log).generation;
}

static void put_in_box(struct dp_core *core, const struct dp_group *group,
		       const struct raft_message *message)
{
	struct dp_peer *peer = dp_core_find_peer(core, message->to);
	struct dp_mail *mail;

	if (peer == NULL || peer->mail_count == DP_MAIL_MAX)
		return;
	mail = &peer->mail[peer->mail_count++];
	*mail = (struct dp_mail){.group = group->config->group, .message = *message};
	mail->message.full = store_log_condition(group->log) != QR_OK;
}

void dp_mail_post(struct dp_core *core, struct dp_group *group, const struct raft_message *message)
{
	QR_ASSERT(message->kind != RAFT_MESSAGE_APPEND || message->last == message->index);
	if (may_leave(group, message)) {
		put_in_box(core, group, message);
	} else if (group->held_count < DP_HELD_MAX) {
		group->held[group->held_count++] = *message;
	}
}

void dp_mail_release(struct dp_core *core, struct dp_group *group)
{
	uint32_t kept = 0;

	for (uint32_t h = 0; h < group->held_count; h++) {
		const struct raft_message *message = &group->held[h];

		if (may_leave(group, message)) {
			put_in_box(core, group, message);
		} else if (!is_void(group, message)) {
			group->held[kept++] = group->held[h];
		}
	}
	group->held_count = kept;
}

void dp_mail_forget(struct dp_core *core, struct dp_group *group)
{
	group->held_count = 0;
	for (uint32_t p = 0; p < core->peer_count; p++) {
		struct dp_peer *peer = &core->peers[p];
		uint32_t kept = 0;

		for (uint32_t m = 0; m < peer->mail_count; m++) {
			if (peer->mail[m].group != group->config->group)
				peer->mail[kept++] = peer->mail[m];
		}
		peer->mail_count = kept;
	}
}

/** Fill one datagram with what fits of a peer's mail from `*next` on, and ACKs of groups. */
static void pack(struct dp_core *core, struct dp_peer *peer, uint32_t *next, uint32_t *next_group,
		 struct qr_writer *writer)
{
	while (*next < peer->mail_count && qr_writer_left(writer) >= RAFT_MESSAGE_ROOM) {
		const struct dp_mail *mail = &peer->mail[(*next)++];

		wire_put_raft(writer, mail->group, &mail->message);
	}
	while (*next_group < core->group_count && qr_writer_left(writer) >= ACK_ROOM) {
		struct dp_group *group = &core->groups[(*next_group)++];

		if (group->stream_from == peer->config.node && dp_follow_ack_is_due(core, group))
			dp_follow_put_ack(core, group, writer);
	}
}

static bool has_ack_due(const struct dp_core *core, const struct dp_peer *peer)
{
	for (uint32_t g = 0; g < core->group_count; g++) {
		const struct dp_group *group = &core->groups[g];

		if (group->dirty && group->stream_from == peer->config.node &&
		    dp_follow_ack_is_due(core, group))
			return true;
	}
	return false;
}

static void flush_peer(struct dp_core *core, struct dp_peer *peer)
{
	uint32_t next = 0;
	uint32_t next_group = 0;
	bool acks = has_ack_due(core, peer);

	if (dp_core_link_is_down(core, peer->config.node)) {
		peer->mail_count = 0;
		return;
	}
	if (!acks)
		next_group = core->group_count;
	while (next < peer->mail_count || next_group < core->group_count) {
		struct qr_writer writer;
		struct dp_tx *tx = dp_core_tx_begin_to(core, peer, &writer);

		if (tx == NULL)
			break;
		pack(core, peer, &next, &next_group, &writer);
		if (qr_writer_size(&writer) == WIRE_HEADER_BYTES)
			break;
		dp_core_tx_finish(core, tx, &writer);
	}
	peer->mail_count -= next;
	memmove(&peer->mail[0], &peer->mail[next], peer->mail_count * sizeof(peer->mail[0]));
}

void dp_mail_flush(struct dp_core *core)
{
	for (uint32_t p = 0; p < core->peer_count; p++) {
		if (core->peers[p].mail_count != 0 || has_ack_due(core, &core->peers[p]))
			flush_peer(core, &core->peers[p]);
	}
}
