/* What holds of every message: it comes back, its bytes are canonical, and damage is refused. */
#include "tests/unit/unit.h"
#include "tests/unit/wire/sample.h"

#define ROUNDS 300

static uint8_t buffer[WIRE_DATAGRAM_MAX];
static uint8_t again[WIRE_DATAGRAM_MAX];
static struct qr_prng prng;

/** A random message of the type, in `buffer`. */
static struct wire_message sample_message(enum wire_type type)
{
	size_t size_bytes = sample_datagram(buffer, sizeof(buffer), type, &prng);
	struct wire_message message;
	struct wire_header header;
	struct qr_reader messages;

	assert_int_equal(wire_open((struct qr_span){buffer, size_bytes}, &header, &messages),
			 QR_OK);
	assert_int_equal(wire_next(&messages, &message), QR_OK);
	assert_int_equal(message.type, type);
	return message;
}

static enum qr_error reencode(const struct wire_message *message, size_t *ret_body_bytes)
{
	struct qr_writer writer = qr_writer_over(again, sizeof(again));
	enum qr_error error = sample_reencode(message, &writer);

	assert_false(writer.failed);
	*ret_body_bytes = error == QR_OK ? qr_writer_size(&writer) - WIRE_MESSAGE_HEADER_BYTES : 0;
	return error;
}

static void decoding_and_encoding_gives_the_same_bytes(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SAMPLE_TYPES * ROUNDS; i++) {
		struct wire_message message = sample_message(sample_types[i % SAMPLE_TYPES]);
		size_t body_bytes;

		assert_int_equal(reencode(&message, &body_bytes), QR_OK);
		assert_int_equal(body_bytes, message.body.size_bytes);
		assert_memory_equal(again + WIRE_MESSAGE_HEADER_BYTES, message.body.data,
				    body_bytes);
	}
}

static size_t fixed_bytes(enum wire_type type)
{
	if (type == WIRE_FRAGMENT)
		return WIRE_FRAGMENT_BYTES;
	if (type == WIRE_FETCHED)
		return WIRE_FETCHED_BYTES;
	if (type == WIRE_CHUNK)
		return WIRE_CHUNK_BYTES;
	if (type == WIRE_RECORDS)
		return WIRE_RECORDS_BYTES;
	return SIZE_MAX;
}

static void every_truncated_body_is_malformed(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SAMPLE_TYPES * 20; i++) {
		struct wire_message message = sample_message(sample_types[i % SAMPLE_TYPES]);
		size_t whole_bytes = message.body.size_bytes;

		for (size_t cut = 0; cut < whole_bytes; cut++) {
			size_t body_bytes;

			message.body.size_bytes = cut;
			/* Bulk may be any length: there the datagram's own length decides. */
			if (cut <= fixed_bytes(message.type) && cut != WIRE_RECORDS_BYTES) {
				assert_int_equal(reencode(&message, &body_bytes), QR_MALFORMED);
			} else {
				(void)reencode(&message, &body_bytes);
			}
		}
	}
}

static void bytes_after_a_body_are_malformed(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SAMPLE_TYPES * 20; i++) {
		enum wire_type type = sample_types[i % SAMPLE_TYPES];
		struct wire_message message = sample_message(type);
		uint8_t longer[WIRE_DATAGRAM_MIN * 2];
		size_t body_bytes;

		if (fixed_bytes(type) != SIZE_MAX)
			continue;
		memcpy(longer, message.body.data, message.body.size_bytes);
		memset(longer + message.body.size_bytes, 0, 64);
		message.body.data = longer;
		for (unsigned more = 1; more <= 64; more++) {
			message.body.size_bytes++;
			assert_int_equal(reencode(&message, &body_bytes), QR_MALFORMED);
		}
	}
}

/* Whatever is accepted after damage is still canonical: nothing is silently repaired. */
static void a_damaged_body_is_refused_or_means_what_it_says(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SAMPLE_TYPES * ROUNDS; i++) {
		struct wire_message message = sample_message(sample_types[i % SAMPLE_TYPES]);
		size_t at = qr_prng_below(&prng, message.body.size_bytes);
		uint8_t *body = buffer + (message.body.data - buffer);
		size_t body_bytes;

		body[at] = (uint8_t)qr_prng_next(&prng);
		if (reencode(&message, &body_bytes) != QR_OK)
			continue;
		assert_int_equal(body_bytes, message.body.size_bytes);
		assert_memory_equal(again + WIRE_MESSAGE_HEADER_BYTES, message.body.data,
				    body_bytes);
	}
}

static int seed(void **state)
{
	(void)state;
	qr_prng_init(&prng, 20240607);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(decoding_and_encoding_gives_the_same_bytes, seed),
		cmocka_unit_test_setup(every_truncated_body_is_malformed, seed),
		cmocka_unit_test_setup(bytes_after_a_body_are_malformed, seed),
		cmocka_unit_test_setup(a_damaged_body_is_refused_or_means_what_it_says, seed),
	};

	return cmocka_run_group_tests_name("wire/message", tests, NULL, NULL);
}
