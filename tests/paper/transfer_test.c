/* Leadership transfer: thesis §3.10. */
#include "tests/paper/harness/cluster.h"
#include "tests/paper/harness/rig.h"

static struct rig rig;

static void ask(qr_node peer)
{
	rig_step(&rig, (struct raft_event){.kind = RAFT_EVENT_TRANSFER, .peer = peer});
}

/* A leader of term 5 with the log "1145"; node 2 has all of it. */
static void lead(void)
{
	rig_start(&rig, 3, 4, "114");
	rig_lead(&rig);
	rig_durable(&rig, 4);
	rig_acknowledge(&rig, 2, 4);
}

/* "The prior leader sends a TimeoutNow request to the target server" */
static void t3_10_a_target_that_is_caught_up_is_told_at_once(void **state)
{
	(void)state;
	lead();
	ask(2);
	assert_int_equal(rig_count(&rig, RAFT_MESSAGE_TIMEOUT_NOW), 1);
	assert_int_equal(rig_sent(&rig, RAFT_MESSAGE_TIMEOUT_NOW, 2)->term, 5);
}

/* "The prior leader fully updates the target server's log" first */
static void t3_10_a_target_that_is_behind_catches_up_first(void **state)
{
	(void)state;
	lead();
	rig_propose(&rig, 1);
	ask(2);
	assert_int_equal(rig_count(&rig, RAFT_MESSAGE_TIMEOUT_NOW), 0);
	rig_acknowledge(&rig, 2, 5);
	rig_sent(&rig, RAFT_MESSAGE_TIMEOUT_NOW, 2);
}

/* "The prior leader stops accepting new client requests" */
static void t3_10_proposals_wait_meanwhile(void **state)
{
	(void)state;
	lead();
	assert_true(raft_can_propose(&rig.group));
	ask(3);
	assert_false(raft_can_propose(&rig.group));
}

/* "If leadership transfer does not complete after about an election timeout, it is aborted" */
static void t3_10_it_ends_after_an_election_timeout(void **state)
{
	(void)state;
	lead();
	ask(3);
	for (unsigned i = 0; i < 9; i++) {
		rig_tick_after(&rig, RIG_ELECTION_NS / 10);
		rig_acknowledge(&rig, 2, 4);
		assert_false(raft_can_propose(&rig.group));
	}
	rig_tick_after(&rig, RIG_ELECTION_NS / 10);
	assert_int_equal(rig.group.role, RAFT_LEADER);
	assert_true(raft_can_propose(&rig.group));
	rig_acknowledge(&rig, 3, 4);
	assert_int_equal(rig_count(&rig, RAFT_MESSAGE_TIMEOUT_NOW), 0);
}

static void t3_10_a_lost_timeout_now_is_repeated(void **state)
{
	(void)state;
	lead();
	ask(2);
	rig_tick_after(&rig, RIG_HEARTBEAT_NS);
	rig_sent(&rig, RAFT_MESSAGE_TIMEOUT_NOW, 2);
}

static void t3_10_without_a_name_the_most_advanced_voter_is_chosen(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "114");
	rig.configuration.learners = qr_nodes_of(9);
	rig_restart(&rig, rig.group.state, "114", 0);
	rig_lead(&rig);
	rig_durable(&rig, 4);
	rig_acknowledge(&rig, 9, 4);
	rig_acknowledge(&rig, 2, 3);
	rig_acknowledge(&rig, 3, 4);
	ask(0);
	assert_int_equal(rig.group.transfer_to, 3);
	rig_sent(&rig, RAFT_MESSAGE_TIMEOUT_NOW, 3);
}

static void t3_10_only_another_voter_can_be_the_target(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "114");
	rig.configuration.learners = qr_nodes_of(9);
	rig_restart(&rig, rig.group.state, "114", 0);
	ask(2);
	assert_int_equal(rig.group.transfer_to, 0);
	rig_lead(&rig);
	ask(9);
	ask(1);
	ask(44);
	assert_true(raft_can_propose(&rig.group));
	assert_int_equal(rig.effects.message_count, 0);
}

/* "It has the same effect as the target server's election timer firing" */
static void t3_10_timeout_now_begins_an_election_without_sounding_out(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11");
	rig_append(&rig, 2, 4, 2, 1, "", 0);
	rig_receive(&rig,
		    (struct raft_message){.kind = RAFT_MESSAGE_TIMEOUT_NOW, .from = 2, .term = 4});
	assert_int_equal(rig.group.role, RAFT_CANDIDATE);
	assert_int_equal(rig.group.state.term, 5);
	assert_true(rig_sent(&rig, RAFT_MESSAGE_VOTE, 2)->transfer);
	assert_int_equal(rig_sent(&rig, RAFT_MESSAGE_VOTE, 3)->requires.state_generation,
			 rig.effects.state.generation);
}

static void t3_10_only_the_leader_can_say_timeout_now(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11");
	rig_append(&rig, 2, 4, 2, 1, "", 0);
	rig_receive(&rig,
		    (struct raft_message){.kind = RAFT_MESSAGE_TIMEOUT_NOW, .from = 3, .term = 4});
	rig_receive(&rig,
		    (struct raft_message){.kind = RAFT_MESSAGE_TIMEOUT_NOW, .from = 2, .term = 3});
	assert_int_equal(rig.group.role, RAFT_FOLLOWER);
	assert_int_equal(rig.group.state.term, 4);
}

/* "A special flag ... I have permission to disrupt the leader" (thesis §4.2.3) */
static void t4_2_3_a_transfer_gets_past_leader_stickiness(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11");
	rig_append(&rig, 2, 4, 2, 1, "", 0);
	rig_receive(&rig, (struct raft_message){.kind = RAFT_MESSAGE_VOTE,
						.from = 3,
						.term = 5,
						.index = 2,
						.log_term = 1,
						.transfer = true});
	assert_false(rig_sent(&rig, RAFT_MESSAGE_VOTE_REPLY, 3)->reject);
	assert_int_equal(rig.group.state.term, 5);
}

static void t3_10_leadership_moves_and_nothing_is_lost(void **state)
{
	struct cluster *cluster = cluster_create(3, 310);
	qr_index index;

	(void)state;
	cluster_elect(cluster, 1);
	index = cluster_propose(cluster, 1, 7);
	cluster_transfer(cluster, 1, 3);
	cluster_deliver(cluster);
	assert_int_equal(cluster_leader(cluster), 3);
	assert_int_equal(cluster_group(cluster, 1)->role, RAFT_FOLLOWER);
	cluster_live_for(cluster, CLUSTER_ELECTION_NS);
	assert_int_equal(cluster_leader(cluster), 3);
	assert_true(cluster_group(cluster, 3)->commit > index);
	assert_true(cluster_is_sound(cluster));
	cluster_destroy(cluster);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t3_10_a_target_that_is_caught_up_is_told_at_once),
		cmocka_unit_test(t3_10_a_target_that_is_behind_catches_up_first),
		cmocka_unit_test(t3_10_proposals_wait_meanwhile),
		cmocka_unit_test(t3_10_it_ends_after_an_election_timeout),
		cmocka_unit_test(t3_10_a_lost_timeout_now_is_repeated),
		cmocka_unit_test(t3_10_without_a_name_the_most_advanced_voter_is_chosen),
		cmocka_unit_test(t3_10_only_another_voter_can_be_the_target),
		cmocka_unit_test(t3_10_timeout_now_begins_an_election_without_sounding_out),
		cmocka_unit_test(t3_10_only_the_leader_can_say_timeout_now),
		cmocka_unit_test(t4_2_3_a_transfer_gets_past_leader_stickiness),
		cmocka_unit_test(t3_10_leadership_moves_and_nothing_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
