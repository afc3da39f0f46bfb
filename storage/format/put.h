/*
 * Little-endian stores at fixed offsets. Encoders whose layout is a table of offsets use these:
 * there is no bound to check at run time, and the offset stands beside the field.
 */
#ifndef QR_STORE_FORMAT_PUT_H
#define QR_STORE_FORMAT_PUT_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline void store_put_u16(uint8_t *at, uint16_t value)
{
	value = htole16(value);
	memcpy(at, &value, sizeof(value));
}

static inline void store_put_u32(uint8_t *at, uint32_t value)
{
	value = htole32(value);
	memcpy(at, &value, sizeof(value));
}

static inline void store_put_u64(uint8_t *at, uint64_t value)
{
	value = htole64(value);
	memcpy(at, &value, sizeof(value));
}

#endif
