/*
 * Disks and power, one story per fault: what a person would see. That nothing acknowledged is lost,
 * and everything else that must hold, is checked by the oracle throughout.
 */
#include "tests/sim/story.h"

/* ---- power ---- */

static void all_nodes_lose_power_at_once(void **state)
{
	struct story *story = story_create(1, 3);

	(void)state;
	story_begin(story);
	for (uint32_t round = 0; round < 5; round++) {
		story_run_acked(story, 300);
		(void)story_fault(story, (struct sim_fault){.kind = SIM_FAULT_POWER_ALL},
				  10 * STORY_MS);
	}
	story_run_acked(story, 300);
	assert_int_equal(story->world.count.crashes, 15);
	story_end(story);
}

static uint32_t writes_in_flight(const struct story *story, qr_node node)
{
	const struct sim_disk *disk = &story->world.nodes[node].disk;
	uint32_t count = 0;

	for (uint32_t f = 0; f < disk->flying_count; f++)
		count += disk->flying[f]->op.kind == STORE_OP_WRITE;
	return count;
}

/* Several records torn at the tail are what overlapping writes leave, no damage (TigerBeetle
 * #2345). */
static void several_torn_records_at_the_tail_are_no_damage(void **state)
{
	struct story *story = story_create(2, 3);

	(void)state;
	story->plan.write_depth = 6;
	story->plan.write_max_blocks = 2;
	story->plan.appends_per_second = 2000;
	story_begin(story);
	for (uint32_t round = 0; round < 12; round++) {
		qr_node leader;

		for (qr_node node = 1; node <= 3; node++) {
			(void)story_fault(story,
					  (struct sim_fault){.kind = SIM_FAULT_DISK_SLOW,
							     .a = node,
							     .amount = 30},
					  STORY_FOR_EVER);
		}
		leader = story_leader(story);
		STORY_AWAIT(story, writes_in_flight(story, leader) >= 4);
		(void)story_fault(story, (struct sim_fault){.kind = SIM_FAULT_POWER_ALL},
				  10 * STORY_MS);
		for (qr_node node = 1; node <= 3; node++)
			story->world.nodes[node].disk.slow_until_ns = 0;
		story_run_acked(story, 200);
	}
	story_end(story);
}

/* ---- writes that fail ---- */

#define SUFFIX_MAX 64

struct suffix {
	qr_index first;
	uint32_t count;
	qr_term terms[SUFFIX_MAX];
	uint64_t digests[SUFFIX_MAX];
};

/** What the node has and does not know to be committed. */
static void remember_suffix(const struct dp_group *group, struct suffix *ret_suffix)
{
	struct suffix *suffix = ret_suffix;

	*suffix = (struct suffix){.first = group->raft.commit + 1};
	for (qr_index i = suffix->first; i <= group->raft.last; i++) {
		const struct store_index_entry *at = store_index_at(group->log, i);

		assert_non_null(at);
		assert_true(suffix->count < SUFFIX_MAX);
		suffix->terms[suffix->count] = at->term;
		suffix->digests[suffix->count++] = at->digest;
	}
}

/** No other entry has got one of those positions. */
static void expect_not_used_again(const struct story *story, const struct suffix *suffix)
{
	const struct sim_log *log = &story->world.oracle.logs[1];

	assert_true(log->count >= suffix->first + suffix->count);
	for (uint32_t i = 0; i < suffix->count; i++) {
		const struct sim_entry *entry = &log->entries[suffix->first - 1 + i];

		if (entry->term == suffix->terms[i])
			assert_true(entry->digest == suffix->digests[i]);
	}
}

/** The next write that ends is one of entries. */
static bool writes_entries(const struct dp_group *group)
{
	return store_log_pending(group->log) > 0 && !group->log->slots.inflight &&
	       !store_snapshot_is_busy(group->log);
}

/* The write of a leader fails, and whether it is there nobody knows: it must not give the same
 * (index, term) to something else (canonical/raft #320). */
static void fail_the_leaders_write(uint64_t seed, qr_node nodes)
{
	struct story *story = story_create(seed, nodes);
	struct suffix suffix;
	qr_term term;
	qr_node old;

	story_begin(story);
	old = story_leader(story);
	term = story_group(story, old)->raft.state.term;
	story->world.nodes[old].operator_comes = true; /* when the story says so */
	STORY_AWAIT_IN(story, 20000, STORY_SECOND, writes_entries(story_group(story, old)));
	(void)story_fault(story, (struct sim_fault){.kind = SIM_FAULT_WRITE_ERROR, .a = old},
			  STORY_FOR_EVER);
	STORY_AWAIT_IN(story, 20000, STORY_SECOND,
		       store_log_condition(story_group(story, old)->log) == QR_POISONED);
	remember_suffix(story_group(story, old), &suffix);
	assert_true(suffix.count > 0);
	/* At once, and not only because nothing is written any more. */
	STORY_AWAIT_IN(story, STORY_STEP_NS, STORY_ELECTION_NS / 4,
		       story_group(story, old)->raft.role != RAFT_LEADER);
	if (nodes > 1) {
		story_run_acked(story, 300);
		assert_int_not_equal(story_leader(story), old);
	}
	/* Poisoned it stays until it was opened and verified anew. */
	assert_int_equal(store_log_condition(story_group(story, old)->log), QR_POISONED);
	sim_fault_mend(&story->world, old);
	story_run_acked(story, 300);
	assert_true(sim_oracle_term(&story->world, 1) > term);
	assert_int_equal(store_log_condition(story_group(story, old)->log), QR_OK);
	expect_not_used_again(story, &suffix);
	story_end(story);
}

static void a_leader_whose_write_fails_is_replaced(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++)
		fail_the_leaders_write(seed, 3);
}

static void a_single_node_whose_write_fails_begins_a_new_term(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++)
		fail_the_leaders_write(seed, 1);
}

/* ---- disks that are slow, or full ---- */

#define ALL_OF_3 ((qr_nodes)0xe)

/** From now on these disks are full, and the others are not. */
/** Whoever leads takes no appends. */
static void await_full_leader(struct story *story)
{
	STORY_AWAIT(story, store_log_condition(story_group(story, story_leader(story))->log) ==
				   QR_NO_SPACE);
}

static qr_term term_of(const struct story *story)
{
	return sim_oracle_term(&story->world, 1);
}

/** Leaderships that were handed over for want of room, or were to be. */
static uint64_t transfers(const struct story *story)
{
	uint64_t count = 0;

	for (qr_node node = 1; node <= story->plan.node_count; node++)
		count += dp_core_stats(story->world.nodes[node].core)->transfers;
	return count;
}

/* Its heartbeats go on, and nobody else would stand (hashicorp/raft #503). */
static void a_leader_whose_disk_hangs_steps_down(void **state)
{
	struct story *story = story_create(4, 3);
	qr_ns hangs_ns = 30 * STORY_SECOND;
	qr_ns until_ns;
	qr_node old;

	(void)state;
	story_begin(story);
	old = story_leader(story);
	until_ns = story->world.now_ns + hangs_ns;
	(void)story_fault(story, (struct sim_fault){.kind = SIM_FAULT_DISK_STUCK, .a = old},
			  hangs_ns);
	STORY_AWAIT_IN(story, STORY_STEP_NS, 2 * STORY_ELECTION_NS,
		       story_group(story, old)->raft.role != RAFT_LEADER);
	STORY_AWAIT_IN(story, STORY_STEP_NS, 10 * STORY_ELECTION_NS,
		       sim_oracle_leader(&story->world, 1) != 0);
	story_run_acked(story, 500);
	/* It hears of everything, and does not stand in the way. */
	story_run(story, 20 * STORY_ELECTION_NS);
	assert_int_not_equal(story_leader(story), old);
	assert_true(story_group(story, old)->raft.last >
		    story_group(story, old)->raft.durable.index);
	assert_true(story->world.now_ns < until_ns);
	STORY_AWAIT(story,
		    story->world.now_ns > until_ns && sim_oracle_is_converged(&story->world));
	story_end(story);
}

/* It takes no appends, so it waits for none of its writes; found by quorate-sim. */
static void a_full_leader_whose_disk_hangs_steps_down(void **state)
{
	struct story *story = story_create(7, 3);
	qr_node old;

	(void)state;
	story_begin(story);
	old = story_leader(story);
	story_fill_disks(story, ALL_OF_3);
	await_full_leader(story);
	story_run(story, STORY_ELECTION_NS);
	assert_int_equal(story_leader(story), old); /* nobody has more room */
	(void)story_fault(story, (struct sim_fault){.kind = SIM_FAULT_DISK_STUCK, .a = old},
			  STORY_FOR_EVER);
	STORY_AWAIT_IN(story, STORY_STEP_NS, 6 * STORY_ELECTION_NS,
		       story_group(story, old)->raft.role != RAFT_LEADER);
	story_fill_disks(story, qr_nodes_of(old));
	story_run_acked(story, 500);
	assert_int_not_equal(story_leader(story), old);
	story_end(story);
}

/* It has nothing to write, and what a follower lacks is on its disk only; found by quorate-sim. */
static void a_leader_that_cannot_read_for_a_follower_steps_down(void **state)
{
	struct story *story = story_create(9, 3);
	uint32_t isolated;
	qr_node old;
	qr_node lags;

	(void)state;
	story_begin(story);
	old = story_leader(story);
	lags = story_next(story, old, 1);
	isolated = story_fault(story, (struct sim_fault){.kind = SIM_FAULT_ISOLATE, .a = lags},
			       STORY_FOR_EVER);
	story_run_acked(story, 4000);
	story->world.quiet = true;
	story_run(story, STORY_SECOND);
	assert_int_equal(story_leader(story), old);
	(void)story_fault(story, (struct sim_fault){.kind = SIM_FAULT_DISK_STUCK, .a = old},
			  STORY_FOR_EVER);
	sim_fault_end(&story->world, isolated);
	STORY_AWAIT_IN(story, STORY_STEP_NS, 6 * STORY_ELECTION_NS,
		       story_group(story, old)->raft.role != RAFT_LEADER);
	STORY_AWAIT(story,
		    story_group(story, lags)->raft.last >= story_group(story, old)->raft.commit);
	story->world.quiet = false;
	story_end(story);
}

/* It led, its process was killed, and its disk does not answer: it is up, and reads for ever. */
static void a_node_that_never_has_read_its_log_keeps_no_client(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++) {
		struct story *story = story_create(seed, 3);
		uint64_t acked;
		qr_node old;

		story_begin(story);
		old = story_leader(story);
		(void)story_fault(story, (struct sim_fault){.kind = SIM_FAULT_DISK_STUCK, .a = old},
				  STORY_FOR_EVER);
		(void)story_fault(story, (struct sim_fault){.kind = SIM_FAULT_KILL, .a = old},
				  20 * STORY_MS);
		STORY_AWAIT_IN(story, STORY_STEP_NS, 10 * STORY_ELECTION_NS,
			       sim_oracle_leader(&story->world, 1) != 0);
		acked = story->world.count.acked;
		STORY_AWAIT_IN(story, STORY_STEP_NS, 4 * STORY_ELECTION_NS,
			       story->world.count.acked > acked + 100);
		story_end(story);
	}
}

static void a_slow_follower_leaves_the_commit_path(void **state)
{
	struct story *story = story_create(5, 3);
	qr_node leader;
	qr_node slow;
	qr_ns began_ns;

	(void)state;
	story_begin(story);
	leader = story_leader(story);
	slow = story_next(story, leader, 1);
	(void)story_fault(
		story, (struct sim_fault){.kind = SIM_FAULT_DISK_SLOW, .a = slow, .amount = 10000},
		STORY_FOR_EVER);
	began_ns = story->world.now_ns;
	story_run_acked(story, 1000);
	/* At the pace of the clients: 500 a second. */
	assert_true(story->world.now_ns - began_ns < 4 * STORY_SECOND);
	assert_int_equal(story_leader(story), leader);
	assert_true(story_group(story, slow)->raft.durable.index <
		    story_group(story, leader)->raft.commit);
	story_end(story);
}

/** Nobody can take appends: the leader says so, stays, and serves reads. */
static void expect_nothing_but_reads(struct story *story, qr_ns for_ns)
{
	qr_node leader;
	uint64_t acked;
	uint64_t tails;
	qr_term term;

	await_full_leader(story);
	story_run(story, STORY_SECOND); /* what was on its way */
	leader = story_leader(story);
	term = term_of(story);
	acked = story->world.count.acked;
	tails = story->world.count.tails;
	story_run(story, for_ns);
	assert_int_equal(story->world.count.acked, acked);
	assert_true(story->world.count.tails > tails);
	assert_int_equal(story_leader(story), leader);
	assert_int_equal(term_of(story), term);
	assert_int_equal(transfers(story), 0);
}

static void a_full_disk_refuses_and_resumes_when_freed(void **state)
{
	struct story *story = story_create(6, 3);
	qr_node leader;

	(void)state;
	story_begin(story);
	leader = story_leader(story);
	story_fill_disks(story, ALL_OF_3);
	expect_nothing_but_reads(story, 10 * STORY_SECOND);
	assert_int_equal(story_leader(story), leader);
	story_fill_disks(story, 0);
	story_run_acked(story, 500);
	story_end(story);
}

/* Its followers find nothing wrong with it, and could take what it refuses. */
static void a_full_leader_hands_over_to_a_node_with_room(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++) {
		struct story *story = story_create(seed, 3);
		uint64_t acked;
		qr_term term;
		qr_node old;

		story_begin(story);
		old = story_leader(story);
		term = term_of(story);
		story_fill_disks(story, qr_nodes_of(old));
		await_full_leader(story);
		acked = story->world.count.acked;
		STORY_AWAIT_IN(story, STORY_STEP_NS, 6 * STORY_ELECTION_NS,
			       story->world.count.acked > acked + 100);
		assert_int_not_equal(story_leader(story), old);
		/* It follows, and the group goes on without its disk. */
		story_run_acked(story, 5000);
		assert_int_equal(transfers(story), 1);
		assert_int_equal(term_of(story), term + 1);
		story_end(story);
	}
}

/* A follower that is full as well would soon keep the new leader from committing anything, and from
 * serving reads: the group is better off with one that says "no space". */
static void a_full_leader_stays_until_a_quorum_has_room(void **state)
{
	(void)state;
	for (uint64_t seed = 11; seed <= 15; seed++) {
		struct story *story = story_create(seed, 5);
		qr_nodes full;
		qr_node old;

		story_begin(story);
		old = story_leader(story);
		full = qr_nodes_of(old) | qr_nodes_of(story_next(story, old, 1)) |
		       qr_nodes_of(story_next(story, old, 3));
		story_fill_disks(story, full);
		expect_nothing_but_reads(story, 10 * STORY_SECOND);
		full &= ~qr_nodes_of(story_next(story, old, 3));
		story_fill_disks(story, full);
		story_run_acked(story, 5000);
		assert_false(qr_nodes_has(full, story_leader(story)));
		assert_int_equal(transfers(story), 1);
		story_end(story);
	}
}

/* Something else takes and gives back what is left of each disk, the leader's first. */
static void disks_that_are_full_in_turns_do_not_pass_leadership_around(void **state)
{
	struct story *story = story_create(16, 3);
	const qr_ns for_ns = 60 * STORY_ELECTION_NS;
	qr_ns end_ns;
	qr_term term;

	(void)state;
	story_begin(story);
	term = term_of(story);
	end_ns = story->world.now_ns + for_ns;
	while (story->world.now_ns < end_ns) {
		qr_node leader = sim_oracle_leader(&story->world, 1);

		if (leader != 0)
			story_fill_disks(story, qr_nodes_of(leader));
		story_run(story, 10 * STORY_MS);
	}
	assert_true(transfers(story) >= 5);
	assert_true(transfers(story) <= 15);
	assert_int_equal(term_of(story), term + transfers(story));
	story_end(story);
}

/* ---- disks that lie ---- */

/** A write of a follower is answered and is not there; restarted, it must notice. */
#define LOSE_ONE 4 /* faults.c: a single write, of anything */

static void lie_to_a_follower(enum sim_fault_kind kind, uint64_t seed)
{
	struct story *story = story_create(seed, 3);
	struct sim_world *world = &story->world;
	qr_node node;

	story->plan.snapshot_blocks = 0; /* the whole log is read again */
	story_begin(story);
	story_run_acked(story, 500);
	node = story_next(story, story_leader(story), 1);
	(void)story_fault(story, (struct sim_fault){.kind = kind, .a = node, .amount = LOSE_ONE},
			  STORY_FOR_EVER);
	STORY_AWAIT(story, world->count.faults[kind] == 1);
	/* What the node could not notice yet is not for one log alone to survive: disk.h. */
	STORY_AWAIT(story, !sim_disk_is_fragile(&world->nodes[node].disk));
	assert_int_equal(world->count.damage_found, 0);
	assert_true(sim_media_damage_count(&world->nodes[node].disk.media) > 0);
	(void)story_fault(story, (struct sim_fault){.kind = SIM_FAULT_KILL, .a = node},
			  10 * STORY_MS);
	assert_false(world->nodes[node].up);
	/* The entry comes from the others, or the node refuses and somebody restores its files. */
	STORY_AWAIT(story, sim_media_damage_count(&world->nodes[node].disk.media) == 0);
	assert_int_equal(world->count.damage_found + (world->count.repairs > 0), 1);
	STORY_AWAIT(story, sim_node_group(&world->nodes[node], 1) != NULL);
	story_run_acked(story, 300);
	story_end(story);
}

/* Sound in itself, at the wrong place: neither its own place nor the one it went to may pass for
 * right (TigerBeetle #2711). */
static void a_misdirected_write_is_noticed(void **state)
{
	(void)state;
	for (uint64_t seed = 10; seed < 18; seed++)
		lie_to_a_follower(SIM_FAULT_MISDIRECTED, seed);
}

static void a_lost_write_is_noticed(void **state)
{
	(void)state;
	for (uint64_t seed = 20; seed < 28; seed++)
		lie_to_a_follower(SIM_FAULT_LOST_WRITE, seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_nodes_lose_power_at_once),
		cmocka_unit_test(several_torn_records_at_the_tail_are_no_damage),
		cmocka_unit_test(a_leader_whose_write_fails_is_replaced),
		cmocka_unit_test(a_single_node_whose_write_fails_begins_a_new_term),
		cmocka_unit_test(a_leader_whose_disk_hangs_steps_down),
		cmocka_unit_test(a_full_leader_whose_disk_hangs_steps_down),
		cmocka_unit_test(a_leader_that_cannot_read_for_a_follower_steps_down),
		cmocka_unit_test(a_node_that_never_has_read_its_log_keeps_no_client),
		cmocka_unit_test(a_slow_follower_leaves_the_commit_path),
		cmocka_unit_test(a_full_disk_refuses_and_resumes_when_freed),
		cmocka_unit_test(a_full_leader_hands_over_to_a_node_with_room),
		cmocka_unit_test(a_full_leader_stays_until_a_quorum_has_room),
		cmocka_unit_test(disks_that_are_full_in_turns_do_not_pass_leadership_around),
		cmocka_unit_test(a_misdirected_write_is_noticed),
		cmocka_unit_test(a_lost_write_is_noticed),
	};

	return cmocka_run_group_tests_name("sim/disks", tests, NULL, NULL);
}
