/*
 * The seam to ISA-L. Its two families disagree: crc32_iscsi takes and returns the raw register, so
 * the inversions before and after are ours; crc64_ecma_refl does both itself.
 */
#include "consensus/base/crc.h"

#include "consensus/base/assert.h"

#include <isa-l/crc.h>
#include <isa-l/crc64.h>
#include <limits.h>

uint32_t qr_crc32c(uint32_t seed, const void *data, size_t size_bytes)
{
	QR_ASSERT(size_bytes <= INT_MAX); /* ISA-L counts in int; our spans are far smaller */

	if (size_bytes == 0)
		return seed;
	return ~crc32_iscsi((unsigned char *)data, (int)size_bytes, ~seed); /* it only reads */
}

uint32_t qr_crc32c_around(const void *data, size_t size_bytes, size_t crc_at)
{
	static const uint8_t zero[4];
	const uint8_t *bytes = data;
	size_t behind = crc_at + sizeof(zero);
	uint32_t crc = qr_crc32c(0, bytes, crc_at);

	QR_ASSERT(behind <= size_bytes);
	crc = qr_crc32c(crc, zero, sizeof(zero));
	return qr_crc32c(crc, bytes + behind, size_bytes - behind);
}

uint64_t qr_crc64(uint64_t seed, const void *data, size_t size_bytes)
{
	if (size_bytes == 0)
		return seed;
	return crc64_ecma_refl(seed, data, size_bytes);
}
