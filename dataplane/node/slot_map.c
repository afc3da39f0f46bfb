/*
 * Invariants: at most half of the cells are taken, so every probe ends; between a pair's home cell
 * (hash & mask) and the cell where it is, no cell is empty.
 */
#include "dataplane/node/slot_map.h"

#include "consensus/base/assert.h"

void dp_slot_map_init(struct dp_slot_map *map, struct qr_arena *arena, uint32_t slots)
{
	uint32_t cells = 2;

	QR_ASSERT(slots > 0 && slots <= UINT32_MAX / 4);
	while (cells < 2 * slots)
		cells *= 2;
	map->mask = cells - 1;
	map->cells = qr_arena_take(arena, cells * sizeof(struct dp_slot_cell), 64);
	if (map->cells != NULL)
		dp_slot_map_clear(map);
}

void dp_slot_map_clear(struct dp_slot_map *map)
{
	for (uint32_t i = 0; i <= map->mask; i++)
		map->cells[i] = (struct dp_slot_cell){.slot = DP_SLOT_NONE};
}

void dp_slot_map_insert(struct dp_slot_map *map, uint32_t hash, uint32_t slot)
{
	uint32_t at = hash & map->mask;

	QR_ASSERT(slot <= map->mask / 2);
	while (map->cells[at].slot != DP_SLOT_NONE)
		at = (at + 1) & map->mask;
	map->cells[at] = (struct dp_slot_cell){hash, slot};
}

void dp_slot_map_remove(struct dp_slot_map *map, uint32_t hash, uint32_t slot)
{
	uint32_t hole = hash & map->mask;
	uint32_t at;

	while (map->cells[hole].slot != slot) {
		QR_ASSERT(map->cells[hole].slot != DP_SLOT_NONE);
		hole = (hole + 1) & map->mask;
	}
	for (at = hole;;) {
		uint32_t home;

		at = (at + 1) & map->mask;
		if (map->cells[at].slot == DP_SLOT_NONE)
			break;
		home = map->cells[at].hash & map->mask;
		/* It may move to the hole unless its home lies behind the hole. */
		if (((at - home) & map->mask) >= ((at - hole) & map->mask)) {
			map->cells[hole] = map->cells[at];
			hole = at;
		}
	}
	map->cells[hole].slot = DP_SLOT_NONE;
}
