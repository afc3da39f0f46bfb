#include "control/cli/cpulist.h"

#include "tests/unit/unit.h"

static void expect(const char *text, const char *expected, unsigned count)
{
	struct ctl_cpulist list;
	char out[64];

	assert_int_equal(ctl_cpulist_parse(text, &list), QR_OK);
	assert_int_equal(ctl_cpulist_count(&list), count);
	ctl_cpulist_format(&list, out, sizeof(out));
	assert_string_equal(out, expected);
}

static void the_kernel_s_notation_is_read_and_written(void **state)
{
	(void)state;
	expect("", "", 0);
	expect("0", "0", 1);
	expect("0-3,8", "0-3,8", 5);
	expect("2,3,1", "1-3", 3);
	expect("63-64,1023", "63-64,1023", 3);
}

static void anything_else_is_refused(void **state)
{
	static const char *const bad[] = {"a", "1-", "-1", "1,", ",1", "3-1", "1 2", "0x1"};
	struct ctl_cpulist list;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(ctl_cpulist_parse(bad[i], &list), QR_MALFORMED);
	assert_int_equal(ctl_cpulist_parse("1024", &list), QR_OUT_OF_RANGE);
	assert_int_equal(ctl_cpulist_parse("0-99999999999", &list), QR_OUT_OF_RANGE);
}

static void sets_combine(void **state)
{
	struct ctl_cpulist a;
	struct ctl_cpulist b;
	struct ctl_cpulist out;

	(void)state;
	assert_int_equal(ctl_cpulist_parse("0-3", &a), QR_OK);
	assert_int_equal(ctl_cpulist_parse("2-5", &b), QR_OK);
	out = ctl_cpulist_both(&a, &b);
	assert_int_equal(ctl_cpulist_count(&out), 2);
	out = ctl_cpulist_either(&a, &b);
	assert_int_equal(ctl_cpulist_count(&out), 6);
	out = ctl_cpulist_without(&a, &b);
	assert_true(ctl_cpulist_has(&out, 1));
	assert_false(ctl_cpulist_has(&out, 2));
	assert_false(ctl_cpulist_has(&out, 5000));
}

static void a_long_list_is_cut_visibly(void **state)
{
	struct ctl_cpulist list = {0};
	char out[16];

	(void)state;
	for (unsigned cpu = 0; cpu < 100; cpu += 2)
		ctl_cpulist_add(&list, cpu);
	ctl_cpulist_format(&list, out, sizeof(out));
	assert_string_equal(out, "0,2,4,6,8,10...");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_kernel_s_notation_is_read_and_written),
		cmocka_unit_test(anything_else_is_refused),
		cmocka_unit_test(sets_combine),
		cmocka_unit_test(a_long_list_is_cut_visibly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
