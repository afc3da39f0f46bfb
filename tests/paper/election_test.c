/* Elections: Raft §5.1, §5.2, §5.4.1, figure 2 RequestVote; thesis §4.2.3, §6.2, §9.6. */
#include "tests/paper/harness/rig.h"

static struct rig rig;

static struct raft_message vote_request(qr_node from, qr_term term, qr_index index,
					qr_term log_term)
{
	return (struct raft_message){
		.kind = RAFT_MESSAGE_VOTE,
		.from = from,
		.term = term,
		.index = index,
		.log_term = log_term,
	};
}

static struct raft_message pre_vote_request(qr_node from, qr_term term, qr_index index,
					    qr_term log_term)
{
	struct raft_message message = vote_request(from, term, index, log_term);

	message.kind = RAFT_MESSAGE_PRE_VOTE;
	return message;
}

/* Past the time in which node 1 still honours a leader that it may have heard. */
static void start_out_of_lease(qr_node voters, qr_term term, const char *log)
{
	rig_start(&rig, voters, term, log);
	rig.group.lease_until_ns = 0;
}

static void expect_vote(bool granted, qr_node to)
{
	assert_int_equal(rig_sent(&rig, RAFT_MESSAGE_VOTE_REPLY, to)->reject, !granted);
}

/* "When servers start up, they begin as followers" (§5.2) */
static void s5_2_a_server_starts_as_a_follower(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "1134");
	assert_int_equal(rig.group.role, RAFT_FOLLOWER);
	assert_int_equal(rig.group.leader, 0);
	assert_int_equal(rig.group.state.term, 4);
	assert_int_equal(rig.group.last, 4);
}

/* "If a server receives a request with a stale term number, it rejects the request" (§5.1) */
static void s5_1_a_stale_vote_request_is_refused_with_the_current_term(void **state)
{
	(void)state;
	start_out_of_lease(3, 4, "11");
	rig_receive(&rig, vote_request(2, 3, 9, 3));
	expect_vote(false, 2);
	assert_int_equal(rig_sent(&rig, RAFT_MESSAGE_VOTE_REPLY, 2)->term, 4);
	assert_int_equal(rig.group.state.vote, 0);
}

static void s5_1_a_stale_append_is_refused_with_the_current_term(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11");
	rig_append(&rig, 2, 3, 2, 1, "3", 0);
	assert_true(rig_sent(&rig, RAFT_MESSAGE_APPEND_REPLY, 2)->reject);
	assert_int_equal(rig_sent(&rig, RAFT_MESSAGE_APPEND_REPLY, 2)->term, 4);
	assert_int_equal(rig.group.leader, 0);
	rig_expect_log(&rig, "11");
}

static void s5_1_a_stale_heartbeat_is_answered_with_the_current_term(void **state)
{
	const struct raft_message *reply;

	(void)state;
	rig_start(&rig, 3, 4, "11");
	rig_receive(&rig,
		    (struct raft_message){
			    .kind = RAFT_MESSAGE_HEARTBEAT, .from = 2, .term = 3, .round = 8});
	reply = rig_sent(&rig, RAFT_MESSAGE_HEARTBEAT_REPLY, 2);
	assert_int_equal(reply->term, 4);
	assert_int_equal(reply->round, 0);
	assert_int_equal(reply->index, 0);
	assert_int_equal(rig.group.leader, 0);
}

/* "If a candidate or leader discovers that its term is out of date, it immediately reverts" (§5.1)
 */
static void s5_1_a_newer_term_makes_a_leader_a_follower(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11");
	rig_lead(&rig);
	rig_receive(&rig,
		    (struct raft_message){.kind = RAFT_MESSAGE_APPEND_REPLY, .from = 2, .term = 9});
	assert_int_equal(rig.group.role, RAFT_FOLLOWER);
	assert_int_equal(rig.group.state.term, 9);
	assert_int_equal(rig.group.state.vote, 0);
	assert_true(rig.effects.save_state);
	assert_int_equal(rig.effects.state.term, 9);
}

static void s5_1_a_newer_term_makes_a_candidate_a_follower(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11");
	rig_stand(&rig);
	rig_receive(&rig,
		    (struct raft_message){
			    .kind = RAFT_MESSAGE_VOTE_REPLY, .from = 2, .term = 6, .reject = true});
	assert_int_equal(rig.group.role, RAFT_FOLLOWER);
	assert_int_equal(rig.group.state.term, 6);
}

/* "A server remains in follower state as long as it receives valid RPCs from a leader" (§5.2) */
static void s5_2_a_heartbeat_restarts_the_election_timeout(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11");
	for (unsigned i = 0; i < 40; i++) {
		rig_tick_after(&rig, RIG_ELECTION_NS / 2);
		rig_receive(&rig, (struct raft_message){
					  .kind = RAFT_MESSAGE_HEARTBEAT, .from = 2, .term = 4});
	}
	assert_int_equal(rig.group.role, RAFT_FOLLOWER);
	assert_int_equal(rig.group.leader, 2);
	assert_int_equal(rig.group.state.term, 4);
}

/* "If a follower receives no communication ... it begins an election" (§5.2) */
static void s5_2_a_follower_that_hears_nobody_begins_an_election(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11");
	rig_tick_after(&rig, RIG_ELECTION_NS - 1);
	assert_int_equal(rig.group.role, RAFT_FOLLOWER);
	rig_tick_after(&rig, RIG_ELECTION_NS + 1);
	assert_int_equal(rig.group.role, RAFT_PRE_CANDIDATE);
	assert_int_equal(rig_count(&rig, RAFT_MESSAGE_PRE_VOTE), 2);
}

/* "Follower increments its current term ... votes for itself and issues RequestVote" (§5.2) */
static void s5_2_a_candidate_raises_its_term_votes_for_itself_and_asks_all(void **state)
{
	const struct raft_message *request;

	(void)state;
	rig_start(&rig, 5, 4, "1134");
	rig_time_out(&rig);
	for (qr_node node = 2; node <= 3; node++) {
		rig_receive(&rig, (struct raft_message){.kind = RAFT_MESSAGE_PRE_VOTE_REPLY,
							.from = node,
							.term = 5});
	}
	assert_int_equal(rig.group.role, RAFT_CANDIDATE);
	assert_int_equal(rig.effects.state.term, 5);
	assert_int_equal(rig.effects.state.vote, 1);
	assert_int_equal(rig_count(&rig, RAFT_MESSAGE_VOTE), 4);
	request = rig_sent(&rig, RAFT_MESSAGE_VOTE, 5);
	assert_int_equal(request->term, 5);
	assert_int_equal(request->index, 4);
	assert_int_equal(request->log_term, 4);
	assert_false(request->transfer);
}

/* "A candidate wins if it receives votes from a majority of the servers" (§5.2) */
static void s5_2_a_majority_of_votes_makes_a_leader(void **state)
{
	(void)state;
	rig_start(&rig, 5, 4, "11");
	rig_stand(&rig);
	rig_receive(&rig,
		    (struct raft_message){.kind = RAFT_MESSAGE_VOTE_REPLY, .from = 2, .term = 5});
	assert_int_equal(rig.group.role, RAFT_CANDIDATE);
	rig_receive(&rig,
		    (struct raft_message){.kind = RAFT_MESSAGE_VOTE_REPLY, .from = 3, .term = 5});
	assert_int_equal(rig.group.role, RAFT_LEADER);
	assert_int_equal(rig.group.leader, 1);
	assert_true(rig.effects.role_changed);
}

static void s5_2_one_voter_counts_once(void **state)
{
	(void)state;
	rig_start(&rig, 5, 4, "11");
	rig_stand(&rig);
	for (unsigned i = 0; i < 5; i++) {
		rig_receive(&rig, (struct raft_message){
					  .kind = RAFT_MESSAGE_VOTE_REPLY, .from = 2, .term = 5});
	}
	assert_int_equal(rig.group.role, RAFT_CANDIDATE);
}

static void s5_2_votes_of_another_term_do_not_count(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11");
	rig_stand(&rig);
	rig_receive(&rig,
		    (struct raft_message){.kind = RAFT_MESSAGE_VOTE_REPLY, .from = 2, .term = 4});
	assert_int_equal(rig.group.role, RAFT_CANDIDATE);
	rig_receive(&rig, (struct raft_message){
				  .kind = RAFT_MESSAGE_PRE_VOTE_REPLY, .from = 3, .term = 5});
	assert_int_equal(rig.group.role, RAFT_CANDIDATE);
}

/* Two other terms, once: a vote of an older election must not elect in a newer one. */
static void s5_2_votes_are_forgotten_between_elections(void **state)
{
	(void)state;
	rig_start(&rig, 5, 4, "11");
	rig_stand(&rig);
	rig_receive(&rig,
		    (struct raft_message){.kind = RAFT_MESSAGE_VOTE_REPLY, .from = 2, .term = 5});
	rig_stand(&rig);
	assert_int_equal(rig.group.state.term, 6);
	rig_receive(&rig,
		    (struct raft_message){.kind = RAFT_MESSAGE_VOTE_REPLY, .from = 3, .term = 6});
	assert_int_equal(rig.group.role, RAFT_CANDIDATE);
}

/* "Each server will vote for at most one candidate in a given term, first-come-first-served" */
static void s5_2_a_server_votes_once_in_a_term(void **state)
{
	(void)state;
	start_out_of_lease(3, 4, "11");
	rig_receive(&rig, vote_request(2, 5, 2, 1));
	expect_vote(true, 2);
	assert_int_equal(rig.effects.state.vote, 2);
	rig_receive(&rig, vote_request(3, 5, 8, 4));
	expect_vote(false, 3);
	assert_int_equal(rig.group.state.vote, 2);
}

/* "If votedFor is null or candidateId ... grant vote" (figure 2): a repeated request. */
static void s5_2_the_same_candidate_gets_the_same_answer(void **state)
{
	(void)state;
	start_out_of_lease(3, 4, "11");
	rig_receive(&rig, vote_request(2, 5, 2, 1));
	rig_receive(&rig, vote_request(2, 5, 2, 1));
	expect_vote(true, 2);
	assert_false(rig.effects.save_state);
}

/* "This state is persistent" (figure 2): a restart between two requests does not free the vote. */
static void s5_2_a_vote_outlives_a_restart(void **state)
{
	(void)state;
	start_out_of_lease(3, 4, "11");
	rig_receive(&rig, vote_request(2, 5, 2, 1));
	rig_restart(&rig, rig.effects.state, "11", 0);
	rig.group.lease_until_ns = 0;
	rig_receive(&rig, vote_request(3, 5, 2, 1));
	expect_vote(false, 3);
	rig_receive(&rig, vote_request(2, 5, 2, 1));
	expect_vote(true, 2);
}

/* "Granting vote to candidate" restarts the timeout (figure 2, followers); refusing does not. */
static void s5_2_granting_restarts_the_timeout_and_refusing_does_not(void **state)
{
	qr_ns deadline;

	(void)state;
	start_out_of_lease(3, 4, "144");
	deadline = rig.group.election_at_ns;
	rig_tick_after(&rig, RIG_ELECTION_NS / 2);
	rig_receive(&rig, vote_request(2, 5, 9, 3));
	assert_int_equal(rig.group.election_at_ns, deadline);
	rig_receive(&rig, vote_request(3, 5, 3, 4));
	assert_int_equal(rig.group.election_at_ns, rig.group.now_ns + RIG_ELECTION_NS);
}

/* "If AppendEntries RPC received from new leader: convert to follower" (figure 2, candidates) */
static void s5_2_a_candidate_yields_to_a_leader_of_its_term(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11");
	rig_stand(&rig);
	rig_append(&rig, 3, 5, 2, 1, "", 0);
	assert_int_equal(rig.group.role, RAFT_FOLLOWER);
	assert_int_equal(rig.group.leader, 3);
	assert_int_equal(rig.group.state.vote, 1);
}

/* "If the term in the RPC is smaller ... the candidate rejects the RPC and continues" (§5.2) */
static void s5_2_a_candidate_does_not_yield_to_an_older_leader(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11");
	rig_stand(&rig);
	rig_append(&rig, 3, 4, 2, 1, "", 0);
	assert_int_equal(rig.group.role, RAFT_CANDIDATE);
	assert_int_equal(rig_sent(&rig, RAFT_MESSAGE_APPEND_REPLY, 3)->term, 5);
}

/* "Each candidate will time out and start a new election" (§5.2) */
static void s5_2_a_split_vote_ends_by_a_new_election(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11");
	rig_stand(&rig);
	rig_time_out(&rig);
	assert_int_equal(rig.group.role, RAFT_PRE_CANDIDATE);
	assert_int_equal(rig.group.state.term, 5);
	assert_int_equal(rig_sent(&rig, RAFT_MESSAGE_PRE_VOTE, 2)->term, 6);
}

/* A candidate that a majority has refused need not wait for its timeout. */
static void s5_2_a_refused_candidate_is_a_follower_again(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11");
	rig_stand(&rig);
	for (qr_node node = 2; node <= 3; node++) {
		rig_receive(&rig, (struct raft_message){.kind = RAFT_MESSAGE_VOTE_REPLY,
							.from = node,
							.term = 5,
							.reject = true});
	}
	assert_int_equal(rig.group.role, RAFT_FOLLOWER);
	assert_int_equal(rig.group.state.term, 5);
	assert_int_equal(rig.group.state.vote, 1);
}

/* "Election timeouts are chosen randomly from a fixed interval" (§5.2): one to two timeouts. */
static void s5_2_election_timeouts_spread_over_one_timeout(void **state)
{
	qr_ns lowest = UINT64_MAX;
	qr_ns highest = 0;

	(void)state;
	rig_start(&rig, 3, 4, "11");
	for (uint64_t bits = 0; bits < 4096; bits++) {
		qr_ns wait;

		rig_step(&rig, (struct raft_event){.kind = RAFT_EVENT_TICK,
						   .random = (uint32_t)(bits << 20)});
		rig_receive(&rig, (struct raft_message){
					  .kind = RAFT_MESSAGE_HEARTBEAT, .from = 2, .term = 4});
		wait = rig.group.election_at_ns - rig.group.now_ns;
		lowest = wait < lowest ? wait : lowest;
		highest = wait > highest ? wait : highest;
	}
	assert_int_equal(lowest, RIG_ELECTION_NS);
	assert_in_range(highest, 2 * RIG_ELECTION_NS - RIG_ELECTION_NS / 100, 2 * RIG_ELECTION_NS);
}

/* "It then sends heartbeat messages to all of the other servers to establish its authority" */
static void s5_2_a_new_leader_makes_itself_known_at_once(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11");
	rig_stand(&rig);
	rig_receive(&rig,
		    (struct raft_message){.kind = RAFT_MESSAGE_VOTE_REPLY, .from = 3, .term = 5});
	assert_int_equal(rig_count(&rig, RAFT_MESSAGE_APPEND), 2);
	assert_int_equal(rig_sent(&rig, RAFT_MESSAGE_APPEND, 2)->term, 5);
}

static void s5_2_the_only_voter_elects_itself(void **state)
{
	(void)state;
	rig_start(&rig, 1, 4, "11");
	rig_time_out(&rig);
	assert_int_equal(rig.group.role, RAFT_CANDIDATE);
	rig_state_durable(&rig);
	assert_int_equal(rig.group.role, RAFT_LEADER);
	assert_true(rig.effects.wants_noop);
}

/* "If the logs have last entries with different terms, the log with the later term is more
 * up-to-date" (§5.4.1) */
static void s5_4_1_a_later_last_term_is_more_up_to_date(void **state)
{
	(void)state;
	start_out_of_lease(3, 4, "1133");
	rig_receive(&rig, vote_request(2, 5, 100, 2));
	expect_vote(false, 2);
	rig_receive(&rig, vote_request(2, 6, 1, 4));
	expect_vote(true, 2);
}

/* "If the logs end with the same term, then whichever log is longer is more up-to-date" (§5.4.1) */
static void s5_4_1_of_the_same_last_term_the_longer_log_is_more_up_to_date(void **state)
{
	(void)state;
	start_out_of_lease(3, 4, "1133");
	rig_receive(&rig, vote_request(2, 5, 3, 3));
	expect_vote(false, 2);
	rig_receive(&rig, vote_request(2, 6, 4, 3));
	expect_vote(true, 2);
	rig_receive(&rig, vote_request(3, 7, 5, 3));
	expect_vote(true, 3);
}

/* A refusal for the log's sake still adopts the term: it is a valid term (§5.1). */
static void s5_4_1_a_refused_candidate_has_still_raised_the_term(void **state)
{
	(void)state;
	start_out_of_lease(3, 4, "1133");
	rig_receive(&rig, vote_request(2, 5, 1, 1));
	expect_vote(false, 2);
	assert_int_equal(rig.group.state.term, 5);
	assert_int_equal(rig.effects.state.vote, 0);
}

/* "A candidate only increments its term if it first learns from a majority that they would be
 * willing to grant the candidate their votes" (thesis §9.6) */
static void t9_6_sounding_out_raises_no_term(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11");
	for (unsigned i = 0; i < 10; i++) {
		rig_time_out(&rig);
		assert_int_equal(rig.group.role, RAFT_PRE_CANDIDATE);
		assert_false(rig.effects.save_state);
	}
	assert_int_equal(rig.group.state.term, 4);
}

static void t9_6_a_pre_vote_changes_nothing_in_the_voter(void **state)
{
	const struct raft_message *reply;

	(void)state;
	start_out_of_lease(3, 4, "11");
	rig_receive(&rig, pre_vote_request(2, 5, 2, 1));
	reply = rig_sent(&rig, RAFT_MESSAGE_PRE_VOTE_REPLY, 2);
	assert_false(reply->reject);
	assert_int_equal(reply->term, 5);
	assert_false(rig.effects.save_state);
	assert_int_equal(rig.group.state.term, 4);
	rig_receive(&rig, pre_vote_request(3, 5, 2, 1));
	assert_false(rig_sent(&rig, RAFT_MESSAGE_PRE_VOTE_REPLY, 3)->reject);
}

static void t9_6_a_pre_vote_is_refused_to_an_outdated_log(void **state)
{
	(void)state;
	start_out_of_lease(3, 4, "1133");
	rig_receive(&rig, pre_vote_request(2, 5, 9, 2));
	assert_true(rig_sent(&rig, RAFT_MESSAGE_PRE_VOTE_REPLY, 2)->reject);
}

static void t9_6_a_pre_vote_for_a_term_that_has_begun_is_refused_with_it(void **state)
{
	(void)state;
	start_out_of_lease(3, 4, "11");
	rig_receive(&rig, pre_vote_request(2, 4, 2, 1));
	assert_true(rig_sent(&rig, RAFT_MESSAGE_PRE_VOTE_REPLY, 2)->reject);
	assert_int_equal(rig_sent(&rig, RAFT_MESSAGE_PRE_VOTE_REPLY, 2)->term, 4);
}

static void t9_6_a_pre_candidate_learns_a_newer_term_from_a_refusal(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11");
	rig_time_out(&rig);
	rig_receive(&rig, (struct raft_message){.kind = RAFT_MESSAGE_PRE_VOTE_REPLY,
						.from = 2,
						.term = 8,
						.reject = true});
	assert_int_equal(rig.group.role, RAFT_FOLLOWER);
	assert_int_equal(rig.group.state.term, 8);
}

/* A grant names a term that nobody is in: taking it for a fact would raise terms for nothing. */
static void t9_6_a_late_grant_raises_no_term(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11");
	rig_receive(&rig, (struct raft_message){
				  .kind = RAFT_MESSAGE_PRE_VOTE_REPLY, .from = 2, .term = 9});
	assert_int_equal(rig.group.role, RAFT_FOLLOWER);
	assert_int_equal(rig.group.state.term, 4);
}

static void t9_6_a_pre_candidate_still_votes_for_another(void **state)
{
	(void)state;
	start_out_of_lease(3, 4, "11");
	rig_time_out(&rig);
	assert_int_equal(rig.group.role, RAFT_PRE_CANDIDATE);
	rig_receive(&rig, vote_request(2, 4, 2, 1));
	expect_vote(true, 2);
	assert_int_equal(rig.group.role, RAFT_FOLLOWER);
}

/* "If a server receives a RequestVote request within the minimum election timeout of hearing from a
 * current leader, it does not update its term or grant its vote" (thesis §4.2.3) */
static void t4_2_3_a_server_with_a_leader_does_not_hear_candidates(void **state)
{
	(void)state;
	start_out_of_lease(3, 4, "11");
	rig_receive(&rig,
		    (struct raft_message){.kind = RAFT_MESSAGE_HEARTBEAT, .from = 2, .term = 4});
	rig_tick_after(&rig, RIG_ELECTION_NS - 1);
	rig_receive(&rig, vote_request(3, 9, 8, 4));
	rig_receive(&rig, pre_vote_request(3, 9, 8, 4));
	assert_int_equal(rig.effects.message_count, 0);
	assert_int_equal(rig.group.state.term, 4);
	rig_tick_after(&rig, 1);
	rig_receive(&rig, vote_request(3, 9, 8, 4));
	expect_vote(true, 3);
}

static void t4_2_3_a_leader_does_not_hear_candidates(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11");
	rig_lead(&rig);
	rig_receive(&rig, vote_request(3, 9, 8, 5));
	assert_int_equal(rig.group.role, RAFT_LEADER);
	assert_int_equal(rig.group.state.term, 5);
}

/* A restarted server cannot know whom it heard just before it stopped (thesis §6.4.1, leases). */
static void t6_4_1_a_restarted_server_votes_only_after_a_timeout(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11");
	rig_receive(&rig, vote_request(2, 5, 2, 1));
	assert_int_equal(rig.effects.message_count, 0);
	rig_tick_after(&rig, RIG_ELECTION_NS);
	rig_receive(&rig, vote_request(2, 5, 2, 1));
	expect_vote(true, 2);
}

/* Learners neither stand nor vote (thesis §4.2.1, catching up new servers). */
static void t4_2_1_a_learner_neither_stands_nor_votes(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11");
	rig.configuration.voters = qr_nodes_of(2) | qr_nodes_of(3) | qr_nodes_of(4);
	rig.configuration.learners = qr_nodes_of(1);
	rig_restart(&rig, (struct raft_hard_state){.term = 4, .generation = 1}, "11", 0);
	rig_run_for(&rig, 10ull * RIG_ELECTION_NS);
	assert_int_equal(rig.group.role, RAFT_FOLLOWER);
	rig_receive(&rig, vote_request(2, 9, 8, 4));
	expect_vote(false, 2);
}

/* "Joint consensus requires separate majorities of both" (thesis §4.3) */
static void t4_3_a_joint_candidate_needs_both_majorities(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11");
	rig.configuration.voters = qr_nodes_of(1) | qr_nodes_of(2) | qr_nodes_of(3);
	rig.configuration.voters_outgoing = qr_nodes_of(1) | qr_nodes_of(4) | qr_nodes_of(5);
	rig_restart(&rig, (struct raft_hard_state){.term = 4, .generation = 1}, "11", 0);
	rig_time_out(&rig);
	for (qr_node node = 2; node <= 5; node++) {
		assert_int_equal(rig.group.role, node <= 4 ? RAFT_PRE_CANDIDATE : RAFT_CANDIDATE);
		rig_receive(&rig, (struct raft_message){.kind = RAFT_MESSAGE_PRE_VOTE_REPLY,
							.from = node,
							.term = 5});
	}
}

/* Preferred leaders: the lower priority leaves the first word to others (as leases do in §9.6). */
static void priority_makes_a_server_wait_longer(void **state)
{
	(void)state;
	rig_start(&rig, 3, 4, "11");
	rig.parameters.priority = 20;
	rig_restart(&rig, (struct raft_hard_state){.term = 4, .generation = 1}, "11", 0);
	rig_receive(&rig,
		    (struct raft_message){.kind = RAFT_MESSAGE_HEARTBEAT, .from = 2, .term = 4});
	assert_true(rig.group.election_at_ns - rig.group.now_ns >=
		    RIG_ELECTION_NS + RIG_ELECTION_NS / 100 * 80);
}

/* A message that is not for this group's configuration changes nothing, and is counted. */
static void strangers_are_ignored_and_counted(void **state)
{
	struct raft_message foreign = vote_request(2, 9, 8, 8);

	(void)state;
	start_out_of_lease(3, 4, "11");
	rig_receive(&rig, vote_request(9, 9, 8, 8));
	rig_receive(&rig, vote_request(0, 9, 8, 8));
	rig_receive(&rig, vote_request(1, 9, 8, 8));
	rig_receive(&rig, vote_request(2, 0, 8, 8));
	rig_receive(&rig, vote_request(2, UINT64_MAX, 8, 8));
	foreign.to = 3;
	rig_receive(&rig, foreign);
	assert_int_equal(rig.group.ignored, 6);
	assert_int_equal(rig.group.state.term, 4);
	assert_int_equal(rig.effects.message_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(s5_2_a_server_starts_as_a_follower),
		cmocka_unit_test(s5_1_a_stale_vote_request_is_refused_with_the_current_term),
		cmocka_unit_test(s5_1_a_stale_append_is_refused_with_the_current_term),
		cmocka_unit_test(s5_1_a_stale_heartbeat_is_answered_with_the_current_term),
		cmocka_unit_test(s5_1_a_newer_term_makes_a_leader_a_follower),
		cmocka_unit_test(s5_1_a_newer_term_makes_a_candidate_a_follower),
		cmocka_unit_test(s5_2_a_heartbeat_restarts_the_election_timeout),
		cmocka_unit_test(s5_2_a_follower_that_hears_nobody_begins_an_election),
		cmocka_unit_test(s5_2_a_candidate_raises_its_term_votes_for_itself_and_asks_all),
		cmocka_unit_test(s5_2_a_majority_of_votes_makes_a_leader),
		cmocka_unit_test(s5_2_one_voter_counts_once),
		cmocka_unit_test(s5_2_votes_of_another_term_do_not_count),
		cmocka_unit_test(s5_2_votes_are_forgotten_between_elections),
		cmocka_unit_test(s5_2_a_server_votes_once_in_a_term),
		cmocka_unit_test(s5_2_the_same_candidate_gets_the_same_answer),
		cmocka_unit_test(s5_2_a_vote_outlives_a_restart),
		cmocka_unit_test(s5_2_granting_restarts_the_timeout_and_refusing_does_not),
		cmocka_unit_test(s5_2_a_candidate_yields_to_a_leader_of_its_term),
		cmocka_unit_test(s5_2_a_candidate_does_not_yield_to_an_older_leader),
		cmocka_unit_test(s5_2_a_split_vote_ends_by_a_new_election),
		cmocka_unit_test(s5_2_a_refused_candidate_is_a_follower_again),
		cmocka_unit_test(s5_2_election_timeouts_spread_over_one_timeout),
		cmocka_unit_test(s5_2_a_new_leader_makes_itself_known_at_once),
		cmocka_unit_test(s5_2_the_only_voter_elects_itself),
		cmocka_unit_test(s5_4_1_a_later_last_term_is_more_up_to_date),
		cmocka_unit_test(s5_4_1_of_the_same_last_term_the_longer_log_is_more_up_to_date),
		cmocka_unit_test(s5_4_1_a_refused_candidate_has_still_raised_the_term),
		cmocka_unit_test(t9_6_sounding_out_raises_no_term),
		cmocka_unit_test(t9_6_a_pre_vote_changes_nothing_in_the_voter),
		cmocka_unit_test(t9_6_a_pre_vote_is_refused_to_an_outdated_log),
		cmocka_unit_test(t9_6_a_pre_vote_for_a_term_that_has_begun_is_refused_with_it),
		cmocka_unit_test(t9_6_a_pre_candidate_learns_a_newer_term_from_a_refusal),
		cmocka_unit_test(t9_6_a_late_grant_raises_no_term),
		cmocka_unit_test(t9_6_a_pre_candidate_still_votes_for_another),
		cmocka_unit_test(t4_2_3_a_server_with_a_leader_does_not_hear_candidates),
		cmocka_unit_test(t4_2_3_a_leader_does_not_hear_candidates),
		cmocka_unit_test(t6_4_1_a_restarted_server_votes_only_after_a_timeout),
		cmocka_unit_test(t4_2_1_a_learner_neither_stands_nor_votes),
		cmocka_unit_test(t4_3_a_joint_candidate_needs_both_majorities),
		cmocka_unit_test(priority_makes_a_server_wait_longer),
		cmocka_unit_test(strangers_are_ignored_and_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
