/*
 * Memory for an arena: 2 MiB pages when the machine has them to spare, ordinary pages (transparent
 * huge ones where the kernel does that) when not; locked when the limits allow. Mapped at start,
 * given back at the end, never grown.
 */
#ifndef DP_LCORE_MEMORY_H
#define DP_LCORE_MEMORY_H

#include "consensus/base/error.h"
#include "consensus/base/types.h"

#define DP_HUGE_PAGE_BYTES ((size_t)2 << 20)

struct dp_memory {
	void *base; /* aligned to DP_HUGE_PAGE_BYTES; NULL: none */
	size_t size_bytes;
	void *mapping; /* what munmap wants */
	size_t mapping_bytes;
	bool huge;
	bool locked;
};

/** Errors: QR_NO_MEMORY. */
QR_MUST_USE enum qr_error dp_memory_map(size_t size_bytes, struct dp_memory *ret_memory);
/** Takes one that was never mapped. */
void dp_memory_unmap(struct dp_memory *memory);
/** Free 2 MiB pages of the machine; 0 when there is no such pool. */
uint64_t dp_memory_huge_free(void);

#endif
