/*
 * A pass of the scrub that somebody asks for: it finds all damage, has it repaired, counts it, and
 * ends, whatever happens to the group meanwhile. Nothing is scrubbed in the background.
 */
#include "tests/sim/rot.h"

#define KIB ((uint64_t)1024)
#define SLOW (256 * KIB) /* bytes a second: a pass then takes some seconds */

static struct story *begin(uint64_t seed)
{
	struct story *story = story_create(seed, 3);

	story_begin(story);
	story_run_acked(story, 3000);
	return story;
}

static void await_passes(struct story *story)
{
	STORY_AWAIT_IN(story, STORY_STEP_NS, 600 * STORY_SECOND,
		       story_scrub_ended(story, 1) && story_scrub_ended(story, 2) &&
			       story_scrub_ended(story, 3));
}

/** It has reached its goal, and what it counted adds up. */
static struct dp_scrub_group done(const struct story *story, qr_node node)
{
	struct dp_scrub_group seen = story_scrubbed(story, node);

	assert_int_equal(seen.state, DP_SCRUB_DONE);
	assert_true(seen.goal > 0 && seen.next > seen.goal);
	assert_int_equal(seen.passed_bytes, seen.total_bytes);
	assert_true(seen.verified_bytes <= seen.total_bytes);
	assert_int_equal(seen.damaged, seen.repaired + seen.lost);
	return seen;
}

static void a_pass_repairs_all_that_somebody_has(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 4; seed++) {
		struct story *story = begin(seed);
		struct rot_entries damaged = rot_all_but_one(story);

		for (qr_node node = 1; node <= 3; node++)
			story_scrub(story, node, 0);
		await_passes(story);
		assert_int_equal(rot_count_all(story), 0);
		for (qr_node node = 1; node <= 3; node++) {
			struct dp_scrub_group seen = done(story, node);

			assert_int_equal(seen.damaged, damaged.of[node]);
			assert_int_equal(seen.lost, 0);
			assert_true(seen.verified_bytes > seen.total_bytes / 2);
		}
		assert_int_equal(story->world.count.damage_found, 0);
		story_end(story);
	}
}

static void a_second_pass_finds_nothing(void **state)
{
	struct story *story = begin(5);
	qr_node node = story_next(story, story_leader(story), 1);

	(void)state;
	assert_true(rot_flip(story, node, 3));
	story_scrub(story, node, 0);
	STORY_AWAIT(story, story_scrub_ended(story, node));
	assert_int_equal(done(story, node).damaged, 1);
	story_scrub(story, node, 0);
	STORY_AWAIT(story, story_scrub_ended(story, node));
	assert_int_equal(done(story, node).damaged, 0);
	story_end(story);
}

static void what_nobody_has_is_told(void **state)
{
	struct story *story = begin(6);
	qr_block middle = rot_settled(story) / 2;

	(void)state;
	while (!rot_flip(story, 1, middle))
		middle++;
	assert_true(rot_flip(story, 2, middle) && rot_flip(story, 3, middle));
	for (qr_node node = 1; node <= 3; node++)
		(void)rot_flip(story, node, middle / 2 + node);
	for (qr_node node = 1; node <= 3; node++)
		story_scrub(story, node, 0);
	await_passes(story);
	for (qr_node node = 1; node <= 3; node++) {
		struct dp_scrub_group seen = done(story, node);
		const struct sim_log *log = &story->world.oracle.logs[1];
		const struct sim_entry *lost = &log->entries[seen.first_lost[0].index - 1];

		assert_int_equal(seen.lost, 1);
		assert_false(seen.unheard);
		assert_true(lost->block <= middle && middle < lost->block + lost->blocks);
		assert_true(seen.first_lost[0].next > seen.first_lost[0].index);
		assert_int_equal(rot_count(story, node), 1);
	}
	sim_media_mend_at(&story->world.nodes[2].disk.media, 0);
	for (qr_node node = 1; node <= 3; node++)
		story_scrub(story, node, 0);
	await_passes(story);
	assert_int_equal(rot_count_all(story), 0);
	assert_int_equal(done(story, 1).lost, 0);
	story_end(story);
}

static void a_pass_ends_when_everything_is_lost(void **state)
{
	struct story *story = begin(7);
	qr_block end = rot_settled(story);

	(void)state;
	for (qr_block block = 0; block < end; block++) {
		for (qr_node node = 1; node <= 3; node++)
			(void)rot_flip(story, node, block);
	}
	for (qr_node node = 1; node <= 3; node++)
		story_scrub(story, node, 0);
	await_passes(story);
	for (qr_node node = 1; node <= 3; node++) {
		struct dp_scrub_group seen = done(story, node);

		assert_true(seen.lost > DP_SCRUB_LOST_MAX && seen.repaired == 0);
		assert_int_equal(seen.first_lost[0].index, 1);
	}
	for (qr_node node = 1; node <= 3; node++) {
		while (rot_count(story, node) > 0)
			sim_media_mend_at(&story->world.nodes[node].disk.media, 0);
	}
	story_end(story);
}

static void the_last_entry_is_looked_at_too(void **state)
{
	struct story *story = begin(8);
	const struct sim_log *log = &story->world.oracle.logs[1];
	qr_node node = story_next(story, story_leader(story), 2);

	(void)state;
	story->world.quiet = true;
	story_run(story, 5 * STORY_SECOND);
	assert_true(rot_flip(story, node, log->entries[log->count - 1].block));
	story_scrub(story, node, 0);
	STORY_AWAIT(story, story_scrub_ended(story, node));
	assert_int_equal(done(story, node).repaired, 1);
	assert_int_equal(story_scrubbed(story, node).goal, log->count);
	assert_int_equal(rot_count(story, node), 0);
	story->world.quiet = false;
	story_end(story);
}

static void a_pass_goes_on_under_another_leader(void **state)
{
	struct story *story = begin(9);
	qr_node leader = story_leader(story);
	struct rot_entries damaged = rot_all_but_one(story);
	uint32_t isolated;

	(void)state;
	for (qr_node node = 1; node <= 3; node++)
		story_scrub(story, node, 0);
	STORY_AWAIT(story, story_scrubbed(story, leader).repaired > 10);
	isolated = story_fault(story, (struct sim_fault){.kind = SIM_FAULT_ISOLATE, .a = leader},
			       STORY_FOR_EVER);
	story_run(story, 3 * STORY_ELECTION_NS);
	story_heal(story, isolated);
	await_passes(story);
	assert_true(story_leader(story) != leader);
	assert_int_equal(rot_count_all(story), 0);
	for (qr_node node = 1; node <= 3; node++) {
		assert_int_equal(done(story, node).damaged, damaged.of[node]);
		assert_int_equal(done(story, node).lost, 0);
	}
	story_end(story);
}

/* Whoever has the only copy says nothing yet: that is not yet a loss. */
static void a_pass_waits_a_while_for_who_is_silent(void **state)
{
	struct story *story = begin(10);
	qr_node leader = story_leader(story);
	qr_node other = story_next(story, leader, 1);
	qr_node has = story_next(story, leader, 2);
	uint32_t isolated;

	(void)state;
	assert_true(rot_flip(story, leader, 3) && rot_flip(story, other, 3));
	for (unsigned round = 0; round < 2; round++) {
		isolated =
			story_fault(story, (struct sim_fault){.kind = SIM_FAULT_ISOLATE, .a = has},
				    STORY_FOR_EVER);
		story_scrub(story, leader, 0);
		if (round == 0) {
			STORY_AWAIT(story, story_scrub_ended(story, leader));
			assert_int_equal(done(story, leader).lost, 1);
			assert_true(story_scrubbed(story, leader).unheard);
		}
		story_run(story, 3 * STORY_SECOND);
		story_heal(story, isolated);
		STORY_AWAIT(story, story_scrub_ended(story, leader));
	}
	assert_int_equal(done(story, leader).repaired, 1);
	assert_int_equal(rot_count(story, leader), 0);
	story_scrub(story, other, 0);
	STORY_AWAIT(story, story_scrub_ended(story, other));
	story_end(story);
}

static struct story *begin_trimmed(uint64_t seed)
{
	struct story *story = story_create(seed, 3);

	story->plan.retention_blocks = 4 * story->plan.geometry.segment_blocks;
	story->plan.retention_hold_ns = STORY_SECOND;
	story_begin(story);
	story_run_acked(story, 1000);
	return story;
}

static void a_log_may_be_trimmed_while_it_is_read(void **state)
{
	(void)state;
	for (uint64_t seed = 11; seed < 14; seed++) {
		struct story *story = begin_trimmed(seed);
		qr_node node = story_next(story, story_leader(story), (qr_node)(seed % 3));
		qr_index goal;

		(void)rot_flip(story, node, rot_settled(story) - 3);
		story_scrub(story, node, seed == 11 ? KIB : SLOW);
		story_run(story, STORY_STEP_NS);
		goal = story_scrubbed(story, node).goal;
		STORY_AWAIT_IN(story, STORY_STEP_NS, 300 * STORY_SECOND,
			       store_log_origin(story_group(story, node)->log).index > goal ||
				       story_scrub_ended(story, node));
		STORY_AWAIT(story, story_scrub_ended(story, node));
		assert_int_equal(done(story, node).lost, 0);
		story_end(story);
	}
}

/** Nobody has what the node lacks any more. */
static bool is_lost(const struct story *story, qr_node away)
{
	qr_index last = story_group(story, away)->raft.last;

	for (qr_node node = 1; node <= 3; node++) {
		if (node != away &&
		    store_log_origin(story_group(story, node)->log).index <= last + 50)
			return false;
	}
	return true;
}

static void a_snapshot_may_take_the_place_of_what_is_read(void **state)
{
	(void)state;
	for (uint64_t seed = 14; seed < 17; seed++) {
		struct story *story = begin_trimmed(seed);
		qr_node away = story_next(story, story_leader(story), 1);
		uint32_t cut =
			story_fault(story, (struct sim_fault){.kind = SIM_FAULT_ISOLATE, .a = away},
				    STORY_FOR_EVER);

		story_run(story, 2 * STORY_SECOND);
		(void)rot_flip(story, away, rot_settled(story) / 2);
		STORY_AWAIT_IN(story, STORY_STEP_NS, 300 * STORY_SECOND, is_lost(story, away));
		story_scrub(story, away, 8 * KIB);
		story_run(story, STORY_SECOND);
		story_heal(story, cut);
		STORY_AWAIT(story, story->world.count.installs > 0);
		assert_false(story_scrub_ended(story, away));
		STORY_AWAIT(story, story_scrub_ended(story, away));
		assert_int_equal(story_scrubbed(story, away).state, DP_SCRUB_DONE);
		assert_int_equal(story_scrubbed(story, away).lost, 0);
		story_end(story);
	}
}

/* It misses at its start what nobody has: it is not there to be read, and that is told. */
static void a_group_that_does_not_serve_is_left_out(void **state)
{
	struct story *story = story_create(17, 3);
	qr_block middle;

	(void)state;
	story->plan.snapshot_blocks = 0;
	story_begin(story);
	story_run_acked(story, 1000);
	middle = rot_settled(story) / 2;
	(void)story_fault(story, (struct sim_fault){.kind = SIM_FAULT_POWER_ALL}, 10 * STORY_MS);
	while (!rot_flip(story, 1, middle))
		middle++;
	assert_true(rot_flip(story, 2, middle) && rot_flip(story, 3, middle));
	story_run(story, STORY_SECOND);
	story_scrub(story, 1, 0);
	story_run(story, 5 * STORY_SECOND);
	assert_false(story_scrub_ended(story, 1));
	STORY_AWAIT(story, story_scrub_ended(story, 1));
	assert_int_equal(story_scrubbed(story, 1).state, DP_SCRUB_LEFT_OUT);
	assert_int_equal(story_scrubbed(story, 1).reason, QR_CORRUPT);
	sim_media_mend_at(&story->world.nodes[2].disk.media, 0);
	STORY_AWAIT(story, sim_node_group(&story->world.nodes[1], 1) != NULL);
	story_end(story);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pass_repairs_all_that_somebody_has),
		cmocka_unit_test(a_second_pass_finds_nothing),
		cmocka_unit_test(what_nobody_has_is_told),
		cmocka_unit_test(a_pass_ends_when_everything_is_lost),
		cmocka_unit_test(the_last_entry_is_looked_at_too),
		cmocka_unit_test(a_pass_goes_on_under_another_leader),
		cmocka_unit_test(a_pass_waits_a_while_for_who_is_silent),
		cmocka_unit_test(a_log_may_be_trimmed_while_it_is_read),
		cmocka_unit_test(a_snapshot_may_take_the_place_of_what_is_read),
		cmocka_unit_test(a_group_that_does_not_serve_is_left_out),
	};

	return cmocka_run_group_tests_name("sim/scrub", tests, NULL, NULL);
}
