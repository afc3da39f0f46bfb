/*
 * Whole nodes in the simulated world: what clients were told must be in every replica's durable
 * blocks, once, in order, whatever was lost, torn or restarted on the way.
 *
 * SIM_SEED and SIM_SEEDS choose the first seed and the number of seeds of the random story.
 */
#include "tests/sim/scene.h"
#include "tests/unit/unit.h"

#include <stdlib.h>

#define SEEDS 200

/* ---- stories ---- */

static void three_nodes_replicate_what_clients_append(void **state)
{
	struct scene *scene = scene_create(1, 3);

	(void)state;
	scene_settle(scene, 2000);
	scene_audit(scene);
	scene_destroy(scene);
}

static void one_node_is_a_cluster(void **state)
{
	struct scene *scene = scene_create(2, 1);

	(void)state;
	scene_settle(scene, 800);
	scene_audit(scene);
	scene_destroy(scene);
}

static void loss_and_duplicates_only_slow_it_down(void **state)
{
	struct scene *scene = scene_create(3, 3);

	(void)state;
	scene->world.faults.loss_percent = 30;
	scene->world.faults.duplicate_percent = 50;
	scene_settle(scene, 800);
	scene_audit(scene);
	scene_destroy(scene);
}

static void a_crashed_leader_is_replaced_and_comes_back(void **state)
{
	struct scene *scene = scene_create(4, 3);
	qr_node leader;

	(void)state;
	scene_run_until_acked(scene, 300);
	leader = world_leader(&scene->world, 1);
	world_crash_node(&scene->world, leader);
	scene_run_until_acked(scene, 1200);
	world_start_node(&scene->world, leader);
	scene_settle(scene, 2000);
	scene_audit(scene);
	scene_destroy(scene);
}

static void all_nodes_lose_power_at_once(void **state)
{
	struct scene *scene = scene_create(5, 3);

	(void)state;
	for (uint32_t round = 0; round < 5; round++) {
		scene_run_until_acked(scene, scene_acked(scene) + 300);
		for (qr_node node = 1; node <= 3; node++)
			world_crash_node(&scene->world, node);
		for (qr_node node = 1; node <= 3; node++)
			world_start_node(&scene->world, node);
	}
	scene_settle(scene, 2000);
	scene_audit(scene);
	scene_destroy(scene);
}

static void a_follower_far_behind_is_filled_from_the_segments(void **state)
{
	struct scene *scene = scene_create(6, 3);
	qr_node leader;
	qr_node follower;

	(void)state;
	scene_run_until_acked(scene, 100);
	leader = world_leader(&scene->world, 1);
	follower = (qr_node)(leader % 3 + 1);
	world_crash_node(&scene->world, follower);
	/* More than the window holds. */
	while (world_status(&scene->world, leader, 1).log_bytes < 3ull * 128 * QR_BLOCK_BYTES)
		scene_step(scene);
	world_start_node(&scene->world, follower);
	scene_settle(scene, scene->producers[0].next + 800);
	scene_audit(scene);
	scene_destroy(scene);
}

static void random_faults(uint64_t seed)
{
	struct scene *scene = scene_create(seed, seed % 2 == 0 ? 3 : 5);
	struct qr_prng prng;
	qr_node down = 0;

	qr_prng_init(&prng, seed * 7919);
	scene->world.faults.loss_percent = (uint32_t)qr_prng_below(&prng, 20);
	scene->world.faults.duplicate_percent = (uint32_t)qr_prng_below(&prng, 30);
	scene->world.faults.delay_max_ns = 20000 + qr_prng_below(&prng, 2000000);
	scene->world.faults.disk_max_ns = 60000 + qr_prng_below(&prng, 2000000);
	for (uint32_t s = 0; s < 20000; s++) {
		uint64_t dice = qr_prng_below(&prng, 4000);

		if (dice == 0 && down == 0) {
			down = (qr_node)(1 + qr_prng_below(&prng, scene->world.node_count));
			world_crash_node(&scene->world, down);
		} else if (dice < 4 && down != 0) {
			world_start_node(&scene->world, down);
			down = 0;
		} else if (dice == 5) {
			scene->world.cut = qr_nodes_of(
				(qr_node)(1 + qr_prng_below(&prng, scene->world.node_count)));
		} else if (dice < 9) {
			scene->world.cut = 0;
		}
		scene_step(scene);
	}
	scene->world.cut = 0;
	if (down != 0)
		world_start_node(&scene->world, down);
	scene->world.faults.loss_percent = 0;
	scene_settle(scene, scene->producers[0].next + 200);
	scene_audit(scene);
	scene_destroy(scene);
}

static void seeds_with_crashes_and_cuts(void **state)
{
	const char *first = secure_getenv("SIM_SEED");
	const char *count = secure_getenv("SIM_SEEDS");
	uint64_t seed = first == NULL ? 1 : strtoull(first, NULL, 10);
	uint64_t end = seed + (count == NULL ? SEEDS : strtoull(count, NULL, 10));

	(void)state;
	for (; seed < end; seed++) {
		random_faults(seed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(three_nodes_replicate_what_clients_append),
		cmocka_unit_test(one_node_is_a_cluster),
		cmocka_unit_test(loss_and_duplicates_only_slow_it_down),
		cmocka_unit_test(a_crashed_leader_is_replaced_and_comes_back),
		cmocka_unit_test(all_nodes_lose_power_at_once),
		cmocka_unit_test(a_follower_far_behind_is_filled_from_the_segments),
		cmocka_unit_test(seeds_with_crashes_and_cuts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
