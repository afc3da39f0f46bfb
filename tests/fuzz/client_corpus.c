/*
 * Writes the kept corpus of client_fuzz: short conversations that go well, from fixed seeds.
 * Usage: PROGRAM DIRECTORY. Run again whenever the format changes.
 */
#include "tests/unit/wire/sample.h"

#include <stdio.h>

/** One step: what, a length, and the body. */
static void put_step(struct qr_writer *input, uint8_t what, const uint8_t *body, size_t body_bytes)
{
	qr_write_u8(input, what);
	qr_write_u16(input, (uint16_t)body_bytes);
	qr_write_bytes(input, body, body_bytes);
}

/** A message's body without its header, as the answer to a step. */
static void put_body(struct qr_writer *input, uint8_t what, struct qr_writer *message)
{
	put_step(input, what, message->start + WIRE_MESSAGE_HEADER_BYTES,
		 qr_writer_size(message) - WIRE_MESSAGE_HEADER_BYTES);
	*message = qr_writer_over(message->start, (size_t)(message->end - message->start));
}

static size_t conversation(uint8_t *bytes, size_t size_bytes, struct qr_prng *prng)
{
	static uint8_t scratch[WIRE_DATAGRAM_MAX];
	struct qr_writer input = qr_writer_over(bytes, size_bytes);
	struct qr_writer message = qr_writer_over(scratch, sizeof(scratch));
	const struct wire_session_reply session = {.session = 256,
						   .window_chunks = 64,
						   .record_max_bytes = 1 << 20,
						   .chunk_max_bytes = 1 << 20};
	struct wire_chunk_reply reply = {.expected = 1, .answer_count = 1};
	struct wire_records records;

	wire_put_session_reply(&message, 0, &session);
	put_body(&input, 0, &message);
	for (unsigned i = 0; i < 4; i++) {
		put_step(&input, 192, NULL, 0);
		input.at[-2] = (uint8_t)qr_prng_next(prng); /* the length of the record */
		reply.answers[0] = (struct wire_answer){i, 1, i};
		reply.expected = i + 1;
		reply.status = qr_prng_below(prng, 3) == 0
				       ? (enum qr_error)qr_prng_below(prng, QR_ERROR_COUNT)
				       : QR_OK;
		reply.sequence = i;
		reply.leader = 2;
		wire_put_chunk_reply(&message, 0, &reply);
		put_body(&input, 1, &message);
		sample_records(prng, &records);
		records.status = QR_OK;
		records.offset = 0;
		wire_put_records(&message, 0, &records);
		qr_write_bytes(&message, records.bulk.data, records.bulk.size_bytes);
		put_body(&input, 2, &message);
		put_step(&input, 128, NULL, 0);
		input.at[-1] = (uint8_t)qr_prng_below(prng, 64); /* some time */
	}
	sample_put(&message, WIRE_TAIL_REPLY, prng);
	put_body(&input, 3, &message);
	sample_put(&message, WIRE_DESCRIPTION, prng);
	put_body(&input, 4, &message);
	return input.failed ? 0 : qr_writer_size(&input);
}

int main(int argc, char **argv)
{
	static uint8_t bytes[1 << 16];

	for (unsigned i = 0; argc > 1 && i < 12; i++) {
		struct qr_prng prng;
		char path[4096];
		FILE *file;
		size_t size_bytes;
		size_t written;

		qr_prng_init(&prng, i);
		size_bytes = conversation(bytes, sizeof(bytes), &prng);
		if (snprintf(path, sizeof(path), "%s/%02u", argv[1], i) < 0)
			return 1;
		file = fopen(path, "wb");
		if (file == NULL)
			return 1;
		written = fwrite(bytes, 1, size_bytes, file);
		if (fclose(file) != 0 || written != size_bytes)
			return 1;
	}
	return argc > 1 ? 0 : 2;
}
