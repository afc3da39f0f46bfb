/*
 * Recovery of a sound log after any change to its bytes. The input is a list of changes of six
 * bytes: what, block, offset (two bytes), value, count. Recovery must end, stay inside its memory,
 * and give nothing but a prefix of what was written, unless a change mended a checksum on purpose.
 */
#include "consensus/base/assert.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/storage/rig.h"

#include <stdlib.h>

#define CHANGE_BYTES 6
#define ENTRIES 40
#define SEGMENTS_MAX 8

enum change { CHANGE_XOR, CHANGE_ZERO, CHANGE_COPY, CHANGE_MEND, CHANGE_SLOT, CHANGES };

static struct rig rig;
static uint8_t *image; /* of all segments, sound */
static uint8_t image_slots[STORE_SLOTS * STORE_SLOT_BYTES];
static uint64_t segment_count;
static bool forged;

static size_t segment_bytes(void)
{
	return (size_t)rig.disk.segment_blocks * QR_BLOCK_BYTES;
}

static void make_image(void)
{
	const struct store_log_parameters parameters = rig_parameters();
	enum qr_error error;

	rig_init(&rig, &parameters, 1);
	error = rig_open(&rig);
	QR_ASSERT(error == QR_NOT_FOUND);
	rig_drain(&rig);
	for (unsigned i = 0; i < ENTRIES; i++) {
		error = rig_append(&rig, 500 + i * 450);
		QR_ASSERT(error == QR_OK);
		rig_drain(&rig);
		if (i < ENTRIES - 8)
			store_release(rig.log, store_log_last(rig.log));
		if (i == ENTRIES / 4)
			store_log_retry(rig.log); /* settled up to here */
	}
	segment_count = rig.disk.segment_count;
	QR_ASSERT(segment_count <= SEGMENTS_MAX);
	image = malloc(segment_count * segment_bytes());
	QR_ASSERT(image != NULL);
	for (uint64_t i = 0; i < segment_count; i++)
		memcpy(image + i * segment_bytes(), rig.disk.segments[i], segment_bytes());
	memcpy(image_slots, rig.disk.slots, sizeof(image_slots));
}

static void mend_block(uint8_t *block)
{
	uint32_t crc;

	memset(block + 8, 0, sizeof(crc));
	crc = qr_crc32c(0, block, STORE_ENTRY_HEADER_BYTES);
	memcpy(block + 8, &crc, sizeof(crc));
	forged = true;
}

static void mend_slot(uint8_t *slot)
{
	uint32_t crc;

	memset(slot + 8, 0, sizeof(crc));
	crc = qr_crc32c(0, slot, STORE_SLOT_BYTES);
	memcpy(slot + 8, &crc, sizeof(crc));
	forged = true;
}

static void apply(const uint8_t change[CHANGE_BYTES])
{
	uint64_t blocks = segment_count * rig.disk.segment_blocks;
	uint8_t *block = disk_block(&rig.disk, change[1] % (blocks != 0 ? blocks : 1));
	size_t at = ((size_t)change[2] << 8 | change[3]) % QR_BLOCK_BYTES;
	size_t slot_at = ((size_t)change[2] << 8 | change[3]) % 160;

	switch ((enum change)(change[0] % CHANGES)) {
	case CHANGE_XOR:
		block[at] ^= change[4];
		break;
	case CHANGE_ZERO:
		memset(block + at / 512 * 512, 0, 512);
		break;
	case CHANGE_COPY:
		memcpy(disk_block(&rig.disk, change[5] % (blocks != 0 ? blocks : 1)), block,
		       QR_BLOCK_BYTES);
		break;
	case CHANGE_MEND:
		block[at % STORE_ENTRY_HEADER_BYTES] = change[4];
		mend_block(block);
		break;
	case CHANGE_SLOT:
		rig.disk.slots[(size_t)(change[5] % 2) * STORE_SLOT_BYTES + slot_at] ^= change[4];
		if (change[1] % 2 == 1)
			mend_slot(rig.disk.slots + (size_t)(change[5] % 2) * STORE_SLOT_BYTES);
		break;
	case CHANGES:
	default:
		break;
	}
}

static void restore(void)
{
	while (rig.disk.segment_count > segment_count)
		free(rig.disk.segments[--rig.disk.segment_count]);
	for (uint64_t i = 0; i < segment_count; i++)
		memcpy(rig.disk.segments[i], image + i * segment_bytes(), segment_bytes());
	memcpy(rig.disk.slots, image_slots, sizeof(image_slots));
	forged = false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	if (image == NULL)
		make_image();
	restore();
	for (size_t i = 0; i + CHANGE_BYTES <= size_bytes && i < (size_t)64 * CHANGE_BYTES;
	     i += CHANGE_BYTES)
		apply(data + i);
	(void)rig_open(&rig);
	QR_ASSERT(rig.recovered == QR_NOT_FOUND || rig.recovered == QR_CORRUPT ||
		  rig.recovered == QR_FOREIGN || rig.recovered == QR_VERSION ||
		  rig.recovered == QR_CONFIG);
	if (forged)
		return 0;
	for (qr_index index = 1; index <= rig.recovered_last; index++)
		QR_ASSERT(rig.recovered_digests[index] == rig.laid[index - 1].digest);
	return 0;
}
