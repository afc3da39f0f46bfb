/*
 * What is under way: messages in the order in which they left, taken out by receiver and by etcd's
 * name for their type. A proposal travels like a message, from a node that does not lead to the one
 * that it takes for the leader; in our system a client would go there itself.
 */
#include "consensus/base/assert.h"
#include "tests/scenario/replay/world_internal.h"

#include <stdlib.h>
#include <string.h>

void world_packets_add(struct world_packets *packets, struct world_packet packet)
{
	size_t size = (packets->count + 1) * sizeof(packets->packets[0]);

	packets->packets = realloc(packets->packets, size);
	QR_ASSERT(packets->packets != NULL);
	packets->packets[packets->count++] = packet;
}

void world_packets_free(struct world_packets *packets)
{
	for (uint32_t i = 0; i < packets->count; i++) {
		free(packets->packets[i].packet.entries);
		free(packets->packets[i].proposal);
	}
	free(packets->packets);
	*packets = (struct world_packets){0};
}

/* From the outbox into the network: everything, or what a finished write has released. */
void world_packets_depart(struct world *world, qr_node node, bool only_replies)
{
	struct world_packets *outbox = &world->nodes[node].outbox;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < outbox->count; i++) {
		enum raft_message_kind kind = outbox->packets[i].packet.message.kind;
		bool reply = kind == RAFT_MESSAGE_PRE_VOTE_REPLY ||
			     kind == RAFT_MESSAGE_VOTE_REPLY || kind == RAFT_MESSAGE_APPEND_REPLY ||
			     kind == RAFT_MESSAGE_HEARTBEAT_REPLY;

		if (only_replies && !reply) {
			outbox->packets[kept++] = outbox->packets[i];
		} else {
			world_packets_add(&world->network, outbox->packets[i]);
		}
	}
	outbox->count = kept;
}

static const struct {
	const char *name;
	enum raft_message_kind kind;
} types[] = {
	{"MsgPreVote", RAFT_MESSAGE_PRE_VOTE},
	{"MsgPreVoteResp", RAFT_MESSAGE_PRE_VOTE_REPLY},
	{"MsgVote", RAFT_MESSAGE_VOTE},
	{"MsgVoteResp", RAFT_MESSAGE_VOTE_REPLY},
	{"MsgApp", RAFT_MESSAGE_APPEND},
	{"MsgAppResp", RAFT_MESSAGE_APPEND_REPLY},
	{"MsgHeartbeat", RAFT_MESSAGE_HEARTBEAT},
	{"MsgHeartbeatResp", RAFT_MESSAGE_HEARTBEAT_REPLY},
	{"MsgTimeoutNow", RAFT_MESSAGE_TIMEOUT_NOW},
};

static const char *type_of(const struct world_packet *packet)
{
	if (packet->proposal != NULL)
		return "MsgProp";
	if (packet->announces)
		return "MsgApp";
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (types[i].kind == packet->packet.message.kind)
			return types[i].name;
	}
	return "";
}

bool world_knows_type(const char *type)
{
	if (strcmp(type, "MsgProp") == 0)
		return true;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (strcmp(types[i].name, type) == 0)
			return true;
	}
	return false;
}

static bool fits(const struct world_packet *packet, qr_node node, const char *type)
{
	return packet->packet.message.to == node &&
	       (type == NULL || strcmp(type, type_of(packet)) == 0);
}

bool world_has_messages(const struct world *world, qr_node node)
{
	for (uint32_t i = 0; i < world->network.count; i++) {
		if (fits(&world->network.packets[i], node, NULL))
			return true;
	}
	return false;
}

/* Take out of the network what fits, in the order of sending. */
static struct world_packets take_packets(struct world *world, qr_node node, const char *type)
{
	struct world_packets taken = {0};
	uint32_t kept = 0;

	for (uint32_t i = 0; i < world->network.count; i++) {
		if (fits(&world->network.packets[i], node, type)) {
			world_packets_add(&taken, world->network.packets[i]);
		} else {
			world->network.packets[kept++] = world->network.packets[i];
		}
	}
	world->network.count = kept;
	return taken;
}

void world_deliver(struct world *world, qr_node node, const char *type)
{
	struct world_packets taken = take_packets(world, node, type);

	for (uint32_t i = 0; i < taken.count; i++) {
		struct world_packet *packet = &taken.packets[i];

		if (packet->proposal != NULL) {
			(void)world_propose(world, node, packet->proposal);
		} else if (world_begin(world, node)) {
			world_receive(world, packet->packet);
			packet->packet.entries = NULL;
			world_end(world, node);
		}
	}
	world_packets_free(&taken);
}

void world_drop(struct world *world, qr_node node, const char *type)
{
	struct world_packets taken = take_packets(world, node, type);

	world_packets_free(&taken);
}
