/*
 * Disks that forget what they had: entries come back from the other nodes, while the group serves.
 * What is written in place of a lost entry is compared with the committed log by the simulator.
 */
#include "tests/sim/rot.h"

#define MIB (1u << 20)

static struct story *begin(uint64_t seed, qr_node nodes)
{
	struct story *story = story_create(seed, nodes);

	story->plan.scrub_bytes_per_second = 4 * MIB;
	story_begin(story);
	story_run_acked(story, 3000);
	return story;
}

static void rot_is_found_and_repaired_while_the_group_serves(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 4; seed++) {
		struct story *story = begin(seed, 3);
		qr_node leader = story_leader(story);
		qr_node rots = story_next(story, leader, (qr_node)(seed % 3)); /* it, too */
		uint64_t acked = story->world.count.acked;

		for (qr_block block = 3; block < rot_settled(story); block += 7)
			(void)rot_flip(story, rots, block);
		assert_true(rot_count(story, rots) > 20);
		STORY_AWAIT(story, rot_count(story, rots) == 0);
		assert_int_equal(story_leader(story), leader);
		assert_true(story->world.count.acked > acked);
		assert_int_equal(story->world.count.damage_found, 0);
		story_end(story);
	}
}

static void different_damage_on_every_replica_heals(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 4; seed++) {
		struct story *story = begin(10 + seed, 3);

		(void)rot_all_but_one(story);
		STORY_AWAIT_IN(story, STORY_STEP_NS, 600 * STORY_SECOND, rot_count_all(story) == 0);
		assert_int_equal(story->world.count.damage_found, 0);
		story_run_acked(story, 300);
		story_end(story);
	}
}

/* An entry that nobody has is an error for its readers; the rest of the log is served and mended.
 */
static void what_nobody_has_stays_lost_and_nothing_else(void **state)
{
	struct story *story = begin(20, 3);
	qr_block middle = rot_settled(story) / 2;
	const uint32_t lost = 3;

	(void)state;
	while (!rot_flip(story, 1, middle))
		middle++;
	assert_true(rot_flip(story, 2, middle) && rot_flip(story, 3, middle));
	for (qr_node node = 1; node <= 3; node++) {
		(void)rot_flip(story, node, middle / 2 + node);
		(void)rot_flip(story, node, rot_settled(story) - 2 - node);
	}
	STORY_AWAIT_IN(story, STORY_STEP_NS, 300 * STORY_SECOND, rot_count_all(story) == lost);
	story_run_acked(story, 300);
	/* Somebody finds a copy. */
	sim_media_mend_at(&story->world.nodes[2].disk.media, 0);
	STORY_AWAIT(story, rot_count_all(story) == 0);
	story_end(story);
}

/* It has no memory of the entry either: a follower that lags behind needs it from the disk. */
static void a_leader_repairs_what_it_needs_for_a_follower(void **state)
{
	struct story *story = story_create(30, 3);
	qr_node leader;
	qr_node lags;
	uint32_t isolated;

	(void)state;
	story_begin(story); /* nothing is scrubbed */
	leader = story_leader(story);
	lags = story_next(story, leader, 1);
	isolated = story_fault(story, (struct sim_fault){.kind = SIM_FAULT_ISOLATE, .a = lags},
			       STORY_FOR_EVER);
	story_run_acked(story, 4000);
	story_run(story, 2 * STORY_SECOND);
	for (qr_block block = story_group(story, lags)->log->last.block;
	     block < sim_disk_settled(&story->world.nodes[leader].disk, 1); block += 5)
		(void)rot_flip(story, leader, block);
	assert_true(rot_count(story, leader) > 10);
	story_heal(story, isolated);
	STORY_AWAIT(story, story_group(story, lags)->raft.last + 5 >=
				   story_group(story, leader)->raft.commit);
	assert_true(story->world.count.repairs > 0);
	assert_int_equal(story_leader(story), leader);
	story_end(story);
}

/*
 * The only other copy is on a node that is away: nobody who could lead instead has more. As soon as
 * that one can be heard it gives the entry, and leading it would not have come sooner.
 */
static void a_leader_that_lacks_an_entry_waits_for_who_has_it(void **state)
{
	struct story *story = story_create(31, 3);
	uint32_t isolated;
	qr_node leader;
	qr_node lags;
	qr_node has;
	qr_index lost;
	qr_term term;

	(void)state;
	story_begin(story); /* nothing is scrubbed */
	leader = story_leader(story);
	lags = story_next(story, leader, 1);
	has = story_next(story, leader, 2);
	term = sim_oracle_term(&story->world, 1);
	isolated = story_fault(story, (struct sim_fault){.kind = SIM_FAULT_ISOLATE, .a = lags},
			       STORY_FOR_EVER);
	story_run_acked(story, 4000);
	story->world.quiet = true;
	story_run(story, 2 * STORY_SECOND);
	for (qr_block block = story_group(story, lags)->log->last.block;
	     block < sim_disk_settled(&story->world.nodes[leader].disk, 1); block += 5)
		(void)rot_flip(story, leader, block);
	story_heal(story, isolated);
	isolated = story_fault(story, (struct sim_fault){.kind = SIM_FAULT_ISOLATE, .a = has},
			       STORY_FOR_EVER);
	STORY_AWAIT(story, story_group(story, leader)->lost_index ==
				   story_group(story, lags)->raft.last + 1);
	lost = story_group(story, leader)->lost_index;
	story_run(story, 20 * STORY_ELECTION_NS);
	assert_int_equal(story_group(story, lags)->raft.last, lost - 1);
	story_heal(story, isolated);
	STORY_AWAIT_IN(story, STORY_STEP_NS, 2 * STORY_SECOND,
		       story_group(story, lags)->raft.last > lost);
	assert_int_equal(story_leader(story), leader);
	assert_int_equal(sim_oracle_term(&story->world, 1), term);
	story->world.quiet = false;
	story_end(story);
}

/** The node loses power now, with a wrong bit in every seventh settled block from `first` on. */
static void rot_and_restart(struct story *story, qr_node node, qr_block first, qr_ns for_ns)
{
	qr_block end = rot_settled(story);

	(void)story_fault(story, (struct sim_fault){.kind = SIM_FAULT_POWER, .a = node}, for_ns);
	assert_false(story->world.nodes[node].up);
	for (qr_block block = first; block < end; block += 7)
		(void)rot_flip(story, node, block);
	assert_true(rot_count(story, node) > 20);
}

static bool all_run(const struct story *story)
{
	for (qr_node node = 1; node <= story->plan.node_count; node++) {
		if (sim_node_group(&story->world.nodes[node], 1) == NULL)
			return false;
	}
	return true;
}

/* Without a snapshot that stands for it, it meets the damage when it starts. */
static void a_start_over_damage_asks_the_others(void **state)
{
	struct story *story = story_create(40, 3);
	qr_node node;

	(void)state;
	story->plan.snapshot_blocks = 0;
	story_begin(story);
	story_run_acked(story, 3000);
	node = story_next(story, story_leader(story), 1);
	rot_and_restart(story, node, 3, STORY_SECOND);
	story_run_acked(story, 300);
	STORY_AWAIT(story, all_run(story));
	assert_int_equal(rot_count(story, node), 0);
	assert_int_equal(story->world.count.damage_found, 0);
	story_end(story);
}

/* A start does not look at what a snapshot stands for: the scrub does, and need not pause first. */
static void a_scrub_begins_with_its_group(void **state)
{
	struct story *story = begin(45, 3);
	qr_node node = story_next(story, story_leader(story), 1);

	(void)state;
	/* Few enough to be repaired within a pause. */
	rot_and_restart(story, node, rot_settled(story) - 300, STORY_SECOND);
	STORY_AWAIT(story, all_run(story));
	assert_true(rot_count(story, node) > 0);
	STORY_AWAIT_IN(story, STORY_STEP_NS, SIM_SCRUB_PAUSE_NS, rot_count(story, node) == 0);
	story_end(story);
}

/* Nobody runs, so everybody gives what he has verified so far. Entries are of a block here. */
static void all_start_over_different_damage(void **state)
{
	(void)state;
	for (uint64_t seed = 50; seed < 54; seed++) {
		struct story *story = story_create(seed, 3);
		uint64_t acked;

		story->plan.snapshot_blocks = 0;
		story->plan.entry_max_bytes = 1024;
		story->plan.record_bytes = 200;
		story_begin(story);
		story_run_acked(story, 3000);
		acked = story->world.count.acked;
		for (qr_node node = 1; node <= 3; node++)
			rot_and_restart(story, node, 2 * (qr_block)node, STORY_SECOND);
		STORY_AWAIT(story, all_run(story));
		assert_int_equal(rot_count_all(story), 0);
		STORY_AWAIT(story, story->world.count.acked > acked + 300);
		assert_int_equal(story->world.count.damage_found, 0);
		story_end(story);
	}
}

/* What nobody has keeps them from starting; it is not cut off, and when it comes back they go on.
 */
static void a_start_waits_for_what_nobody_has(void **state)
{
	struct story *story = story_create(60, 3);
	qr_block middle;

	(void)state;
	story->plan.snapshot_blocks = 0;
	story_begin(story);
	story_run_acked(story, 3000);
	middle = rot_settled(story) / 2;
	(void)story_fault(story, (struct sim_fault){.kind = SIM_FAULT_POWER_ALL}, 10 * STORY_MS);
	while (!rot_flip(story, 1, middle))
		middle++;
	assert_true(rot_flip(story, 2, middle) && rot_flip(story, 3, middle));
	story_run(story, 10 * STORY_SECOND);
	assert_false(all_run(story));
	sim_media_mend_at(&story->world.nodes[2].disk.media, 0);
	STORY_AWAIT(story, all_run(story));
	assert_int_equal(rot_count_all(story), 0);
	story_end(story);
}

/* ---- without hard state ---- */

/** It starts again, `after_ns` later, and both its slots hold nothing that it wrote. */
static void forget(struct story *story, qr_node node, qr_ns after_ns)
{
	STORY_AWAIT(story,
		    sim_node_crash(&story->world, node, false, story->world.now_ns + after_ns));
	sim_forget(&story->world, node, 1);
}

static bool counts(const struct story *story, qr_node node)
{
	return sim_node_group(&story->world.nodes[node], 1) != NULL &&
	       !story_group(story, node)->raft.state.amnesia;
}

/** It is not only there: without it there is no quorum. */
static void expect_needed(struct story *story, qr_node node)
{
	assert_true(sim_node_crash(&story->world, story_next(story, node, 1), true,
				   story->world.now_ns + 20 * STORY_SECOND));
	story_run_acked(story, 300);
	assert_int_equal(story->world.nodes[story_next(story, node, 1)].up, false);
}

static void a_node_without_hard_state_is_filled_and_counts_again(void **state)
{
	(void)state;
	for (uint64_t seed = 60; seed < 66; seed++) {
		struct story *story = begin(seed, 3);
		qr_node lost = story_next(story, story_leader(story), (qr_node)(seed % 3));
		uint64_t acked = story->world.count.acked;

		forget(story, lost, STORY_SECOND);
		STORY_AWAIT(story, story->world.nodes[lost].up);
		STORY_AWAIT(story, sim_node_group(&story->world.nodes[lost], 1) != NULL);
		assert_true(story_group(story, lost)->raft.state.amnesia);
		STORY_AWAIT(story, counts(story, lost));
		if (seed % 3 != 0) /* it did not lead: the others went on */
			assert_true(story->world.count.acked > acked + 300);
		expect_needed(story, lost);
		story_end(story);
	}
}

/* Who has not been asked may have its vote: it waits for everybody. */
static void it_does_not_count_before_all_others_were_heard(void **state)
{
	struct story *story = begin(66, 5);
	qr_node lost = story_next(story, story_leader(story), 1);
	qr_node away = story_next(story, story_leader(story), 2);
	uint32_t cut = story_fault(story, (struct sim_fault){.kind = SIM_FAULT_ISOLATE, .a = away},
				   STORY_FOR_EVER);

	(void)state;
	forget(story, lost, STORY_SECOND);
	story_run_acked(story, 3000);
	assert_false(counts(story, lost));
	assert_true(story_group(story, lost)->raft.commit > 0); /* it is filled, and read from */
	story_heal(story, cut);
	STORY_AWAIT(story, counts(story, lost));
	story_end(story);
}

/** Everybody has the last entry, and `node` does not know yet that it is committed. */
static bool only_lacks_the_commit(const struct story *story, qr_node leader, qr_node node)
{
	const struct raft_group *raft = &story_group(story, node)->raft;

	return raft->commit < raft->last && raft->durable.index == raft->last &&
	       raft->last == story_group(story, leader)->raft.last;
}

/*
 * The one that has the entry could not be elected to find out that it is committed: who misses it
 * waits at its start, and the third has forgotten.
 */
static void who_asks_for_an_entry_says_that_it_is_committed(void **state)
{
	(void)state;
	for (uint64_t seed = 150; seed < 156; seed++) {
		struct story *story = story_create(seed, 3);
		const struct store_slot *slot;
		qr_node leader;
		qr_node has;
		uint32_t cut;
		qr_index last;
		qr_block block;

		story->plan.snapshot_blocks = 0;
		story_begin(story);
		story_run_acked(story, 1000);
		leader = story_leader(story);
		has = story_next(story, leader, 1 + seed % 2);
		story->world.quiet = true;
		STORY_AWAIT_IN(story, STORY_MS / 100, 60 * STORY_SECOND,
			       only_lacks_the_commit(story, leader, has));
		cut = story_fault(story, (struct sim_fault){.kind = SIM_FAULT_ISOLATE, .a = has},
				  STORY_FOR_EVER);
		last = story_group(story, has)->raft.last;
		slot = store_log_slot(story_group(story, leader)->log);
		STORY_AWAIT(story, slot->settled.index >= last);
		assert_int_equal(slot->settled.index, last);
		assert_true(story_group(story, has)->raft.commit < last);

		block = slot->settled.block - 1;
		forget(story, story_next(story, leader, 2 - seed % 2), STORY_SECOND);
		(void)story_fault(story, (struct sim_fault){.kind = SIM_FAULT_POWER, .a = leader},
				  STORY_MS);
		assert_true(rot_flip(story, leader, block));
		story_heal(story, cut);
		story->world.quiet = false;
		STORY_AWAIT(story, all_run(story));
		assert_int_equal(rot_count_all(story), 0);
		story_end(story);
	}
}

static void a_crash_while_it_is_filled_forgets_nothing_more(void **state)
{
	(void)state;
	for (unsigned turns = 0; turns < 80; turns += 2) {
		struct story *story = story_create(70 + turns, 3);
		qr_node lost;

		story->plan.retention_blocks = turns % 4 == 0 ? 64 : 0;
		story->plan.retention_hold_ns = STORY_SECOND;
		story_begin(story);
		story_run_acked(story, 1500);
		lost = story_next(story, story_leader(story), (qr_node)(turns % 3));
		forget(story, lost, STORY_MS);
		story_run(story, (turns + 1) * STORY_MS);
		STORY_AWAIT(story, sim_node_crash(&story->world, lost, turns % 8 < 4,
						  story->world.now_ns + STORY_SECOND));
		STORY_AWAIT(story, counts(story, lost));
		expect_needed(story, lost);
		story_end(story);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rot_is_found_and_repaired_while_the_group_serves),
		cmocka_unit_test(different_damage_on_every_replica_heals),
		cmocka_unit_test(what_nobody_has_stays_lost_and_nothing_else),
		cmocka_unit_test(a_leader_repairs_what_it_needs_for_a_follower),
		cmocka_unit_test(a_leader_that_lacks_an_entry_waits_for_who_has_it),
		cmocka_unit_test(a_start_over_damage_asks_the_others),
		cmocka_unit_test(a_scrub_begins_with_its_group),
		cmocka_unit_test(all_start_over_different_damage),
		cmocka_unit_test(a_start_waits_for_what_nobody_has),
		cmocka_unit_test(a_node_without_hard_state_is_filled_and_counts_again),
		cmocka_unit_test(it_does_not_count_before_all_others_were_heard),
		cmocka_unit_test(who_asks_for_an_entry_says_that_it_is_committed),
		cmocka_unit_test(a_crash_while_it_is_filled_forgets_nothing_more),
	};

	return cmocka_run_group_tests_name("sim/repair", tests, NULL, NULL);
}
