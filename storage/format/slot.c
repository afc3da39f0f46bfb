/*
 * The slot's byte layout, and the choice between two of them.
 *
 * All fields lie in the first 512-byte sector of the block and the rest is zero, so that a device
 * that writes sectors whole cannot even tear one; the checksum covers the block in any case.
 */
#include "storage/format/slot.h"

#include "consensus/base/assert.h"
#include "consensus/base/codec.h"
#include "consensus/base/crc.h"
#include "storage/format/entry.h"
#include "storage/format/put.h"
#include "storage/format/zero.h"

#include <string.h>

#define MAGIC_AT 0
#define VERSION_AT 4
#define NODE_AT 6
#define VOTE_AT 7
#define CRC_AT 8
#define GROUP_AT 12
#define CLUSTER_AT 16
#define SERIAL_AT 24
#define GENERATION_AT 32
#define TERM_AT 40
#define SEGMENT_BLOCKS_AT 48
#define STRIDE_BLOCKS_AT 52
#define VOTERS_AT 56
#define VOTERS_OUTGOING_AT 64
#define LEARNERS_AT 72
#define SETTLED_INDEX_AT 80
#define SETTLED_TERM_AT 88
#define SETTLED_BLOCK_AT 96
#define SETTLED_OFFSET_AT 104
#define SETTLED_CHAIN_AT 112
#define FLAGS_AT 120
#define FLAG_LAZY 1u
#define FLAG_RESET 2u
#define FLAG_AMNESIA 4u
#define FLAGS (FLAG_LAZY | FLAG_RESET | FLAG_AMNESIA)
#define START_SEGMENT_AT 128
#define START_BEFORE_AT 136
#define START_OFFSET_AT 144
#define LIFE_AT 152
#define SLOT_USED_BYTES (LIFE_AT + 8)

_Static_assert(SLOT_USED_BYTES <= 512, "a slot lies in one sector");
_Static_assert(STORE_SLOT_BYTES == QR_BLOCK_BYTES, "a slot is written as one block");
_Static_assert(QR_NODE_MAX <= UINT8_MAX, "a node fits in a byte");

void store_slot_encode(uint8_t bytes[STORE_SLOT_BYTES], const struct store_slot *slot)
{
	QR_ASSERT(slot->serial > 0);
	QR_ASSERT(slot->node > 0 && slot->node <= QR_NODE_MAX);

	memset(bytes, 0, STORE_SLOT_BYTES);
	store_put_u32(bytes + MAGIC_AT, STORE_SLOT_MAGIC);
	store_put_u16(bytes + VERSION_AT, STORE_FORMAT_VERSION);
	bytes[NODE_AT] = slot->node;
	bytes[VOTE_AT] = slot->state.vote;
	store_put_u32(bytes + GROUP_AT, slot->group);
	store_put_u64(bytes + CLUSTER_AT, slot->cluster);
	store_put_u64(bytes + SERIAL_AT, slot->serial);
	store_put_u64(bytes + GENERATION_AT, slot->state.generation);
	store_put_u64(bytes + TERM_AT, slot->state.term);
	store_put_u32(bytes + SEGMENT_BLOCKS_AT, slot->geometry.segment_blocks);
	store_put_u32(bytes + STRIDE_BLOCKS_AT, slot->geometry.stride_blocks);
	store_put_u64(bytes + VOTERS_AT, slot->configuration.voters);
	store_put_u64(bytes + VOTERS_OUTGOING_AT, slot->configuration.voters_outgoing);
	store_put_u64(bytes + LEARNERS_AT, slot->configuration.learners);
	store_put_u64(bytes + SETTLED_INDEX_AT, slot->settled.index);
	store_put_u64(bytes + SETTLED_TERM_AT, slot->settled.term);
	store_put_u64(bytes + SETTLED_BLOCK_AT, slot->settled.block);
	store_put_u64(bytes + SETTLED_OFFSET_AT, slot->settled.offset);
	store_put_u64(bytes + SETTLED_CHAIN_AT, slot->settled.chain);
	store_put_u32(bytes + FLAGS_AT, (slot->lazy ? FLAG_LAZY : 0) |
						(slot->reset ? FLAG_RESET : 0) |
						(slot->state.amnesia ? FLAG_AMNESIA : 0));
	store_put_u64(bytes + START_SEGMENT_AT, slot->start.segment);
	store_put_u64(bytes + START_BEFORE_AT, slot->start.before);
	store_put_u64(bytes + START_OFFSET_AT, slot->start.offset);
	store_put_u64(bytes + LIFE_AT, slot->state.life);
	store_put_u32(bytes + CRC_AT, qr_crc32c(0, bytes, STORE_SLOT_BYTES));
}

bool store_geometry_is_sound(const struct store_geometry *geometry)
{
	return geometry->stride_blocks > 0 && geometry->stride_blocks <= STORE_STRIDE_BLOCKS_MAX &&
	       geometry->segment_blocks > 0 &&
	       geometry->segment_blocks <= STORE_SEGMENT_BLOCKS_MAX &&
	       geometry->segment_blocks % geometry->stride_blocks == 0;
}

static bool is_empty_or_not(const struct store_prefix *prefix)
{
	return prefix->index != 0 || (prefix->term == 0 && prefix->block == 0 &&
				      prefix->offset == 0 && prefix->chain == 0);
}

bool store_start_is_sound(const struct store_start *start, const struct store_prefix *within,
			  const struct store_geometry *geometry)
{
	if (start->segment == 0)
		return start->before == 0 && start->offset == 0;
	/* The prefix may end in the stride in front of the segment, whose rest is unused. */
	return start->before != 0 && start->before <= within->index &&
	       start->offset <= within->offset && start->segment <= STORE_SEGMENTS_MAX &&
	       start->segment * geometry->segment_blocks < within->block + geometry->stride_blocks;
}

/** What a sound slot can still get wrong: values that no writer of ours produces. */
static bool is_well_formed(const struct store_slot *slot)
{
	if (slot->serial == 0 || slot->node == 0 || slot->node > QR_NODE_MAX)
		return false;
	if (slot->state.vote > QR_NODE_MAX || slot->state.term > STORE_COUNT_MAX ||
	    (slot->state.amnesia && slot->state.vote != 0))
		return false;
	if (slot->serial > STORE_COUNT_MAX || slot->state.generation > STORE_COUNT_MAX)
		return false;
	return is_empty_or_not(&slot->settled) && store_geometry_is_sound(&slot->geometry) &&
	       store_start_is_sound(&slot->start, &slot->settled, &slot->geometry);
}

/** The fields behind the checksum. @return whether what is reserved among them is zero. */
static bool read_fields(struct qr_reader *reader, struct store_slot *slot, uint32_t *ret_flags)
{
	uint32_t reserved;

	slot->group = qr_read_u32(reader);
	slot->cluster = qr_read_u64(reader);
	slot->serial = qr_read_u64(reader);
	slot->state.generation = qr_read_u64(reader);
	slot->state.term = qr_read_u64(reader);
	slot->geometry.segment_blocks = qr_read_u32(reader);
	slot->geometry.stride_blocks = qr_read_u32(reader);
	slot->configuration.voters = qr_read_u64(reader);
	slot->configuration.voters_outgoing = qr_read_u64(reader);
	slot->configuration.learners = qr_read_u64(reader);
	slot->settled.index = qr_read_u64(reader);
	slot->settled.term = qr_read_u64(reader);
	slot->settled.block = qr_read_u64(reader);
	slot->settled.offset = qr_read_u64(reader);
	slot->settled.chain = qr_read_u64(reader);
	*ret_flags = qr_read_u32(reader);
	reserved = qr_read_u32(reader);
	slot->start.segment = qr_read_u64(reader);
	slot->start.before = qr_read_u64(reader);
	slot->start.offset = qr_read_u64(reader);
	slot->state.life = qr_read_u64(reader);
	return reserved == 0;
}

enum qr_error store_slot_decode(const uint8_t bytes[STORE_SLOT_BYTES], struct store_slot *ret_slot)
{
	struct qr_reader reader = qr_reader_over(bytes, STORE_SLOT_BYTES);
	struct store_slot slot = {0};
	uint32_t flags;
	uint16_t version;
	bool sound;

	if (store_is_zero(bytes, STORE_SLOT_BYTES))
		return QR_NOT_FOUND;
	if (qr_read_u32(&reader) != STORE_SLOT_MAGIC)
		return QR_CHECKSUM;
	version = qr_read_u16(&reader);
	slot.node = qr_read_u8(&reader);
	slot.state.vote = qr_read_u8(&reader);
	if (qr_read_u32(&reader) != qr_crc32c_around(bytes, STORE_SLOT_BYTES, CRC_AT))
		return QR_CHECKSUM;
	if (version != STORE_FORMAT_VERSION)
		return QR_VERSION;
	sound = read_fields(&reader, &slot, &flags);
	QR_ASSERT(!reader.failed && reader.at == bytes + SLOT_USED_BYTES);
	slot.lazy = (flags & FLAG_LAZY) != 0;
	slot.reset = (flags & FLAG_RESET) != 0;
	slot.state.amnesia = (flags & FLAG_AMNESIA) != 0;
	if (!sound || (flags & ~FLAGS) != 0 || !store_is_zero(reader.at, qr_reader_left(&reader)) ||
	    !is_well_formed(&slot))
		return QR_MALFORMED;
	*ret_slot = slot;
	return QR_OK;
}

enum qr_error store_slot_choose(const uint8_t bytes[STORE_SLOTS * STORE_SLOT_BYTES],
				struct store_slot *ret_slot)
{
	struct store_slot slots[STORE_SLOTS];
	enum qr_error errors[STORE_SLOTS];

	for (unsigned i = 0; i < STORE_SLOTS; i++)
		errors[i] = store_slot_decode(bytes + (size_t)i * STORE_SLOT_BYTES, &slots[i]);
	/* Nor is one damaged whose checksum holds: a release that is not ours wrote it. */
	for (unsigned i = 0; i < STORE_SLOTS; i++) {
		if (errors[i] == QR_VERSION || errors[i] == QR_MALFORMED)
			return QR_VERSION;
	}
	if (errors[0] == QR_OK && errors[1] == QR_OK) {
		*ret_slot = slots[slots[1].serial > slots[0].serial ? 1 : 0];
	} else if (errors[0] == QR_OK) {
		*ret_slot = slots[0];
	} else if (errors[1] == QR_OK) {
		*ret_slot = slots[1];
	} else {
		return errors[0] == QR_NOT_FOUND && errors[1] == QR_NOT_FOUND ? QR_NOT_FOUND
									      : QR_CORRUPT;
	}
	return QR_OK;
}
