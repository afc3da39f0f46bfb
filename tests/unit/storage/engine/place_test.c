#include "tests/unit/storage/rig.h"

#include "tests/unit/unit.h"

#include <string.h>

static struct rig leader;
static struct rig follower;

static int set_up(void **state)
{
	const struct store_log_parameters parameters = rig_parameters();

	(void)state;
	rig_init(&leader, &parameters, 1);
	rig_init(&follower, &parameters, 2);
	if (rig_open(&leader) != QR_NOT_FOUND || rig_open(&follower) != QR_NOT_FOUND)
		return 1;
	rig_drain(&leader);
	rig_drain(&follower);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	rig_fini(&leader);
	rig_fini(&follower);
	return 0;
}

static struct store_location fetch(qr_index index, struct qr_span *ret_bytes)
{
	struct store_location location;

	assert_int_equal(store_window_entry(leader.log, index, &location, ret_bytes), QR_OK);
	return location;
}

static enum qr_error place(qr_index index, uint32_t from, uint32_t to)
{
	struct qr_span bytes;
	struct store_location location = fetch(index, &bytes);

	return store_place(follower.log, location.block, from,
			   (struct qr_span){bytes.data + from, to - from});
}

static enum qr_error accept(qr_index index)
{
	struct qr_span bytes;
	struct store_location location = fetch(index, &bytes);
	struct store_entry entry;

	return store_accept(follower.log, location.block, location.bytes, &entry);
}

static void fragments_may_come_in_any_order(void **state)
{
	struct qr_span bytes;

	(void)state;
	assert_int_equal(rig_append(&leader, 9000), QR_OK);
	assert_int_equal(rig_append(&leader, 700), QR_OK);
	assert_int_equal(place(2, 0, 828), QR_OK); /* ahead of what comes before */
	for (uint32_t at = 9128; at > 0; at -= at % 1000 != 0 ? at % 1000 : 1000)
		assert_int_equal(place(1, at - (at % 1000 != 0 ? at % 1000 : 1000), at), QR_OK);
	assert_int_equal(accept(2), QR_STALE);
	assert_int_equal(accept(1), QR_OK);
	assert_int_equal(accept(2), QR_OK);
	for (qr_index index = 1; index <= 2; index++) {
		struct store_location location = fetch(index, &bytes);
		struct qr_span mine;

		assert_int_equal(store_window_entry(follower.log, index, &location, &mine), QR_OK);
		assert_memory_equal(mine.data, bytes.data,
				    (size_t)location.blocks * QR_BLOCK_BYTES);
	}
	store_write(follower.log, 1, 2, 1);
	rig_expect_durable(&follower, 2);
}

static void a_missing_fragment_is_noticed(void **state)
{
	(void)state;
	assert_int_equal(rig_append(&leader, 9000), QR_OK);
	assert_int_equal(place(1, 0, 4000), QR_OK);
	assert_int_equal(place(1, 5000, 9128), QR_OK);
	assert_int_equal(accept(1), QR_CHECKSUM);
	assert_int_equal(store_log_last(follower.log), 0);
	assert_int_equal(place(1, 4000, 5000), QR_OK);
	assert_int_equal(accept(1), QR_OK);
}

static void accepted_bytes_never_change(void **state)
{
	(void)state;
	assert_int_equal(rig_append(&leader, 100), QR_OK);
	assert_int_equal(place(1, 0, 228), QR_OK);
	assert_int_equal(accept(1), QR_OK);
	assert_int_equal(place(1, 0, 228), QR_STALE);
	assert_int_equal(accept(1), QR_STALE);
}

static void nothing_lands_beyond_the_limit_or_across_a_stride(void **state)
{
	const uint8_t byte = 1;
	struct qr_span one = {&byte, 1};
	qr_block limit = store_log_limit(follower.log);

	(void)state;
	assert_int_equal(limit, 64); /* the window; two segments are ready */
	assert_int_equal(store_place(follower.log, limit - 1, 4095, one), QR_OK);
	assert_int_equal(store_place(follower.log, limit, 0, one), QR_BUSY);
	assert_int_equal(store_place(follower.log, limit + 1000, 0, one), QR_BUSY);
	assert_int_equal(store_place(follower.log, UINT64_MAX, 0, one), QR_BUSY);
	assert_int_equal(store_place(follower.log, 7, 4096, one), QR_MALFORMED);
	assert_int_equal(store_place(follower.log, 0, UINT32_MAX, one), QR_MALFORMED);
}

static void an_entry_of_another_chain_is_refused(void **state)
{
	(void)state;
	assert_int_equal(rig_append(&leader, 100), QR_OK);
	assert_int_equal(rig_append(&leader, 100), QR_OK);
	assert_int_equal(rig_append(&follower, 100), QR_OK); /* another first entry */
	assert_int_equal(place(2, 0, 228), QR_OK);
	assert_int_equal(accept(2), QR_STALE);
	assert_int_equal(store_log_last(follower.log), 1);
}

static void garbage_is_refused(void **state)
{
	uint8_t garbage[QR_BLOCK_BYTES];
	struct store_entry entry;

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		for (unsigned k = 0; k < 256; k++)
			garbage[k] = (uint8_t)qr_prng_next(&follower.prng);
		assert_int_equal(store_place(follower.log, 0, 0, (struct qr_span){garbage, 256}),
				 QR_OK);
		assert_int_not_equal(store_accept(follower.log, 0, 256, &entry), QR_OK);
	}
	assert_int_equal(store_accept(follower.log, 0, 0, &entry), QR_MALFORMED);
	assert_int_equal(store_accept(follower.log, 0, UINT32_MAX, &entry), QR_MALFORMED);
	assert_int_equal(store_accept(follower.log, 5, 256, &entry), QR_STALE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(fragments_may_come_in_any_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_missing_fragment_is_noticed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(accepted_bytes_never_change, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nothing_lands_beyond_the_limit_or_across_a_stride,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_entry_of_another_chain_is_refused, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(garbage_is_refused, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("storage/engine/place", tests, NULL, NULL);
}
