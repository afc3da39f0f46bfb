#include "tests/unit/wire/one.h"
#include "tests/unit/wire/sample.h"

static struct one one;
static struct qr_prng prng;

static void status_comes_back(void **state)
{
	const struct wire_status put = {.request = 5, .first = 6};
	struct wire_status got;

	(void)state;
	wire_put_status(one_begin(&one), &put);
	assert_int_equal(wire_get_status(one_end(&one), &got), QR_OK);
	SAME(put, got, request);
	SAME(put, got, first);
}

static void same_group(const struct wire_status_group *put, const struct wire_status_group *got)
{
	SAME(*put, *got, group);
	SAME(*put, *got, role);
	SAME(*put, *got, leader);
	SAME(*put, *got, condition);
	SAME(*put, *got, durability);
	SAME(*put, *got, term);
	SAME(*put, *got, last);
	SAME(*put, *got, durable);
	SAME(*put, *got, commit);
	SAME(*put, *got, start);
	SAME(*put, *got, end);
	SAME(*put, *got, log_bytes);
	SAME(*put, *got, sessions);
	SAME(*put, *got, elections);
	SAME(*put, *got, peer_count);
	for (uint32_t i = 0; i < put->peer_count; i++) {
		SAME(*put, *got, peers[i].node);
		SAME(*put, *got, peers[i].match);
		SAME(*put, *got, peers[i].lag_bytes);
		SAME(*put, *got, peers[i].connected);
	}
}

static void same_counters(const struct wire_status_reply *put, const struct wire_status_reply *got)
{
	SAME(*put, *got, uptime_ns);
	SAME(*put, *got, rx_datagrams);
	SAME(*put, *got, tx_datagrams);
	SAME(*put, *got, rx_bytes);
	SAME(*put, *got, tx_bytes);
	SAME(*put, *got, acked_records);
	SAME(*put, *got, busy_replies);
	SAME(*put, *got, polls);
	SAME(*put, *got, polls_empty);
	SAME(*put, *got, retransmits);
	SAME(*put, *got, damaged_entries);
	SAME(*put, *got, repaired_entries);
	SAME(*put, *got, scrubbed_bytes);
	for (unsigned i = 0; i < WIRE_DROPS; i++)
		SAME(*put, *got, drops[i]);
	for (unsigned i = 0; i < WIRE_STAGES; i++) {
		SAME(*put, *got, stages[i].count);
		SAME(*put, *got, stages[i].p50_ns);
		SAME(*put, *got, stages[i].p99_ns);
	}
}

static void status_replies_come_back(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ONE_ROUNDS; i++) {
		struct wire_status_reply put;
		struct wire_status_reply got;

		sample_status_reply(&prng, &put);
		wire_put_status_reply(one_begin(&one), &put);
		assert_int_equal(wire_get_status_reply(one_end(&one), &got), QR_OK);
		SAME(put, got, request);
		SAME(put, got, node);
		SAME(put, got, core);
		SAME(put, got, cores);
		SAME(put, got, direct_io);
		same_counters(&put, &got);
		SAME(put, got, total);
		SAME(put, got, first);
		SAME(put, got, group_count);
		for (uint32_t j = 0; j < put.group_count; j++)
			same_group(&put.groups[j], &got.groups[j]);
	}
}

static void the_sizes_are_as_stated(void **state)
{
	struct wire_status_reply put = {0};

	(void)state;
	wire_put_status_reply(one_begin(&one), &put);
	assert_int_equal(one_end(&one)->body.size_bytes, WIRE_STATUS_REPLY_BYTES);
	put.group_count = WIRE_STATUS_GROUPS;
	for (unsigned i = 0; i < WIRE_STATUS_GROUPS; i++)
		put.groups[i].peer_count = WIRE_STATUS_PEERS;
	wire_put_status_reply(one_begin(&one), &put);
	assert_int_equal(one_end(&one)->body.size_bytes, WIRE_STATUS_REPLY_BYTES_MAX);
}

static void impossible_status_replies_are_malformed(void **state)
{
	/* Body: 324 bytes, a group of 80 bytes, a peer of 18. */
	static const struct {
		size_t at;
		uint8_t value;
	} cases[] = {
		{8, 64},   /* node */
		{11, 2},   /* direct_io */
		{12, 1},   /* reserved */
		{320, 0},  /* groups: fewer than are here */
		{320, 2},  /* more */
		{320, 9},  /* too many */
		{323, 1},  /* far too many */
		{328, 5},  /* role */
		{329, 64}, /* leader */
		{330, QR_ERROR_COUNT},
		{331, 2},  /* durability */
		{336, 0},  /* peers: fewer than are here */
		{336, 9},  /* too many */
		{337, 1},  /* reserved */
		{404, 64}, /* peer */
		{405, 2},  /* connected */
	};
	const struct wire_status_reply put = {.group_count = 1, .groups = {{.peer_count = 1}}};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct wire_status_reply got;

		wire_put_status_reply(one_begin(&one), &put);
		assert_int_equal(wire_get_status_reply(one_end(&one), &got), QR_OK);
		*one_body(&one, cases[i].at) = cases[i].value;
		assert_int_equal(wire_get_status_reply(&one.message, &got), QR_MALFORMED);
	}
}

static void drops_have_names(void **state)
{
	(void)state;
	for (unsigned i = 0; i < WIRE_DROPS; i++)
		assert_string_not_equal(wire_drop_name((enum wire_drop)i), "unknown");
	assert_string_equal(wire_drop_name(WIRE_DROPS), "unknown");
}

static int seed(void **state)
{
	(void)state;
	qr_prng_init(&prng, 5);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(status_comes_back),
		cmocka_unit_test(status_replies_come_back),
		cmocka_unit_test(the_sizes_are_as_stated),
		cmocka_unit_test(impossible_status_replies_are_malformed),
		cmocka_unit_test(drops_have_names),
	};

	return cmocka_run_group_tests_name("wire/status", tests, seed, NULL);
}
