#include "tests/unit/storage/rig.h"

#include "tests/unit/unit.h"

#include <string.h>

#define BLOCK_PAYLOAD (QR_BLOCK_BYTES - STORE_ENTRY_HEADER_BYTES) /* fills one block */

static struct rig rig;

static int set_up(void **state)
{
	const struct store_log_parameters parameters = rig_parameters();

	(void)state;
	rig_init(&rig, &parameters, 1);
	if (rig_open(&rig) != QR_NOT_FOUND)
		return 1;
	rig_drain(&rig);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	rig_fini(&rig);
	return 0;
}

static struct store_location locate(qr_index index)
{
	struct store_location location;
	struct qr_span bytes;

	assert_int_equal(store_window_entry(rig.log, index, &location, &bytes), QR_OK);
	return location;
}

static void entries_take_whole_blocks(void **state)
{
	(void)state;
	assert_int_equal(rig_append(&rig, 0), QR_OK);
	assert_int_equal(rig_append(&rig, BLOCK_PAYLOAD), QR_OK);
	assert_int_equal(rig_append(&rig, BLOCK_PAYLOAD + 1), QR_OK);
	assert_int_equal(locate(1).block, 0);
	assert_int_equal(locate(1).blocks, 1);
	assert_int_equal(locate(2).block, 1);
	assert_int_equal(locate(2).blocks, 1);
	assert_int_equal(locate(3).block, 2);
	assert_int_equal(locate(3).blocks, 2);
	assert_int_equal(store_log_tail(rig.log), 4);
}

static void no_entry_crosses_a_stride(void **state)
{
	(void)state;
	assert_int_equal(rig_append(&rig, 5 * QR_BLOCK_BYTES), QR_OK);
	assert_int_equal(locate(1).blocks, 6);
	/* Two blocks are left; three do not fit, and the rest stays unused. */
	assert_int_equal(rig_append(&rig, 2 * QR_BLOCK_BYTES), QR_OK);
	assert_int_equal(locate(2).block, 8);
	/* Exactly to the end of the stride. */
	assert_int_equal(rig_append(&rig, 5 * QR_BLOCK_BYTES - STORE_ENTRY_HEADER_BYTES), QR_OK);
	assert_int_equal(locate(3).block, 11);
	assert_int_equal(store_log_tail(rig.log), 16);
	assert_int_equal(rig_append(&rig, 1), QR_OK);
	assert_int_equal(locate(4).block, 16);
	rig_expect_durable(&rig, 4);
	rig_crash_and_open(&rig);
	assert_int_equal(store_log_last(rig.log), 4);
}

static void room_ends_with_the_stride(void **state)
{
	(void)state;
	assert_int_equal(rig_append(&rig, BLOCK_PAYLOAD), QR_OK);
	assert_int_equal(store_entry_open(rig.log, 1, RAFT_ENTRY_DATA, 10), QR_OK);
	assert_true(store_entry_is_open(rig.log));
	assert_int_equal(store_entry_room(rig.log), 7 * QR_BLOCK_BYTES - STORE_ENTRY_HEADER_BYTES);
	memset(store_entry_take(rig.log, 1000), 1, 1000);
	assert_int_equal(store_entry_used(rig.log), 1000);
	assert_int_equal(store_entry_room(rig.log),
			 7 * QR_BLOCK_BYTES - STORE_ENTRY_HEADER_BYTES - 1000);
	store_entry_untake(rig.log, 400);
	assert_int_equal(store_entry_used(rig.log), 600);
	store_entry_drop(rig.log);
	assert_false(store_entry_is_open(rig.log));
	assert_int_equal(store_log_last(rig.log), 1);
}

static void more_than_a_stride_is_refused(void **state)
{
	(void)state;
	assert_int_equal(store_entry_open(rig.log, 1, RAFT_ENTRY_DATA, 8 * QR_BLOCK_BYTES),
			 QR_TOO_LARGE);
}

static void what_was_taken_back_is_padding(void **state)
{
	struct store_location location;
	struct qr_span bytes;

	(void)state;
	assert_int_equal(store_entry_open(rig.log, 1, RAFT_ENTRY_DATA, 10), QR_OK);
	memset(store_entry_take(rig.log, 3000), 0xff, 3000);
	store_entry_untake(rig.log, 2000);
	(void)store_entry_close(rig.log, 1, 0, 0);
	assert_int_equal(store_window_entry(rig.log, 1, &location, &bytes), QR_OK);
	assert_int_equal(location.bytes, STORE_ENTRY_HEADER_BYTES + 1000);
	for (unsigned i = location.bytes; i < QR_BLOCK_BYTES; i++)
		assert_int_equal(bytes.data[i], 0);
}

static void offsets_and_chain_follow(void **state)
{
	(void)state;
	assert_int_equal(rig_append(&rig, 2500), QR_OK); /* 3 records */
	assert_int_equal(rig_append(&rig, 0), QR_OK);	 /* 1 */
	assert_int_equal(locate(2).first_offset, 3);
	assert_int_equal(store_log_end(rig.log), 4);
	assert_int_equal(store_entry_index(rig.log), 3);
}

/** Without release nothing is overwritten; with it the ring goes round. */
static void the_window_refuses_when_it_is_full(void **state)
{
	unsigned count = 0;

	(void)state;
	while (rig_append(&rig, 7 * QR_BLOCK_BYTES) == QR_OK) {
		rig_drain(&rig);
		count++;
		assert_true(count < 100);
	}
	assert_int_equal(count, 8); /* of 8 strides */
	assert_int_equal(locate(1).block, 0);
	store_release(rig.log, 1);
	assert_int_equal(rig_append(&rig, 7 * QR_BLOCK_BYTES), QR_OK);
	assert_int_equal(locate(9).block, 64);
	for (qr_index index = 2; index <= 9; index++)
		(void)locate(index);
	{
		struct store_location location;
		struct qr_span bytes;

		assert_int_equal(store_window_entry(rig.log, 1, &location, &bytes), QR_NOT_FOUND);
	}
	assert_int_equal(rig_append(&rig, 1), QR_BUSY);
}

/** An entry without payload, laid out and durable. QR_OK or the refusal. */
static enum qr_error lay_empty(enum raft_entry_kind kind)
{
	enum qr_error error = store_entry_open(rig.log, rig.term, kind, 0);

	if (error != QR_OK)
		return error;
	(void)store_entry_close(rig.log, 0, 0, 0);
	store_write(rig.log, store_log_last(rig.log), store_log_last(rig.log), rig.generation);
	rig_drain(&rig);
	return QR_OK;
}

/* What earlier leaders left uncommitted fills the window, and only a no-op can get it committed. */
static void a_full_window_still_takes_half_a_window_of_noops(void **state)
{
	qr_index last;
	unsigned noops = 0;

	(void)state;
	assert_int_equal(rig_append(&rig, 0), QR_OK); /* and its term becomes durable */
	rig_drain(&rig);
	while (lay_empty(RAFT_ENTRY_DATA) == QR_OK)
		assert_true(store_log_last(rig.log) <= 64);
	last = store_log_last(rig.log);
	assert_int_equal(store_log_tail(rig.log), 64);
	assert_int_equal(store_log_durable(rig.log).index, last);
	assert_int_equal(lay_empty(RAFT_ENTRY_SESSION), QR_BUSY);
	assert_int_equal(lay_empty(RAFT_ENTRY_CONFIGURATION), QR_OK);
	while (lay_empty(RAFT_ENTRY_NOOP) == QR_OK)
		assert_true(++noops < 64);
	assert_int_equal(noops, 64 / 2 - 1);
	assert_int_equal(lay_empty(RAFT_ENTRY_NOOP), QR_BUSY);
	assert_int_equal(lay_empty(RAFT_ENTRY_DATA), QR_BUSY);
	/* They went over the oldest, which the disk has. */
	rig_crash_and_open(&rig);
	assert_int_equal(rig.recovered, QR_NOT_FOUND);
	assert_int_equal(store_log_last(rig.log), last + 1 + noops);
}

/* What is not durable has no other copy. */
static void noops_never_go_over_what_is_not_durable(void **state)
{
	(void)state;
	while (rig_append(&rig, 0) == QR_OK) {
		assert_true(store_log_last(rig.log) <= 64);
		rig_settle(&rig); /* the next segment is prepared, nothing is written */
	}
	assert_int_equal(store_log_tail(rig.log), 64);
	assert_int_equal(store_log_durable(rig.log).index, 0);
	assert_int_equal(store_entry_open(rig.log, rig.term, RAFT_ENTRY_NOOP, 0), QR_BUSY);
	rig_drain(&rig);
	assert_int_equal(store_entry_open(rig.log, rig.term, RAFT_ENTRY_NOOP, 0), QR_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(entries_take_whole_blocks, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_entry_crosses_a_stride, set_up, tear_down),
		cmocka_unit_test_setup_teardown(room_ends_with_the_stride, set_up, tear_down),
		cmocka_unit_test_setup_teardown(more_than_a_stride_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_was_taken_back_is_padding, set_up, tear_down),
		cmocka_unit_test_setup_teardown(offsets_and_chain_follow, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_window_refuses_when_it_is_full, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_full_window_still_takes_half_a_window_of_noops,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(noops_never_go_over_what_is_not_durable, set_up,
						tear_down),
	};

	return cmocka_run_group_tests_name("storage/engine/layout", tests, NULL, NULL);
}
