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
	for (unsigned i = 0; i < count; i++) {
		assert_int_equal(rig_append(&rig, payload_bytes), QR_OK);
		rig_drain(&rig);
		store_release(rig.log, store_log_durable(rig.log).index);
	}
}

static void records_are_found_in_the_window(void **state)
{
	struct store_location location;
	struct qr_span bytes;

	(void)state;
	append(200, 2500); /* a block and three records each */
	for (qr_offset offset = 0; offset < 600; offset++) {
		enum qr_error error = store_window_find(rig.log, offset, &location, &bytes);

		assert_int_equal(error, offset < (qr_offset)(200 - 64) * 3 ? QR_NOT_FOUND : QR_OK);
		if (error != QR_OK)
			continue;
		assert_int_equal(location.index, offset / 3 + 1);
		assert_int_equal(location.record_count, 3);
	}
	assert_int_equal(store_window_find(rig.log, 600, &location, &bytes), QR_NOT_FOUND);
}

/** Entries without records share their first offset with the next that has some. */
static void an_entry_without_records_hides_nothing(void **state)
{
	struct store_location location;
	struct qr_span bytes;
	struct store_entry entry;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(store_entry_open(rig.log, 1, RAFT_ENTRY_NOOP, 0), QR_OK);
		entry = store_entry_close(rig.log, 0, 0, 0);
		store_write(rig.log, entry.index, entry.index, 1);
	}
	assert_int_equal(rig_append(&rig, 2500), QR_OK);
	assert_int_equal(store_entry_open(rig.log, 1, RAFT_ENTRY_NOOP, 0), QR_OK);
	(void)store_entry_close(rig.log, 0, 0, 0);
	for (qr_offset offset = 0; offset < 3; offset++) {
		assert_int_equal(store_window_find(rig.log, offset, &location, &bytes), QR_OK);
		assert_int_equal(location.index, 4);
	}
	assert_int_equal(store_window_find(rig.log, 3, &location, &bytes), QR_NOT_FOUND);
}

static void beyond_the_log_nothing_is_found(void **state)
{
	struct store_location location;
	struct qr_span bytes;

	(void)state;
	assert_int_equal(store_window_entry(rig.log, 0, &location, &bytes), QR_NOT_FOUND);
	assert_int_equal(store_window_entry(rig.log, 1, &location, &bytes), QR_NOT_FOUND);
	append(1, 10);
	assert_int_equal(store_window_entry(rig.log, 1, &location, &bytes), QR_OK);
	assert_int_equal(store_window_entry(rig.log, 2, &location, &bytes), QR_NOT_FOUND);
	assert_int_equal(store_window_entry(rig.log, UINT64_MAX, &location, &bytes), QR_NOT_FOUND);
}

/** A reader's placement must not overwrite what is still handed out. */
static void placed_bytes_push_entries_out(void **state)
{
	const uint8_t byte = 1;
	struct store_location location;
	struct qr_span bytes;

	(void)state;
	append(70, 2500);
	assert_int_equal(store_window_entry(rig.log, 20, &location, &bytes), QR_OK);
	assert_int_equal(store_place(rig.log, 70 + 25, 0, (struct qr_span){&byte, 1}), QR_OK);
	/* Block 95 lies where block 31 was. */
	assert_int_equal(store_window_entry(rig.log, 32, &location, &bytes), QR_NOT_FOUND);
	assert_int_equal(store_window_entry(rig.log, 33, &location, &bytes), QR_OK);
}

static void cut_entries_are_forgotten(void **state)
{
	struct store_location location;
	struct qr_span bytes;

	(void)state;
	append(10, 100);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(rig_append(&rig, 100), QR_OK);
	rig_drain(&rig);
	rig_truncate(&rig, 12);
	assert_int_equal(store_log_last(rig.log), 12);
	assert_int_equal(store_log_end(rig.log), 12);
	assert_int_equal(store_window_entry(rig.log, 12, &location, &bytes), QR_OK);
	assert_int_equal(store_window_entry(rig.log, 13, &location, &bytes), QR_NOT_FOUND);
	append(1, 2500);
	assert_int_equal(store_window_entry(rig.log, 13, &location, &bytes), QR_OK);
	assert_int_equal(location.term, 2);
	assert_int_equal(location.first_offset, 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(records_are_found_in_the_window, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_entry_without_records_hides_nothing, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(beyond_the_log_nothing_is_found, set_up, tear_down),
		cmocka_unit_test_setup_teardown(placed_bytes_push_entries_out, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cut_entries_are_forgotten, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("storage/engine/index", tests, NULL, NULL);
}
