/*
 * Chunks that are larger than a datagram, put together in one of a few buffers.
 *
 * Pieces come in any order. The account of a chunk is a sorted list of islands; a piece that would
 * need one island too many is dropped and comes again. When all buffers are taken, the one that was
 * touched longest ago is given up: its client sends the chunk again.
 */
#include "dataplane/node/internal.h"

void dp_parts_create(struct dp_core *core, struct qr_arena *arena,
		     const struct dp_core_config *config)
{
	size_t size_bytes =
		(config->entry_max_bytes > config->record_max_bytes ? config->entry_max_bytes
								    : config->record_max_bytes) +
		sizeof(uint64_t);

	for (uint32_t p = 0; p < DP_PARTS_MAX; p++) {
		uint8_t *body = qr_arena_take(arena, size_bytes, 64);

		if (core != NULL)
			core->parts[p].body = body;
	}
}

static struct dp_parts *find(struct dp_core *core, qr_group group, const struct wire_chunk *chunk)
{
	struct dp_parts *oldest = &core->parts[0];

	for (uint32_t p = 0; p < DP_PARTS_MAX; p++) {
		struct dp_parts *parts = &core->parts[p];

		if (parts->used && parts->group == group && parts->session == chunk->session &&
		    parts->sequence == chunk->sequence && parts->total_bytes == chunk->total_bytes)
			return parts;
		if (!parts->used || (oldest->used && parts->touched_turn < oldest->touched_turn))
			oldest = parts;
	}
	oldest->used = true;
	oldest->group = group;
	oldest->session = chunk->session;
	oldest->sequence = chunk->sequence;
	oldest->total_bytes = chunk->total_bytes;
	oldest->island_count = 0;
	return oldest;
}

/** Add [from, until) to the islands. @return false: one too many. */
static bool add_island(struct dp_parts *parts, uint32_t from, uint32_t until)
{
	uint32_t first = 0;
	uint32_t last;

	while (first < parts->island_count && parts->islands[first].until < from)
		first++;
	last = first;
	while (last < parts->island_count && parts->islands[last].from <= until) {
		from = parts->islands[last].from < from ? parts->islands[last].from : from;
		until = parts->islands[last].until > until ? parts->islands[last].until : until;
		last++;
	}
	if (first == last && parts->island_count == DP_ISLANDS_MAX)
		return false;
	memmove(&parts->islands[first + 1], &parts->islands[last],
		(parts->island_count - last) * sizeof(parts->islands[0]));
	parts->island_count = parts->island_count - (last - first) + 1;
	parts->islands[first].from = from;
	parts->islands[first].until = until;
	return true;
}

enum qr_error dp_parts_add(struct dp_core *core, qr_group group, const struct wire_chunk *chunk,
			   struct dp_parts **ret_parts)
{
	uint32_t size_bytes = (uint32_t)chunk->bulk.size_bytes;
	struct dp_parts *parts;

	if (size_bytes == 0 || chunk->offset > chunk->total_bytes ||
	    size_bytes > chunk->total_bytes - chunk->offset)
		return QR_MALFORMED;
	parts = find(core, group, chunk);
	parts->touched_turn = core->turn;
	if (!add_island(parts, chunk->offset, chunk->offset + size_bytes))
		return QR_AGAIN;
	memcpy(parts->body + chunk->offset, chunk->bulk.data, size_bytes);
	if (parts->island_count != 1 || parts->islands[0].from != 0 ||
	    parts->islands[0].until != parts->total_bytes)
		return QR_AGAIN;
	*ret_parts = parts;
	return QR_OK;
}

void dp_parts_release(struct dp_parts *parts)
{
	QR_ASSERT(parts->used);
	parts->used = false;
}
