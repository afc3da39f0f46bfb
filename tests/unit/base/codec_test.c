#include "consensus/base/codec.h"

#include "tests/unit/unit.h"

static void integers_are_little_endian_and_come_back(void **state)
{
	uint8_t bytes[15];
	struct qr_writer writer = qr_writer_over(bytes, sizeof(bytes));
	struct qr_reader reader = qr_reader_over(bytes, sizeof(bytes));

	(void)state;
	qr_write_u8(&writer, 0x01);
	qr_write_u16(&writer, 0x0203);
	qr_write_u32(&writer, 0x04050607);
	qr_write_u64(&writer, 0x08090a0b0c0d0e0fu);
	assert_false(writer.failed);
	assert_int_equal(qr_writer_size(&writer), 15);
	assert_int_equal(bytes[1], 0x03);
	assert_int_equal(bytes[3], 0x07);
	assert_int_equal(bytes[7], 0x0f);
	assert_int_equal(qr_read_u8(&reader), 0x01);
	assert_int_equal(qr_read_u16(&reader), 0x0203);
	assert_int_equal(qr_read_u32(&reader), 0x04050607);
	assert_true(qr_read_u64(&reader) == 0x08090a0b0c0d0e0fu);
	assert_int_equal(qr_reader_left(&reader), 0);
	assert_false(reader.failed);
}

static void a_reader_that_runs_out_stays_failed_and_gives_zero(void **state)
{
	uint8_t bytes[5] = {1, 2, 3, 4, 5};
	struct qr_reader reader = qr_reader_over(bytes, sizeof(bytes));

	(void)state;
	assert_int_equal(qr_read_u32(&reader), 0x04030201);
	assert_int_equal(qr_read_u32(&reader), 0);
	assert_true(reader.failed);
	assert_int_equal(qr_read_u8(&reader), 0);
	assert_int_equal(qr_reader_left(&reader), 0);
}

static void a_writer_that_is_full_writes_nothing_more(void **state)
{
	uint8_t bytes[8] = {0};
	struct qr_writer writer = qr_writer_over(bytes, 5);

	(void)state;
	qr_write_u32(&writer, 0xffffffff);
	qr_write_u16(&writer, 0xeeee);
	assert_true(writer.failed);
	qr_write_u8(&writer, 0xdd);
	qr_write_zeros(&writer, 1);
	assert_int_equal(bytes[4], 0);
	assert_int_equal(bytes[5], 0);
	assert_int_equal(qr_writer_size(&writer), 4);
}

static void bytes_and_zeros_are_placed(void **state)
{
	uint8_t bytes[6] = {9, 9, 9, 9, 9, 9};
	struct qr_writer writer = qr_writer_over(bytes, sizeof(bytes));

	(void)state;
	qr_write_bytes(&writer, "ab", 2);
	qr_write_zeros(&writer, 3);
	qr_write_bytes(&writer, NULL, 0);
	assert_memory_equal(bytes, "ab\0\0\0\x09", 6);
	assert_false(writer.failed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_are_little_endian_and_come_back),
		cmocka_unit_test(a_reader_that_runs_out_stays_failed_and_gives_zero),
		cmocka_unit_test(a_writer_that_is_full_writes_nothing_more),
		cmocka_unit_test(bytes_and_zeros_are_placed),
	};

	return cmocka_run_group_tests_name("base/codec", tests, NULL, NULL);
}
