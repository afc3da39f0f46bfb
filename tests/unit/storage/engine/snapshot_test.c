/* Snapshots, out and in again: what a start begins with, whatever became of the two files. */
#include "tests/unit/storage/rig.h"

#include "storage/engine/internal.h"
#include "tests/unit/unit.h"

#include <string.h>

static struct rig rig;

static int set_up(void **state)
{
	struct store_log_parameters parameters = rig_parameters();

	(void)state;
	parameters.snapshot_blocks = 8;
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

/** Entries of a block each, up to `last`, all durable. */
static void append_upto(qr_index last)
{
	while (store_log_last(rig.log) < last) {
		assert_int_equal(rig_append(&rig, 1000), QR_OK);
		rig_drain(&rig);
		store_release(rig.log, store_log_last(rig.log));
	}
	rig_expect_durable(&rig, last);
}

static void expect_state(const char *text, qr_index base)
{
	assert_true(rig.recovered_base.index == base);
	assert_int_equal(rig.recovered_state_bytes, strlen(text));
	assert_memory_equal(rig.recovered_state, text, strlen(text));
}

static void reopen(void)
{
	assert_int_equal(rig_open(&rig), QR_NOT_FOUND);
	rig_drain(&rig);
}

/** Two snapshots: of entry 10 in file 0, and of entry 20 in file 1; 25 entries. */
static void take_two(void)
{
	append_upto(10);
	rig_snapshot(&rig, 10, "ten", 3);
	append_upto(20);
	rig_snapshot(&rig, 20, "twenty", 6);
	append_upto(25);
	assert_int_equal(store_log_counters(rig.log).snapshots, 2);
}

static void a_start_begins_behind_the_newest(void **state)
{
	uint64_t digest;

	(void)state;
	take_two();
	digest = rig_digest(&rig, 25);
	memset(rig.recovered_digests, 0, sizeof(rig.recovered_digests));
	reopen();
	expect_state("twenty", 20);
	assert_true(rig.recovered_last == 25 && rig.recovered_digests[25] == digest);
	assert_true(rig.recovered_digests[20] == 0 && rig.recovered_digests[21] != 0);
	append_upto(30);
}

static void without_a_buffer_the_whole_log_is_read(void **state)
{
	const struct store_snapshot_buffer buffer = rig.snapshot;

	(void)state;
	take_two();
	rig.snapshot = (struct store_snapshot_buffer){0};
	memset(rig.recovered_digests, 0, sizeof(rig.recovered_digests));
	reopen();
	rig.snapshot = buffer;
	assert_true(rig.recovered_base.index == 0 && rig.recovered_last == 25);
	assert_true(rig.recovered_digests[1] != 0);
}

static void a_damaged_one_leaves_the_other(void **state)
{
	(void)state;
	take_two();
	rig.disk.snapshots[1][STORE_SNAPSHOT_STATE_AT] ^= 1; /* the body */
	reopen();
	expect_state("ten", 10);
	assert_true(rig.recovered_last == 25);
	/* The next one takes the damaged one's place. */
	rig_snapshot(&rig, 25, "again", 5);
	reopen();
	expect_state("again", 25);
	rig.disk.snapshots[1][20] ^= 1; /* the header */
	reopen();
	expect_state("ten", 10);
}

static void with_neither_the_whole_log_is_read(void **state)
{
	(void)state;
	take_two();
	rig.disk.snapshots[1][12] ^= 1;
	rig.disk.snapshot_bytes[0] = STORE_SNAPSHOT_HEADER_BYTES; /* a file that ends too soon */
	reopen();
	assert_true(rig.recovered_base.index == 0 && rig.recovered_last == 25);
}

static void entries_with_no_place_are_found_by_checkpoints(void **state)
{
	struct store_checkpoint before;

	(void)state;
	append_upto(200);
	before = store_index_before(rig.log, 150);
	rig_snapshot(&rig, 200, "s", 1);
	reopen();
	assert_true(store_index_before(rig.log, 150).index == before.index);
	assert_true(before.index > 1);
}

static void the_base_is_where_a_cut_may_stand(void **state)
{
	(void)state;
	take_two();
	reopen();
	rig_truncate(&rig, 20);
	rig_drain(&rig);
	assert_true(store_log_last(rig.log) == 20);
	append_upto(22);
	reopen();
	expect_state("twenty", 20);
	assert_true(rig.recovered_last == 22);
}

/** A slot that was lost took a vote with it, perhaps. */
static void one_that_knows_more_than_the_slots_is_damage(void **state)
{
	uint8_t slots[sizeof(rig.disk.slots)];

	(void)state;
	append_upto(10);
	memcpy(slots, rig.disk.slots, sizeof(slots));
	rig_snapshot(&rig, 10, "ten", 3);
	memcpy(rig.disk.slots, slots, sizeof(slots));
	assert_int_equal(rig_open(&rig), QR_CORRUPT);
}

/** The snapshot of entry 10, which is the last settled one, says of it what it is not. */
static void expect_refused(struct store_prefix base)
{
	uint8_t *file = rig.disk.snapshots[0];
	struct store_snapshot header;
	struct store_snapshot forged;

	assert_int_equal(store_snapshot_decode(file, &header), QR_OK);
	forged = header;
	forged.base = base;
	store_snapshot_encode(file, &forged);
	assert_int_equal(rig_open(&rig), QR_CORRUPT);
	store_snapshot_encode(file, &header);
	reopen();
	expect_state("ten", 10);
}

static void one_that_knows_the_last_settled_entry_as_another_is_damage(void **state)
{
	struct store_prefix base;

	(void)state;
	append_upto(10);
	rig_snapshot(&rig, 10, "ten", 3);
	base = store_log_slot(rig.log)->settled;
	assert_true(base.index == 10);
	base.term++;
	expect_refused(base);
	base.term--;
	base.offset--;
	expect_refused(base);
	base.offset++;
	base.chain++;
	expect_refused(base);
}

/** The slot that had the term was lost, and what it said of the vote. */
static void one_of_a_later_term_than_the_slots_is_damage(void **state)
{
	struct store_slot slot;

	(void)state;
	append_upto(10);
	rig_snapshot(&rig, 10, "ten", 3);
	assert_int_equal(store_slot_choose(rig.disk.slots, &slot), QR_OK);
	slot.state.term = 0;
	for (unsigned i = 0; i < STORE_SLOTS; i++)
		store_slot_encode(rig.disk.slots + (size_t)i * STORE_SLOT_BYTES, &slot);
	assert_int_equal(rig_open(&rig), QR_CORRUPT);
}

static void a_hole_at_the_base_below_what_is_settled_is_damage(void **state)
{
	(void)state;
	take_two();
	store_log_retry(rig.log);
	rig_drain(&rig); /* 25 are settled */
	disk_block(&rig.disk, 20)[0] ^= 1;
	assert_int_equal(rig_open(&rig), QR_CORRUPT);
	assert_true(store_log_damage(rig.log).index == 21);
}

static void a_larger_one_than_there_is_memory_for_is_refused(void **state)
{
	uint8_t large[(size_t)6 * QR_BLOCK_BYTES] = {1};

	(void)state;
	append_upto(10);
	rig_snapshot(&rig, 10, large, sizeof(large));
	rig.snapshot.size_bytes = (size_t)4 * QR_BLOCK_BYTES;
	assert_int_equal(rig_open(&rig), QR_CONFIG);
}

static void no_space_gives_it_up_and_nothing_else(void **state)
{
	(void)state;
	append_upto(10);
	rig.disk.fail_snapshots = QR_NO_SPACE;
	rig_snapshot(&rig, 10, "ten", 3);
	assert_false(store_snapshot_is_busy(rig.log));
	assert_int_equal(store_log_condition(rig.log), QR_OK);
	rig.disk.fail_snapshots = QR_OK;
	rig_snapshot(&rig, 10, "ten", 3);
	reopen();
	expect_state("ten", 10);
}

static void a_failed_write_poisons_the_log(void **state)
{
	(void)state;
	append_upto(10);
	rig.disk.fail_snapshots = QR_IO;
	rig_snapshot(&rig, 10, "ten", 3);
	assert_int_equal(store_log_condition(rig.log), QR_POISONED);
	assert_false(store_snapshot_is_busy(rig.log));
}

/** Start what the log wants; @return whether a write of a snapshot is among what is in flight. */
static bool is_written(void)
{
	while (rig_poll(&rig) > 0)
		continue;
	for (uint32_t i = 0; i < rig.disk.pending_count; i++) {
		if (rig.disk.pending[i].op.kind == STORE_OP_WRITE_SNAPSHOT)
			return true;
	}
	return false;
}

static void it_waits_until_the_slots_say_that_so_much_is_settled(void **state)
{
	(void)state;
	append_upto(10);
	memcpy(rig.snapshot.data + STORE_SNAPSHOT_STATE_AT, "ten", 3);
	store_snapshot_take(rig.log, 10, 0, rig.snapshot, 3);
	assert_false(is_written());
	store_log_retry(rig.log);
	assert_false(is_written()); /* the slot is under way */
	rig_finish(&rig, 0);
	assert_true(is_written());
	rig_drain(&rig);
	reopen();
	expect_state("ten", 10);
}

static void what_was_read_after_a_crash_is_synced_before_its_twin_goes(void **state)
{
	bool synced = false;

	(void)state;
	take_two();
	reopen();
	append_upto(40);
	memcpy(rig.snapshot.data + STORE_SNAPSHOT_STATE_AT, "forty", 5);
	store_snapshot_take(rig.log, 40, 0, rig.snapshot, 5);
	store_log_retry(rig.log);
	while (!is_written()) {
		synced = synced || rig.disk.pending[0].op.kind == STORE_OP_SYNC_SNAPSHOT;
		assert_true(rig.disk.pending_count > 0);
		rig_finish(&rig, 0);
	}
	assert_true(synced);
}

static void it_is_due_when_the_log_has_grown_enough(void **state)
{
	(void)state;
	rig.log->parameters.snapshot_blocks = 40; /* segments have 32 */
	append_upto(33);
	assert_false(store_snapshot_is_due(rig.log, 32));
	append_upto(65);
	assert_false(store_snapshot_is_due(rig.log, 63)); /* in the middle of a segment */
	assert_true(store_snapshot_is_due(rig.log, 64));
	rig_snapshot(&rig, 64, "64", 2);
	append_upto(97);
	assert_false(store_snapshot_is_due(rig.log, 96));
	append_upto(129);
	assert_true(store_snapshot_is_due(rig.log, 128));
	reopen();
	rig.log->parameters.snapshot_blocks = 40;
	assert_true(store_snapshot_is_due(rig.log, 128));
}

/** Crashes anywhere in the writing of many snapshots: the newest that was whole is found. */
static void a_crash_anywhere_leaves_the_newest_whole_one(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		qr_index durable = rig.recovered_base.index;
		qr_index last = store_log_last(rig.log) + 1 + qr_prng_below(&rig.prng, 4);
		uint64_t steps = qr_prng_below(&rig.prng, 12);

		append_upto(last);
		memcpy(rig.snapshot.data + STORE_SNAPSHOT_STATE_AT, &last, sizeof(last));
		store_snapshot_take(rig.log, last, 0, rig.snapshot, sizeof(last));
		store_log_retry(rig.log);
		while (steps-- > 0) {
			while (rig_poll(&rig) > 0)
				continue;
			if (rig.disk.pending_count > 0)
				rig_finish(&rig, 0);
		}
		if (!store_snapshot_is_busy(rig.log))
			durable = last;
		assert_int_equal(rig_open(&rig), QR_NOT_FOUND);
		assert_in_range(rig.recovered_base.index, durable, last);
		if (rig.recovered_base.index != 0) {
			assert_memory_equal(rig.recovered_state, &rig.recovered_base.index,
					    sizeof(qr_index));
		}
		assert_true(rig.recovered_last == last);
		rig_drain(&rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_start_begins_behind_the_newest, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(without_a_buffer_the_whole_log_is_read, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_damaged_one_leaves_the_other, set_up, tear_down),
		cmocka_unit_test_setup_teardown(with_neither_the_whole_log_is_read, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(entries_with_no_place_are_found_by_checkpoints,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_base_is_where_a_cut_may_stand, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(one_that_knows_more_than_the_slots_is_damage,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			one_that_knows_the_last_settled_entry_as_another_is_damage, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(one_of_a_later_term_than_the_slots_is_damage,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_hole_at_the_base_below_what_is_settled_is_damage,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_larger_one_than_there_is_memory_for_is_refused,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_space_gives_it_up_and_nothing_else, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_failed_write_poisons_the_log, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			it_waits_until_the_slots_say_that_so_much_is_settled, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_was_read_after_a_crash_is_synced_before_its_twin_goes, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(it_is_due_when_the_log_has_grown_enough, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_crash_anywhere_leaves_the_newest_whole_one,
						set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
