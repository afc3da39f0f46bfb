#include "tests/unit/storage/rig.h"

#include "tests/unit/unit.h"

#include <string.h>

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

static void append(unsigned count, uint32_t payload_bytes)
{
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(rig_append(&rig, payload_bytes), QR_OK);
}

static bool is_zero(qr_block block)
{
	const uint8_t *bytes = disk_block(&rig.disk, block);

	return bytes[0] == 0 && memcmp(bytes, bytes + 1, QR_BLOCK_BYTES - 1) == 0;
}

static void what_was_cut_off_is_zeroed(void **state)
{
	(void)state;
	append(12, 5000); /* two blocks each: 24 blocks */
	rig_expect_durable(&rig, 12);
	assert_false(is_zero(23));
	rig_truncate(&rig, 3);
	rig_drain(&rig);
	assert_false(is_zero(5));
	for (qr_block block = 6; block < 32; block++)
		assert_true(is_zero(block));
	assert_int_equal(store_log_counters(rig.log).scrubs, 1);
}

static void a_cut_of_what_was_never_written_costs_nothing(void **state)
{
	(void)state;
	append(3, 100);
	rig_expect_durable(&rig, 3);
	assert_int_equal(rig_lay(&rig, 100), QR_OK);
	rig_truncate(&rig, 3);
	assert_int_equal(rig_poll(&rig), 0);
	assert_int_equal(store_log_counters(rig.log).scrubs, 0);
}

static void new_entries_wait_for_the_zeros(void **state)
{
	(void)state;
	append(4, 5000);
	rig_expect_durable(&rig, 4);
	rig_truncate(&rig, 1);
	append(1, 100);
	(void)rig_poll(&rig);
	assert_int_equal(rig.disk.pending_count, 1);
	assert_int_equal(rig.disk.pending[0].op.offset_bytes, 2 * QR_BLOCK_BYTES);
	assert_int_equal(rig.disk.pending[0].op.blocks, 6);
	assert_false(store_log_has_slot(rig.log));
	rig_finish(&rig, 0);
	(void)rig_poll(&rig);
	assert_int_equal(rig.disk.pending[0].op.blocks, 1);
	rig_expect_durable(&rig, 2);
}

/*
 * Raft figure 8: the loser at the next stride has a higher term than the winner right behind the
 * predecessor. Without the zeros both would be valid successors of entry 2.
 */
static void no_loser_survives_at_the_other_place(void **state)
{
	uint64_t winner;

	(void)state;
	append(2, 2 * QR_BLOCK_BYTES); /* blocks 0..2, 3..5 */
	rig.term = 9;
	append(1, 3 * QR_BLOCK_BYTES); /* does not fit in two blocks: block 8 */
	rig_expect_durable(&rig, 3);
	rig.term = 1;
	rig_truncate(&rig, 2);
	append(1, 100); /* block 6 */
	winner = rig.laid[rig.laid_count - 1].digest;
	rig_expect_durable(&rig, 3);
	rig_crash_and_open(&rig);
	assert_int_equal(store_log_last(rig.log), 3);
	assert_true(rig_digest(&rig, 3) == winner);
	assert_true(is_zero(8));

	/* And the other way round: the loser is small, the winner goes to the next stride. */
	rig_truncate(&rig, 2);
	append(1, 3 * QR_BLOCK_BYTES);
	winner = rig.laid[rig.laid_count - 1].digest;
	rig_expect_durable(&rig, 3);
	rig_crash_and_open(&rig);
	assert_true(rig_digest(&rig, 3) == winner);
	assert_true(is_zero(6));
}

static void a_second_cut_goes_further_down(void **state)
{
	(void)state;
	append(10, 5000);
	rig_expect_durable(&rig, 10);
	rig_truncate(&rig, 7);
	(void)rig_poll(&rig); /* zeros are in flight */
	rig_truncate(&rig, 2);
	append(1, 100);
	rig_expect_durable(&rig, 3);
	for (qr_block block = 5; block < 32; block++)
		assert_true(is_zero(block));
}

/** Every subset of the sectors of the zeros, at every step: recovery finds the old suffix, shorter.
 */
static void a_crash_while_zeroing_leaves_a_torn_tail(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		qr_index before;

		append(3 + round % 5, 5000);
		before = store_log_last(rig.log);
		rig_expect_durable(&rig, before);
		rig_truncate(&rig, before - 1 - round % 3);
		(void)rig_poll(&rig);
		rig_crash_and_open(&rig);
		assert_int_equal(rig.recovered, QR_NOT_FOUND);
		assert_true(store_log_last(rig.log) >= before - 1 - round % 3);
		assert_true(store_log_last(rig.log) <= before);
		store_release(rig.log, store_log_last(rig.log));
		rig_drain(&rig);
	}
}

/*
 * Recovery forgives a hole no longer than store_reach, so zeros go out in smaller pieces where
 * strides are short: whatever of one arrives, what stands above it is still within reach.
 */
static void a_torn_write_of_zeros_stays_within_reach(void **state)
{
	struct store_log_parameters parameters = rig_parameters();

	(void)state;
	parameters.geometry.segment_blocks = 128;
	parameters.window_blocks = 128;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		rig_fini(&rig);
		rig_init(&rig, &parameters, seed);
		assert_int_equal(rig_open(&rig), QR_NOT_FOUND);
		rig_drain(&rig);
		append(60, 5000);
		rig_expect_durable(&rig, 60);
		rig_truncate(&rig, 1);
		(void)rig_poll(&rig);
		for (uint64_t done = seed % 5; done > 0 && rig.disk.pending_count > 0; done--) {
			rig_finish(&rig, 0);
			(void)rig_poll(&rig);
		}
		rig_crash_and_open(&rig);
		assert_int_equal(rig.recovered, QR_NOT_FOUND);
		assert_true(store_log_last(rig.log) >= 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_was_cut_off_is_zeroed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_cut_of_what_was_never_written_costs_nothing,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(new_entries_wait_for_the_zeros, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_loser_survives_at_the_other_place, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_second_cut_goes_further_down, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_crash_while_zeroing_leaves_a_torn_tail, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_torn_write_of_zeros_stays_within_reach, set_up,
						tear_down),
	};

	return cmocka_run_group_tests_name("storage/engine/scrub", tests, NULL, NULL);
}
