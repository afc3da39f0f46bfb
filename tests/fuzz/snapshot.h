/*
 * Memory that goes back to how it was: a target prepares large objects once, keeps them, and each
 * input starts from there at the price of the pages that the one before it wrote.
 *
 * All kept states lie at the same addresses, so pointers within the memory hold.
 */
#ifndef QR_TESTS_FUZZ_SNAPSHOT_H
#define QR_TESTS_FUZZ_SNAPSHOT_H

#include <stddef.h>

#define SNAPSHOT_STATES_MAX 8

struct snapshot {
	void *memory;
	size_t size_bytes;
	unsigned count;
	int files[SNAPSHOT_STATES_MAX];
};

/** Reserve the address range. Aborts when the machine has not that much. */
void snapshot_init(struct snapshot *snapshot, size_t size_bytes);
/** Zeroed memory to prepare the next state in; what is in it when another one is asked for stays.
 */
void *snapshot_prepare(struct snapshot *snapshot);
/** The memory as state `number` was left. */
void *snapshot_take(const struct snapshot *snapshot, unsigned number);
/** A part of the memory as if it had never been written, until the next snapshot_take. */
void snapshot_clear(const struct snapshot *snapshot, void *from, size_t size_bytes);

#endif
