#include "tests/unit/wire/one.h"
#include "tests/unit/wire/sample.h"

static struct one one;
static struct qr_prng prng;

static void consensus_messages_come_back(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ONE_ROUNDS; i++) {
		struct raft_message put;
		struct raft_message got;

		sample_raft(&prng, &put);
		wire_put_raft(one_begin(&one), 7, &put);
		assert_int_equal(wire_get_raft(one_end(&one), &got), QR_OK);
		assert_int_equal(one.message.group, 7);
		SAME(put, got, kind);
		SAME(put, got, reject);
		SAME(put, got, transfer);
		SAME(put, got, full);
		SAME(put, got, term);
		SAME(put, got, index);
		SAME(put, got, log_term);
		SAME(put, got, commit);
		SAME(put, got, next_term);
		SAME(put, got, last);
		SAME(put, got, hint_index);
		SAME(put, got, hint_term);
		SAME(put, got, round);
		assert_null(got.entries);
		assert_int_equal(got.from, 0);
	}
}

static void what_must_be_durable_does_not_travel(void **state)
{
	struct raft_message put = {.kind = RAFT_MESSAGE_VOTE, .term = 3};
	struct raft_message got;

	(void)state;
	put.requires.state_generation = 9;
	put.requires.position.index = 8;
	wire_put_raft(one_begin(&one), 1, &put);
	assert_int_equal(wire_get_raft(one_end(&one), &got), QR_OK);
	assert_true(got.requires.state_generation == 0);
	assert_true(got.requires.position.index == 0);
}

static void consensus_messages_of_unknown_kinds_are_malformed(void **state)
{
	struct raft_message put = {.kind = RAFT_MESSAGE_VOTE};
	struct raft_message got;
	static const struct {
		size_t at;
		uint8_t value;
	} cases[] = {{0, 0}, {0, RAFT_MESSAGE_MAX + 1}, {1, 2}, {2, 2}, {3, 2}, {4, 2}, {5, 1},
		     {7, 1}};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		wire_put_raft(one_begin(&one), 1, &put);
		(void)one_end(&one);
		*one_body(&one, cases[i].at) = cases[i].value;
		assert_int_equal(wire_get_raft(&one.message, &got), QR_MALFORMED);
	}
}

static void an_append_with_a_negative_range_is_malformed(void **state)
{
	struct raft_message put = {.kind = RAFT_MESSAGE_APPEND, .index = 5, .last = 4};
	struct raft_message got;

	(void)state;
	wire_put_raft(one_begin(&one), 1, &put);
	assert_int_equal(wire_get_raft(one_end(&one), &got), QR_MALFORMED);
	put.last = 5;
	wire_put_raft(one_begin(&one), 1, &put);
	assert_int_equal(wire_get_raft(one_end(&one), &got), QR_OK);
}

static void fragments_come_back(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ONE_ROUNDS; i++) {
		struct wire_fragment put;
		struct wire_fragment got;

		sample_fragment(&prng, &put);
		wire_put_fragment(one_begin(&one), 3, &put);
		qr_write_bytes(&one.writer, put.bulk.data, put.bulk.size_bytes);
		assert_int_equal(wire_get_fragment(one_end(&one), &got), QR_OK);
		SAME(put, got, term);
		SAME(put, got, index);
		SAME(put, got, entry_term);
		SAME(put, got, prev_term);
		SAME(put, got, block);
		SAME(put, got, commit);
		SAME(put, got, entry_bytes);
		SAME(put, got, offset);
		SAME(put, got, sent_ns);
		SAME(put, got, bulk.size_bytes);
		assert_memory_equal(put.bulk.data, got.bulk.data, got.bulk.size_bytes);
		assert_int_equal(one.message.body.size_bytes,
				 WIRE_FRAGMENT_BYTES + put.bulk.size_bytes);
	}
}

static void a_fragment_stays_inside_its_entry(void **state)
{
	static const uint8_t bytes[100];
	static const struct {
		uint32_t entry_bytes;
		uint32_t offset;
		size_t bulk_bytes;
		enum qr_error error;
	} cases[] = {
		{100, 0, 100, QR_OK},
		{100, 99, 1, QR_OK},
		{100, 99, 2, QR_MALFORMED},
		{100, 100, 1, QR_MALFORMED},
		{100, 0, 0, QR_MALFORMED},
		{0, 0, 1, QR_MALFORMED},
		{100, UINT32_MAX, 1, QR_MALFORMED},
		{UINT32_MAX, UINT32_MAX - 1, 1, QR_OK},
		{UINT32_MAX, UINT32_MAX - 1, 2, QR_MALFORMED},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct wire_fragment put = {
			.entry_bytes = cases[i].entry_bytes,
			.offset = cases[i].offset,
			.bulk = {bytes, cases[i].bulk_bytes},
		};
		struct wire_fragment got;

		wire_put_fragment(one_begin(&one), 3, &put);
		qr_write_bytes(&one.writer, put.bulk.data, put.bulk.size_bytes);
		assert_int_equal(wire_get_fragment(one_end(&one), &got), cases[i].error);
	}
}

static void acks_come_back(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ONE_ROUNDS; i++) {
		struct wire_ack put;
		struct wire_ack got;

		sample_ack(&prng, &put);
		wire_put_ack(one_begin(&one), 3, &put);
		assert_int_equal(wire_get_ack(one_end(&one), &got), QR_OK);
		SAME(put, got, term);
		SAME(put, got, received);
		SAME(put, got, received_bytes);
		SAME(put, got, credit);
		SAME(put, got, echo_ns);
		SAME(put, got, missing_count);
		for (uint32_t j = 0; j < put.missing_count; j++) {
			SAME(put, got, missing[j].index);
			SAME(put, got, missing[j].from);
			SAME(put, got, missing[j].until);
		}
	}
}

static void an_ack_counts_what_it_carries(void **state)
{
	struct wire_ack put = {.missing_count = 1,
			       .missing = {{.index = 1, .from = 5, .until = 5}}};
	struct wire_ack got;

	(void)state;
	wire_put_ack(one_begin(&one), 3, &put);
	assert_int_equal(wire_get_ack(one_end(&one), &got), QR_MALFORMED); /* an empty range */
	put.missing[0].until = 6;
	wire_put_ack(one_begin(&one), 3, &put);
	assert_int_equal(wire_get_ack(one_end(&one), &got), QR_OK);
	*one_body(&one, 36) = 0;
	assert_int_equal(wire_get_ack(&one.message, &got), QR_MALFORMED);
	*one_body(&one, 36) = 2;
	assert_int_equal(wire_get_ack(&one.message, &got), QR_MALFORMED);
	*one_body(&one, 36) = WIRE_MISSING_MAX + 1;
	assert_int_equal(wire_get_ack(&one.message, &got), QR_MALFORMED);
	*one_body(&one, 39) = 0x80;
	assert_int_equal(wire_get_ack(&one.message, &got), QR_MALFORMED);
}

static int seed(void **state)
{
	(void)state;
	qr_prng_init(&prng, 1);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(consensus_messages_come_back),
		cmocka_unit_test(what_must_be_durable_does_not_travel),
		cmocka_unit_test(consensus_messages_of_unknown_kinds_are_malformed),
		cmocka_unit_test(an_append_with_a_negative_range_is_malformed),
		cmocka_unit_test(fragments_come_back),
		cmocka_unit_test(a_fragment_stays_inside_its_entry),
		cmocka_unit_test(acks_come_back),
		cmocka_unit_test(an_ack_counts_what_it_carries),
	};

	return cmocka_run_group_tests_name("wire/peer", tests, seed, NULL);
}
