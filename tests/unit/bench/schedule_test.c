#include "dataplane/bench/schedule.h"

#include "tests/unit/unit.h"

static void the_first_record_is_due_at_the_start(void **state)
{
	struct dp_bench_schedule schedule;

	(void)state;
	dp_bench_schedule_init(&schedule, 1000, 1e6);
	assert_true(dp_bench_schedule_due(&schedule, 0) == 0);
	assert_true(dp_bench_schedule_due(&schedule, 999) == 0);
	assert_true(dp_bench_schedule_due(&schedule, 1000) == 1);
	assert_true(dp_bench_schedule_at(&schedule, 0) == 1000);
}

static void a_record_is_due_every_interval(void **state)
{
	struct dp_bench_schedule schedule;

	(void)state;
	dp_bench_schedule_init(&schedule, 0, 1000.0);
	for (uint64_t i = 0; i < 1000; i++) {
		assert_true(dp_bench_schedule_at(&schedule, i) == i * 1000000);
		assert_true(dp_bench_schedule_due(&schedule, i * 1000000 + 999999) == i + 1);
	}
}

static void due_and_at_are_inverse_to_the_nanosecond(void **state)
{
	static const double rates[] = {1.0, 3.0, 7.5, 999.0, 123456.7, 3e6, 5e6, 7e8, 1e9};

	(void)state;
	for (unsigned r = 0; r < sizeof(rates) / sizeof(rates[0]); r++) {
		struct dp_bench_schedule schedule;

		dp_bench_schedule_init(&schedule, 17, rates[r]);
		for (qr_ns now = 17; now < 100000000000u; now += now / 3 + 1) {
			uint64_t due = dp_bench_schedule_due(&schedule, now);

			assert_true(dp_bench_schedule_at(&schedule, due - 1) <= now);
			assert_true(dp_bench_schedule_at(&schedule, due) > now);
		}
	}
}

static void the_rate_does_not_drift_in_a_day(void **state)
{
	const uint64_t day = 86400;
	struct dp_bench_schedule schedule;
	uint64_t due;

	(void)state;
	dp_bench_schedule_init(&schedule, 0, 3e6);
	due = dp_bench_schedule_due(&schedule, day * 1000000000u);
	assert_true(due - day * 3000000 <= 100);
}

static void a_stall_delays_nothing(void **state)
{
	/* What coordinated omission would hide: after a stall everything that was due is due. */
	struct dp_bench_schedule schedule;

	(void)state;
	dp_bench_schedule_init(&schedule, 0, 100000.0);
	assert_true(dp_bench_schedule_due(&schedule, 50000000) == 5001);
	assert_true(dp_bench_schedule_at(&schedule, 1) == 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_record_is_due_at_the_start),
		cmocka_unit_test(a_record_is_due_every_interval),
		cmocka_unit_test(due_and_at_are_inverse_to_the_nanosecond),
		cmocka_unit_test(the_rate_does_not_drift_in_a_day),
		cmocka_unit_test(a_stall_delays_nothing),
	};

	return cmocka_run_group_tests_name("bench/schedule", tests, NULL, NULL);
}
