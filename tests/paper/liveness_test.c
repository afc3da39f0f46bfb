/*
 * That it goes on, or stops, when it should: Raft §5.2, thesis §4.2.3, §6.2 (CheckQuorum), §9.6;
 * and what others ran into.
 */
#include "tests/paper/harness/cluster.h"
#include "tests/paper/harness/rig.h"

static struct rig rig;

static qr_term term_of(struct cluster *cluster, qr_node node)
{
	return cluster_group(cluster, node)->state.term;
}

/* "A leader steps down if an election timeout elapses without a successful round of heartbeats to a
 * majority of its cluster" (thesis §6.2) */
static void t6_2_a_leader_without_a_quorum_steps_down(void **state)
{
	(void)state;
	rig_start(&rig, 5, 4, "11");
	rig_lead(&rig);
	rig_durable(&rig, 3);
	for (unsigned i = 0; i < 9; i++) {
		rig_tick_after(&rig, RIG_ELECTION_NS / 10);
		rig_acknowledge(&rig, 2, 2);
		assert_int_equal(rig.group.role, RAFT_LEADER);
	}
	rig_tick_after(&rig, RIG_ELECTION_NS / 10);
	assert_int_equal(rig.group.role, RAFT_FOLLOWER);
	assert_int_equal(rig.group.leader, 0);
	assert_int_equal(rig.group.state.term, 5);
}

static void t6_2_a_leader_with_a_quorum_stays(void **state)
{
	(void)state;
	rig_start(&rig, 5, 4, "11");
	rig_lead(&rig);
	rig_durable(&rig, 3);
	for (unsigned i = 0; i < 50; i++) {
		rig_tick_after(&rig, RIG_ELECTION_NS / 4);
		rig_acknowledge(&rig, 2, 2);
		rig_acknowledge(&rig, 5, 2);
		assert_int_equal(rig.group.role, RAFT_LEADER);
	}
}

/* A leader that was not run hears what is in its queue before it judges. */
static void t6_2_a_leader_that_slept_gives_the_others_a_chance(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11");
	rig_lead(&rig);
	rig_tick_after(&rig, 5ull * RIG_ELECTION_NS);
	assert_int_equal(rig.group.role, RAFT_LEADER);
	rig_run_for(&rig, RIG_ELECTION_NS);
	assert_int_equal(rig.group.role, RAFT_FOLLOWER);
}

static void t6_2_the_only_voter_needs_nobody(void **state)
{
	(void)state;
	rig_start(&rig, 1, 4, "11");
	rig_lead(&rig);
	rig_durable(&rig, 3);
	rig_run_for(&rig, 20ull * RIG_ELECTION_NS);
	assert_int_equal(rig.group.role, RAFT_LEADER);
}

/* "A server that is partitioned ... cannot raise its term" and disturbs nobody when it is back. */
static void t9_6_a_partitioned_server_does_not_disrupt_on_its_return(void **state)
{
	struct cluster *cluster = cluster_create(3, 96);
	qr_term term;

	(void)state;
	cluster_elect(cluster, 1);
	term = term_of(cluster, 1);
	cluster_isolate(cluster, 3);
	cluster_live_for(cluster, 20ull * CLUSTER_ELECTION_NS);
	assert_int_equal(term_of(cluster, 3), term);
	cluster_propose(cluster, 1, 7);
	cluster_heal(cluster);
	cluster_live_for(cluster, 5ull * CLUSTER_ELECTION_NS);
	assert_int_equal(cluster_leader(cluster), 1);
	assert_int_equal(term_of(cluster, 1), term);
	assert_true(cluster_has_converged(cluster));
	cluster_destroy(cluster);
}

/* "Disruptive servers" (thesis §4.2.3): one that hears no heartbeats, but reaches all others. */
static void t4_2_3_a_deaf_server_does_not_disrupt(void **state)
{
	struct cluster *cluster = cluster_create(5, 423);
	qr_term term;

	(void)state;
	cluster_elect(cluster, 1);
	term = term_of(cluster, 1);
	for (qr_node node = 1; node <= 5; node++)
		cluster->cut[node][5] = true;
	cluster_live_for(cluster, 30ull * CLUSTER_ELECTION_NS);
	assert_int_equal(cluster_leader(cluster), 1);
	assert_int_equal(term_of(cluster, 1), term);
	cluster_destroy(cluster);
}

/*
 * etcd #8501: PreVote with CheckQuorum. Node 3 stood with a higher term and was cut off. Its log is
 * behind, so it cannot win; the others are of a lower term, so it listens to none of them. It must
 * be able to come back.
 */
static void etcd_8501_a_server_with_a_higher_term_and_a_shorter_log_comes_back(void **state)
{
	struct cluster *cluster = cluster_create(3, 8501);

	(void)state;
	cluster_elect(cluster, 1);
	cluster_live_for(cluster, CLUSTER_ELECTION_NS);
	cluster_crash(cluster, 3, 0);
	cluster->nodes[3].disk_state.term = 50;
	cluster->nodes[3].disk_state.vote = 3;
	cluster->nodes[3].disk_state.generation += 50;
	cluster_propose(cluster, 1, 7);
	cluster_live_for(cluster, CLUSTER_ELECTION_NS);
	cluster_restart(cluster, 3);
	cluster_live_for(cluster, 10ull * CLUSTER_ELECTION_NS);
	assert_true(cluster_has_converged(cluster));
	assert_true(term_of(cluster, 3) >= 50);
	cluster_propose(cluster, cluster_leader(cluster), 8);
	cluster_live_for(cluster, CLUSTER_ELECTION_NS);
	assert_true(cluster_has_converged(cluster));
	assert_true(cluster_is_sound(cluster));
	cluster_destroy(cluster);
}

/* The same with the leader gone: those that can win learn the term from the one that cannot. */
static void etcd_8501_without_a_leader_the_higher_term_spreads(void **state)
{
	struct cluster *cluster = cluster_create(3, 8501);

	(void)state;
	cluster_elect(cluster, 1);
	cluster_live_for(cluster, CLUSTER_ELECTION_NS);
	cluster_crash(cluster, 3, 0);
	cluster->nodes[3].disk_state.term = 50;
	cluster->nodes[3].disk_state.vote = 3;
	cluster->nodes[3].disk_state.generation += 50;
	cluster_propose(cluster, 1, 7);
	cluster_live_for(cluster, CLUSTER_ELECTION_NS);
	cluster_crash(cluster, 1, 0);
	cluster_restart(cluster, 3);
	cluster_live_for(cluster, 20ull * CLUSTER_ELECTION_NS);
	assert_int_equal(cluster_leader(cluster), 2);
	assert_true(cluster_has_converged(cluster));
	cluster_destroy(cluster);
}

/* A minority acknowledges nothing, a majority goes on (symmetric partition). */
static void s5_2_a_minority_decides_nothing_and_a_majority_goes_on(void **state)
{
	struct cluster *cluster = cluster_create(5, 52);
	qr_index before;

	(void)state;
	cluster_elect(cluster, 1);
	cluster_live_for(cluster, CLUSTER_ELECTION_NS);
	for (qr_node a = 1; a <= 2; a++) {
		for (qr_node b = 3; b <= 5; b++) {
			cluster->cut[a][b] = true;
			cluster->cut[b][a] = true;
		}
	}
	before = cluster_group(cluster, 1)->commit;
	cluster_propose(cluster, 1, 7);
	cluster_live_for(cluster, 5ull * CLUSTER_ELECTION_NS);
	assert_int_equal(cluster_group(cluster, 1)->commit, before);
	assert_int_not_equal(cluster_group(cluster, 1)->role, RAFT_LEADER);
	assert_true(cluster_leader(cluster) >= 3);
	cluster_propose(cluster, cluster_leader(cluster), 8);
	cluster_heal(cluster);
	cluster_live_for(cluster, 10ull * CLUSTER_ELECTION_NS);
	assert_true(cluster_has_converged(cluster));
	assert_true(cluster_is_sound(cluster));
	cluster_destroy(cluster);
}

/* One node reaches a quorum, no other does: it must lead, and stay. */
static void s5_2_in_a_quorum_loss_partition_the_one_that_reaches_a_quorum_leads(void **state)
{
	struct cluster *cluster = cluster_create(5, 53);
	qr_term term;

	(void)state;
	cluster_elect(cluster, 1);
	cluster_live_for(cluster, CLUSTER_ELECTION_NS);
	for (qr_node a = 1; a <= 5; a++) {
		for (qr_node b = 1; b <= 5; b++)
			cluster->cut[a][b] = a != 3 && b != 3;
	}
	cluster_live_for(cluster, 20ull * CLUSTER_ELECTION_NS);
	assert_int_equal(cluster_leader(cluster), 3);
	term = term_of(cluster, 3);
	assert_true(term <= 3);
	cluster_live_for(cluster, 20ull * CLUSTER_ELECTION_NS);
	assert_int_equal(term_of(cluster, 3), term);
	assert_true(cluster_has_converged(cluster));
	cluster_destroy(cluster);
}

/* A chain 1 - 2 - 3: whoever leads, terms do not keep growing. */
static void s5_2_in_a_chained_partition_terms_stop_growing(void **state)
{
	struct cluster *cluster = cluster_create(3, 54);
	qr_term term;

	(void)state;
	cluster_elect(cluster, 1);
	cluster->cut[1][3] = true;
	cluster->cut[3][1] = true;
	cluster_live_for(cluster, 10ull * CLUSTER_ELECTION_NS);
	term = term_of(cluster, 2);
	assert_true(term <= 2);
	cluster_live_for(cluster, 50ull * CLUSTER_ELECTION_NS);
	assert_int_equal(term_of(cluster, 2), term);
	assert_int_not_equal(cluster_leader(cluster), 0);
	cluster_destroy(cluster);
}

/* Everything restarts, nothing is ever proposed by anybody: commit is still known everywhere. */
static void s8_a_restarted_follower_learns_what_is_decided_in_silence(void **state)
{
	struct cluster *cluster = cluster_create(3, 8);

	(void)state;
	cluster_elect(cluster, 1);
	cluster_propose(cluster, 1, 7);
	cluster_live_for(cluster, CLUSTER_ELECTION_NS);
	cluster_crash(cluster, 3, 0);
	cluster_restart(cluster, 3);
	assert_int_equal(cluster_group(cluster, 3)->commit, 0);
	cluster_live_for(cluster, CLUSTER_ELECTION_NS);
	assert_int_equal(cluster_group(cluster, 3)->commit, cluster_group(cluster, 1)->commit);
	cluster_destroy(cluster);
}

/* A follower that lost what it was sent, with nothing new to send, is filled again. */
static void s5_3_a_follower_that_lost_entries_in_flight_is_filled_again(void **state)
{
	struct cluster *cluster = cluster_create(3, 530);

	(void)state;
	cluster_elect(cluster, 1);
	cluster_live_for(cluster, CLUSTER_ELECTION_NS);
	for (uint64_t value = 1; value <= 10; value++)
		cluster_propose(cluster, 1, value);
	cluster_drop_all(cluster);
	cluster_live_for(cluster, 3ull * CLUSTER_ELECTION_NS);
	assert_int_equal(cluster_leader(cluster), 1);
	assert_true(cluster_has_converged(cluster));
	cluster_destroy(cluster);
}

/* A learner that joins late gets everything, and is never counted. */
static void t4_2_1_a_learner_catches_up(void **state)
{
	struct cluster *cluster = cluster_create_with_learners(3, 1);

	(void)state;
	cluster_isolate(cluster, 4);
	cluster_elect(cluster, 1);
	for (uint64_t value = 1; value <= 200; value++)
		cluster_propose(cluster, 1, value);
	cluster_deliver(cluster);
	cluster_heal(cluster);
	cluster_live_for(cluster, 2ull * CLUSTER_ELECTION_NS);
	assert_true(cluster_has_converged(cluster));
	assert_int_equal(cluster_group(cluster, 4)->commit, 201);
	cluster_destroy(cluster);
}

/* Preferred leaders stand first when all wait for the same failure. */
static void priority_decides_who_stands_first(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct cluster *cluster = cluster_create(3, seed);

		cluster_elect(cluster, 1);
		cluster_live_for(cluster, CLUSTER_ELECTION_NS);
		cluster_group(cluster, 2)->parameters.priority = 0;
		cluster_live_for(cluster, CLUSTER_ELECTION_NS);
		cluster_crash(cluster, 1, 0);
		cluster_live_for(cluster, 5ull * CLUSTER_ELECTION_NS);
		assert_int_equal(cluster_leader(cluster), 3);
		cluster_destroy(cluster);
	}
}

/* An idle core sleeps until the deadline: ticking only then must be enough. */
static void ticks_at_the_deadlines_alone_are_enough(void **state)
{
	(void)state;
	rig_start(&rig, 1, 4, "11");
	for (unsigned i = 0; i < 10 && rig.group.role != RAFT_LEADER; i++) {
		rig_step(&rig, (struct raft_event){.kind = RAFT_EVENT_TICK,
						   .now_ns = raft_next_deadline(&rig.group)});
		if (rig.effects.save_state)
			rig_state_durable(&rig);
	}
	assert_int_equal(rig.group.role, RAFT_LEADER);
	assert_int_equal(raft_next_deadline(&rig.group), rig.group.now_ns + RIG_HEARTBEAT_NS);
}

/* Whatever it is that the disk does not do; a process that was stopped judges by nothing old. */
static void a_leader_whose_store_hangs_steps_down_unless_it_was_paused(void **state)
{
	struct raft_event hangs = {.kind = RAFT_EVENT_TICK, .store_hangs = true};

	(void)state;
	rig_start(&rig, 3, 4, "11");
	rig_lead(&rig);
	hangs.now_ns = rig.group.now_ns + RIG_ELECTION_NS;
	rig_step(&rig, hangs);
	assert_int_equal(rig.group.role, RAFT_LEADER);
	hangs.now_ns = rig.group.now_ns + RIG_HEARTBEAT_NS;
	rig_step(&rig, hangs);
	assert_int_equal(rig.group.role, RAFT_FOLLOWER);
}

/* The clock of the events is the only one, and it does not run backwards here. */
static void time_that_runs_backwards_counts_as_standing_still(void **state)
{
	qr_ns now;

	(void)state;
	rig_start(&rig, 3, 4, "11");
	rig_tick_after(&rig, RIG_HEARTBEAT_NS);
	now = rig.group.now_ns;
	rig_step(&rig, (struct raft_event){.kind = RAFT_EVENT_TICK, .now_ns = now - 5000});
	assert_int_equal(rig.group.now_ns, now);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t6_2_a_leader_without_a_quorum_steps_down),
		cmocka_unit_test(t6_2_a_leader_with_a_quorum_stays),
		cmocka_unit_test(t6_2_a_leader_that_slept_gives_the_others_a_chance),
		cmocka_unit_test(t6_2_the_only_voter_needs_nobody),
		cmocka_unit_test(t9_6_a_partitioned_server_does_not_disrupt_on_its_return),
		cmocka_unit_test(t4_2_3_a_deaf_server_does_not_disrupt),
		cmocka_unit_test(
			etcd_8501_a_server_with_a_higher_term_and_a_shorter_log_comes_back),
		cmocka_unit_test(etcd_8501_without_a_leader_the_higher_term_spreads),
		cmocka_unit_test(s5_2_a_minority_decides_nothing_and_a_majority_goes_on),
		cmocka_unit_test(
			s5_2_in_a_quorum_loss_partition_the_one_that_reaches_a_quorum_leads),
		cmocka_unit_test(s5_2_in_a_chained_partition_terms_stop_growing),
		cmocka_unit_test(s8_a_restarted_follower_learns_what_is_decided_in_silence),
		cmocka_unit_test(s5_3_a_follower_that_lost_entries_in_flight_is_filled_again),
		cmocka_unit_test(t4_2_1_a_learner_catches_up),
		cmocka_unit_test(priority_decides_who_stands_first),
		cmocka_unit_test(ticks_at_the_deadlines_alone_are_enough),
		cmocka_unit_test(a_leader_whose_store_hangs_steps_down_unless_it_was_paused),
		cmocka_unit_test(time_that_runs_backwards_counts_as_standing_still),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
