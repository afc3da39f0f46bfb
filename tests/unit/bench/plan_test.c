#include "dataplane/bench/plan.h"

#include "tests/unit/unit.h"

#define GIB ((uint64_t)1 << 30)
#define MIB ((uint64_t)1 << 20)

static struct dp_bench_options options;
static const struct dp_bench_device device = {.quorum_write_4k_us_p50 = 100.0,
					      .write_256k_qd4_mib_per_s = 1000.0};

static int setup(void **state)
{
	(void)state;
	options = (struct dp_bench_options){.mode = DP_BENCH_CLOSED,
					    .inflight = 16384,
					    .record_bytes = 64,
					    .seconds = 5.0,
					    .warmup_seconds = 1.0,
					    .groups = 1,
					    .sessions = 1};
	return 0;
}

static struct dp_bench_plan plan_for(uint64_t free_bytes)
{
	struct dp_bench_plan plan;

	assert_true(dp_bench_plan_make(&options, &device, free_bytes, &plan) == QR_OK);
	assert_true(plan.segment_bytes % (8 * MIB) == 0 && plan.segment_bytes != 0);
	assert_true(plan.segments_ahead >= 2 && plan.segments_ahead <= 64);
	assert_true(plan.disk_bytes ==
		    (uint64_t)3 * options.groups * plan.segments_ahead * plan.segment_bytes);
	return plan;
}

static void a_load_at_the_devices_speed_fits(void **state)
{
	struct dp_bench_plan plan = plan_for(1000 * GIB);

	(void)state;
	assert_false(plan.short_of_disk);
	assert_true(plan.segments_ahead * plan.segment_bytes >= 6000 * MIB);
}

static void one_record_in_flight_needs_little(void **state)
{
	struct dp_bench_plan plan;

	(void)state;
	options.inflight = 1;
	plan = plan_for(1000 * GIB);
	/* A block each, 20,000 a second at most, for six seconds. */
	assert_true(plan.segments_ahead * plan.segment_bytes >= 480 * MIB);
	assert_true(plan.segments_ahead * plan.segment_bytes < 1000 * MIB);
}

static void a_small_disk_limits_and_says_so(void **state)
{
	struct dp_bench_plan plan = plan_for(10 * GIB);

	(void)state;
	assert_true(plan.short_of_disk);
	assert_true(2 * plan.disk_bytes <= 8 * GIB);
}

static void groups_share_the_disk(void **state)
{
	struct dp_bench_plan one = plan_for(1000 * GIB);
	struct dp_bench_plan many;

	(void)state;
	options.groups = 16;
	many = plan_for(1000 * GIB);
	assert_true(many.disk_bytes < 2 * one.disk_bytes);
}

static void a_full_disk_is_refused(void **state)
{
	struct dp_bench_plan plan;

	(void)state;
	assert_true(dp_bench_plan_make(&options, &device, 100 * MIB, &plan) == QR_NO_SPACE);
}

static void every_free_space_gives_a_plan_within_it(void **state)
{
	(void)state;
	for (uint64_t free_bytes = GIB; free_bytes < 3000 * GIB; free_bytes += free_bytes / 7) {
		for (options.groups = 1; options.groups <= 64; options.groups *= 4) {
			struct dp_bench_plan plan;
			enum qr_error error =
				dp_bench_plan_make(&options, &device, free_bytes, &plan);

			if (error == QR_OK) {
				assert_true(plan.disk_bytes <= free_bytes / 5 * 2);
			} else {
				assert_true(free_bytes < 2 * GIB * options.groups);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_load_at_the_devices_speed_fits, setup),
		cmocka_unit_test_setup(one_record_in_flight_needs_little, setup),
		cmocka_unit_test_setup(a_small_disk_limits_and_says_so, setup),
		cmocka_unit_test_setup(groups_share_the_disk, setup),
		cmocka_unit_test_setup(a_full_disk_is_refused, setup),
		cmocka_unit_test_setup(every_free_space_gives_a_plan_within_it, setup),
	};

	return cmocka_run_group_tests_name("bench/plan", tests, NULL, NULL);
}
