/*
 * What the records of a benchmark contain, so that every byte of them can be checked later without
 * a copy: the token of the stream that made it, its sequence in that stream, and a fill that the
 * token decides. Making the next record of a place where one was before is a single store.
 *
 * Byte layout: token u64, sequence u64, fill; little-endian.
 *
 * Pure.
 */
#ifndef DP_BENCH_CONTENT_H
#define DP_BENCH_CONTENT_H

#include "consensus/base/codec.h"
#include "consensus/base/types.h"

#include <endian.h>
#include <string.h>

#define DP_BENCH_RECORD_MIN 16u /* bytes: token and sequence */

/**
 * The token of stream `number` of a run. `run` is any 64 bits; the upper 48 are used, so that two
 * runs on one cluster tell their records apart.
 */
static inline uint64_t dp_bench_token(uint64_t run, uint32_t number)
{
	return (run & ~(uint64_t)0xffff) | number;
}

static inline uint32_t dp_bench_token_number(uint64_t token)
{
	return (uint32_t)(token & 0xffff);
}

/** Write the record of `token` with sequence 0 over `size_bytes` >= DP_BENCH_RECORD_MIN bytes. */
void dp_bench_content_fill(uint64_t token, uint8_t *record, uint32_t size_bytes);

/** Turn a record of a stream into its record number `sequence`. */
static inline void dp_bench_content_stamp(uint8_t *record, uint64_t sequence)
{
	sequence = htole64(sequence);
	memcpy(record + sizeof(uint64_t), &sequence, sizeof(sequence));
}

struct dp_bench_identity {
	uint64_t token;
	uint64_t sequence;
};

/** @return false for a record that is too short to be of any run. */
QR_MUST_USE bool dp_bench_content_identify(struct qr_span record,
					   struct dp_bench_identity *ret_identity);
/** Whether everything but the sequence is as in `pattern`, a record of the stream. */
QR_MUST_USE bool dp_bench_content_matches(struct qr_span record, struct qr_span pattern);

#endif
