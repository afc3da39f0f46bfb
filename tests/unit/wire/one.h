/* One message at a time: put it, find it again, and poke single bytes of its body. */
#ifndef QR_TESTS_UNIT_WIRE_ONE_H
#define QR_TESTS_UNIT_WIRE_ONE_H

#include "consensus/wire/message.h"
#include "tests/unit/unit.h"

#define ONE_ROUNDS 200
#define SAME(a, b, field) assert_true((a).field == (b).field)

struct one {
	uint8_t bytes[WIRE_DATAGRAM_MAX];
	struct qr_writer writer;
	struct wire_message message;
};

static inline struct qr_writer *one_begin(struct one *one)
{
	one->writer = qr_writer_over(one->bytes, sizeof(one->bytes));
	return &one->writer;
}

static inline const struct wire_message *one_end(struct one *one)
{
	struct qr_reader reader = qr_reader_over(one->bytes, qr_writer_size(&one->writer));

	assert_false(one->writer.failed);
	assert_int_equal(wire_next(&reader, &one->message), QR_OK);
	assert_int_equal(wire_next(&reader, &(struct wire_message){0}), QR_AGAIN);
	return &one->message;
}

/** Where byte `at` of the body is. */
static inline uint8_t *one_body(struct one *one, size_t at)
{
	assert_true(at < one->message.body.size_bytes);
	return one->bytes + WIRE_MESSAGE_HEADER_BYTES + at;
}

#endif
