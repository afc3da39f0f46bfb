/*
 * Each state is an anonymous file. It is prepared through a shared mapping and used through a
 * private one: what is written there are copies of pages, which the next mapping drops.
 */
#include "tests/fuzz/snapshot.h"

#include "consensus/base/assert.h"

#include <sys/mman.h>
#include <unistd.h>

#define ALIGN_BYTES ((size_t)2 << 20)

static void *map(const struct snapshot *snapshot, int file, int flags)
{
	void *memory = mmap(snapshot->memory, snapshot->size_bytes, PROT_READ | PROT_WRITE,
			    flags | MAP_FIXED, file, 0);

	QR_ASSERT(memory == snapshot->memory);
	return memory;
}

void snapshot_init(struct snapshot *snapshot, size_t size_bytes)
{
	char *reserved;

	*snapshot = (struct snapshot){.size_bytes = size_bytes};
	reserved = mmap(NULL, size_bytes + ALIGN_BYTES, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	QR_ASSERT(reserved != MAP_FAILED);
	snapshot->memory = reserved + (ALIGN_BYTES - (size_t)reserved % ALIGN_BYTES) % ALIGN_BYTES;
}

void *snapshot_prepare(struct snapshot *snapshot)
{
	int file = memfd_create("snapshot", MFD_CLOEXEC);
	int resized = ftruncate(file, (off_t)snapshot->size_bytes);

	QR_ASSERT(file >= 0 && resized == 0);
	QR_ASSERT(snapshot->count < SNAPSHOT_STATES_MAX);
	snapshot->files[snapshot->count++] = file;
	return map(snapshot, file, MAP_SHARED);
}

void *snapshot_take(const struct snapshot *snapshot, unsigned number)
{
	QR_ASSERT(number < snapshot->count);
	return map(snapshot, snapshot->files[number], MAP_PRIVATE);
}

void snapshot_clear(const struct snapshot *snapshot, void *from, size_t size_bytes)
{
	void *memory;

	QR_ASSERT((char *)from >= (char *)snapshot->memory);
	QR_ASSERT((char *)from + size_bytes <= (char *)snapshot->memory + snapshot->size_bytes);
	memory = mmap(from, size_bytes, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	QR_ASSERT(memory == from);
	(void)madvise(memory, size_bytes, MADV_HUGEPAGE); /* fewer faults, where there are any */
}
