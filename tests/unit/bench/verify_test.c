#include "dataplane/bench/verify.h"

#include "consensus/base/assert.h"
#include "dataplane/bench/content.h"

#include "tests/unit/unit.h"

#define SIZE 40
#define STREAMS 2
#define FIRST 3 /* number of the first stream: another log has those before */
#define RUN 0x5151515151510000u

static struct dp_bench_ledger ledgers[STREAMS];
static uint8_t patterns[STREAMS][SIZE];
static struct dp_bench_stream streams[STREAMS];
static struct dp_bench_verify verify;
static qr_offset at; /* next offset of the log */

static int setup(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < STREAMS; i++) {
		uint64_t token = dp_bench_token(RUN, FIRST + i);

		if (dp_bench_ledger_init(&ledgers[i], 100) != QR_OK)
			return -1;
		dp_bench_content_fill(token, patterns[i], SIZE);
		streams[i] = (struct dp_bench_stream){
			.token = token, .pattern = {patterns[i], SIZE}, .ledger = &ledgers[i]};
	}
	verify = (struct dp_bench_verify){
		.streams = streams, .stream_count = STREAMS, .first_number = FIRST};
	at = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < STREAMS; i++)
		dp_bench_ledger_fini(&ledgers[i]);
	return 0;
}

/** The log's next record is number `sequence` of a stream. */
static bool next(unsigned stream, uint64_t sequence)
{
	uint8_t record[SIZE];

	memcpy(record, patterns[stream], SIZE);
	dp_bench_content_stamp(record, sequence);
	return dp_bench_verify_record(&verify, at++, (struct qr_span){record, SIZE});
}

static void a_log_as_acknowledged_holds(void **state)
{
	(void)state;
	dp_bench_ledger_add(&ledgers[0], 0, 2, 0);
	dp_bench_ledger_add(&ledgers[1], 0, 1, 2);
	dp_bench_ledger_add(&ledgers[0], 2, 1, 3);
	assert_true(dp_bench_verify_begin(&verify, 0));
	assert_true(next(0, 0) && next(0, 1) && next(1, 0) && next(0, 2));
	assert_true(dp_bench_verify_end(&verify));
	assert_true(verify.verified == 4);
	assert_true(verify.unacked == 0 && verify.foreign == 0);
}

static void what_was_in_flight_at_the_end_may_be_there(void **state)
{
	(void)state;
	dp_bench_ledger_add(&ledgers[0], 0, 1, 0);
	assert_true(dp_bench_verify_begin(&verify, 0));
	assert_true(next(0, 0) && next(0, 1) && next(1, 0));
	assert_true(dp_bench_verify_end(&verify));
	assert_true(verify.verified == 1 && verify.unacked == 2);
}

static void an_ack_may_be_lost_between_two_that_came(void **state)
{
	(void)state;
	dp_bench_ledger_add(&ledgers[0], 0, 1, 0);
	dp_bench_ledger_add(&ledgers[0], 2, 1, 2);
	assert_true(dp_bench_verify_begin(&verify, 0));
	assert_true(next(0, 0) && next(0, 1) && next(0, 2));
	assert_true(dp_bench_verify_end(&verify));
	assert_true(verify.verified == 2 && verify.unacked == 1);
}

static void a_missing_acknowledged_record_is_a_fault(void **state)
{
	(void)state;
	dp_bench_ledger_add(&ledgers[0], 0, 3, 0);
	assert_true(dp_bench_verify_begin(&verify, 0));
	assert_true(next(0, 0) && next(0, 1));
	assert_false(dp_bench_verify_end(&verify));
	assert_non_null(strstr(verify.problem, "record 2 of producer 3"));
	assert_non_null(strstr(verify.problem, "offset 2 "));
}

static void an_acknowledged_stream_that_is_not_there_is_a_fault(void **state)
{
	(void)state;
	dp_bench_ledger_add(&ledgers[1], 5, 1, 77);
	assert_true(dp_bench_verify_begin(&verify, 0));
	assert_false(dp_bench_verify_end(&verify));
	assert_non_null(strstr(verify.problem, "record 5 of producer 4"));
	assert_non_null(strstr(verify.problem, "offset 77"));
}

static void a_hole_in_a_stream_is_a_fault(void **state)
{
	(void)state;
	assert_true(dp_bench_verify_begin(&verify, 0));
	assert_true(next(0, 0));
	assert_false(next(0, 2));
	assert_non_null(strstr(verify.problem, "some are missing"));
}

static void a_record_twice_is_a_fault(void **state)
{
	(void)state;
	assert_true(dp_bench_verify_begin(&verify, 0));
	assert_true(next(0, 0) && next(0, 1));
	assert_false(next(0, 1));
	assert_non_null(strstr(verify.problem, "twice"));
}

static void another_place_than_acknowledged_is_a_fault(void **state)
{
	(void)state;
	dp_bench_ledger_add(&ledgers[0], 0, 1, 1);
	dp_bench_ledger_add(&ledgers[1], 0, 1, 0);
	assert_true(dp_bench_verify_begin(&verify, 0));
	assert_false(next(0, 0));
	assert_non_null(strstr(verify.problem, "acknowledged at 1"));
}

static void a_changed_byte_is_a_fault(void **state)
{
	uint8_t record[SIZE];

	(void)state;
	assert_true(dp_bench_verify_begin(&verify, 0));
	memcpy(record, patterns[0], SIZE);
	record[SIZE - 1] ^= 1;
	assert_false(dp_bench_verify_record(&verify, 0, (struct qr_span){record, SIZE}));
	assert_non_null(strstr(verify.problem, "changed"));
}

static void a_gap_in_the_offsets_is_a_fault(void **state)
{
	(void)state;
	at = 10;
	assert_true(dp_bench_verify_begin(&verify, 10));
	assert_true(next(0, 0));
	at++;
	assert_false(next(0, 1));
}

static void others_may_only_be_in_a_shared_log(void **state)
{
	static const uint8_t foreign[SIZE] = {1};
	const struct qr_span record = {foreign, SIZE};

	(void)state;
	assert_true(dp_bench_verify_begin(&verify, 0));
	assert_false(dp_bench_verify_record(&verify, 0, record));

	verify.shared = true;
	assert_true(dp_bench_verify_begin(&verify, 0));
	assert_true(dp_bench_verify_record(&verify, 0, record));
	assert_true(dp_bench_verify_record(&verify, 1, (struct qr_span){foreign, 3}));
	assert_true(verify.foreign == 2);
}

static void an_ack_that_came_twice_is_a_fault(void **state)
{
	(void)state;
	dp_bench_ledger_add(&ledgers[0], 0, 2, 0);
	dp_bench_ledger_add(&ledgers[0], 0, 2, 2);
	assert_false(dp_bench_verify_begin(&verify, 0));
	assert_non_null(strstr(verify.problem, "twice"));
}

int main(void)
{
#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		STORY(a_log_as_acknowledged_holds),
		STORY(what_was_in_flight_at_the_end_may_be_there),
		STORY(an_ack_may_be_lost_between_two_that_came),
		STORY(a_missing_acknowledged_record_is_a_fault),
		STORY(an_acknowledged_stream_that_is_not_there_is_a_fault),
		STORY(a_hole_in_a_stream_is_a_fault),
		STORY(a_record_twice_is_a_fault),
		STORY(another_place_than_acknowledged_is_a_fault),
		STORY(a_changed_byte_is_a_fault),
		STORY(a_gap_in_the_offsets_is_a_fault),
		STORY(others_may_only_be_in_a_shared_log),
		STORY(an_ack_that_came_twice_is_a_fault),
	};

	return cmocka_run_group_tests_name("bench/verify", tests, NULL, NULL);
}
