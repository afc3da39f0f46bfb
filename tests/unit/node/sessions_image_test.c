/* The producer table as bytes: what comes back, and bytes that no table ever was. */
#include "tests/unit/node/table.h"

#include <string.h>

#define CAPACITY 4
#define NUMBER(index) ((uint64_t)(index) << STORE_SESSION_NUMBER_BITS)

static struct dp_sessions *table;
static uint8_t image[1 << 16];
static size_t image_bytes;
static const struct store_prefix base = {.index = 9, .offset = 100};

static void append(qr_index index, uint64_t session, uint64_t sequence)
{
	struct store_chunk chunk = table_chunk(session, sequence, 2);

	assert_true(dp_sessions_apply_chunk(table, table_entry(index), &chunk, 10 + sequence));
}

static void change(qr_index index, enum store_session_op op, uint64_t session)
{
	struct store_session_change what = table_change(op, session);

	assert_true(dp_sessions_apply_change(table, table_entry(index), &what));
}

static void save(qr_index index)
{
	struct qr_writer writer = qr_writer_over(image, sizeof(image));

	dp_sessions_save(table, index, &writer);
	assert_false(writer.failed);
	image_bytes = qr_writer_size(&writer);
	assert_true(image_bytes <= dp_sessions_image_bytes(CAPACITY));
}

static bool restore(void)
{
	struct qr_reader reader = qr_reader_over(image, image_bytes);

	dp_sessions_clear(table);
	return dp_sessions_restore(table, &base, &reader);
}

/** Two sessions, opened by entries 1 and 2; of the first, chunks in entries 3, 4 and 6. */
static int set_up(void **state)
{
	(void)state;
	table = table_create(CAPACITY);
	change(1, STORE_SESSION_OPEN, NUMBER(1));
	change(2, STORE_SESSION_OPEN, NUMBER(2));
	append(3, NUMBER(1), 0);
	append(4, NUMBER(1), 2);
	dp_sessions_commit_upto(table, 4);
	append(6, NUMBER(1), 4);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	free(table);
	return 0;
}

static void what_was_committed_comes_back(void **state)
{
	struct wire_answer answer;
	uint32_t slot;

	(void)state;
	save(4);
	assert_true(restore());
	assert_int_equal(dp_sessions_count(table), 2);
	slot = dp_sessions_find(table, NUMBER(1));
	assert_true(dp_sessions_is_open_committed(table, slot));
	assert_int_equal(dp_sessions_expected(table, slot), 4);
	assert_int_equal(dp_sessions_check(table, slot, 2, 2, &answer), DP_SESSION_ANSWERED);
	assert_true(answer.offset == 12);
	assert_int_equal(dp_sessions_check(table, slot, 4, 2, &answer), DP_SESSION_APPEND);
	assert_true(dp_sessions_oldest(table) == dp_sessions_find(table, NUMBER(2)));
	append(6, NUMBER(1), 4); /* what follows in the log */
}

static void what_is_not_committed_does_not(void **state)
{
	(void)state;
	change(7, STORE_SESSION_OPEN, NUMBER(7));
	change(8, STORE_SESSION_EXPIRE, NUMBER(2));
	save(4);
	assert_true(restore());
	assert_int_equal(dp_sessions_find(table, NUMBER(7)), DP_SESSION_NONE);
	assert_false(dp_sessions_is_expiring(table, dp_sessions_find(table, NUMBER(2))));
	change(8, STORE_SESSION_EXPIRE, NUMBER(2));
}

static void nothing_comes_back_from_nothing(void **state)
{
	(void)state;
	dp_sessions_clear(table);
	save(4);
	assert_true(restore());
	assert_int_equal(dp_sessions_count(table), 0);
}

static void every_end_that_comes_too_soon_is_refused(void **state)
{
	(void)state;
	save(4);
	for (size_t whole = image_bytes; image_bytes-- > 0;) {
		assert_false(restore());
		assert_int_equal(dp_sessions_count(table), 0);
		assert_true(image_bytes < whole);
		if (image_bytes == 0)
			break;
	}
}

/** A field of the first session in the image, as it never is. */
static void expect_refused(size_t at, uint64_t value, size_t size_bytes)
{
	uint8_t kept[8];

	memcpy(kept, image + at, size_bytes);
	memcpy(image + at, &value, size_bytes);
	assert_false(restore());
	assert_int_equal(dp_sessions_count(table), 0);
	memcpy(image + at, kept, size_bytes);
	assert_true(restore());
}

static void what_no_table_is_is_refused(void **state)
{
	const size_t session = 4;
	const size_t first = session + 44; /* its chunks, of 28 bytes */

	(void)state;
	save(4);
	expect_refused(0, 1, 4);		/* something is left over */
	expect_refused(session, NUMBER(2), 8);	/* two of one name, and not opened there */
	expect_refused(session + 24, 0, 8);	/* opened nowhere */
	expect_refused(session + 24, 10, 8);	/* opened behind the base */
	expect_refused(session + 32, 5, 8);	/* its chunks end elsewhere */
	expect_refused(session + 40, 65, 4);	/* more chunks than a ring holds */
	expect_refused(first, 1, 8);		/* a gap */
	expect_refused(first + 8, 99, 8);	/* records behind the base's */
	expect_refused(first + 8, 11, 8);	/* its successor's records */
	expect_refused(first + 16, 5, 8);	/* later than its successor */
	expect_refused(first + 16, 1, 8);	/* in the entry that opened it */
	expect_refused(first + 28 + 16, 10, 8); /* an entry behind the base */
	expect_refused(first + 24, 0, 4);	/* no records */
}

/** No chunk of a log does that, and its answer could not be sent. */
static void a_sequence_that_overflows_is_refused(void **state)
{
	const uint64_t sequence = UINT64_MAX - 1;
	const uint64_t next = 0;

	(void)state;
	dp_sessions_clear(table);
	change(1, STORE_SESSION_OPEN, NUMBER(1));
	append(3, NUMBER(1), 0);
	dp_sessions_commit_upto(table, 3);
	save(3);
	assert_true(restore());
	memcpy(image + 4 + 32, &next, sizeof(next));
	memcpy(image + 4 + 44, &sequence, sizeof(sequence));
	assert_false(restore());
}

static void more_sessions_than_there_is_room_for_are_refused(void **state)
{
	struct dp_sessions *larger = table;

	(void)state;
	change(7, STORE_SESSION_OPEN, NUMBER(7));
	change(8, STORE_SESSION_OPEN, NUMBER(8));
	dp_sessions_commit_upto(table, 8);
	save(8);
	assert_true(restore());
	table = table_create(CAPACITY - 1);
	assert_false(restore());
	assert_int_equal(dp_sessions_count(table), 0);
	free(larger);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_was_committed_comes_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_not_committed_does_not, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nothing_comes_back_from_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(every_end_that_comes_too_soon_is_refused, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(what_no_table_is_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_sequence_that_overflows_is_refused, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(more_sessions_than_there_is_room_for_are_refused,
						set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
