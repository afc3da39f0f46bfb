#include "dataplane/bench/content.h"

#include "tests/unit/unit.h"

#define SIZE 67 /* a fill that is no multiple of a word */

static struct qr_span span(const uint8_t *record)
{
	return (struct qr_span){record, SIZE};
}

static void a_record_names_its_stream_and_its_place(void **state)
{
	uint8_t record[SIZE];
	struct dp_bench_identity identity;

	(void)state;
	dp_bench_content_fill(0x1122334455660007u, record, SIZE);
	assert_true(dp_bench_content_identify(span(record), &identity));
	assert_true(identity.token == 0x1122334455660007u);
	assert_true(identity.sequence == 0);
	assert_int_equal(record[0], 0x07); /* little-endian on every machine */

	dp_bench_content_stamp(record, 0x0102030405060708u);
	assert_true(dp_bench_content_identify(span(record), &identity));
	assert_true(identity.sequence == 0x0102030405060708u);
	assert_int_equal(record[8], 0x08);
}

static void the_content_follows_from_the_token_alone(void **state)
{
	uint8_t one[SIZE];
	uint8_t two[SIZE];
	uint8_t other[SIZE];

	(void)state;
	dp_bench_content_fill(5, one, SIZE);
	dp_bench_content_fill(5, two, SIZE);
	dp_bench_content_fill(6, other, SIZE);
	assert_memory_equal(one, two, SIZE);
	assert_memory_not_equal(one + 16, other + 16, SIZE - 16);
}

static void every_byte_but_the_sequence_is_compared(void **state)
{
	uint8_t pattern[SIZE];
	uint8_t record[SIZE];

	(void)state;
	dp_bench_content_fill(9, pattern, SIZE);
	dp_bench_content_fill(9, record, SIZE);
	dp_bench_content_stamp(record, 12345);
	assert_true(dp_bench_content_matches(span(record), span(pattern)));
	for (unsigned i = 0; i < SIZE; i++) {
		bool sequence = i >= 8 && i < 16;

		record[i] ^= 0x10;
		assert_true(dp_bench_content_matches(span(record), span(pattern)) == sequence);
		record[i] ^= 0x10;
	}
}

static void another_length_is_another_content(void **state)
{
	uint8_t pattern[SIZE];
	struct dp_bench_identity identity;

	(void)state;
	dp_bench_content_fill(9, pattern, SIZE);
	assert_false(dp_bench_content_matches((struct qr_span){pattern, SIZE - 1}, span(pattern)));
	assert_false(dp_bench_content_identify((struct qr_span){pattern, 15}, &identity));
	assert_true(dp_bench_content_identify((struct qr_span){pattern, 16}, &identity));
}

static void a_token_keeps_the_run_and_the_number_apart(void **state)
{
	uint64_t token = dp_bench_token(UINT64_MAX, 513);

	(void)state;
	assert_true(dp_bench_token_number(token) == 513);
	assert_true(token >> 16 == UINT64_MAX >> 16);
	assert_true(dp_bench_token(0xabcdef, 1) == dp_bench_token(0xab0000, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_names_its_stream_and_its_place),
		cmocka_unit_test(the_content_follows_from_the_token_alone),
		cmocka_unit_test(every_byte_but_the_sequence_is_compared),
		cmocka_unit_test(another_length_is_another_content),
		cmocka_unit_test(a_token_keeps_the_run_and_the_number_apart),
	};

	return cmocka_run_group_tests_name("bench/content", tests, NULL, NULL);
}
