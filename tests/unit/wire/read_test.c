#include "tests/unit/wire/one.h"
#include "tests/unit/wire/sample.h"

static struct one one;
static struct qr_prng prng;

static void reads_come_back(void **state)
{
	const struct wire_read put = {1, 2, 3, 4};
	struct wire_read got;

	(void)state;
	wire_put_read(one_begin(&one), 9, &put);
	assert_int_equal(wire_get_read(one_end(&one), &got), QR_OK);
	assert_int_equal(one.message.group, 9);
	SAME(put, got, request);
	SAME(put, got, offset);
	SAME(put, got, max_bytes);
	SAME(put, got, wait_ms);
}

static void slices_come_back(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ONE_ROUNDS; i++) {
		struct wire_records put;
		struct wire_records got;

		sample_records(&prng, &put);
		wire_put_records(one_begin(&one), 9, &put);
		qr_write_bytes(&one.writer, put.bulk.data, put.bulk.size_bytes);
		assert_int_equal(wire_get_records(one_end(&one), &got), QR_OK);
		SAME(put, got, request);
		SAME(put, got, status);
		SAME(put, got, offset);
		SAME(put, got, count);
		SAME(put, got, kind);
		SAME(put, got, last);
		SAME(put, got, slice);
		SAME(put, got, piece_total);
		SAME(put, got, piece_offset);
		SAME(put, got, committed);
		SAME(put, got, bulk.size_bytes);
		assert_int_equal(one.message.body.size_bytes,
				 WIRE_RECORDS_BYTES + put.bulk.size_bytes);
	}
}

static void impossible_slices_are_malformed(void **state)
{
	static const uint8_t bytes[64];
	static const struct {
		struct wire_records records;
		enum qr_error error;
	} cases[] = {
		{{.count = 0}, QR_OK},
		{{.count = 0, .bulk = {bytes, 4}}, QR_MALFORMED},
		{{.count = 0, .piece_total = 4}, QR_MALFORMED},
		{{.count = 0, .piece_offset = 4}, QR_MALFORMED},
		{{.count = 1}, QR_MALFORMED},
		{{.count = 1, .bulk = {bytes, 4}}, QR_OK},
		{{.count = 2, .bulk = {bytes, 7}}, QR_MALFORMED},
		{{.count = 2, .kind = WIRE_CHUNK_OPAQUE, .bulk = {bytes, 7}}, QR_OK},
		{{.count = 1, .piece_offset = 1, .bulk = {bytes, 4}}, QR_MALFORMED},
		{{.count = 1, .piece_total = 4, .bulk = {bytes, 4}}, QR_OK},
		{{.count = 2, .piece_total = 8, .bulk = {bytes, 8}}, QR_MALFORMED},
		{{.count = 1, .piece_total = 4, .bulk = {bytes, 5}}, QR_MALFORMED},
		{{.count = 1, .piece_total = 4, .piece_offset = 4, .bulk = {bytes, 1}},
		 QR_MALFORMED},
		{{.count = 1, .piece_total = 9, .piece_offset = UINT32_MAX, .bulk = {bytes, 9}},
		 QR_MALFORMED},
		{{.count = 2, .offset = UINT64_MAX - 1, .bulk = {bytes, 8}}, QR_MALFORMED},
		{{.status = QR_ERROR_COUNT}, QR_MALFORMED},
		{{.status = QR_AGAIN}, QR_MALFORMED},
		{{.kind = 2}, QR_MALFORMED},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct wire_records got;

		wire_put_records(one_begin(&one), 9, &cases[i].records);
		qr_write_bytes(&one.writer, bytes, cases[i].records.bulk.size_bytes);
		assert_int_equal(wire_get_records(one_end(&one), &got), cases[i].error);
	}
}

static void the_last_mark_is_zero_or_one(void **state)
{
	const struct wire_records put = {.last = true};
	struct wire_records got;

	(void)state;
	for (size_t at = 42; at < WIRE_RECORDS_BYTES; at++) {
		wire_put_records(one_begin(&one), 9, &put);
		assert_int_equal(wire_get_records(one_end(&one), &got), QR_OK);
		*one_body(&one, at) = 2;
		assert_int_equal(wire_get_records(&one.message, &got), QR_MALFORMED);
	}
}

static void tails_come_back(void **state)
{
	const struct wire_tail ask = {.request = 0x1122334455667788u};
	struct wire_tail asked;

	(void)state;
	wire_put_tail(one_begin(&one), 9, &ask);
	assert_int_equal(wire_get_tail(one_end(&one), &asked), QR_OK);
	SAME(ask, asked, request);
	for (unsigned i = 0; i < ONE_ROUNDS; i++) {
		struct wire_tail_reply put;
		struct wire_tail_reply got;

		sample_tail_reply(&prng, &put);
		wire_put_tail_reply(one_begin(&one), 9, &put);
		assert_int_equal(wire_get_tail_reply(one_end(&one), &got), QR_OK);
		SAME(put, got, request);
		SAME(put, got, status);
		SAME(put, got, leader);
		SAME(put, got, start);
		SAME(put, got, end);
	}
}

static void a_log_that_ends_before_it_starts_is_malformed(void **state)
{
	const struct wire_tail_reply put = {.start = 2, .end = 1};
	struct wire_tail_reply got;

	(void)state;
	wire_put_tail_reply(one_begin(&one), 9, &put);
	assert_int_equal(wire_get_tail_reply(one_end(&one), &got), QR_MALFORMED);
}

static int seed(void **state)
{
	(void)state;
	qr_prng_init(&prng, 4);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_come_back),
		cmocka_unit_test(slices_come_back),
		cmocka_unit_test(impossible_slices_are_malformed),
		cmocka_unit_test(the_last_mark_is_zero_or_one),
		cmocka_unit_test(tails_come_back),
		cmocka_unit_test(a_log_that_ends_before_it_starts_is_malformed),
	};

	return cmocka_run_group_tests_name("wire/read", tests, seed, NULL);
}
