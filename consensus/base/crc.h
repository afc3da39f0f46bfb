/*
 * Checksums, computed by ISA-L. CRC32C (Castagnoli, RFC 3720 appendix B.4) guards bytes; CRC64
 * (ECMA-182, reflected, as in XZ) links entries into the chain digest.
 */
#ifndef QR_BASE_CRC_H
#define QR_BASE_CRC_H

#include "consensus/base/types.h"

/** CRC32C of `data`, continued from `seed`; start with 0. crc(crc(0, a), b) = crc(0, a||b). */
uint32_t qr_crc32c(uint32_t seed, const void *data, size_t size_bytes);
/** Of bytes that hold it themselves, at `crc_at`: those four count as zero. */
uint32_t qr_crc32c_around(const void *data, size_t size_bytes, size_t crc_at);
uint64_t qr_crc64(uint64_t seed, const void *data, size_t size_bytes);

#endif
