#include "tests/unit/storage/rig.h"

#include "tests/unit/unit.h"

static struct rig rig;

static int set_up(void **state)
{
	const struct store_log_parameters parameters = rig_parameters();

	(void)state;
	rig_init(&rig, &parameters, 1);
	rig.disk.segment_limit = 3;
	return rig_open(&rig) == QR_NOT_FOUND ? 0 : 1;
}

static int tear_down(void **state)
{
	(void)state;
	rig_fini(&rig);
	return 0;
}

/** Append until something refuses, releasing all that is durable. */
static enum qr_error fill(void)
{
	for (;;) {
		enum qr_error error = rig_append(&rig, 5 * QR_BLOCK_BYTES);

		if (error != QR_OK)
			return error;
		rig_drain(&rig);
		store_release(rig.log, store_log_durable(rig.log).index);
	}
}

static void write_open_entry(void)
{
	struct store_entry entry = store_entry_close(rig.log, 0, 0, 0);

	store_write(rig.log, entry.index, entry.index, 1);
	rig_expect_durable(&rig, entry.index);
}

static void nothing_is_laid_out_before_a_segment_is_ready(void **state)
{
	(void)state;
	assert_int_equal(rig_append(&rig, 1), QR_BUSY);
	(void)rig_poll(&rig);
	assert_int_equal(rig.disk.pending[0].op.kind, STORE_OP_PREPARE);
	assert_int_equal(rig.disk.pending[0].op.blocks, 32);
	assert_int_equal(rig.disk.pending[0].op.size_bytes, 32 * QR_BLOCK_BYTES);
	rig_finish(&rig, 0);
	assert_int_equal(rig_append(&rig, 1), QR_OK);
	rig_drain(&rig);
	assert_int_equal(store_log_ready_segments(rig.log), 1); /* one ahead of the tail's */
}

static void a_full_disk_refuses_data_and_keeps_the_rest(void **state)
{
	(void)state;
	rig_drain(&rig);
	assert_int_equal(fill(), QR_NO_SPACE);
	assert_int_equal(store_log_condition(rig.log), QR_NO_SPACE);
	/* Most of the last ready segment is left for what a new leader needs. */
	assert_true(store_log_limit(rig.log) - store_log_tail(rig.log) >= 16);
	assert_int_equal(store_entry_open(rig.log, 2, RAFT_ENTRY_NOOP, 0), QR_OK);
	write_open_entry();
	/* Nothing is tried again by itself. */
	assert_int_equal(rig_poll(&rig), 0);
}

/** The device writes, and takes its time to make a segment. */
static void finish_writes(void)
{
	uint32_t number = 0;

	while (rig_poll(&rig) > 0)
		;
	while (number < rig.disk.pending_count) {
		if (rig.disk.pending[number].op.kind == STORE_OP_PREPARE) {
			number++;
		} else {
			rig_finish(&rig, number);
		}
	}
	store_release(rig.log, store_log_durable(rig.log).index);
}

/* However late it is noticed: what gives up the beginning of the log, and so makes room, fits. */
static void data_never_takes_the_last_stride(void **state)
{
	(void)state;
	rig_drain(&rig);
	rig.disk.segment_limit = 2;
	while (rig_append(&rig, 3000) == QR_OK)
		finish_writes();
	assert_int_equal(store_log_condition(rig.log), QR_OK); /* it is not known yet */
	rig_drain(&rig);
	assert_int_equal(store_log_condition(rig.log), QR_NO_SPACE);
	assert_int_equal(store_log_limit(rig.log) - store_log_tail(rig.log),
			 rig.parameters.geometry.stride_blocks);
	assert_int_equal(store_entry_open(rig.log, 2, RAFT_ENTRY_TRIM, 100), QR_OK);
	(void)store_entry_take(rig.log, 100);
	write_open_entry();
}

static void it_resumes_when_space_was_made(void **state)
{
	(void)state;
	rig_drain(&rig);
	assert_int_equal(fill(), QR_NO_SPACE);
	store_log_retry(rig.log);
	rig_drain(&rig);
	assert_int_equal(store_log_condition(rig.log), QR_NO_SPACE);
	rig.disk.segment_limit = 6;
	store_log_retry(rig.log);
	assert_int_equal(store_log_condition(rig.log), QR_NO_SPACE); /* not before it succeeded */
	rig_drain(&rig);
	assert_int_equal(store_log_condition(rig.log), QR_OK);
	assert_int_equal(rig_append(&rig, 100), QR_OK);
	rig_expect_durable(&rig, store_log_last(rig.log));
}

/* A suffix is cut off, and what is ready is enough again. */
static void it_resumes_when_it_needs_no_more(void **state)
{
	(void)state;
	rig_drain(&rig);
	while (rig_append(&rig, 3000) == QR_OK)
		rig_drain(&rig); /* nothing is released */
	while (store_log_condition(rig.log) != QR_NO_SPACE) {
		store_release(rig.log, store_log_last(rig.log) - 8);
		(void)rig_append(&rig, 3000);
		rig_drain(&rig);
	}
	while (rig_append(&rig, 3000) == QR_OK)
		rig_drain(&rig);
	rig_truncate(&rig, store_log_last(rig.log) - 7);
	rig_drain(&rig);
	while (store_log_condition(rig.log) == QR_NO_SPACE && rig_poll(&rig) > 0)
		rig_drain(&rig);
	assert_true(store_log_ready_segments(rig.log) >= rig.parameters.segments_ahead);
	assert_int_equal(store_log_condition(rig.log), QR_OK);
}

static void a_log_on_a_full_disk_opens(void **state)
{
	qr_index last;

	(void)state;
	rig_drain(&rig);
	assert_int_equal(fill(), QR_NO_SPACE);
	last = store_log_last(rig.log);
	rig_crash_and_open(&rig);
	assert_int_equal(rig.recovered, QR_NOT_FOUND);
	assert_int_equal(store_log_last(rig.log), last);
	rig_drain(&rig);
	assert_int_equal(store_log_condition(rig.log), QR_NO_SPACE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_is_laid_out_before_a_segment_is_ready,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_full_disk_refuses_data_and_keeps_the_rest, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(data_never_takes_the_last_stride, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(it_resumes_when_space_was_made, set_up, tear_down),
		cmocka_unit_test_setup_teardown(it_resumes_when_it_needs_no_more, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_log_on_a_full_disk_opens, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("storage/engine/segments", tests, NULL, NULL);
}
