/*
 * Single faults, one story each: what a person would see, and that nothing acknowledged is lost.
 */
#include "tests/sim/scene.h"
#include "tests/unit/unit.h"

#include "consensus/base/assert.h"

#include <stdlib.h>
#include <string.h>

static uint64_t dropped(const struct world *world, qr_node node, enum wire_drop drop)
{
	return dp_core_stats(world->nodes[node].core)->drops[drop];
}

/* ---- hostile datagrams ---- */

static void send_raw(struct scene *scene, qr_node node, const uint8_t *data, uint32_t size_bytes)
{
	scene->world.packets[scene->world.packet_count++] = (struct world_packet){
		.to = node,
		.from = {.udp = 99},
		.size_bytes = size_bytes,
		.data = memcpy(malloc(size_bytes + 1), data, size_bytes),
	};
}

static uint32_t sealed(uint8_t *buffer, size_t room, const struct wire_header *header)
{
	struct qr_writer writer = qr_writer_over(buffer, room);

	wire_begin(&writer);
	wire_put_status(&writer, &(struct wire_status){.request = 1});
	return (uint32_t)wire_finish(&writer, header);
}

static void garbage_is_dropped_and_counted(void **state)
{
	struct scene *scene = scene_create(11, 3);
	uint8_t noise[2048];

	(void)state;
	scene_run_until_acked(scene, 100);
	for (uint32_t n = 0; n < 20000; n++) {
		uint32_t size_bytes = (uint32_t)qr_prng_below(&scene->world.prng, sizeof(noise));

		for (uint32_t b = 0; b + 8 <= sizeof(noise); b += 8) {
			uint64_t bits = qr_prng_next(&scene->world.prng);

			memcpy(noise + b, &bits, sizeof(bits));
		}
		send_raw(scene, (qr_node)(1 + n % 3), noise, size_bytes);
		if (n % 16 == 0)
			scene_step(scene);
	}
	scene_settle(scene, 800);
	for (qr_node node = 1; node <= 3; node++)
		assert_true(dropped(&scene->world, node, WIRE_DROP_MALFORMED) > 6000);
	scene_audit(scene);
	scene_destroy(scene);
}

/** Take real packets, flip a bit, send both: the network that lies. */
static void flipped_bits_are_caught_by_the_checksum(void **state)
{
	struct scene *scene = scene_create(12, 3);

	(void)state;
	while (scene_acked(scene) < 1500) {
		uint32_t count = scene->world.packet_count;

		for (uint32_t p = 0; p < count && p < 8; p++) {
			struct world_packet *packet = &scene->world.packets[p];
			uint64_t bit =
				qr_prng_below(&scene->world.prng, 8 * (uint64_t)packet->size_bytes);

			if (packet->to == 0)
				continue;
			packet->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
			if (qr_prng_below(&scene->world.prng, 4) != 0)
				packet->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
		scene_step(scene);
	}
	scene_settle(scene, 2000);
	assert_true(dropped(&scene->world, 1, WIRE_DROP_CHECKSUM) > 0);
	scene_audit(scene);
	scene_destroy(scene);
}

static void another_clusters_datagrams_change_nothing(void **state)
{
	struct scene *scene = scene_create(13, 3);
	uint8_t buffer[256];
	struct wire_header foreign = {.cluster = 0xbad, .counter = 1, .incarnation = 1};
	struct wire_header stranger = {.source = WIRE_FROM_PEER,
				       .from = 9,
				       .to = 1,
				       .cluster = 0x51,
				       .counter = 1,
				       .incarnation = 1};

	(void)state;
	scene_run_until_acked(scene, 100);
	send_raw(scene, 1, buffer, sealed(buffer, sizeof(buffer), &foreign));
	send_raw(scene, 1, buffer, sealed(buffer, sizeof(buffer), &stranger));
	scene_step(scene);
	assert_int_equal(dropped(&scene->world, 1, WIRE_DROP_FOREIGN), 1);
	assert_int_equal(dropped(&scene->world, 1, WIRE_DROP_NOT_PEER), 1);
	scene_destroy(scene);
}

/* Who can reach the clients' port could otherwise start a new incarnation of a node, and mute it.
 */
static void what_claims_to_be_a_peer_at_the_clients_port_mutes_nobody(void **state)
{
	struct scene *scene = scene_create(21, 3);
	uint8_t buffer[256];
	struct wire_header forged = {.source = WIRE_FROM_PEER,
				     .from = 2,
				     .to = 1,
				     .cluster = 0x51,
				     .counter = 1u << 30,
				     .incarnation = 0xf04};

	(void)state;
	world_crash_node(&scene->world, 1);
	scene->world.config.client_ports = 1u << 1;
	world_start_node(&scene->world, 1);
	scene_run_until_acked(scene, 100);
	send_raw(scene, 1, buffer, sealed(buffer, sizeof(buffer), &forged));
	scene->world.packets[scene->world.packet_count - 1].from.port = 1;
	scene_step(scene);
	assert_int_equal(dropped(&scene->world, 1, WIRE_DROP_NOT_PEER), 1);
	scene_settle(scene, 800);
	assert_int_equal(dropped(&scene->world, 1, WIRE_DROP_REPLAYED), 0);
	scene_audit(scene);
	scene_destroy(scene);
}

static void a_replayed_datagram_of_a_peer_is_dropped(void **state)
{
	struct scene *scene = scene_create(14, 3);

	(void)state;
	scene->world.faults.duplicate_percent = 100;
	scene_settle(scene, 400);
	for (qr_node node = 1; node <= 3; node++)
		assert_true(dropped(&scene->world, node, WIRE_DROP_REPLAYED) > 10);
	scene_audit(scene);
	scene_destroy(scene);
}

/* ---- disks ---- */

static void a_leader_whose_writes_fail_is_replaced(void **state)
{
	struct scene *scene = scene_create(15, 3);
	qr_node leader;

	(void)state;
	scene_run_until_acked(scene, 300);
	leader = world_leader(&scene->world, 1);
	scene->world.nodes[leader].disk.fail_writes = true;
	scene_run_until_acked(scene, 900);
	assert_int_equal(world_status(&scene->world, leader, 1).condition, QR_POISONED);
	assert_int_not_equal(world_leader(&scene->world, 1), leader);
	/* The media is mended: reopened and verified, it takes part again. */
	world_crash_node(&scene->world, leader);
	scene->world.nodes[leader].disk.fail_writes = false;
	world_start_node(&scene->world, leader);
	scene_settle(scene, 800);
	scene_audit(scene);
	scene_destroy(scene);
}

static void a_full_disk_refuses_and_resumes_when_freed(void **state)
{
	struct scene *scene = scene_create(16, 3);
	uint64_t acked;

	(void)state;
	scene_run_until_acked(scene, 100);
	for (qr_node node = 1; node <= 3; node++) {
		scene->world.nodes[node].disk.segment_limit =
			scene->world.nodes[node].disk.segment_count;
	}
	for (uint32_t s = 0; s < 100000; s++)
		scene_step(scene);
	assert_int_equal(world_status(&scene->world, world_leader(&scene->world, 1), 1).condition,
			 QR_NO_SPACE);
	acked = scene_acked(scene);
	for (uint32_t s = 0; s < 10000; s++)
		scene_step(scene);
	assert_int_equal(scene_acked(scene), acked);
	for (qr_node node = 1; node <= 3; node++)
		scene->world.nodes[node].disk.segment_limit = 0;
	scene_settle(scene, scene->producers[0].next + 400);
	assert_true(scene_acked(scene) > acked);
	scene_audit(scene);
	scene_destroy(scene);
}

static void a_slow_follower_leaves_the_commit_path(void **state)
{
	struct scene *scene = scene_create(17, 3);
	qr_node slow;

	(void)state;
	scene_run_until_acked(scene, 100);
	slow = (qr_node)(world_leader(&scene->world, 1) % 3 + 1);
	scene->world.cut = qr_nodes_of(slow);
	scene_run_until_acked(scene, 900);
	scene->world.cut = 0;
	scene_settle(scene, 800);
	scene_audit(scene);
	scene_destroy(scene);
}

/* ---- membership of the minority ---- */

static void a_leader_without_a_quorum_acks_nothing_and_steps_down(void **state)
{
	struct scene *scene = scene_create(18, 3);
	qr_node leader;

	(void)state;
	scene_run_until_acked(scene, 100);
	leader = world_leader(&scene->world, 1);
	scene->world.cut = qr_nodes_of(leader);
	scene_run_until_acked(scene, 600);
	assert_int_not_equal(world_status(&scene->world, leader, 1).role, RAFT_LEADER);
	scene->world.cut = 0;
	scene_settle(scene, 800);
	scene_audit(scene);
	scene_destroy(scene);
}

/* A leader that was paused does not know the sessions opened at its successor: no reason to end
 * them. */
static void a_paused_leader_does_not_expire_sessions_it_never_saw(void **state)
{
	struct scene *scene = scene_create(20, 3);
	qr_node old;

	(void)state;
	for (uint32_t s = 0; s < 2000; s++)
		world_step(&scene->world, SCENE_STEP_NS); /* no clients yet */
	old = world_leader(&scene->world, 1);
	assert_int_not_equal(old, 0);
	scene->world.nodes[old].up = false;
	scene_run_until_acked(scene, 100);
	/* It goes on, and clients reach it before it has heard of the new leader. */
	scene->world.nodes[old].up = true;
	for (uint32_t p = 0; p < SCENE_PRODUCERS; p++)
		scene->producers[p].target = old;
	scene_settle(scene, scene->producers[0].next + 400);
	for (uint32_t p = 0; p < SCENE_PRODUCERS; p++)
		assert_false(scene->producers[p].expired);
	scene_audit(scene);
	scene_destroy(scene);
}

static void nobody_acks_without_a_majority(void **state)
{
	struct scene *scene = scene_create(19, 3);
	uint64_t acked;

	(void)state;
	scene_run_until_acked(scene, 100);
	world_crash_node(&scene->world, 2);
	world_crash_node(&scene->world, 3);
	for (uint32_t s = 0; s < 1000; s++)
		scene_step(scene);
	acked = scene_acked(scene);
	for (uint32_t s = 0; s < 20000; s++)
		scene_step(scene);
	assert_int_equal(scene_acked(scene), acked);
	world_start_node(&scene->world, 2);
	world_start_node(&scene->world, 3);
	scene_settle(scene, scene->producers[0].next + 400);
	scene_audit(scene);
	scene_destroy(scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(garbage_is_dropped_and_counted),
		cmocka_unit_test(flipped_bits_are_caught_by_the_checksum),
		cmocka_unit_test(another_clusters_datagrams_change_nothing),
		cmocka_unit_test(what_claims_to_be_a_peer_at_the_clients_port_mutes_nobody),
		cmocka_unit_test(a_replayed_datagram_of_a_peer_is_dropped),
		cmocka_unit_test(a_leader_whose_writes_fail_is_replaced),
		cmocka_unit_test(a_full_disk_refuses_and_resumes_when_freed),
		cmocka_unit_test(a_slow_follower_leaves_the_commit_path),
		cmocka_unit_test(a_leader_without_a_quorum_acks_nothing_and_steps_down),
		cmocka_unit_test(a_paused_leader_does_not_expire_sessions_it_never_saw),
		cmocka_unit_test(nobody_acks_without_a_majority),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
