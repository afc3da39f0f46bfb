/*
 * What a node takes from the network: a datagram of a peer's present life, once, as it was sent.
 * Told apart from what it refuses by the counters of dropped datagrams.
 */
#include "consensus/base/assert.h"
#include "dataplane/node/state.h"
#include "tests/sim/memory.h"
#include "tests/sim/world.h"

#include <string.h>

#define COUNTERS_MAX ((uint64_t)1 << 24) /* of one life */

void sim_heard_forget(struct sim_heard *heard)
{
	sim_free(heard->counters);
	*heard = (struct sim_heard){0};
}

/** @return whether it was there already. */
static bool add(struct sim_heard *heard, uint64_t counter)
{
	uint64_t word = counter / 64;
	uint64_t bit = (uint64_t)1 << counter % 64;
	bool there;

	QR_ASSERT(counter < COUNTERS_MAX);
	if (word >= heard->room) {
		uint64_t room = heard->room == 0 ? 64 : heard->room;

		while (room <= word)
			room *= 2;
		heard->counters = sim_resize(heard->counters, room * sizeof(*heard->counters));
		memset(heard->counters + heard->room, 0,
		       (room - heard->room) * sizeof(*heard->counters));
		heard->room = room;
	}
	there = (heard->counters[word] & bit) != 0;
	heard->counters[word] |= bit;
	return there;
}

static void check_taken(struct sim_world *world, qr_node node, const struct sim_packet *packet)
{
	struct sim_heard *heard;
	uint32_t incarnation;
	uint64_t counter;

	if (packet->wrong)
		sim_fail(world, 20, "node %u takes a datagram that nobody sent so", node);
	/* Clients repeat themselves under new counters, and are judged by session. */
	if (packet->from > world->plan->node_count)
		return;
	heard = &world->nodes[node].heard[packet->from];
	memcpy(&incarnation, packet->data + SIM_HEADER_INCARNATION, sizeof(incarnation));
	memcpy(&counter, packet->data + SIM_HEADER_COUNTER, sizeof(counter));
	if (incarnation < heard->incarnation) {
		sim_fail(world, 20, "node %u takes a datagram of life %u of node %u, it heard %u",
			 node, incarnation, packet->from, heard->incarnation);
	}
	if (incarnation > heard->incarnation) {
		sim_heard_forget(heard);
		heard->incarnation = incarnation;
	}
	if (add(heard, counter)) {
		sim_fail(world, 20, "node %u takes datagram %lu of node %u twice", node,
			 (unsigned long)counter, packet->from);
	}
}

static uint64_t count_drops(const struct dp_stats *stats)
{
	uint64_t count = 0;

	for (uint32_t d = 0; d < WIRE_DROPS; d++)
		count += stats->drops[d];
	return count;
}

void sim_hear(struct sim_world *world, qr_node id, const struct sim_packet *packet, qr_ns clock_ns)
{
	struct sim_node *node = &world->nodes[id];
	const struct dp_stats *stats = dp_core_stats(node->core);
	struct qr_span datagram = {packet->data, packet->size_bytes};
	struct dp_address from = {.ipv4 = packet->from, .udp = packet->from};
	uint64_t dropped = count_drops(stats);
	uint64_t unsound = stats->drops[WIRE_DROP_CHECKSUM];

	dp_core_receive(node->core, datagram, from, clock_ns);
	if (count_drops(stats) == dropped)
		check_taken(world, id, packet);
	if (stats->drops[WIRE_DROP_CHECKSUM] != unsound && !world->corrupts)
		sim_fail(world, 20, "node %u finds wrong bytes on a network that keeps them", id);
}
