#include "dataplane/bench/ledger.h"

#include "tests/unit/unit.h"

static struct dp_bench_ledger ledger;

static int setup(void **state)
{
	(void)state;
	return dp_bench_ledger_init(&ledger, 4) == QR_OK ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	dp_bench_ledger_fini(&ledger);
	return 0;
}

static void acks_that_continue_are_one_run(void **state)
{
	uint64_t twice;

	(void)state;
	for (uint64_t i = 0; i < 1000; i++)
		dp_bench_ledger_add(&ledger, i * 3, 3, 50 + i * 3);
	assert_int_equal(ledger.run_count, 1);
	assert_true(ledger.records == 3000);
	assert_true(ledger.runs[0].count == 3000 && ledger.runs[0].offset == 50);
	assert_true(dp_bench_ledger_sort(&ledger, &twice));
}

static void a_jump_in_the_offset_begins_a_run(void **state)
{
	(void)state;
	dp_bench_ledger_add(&ledger, 0, 10, 0);
	dp_bench_ledger_add(&ledger, 10, 10, 11);
	assert_int_equal(ledger.run_count, 2);
}

static void late_acks_are_put_in_order(void **state)
{
	uint64_t twice;

	(void)state;
	dp_bench_ledger_add(&ledger, 20, 10, 120);
	dp_bench_ledger_add(&ledger, 0, 10, 100);
	dp_bench_ledger_add(&ledger, 10, 10, 111);
	assert_true(dp_bench_ledger_sort(&ledger, &twice));
	assert_true(ledger.runs[0].sequence == 0);
	assert_true(ledger.runs[1].sequence == 10 && ledger.runs[1].offset == 111);
	assert_true(ledger.runs[2].sequence == 20);
}

static void a_second_ack_is_noticed(void **state)
{
	uint64_t twice = 0;

	(void)state;
	dp_bench_ledger_add(&ledger, 0, 10, 0);
	dp_bench_ledger_add(&ledger, 9, 1, 9);
	assert_false(dp_bench_ledger_sort(&ledger, &twice));
	assert_true(twice == 9);
}

static void what_does_not_fit_is_said(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 4; i++)
		dp_bench_ledger_add(&ledger, i, 1, i * 2);
	assert_false(ledger.overflowed);
	dp_bench_ledger_add(&ledger, 4, 1, 100);
	assert_true(ledger.overflowed);
	assert_true(ledger.records == 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(acks_that_continue_are_one_run, setup, teardown),
		cmocka_unit_test_setup_teardown(a_jump_in_the_offset_begins_a_run, setup, teardown),
		cmocka_unit_test_setup_teardown(late_acks_are_put_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(a_second_ack_is_noticed, setup, teardown),
		cmocka_unit_test_setup_teardown(what_does_not_fit_is_said, setup, teardown),
	};

	return cmocka_run_group_tests_name("bench/ledger", tests, NULL, NULL);
}
