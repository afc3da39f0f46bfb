#include "tests/soak/record.h"

#include "tests/unit/unit.h"

#include <string.h>

#define TOKEN (((uint64_t)77 << SOAK_PRODUCER_BITS) | 3)

static uint8_t record[SOAK_RECORD_MAX];

static void a_record_says_whose_it_is(void **state)
{
	uint32_t size_bytes = soak_record_make(TOKEN, 9, record);
	struct soak_identity identity;

	(void)state;
	assert_true(soak_record_identify((struct qr_span){record, size_bytes}, &identity));
	assert_int_equal(identity.token, TOKEN);
	assert_int_equal(identity.sequence, 9);
	assert_int_equal(soak_token_load(identity.token), 77);
	assert_int_equal(soak_token_producer(identity.token), 3);
	assert_false(soak_record_identify((struct qr_span){record, 15}, &identity));
}

static void every_flipped_bit_is_seen(void **state)
{
	const struct soak_identity identity = {TOKEN, 9};
	uint32_t size_bytes = soak_record_make(TOKEN, 9, record);
	const struct qr_span span = {record, size_bytes};

	(void)state;
	assert_true(soak_record_is_intact(span, identity));
	for (uint32_t bit = 0; bit < 8 * size_bytes; bit++) {
		record[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_false(soak_record_is_intact(span, identity));
		record[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_false(soak_record_is_intact((struct qr_span){record, size_bytes - 1}, identity));
	assert_false(soak_record_is_intact((struct qr_span){record, 3}, identity));
}

static void neighbours_differ_in_more_than_their_numbers(void **state)
{
	static uint8_t other[SOAK_RECORD_MAX];

	(void)state;
	(void)soak_record_make(TOKEN, 9, record);
	(void)soak_record_make(TOKEN, 10, other);
	assert_memory_not_equal(record + 16, other + 16, SOAK_RECORD_MIN - 16);
	(void)soak_record_make(TOKEN + 1, 9, other);
	assert_memory_not_equal(record + 16, other + 16, SOAK_RECORD_MIN - 16);
}

static void sizes_are_spread_and_bounded(void **state)
{
	uint32_t long_ones = 0;
	uint32_t large_ones = 0;

	(void)state;
	for (uint64_t sequence = 0; sequence < 100000; sequence++) {
		uint32_t size_bytes = soak_record_make(TOKEN, sequence, record);

		assert_in_range(size_bytes, SOAK_RECORD_MIN, SOAK_RECORD_MAX);
		long_ones += size_bytes > 192 && size_bytes <= 1024;
		large_ones += size_bytes > 16384;
	}
	assert_in_range(long_ones, 500, 3000);
	assert_in_range(large_ones, 5, 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_says_whose_it_is),
		cmocka_unit_test(every_flipped_bit_is_seen),
		cmocka_unit_test(neighbours_differ_in_more_than_their_numbers),
		cmocka_unit_test(sizes_are_spread_and_bounded),
	};

	return cmocka_run_group_tests_name("soak/record", tests, NULL, NULL);
}
