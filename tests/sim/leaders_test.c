/*
 * Leaders that lose their quorum, sleep, or come to power with a burden, one story each: what a
 * person would see. That nothing acknowledged is lost, and everything else that must hold, is
 * checked by the oracle throughout.
 */
#include "tests/sim/story.h"

#include "consensus/base/crc.h"
#include "dataplane/client/machine.h"

/* ---- leaders without a quorum ---- */

static void a_leader_without_a_quorum_acks_nothing_and_steps_down(void **state)
{
	struct story *story = story_create(21, 3);
	qr_index commit;
	qr_node old;

	(void)state;
	story_begin(story);
	old = story_leader(story);
	/* Clients still reach it. */
	(void)story_fault(story, (struct sim_fault){.kind = SIM_FAULT_SPLIT, .amount = 1u << old},
			  STORY_FOR_EVER);
	story_run(story, STORY_MS); /* replies on their way still count */
	commit = story_group(story, old)->raft.commit;
	STORY_AWAIT_IN(story, STORY_STEP_NS, 3 * STORY_ELECTION_NS,
		       story_group(story, old)->raft.role != RAFT_LEADER);
	assert_true(story_group(story, old)->raft.last > commit); /* it took appends */
	story_run_acked(story, 500);
	assert_int_equal(story_group(story, old)->raft.commit, commit);
	story_end(story);
}

static void nobody_acks_without_a_majority(void **state)
{
	struct story *story = story_create(22, 3);
	uint64_t acked;

	(void)state;
	story_begin(story);
	for (qr_node node = 2; node <= 3; node++) {
		(void)story_fault(story, (struct sim_fault){.kind = SIM_FAULT_KILL, .a = node},
				  20 * STORY_SECOND);
	}
	story_run(story, STORY_MS); /* answers on their way */
	acked = story->world.count.acked;
	story_run(story, 19 * STORY_SECOND);
	assert_int_equal(story->world.count.acked, acked);
	story_run_acked(story, 500);
	story_end(story);
}

/* ---- a leader that was paused ---- */

/** Stop the leader's process, unreachable for the others, and let them elect another one. */
static qr_node depose_in_its_sleep(struct story *story, uint32_t *ret_split)
{
	qr_node old = story_leader(story);

	(void)story_fault(story, (struct sim_fault){.kind = SIM_FAULT_PAUSE, .a = old},
			  STORY_FOR_EVER);
	*ret_split =
		story_fault(story, (struct sim_fault){.kind = SIM_FAULT_SPLIT, .amount = 1u << old},
			    STORY_FOR_EVER);
	STORY_AWAIT(story, story_leader(story) != old);
	return old;
}

struct asked {
	unsigned answers;
	enum qr_error error;
	qr_offset end;
};

static void note_answer(void *context, const struct dp_answer *answer)
{
	struct asked *asked = context;

	asked->answers++;
	asked->error = answer->error == QR_OK ? answer->tail.status : answer->error;
	asked->end = answer->error == QR_OK ? answer->tail.end : 0;
}

/* It believes to lead, replies to its heartbeats of before are waiting: it must answer nothing from
 * that (etcd #20418). */
static void a_paused_leader_serves_nothing_stale(void **state)
{
	struct story *story = story_create(23, 3);

	(void)state;
	story_begin(story);
	for (uint32_t round = 0; round < 8; round++) {
		struct asked asked = {0};
		struct dp_question question = {.group = 1,
					       .timeout_ns = 30 * STORY_SECOND,
					       .on_answer = note_answer,
					       .context = &asked};
		qr_offset acked_end;
		uint32_t split;

		/* At another point between two heartbeats each time. */
		story_run(story, round * story->plan.heartbeat_interval_ns / 8);
		question.node = depose_in_its_sleep(story, &split);
		question.replicas = qr_nodes_of(question.node);
		story_run_acked(story, 200);
		acked_end = story->world.oracle.logs[1].acked_end;
		assert_int_equal(dp_client_ask_tail(story->world.clients[1].machine, &question),
				 QR_OK);
		sim_client_wake(&story->world, 1, story->world.now_ns);
		story_run(story, STORY_MS); /* it has come, and waits */
		assert_int_equal(story_group(story, question.node)->raft.role, RAFT_LEADER);
		story_resume(story, question.node);
		story_run(story, 10 * STORY_MS);
		assert_int_equal(story_group(story, question.node)->raft.role, RAFT_LEADER);
		assert_int_equal(asked.answers, 0);
		story_heal(story, split);
		STORY_AWAIT(story, asked.answers == 1);
		assert_int_equal(asked.error, QR_OK);
		assert_true(asked.end >= acked_end);
		STORY_AWAIT(story, sim_oracle_leader(&story->world, 1) != 0);
		story_run_acked(story, 100);
	}
	story_end(story);
}

/** What the node's latest answer to a chunk says. */
static enum qr_error latest_refusal(const struct story *story, qr_node node)
{
	const struct dp_core *core = story->world.nodes[node].core;
	uint32_t latest = (core->reply_head + core->reply_count - 1) % DP_REPLIES_MAX;

	assert_true(core->reply_count > 0);
	assert_int_equal(core->replies[latest].kind, DP_REPLY_CHUNK);
	return core->replies[latest].chunk.status;
}

static struct qr_span chunk_of(uint64_t session, uint8_t *buffer, size_t room)
{
	static const uint8_t body[] = {1, 0, 0, 0, 'x'};
	struct qr_writer writer = qr_writer_over(buffer, room);
	const struct wire_header header = {.cluster = SIM_CLUSTER, .counter = 1, .incarnation = 1};
	const struct wire_chunk chunk = {
		.session = session,
		.count = 1,
		.crc = qr_crc32c(0, body, sizeof(body)),
		.total_bytes = sizeof(body),
		.kind = WIRE_CHUNK_RECORDS,
		.bulk = {(uint8_t *)body, sizeof(body)},
	};

	wire_begin(&writer);
	wire_put_chunk(&writer, 1, &chunk);
	qr_write_bytes(&writer, body, sizeof(body));
	return (struct qr_span){buffer, wire_finish(&writer, &header)};
}

/* It does not know the sessions that were opened at its successor: no reason to end them. */
static void a_paused_leader_does_not_expire_sessions_it_never_saw(void **state)
{
	struct story *story = story_create(24, 3);
	const struct sim_log *log = &story->world.oracle.logs[1];
	uint8_t buffer[256];
	uint32_t sessions;
	uint32_t split;
	qr_node old;

	(void)state;
	story_begin(story);
	sessions = log->session_count;
	old = depose_in_its_sleep(story, &split);
	sim_client_end(&story->world, 1); /* the next one opens a session of its own */
	STORY_AWAIT(story, log->session_count > sessions);
	story_deliver(story, old, chunk_of(log->sessions[sessions].session, buffer, sizeof(buffer)),
		      0);
	assert_int_equal(story_group(story, old)->raft.role, RAFT_LEADER);
	assert_int_equal(latest_refusal(story, old), QR_NOT_LEADER);
	story_resume(story, old);
	story_run_acked(story, 300);
	story_end(story);
}

/* ---- elections that could stick ---- */

static bool stands(const struct story *story, qr_node node, qr_term term)
{
	const struct raft_group *raft = &story_group(story, node)->raft;

	return raft->role == RAFT_CANDIDATE && raft->state.term == term;
}

static bool is_ahead_of(const struct story *story, qr_node node, qr_node other)
{
	const struct sim_world *world = &story->world;
	qr_ns node_ns = sim_node_clock(world, &world->nodes[node]);
	qr_ns other_ns = sim_node_clock(world, &world->nodes[other]);
	qr_ns margin_ns = 20 * STORY_MS;

	return story_group(story, node)->raft.election_at_ns - node_ns + margin_ns <
	       story_group(story, other)->raft.election_at_ns - other_ns;
}

/** Let the node stand, with the other one's consent; cut off before it has asked for its vote. */
static uint32_t let_stand(struct story *story, qr_node node, qr_term term)
{
	STORY_AWAIT_IN(story, 10000, 6 * STORY_ELECTION_NS, stands(story, node, term));
	return story_fault(story, (struct sim_fault){.kind = SIM_FAULT_ISOLATE, .a = node},
			   STORY_FOR_EVER);
}

/* PreVote and CheckQuorum together: the one that is left with the longer log is two terms behind
 * the one that it needs, and neither the leader nor the one that sounds out is heard there (etcd
 * #8501). */
static void a_shorter_log_in_a_newer_term_does_not_lock_both_out(void **state)
{
	struct story *story = story_create(25, 3);
	uint32_t isolation;
	qr_term term;
	qr_node newer;
	qr_node third;
	qr_node old;

	(void)state;
	story_begin(story);
	old = story_leader(story);
	term = story_group(story, old)->raft.state.term;
	newer = story_next(story, old, 1);
	third = story_next(story, old, 2);
	(void)story_fault(story, (struct sim_fault){.kind = SIM_FAULT_PAUSE, .a = old},
			  STORY_FOR_EVER);
	story_run(story, STORY_MS);
	if (!is_ahead_of(story, newer, third)) {
		newer = third;
		third = story_next(story, old, 1);
	}
	isolation = let_stand(story, newer, term + 1);
	STORY_AWAIT(story, is_ahead_of(story, newer, third));
	story_heal(story, isolation);
	isolation = let_stand(story, newer, term + 2);
	story_resume(story, old);
	story_run_acked(story, 300);
	assert_int_equal(story_leader(story), old);
	assert_int_equal(story_group(story, old)->raft.state.term, term);
	assert_int_equal(story_group(story, newer)->raft.state.term, term + 2);
	assert_true(story_group(story, old)->raft.last > story_group(story, newer)->raft.last);
	(void)story_fault(story, (struct sim_fault){.kind = SIM_FAULT_KILL, .a = third},
			  STORY_FOR_EVER);
	story_heal(story, isolation);
	STORY_AWAIT_IN(story, STORY_STEP_NS, 10 * STORY_ELECTION_NS,
		       sim_oracle_leader(&story->world, 1) != 0 &&
			       story_group(story, old)->raft.state.term > term + 2);
	story_run_acked(story, 300);
	assert_false(story->world.nodes[third].up);
	story_end(story);
}

static bool is_full(const struct story *story, qr_node node)
{
	const struct store_log *log = story_group(story, node)->log;

	return store_log_tail(log) >= store_log_limit(log);
}

/* Found by quorate-sim: the no-op had no room behind what earlier leaders left uncommitted, and
 * what is not committed is never let go. */
static void a_window_full_of_uncommitted_entries_does_not_end_it(void **state)
{
	struct story *story = story_create(26, 5);
	qr_index commit;
	qr_node leader;
	qr_node other;

	(void)state;
	story->plan.window_blocks = 32;
	story->plan.segments_ahead = 2;
	story->plan.appends_per_second = 8000;
	story->plan.client_count = 4;
	story->plan.entry_max_bytes = 1024;
	story_begin(story);
	leader = story_leader(story);
	other = story_next(story, leader, 1);
	/* Two of five go on, and fill their windows with what no quorum has. */
	for (qr_node n = 2; n <= 4; n++) {
		(void)story_fault(story,
				  (struct sim_fault){.kind = SIM_FAULT_POWER,
						     .a = story_next(story, leader, n)},
				  STORY_FOR_EVER);
	}
	STORY_AWAIT_IN(story, STORY_MS, STORY_ELECTION_NS,
		       is_full(story, leader) && is_full(story, other));
	commit = story_group(story, leader)->raft.commit;
	STORY_AWAIT(story, story_group(story, leader)->raft.role != RAFT_LEADER);
	assert_int_equal(story_group(story, leader)->raft.commit, commit);
	/* With a third one there is a quorum, of both full windows and that one. */
	sim_node_start(&story->world, story_next(story, leader, 2));
	STORY_AWAIT_IN(story, STORY_STEP_NS, 10 * STORY_ELECTION_NS,
		       story_group(story, leader)->raft.commit > commit &&
			       story_group(story, other)->raft.commit > commit);
	story_run_acked(story, 500);
	story_end(story);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_leader_without_a_quorum_acks_nothing_and_steps_down),
		cmocka_unit_test(nobody_acks_without_a_majority),
		cmocka_unit_test(a_paused_leader_serves_nothing_stale),
		cmocka_unit_test(a_paused_leader_does_not_expire_sessions_it_never_saw),
		cmocka_unit_test(a_shorter_log_in_a_newer_term_does_not_lock_both_out),
		cmocka_unit_test(a_window_full_of_uncommitted_entries_does_not_end_it),
	};

	return cmocka_run_group_tests_name("sim/leaders", tests, NULL, NULL);
}
