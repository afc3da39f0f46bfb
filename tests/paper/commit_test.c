/* What is decided: Raft §5.3, §5.4.2, figure 8; thesis §4.3, §10.2.1. */
#include "tests/paper/harness/cluster.h"
#include "tests/paper/harness/rig.h"

static struct rig rig;

/* A leader of term 5 with the log "1145", nothing acknowledged. */
static void lead(qr_node voters)
{
	rig_start(&rig, voters, 4, "114");
	rig_lead(&rig);
}

/* "A log entry is committed once the leader has replicated it on a majority" (§5.3) */
static void s5_3_an_entry_on_a_majority_is_committed(void **state)
{
	(void)state;
	lead(5);
	rig_durable(&rig, 4);
	rig_acknowledge(&rig, 2, 4);
	assert_int_equal(rig.group.commit, 0);
	rig_acknowledge(&rig, 3, 4);
	assert_true(rig.effects.commit_moved);
	assert_int_equal(rig.effects.commit, 4);
}

/* "Raft never commits log entries from previous terms by counting replicas" (§5.4.2) */
static void s5_4_2_an_entry_of_an_older_term_is_not_committed_by_counting(void **state)
{
	(void)state;
	lead(3);
	rig_acknowledge(&rig, 2, 3);
	rig_acknowledge(&rig, 3, 3);
	assert_int_equal(rig.group.commit, 0);
}

/* "Once an entry from the current term has been committed, all prior entries are committed" */
static void s5_4_2_older_entries_are_committed_with_one_of_the_current_term(void **state)
{
	(void)state;
	lead(3);
	rig_acknowledge(&rig, 2, 3);
	rig_acknowledge(&rig, 2, 4);
	assert_int_equal(rig.group.commit, 0);
	rig_durable(&rig, 4);
	assert_int_equal(rig.group.commit, 4);
}

/* "The leader may commit an entry before it is written to its own disk, if a majority of followers
 * have" (thesis §10.2.1) */
static void t10_2_1_commit_may_precede_the_leaders_own_disk(void **state)
{
	(void)state;
	lead(3);
	rig_acknowledge(&rig, 2, 4);
	rig_acknowledge(&rig, 3, 4);
	assert_int_equal(rig.group.commit, 4);
	assert_int_equal(rig.group.durable.index, 3);
}

/* The leader is one of those that are counted, and only for what its own disk has. */
static void t10_2_1_the_leader_counts_itself_only_when_durable(void **state)
{
	(void)state;
	lead(3);
	rig_propose(&rig, 1);
	rig_acknowledge(&rig, 2, 5);
	assert_int_equal(rig.group.commit, 0);
	rig_durable(&rig, 4);
	assert_int_equal(rig.group.commit, 4);
	rig_durable(&rig, 5);
	assert_int_equal(rig.group.commit, 5);
}

static void s5_3_the_only_voter_commits_what_its_disk_has(void **state)
{
	(void)state;
	lead(1);
	assert_int_equal(rig.group.commit, 0);
	rig_durable(&rig, 4);
	assert_int_equal(rig.group.commit, 4);
}

/* Acknowledgements that come late or twice move nothing back. */
static void s5_3_old_acknowledgements_move_nothing_back(void **state)
{
	(void)state;
	lead(3);
	rig_acknowledge(&rig, 2, 4);
	rig_acknowledge(&rig, 3, 4);
	rig_acknowledge(&rig, 2, 1);
	rig_acknowledge(&rig, 3, 0);
	assert_int_equal(rig.group.commit, 4);
	assert_int_equal(raft_progress_of(&rig.group, 2)->match, 4);
}

/* A follower that matches, but not durably, is not counted. */
static void s5_3_what_is_only_in_memory_is_not_counted(void **state)
{
	(void)state;
	lead(3);
	rig_durable(&rig, 4);
	rig_receive(&rig, (struct raft_message){
				  .kind = RAFT_MESSAGE_APPEND_REPLY,
				  .from = 2,
				  .term = 5,
				  .index = 3,
				  .hint_index = 4,
			  });
	assert_int_equal(raft_progress_of(&rig.group, 2)->match, 3);
	assert_int_equal(rig.group.commit, 0);
}

/* "Non-voting members are not counted in majorities" (thesis §4.2.1) */
static void t4_2_1_learners_are_not_counted(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "114");
	rig.configuration.learners = qr_nodes_of(8) | qr_nodes_of(9);
	rig_restart(&rig, rig.group.state, "114", 0);
	rig_lead(&rig);
	rig_durable(&rig, 4);
	rig_acknowledge(&rig, 8, 4);
	rig_acknowledge(&rig, 9, 4);
	assert_int_equal(rig.group.commit, 0);
	rig_acknowledge(&rig, 3, 4);
	assert_int_equal(rig.group.commit, 4);
}

/* "Agreement requires separate majorities from both the old and new configurations" (thesis §4.3)
 */
static void t4_3_a_joint_configuration_commits_on_both_majorities(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "114");
	rig.configuration.voters_outgoing = qr_nodes_of(1) | qr_nodes_of(4) | qr_nodes_of(5);
	rig_restart(&rig, rig.group.state, "114", 0);
	rig_time_out(&rig);
	for (qr_node node = 2; node <= 4; node++) {
		rig_receive(&rig, (struct raft_message){.kind = RAFT_MESSAGE_PRE_VOTE_REPLY,
							.from = node,
							.term = 5});
	}
	rig_state_durable(&rig);
	for (qr_node node = 2; node <= 4; node++) {
		rig_receive(&rig, (struct raft_message){.kind = RAFT_MESSAGE_VOTE_REPLY,
							.from = node,
							.term = 5});
	}
	rig_step(&rig, (struct raft_event){
			       .kind = RAFT_EVENT_PROPOSE,
			       .propose = {.kind = RAFT_ENTRY_NOOP, .blocks = 1},
		       });
	rig_durable(&rig, 4);
	rig_acknowledge(&rig, 2, 4);
	rig_acknowledge(&rig, 3, 4);
	assert_int_equal(rig.group.commit, 0);
	rig_acknowledge(&rig, 5, 4);
	assert_int_equal(rig.group.commit, 4);
}

/* Let `node` win an election in which only it and `voters` take part; its first sends are lost. */
static void elect_among(struct cluster *cluster, qr_node node, qr_nodes voters)
{
	for (qr_node other = 1; other <= 5; other++) {
		if (other != node && !qr_nodes_has(voters, other))
			cluster_isolate(cluster, other);
	}
	for (unsigned attempt = 0; cluster_group(cluster, node)->role != RAFT_LEADER; attempt++) {
		assert_true(attempt < 3);
		cluster->now_ns += 3ull * CLUSTER_ELECTION_NS;
		cluster_tick(cluster, node);
		while (cluster->packet_count > 0 &&
		       cluster_group(cluster, node)->role != RAFT_LEADER)
			cluster_deliver_one(cluster, 0, false, false);
	}
	cluster_drop_all(cluster);
	cluster_heal(cluster);
}

/* The leader reaches `nodes` for a while, but nothing above `last` gets through. */
static void replicate_up_to(struct cluster *cluster, qr_node leader, qr_nodes nodes, qr_index last)
{
	for (unsigned i = 0; i < 8; i++) {
		cluster->now_ns += CLUSTER_HEARTBEAT_NS;
		cluster_tick(cluster, leader);
		while (cluster->packet_count > 0) {
			const struct raft_message *message = &cluster->packets[0].message;

			if (message->last > last || !qr_nodes_has(nodes, message->from) ||
			    !qr_nodes_has(nodes, message->to)) {
				cluster_drop_one(cluster, 0);
			} else {
				cluster_deliver_one(cluster, 0, false, false);
			}
		}
	}
}

/*
 * Figure 8: "a time sequence showing why a leader cannot determine commitment using log entries
 * from older terms". S1 is node 1, S5 is node 5; every leader's no-op stands for its entry. Windows
 * of one entry let the old entry travel without the no-op behind it.
 */
static void f8_an_entry_of_an_older_term_on_a_majority_can_still_be_overwritten(void **state)
{
	struct cluster *cluster = cluster_create(5, 8);
	struct raft_group *s1 = cluster_group(cluster, 1);
	struct raft_group *s5 = cluster_group(cluster, 5);

	(void)state;
	cluster->parameters.window_entries = 1;
	cluster_elect(cluster, 1);
	cluster_live_for(cluster, CLUSTER_ELECTION_NS);
	assert_int_equal(s1->commit, 1);

	/* (a) "S1 is leader and partially replicates the log entry at index 2" */
	assert_int_equal(cluster_propose(cluster, 1, 22), 2);
	replicate_up_to(cluster, 1, qr_nodes_of(1) | qr_nodes_of(2), 2);
	assert_int_equal(cluster_group(cluster, 2)->last, 2);
	assert_int_equal(cluster_group(cluster, 3)->last, 1);

	/* (b) "S1 crashes; S5 is elected leader with votes from S3, S4 and itself" */
	cluster_crash(cluster, 1, 0);
	elect_among(cluster, 5, qr_nodes_of(3) | qr_nodes_of(4));
	assert_int_equal(raft_term_at(s5, 2), s5->state.term);

	/* (c) "S5 crashes; S1 restarts, is elected, and continues replication": 2 is on a majority
	 */
	cluster_crash(cluster, 5, 0);
	cluster_restart(cluster, 1);
	elect_among(cluster, 1, qr_nodes_of(2) | qr_nodes_of(3));
	replicate_up_to(cluster, 1, qr_nodes_of(1) | qr_nodes_of(2) | qr_nodes_of(3), 2);
	assert_int_equal(raft_progress_of(s1, 2)->match, 2);
	assert_int_equal(raft_progress_of(s1, 3)->match, 2);
	assert_true(s1->commit < 2);

	/* (d) "If S1 crashes, S5 could be elected and overwrite the entry" */
	cluster_crash(cluster, 1, 0);
	cluster_restart(cluster, 5);
	elect_among(cluster, 5, qr_nodes_of(2) | qr_nodes_of(3) | qr_nodes_of(4));
	cluster_restart(cluster, 1);
	cluster_live_for(cluster, 5ull * CLUSTER_ELECTION_NS);
	assert_true(cluster_has_converged(cluster));
	assert_int_not_equal(cluster->nodes[2].log[2].value, 22);
	assert_true(cluster_is_sound(cluster));
	cluster_destroy(cluster);
}

/* Figure 8 (e): once an entry of its own term is on a majority, S1's old entry is safe with it. */
static void f8_with_an_entry_of_the_current_term_the_old_one_is_safe(void **state)
{
	struct cluster *cluster = cluster_create(5, 8);

	(void)state;
	cluster_elect(cluster, 1);
	cluster_live_for(cluster, CLUSTER_ELECTION_NS);
	cluster_isolate(cluster, 3);
	cluster_isolate(cluster, 4);
	cluster_isolate(cluster, 5);
	cluster_propose(cluster, 1, 22);
	cluster_deliver(cluster);
	assert_int_equal(cluster_group(cluster, 1)->commit, 1);
	cluster_crash(cluster, 1, 0);
	cluster_restart(cluster, 1);
	cluster_heal(cluster);
	elect_among(cluster, 1, qr_nodes_of(2) | qr_nodes_of(3));
	cluster_live_for(cluster, CLUSTER_ELECTION_NS);
	assert_int_equal(cluster_group(cluster, 1)->commit, 3);
	cluster_crash(cluster, 1, 0);
	cluster_live_for(cluster, 6ull * CLUSTER_ELECTION_NS);
	assert_int_equal(cluster->nodes[cluster_leader(cluster)].log[2].value, 22);
	assert_true(cluster_is_sound(cluster));
	cluster_destroy(cluster);
}

/* "the logs are identical in all preceding entries" (§5.3), so whoever has the entry has them all.
 */
static void s5_3_who_has_an_entry_that_another_knows_to_be_committed_knows_it_too(void **state)
{
	const struct raft_event told = {.kind = RAFT_EVENT_COMMITTED, .position = {3, 2, 0}};

	(void)state;
	rig_start(&rig, 3, 4, "1122");
	rig_step(&rig, told);
	assert_true(rig.effects.commit_moved);
	assert_int_equal(rig.effects.commit, 3);
	assert_int_equal(rig.group.last, 4);
	/* Whoever stands for election, too; and once is enough. */
	rig_start(&rig, 3, 4, "1122");
	rig_stand(&rig);
	rig_step(&rig, told);
	assert_int_equal(rig.group.commit, 3);
	rig_step(&rig, told);
	assert_false(rig.effects.commit_moved);
	assert_int_equal(rig.group.role, RAFT_CANDIDATE);
}

static void s5_3_another_entry_with_that_index_says_nothing(void **state)
{
	const struct raft_position others[] = {{3, 1, 0}, {3, 3, 0}, {5, 2, 0}, {0, 0, 0}};

	(void)state;
	rig_start(&rig, 3, 4, "1122");
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		rig_step(&rig,
			 (struct raft_event){.kind = RAFT_EVENT_COMMITTED, .position = others[i]});
		assert_int_equal(rig.group.commit, 0);
		assert_int_equal(rig.group.matched, 0);
	}
}

/* Only by counting (figure 2): nothing of its own term is known of the others. */
static void f2_a_leader_is_not_told_what_is_committed(void **state)
{
	(void)state;
	lead(3);
	rig_step(&rig, (struct raft_event){.kind = RAFT_EVENT_COMMITTED, .position = {2, 1, 0}});
	assert_int_equal(rig.group.commit, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(s5_3_an_entry_on_a_majority_is_committed),
		cmocka_unit_test(s5_4_2_an_entry_of_an_older_term_is_not_committed_by_counting),
		cmocka_unit_test(s5_4_2_older_entries_are_committed_with_one_of_the_current_term),
		cmocka_unit_test(t10_2_1_commit_may_precede_the_leaders_own_disk),
		cmocka_unit_test(t10_2_1_the_leader_counts_itself_only_when_durable),
		cmocka_unit_test(s5_3_the_only_voter_commits_what_its_disk_has),
		cmocka_unit_test(s5_3_old_acknowledgements_move_nothing_back),
		cmocka_unit_test(s5_3_what_is_only_in_memory_is_not_counted),
		cmocka_unit_test(t4_2_1_learners_are_not_counted),
		cmocka_unit_test(t4_3_a_joint_configuration_commits_on_both_majorities),
		cmocka_unit_test(
			f8_an_entry_of_an_older_term_on_a_majority_can_still_be_overwritten),
		cmocka_unit_test(f8_with_an_entry_of_the_current_term_the_old_one_is_safe),
		cmocka_unit_test(
			s5_3_who_has_an_entry_that_another_knows_to_be_committed_knows_it_too),
		cmocka_unit_test(s5_3_another_entry_with_that_index_says_nothing),
		cmocka_unit_test(f2_a_leader_is_not_told_what_is_committed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
