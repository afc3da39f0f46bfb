/*
 * Logs that give up what is old, and nodes that were away meanwhile.
 */
#include "tests/sim/story.h"

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
	cut = story_fault(story, (struct sim_fault){.kind = SIM_FAULT_ISOLATE, .a = away},
			  STORY_FOR_EVER);
	run_until_it_is_lost(story, away);
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
	cut = story_fault(story, (struct sim_fault){.kind = SIM_FAULT_ISOLATE, .a = away},
			  STORY_FOR_EVER);
	run_until_it_is_lost(story, away);
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
		uint32_t cut =
			story_fault(story, (struct sim_fault){.kind = SIM_FAULT_ISOLATE, .a = away},
				    STORY_FOR_EVER);

		run_until_it_is_lost(story, away);
		story_heal(story, cut);
		STORY_AWAIT_IN(story, STORY_MS / 20, 60 * STORY_SECOND,
			       story->world.nodes[away].core->install.group != NULL);
		story_run(story, turns * STORY_MS / 20);
		assert_true(sim_node_crash(&story->world, away, turns % 2 == 0,
					   story->world.now_ns + STORY_SECOND));
		story_run_acked(story, 100);
		story_end(story);
	}
}

/* The same once all of it has come: while it is written, named, and the old segments go. */
static void a_crash_while_it_takes_the_place_leaves_one_of_the_two(void **state)
{
	(void)state;
	for (unsigned turns = 0; turns < 60; turns++) {
		struct story *story = begin(200 + turns, 2);
		qr_node away = story_next(story, story_leader(story), 1);
		uint32_t cut =
			story_fault(story, (struct sim_fault){.kind = SIM_FAULT_ISOLATE, .a = away},
				    STORY_FOR_EVER);

		run_until_it_is_lost(story, away);
		story_heal(story, cut);
		STORY_AWAIT_IN(story, STORY_MS / 20, 60 * STORY_SECOND,
			       story->world.nodes[away].core->install.writing);
		story_run(story, turns * STORY_MS / 20);
		assert_true(sim_node_crash(&story->world, away, turns % 2 == 0,
					   story->world.now_ns + STORY_SECOND));
		story_run_acked(story, 100);
		story_end(story);
	}
}

/* Who leads has nothing that is older than the snapshot: also a leader of another term. */
static void the_leader_may_change_meanwhile(void **state)
{
	struct story *story = begin(54, 2);
	qr_node leader = story_leader(story);
	qr_node away = story_next(story, leader, 1);
	uint32_t cut = story_fault(story, (struct sim_fault){.kind = SIM_FAULT_ISOLATE, .a = away},
				   STORY_FOR_EVER);

	(void)state;
	run_until_it_is_lost(story, away);
	story_heal(story, cut);
	STORY_AWAIT_IN(story, STORY_MS / 20, 60 * STORY_SECOND,
		       story->world.nodes[away].core->install.group != NULL);
	assert_true(sim_node_crash(&story->world, leader, false,
				   story->world.now_ns + 5 * STORY_SECOND));
	STORY_AWAIT(story, story->world.count.installs > 0);
	story_run_acked(story, 300);
	story_end(story);
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
