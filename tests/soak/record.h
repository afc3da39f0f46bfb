/*
 * What the records of a soak contain: whose they are, which, and a fill that follows from both, so
 * that every byte of a record that is read can be checked without a copy of it. The size follows
 * from them too: 64 to 192 bytes as a rule, up to 1 KiB now and then, and seldom more than a
 * datagram.
 *
 * Byte layout: token u64, sequence u64, fill; little-endian.
 *
 * Pure.
 */
#ifndef TESTS_SOAK_RECORD_H
#define TESTS_SOAK_RECORD_H

#include "consensus/base/codec.h"
#include "consensus/base/types.h"

#define SOAK_RECORD_MIN 64u
#define SOAK_RECORD_MAX 32768u

/*
 * The token of a producer: the load that it belongs to in the upper 48 bits, its number in that
 * load below. A load that was killed is followed by one with another number.
 */
#define SOAK_PRODUCER_BITS 16

static inline uint64_t soak_token_load(uint64_t token)
{
	return token >> SOAK_PRODUCER_BITS;
}

static inline uint32_t soak_token_producer(uint64_t token)
{
	return (uint32_t)(token & ((1u << SOAK_PRODUCER_BITS) - 1));
}

/** Make record `sequence` of a producer in SOAK_RECORD_MAX bytes at `record`; its size. */
uint32_t soak_record_make(uint64_t token, uint64_t sequence, uint8_t *record);

struct soak_identity {
	uint64_t token;
	uint64_t sequence;
};

/** @return false for a record that is too short to be of any producer. */
QR_MUST_USE bool soak_record_identify(struct qr_span record, struct soak_identity *ret_identity);
/** Whether each byte is what its producer made. */
QR_MUST_USE bool soak_record_is_intact(struct qr_span record, struct soak_identity identity);

#endif
