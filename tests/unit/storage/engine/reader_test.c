#include "tests/unit/storage/rig.h"

#include "storage/engine/reader.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#define TAG 42

static struct rig rig;
static struct store_reader *reader;
static uint8_t *reader_memory;

static void make_reader(uint32_t blocks)
{
	struct qr_arena arena;

	free(reader_memory);
	reader_memory = aligned_alloc(QR_BLOCK_BYTES, (size_t)(blocks + 2) * QR_BLOCK_BYTES);
	qr_arena_init(&arena, reader_memory, (size_t)(blocks + 2) * QR_BLOCK_BYTES);
	reader = store_reader_create(&arena, blocks);
}

static int set_up(void **state)
{
	const struct store_log_parameters parameters = rig_parameters();

	(void)state;
	rig_init(&rig, &parameters, 1);
	if (rig_open(&rig) != QR_NOT_FOUND)
		return 1;
	rig_drain(&rig);
	make_reader(16);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	rig_fini(&rig);
	free(reader_memory);
	reader_memory = NULL;
	return 0;
}

static void append(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		uint32_t payload = (uint32_t)qr_prng_below(&rig.prng, (uint64_t)7 * QR_BLOCK_BYTES);

		assert_int_equal(rig_append(&rig, payload), QR_OK);
		rig_drain(&rig);
		store_release(rig.log, store_log_durable(rig.log).index);
	}
}

static enum qr_error next(struct store_location *location, struct qr_span *bytes)
{
	enum qr_error error;

	while ((error = store_reader_next(reader, location, bytes)) == QR_AGAIN) {
		struct store_completion completion;
		struct store_op op;

		assert_int_equal(store_reader_poll(reader, &op), 1);
		assert_true(op.tag == TAG && op.kind == STORE_OP_READ);
		disk_start(&rig.disk, &op);
		completion = disk_finish(&rig.disk, rig.disk.pending_count - 1);
		store_reader_complete(reader, &completion);
	}
	return error;
}

static void stop(void)
{
	store_reader_stop(reader);
	assert_true(store_reader_is_idle(reader));
}

static void expect_all_from(qr_index first, qr_index last)
{
	struct store_location location;
	struct qr_span bytes;

	for (qr_index index = first; index <= last; index++) {
		assert_true(store_reader_index(reader) <= index);
		assert_int_equal(next(&location, &bytes), QR_OK);
		assert_int_equal(location.index, index);
		assert_true(store_entry_digest(bytes.data) == rig.laid[index - 1].digest);
	}
	assert_int_equal(next(&location, &bytes), QR_NOT_FOUND);
	stop();
}

static void a_log_is_read_over_many_segments(void **state)
{
	static const uint32_t sizes[] = {8, 16, 24, 40, 64};

	(void)state;
	append(150);
	assert_true(rig.disk.segment_count > 10);
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		make_reader(sizes[i]);
		store_reader_start_index(reader, rig.log, 1, TAG);
		expect_all_from(1, 150);
	}
}

static void it_starts_at_any_index(void **state)
{
	(void)state;
	append(150);
	for (qr_index first = 1; first <= 150; first += 7) {
		store_reader_start_index(reader, rig.log, first, TAG);
		expect_all_from(first, 150);
	}
	store_reader_start_index(reader, rig.log, 151, TAG);
	expect_all_from(151, 150);
}

static void it_starts_at_any_record(void **state)
{
	struct store_location location;
	struct qr_span bytes;

	(void)state;
	append(120);
	for (qr_offset offset = 0; offset < store_log_end(rig.log); offset += 31) {
		store_reader_start_offset(reader, rig.log, offset, TAG);
		assert_int_equal(next(&location, &bytes), QR_OK);
		assert_true(location.first_offset <= offset);
		assert_true(offset - location.first_offset < location.record_count);
		stop();
	}
	store_reader_start_offset(reader, rig.log, store_log_end(rig.log), TAG);
	assert_int_equal(next(&location, &bytes), QR_NOT_FOUND);
	stop();
}

static void it_follows_the_durable_end(void **state)
{
	struct store_location location;
	struct qr_span bytes;

	(void)state;
	append(3);
	store_reader_start_index(reader, rig.log, 1, TAG);
	for (qr_index index = 1; index <= 3; index++)
		assert_int_equal(next(&location, &bytes), QR_OK);
	assert_int_equal(next(&location, &bytes), QR_NOT_FOUND);
	for (qr_index index = 4; index <= 60; index++) {
		append(1);
		assert_int_equal(next(&location, &bytes), QR_OK);
		assert_int_equal(location.index, index);
		assert_int_equal(next(&location, &bytes), QR_NOT_FOUND);
	}
	assert_int_equal(rig_append(&rig, 10), QR_OK);
	assert_int_equal(next(&location, &bytes), QR_NOT_FOUND); /* not durable yet */
	stop();
	rig_drain(&rig);
}

static void damage_is_an_error(void **state)
{
	struct store_location location;
	struct qr_span bytes;
	enum qr_error error;
	unsigned count = 0;

	(void)state;
	append(40);
	rig_crash_and_open(&rig); /* the newest are found by the index, the rest by checkpoints */
	disk_block(&rig.disk, store_log_tail(rig.log) / 2 / 8 * 8)[200] ^= 1;
	store_reader_start_index(reader, rig.log, 1, TAG);
	while ((error = next(&location, &bytes)) == QR_OK)
		count++;
	assert_int_equal(error, QR_CORRUPT);
	assert_true(count > 5 && count < 35);
	assert_int_equal(next(&location, &bytes), QR_CORRUPT);
	stop();
}

static void an_op_in_flight_is_waited_for(void **state)
{
	struct store_location location;
	struct store_completion completion;
	struct qr_span bytes;
	struct store_op op;

	(void)state;
	append(3);
	store_reader_start_index(reader, rig.log, 1, TAG);
	assert_int_equal(store_reader_next(reader, &location, &bytes), QR_AGAIN);
	assert_int_equal(store_reader_poll(reader, &op), 1);
	assert_int_equal(store_reader_poll(reader, &op), 0);
	store_reader_stop(reader);
	assert_false(store_reader_is_idle(reader));
	completion = (struct store_completion){.kind = op.kind, .group = op.group, .tag = op.tag};
	store_reader_complete(reader, &completion);
	assert_true(store_reader_is_idle(reader));
}

static void the_next_part_is_read_ahead(void **state)
{
	struct store_location location;
	struct qr_span bytes;
	struct store_op op;

	(void)state;
	append(60);
	store_reader_start_index(reader, rig.log, 1, TAG);
	assert_int_equal(next(&location, &bytes), QR_OK);
	assert_int_equal(store_reader_poll(reader, &op), 1);
	assert_int_equal(op.offset_bytes, 8 * QR_BLOCK_BYTES);
	disk_start(&rig.disk, &op);
	{
		struct store_completion completion =
			disk_finish(&rig.disk, rig.disk.pending_count - 1);

		store_reader_complete(reader, &completion);
	}
	stop();
}

/* Found by quorate-sim: what was read ahead above the commit index was served after it had been cut
 * off and replaced. */
static void what_was_read_ahead_and_cut_off_is_read_again(void **state)
{
	struct store_location location;
	struct qr_span bytes;

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(rig_append(&rig, 100), QR_OK);
	rig_drain(&rig);
	store_reader_start_index(reader, rig.log, 1, TAG);
	assert_int_equal(next(&location, &bytes), QR_OK);
	rig_truncate(&rig, 1);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(rig_append(&rig, 200), QR_OK);
	rig_drain(&rig);
	for (qr_index index = 2; index <= 5; index++) {
		assert_int_equal(next(&location, &bytes), QR_OK);
		assert_int_equal(location.index, index);
		assert_true(store_entry_digest(bytes.data) == rig_digest(&rig, index));
	}
	stop();
}

/* The same while the part that holds it is still on its way. */
static void what_is_cut_off_while_it_is_being_read_is_read_again(void **state)
{
	struct store_completion completion;
	struct store_location location;
	struct qr_span bytes;
	struct store_op op;

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(rig_append(&rig, 100), QR_OK);
	rig_drain(&rig);
	store_reader_start_index(reader, rig.log, 1, TAG);
	assert_int_equal(store_reader_next(reader, &location, &bytes), QR_AGAIN);
	assert_int_equal(store_reader_poll(reader, &op), 1);
	disk_start(&rig.disk, &op);
	completion = disk_finish(&rig.disk, rig.disk.pending_count - 1);
	rig_truncate(&rig, 1);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(rig_append(&rig, 200), QR_OK);
	rig_drain(&rig);
	store_reader_complete(reader, &completion);
	for (qr_index index = 1; index <= 4; index++) {
		assert_int_equal(next(&location, &bytes), QR_OK);
		assert_true(store_entry_digest(bytes.data) == rig_digest(&rig, index));
	}
	stop();
}

/* A device that lost the zeros over a cut suffix: its remains are a successor, and not the one. */
static void remains_of_a_cut_suffix_are_not_taken_for_what_the_index_knows(void **state)
{
	struct store_location location;
	struct qr_span bytes;
	uint8_t old[QR_BLOCK_BYTES];

	(void)state;
	assert_int_equal(rig_append(&rig, 100), QR_OK);
	assert_int_equal(rig_append(&rig, 100), QR_OK);
	rig_drain(&rig);
	memcpy(old, disk_block(&rig.disk, 1), QR_BLOCK_BYTES);
	rig_truncate(&rig, 1);
	assert_int_equal(rig_append(&rig, 200), QR_OK);
	rig_drain(&rig);
	memcpy(disk_block(&rig.disk, 1), old, QR_BLOCK_BYTES);
	store_reader_start_index(reader, rig.log, 1, TAG);
	assert_int_equal(next(&location, &bytes), QR_OK);
	assert_int_equal(next(&location, &bytes), QR_CORRUPT);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_log_is_read_over_many_segments, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(it_starts_at_any_index, set_up, tear_down),
		cmocka_unit_test_setup_teardown(it_starts_at_any_record, set_up, tear_down),
		cmocka_unit_test_setup_teardown(it_follows_the_durable_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(damage_is_an_error, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_op_in_flight_is_waited_for, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_next_part_is_read_ahead, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_was_read_ahead_and_cut_off_is_read_again,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_is_cut_off_while_it_is_being_read_is_read_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			remains_of_a_cut_suffix_are_not_taken_for_what_the_index_knows, set_up,
			tear_down),
	};

	return cmocka_run_group_tests_name("storage/engine/reader", tests, NULL, NULL);
}
