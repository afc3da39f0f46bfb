#include "tests/unit/wire/one.h"
#include "tests/unit/wire/sample.h"

static struct one one;
static struct qr_prng prng;

static void session_opens_come_back(void **state)
{
	uint8_t ticket[WIRE_TICKET_MAX];

	(void)state;
	memset(ticket, 0x5a, sizeof(ticket));
	for (size_t length = 0; length <= WIRE_TICKET_MAX; length++) {
		const struct wire_session_open put = {{1, 2}, {ticket, length}};
		struct wire_session_open got;

		wire_put_session_open(one_begin(&one), 5, &put);
		assert_int_equal(wire_get_session_open(one_end(&one), &got), QR_OK);
		SAME(put, got, nonce[0]);
		SAME(put, got, nonce[1]);
		SAME(put, got, ticket.size_bytes);
		assert_memory_equal(ticket, got.ticket.data, length);
	}
}

static void a_ticket_over_the_limit_is_malformed(void **state)
{
	const struct wire_session_open put = {.nonce = {1, 2}};
	struct wire_session_open got;

	(void)state;
	wire_put_session_open(one_begin(&one), 5, &put);
	qr_write_zeros(&one.writer, WIRE_TICKET_MAX + 1);
	one.bytes[2] = (uint8_t)(18 + WIRE_TICKET_MAX + 1);
	one.bytes[3] = (uint8_t)((18 + WIRE_TICKET_MAX + 1) >> 8);
	(void)one_end(&one);
	*one_body(&one, 16) = (uint8_t)(WIRE_TICKET_MAX + 1);
	*one_body(&one, 17) = (WIRE_TICKET_MAX + 1) >> 8;
	assert_int_equal(wire_get_session_open(&one.message, &got), QR_MALFORMED);
}

static void session_replies_come_back(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ONE_ROUNDS; i++) {
		struct wire_session_reply put;
		struct wire_session_reply got;

		sample_session_reply(&prng, &put);
		wire_put_session_reply(one_begin(&one), 5, &put);
		assert_int_equal(wire_get_session_reply(one_end(&one), &got), QR_OK);
		SAME(put, got, nonce[0]);
		SAME(put, got, nonce[1]);
		SAME(put, got, status);
		SAME(put, got, leader);
		SAME(put, got, retry_us);
		SAME(put, got, session);
		SAME(put, got, window_chunks);
		SAME(put, got, record_max_bytes);
		SAME(put, got, chunk_max_bytes);
	}
}

static void impossible_session_replies_are_malformed(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
	} cases[] = {
		{24, QR_ERROR_COUNT},	      {24, QR_AGAIN}, {25, 64}, {26, 1}, {27, 1}, {32, 0},
		{32, WIRE_WINDOW_CHUNKS + 1}, {35, 1}};
	const struct wire_session_reply put = {.status = QR_OK, .window_chunks = 64};
	struct wire_session_reply got;

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		wire_put_session_reply(one_begin(&one), 5, &put);
		assert_int_equal(wire_get_session_reply(one_end(&one), &got), QR_OK);
		*one_body(&one, cases[i].at) = cases[i].value;
		assert_int_equal(wire_get_session_reply(&one.message, &got), QR_MALFORMED);
	}
}

static void chunks_come_back(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ONE_ROUNDS; i++) {
		struct wire_chunk put;
		struct wire_chunk got;

		sample_chunk(&prng, &put);
		wire_put_chunk(one_begin(&one), 5, &put);
		qr_write_bytes(&one.writer, put.bulk.data, put.bulk.size_bytes);
		assert_int_equal(wire_get_chunk(one_end(&one), &got), QR_OK);
		SAME(put, got, session);
		SAME(put, got, sequence);
		SAME(put, got, count);
		SAME(put, got, crc);
		SAME(put, got, time_ns);
		SAME(put, got, total_bytes);
		SAME(put, got, offset);
		SAME(put, got, kind);
		SAME(put, got, bulk.size_bytes);
		assert_memory_equal(put.bulk.data, got.bulk.data, got.bulk.size_bytes);
		assert_int_equal(one.message.body.size_bytes,
				 WIRE_CHUNK_BYTES + put.bulk.size_bytes);
	}
}

static void impossible_chunks_are_malformed(void **state)
{
	static const uint8_t bytes[64];
	static const struct {
		struct wire_chunk chunk;
		enum qr_error error;
	} cases[] = {
		{{.count = 16, .total_bytes = 64, .bulk = {bytes, 64}}, QR_OK},
		{{.count = 17, .total_bytes = 64, .bulk = {bytes, 64}}, QR_MALFORMED},
		{{.count = 0, .total_bytes = 64, .bulk = {bytes, 64}}, QR_MALFORMED},
		{{.count = 1, .total_bytes = 63, .bulk = {bytes, 64}}, QR_MALFORMED},
		{{.count = 1, .total_bytes = 64, .bulk = {bytes, 0}}, QR_MALFORMED},
		{{.count = 1, .total_bytes = 64, .offset = 1, .bulk = {bytes, 64}}, QR_MALFORMED},
		{{.count = 1, .total_bytes = 64, .offset = 64, .bulk = {bytes, 1}}, QR_MALFORMED},
		{{.count = 1, .total_bytes = 64, .offset = UINT32_MAX, .bulk = {bytes, 2}},
		 QR_MALFORMED},
		{{.count = 2, .total_bytes = 64, .sequence = UINT64_MAX - 1, .bulk = {bytes, 64}},
		 QR_MALFORMED},
		{{.count = 99, .total_bytes = 64, .kind = WIRE_CHUNK_OPAQUE, .bulk = {bytes, 64}},
		 QR_OK},
		{{.count = 1, .total_bytes = 64, .kind = 2, .bulk = {bytes, 64}}, QR_MALFORMED},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct wire_chunk got;

		wire_put_chunk(one_begin(&one), 5, &cases[i].chunk);
		qr_write_bytes(&one.writer, bytes, cases[i].chunk.bulk.size_bytes);
		assert_int_equal(wire_get_chunk(one_end(&one), &got), cases[i].error);
	}
}

static void the_spare_bytes_of_a_chunk_are_zero(void **state)
{
	static const uint8_t bytes[64];
	const struct wire_chunk put = {.count = 1, .total_bytes = 64, .bulk = {bytes, 64}};
	struct wire_chunk got;

	(void)state;
	for (size_t at = 41; at < WIRE_CHUNK_BYTES; at++) {
		wire_put_chunk(one_begin(&one), 5, &put);
		qr_write_bytes(&one.writer, bytes, sizeof(bytes));
		assert_int_equal(wire_get_chunk(one_end(&one), &got), QR_OK);
		*one_body(&one, at) = 1;
		assert_int_equal(wire_get_chunk(&one.message, &got), QR_MALFORMED);
	}
}

static void chunk_replies_come_back(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ONE_ROUNDS; i++) {
		struct wire_chunk_reply put;
		struct wire_chunk_reply got;

		sample_chunk_reply(&prng, &put);
		wire_put_chunk_reply(one_begin(&one), 5, &put);
		assert_int_equal(wire_get_chunk_reply(one_end(&one), &got), QR_OK);
		SAME(put, got, session);
		SAME(put, got, status);
		SAME(put, got, leader);
		SAME(put, got, retry_us);
		SAME(put, got, sequence);
		SAME(put, got, expected);
		SAME(put, got, answer_count);
		for (uint32_t j = 0; j < put.answer_count; j++) {
			SAME(put, got, answers[j].sequence);
			SAME(put, got, answers[j].count);
			SAME(put, got, answers[j].offset);
		}
	}
}

static void impossible_chunk_replies_are_malformed(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
	} cases[] = {{28, QR_ERROR_COUNT},	 {28, QR_AGAIN}, {29, 64}, {30, 0}, {30, 2},
		     {30, WIRE_ANSWERS_MAX + 1}, {31, 1},	 {48, 0}};
	const struct wire_chunk_reply put = {.answer_count = 1, .answers = {{.count = 1}}};
	struct wire_chunk_reply got;

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		wire_put_chunk_reply(one_begin(&one), 5, &put);
		assert_int_equal(wire_get_chunk_reply(one_end(&one), &got), QR_OK);
		*one_body(&one, cases[i].at) = cases[i].value;
		assert_int_equal(wire_get_chunk_reply(&one.message, &got), QR_MALFORMED);
	}
}

static void what_fits_the_smallest_datagram_does(void **state)
{
	struct wire_chunk_reply put = {.answer_count = WIRE_ANSWERS_FIT_MIN};

	(void)state;
	for (uint32_t i = 0; i < WIRE_ANSWERS_MAX; i++)
		put.answers[i].count = 1;
	wire_put_chunk_reply(one_begin(&one), 5, &put);
	assert_true(qr_writer_size(&one.writer) + WIRE_HEADER_BYTES <= WIRE_DATAGRAM_MIN);
	put.answer_count++;
	wire_put_chunk_reply(one_begin(&one), 5, &put);
	assert_true(qr_writer_size(&one.writer) + WIRE_HEADER_BYTES > WIRE_DATAGRAM_MIN);
}

static int seed(void **state)
{
	(void)state;
	qr_prng_init(&prng, 3);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(session_opens_come_back),
		cmocka_unit_test(a_ticket_over_the_limit_is_malformed),
		cmocka_unit_test(session_replies_come_back),
		cmocka_unit_test(impossible_session_replies_are_malformed),
		cmocka_unit_test(chunks_come_back),
		cmocka_unit_test(impossible_chunks_are_malformed),
		cmocka_unit_test(the_spare_bytes_of_a_chunk_are_zero),
		cmocka_unit_test(chunk_replies_come_back),
		cmocka_unit_test(impossible_chunk_replies_are_malformed),
		cmocka_unit_test(what_fits_the_smallest_datagram_does),
	};

	return cmocka_run_group_tests_name("wire/append", tests, seed, NULL);
}
