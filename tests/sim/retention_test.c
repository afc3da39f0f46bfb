/*
 * Logs that give up what is old, and nodes that were away meanwhile.
 */
#include "tests/sim/story.h"

#include <string.h>

#define ALL_OF_3 ((qr_nodes)(1u << 1 | 1u << 2 | 1u << 3))

static struct story *begin(uint64_t seed, uint32_t segments)
{
	struct story *story = story_create(seed, 3);

	story->plan.retention_blocks = segments * story->plan.geometry.segment_blocks;
	story->plan.retention_hold_ns = STORY_SECOND;
	story_begin(story);
	return story;
}

static const struct sim_log *log_of(const struct story *story)
{
	return &story->world.oracle.logs[1];
}

static uint32_t segments_of(const struct story *story, qr_node node)
{
	const struct sim_media_group *group = &story->world.nodes[node].disk.media.groups[1];

	return group->segment_count - group->segment_first;
}

/** Until the log begins after record `offset`. */
static void run_until_gone(struct story *story, qr_offset offset)
{
	STORY_AWAIT_IN(story, STORY_STEP_NS, 300 * STORY_SECOND,
		       log_of(story)->start.offset > offset);
}

static bool all_others_lack(const struct story *story, qr_node away, qr_index index)
{
	for (qr_node node = 1; node <= 3; node++) {
		if (node != away && store_log_origin(story_group(story, node)->log).index <= index)
			return false;
	}
	return true;
}

/** Until nobody has the next entry that the node lacks, and some time longer. */
static void run_until_it_is_lost(struct story *story, qr_node away)
{
	qr_index last = story_group(story, away)->raft.last;

	run_until_gone(story, log_of(story)->record_count);
	STORY_AWAIT_IN(story, STORY_STEP_NS, 300 * STORY_SECOND,
		       all_others_lack(story, away, last + 50));
}

/** Nobody hears it until the log has gone on without it. @return the fault. */
static uint32_t fall_behind(struct story *story, qr_node away)
{
	uint32_t cut = story_fault(story, (struct sim_fault){.kind = SIM_FAULT_ISOLATE, .a = away},
				   STORY_FOR_EVER);

	run_until_it_is_lost(story, away);
	return cut;
}

/** It is heard again, and begins to fetch. */
static void begin_to_fill(struct story *story, qr_node away, uint32_t cut)
{
	story_heal(story, cut);
	STORY_AWAIT_IN(story, STORY_MS / 20, 60 * STORY_SECOND,
		       story->world.nodes[away].core->install.group != NULL);
}

/** It loses power, with its device's cache every second time, and takes part again. */
static void crash_and_go_on(struct story *story, qr_node node, unsigned turns)
{
	story_run(story, turns * STORY_MS / 20);
	assert_true(sim_node_crash(&story->world, node, turns % 2 == 0,
				   story->world.now_ns + STORY_SECOND));
	story_run_acked(story, 100);
	story_end(story);
}

static void a_log_grows_no_further_than_it_is_kept(void **state)
{
	struct story *story = begin(51, 4);

	(void)state;
	for (unsigned round = 0; round < 5; round++) {
		run_until_gone(story, log_of(story)->record_count);
		for (qr_node node = 1; node <= 3; node++)
			assert_true(segments_of(story, node) < 16);
	}
	story_end(story);
}

/* What it lacks is not there any more: it gets the state, and the log from there on. */
static void a_node_that_was_away_too_long_begins_with_a_snapshot(void **state)
{
	struct story *story = begin(52, 3);
	qr_node away = story_next(story, story_leader(story), 1);
	uint32_t cut;

	(void)state;
	story_run_acked(story, 300);
	cut = fall_behind(story, away);
	assert_true(story_group(story, away)->raft.last < log_of(story)->start.before);
	assert_int_equal(story->world.count.installs, 0);
	story_heal(story, cut);
	STORY_AWAIT(story, story->world.count.installs > 0);
	STORY_AWAIT(story,
		    sim_node_group(&story->world.nodes[away], 1) != NULL &&
			    story_group(story, away)->raft.commit + 50 > log_of(story)->count);
	story_run_acked(story, 300);
	story_end(story);
}

/* It is not the leader's turn to wait, nor anybody's: appends go on. */
static void nobody_waits_for_a_node_that_is_being_filled(void **state)
{
	struct story *story = begin(53, 3);
	qr_node leader = story_leader(story);
	qr_node away = story_next(story, leader, 1);
	uint64_t acked;
	uint32_t cut;

	(void)state;
	cut = fall_behind(story, away);
	story_heal(story, cut);
	acked = story->world.count.acked;
	STORY_AWAIT(story, story->world.count.installs > 0);
	story_run_acked(story, 200);
	assert_int_equal(story_leader(story), leader);
	assert_true(story->world.count.acked > acked);
	story_end(story);
}

/* The power fails at any moment while it puts another log in the place of its own. */
static void a_crash_while_it_is_filled_begins_it_again(void **state)
{
	(void)state;
	for (unsigned turns = 1; turns < 60; turns += 3) {
		struct story *story = begin(60 + turns, 2);
		qr_node away = story_next(story, story_leader(story), 1);

		begin_to_fill(story, away, fall_behind(story, away));
		crash_and_go_on(story, away, turns);
	}
}

/* The same once all of it has come: while it is written, named, and the old segments go. */
static void a_crash_while_it_takes_the_place_leaves_one_of_the_two(void **state)
{
	(void)state;
	for (unsigned turns = 0; turns < 60; turns++) {
		struct story *story = begin(200 + turns, 2);
		qr_node away = story_next(story, story_leader(story), 1);

		begin_to_fill(story, away, fall_behind(story, away));
		STORY_AWAIT_IN(story, STORY_MS / 20, 60 * STORY_SECOND,
			       story->world.nodes[away].core->install.writing);
		crash_and_go_on(story, away, turns);
	}
}

/* Who leads has nothing that is older than the snapshot: also a leader of another term. */
static void the_leader_may_change_meanwhile(void **state)
{
	struct story *story = begin(54, 2);
	qr_node leader = story_leader(story);
	qr_node away = story_next(story, leader, 1);

	(void)state;
	begin_to_fill(story, away, fall_behind(story, away));
	assert_true(sim_node_crash(&story->world, leader, false,
				   story->world.now_ns + 5 * STORY_SECOND));
	STORY_AWAIT(story, story->world.count.installs > 0);
	story_run_acked(story, 300);
	story_end(story);
}

/** A bit flips in what a block says. */
static void flip(struct story *story, qr_node node, struct sim_place place)
{
	struct sim_media *media = &story->world.nodes[node].disk.media;
	uint8_t bytes[QR_BLOCK_BYTES];

	memcpy(bytes, sim_media_at(media, place), sizeof(bytes));
	bytes[0] ^= 1;
	sim_media_damage(media, place, bytes);
}

/* What it is sent does not hold: it waits for another one. */
static void a_damaged_snapshot_fills_nobody(void **state)
{
	struct story *story = begin(55, 2);
	qr_node leader = story_leader(story);
	qr_node away = story_next(story, leader, 1);
	uint32_t cut = story_fault(story, (struct sim_fault){.kind = SIM_FAULT_ISOLATE, .a = away},
				   STORY_FOR_EVER);

	(void)state;
	run_until_gone(story, log_of(story)->record_count + 500);
	story->world.quiet = true;
	story_run(story, 3 * STORY_SECOND);
	for (uint32_t n = 0; n < STORE_SNAPSHOTS; n++) { /* the body */
		if (story->world.nodes[leader].disk.media.groups[1].snapshot_blocks[n] > 1)
			flip(story, leader, (struct sim_place){1, SIM_SNAPSHOT_SEGMENT + n, 1});
	}
	story_heal(story, cut);
	story_run(story, 5 * STORY_SECOND);
	assert_int_equal(story->world.count.installs, 0);
	story->world.quiet = false;
	STORY_AWAIT(story, story->world.count.installs > 0);
	story_run_acked(story, 300);
	story_end(story);
}

/* The leader does not have it any more, and says so: nobody asks on until patience ends. */
static void a_snapshot_that_is_refused_is_not_waited_for(void **state)
{
	struct story *story = begin(57, 2);
	qr_node leader = story_leader(story);
	qr_node away = story_next(story, leader, 1);
	uint32_t cut = fall_behind(story, away);
	const struct dp_install *install;

	(void)state;
	story->world.quiet = true;
	story_run(story, 3 * STORY_SECOND);
	for (uint32_t n = 0; n < STORE_SNAPSHOTS; n++)
		story->world.nodes[leader].disk.media.groups[1].snapshot_blocks[n] = 0;
	begin_to_fill(story, away, cut);
	install = &story->world.nodes[away].core->install;
	STORY_AWAIT_IN(story, STORY_MS / 20, DP_PATIENCE_TIMES * story->plan.retransmit_min_ns,
		       install->group == NULL);
	story->world.quiet = false;
	STORY_AWAIT(story, story->world.count.installs > 0);
	story_run_acked(story, 300);
	story_end(story);
}

/* It has lost entries that the others have given up since: it begins where they do. */
static void damage_that_nobody_can_repair_is_replaced_by_a_snapshot(void **state)
{
	struct story *story = begin(56, 2);
	qr_node away = story_next(story, story_leader(story), 1);
	const struct store_log *log;
	qr_block end;

	(void)state;
	story_run_acked(story, 300);
	story_run(story, 2 * STORY_SECOND);
	log = story_group(story, away)->log;
	end = sim_disk_settled(&story->world.nodes[away].disk, 1);
	assert_true(end > store_snapshot_newest(log)->base.block);
	assert_true(sim_node_crash(&story->world, away, false,
				   story->world.now_ns + 30 * STORY_SECOND));
	for (qr_block block = end - 8; block < end; block++)
		flip(story, away, sim_media_place(&story->world.nodes[away].disk.media, 1, block));
	STORY_AWAIT(story, story->world.count.installs > 0 ||
				   sim_node_group(&story->world.nodes[away], 1) != NULL);
	story_run_acked(story, 300);
	story_end(story);
}

/*
 * It led, and what it wrote last lost; the others gave up what would have told it so. Then nobody
 * appends any more.
 */
static void a_loser_that_goes_further_than_the_floor_is_filled(void **state)
{
	(void)state;
	for (unsigned extra = 20; extra < 400; extra += 20) {
		struct story *story = story_create(55, 3);
		qr_node away;
		uint32_t cut;

		story->plan.client_count = 4;
		story->plan.retention_blocks = 2 * story->plan.geometry.segment_blocks;
		story->plan.retention_hold_ns = STORY_SECOND;
		story_begin(story);
		story_run_acked(story, extra);
		away = story_leader(story);
		cut = story_fault(story,
				  (struct sim_fault){.kind = SIM_FAULT_SPLIT, .amount = 1u << away},
				  STORY_FOR_EVER);
		STORY_AWAIT(story, story_group(story, away)->raft.role != RAFT_LEADER);
		story->world.quiet = true;
		story_run(story, 10 * STORY_SECOND);
		story_heal(story, cut);
		STORY_AWAIT(story,
			    sim_node_group(&story->world.nodes[away], 1) != NULL &&
				    story_group(story, away)->raft.commit == log_of(story)->count);
		story->world.quiet = false;
		story_end(story);
	}
}

/*
 * The leader has room and its followers have none: what it took would never be committed, nor would
 * the entry behind it that makes room.
 */
static void a_leader_of_full_followers_takes_nothing(void **state)
{
	(void)state;
	for (uint64_t seed = 340; seed < 350; seed++) {
		struct story *story = story_create(seed, 3);
		const struct raft_group *raft;
		uint64_t acked;

		story->plan.client_count = 4;
		story->plan.retention_ns = 60 * STORY_SECOND;
		story->plan.retention_hold_ns = STORY_SECOND;
		story_begin(story);
		story_run_acked(story, 20 * seed);
		story_fill_disks(story, ALL_OF_3 & ~qr_nodes_of(story_leader(story)));
		story_run(story, 20 * STORY_SECOND);
		raft = &story_group(story, story_leader(story))->raft;
		assert_true(raft->commit == raft->last);
		acked = story->world.count.acked;
		story_run(story, 10 * STORY_SECOND);
		assert_int_equal(story->world.count.acked, acked);
		STORY_AWAIT_IN(story, STORY_STEP_NS, 200 * STORY_SECOND,
			       story->world.count.acked > acked + 100);
		story_end(story);
	}
}

#define FILL_BYTES (200u << 10) /* a second: less than the clients append */

/** The leader and who was away, far behind what is in the leader's memory. */
static struct story *begin_far_behind(uint64_t seed, uint32_t burst, qr_node *ret_away)
{
	struct story *story = story_create(seed, 3);
	const struct store_log *leader;
	const struct store_log *away;
	uint32_t cut;

	story->plan.fill_bytes_per_second = FILL_BYTES;
	story->plan.burst = burst;
	story_begin(story);
	*ret_away = story_next(story, story_leader(story), 1);
	leader = story_group(story, story_leader(story))->log;
	away = story_group(story, *ret_away)->log;
	cut = story_fault(story, (struct sim_fault){.kind = SIM_FAULT_ISOLATE, .a = *ret_away},
			  STORY_FOR_EVER);
	STORY_AWAIT(story, store_log_tail(leader) > store_log_tail(away) + 1000);
	story_heal(story, cut);
	return story;
}

static uint64_t sent_bytes(const struct story *story)
{
	return story->world.nodes[story_leader(story)].core->stats.tx_bytes;
}

static bool has_all(const struct story *story, qr_node node)
{
	return story_group(story, node)->raft.durable.index ==
	       story_group(story, story_leader(story))->raft.last;
}

/* Not all at once, and not slower either. */
static void a_node_far_behind_is_filled_at_a_pace(void **state)
{
	qr_node away;
	struct story *story = begin_far_behind(58, 16, &away);
	qr_ns began_ns = story->world.now_ns;
	uint64_t bytes = sent_bytes(story);
	qr_ns pace_ns;

	(void)state;
	story->world.quiet = true;
	STORY_AWAIT(story, has_all(story, away));
	/* What it may have at once: what was saved up for it, and what is in memory. */
	bytes = sent_bytes(story) - bytes - story->plan.inflight_bytes -
		(uint64_t)story->plan.window_blocks * QR_BLOCK_BYTES;
	pace_ns = bytes * STORY_SECOND / FILL_BYTES;
	assert_true(pace_ns > STORY_SECOND);
	assert_in_range(story->world.now_ns - began_ns, pace_ns, 3 * pace_ns);
	story->world.quiet = false;
	story_end(story);
}

/* Else it would never arrive: also where an entry is more than the pace allows at once. */
static void the_pace_is_on_top_of_what_the_log_grows_by(void **state)
{
	(void)state;
	for (uint32_t burst = 16; burst <= 128; burst *= 2) {
		qr_node away;
		struct story *story = begin_far_behind(59, burst, &away);
		uint64_t appended = story->world.count.acked;
		qr_ns began_ns = story->world.now_ns;

		STORY_AWAIT_IN(story, STORY_STEP_NS, 60 * STORY_SECOND, has_all(story, away));
		/* They appended more than the pace alone would have brought. */
		assert_true((story->world.count.acked - appended) * story->plan.record_bytes >
			    (story->world.now_ns - began_ns) * FILL_BYTES / STORY_SECOND / 2);
		story_end(story);
	}
}

/* The group waits for it, so it is filled as fast as it goes; nobody pays for that afterwards. */
static void a_node_that_is_needed_has_no_pace(void **state)
{
	qr_node away;
	struct story *story = begin_far_behind(61, 16, &away);
	qr_node leader = story_leader(story);
	uint64_t bytes = sent_bytes(story);
	qr_ns began_ns = story->world.now_ns;
	const struct dp_core *core = story->world.nodes[leader].core;

	(void)state;
	(void)story_fault(
		story,
		(struct sim_fault){.kind = SIM_FAULT_ISOLATE, .a = (uint8_t)(6 - leader - away)},
		10 * STORY_SECOND);
	STORY_AWAIT(story, has_all(story, away));
	bytes = sent_bytes(story) - bytes - story->plan.inflight_bytes -
		(uint64_t)story->plan.window_blocks * QR_BLOCK_BYTES;
	assert_true(story->world.now_ns - began_ns < bytes * STORY_SECOND / FILL_BYTES / 2);
	assert_true(core->fill_at_ns < core->now_ns + STORY_SECOND / 10);
	story_end(story);
}

static bool all_have_segments(const struct story *story, uint32_t count)
{
	for (qr_node node = 1; node <= 3; node++) {
		if (segments_of(story, node) < count)
			return false;
	}
	return true;
}

/** The segments that the log takes up at most, while it gives up as much as it takes. */
static uint32_t most_segments(struct story *story)
{
	uint32_t most = 0;

	for (unsigned step = 0; step < 3000; step++) {
		qr_node leader = story_leader(story);

		story_run(story, 5 * STORY_STEP_NS);
		if (segments_of(story, leader) > most)
			most = segments_of(story, leader);
	}
	return most;
}

/* It has all the space that it ever takes, and goes on in what it gives up. */
static void a_full_disk_is_enough_for_a_log_that_gives_up_as_much_as_it_takes(void **state)
{
	(void)state;
	for (uint64_t seed = 300; seed < 310; seed++) {
		struct story *story = begin(seed, 4);

		uint32_t most;

		run_until_gone(story, 300);
		most = most_segments(story);
		STORY_AWAIT(story, all_have_segments(story, most));
		story_fill_disks(story, ALL_OF_3);
		story_run_acked(story, 5000);
		story_end(story);
	}
}

/*
 * Nothing is old enough to be given up when the disks are full. When it is, somebody must be able
 * to say so, in an entry, which takes space.
 */
static void a_full_log_goes_on_when_what_it_holds_is_old_enough(void **state)
{
	(void)state;
	for (uint64_t seed = 320; seed < 340; seed++) {
		struct story *story = story_create(seed, 3);
		uint64_t acked;

		story->plan.client_count = 4;
		story->plan.retention_ns = 100 * STORY_SECOND;
		story->plan.retention_hold_ns = STORY_SECOND;
		story_begin(story);
		story_run_acked(story, 20 * seed);
		story_fill_disks(story, seed % 2 == 0 ? ALL_OF_3 : ALL_OF_3 & ~2u);
		story_run(story, 50 * STORY_SECOND);
		acked = story->world.count.acked;
		story_run(story, 10 * STORY_SECOND);
		assert_int_equal(story->world.count.acked, acked);
		STORY_AWAIT_IN(story, STORY_STEP_NS, 200 * STORY_SECOND,
			       story->world.count.acked > acked + 100);
		story_end(story);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_log_grows_no_further_than_it_is_kept),
		cmocka_unit_test(a_node_that_was_away_too_long_begins_with_a_snapshot),
		cmocka_unit_test(nobody_waits_for_a_node_that_is_being_filled),
		cmocka_unit_test(a_crash_while_it_is_filled_begins_it_again),
		cmocka_unit_test(a_crash_while_it_takes_the_place_leaves_one_of_the_two),
		cmocka_unit_test(the_leader_may_change_meanwhile),
		cmocka_unit_test(a_loser_that_goes_further_than_the_floor_is_filled),
		cmocka_unit_test(a_damaged_snapshot_fills_nobody),
		cmocka_unit_test(a_snapshot_that_is_refused_is_not_waited_for),
		cmocka_unit_test(damage_that_nobody_can_repair_is_replaced_by_a_snapshot),
		cmocka_unit_test(a_node_far_behind_is_filled_at_a_pace),
		cmocka_unit_test(the_pace_is_on_top_of_what_the_log_grows_by),
		cmocka_unit_test(a_node_that_is_needed_has_no_pace),
		cmocka_unit_test(a_full_disk_is_enough_for_a_log_that_gives_up_as_much_as_it_takes),
		cmocka_unit_test(a_full_log_goes_on_when_what_it_holds_is_old_enough),
		cmocka_unit_test(a_leader_of_full_followers_takes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
