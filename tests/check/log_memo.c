/*
 * Where the search has been. An entry is a position and a set of bits, compared in full: the hash
 * only finds it. An entry takes words + 1 words of one array, so that a state costs no allocation.
 */
#include "tests/check/log_internal.h"

#include "tests/check/memory.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS_MIN 1024u

void check_memo_init(struct check_memo *memo, size_t bits)
{
	*memo = (struct check_memo){.words = (bits + 63) / 64};
}

void check_memo_fini(struct check_memo *memo)
{
	free(memo->entries);
	free(memo->slots);
	*memo = (struct check_memo){0};
}

size_t check_memo_bytes(const struct check_memo *memo)
{
	return (memo->entry_capacity * sizeof(uint64_t)) + memo->slot_count * sizeof(uint32_t);
}

static uint64_t *entry_at(const struct check_memo *memo, uint32_t entry)
{
	return memo->entries + (size_t)entry * (memo->words + 2);
}

static bool is_entry(const struct check_memo *memo, uint32_t entry, uint64_t position,
		     const uint64_t *set)
{
	const uint64_t *words = entry_at(memo, entry);

	return words[1] == position && memcmp(words + 2, set, memo->words * sizeof(*words)) == 0;
}

static void grow_slots(struct check_memo *memo)
{
	size_t count = memo->slot_count != 0 ? memo->slot_count * 2 : SLOTS_MIN;

	free(memo->slots);
	memo->slots = check_memory_take(count, sizeof(*memo->slots));
	memo->slot_count = count;
	for (uint32_t i = 0; i < memo->entry_count; i++) {
		size_t at = entry_at(memo, i)[0] & (count - 1);

		while (memo->slots[at] != 0)
			at = (at + 1) & (count - 1);
		memo->slots[at] = i + 1;
	}
}

bool check_memo_visit(struct check_memo *memo, uint64_t position, const uint64_t *set,
		      uint64_t hash)
{
	uint64_t mixed = check_mix(hash ^ check_mix(position));
	uint64_t *words;
	size_t at;

	if ((memo->entry_count + 1) * 2 > memo->slot_count)
		grow_slots(memo);
	at = mixed & (memo->slot_count - 1);
	for (; memo->slots[at] != 0; at = (at + 1) & (memo->slot_count - 1)) {
		if (is_entry(memo, memo->slots[at] - 1, position, set))
			return false;
	}
	memo->entries = check_memory_grow(memo->entries, &memo->entry_capacity,
					  (memo->entry_count + 1) * (memo->words + 2),
					  sizeof(*memo->entries));
	memo->slots[at] = (uint32_t)++memo->entry_count;
	words = entry_at(memo, (uint32_t)memo->entry_count - 1);
	words[0] = mixed;
	words[1] = position;
	memcpy(words + 2, set, memo->words * sizeof(*words));
	return true;
}
