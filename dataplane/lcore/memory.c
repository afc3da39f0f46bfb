/* Mapping the memory of arenas; see memory.h. A crash leaves nothing: the kernel takes it back. */
#include "dataplane/lcore/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_FREE_FILE "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"

uint64_t dp_memory_huge_free(void)
{
	char line[32] = "";
	FILE *file = fopen(HUGE_FREE_FILE, "re");

	if (file == NULL)
		return 0;
	if (fgets(line, sizeof(line), file) == NULL)
		line[0] = '\0';
	(void)fclose(file);
	return strtoull(line, NULL, 10);
}

/** The pages are taken at once (MAP_POPULATE): a pool that is too small fails here, not by SIGBUS.
 */
static bool map_huge(size_t size_bytes, struct dp_memory *memory)
{
	void *mapping;

	if (dp_memory_huge_free() * DP_HUGE_PAGE_BYTES < size_bytes)
		return false;
	mapping = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE, -1, 0);
	if (mapping == MAP_FAILED)
		return false;
	*memory = (struct dp_memory){.base = mapping,
				     .size_bytes = size_bytes,
				     .mapping = mapping,
				     .mapping_bytes = size_bytes,
				     .huge = true};
	return true;
}

static bool map_ordinary(size_t size_bytes, struct dp_memory *memory)
{
	size_t mapping_bytes = size_bytes + DP_HUGE_PAGE_BYTES;
	uint8_t *mapping = mmap(NULL, mapping_bytes, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t skip;

	if (mapping == MAP_FAILED)
		return false;
	skip = (DP_HUGE_PAGE_BYTES - (uintptr_t)mapping % DP_HUGE_PAGE_BYTES) % DP_HUGE_PAGE_BYTES;
	*memory = (struct dp_memory){.base = mapping + skip,
				     .size_bytes = size_bytes,
				     .mapping = mapping,
				     .mapping_bytes = mapping_bytes};
	/* Advice: without it everything works, with more TLB misses. */
	(void)madvise(memory->base, size_bytes, MADV_HUGEPAGE);
	return true;
}

enum qr_error dp_memory_map(size_t size_bytes, struct dp_memory *ret_memory)
{
	struct dp_memory memory;

	size_bytes =
		(size_bytes + DP_HUGE_PAGE_BYTES - 1) / DP_HUGE_PAGE_BYTES * DP_HUGE_PAGE_BYTES;
	if (!map_huge(size_bytes, &memory) && !map_ordinary(size_bytes, &memory))
		return QR_NO_MEMORY;
	memory.locked = mlock(memory.base, memory.size_bytes) == 0;
	*ret_memory = memory;
	return QR_OK;
}

void dp_memory_unmap(struct dp_memory *memory)
{
	if (memory->mapping != NULL)
		(void)munmap(memory->mapping, memory->mapping_bytes);
	memset(memory, 0, sizeof(*memory));
}
