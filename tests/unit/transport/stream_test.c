/* Stories of one sender. Times in ns; a fragment is 1000 bytes, an entry 2500: three fragments. */
#include "dataplane/transport/stream.h"

#include "tests/unit/unit.h"

#define FRAGMENT_BYTES 1000u
#define ENTRY_BYTES 2500u
#define TIMEOUT_NS ((qr_ns)200000)
#define INCARNATION 77u

static struct dp_stream started(qr_index received, qr_index end)
{
	struct dp_stream stream;

	dp_stream_init(&stream, TIMEOUT_NS);
	dp_stream_start(&stream, received, 1000, 1);
	dp_stream_extend(&stream, end);
	return stream;
}

/** Send one fragment as the node would. @return what was wanted, index 0 when nothing. */
static struct dp_stream_want send_one(struct dp_stream *stream, qr_ns now_ns)
{
	struct dp_stream_want want = {0};
	uint32_t until;
	uint32_t bytes;

	if (dp_stream_next(stream, now_ns, &want) != QR_OK)
		return (struct dp_stream_want){0};
	until = want.until == 0 || want.until > ENTRY_BYTES ? ENTRY_BYTES : want.until;
	bytes = want.from < until ? until - want.from : 0;
	if (bytes > FRAGMENT_BYTES)
		bytes = FRAGMENT_BYTES;
	dp_stream_sent(stream, &want, bytes, ENTRY_BYTES, now_ns);
	return want;
}

static unsigned send_all(struct dp_stream *stream, qr_ns now_ns)
{
	unsigned count = 0;

	while (send_one(stream, now_ns).index != 0)
		count++;
	return count;
}

static void hear(struct dp_stream *stream, qr_index received, uint32_t bytes, qr_ns now_ns)
{
	struct wire_ack ack = {.received = received, .received_bytes = bytes, .credit = 1000};

	dp_stream_ack(stream, &ack, INCARNATION, now_ns);
}

static void assert_want(struct dp_stream_want want, qr_index index, uint32_t from, bool again)
{
	assert_int_equal(want.index, index);
	assert_int_equal(want.from, from);
	assert_int_equal(want.again, again);
}

static void new_bytes_go_in_order_up_to_the_end(void **state)
{
	struct dp_stream stream = started(4, 6);

	(void)state;
	for (qr_index index = 5; index <= 6; index++) {
		for (uint32_t from = 0; from < ENTRY_BYTES; from += FRAGMENT_BYTES)
			assert_want(send_one(&stream, 10), index, from, false);
	}
	assert_int_equal(send_one(&stream, 10).index, 0);
	dp_stream_extend(&stream, 7);
	assert_want(send_one(&stream, 11), 7, 0, false);
}

static void after_all_is_received_nothing_is_sent(void **state)
{
	struct dp_stream stream = started(0, 2);

	(void)state;
	assert_int_equal(send_all(&stream, 10), 6);
	hear(&stream, 2, 0, 20);
	assert_true(dp_stream_deadline(&stream) == UINT64_MAX);
	assert_int_equal(send_all(&stream, 1000 * TIMEOUT_NS), 0);
	assert_int_equal(stream.retransmits, 0);
}

static void a_stopped_stream_is_silent(void **state)
{
	struct dp_stream stream = started(0, 2);

	(void)state;
	dp_stream_stop(&stream);
	hear(&stream, 1, 0, 20);
	assert_int_equal(stream.received, 0);
	assert_true(dp_stream_deadline(&stream) == UINT64_MAX);
	assert_int_equal(send_all(&stream, 1000 * TIMEOUT_NS), 0);
}

static void the_loss_of_the_last_fragment_is_repaired_by_the_timeout(void **state)
{
	struct dp_stream stream = started(0, 2);

	(void)state;
	assert_int_equal(send_all(&stream, 1000), 6);
	hear(&stream, 1, 2000, 2000);
	assert_true(dp_stream_deadline(&stream) == 2000 + TIMEOUT_NS);
	assert_int_equal(send_all(&stream, 2000 + TIMEOUT_NS - 1), 0);
	assert_want(send_one(&stream, 2000 + TIMEOUT_NS), 2, 2000, true);
	assert_int_equal(send_one(&stream, 2000 + TIMEOUT_NS).index, 0);
	assert_int_equal(stream.retransmits, 1);
}

static void timeouts_back_off_up_to_a_bound_and_recover_with_progress(void **state)
{
	struct dp_stream stream = started(0, 2);
	qr_ns now = 1000;

	(void)state;
	(void)send_all(&stream, now);
	for (unsigned i = 0; i < 10; i++) {
		unsigned doublings = i < DP_STREAM_BACKOFF_MAX ? i : DP_STREAM_BACKOFF_MAX;
		qr_ns deadline = dp_stream_deadline(&stream);

		assert_true(deadline == now + (TIMEOUT_NS << doublings));
		assert_int_equal(send_all(&stream, deadline - 1), 0);
		now = deadline;
		assert_int_equal(send_all(&stream, now), 6);
	}
	hear(&stream, 1, 0, now + 5);
	assert_true(dp_stream_deadline(&stream) == now + 5 + TIMEOUT_NS);
}

static void after_a_timeout_only_a_burst_goes_until_there_is_progress(void **state)
{
	struct dp_stream stream = started(0, 100);

	(void)state;
	assert_int_equal(send_all(&stream, 1000), 300);
	assert_int_equal(send_all(&stream, 1000 + TIMEOUT_NS), DP_STREAM_BURST);
	assert_int_equal(send_all(&stream, 1001 + TIMEOUT_NS), 0);
	hear(&stream, 1, 0, 2000 + TIMEOUT_NS);
	assert_int_equal(send_all(&stream, 2000 + TIMEOUT_NS), DP_STREAM_BURST);
	hear(&stream, 99, 0, 3000 + TIMEOUT_NS);
	assert_int_equal(send_all(&stream, 3000 + TIMEOUT_NS), 3);
}

static void a_timeout_that_was_spurious_is_taken_back(void **state)
{
	struct dp_stream stream = started(0, 4);
	struct wire_ack ack = {.received = 1, .credit = 1000, .echo_ns = 1000};

	(void)state;
	assert_int_equal(send_all(&stream, 1000), 12);
	assert_want(send_one(&stream, 1000 + TIMEOUT_NS), 1, 0, true);
	dp_stream_ack(&stream, &ack, INCARNATION, 1010 + TIMEOUT_NS); /* of what went before */
	assert_int_equal(send_all(&stream, 1010 + TIMEOUT_NS), 0);
	assert_int_equal(stream.retransmits, 1);
}

static void a_timeout_that_was_right_is_not_taken_back(void **state)
{
	struct dp_stream stream = started(0, 4);
	struct wire_ack ack = {.received = 0, .received_bytes = 1000, .credit = 1000};

	(void)state;
	assert_int_equal(send_all(&stream, 1000), 12);
	assert_want(send_one(&stream, 1000 + TIMEOUT_NS), 1, 0, true);
	ack.echo_ns = 1000 + TIMEOUT_NS;
	dp_stream_ack(&stream, &ack, INCARNATION, 1010 + TIMEOUT_NS);
	assert_int_equal(send_all(&stream, 1010 + TIMEOUT_NS), 11);
}

static void silence_before_new_entries_is_no_timeout(void **state)
{
	struct dp_stream stream = started(0, 1);
	qr_ns later = 5000 * TIMEOUT_NS;
	struct dp_stream_want want;

	(void)state;
	(void)send_all(&stream, 1000);
	hear(&stream, 1, 0, 2000);
	dp_stream_extend(&stream, 2);
	want = send_one(&stream, later);
	assert_want(want, 2, 0, false);
	assert_false(want.probe);
	assert_int_equal(stream.timeouts, 0);
	assert_true(dp_stream_deadline(&stream) == later + TIMEOUT_NS);
}

static void a_lost_grant_of_credit_is_asked_for_again(void **state)
{
	struct dp_stream stream = started(0, 1);
	struct dp_stream_want want;

	(void)state;
	/* The node finds no credit, and does not send; in the end it is allowed one fragment. */
	assert_int_equal(dp_stream_next(&stream, 1000, &want), QR_OK);
	assert_false(want.probe);
	assert_true(dp_stream_deadline(&stream) == 1000 + TIMEOUT_NS);
	assert_int_equal(dp_stream_next(&stream, 1000 + TIMEOUT_NS, &want), QR_OK);
	assert_true(want.probe);
	assert_int_equal(dp_stream_next(&stream, 1001 + TIMEOUT_NS, &want), QR_OK);
	assert_true(want.probe);
	dp_stream_sent(&stream, &want, FRAGMENT_BYTES, ENTRY_BYTES, 1001 + TIMEOUT_NS);
	assert_int_equal(dp_stream_next(&stream, 1002 + TIMEOUT_NS, &want), QR_OK);
	assert_false(want.probe);
	/* And again, more rarely, from the same byte: the first one was surely dropped. */
	assert_true(dp_stream_deadline(&stream) == 1001 + 3 * TIMEOUT_NS);
	assert_int_equal(dp_stream_next(&stream, 1001 + 3 * TIMEOUT_NS, &want), QR_OK);
	assert_true(want.probe);
	assert_int_equal(want.from, 0);
}

static void credit_only_grows_within_a_life_of_the_follower(void **state)
{
	struct dp_stream stream = started(0, 3);
	struct wire_ack ack = {.credit = 1500};

	(void)state;
	dp_stream_ack(&stream, &ack, INCARNATION, 10);
	ack.credit = 900;
	dp_stream_ack(&stream, &ack, INCARNATION, 11);
	assert_int_equal(stream.credit, 1500);
	dp_stream_ack(&stream, &ack, INCARNATION + 1, 12);
	assert_int_equal(stream.credit, 900);
}

static void holes_go_first_and_once_in_a_round_trip(void **state)
{
	struct dp_stream stream = started(0, 10);
	struct wire_ack ack = {
		.credit = 1000,
		.echo_ns = 1000,
		.missing_count = 2,
		.missing = {{1, 0, 1000}, {3, 1000, 0}},
	};

	(void)state;
	for (unsigned i = 0; i < 15; i++)
		(void)send_one(&stream, 1000);
	dp_stream_ack(&stream, &ack, INCARNATION, 51000); /* the round trip: 50 us */
	assert_want(send_one(&stream, 51000), 1, 0, true);
	assert_want(send_one(&stream, 51000), 3, 1000, true);
	assert_want(send_one(&stream, 51000), 3, 2000, true);
	assert_want(send_one(&stream, 51000), 6, 0, false);

	ack.echo_ns = 0;
	dp_stream_ack(&stream, &ack, INCARNATION, 60000);
	assert_want(send_one(&stream, 60000), 6, 1000, false);
	assert_true(dp_stream_deadline(&stream) == 101000);
	assert_want(send_one(&stream, 101000), 1, 0, true);
	assert_int_equal(stream.retransmits, 4);
}

static void a_newer_report_without_holes_calls_the_repair_off(void **state)
{
	struct dp_stream stream = started(0, 3);
	struct wire_ack ack = {
		.credit = 1000, .echo_ns = 1000, .missing_count = 1, .missing = {{1, 0, 1000}}};

	(void)state;
	(void)send_all(&stream, 1000);
	dp_stream_ack(&stream, &ack, INCARNATION, 11000);
	assert_want(send_one(&stream, 11000), 1, 0, true);
	dp_stream_ack(&stream, &ack, INCARNATION, 12000);
	hear(&stream, 2, 0, 13000);
	assert_int_equal(send_all(&stream, 30000), 0);
}

static void a_large_hole_is_repaired_by_bursts(void **state)
{
	struct dp_stream stream = started(0, 100);
	struct wire_ack ack = {.credit = 1000, .echo_ns = 1000};

	(void)state;
	assert_int_equal(send_all(&stream, 1000), 300);
	ack.missing_count = WIRE_MISSING_MAX;
	for (uint32_t i = 0; i < WIRE_MISSING_MAX; i++)
		ack.missing[i] = (struct wire_missing){i + 1, 0, 0};
	dp_stream_ack(&stream, &ack, INCARNATION, 2000);
	assert_int_equal(send_all(&stream, 2000), 3 * WIRE_MISSING_MAX);

	stream = started(0, 100);
	for (uint32_t i = 0; i < 300; i++) {
		struct dp_stream_want want;

		assert_int_equal(dp_stream_next(&stream, 1000, &want), QR_OK);
		dp_stream_sent(&stream, &want, 10, ENTRY_BYTES, 1000);
	}
	ack.missing_count = 1;
	dp_stream_ack(&stream, &ack, INCARNATION, 2000);
	for (unsigned i = 0; i < DP_STREAM_BURST; i++) {
		struct dp_stream_want want;

		assert_int_equal(dp_stream_next(&stream, 2000, &want), QR_OK);
		assert_true(want.hole && want.from == i * 10);
		dp_stream_sent(&stream, &want, 10, ENTRY_BYTES, 2000);
	}
	assert_false(send_one(&stream, 2000).hole);
}

static void impossible_holes_are_left_alone(void **state)
{
	static const struct wire_missing lies[] = {
		{0, 0, 0}, {1, 1000, 1000}, {1, 1000, 500},	{2, 1000, 0},	    {2, 1500, 1800},
		{3, 0, 0}, {99, 0, 0},	    {UINT64_MAX, 0, 0}, {2, UINT32_MAX, 0},
	};
	struct dp_stream stream = started(0, 2);
	struct wire_ack ack = {.credit = 1000};

	(void)state;
	for (unsigned i = 0; i < 4; i++) /* entry 1 and the first fragment of entry 2 */
		(void)send_one(&stream, 1000);
	for (unsigned i = 0; i < sizeof(lies) / sizeof(lies[0]); i++)
		ack.missing[ack.missing_count++] = lies[i];
	dp_stream_ack(&stream, &ack, INCARNATION, 2000);
	assert_want(send_one(&stream, 2000), 2, 1000, false);
}

static void a_hole_ends_where_sending_has_come_to(void **state)
{
	struct dp_stream stream = started(0, 2);
	struct wire_ack ack = {.credit = 1000, .missing_count = 1, .missing = {{2, 500, 0}}};
	struct dp_stream_want want;

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		(void)send_one(&stream, 1000);
	dp_stream_ack(&stream, &ack, INCARNATION, 2000);
	want = send_one(&stream, 2000);
	assert_want(want, 2, 500, true);
	assert_int_equal(want.until, 1000);
	assert_want(send_one(&stream, 2000), 2, 1000, false);
}

static void bytes_beyond_the_entry_are_stepped_over(void **state)
{
	struct dp_stream stream = started(0, 3);
	struct wire_ack ack = {.credit = 1000, .missing_count = 1, .missing = {{1, 9000, 9100}}};

	(void)state;
	for (unsigned i = 0; i < 7; i++)
		(void)send_one(&stream, 1000);
	dp_stream_ack(&stream, &ack, INCARNATION, 2000);
	assert_want(send_one(&stream, 2000), 1, 9000, true); /* the size is not known here */
	assert_want(send_one(&stream, 2000), 3, 1000, false);

	hear(&stream, 2, 70000, 3000);
	assert_want(send_one(&stream, 3000), 3, 70000, false);
	assert_int_equal(send_one(&stream, 3000).index, 0);
	assert_int_equal(stream.retransmits, 0);
}

static void older_and_foreign_acks_change_nothing(void **state)
{
	struct dp_stream stream = started(5, 10);
	struct dp_stream before;
	struct wire_ack ack = {
		.credit = 9999, .echo_ns = 500, .missing_count = 1, .missing = {{8, 0, 0}}};

	(void)state;
	for (unsigned i = 0; i < 10; i++)
		(void)send_one(&stream, 1000);
	hear(&stream, 7, 1000, 2000);
	before = stream;
	ack.received = 6;
	dp_stream_ack(&stream, &ack, INCARNATION, 3000);
	ack.received = 11;
	dp_stream_ack(&stream, &ack, INCARNATION, 3000);
	assert_memory_equal(&stream, &before, sizeof(stream));
}

static void the_cursor_jumps_over_what_is_there_already(void **state)
{
	struct dp_stream stream = started(5, 10);

	(void)state;
	hear(&stream, 8, 1000, 2000);
	assert_want(send_one(&stream, 2000), 9, 1000, false);
}

static void an_entry_that_did_not_validate_goes_again(void **state)
{
	struct dp_stream stream = started(0, 2);

	(void)state;
	(void)send_all(&stream, 1000);
	hear(&stream, 1, 2499, 2000);
	hear(&stream, 1, 0, 3000);
	assert_int_equal(stream.received, 1);
	assert_want(send_one(&stream, 2000 + TIMEOUT_NS), 2, 0, true);
}

static void a_follower_that_restarted_gets_everything_after_what_it_still_has(void **state)
{
	struct dp_stream stream = started(0, 10);
	struct wire_ack ack = {.received = 3, .credit = 50};

	(void)state;
	(void)send_all(&stream, 1000);
	hear(&stream, 7, 0, 2000);
	dp_stream_ack(&stream, &ack, INCARNATION + 1, 3000);
	assert_int_equal(stream.received, 3);
	assert_int_equal(stream.credit, 50);
	assert_want(send_one(&stream, 3000), 4, 0, true);
	assert_int_equal(send_all(&stream, 3000), 7 * 3 - 1);
}

static void a_restarted_follower_may_have_more_than_may_be_sent_yet(void **state)
{
	struct dp_stream stream = started(0, 3);
	struct wire_ack ack = {.received = 5, .received_bytes = 100, .credit = 1000};

	(void)state;
	hear(&stream, 0, 0, 1000);
	dp_stream_ack(&stream, &ack, INCARNATION + 1, 2000);
	assert_int_equal(stream.received, 3);
	assert_true(dp_stream_deadline(&stream) == UINT64_MAX);
	dp_stream_extend(&stream, 7);
	assert_want(send_one(&stream, 3000), 4, 0, false);
	dp_stream_ack(&stream, &ack, INCARNATION + 1, 4000);
	assert_want(send_one(&stream, 4000), 6, 100, false);
}

static void what_a_restarted_follower_claims_beyond_the_end_is_skipped_in_order(void **state)
{
	struct dp_stream stream = started(0, 4);
	const struct wire_ack ack = {.received = 9, .credit = 1000};

	(void)state;
	hear(&stream, 0, 0, 10);
	assert_want(send_one(&stream, 10), 1, 0, false);
	dp_stream_ack(&stream, &ack, INCARNATION + 1, 20);
	assert_int_equal(stream.received, 4);
	assert_int_equal(stream.cursor.index, 5);
	assert_int_equal(stream.high.index, 5);
	dp_stream_extend(&stream, 5);
	assert_want(send_one(&stream, 30), 5, 0, false);
}

static void the_first_incarnation_heard_may_already_be_another(void **state)
{
	struct dp_stream stream = started(5, 10);

	(void)state;
	(void)send_all(&stream, 1000);
	hear(&stream, 5, 1000, 2000); /* the same as before: no reason to go back */
	assert_int_equal(send_all(&stream, 2000), 0);

	stream = started(5, 10);
	(void)send_all(&stream, 1000);
	hear(&stream, 2, 0, 2000);
	assert_int_equal(stream.received, 2);
	assert_want(send_one(&stream, 2000), 3, 0, true);
}

static void a_start_begins_anew_but_remembers_the_follower(void **state)
{
	struct dp_stream stream = started(0, 10);
	struct wire_ack ack = {.received = 4, .credit = 1000, .echo_ns = 1000};

	(void)state;
	(void)send_all(&stream, 1000);
	dp_stream_ack(&stream, &ack, INCARNATION, 51000);
	dp_stream_start(&stream, 2, 70, 60000);
	assert_int_equal(stream.end, 2);
	assert_int_equal(stream.rtt_ns, 50000);
	assert_int_equal(send_all(&stream, 60000), 0);
	dp_stream_extend(&stream, 3);
	assert_want(send_one(&stream, 60000), 3, 0, false);
	/* Restarted since: it must show even though its incarnation is the first after the start.
	 */
	ack.received = 1;
	dp_stream_ack(&stream, &ack, INCARNATION + 1, 61000);
	assert_want(send_one(&stream, 61000), 2, 0, true);
}

static void the_round_trip_is_smoothed_as_in_rfc_6298(void **state)
{
	struct dp_stream stream = started(0, 10);
	struct wire_ack ack = {.credit = 1000};

	(void)state;
	(void)send_all(&stream, 1000);
	ack.echo_ns = 1000000;
	dp_stream_ack(&stream, &ack, INCARNATION, 1800000);
	assert_int_equal(stream.rtt_ns, 800000);
	assert_int_equal(stream.rtt_deviation_ns, 400000);
	assert_true(dp_stream_timeout(&stream) == 2400000);
	ack.echo_ns = 2000000;
	dp_stream_ack(&stream, &ack, INCARNATION, 3600000);
	assert_int_equal(stream.rtt_deviation_ns, (3 * 400000 + 800000) / 4);
	assert_int_equal(stream.rtt_ns, (7 * 800000 + 1600000) / 8);
}

static void echoes_that_cannot_be_are_no_samples(void **state)
{
	static const qr_ns echoes[] = {0, 5000000, UINT64_MAX};
	struct dp_stream stream = started(0, 10);

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct wire_ack ack = {.credit = 1000, .echo_ns = echoes[i]};

		dp_stream_ack(&stream, &ack, INCARNATION, 4000000);
	}
	assert_int_equal(stream.rtt_ns, 0);
	dp_stream_ack(&stream, &(struct wire_ack){.echo_ns = 1}, INCARNATION, UINT64_MAX / 2);
	assert_int_equal(stream.rtt_ns, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_bytes_go_in_order_up_to_the_end),
		cmocka_unit_test(after_all_is_received_nothing_is_sent),
		cmocka_unit_test(a_stopped_stream_is_silent),
		cmocka_unit_test(the_loss_of_the_last_fragment_is_repaired_by_the_timeout),
		cmocka_unit_test(timeouts_back_off_up_to_a_bound_and_recover_with_progress),
		cmocka_unit_test(after_a_timeout_only_a_burst_goes_until_there_is_progress),
		cmocka_unit_test(a_timeout_that_was_spurious_is_taken_back),
		cmocka_unit_test(a_timeout_that_was_right_is_not_taken_back),
		cmocka_unit_test(silence_before_new_entries_is_no_timeout),
		cmocka_unit_test(a_lost_grant_of_credit_is_asked_for_again),
		cmocka_unit_test(credit_only_grows_within_a_life_of_the_follower),
		cmocka_unit_test(holes_go_first_and_once_in_a_round_trip),
		cmocka_unit_test(a_newer_report_without_holes_calls_the_repair_off),
		cmocka_unit_test(a_large_hole_is_repaired_by_bursts),
		cmocka_unit_test(impossible_holes_are_left_alone),
		cmocka_unit_test(a_hole_ends_where_sending_has_come_to),
		cmocka_unit_test(bytes_beyond_the_entry_are_stepped_over),
		cmocka_unit_test(older_and_foreign_acks_change_nothing),
		cmocka_unit_test(the_cursor_jumps_over_what_is_there_already),
		cmocka_unit_test(an_entry_that_did_not_validate_goes_again),
		cmocka_unit_test(a_follower_that_restarted_gets_everything_after_what_it_still_has),
		cmocka_unit_test(a_restarted_follower_may_have_more_than_may_be_sent_yet),
		cmocka_unit_test(
			what_a_restarted_follower_claims_beyond_the_end_is_skipped_in_order),
		cmocka_unit_test(the_first_incarnation_heard_may_already_be_another),
		cmocka_unit_test(a_start_begins_anew_but_remembers_the_follower),
		cmocka_unit_test(the_round_trip_is_smoothed_as_in_rfc_6298),
		cmocka_unit_test(echoes_that_cannot_be_are_no_samples),
	};

	return cmocka_run_group_tests_name("transport/stream", tests, NULL, NULL);
}
