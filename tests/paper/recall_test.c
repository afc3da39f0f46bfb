/*
 * Replicas that have lost their hard state. No paper of Raft tells how they come back; what goes
 * wrong with a majority's word is in Michael et al., "Recovering Shared Objects Without Stable
 * Storage" (2017). Random clusters do it under everything else in sim/raft.
 */
#include "tests/paper/harness/cluster.h"
#include "tests/paper/harness/rig.h"

static void lose_disk(struct cluster *cluster, qr_node node)
{
	cluster_crash(cluster, node, 0);
	cluster_forget(cluster, node);
	cluster_restart(cluster, node);
}

static bool counts(struct cluster *cluster, qr_node node)
{
	return !cluster_group(cluster, node)->state.amnesia;
}

static void end(struct cluster *cluster)
{
	assert_true(cluster_is_sound(cluster));
	cluster_destroy(cluster);
}

/* Two of three hold it, and one of these may have promised anything. */
static void what_only_it_confirms_is_not_decided(void **state)
{
	struct cluster *cluster = cluster_create(3, 1);
	qr_index index;

	(void)state;
	cluster_elect(cluster, 1);
	cluster_live_for(cluster, CLUSTER_ELECTION_NS / 4);
	cluster_isolate(cluster, 2);
	lose_disk(cluster, 3);
	index = cluster_propose(cluster, 1, 7);
	cluster_live_for(cluster, CLUSTER_ELECTION_NS / 2);
	assert_int_equal(cluster_group(cluster, 3)->last, index); /* it is filled */
	assert_true(cluster_group(cluster, 1)->commit < index);
	/* Nor does it keep a leader in power. */
	cluster_live_for(cluster, CLUSTER_ELECTION_NS);
	assert_int_equal(cluster_leader(cluster), 0);
	end(cluster);
}

static void it_elects_nobody(void **state)
{
	struct cluster *cluster = cluster_create(3, 2);

	(void)state;
	lose_disk(cluster, 3);
	cluster_isolate(cluster, 2);
	cluster_live_for(cluster, 20ull * CLUSTER_ELECTION_NS);
	assert_int_equal(cluster_leader(cluster), 0);
	assert_int_equal(cluster_group(cluster, 3)->role, RAFT_FOLLOWER);
	end(cluster);
}

static void it_counts_again_when_it_is_filled_and_has_heard_everybody(void **state)
{
	struct cluster *cluster = cluster_create(3, 3);

	(void)state;
	cluster_elect(cluster, 1);
	for (uint64_t value = 1; value <= 20; value++)
		cluster_propose(cluster, 1, value);
	cluster_live_for(cluster, CLUSTER_ELECTION_NS / 4);
	lose_disk(cluster, 3);
	cluster_live_for(cluster, CLUSTER_ELECTION_NS);
	assert_true(counts(cluster, 3));
	assert_int_equal(cluster_group(cluster, 3)->commit, cluster_group(cluster, 1)->commit);
	/* Without it there is no quorum now. */
	cluster_crash(cluster, 2, 0);
	cluster_propose(cluster, 1, 21);
	cluster_live_for(cluster, CLUSTER_ELECTION_NS);
	assert_int_equal(cluster_group(cluster, 1)->commit, cluster_group(cluster, 1)->last);
	end(cluster);
}

/* The one that was not asked may hold its vote. */
static void it_waits_for_the_last_of_the_others(void **state)
{
	struct cluster *cluster = cluster_create(5, 4);

	(void)state;
	cluster_elect(cluster, 1);
	cluster_crash(cluster, 2, 0);
	lose_disk(cluster, 3);
	cluster_live_for(cluster, 20ull * CLUSTER_ELECTION_NS);
	assert_false(counts(cluster, 3));
	cluster_restart(cluster, 2);
	cluster_live_for(cluster, CLUSTER_ELECTION_NS);
	assert_true(counts(cluster, 3));
	end(cluster);
}

/** Nothing of these kinds arrives. */
static void drop_all_of(struct cluster *cluster, qr_node from, enum raft_message_kind kind)
{
	for (uint32_t i = cluster->packet_count; i > 0; i--) {
		const struct raft_message *message = &cluster->packets[i - 1].message;

		if (message->from == from && message->kind == kind)
			cluster_drop_one(cluster, i - 1);
	}
}

/** Node 3 is filled up to an entry, and asks nobody. */
static void fill_unasked(struct cluster *cluster, qr_index until)
{
	while (cluster_group(cluster, 3)->commit < until) {
		if (cluster->packet_count == 0)
			cluster_run_for(cluster, CLUSTER_HEARTBEAT_NS);
		drop_all_of(cluster, 3, RAFT_MESSAGE_RECALL);
		if (cluster->packet_count > 0)
			cluster_deliver_one(cluster, 0, false, false);
	}
}

/*
 * The leader of the term decided with its help, filled it with a part of that after the loss, and
 * is no leader any more when it is asked: it must have all that anybody has of that term.
 */
static void what_it_helped_to_decide_before_is_waited_for(void **state)
{
	struct cluster *cluster = cluster_create(3, 5);
	struct raft_group *leader = cluster_group(cluster, 1);
	qr_index decided;

	(void)state;
	cluster_elect(cluster, 1);
	cluster_propose(cluster, 1, 1);
	cluster_live_for(cluster, CLUSTER_ELECTION_NS / 4);
	cluster_isolate(cluster, 2);
	decided = cluster_propose(cluster, 1, 2);
	cluster_live_for(cluster, CLUSTER_ELECTION_NS / 4);
	assert_int_equal(leader->commit, decided); /* 1 and 3 have it */
	lose_disk(cluster, 3);
	leader->parameters.window_entries = 1;
	fill_unasked(cluster, decided - 1);
	assert_int_equal(cluster_group(cluster, 3)->commit, decided - 1);
	cluster_drop_all(cluster);
	cluster_crash(cluster, 1, 0);
	cluster_restart(cluster, 1);
	cluster_heal(cluster);
	cluster_live_for(cluster, 4ull * CLUSTER_HEARTBEAT_NS);
	assert_int_equal(cluster_group(cluster, 3)->recalled,
			 qr_nodes_of(1) | qr_nodes_of(2)); /* all have answered */
	assert_false(counts(cluster, 3));
	cluster_live_for(cluster, 20ull * CLUSTER_ELECTION_NS);
	assert_true(counts(cluster, 3));
	end(cluster);
}

/* It was granted for a log that is lost, and comes late. */
static void a_grant_to_an_earlier_life_elects_nobody(void **state)
{
	static struct rig rig;
	struct raft_message grant = {.kind = RAFT_MESSAGE_PRE_VOTE_REPLY, .from = 2, .term = 5};

	(void)state;
	rig_start(&rig, 3, 4, "11");
	rig.group.state.life = 7;
	while (rig.group.role != RAFT_PRE_CANDIDATE)
		rig_tick_after(&rig, RIG_ELECTION_NS);
	assert_int_equal(rig_sent(&rig, RAFT_MESSAGE_PRE_VOTE, 2)->round, 7);
	rig_receive(&rig, grant);
	assert_int_equal(rig.group.role, RAFT_PRE_CANDIDATE);
	grant.round = 7;
	rig_receive(&rig, grant);
	assert_int_equal(rig.group.role, RAFT_CANDIDATE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_only_it_confirms_is_not_decided),
		cmocka_unit_test(it_elects_nobody),
		cmocka_unit_test(it_counts_again_when_it_is_filled_and_has_heard_everybody),
		cmocka_unit_test(it_waits_for_the_last_of_the_others),
		cmocka_unit_test(what_it_helped_to_decide_before_is_waited_for),
		cmocka_unit_test(a_grant_to_an_earlier_life_elects_nobody),
	};

	return cmocka_run_group_tests_name("paper/recall", tests, NULL, NULL);
}
