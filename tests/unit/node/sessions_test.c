/* Stories of the producer table. */
#include "dataplane/node/sessions.h"

#include "tests/unit/node/table.h"

#define CAPACITY 4
#define WINDOW ((uint64_t)WIRE_WINDOW_CHUNKS)
#define HERE ((struct dp_address){.ipv4 = 0x7f000001, .udp = 9000, .port = 1})

static struct dp_sessions *table;

static int set_up(void **state)
{
	(void)state;
	table = table_create(CAPACITY);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(table);
	return 0;
}

static bool open_session(qr_index index, uint64_t session)
{
	struct store_session_change change = table_change(STORE_SESSION_OPEN, session);

	return dp_sessions_apply_change(table, table_entry(index), &change);
}

static bool expire_session(qr_index index, uint64_t session)
{
	struct store_session_change change = table_change(STORE_SESSION_EXPIRE, session);

	return dp_sessions_apply_change(table, table_entry(index), &change);
}

static void commit_change(enum store_session_op op, uint64_t session)
{
	struct store_session_change change = table_change(op, session);

	dp_sessions_commit_change(table, &change);
}

/** Offsets are ten times the sequence. */
static bool append(qr_index index, uint64_t session, uint64_t sequence, uint32_t count)
{
	struct store_chunk chunk = table_chunk(session, sequence, count);

	return dp_sessions_apply_chunk(table, table_entry(index), &chunk, sequence * 10);
}

static void commit(uint64_t session, uint64_t sequence, uint32_t count)
{
	struct store_chunk chunk = table_chunk(session, sequence, count);

	dp_sessions_commit_chunk(table, &chunk, sequence * 10);
}

static enum dp_session_verdict check(uint64_t session, uint64_t sequence, uint32_t count)
{
	struct wire_answer answer = {0};
	uint32_t slot = dp_sessions_find(table, session);
	enum dp_session_verdict verdict;

	assert_int_not_equal(slot, DP_SESSION_NONE);
	verdict = dp_sessions_check(table, slot, sequence, count, &answer);
	if (verdict == DP_SESSION_ANSWERED) {
		assert_int_equal(answer.sequence, sequence);
		assert_int_equal(answer.count, count);
		assert_int_equal(answer.offset, sequence * 10);
	}
	return verdict;
}

static void hear(uint64_t session)
{
	dp_sessions_set_address(table, dp_sessions_find(table, session), HERE);
}

static uint32_t next_reply(uint32_t max, struct wire_chunk_reply *reply)
{
	struct dp_address to;

	if (!dp_sessions_next_reply(table, max, reply, &to))
		return 0;
	assert_memory_equal(&to, &HERE, sizeof(to));
	assert_int_equal(reply->status, QR_OK);
	return reply->answer_count;
}

static void a_session_is_found_by_id_and_by_nonce(void **state)
{
	struct store_session_change change = table_change(STORE_SESSION_OPEN, 700);
	struct dp_address address;
	uint32_t slot;

	(void)state;
	assert_int_equal(dp_sessions_find(table, 700), DP_SESSION_NONE);
	assert_true(dp_sessions_apply_change(table, table_entry(3), &change));
	slot = dp_sessions_find(table, 700);
	assert_int_not_equal(slot, DP_SESSION_NONE);
	assert_int_equal(dp_sessions_find_nonce(table, change.nonce), slot);
	change.nonce[1]++;
	assert_int_equal(dp_sessions_find_nonce(table, change.nonce), DP_SESSION_NONE);
	assert_int_equal(dp_sessions_id(table, slot), 700);
	assert_int_equal(dp_sessions_count(table), 1);
	assert_int_equal(dp_sessions_expected(table, slot), 0);
	assert_false(dp_sessions_address(table, slot, &address));
	assert_false(dp_sessions_is_open_committed(table, slot));
	commit_change(STORE_SESSION_OPEN, 700);
	assert_true(dp_sessions_is_open_committed(table, slot));
}

static void what_a_correct_leader_does_not_write_does_not_belong(void **state)
{
	struct store_session_change odd = {.op = (enum store_session_op)9, .session = 700};

	(void)state;
	assert_false(append(3, 700, 0, 1));
	assert_false(expire_session(3, 700));
	assert_false(dp_sessions_apply_change(table, table_entry(3), &odd));
	assert_true(open_session(3, 700));
	assert_false(open_session(4, 700));
	assert_false(append(4, 700, 1, 1));
	assert_false(append(4, 700, 0, 0));
	assert_true(append(4, 700, 0, 5));
	assert_false(append(5, 700, 0, 5));
	assert_true(expire_session(6, 700));
	assert_false(expire_session(6, 700));
	assert_false(append(7, 700, 5, 1));
	for (uint64_t id = 1; id <= CAPACITY; id++)
		assert_true(open_session(8, id));
	assert_true(dp_sessions_is_full(table));
	assert_false(open_session(9, 99));
}

static void a_chunk_is_appended_once_and_answered_whenever_asked(void **state)
{
	(void)state;
	assert_true(open_session(1, 700));
	assert_int_equal(check(700, 0, 10), DP_SESSION_APPEND);
	assert_int_equal(check(700, 1, 10), DP_SESSION_GAP);
	assert_int_equal(check(700, 0, 0), DP_SESSION_FORGOTTEN);
	assert_true(append(2, 700, 0, 10));
	assert_int_equal(check(700, 0, 10), DP_SESSION_PENDING);
	assert_true(append(3, 700, 10, 5));
	commit(700, 0, 10);
	assert_int_equal(check(700, 0, 10), DP_SESSION_ANSWERED);
	assert_int_equal(check(700, 10, 5), DP_SESSION_PENDING);
	assert_int_equal(check(700, 15, 1), DP_SESSION_APPEND);
	assert_int_equal(check(700, 0, 9), DP_SESSION_FORGOTTEN);
	assert_int_equal(check(700, 1, 9), DP_SESSION_FORGOTTEN);
	assert_int_equal(check(700, 16, 1), DP_SESSION_GAP);
}

static void the_answers_of_a_window_are_kept(void **state)
{
	(void)state;
	assert_true(open_session(1, 700));
	for (uint64_t i = 0; i < 3 * WINDOW; i++) {
		assert_true(append(2 + i, 700, i, 1));
		commit(700, i, 1);
	}
	for (uint64_t i = 0; i < 2 * WINDOW; i++)
		assert_int_equal(check(700, i, 1), DP_SESSION_FORGOTTEN);
	for (uint64_t i = 2 * WINDOW; i < 3 * WINDOW; i++)
		assert_int_equal(check(700, i, 1), DP_SESSION_ANSWERED);
}

static void more_than_a_window_is_not_appended_before_a_commit(void **state)
{
	(void)state;
	assert_true(open_session(1, 700));
	for (uint64_t i = 0; i < WIRE_WINDOW_CHUNKS; i++) {
		assert_int_equal(check(700, i, 1), DP_SESSION_APPEND);
		assert_true(append(2, 700, i, 1));
	}
	assert_int_equal(check(700, WIRE_WINDOW_CHUNKS, 1), DP_SESSION_FULL);
	commit(700, 0, 1);
	assert_int_equal(check(700, WIRE_WINDOW_CHUNKS, 1), DP_SESSION_APPEND);
}

static void answers_merge_into_one_reply(void **state)
{
	struct wire_chunk_reply reply;

	(void)state;
	assert_true(open_session(1, 700));
	hear(700);
	for (uint64_t i = 0; i < 5; i++)
		assert_true(append(2, 700, i * 3, 3));
	assert_false(dp_sessions_has_reply(table));
	for (uint64_t i = 0; i < 4; i++)
		commit(700, i * 3, 3);
	assert_true(dp_sessions_has_reply(table));
	assert_int_equal(next_reply(WIRE_ANSWERS_MAX, &reply), 4);
	assert_int_equal(reply.session, 700);
	assert_int_equal(reply.expected, 15);
	for (uint64_t i = 0; i < 4; i++) {
		assert_int_equal(reply.answers[i].sequence, i * 3);
		assert_int_equal(reply.answers[i].count, 3);
		assert_int_equal(reply.answers[i].offset, i * 30);
	}
	assert_int_equal(next_reply(WIRE_ANSWERS_MAX, &reply), 0);
}

static void a_session_with_much_to_hear_lets_others_pass(void **state)
{
	struct wire_chunk_reply reply;

	(void)state;
	for (uint64_t id = 1; id <= 2; id++) {
		assert_true(open_session(1, id));
		hear(id);
		for (uint64_t i = 0; i < 5; i++) {
			assert_true(append(2, id, i, 1));
			commit(id, i, 1);
		}
	}
	for (uint64_t round = 0; round < 3; round++) {
		for (uint64_t id = 1; id <= 2; id++) {
			assert_int_equal(next_reply(2, &reply), round < 2 ? 2 : 1);
			assert_int_equal(reply.session, id);
			assert_int_equal(reply.answers[0].sequence, round * 2);
		}
	}
	assert_false(dp_sessions_has_reply(table));
}

static void answers_stay_in_order_across_the_rings_end(void **state)
{
	struct wire_chunk_reply reply;
	uint64_t next = 0;

	(void)state;
	assert_true(open_session(1, 700));
	hear(700);
	for (unsigned round = 0; round < 200; round++) {
		uint32_t batch = 1 + round % WIRE_WINDOW_CHUNKS;

		for (uint32_t i = 0; i < batch; i++)
			assert_true(append(2 + round, 700, next + i, 1));
		for (uint32_t i = 0; i < batch; i++)
			commit(700, next + i, 1);
		assert_int_equal(next_reply(WIRE_ANSWERS_MAX, &reply), batch);
		for (uint32_t i = 0; i < batch; i++)
			assert_int_equal(reply.answers[i].sequence, next + i);
		next += batch;
	}
}

static void an_answer_is_given_again(void **state)
{
	struct wire_chunk_reply reply;
	struct wire_answer answer;

	(void)state;
	assert_true(open_session(1, 700));
	hear(700);
	for (uint64_t i = 0; i < 3; i++) {
		assert_true(append(2, 700, i, 1));
		commit(700, i, 1);
	}
	(void)next_reply(WIRE_ANSWERS_MAX, &reply);
	assert_int_equal(dp_sessions_check(table, dp_sessions_find(table, 700), 1, 1, &answer),
			 DP_SESSION_ANSWERED);
	dp_sessions_answer_again(table, dp_sessions_find(table, 700), &answer);
	dp_sessions_answer_again(table, dp_sessions_find(table, 700), &answer);
	assert_int_equal(next_reply(WIRE_ANSWERS_MAX, &reply), 2);
	assert_int_equal(reply.answers[0].sequence, 1);
	assert_int_equal(reply.answers[0].offset, 10);
	assert_int_equal(reply.answers[1].sequence, 2);
}

/** Its answers were lost: a client that had to ask for each would wait a timeout for each. */
static void a_retry_is_answered_with_all_that_followed(void **state)
{
	struct wire_chunk_reply reply;
	struct wire_answer answer;

	(void)state;
	assert_true(open_session(1, 700));
	hear(700);
	for (uint64_t i = 0; i < WIRE_WINDOW_CHUNKS; i++) {
		assert_true(append(2 + i, 700, i, 1));
		if (i < 60)
			commit(700, i, 1);
	}
	while (next_reply(WIRE_ANSWERS_MAX, &reply) != 0)
		continue;
	assert_int_equal(dp_sessions_check(table, dp_sessions_find(table, 700), 20, 1, &answer),
			 DP_SESSION_ANSWERED);
	dp_sessions_answer_again(table, dp_sessions_find(table, 700), &answer);
	assert_int_equal(next_reply(WIRE_ANSWERS_MAX, &reply), 40); /* the rest waits */
	for (uint32_t i = 0; i < 40; i++)
		assert_int_equal(reply.answers[i].sequence, 20 + i);
}

static void who_was_not_heard_is_not_answered(void **state)
{
	(void)state;
	assert_true(open_session(1, 700));
	assert_true(append(2, 700, 0, 1));
	commit(700, 0, 1);
	assert_false(dp_sessions_has_reply(table));
}

static void an_answer_that_the_ring_moved_over_is_dropped(void **state)
{
	struct wire_chunk_reply reply;

	(void)state;
	assert_true(open_session(1, 700));
	hear(700);
	assert_true(append(2, 700, 0, 1));
	commit(700, 0, 1);
	for (uint64_t i = 1; i <= WIRE_WINDOW_CHUNKS; i++)
		assert_true(append(2 + i, 700, i, 1));
	assert_false(dp_sessions_has_reply(table));
	commit(700, 1, 1);
	assert_int_equal(next_reply(WIRE_ANSWERS_MAX, &reply), 1);
	assert_int_equal(reply.answers[0].sequence, 1);
}

static void lost_leadership_drops_answers_and_addresses(void **state)
{
	struct dp_address address;

	(void)state;
	for (uint64_t id = 1; id <= 3; id++) {
		assert_true(open_session(1, id));
		hear(id);
		assert_true(append(2, id, 0, 1));
		commit(id, 0, 1);
	}
	dp_sessions_drop_replies(table);
	assert_false(dp_sessions_has_reply(table));
	assert_false(dp_sessions_address(table, dp_sessions_find(table, 2), &address));
	assert_true(append(3, 2, 1, 1));
	commit(2, 1, 1);
	assert_false(dp_sessions_has_reply(table));
	hear(2);
	assert_true(append(4, 2, 2, 1));
	commit(2, 2, 1);
	assert_true(dp_sessions_has_reply(table));
}

static void truncation_takes_chunks_back(void **state)
{
	(void)state;
	assert_true(open_session(1, 700));
	assert_true(append(2, 700, 0, 10));
	assert_true(append(3, 700, 10, 10));
	assert_true(append(3, 700, 20, 10));
	assert_true(append(4, 700, 30, 10));
	commit(700, 0, 10);
	dp_sessions_truncate(table, 2);
	assert_int_equal(dp_sessions_expected(table, dp_sessions_find(table, 700)), 10);
	assert_int_equal(check(700, 0, 10), DP_SESSION_ANSWERED);
	assert_int_equal(check(700, 10, 10), DP_SESSION_APPEND);
	assert_int_equal(check(700, 20, 10), DP_SESSION_GAP);
	assert_true(append(3, 700, 10, 7)); /* the new leader has other boundaries */
	commit(700, 10, 7);
	assert_int_equal(check(700, 10, 7), DP_SESSION_ANSWERED);
}

static void truncation_takes_an_opening_back(void **state)
{
	struct store_session_change change = table_change(STORE_SESSION_OPEN, 2);

	(void)state;
	assert_true(open_session(1, 1));
	assert_true(open_session(5, 2));
	assert_true(append(6, 2, 0, 1));
	dp_sessions_truncate(table, 4);
	assert_int_equal(dp_sessions_find(table, 2), DP_SESSION_NONE);
	assert_int_equal(dp_sessions_find_nonce(table, change.nonce), DP_SESSION_NONE);
	assert_int_equal(dp_sessions_count(table), 1);
	assert_true(open_session(5, 2)); /* the same id may come again, of another leader */
	assert_int_equal(dp_sessions_expected(table, dp_sessions_find(table, 2)), 0);
}

static void an_expiry_is_not_decided_before_it_is_committed(void **state)
{
	struct store_session_change change = table_change(STORE_SESSION_OPEN, 1);
	uint32_t slot;

	(void)state;
	assert_true(open_session(1, 1));
	assert_true(append(2, 1, 0, 1));
	assert_true(append(2, 1, 1, 1));
	commit(1, 0, 1);
	assert_true(expire_session(3, 1));
	slot = dp_sessions_find(table, 1);
	assert_true(dp_sessions_is_expiring(table, slot));
	assert_int_equal(dp_sessions_count(table), 0);
	assert_int_equal(dp_sessions_expiring(table), 1);
	assert_int_equal(dp_sessions_find_nonce(table, change.nonce), DP_SESSION_NONE);
	/* What is in the log is as it was; only new chunks wait. */
	assert_int_equal(check(1, 0, 1), DP_SESSION_ANSWERED);
	assert_int_equal(check(1, 1, 1), DP_SESSION_PENDING);
	assert_int_equal(check(1, 2, 1), DP_SESSION_EXPIRING);

	dp_sessions_truncate(table, 2);
	assert_false(dp_sessions_is_expiring(table, slot));
	assert_int_equal(dp_sessions_find_nonce(table, change.nonce), slot);
	assert_int_equal(check(1, 2, 1), DP_SESSION_APPEND);

	assert_true(expire_session(3, 1));
	commit(1, 1, 1);
	commit_change(STORE_SESSION_EXPIRE, 1);
	assert_int_equal(dp_sessions_find(table, 1), DP_SESSION_NONE);
	assert_int_equal(dp_sessions_expiring(table), 0);
}

static void a_client_may_reopen_while_its_old_session_expires(void **state)
{
	struct store_session_change again = table_change(STORE_SESSION_OPEN, 1);
	uint32_t old;

	(void)state;
	assert_true(open_session(1, 1));
	old = dp_sessions_find(table, 1);
	assert_true(expire_session(2, 1));
	again.session = 2; /* with the nonce of before */
	assert_true(dp_sessions_apply_change(table, table_entry(3), &again));
	assert_int_equal(dp_sessions_find_nonce(table, again.nonce), dp_sessions_find(table, 2));
	dp_sessions_truncate(table, 1);
	assert_int_equal(dp_sessions_find_nonce(table, again.nonce), old);
	assert_int_equal(dp_sessions_find(table, 2), DP_SESSION_NONE);
}

static void an_expired_session_takes_its_answers_along(void **state)
{
	struct wire_chunk_reply reply;

	(void)state;
	for (uint64_t id = 1; id <= 3; id++) {
		assert_true(open_session(1, id));
		hear(id);
		assert_true(append(2, id, 0, 1));
		commit(id, 0, 1);
	}
	assert_true(expire_session(3, 2));
	commit_change(STORE_SESSION_EXPIRE, 2);
	assert_int_equal(next_reply(1, &reply), 1);
	assert_int_equal(reply.session, 1);
	assert_int_equal(next_reply(1, &reply), 1);
	assert_int_equal(reply.session, 3);
	assert_int_equal(next_reply(1, &reply), 0);
}

static void the_oldest_is_the_one_whose_log_ends_first(void **state)
{
	(void)state;
	assert_int_equal(dp_sessions_oldest(table), DP_SESSION_NONE);
	assert_true(open_session(1, 1));
	assert_true(open_session(2, 2));
	assert_true(open_session(3, 3));
	assert_int_equal(dp_sessions_oldest(table), dp_sessions_find(table, 1));
	assert_true(append(4, 1, 0, 1));
	assert_int_equal(dp_sessions_oldest(table), dp_sessions_find(table, 2));
	assert_true(expire_session(5, 2));
	assert_int_equal(dp_sessions_oldest(table), dp_sessions_find(table, 3));
	dp_sessions_truncate(table, 3);
	assert_int_equal(dp_sessions_oldest(table), dp_sessions_find(table, 1));
}

static void expiries_that_wait_for_their_commit_are_bounded(void **state)
{
	uint64_t id = 1;

	(void)state;
	for (; id <= CAPACITY; id++)
		assert_true(open_session(id, id));
	assert_true(dp_sessions_is_full(table));
	for (; dp_sessions_expiring(table) < DP_SESSIONS_EXPIRING_MAX; id++) {
		assert_true(expire_session(id, id - CAPACITY));
		assert_false(dp_sessions_is_full(table));
		assert_true(open_session(id, id));
	}
	assert_true(expire_session(id, id - CAPACITY));
	assert_true(dp_sessions_is_full(table)); /* no slot: the leader waits */
	commit_change(STORE_SESSION_OPEN, 1);
	commit_change(STORE_SESSION_EXPIRE, 1);
	assert_false(dp_sessions_is_full(table));
}

static void a_replica_that_knows_no_commit_follows_all_the_same(void **state)
{
	uint64_t id;

	(void)state;
	for (id = 1; id <= CAPACITY; id++)
		assert_true(open_session(id, id));
	for (; id <= 1000; id++) {
		assert_true(expire_session(id, id - CAPACITY));
		assert_true(open_session(id, id));
		assert_true(append(id, id, 0, 1));
	}
	assert_int_equal(dp_sessions_count(table), CAPACITY);
	assert_int_equal(dp_sessions_expiring(table), DP_SESSIONS_EXPIRING_MAX);
	assert_int_equal(dp_sessions_find(table, 1), DP_SESSION_NONE);
	/* Then it learns of the commits, also of sessions that it has given up. */
	for (id = 1; id <= CAPACITY; id++)
		commit_change(STORE_SESSION_OPEN, id);
	for (; id <= 1000; id++) {
		commit_change(STORE_SESSION_EXPIRE, id - CAPACITY);
		commit_change(STORE_SESSION_OPEN, id);
		commit(id, 0, 1);
	}
	assert_int_equal(dp_sessions_expiring(table), 0);
	assert_int_equal(check(1000, 0, 1), DP_SESSION_ANSWERED);
}

static void recovery_replays_more_than_a_window_before_any_commit(void **state)
{
	struct wire_chunk_reply reply;

	(void)state;
	assert_true(open_session(1, 700));
	for (uint64_t i = 0; i < 1000; i++)
		assert_true(append(2 + i, 700, i, 1));
	hear(700);
	assert_int_equal(check(700, 1000, 1), DP_SESSION_FULL);
	dp_sessions_truncate(table, 2 + 990 - 1);
	for (uint64_t i = 0; i < 990; i++)
		commit(700, i, 1);
	assert_int_equal(next_reply(WIRE_ANSWERS_MAX, &reply), WIRE_WINDOW_CHUNKS - 10);
	assert_int_equal(reply.answers[0].sequence, 1000 - WIRE_WINDOW_CHUNKS);
	assert_int_equal(check(700, 990, 1), DP_SESSION_APPEND);
}

static void what_cannot_be_walked_is_committed_at_once(void **state)
{
	struct wire_chunk_reply reply;

	(void)state;
	assert_true(open_session(1, 1));
	assert_true(open_session(2, 2));
	assert_true(append(3, 1, 0, 5));
	assert_true(append(4, 1, 5, 5));
	assert_true(append(5, 1, 10, 5));
	assert_true(expire_session(6, 2));
	assert_true(open_session(7, 3));
	hear(1);
	dp_sessions_commit_upto(table, 4);
	assert_int_equal(next_reply(WIRE_ANSWERS_MAX, &reply), 2);
	assert_int_equal(check(1, 5, 5), DP_SESSION_ANSWERED);
	assert_int_equal(check(1, 10, 5), DP_SESSION_PENDING);
	assert_true(dp_sessions_is_open_committed(table, dp_sessions_find(table, 2)));
	assert_int_equal(dp_sessions_expiring(table), 1);
	commit(1, 10, 5);
	dp_sessions_commit_upto(table, 6);
	assert_int_equal(dp_sessions_expiring(table), 0);
	assert_int_equal(dp_sessions_find(table, 2), DP_SESSION_NONE);
	assert_false(dp_sessions_is_open_committed(table, dp_sessions_find(table, 3)));
}

static void a_walk_may_follow_where_the_commit_was_known_only_roughly(void **state)
{
	(void)state;
	assert_true(open_session(1, 700));
	for (uint64_t i = 0; i < 200; i++)
		assert_true(append(2 + i, 700, i, 1));
	dp_sessions_commit_upto(table, 10); /* the ring's loss says: up to 137 at least */
	for (uint64_t i = 9; i < 200; i++)
		commit(700, i, 1);
	assert_int_equal(check(700, 199, 1), DP_SESSION_ANSWERED);
	assert_int_equal(check(700, 200, 1), DP_SESSION_APPEND);
}

static void clearing_forgets_everything(void **state)
{
	(void)state;
	assert_true(open_session(1, 1));
	hear(1);
	assert_true(append(2, 1, 0, 1));
	commit(1, 0, 1);
	assert_true(open_session(2, 2));
	assert_true(expire_session(3, 2));
	dp_sessions_clear(table);
	assert_int_equal(dp_sessions_count(table), 0);
	assert_int_equal(dp_sessions_expiring(table), 0);
	assert_int_equal(dp_sessions_find(table, 1), DP_SESSION_NONE);
	assert_false(dp_sessions_has_reply(table));
	for (uint64_t id = 1; id <= CAPACITY; id++)
		assert_true(open_session(1, id));
	assert_int_equal(check(1, 0, 1), DP_SESSION_APPEND);
}

#define STORY(story) cmocka_unit_test_setup_teardown(story, set_up, tear_down)

static void a_leader_never_has_more_than_a_window_of_a_session_uncommitted(void **state)
{
	struct dp_session_entry entry = {.commit = 1};

	(void)state;
	assert_true(open_session(1, 1));
	for (uint64_t c = 0; c < WIRE_WINDOW_CHUNKS; c++)
		assert_true(append(2 + c, 1, c, 1));
	entry.index = 2 + WIRE_WINDOW_CHUNKS;
	{
		struct store_chunk chunk = table_chunk(1, WIRE_WINDOW_CHUNKS, 1);

		assert_false(dp_sessions_apply_chunk(table, entry, &chunk, 1000));
		entry.commit = 2; /* the oldest of them is committed: there is room for one */
		assert_true(dp_sessions_apply_chunk(table, entry, &chunk, 1000));
	}
}

static void a_leader_never_has_more_expiries_uncommitted_than_there_are_slots(void **state)
{
	struct dp_session_entry entry;
	struct store_session_change change;
	qr_index index = 1;

	(void)state;
	for (unsigned s = 0; s < DP_SESSIONS_EXPIRING_MAX + CAPACITY; s++) {
		if (dp_sessions_count(table) == CAPACITY) {
			assert_true(expire_session(index, s + 1 - CAPACITY));
			index++;
		}
		assert_true(open_session(index++, s + 1));
	}
	assert_true(expire_session(index++, DP_SESSIONS_EXPIRING_MAX + 1));
	change = table_change(STORE_SESSION_OPEN, 1000);
	entry = (struct dp_session_entry){.index = index, .commit = 1};
	assert_false(dp_sessions_apply_change(table, entry, &change));
	assert_true(open_session(index, 1000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(a_session_is_found_by_id_and_by_nonce),
		STORY(what_a_correct_leader_does_not_write_does_not_belong),
		STORY(a_chunk_is_appended_once_and_answered_whenever_asked),
		STORY(the_answers_of_a_window_are_kept),
		STORY(more_than_a_window_is_not_appended_before_a_commit),
		STORY(answers_merge_into_one_reply),
		STORY(a_session_with_much_to_hear_lets_others_pass),
		STORY(answers_stay_in_order_across_the_rings_end),
		STORY(an_answer_is_given_again),
		STORY(a_retry_is_answered_with_all_that_followed),
		STORY(who_was_not_heard_is_not_answered),
		STORY(an_answer_that_the_ring_moved_over_is_dropped),
		STORY(lost_leadership_drops_answers_and_addresses),
		STORY(truncation_takes_chunks_back),
		STORY(truncation_takes_an_opening_back),
		STORY(an_expiry_is_not_decided_before_it_is_committed),
		STORY(a_client_may_reopen_while_its_old_session_expires),
		STORY(an_expired_session_takes_its_answers_along),
		STORY(the_oldest_is_the_one_whose_log_ends_first),
		STORY(expiries_that_wait_for_their_commit_are_bounded),
		STORY(a_replica_that_knows_no_commit_follows_all_the_same),
		STORY(recovery_replays_more_than_a_window_before_any_commit),
		STORY(what_cannot_be_walked_is_committed_at_once),
		STORY(a_walk_may_follow_where_the_commit_was_known_only_roughly),
		STORY(clearing_forgets_everything),
		STORY(a_leader_never_has_more_than_a_window_of_a_session_uncommitted),
		STORY(a_leader_never_has_more_expiries_uncommitted_than_there_are_slots),
	};

	return cmocka_run_group_tests_name("node/sessions", tests, NULL, NULL);
}
