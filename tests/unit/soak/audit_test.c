#include "tests/soak/audit.h"

#include "tests/unit/unit.h"

#include <stdlib.h>

#define LOAD 5u
#define OTHER_LOAD 6u
#define ONE (((uint64_t)LOAD << SOAK_PRODUCER_BITS) | 0)
#define TWO (((uint64_t)LOAD << SOAK_PRODUCER_BITS) | 1)

static struct soak_audit *audit;

static int setup(void **state)
{
	(void)state;
	audit = soak_audit_create(3);
	return audit == NULL ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	soak_audit_destroy(audit);
	return 0;
}

/** A file of one claim; of none with count 0. */
static void claim(enum soak_source source, uint64_t token, uint64_t sequence, qr_offset offset,
		  uint64_t count)
{
	struct soak_claims claims = {
		.header = {source, soak_token_load(token), 3},
		.claims = malloc(sizeof(*claims.claims)),
		.count = count > 0 ? 1 : 0,
	};

	assert_non_null(claims.claims);
	claims.claims[0] = (struct soak_claim){token, sequence, offset, count};
	assert_true(soak_audit_take(audit, &claims));
	assert_null(claims.claims);
}

static void next(uint64_t token, uint64_t sequence)
{
	static uint8_t record[SOAK_RECORD_MAX];
	uint32_t size_bytes = soak_record_make(token, sequence, record);

	assert_true(soak_audit_record(audit, (struct qr_span){record, size_bytes}));
}

static uint64_t count_of(enum soak_kind kind)
{
	return soak_audit_result(audit)->counts[kind];
}

/** This kind was found so often, and nothing else. */
static void only(enum soak_kind kind, uint64_t count)
{
	soak_audit_end(audit);
	for (uint32_t other = 0; other < SOAK_KINDS; other++)
		assert_int_equal(count_of((enum soak_kind)other), other == kind ? count : 0);
	assert_false(soak_audit_is_clean(audit));
}

/** The first fault of a kind names this place. */
static void names(enum soak_kind kind, qr_offset offset, uint64_t token, uint64_t sequence)
{
	const struct soak_audit_result *result = soak_audit_result(audit);

	for (uint32_t i = 0; i < result->fault_count; i++) {
		const struct soak_fault *fault = &result->faults[i];

		if (fault->kind != kind)
			continue;
		assert_int_equal(fault->offset, offset);
		assert_int_equal(fault->record.token, token);
		assert_int_equal(fault->record.sequence, sequence);
		return;
	}
	fail();
}

static void a_log_as_claimed_is_clean(void **state)
{
	(void)state;
	claim(SOAK_ACKED, ONE, 0, 0, 2);
	claim(SOAK_ACKED, TWO, 0, 2, 1);
	claim(SOAK_ACKED, ONE, 2, 3, 1);
	claim(SOAK_SEEN, ONE, 1, 1, 1);
	soak_audit_begin(audit);
	next(ONE, 0);
	next(ONE, 1);
	next(TWO, 0);
	next(ONE, 2);
	soak_audit_end(audit);
	assert_true(soak_audit_is_clean(audit));
	assert_int_equal(soak_audit_result(audit)->records, 4);
	assert_int_equal(soak_audit_result(audit)->acked, 4);
	assert_int_equal(soak_audit_result(audit)->verified, 4);
	assert_int_equal(soak_audit_result(audit)->seen, 1);
}

static void what_a_killed_load_left_may_be_there(void **state)
{
	(void)state;
	claim(SOAK_ACKED, ONE, 0, 0, 1);
	claim(SOAK_ACKED, (uint64_t)OTHER_LOAD << SOAK_PRODUCER_BITS, 0, 2, 1);
	soak_audit_begin(audit);
	next(ONE, 0);
	next(ONE, 1); /* acknowledged too late */
	next((uint64_t)OTHER_LOAD << SOAK_PRODUCER_BITS, 0);
	next(TWO, 0); /* a producer of which nothing was acknowledged */
	soak_audit_end(audit);
	assert_true(soak_audit_is_clean(audit));
	assert_int_equal(soak_audit_result(audit)->verified, 2);
}

static void a_missing_record_in_the_middle_is_lost(void **state)
{
	(void)state;
	claim(SOAK_ACKED, ONE, 0, 0, 4);
	soak_audit_begin(audit);
	next(ONE, 0);
	next(ONE, 1);
	next(ONE, 3);
	soak_audit_end(audit);
	assert_int_equal(count_of(SOAK_LOST), 1);
	names(SOAK_LOST, 2, ONE, 2);
	assert_int_equal(count_of(SOAK_SKIPPED), 0);
	assert_int_equal(count_of(SOAK_MOVED), 1); /* record 3 is at offset 2 */
	names(SOAK_MOVED, 3, ONE, 3);
}

static void a_missing_tail_is_lost(void **state)
{
	(void)state;
	claim(SOAK_ACKED, ONE, 0, 0, 4);
	soak_audit_begin(audit);
	next(ONE, 0);
	next(ONE, 1);
	only(SOAK_LOST, 2);
	names(SOAK_LOST, 2, ONE, 2);
}

static void a_producer_that_is_not_there_is_lost(void **state)
{
	(void)state;
	claim(SOAK_ACKED, TWO, 0, 0, 3);
	soak_audit_begin(audit);
	only(SOAK_LOST, 3);
	names(SOAK_LOST, 0, TWO, 0);
}

static void a_record_that_another_took_the_place_of_is_lost(void **state)
{
	(void)state;
	claim(SOAK_ACKED, ONE, 0, 0, 1);
	soak_audit_begin(audit);
	next(TWO, 0);
	only(SOAK_LOST, 1);
}

static void a_record_twice_is_duplicated(void **state)
{
	(void)state;
	claim(SOAK_ACKED, ONE, 0, 0, 2);
	soak_audit_begin(audit);
	next(ONE, 0);
	next(ONE, 1);
	next(ONE, 0);
	only(SOAK_DUPLICATED, 1);
	names(SOAK_DUPLICATED, 2, ONE, 0);
}

static void a_record_behind_a_later_one_is_reordered(void **state)
{
	(void)state;
	claim(SOAK_ACKED, ONE, 0, 0, 1);
	soak_audit_begin(audit);
	next(ONE, 0);
	next(ONE, 3);
	next(ONE, 2);
	next(ONE, 1);
	only(SOAK_REORDERED, 2);
	names(SOAK_REORDERED, 2, ONE, 2);
}

static void a_reordered_record_that_comes_again_is_duplicated(void **state)
{
	(void)state;
	claim(SOAK_ACKED, ONE, 0, 0, 1);
	soak_audit_begin(audit);
	next(ONE, 0);
	next(ONE, 2);
	next(ONE, 1);
	next(ONE, 1);
	soak_audit_end(audit);
	assert_int_equal(count_of(SOAK_REORDERED), 1);
	assert_int_equal(count_of(SOAK_DUPLICATED), 1);
	assert_int_equal(count_of(SOAK_LOST), 0);
}

static void another_offset_than_acknowledged_is_moved(void **state)
{
	(void)state;
	claim(SOAK_ACKED, ONE, 0, 1, 1);
	soak_audit_begin(audit);
	next(ONE, 0);
	next(TWO, 0);
	only(SOAK_MOVED, 1);
	names(SOAK_MOVED, 1, ONE, 0);
}

static void an_offset_beyond_the_end_is_moved(void **state)
{
	(void)state;
	claim(SOAK_ACKED, ONE, 0, 7, 1);
	soak_audit_begin(audit);
	next(ONE, 0);
	only(SOAK_MOVED, 1);
	names(SOAK_MOVED, 7, ONE, 0);
}

static void what_a_reader_was_shown_may_not_change(void **state)
{
	(void)state;
	claim(SOAK_ACKED, ONE, 0, 0, 0);
	claim(SOAK_SEEN, ONE, 0, 0, 1);
	claim(SOAK_SEEN, TWO, 0, 0, 1); /* another reader saw something else */
	claim(SOAK_SEEN, ONE, 1, 1, 2); /* and more than there is now */
	soak_audit_begin(audit);
	next(ONE, 0);
	next(ONE, 1);
	only(SOAK_RETRACTED, 2);
	names(SOAK_RETRACTED, 0, TWO, 0);
}

static void a_changed_byte_is_found(void **state)
{
	static uint8_t record[SOAK_RECORD_MAX];
	uint32_t size_bytes = soak_record_make(ONE, 0, record);

	(void)state;
	record[size_bytes - 1] ^= 1;
	claim(SOAK_ACKED, ONE, 0, 0, 0);
	soak_audit_begin(audit);
	assert_true(soak_audit_record(audit, (struct qr_span){record, size_bytes}));
	only(SOAK_CHANGED, 1);
	names(SOAK_CHANGED, 0, ONE, 0);
}

static void a_changed_record_is_not_the_acknowledged_one(void **state)
{
	static uint8_t record[SOAK_RECORD_MAX];
	uint32_t size_bytes = soak_record_make(ONE, 0, record);

	(void)state;
	claim(SOAK_ACKED, ONE, 0, 0, 1);
	soak_audit_begin(audit);
	assert_true(soak_audit_record(audit, (struct qr_span){record, size_bytes - 1}));
	soak_audit_end(audit);
	assert_int_equal(count_of(SOAK_CHANGED), 1);
	assert_int_equal(count_of(SOAK_LOST), 1);
	assert_int_equal(soak_audit_result(audit)->verified, 0);
}

static void a_record_of_nobody_is_invented(void **state)
{
	static const uint8_t zeros[64];

	(void)state;
	claim(SOAK_ACKED, ONE, 0, 0, 0);
	soak_audit_begin(audit);
	next((uint64_t)OTHER_LOAD << SOAK_PRODUCER_BITS, 0);
	assert_true(soak_audit_record(audit, (struct qr_span){zeros, sizeof(zeros)}));
	assert_true(soak_audit_record(audit, (struct qr_span){zeros, 3}));
	only(SOAK_INVENTED, 3);
}

static void an_overtaken_record_that_never_came_is_skipped(void **state)
{
	(void)state;
	claim(SOAK_ACKED, ONE, 0, 0, 1);
	claim(SOAK_ACKED, ONE, 4, 1, 1);
	soak_audit_begin(audit);
	next(ONE, 0);
	next(ONE, 4);
	only(SOAK_SKIPPED, 3);
}

static void one_offset_for_two_records_is_clashing(void **state)
{
	(void)state;
	claim(SOAK_ACKED, ONE, 0, 0, 2);
	claim(SOAK_ACKED, TWO, 0, 1, 1);
	soak_audit_begin(audit);
	assert_int_equal(count_of(SOAK_CLASHING), 1);
	names(SOAK_CLASHING, 1, TWO, 0);
}

static void many_producers_are_told_apart(void **state)
{
	const uint64_t base = (uint64_t)LOAD << SOAK_PRODUCER_BITS;

	(void)state;
	claim(SOAK_ACKED, base, 0, 0, 1);
	soak_audit_begin(audit);
	for (uint64_t sequence = 0; sequence < 3; sequence++) {
		for (uint64_t producer = 0; producer < 1000; producer++)
			next(base + producer, sequence);
	}
	soak_audit_end(audit);
	assert_true(soak_audit_is_clean(audit));
	assert_int_equal(soak_audit_result(audit)->records, 3000);
}

static void more_holes_than_are_kept_are_still_found(void **state)
{
	(void)state;
	claim(SOAK_ACKED, ONE, 0, 0, 1);
	soak_audit_begin(audit);
	for (uint64_t sequence = 0; sequence < 1000; sequence += 2)
		next(ONE, sequence);
	soak_audit_end(audit);
	assert_true(count_of(SOAK_SKIPPED) >= 499);
	assert_false(soak_audit_is_clean(audit));
}

int main(void)
{
#define STORY(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		STORY(a_log_as_claimed_is_clean),
		STORY(what_a_killed_load_left_may_be_there),
		STORY(a_missing_record_in_the_middle_is_lost),
		STORY(a_missing_tail_is_lost),
		STORY(a_producer_that_is_not_there_is_lost),
		STORY(a_record_that_another_took_the_place_of_is_lost),
		STORY(a_record_twice_is_duplicated),
		STORY(a_record_behind_a_later_one_is_reordered),
		STORY(a_reordered_record_that_comes_again_is_duplicated),
		STORY(another_offset_than_acknowledged_is_moved),
		STORY(an_offset_beyond_the_end_is_moved),
		STORY(what_a_reader_was_shown_may_not_change),
		STORY(a_changed_byte_is_found),
		STORY(a_changed_record_is_not_the_acknowledged_one),
		STORY(a_record_of_nobody_is_invented),
		STORY(an_overtaken_record_that_never_came_is_skipped),
		STORY(one_offset_for_two_records_is_clashing),
		STORY(many_producers_are_told_apart),
		STORY(more_holes_than_are_kept_are_still_found),
	};

	return cmocka_run_group_tests_name("soak/audit", tests, NULL, NULL);
}
