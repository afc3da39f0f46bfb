#include "storage/format/snapshot.h"

#include "tests/unit/unit.h"

#include <string.h>

static uint8_t header[STORE_SNAPSHOT_HEADER_BYTES];

static const struct store_snapshot sample = {
	.serial = 7,
	.cluster = 0x0102030405060708u,
	.group = 9,
	.geometry = {.segment_blocks = 16384, .stride_blocks = 512},
	.base = {.index = 1, .term = 2, .block = 3, .offset = 4, .chain = 5},
	.state_bytes = 100,
	.checkpoint_count = 200,
	.spacing_blocks = 64,
	.body_crc = 0xdeadbeef,
};

static void what_was_encoded_is_decoded(void **state)
{
	struct store_snapshot decoded;

	(void)state;
	store_snapshot_encode(header, &sample);
	assert_int_equal(store_snapshot_decode(header, &decoded), QR_OK);
	assert_true(decoded.serial == 7 && decoded.cluster == sample.cluster && decoded.group == 9);
	assert_memory_equal(&decoded.geometry, &sample.geometry, sizeof(decoded.geometry));
	assert_memory_equal(&decoded.base, &sample.base, sizeof(decoded.base));
	assert_true(decoded.state_bytes == 100 && decoded.checkpoint_count == 200);
	assert_true(decoded.spacing_blocks == 64 && decoded.body_crc == 0xdeadbeef);
}

static void the_layout_is_that_of_the_document(void **state)
{
	static const uint8_t head[] = {0x51, 0x52, 0x4d, 0x31, 1, 0, 0, 0};
	static const uint8_t base[] = {1, 0, 0, 0, 0, 0, 0, 0, 2};

	(void)state;
	store_snapshot_encode(header, &sample);
	assert_memory_equal(header, head, sizeof(head));
	assert_int_equal(header[12], 9);
	assert_int_equal(header[16], 8);
	assert_int_equal(header[24], 7);
	assert_memory_equal(header + 40, base, sizeof(base));
	assert_int_equal(header[80], 100);
	assert_int_equal(header[84], 200);
	assert_int_equal(header[92], 0xef);
}

static void every_bit_of_a_header_counts(void **state)
{
	struct store_snapshot decoded;

	(void)state;
	store_snapshot_encode(header, &sample);
	for (unsigned bit = 0; bit < sizeof(header) * 8; bit++) {
		header[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_not_equal(store_snapshot_decode(header, &decoded), QR_OK);
		header[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

static void expect_malformed(struct store_snapshot wrong)
{
	struct store_snapshot decoded;

	store_snapshot_encode(header, &wrong);
	assert_int_equal(store_snapshot_decode(header, &decoded), QR_MALFORMED);
}

static void what_nobody_writes_is_malformed(void **state)
{
	struct store_snapshot wrong = sample;

	(void)state;
	wrong.geometry.stride_blocks = 500;
	expect_malformed(wrong);
	wrong = sample;
	wrong.geometry.stride_blocks = 0;
	expect_malformed(wrong);
	wrong = sample;
	wrong.base.term = 0;
	expect_malformed(wrong);
	wrong = sample;
	wrong.base.block = 0;
	expect_malformed(wrong);
	wrong = sample;
	wrong.serial = UINT64_MAX;
	expect_malformed(wrong);
}

static void nothing_is_not_found(void **state)
{
	struct store_snapshot decoded;

	(void)state;
	memset(header, 0, sizeof(header));
	assert_int_equal(store_snapshot_decode(header, &decoded), QR_NOT_FOUND);
}

static void a_checkpoint_keeps_its_fields(void **state)
{
	const struct store_checkpoint checkpoint = {.index = 1, .first_offset = 2, .block = 3};
	struct store_checkpoint decoded;
	uint8_t bytes[STORE_CHECKPOINT_BYTES];

	(void)state;
	store_checkpoint_encode(bytes, &checkpoint);
	decoded = store_checkpoint_decode(bytes);
	assert_memory_equal(&decoded, &checkpoint, sizeof(decoded));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_encoded_is_decoded),
		cmocka_unit_test(the_layout_is_that_of_the_document),
		cmocka_unit_test(every_bit_of_a_header_counts),
		cmocka_unit_test(what_nobody_writes_is_malformed),
		cmocka_unit_test(nothing_is_not_found),
		cmocka_unit_test(a_checkpoint_keeps_its_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
