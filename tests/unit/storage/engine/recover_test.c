/* Torn tail or damage: each rule of engine/recover.c. Random crashes are in crash_test.c. */
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

/** Append durable entries, released as they become so. */
static void append(unsigned count, uint32_t payload_bytes)
{
	for (unsigned i = 0; i < count; i++) {
		assert_int_equal(rig_append(&rig, payload_bytes), QR_OK);
		rig_drain(&rig);
		store_release(rig.log, store_log_durable(rig.log).index);
	}
}

static void an_empty_log_opens(void **state)
{
	(void)state;
	rig_crash_and_open(&rig);
	assert_int_equal(rig.recovered, QR_NOT_FOUND);
	assert_int_equal(store_log_last(rig.log), 0);
}

static void entries_come_back_in_order_and_stay_in_the_window(void **state)
{
	struct store_location location;
	struct qr_span bytes;

	(void)state;
	append(90, 5000); /* 180 blocks: more than the window */
	rig_crash_and_open(&rig);
	assert_int_equal(rig.recovered_last, 90);
	assert_int_equal(store_log_end(rig.log), 90 * 6);
	assert_int_equal(store_log_durable(rig.log).index, 90);
	/* All but the strides that were read ahead: 8 - 3 strides of 4 entries, at least less one.
	 */
	for (qr_index index = 75; index <= 90; index++)
		assert_int_equal(store_window_entry(rig.log, index, &location, &bytes), QR_OK);
	assert_int_equal(store_window_entry(rig.log, 1, &location, &bytes), QR_NOT_FOUND);
	append(20, 5000);
	rig_crash_and_open(&rig);
	assert_int_equal(store_log_last(rig.log), 110);
}

static void a_torn_last_entry_is_cut_and_zeroed(void **state)
{
	(void)state;
	append(3, 5000);
	memset(disk_block(&rig.disk, 5) + 512, 0, 512); /* of entry 3, block 4..5 */
	assert_int_equal(rig_open(&rig), QR_NOT_FOUND);
	assert_int_equal(store_log_last(rig.log), 2);
	assert_int_equal(disk_block(&rig.disk, 4)[0], 0);
	append(1, 100);
	rig_crash_and_open(&rig);
	assert_int_equal(store_log_last(rig.log), 3);
}

/** TigerBeetle #2345: writes overlap, so several records at the tail may be torn. */
static void several_torn_entries_are_cut(void **state)
{
	(void)state;
	append(6, 5000);
	memset(disk_block(&rig.disk, 4), 0, QR_BLOCK_BYTES); /* entry 3 */
	memset(disk_block(&rig.disk, 9), 0, QR_BLOCK_BYTES); /* entry 5; 4 and 6 are whole */
	assert_int_equal(rig_open(&rig), QR_NOT_FOUND);
	assert_int_equal(store_log_last(rig.log), 2);
	for (qr_block block = 4; block < 12; block++)
		assert_int_equal(disk_block(&rig.disk, block)[0], 0);
}

static void damage_far_from_the_end_is_not_cut(void **state)
{
	struct store_damage damage;

	(void)state;
	append(40, 5000);
	disk_block(&rig.disk, 20)[1000] ^=
		4; /* entry 11, of 40; reach is five strides: 20 entries */
	assert_int_equal(rig_open(&rig), QR_CORRUPT);
	damage = store_log_damage(rig.log);
	assert_int_equal(damage.index, 11);
	assert_int_equal(damage.segment, 0);
	assert_int_equal(damage.offset_bytes, 20 * QR_BLOCK_BYTES);
	assert_int_equal(damage.reason, QR_CHECKSUM);
	assert_int_equal(store_log_condition(rig.log), QR_CORRUPT);
	assert_int_equal(rig_append(&rig, 1), QR_CORRUPT);
	/* Nothing was touched: with the bit back all is there. */
	disk_block(&rig.disk, 20)[1000] ^= 4;
	assert_int_equal(rig_open(&rig), QR_NOT_FOUND);
	assert_int_equal(store_log_last(rig.log), 40);
}

/** A lost segment is damage, even when what is lost is all zero. */
static void a_segment_of_zeros_is_damage(void **state)
{
	(void)state;
	append(80, 5000); /* five segments */
	memset(disk_block(&rig.disk, 32), 0, (size_t)32 * QR_BLOCK_BYTES);
	assert_int_equal(rig_open(&rig), QR_CORRUPT);
	assert_int_equal(store_log_damage(rig.log).index, 17);
	assert_int_equal(store_log_damage(rig.log).segment, 1);
}

/** Rule 1: an idle log's last entries, settled a second ago, are never taken for torn. */
static void damage_in_the_settled_prefix_is_not_cut(void **state)
{
	(void)state;
	append(3, 5000);
	store_log_retry(rig.log);
	rig_drain(&rig);
	disk_block(&rig.disk, 4)[300] ^= 1; /* the last entry */
	assert_int_equal(rig_open(&rig), QR_CORRUPT);
	assert_int_equal(store_log_damage(rig.log).index, 3);
}

/** Exactly at the bound of what writes in flight can reach. */
static void the_reach_decides(void **state)
{
	(void)state;
	/* A stride for each entry. The hole is entry 2, in stride 1: reach ends with stride 5. */
	append(6, 7 * QR_BLOCK_BYTES);
	memset(disk_block(&rig.disk, 8), 0, QR_BLOCK_BYTES);
	assert_int_equal(rig_open(&rig), QR_NOT_FOUND);
	assert_int_equal(store_log_last(rig.log), 1);
	append(6, 7 * QR_BLOCK_BYTES); /* 2..7, in strides 1..6 */
	memset(disk_block(&rig.disk, 8), 0, QR_BLOCK_BYTES);
	assert_int_equal(rig_open(&rig), QR_CORRUPT);
}

static void an_entry_at_a_wrong_place_is_no_entry(void **state)
{
	(void)state;
	append(4, 100);
	memcpy(disk_block(&rig.disk, 4), disk_block(&rig.disk, 3), QR_BLOCK_BYTES);
	assert_int_equal(rig_open(&rig), QR_NOT_FOUND);
	assert_int_equal(store_log_last(rig.log), 4);
	memcpy(disk_block(&rig.disk, 2), disk_block(&rig.disk, 1), QR_BLOCK_BYTES);
	assert_int_equal(rig_open(&rig), QR_NOT_FOUND);
	assert_int_equal(store_log_last(rig.log), 2);
}

static void the_files_of_another_log_are_not_touched(void **state)
{
	uint8_t before[QR_BLOCK_BYTES];
	struct store_entry entry;

	(void)state;
	append(2, 100);
	assert_int_equal(store_entry_decode(disk_block(&rig.disk, 0), &entry), QR_OK);
	entry.cluster++;
	store_entry_encode(disk_block(&rig.disk, 0), &entry);
	memcpy(before, disk_block(&rig.disk, 1), sizeof(before));
	assert_int_equal(rig_open(&rig), QR_FOREIGN);
	assert_memory_equal(before, disk_block(&rig.disk, 1), sizeof(before));
}

/** Every bit flip anywhere in a log is found, or harmless because nothing was there. */
static void every_damaged_block_is_found(void **state)
{
	(void)state;
	append(60, 9000); /* three blocks each, two to a stride */
	store_log_retry(rig.log);
	rig_drain(&rig);
	for (unsigned i = 0; i < 2000; i++) {
		qr_block block = qr_prng_below(&rig.prng, store_log_tail(rig.log));
		size_t at = (size_t)qr_prng_below(&rig.prng, QR_BLOCK_BYTES);
		uint8_t bit = (uint8_t)(1u << qr_prng_below(&rig.prng, 8));

		if (block % 8 >= 6)
			continue; /* the unused rest of a stride */
		disk_block(&rig.disk, block)[at] ^= bit;
		assert_int_equal(rig_open(&rig), QR_CORRUPT);
		assert_int_equal(store_log_damage(rig.log).index,
				 block / 8 * 2 + block % 8 / 3 + 1);
		disk_block(&rig.disk, block)[at] ^= bit;
		assert_int_equal(rig_open(&rig), QR_NOT_FOUND);
	}
}

/** Under durability = memory any hole is the end, and nothing behind it survives. */
static void a_lazy_log_ends_at_its_first_hole(void **state)
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
	append(60, 5000);
	memset(disk_block(&rig.disk, 20), 0, QR_BLOCK_BYTES);
	assert_int_equal(rig_open(&rig), QR_NOT_FOUND);
	assert_int_equal(store_log_last(rig.log), 10);
	for (qr_block block = 20; block < 120; block++)
		assert_int_equal(disk_block(&rig.disk, block)[0], 0);
	/* The same files under durable rules from now on. */
	rig.parameters.lazy = false;
	assert_int_equal(rig_open(&rig), QR_NOT_FOUND);
	assert_false(store_log_slot(rig.log)->lazy);
	assert_int_equal(store_log_last(rig.log), 10);
}

static void what_was_only_read_is_synced_before_it_counts(void **state)
{
	struct store_recovered_entry entry;
	struct qr_arena arena;
	bool synced = false;
	bool saved = false;

	(void)state;
	append(3, 100);
	qr_arena_init(&arena, rig.memory, rig.memory_bytes);
	rig.log = store_log_create(&arena, &rig.parameters);
	store_recover_begin(rig.log, rig.disk.extent, NULL);
	while (store_recover_next(rig.log, &entry) != QR_NOT_FOUND) {
		(void)rig_poll(&rig);
		if (rig.disk.pending_count == 0)
			continue;
		synced = synced || rig.disk.pending[0].op.kind == STORE_OP_SYNC;
		saved = saved || (synced && rig.disk.pending[0].op.kind == STORE_OP_WRITE_SLOT);
		rig_finish(&rig, 0);
	}
	assert_true(synced && saved);
}

static void a_term_that_the_slots_forgot_is_damage(void **state)
{
	uint8_t before[sizeof(rig.disk.slots)];

	(void)state;
	append(2, 100);
	memcpy(before, rig.disk.slots, sizeof(before));
	rig.term = 5;
	append(1, 100);
	rig_crash_and_open(&rig);
	assert_int_equal(rig.recovered, QR_NOT_FOUND);
	assert_int_equal(rig.recovered_last, 3);

	/* The newer slot was not mirrored yet, and its bits rot: its older twin is all there is. */
	memcpy(rig.disk.slots, before, sizeof(before));
	rig_crash_and_open(&rig);
	assert_int_equal(rig.recovered, QR_CORRUPT);
	assert_int_equal(rig.recovered_last, 2);
	assert_int_equal(store_log_damage(rig.log).index, 3);
}

static void a_settled_prefix_that_ends_elsewhere_is_damage(void **state)
{
	struct store_slot slot;

	(void)state;
	append(5, 100);
	store_log_retry(rig.log);
	rig_drain(&rig);
	assert_int_equal(store_slot_choose(rig.disk.slots, &slot), QR_OK);
	assert_int_equal(slot.settled.index, 5);
	slot.settled.offset++;
	for (unsigned i = 0; i < STORE_SLOTS; i++)
		store_slot_encode(rig.disk.slots + (size_t)i * STORE_SLOT_BYTES, &slot);
	rig_crash_and_open(&rig);
	assert_int_equal(rig.recovered, QR_CORRUPT);
	assert_int_equal(store_log_damage(rig.log).index, 5);
}

/*
 * Zeros over a suffix that was cut off may be in a cache only when the process is killed, like
 * anything else: the suffix must not come back once the log has opened without it.
 */
static void what_lies_behind_the_end_is_synced_too(void **state)
{
	struct store_recovered_entry entry;
	struct qr_arena arena;
	bool synced = false;

	(void)state;
	append(16, 5000); /* to the end of segment 0 */
	assert_int_equal(store_log_tail(rig.log), 32);
	assert_int_equal(rig.disk.extent.count, 3);
	qr_arena_init(&arena, rig.memory, rig.memory_bytes);
	rig.log = store_log_create(&arena, &rig.parameters);
	store_recover_begin(rig.log, rig.disk.extent, NULL);
	while (store_recover_next(rig.log, &entry) != QR_NOT_FOUND) {
		(void)rig_poll(&rig);
		if (rig.disk.pending_count == 0)
			continue;
		synced = synced || (rig.disk.pending[0].op.kind == STORE_OP_SYNC &&
				    rig.disk.pending[0].op.segment == 1);
		rig_finish(&rig, 0);
	}
	assert_true(synced);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_empty_log_opens, set_up, tear_down),
		cmocka_unit_test_setup_teardown(entries_come_back_in_order_and_stay_in_the_window,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_torn_last_entry_is_cut_and_zeroed, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(several_torn_entries_are_cut, set_up, tear_down),
		cmocka_unit_test_setup_teardown(damage_far_from_the_end_is_not_cut, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_segment_of_zeros_is_damage, set_up, tear_down),
		cmocka_unit_test_setup_teardown(damage_in_the_settled_prefix_is_not_cut, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(the_reach_decides, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_entry_at_a_wrong_place_is_no_entry, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(the_files_of_another_log_are_not_touched, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(every_damaged_block_is_found, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_lazy_log_ends_at_its_first_hole, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(what_was_only_read_is_synced_before_it_counts,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_term_that_the_slots_forgot_is_damage, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_settled_prefix_that_ends_elsewhere_is_damage,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_lies_behind_the_end_is_synced_too, set_up,
						tear_down),
	};

	return cmocka_run_group_tests_name("storage/engine/recover", tests, NULL, NULL);
}
