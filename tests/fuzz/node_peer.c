#include "tests/fuzz/node_peer.h"

void peer_send(struct rig *rig, qr_node from, qr_group group, const struct raft_message *message)
{
	uint8_t datagram[WIRE_DATAGRAM_MIN];
	struct qr_writer writer = qr_writer_over(datagram, sizeof(datagram));

	wire_begin(&writer);
	wire_put_raft(&writer, group, message);
	rig_send(rig, from, &writer);
}

void peer_reply(struct rig *rig, uint32_t age, bool reject, qr_index index)
{
	uint32_t kept = rig->sent_count < RIG_SENT_MAX ? rig->sent_count : RIG_SENT_MAX;
	const struct rig_sent *sent;
	const struct raft_message *asked;
	struct raft_message reply;

	if (age >= kept)
		return;
	sent = &rig->sent[(rig->sent_count - 1 - age) % RIG_SENT_MAX];
	asked = &sent->message;
	reply = (struct raft_message){
		.kind = asked->kind + 1,
		.term = asked->term,
		.reject = reject,
		.index = reject ? asked->index : index,
		.hint_index = index,
		.hint_term = asked->log_term,
		.round = asked->round,
	};
	if (asked->kind == RAFT_MESSAGE_PRE_VOTE || asked->kind == RAFT_MESSAGE_VOTE ||
	    asked->kind == RAFT_MESSAGE_APPEND || asked->kind == RAFT_MESSAGE_HEARTBEAT)
		peer_send(rig, asked->to, sent->group, &reply);
}

void peer_agree(struct rig *rig)
{
	for (unsigned round = 0; round < 12; round++) {
		rig->now_ns += RIG_TIMEOUT_NS / 4;
		rig_drain(rig);
		for (uint32_t age = 0; age < 2 * RIG_GROUPS; age++) {
			const struct rig_sent *sent =
				&rig->sent[(rig->sent_count - 1 - age) % RIG_SENT_MAX];

			if (rig->sent_count > age) {
				peer_reply(rig, age, false,
					   rig_group(rig, (uint8_t)(sent->group - 1))->raft.last);
			}
		}
		rig_drain(rig);
	}
}

static bool leads(struct rig *rig)
{
	bool all = true;

	for (uint8_t g = 0; g < RIG_GROUPS; g++)
		all = all && rig_group(rig, g)->raft.role == RAFT_LEADER;
	return all;
}

void peer_follow(struct rig *rig)
{
	for (unsigned round = 0; round < 4 && !leads(rig); round++) {
		rig->now_ns += 3 * (qr_ns)RIG_TIMEOUT_NS;
		rig_drain(rig);
		peer_agree(rig);
	}
	QR_ASSERT(leads(rig));
}
