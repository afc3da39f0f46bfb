/*
 * The content of benchmark records. No state: everything follows from token and sequence.
 */
#include "dataplane/bench/content.h"

#include "consensus/base/assert.h"
#include "consensus/base/prng.h"

_Static_assert(DP_BENCH_RECORD_MIN == 2 * sizeof(uint64_t), "a record begins with two fields");

void dp_bench_content_fill(uint64_t token, uint8_t *record, uint32_t size_bytes)
{
	struct qr_writer writer = qr_writer_over(record, size_bytes);
	struct qr_prng prng;

	QR_ASSERT(size_bytes >= DP_BENCH_RECORD_MIN);

	qr_prng_init(&prng, token);
	qr_write_u64(&writer, token);
	qr_write_u64(&writer, 0);
	while (qr_writer_size(&writer) < size_bytes) {
		size_t left = size_bytes - qr_writer_size(&writer);
		uint64_t word = htole64(qr_prng_next(&prng));

		qr_write_bytes(&writer, &word, left < sizeof(word) ? left : sizeof(word));
	}
}

bool dp_bench_content_identify(struct qr_span record, struct dp_bench_identity *ret_identity)
{
	struct qr_reader reader = qr_reader_over(record.data, record.size_bytes);
	struct dp_bench_identity identity = {.token = qr_read_u64(&reader)};

	identity.sequence = qr_read_u64(&reader);
	if (reader.failed)
		return false;
	*ret_identity = identity;
	return true;
}

bool dp_bench_content_matches(struct qr_span record, struct qr_span pattern)
{
	const size_t head = DP_BENCH_RECORD_MIN;

	QR_ASSERT(pattern.size_bytes >= head);

	return record.size_bytes == pattern.size_bytes &&
	       memcmp(record.data, pattern.data, sizeof(uint64_t)) == 0 &&
	       memcmp(record.data + head, pattern.data + head, record.size_bytes - head) == 0;
}
