/* What a poll loop does after a turn without work. */
#include "tests/unit/unit.h"

#include "dataplane/lcore/idle.h"

#define US ((qr_ns)1000)
#define MS ((qr_ns)1000000)
#define NEVER UINT64_MAX

static enum dp_idle_action next(enum dp_idle policy, bool isolated, qr_ns idle_ns,
				qr_ns deadline_in_ns, qr_ns *ret_sleep_ns)
{
	struct dp_idler idler;
	qr_ns start = 1000 * MS;
	qr_ns deadline = deadline_in_ns == NEVER ? NEVER : start + idle_ns + deadline_in_ns;

	dp_idler_init(&idler, policy, isolated, start);
	*ret_sleep_ns = 0;
	return dp_idler_next(&idler, start + idle_ns, deadline, ret_sleep_ns);
}

static void polling_never_sleeps_and_yields_unless_isolated(void **state)
{
	qr_ns sleep_ns;

	(void)state;
	assert_int_equal(next(DP_IDLE_POLL, false, 0, NEVER, &sleep_ns), DP_IDLE_YIELD);
	assert_int_equal(next(DP_IDLE_POLL, false, 1000 * MS, NEVER, &sleep_ns), DP_IDLE_YIELD);
	assert_int_equal(next(DP_IDLE_POLL, true, 1000 * MS, NEVER, &sleep_ns), DP_IDLE_SPIN);
}

static void adaptive_yields_for_the_time_of_a_disk_write(void **state)
{
	qr_ns sleep_ns;

	(void)state;
	assert_int_equal(next(DP_IDLE_ADAPTIVE, false, 0, NEVER, &sleep_ns), DP_IDLE_YIELD);
	assert_int_equal(next(DP_IDLE_ADAPTIVE, false, 99 * US, NEVER, &sleep_ns), DP_IDLE_YIELD);
	assert_int_equal(next(DP_IDLE_ADAPTIVE, false, 100 * US, NEVER, &sleep_ns), DP_IDLE_SLEEP);
}

static void a_sleep_is_an_eighth_of_the_idle_time_within_bounds(void **state)
{
	qr_ns sleep_ns;

	(void)state;
	(void)next(DP_IDLE_ADAPTIVE, false, 100 * US, NEVER, &sleep_ns);
	assert_int_equal(sleep_ns, 50 * US);
	(void)next(DP_IDLE_ADAPTIVE, false, 4 * MS, NEVER, &sleep_ns);
	assert_int_equal(sleep_ns, 500 * US);
	(void)next(DP_IDLE_ADAPTIVE, false, 10000 * MS, NEVER, &sleep_ns);
	assert_int_equal(sleep_ns, 1 * MS);
}

static void a_sleep_ends_at_the_next_deadline(void **state)
{
	qr_ns sleep_ns;

	(void)state;
	assert_int_equal(next(DP_IDLE_ADAPTIVE, false, 100 * MS, 30 * US, &sleep_ns),
			 DP_IDLE_SLEEP);
	assert_int_equal(sleep_ns, 30 * US);
	assert_int_equal(next(DP_IDLE_ADAPTIVE, false, 100 * MS, 19 * US, &sleep_ns),
			 DP_IDLE_YIELD);
	assert_int_equal(next(DP_IDLE_ADAPTIVE, false, 100 * MS, 0, &sleep_ns), DP_IDLE_YIELD);
}

static void a_deadline_in_the_past_is_now(void **state)
{
	struct dp_idler idler;
	qr_ns sleep_ns = 0;

	(void)state;
	dp_idler_init(&idler, DP_IDLE_ADAPTIVE, false, 0);
	assert_int_equal(dp_idler_next(&idler, 100 * MS, 1 * MS, &sleep_ns), DP_IDLE_YIELD);
}

static void a_poller_without_deadlines_bounds_the_sleep(void **state)
{
	struct dp_idler idler;
	qr_ns sleep_ns = 0;

	(void)state;
	dp_idler_init(&idler, DP_IDLE_ADAPTIVE, false, 0);
	idler.sleep_max_ns = DP_IDLE_SLEEP_MIN_NS;
	assert_int_equal(dp_idler_next(&idler, 1000 * MS, NEVER, &sleep_ns), DP_IDLE_SLEEP);
	assert_int_equal(sleep_ns, DP_IDLE_SLEEP_MIN_NS);
}

static void a_busy_loop_yields_now_and_then_unless_isolated(void **state)
{
	struct dp_idler idler;

	(void)state;
	dp_idler_init(&idler, DP_IDLE_POLL, false, 0);
	assert_false(dp_idler_busy(&idler, 49 * US));
	assert_true(dp_idler_busy(&idler, 50 * US));
	assert_false(dp_idler_busy(&idler, 51 * US));
	assert_true(dp_idler_busy(&idler, 100 * US));
	dp_idler_init(&idler, DP_IDLE_POLL, true, 0);
	assert_false(dp_idler_busy(&idler, 1000 * MS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(polling_never_sleeps_and_yields_unless_isolated),
		cmocka_unit_test(adaptive_yields_for_the_time_of_a_disk_write),
		cmocka_unit_test(a_sleep_is_an_eighth_of_the_idle_time_within_bounds),
		cmocka_unit_test(a_sleep_ends_at_the_next_deadline),
		cmocka_unit_test(a_deadline_in_the_past_is_now),
		cmocka_unit_test(a_poller_without_deadlines_bounds_the_sleep),
		cmocka_unit_test(a_busy_loop_yields_now_and_then_unless_isolated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
