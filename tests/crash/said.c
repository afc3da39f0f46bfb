/*
 * Promises on the wire. A term that a node names has been made durable (Raft figure 2: currentTerm
 * is updated on stable storage before responding to RPCs), so has a vote that it asks for or
 * grants, and so has the log up to an index that it acknowledges. Only a question about a possible
 * election (PRE_VOTE, thesis §9.6) and the consent to it name a term that nobody is in yet. The
 * transport's ACK promises nothing: it tells a leader, in that leader's term, what has arrived.
 *
 * Repetitions are left out: the first one binds.
 */
#include "tests/crash/said.h"

#include "consensus/wire/client.h"
#include "tests/crash/tap.h"

static void put(struct cluster_node *self, qr_node node, const struct tape_said *said)
{
	struct tape_said *latest = &self->said[said->group][said->kind];

	if (latest->term == said->term && latest->vote == said->vote &&
	    latest->index == said->index)
		return;
	*latest = *said;
	tap_put(&(struct tape_event){.kind = TAPE_SAID, .node = node, .said = *said});
}

static void put_term(struct cluster_node *self, qr_node node, qr_group group, qr_term term)
{
	put(self, node, &(struct tape_said){.kind = TAPE_SAID_TERM, .group = group, .term = term});
}

static void take_raft(struct cluster_node *self, qr_node node, qr_node to,
		      const struct wire_message *message)
{
	struct raft_message raft;
	struct tape_said said = {.group = message->group};

	if (wire_get_raft(message, &raft) != QR_OK)
		return;
	said.term = raft.term;
	if (raft.kind == RAFT_MESSAGE_PRE_VOTE ||
	    (raft.kind == RAFT_MESSAGE_PRE_VOTE_REPLY && !raft.reject))
		return;
	put_term(self, node, message->group, raft.term);
	if (raft.kind == RAFT_MESSAGE_VOTE) {
		said.kind = TAPE_SAID_VOTE;
		said.vote = node;
	} else if (raft.kind == RAFT_MESSAGE_VOTE_REPLY && !raft.reject) {
		said.kind = TAPE_SAID_VOTE;
		said.vote = to;
	} else if ((raft.kind == RAFT_MESSAGE_APPEND_REPLY && !raft.reject) ||
		   raft.kind == RAFT_MESSAGE_HEARTBEAT_REPLY) {
		said.kind = TAPE_SAID_DURABLE;
		said.index = raft.index;
	}
	if (said.kind != 0)
		put(self, node, &said);
}

static void take_answers(qr_node node, const struct wire_message *message)
{
	struct wire_chunk_reply reply;

	if (wire_get_chunk_reply(message, &reply) != QR_OK || reply.status != QR_OK)
		return;
	for (uint32_t a = 0; a < reply.answer_count; a++) {
		const struct tape_answered answered = {
			.group = message->group,
			.session = reply.session,
			.sequence = reply.answers[a].sequence,
			.count = reply.answers[a].count,
			.offset = reply.answers[a].offset,
		};

		tap_put(&(struct tape_event){
			.kind = TAPE_ANSWERED, .node = node, .answered = answered});
	}
}

void said_take(struct cluster_node *self, qr_node node, struct qr_span datagram)
{
	struct wire_header header;
	struct wire_message message;
	struct qr_reader messages;

	if (wire_open(datagram, &header, &messages) != QR_OK)
		return;
	while (wire_next(&messages, &message) == QR_OK) {
		struct wire_fragment fragment;

		if (message.type == WIRE_RAFT) {
			take_raft(self, node, header.to, &message);
		} else if (message.type == WIRE_FRAGMENT &&
			   wire_get_fragment(&message, &fragment) == QR_OK) {
			put_term(self, node, message.group, fragment.term);
		} else if (message.type == WIRE_CHUNK_REPLY) {
			take_answers(node, &message);
		}
	}
}
