/* Linearizable reads by ReadIndex: thesis §6.4. */
#include "tests/paper/harness/cluster.h"
#include "tests/paper/harness/rig.h"

static struct rig rig;

static void ask(uint64_t context)
{
	rig_step(&rig, (struct raft_event){.kind = RAFT_EVENT_READ, .context = context});
}

static void confirm(qr_node from, uint64_t round)
{
	rig_receive(&rig, (struct raft_message){
				  .kind = RAFT_MESSAGE_HEARTBEAT_REPLY,
				  .from = from,
				  .term = rig.group.state.term,
				  .round = round,
				  .index = raft_progress_of(&rig.group, from)->match,
			  });
}

/* A leader of term 5, its no-op committed at 4. */
static void lead(qr_node voters)
{
	rig_start(&rig, voters, 4, "114");
	rig_lead(&rig);
	rig_durable(&rig, 4);
	for (qr_node node = 2; node <= voters; node++)
		rig_acknowledge(&rig, node, 4);
	assert_int_equal(rig.group.commit, 4);
}

static void t6_4_only_a_leader_answers(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11");
	ask(7);
	assert_int_equal(rig.effects.read_count, 1);
	assert_int_equal(rig.effects.reads[0].context, 7);
	assert_true(rig.effects.reads[0].failed);
}

/* "The leader issues a new round of heartbeats and waits for acknowledgments from a majority" */
static void t6_4_a_read_waits_for_a_round_of_a_majority(void **state)
{
	(void)state;
	lead(5);
	ask(7);
	assert_int_equal(rig.effects.read_count, 0);
	assert_int_equal(rig_count(&rig, RAFT_MESSAGE_HEARTBEAT), 4);
	confirm(2, 1);
	assert_int_equal(rig.effects.read_count, 0);
	confirm(3, 1);
	assert_int_equal(rig.effects.read_count, 1);
	assert_int_equal(rig.effects.reads[0].context, 7);
	assert_int_equal(rig.effects.reads[0].index, 4);
	assert_false(rig.effects.reads[0].failed);
}

/* "If the leader has not yet marked an entry from its current term committed, it waits" */
static void t6_4_a_read_waits_for_the_no_op(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "114");
	rig_lead(&rig);
	ask(7);
	confirm(2, 1);
	confirm(3, 1);
	assert_int_equal(rig.effects.read_count, 0);
	rig_acknowledge(&rig, 2, 4);
	rig_durable(&rig, 4);
	assert_int_equal(rig.effects.read_count, 1);
	assert_int_equal(rig.effects.reads[0].index, 4);
}

/* A reply to a round that was sent before the read came says nothing about now. */
static void t6_4_an_older_round_confirms_nothing(void **state)
{
	(void)state;
	lead(3);
	rig_tick_after(&rig, RIG_HEARTBEAT_NS);
	assert_int_equal(rig_sent(&rig, RAFT_MESSAGE_HEARTBEAT, 2)->round, 1);
	ask(7);
	confirm(2, 1);
	assert_int_equal(rig.effects.read_count, 0);
	assert_int_equal(rig_sent(&rig, RAFT_MESSAGE_HEARTBEAT, 2)->round, 2);
	confirm(2, 2);
	assert_int_equal(rig.effects.read_count, 1);
}

/* The index is taken before the round is sent, not after. */
static void t6_4_a_read_is_answered_at_the_index_of_its_arrival(void **state)
{
	(void)state;
	lead(3);
	ask(7);
	rig_propose(&rig, 1);
	rig_durable(&rig, 5);
	rig_acknowledge(&rig, 3, 5);
	assert_int_equal(rig.group.commit, 5);
	confirm(2, 1);
	assert_int_equal(rig.effects.reads[0].index, 4);
}

/* "The leader can amortize the cost over any number of read-only queries" */
static void t6_4_reads_that_come_during_a_round_share_the_next_one(void **state)
{
	(void)state;
	lead(3);
	ask(1);
	for (uint64_t context = 2; context <= 10; context++) {
		ask(context);
		assert_int_equal(rig.effects.message_count, 0);
	}
	confirm(2, 1);
	assert_int_equal(rig.effects.read_count, 1);
	assert_int_equal(rig_sent(&rig, RAFT_MESSAGE_HEARTBEAT, 3)->round, 2);
	confirm(3, 2);
	assert_int_equal(rig.effects.read_count, 9);
	for (uint32_t i = 0; i < 9; i++)
		assert_int_equal(rig.effects.reads[i].context, i + 2);
}

static void t6_4_a_lost_round_is_made_up_by_the_next_heartbeat(void **state)
{
	(void)state;
	lead(3);
	ask(7);
	rig_tick_after(&rig, RIG_HEARTBEAT_NS);
	assert_int_equal(rig_sent(&rig, RAFT_MESSAGE_HEARTBEAT, 2)->round, 2);
	confirm(2, 2);
	assert_int_equal(rig.effects.read_count, 1);
}

static void t6_4_acknowledgements_of_entries_confirm_too(void **state)
{
	(void)state;
	lead(3);
	ask(7);
	rig_receive(&rig, (struct raft_message){
				  .kind = RAFT_MESSAGE_APPEND_REPLY,
				  .from = 2,
				  .term = 5,
				  .index = 4,
				  .hint_index = 4,
				  .round = 1,
			  });
	assert_int_equal(rig.effects.read_count, 1);
}

/* A round that was never sent is nonsense, and confirms nothing ever after. */
static void t6_4_a_round_from_the_future_confirms_nothing(void **state)
{
	(void)state;
	lead(3);
	ask(7);
	confirm(2, 9);
	assert_int_equal(rig.effects.read_count, 0);
	confirm(2, 1);
	assert_int_equal(rig.effects.read_count, 1);
}

static void t6_4_learners_confirm_nothing(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "114");
	rig.configuration.learners = qr_nodes_of(8) | qr_nodes_of(9);
	rig_restart(&rig, rig.group.state, "114", 0);
	rig_lead(&rig);
	rig_durable(&rig, 4);
	rig_acknowledge(&rig, 2, 4);
	ask(7);
	confirm(8, 1);
	confirm(9, 1);
	assert_int_equal(rig.effects.read_count, 0);
	confirm(3, 1);
	assert_int_equal(rig.effects.read_count, 1);
}

static void t6_4_lost_leadership_fails_all_that_wait(void **state)
{
	(void)state;
	lead(3);
	ask(1);
	ask(2);
	rig_receive(&rig, (struct raft_message){
				  .kind = RAFT_MESSAGE_HEARTBEAT_REPLY, .from = 2, .term = 9});
	assert_int_equal(rig.group.role, RAFT_FOLLOWER);
	assert_int_equal(rig.effects.read_count, 2);
	assert_true(rig.effects.reads[0].failed);
	assert_true(rig.effects.reads[1].failed);
}

static void t6_4_too_many_reads_are_refused_not_queued(void **state)
{
	(void)state;
	lead(3);
	for (uint64_t context = 0; context < RAFT_READS_MAX; context++) {
		ask(context);
		assert_int_equal(rig.effects.read_count, 0);
	}
	ask(99);
	assert_int_equal(rig.effects.read_count, 1);
	assert_int_equal(rig.effects.reads[0].context, 99);
	assert_true(rig.effects.reads[0].failed);
	confirm(2, 1);
	confirm(2, 2);
	ask(100);
	assert_int_equal(rig.effects.read_count, 0);
}

static void t6_4_the_only_voter_answers_at_once(void **state)
{
	(void)state;
	rig_start(&rig, 1, 4, "114");
	rig_lead(&rig);
	ask(1);
	assert_int_equal(rig.effects.read_count, 0);
	rig_durable(&rig, 4);
	assert_int_equal(rig.effects.read_count, 1);
	ask(2);
	assert_int_equal(rig.effects.read_count, 1);
	assert_int_equal(rig.effects.reads[0].index, 4);
}

/*
 * etcd #20418: a leader sleeps, another is elected and decides more, and the sleeper, woken, finds
 * a read and old replies in its queues. It must not answer.
 */
static void etcd_20418_a_leader_that_slept_serves_nothing_stale(void **state)
{
	struct cluster *cluster = cluster_create(3, 20418);
	qr_node leader;

	(void)state;
	cluster_elect(cluster, 1);
	cluster_live_for(cluster, CLUSTER_ELECTION_NS);
	/* A round is out; the answers wait in the sleeper's queue. */
	cluster->now_ns += CLUSTER_HEARTBEAT_NS;
	cluster_tick(cluster, 1);
	cluster_deliver_one(cluster, 0, false, false);
	cluster_deliver_one(cluster, 0, false, false);
	assert_int_equal(cluster_under_way(cluster, RAFT_MESSAGE_HEARTBEAT_REPLY, 0, 1), 2);

	/* Meanwhile 2 is elected by 3, and decides. */
	cluster->now_ns += 3ull * CLUSTER_ELECTION_NS;
	cluster_tick(cluster, 2);
	for (uint32_t i = 0; i < cluster->packet_count && i < 500;) {
		if (cluster->packets[i].message.to == 1) {
			i++;
		} else {
			cluster_deliver_one(cluster, i, false, false);
		}
	}
	leader = cluster_leader(cluster);
	assert_int_equal(leader, 2);
	cluster_propose(cluster, 2, 99);
	for (uint32_t i = 0; i < cluster->packet_count && i < 500;) {
		if (cluster->packets[i].message.to == 1) {
			i++;
		} else {
			cluster_deliver_one(cluster, i, false, false);
		}
	}
	assert_true(cluster->decided_count > cluster_group(cluster, 1)->commit);

	/* The sleeper wakes: the read first, then its old mail. */
	assert_int_equal(cluster_group(cluster, 1)->role, RAFT_LEADER);
	cluster_read(cluster, 1, 5);
	cluster_deliver(cluster);
	cluster_live_for(cluster, CLUSTER_ELECTION_NS);
	assert_int_equal(cluster->nodes[1].read_count, 1);
	assert_true(cluster->nodes[1].read.failed);
	assert_true(cluster_is_sound(cluster));
	cluster_destroy(cluster);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(t6_4_only_a_leader_answers),
		cmocka_unit_test(t6_4_a_read_waits_for_a_round_of_a_majority),
		cmocka_unit_test(t6_4_a_read_waits_for_the_no_op),
		cmocka_unit_test(t6_4_an_older_round_confirms_nothing),
		cmocka_unit_test(t6_4_a_read_is_answered_at_the_index_of_its_arrival),
		cmocka_unit_test(t6_4_reads_that_come_during_a_round_share_the_next_one),
		cmocka_unit_test(t6_4_a_lost_round_is_made_up_by_the_next_heartbeat),
		cmocka_unit_test(t6_4_acknowledgements_of_entries_confirm_too),
		cmocka_unit_test(t6_4_a_round_from_the_future_confirms_nothing),
		cmocka_unit_test(t6_4_learners_confirm_nothing),
		cmocka_unit_test(t6_4_lost_leadership_fails_all_that_wait),
		cmocka_unit_test(t6_4_too_many_reads_are_refused_not_queued),
		cmocka_unit_test(t6_4_the_only_voter_answers_at_once),
		cmocka_unit_test(etcd_20418_a_leader_that_slept_serves_nothing_stale),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
