#include "consensus/base/crc.h"

#include "tests/unit/unit.h"

#include <string.h>

static const char digits[] = "123456789";

static void crc32c_has_the_published_check_value(void **state)
{
	uint8_t zeros[32] = {0};
	uint8_t ones[32];

	(void)state;
	assert_int_equal(qr_crc32c(0, digits, 9), 0xe3069283);
	/* RFC 3720, appendix B.4. */
	assert_int_equal(qr_crc32c(0, zeros, sizeof(zeros)), 0x8a9136aa);
	memset(ones, 0xff, sizeof(ones));
	assert_int_equal(qr_crc32c(0, ones, sizeof(ones)), 0x62a8ab43);
}

static void crc64_has_the_check_value_of_xz(void **state)
{
	(void)state;
	assert_true(qr_crc64(0, digits, 9) == 0x995dc9bbdf1939fau);
}

static void nothing_changes_nothing(void **state)
{
	(void)state;
	assert_int_equal(qr_crc32c(0x12345678, NULL, 0), 0x12345678);
	assert_true(qr_crc64(0x123456789abcdef0u, NULL, 0) == 0x123456789abcdef0u);
}

static void both_chain_at_every_split(void **state)
{
	uint8_t bytes[600];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + (i >> 8));
	for (size_t split = 0; split <= sizeof(bytes); split++) {
		size_t rest = sizeof(bytes) - split;

		assert_int_equal(qr_crc32c(qr_crc32c(0, bytes, split), bytes + split, rest),
				 qr_crc32c(0, bytes, sizeof(bytes)));
		assert_true(qr_crc64(qr_crc64(0, bytes, split), bytes + split, rest) ==
			    qr_crc64(0, bytes, sizeof(bytes)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc32c_has_the_published_check_value),
		cmocka_unit_test(crc64_has_the_check_value_of_xz),
		cmocka_unit_test(nothing_changes_nothing),
		cmocka_unit_test(both_chain_at_every_split),
	};

	return cmocka_run_group_tests_name("base/crc", tests, NULL, NULL);
}
