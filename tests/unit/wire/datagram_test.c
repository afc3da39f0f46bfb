#include "consensus/base/crc.h"
#include "tests/unit/unit.h"
#include "tests/unit/wire/sample.h"

static uint8_t buffer[WIRE_DATAGRAM_MAX];

static enum qr_error open_it(size_t size_bytes)
{
	/* A copy of exactly this size: the sanitizer sees any byte read beyond it. */
	static uint8_t copy[WIRE_DATAGRAM_MAX];
	uint8_t *tight = copy + sizeof(copy) - size_bytes;
	struct wire_header header;
	struct qr_reader messages;

	memcpy(tight, buffer, size_bytes);
	return wire_open((struct qr_span){tight, size_bytes}, &header, &messages);
}

/** Put the right checksum on bytes that were changed on purpose. */
static void mend_checksum(size_t size_bytes)
{
	struct qr_writer field = qr_writer_over(buffer + 20, 4);

	memset(buffer + 20, 0, 4);
	qr_write_u32(&field, qr_crc32c(0, buffer, size_bytes));
}

static size_t sample(uint64_t seed, enum wire_type type)
{
	struct qr_prng prng;

	qr_prng_init(&prng, seed);
	return sample_datagram(buffer, sizeof(buffer), type, &prng);
}

static void cluster_ids_are_checksums_of_names(void **state)
{
	(void)state;
	assert_true(wire_cluster_id("123456789") == 0x995dc9bbdf1939fau);
	assert_true(wire_cluster_id("") == 1);
	assert_true(wire_cluster_id("a") != wire_cluster_id("b"));
}

static void headers_come_back(void **state)
{
	const struct wire_header header = {
		.source = WIRE_FROM_PEER,
		.from = 3,
		.to = 63,
		.cluster = 0x1122334455667788u,
		.incarnation = 0x99aabbccu,
		.counter = 0xddeeff0011223344u,
	};
	struct qr_writer writer = qr_writer_over(buffer, sizeof(buffer));
	struct qr_reader messages;
	struct wire_message message;
	struct wire_header got;
	size_t size_bytes;

	(void)state;
	wire_begin(&writer);
	size_bytes = wire_finish(&writer, &header);
	assert_int_equal(size_bytes, WIRE_HEADER_BYTES);
	assert_int_equal(wire_open((struct qr_span){buffer, size_bytes}, &got, &messages), QR_OK);
	assert_int_equal(got.source, header.source);
	assert_int_equal(got.from, header.from);
	assert_int_equal(got.to, header.to);
	assert_true(got.cluster == header.cluster);
	assert_int_equal(got.incarnation, header.incarnation);
	assert_true(got.counter == header.counter);
	assert_int_equal(wire_next(&messages, &message), QR_AGAIN);
}

/* The table of docs/formats/wire.md, byte by byte. */
static void the_header_is_laid_out_as_documented(void **state)
{
	static const uint8_t expected[WIRE_HEADER_BYTES] = {
		0x51, 0x52, 0x54, 0x31, 1,    1,    3,	  63, 0x88, 0x77, 0x66, 0x55, 0x44,
		0x33, 0x22, 0x11, 0xcc, 0xbb, 0xaa, 0x99, 0,  0,    0,	  0,	8,    7,
		6,    5,    4,	  3,	2,    1,    0,	  0,  0,    0,	  64,
	};
	const struct wire_header header = {
		.source = WIRE_FROM_PEER,
		.from = 3,
		.to = 63,
		.cluster = 0x1122334455667788u,
		.incarnation = 0x99aabbccu,
		.counter = 0x0102030405060708u,
	};
	struct qr_writer writer = qr_writer_over(buffer, sizeof(buffer));
	uint32_t crc;

	(void)state;
	wire_begin(&writer);
	assert_int_equal(wire_finish(&writer, &header), WIRE_HEADER_BYTES);
	memcpy(&crc, buffer + 20, sizeof(crc));
	memset(buffer + 20, 0, sizeof(crc));
	assert_memory_equal(buffer, expected, sizeof(expected));
	assert_int_equal(crc, qr_crc32c(0, expected, sizeof(expected)));
}

static void several_messages_follow_each_other(void **state)
{
	const struct wire_header header = {.source = WIRE_FROM_PEER, .from = 1, .to = 2};
	struct qr_writer writer = qr_writer_over(buffer, sizeof(buffer));
	struct qr_reader messages;
	struct wire_message message;
	struct wire_header got;
	struct qr_prng prng;
	size_t size_bytes;

	(void)state;
	qr_prng_init(&prng, 5);
	wire_begin(&writer);
	sample_put(&writer, WIRE_ACK, &prng);
	sample_put(&writer, WIRE_RAFT, &prng);
	sample_put(&writer, WIRE_FRAGMENT, &prng);
	size_bytes = wire_finish(&writer, &header);
	assert_int_equal(wire_open((struct qr_span){buffer, size_bytes}, &got, &messages), QR_OK);
	assert_int_equal(wire_next(&messages, &message), QR_OK);
	assert_int_equal(message.type, WIRE_ACK);
	assert_int_equal(wire_next(&messages, &message), QR_OK);
	assert_int_equal(message.type, WIRE_RAFT);
	assert_int_equal(wire_next(&messages, &message), QR_OK);
	assert_int_equal(message.type, WIRE_FRAGMENT);
	assert_int_equal(wire_next(&messages, &message), QR_AGAIN);
}

static void bulk_elsewhere_gives_the_same_bytes(void **state)
{
	const struct wire_header header = {.source = WIRE_FROM_PEER, .from = 1, .counter = 9};
	uint8_t apart[WIRE_DATAGRAM_MIN];
	struct wire_fragment fragment;
	struct qr_writer writer;
	struct qr_prng prng;
	size_t front_bytes;
	size_t size_bytes;

	(void)state;
	qr_prng_init(&prng, 77);
	sample_fragment(&prng, &fragment);
	writer = qr_writer_over(buffer, sizeof(buffer));
	wire_begin(&writer);
	wire_put_fragment(&writer, 4, &fragment);
	qr_write_bytes(&writer, fragment.bulk.data, fragment.bulk.size_bytes);
	size_bytes = wire_finish(&writer, &header);

	writer = qr_writer_over(apart, sizeof(apart));
	wire_begin(&writer);
	wire_put_fragment(&writer, 4, &fragment);
	front_bytes = wire_finish_bulk(&writer, &header, fragment.bulk);
	assert_int_equal(front_bytes + fragment.bulk.size_bytes, size_bytes);
	assert_memory_equal(apart, buffer, front_bytes);
}

static void every_flipped_bit_is_noticed(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SAMPLE_TYPES; i++) {
		size_t size_bytes = sample(i, sample_types[i]);

		assert_int_equal(open_it(size_bytes), QR_OK);
		for (size_t bit = 0; bit < size_bytes * 8; bit++) {
			buffer[bit / 8] ^= (uint8_t)(1u << bit % 8);
			assert_int_not_equal(open_it(size_bytes), QR_OK);
			buffer[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	}
}

static void every_truncation_and_extension_is_noticed(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SAMPLE_TYPES; i++) {
		size_t size_bytes = sample(100 + i, sample_types[i]);

		for (size_t shorter = 0; shorter < size_bytes; shorter++)
			assert_int_equal(open_it(shorter), QR_MALFORMED);
		memset(buffer + size_bytes, 0, 8);
		for (size_t more = 1; more <= 8; more++)
			assert_int_equal(open_it(size_bytes + more), QR_MALFORMED);
	}
}

static void each_header_field_is_judged(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
		enum qr_error error;
	} cases[] = {
		{0, 0x52, QR_MALFORMED},  /* magic */
		{4, 2, QR_VERSION},	  /* version */
		{5, 2, QR_MALFORMED},	  /* source */
		{6, 64, QR_MALFORMED},	  /* from */
		{6, 0, QR_MALFORMED},	  /* a peer without one */
		{7, 64, QR_MALFORMED},	  /* to */
		{32, 1, QR_MALFORMED},	  /* key epoch */
		{36, 0, QR_MALFORMED},	  /* length */
		{40, 1, QR_MALFORMED},	  /* tag */
		{55, 1, QR_MALFORMED},	  /* tag */
		{56, 1, QR_MALFORMED},	  /* reserved */
		{63, 0x80, QR_MALFORMED}, /* reserved */
	};
	const struct wire_header header = {.source = WIRE_FROM_PEER, .from = 1, .to = 2};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct qr_writer writer = qr_writer_over(buffer, sizeof(buffer));
		size_t size_bytes;

		wire_begin(&writer);
		size_bytes = wire_finish(&writer, &header);
		buffer[cases[i].at] = cases[i].value;
		mend_checksum(size_bytes);
		assert_int_equal(open_it(size_bytes), cases[i].error);
	}
}

static void a_message_header_that_is_wrong_ends_the_datagram(void **state)
{
	static const struct {
		size_t at; /* in the message header */
		uint8_t value;
	} cases[] = {{0, 0}, {0, 6}, {0, 15}, {0, 28}, {0, 255}, {1, 1}, {2, 255}, {3, 255}};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t size_bytes = sample(i, WIRE_READ);
		struct qr_reader messages;
		struct wire_message message;
		struct wire_header header;

		buffer[WIRE_HEADER_BYTES + cases[i].at] = cases[i].value;
		mend_checksum(size_bytes);
		assert_int_equal(
			wire_open((struct qr_span){buffer, size_bytes}, &header, &messages), QR_OK);
		assert_int_equal(wire_next(&messages, &message), QR_MALFORMED);
		assert_int_equal(wire_next(&messages, &message), QR_MALFORMED);
	}
}

static void bulk_must_be_the_last_message(void **state)
{
	const struct wire_header header = {.source = WIRE_FROM_CLIENT};
	struct qr_writer writer = qr_writer_over(buffer, sizeof(buffer));
	struct qr_reader messages;
	struct wire_message message;
	struct wire_header got;
	struct qr_prng prng;
	size_t size_bytes;

	(void)state;
	qr_prng_init(&prng, 6);
	wire_begin(&writer);
	sample_put(&writer, WIRE_CHUNK, &prng);
	sample_put(&writer, WIRE_READ, &prng);
	size_bytes = wire_finish(&writer, &header);
	assert_int_equal(wire_open((struct qr_span){buffer, size_bytes}, &got, &messages), QR_OK);
	assert_int_equal(wire_next(&messages, &message), QR_MALFORMED);
}

static void what_does_not_fit_is_not_finished(void **state)
{
	const struct wire_header header = {.source = WIRE_FROM_CLIENT};
	uint8_t small[WIRE_HEADER_BYTES + 20];
	struct qr_writer writer = qr_writer_over(small, sizeof(small));
	const struct wire_read read = {0};
	struct wire_chunk chunk = {.bulk = {buffer, WIRE_DATAGRAM_MAX}};

	(void)state;
	wire_begin(&writer);
	wire_put_read(&writer, 0, &read);
	assert_true(writer.failed);
	assert_int_equal(wire_finish(&writer, &header), 0);

	writer = qr_writer_over(buffer, sizeof(buffer));
	wire_begin(&writer);
	wire_put_chunk(&writer, 0, &chunk);
	assert_true(writer.failed);

	chunk.bulk.size_bytes = WIRE_DATAGRAM_MAX - WIRE_HEADER_BYTES - WIRE_MESSAGE_HEADER_BYTES -
				WIRE_CHUNK_BYTES;
	writer = qr_writer_over(buffer, sizeof(buffer));
	wire_begin(&writer);
	wire_put_chunk(&writer, 0, &chunk);
	(void)qr_write_room(&writer, chunk.bulk.size_bytes);
	assert_int_equal(wire_finish(&writer, &header), WIRE_DATAGRAM_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cluster_ids_are_checksums_of_names),
		cmocka_unit_test(headers_come_back),
		cmocka_unit_test(the_header_is_laid_out_as_documented),
		cmocka_unit_test(several_messages_follow_each_other),
		cmocka_unit_test(bulk_elsewhere_gives_the_same_bytes),
		cmocka_unit_test(every_flipped_bit_is_noticed),
		cmocka_unit_test(every_truncation_and_extension_is_noticed),
		cmocka_unit_test(each_header_field_is_judged),
		cmocka_unit_test(a_message_header_that_is_wrong_ends_the_datagram),
		cmocka_unit_test(bulk_must_be_the_last_message),
		cmocka_unit_test(what_does_not_fit_is_not_finished),
	};

	return cmocka_run_group_tests_name("wire/datagram", tests, NULL, NULL);
}
