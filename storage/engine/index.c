/*
 * Where entries are. Two structures:
 *
 *   entries      the newest entries, each of them, in a ring at `index & mask`
 *   checkpoints  some entries of the whole log, ascending: at least `spacing_blocks` apart. When
 * the array is full every second one is dropped and the spacing doubles, so that memory is bounded
 * for ever and a search never reads more than a share of the log that is constant.
 *
 * A snapshot carries the checkpoints; recovery appends every entry behind it again. `base` is where
 * that began: nothing at or below it is in `entries`.
 */
#include "storage/engine/internal.h"

#include "consensus/base/assert.h"

#include <string.h>

#define CHECKPOINT_SPACING_BLOCKS 64

static uint32_t power_of_two_from(uint64_t value)
{
	uint32_t power = 1;

	QR_ASSERT(value <= (uint64_t)1 << 31);
	while (power < value)
		power <<= 1;
	return power;
}

static void begin(struct store_index *index)
{
	index->first = 1;
	index->spacing_blocks = CHECKPOINT_SPACING_BLOCKS;
}

void store_index_restart(struct store_index *index, const struct store_index *before)
{
	*index = (struct store_index){
		.entries = before->entries,
		.mask = before->mask,
		.checkpoints = before->checkpoints,
		.checkpoint_max = before->checkpoint_max,
	};
	begin(index);
}

void store_index_init(struct store_index *index, struct qr_arena *arena,
		      const struct store_log_parameters *parameters)
{
	uint32_t count = power_of_two_from(2 * (uint64_t)parameters->window_blocks);

	QR_ASSERT(parameters->checkpoints_max >= 2);
	index->mask = count - 1;
	index->checkpoint_max = parameters->checkpoints_max;
	begin(index);
	index->entries = qr_arena_take(arena, count * sizeof(*index->entries), 64);
	index->checkpoints =
		qr_arena_take(arena, parameters->checkpoints_max * sizeof(*index->checkpoints), 64);
}

/** Drop every second checkpoint; the first stays. */
static void thin_out(struct store_index *index)
{
	uint32_t kept = (index->checkpoint_count + 1) / 2;

	for (uint32_t i = 0; i < kept; i++)
		index->checkpoints[i] = index->checkpoints[2 * (size_t)i];
	index->checkpoint_count = kept;
	QR_ASSERT(index->spacing_blocks <= UINT32_MAX / 2);
	index->spacing_blocks *= 2;
}

static bool is_far_enough(const struct store_index *index, qr_block block)
{
	uint32_t count = index->checkpoint_count;

	return count == 0 || block - index->checkpoints[count - 1].block >= index->spacing_blocks;
}

static void add_checkpoint(struct store_index *index, const struct store_checkpoint *checkpoint)
{
	if (!is_far_enough(index, checkpoint->block))
		return;
	if (index->checkpoint_count == index->checkpoint_max) {
		thin_out(index);
		if (!is_far_enough(index, checkpoint->block))
			return;
	}
	index->checkpoints[index->checkpoint_count++] = *checkpoint;
}

void store_index_append(struct store_log *log, const struct store_entry *entry, uint64_t digest)
{
	struct store_index *index = &log->index;
	struct store_index_entry *at = &index->entries[entry->index & index->mask];

	QR_ASSERT(entry->index == log->last.index + 1);
	QR_ASSERT(entry->block == log->last.block ||
		  entry->block == store_stride_end(log, log->last.block));
	*at = (struct store_index_entry){
		.term = entry->term,
		.block = entry->block,
		.first_offset = entry->first_offset,
		.digest = digest,
		.blocks = entry->blocks,
		.bytes = store_entry_bytes(entry),
		.record_count = entry->record_count,
		.kind = (uint8_t)entry->kind,
	};
	if (entry->index - index->first > index->mask)
		index->first = entry->index - index->mask;
	add_checkpoint(index, &(struct store_checkpoint){.index = entry->index,
							 .first_offset = entry->first_offset,
							 .block = entry->block});
	/* After a cut deep below: this entry is there, and everything that follows it will be. */
	if (log->intact > entry->block)
		log->intact = entry->block;
	log->last = store_index_prefix_after(entry, digest);
}

void store_index_truncate(struct store_log *log, qr_index to)
{
	struct store_index *index = &log->index;

	log->last = store_index_prefix(log, to);
	while (index->checkpoint_count > 0 &&
	       index->checkpoints[index->checkpoint_count - 1].index > to)
		index->checkpoint_count--;
	QR_ASSERT(index->first <= to + 1);
}

const struct store_index_entry *store_index_at(const struct store_log *log, qr_index at)
{
	if (at < log->index.first || at > log->last.index)
		return NULL;
	return &log->index.entries[at & log->index.mask];
}

/** Whether all of it is known: its snapshot may be damaged. */
static bool is_origin(const struct store_log *log, qr_index to)
{
	return to == log->origin.base.index && log->origin.base.term != 0;
}

bool store_index_knows(const struct store_log *log, qr_index to)
{
	return to == 0 || to == log->index.base.index || to == log->last.index ||
	       is_origin(log, to) || store_index_at(log, to) != NULL;
}

struct store_prefix store_index_prefix(const struct store_log *log, qr_index to)
{
	const struct store_index_entry *entry;

	if (to == 0)
		return (struct store_prefix){0};
	if (to == log->index.base.index)
		return log->index.base;
	if (to == log->last.index)
		return log->last;
	if (is_origin(log, to))
		return log->origin.base;
	entry = store_index_at(log, to);
	QR_ASSERT(entry != NULL);
	return (struct store_prefix){
		.index = to,
		.term = entry->term,
		.block = entry->block + entry->blocks,
		.offset = entry->first_offset + entry->record_count,
		.chain = entry->digest,
	};
}

struct store_prefix store_index_prefix_after(const struct store_entry *entry, uint64_t digest)
{
	return (struct store_prefix){
		.index = entry->index,
		.term = entry->term,
		.block = entry->block + entry->blocks,
		.offset = entry->first_offset + entry->record_count,
		.chain = digest,
	};
}

uint32_t store_index_checkpoints_upto(const struct store_log *log, qr_index to)
{
	const struct store_index *index = &log->index;
	uint32_t low = 0;
	uint32_t high = index->checkpoint_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (index->checkpoints[middle].index <= to) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

/** The checkpoint number `below` - 1, or that of the log's first entry. */
static struct store_checkpoint checkpoint_below(const struct store_log *log, uint32_t below)
{
	const struct store_origin *origin = &log->origin;

	if (below > 0)
		return log->index.checkpoints[below - 1];
	return (struct store_checkpoint){
		.index = origin->base.index + 1,
		.first_offset = origin->base.offset,
		.block = store_segment_block(log, origin->segment),
	};
}

struct store_checkpoint store_index_before(const struct store_log *log, qr_index at)
{
	return checkpoint_below(log, store_index_checkpoints_upto(log, at));
}

struct store_checkpoint store_index_before_offset(const struct store_log *log, qr_offset offset)
{
	const struct store_index *index = &log->index;
	uint32_t low = 0;
	uint32_t high = index->checkpoint_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (index->checkpoints[middle].first_offset <= offset) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return checkpoint_below(log, low);
}

void store_index_drop(struct store_log *log)
{
	struct store_index *index = &log->index;
	uint32_t gone = store_index_checkpoints_upto(log, log->origin.base.index);

	index->checkpoint_count -= gone;
	memmove(&index->checkpoints[0], &index->checkpoints[gone],
		index->checkpoint_count * sizeof(index->checkpoints[0]));
}

qr_index store_log_next_start(const struct store_log *log, qr_index index)
{
	uint32_t next = store_index_checkpoints_upto(log, index);

	if (index + 1 >= log->index.first)
		return index + 1; /* each of them is known */
	return next < log->index.checkpoint_count ? log->index.checkpoints[next].index
						  : log->index.first;
}

void store_index_restore(struct store_log *log, const struct store_snapshot *snapshot,
			 const uint8_t *checkpoints)
{
	struct store_index *index = &log->index;

	QR_ASSERT(log->last.index == 0 && index->checkpoint_count == 0);
	log->last = snapshot->base;
	index->base = snapshot->base;
	index->first = snapshot->base.index + 1;
	index->spacing_blocks = snapshot->spacing_blocks;
	for (uint32_t c = 0; c < snapshot->checkpoint_count; c++) {
		struct store_checkpoint checkpoint =
			store_checkpoint_decode(checkpoints + (size_t)c * STORE_CHECKPOINT_BYTES);

		add_checkpoint(index, &checkpoint);
	}
}

/* ---- the window's share of it ---- */

static bool window_holds(const struct store_log *log, const struct store_index_entry *entry)
{
	return entry->block >= log->intact;
}

static void describe(const struct store_log *log, qr_index at, struct store_location *ret_location,
		     struct qr_span *ret_bytes)
{
	const struct store_index_entry *entry = store_index_at(log, at);

	QR_ASSERT(entry != NULL && window_holds(log, entry));
	*ret_location = (struct store_location){
		.index = at,
		.term = entry->term,
		.block = entry->block,
		.blocks = entry->blocks,
		.bytes = entry->bytes,
		.first_offset = entry->first_offset,
		.record_count = entry->record_count,
		.kind = entry->kind,
	};
	*ret_bytes = (struct qr_span){store_window_at(log, entry->block), entry->bytes};
}

enum qr_error store_window_entry(const struct store_log *log, qr_index index,
				 struct store_location *ret_location, struct qr_span *ret_bytes)
{
	const struct store_index_entry *entry = store_index_at(log, index);

	if (entry == NULL || !window_holds(log, entry))
		return QR_NOT_FOUND;
	describe(log, index, ret_location, ret_bytes);
	return QR_OK;
}

enum qr_error store_window_find(const struct store_log *log, qr_offset offset,
				struct store_location *ret_location, struct qr_span *ret_bytes)
{
	const struct store_index_entry *entry;
	qr_index low = log->index.first;
	qr_index high = log->last.index + 1;

	if (offset >= log->last.offset)
		return QR_NOT_FOUND;
	/*
	 * The last entry that starts at or before `offset`. Entries without records share their
	 * first offset with the entry that follows, so the last of equals is the one that has it.
	 */
	while (low < high) {
		qr_index middle = low + (high - low) / 2;

		if (store_index_at(log, middle)->first_offset <= offset) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	entry = store_index_at(log, low - 1);
	if (entry == NULL || !window_holds(log, entry))
		return QR_NOT_FOUND;
	QR_ASSERT(offset - entry->first_offset < entry->record_count);
	describe(log, low - 1, ret_location, ret_bytes);
	return QR_OK;
}
