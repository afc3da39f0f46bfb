/* Log compaction: Raft §7 and figure 13. The state itself never passes through consensus. */
#include "tests/paper/harness/rig.h"

static struct rig rig;

static void offer(qr_term term, qr_index index, qr_term index_term)
{
	rig_receive(&rig, (struct raft_message){.kind = RAFT_MESSAGE_SNAPSHOT,
						.from = 2,
						.to = 1,
						.term = term,
						.index = index,
						.log_term = index_term});
}

/* Node 3 refuses the leader's first probe: it has only entry 1. */
static void lacks_all_but_the_first(void)
{
	rig_receive(&rig, (struct raft_message){.kind = RAFT_MESSAGE_APPEND_REPLY,
						.from = 3,
						.to = 1,
						.term = 5,
						.reject = true,
						.index = 4,
						.hint_index = 1,
						.hint_term = 1});
}

/* A leader of term 5 with the log "11445", all of it committed, which begins behind entry 3. */
static void lead(void)
{
	rig_start(&rig, 3, 4, "1144");
	rig_lead(&rig);
	rig_durable(&rig, 5);
	rig_acknowledge(&rig, 2, 5);
	assert_true(rig.group.commit == 5);
	raft_set_floor(&rig.group, 3, 4);
}

/* "The leader must occasionally send snapshots to followers that lag behind" */
static void s7_a_follower_that_lags_behind_the_log_is_offered_the_snapshot(void **state)
{
	const struct raft_message *sent;

	(void)state;
	lead();
	lacks_all_but_the_first();
	sent = rig_sent(&rig, RAFT_MESSAGE_SNAPSHOT, 3);
	assert_true(sent->index == 3 && sent->log_term == 4 && sent->term == 5);
	assert_false(rig_has_sent(&rig, RAFT_MESSAGE_APPEND, 3));
	/* It says again and again that it has entry 1, and gets nothing that is not there. */
	rig_receive(&rig, (struct raft_message){.kind = RAFT_MESSAGE_HEARTBEAT_REPLY,
						.from = 3,
						.to = 1,
						.term = 5,
						.index = 1});
	assert_false(rig_has_sent(&rig, RAFT_MESSAGE_APPEND, 3));
	rig_tick_after(&rig, RIG_HEARTBEAT_NS);
	rig_sent(&rig, RAFT_MESSAGE_SNAPSHOT, 3);
	/* Then it has the snapshot. */
	rig_acknowledge(&rig, 3, 3);
	sent = rig_sent(&rig, RAFT_MESSAGE_APPEND, 3);
	assert_true(sent->index == 3 && sent->last == 5);
}

static void s7_what_is_in_flight_when_it_is_given_up_is_offered_as_a_snapshot(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "1144");
	rig_lead(&rig);
	rig_durable(&rig, 5);
	rig_acknowledge(&rig, 2, 5);
	lacks_all_but_the_first();
	rig_acknowledge(&rig, 3, 1); /* and entries 2 to 5 are on their way to it */
	assert_true(raft_progress_of(&rig.group, 3)->state == RAFT_REPLICATE);
	raft_set_floor(&rig.group, 3, 4);
	assert_true(raft_progress_of(&rig.group, 3)->state == RAFT_PROBE);
	rig_tick_after(&rig, RIG_HEARTBEAT_NS);
	rig_sent(&rig, RAFT_MESSAGE_SNAPSHOT, 3);
	/* They arrived after all. */
	rig_acknowledge(&rig, 3, 5);
	assert_true(raft_progress_of(&rig.group, 3)->state == RAFT_REPLICATE);
}

/* "Discard the entire log" (figure 13, rule 7): the caller does it, and starts the group anew. */
static void f13_a_shorter_log_wants_the_snapshot(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11");
	offer(5, 4, 4);
	assert_true(rig.effects.wants_snapshot);
	assert_true(rig.effects.snapshot_index == 4 && rig.effects.snapshot_term == 4);
	assert_true(rig.group.leader == 2 && rig.group.state.term == 5);
	rig_expect_log(&rig, "11");
	assert_int_equal(rig.effects.message_count, 0);
}

static void f13_another_log_wants_the_snapshot(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "112222");
	offer(5, 4, 4);
	assert_true(rig.effects.wants_snapshot);
	rig_expect_log(&rig, "112"); /* what lost is cut off as ever */
}

/* "If existing log entry has same index and term as snapshot's last included entry, retain log
 * entries following it and reply" (rule 6). */
static void f13_a_log_that_has_the_entry_is_retained(void **state)
{
	const struct raft_message *reply;

	(void)state;
	rig_start(&rig, 3, 5, "11445");
	offer(5, 4, 4);
	assert_false(rig.effects.wants_snapshot);
	rig_expect_log(&rig, "11445");
	reply = rig_sent(&rig, RAFT_MESSAGE_APPEND_REPLY, 2);
	assert_true(!reply->reject && reply->hint_index == 4);
}

/* A stale snapshot never rolls anything back. */
static void f13_what_is_committed_is_retained(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "1");
	rig_append(&rig, 2, 5, 1, 1, "4455", 5);
	rig_durable(&rig, 5);
	assert_true(rig.group.commit == 5);
	offer(5, 3, 4);
	assert_false(rig.effects.wants_snapshot);
	offer(5, 3, 1); /* also when its term is nonsense */
	assert_false(rig.effects.wants_snapshot);
	rig_expect_log(&rig, "14455");
}

/* "Reply immediately if term < currentTerm" (rule 1). */
static void f13_an_older_leader_is_told(void **state)
{
	(void)state;
	rig_start(&rig, 3, 7, "11");
	offer(5, 4, 4);
	assert_false(rig.effects.wants_snapshot);
	assert_true(rig_sent(&rig, RAFT_MESSAGE_APPEND_REPLY, 2)->reject);
	offer(7, 4, 8); /* of a term that nobody was in */
	assert_false(rig.effects.wants_snapshot);
	offer(7, 0, 0);
	assert_false(rig.effects.wants_snapshot);
}

/* Without a snapshot there is nothing to offer, and nothing else is sent in its place. */
static void s7_without_a_snapshot_nothing_is_sent(void **state)
{
	(void)state;
	lead();
	raft_set_floor(&rig.group, 4, 0);
	lacks_all_but_the_first();
	assert_int_equal(rig.effects.message_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(s7_a_follower_that_lags_behind_the_log_is_offered_the_snapshot),
		cmocka_unit_test(s7_what_is_in_flight_when_it_is_given_up_is_offered_as_a_snapshot),
		cmocka_unit_test(f13_a_shorter_log_wants_the_snapshot),
		cmocka_unit_test(f13_another_log_wants_the_snapshot),
		cmocka_unit_test(f13_a_log_that_has_the_entry_is_retained),
		cmocka_unit_test(f13_what_is_committed_is_retained),
		cmocka_unit_test(f13_an_older_leader_is_told),
		cmocka_unit_test(s7_without_a_snapshot_nothing_is_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
