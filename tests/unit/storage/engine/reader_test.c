#include "tests/unit/storage/rig.h"

#include "storage/engine/reader.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#define TAG 42
#define LONG_STRIDE 256u /* blocks: several of the longest reads */

static struct rig rig;
static struct store_reader *reader;
static uint8_t *reader_memory;
/* What cannot be read, if anything, and what was asked for since reads_forget. */
static qr_block bad_block;
static unsigned read_count;
static uint32_t read_blocks;
static uint32_t read_longest;

static void make_reader(uint32_t blocks)
{
	struct qr_arena arena;

	free(reader_memory);
	reader_memory = aligned_alloc(QR_BLOCK_BYTES, (size_t)(blocks + 2) * QR_BLOCK_BYTES);
	qr_arena_init(&arena, reader_memory, (size_t)(blocks + 2) * QR_BLOCK_BYTES);
	reader = store_reader_create(&arena, blocks);
}

static void reads_forget(void)
{
	read_count = 0;
	read_blocks = 0;
	read_longest = 0;
}

static int set_up_with(const struct store_log_parameters *parameters, uint32_t buffer_blocks)
{
	rig_init(&rig, parameters, 1);
	if (rig_open(&rig) != QR_NOT_FOUND)
		return 1;
	rig_drain(&rig);
	make_reader(buffer_blocks);
	bad_block = UINT64_MAX;
	reads_forget();
	return 0;
}

static int set_up(void **state)
{
	const struct store_log_parameters parameters = rig_parameters();

	(void)state;
	return set_up_with(&parameters, 16);
}

/** Strides that are long beside a read; a buffer of one, as in a node. */
static int set_up_long(void **state)
{
	struct store_log_parameters parameters = rig_parameters();

	(void)state;
	parameters.geometry = (struct store_geometry){.segment_blocks = 2 * LONG_STRIDE,
						      .stride_blocks = LONG_STRIDE};
	parameters.window_blocks = 2 * LONG_STRIDE;
	parameters.write_max_blocks = 64;
	parameters.checkpoints_max = 256;
	return set_up_with(&parameters, LONG_STRIDE);
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

static void append_one(uint32_t blocks)
{
	assert_int_equal(rig_append(&rig, blocks * QR_BLOCK_BYTES - STORE_ENTRY_HEADER_BYTES),
			 QR_OK);
	rig_drain(&rig);
	store_release(rig.log, store_log_durable(rig.log).index);
}

/** Start the read that it wants, if there is one. */
static bool poll_read(struct store_op *ret_op)
{
	uint32_t wanted = store_reader_wanted(reader);
	qr_block block;

	assert_int_equal(store_reader_inflight(reader), 0);
	if (store_reader_poll(reader, ret_op) == 0)
		return false;
	block = ret_op->segment * rig.parameters.geometry.segment_blocks +
		ret_op->offset_bytes / QR_BLOCK_BYTES;
	assert_true(ret_op->tag == TAG && ret_op->kind == STORE_OP_READ);
	assert_true(ret_op->blocks == wanted && store_reader_inflight(reader) == wanted);
	assert_true(ret_op->blocks > 0 && ret_op->blocks <= STORE_READ_BLOCKS_MAX);
	assert_true(block + ret_op->blocks <= store_log_tail(rig.log));
	assert_true(ret_op->data >= store_reader_buffer(reader).data);
	assert_true(ret_op->data + ret_op->size_bytes <=
		    store_reader_buffer(reader).data + store_reader_buffer(reader).size_bytes);
	read_count++;
	read_blocks += ret_op->blocks;
	if (ret_op->blocks > read_longest)
		read_longest = ret_op->blocks;
	disk_start(&rig.disk, ret_op);
	return true;
}

static void finish_read(const struct store_op *op)
{
	struct store_completion completion = disk_finish(&rig.disk, rig.disk.pending_count - 1);
	qr_block block = op->segment * rig.parameters.geometry.segment_blocks +
			 op->offset_bytes / QR_BLOCK_BYTES;

	if (bad_block >= block && bad_block < block + op->blocks)
		completion.result = QR_IO;
	store_reader_complete(reader, &completion);
}

static enum qr_error next(struct store_location *location, struct qr_span *bytes)
{
	enum qr_error error;

	while ((error = store_reader_next(reader, location, bytes)) == QR_AGAIN) {
		struct store_op op;

		assert_true(poll_read(&op));
		finish_read(&op);
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
	assert_true(rig.disk.extent.count > 10);
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

/* ---- how much it reads ---- */

static void one_small_entry_costs_one_small_read(void **state)
{
	struct store_location location;
	struct qr_span bytes;

	(void)state;
	for (unsigned i = 0; i < 300; i++)
		append_one(2);
	for (qr_index index = 1; index <= 300; index += 13) {
		struct store_missing missing = {.before = {.index = index - 1}, .placed = true};
		struct store_op op;

		missing.before.block = 2 * (index - 1);
		reads_forget();
		store_reader_start_at(reader, rig.log, &missing, TAG);
		assert_int_equal(next(&location, &bytes), QR_OK);
		assert_int_equal(location.index, index);
		assert_true(read_count == 1 && read_blocks <= 16);
		assert_false(poll_read(&op)); /* nothing more, unless somebody goes on */
		stop();
	}
}

static void a_long_entry_is_read_whole_and_little_more(void **state)
{
	static const uint32_t sizes[] = {1, 17, 63, 64, 65, 128, 200, LONG_STRIDE};
	struct store_location location;
	struct qr_span bytes;
	qr_block block = 0;

	(void)state;
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		append_one(sizes[i]);
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct store_missing missing = {.before = {.index = i, .block = block}};

		reads_forget();
		store_reader_start_at(reader, rig.log, &missing, TAG);
		assert_int_equal(next(&location, &bytes), QR_OK);
		assert_true(location.index == i + 1 && location.blocks == sizes[i]);
		assert_true(store_entry_digest(bytes.data) == rig.laid[i].digest);
		assert_true(read_blocks >= sizes[i] && read_blocks <= sizes[i] + 32);
		block = location.block + location.blocks;
		stop();
	}
}

/** Every byte of the entry, as it was laid. */
static void expect_whole(struct qr_span bytes, qr_index index)
{
	struct store_entry entry;

	assert_true(store_entry_digest(bytes.data) == rig.laid[index - 1].digest);
	assert_int_equal(store_entry_decode(bytes.data, &entry), QR_OK);
	assert_int_equal(store_entry_check_payload(bytes.data, &entry), QR_OK);
}

/** What was given stays as it is while the next read comes, whenever that is. */
static void stream_all(qr_index last)
{
	struct store_location location;
	struct qr_span bytes;
	struct store_op op;

	reads_forget();
	store_reader_start_index(reader, rig.log, 1, TAG);
	for (qr_index index = 1; index <= last; index++) {
		assert_int_equal(next(&location, &bytes), QR_OK);
		assert_int_equal(location.index, index);
		if (poll_read(&op))
			finish_read(&op);
		expect_whole(bytes, index);
	}
	assert_int_equal(next(&location, &bytes), QR_NOT_FOUND);
	stop();
}

static void a_stream_reads_more_and_more_at_a_time(void **state)
{
	struct store_location location;
	struct qr_span bytes;

	(void)state;
	for (unsigned i = 0; i < 2000; i++)
		append_one(1 + i % 3);
	store_reader_start_index(reader, rig.log, 1, TAG);
	assert_int_equal(next(&location, &bytes), QR_OK);
	assert_int_equal(read_longest, 16);
	stop();
	stream_all(2000);
	assert_int_equal(read_longest, STORE_READ_BLOCKS_MAX);
	assert_true(read_blocks <= store_log_tail(rig.log));
	assert_true(read_count < 2 * read_blocks / STORE_READ_BLOCKS_MAX);
}

static void what_is_read_ahead_leaves_a_long_entry_alone(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		for (unsigned n = 0; n < 40 + i; n++)
			append_one(1);
		append_one(200 - i / 2);
		append_one(5 + i);
	}
	stream_all(store_log_last(rig.log));
}

static void what_follows_is_read_while_an_entry_is_consumed(void **state)
{
	struct store_location location;
	struct qr_span bytes;
	struct store_op op;

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		append_one(4);
	store_reader_start_index(reader, rig.log, 1, TAG);
	assert_int_equal(next(&location, &bytes), QR_OK);
	assert_false(poll_read(&op));
	assert_int_equal(store_reader_owed(reader), 0);
	assert_int_equal(store_reader_next(reader, &location, &bytes), QR_OK);
	assert_int_not_equal(store_reader_owed(reader), 0); /* also before it has begun */
	assert_true(poll_read(&op));
	assert_int_equal(op.offset_bytes, 16 * QR_BLOCK_BYTES);
	for (qr_index index = 3; index <= 4; index++) {
		assert_int_equal(store_reader_next(reader, &location, &bytes), QR_OK);
		assert_int_equal(location.index, index);
	}
	assert_int_equal(store_reader_next(reader, &location, &bytes), QR_AGAIN);
	finish_read(&op);
	assert_int_equal(store_reader_next(reader, &location, &bytes), QR_OK);
	stop();
}

/* ---- damage and cuts, where an entry takes several reads ---- */

static void a_bit_in_a_later_part_of_an_entry_is_damage(void **state)
{
	struct store_location location;
	struct qr_span bytes;

	(void)state;
	append_one(3);
	append_one(200);
	append_one(3);
	disk_block(&rig.disk, 3 + 190)[17] ^= 4;
	store_reader_start_index(reader, rig.log, 1, TAG);
	assert_int_equal(next(&location, &bytes), QR_OK);
	assert_int_equal(next(&location, &bytes), QR_CORRUPT);
	assert_int_equal(store_reader_missing(reader).before.index, 1);
	stop();
	store_reader_start_index(reader, rig.log, 3, TAG); /* and no other entry's */
	assert_int_equal(next(&location, &bytes), QR_OK);
	stop();
}

/* Of a read of many entries one block fails: the others are given, and that one is named. */
static void a_block_that_cannot_be_read_costs_its_entry_only(void **state)
{
	static const qr_block blocks[] = {0, 1, 5, 100, 257, 299};

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		append_one(3);
	for (unsigned i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
		struct store_location location;
		struct store_missing missing;
		struct qr_span bytes;
		enum qr_error error;
		qr_index last = 0;
		/* The stride is 256 blocks: entry 86 begins behind a gap of one. */
		qr_index expected = blocks[i] < 255 ? blocks[i] / 3 : 85 + (blocks[i] - 256) / 3;

		bad_block = blocks[i];
		store_reader_start_index(reader, rig.log, 1, TAG);
		while ((error = next(&location, &bytes)) == QR_OK)
			last = location.index;
		assert_int_equal(error, QR_IO);
		assert_int_equal(last, expected);
		missing = store_reader_missing(reader);
		assert_int_equal(missing.before.index, expected);
		stop();
		bad_block = UINT64_MAX; /* repaired */
		store_reader_start_at(reader, rig.log, &missing, TAG);
		expect_all_from(expected + 1, 100);
	}
}

static void an_entry_that_is_cut_off_while_it_is_read_is_forgotten(void **state)
{
	struct store_location location;
	struct qr_span bytes;
	struct store_op op;

	(void)state;
	for (unsigned inflight = 0; inflight <= 1; inflight++) {
		append_one(3);
		assert_int_equal(rig_append(&rig, 150 * QR_BLOCK_BYTES), QR_OK);
		rig_drain(&rig);
		store_reader_start_index(reader, rig.log, 1 + 2 * inflight, TAG);
		assert_int_equal(next(&location, &bytes), QR_OK);
		assert_int_equal(store_reader_next(reader, &location, &bytes), QR_AGAIN);
		assert_true(poll_read(&op));
		if (inflight == 0) {
			finish_read(&op);
			assert_int_equal(store_reader_next(reader, &location, &bytes), QR_AGAIN);
			assert_int_not_equal(store_reader_wanted(reader), 0);
		}
		rig_truncate(&rig, location.index);
		assert_int_equal(store_reader_poll(reader, &op), 0);
		if (inflight == 1) {
			struct store_completion completion = disk_finish(&rig.disk, 0);

			store_reader_complete(reader, &completion);
		}
		append_one(5);
		assert_int_equal(next(&location, &bytes), QR_OK);
		assert_int_equal(location.blocks, 5);
		assert_true(store_entry_digest(bytes.data) == rig_digest(&rig, location.index));
		assert_int_equal(next(&location, &bytes), QR_NOT_FOUND);
		stop();
	}
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
		cmocka_unit_test_setup_teardown(one_small_entry_costs_one_small_read, set_up_long,
						tear_down),
		cmocka_unit_test_setup_teardown(a_long_entry_is_read_whole_and_little_more,
						set_up_long, tear_down),
		cmocka_unit_test_setup_teardown(a_stream_reads_more_and_more_at_a_time, set_up_long,
						tear_down),
		cmocka_unit_test_setup_teardown(what_is_read_ahead_leaves_a_long_entry_alone,
						set_up_long, tear_down),
		cmocka_unit_test_setup_teardown(what_follows_is_read_while_an_entry_is_consumed,
						set_up_long, tear_down),
		cmocka_unit_test_setup_teardown(a_bit_in_a_later_part_of_an_entry_is_damage,
						set_up_long, tear_down),
		cmocka_unit_test_setup_teardown(a_block_that_cannot_be_read_costs_its_entry_only,
						set_up_long, tear_down),
		cmocka_unit_test_setup_teardown(
			an_entry_that_is_cut_off_while_it_is_read_is_forgotten, set_up_long,
			tear_down),
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
