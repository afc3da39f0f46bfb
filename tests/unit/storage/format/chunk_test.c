#include "storage/format/entry.h"

#include "tests/unit/unit.h"

#include <string.h>

#define BODY_BYTES 13
#define PAYLOAD_BYTES (2 * (STORE_CHUNK_HEADER_BYTES + 16))

static uint8_t payload[PAYLOAD_BYTES];
static const struct store_chunk sample = {
	.session = 0x0102030405060708u,
	.sequence = 0x1112131415161718u,
	.count = 3,
	.body_bytes = BODY_BYTES,
	.crc = 0x21222324,
	.kind = 1,
	.codec = 2,
	.epoch = 0x31323334,
	.time_ns = 0x4142434445464748u,
};

static int set_up(void **state)
{
	struct store_chunk second = sample;

	(void)state;
	memset(payload, 0, sizeof(payload));
	second.sequence += 3;
	store_chunk_encode(payload, &sample);
	memset(payload + STORE_CHUNK_HEADER_BYTES, 0xee, BODY_BYTES);
	store_chunk_encode(payload + store_chunk_bytes(BODY_BYTES), &second);
	memset(payload + store_chunk_bytes(BODY_BYTES) + STORE_CHUNK_HEADER_BYTES, 0xdd,
	       BODY_BYTES);
	return 0;
}

static void chunks_follow_each_other(void **state)
{
	struct qr_reader reader = qr_reader_over(payload, sizeof(payload));
	struct store_chunk chunk;
	struct qr_span body;

	(void)state;
	assert_int_equal(store_chunk_next(&reader, &chunk, &body), QR_OK);
	assert_true(chunk.session == sample.session && chunk.sequence == sample.sequence);
	assert_true(chunk.count == 3 && chunk.body_bytes == BODY_BYTES && chunk.crc == sample.crc);
	assert_true(chunk.kind == 1 && chunk.codec == 2 && chunk.epoch == sample.epoch);
	assert_true(chunk.time_ns == sample.time_ns);
	assert_ptr_equal(body.data, payload + STORE_CHUNK_HEADER_BYTES);
	assert_int_equal(body.size_bytes, BODY_BYTES);
	assert_int_equal(store_chunk_next(&reader, &chunk, &body), QR_OK);
	assert_true(chunk.sequence == sample.sequence + 3);
	assert_int_equal(store_chunk_next(&reader, &chunk, &body), QR_AGAIN);
}

static void every_cut_is_refused(void **state)
{
	(void)state;
	for (size_t size = 1; size < sizeof(payload) / 2; size++) {
		struct qr_reader reader = qr_reader_over(payload, size);
		struct store_chunk chunk;
		struct qr_span body;

		assert_int_equal(store_chunk_next(&reader, &chunk, &body), QR_MALFORMED);
	}
}

static void expect_malformed(size_t at, uint8_t value)
{
	struct qr_reader reader = qr_reader_over(payload, sizeof(payload));
	uint8_t before = payload[at];
	struct store_chunk chunk;
	struct qr_span body;

	payload[at] = value;
	assert_int_equal(store_chunk_next(&reader, &chunk, &body), QR_MALFORMED);
	payload[at] = before;
}

static void nonsense_is_refused(void **state)
{
	(void)state;
	expect_malformed(16, 0);			    /* no record */
	expect_malformed(23, 0xff);			    /* a body of 4 GiB */
	expect_malformed(30, 1);			    /* reserved */
	expect_malformed(39, 1);			    /* reserved */
	expect_malformed(STORE_CHUNK_HEADER_BYTES + 13, 1); /* padding */
	memset(payload + 8, 0xff, 8);			    /* a sequence that runs over */
	expect_malformed(0, 0);
}

static void sizes_are_padded(void **state)
{
	(void)state;
	assert_int_equal(store_chunk_bytes(0), STORE_CHUNK_HEADER_BYTES);
	assert_int_equal(store_chunk_bytes(1), STORE_CHUNK_HEADER_BYTES + 8);
	assert_int_equal(store_chunk_bytes(8), STORE_CHUNK_HEADER_BYTES + 8);
	assert_int_equal(store_chunk_bytes(9), STORE_CHUNK_HEADER_BYTES + 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(chunks_follow_each_other, set_up),
		cmocka_unit_test_setup(every_cut_is_refused, set_up),
		cmocka_unit_test_setup(nonsense_is_refused, set_up),
		cmocka_unit_test(sizes_are_padded),
	};

	return cmocka_run_group_tests_name("storage/format/chunk", tests, NULL, NULL);
}
