/* The sequence lock of snapshot.h (Boehm, "Can seqlocks get along with programming language memory
 * models?", 2012). Labels S0..S3 pair up. */
#include "dataplane/lcore/snapshot.h"

#define ATTEMPTS_MAX 1000

_Static_assert(sizeof(struct dp_group_view) % sizeof(uint64_t) == 0, "copied in whole words");

void dp_snapshot_write(struct dp_snapshot *snapshot, const struct dp_group_view *value)
{
	uint64_t words[DP_SNAPSHOT_WORDS];
	uint64_t sequence = __atomic_load_n(&snapshot->sequence, __ATOMIC_RELAXED);

	memcpy(words, value, sizeof(*value));
	__atomic_store_n(&snapshot->sequence, sequence + 1, __ATOMIC_RELAXED);
	for (size_t i = 0; i < DP_SNAPSHOT_WORDS; i++) {
		/* S0: release, so that who sees a new word sees the odd sequence. Pairs with S3. */
		__atomic_store_n(&snapshot->words[i], words[i], __ATOMIC_RELEASE);
	}
	/* S1: the words are there when the sequence is even again. Pairs with S2. */
	__atomic_store_n(&snapshot->sequence, sequence + 2, __ATOMIC_RELEASE);
}

bool dp_snapshot_read(const struct dp_snapshot *snapshot, struct dp_group_view *ret_value)
{
	uint64_t words[DP_SNAPSHOT_WORDS];

	for (int attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
		/* S2: pairs with S1. */
		uint64_t before = __atomic_load_n(&snapshot->sequence, __ATOMIC_ACQUIRE);

		for (size_t i = 0; i < DP_SNAPSHOT_WORDS; i++) {
			/* S3: acquire keeps the second look at the sequence behind. Pairs with S0.
			 */
			words[i] = __atomic_load_n(&snapshot->words[i], __ATOMIC_ACQUIRE);
		}
		if (before == 0)
			return false;
		if (before % 2 == 0 &&
		    __atomic_load_n(&snapshot->sequence, __ATOMIC_RELAXED) == before) {
			memcpy(ret_value, words, sizeof(*ret_value));
			return true;
		}
	}
	return false;
}
