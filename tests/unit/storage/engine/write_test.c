#include "tests/unit/storage/rig.h"

#include "tests/unit/unit.h"

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

/** The pending operation that writes to `block`. */
static uint32_t write_at(qr_block block)
{
	for (uint32_t i = 0; i < rig.disk.pending_count; i++) {
		const struct store_op *op = &rig.disk.pending[i].op;

		if (op->kind == STORE_OP_WRITE &&
		    op->segment * 32 + op->offset_bytes / QR_BLOCK_BYTES == block)
			return i;
	}
	fail();
	return 0;
}

static void neighbours_are_merged_up_to_the_maximum(void **state)
{
	(void)state;
	append(6, 100); /* one block each, in a stride of 8; writes take 4 */
	(void)rig_poll(&rig);
	assert_int_equal(rig_writes(&rig), 2);
	assert_int_equal(rig.disk.pending[0].op.blocks, 4);
	assert_int_equal(rig.disk.pending[1].op.blocks, 2);
	rig_expect_durable(&rig, 6);
	assert_int_equal(store_log_counters(rig.log).writes, 2);
}

static void merging_stops_at_a_stride(void **state)
{
	(void)state;
	append(7, 100);
	rig_expect_durable(&rig, 7);
	append(4, 100); /* blocks 7 | 8 9 10 */
	(void)rig_poll(&rig);
	assert_int_equal(rig_writes(&rig), 2);
	assert_int_equal(rig.disk.pending[write_at(7)].op.blocks, 1);
	assert_int_equal(rig.disk.pending[write_at(8)].op.blocks, 3);
}

static void a_larger_entry_goes_alone(void **state)
{
	(void)state;
	append(1, 6 * QR_BLOCK_BYTES);
	append(1, 100);
	(void)rig_poll(&rig);
	assert_int_equal(rig.disk.pending[write_at(0)].op.blocks, 7);
	assert_int_equal(rig.disk.pending[write_at(7)].op.blocks, 1);
}

static void no_more_than_the_depth_is_in_flight(void **state)
{
	(void)state;
	append(5, 3 * QR_BLOCK_BYTES); /* four blocks each: never merged */
	assert_true(store_log_pending(rig.log) == 5);
	(void)rig_poll(&rig);
	assert_int_equal(rig_writes(&rig), 4);
	assert_false(store_log_has_slot(rig.log));
	rig_finish(&rig, write_at(12));
	(void)rig_poll(&rig);
	assert_int_equal(rig_writes(&rig), 4);
	assert_int_equal(store_log_durable(rig.log).index, 0);
	rig_expect_durable(&rig, 5);
	assert_true(store_log_has_slot(rig.log));
}

static void durable_is_the_prefix_without_a_hole(void **state)
{
	(void)state;
	append(3, 3 * QR_BLOCK_BYTES);
	(void)rig_poll(&rig);
	rig_finish(&rig, write_at(8));
	assert_int_equal(store_log_durable(rig.log).index, 0);
	rig_finish(&rig, write_at(0));
	assert_int_equal(store_log_durable(rig.log).index, 1);
	rig_finish(&rig, write_at(4));
	assert_int_equal(store_log_durable(rig.log).index, 3);
	assert_int_equal(store_log_durable(rig.log).term, 1);
	assert_int_equal(store_log_durable(rig.log).generation, 1);
}

/** What recovery builds on: nothing is written out of reach of the durable prefix. */
static void nothing_is_written_out_of_reach(void **state)
{
	(void)state;
	append(7, 7 * QR_BLOCK_BYTES); /* a stride each */
	(void)rig_poll(&rig);
	for (unsigned i = 0; i < 20; i++) {
		for (uint32_t k = 0; k < rig.disk.pending_count; k++) {
			const struct store_op *op = &rig.disk.pending[k].op;

			assert_true(op->kind != STORE_OP_WRITE ||
				    op->segment * 4 + op->offset_bytes / QR_BLOCK_BYTES / 8 <=
					    STORE_REACH_STRIDES);
		}
		/* The first never comes back; the others do. */
		if (rig_writes(&rig) > 1)
			rig_finish(&rig, rig.disk.pending_count - 1);
		(void)rig_poll(&rig);
	}
	assert_int_equal(rig_writes(&rig), 1);
	assert_int_equal(store_log_durable(rig.log).index, 0);
	rig_expect_durable(&rig, 7);
}

/** CORRECTNESS 13: the late completion of an overwritten suffix never counts for the new one. */
static void a_late_completion_does_not_count(void **state)
{
	struct raft_position durable;

	(void)state;
	append(2, 100);
	rig_expect_durable(&rig, 2);
	append(2, 3 * QR_BLOCK_BYTES); /* 3 at block 2, 4 at block 8 */
	(void)rig_poll(&rig);
	assert_int_equal(rig_writes(&rig), 2);
	rig_truncate(&rig, 2);
	durable = store_log_durable(rig.log);
	assert_true(durable.index == 2 && durable.generation == 2);

	/* Its memory is still being read: nothing may be laid out there. */
	assert_int_equal(rig_append(&rig, 3 * QR_BLOCK_BYTES), QR_BUSY);
	rig_finish(&rig, write_at(2));
	rig_finish(&rig, write_at(8));
	assert_int_equal(store_log_durable(rig.log).index, 2);

	append(2, 3 * QR_BLOCK_BYTES);
	(void)rig_poll(&rig);
	assert_int_equal(store_log_durable(rig.log).index, 2);
	rig_expect_durable(&rig, 4);
	assert_int_equal(store_log_durable(rig.log).generation, 2);
	rig_crash_and_open(&rig);
	assert_int_equal(store_log_last(rig.log), 4);
	assert_true(rig_digest(&rig, 4) == rig.laid[rig.laid_count - 1].digest);
}

/** A write that covers entries on both sides of the cut counts for those below. */
static void a_write_across_the_cut_counts_below_it(void **state)
{
	(void)state;
	append(4, 100);
	(void)rig_poll(&rig);
	rig_truncate(&rig, 2);
	assert_int_equal(store_log_durable(rig.log).index, 0);
	rig_finish(&rig, write_at(0));
	assert_int_equal(store_log_durable(rig.log).index, 2);
	append(1, 100);
	rig_expect_durable(&rig, 3);
}

static void a_failed_write_poisons(void **state)
{
	(void)state;
	append(2, 3 * QR_BLOCK_BYTES);
	(void)rig_poll(&rig);
	rig.disk.fail_next_write = QR_IO;
	rig_finish(&rig, write_at(4));
	assert_int_equal(store_log_condition(rig.log), QR_POISONED);
	rig_finish(&rig, write_at(0)); /* succeeds, and does not count any more */
	assert_int_equal(store_log_durable(rig.log).index, 0);
	assert_int_equal(rig_append(&rig, 1), QR_POISONED);
	assert_int_equal(rig_poll(&rig), 0);
	assert_false(store_log_has_slot(rig.log));
}

static void lazy_counts_at_once(void **state)
{
	(void)state;
	rig_fini(&rig);
	{
		struct store_log_parameters parameters = rig_parameters();

		parameters.lazy = true;
		rig_init(&rig, &parameters, 1);
	}
	assert_int_equal(rig_open(&rig), QR_NOT_FOUND);
	rig_drain(&rig);
	append(3, 100);
	assert_int_equal(store_log_durable(rig.log).index, 3);
	(void)rig_poll(&rig);
	assert_int_equal(rig.disk.pending[0].op.kind, STORE_OP_WRITE_LAZY);
	/* The window still waits for the writes. */
	store_release(rig.log, 3);
	assert_int_equal(store_log_limit(rig.log), 64);
	rig_drain(&rig);
	assert_int_equal(store_log_durable(rig.log).index, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(neighbours_are_merged_up_to_the_maximum, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(merging_stops_at_a_stride, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_larger_entry_goes_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_more_than_the_depth_is_in_flight, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(durable_is_the_prefix_without_a_hole, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(nothing_is_written_out_of_reach, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_late_completion_does_not_count, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_write_across_the_cut_counts_below_it, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_failed_write_poisons, set_up, tear_down),
		cmocka_unit_test_setup_teardown(lazy_counts_at_once, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("storage/engine/write", tests, NULL, NULL);
}
