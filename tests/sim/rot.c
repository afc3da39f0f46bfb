#include "tests/sim/rot.h"

#include <string.h>

qr_block rot_settled(const struct story *story)
{
	qr_block end = UINT64_MAX;

	for (qr_node node = 1; node <= story->plan.node_count; node++) {
		qr_block block = sim_disk_settled(&story->world.nodes[node].disk, 1);

		if (block < end)
			end = block;
	}
	return end;
}

bool rot_flip(struct story *story, qr_node node, qr_block block)
{
	struct sim_media *media = &story->world.nodes[node].disk.media;
	struct sim_place place = sim_media_place(media, 1, block);
	uint8_t bytes[QR_BLOCK_BYTES];
	uint64_t bit = qr_prng_below(&story->world.prng, 8ull * QR_BLOCK_BYTES);

	memcpy(bytes, sim_media_at(media, place), sizeof(bytes));
	if (sim_media_is_zero(bytes))
		return false;
	bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	sim_media_damage(media, place, bytes);
	return true;
}

uint32_t rot_count(const struct story *story, qr_node node)
{
	return sim_media_damage_count(&story->world.nodes[node].disk.media);
}

uint32_t rot_count_all(const struct story *story)
{
	uint32_t count = 0;

	for (qr_node node = 1; node <= story->plan.node_count; node++)
		count += rot_count(story, node);
	return count;
}

struct rot_entries rot_all_but_one(struct story *story)
{
	const struct sim_log *log = &story->world.oracle.logs[1];
	struct rot_entries entries = {{0}};
	qr_block end = rot_settled(story);

	for (qr_index i = 0; i < log->count && log->entries[i].block < end; i++) {
		const struct sim_entry *entry = &log->entries[i];
		qr_node whole = (qr_node)(i % 3 + 1);

		for (qr_node node = 1; node <= 3; node++) {
			qr_block block = entry->block + (i + node) % entry->blocks;

			if (node != whole && rot_flip(story, node, block))
				entries.of[node]++;
		}
	}
	assert_true(rot_count_all(story) > end);
	return entries;
}
