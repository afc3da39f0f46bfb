/*
 * Open addressing from a hash to slots of a table that the user keeps: the keys stay there, and the
 * user compares them. Linear probing at half load at most; deletion shifts back what follows, so
 * there are no tombstones and a probe never grows with the table's history.
 *
 * Several slots may have the same hash, and even the same key: removal names the slot.
 *
 * Pure; memory from the arena at init.
 */
#ifndef DP_NODE_SLOT_MAP_H
#define DP_NODE_SLOT_MAP_H

#include "consensus/base/arena.h"

#define DP_SLOT_NONE UINT32_MAX

struct dp_slot_cell {
	uint32_t hash;
	uint32_t slot; /* DP_SLOT_NONE: empty */
};

struct dp_slot_map {
	uint32_t mask;
	struct dp_slot_cell *cells;
};

/** For at most `slots` slots. Only the arena's count moves while it measures. */
void dp_slot_map_init(struct dp_slot_map *map, struct qr_arena *arena, uint32_t slots);
void dp_slot_map_clear(struct dp_slot_map *map);
void dp_slot_map_insert(struct dp_slot_map *map, uint32_t hash, uint32_t slot);
/** The pair must be there. */
void dp_slot_map_remove(struct dp_slot_map *map, uint32_t hash, uint32_t slot);

/** Mix a key's bits (the finalizer of splitmix64): ids that follow each other spread. */
static inline uint32_t dp_slot_hash(uint64_t key)
{
	key = (key ^ key >> 30) * 0xbf58476d1ce4e5b9u;
	key = (key ^ key >> 27) * 0x94d049bb133111ebu;
	return (uint32_t)(key >> 32);
}

/**
 * The next slot with this hash, DP_SLOT_NONE after the last.
 * @param probe  starts as the hash; where to go on.
 */
static inline uint32_t dp_slot_map_next(const struct dp_slot_map *map, uint32_t hash,
					uint32_t *probe)
{
	for (;;) {
		const struct dp_slot_cell *cell = &map->cells[*probe & map->mask];

		(*probe)++;
		if (cell->slot == DP_SLOT_NONE || cell->hash == hash)
			return cell->slot;
	}
}

#endif
