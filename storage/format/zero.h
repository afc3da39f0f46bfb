/*
 * Bytes that nobody wrote, or that must stay zero until a later version of the format.
 */
#ifndef QR_STORE_FORMAT_ZERO_H
#define QR_STORE_FORMAT_ZERO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** Equal to itself shifted by one, and the first is zero: all are. So are none. */
static inline bool store_is_zero(const uint8_t *bytes, size_t size_bytes)
{
	return size_bytes == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size_bytes - 1) == 0);
}

#endif
