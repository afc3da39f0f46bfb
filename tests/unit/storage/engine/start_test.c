/* Where the log begins: what is given up, what a start makes of it, and another log in its place.
 */
#include "tests/unit/storage/rig.h"

#include "storage/engine/internal.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#define SEGMENT ((qr_block)32) /* blocks, and entries: they take one each */

static struct rig rig;
static struct rig giver;

static void open_new(struct rig *one, uint64_t seed)
{
	struct store_log_parameters parameters = rig_parameters();

	parameters.snapshot_blocks = SEGMENT;
	rig_init(one, &parameters, seed);
	assert_int_equal(rig_open(one), QR_NOT_FOUND);
	rig_drain(one);
}

static int set_up(void **state)
{
	(void)state;
	open_new(&rig, 1);
	open_new(&giver, 1); /* the same log */
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	rig_fini(&rig);
	rig_fini(&giver);
	return 0;
}

/** Entries of a block each, a snapshot in front of every segment, up to `last`. */
static void append_upto(struct rig *one, qr_index last)
{
	while (store_log_last(one->log) < last) {
		qr_index at;

		assert_int_equal(rig_append(one, 1000), QR_OK);
		rig_drain(one);
		at = store_log_last(one->log);
		store_release(one->log, at);
		if (store_snapshot_is_due(one->log, at - 1))
			rig_snapshot(one, at - 1, "state", 5);
	}
}

static struct store_start begins_at(uint64_t segment)
{
	return (struct store_start){.segment = segment,
				    .before = segment * SEGMENT,
				    .offset = 2 * segment * SEGMENT}; /* records: two each */
}

/** The slots say so, and what is not needed goes. */
static void settle(struct rig *one)
{
	store_log_retry(one->log);
	rig_drain(one);
	store_log_retry(one->log);
	rig_drain(one);
}

static void trim(struct rig *one, uint64_t segment)
{
	const struct store_start start = begins_at(segment);

	assert_true(store_trim(one->log, &start));
	settle(one);
}

static void reopen(struct rig *one)
{
	assert_int_equal(rig_open(one), QR_NOT_FOUND);
	rig_drain(one);
}

static void what_is_given_up_goes_and_the_rest_stays(void **state)
{
	uint64_t digest;

	(void)state;
	append_upto(&rig, 6 * SEGMENT + 5);
	digest = rig_digest(&rig, 6 * SEGMENT + 5);
	trim(&rig, 4);
	assert_true(store_log_start(rig.log).segment == 4);
	assert_true(store_log_origin(rig.log).index == 4 * SEGMENT);
	/* One is kept, to become the next. */
	assert_true(rig.disk.extent.first == 3);
	reopen(&rig);
	assert_true(store_log_start(rig.log).offset == 8 * SEGMENT);
	assert_true(rig.recovered_last == 6 * SEGMENT + 5);
	assert_true(rig.recovered_digests[6 * SEGMENT + 5] == digest);
	append_upto(&rig, 9 * SEGMENT);
	reopen(&rig);
	assert_true(rig.recovered_last == 9 * SEGMENT);
}

static bool is_removal(const struct store_op *op)
{
	return op->kind == STORE_OP_DROP ||
	       (op->kind == STORE_OP_PREPARE && op->recycled != STORE_NONE_RECYCLED);
}

/** Finish what is under way, but for what takes a segment away. @return whether something does. */
static bool finish_all_but_removals(void)
{
	uint32_t number = 0;

	while (rig_poll(&rig) > 0)
		;
	while (number < rig.disk.pending_count) {
		if (is_removal(&rig.disk.pending[number].op)) {
			number++;
		} else {
			rig_finish(&rig, number);
		}
	}
	return number > 0;
}

static bool is_pending(enum store_op_kind kind)
{
	for (uint32_t number = 0; number < rig.disk.pending_count; number++) {
		if (rig.disk.pending[number].op.kind == kind)
			return true;
	}
	return false;
}

/*
 * The start may have read the newest snapshot from the device's cache. Without it the log would
 * begin earlier, in a segment that a power cut brings back with zeros in it.
 */
static void nothing_goes_before_the_newest_snapshot_is_stable(void **state)
{
	const struct store_start start = begins_at(4);

	(void)state;
	append_upto(&rig, 6 * SEGMENT + 5);
	assert_true(store_trim(rig.log, &start));
	store_log_retry(rig.log);
	while (!finish_all_but_removals())
		;
	assert_int_equal(rig_open(&rig), QR_NOT_FOUND);
	assert_true(store_log_origin(rig.log).index == 4 * SEGMENT);
	while (rig_poll(&rig) > 0)
		;
	assert_true(is_pending(STORE_OP_SYNC_SNAPSHOT));
	for (uint32_t number = 0; number < rig.disk.pending_count; number++)
		assert_false(is_removal(&rig.disk.pending[number].op));
	rig_drain(&rig);
	assert_true(rig.disk.extent.first == 3);
}

/** The snapshot in front of a segment, in the middle, that would be missed least; 0: none. */
static uint64_t dispensable(void)
{
	const struct store_snapshot *files = rig.log->snapshots.files;
	uint64_t found = 0;

	for (unsigned n = 0; n < STORE_SNAPSHOTS; n++) {
		if (files[n].serial != 0 && files[n].segment > found && files[n].segment < 18)
			found = files[n].segment;
	}
	return found;
}

static bool stands_for(uint64_t segment)
{
	for (unsigned n = 0; n < STORE_SNAPSHOTS; n++) {
		const struct store_snapshot *file = &rig.log->snapshots.files[n];

		if (file->serial != 0 && file->segment == segment)
			return true;
	}
	return false;
}

/*
 * The next snapshot waits for the slots to call its base settled; with that they say that the log
 * begins later, wherever that is: the snapshot that stands for it is not the one to be overwritten.
 */
static void a_snapshot_that_waits_spares_where_the_log_begins(void **state)
{
	(void)state;
	for (uint64_t back = 0; back < 12; back++) {
		uint64_t segment;
		struct store_start start;
		qr_index at;

		tear_down(state);
		set_up(state);
		append_upto(&rig, 20 * SEGMENT);
		segment = dispensable() - back;
		start = begins_at(segment);
		assert_int_equal(rig_append(&rig, 1000), QR_OK);
		at = store_log_last(rig.log) - 1;
		memset(rig.snapshot.data + STORE_SNAPSHOT_STATE_AT, 7, 5);
		rig_drain(&rig);
		store_release(rig.log, store_log_last(rig.log));
		assert_true(store_snapshot_is_due(rig.log, at));
		store_snapshot_take(rig.log, at, 0, rig.snapshot, 5);
		assert_true(store_trim(rig.log, &start));
		settle(&rig);
		assert_true(store_log_counters(rig.log).snapshots >= 20);
		assert_true(rig.log->origin.segment == 0 || stands_for(rig.log->origin.segment));
	}
}

static void segments_are_recycled(void **state)
{
	(void)state;
	append_upto(&rig, 3 * SEGMENT + 1);
	for (uint64_t segment = 1; segment < 40; segment++) {
		append_upto(&rig, (segment + 3) * SEGMENT + 1);
		trim(&rig, segment);
		assert_true(rig.disk.extent.count <= 7);
	}
	assert_true(store_log_counters(rig.log).dropped >= 37);
	reopen(&rig);
}

static void it_never_moves_back_nor_beyond_the_end(void **state)
{
	const struct store_start starts[] = {
		begins_at(2),
		begins_at(1),
		begins_at(0),
		begins_at(5),
		begins_at(UINT64_MAX / 2),
		{.segment = 3, .before = 0, .offset = 5},
		{.segment = 3, .before = 3 * SEGMENT, .offset = UINT64_MAX},
	};

	(void)state;
	append_upto(&rig, 4 * SEGMENT + 5);
	trim(&rig, 2);
	for (unsigned i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
		assert_false(store_trim(rig.log, &starts[i]));
	assert_true(store_log_start(rig.log).segment == 2);
}

/* Two snapshots have to stand for what is gone. */
static void nothing_goes_that_the_only_snapshot_stands_for(void **state)
{
	(void)state;
	append_upto(&rig, SEGMENT + 1);
	trim(&rig, 1);
	assert_true(rig.disk.extent.first == 0);
	append_upto(&rig, 2 * SEGMENT + 1);
	settle(&rig);
	assert_true(store_log_origin(rig.log).index == SEGMENT);
	/* The newer one is damaged: it begins with the older. */
	append_upto(&rig, 2 * SEGMENT + 3);
	rig.disk.snapshots[1][STORE_SNAPSHOT_STATE_AT] ^= 1;
	reopen(&rig);
	assert_true(rig.recovered_base.index == SEGMENT && rig.recovered_last == 2 * SEGMENT + 3);
}

static void without_any_snapshot_a_log_that_lost_its_beginning_is_damage(void **state)
{
	(void)state;
	append_upto(&rig, 5 * SEGMENT + 1);
	trim(&rig, 3);
	for (uint32_t file = 0; file < STORE_SNAPSHOTS; file++)
		rig.disk.snapshots[file][STORE_SNAPSHOT_STATE_AT] ^= 1;
	assert_int_equal(rig_open(&rig), QR_CORRUPT);
}

static void a_missing_first_segment_is_damage(void **state)
{
	(void)state;
	append_upto(&rig, 5 * SEGMENT + 1);
	trim(&rig, 3);
	while (rig.disk.extent.first <= 3) {
		free(rig.disk.segments[rig.disk.extent.first]);
		rig.disk.segments[rig.disk.extent.first++] = NULL;
		rig.disk.extent.count--;
	}
	assert_int_equal(rig_open(&rig), QR_CORRUPT);
}

static void readers_begin_where_the_log_does(void **state)
{
	struct qr_arena arena;
	struct store_reader *reader;
	struct store_location at;
	struct qr_span bytes;
	static _Alignas(4096) uint8_t memory[1u << 18];
	enum qr_error error;

	(void)state;
	append_upto(&rig, 6 * SEGMENT + 1);
	qr_arena_init(&arena, memory, sizeof(memory));
	reader = store_reader_create(&arena, 16);
	store_reader_start_index(reader, rig.log, 2 * SEGMENT, 1);
	trim(&rig, 4);
	assert_int_equal(store_reader_next(reader, &at, &bytes), QR_OUT_OF_RANGE);
	store_reader_stop(reader);
	store_reader_start_index(reader, rig.log, 1, 1);
	while ((error = store_reader_next(reader, &at, &bytes)) == QR_AGAIN) {
		struct store_op op;

		if (store_reader_poll(reader, &op) == 1) {
			disk_start(&rig.disk, &op);
			struct store_completion done =
				disk_finish(&rig.disk, rig.disk.pending_count - 1);

			store_reader_complete(reader, &done);
		}
	}
	assert_int_equal(error, QR_OK);
	assert_true(at.index == 4 * SEGMENT + 1 && at.block == 4 * SEGMENT);
	store_reader_stop(reader);
}

static void retention_picks_the_latest_place_that_is_allowed(void **state)
{
	struct store_retention retention = {.keep_blocks = 3 * SEGMENT};
	struct store_start start;

	(void)state;
	append_upto(&rig, 6 * SEGMENT + 1);
	assert_true(store_trim_wanted(rig.log, &retention, &start));
	assert_true(start.segment == 3 && start.before == 3 * SEGMENT);
	assert_true(start.offset == begins_at(3).offset);
	retention.keep_blocks = 7 * SEGMENT;
	assert_false(store_trim_wanted(rig.log, &retention, &start));
	/* The rig's snapshots are as old as the number of their last entry says. */
	retention = (struct store_retention){.before_ns = 2 * SEGMENT + 1};
	assert_true(store_trim_wanted(rig.log, &retention, &start));
	assert_true(start.segment == 2);
	trim(&rig, 2);
	assert_false(store_trim_wanted(rig.log, &retention, &start));
}

/* ---- many snapshots ---- */

static void however_long_the_log_is_snapshots_lie_all_over_it(void **state)
{
	qr_block widest = 0;
	qr_block before = 0;

	(void)state;
	for (uint64_t segment = 1; segment <= 60; segment++)
		append_upto(&rig, segment * SEGMENT + 1);
	for (qr_block at = 0; at <= 60 * SEGMENT; at += SEGMENT) {
		for (uint32_t n = 0; n < STORE_SNAPSHOTS; n++) {
			if (rig.log->snapshots.files[n].base.block == at && at > before) {
				widest = at - before > widest ? at - before : widest;
				before = at;
			}
		}
	}
	assert_true(before == 60 * SEGMENT);
	assert_true(widest <= 8 * SEGMENT); /* of 60, with 16 files */
}

/* ---- a snapshot of a peer ---- */

/** All of what `giver` gives, in the buffer of `rig`. @return its size. */
static uint32_t fetch(void)
{
	const struct store_snapshot *given = store_snapshot_to_give(giver.log);
	static _Alignas(4096) uint8_t piece[QR_BLOCK_BYTES];
	uint32_t at = 0;
	uint32_t file_bytes = 1;

	assert_non_null(given);
	while (at < file_bytes) {
		uint32_t size_bytes;

		assert_int_equal(
			store_give_begin(giver.log, given->base.index, at,
					 (struct store_snapshot_buffer){piece, sizeof(piece)}),
			QR_OK);
		rig_drain(&giver);
		assert_int_equal(store_give_end(giver.log, &size_bytes, &file_bytes), QR_OK);
		memcpy(rig.snapshot.data + at, piece, size_bytes);
		at += size_bytes;
	}
	assert_int_equal(store_give_begin(giver.log, given->base.index, at,
					  (struct store_snapshot_buffer){piece, sizeof(piece)}),
			 QR_OUT_OF_RANGE);
	assert_int_equal(store_give_begin(giver.log, given->base.index + 1, 0,
					  (struct store_snapshot_buffer){piece, sizeof(piece)}),
			 QR_NOT_FOUND);
	return file_bytes;
}

static void prepare_giver(void)
{
	append_upto(&giver, 7 * SEGMENT + 3);
	trim(&giver, 5);
}

static void a_snapshot_takes_the_place_of_a_shorter_log(void **state)
{
	struct store_extent segments;
	uint32_t size_bytes;

	(void)state;
	prepare_giver();
	append_upto(&rig, 2 * SEGMENT + 7);
	size_bytes = fetch();
	assert_int_equal(store_install_begin(rig.log, rig.snapshot, size_bytes), QR_OK);
	rig_drain(&rig);
	assert_int_equal(store_install_end(rig.log), QR_OK);
	segments = store_log_restart(rig.log);
	assert_true(segments.first == 0 && segments.count == rig.disk.extent.count);
	reopen(&rig); /* the same as going on */
	assert_true(rig.recovered_base.index == 5 * SEGMENT);
	assert_true(rig.recovered_last == 5 * SEGMENT);
	assert_int_equal(rig.recovered_state_bytes, 5);
	assert_true(rig.disk.extent.first == 5);
	assert_true(store_log_start(rig.log).offset == begins_at(5).offset);
	reopen(&rig);
	assert_true(rig.recovered_last == 5 * SEGMENT);
}

/* Whenever it stops, there is the log that was, or the one that was given, and no third. */
static void a_crash_anywhere_leaves_the_one_or_the_other(void **state)
{
	unsigned given = 0;
	unsigned kept = 0;

	(void)state;
	for (unsigned steps = 0; steps < 40; steps++) {
		uint32_t size_bytes;

		tear_down(NULL);
		set_up(NULL);
		prepare_giver();
		append_upto(&rig, 2 * SEGMENT + 7);
		size_bytes = fetch();
		assert_int_equal(store_install_begin(rig.log, rig.snapshot, size_bytes), QR_OK);
		for (unsigned s = 0; s < steps; s++) {
			(void)rig_poll(&rig);
			if (rig.disk.pending_count > 0)
				rig_finish(&rig, 0);
		}
		assert_int_equal(rig_open(&rig), QR_NOT_FOUND);
		given += rig.recovered_last == 5 * SEGMENT;
		kept += rig.recovered_last == 2 * SEGMENT + 7;
		rig_drain(&rig);
		append_upto(&rig, rig.recovered_last + 40);
		reopen(&rig);
	}
	assert_true(given + kept == 40 && given > 5 && kept > 2);
}

/** The base ends in the last stride of a segment that is not there; behind it a write was torn. */
static void a_torn_tail_where_the_segments_begin_is_cut(void **state)
{
	const qr_index base = 5 * SEGMENT - 1;
	const struct store_start start = {.segment = 5, .before = base, .offset = 2 * base};

	(void)state;
	giver.log->parameters.snapshot_blocks = SEGMENT / 2;
	append_upto(&giver, base);
	assert_int_equal(rig_append(&giver, 5000), QR_OK); /* of two blocks: in the next segment */
	rig_drain(&giver);
	store_release(giver.log, base + 1);
	assert_true(store_snapshot_is_due(giver.log, base));
	rig_snapshot(&giver, base, "state", 5);
	append_upto(&giver, 7 * SEGMENT + 3);
	assert_true(store_trim(giver.log, &start));
	settle(&giver);
	append_upto(&rig, 2 * SEGMENT + 7);
	assert_int_equal(store_install_begin(rig.log, rig.snapshot, fetch()), QR_OK);
	rig_drain(&rig);
	reopen(&rig);
	assert_true(rig.recovered_last == base && rig.disk.extent.first == 5);
	memset(disk_block(&rig.disk, (qr_block)5 * SEGMENT), 0x5a, QR_BLOCK_BYTES);
	reopen(&rig);
	assert_true(rig.recovered_last == base);
	assert_int_equal(rig_append(&rig, 5000), QR_OK); /* the same again */
	rig_drain(&rig);
	reopen(&rig);
	assert_true(rig.recovered_last == base + 1);
}

static void what_is_not_sound_or_not_newer_is_not_taken(void **state)
{
	uint32_t size_bytes;

	(void)state;
	prepare_giver();
	append_upto(&rig, 2 * SEGMENT + 7);
	size_bytes = fetch();
	rig.snapshot.data[STORE_SNAPSHOT_STATE_AT] ^= 1;
	assert_int_equal(store_install_begin(rig.log, rig.snapshot, size_bytes), QR_CORRUPT);
	rig.snapshot.data[STORE_SNAPSHOT_STATE_AT] ^= 1;
	rig.snapshot.data[20] ^= 1;
	assert_int_equal(store_install_begin(rig.log, rig.snapshot, size_bytes), QR_CHECKSUM);
	rig.snapshot.data[20] ^= 1;
	assert_int_equal(store_install_begin(rig.log, rig.snapshot, size_bytes - QR_BLOCK_BYTES),
			 QR_CORRUPT);
	assert_int_equal(store_install_begin(rig.log, rig.snapshot, 100), QR_MALFORMED);
	rig.log->parameters.group++;
	assert_int_equal(store_install_begin(rig.log, rig.snapshot, size_bytes), QR_FOREIGN);
	rig.log->parameters.group--;
	append_upto(&rig, 5 * SEGMENT + 7);
	size_bytes = fetch();
	assert_int_equal(store_install_begin(rig.log, rig.snapshot, size_bytes), QR_STALE);
}

static void a_full_disk_keeps_the_log_that_was(void **state)
{
	uint32_t size_bytes;

	(void)state;
	prepare_giver();
	append_upto(&rig, 2 * SEGMENT + 7);
	size_bytes = fetch();
	rig.disk.fail_snapshots = QR_NO_SPACE;
	assert_int_equal(store_install_begin(rig.log, rig.snapshot, size_bytes), QR_OK);
	rig_drain(&rig);
	assert_int_equal(store_install_end(rig.log), QR_NO_SPACE);
	rig.disk.fail_snapshots = QR_OK;
	append_upto(&rig, 2 * SEGMENT + 20);
	reopen(&rig);
	assert_true(rig.recovered_last == 2 * SEGMENT + 20);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(what_is_given_up_goes_and_the_rest_stays),
		TEST(nothing_goes_before_the_newest_snapshot_is_stable),
		TEST(a_snapshot_that_waits_spares_where_the_log_begins),
		TEST(segments_are_recycled),
		TEST(it_never_moves_back_nor_beyond_the_end),
		TEST(nothing_goes_that_the_only_snapshot_stands_for),
		TEST(without_any_snapshot_a_log_that_lost_its_beginning_is_damage),
		TEST(a_missing_first_segment_is_damage),
		TEST(readers_begin_where_the_log_does),
		TEST(retention_picks_the_latest_place_that_is_allowed),
		TEST(however_long_the_log_is_snapshots_lie_all_over_it),
		TEST(a_snapshot_takes_the_place_of_a_shorter_log),
		TEST(a_crash_anywhere_leaves_the_one_or_the_other),
		TEST(a_torn_tail_where_the_segments_begin_is_cut),
		TEST(what_is_not_sound_or_not_newer_is_not_taken),
		TEST(a_full_disk_keeps_the_log_that_was),
	};
#undef TEST
	return cmocka_run_group_tests(tests, NULL, NULL);
}
