/*
 * What must be on stable media before it is told to anybody: Raft figure 2 "Persistent state",
 * §5.1; thesis §3.8, §10.2.1. And that a late completion never vouches for what replaced it.
 */
#include "tests/paper/harness/cluster.h"
#include "tests/paper/harness/rig.h"

static struct rig rig;

static struct raft_message vote_request(qr_node from, qr_term term)
{
	return (struct raft_message){
		.kind = RAFT_MESSAGE_VOTE,
		.from = from,
		.term = term,
		.index = 9,
		.log_term = 4,
	};
}

/* "Persistent state on all servers: updated on stable storage before responding to RPCs" */
static void f2_a_vote_leaves_only_once_it_is_durable(void **state)
{
	const struct raft_message *reply;

	(void)state;
	rig_start(&rig, 3, 4, "11");
	rig_tick_after(&rig, RIG_ELECTION_NS);
	rig_receive(&rig, vote_request(2, 5));
	reply = rig_sent(&rig, RAFT_MESSAGE_VOTE_REPLY, 2);
	assert_true(rig.effects.save_state);
	assert_int_equal(rig.effects.state.vote, 2);
	assert_int_equal(reply->requires.state_generation, rig.effects.state.generation);
	assert_true(rig.group.state_durable_generation < reply->requires.state_generation);
}

static void f2_a_request_for_votes_leaves_only_once_the_own_vote_is_durable(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11");
	rig_time_out(&rig);
	rig_receive(&rig, (struct raft_message){
				  .kind = RAFT_MESSAGE_PRE_VOTE_REPLY, .from = 2, .term = 5});
	assert_int_equal(rig_sent(&rig, RAFT_MESSAGE_VOTE, 2)->requires.state_generation,
			 rig.effects.state.generation);
}

/* The own vote is a vote like any other. */
static void f2_the_own_vote_counts_only_once_it_is_durable(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11");
	rig_time_out(&rig);
	rig_receive(&rig, (struct raft_message){
				  .kind = RAFT_MESSAGE_PRE_VOTE_REPLY, .from = 2, .term = 5});
	rig_receive(&rig,
		    (struct raft_message){.kind = RAFT_MESSAGE_VOTE_REPLY, .from = 2, .term = 5});
	assert_int_equal(rig.group.role, RAFT_CANDIDATE);
	rig_state_durable(&rig);
	assert_int_equal(rig.group.role, RAFT_LEADER);
}

/* Answers to requests that cannot have left yet elect nobody, however many they are. */
static void f2_no_quorum_makes_a_leader_before_its_term_is_durable(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11");
	rig_time_out(&rig);
	rig_receive(&rig, (struct raft_message){
				  .kind = RAFT_MESSAGE_PRE_VOTE_REPLY, .from = 2, .term = 5});
	for (qr_node node = 2; node <= 3; node++) {
		rig_receive(&rig, (struct raft_message){.kind = RAFT_MESSAGE_VOTE_REPLY,
							.from = node,
							.term = 5});
	}
	assert_int_equal(rig.group.role, RAFT_CANDIDATE);
	rig_state_durable(&rig);
	assert_int_equal(rig.group.role, RAFT_LEADER);
}

static void f2_an_older_state_on_the_disk_is_not_the_newest_vote(void **state)
{
	(void)state;
	rig_start(&rig, 1, 4, "11");
	rig_time_out(&rig);
	rig_step(&rig, (struct raft_event){.kind = RAFT_EVENT_STATE_DURABLE,
					   .state_generation = rig.group.state.generation - 1});
	assert_int_equal(rig.group.role, RAFT_CANDIDATE);
	rig_step(&rig, (struct raft_event){.kind = RAFT_EVENT_STATE_DURABLE,
					   .state_generation = rig.group.state.generation + 1});
	assert_int_equal(rig.group.role, RAFT_CANDIDATE);
}

/* Every answer in a term names the generation that holds the term. */
static void f2_a_new_term_is_saved_and_answers_wait_for_it(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11");
	rig_receive(&rig,
		    (struct raft_message){.kind = RAFT_MESSAGE_HEARTBEAT, .from = 2, .term = 7});
	assert_int_equal(rig.effects.state.term, 7);
	assert_int_equal(rig_sent(&rig, RAFT_MESSAGE_HEARTBEAT_REPLY, 2)->requires.state_generation,
			 rig.effects.state.generation);
	rig_append(&rig, 2, 7, 2, 1, "", 0);
	assert_int_equal(rig_sent(&rig, RAFT_MESSAGE_APPEND_REPLY, 2)->requires.state_generation,
			 rig.group.state.generation);
}

/* "A follower must write entries to stable storage before it acknowledges them" (thesis §3.8) */
static void t3_8_entries_are_acknowledged_only_once_they_are_durable(void **state)
{
	const struct raft_message *reply;

	(void)state;
	rig_start(&rig, 3, 4, "11");
	rig_append(&rig, 2, 4, 2, 1, "4444", 0);
	assert_int_equal(rig_count(&rig, RAFT_MESSAGE_APPEND_REPLY), 0);
	rig_durable(&rig, 4);
	reply = rig_sent(&rig, RAFT_MESSAGE_APPEND_REPLY, 2);
	assert_int_equal(reply->index, 4);
	assert_int_equal(reply->hint_index, 6);
	assert_int_equal(reply->requires.position.index, 4);
	assert_int_equal(reply->requires.position.term, 4);
	assert_int_equal(reply->requires.position.generation, rig.group.generation);
	rig_durable(&rig, 6);
	assert_int_equal(rig_sent(&rig, RAFT_MESSAGE_APPEND_REPLY, 2)->index, 6);
}

/* What is durable but was not matched with this leader may be another leader's: no word of it. */
static void t3_8_durable_but_unmatched_entries_are_not_acknowledged(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "113333");
	rig_append(&rig, 2, 4, 2, 1, "", 0);
	assert_int_equal(rig_sent(&rig, RAFT_MESSAGE_APPEND_REPLY, 2)->index, 2);
	rig_receive(&rig,
		    (struct raft_message){.kind = RAFT_MESSAGE_HEARTBEAT, .from = 2, .term = 4});
	assert_int_equal(rig_sent(&rig, RAFT_MESSAGE_HEARTBEAT_REPLY, 2)->index, 2);
}

/* The disk finishes for an older leader what the new one has not matched. */
static void t3_8_a_completion_is_not_told_to_another_leader(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11");
	rig_append(&rig, 2, 4, 2, 1, "44", 0);
	rig_receive(&rig,
		    (struct raft_message){.kind = RAFT_MESSAGE_HEARTBEAT, .from = 3, .term = 5});
	rig_durable(&rig, 4);
	assert_int_equal(rig.group.durable.index, 4);
	assert_int_equal(rig.effects.message_count, 0);
}

/*
 * The late-completion ABA: entry 3 of term 4 is being written when another leader cuts it off, and
 * a third one brings the very same entry back. The completion of the first write says nothing about
 * the second.
 */
static void a_late_completion_never_vouches_for_what_replaced_it(void **state)
{
	struct raft_position late;

	(void)state;
	rig_start(&rig, 3, 4, "11");
	rig_append(&rig, 2, 4, 2, 1, "4", 0);
	late = (struct raft_position){3, 4, rig.effects.generation};
	rig_append(&rig, 3, 5, 2, 1, "5", 0);
	rig_expect_log(&rig, "115");
	rig_append(&rig, 2, 6, 2, 1, "46", 0);
	rig_expect_log(&rig, "1146");
	assert_int_equal(raft_term_at(&rig.group, 3), late.term);

	rig_step(&rig, (struct raft_event){.kind = RAFT_EVENT_ENTRIES_DURABLE, .position = late});
	assert_int_equal(rig.group.durable.index, 2);
	assert_int_equal(rig.effects.message_count, 0);
	rig_durable(&rig, 4);
	assert_int_equal(rig_sent(&rig, RAFT_MESSAGE_APPEND_REPLY, 2)->index, 4);
}

static void a_completion_of_another_term_or_beyond_the_log_does_not_count(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11");
	rig_append(&rig, 2, 4, 2, 1, "44", 0);
	rig_step(&rig, (struct raft_event){.kind = RAFT_EVENT_ENTRIES_DURABLE,
					   .position = {4, 3, rig.group.generation}});
	rig_step(&rig, (struct raft_event){.kind = RAFT_EVENT_ENTRIES_DURABLE,
					   .position = {5, 4, rig.group.generation}});
	rig_step(&rig, (struct raft_event){.kind = RAFT_EVENT_ENTRIES_DURABLE,
					   .position = {4, 4, rig.group.generation + 1}});
	assert_int_equal(rig.group.durable.index, 2);
}

/* What lies below the cut is as durable as before. */
static void a_cut_keeps_the_durable_prefix(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "112233");
	rig_append(&rig, 2, 4, 4, 2, "4", 0);
	assert_int_equal(rig.group.durable.index, 4);
	assert_int_equal(rig.group.durable.term, 2);
	assert_int_equal(rig.group.durable.generation, 2);
	rig_append(&rig, 2, 4, 4, 2, "4", 0);
	assert_int_equal(rig_sent(&rig, RAFT_MESSAGE_APPEND_REPLY, 2)->index, 4);
}

/* "The server recovers its log, term and vote" (thesis §3.8): it goes on where the disk was. */
static void t3_8_a_restart_resumes_from_what_the_disk_has(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "");
	rig_restart(&rig, (struct raft_hard_state){.term = 7, .vote = 3, .generation = 12}, "11355",
		    3);
	rig_expect_log(&rig, "11355");
	assert_int_equal(rig.group.durable.index, 5);
	assert_int_equal(rig.group.commit, 3);
	assert_int_equal(rig.group.state_durable_generation, 12);
	rig_time_out(&rig);
	assert_int_equal(rig_sent(&rig, RAFT_MESSAGE_PRE_VOTE, 2)->log_term, 5);
}

/* A poisoned store: step down at once, and never a word again. */
static void a_failed_store_ends_leadership_at_once(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11");
	rig_lead(&rig);
	rig_step(&rig, (struct raft_event){.kind = RAFT_EVENT_READ, .context = 77});
	rig_step(&rig, (struct raft_event){.kind = RAFT_EVENT_STORAGE_FAILED});
	assert_int_equal(rig.group.role, RAFT_FOLLOWER);
	assert_true(rig.effects.role_changed);
	assert_int_equal(rig.effects.read_count, 1);
	assert_true(rig.effects.reads[0].failed);
	assert_false(raft_can_propose(&rig.group));
}

static void a_failed_store_neither_votes_nor_acknowledges_nor_stands(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11");
	rig_append(&rig, 2, 4, 2, 1, "4", 0);
	rig_step(&rig, (struct raft_event){.kind = RAFT_EVENT_STORAGE_FAILED});
	rig_durable(&rig, 3);
	assert_int_equal(rig.effects.message_count, 0);
	rig_append(&rig, 2, 4, 3, 4, "4", 0);
	assert_int_equal(rig.effects.message_count, 0);
	assert_false(rig.effects.appended);
	rig_tick_after(&rig, 9ull * RIG_ELECTION_NS);
	assert_int_equal(rig.group.role, RAFT_FOLLOWER);
	rig_receive(&rig, vote_request(3, 9));
	assert_int_equal(rig.effects.message_count, 0);
	assert_false(rig.effects.save_state);
	assert_int_equal(raft_next_deadline(&rig.group), UINT64_MAX);
}

/* hashicorp/raft #503: the leader's disk hangs while its heartbeats go on. */
static void hashicorp_503_a_leader_whose_disk_hangs_steps_down(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11");
	rig_lead(&rig);
	for (unsigned i = 1; i <= 10; i++) {
		assert_int_equal(rig.group.role, RAFT_LEADER);
		rig_tick_after(&rig, RIG_ELECTION_NS / 10);
		rig_acknowledge(&rig, 2, 2);
		rig_acknowledge(&rig, 3, 2);
	}
	assert_int_equal(rig.group.role, RAFT_FOLLOWER);
}

static void hashicorp_503_a_slow_disk_that_moves_keeps_the_leader(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11");
	rig_lead(&rig);
	for (unsigned i = 0; i < 40; i++)
		rig_propose(&rig, 1);
	for (qr_index index = 3; index < 40; index++) {
		rig_tick_after(&rig, RIG_ELECTION_NS / 2);
		rig_acknowledge(&rig, 2, 2);
		rig_durable(&rig, index);
		assert_int_equal(rig.group.role, RAFT_LEADER);
	}
}

static void hashicorp_503_a_server_whose_disk_hangs_does_not_stand(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11");
	rig_append(&rig, 2, 4, 2, 1, "4", 0);
	rig_run_for(&rig, 5ull * RIG_ELECTION_NS);
	assert_int_equal(rig.group.role, RAFT_FOLLOWER);
	rig_durable(&rig, 3);
	rig_run_for(&rig, 3ull * RIG_ELECTION_NS);
	assert_int_equal(rig.group.role, RAFT_PRE_CANDIDATE);
}

/* The disk begins to hang between sounding out and standing. */
static void a_disk_that_hangs_meanwhile_withdraws_the_candidacy(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11");
	rig_append(&rig, 2, 4, 2, 1, "4", 0);
	rig_tick_after(&rig, RIG_ELECTION_NS - 1);
	rig.group.election_at_ns = rig.group.now_ns;
	rig_tick_after(&rig, 0);
	assert_int_equal(rig.group.role, RAFT_PRE_CANDIDATE);
	rig_tick_after(&rig, 2);
	rig_receive(&rig, (struct raft_message){
				  .kind = RAFT_MESSAGE_PRE_VOTE_REPLY, .from = 2, .term = 5});
	assert_int_equal(rig.group.role, RAFT_FOLLOWER);
	assert_int_equal(rig.group.state.term, 4);
}

/*
 * canonical/raft #320: a leader whose disk write fails must not send other entries under the
 * (index, term) that it has sent. It goes silent, another takes over, and after its restart it
 * accepts what was decided.
 */
static void canonical_320_a_failed_write_never_reuses_an_index_and_term(void **state)
{
	struct cluster *cluster = cluster_create(3, 320);
	qr_index index;

	(void)state;
	cluster_elect(cluster, 1);
	cluster_live_for(cluster, CLUSTER_ELECTION_NS);
	cluster->nodes[1].disk_waits = true;
	index = cluster_propose(cluster, 1, 7);
	cluster_drop_one(cluster, 0); /* the other follower has it */
	cluster_fail_storage(cluster, 1);
	assert_false(raft_can_propose(cluster_group(cluster, 1)));
	cluster_live_for(cluster, 5ull * CLUSTER_ELECTION_NS);
	assert_int_not_equal(cluster_leader(cluster), 0);
	assert_int_not_equal(cluster_leader(cluster), 1);
	assert_true(cluster_group(cluster, cluster_leader(cluster))->commit >= index);

	cluster_crash(cluster, 1, 0);
	cluster_restart(cluster, 1);
	cluster->nodes[1].disk_waits = false;
	cluster_live_for(cluster, 5ull * CLUSTER_ELECTION_NS);
	assert_true(cluster_has_converged(cluster));
	assert_true(cluster_is_sound(cluster));
	cluster_destroy(cluster);
}

/* All disks hold their writes back: nothing is decided; then everything is. */
static void nothing_is_decided_before_a_quorum_of_disks_has_it(void **state)
{
	struct cluster *cluster = cluster_create(3, 1);
	qr_index index;

	(void)state;
	cluster_elect(cluster, 1);
	cluster_live_for(cluster, CLUSTER_ELECTION_NS);
	for (qr_node node = 1; node <= 3; node++)
		cluster->nodes[node].disk_waits = true;
	index = cluster_propose(cluster, 1, 7);
	cluster_deliver(cluster);
	assert_true(cluster_group(cluster, 1)->commit < index);
	cluster_flush_all(cluster, 2);
	cluster_deliver(cluster);
	assert_true(cluster_group(cluster, 1)->commit < index);
	cluster_flush_all(cluster, 3);
	cluster_deliver(cluster);
	assert_int_equal(cluster_group(cluster, 1)->commit, index);
	assert_true(cluster_is_sound(cluster));
	cluster_destroy(cluster);
}

/* Power fails everywhere at once: what was decided is there afterwards. */
static void no_decided_entry_is_lost_when_all_fail_at_once(void **state)
{
	struct cluster *cluster = cluster_create(3, 1);
	qr_index index = 0;

	(void)state;
	cluster_elect(cluster, 1);
	for (uint64_t value = 1; value <= 20; value++)
		index = cluster_propose(cluster, 1, value);
	cluster_deliver(cluster);
	assert_int_equal(cluster_group(cluster, 1)->commit, index);
	for (qr_node node = 1; node <= 3; node++)
		cluster_crash(cluster, node, 0);
	cluster_drop_all(cluster);
	for (qr_node node = 1; node <= 3; node++)
		cluster_restart(cluster, node);
	cluster_live_for(cluster, 5ull * CLUSTER_ELECTION_NS);
	assert_true(cluster_has_converged(cluster));
	assert_true(cluster_group(cluster, 1)->commit > index);
	assert_true(cluster_is_sound(cluster));
	cluster_destroy(cluster);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(f2_a_vote_leaves_only_once_it_is_durable),
		cmocka_unit_test(f2_a_request_for_votes_leaves_only_once_the_own_vote_is_durable),
		cmocka_unit_test(f2_the_own_vote_counts_only_once_it_is_durable),
		cmocka_unit_test(f2_no_quorum_makes_a_leader_before_its_term_is_durable),
		cmocka_unit_test(f2_an_older_state_on_the_disk_is_not_the_newest_vote),
		cmocka_unit_test(f2_a_new_term_is_saved_and_answers_wait_for_it),
		cmocka_unit_test(t3_8_entries_are_acknowledged_only_once_they_are_durable),
		cmocka_unit_test(t3_8_durable_but_unmatched_entries_are_not_acknowledged),
		cmocka_unit_test(t3_8_a_completion_is_not_told_to_another_leader),
		cmocka_unit_test(a_late_completion_never_vouches_for_what_replaced_it),
		cmocka_unit_test(a_completion_of_another_term_or_beyond_the_log_does_not_count),
		cmocka_unit_test(a_cut_keeps_the_durable_prefix),
		cmocka_unit_test(t3_8_a_restart_resumes_from_what_the_disk_has),
		cmocka_unit_test(a_failed_store_ends_leadership_at_once),
		cmocka_unit_test(a_failed_store_neither_votes_nor_acknowledges_nor_stands),
		cmocka_unit_test(hashicorp_503_a_leader_whose_disk_hangs_steps_down),
		cmocka_unit_test(hashicorp_503_a_slow_disk_that_moves_keeps_the_leader),
		cmocka_unit_test(hashicorp_503_a_server_whose_disk_hangs_does_not_stand),
		cmocka_unit_test(a_disk_that_hangs_meanwhile_withdraws_the_candidacy),
		cmocka_unit_test(canonical_320_a_failed_write_never_reuses_an_index_and_term),
		cmocka_unit_test(nothing_is_decided_before_a_quorum_of_disks_has_it),
		cmocka_unit_test(no_decided_entry_is_lost_when_all_fail_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
