/* Any bytes as the two slots of a group. */
#include "consensus/base/assert.h"
#include "storage/engine/log.h"
#include "storage/format/slot.h"
#include "tests/fuzz/fuzz.h"

static uint8_t slots[STORE_SLOTS * STORE_SLOT_BYTES];

static void mend(uint8_t *slot)
{
	uint32_t crc;

	memset(slot + 8, 0, sizeof(crc));
	crc = qr_crc32c(0, slot, STORE_SLOT_BYTES);
	memcpy(slot + 8, &crc, sizeof(crc));
}

/** What a tool does with a geometry that it finds: it must not be one that no log can have. */
static void measure(const struct store_slot *slot)
{
	const struct store_log_parameters parameters = {
		.cluster = slot->cluster,
		.node = slot->node,
		.group = slot->group,
		.geometry = slot->geometry,
		.configuration = slot->configuration,
		.window_blocks = 4 * slot->geometry.stride_blocks,
		.write_depth = 1,
		.write_max_blocks = 1,
		.checkpoints_max = 2,
		.lazy = slot->lazy,
	};
	struct qr_arena arena;

	qr_arena_init(&arena, NULL, 0);
	QR_ASSERT(store_log_create(&arena, &parameters) == NULL && arena.used_bytes != 0);
}

static void examine(void)
{
	uint8_t bytes[STORE_SLOT_BYTES];
	struct store_slot slot;

	if (store_slot_choose(slots, &slot) != QR_OK)
		return;
	QR_ASSERT(slot.serial > 0 && slot.node > 0 && slot.node <= QR_NODE_MAX);
	QR_ASSERT(slot.geometry.segment_blocks % slot.geometry.stride_blocks == 0);
	measure(&slot);
	/* What was chosen is one of the two, bit by bit. */
	store_slot_encode(bytes, &slot);
	QR_ASSERT(memcmp(bytes, slots, sizeof(bytes)) == 0 ||
		  memcmp(bytes, slots + STORE_SLOT_BYTES, sizeof(bytes)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	size_t half = size_bytes / 2;

	/* Each half is the head of a slot. */
	memset(slots, 0, sizeof(slots));
	memcpy(slots, data, half < STORE_SLOT_BYTES ? half : STORE_SLOT_BYTES);
	memcpy(slots + STORE_SLOT_BYTES, data + half,
	       size_bytes - half < STORE_SLOT_BYTES ? size_bytes - half : STORE_SLOT_BYTES);
	examine();
	mend(slots);
	examine();
	mend(slots + STORE_SLOT_BYTES);
	examine();
	return 0;
}
