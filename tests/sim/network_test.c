/*
 * Clusters and what comes over their links, one story per fault: what a person would see. That
 * nothing acknowledged is lost, and everything else that must hold, is checked by the oracle
 * throughout.
 */
#include "tests/sim/story.h"

#include <string.h>

/* ---- clusters ---- */

static void three_nodes_replicate_what_clients_append(void **state)
{
	struct story *story = story_create(1, 3);

	(void)state;
	story_begin(story);
	story_run_acked(story, 3000);
	assert_int_equal(story->world.count.elections, 1);
	story_end(story);
}

static void one_node_is_a_cluster(void **state)
{
	struct story *story = story_create(2, 1);

	(void)state;
	story_begin(story);
	story_run_acked(story, 1500);
	story_end(story);
}

static void a_crashed_leader_is_replaced_and_comes_back(void **state)
{
	struct story *story = story_create(3, 3);
	qr_node old;

	(void)state;
	story_begin(story);
	old = story_leader(story);
	(void)story_fault(story, (struct sim_fault){.kind = SIM_FAULT_POWER, .a = old},
			  5 * STORY_SECOND);
	story_run_acked(story, 500);
	assert_false(story->world.nodes[old].up);
	assert_int_not_equal(story_leader(story), old);
	STORY_AWAIT(story, sim_node_group(&story->world.nodes[old], 1) != NULL);
	STORY_AWAIT(story, sim_oracle_is_converged(&story->world));
	story_end(story);
}

static void a_follower_far_behind_is_filled_from_the_segments(void **state)
{
	struct story *story = story_create(4, 3);
	struct store_location location;
	struct qr_span bytes;
	qr_block window = story->plan.window_blocks;
	qr_node follower;
	qr_node leader;
	qr_index last;

	(void)state;
	story_begin(story);
	leader = story_leader(story);
	follower = story_next(story, leader, 1);
	last = story_group(story, follower)->raft.last;
	(void)story_fault(story, (struct sim_fault){.kind = SIM_FAULT_POWER, .a = follower},
			  STORY_FOR_EVER);
	STORY_AWAIT(story, store_log_tail(story_group(story, leader)->log) > 4 * window);
	assert_int_equal(
		store_window_entry(story_group(story, leader)->log, last + 2, &location, &bytes),
		QR_NOT_FOUND);
	sim_node_start(&story->world, follower);
	STORY_AWAIT(story, sim_oracle_is_converged(&story->world));
	story_end(story);
}

/* ---- hostile datagrams ---- */

static void loss_and_duplicates_only_slow_it_down(void **state)
{
	struct story *story = story_create(11, 3);

	(void)state;
	story_begin(story);
	(void)story_fault(story, (struct sim_fault){.kind = SIM_FAULT_LOSS, .amount = 30},
			  STORY_FOR_EVER);
	(void)story_fault(story, (struct sim_fault){.kind = SIM_FAULT_DUPLICATES, .amount = 50},
			  STORY_FOR_EVER);
	story_run_acked(story, 2000);
	for (qr_node node = 1; node <= 3; node++)
		assert_true(story_drops(story, node, WIRE_DROP_REPLAYED) > 100);
	story_end(story);
}

static void garbage_is_dropped_and_counted(void **state)
{
	struct story *story = story_create(12, 3);

	(void)state;
	story_begin(story);
	for (uint32_t n = 0; n < 3000; n++) {
		sim_net_garbage(&story->world, (qr_node)(1 + n % 3)); /* 8 of them */
		story_run(story, STORY_MS);
	}
	story_run_acked(story, 300);
	for (qr_node node = 1; node <= 3; node++) {
		assert_true(story_drops(story, node, WIRE_DROP_MALFORMED) > 5000);
		assert_true(story_drops(story, node, WIRE_DROP_FOREIGN) > 1000);
		assert_true(story_drops(story, node, WIRE_DROP_NOT_PEER) > 1000);
	}
	assert_int_equal(story->world.count.elections, 1);
	story_end(story);
}

static void flipped_bits_are_caught_by_the_checksum(void **state)
{
	struct story *story = story_create(13, 3);

	(void)state;
	story_begin(story);
	(void)story_fault(story, (struct sim_fault){.kind = SIM_FAULT_FLIPS, .amount = 20},
			  STORY_FOR_EVER);
	story_run_acked(story, 2000);
	for (qr_node node = 1; node <= 3; node++)
		assert_true(story_drops(story, node, WIRE_DROP_CHECKSUM) > 100);
	story_end(story);
}

static struct qr_span sealed(uint8_t *buffer, size_t room, const struct wire_header *header)
{
	struct qr_writer writer = qr_writer_over(buffer, room);

	wire_begin(&writer);
	wire_put_status(&writer, &(struct wire_status){.request = 1});
	return (struct qr_span){buffer, wire_finish(&writer, header)};
}

static void another_clusters_datagrams_change_nothing(void **state)
{
	struct story *story = story_create(14, 3);
	uint8_t buffer[256];
	const struct wire_header foreign = {
		.cluster = SIM_CLUSTER + 1, .counter = 1, .incarnation = 1};
	const struct wire_header stranger = {.source = WIRE_FROM_PEER,
					     .from = 9,
					     .to = 1,
					     .cluster = SIM_CLUSTER,
					     .counter = 1,
					     .incarnation = 1};

	(void)state;
	story_begin(story);
	story_deliver(story, 1, sealed(buffer, sizeof(buffer), &foreign), 0);
	assert_int_equal(story_drops(story, 1, WIRE_DROP_FOREIGN), 1);
	story_deliver(story, 1, sealed(buffer, sizeof(buffer), &stranger), 0);
	assert_int_equal(story_drops(story, 1, WIRE_DROP_NOT_PEER), 1);
	story_end(story);
}

/* Who can reach the clients' port could otherwise start a new incarnation of a node, and mute it.
 */
static void what_claims_to_be_a_peer_at_the_clients_port_mutes_nobody(void **state)
{
	struct story *story = story_create(15, 3);
	uint8_t buffer[256];
	const struct wire_header forged = {.source = WIRE_FROM_PEER,
					   .from = 2,
					   .to = 1,
					   .cluster = SIM_CLUSTER,
					   .counter = 1u << 30,
					   .incarnation = 0xf04};

	(void)state;
	story_begin(story);
	story->world.nodes[1].config.client_ports = 1u << 1;
	(void)story_fault(story, (struct sim_fault){.kind = SIM_FAULT_KILL, .a = 1}, STORY_MS);
	story_run_acked(story, 300);
	story_deliver(story, 1, sealed(buffer, sizeof(buffer), &forged), 1);
	assert_int_equal(story_drops(story, 1, WIRE_DROP_NOT_PEER), 1);
	story_run_acked(story, 300);
	/* Hundreds, were it muted; a very late one may be older than the window. */
	assert_true(story_drops(story, 1, WIRE_DROP_REPLAYED) < 10);
	story_end(story);
}

static struct dp_peer *peer_of(const struct story *story, qr_node node, qr_node peer)
{
	struct dp_core *core = story->world.nodes[node].core;

	for (uint32_t p = 0; p < core->peer_count; p++) {
		if (core->peers[p].config.node == peer)
			return &core->peers[p];
	}
	fail_msg("node %u does not know node %u", node, peer);
	return NULL;
}

static const struct sim_packet *remembered(const struct story *story, qr_node from, qr_node to)
{
	for (uint32_t r = 0; r < SIM_REMEMBERED; r++) {
		const struct sim_packet *packet = story->world.net.remembered[r];

		if (packet != NULL && packet->from == from && packet->to == to)
			return packet;
	}
	return NULL;
}

/* Found by quorate-sim: taken for a newer incarnation, it made the living one the old one. */
static void a_datagram_of_an_earlier_life_does_not_mute_the_node(void **state)
{
	struct story *story = story_create(16, 3);
	uint8_t old[SIM_DATAGRAM_MAX];
	struct qr_span datagram = {.data = old};
	uint64_t drops;
	qr_node leader;
	qr_node node;
	qr_ns heard_ns;

	(void)state;
	story_begin(story);
	story->world.keeps_packets = true;
	leader = story_leader(story);
	node = story_next(story, leader, 1);
	STORY_AWAIT(story, remembered(story, node, leader) != NULL);
	datagram.size_bytes = remembered(story, node, leader)->size_bytes;
	memcpy(old, remembered(story, node, leader)->data, datagram.size_bytes);
	(void)story_fault(story, (struct sim_fault){.kind = SIM_FAULT_KILL, .a = node},
			  10 * STORY_MS);
	STORY_AWAIT(story, story->world.nodes[node].up &&
				   peer_of(story, leader, node)->replay.incarnation ==
					   story->world.nodes[node].incarnation);
	drops = story_drops(story, leader, WIRE_DROP_REPLAYED);
	for (unsigned times = 0; times < 3; times++)
		story_deliver(story, leader, datagram, 0);
	assert_int_equal(story_drops(story, leader, WIRE_DROP_REPLAYED), drops + 3);
	heard_ns = peer_of(story, leader, node)->heard_ns;
	STORY_AWAIT_IN(story, STORY_STEP_NS, STORY_ELECTION_NS,
		       peer_of(story, leader, node)->heard_ns > heard_ns);
	story_end(story);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(three_nodes_replicate_what_clients_append),
		cmocka_unit_test(one_node_is_a_cluster),
		cmocka_unit_test(a_crashed_leader_is_replaced_and_comes_back),
		cmocka_unit_test(a_follower_far_behind_is_filled_from_the_segments),
		cmocka_unit_test(loss_and_duplicates_only_slow_it_down),
		cmocka_unit_test(garbage_is_dropped_and_counted),
		cmocka_unit_test(flipped_bits_are_caught_by_the_checksum),
		cmocka_unit_test(another_clusters_datagrams_change_nothing),
		cmocka_unit_test(what_claims_to_be_a_peer_at_the_clients_port_mutes_nobody),
		cmocka_unit_test(a_datagram_of_an_earlier_life_does_not_mute_the_node),
	};

	return cmocka_run_group_tests_name("sim/network", tests, NULL, NULL);
}
