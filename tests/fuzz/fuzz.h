/*
 * What the fuzz targets share. A target defines LLVMFuzzerTestOneInput and is built twice: with
 * libFuzzer (scripts/fuzz, for as long as one likes), and with replay.c, which runs the kept corpus
 * and a bounded number of mutations of it with any compiler, on every run of the tests.
 */
#ifndef QR_TESTS_FUZZ_H
#define QR_TESTS_FUZZ_H

#include "consensus/base/crc.h"
#include "consensus/wire/wire.h"

/* NOLINTNEXTLINE(readability-identifier-naming): the name is libFuzzer's */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

/** Copy a datagram (of at least a header) and make magic, version, length and checksum right. */
static inline void fuzz_mend_datagram(uint8_t *bytes, const uint8_t *data, size_t size_bytes)
{
	struct qr_writer fields = qr_writer_over(bytes, WIRE_HEADER_BYTES);
	uint32_t crc;

	memcpy(bytes, data, size_bytes);
	qr_write_u32(&fields, WIRE_MAGIC);
	qr_write_u8(&fields, WIRE_VERSION);
	memset(bytes + 20, 0, sizeof(crc));
	memset(bytes + 32, 0, sizeof(uint32_t));
	fields = qr_writer_over(bytes + 36, sizeof(uint32_t));
	qr_write_u32(&fields, (uint32_t)size_bytes);
	memset(bytes + 40, 0, WIRE_HEADER_BYTES - 40);
	crc = qr_crc32c(0, bytes, size_bytes);
	fields = qr_writer_over(bytes + 20, sizeof(crc));
	qr_write_u32(&fields, crc);
}

#endif
