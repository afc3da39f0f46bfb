/*
 * What the fuzz targets share. A target defines LLVMFuzzerTestOneInput and is built twice: with
 * libFuzzer (scripts/fuzz, for as long as one likes), and with replay.c, which runs the kept corpus
 * and a bounded number of mutations of it with any compiler, on every run of the tests.
 */
#ifndef QR_TESTS_FUZZ_H
#define QR_TESTS_FUZZ_H

#include "consensus/base/crc.h"
#include "consensus/wire/wire.h"

/*
 * Between these two libFuzzer looks at no edge and no comparison: a model's own loops would cost
 * more than what it judges, and teach nothing about it.
 */
#ifdef __clang__
#define FUZZ_PRAGMA(text) _Pragma(#text)
#define FUZZ_UNSEEN __attribute__((no_sanitize("coverage")))
#define FUZZ_UNSEEN_BEGIN FUZZ_PRAGMA(clang attribute push(FUZZ_UNSEEN, apply_to = function))
#define FUZZ_UNSEEN_END _Pragma("clang attribute pop")
#else
#define FUZZ_UNSEEN_BEGIN
#define FUZZ_UNSEEN_END
#endif

/* NOLINTNEXTLINE(readability-identifier-naming): the name is libFuzzer's */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

/**
 * A number that a byte stands for: mostly `center` or near it (0 is `center` itself), sometimes
 * small, rarely one at which arithmetic goes wrong.
 */
static inline uint64_t fuzz_near(uint64_t center, uint8_t byte)
{
	static const uint64_t extremes[16] = {
		0,
		1,
		UINT64_MAX,
		UINT64_MAX - 1,
		(uint64_t)1 << 62,
		((uint64_t)1 << 62) + 1,
		((uint64_t)1 << 62) - 1,
		(uint64_t)1 << 63,
		(uint64_t)1 << 32,
		((uint64_t)1 << 32) - 1,
		(uint64_t)1 << 31,
		UINT64_MAX / 4096,
		4096,
		1024,
		64,
		16,
	};
	unsigned delta = byte % 9u;

	if (byte >= 240)
		return extremes[byte - 240];
	if (byte >= 200)
		return byte - 200u;
	if (delta <= 4)
		return center + delta;
	return center >= delta - 4 ? center - (delta - 4) : 0;
}

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
