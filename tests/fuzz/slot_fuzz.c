/* Any bytes as the two slots of a group. */
#include "consensus/base/assert.h"
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

static void examine(void)
{
	uint8_t bytes[STORE_SLOT_BYTES];
	struct store_slot slot;

	if (store_slot_choose(slots, &slot) != QR_OK)
		return;
	QR_ASSERT(slot.serial > 0 && slot.node > 0 && slot.node <= QR_NODE_MAX);
	QR_ASSERT(slot.geometry.segment_blocks % slot.geometry.stride_blocks == 0);
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
