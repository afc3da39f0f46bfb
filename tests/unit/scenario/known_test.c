/* What etcd-replay takes out of etcd's output. */
#include "tests/scenario/replay/known.h"

#include "consensus/raft/raft.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

static struct known known;

static int forget(void **state)
{
	(void)state;
	known_free(&known);
	memset(&known, 0, sizeof(known));
	return 0;
}

static void expect_number(qr_node node, enum known_number number, uint64_t value)
{
	if (!known.nodes[node].numbers[number].known ||
	    known.nodes[node].numbers[number].value != value) {
		fail_msg("%u.%s: known %d, %ju", node, known_number_name(number),
			 known.nodes[node].numbers[number].known,
			 (uintmax_t)known.nodes[node].numbers[number].value);
	}
}

static void expect_unknown(qr_node node, enum known_number number)
{
	assert_false(known.nodes[node].numbers[number].known);
}

static void expect_entry(qr_node node, enum known_log log, uint32_t position, const char *text)
{
	const struct known_entries *entries = &known.nodes[node].logs[log];
	char shown[64];

	assert_true(position < entries->count);
	(void)snprintf(
		shown, sizeof(shown), "%ju/%ju %s", (uintmax_t)entries->entries[position].term,
		(uintmax_t)entries->entries[position].index, entries->entries[position].text);
	assert_string_equal(shown, text);
}

static void a_start_tells_term_vote_commit_and_last(void **state)
{
	(void)state;
	known_read(&known, "add-nodes", 0,
		   "INFO 3 switched to configuration voters=(1 2 3)\n"
		   "INFO newRaft 3 [peers: [1,2,3], term: 4, commit: 7, applied: 5, lastindex: 9, "
		   "lastterm: 1]\n");
	expect_number(3, KNOWN_TERM, 4);
	expect_number(3, KNOWN_VOTE, 0);
	expect_number(3, KNOWN_COMMIT, 7);
	expect_number(3, KNOWN_LAST, 9);
	expect_unknown(3, KNOWN_LEADER);
	assert_string_equal(known.switched_to, "voters=(1 2 3)");
}

static void roles_come_with_what_is_certain(void **state)
{
	(void)state;
	known_read(&known, "campaign", 1, "INFO 1 became candidate at term 2\n");
	expect_number(1, KNOWN_ROLE, RAFT_CANDIDATE);
	expect_number(1, KNOWN_VOTE, 1);
	expect_number(1, KNOWN_LEADER, 0);
	known_read(&known, "stabilize", 0, "  INFO 1 became leader at term 2\n");
	expect_number(1, KNOWN_ROLE, RAFT_LEADER);
	expect_number(1, KNOWN_LEADER, 1);
	expect_number(1, KNOWN_VOTE, 1);
	known_read(&known, "deliver-msgs", 0, "INFO 1 became follower at term 3\n");
	expect_number(1, KNOWN_ROLE, RAFT_FOLLOWER);
	expect_number(1, KNOWN_TERM, 3);
	expect_unknown(1, KNOWN_LEADER);
	expect_unknown(1, KNOWN_VOTE);
	known_read(&known, "campaign", 1, "INFO 1 became pre-candidate at term 3\n");
	expect_number(1, KNOWN_ROLE, RAFT_PRE_CANDIDATE);
}

static void a_vote_is_one_that_was_cast(void **state)
{
	(void)state;
	known_read(&known, "deliver-msgs", 0,
		   "INFO 2 [logterm: 1, index: 2, vote: 0] cast MsgVote for 3 [logterm: 1, index: "
		   "2] at term 5\n"
		   "INFO 4 [logterm: 1, index: 2, vote: 0] rejected MsgVote from 3 [logterm: 1, "
		   "index: 2] at term 5\n"
		   "INFO 5 [logterm: 1, index: 2, vote: 0] cast MsgPreVote for 3 [logterm: 1, "
		   "index: 2] at term 1\n");
	expect_number(2, KNOWN_VOTE, 3);
	expect_number(2, KNOWN_TERM, 5);
	expect_unknown(4, KNOWN_VOTE);
	expect_unknown(5, KNOWN_VOTE);
}

static void a_ready_is_of_its_heading_or_of_the_named_node(void **state)
{
	(void)state;
	known_read(&known, "process-ready", 2, "Lead:1 State:StateFollower\n");
	expect_number(2, KNOWN_LEADER, 1);
	known_read(&known, "stabilize", 0,
		   "> 1 handling Ready\n"
		   "  Ready MustSync=true:\n"
		   "  Lead:1 State:StateLeader\n"
		   "  HardState Term:3 Commit:8\n"
		   "> 3 handling Ready\n"
		   "  HardState Term:3 Vote:1 Commit:7\n");
	expect_number(1, KNOWN_ROLE, RAFT_LEADER);
	expect_number(1, KNOWN_TERM, 3);
	expect_number(1, KNOWN_VOTE, 0);
	expect_number(1, KNOWN_COMMIT, 8);
	expect_number(3, KNOWN_VOTE, 1);
	expect_number(3, KNOWN_COMMIT, 7);
	assert_false(known.nodes[2].numbers[KNOWN_LEADER].stated);
	expect_number(2, KNOWN_LEADER, 1);
}

static void entries_are_below_their_heading_and_not_in_messages(void **state)
{
	(void)state;
	known_read(&known, "process-ready", 1,
		   "Ready MustSync=true:\n"
		   "Entries:\n"
		   "1/3 EntryNormal \"\"\n"
		   "1/4 EntryNormal \"a b\"\n"
		   "CommittedEntries:\n"
		   "1/3 EntryNormal \"\"\n"
		   "Messages:\n"
		   "1->2 MsgApp Term:1 Log:1/2 Commit:2 Entries:[\n"
		   "  1/9 EntryNormal \"not in the log\"\n"
		   "]\n");
	assert_int_equal(known.nodes[1].logs[KNOWN_LOG].count, 2);
	expect_entry(1, KNOWN_LOG, 1, "1/4 EntryNormal \"a b\"");
	assert_int_equal(known.nodes[1].logs[KNOWN_DECIDED].count, 1);
	expect_number(1, KNOWN_LAST, 4);
	known_read(&known, "process-ready", 1, "Entries:\n2/4 EntryConfChangeV2\n");
	assert_int_equal(known.nodes[1].logs[KNOWN_LOG].count, 2);
	expect_entry(1, KNOWN_LOG, 0, "1/3 EntryNormal \"\"");
	expect_entry(1, KNOWN_LOG, 1, "2/4 EntryConfChangeV2");
	assert_int_equal(known.nodes[1].logs[KNOWN_DECIDED].count, 0);
}

static void a_dump_is_what_lies_in_storage(void **state)
{
	(void)state;
	known_read(&known, "raft-log", 2, "1/3 EntryNormal \"\"\n4/4 EntryNormal \"x\"\n");
	assert_int_equal(known.nodes[2].logs[KNOWN_DISK].count, 2);
	assert_int_equal(known.nodes[2].logs[KNOWN_LOG].count, 0);
	expect_number(2, KNOWN_STORED, 4);
	known_read(&known, "raft-log", 2, "log is empty: first index=6, last index=5");
	assert_int_equal(known.nodes[2].logs[KNOWN_DISK].count, 0);
	expect_number(2, KNOWN_STORED, 5);
}

static void a_snapshot_takes_the_place_of_the_log(void **state)
{
	(void)state;
	known_read(&known, "process-ready", 3, "Entries:\n1/3 EntryNormal \"\"\n");
	known_read(&known, "process-ready", 3, "Snapshot Index:11 Term:1 ConfState:Voters:[1]\n");
	expect_number(3, KNOWN_LAST, 11);
	assert_int_equal(known.nodes[3].logs[KNOWN_LOG].count, 0);
	known_read(&known, "deliver-msgs", 0,
		   "INFO 4 [commit: 12, lastindex: 13, lastterm: 1] restored snapshot [index: 13, "
		   "term: 1]\n");
	expect_number(4, KNOWN_COMMIT, 12);
	expect_number(4, KNOWN_LAST, 13);
}

static void state_and_progress_lines(void **state)
{
	const struct known_progress *progress = known.nodes[1].progress;

	(void)state;
	known_read(&known, "raft-state", 0,
		   "1: StateLeader (Voter) Term:2 Lead:1\n"
		   "2: StateFollower (Non-Voter) Term:2 Lead:1\n");
	expect_number(1, KNOWN_ROLE, RAFT_LEADER);
	expect_number(1, KNOWN_VOTER, 1);
	expect_number(2, KNOWN_VOTER, 0);
	expect_number(2, KNOWN_TERM, 2);
	known_read(&known, "status", 1,
		   "1: StateReplicate match=4 next=5 inactive\n"
		   "2: StateProbe match=0 next=3 paused\n"
		   "3: StateSnapshot match=1 next=2 paused pendingSnap=4\n");
	assert_true(progress[1].stated && progress[2].stated && progress[3].stated);
	assert_int_equal(progress[1].state, KNOWN_REPLICATE);
	assert_int_equal(progress[2].state, KNOWN_PROBE);
	assert_int_equal(progress[2].next, 3);
	assert_int_equal(progress[3].state, KNOWN_SNAPSHOT);
	assert_int_equal(progress[3].match, 1);
	known_read(&known, "stabilize", 0, "ok\n");
	assert_false(progress[1].stated);
}

static void nonsense_says_nothing(void **state)
{
	(void)state;
	known_read(&known, "stabilize", 0,
		   "> 99 handling Ready\n  HardState Term:1 Commit:1\n"
		   "> 1 handling Ready\n  HardState Term:x Commit:1\n  Lead:1 State:StateTired\n"
		   "INFO 1 became follower at term\nINFO 1 became leader at term "
		   "99999999999999999999999\n0: StateLeader (Voter) Term:1 Lead:1\n"
		   "INFO newRaft\nINFO \n> \n1:\n");
	for (unsigned number = 0; number < KNOWN_NUMBERS; number++)
		expect_unknown(1, (enum known_number)number);
}

static void what_was_hidden_is_forgotten(void **state)
{
	(void)state;
	known_read(&known, "process-ready", 1,
		   "HardState Term:1 Commit:1\nEntries:\n1/1 EntryNormal \"\"\n");
	known_forget(&known);
	expect_unknown(1, KNOWN_TERM);
	expect_unknown(1, KNOWN_LAST);
	assert_int_equal(known.nodes[1].logs[KNOWN_LOG].count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_start_tells_term_vote_commit_and_last, forget),
		cmocka_unit_test_teardown(roles_come_with_what_is_certain, forget),
		cmocka_unit_test_teardown(a_vote_is_one_that_was_cast, forget),
		cmocka_unit_test_teardown(a_ready_is_of_its_heading_or_of_the_named_node, forget),
		cmocka_unit_test_teardown(entries_are_below_their_heading_and_not_in_messages,
					  forget),
		cmocka_unit_test_teardown(a_dump_is_what_lies_in_storage, forget),
		cmocka_unit_test_teardown(a_snapshot_takes_the_place_of_the_log, forget),
		cmocka_unit_test_teardown(state_and_progress_lines, forget),
		cmocka_unit_test_teardown(nonsense_says_nothing, forget),
		cmocka_unit_test_teardown(what_was_hidden_is_forgotten, forget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
