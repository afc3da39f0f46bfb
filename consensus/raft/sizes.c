/*
 * How many blocks lie between two entries: what the flow window in blocks needs (raft.h,
 * window_blocks), without walking the entries.
 *
 * A ring remembers, for the newest RAFT_SIZES_MAX entries, the sum of all blocks up to and
 * including each. Sums are kept modulo 2^32; only differences are used, and no difference within
 * the ring can reach 2^32. Entries below the ring, and those that recovery found, count as one
 * block: a follower that far behind is held back by the window in entries and by the receiver's
 * credits, not by this sum.
 *
 * Nothing here is durable or sent.
 */
#include "consensus/raft/internal.h"

_Static_assert((uint64_t)RAFT_SIZES_MAX *RAFT_ENTRY_BLOCKS_MAX < (uint64_t)1 << 32,
	       "a difference of two sums fits its type");
_Static_assert(RAFT_SIZES_MAX > RAFT_WINDOW_ENTRIES_MAX, "the ring spans a whole window");
_Static_assert((RAFT_SIZES_MAX & (RAFT_SIZES_MAX - 1)) == 0, "a slot is found by a mask");

static uint32_t slot_of(qr_index index)
{
	return (uint32_t)(index & (RAFT_SIZES_MAX - 1));
}

/* The oldest entry whose sum is remembered. */
static qr_index floor_of(const struct raft_group *group)
{
	if (group->last < RAFT_SIZES_MAX)
		return group->sizes_base;
	return raft_max(group->sizes_base, group->last - RAFT_SIZES_MAX + 1);
}

static uint32_t sum_at(const struct raft_group *group, qr_index index)
{
	qr_index floor = floor_of(group);

	QR_ASSERT(index <= group->last);
	if (index >= floor)
		return group->sizes[slot_of(index)];
	return group->sizes[slot_of(floor)] - (uint32_t)(floor - index);
}

/* Nothing is known yet about any entry up to `last`. */
void raft_sizes_init(struct raft_group *group)
{
	group->sizes_base = group->last;
	group->sizes[slot_of(group->last)] = 0;
}

void raft_sizes_append(struct raft_group *group, qr_index index, uint32_t blocks)
{
	QR_ASSERT(index > group->sizes_base);
	QR_ASSERT(blocks >= 1 && blocks <= RAFT_ENTRY_BLOCKS_MAX);
	group->sizes[slot_of(index)] = group->sizes[slot_of(index - 1)] + blocks;
}

/* Before `last` falls to the value given. */
void raft_sizes_truncate(struct raft_group *group, qr_index last)
{
	QR_ASSERT(last <= group->last);
	if (last >= floor_of(group))
		return;
	group->sizes_base = last;
	group->sizes[slot_of(last)] = 0;
}

/* Blocks of the entries after+1 .. upto. */
uint32_t raft_sizes_between(const struct raft_group *group, qr_index after, qr_index upto)
{
	QR_ASSERT(after <= upto);
	return sum_at(group, upto) - sum_at(group, after);
}
