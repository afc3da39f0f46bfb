#include "tests/fuzz/image.h"

#include "consensus/base/assert.h"
#include "storage/format/entry.h"
#include "storage/format/put.h"
#include "tests/fuzz/fuzz.h"

#define CRC_AT 8
#define STATE_BYTES_AT 80
#define CHECKPOINT_COUNT_AT 84
#define BODY_CRC_AT 92

#define RUNS_MAX 5u	   /* more terms than the logs have */
#define SESSIONS_MAX 5u	   /* more than the table of the rig has room for */
#define CHUNKS_MAX 72u	   /* more than a ring has; the logs have as many records */
#define CHECKPOINTS_MAX 8u /* the logs have more entries */

static uint32_t field(const uint8_t *file, size_t at)
{
	struct qr_reader reader = qr_reader_over(file + at, sizeof(uint32_t));

	return qr_read_u32(&reader);
}

size_t image_body_bytes(const uint8_t *file, size_t file_bytes)
{
	const struct store_snapshot header = {
		.state_bytes = field(file, STATE_BYTES_AT),
		.checkpoint_count = field(file, CHECKPOINT_COUNT_AT),
	};
	uint64_t body_bytes = store_snapshot_body_bytes(&header);
	size_t room_bytes = file_bytes - STORE_SNAPSHOT_HEADER_BYTES;

	return body_bytes < room_bytes ? body_bytes : room_bytes;
}

void image_fit(uint8_t *file, size_t body_bytes)
{
	uint64_t checkpoint_bytes =
		(uint64_t)field(file, CHECKPOINT_COUNT_AT) * STORE_CHECKPOINT_BYTES;

	if (checkpoint_bytes < body_bytes)
		store_put_u32(file + STATE_BYTES_AT, (uint32_t)(body_bytes - checkpoint_bytes));
}

void image_seal(uint8_t *file, size_t file_bytes)
{
	store_put_u32(file + BODY_CRC_AT, qr_crc32c(0, file + STORE_SNAPSHOT_HEADER_BYTES,
						    image_body_bytes(file, file_bytes)));
	store_put_u32(file + CRC_AT, 0);
	store_put_u32(file + CRC_AT, qr_crc32c(0, file, STORE_SNAPSHOT_HEADER_BYTES));
}

/* ---- building ---- */

static uint8_t next(struct qr_reader *numbers)
{
	return qr_reader_left(numbers) == 0 ? 0 : qr_read_u8(numbers);
}

/** What a sound snapshot has there, unless the next byte says otherwise. */
static uint64_t near(uint64_t value, struct qr_reader *numbers)
{
	return fuzz_near(value, next(numbers));
}

static void put_runs(struct qr_writer *body, const struct store_prefix *base,
		     struct qr_reader *numbers)
{
	uint32_t count = 1u + next(numbers) % RUNS_MAX;

	qr_write_u32(body, (uint32_t)near(count, numbers));
	for (uint32_t r = 0; r < count; r++) {
		qr_write_u64(body, near(1 + r, numbers));
		qr_write_u64(body, near(base->term + r + 1 - count, numbers));
	}
}

struct session {
	qr_index opened;
	uint64_t sequence; /* of its first chunk */
	uint32_t chunks;
};

/** One field of one chunk is what the numbers say. */
static void put_chunks(struct qr_writer *body, const struct store_prefix *base,
		       const struct session *session, struct qr_reader *numbers)
{
	uint32_t odd = next(numbers);
	uint8_t which = next(numbers) % 4u;
	uint8_t by = next(numbers);

	for (uint32_t c = 0; c < session->chunks; c++) {
		uint8_t change = c == odd % session->chunks ? by : 0;
		qr_index index = session->opened + 1 + c;

		if (index > base->index)
			index = base->index;
		qr_write_u64(body, fuzz_near(session->sequence + c, which == 0 ? change : 0));
		qr_write_u64(body, fuzz_near(c, which == 1 ? change : 0));
		qr_write_u64(body, fuzz_near(index, which == 2 ? change : 0));
		qr_write_u32(body, (uint32_t)fuzz_near(1, which == 3 ? change : 0));
	}
}

static void put_sessions(struct qr_writer *body, const struct store_prefix *base,
			 struct qr_reader *numbers)
{
	uint32_t count = next(numbers) % (SESSIONS_MAX + 1u);

	qr_write_u32(body, (uint32_t)near(count, numbers));
	for (uint32_t s = 0; s < count; s++) {
		struct session session = {
			.opened = 1 + s,
			.chunks = next(numbers) % (CHUNKS_MAX + 1u),
			.sequence = near(0, numbers),
		};

		qr_write_u64(body, near(session.opened << STORE_SESSION_NUMBER_BITS, numbers));
		qr_write_u64(body, next(numbers));
		qr_write_u64(body, 1);
		qr_write_u64(body, near(session.opened, numbers));
		qr_write_u64(body, near(session.sequence + session.chunks, numbers));
		qr_write_u32(body, (uint32_t)near(session.chunks, numbers));
		put_chunks(body, base, &session, numbers);
	}
}

/** @return how many. */
static uint32_t put_checkpoints(struct qr_writer *body, struct qr_reader *numbers)
{
	uint32_t count = next(numbers) % (CHECKPOINTS_MAX + 1u);

	for (uint32_t c = 0; c < count; c++) {
		qr_write_u64(body, near(1 + c, numbers));
		qr_write_u64(body, near(c, numbers));
		qr_write_u64(body, near(c, numbers));
	}
	return count;
}

size_t image_build(uint8_t *file, size_t file_max, struct qr_reader *numbers)
{
	struct qr_writer body = qr_writer_over(file + STORE_SNAPSHOT_HEADER_BYTES,
					       file_max - STORE_SNAPSHOT_HEADER_BYTES);
	struct store_snapshot header;
	enum qr_error error = store_snapshot_decode(file, &header);
	size_t file_bytes;

	QR_ASSERT(error == QR_OK);
	memset(file, 0, file_max);
	put_runs(&body, &header.base, numbers);
	put_sessions(&body, &header.base, numbers);
	header.state_bytes = (uint32_t)near((uint32_t)qr_writer_size(&body), numbers);
	/* What is no header at all is a matter of the other kind of input. */
	header.state_bytes += header.state_bytes == 0;
	header.checkpoint_count = (uint32_t)near(put_checkpoints(&body, numbers), numbers);
	header.spacing_blocks = (uint32_t)near(header.spacing_blocks, numbers);
	header.base.index = near(header.base.index, numbers);
	header.base.index += header.base.index == 0;
	header.base.term = near(header.base.term, numbers);
	header.base.block = near(header.base.block, numbers);
	header.base.offset = near(header.base.offset, numbers);
	header.base.chain = near(header.base.chain, numbers);
	header.segment = near(header.segment, numbers);
	header.time_ns = near(header.time_ns, numbers);
	header.given = next(numbers) % 2u != 0;
	QR_ASSERT(!body.failed);
	file_bytes = STORE_SNAPSHOT_HEADER_BYTES +
		     (qr_writer_size(&body) + QR_BLOCK_BYTES - 1) / QR_BLOCK_BYTES * QR_BLOCK_BYTES;
	store_snapshot_encode(file, &header);
	image_seal(file, file_bytes);
	return file_bytes;
}
