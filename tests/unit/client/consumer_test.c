#include "tests/unit/client/fake.h"
#include "tests/unit/unit.h"

#include <stdlib.h>

#define SECOND ((qr_ns)1000000000)

static struct fake *fake;
static struct dp_consumer *consumer;
static struct dp_consumer_config config;
static qr_offset seen_next; /* delivered up to here */
static uint64_t seen_records;
static uint64_t seen_batches;

/** A record's content is a function of its offset. */
static uint32_t content(qr_offset offset, uint32_t size_max, uint8_t *data)
{
	struct qr_prng prng;
	uint32_t size_bytes;

	qr_prng_init(&prng, offset);
	size_bytes = (uint32_t)qr_prng_below(&prng, size_max + 1);
	for (uint32_t i = 0; i < size_bytes; i++)
		data[i] = (uint8_t)(offset * 29 + (uint64_t)i * 5 + (i >> 8));
	return size_bytes;
}

static void on_batch(void *context, const struct dp_batch *batch)
{
	struct qr_reader reader = qr_reader_over(batch->body.data, batch->body.size_bytes);

	assert_ptr_equal(context, &seen_next);
	assert_int_equal(batch->kind, WIRE_CHUNK_RECORDS);
	assert_true(batch->offset == seen_next);
	assert_true(batch->count != 0);
	for (uint32_t i = 0; i < batch->count; i++) {
		const struct fake_record *record = &fake->records[batch->offset + i];
		uint32_t size_bytes = qr_read_u32(&reader);
		const uint8_t *data = qr_read_bytes(&reader, size_bytes);

		assert_non_null(data);
		assert_int_equal(size_bytes, record->size_bytes);
		assert_memory_equal(data, record->data, size_bytes);
	}
	assert_int_equal(qr_reader_left(&reader), 0);
	seen_next += batch->count;
	seen_records += batch->count;
	seen_batches++;
}

static void put(uint32_t count, uint32_t size_max)
{
	static uint8_t data[1 << 21];

	while (count-- > 0) {
		uint32_t size_bytes = content(fake->record_count, size_max, data);

		fake_put(fake, data, size_bytes);
	}
}

static void start(uint64_t seed, uint32_t records, uint32_t size_max)
{
	fake = fake_create(seed, 1452);
	config = fake_consumer_config(on_batch, &seen_next);
	consumer = NULL;
	seen_next = 0;
	seen_records = 0;
	seen_batches = 0;
	put(records, size_max);
}

static void open_consumer(void)
{
	seen_next = config.from;
	consumer = fake_consumer(fake, &config);
	assert_non_null(consumer);
}

static void run_to_the_end(qr_ns limit_ns)
{
	qr_ns until_ns = fake->now_ns + limit_ns;

	while (fake->now_ns < until_ns && !dp_consumer_is_done(consumer))
		fake_step(fake, fake->now_ns + SECOND / 100);
}

static int finish(void **state)
{
	(void)state;
	free(consumer);
	fake_destroy(fake);
	return 0;
}

static void everything_is_read_in_order(void **state)
{
	(void)state;
	start(1, 20000, 100);
	open_consumer();
	run_to_the_end(SECOND);
	assert_true(dp_consumer_is_done(consumer));
	assert_int_equal(dp_consumer_error(consumer), QR_OK);
	assert_true(seen_records == 20000);
	assert_true(dp_consumer_next(consumer) == 20000);
	assert_true(dp_consumer_committed(consumer) == 20000);
	assert_true(dp_client_stats(fake->client)->timeouts == 0);
}

/* It reads its log, perhaps for ever; any other replica will do. */
static void a_busy_replica_is_left(void **state)
{
	(void)state;
	start(2, 100, 100);
	config.prefer = 2;
	fake->node_busy[2] = true;
	open_consumer();
	run_to_the_end(SECOND);
	assert_true(dp_consumer_is_done(consumer));
	assert_int_equal(dp_consumer_error(consumer), QR_OK);
	assert_true(seen_records == 100);
	assert_true(fake->received[2] > 0);
}

static void an_empty_log_ends_at_once(void **state)
{
	(void)state;
	start(2, 0, 0);
	open_consumer();
	run_to_the_end(SECOND / 100);
	assert_true(dp_consumer_is_done(consumer));
	assert_int_equal(dp_consumer_error(consumer), QR_OK);
}

static void losses_doubles_and_reordering_do_no_harm(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 20; seed++) {
		start(seed, 5000, 300);
		fake->loss_percent = (unsigned)(seed * 3 / 2);
		fake->double_percent = (unsigned)(seed * 5 / 2);
		fake->delay_max_ns = 20000 + seed * 20000;
		open_consumer();
		run_to_the_end(100 * SECOND);
		assert_int_equal(dp_consumer_error(consumer), QR_OK);
		assert_true(seen_records == 5000);
		(void)finish(NULL);
	}
	start(0, 0, 0);
}

static void large_records_come_in_pieces(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 5; seed++) {
		start(10 + seed, 40, 1 << 19);
		fake->loss_percent = (unsigned)(seed + 1) / 2;
		fake->delay_max_ns = seed == 4 ? 60000 : 20000;
		open_consumer();
		run_to_the_end(100 * SECOND);
		assert_int_equal(dp_consumer_error(consumer), QR_OK);
		assert_true(seen_records == 40);
		(void)finish(NULL);
	}
	start(0, 0, 0);
}

static void reading_begins_and_ends_where_asked(void **state)
{
	(void)state;
	start(20, 1000, 100);
	config.from = 123;
	config.until = 456;
	open_consumer();
	run_to_the_end(SECOND);
	assert_true(dp_consumer_is_done(consumer));
	assert_true(seen_next == 456);
	assert_true(seen_records == 333);
}

static void what_is_not_there_yet_is_waited_for(void **state)
{
	(void)state;
	start(21, 100, 100);
	config.until = 150;
	open_consumer();
	fake_run(fake, SECOND / 100);
	assert_true(seen_next == 100);
	assert_false(dp_consumer_is_done(consumer));
	put(100, 100);
	fake_run(fake, SECOND / 100);
	assert_true(seen_next == 150);
	assert_true(dp_consumer_is_done(consumer));
}

static void following_goes_on(void **state)
{
	(void)state;
	start(22, 100, 100);
	config.follow = true;
	open_consumer();
	for (unsigned i = 0; i < 50; i++) {
		fake_run(fake, SECOND / 100);
		put(10, 100);
	}
	fake_run(fake, SECOND / 100);
	assert_true(seen_next == 600);
	assert_false(dp_consumer_is_done(consumer));
	/* The fake never holds a request: the client must not ask without a pause. */
	assert_true(dp_client_stats(fake->client)->tx_datagrams < 2000);
}

static void another_replica_is_asked_when_one_is_silent(void **state)
{
	(void)state;
	start(23, 5000, 100);
	fake->node_down[1] = true;
	open_consumer();
	run_to_the_end(SECOND);
	assert_true(seen_records == 5000);
	assert_true(fake->received[2] + fake->received[3] != 0);
}

static void a_replica_that_lags_is_left(void **state)
{
	(void)state;
	start(24, 1000, 100);
	config.from = 600;
	config.prefer = 2;
	fake->lag[2] = 500;
	open_consumer();
	run_to_the_end(SECOND);
	assert_int_equal(dp_consumer_error(consumer), QR_OK);
	assert_true(seen_next == 1000);
}

static void an_offset_beyond_the_end_is_an_error(void **state)
{
	(void)state;
	start(25, 10, 100);
	config.from = 11;
	open_consumer();
	run_to_the_end(SECOND);
	assert_int_equal(dp_consumer_error(consumer), QR_OUT_OF_RANGE);
	assert_int_equal(dp_consumer_start(consumer), 0);
	assert_true(seen_records == 0);
}

static void an_offset_before_the_start_is_an_error(void **state)
{
	(void)state;
	start(26, 100, 100);
	fake->start = 50;
	config.from = 49;
	open_consumer();
	run_to_the_end(SECOND);
	assert_int_equal(dp_consumer_error(consumer), QR_OUT_OF_RANGE);
	assert_int_equal(dp_consumer_start(consumer), 50);
}

static void what_is_given_up_while_it_is_read_names_the_new_start(void **state)
{
	(void)state;
	start(27, 100, 100);
	config.follow = true;
	open_consumer();
	run_to_the_end(SECOND);
	assert_true(seen_next == 100);
	dp_consumer_pause(consumer, true);
	run_to_the_end(SECOND);
	put(100, 100);
	fake->start = 150;
	dp_consumer_pause(consumer, false);
	run_to_the_end(SECOND);
	assert_true(dp_consumer_is_done(consumer));
	assert_int_equal(dp_consumer_error(consumer), QR_OUT_OF_RANGE);
	assert_int_equal(dp_consumer_start(consumer), 150);
	assert_true(seen_next == 100);
}

static void without_any_node_the_wait_has_an_end(void **state)
{
	(void)state;
	start(27, 10, 100);
	fake->loss_percent = 100;
	config.timeout_ns = SECOND;
	open_consumer();
	run_to_the_end(5 * SECOND);
	assert_int_equal(dp_consumer_error(consumer), QR_TIMED_OUT);
	assert_true(fake->now_ns < 4 * SECOND);
}

static void a_pause_stops_the_asking(void **state)
{
	uint64_t before;

	(void)state;
	start(28, 50000, 100);
	config.timeout_ns = SECOND;
	open_consumer();
	while (seen_records == 0)
		fake_step(fake, UINT64_MAX);
	dp_consumer_pause(consumer, true);
	fake_run(fake, SECOND / 100);
	before = seen_records;
	fake_run(fake, 10 * SECOND);
	assert_true(seen_records == before && before < 50000);
	dp_consumer_pause(consumer, false);
	run_to_the_end(SECOND);
	assert_true(seen_records == 50000);
	assert_int_equal(dp_consumer_error(consumer), QR_OK);
}

static void a_record_larger_than_the_memory_for_it_is_an_error(void **state)
{
	static uint8_t data[5000];

	(void)state;
	start(29, 3, 100);
	fake_put(fake, data, sizeof(data));
	config.record_max_bytes = 4000;
	open_consumer();
	run_to_the_end(SECOND);
	assert_int_equal(dp_consumer_error(consumer), QR_TOO_LARGE);
	assert_true(seen_next == 3);
}

/** A slice that lies about the lengths inside is not delivered, not even in part. */
static void a_slice_that_does_not_add_up_is_dropped(void **state)
{
	static const uint8_t lies[][12] = {
		{4, 0, 0, 0, 'a', 'b', 'c', 'd', 1, 0, 0, 0}, /* the second leaves the slice */
		{1, 0, 0, 0, 'a', 1, 0, 0, 0, 'b', 'c', 'd'}, /* bytes are left over */
		{255, 255, 255, 255, 1, 0, 0, 0, 0, 0, 0, 0}, /* as long as can be */
	};
	const struct wire_header header = {.from = 1, .cluster = FAKE_CLUSTER};

	(void)state;
	start(30, 10, 100);
	config.follow = true;
	open_consumer();
	fake_run(fake, SECOND / 100);
	assert_true(seen_next == 10);
	for (unsigned i = 0; i < 3; i++) {
		const struct wire_records records = {
			.offset = 10,
			.count = 2,
			.committed = 100,
			.bulk = {lies[i], sizeof(lies[i])},
		};
		uint8_t bytes[WIRE_DATAGRAM_MIN];

		/* Which request is under way is in the client: try those that it may have sent. */
		for (uint64_t serial = 0; serial < 64; serial++) {
			struct qr_writer writer = qr_writer_over(bytes, sizeof(bytes));
			struct wire_records guess = records;

			guess.request = fake->last_read_request - (serial << 8);
			wire_begin(&writer);
			wire_put_records(&writer, FAKE_GROUP, &guess);
			qr_write_bytes(&writer, lies[i], sizeof(lies[i]));
			fake_deliver(fake, bytes, wire_finish(&writer, &header));
		}
	}
	assert_true(seen_next == 10);
	put(10, 100);
	fake_run(fake, SECOND / 10);
	assert_true(seen_next == 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(everything_is_read_in_order, finish),
		cmocka_unit_test_teardown(a_busy_replica_is_left, finish),
		cmocka_unit_test_teardown(an_empty_log_ends_at_once, finish),
		cmocka_unit_test_teardown(losses_doubles_and_reordering_do_no_harm, finish),
		cmocka_unit_test_teardown(large_records_come_in_pieces, finish),
		cmocka_unit_test_teardown(reading_begins_and_ends_where_asked, finish),
		cmocka_unit_test_teardown(what_is_not_there_yet_is_waited_for, finish),
		cmocka_unit_test_teardown(following_goes_on, finish),
		cmocka_unit_test_teardown(another_replica_is_asked_when_one_is_silent, finish),
		cmocka_unit_test_teardown(a_replica_that_lags_is_left, finish),
		cmocka_unit_test_teardown(an_offset_beyond_the_end_is_an_error, finish),
		cmocka_unit_test_teardown(an_offset_before_the_start_is_an_error, finish),
		cmocka_unit_test_teardown(what_is_given_up_while_it_is_read_names_the_new_start,
					  finish),
		cmocka_unit_test_teardown(without_any_node_the_wait_has_an_end, finish),
		cmocka_unit_test_teardown(a_pause_stops_the_asking, finish),
		cmocka_unit_test_teardown(a_record_larger_than_the_memory_for_it_is_an_error,
					  finish),
		cmocka_unit_test_teardown(a_slice_that_does_not_add_up_is_dropped, finish),
	};

	return cmocka_run_group_tests_name("client/consumer", tests, NULL, NULL);
}
