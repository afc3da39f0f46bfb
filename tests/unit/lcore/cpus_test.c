/* Lists of CPUs as text. */
#include "tests/unit/unit.h"

#include "dataplane/lcore/cpus.h"

static void lists_and_ranges_are_read_in_their_order(void **state)
{
	struct dp_cpus cpus;

	(void)state;
	dp_cpus_parse("8,2-4\n", &cpus);
	assert_int_equal(cpus.count, 4);
	assert_int_equal(cpus.list[0], 8);
	assert_int_equal(cpus.list[3], 4);
	assert_true(dp_cpus_has(&cpus, 3));
	assert_false(dp_cpus_has(&cpus, 5));
}

static void nothing_is_an_empty_list(void **state)
{
	struct dp_cpus cpus;

	(void)state;
	dp_cpus_parse("", &cpus);
	assert_int_equal(cpus.count, 0);
	dp_cpus_parse("\n", &cpus);
	assert_int_equal(cpus.count, 0);
}

static void numbers_beyond_any_machine_are_left_out(void **state)
{
	struct dp_cpus cpus;

	(void)state;
	dp_cpus_parse("1023-99999999,5", &cpus);
	assert_int_equal(cpus.count, 2);
	assert_int_equal(cpus.list[1], 5);
}

static void printing_makes_ranges(void **state)
{
	struct dp_cpus cpus;
	char text[32];

	(void)state;
	dp_cpus_parse("0-1,3,5,6,7", &cpus);
	assert_true(dp_cpus_print(&cpus, text, sizeof(text)));
	assert_string_equal(text, "0-1,3,5-7");
	assert_false(dp_cpus_print(&cpus, text, 5));
	dp_cpus_parse("", &cpus);
	assert_false(dp_cpus_print(&cpus, text, sizeof(text)));
}

static void this_process_may_run_somewhere(void **state)
{
	struct dp_cpus cpus;

	(void)state;
	dp_cpus_allowed(&cpus);
	assert_true(cpus.count >= 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_and_ranges_are_read_in_their_order),
		cmocka_unit_test(nothing_is_an_empty_list),
		cmocka_unit_test(numbers_beyond_any_machine_are_left_out),
		cmocka_unit_test(printing_makes_ranges),
		cmocka_unit_test(this_process_may_run_somewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
