/* An entry that the disk has lost: what a reader tells of it, and what may be written in its place.
 */
#include "tests/unit/storage/rig.h"

#include "storage/engine/reader.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#define ENTRY_BYTES (STORE_ENTRY_HEADER_BYTES + 1000)

static struct rig rig;
static struct store_reader *reader;
static void *reader_memory;
static uint8_t *entry; /* room for one */

static void append_upto(qr_index last)
{
	while (store_log_last(rig.log) < last) {
		assert_int_equal(rig_append(&rig, 1000), QR_OK);
		rig_drain(&rig);
		store_release(rig.log, store_log_last(rig.log));
	}
}

/** Entries of a block each, of which the window holds the newest 64 only. */
static int set_up(void **state)
{
	const struct store_log_parameters parameters = rig_parameters();
	struct qr_arena arena;

	(void)state;
	rig_init(&rig, &parameters, 1);
	if (rig_open(&rig) != QR_NOT_FOUND)
		return 1;
	rig_drain(&rig);
	append_upto(200);
	qr_arena_init(&arena, NULL, 0);
	(void)store_reader_create(&arena, 8);
	reader_memory = aligned_alloc(QR_BLOCK_BYTES,
				      (arena.used_bytes / QR_BLOCK_BYTES + 1) * QR_BLOCK_BYTES);
	entry = aligned_alloc(QR_BLOCK_BYTES, QR_BLOCK_BYTES);
	if (reader_memory == NULL || entry == NULL)
		return 1;
	qr_arena_init(&arena, reader_memory, arena.used_bytes);
	reader = store_reader_create(&arena, 8);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	rig_fini(&rig);
	free(reader_memory);
	free(entry);
	return 0;
}

/** Read on until entry `index` comes, or something is wrong. */
static enum qr_error read_to(qr_index index)
{
	struct store_location at;
	struct qr_span bytes;
	enum qr_error error;

	do {
		struct store_op op;

		error = store_reader_next(reader, &at, &bytes);
		if (error == QR_AGAIN && store_reader_poll(reader, &op) == 1) {
			struct store_completion completion;

			disk_start(&rig.disk, &op);
			completion = disk_finish(&rig.disk, rig.disk.pending_count - 1);
			store_reader_complete(reader, &completion);
		}
	} while (error == QR_AGAIN || (error == QR_OK && at.index < index));
	return error;
}

static enum qr_error read_from(qr_index first, qr_index to)
{
	store_reader_stop(reader);
	store_reader_start_index(reader, rig.log, first, 0);
	return read_to(to);
}

/** The copy that a peer would have; then a bit of the block flips. @return what the reader misses.
 */
static struct store_missing lose(qr_index index)
{
	uint8_t *block = disk_block(&rig.disk, index - 1);

	memcpy(entry, block, QR_BLOCK_BYTES);
	block[200] ^= 4;
	assert_int_equal(read_from(1, index), QR_CORRUPT);
	return store_reader_missing(reader);
}

static enum qr_error write_entry(const struct store_missing *missing, qr_block block)
{
	enum qr_error error = store_repair_write(rig.log, missing, block, entry, ENTRY_BYTES);

	rig_drain(&rig);
	return error;
}

static void what_was_lost_is_read_again(void **state)
{
	struct store_missing missing = lose(50);

	(void)state;
	assert_true(missing.before.index == 49 && missing.before.block == 49 && missing.linked);
	memset(entry + ENTRY_BYTES, 0xee, QR_BLOCK_BYTES - ENTRY_BYTES); /* no padding is sent */
	assert_int_equal(write_entry(&missing, 49), QR_OK);
	assert_false(store_repair_is_busy(rig.log));
	assert_true(store_log_counters(rig.log).repairs == 1);
	assert_int_equal(read_from(1, 200), QR_OK);
}

static void a_reader_that_begins_there_knows_the_place_alone(void **state)
{
	qr_index start = store_log_next_start(rig.log, 1);
	struct store_missing missing;

	(void)state;
	assert_true(start > 1);
	memcpy(entry, disk_block(&rig.disk, start - 1), QR_BLOCK_BYTES);
	disk_block(&rig.disk, start - 1)[0] ^= 1;
	assert_int_equal(read_from(start, start), QR_CORRUPT);
	missing = store_reader_missing(reader);
	assert_true(missing.placed && !missing.linked && missing.before.block == start - 1);
	assert_int_equal(write_entry(&missing, start), QR_STALE);
	assert_int_equal(write_entry(&missing, start - 1), QR_OK);
	assert_int_equal(read_from(start, 200), QR_OK);
}

/* As from a checkpoint in the middle of a stride: it is not looked for at the end of that one. */
static void a_place_that_is_known_stays(void **state)
{
	const struct store_missing from = {.before = {.index = 50, .block = 50}, .placed = true};
	struct store_missing missing;

	(void)state;
	memcpy(entry, disk_block(&rig.disk, 50), QR_BLOCK_BYTES);
	disk_block(&rig.disk, 50)[0] ^= 1;
	store_reader_stop(reader);
	store_reader_start_at(reader, rig.log, &from, 0);
	assert_int_equal(read_to(51), QR_CORRUPT);
	missing = store_reader_missing(reader);
	assert_true(missing.placed && missing.before.block == 50);
	assert_int_equal(write_entry(&missing, 50), QR_OK);
	assert_int_equal(read_from(1, 200), QR_OK);
}

static void a_reader_can_begin_behind_damage(void **state)
{
	struct store_missing next = {.before = {.index = 50, .block = 50}};

	(void)state;
	(void)lose(50);
	store_reader_stop(reader);
	store_reader_start_at(reader, rig.log, &next, 0);
	assert_int_equal(read_to(200), QR_OK);
	store_reader_stop(reader);
	next.before.block = 49; /* it is not there */
	store_reader_start_at(reader, rig.log, &next, 0);
	assert_int_equal(read_to(51), QR_CORRUPT);
}

static void another_entry_is_refused(void **state)
{
	struct store_missing missing = lose(50);

	(void)state;
	memcpy(entry, disk_block(&rig.disk, 50), QR_BLOCK_BYTES); /* its successor */
	assert_int_not_equal(write_entry(&missing, 49), QR_OK);
	assert_int_not_equal(write_entry(&missing, 50), QR_OK);
	assert_int_equal(read_from(1, 200), QR_CORRUPT);
}

static void every_bit_of_it_counts(void **state)
{
	struct store_missing missing = lose(50);

	(void)state;
	for (unsigned bit = 0; bit < 8 * ENTRY_BYTES; bit += 7) {
		entry[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_not_equal(write_entry(&missing, 49), QR_OK);
		entry[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(write_entry(&missing, 49), QR_OK);
}

static void what_is_not_committed_is_not_repaired(void **state)
{
	struct store_missing missing = {.before = {.index = 200, .block = 200}};

	(void)state;
	assert_int_equal(rig_append(&rig, 1000), QR_OK);
	rig_drain(&rig); /* durable, and not released */
	memcpy(entry, disk_block(&rig.disk, 200), QR_BLOCK_BYTES);
	assert_int_equal(write_entry(&missing, 200), QR_OUT_OF_RANGE);
	store_release(rig.log, 201);
	assert_int_equal(write_entry(&missing, 200), QR_OK);
}

static void a_failed_write_poisons_the_log(void **state)
{
	struct store_missing missing = lose(50);

	(void)state;
	rig.disk.fail_next_write = QR_IO;
	assert_int_equal(write_entry(&missing, 49), QR_OK);
	assert_int_equal(store_log_condition(rig.log), QR_POISONED);
	assert_false(store_repair_is_busy(rig.log));
	assert_int_equal(write_entry(&missing, 49), QR_POISONED);
}

/** Until recovery has an answer that is not an entry. */
static enum qr_error recover(void)
{
	struct store_recovered_entry found;
	enum qr_error error;

	while ((error = store_recover_next(rig.log, &found)) == QR_OK || error == QR_AGAIN) {
		if (error == QR_AGAIN && rig_poll(&rig) == 0)
			rig_finish(&rig, 0);
	}
	return error;
}

static void look_again(void)
{
	rig_drain(&rig); /* what was read ahead */
	assert_true(store_recover_again(rig.log));
}

/* Entries 50 and 60 are settled and damaged, nobody has a snapshot, and somebody can be asked. */
static void a_start_waits_for_a_settled_entry(void **state)
{
	uint8_t copies[2][QR_BLOCK_BYTES];
	struct store_missing missing;

	(void)state;
	store_log_retry(rig.log);
	rig_drain(&rig);
	for (unsigned c = 0; c < 2; c++) {
		uint8_t *block = disk_block(&rig.disk, 49 + 10 * c);

		memcpy(copies[c], block, QR_BLOCK_BYTES);
		block[300] ^= 1;
	}
	rig.parameters.mends = true;
	assert_int_equal(rig_open(&rig), QR_BUSY);
	assert_true(store_log_durable(rig.log).index == 49); /* readers may have these */
	missing = store_recover_missing(rig.log);
	assert_true(missing.before.index == 49 && missing.linked);

	/* Looked at again, it is still not there. */
	look_again();
	assert_int_equal(recover(), QR_BUSY);

	memcpy(entry, copies[1], QR_BLOCK_BYTES); /* not that one */
	assert_int_not_equal(write_entry(&missing, 49), QR_OK);
	memcpy(entry, copies[0], QR_BLOCK_BYTES);
	assert_int_equal(write_entry(&missing, 49), QR_OK);
	look_again();
	assert_int_equal(recover(), QR_BUSY);
	missing = store_recover_missing(rig.log);
	assert_true(missing.before.index == 59);

	/* This one heals by itself. */
	memcpy(disk_block(&rig.disk, 59), copies[1], QR_BLOCK_BYTES);
	look_again();
	assert_int_equal(recover(), QR_NOT_FOUND);
	assert_true(store_log_last(rig.log) == 200);
	append_upto(210);
}

/* The disk gives another answer the second time, for an entry that was verified the first time. */
static void what_was_read_again_is_not_in_the_window(void **state)
{
	const struct store_log_parameters parameters = rig_parameters();
	struct store_location at;
	struct qr_span bytes;
	struct store_missing missing;

	(void)state;
	rig_fini(&rig);
	rig_init(&rig, &parameters, 2);
	assert_int_equal(rig_open(&rig), QR_NOT_FOUND);
	rig_drain(&rig);
	append_upto(20);
	store_log_retry(rig.log);
	rig_drain(&rig);
	memcpy(entry, disk_block(&rig.disk, 11), QR_BLOCK_BYTES);
	disk_block(&rig.disk, 11)[300] ^= 1;
	rig.parameters.mends = true;
	assert_int_equal(rig_open(&rig), QR_BUSY);
	missing = store_recover_missing(rig.log);
	assert_int_equal(write_entry(&missing, 11), QR_OK);
	disk_block(&rig.disk, 9)[300] ^= 1; /* of the same stride */
	look_again();
	assert_int_equal(recover(), QR_NOT_FOUND);
	assert_int_equal(store_window_entry(rig.log, 10, &at, &bytes), QR_NOT_FOUND);
	assert_int_equal(store_window_entry(rig.log, 12, &at, &bytes), QR_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_was_lost_is_read_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_reader_that_begins_there_knows_the_place_alone,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_place_that_is_known_stays, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_reader_can_begin_behind_damage, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(another_entry_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(every_bit_of_it_counts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_not_committed_is_not_repaired, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_failed_write_poisons_the_log, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_start_waits_for_a_settled_entry, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(what_was_read_again_is_not_in_the_window, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
