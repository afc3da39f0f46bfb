/*
 * The content of soak records. No state: everything follows from token and sequence.
 */
#include "tests/soak/record.h"

#include "consensus/base/assert.h"
#include "consensus/base/prng.h"

#define HEAD_BYTES 16u
#define ORDINARY_SPREAD 129u /* sizes 64..192 */
#define LONGER_SPREAD 961u   /* sizes 64..1024 */
#define LONGER_ONE_IN 64u
#define LARGE_MIN 17000u /* beyond a datagram on the loopback */
#define LARGE_SPREAD 15000u
#define LARGE_ONE_IN 4096u

_Static_assert(LARGE_MIN + LARGE_SPREAD <= SOAK_RECORD_MAX, "the largest record fits");

static struct qr_prng generator(uint64_t token, uint64_t sequence)
{
	struct qr_prng prng;

	qr_prng_init(&prng, token ^ sequence * 0x9e3779b97f4a7c15u);
	return prng;
}

static uint32_t draw_size(struct qr_prng *prng)
{
	uint64_t draw = qr_prng_next(prng);
	uint32_t rest = (uint32_t)(draw >> 32);

	if (draw % LARGE_ONE_IN == 0)
		return LARGE_MIN + rest % LARGE_SPREAD;
	if (draw % LONGER_ONE_IN == 0)
		return SOAK_RECORD_MIN + rest % LONGER_SPREAD;
	return SOAK_RECORD_MIN + rest % ORDINARY_SPREAD;
}

uint32_t soak_record_make(uint64_t token, uint64_t sequence, uint8_t *record)
{
	struct qr_prng prng = generator(token, sequence);
	uint32_t size_bytes = draw_size(&prng);
	struct qr_writer writer = qr_writer_over(record, size_bytes);

	qr_write_u64(&writer, token);
	qr_write_u64(&writer, sequence);
	while (qr_writer_size(&writer) < size_bytes) {
		size_t left = size_bytes - qr_writer_size(&writer);
		uint64_t word = htole64(qr_prng_next(&prng));

		qr_write_bytes(&writer, &word, left < sizeof(word) ? left : sizeof(word));
	}
	QR_ASSERT(!writer.failed);
	return size_bytes;
}

bool soak_record_identify(struct qr_span record, struct soak_identity *ret_identity)
{
	struct qr_reader reader = qr_reader_over(record.data, record.size_bytes);
	struct soak_identity identity = {.token = qr_read_u64(&reader)};

	identity.sequence = qr_read_u64(&reader);
	if (reader.failed)
		return false;
	*ret_identity = identity;
	return true;
}

bool soak_record_is_intact(struct qr_span record, struct soak_identity identity)
{
	uint8_t wanted[SOAK_RECORD_MAX];

	return record.size_bytes >= HEAD_BYTES &&
	       record.size_bytes == soak_record_make(identity.token, identity.sequence, wanted) &&
	       memcmp(record.data, wanted, record.size_bytes) == 0;
}
