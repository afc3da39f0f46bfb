#include "tests/unit/client/fake.h"
#include "tests/unit/unit.h"

#include <stdlib.h>

#define SECOND ((qr_ns)1000000000)
#define RECORDS_MAX 60000

/* What was told about each record of the one producer of a test. */
static struct fake *fake;
static struct dp_producer *producer;
static struct dp_producer_config config;
static qr_offset offsets[RECORDS_MAX];
static uint64_t done_next; /* sequences below it are done */
static uint64_t done_ok;
static enum qr_error done_error;

static void on_done(void *context, uint64_t sequence, uint32_t count, qr_offset offset,
		    enum qr_error error)
{
	assert_ptr_equal(context, &offsets);
	assert_true(sequence == done_next); /* in order, each once */
	done_next += count;
	if (error != QR_OK) {
		done_error = error;
		return;
	}
	assert_int_equal(done_error, QR_OK);
	done_ok += count;
	for (uint32_t i = 0; i < count; i++)
		offsets[sequence + i] = offset + i;
}

static void start(uint64_t seed, uint32_t datagram_max)
{
	fake = fake_create(seed, datagram_max);
	config = fake_producer_config(on_done, &offsets);
	done_next = 0;
	done_ok = 0;
	done_error = QR_OK;
	producer = NULL;
}

static int finish(void **state)
{
	(void)state;
	free(producer);
	fake_destroy(fake);
	return 0;
}

static void open_producer(void)
{
	producer = fake_producer(fake, &config);
	assert_non_null(producer);
}

/** A record's content is a function of its sequence. */
static uint32_t content(uint64_t sequence, uint32_t size_max, uint8_t *data)
{
	struct qr_prng prng;
	uint32_t size_bytes;

	qr_prng_init(&prng, sequence);
	size_bytes = (uint32_t)qr_prng_below(&prng, size_max + 1);
	for (uint32_t i = 0; i < size_bytes; i++)
		data[i] = (uint8_t)(sequence * 31 + (uint64_t)i * 7 + (i >> 8));
	return size_bytes;
}

static enum qr_error append_one(uint64_t sequence, uint32_t size_max)
{
	static uint8_t data[1 << 21];
	uint32_t size_bytes = content(sequence, size_max, data);
	uint64_t got;
	enum qr_error error = dp_producer_append(producer, data, size_bytes, &got);

	if (error == QR_OK)
		assert_true(got == sequence);
	return error;
}

/** Append `count` records as fast as the window takes them, and wait for the end. */
static void append_all(uint64_t count, uint32_t size_max, qr_ns limit_ns)
{
	qr_ns until_ns = fake->now_ns + limit_ns;
	uint64_t next = 0;

	while (fake->now_ns < until_ns && done_next < count && done_error == QR_OK) {
		for (unsigned burst = 0; next < count && burst < 100; burst++) {
			if (append_one(next, size_max) != QR_OK)
				break;
			next++;
		}
		fake_step(fake, until_ns);
	}
}

/** The log holds exactly the records 0..count-1, once, in order, where the answers said. */
static void check_log(uint64_t count, uint32_t size_max)
{
	static uint8_t data[1 << 21];

	assert_int_equal(done_error, QR_OK);
	assert_true(done_ok == count);
	assert_int_equal(fake->committed_records, count);
	for (uint64_t i = 0; i < count; i++) {
		assert_true(offsets[i] == i);
		assert_int_equal(fake->records[i].size_bytes, content(i, size_max, data));
		assert_memory_equal(fake->records[i].data, data, fake->records[i].size_bytes);
	}
}

static void records_arrive_in_order(void **state)
{
	(void)state;
	start(1, 1452);
	open_producer();
	append_all(20000, 100, SECOND);
	check_log(20000, 100);
	assert_true(dp_producer_is_open(producer));
	assert_true(dp_producer_pending(producer) == 0);
	assert_true(dp_client_stats(fake->client)->retransmits == 0);
	assert_true(dp_client_stats(fake->client)->drops == 0);
}

static void a_lone_record_leaves_with_the_next_turn(void **state)
{
	qr_ns before_ns;

	(void)state;
	start(2, 1452);
	open_producer();
	fake_run(fake, SECOND / 1000);
	assert_true(dp_producer_is_open(producer));
	before_ns = fake->now_ns;
	assert_int_equal(append_one(0, 64), QR_OK);
	while (done_next == 0)
		fake_step(fake, UINT64_MAX);
	assert_true(fake->now_ns - before_ns <= 2 * fake->delay_max_ns);
}

static void a_burst_shares_datagrams(void **state)
{
	unsigned before;

	(void)state;
	start(3, 1452);
	open_producer();
	fake_run(fake, SECOND / 1000);
	before = fake->received[1];
	for (uint64_t i = 0; i < 60; i++)
		assert_int_equal(append_one(i, 0), QR_OK);
	fake_run(fake, SECOND / 1000);
	assert_true(done_ok == 60);
	assert_int_equal(fake->received[1] - before, 1);
}

static void losses_doubles_and_reordering_do_no_harm(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 20; seed++) {
		start(seed, 1452);
		fake->loss_percent = (unsigned)(seed * 3 / 2);
		fake->double_percent = (unsigned)(seed * 5 / 2);
		fake->delay_max_ns = 20000 + seed * 20000;
		open_producer();
		append_all(3000, 200, 60 * SECOND);
		check_log(3000, 200);
		(void)finish(NULL);
	}
	start(0, 1452);
}

static void a_single_loss_is_mended_within_a_round_trip(void **state)
{
	(void)state;
	start(4, 1452);
	open_producer();
	fake_run(fake, SECOND / 1000);
	for (uint64_t i = 0; i < 10; i++) {
		fake->loss_percent = i == 3 ? 100 : 0;
		assert_int_equal(append_one(i, 64), QR_OK);
		fake_step(fake, fake->now_ns + 1); /* a datagram each */
	}
	fake->loss_percent = 0;
	fake_run(fake, 100000); /* two and a half round trips, far less than the timer */
	assert_true(done_ok == 10);
	assert_true(dp_client_stats(fake->client)->timeouts == 0);
	assert_true(dp_client_stats(fake->client)->retransmits <= 7);
	check_log(10, 64);
}

/** The leader says what it expects. @return how many chunks were sent again. */
static uint64_t told(enum qr_error status, uint64_t sequence, uint64_t expected)
{
	const struct wire_header header = {.from = 1, .cluster = FAKE_CLUSTER};
	const struct wire_chunk_reply reply = {.session = fake->sessions[0].id,
					       .status = status,
					       .sequence = sequence,
					       .expected = expected};
	uint64_t before = dp_client_stats(fake->client)->retransmits;
	uint8_t bytes[WIRE_DATAGRAM_MIN];
	struct qr_writer writer = qr_writer_over(bytes, sizeof(bytes));

	wire_begin(&writer);
	wire_put_chunk_reply(&writer, FAKE_GROUP, &reply);
	fake_deliver(fake, bytes, wire_finish(&writer, &header));
	fake_step(fake, fake->now_ns + 1);
	return dp_client_stats(fake->client)->retransmits - before;
}

/** An answer that is no complaint names the gap first; the complaint is heard all the same. */
static void each_gap_is_mended_once(void **state)
{
	(void)state;
	start(5, 1452);
	open_producer();
	assert_int_equal(append_one(0, 64), QR_OK);
	fake_run(fake, SECOND / 1000);
	assert_true(done_ok == 1);
	fake->loss_percent = 100; /* the rest is told by hand */
	for (uint64_t i = 1; i < 10; i++) {
		assert_int_equal(append_one(i, 64), QR_OK);
		fake_step(fake, fake->now_ns + 1); /* a datagram each */
	}
	assert_int_equal(told(QR_GAP, 7, 3), 7); /* 3..9 */
	assert_int_equal(told(QR_GAP, 8, 3), 0);
	assert_int_equal(told(QR_OK, 0, 5), 0);
	assert_int_equal(told(QR_GAP, 9, 5), 5);
	assert_int_equal(told(QR_GAP, 8, 5), 0);
	assert_int_equal(told(QR_GAP, 8, 4), 0); /* overtaken */
	fake->loss_percent = 0;
	fake_run(fake, SECOND);
	check_log(10, 64);
}

static void the_leader_is_found_by_hint(void **state)
{
	(void)state;
	start(5, 1452);
	config.leader = 2;
	fake->leader = 3;
	fake->hint = 3;
	open_producer();
	append_all(100, 64, SECOND / 100);
	check_log(100, 64);
	assert_int_equal(dp_producer_leader(producer), 3);
	assert_int_equal(fake->received[1], 0);
}

static void the_leader_is_found_without_a_hint(void **state)
{
	(void)state;
	start(6, 1452);
	config.leader = 0;
	fake->leader = 3;
	fake->hint = 0;
	open_producer();
	append_all(100, 64, SECOND / 10);
	check_log(100, 64);
}

static void two_nodes_that_name_each_other_are_not_asked_without_end(void **state)
{
	(void)state;
	start(7, 1452);
	fake->leader = 0;
	fake->hint = 2; /* 1 says 2, 2 says 2: nobody leads */
	open_producer();
	(void)append_one(0, 64);
	fake_run(fake, SECOND);
	assert_true(done_next == 0);
	assert_true(fake->received[1] + fake->received[2] + fake->received[3] < 200);
	fake->leader = 2;
	fake_run(fake, SECOND / 5);
	assert_true(done_ok == 1);
}

static void nothing_is_lost_or_doubled_when_the_leader_changes(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 20; seed++) {
		uint64_t next = 0;

		start(100 + seed, 1452);
		fake->loss_percent = (unsigned)(seed % 4) * 3;
		fake->delay_max_ns = 60000;
		fake->hold_commits = true;
		open_producer();
		for (unsigned round = 0; round < 400 || done_ok < next; round++) {
			while (round < 400 && next < 5000 && append_one(next, 100) == QR_OK)
				next++;
			fake_run(fake, 200000);
			if (qr_prng_below(&fake->prng, 3) != 0 || round >= 400)
				fake_commit(fake);
			if (round < 400 && qr_prng_below(&fake->prng, 10) == 0)
				fake_elect(fake, (qr_node)(1 + qr_prng_below(&fake->prng, 3)));
			assert_true(round < 4000);
		}
		check_log(next, 100);
		(void)finish(NULL);
	}
	start(0, 1452);
}

static void a_dead_leader_is_left(void **state)
{
	(void)state;
	start(8, 1452);
	open_producer();
	append_all(10, 64, SECOND);
	fake->node_down[1] = true;
	fake_elect(fake, 2);
	for (uint64_t i = 10; i < 50; i++)
		assert_int_equal(append_one(i, 64), QR_OK);
	fake_run(fake, SECOND / 5);
	check_log(50, 64);
	assert_int_equal(dp_producer_leader(producer), 2);
}

static void busy_is_waited_out(void **state)
{
	qr_ns before_ns;

	(void)state;
	start(9, 1452);
	fake->busy_left = 1;
	open_producer();
	fake_run(fake, SECOND / 100);
	assert_true(dp_producer_is_open(producer));
	fake->busy_left = 3;
	before_ns = fake->now_ns;
	append_all(3000, 64, SECOND);
	check_log(3000, 64);
	assert_true(fake->now_ns - before_ns >= 300000);
	assert_true(dp_client_stats(fake->client)->busy != 0);
}

static void an_expired_session_is_an_error_and_nothing_is_appended_again(void **state)
{
	unsigned taken;

	(void)state;
	start(10, 1452);
	open_producer();
	append_all(10, 64, SECOND);
	taken = fake->record_count;
	fake->sessions[0].expired = true;
	assert_int_equal(append_one(10, 64), QR_OK);
	fake_run(fake, SECOND);
	assert_int_equal(done_error, QR_EXPIRED);
	assert_true(done_next == 11);
	assert_int_equal(dp_producer_error(producer), QR_EXPIRED);
	assert_int_equal(append_one(11, 64), QR_EXPIRED);
	assert_int_equal(fake->record_count, taken);
	assert_int_equal(fake->session_count, 1);
}

static void a_full_disk_is_waited_for(void **state)
{
	(void)state;
	start(11, 1452);
	open_producer();
	fake_run(fake, SECOND / 1000);
	fake->refuse_with = QR_NO_SPACE;
	append_all(100, 64, SECOND);
	check_log(100, 64);
}

static void a_poisoned_leader_is_left(void **state)
{
	(void)state;
	start(12, 1452);
	open_producer();
	fake_run(fake, SECOND / 1000);
	fake->refuse_with = QR_POISONED;
	append_all(100, 64, SECOND);
	check_log(100, 64);
}

static void without_a_quorum_the_wait_has_an_end(void **state)
{
	(void)state;
	start(13, 1452);
	config.timeout_ns = SECOND;
	fake->leader = 0;
	fake->hint = 0;
	open_producer();
	for (uint64_t i = 0; i < 5; i++)
		assert_int_equal(append_one(i, 64), QR_OK);
	fake_run(fake, SECOND - 1);
	assert_true(done_next == 0);
	fake_run(fake, SECOND / 10);
	assert_true(done_next == 5);
	assert_int_equal(done_error, QR_NO_QUORUM);
}

static void without_any_node_the_wait_has_an_end(void **state)
{
	(void)state;
	start(14, 1452);
	config.timeout_ns = SECOND;
	fake->loss_percent = 100;
	open_producer();
	assert_int_equal(append_one(0, 64), QR_OK);
	fake_run(fake, 2 * SECOND);
	assert_true(done_next == 1);
	assert_int_equal(done_error, QR_TIMED_OUT);
}

static void an_opening_that_nobody_answers_ends(void **state)
{
	(void)state;
	start(15, 1452);
	config.timeout_ns = SECOND;
	fake->loss_percent = 100;
	open_producer();
	fake_run(fake, 2 * SECOND);
	assert_int_equal(dp_producer_error(producer), QR_TIMED_OUT);
}

static void the_time_of_an_append_does_not_begin_before_it(void **state)
{
	(void)state;
	start(16, 1452);
	config.timeout_ns = SECOND;
	open_producer();
	append_all(1, 64, SECOND);
	fake->now_ns += 100 * SECOND; /* the application did something else */
	assert_int_equal(append_one(1, 64), QR_OK);
	fake_run(fake, SECOND / 10);
	assert_int_equal(done_error, QR_OK);
	assert_true(done_ok == 2);
}

static void the_window_bounds_what_is_in_flight(void **state)
{
	uint64_t next = 0;

	(void)state;
	start(17, 1452);
	fake->hold_commits = true;
	fake->window_chunks = 8;
	open_producer();
	fake_run(fake, SECOND / 1000);
	for (unsigned round = 0; round < 50; round++) {
		while (append_one(next, 64) == QR_OK)
			next++;
		fake_step(fake, fake->now_ns + 10000);
	}
	assert_int_equal(fake->largest_window, 8);
	assert_int_equal(append_one(next, 64), QR_AGAIN);
	fake->hold_commits = false;
	fake_commit(fake);
	fake_run(fake, SECOND);
	check_log(next, 64);
}

static void a_small_buffer_is_reused(void **state)
{
	(void)state;
	start(18, 1452);
	config.record_max_bytes = 3000;
	config.buffer_bytes = 8192;
	open_producer();
	append_all(5000, 3000, 10 * SECOND);
	check_log(5000, 3000);
}

static void a_record_over_the_limit_is_refused_at_once(void **state)
{
	static uint8_t data[2000];
	uint64_t sequence = 77;

	(void)state;
	start(19, 1452);
	config.record_max_bytes = 1500;
	fake->record_max_bytes = 1000;
	open_producer();
	assert_int_equal(dp_producer_append(producer, data, 1501, &sequence), QR_TOO_LARGE);
	fake_run(fake, SECOND / 1000);
	assert_int_equal(dp_producer_append(producer, data, 1001, &sequence), QR_TOO_LARGE);
	assert_true(sequence == 77);
	assert_int_equal(dp_producer_append(producer, data, 1000, &sequence), QR_OK);
	fake_run(fake, SECOND / 1000);
	assert_true(done_ok == 1);
}

static void large_records_go_in_pieces(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 4; seed++) {
		start(20 + seed, 1452);
		fake->loss_percent = (unsigned)seed / 2;
		config.window_bytes = 128 << 10;
		open_producer();
		append_all(40, 1 << 19, 60 * SECOND);
		check_log(40, 1 << 19);
		(void)finish(NULL);
	}
	start(0, 1452);
}

static void the_largest_record_fits_the_buffer(void **state)
{
	static uint8_t data[1 << 20];
	uint64_t sequence;

	(void)state;
	start(25, 1452);
	config.buffer_bytes = (1u << 20) + 2048;
	open_producer();
	for (unsigned i = 0; i < 3; i++) {
		qr_ns until_ns = fake->now_ns + SECOND;

		while (dp_producer_append(producer, data, sizeof(data), &sequence) == QR_AGAIN &&
		       fake->now_ns < until_ns)
			fake_step(fake, until_ns);
		fake_run(fake, SECOND / 100);
	}
	assert_true(done_ok == 3);
}

static void bytes_in_flight_shrink_under_loss(void **state)
{
	(void)state;
	start(26, 1452);
	fake->loss_percent = 20;
	config.window_bytes = 64 << 10;
	open_producer();
	append_all(2000, 500, 60 * SECOND);
	check_log(2000, 500);
}

static void replies_that_make_no_sense_change_nothing(void **state)
{
	struct qr_prng prng;

	(void)state;
	start(27, 1452);
	fake->hold_commits = true;
	open_producer();
	fake_run(fake, SECOND / 1000);
	for (uint64_t i = 0; i < 20; i++)
		assert_int_equal(append_one(i, 64), QR_OK);
	fake_run(fake, SECOND / 1000);
	qr_prng_init(&prng, 27);
	for (unsigned i = 0; i < 5000; i++) {
		/* The target is node 1: these claim to be others, or answer what was never sent. */
		const struct wire_header header = {
			.from = (qr_node)(2 + qr_prng_below(&prng, 2)),
			.cluster = FAKE_CLUSTER,
		};
		struct wire_chunk_reply reply = {
			.session = fake->sessions[0].id,
			.status = (enum qr_error)qr_prng_below(&prng, QR_ERROR_COUNT),
			.leader = (qr_node)qr_prng_below(&prng, 64),
			.retry_us = (uint32_t)qr_prng_next(&prng),
			.sequence = qr_prng_below(&prng, 30),
			.expected = qr_prng_below(&prng, 30),
			.answer_count = 1,
		};
		uint8_t bytes[WIRE_DATAGRAM_MIN];
		struct qr_writer writer = qr_writer_over(bytes, sizeof(bytes));

		reply.answers[0] = (struct wire_answer){qr_prng_below(&prng, 1000) + 1, 100000, 1};
		wire_begin(&writer);
		wire_put_chunk_reply(&writer, FAKE_GROUP, &reply);
		fake_deliver(fake, bytes, wire_finish(&writer, &header));
		fake_step(fake, fake->now_ns + 1000);
	}
	assert_true(done_next == 0);
	fake->hold_commits = false;
	fake_commit(fake);
	fake_run(fake, SECOND);
	check_log(20, 64);
}

static void two_producers_do_not_mix(void **state)
{
	struct dp_producer *other;
	struct dp_producer_config other_config;

	(void)state;
	start(28, 1452);
	open_producer();
	other_config = config;
	other = fake_producer(fake, &other_config);
	append_all(1000, 64, SECOND);
	assert_true(done_ok == 1000);
	assert_true(dp_producer_is_open(other));
	assert_int_equal(fake->session_count, 2);
	dp_producer_remove(other);
	free(other);
	fake_run(fake, SECOND / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(records_arrive_in_order, finish),
		cmocka_unit_test_teardown(a_lone_record_leaves_with_the_next_turn, finish),
		cmocka_unit_test_teardown(a_burst_shares_datagrams, finish),
		cmocka_unit_test_teardown(losses_doubles_and_reordering_do_no_harm, finish),
		cmocka_unit_test_teardown(a_single_loss_is_mended_within_a_round_trip, finish),
		cmocka_unit_test_teardown(each_gap_is_mended_once, finish),
		cmocka_unit_test_teardown(the_leader_is_found_by_hint, finish),
		cmocka_unit_test_teardown(the_leader_is_found_without_a_hint, finish),
		cmocka_unit_test_teardown(two_nodes_that_name_each_other_are_not_asked_without_end,
					  finish),
		cmocka_unit_test_teardown(nothing_is_lost_or_doubled_when_the_leader_changes,
					  finish),
		cmocka_unit_test_teardown(a_dead_leader_is_left, finish),
		cmocka_unit_test_teardown(busy_is_waited_out, finish),
		cmocka_unit_test_teardown(
			an_expired_session_is_an_error_and_nothing_is_appended_again, finish),
		cmocka_unit_test_teardown(a_full_disk_is_waited_for, finish),
		cmocka_unit_test_teardown(a_poisoned_leader_is_left, finish),
		cmocka_unit_test_teardown(without_a_quorum_the_wait_has_an_end, finish),
		cmocka_unit_test_teardown(without_any_node_the_wait_has_an_end, finish),
		cmocka_unit_test_teardown(an_opening_that_nobody_answers_ends, finish),
		cmocka_unit_test_teardown(the_time_of_an_append_does_not_begin_before_it, finish),
		cmocka_unit_test_teardown(the_window_bounds_what_is_in_flight, finish),
		cmocka_unit_test_teardown(a_small_buffer_is_reused, finish),
		cmocka_unit_test_teardown(a_record_over_the_limit_is_refused_at_once, finish),
		cmocka_unit_test_teardown(large_records_go_in_pieces, finish),
		cmocka_unit_test_teardown(the_largest_record_fits_the_buffer, finish),
		cmocka_unit_test_teardown(bytes_in_flight_shrink_under_loss, finish),
		cmocka_unit_test_teardown(replies_that_make_no_sense_change_nothing, finish),
		cmocka_unit_test_teardown(two_producers_do_not_mix, finish),
	};

	return cmocka_run_group_tests_name("client/producer", tests, NULL, NULL);
}
