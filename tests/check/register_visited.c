/*
 * Where the search has been. Whoever has spent less of the unanswered operations can do whatever
 * one that has spent more can do: so a state needs no second look if one was visited that is the
 * same but for having spent a part of it.
 *
 * The states of one key are a list, the newest first. Only its beginning is searched for such a
 * one; the very same state is found wherever it is, by a table of its own. Keys and sets are
 * compared in full, never by their hashes.
 */
#include "tests/check/register_internal.h"

#include "tests/check/log_internal.h"
#include "tests/check/memory.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS_MIN 1024u
#define LOOK_MAX 64u /* at the beginning of a list */

/* An entry: the hash of its key, that of all of it, the next of its key + 1, the key, the set. */
enum { KEY_HASH, HASH, NEXT, KEY };

void check_visited_init(struct check_visited *visited, uint32_t key_words, uint32_t set_words)
{
	*visited = (struct check_visited){.key_words = key_words, .set_words = set_words};
}

void check_visited_fini(struct check_visited *visited)
{
	free(visited->entries);
	free(visited->keys.slots);
	free(visited->states.slots);
}

size_t check_visited_bytes(const struct check_visited *visited)
{
	return visited->entry_capacity * sizeof(uint64_t) +
	       (visited->keys.slot_count + visited->states.slot_count) * sizeof(uint32_t);
}

static uint64_t *entry_at(const struct check_visited *visited, uint64_t number)
{
	size_t words = KEY + visited->key_words + visited->set_words;

	return visited->entries + number * words;
}

/** The slot of what has this hash and begins with these words, or an empty one for it. */
static uint32_t *find_slot(const struct check_visited *visited, const struct check_visits *table,
			   const uint64_t *words, uint64_t hash)
{
	bool whole = table == &visited->states;
	size_t count = visited->key_words + (whole ? visited->set_words : 0);
	size_t at = hash & (table->slot_count - 1);

	for (; table->slots[at] != 0; at = (at + 1) & (table->slot_count - 1)) {
		const uint64_t *entry = entry_at(visited, table->slots[at] - 1);

		if (entry[whole ? HASH : KEY_HASH] == hash &&
		    memcmp(entry + KEY, words, count * sizeof(*words)) == 0)
			break;
	}
	return &table->slots[at];
}

static void make_room(const struct check_visited *visited, struct check_visits *table)
{
	bool whole = table == &visited->states;
	uint32_t *old = table->slots;
	size_t old_count = table->slot_count;

	if ((table->used + (size_t)1) * 2 <= old_count)
		return;
	table->slot_count = old_count != 0 ? old_count * 2 : SLOTS_MIN;
	table->slots = check_memory_take(table->slot_count, sizeof(*table->slots));
	for (size_t i = 0; i < old_count; i++) {
		const uint64_t *entry;

		if (old[i] == 0)
			continue;
		entry = entry_at(visited, old[i] - 1);
		*find_slot(visited, table, entry + KEY, entry[whole ? HASH : KEY_HASH]) = old[i];
	}
	free(old);
}

static bool contains(const uint64_t *set, const uint64_t *part, uint32_t words)
{
	for (uint32_t i = 0; i < words; i++) {
		if ((part[i] & ~set[i]) != 0)
			return false;
	}
	return true;
}

/** Whether one of the newest of a list spent a part of a set. */
static bool is_covered(const struct check_visited *visited, uint64_t first, const uint64_t *set)
{
	unsigned looked = 0;

	for (uint64_t at = first; at != 0 && looked < LOOK_MAX; looked++) {
		const uint64_t *entry = entry_at(visited, at - 1);

		if (contains(set, entry + KEY + visited->key_words, visited->set_words))
			return true;
		at = entry[NEXT];
	}
	return false;
}

static uint64_t hash_words(uint64_t hash, const uint64_t *words, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		hash = check_mix(hash ^ words[i]);
	return hash;
}

/** Put a state at the end of the entries; it is not counted yet. */
static uint64_t *put(struct check_visited *visited, const uint64_t *key, const uint64_t *set)
{
	size_t words = KEY + visited->key_words + visited->set_words;
	uint64_t *entry;

	visited->entries = check_memory_grow(visited->entries, &visited->entry_capacity,
					     (visited->entry_count + (size_t)1) * words,
					     sizeof(*visited->entries));
	entry = entry_at(visited, visited->entry_count);
	memcpy(entry + KEY, key, visited->key_words * sizeof(*key));
	memcpy(entry + KEY + visited->key_words, set, visited->set_words * sizeof(*set));
	entry[KEY_HASH] = hash_words(0, key, visited->key_words);
	entry[HASH] = hash_words(entry[KEY_HASH], set, visited->set_words);
	return entry;
}

bool check_visited_visit(struct check_visited *visited, const uint64_t *key, const uint64_t *set)
{
	uint64_t *entry = put(visited, key, set);
	uint32_t *of_state;
	uint32_t *of_key;

	make_room(visited, &visited->keys);
	make_room(visited, &visited->states);
	of_key = find_slot(visited, &visited->keys, entry + KEY, entry[KEY_HASH]);
	of_state = find_slot(visited, &visited->states, entry + KEY, entry[HASH]);
	if (*of_state != 0 || is_covered(visited, *of_key, set))
		return false;
	entry[NEXT] = *of_key;
	visited->keys.used += *of_key == 0;
	visited->states.used++;
	*of_key = *of_state = ++visited->entry_count;
	return true;
}
