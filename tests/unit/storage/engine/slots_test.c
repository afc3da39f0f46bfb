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

static void save(qr_term term, qr_node vote, uint64_t generation)
{
	const struct raft_hard_state state = {.term = term, .vote = vote, .generation = generation};

	store_save_state(rig.log, &state);
}

static void expect_state(qr_term term, qr_node vote, uint64_t generation)
{
	const struct raft_hard_state *state = &store_log_slot(rig.log)->state;

	assert_int_equal(state->term, term);
	assert_int_equal(state->vote, vote);
	assert_int_equal(state->generation, generation);
}

static void a_new_group_has_its_slots_first(void **state)
{
	struct store_slot slots[2];

	(void)state;
	assert_int_equal(store_slot_decode(rig.disk.slots, &slots[0]), QR_OK);
	assert_int_equal(store_slot_decode(rig.disk.slots + STORE_SLOT_BYTES, &slots[1]), QR_OK);
	assert_true(slots[0].serial == slots[1].serial);
	assert_true(slots[0].cluster == RIG_CLUSTER && slots[0].group == RIG_GROUP);
	assert_true(slots[0].configuration.voters == 0xe);
}

static void state_is_durable_when_its_write_is(void **state)
{
	(void)state;
	save(5, 2, 1);
	assert_int_equal(store_log_state_durable(rig.log), 0);
	(void)rig_poll(&rig);
	assert_int_equal(store_log_state_durable(rig.log), 0);
	rig_finish(&rig, 0);
	assert_int_equal(store_log_state_durable(rig.log), 1);
	rig_drain(&rig);
	assert_memory_equal(rig.disk.slots, rig.disk.slots + STORE_SLOT_BYTES, STORE_SLOT_BYTES);
	rig_crash_and_open(&rig);
	expect_state(5, 2, 1);
}

static void one_write_at_a_time_and_the_newest_waits(void **state)
{
	(void)state;
	save(5, 0, 1);
	(void)rig_poll(&rig);
	save(6, 0, 2);
	save(7, 3, 3);
	assert_int_equal(rig_poll(&rig), 0);
	rig_finish(&rig, 0);
	assert_int_equal(store_log_state_durable(rig.log), 1);
	(void)rig_poll(&rig);
	rig_finish(&rig, 0);
	assert_int_equal(store_log_state_durable(rig.log), 3);
	rig_crash_and_open(&rig);
	expect_state(7, 3, 3);
}

/** Generations 1 and 3 have the same parity: 3 must not go over the only good copy of 1. */
static void a_skipped_generation_does_not_endanger_the_one_before(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		qr_term term = store_log_slot(rig.log)->state.term;
		uint64_t generation = store_log_slot(rig.log)->state.generation;
		qr_term found;

		save(term + 1, 1, generation + 1);
		(void)rig_poll(&rig);
		rig_finish(&rig, 0); /* durable */
		save(term + 2, 2, generation + 2);
		save(term + 3, 3, generation + 3);
		(void)rig_poll(&rig); /* in flight */
		rig_crash_and_open(&rig);
		assert_int_equal(rig.recovered, QR_NOT_FOUND);
		found = store_log_slot(rig.log)->state.term;
		assert_true(found == term + 1 || found == term + 3);
	}
}

/** Raft §5.1: after a crash the term in the slots is never behind the log's. */
static void entries_wait_for_the_hard_state(void **state)
{
	(void)state;
	save(5, 0, 1);
	rig.term = 5;
	assert_int_equal(rig_append(&rig, 100), QR_OK);
	(void)rig_poll(&rig);
	assert_int_equal(rig.disk.pending_count, 1);
	assert_int_equal(rig.disk.pending[0].op.kind, STORE_OP_WRITE_SLOT);
	rig_finish(&rig, 0);
	(void)rig_poll(&rig);
	assert_int_equal(rig_writes(&rig), 1);
	rig_expect_durable(&rig, 1);
}

static void one_damaged_slot_is_made_good(void **state)
{
	(void)state;
	for (unsigned slot = 0; slot < 2; slot++) {
		save(10 + slot, 1, 1 + slot);
		rig_drain(&rig);
		memset(rig.disk.slots + (size_t)slot * STORE_SLOT_BYTES + 40, 0xff, 8);
		rig_crash_and_open(&rig);
		expect_state(10 + slot, 1, 1 + slot);
		rig_drain(&rig);
		assert_memory_equal(rig.disk.slots, rig.disk.slots + STORE_SLOT_BYTES,
				    STORE_SLOT_BYTES);
	}
}

static void two_damaged_slots_stop_the_group(void **state)
{
	(void)state;
	rig.disk.slots[40] ^= 1;
	rig.disk.slots[STORE_SLOT_BYTES + 40] ^= 1;
	assert_int_equal(rig_open(&rig), QR_CORRUPT);
	assert_int_equal(store_log_condition(rig.log), QR_CORRUPT);
	/* Wiped ones beside segments are no new group. */
	memset(rig.disk.slots, 0, sizeof(rig.disk.slots));
	assert_int_equal(rig_open(&rig), QR_CORRUPT);
}

/* With others that have the log, what is here is given up, and that is said first. */
static void two_damaged_slots_give_up_a_log_that_others_have(void **state)
{
	(void)state;
	assert_int_equal(rig_append(&rig, 100), QR_OK);
	rig_expect_durable(&rig, 1);
	rig.parameters.forgets = true;
	rig.disk.slots[40] ^= 1;
	rig.disk.slots[STORE_SLOT_BYTES + 40] ^= 1;
	assert_int_equal(rig_open(&rig), QR_NOT_FOUND);
	assert_true(store_log_slot(rig.log)->state.amnesia);
	assert_int_equal(store_log_last(rig.log), 0);
	rig_drain(&rig);
	/* It stays so until somebody says that it counts again. */
	assert_int_equal(rig_open(&rig), QR_NOT_FOUND);
	assert_true(store_log_slot(rig.log)->state.amnesia);
	assert_int_equal(rig_append(&rig, 100), QR_OK);
	rig_expect_durable(&rig, 1);
	save(5, 2, 9);
	rig_drain(&rig);
	assert_int_equal(rig_open(&rig), QR_NOT_FOUND);
	assert_false(store_log_slot(rig.log)->state.amnesia);
	expect_state(5, 2, 9);
	assert_int_equal(store_log_last(rig.log), 1);
}

static void slots_of_others_are_refused(void **state)
{
	(void)state;
	rig.parameters.cluster++;
	assert_int_equal(rig_open(&rig), QR_FOREIGN);
	rig.parameters.cluster--;
	rig.parameters.node++;
	assert_int_equal(rig_open(&rig), QR_FOREIGN);
	rig.parameters.node--;
	rig.parameters.geometry.segment_blocks *= 2;
	assert_int_equal(rig_open(&rig), QR_CONFIG);
	rig.parameters.geometry.segment_blocks /= 2;
	assert_int_equal(rig_open(&rig), QR_NOT_FOUND);
}

static void the_settled_prefix_is_noted(void **state)
{
	(void)state;
	assert_int_equal(rig_append(&rig, 100), QR_OK);
	assert_int_equal(rig_append(&rig, 100), QR_OK);
	rig_expect_durable(&rig, 2);
	store_release(rig.log, 1);
	store_log_retry(rig.log);
	rig_drain(&rig);
	assert_int_equal(store_log_slot(rig.log)->settled.index, 1);
	rig_crash_and_open(&rig);
	assert_int_equal(store_log_slot(rig.log)->settled.index, 1);
	rig_drain(&rig);
	store_log_retry(rig.log); /* nothing has moved */
	assert_int_equal(rig_poll(&rig), 0);
}

static void a_failed_slot_write_poisons(void **state)
{
	(void)state;
	save(5, 2, 1);
	(void)rig_poll(&rig);
	rig.disk.fail_next_write = QR_IO;
	rig_finish(&rig, 0);
	assert_int_equal(store_log_condition(rig.log), QR_POISONED);
	assert_int_equal(store_log_state_durable(rig.log), 0);
	assert_int_equal(rig_poll(&rig), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_new_group_has_its_slots_first, set_up, tear_down),
		cmocka_unit_test_setup_teardown(state_is_durable_when_its_write_is, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(one_write_at_a_time_and_the_newest_waits, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(
			a_skipped_generation_does_not_endanger_the_one_before, set_up, tear_down),
		cmocka_unit_test_setup_teardown(entries_wait_for_the_hard_state, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_damaged_slot_is_made_good, set_up, tear_down),
		cmocka_unit_test_setup_teardown(two_damaged_slots_stop_the_group, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(two_damaged_slots_give_up_a_log_that_others_have,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(slots_of_others_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_settled_prefix_is_noted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_failed_slot_write_poisons, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("storage/engine/slots", tests, NULL, NULL);
}
