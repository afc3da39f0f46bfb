/* The leader's half of log replication: Raft §5.3, §8, figure 2 Leaders; thesis §10.2.1. */
#include "tests/paper/harness/rig.h"

#include <string.h>

static struct rig rig;
static struct rig other;

static const struct raft_message *append_to(qr_node node)
{
	return rig_sent(&rig, RAFT_MESSAGE_APPEND, node);
}

static void refuse(qr_node from, qr_index refused, qr_index hint_index, qr_term hint_term)
{
	rig_receive(&rig, (struct raft_message){
				  .kind = RAFT_MESSAGE_APPEND_REPLY,
				  .from = from,
				  .term = rig.group.state.term,
				  .reject = true,
				  .index = refused,
				  .hint_index = hint_index,
				  .hint_term = hint_term,
			  });
}

/* A leader of term 5 with the log "1145" (its no-op last) that replicates to node 2. */
static void lead_with_a_follower(void)
{
	rig_start(&rig, 3, 4, "114");
	rig_lead(&rig);
	rig_durable(&rig, 4);
	rig_acknowledge(&rig, 2, 3);
	rig_acknowledge(&rig, 2, 4);
	assert_int_equal(raft_progress_of(&rig.group, 2)->state, RAFT_REPLICATE);
}

/* "nextIndex: initialized to leader last log index + 1; matchIndex: initialized to 0" (figure 2) */
static void f2_progress_starts_behind_the_log_and_matches_nothing(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "114");
	rig_lead(&rig);
	assert_int_equal(raft_progress_of(&rig.group, 2)->next, 4);
	assert_int_equal(raft_progress_of(&rig.group, 2)->match, 0);
	assert_null(raft_progress_of(&rig.group, 1));
	assert_null(raft_progress_of(&rig.group, 9));
}

/* "The leader must have the latest information ... each leader commits a blank no-op entry" (§8) */
static void s8_a_new_leader_begins_with_a_no_op_of_its_term(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "114");
	rig_lead(&rig);
	rig_expect_log(&rig, "1145");
	assert_int_equal(rig.group.term_start, 4);
	assert_true(rig.effects.appended);
	assert_int_equal(rig.effects.write_first, 4);
	assert_int_equal(rig.effects.write_last, 4);
}

/* "The leader appends the command to its log as a new entry, then issues AppendEntries" (§5.3) */
static void s5_3_a_command_is_appended_and_sent(void **state)
{
	(void)state;
	lead_with_a_follower();
	rig_propose(&rig, 3);
	assert_int_equal(rig.effects.write_first, 5);
	assert_int_equal(append_to(2)->index, 4);
	assert_int_equal(append_to(2)->log_term, 5);
	assert_int_equal(append_to(2)->next_term, 5);
	assert_int_equal(append_to(2)->last, 5);
	assert_int_equal(append_to(2)->commit, 4);
}

/* "The leader can write to its disk in parallel with replicating to the followers" (thesis §10.2.1)
 */
static void t10_2_1_sends_do_not_wait_for_the_own_disk_nor_for_answers(void **state)
{
	(void)state;
	lead_with_a_follower();
	for (qr_index index = 5; index < 15; index++) {
		rig_propose(&rig, 1);
		assert_int_equal(append_to(2)->index, index - 1);
		assert_int_equal(append_to(2)->last, index);
	}
	assert_int_equal(raft_progress_of(&rig.group, 2)->next, 15);
	assert_int_equal(raft_progress_of(&rig.group, 2)->match, 4);
}

/* "Leader Append-Only: a leader never overwrites or deletes entries in its log" (figure 3) */
static void f3_a_leader_takes_no_append_of_its_own_term(void **state)
{
	(void)state;
	lead_with_a_follower();
	rig_append(&rig, 3, 5, 1, 1, "2", 0);
	rig_expect_log(&rig, "1145");
	assert_int_equal(rig.group.role, RAFT_LEADER);
	assert_int_equal(rig.group.ignored, 1);
}

/* "After a rejection, the leader decrements nextIndex and retries" (§5.3) */
static void s5_3_a_refusal_moves_the_probe_back(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11444");
	rig_lead(&rig);
	refuse(2, 5, 4, 4);
	assert_int_equal(append_to(2)->index, 4);
	assert_int_equal(append_to(2)->last, 4);
	refuse(2, 4, 1, 1);
	assert_int_equal(append_to(2)->index, 1);
	assert_int_equal(append_to(2)->next_term, 1);
	assert_int_equal(raft_progress_of(&rig.group, 2)->state, RAFT_PROBE);
}

/* "One AppendEntries RPC will be required for each term with conflicting entries, rather than one
 * RPC per entry" (§5.3) */
static void s5_3_back_off_goes_a_term_at_a_time(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "1113333333444");
	rig_lead(&rig);
	refuse(2, 13, 12, 2);
	assert_int_equal(append_to(2)->index, 3);
}

static void s5_3_a_refusal_of_something_else_is_not_followed(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11444");
	rig_lead(&rig);
	refuse(2, 3, 1, 1);
	assert_int_equal(rig.effects.message_count, 0);
	assert_int_equal(raft_progress_of(&rig.group, 2)->next, 6);
}

/* A success of before says less than what is asked now, and ends no probe. */
static void s5_3_a_late_success_does_not_end_a_newer_probe(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11444");
	rig_lead(&rig);
	rig_acknowledge(&rig, 2, 2);
	assert_int_equal(raft_progress_of(&rig.group, 2)->state, RAFT_PROBE);
	assert_int_equal(raft_progress_of(&rig.group, 2)->match, 2);
	assert_int_equal(raft_progress_of(&rig.group, 2)->next, 6);
	assert_int_equal(rig.effects.message_count, 0);
	rig_acknowledge(&rig, 2, 5);
	assert_int_equal(raft_progress_of(&rig.group, 2)->state, RAFT_REPLICATE);
}

/* A duplicate of an old refusal must not undo what has been acknowledged since. */
static void s5_3_a_late_refusal_does_not_undo_an_acknowledgement(void **state)
{
	(void)state;
	lead_with_a_follower();
	refuse(2, 3, 0, 0);
	assert_int_equal(raft_progress_of(&rig.group, 2)->state, RAFT_REPLICATE);
	assert_int_equal(raft_progress_of(&rig.group, 2)->match, 4);
}

/* Deliver the leader's newest APPEND to the follower, and its answer back, until they meet. */
static unsigned probe_until_they_meet(void)
{
	unsigned probes = 0;

	while (raft_progress_of(&rig.group, 2)->state == RAFT_PROBE) {
		struct raft_message probe = *append_to(2);
		struct raft_message reply;

		probe.to = 1;
		probe.from = 2;
		rig_receive(&other, probe);
		reply = *rig_sent(&other, RAFT_MESSAGE_APPEND_REPLY, 2);
		reply.to = 1;
		reply.from = 2;
		rig_receive(&rig, reply);
		probes++;
		assert_true(probes < 10);
	}
	return probes;
}

/*
 * Figure 7: "when the leader at the top comes to power, any of scenarios (a-f) could occur in
 * follower logs". It finds the last entry on which they agree, and asks fewer times than there are
 * terms in conflict.
 */
static void f7_a_leader_meets_every_follower_of_figure_7(void **state)
{
	static const struct {
		const char *log;
		qr_index meet;
		unsigned probes;
	} followers[] = {
		{"111445566", 9, 2},	 {"1114", 4, 2},    {"11144556666", 10, 1},
		{"111445566677", 10, 1}, {"1114444", 5, 2}, {"11122233333", 3, 2},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(followers) / sizeof(followers[0]); i++) {
		rig_start(&rig, 3, 7, "1114455666");
		rig_start(&other, 3, 7, followers[i].log);
		rig_stand(&rig);
		rig_receive(&rig, (struct raft_message){
					  .kind = RAFT_MESSAGE_VOTE_REPLY, .from = 3, .term = 8});
		assert_int_equal(probe_until_they_meet(), followers[i].probes);
		assert_int_equal(other.group.matched, followers[i].meet);
	}
}

/* "If followers crash or run slowly, the leader retries AppendEntries indefinitely" (§5.3) */
static void s5_3_a_lost_probe_is_repeated_but_not_hurried(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "114");
	rig_lead(&rig);
	rig_propose(&rig, 1);
	assert_int_equal(rig_count(&rig, RAFT_MESSAGE_APPEND), 0);
	rig_tick_after(&rig, RIG_HEARTBEAT_NS / 2);
	assert_int_equal(rig_count(&rig, RAFT_MESSAGE_APPEND), 0);
	rig_tick_after(&rig, RIG_HEARTBEAT_NS / 2);
	assert_int_equal(append_to(2)->index, 3);
	assert_int_equal(append_to(2)->last, 3);
}

/* The place where the logs meet is known before the follower's disk has it. */
static void a_probe_need_not_wait_for_the_followers_disk(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "114");
	rig_lead(&rig);
	rig_receive(&rig, (struct raft_message){
				  .kind = RAFT_MESSAGE_APPEND_REPLY,
				  .from = 2,
				  .term = 5,
				  .index = 1,
				  .hint_index = 3,
			  });
	assert_int_equal(raft_progress_of(&rig.group, 2)->state, RAFT_REPLICATE);
	assert_int_equal(raft_progress_of(&rig.group, 2)->match, 1);
	assert_int_equal(append_to(2)->index, 3);
	assert_int_equal(append_to(2)->last, 4);
}

static void a_window_bounds_the_entries_in_flight(void **state)
{
	(void)state;
	lead_with_a_follower();
	for (unsigned i = 0; i < 100; i++)
		rig_propose(&rig, 1);
	assert_int_equal(raft_progress_of(&rig.group, 2)->next, 4 + 64 + 1);
	rig_acknowledge(&rig, 2, 10);
	assert_int_equal(append_to(2)->index, 68);
	assert_int_equal(append_to(2)->last, 74);
}

static void a_window_bounds_the_blocks_in_flight(void **state)
{
	(void)state;
	lead_with_a_follower();
	for (unsigned i = 0; i < 10; i++)
		rig_propose(&rig, 300);
	assert_int_equal(raft_progress_of(&rig.group, 2)->next, 4 + 3 + 1);
	rig_acknowledge(&rig, 2, 5);
	assert_int_equal(append_to(2)->index, 7);
	assert_int_equal(append_to(2)->last, 8);
}

static void an_entry_above_the_window_goes_alone(void **state)
{
	(void)state;
	lead_with_a_follower();
	rig_propose(&rig, 1);
	rig_propose(&rig, 5000);
	assert_int_equal(raft_progress_of(&rig.group, 2)->next, 6);
	rig_acknowledge(&rig, 2, 5);
	assert_int_equal(append_to(2)->index, 5);
	assert_int_equal(append_to(2)->last, 6);
	rig_propose(&rig, 1);
	assert_int_equal(rig_count(&rig, RAFT_MESSAGE_APPEND), 0);
	rig_acknowledge(&rig, 2, 6);
	assert_int_equal(append_to(2)->last, 7);
}

/* A lost acknowledgement must not close the window for ever. */
static void a_heartbeat_reply_reopens_the_window(void **state)
{
	(void)state;
	lead_with_a_follower();
	for (unsigned i = 0; i < 65; i++)
		rig_propose(&rig, 1);
	assert_int_equal(rig_count(&rig, RAFT_MESSAGE_APPEND), 0);
	rig_receive(&rig, (struct raft_message){
				  .kind = RAFT_MESSAGE_HEARTBEAT_REPLY,
				  .from = 2,
				  .term = 5,
				  .index = 68,
			  });
	assert_int_equal(raft_progress_of(&rig.group, 2)->match, 68);
	assert_int_equal(append_to(2)->last, 69);
}

/* Recovered entries have no known size: a follower far behind is still served. */
static void a_follower_behind_the_recovered_log_is_served(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11111111114444444444");
	rig.parameters.window_blocks = 4;
	rig_restart(&rig, rig.group.state, "11111111114444444444", 0);
	rig_lead(&rig);
	refuse(2, 20, 2, 1);
	rig_acknowledge(&rig, 2, 2);
	assert_int_equal(append_to(2)->index, 2);
	assert_int_equal(append_to(2)->last, 6);
	rig_acknowledge(&rig, 2, 4);
	assert_int_equal(append_to(2)->last, 8);
}

/* "Upon election: send heartbeat; repeat during idle periods" (figure 2, leaders) */
static void f2_heartbeats_go_to_everybody_each_interval(void **state)
{
	(void)state;
	lead_with_a_follower();
	rig_tick_after(&rig, RIG_HEARTBEAT_NS);
	assert_int_equal(rig_count(&rig, RAFT_MESSAGE_HEARTBEAT), 2);
	rig_tick_after(&rig, RIG_HEARTBEAT_NS / 2);
	assert_int_equal(rig_count(&rig, RAFT_MESSAGE_HEARTBEAT), 0);
	rig_tick_after(&rig, RIG_HEARTBEAT_NS / 2);
	assert_int_equal(rig_count(&rig, RAFT_MESSAGE_HEARTBEAT), 2);
}

static void f2_a_heartbeat_never_commits_beyond_what_its_receiver_has(void **state)
{
	(void)state;
	lead_with_a_follower();
	assert_int_equal(rig.group.commit, 4);
	rig_tick_after(&rig, RIG_HEARTBEAT_NS);
	assert_int_equal(rig_sent(&rig, RAFT_MESSAGE_HEARTBEAT, 2)->commit, 4);
	assert_int_equal(rig_sent(&rig, RAFT_MESSAGE_HEARTBEAT, 3)->commit, 0);
}

/* Learners receive the log like everybody else (thesis §4.2.1). */
static void t4_2_1_learners_receive_entries(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "114");
	rig.configuration.learners = qr_nodes_of(9);
	rig_restart(&rig, rig.group.state, "114", 0);
	rig_lead(&rig);
	rig_acknowledge(&rig, 9, 3);
	assert_int_equal(append_to(9)->last, 4);
}

/* What a correct follower cannot have sent is dropped and counted, never believed. */
static void implausible_acknowledgements_are_ignored(void **state)
{
	(void)state;
	lead_with_a_follower();
	rig_acknowledge(&rig, 2, 99);
	rig_acknowledge(&rig, 2, UINT64_MAX);
	refuse(2, UINT64_MAX, 2, 1);
	refuse(2, 3, 9, 1);
	rig_receive(&rig, (struct raft_message){.kind = RAFT_MESSAGE_HEARTBEAT_REPLY,
						.from = 2,
						.term = 5,
						.index = 77});
	assert_int_equal(rig.group.ignored, 5);
	assert_int_equal(raft_progress_of(&rig.group, 2)->match, 4);
	assert_int_equal(raft_progress_of(&rig.group, 2)->next, 5);
}

/* The transport delivers what it was given; a pipe that stands still is asked, not filled again. */
static void a_pipe_that_stands_still_is_questioned(void **state)
{
	(void)state;
	lead_with_a_follower();
	rig_propose(&rig, 1);
	for (unsigned i = 0; i < 10; i++) {
		rig_tick_after(&rig, RIG_HEARTBEAT_NS - 1);
		assert_false(rig_has_sent(&rig, RAFT_MESSAGE_APPEND, 2));
		rig_acknowledge(&rig, 3, 3);
		rig_acknowledge(&rig, 2, 4);
		rig_durable(&rig, 5);
	}
	rig_tick_after(&rig, RIG_HEARTBEAT_NS);
	assert_int_equal(append_to(2)->index, 5);
	assert_int_equal(append_to(2)->last, 5);
	refuse(2, 5, 4, 5);
	assert_int_equal(append_to(2)->index, 4);
}

/* A follower that restarted cannot know that its log is still the leader's. */
static void a_restarted_follower_is_reminded_of_what_it_has(void **state)
{
	(void)state;
	lead_with_a_follower();
	rig_receive(&rig, (struct raft_message){
				  .kind = RAFT_MESSAGE_HEARTBEAT_REPLY, .from = 2, .term = 5});
	assert_int_equal(append_to(2)->index, 4);
	assert_int_equal(append_to(2)->last, 4);
	assert_int_equal(append_to(2)->commit, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(f2_progress_starts_behind_the_log_and_matches_nothing),
		cmocka_unit_test(s8_a_new_leader_begins_with_a_no_op_of_its_term),
		cmocka_unit_test(s5_3_a_command_is_appended_and_sent),
		cmocka_unit_test(t10_2_1_sends_do_not_wait_for_the_own_disk_nor_for_answers),
		cmocka_unit_test(f3_a_leader_takes_no_append_of_its_own_term),
		cmocka_unit_test(s5_3_a_refusal_moves_the_probe_back),
		cmocka_unit_test(s5_3_back_off_goes_a_term_at_a_time),
		cmocka_unit_test(s5_3_a_refusal_of_something_else_is_not_followed),
		cmocka_unit_test(s5_3_a_late_success_does_not_end_a_newer_probe),
		cmocka_unit_test(s5_3_a_late_refusal_does_not_undo_an_acknowledgement),
		cmocka_unit_test(f7_a_leader_meets_every_follower_of_figure_7),
		cmocka_unit_test(s5_3_a_lost_probe_is_repeated_but_not_hurried),
		cmocka_unit_test(a_probe_need_not_wait_for_the_followers_disk),
		cmocka_unit_test(a_window_bounds_the_entries_in_flight),
		cmocka_unit_test(a_window_bounds_the_blocks_in_flight),
		cmocka_unit_test(an_entry_above_the_window_goes_alone),
		cmocka_unit_test(a_heartbeat_reply_reopens_the_window),
		cmocka_unit_test(a_follower_behind_the_recovered_log_is_served),
		cmocka_unit_test(f2_heartbeats_go_to_everybody_each_interval),
		cmocka_unit_test(f2_a_heartbeat_never_commits_beyond_what_its_receiver_has),
		cmocka_unit_test(t4_2_1_learners_receive_entries),
		cmocka_unit_test(implausible_acknowledgements_are_ignored),
		cmocka_unit_test(a_pipe_that_stands_still_is_questioned),
		cmocka_unit_test(a_restarted_follower_is_reminded_of_what_it_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
