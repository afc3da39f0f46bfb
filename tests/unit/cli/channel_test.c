#include "control/cli/channel.h"

#include "consensus/base/prng.h"
#include "control/cli/clock.h"
#include "tests/unit/cli/fake_node.h"
#include "tests/unit/unit.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND 1000000000ull
#define RECORDS 5000
#define HUGE_BYTES (300u << 10)

static struct fake_node fake;
static uint8_t bytes[HUGE_BYTES];

/* What came back. */
static struct {
	uint64_t acked;
	qr_offset next;
	uint64_t read;
	bool differs;
} seen;

/* Record i: every size from 0 to a few hundred, and now and then one of many datagrams. */
static struct qr_span record(uint64_t i)
{
	uint32_t size = i % 1000 == 999 ? HUGE_BYTES - (uint32_t)(i % 7) : (uint32_t)(i * 7 % 300);

	for (uint32_t j = 0; j < 8 && j < size; j++)
		bytes[j] = (uint8_t)(i >> (8 * j));
	return (struct qr_span){.data = bytes, .size_bytes = size};
}

static void on_done(void *context, uint64_t count, qr_offset offset, enum qr_error error)
{
	(void)context;
	seen.differs |= error != QR_OK || offset != seen.acked;
	seen.acked += count;
}

static void on_record(void *context, qr_offset offset, struct qr_span found)
{
	struct qr_span expected = record(offset);

	(void)context;
	seen.differs |= offset != seen.next || found.size_bytes != expected.size_bytes ||
			memcmp(found.data, expected.data, expected.size_bytes) != 0;
	seen.next = offset + 1;
	seen.read++;
}

static struct ctl_channel *open_channel(const char *log, uint64_t partition,
					enum ctl_exit expected_exit)
{
	struct ctl_channel_events events = {.on_done = on_done, .on_record = on_record};
	struct ctl_channel_name name = {.log = log, .partition = partition};
	struct ctl_target target = {.node_count = 1};
	struct ctl_channel *channel = NULL;

	(void)snprintf(target.cluster, sizeof(target.cluster), "demo");
	target.nodes[0] = (struct wire_endpoint){.ipv4 = INADDR_LOOPBACK, .port = fake.port};
	memset(&seen, 0, sizeof(seen));
	assert_int_equal(ctl_channel_open(&target, &name, 20 * SECOND, &events, &channel),
			 expected_exit);
	return channel;
}

static void append_all(struct ctl_channel *channel, uint64_t window)
{
	uint64_t next = 0;

	assert_int_equal(ctl_channel_produce(channel, window), CTL_EXIT_OK);
	while (seen.acked < RECORDS) {
		while (next < RECORDS && ctl_channel_append(channel, record(next)) == QR_OK)
			next++;
		assert_true(window == 0 || ctl_channel_pending(channel) <= window);
		assert_int_equal(ctl_channel_error(channel), QR_OK);
		ctl_channel_turn(channel, NULL, ctl_clock_now() + SECOND);
	}
	assert_true(ctl_channel_pending(channel) == 0);
	assert_false(seen.differs);
}

static void read_all(struct ctl_channel *channel, qr_offset from, qr_offset until)
{
	seen.next = from;
	assert_int_equal(ctl_channel_consume(channel, from, until), CTL_EXIT_OK);
	while (!ctl_channel_is_done(channel)) {
		assert_int_equal(ctl_channel_error(channel), QR_OK);
		ctl_channel_turn(channel, NULL, ctl_clock_now() + SECOND);
	}
	assert_false(seen.differs);
	assert_true(seen.read == until - from);
}

static void append_and_read(uint64_t window)
{
	struct ctl_channel *channel;
	qr_offset start;
	qr_offset end;

	fake_node_start(&fake, 0);
	channel = open_channel("events", 0, CTL_EXIT_OK);
	append_all(channel, window);
	assert_int_equal(ctl_channel_tail(channel, &start, &end), CTL_EXIT_OK);
	assert_true(start == 0 && end == RECORDS);
	ctl_channel_close(channel);
	channel = open_channel("events", 0, CTL_EXIT_OK);
	read_all(channel, 0, RECORDS);
	ctl_channel_close(channel);
	channel = open_channel("events", 0, CTL_EXIT_OK);
	read_all(channel, 997, 1003);
	ctl_channel_close(channel);
	fake_node_stop(&fake);
}

static void what_is_appended_is_read_back(void **state)
{
	(void)state;
	append_and_read(0);
}

static void a_window_bounds_what_is_unanswered(void **state)
{
	(void)state;
	append_and_read(10);
}

static void a_record_over_the_limit_is_refused_and_the_rest_goes_on(void **state)
{
	struct qr_span huge = {.data = bytes, .size_bytes = SIZE_MAX};
	struct ctl_channel *channel;

	(void)state;
	fake_node_start(&fake, 0);
	channel = open_channel("events", 0, CTL_EXIT_OK);
	assert_int_equal(ctl_channel_produce(channel, 0), CTL_EXIT_OK);
	assert_int_equal(ctl_channel_append(channel, huge), QR_TOO_LARGE);
	assert_int_equal(ctl_channel_append(channel, record(1)), QR_OK);
	while (seen.acked < 1)
		ctl_channel_turn(channel, NULL, ctl_clock_now() + SECOND);
	ctl_channel_close(channel);
	fake_node_stop(&fake);
}

static void what_has_been_given_up_names_where_the_log_begins(void **state)
{
	struct ctl_channel *channel;
	qr_offset start;
	qr_offset end;

	(void)state;
	fake_node_start(&fake, 0);
	channel = open_channel("events", 0, CTL_EXIT_OK);
	append_all(channel, 0);
	atomic_store(&fake.start, 1000);
	assert_int_equal(ctl_channel_tail(channel, &start, &end), CTL_EXIT_OK);
	assert_true(start == 1000 && end == RECORDS);
	assert_int_equal(ctl_channel_consume(channel, 999, end), CTL_EXIT_OK);
	while (!ctl_channel_is_done(channel))
		ctl_channel_turn(channel, NULL, ctl_clock_now() + SECOND);
	assert_int_equal(ctl_channel_error(channel), QR_OUT_OF_RANGE);
	assert_true(ctl_channel_next(channel) == 999 && ctl_channel_start(channel) == 1000);
	ctl_channel_complain_of_start(channel, 999, 1000);
	read_all(channel, 1000, end); /* with the same channel */
	ctl_channel_close(channel);
	fake_node_stop(&fake);
}

static void the_partition_must_be_clear(void **state)
{
	(void)state;
	fake_node_start(&fake, 0);
	(void)open_channel("evnets", 0, CTL_EXIT_FAILED);
	(void)open_channel("events", CTL_PARTITION_UNSET, CTL_EXIT_USAGE);
	(void)open_channel("events", FAKE_PARTITIONS, CTL_EXIT_FAILED);
	fake_node_stop(&fake);
	ctl_channel_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_appended_is_read_back),
		cmocka_unit_test(a_window_bounds_what_is_unanswered),
		cmocka_unit_test(a_record_over_the_limit_is_refused_and_the_rest_goes_on),
		cmocka_unit_test(what_has_been_given_up_names_where_the_log_begins),
		cmocka_unit_test(the_partition_must_be_clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
