#include "dataplane/node/slot_map.h"

#include "consensus/base/prng.h"
#include "tests/unit/unit.h"

#include <string.h>

#define SLOTS 100

static uint8_t room[SLOTS * 64];

static struct dp_slot_map a_map(void)
{
	struct qr_arena arena;
	struct dp_slot_map map;

	qr_arena_init(&arena, room + (64 - (uintptr_t)room % 64) % 64, sizeof(room) - 64);
	dp_slot_map_init(&map, &arena, SLOTS);
	return map;
}

static bool has(const struct dp_slot_map *map, uint32_t hash, uint32_t slot)
{
	uint32_t probe = hash;
	uint32_t found;

	do {
		found = dp_slot_map_next(map, hash, &probe);
	} while (found != DP_SLOT_NONE && found != slot);
	return found == slot;
}

static void an_empty_map_has_nothing(void **state)
{
	struct dp_slot_map map = a_map();

	(void)state;
	assert_false(has(&map, 0, 0));
	assert_false(has(&map, UINT32_MAX, 0));
}

static void slots_of_one_hash_stand_side_by_side(void **state)
{
	struct dp_slot_map map = a_map();

	(void)state;
	for (uint32_t slot = 0; slot < 5; slot++)
		dp_slot_map_insert(&map, UINT32_MAX, slot); /* wraps around the end */
	dp_slot_map_remove(&map, UINT32_MAX, 2);
	assert_false(has(&map, UINT32_MAX, 2));
	for (uint32_t slot = 0; slot < 5; slot++)
		assert_true(slot == 2 || has(&map, UINT32_MAX, slot));
}

static void clearing_forgets_everything(void **state)
{
	struct dp_slot_map map = a_map();

	(void)state;
	dp_slot_map_insert(&map, 7, 7);
	dp_slot_map_clear(&map);
	assert_false(has(&map, 7, 7));
}

/* Few distinct hashes, so that runs are long and wrap; the map is full again and again. */
static void random_pairs_against_an_array(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 50; seed++) {
		struct dp_slot_map map = a_map();
		uint32_t hashes[SLOTS];
		bool there[SLOTS] = {false};
		struct qr_prng prng;

		qr_prng_init(&prng, seed);
		for (unsigned step = 0; step < 5000; step++) {
			uint32_t slot = (uint32_t)qr_prng_below(&prng, SLOTS);

			if (there[slot]) {
				dp_slot_map_remove(&map, hashes[slot], slot);
			} else {
				hashes[slot] = (uint32_t)qr_prng_next(&prng) & 0x800000f7u;
				dp_slot_map_insert(&map, hashes[slot], slot);
			}
			there[slot] = !there[slot];
			slot = (uint32_t)qr_prng_below(&prng, SLOTS);
			if (step > SLOTS && has(&map, hashes[slot], slot) != there[slot])
				fail_msg("seed %lu step %u", (unsigned long)seed, step);
		}
	}
}

static void session_ids_of_one_entry_and_of_many_spread(void **state)
{
	static uint8_t cells[1 << 13];
	unsigned taken = 0;

	(void)state;
	for (uint64_t id = 0; id < 4096; id++)
		cells[dp_slot_hash((id / 16 + 1000) << 8 | id % 16) % sizeof(cells)] = 1;
	for (unsigned i = 0; i < sizeof(cells); i++)
		taken += cells[i];
	assert_in_range(taken, 4096 * 3 / 4, 4096); /* at random it would be 79 % */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_map_has_nothing),
		cmocka_unit_test(slots_of_one_hash_stand_side_by_side),
		cmocka_unit_test(clearing_forgets_everything),
		cmocka_unit_test(random_pairs_against_an_array),
		cmocka_unit_test(session_ids_of_one_entry_and_of_many_spread),
	};

	return cmocka_run_group_tests_name("node/slot_map", tests, NULL, NULL);
}
