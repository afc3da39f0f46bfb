#include "storage/format/slot.h"

#include "consensus/base/prng.h"
#include "tests/unit/unit.h"

#include <string.h>

static uint8_t slots[STORE_SLOTS * STORE_SLOT_BYTES];

static struct store_slot sample(uint64_t serial)
{
	return (struct store_slot){
		.serial = serial,
		.cluster = 0x0102030405060708u,
		.node = 3,
		.group = 9,
		.lazy = serial % 2 == 0,
		.geometry = {.segment_blocks = 16384, .stride_blocks = 512},
		.state = {.term = 100 + serial, .vote = 2, .generation = 10 * serial},
		.configuration = {.voters = 0xe, .voters_outgoing = 0x1c, .learners = 0x20},
		.settled = {.index = 1, .term = 2, .block = 3, .offset = 4, .chain = 5},
	};
}

static void put(unsigned slot, uint64_t serial)
{
	const struct store_slot content = sample(serial);

	store_slot_encode(slots + (size_t)slot * STORE_SLOT_BYTES, &content);
}

static int set_up(void **state)
{
	(void)state;
	memset(slots, 0, sizeof(slots));
	return 0;
}

static void what_was_encoded_is_decoded(void **state)
{
	const struct store_slot content = sample(6);
	struct store_slot slot;

	(void)state;
	store_slot_encode(slots, &content);
	assert_int_equal(store_slot_decode(slots, &slot), QR_OK);
	assert_true(slot.serial == 6 && slot.cluster == content.cluster && slot.node == 3);
	assert_true(slot.group == 9 && slot.lazy);
	assert_memory_equal(&slot.geometry, &content.geometry, sizeof(slot.geometry));
	assert_true(slot.state.term == 106 && slot.state.vote == 2 && slot.state.generation == 60);
	assert_memory_equal(&slot.configuration, &content.configuration,
			    sizeof(slot.configuration));
	assert_memory_equal(&slot.settled, &content.settled, sizeof(slot.settled));
}

static void every_bit_of_a_slot_counts(void **state)
{
	struct store_slot slot;

	(void)state;
	put(0, 1);
	for (unsigned bit = 0; bit < STORE_SLOT_BYTES * 8; bit++) {
		slots[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_not_equal(store_slot_decode(slots, &slot), QR_OK);
		slots[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

static void the_newer_of_two_is_the_truth(void **state)
{
	struct store_slot slot;

	(void)state;
	put(0, 8);
	put(1, 7);
	assert_int_equal(store_slot_choose(slots, &slot), QR_OK);
	assert_true(slot.serial == 8);
	put(1, 9);
	assert_int_equal(store_slot_choose(slots, &slot), QR_OK);
	assert_true(slot.serial == 9);
}

/** Tear the write of `serial` into its slot at every byte: the twin holds `before`. */
static void tear(uint64_t serial, uint64_t before)
{
	uint8_t old[STORE_SLOT_BYTES];
	uint8_t whole[STORE_SLOT_BYTES];
	const struct store_slot content = sample(serial);
	uint8_t *target = slots + serial % 2 * STORE_SLOT_BYTES;
	struct store_slot slot;

	memcpy(old, target, sizeof(old));
	store_slot_encode(whole, &content);
	for (size_t at = 0; at <= sizeof(old); at++) {
		memcpy(target, whole, at);
		memcpy(target + at, old + at, sizeof(old) - at);
		assert_int_equal(store_slot_choose(slots, &slot), QR_OK);
		assert_true(slot.serial == before || slot.serial == serial);
	}
	assert_true(slot.serial == serial);
}

static void a_torn_write_leaves_what_counted_before(void **state)
{
	(void)state;
	put(0, 2);
	put(1, 2); /* at rest both are the same */
	tear(3, 2);
	tear(4, 3); /* before the twin was written */
	tear(5, 4);
}

static void one_damaged_slot_loses_nothing_at_rest(void **state)
{
	struct store_slot slot;

	(void)state;
	put(0, 5);
	put(1, 5);
	memset(slots, 0xff, 100);
	assert_int_equal(store_slot_choose(slots, &slot), QR_OK);
	assert_true(slot.serial == 5);
}

static void two_damaged_slots_are_said_to_be(void **state)
{
	struct store_slot slot;

	(void)state;
	assert_int_equal(store_slot_choose(slots, &slot), QR_NOT_FOUND);
	put(0, 5);
	slots[60] ^= 1;
	assert_int_equal(store_slot_choose(slots, &slot), QR_CORRUPT);
	put(1, 5);
	slots[STORE_SLOT_BYTES + 60] ^= 1;
	assert_int_equal(store_slot_choose(slots, &slot), QR_CORRUPT);
}

static void expect_malformed(const struct store_slot *slot)
{
	struct store_slot decoded;

	store_slot_encode(slots, slot);
	assert_int_equal(store_slot_decode(slots, &decoded), QR_MALFORMED);
}

static void what_no_writer_counts_to_is_malformed(void **state)
{
	struct store_slot slot = sample(UINT64_MAX);

	(void)state;
	expect_malformed(&slot);
	slot = sample(5);
	slot.state.generation = (uint64_t)1 << 63;
	expect_malformed(&slot);
	slot = sample(5);
	slot.state.term = ((uint64_t)1 << 62) + 1;
	expect_malformed(&slot);
}

static void an_empty_prefix_is_empty(void **state)
{
	struct store_slot slot = sample(5);

	(void)state;
	slot.settled = (struct store_prefix){.offset = 1};
	expect_malformed(&slot);
	slot.settled = (struct store_prefix){.block = 1};
	expect_malformed(&slot);
	slot.settled = (struct store_prefix){0};
	store_slot_encode(slots, &slot);
	assert_int_equal(store_slot_decode(slots, &slot), QR_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_was_encoded_is_decoded, set_up),
		cmocka_unit_test_setup(every_bit_of_a_slot_counts, set_up),
		cmocka_unit_test_setup(the_newer_of_two_is_the_truth, set_up),
		cmocka_unit_test_setup(a_torn_write_leaves_what_counted_before, set_up),
		cmocka_unit_test_setup(one_damaged_slot_loses_nothing_at_rest, set_up),
		cmocka_unit_test_setup(two_damaged_slots_are_said_to_be, set_up),
		cmocka_unit_test_setup(what_no_writer_counts_to_is_malformed, set_up),
		cmocka_unit_test_setup(an_empty_prefix_is_empty, set_up),
	};

	return cmocka_run_group_tests_name("storage/format/slot", tests, NULL, NULL);
}
