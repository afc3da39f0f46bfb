/* The follower's half of log replication: Raft §5.3, figure 2 AppendEntries RPC. */
#include "tests/paper/harness/rig.h"

static struct rig rig;

static const struct raft_message *reply(void)
{
	return rig_sent(&rig, RAFT_MESSAGE_APPEND_REPLY, 2);
}

static void heartbeat(qr_node from, qr_term term, qr_index commit, uint64_t round)
{
	rig_receive(&rig, (struct raft_message){
				  .kind = RAFT_MESSAGE_HEARTBEAT,
				  .from = from,
				  .term = term,
				  .commit = commit,
				  .round = round,
			  });
}

/* Rule 2: "reply false if log doesn't contain an entry at prevLogIndex with prevLogTerm" */
static void f2_an_append_behind_a_gap_is_refused(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11");
	rig_append(&rig, 2, 4, 5, 4, "4", 0);
	assert_true(reply()->reject);
	assert_int_equal(reply()->index, 5);
	assert_int_equal(reply()->hint_index, 2);
	assert_int_equal(reply()->hint_term, 1);
	rig_expect_log(&rig, "11");
}

static void f2_an_append_on_another_term_is_refused(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "112233");
	rig_append(&rig, 2, 4, 6, 2, "4", 0);
	assert_true(reply()->reject);
	/* "The follower can include the term of the conflicting entry and the first index" (§5.3)
	 */
	assert_int_equal(reply()->hint_index, 4);
	assert_int_equal(reply()->hint_term, 2);
	rig_expect_log(&rig, "112233");
}

static void f2_an_append_at_the_start_of_the_log_always_fits(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "");
	rig_append(&rig, 2, 4, 0, 0, "114", 0);
	rig_expect_log(&rig, "114");
	assert_int_equal(rig.effects.write_first, 1);
	assert_int_equal(rig.effects.write_last, 3);
}

/* Rule 3: "if an existing entry conflicts with a new one, delete it and all that follow it" */
static void f2_conflicting_entries_are_replaced(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "112233");
	rig_append(&rig, 2, 4, 2, 1, "44", 0);
	rig_expect_log(&rig, "1144");
	assert_true(rig.effects.truncated);
	assert_int_equal(rig.effects.truncate_to, 2);
	assert_int_equal(rig.effects.write_first, 3);
	assert_int_equal(rig.effects.write_last, 4);
	assert_int_equal(rig.effects.generation, 2);
}

static void f2_conflicting_entries_go_before_the_bytes_that_replace_them_come(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "112233");
	rig_receive(&rig, (struct raft_message){
				  .kind = RAFT_MESSAGE_APPEND,
				  .from = 2,
				  .term = 4,
				  .index = 2,
				  .log_term = 1,
				  .last = 2,
				  .next_term = 4,
			  });
	rig_expect_log(&rig, "11");
	assert_true(rig.effects.truncated);
	assert_false(rig.effects.appended);
	assert_int_equal(reply()->index, 2);
}

/* Entries that the leader does not have yet are no conflict: they may still be decided. */
static void f2_an_append_that_ends_early_deletes_nothing(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "112233");
	rig_append(&rig, 2, 4, 2, 1, "", 0);
	rig_append(&rig, 2, 4, 2, 1, "22", 0);
	rig_expect_log(&rig, "112233");
	assert_false(rig.effects.truncated);
}

/* Rule 4: "append any new entries not already in the log" */
static void f2_entries_already_there_are_not_written_again(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "1122");
	rig_append(&rig, 2, 4, 2, 1, "2244", 0);
	rig_expect_log(&rig, "112244");
	assert_int_equal(rig.effects.write_first, 5);
	assert_int_equal(rig.effects.write_last, 6);
	assert_false(rig.effects.truncated);
}

/* A delayed append of the same leader must not cut off what came after it. */
static void f2_a_delayed_append_cuts_nothing_off(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "");
	rig_append(&rig, 2, 4, 0, 0, "1144", 0);
	rig_append(&rig, 2, 4, 0, 0, "1", 0);
	rig_append(&rig, 2, 4, 1, 1, "", 0);
	rig_expect_log(&rig, "1144");
	assert_int_equal(reply()->hint_index, 4);
}

/* Rule 5: "set commitIndex = min(leaderCommit, index of last new entry)" */
static void f2_commit_follows_the_leader(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11");
	rig_append(&rig, 2, 4, 2, 1, "444", 4);
	assert_true(rig.effects.commit_moved);
	assert_int_equal(rig.effects.commit, 4);
	rig_append(&rig, 2, 4, 5, 4, "", 9);
	assert_int_equal(rig.group.commit, 5);
}

static void f2_commit_never_passes_what_is_known_to_match(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "112233");
	rig_append(&rig, 2, 4, 2, 1, "", 6);
	assert_int_equal(rig.group.commit, 2);
	heartbeat(2, 4, 6, 1);
	assert_int_equal(rig.group.commit, 2);
	rig_append(&rig, 2, 4, 2, 1, "2", 6);
	assert_int_equal(rig.group.commit, 3);
}

static void f2_commit_never_moves_back(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11");
	rig_append(&rig, 2, 4, 2, 1, "444", 5);
	rig_append(&rig, 2, 4, 2, 1, "4", 1);
	heartbeat(2, 4, 0, 1);
	assert_int_equal(rig.group.commit, 5);
	assert_false(rig.effects.commit_moved);
}

/* What matched an older leader says nothing about the next one; only what is decided does. */
static void f3_a_new_term_forgets_what_matched(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11");
	rig_append(&rig, 2, 4, 2, 1, "444", 3);
	rig_durable(&rig, 5);
	assert_int_equal(reply()->index, 5);
	heartbeat(3, 5, 5, 1);
	assert_int_equal(rig.group.commit, 3);
	assert_int_equal(rig_sent(&rig, RAFT_MESSAGE_HEARTBEAT_REPLY, 3)->index, 3);
}

/* Leader Completeness: below the commit index every leader has the same entries. */
static void f3_what_is_committed_always_matches(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "1144");
	rig_append(&rig, 2, 4, 4, 4, "", 4);
	assert_int_equal(rig.group.commit, 4);
	rig_append(&rig, 3, 6, 2, 1, "4466", 0);
	rig_expect_log(&rig, "114466");
	assert_false(rig.effects.truncated);
}

static void s5_3_a_repeated_append_is_answered_with_what_is_durable(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11");
	rig_append(&rig, 2, 4, 2, 1, "44", 0);
	assert_int_equal(rig.effects.message_count, 0);
	rig_append(&rig, 2, 4, 2, 1, "44", 0);
	assert_false(rig.effects.appended);
	assert_int_equal(reply()->index, 2);
	assert_int_equal(reply()->hint_index, 4);
}

static void s6_4_a_heartbeat_reply_repeats_the_newest_round(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11");
	heartbeat(2, 4, 0, 7);
	assert_int_equal(rig_sent(&rig, RAFT_MESSAGE_HEARTBEAT_REPLY, 2)->round, 7);
	heartbeat(2, 4, 0, 6);
	assert_int_equal(rig_sent(&rig, RAFT_MESSAGE_HEARTBEAT_REPLY, 2)->round, 7);
	heartbeat(3, 5, 0, 1);
	assert_int_equal(rig_sent(&rig, RAFT_MESSAGE_HEARTBEAT_REPLY, 3)->round, 1);
}

/* "At most one leader per term": a second one is no correct peer. */
static void f3_a_second_leader_of_a_term_is_ignored_and_counted(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11");
	rig_append(&rig, 2, 4, 2, 1, "4", 0);
	rig_append(&rig, 3, 4, 2, 1, "34", 0);
	heartbeat(3, 4, 3, 1);
	assert_int_equal(rig.group.ignored, 2);
	assert_int_equal(rig.group.leader, 2);
	rig_expect_log(&rig, "114");
}

static void malformed_appends_are_ignored_and_counted(void **state)
{
	static struct raft_entry entry = {.index = 3, .term = 4, .blocks = 1};
	struct raft_message good = {
		.kind = RAFT_MESSAGE_APPEND,
		.from = 2,
		.term = 4,
		.index = 2,
		.log_term = 1,
		.last = 3,
		.entries = &entry,
	};
	struct raft_message bad[7];
	static struct raft_entry entries[7];

	(void)state;
	rig_start(&rig, 3, 4, "11");
	for (unsigned i = 0; i < 7; i++) {
		entries[i] = entry;
		bad[i] = good;
		bad[i].entries = &entries[i];
	}
	bad[0].entries = NULL;
	bad[1].last = 1;
	bad[2].log_term = 5;
	entries[3].index = 4;
	entries[4].term = 5;
	entries[5].blocks = 0;
	bad[6].next_term = 9;
	for (unsigned i = 0; i < 7; i++) {
		rig_receive(&rig, bad[i]);
		assert_int_equal(rig.group.ignored, i + 1);
		assert_int_equal(rig.effects.message_count, 0);
	}
	rig_expect_log(&rig, "11");
	rig_receive(&rig, good);
	rig_expect_log(&rig, "114");
}

/* What is matched cannot have another term, nor be followed by a lower one. */
static void appends_that_contradict_what_is_matched_are_ignored_and_counted(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "");
	rig_append(&rig, 2, 4, 0, 0, "1133", 0);
	rig_append(&rig, 2, 4, 4, 2, "4", 0);
	assert_int_equal(rig.group.ignored, 1);
	rig_append(&rig, 2, 4, 2, 1, "222", 0);
	assert_int_equal(rig.group.ignored, 2);
	rig_expect_log(&rig, "1133");
	rig_append(&rig, 2, 4, 4, 3, "4", 0);
	rig_expect_log(&rig, "11334");
}

/*
 * A log of more elections than are remembered. What is forgotten matches nothing and is never cut
 * off on a guess: it may have been acknowledged. raft.h, RAFT_TERM_RUNS_MAX.
 */
static void forgotten_terms_match_nothing_and_are_never_cut_off(void **state)
{
	static struct raft_term_run runs[RAFT_TERM_RUNS_MAX + 10];
	const uint32_t count = RAFT_TERM_RUNS_MAX + 10;
	struct raft_recovered recovered = {.state = {.term = count, .generation = 1},
					   .last = count};

	(void)state;
	rig_start(&rig, 3, 4, "");
	recovered.configuration = rig.configuration;
	for (uint32_t i = 0; i < count; i++)
		runs[i] = (struct raft_term_run){i + 1, i + 1};
	raft_init(&rig.group, &rig.parameters, &recovered, runs, count, 1);
	assert_int_equal(raft_term_at(&rig.group, 10), 0);
	assert_int_equal(raft_term_at(&rig.group, 11), 11);

	rig_append(&rig, 2, count, 5, 5, "", 0);
	assert_true(reply()->reject);
	assert_int_equal(reply()->hint_index, 0);
	rig_append(&rig, 2, count, 0, 0, "9", 0);
	assert_int_equal(rig.group.ignored, 1);
	assert_int_equal(rig.group.last, count);
	rig_append(&rig, 2, count, 10, 10, "", 0);
	assert_true(reply()->reject);
	rig_append(&rig, 2, count, 11, 11, "", 0);
	assert_false(reply()->reject);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(f2_an_append_behind_a_gap_is_refused),
		cmocka_unit_test(f2_an_append_on_another_term_is_refused),
		cmocka_unit_test(f2_an_append_at_the_start_of_the_log_always_fits),
		cmocka_unit_test(f2_conflicting_entries_are_replaced),
		cmocka_unit_test(f2_conflicting_entries_go_before_the_bytes_that_replace_them_come),
		cmocka_unit_test(f2_an_append_that_ends_early_deletes_nothing),
		cmocka_unit_test(f2_entries_already_there_are_not_written_again),
		cmocka_unit_test(f2_a_delayed_append_cuts_nothing_off),
		cmocka_unit_test(f2_commit_follows_the_leader),
		cmocka_unit_test(f2_commit_never_passes_what_is_known_to_match),
		cmocka_unit_test(f2_commit_never_moves_back),
		cmocka_unit_test(f3_a_new_term_forgets_what_matched),
		cmocka_unit_test(f3_what_is_committed_always_matches),
		cmocka_unit_test(s5_3_a_repeated_append_is_answered_with_what_is_durable),
		cmocka_unit_test(s6_4_a_heartbeat_reply_repeats_the_newest_round),
		cmocka_unit_test(f3_a_second_leader_of_a_term_is_ignored_and_counted),
		cmocka_unit_test(malformed_appends_are_ignored_and_counted),
		cmocka_unit_test(appends_that_contradict_what_is_matched_are_ignored_and_counted),
		cmocka_unit_test(forgotten_terms_match_nothing_and_are_never_cut_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
