#include "dataplane/bench/lane.h"

#include "dataplane/bench/content.h"
#include "dataplane/lcore/host.h"

#include <string.h>

#include "tests/unit/unit.h"

#define SIZE 32
#define BURSTS ((uint64_t)2 * DP_BENCH_BURSTS) /* twice what a lane remembers */

/* ---- what stands in for the client and the clock ---- */

static qr_ns now;
static uint64_t accepted;
static uint64_t room;
static enum qr_error refusal;

qr_ns dp_clock_now(void)
{
	return now;
}

enum qr_error dp_producer_append(struct dp_producer *producer, const void *data,
				 uint32_t size_bytes, uint64_t *ret_sequence)
{
	struct dp_bench_identity identity;

	(void)producer;
	if (room == 0)
		return refusal;
	assert_true(dp_bench_content_identify((struct qr_span){data, size_bytes}, &identity));
	assert_true(identity.sequence == accepted);
	room--;
	*ret_sequence = accepted++;
	return QR_OK;
}

/* ---- a lane ---- */

static struct dp_bench_options options;
static struct dp_bench_times times;
static struct dp_bench_tally tally;
static struct dp_bench_lane lane;
static struct dp_bench_lane_config config;

static int setup(void **state)
{
	(void)state;
	options = (struct dp_bench_options){
		.mode = DP_BENCH_CLOSED, .inflight = 10, .record_bytes = SIZE};
	times = (struct dp_bench_times){.start = 1000, .measure = 1000, .end = 1000000000};
	memset(&tally, 0, sizeof(tally));
	config = (struct dp_bench_lane_config){.options = &options,
					       .times = &times,
					       .tally = &tally,
					       .run = 0x420000,
					       .lane_count = 1};
	accepted = 0;
	room = UINT64_MAX;
	refusal = QR_AGAIN;
	now = 1000;
	return 0;
}

static void start(void)
{
	assert_true(dp_bench_lane_init(&lane, &config) == QR_OK);
	dp_bench_lane_start(&lane, &config);
}

static int teardown(void **state)
{
	(void)state;
	dp_bench_lane_fini(&lane);
	return 0;
}

static uint64_t max_us(void)
{
	return tally.latency.max_ns / 1000;
}

static void a_closed_loop_keeps_its_number_in_flight(void **state)
{
	(void)state;
	start();
	assert_true(dp_bench_lane_generate(&lane, now));
	assert_true(accepted == 10);
	assert_false(dp_bench_lane_generate(&lane, now));
	dp_bench_lane_done(&lane, 0, 3, 100, QR_OK);
	assert_true(dp_bench_lane_generate(&lane, now));
	assert_true(accepted == 13);
}

static void lanes_share_what_is_in_flight(void **state)
{
	uint64_t total = 0;

	(void)state;
	config.lane_count = 3;
	for (config.number = 0; config.number < 3; config.number++) {
		start();
		total += lane.target;
		if (config.number < 2)
			dp_bench_lane_fini(&lane);
	}
	assert_true(total == 10);
}

static void latency_is_from_when_each_was_sent(void **state)
{
	(void)state;
	room = 4;
	start();
	(void)dp_bench_lane_generate(&lane, now); /* 0..3 */
	room = UINT64_MAX;
	now += 50000;
	(void)dp_bench_lane_generate(&lane, now); /* 4..9 */
	now += 20000;
	dp_bench_lane_done(&lane, 0, 4, 0, QR_OK);
	assert_true(max_us() == 70);
	qr_histogram_reset(&tally.latency);
	dp_bench_lane_done(&lane, 4, 6, 4, QR_OK);
	assert_true(max_us() == 20);
	assert_true(tally.latency.count == 6);
	assert_true(tally.acked == 10 && tally.acked_total == 10);
	assert_true(lane.ledger.run_count == 1);
}

static void an_open_loop_charges_a_stall_to_all_that_it_delays(void **state)
{
	(void)state;
	options.mode = DP_BENCH_OPEN;
	options.rate = 1e6;
	room = 0;
	start();
	now += 100000; /* 100 us: nothing could leave */
	assert_false(dp_bench_lane_generate(&lane, now));
	room = UINT64_MAX;
	assert_true(dp_bench_lane_generate(&lane, now));
	assert_true(accepted == 101);
	dp_bench_lane_done(&lane, 0, 101, 0, QR_OK);
	assert_true(max_us() == 100);
	assert_true(tally.latency.count == 101);
	/* On average they waited for half of it. */
	assert_in_range(tally.latency.sum_ns / tally.latency.count, 49000, 51000);
}

static void open_lanes_take_turns(void **state)
{
	(void)state;
	options.mode = DP_BENCH_OPEN;
	options.rate = 1000.0;
	config.lane_count = 2;
	config.number = 1;
	start();
	assert_true(dp_bench_schedule_at(&lane.schedule, 0) == 1000 + 1000000);
	assert_true(dp_bench_schedule_at(&lane.schedule, 1) == 1000 + 3000000);
}

static void what_was_due_and_never_sent_is_counted(void **state)
{
	(void)state;
	options.mode = DP_BENCH_OPEN;
	options.rate = 1000.0;
	times.end = 1000 + 1000000000;
	room = 400;
	start();
	(void)dp_bench_lane_generate(&lane, times.end);
	assert_true(accepted == 400);
	assert_true(dp_bench_lane_unsent(&lane) == 600);
}

static void only_the_measured_time_counts(void **state)
{
	(void)state;
	times.measure = 5000;
	start();
	(void)dp_bench_lane_generate(&lane, now); /* sent in the warm-up */
	now = 6000;
	dp_bench_lane_done(&lane, 0, 10, 0, QR_OK);
	assert_true(tally.latency.count == 0);
	assert_true(tally.acked == 10); /* but answered in time */
	(void)dp_bench_lane_generate(&lane, now);
	now = times.end + 1;
	dp_bench_lane_done(&lane, 10, 10, 10, QR_OK);
	assert_true(tally.latency.count == 10);
	assert_true(tally.acked == 10 && tally.acked_total == 20);
}

static void a_failed_append_is_an_error_and_not_in_the_ledger(void **state)
{
	(void)state;
	start();
	(void)dp_bench_lane_generate(&lane, now);
	dp_bench_lane_done(&lane, 0, 10, 0, QR_TIMED_OUT);
	assert_true(tally.errors == 10 && tally.error == QR_TIMED_OUT);
	assert_true(lane.ledger.records == 0 && tally.latency.count == 0);
	assert_true(lane.answered == lane.appended);
}

static void an_ended_producer_is_left_alone(void **state)
{
	(void)state;
	room = 0;
	refusal = QR_EXPIRED;
	start();
	assert_false(dp_bench_lane_generate(&lane, now));
	assert_true(lane.appended == 0);
}

static void many_single_bursts_are_remembered_or_merged(void **state)
{
	(void)state;
	options.inflight = (uint64_t)3 * DP_BENCH_BURSTS;
	start();
	for (unsigned i = 0; i < BURSTS; i++) {
		room = 1;
		(void)dp_bench_lane_generate(&lane, now);
		now += 1;
	}
	dp_bench_lane_done(&lane, 0, (uint32_t)BURSTS, 0, QR_OK);
	assert_true(tally.latency.count == BURSTS);
	assert_true(lane.answered == BURSTS);
}

int main(void)
{
#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		STORY(a_closed_loop_keeps_its_number_in_flight),
		STORY(lanes_share_what_is_in_flight),
		STORY(latency_is_from_when_each_was_sent),
		STORY(an_open_loop_charges_a_stall_to_all_that_it_delays),
		STORY(open_lanes_take_turns),
		STORY(what_was_due_and_never_sent_is_counted),
		STORY(only_the_measured_time_counts),
		STORY(a_failed_append_is_an_error_and_not_in_the_ledger),
		STORY(an_ended_producer_is_left_alone),
		STORY(many_single_bursts_are_remembered_or_merged),
	};

	return cmocka_run_group_tests_name("bench/lane", tests, NULL, NULL);
}
