#include "control/cli/units.h"

#include "tests/unit/unit.h"

static void bytes_have_three_digits_and_a_unit(void **state)
{
	(void)state;
	assert_string_equal(ctl_units_bytes(0).text, "0 B");
	assert_string_equal(ctl_units_bytes(1023).text, "1023 B");
	assert_string_equal(ctl_units_bytes(1024).text, "1.00 KiB");
	assert_string_equal(ctl_units_bytes(1536).text, "1.50 KiB");
	assert_string_equal(ctl_units_bytes(34.25 * 1024 * 1024).text, "34.2 MiB");
	assert_string_equal(ctl_units_bytes(999.0 * 1024 * 1024 * 1024).text, "999 GiB");
	assert_string_equal(ctl_units_bytes(18446744073709551615.0).text, "16.0 EiB");
}

static void a_figure_never_rounds_up_to_a_thousand_of_its_unit(void **state)
{
	(void)state;
	assert_string_equal(ctl_units_bytes(1023.9 * 1024).text, "1.00 MiB");
	assert_string_equal(ctl_units_duration(999600).text, "1.00ms");
	assert_string_equal(ctl_units_short(999999).text, "1.00M");
}

static void durations_are_short(void **state)
{
	(void)state;
	assert_string_equal(ctl_units_duration(0).text, "0ns");
	assert_string_equal(ctl_units_duration(850).text, "850ns");
	assert_string_equal(ctl_units_duration(65200).text, "65.2µs");
	assert_string_equal(ctl_units_duration(1230000).text, "1.23ms");
	assert_string_equal(ctl_units_duration(12300000000).text, "12.3s");
}

static void spans_name_two_units(void **state)
{
	const qr_ns second = 1000000000;

	(void)state;
	assert_string_equal(ctl_units_span(42 * second).text, "42s");
	assert_string_equal(ctl_units_span(307 * second).text, "5m07s");
	assert_string_equal(ctl_units_span((qr_ns)(3 * 3600 + 12 * 60) * second).text, "3h12m");
	assert_string_equal(ctl_units_span((qr_ns)(12 * 24 + 4) * 3600 * second).text, "12d04h");
}

static void counts_are_grouped(void **state)
{
	(void)state;
	assert_string_equal(ctl_units_count(0).text, "0");
	assert_string_equal(ctl_units_count(999).text, "999");
	assert_string_equal(ctl_units_count(1000).text, "1,000");
	assert_string_equal(ctl_units_count(1234567).text, "1,234,567");
	assert_string_equal(ctl_units_count(UINT64_MAX).text, "18,446,744,073,709,551,615");
}

static void an_address_fits_whatever_it_is(void **state)
{
	(void)state;
	assert_string_equal(ctl_units_address(0x7f000001, 7100).text, "127.0.0.1:7100");
	assert_string_equal(ctl_units_address(UINT32_MAX, UINT16_MAX).text,
			    "255.255.255.255:65535");
}

static void numbers_are_digits_only(void **state)
{
	static const char *const bad[] = {"", "-1", "+1", " 1", "1 ", "0x10", "1e3", "a", "1.5"};
	uint64_t value = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(ctl_units_parse_u64(bad[i], 100, &value), QR_MALFORMED);
	assert_int_equal(ctl_units_parse_u64("101", 100, &value), QR_OUT_OF_RANGE);
	assert_int_equal(ctl_units_parse_u64("99999999999999999999", UINT64_MAX, &value),
			 QR_OUT_OF_RANGE);
	assert_true(value == 7);
	assert_int_equal(ctl_units_parse_u64("100", 100, &value), QR_OK);
	assert_true(value == 100);
}

static void seconds_may_have_a_fraction(void **state)
{
	static const char *const bad[] = {"", ".", "-1", "1e3", "inf", "nan", "1.2.3", "1s"};
	qr_ns value = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_not_equal(ctl_units_parse_seconds(bad[i], &value), QR_OK);
	assert_int_equal(ctl_units_parse_seconds("0", &value), QR_OUT_OF_RANGE);
	assert_int_equal(ctl_units_parse_seconds("86401", &value), QR_OUT_OF_RANGE);
	assert_true(value == 7);
	assert_int_equal(ctl_units_parse_seconds("2.5", &value), QR_OK);
	assert_true(value == 2500000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_have_three_digits_and_a_unit),
		cmocka_unit_test(a_figure_never_rounds_up_to_a_thousand_of_its_unit),
		cmocka_unit_test(durations_are_short),
		cmocka_unit_test(spans_name_two_units),
		cmocka_unit_test(counts_are_grouped),
		cmocka_unit_test(an_address_fits_whatever_it_is),
		cmocka_unit_test(numbers_are_digits_only),
		cmocka_unit_test(seconds_may_have_a_fraction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
