#include "tests/fuzz/damage.h"

#include "consensus/base/assert.h"
#include "consensus/base/crc.h"

#include <stdlib.h>
#include <string.h>

static size_t segment_bytes(const struct damage *damage)
{
	return (size_t)damage->rig.disk.segment_blocks * QR_BLOCK_BYTES;
}

static void fill_log(struct rig *rig)
{
	for (unsigned i = 0; i < DAMAGE_ENTRIES; i++) {
		enum qr_error error = rig_append(rig, 500 + i * 450);

		QR_ASSERT(error == QR_OK);
		rig_drain(rig);
		if (i < DAMAGE_ENTRIES - 8)
			store_release(rig->log, store_log_last(rig->log));
		if (i == DAMAGE_ENTRIES / 4)
			store_log_retry(rig->log); /* settled up to here */
	}
}

void damage_init(struct damage *damage)
{
	const struct store_log_parameters parameters = rig_parameters();
	struct rig *rig = &damage->rig;
	uint8_t *segments;
	enum qr_error error;

	rig_init(rig, &parameters, 1);
	error = rig_open(rig);
	QR_ASSERT(error == QR_NOT_FOUND);
	rig_drain(rig);
	fill_log(rig);
	damage->segment_count = rig->disk.extent.count;
	QR_ASSERT(damage->segment_count <= DAMAGE_SEGMENTS_MAX);
	snapshot_init(&damage->image, damage->segment_count * segment_bytes(damage));
	segments = snapshot_prepare(&damage->image);
	for (uint64_t i = 0; i < damage->segment_count; i++) {
		uint8_t *segment = segments + i * segment_bytes(damage);

		memcpy(segment, rig->disk.segments[i], segment_bytes(damage));
		free(rig->disk.segments[i]);
		rig->disk.segments[i] = segment;
	}
	rig->disk.lent_count = damage->segment_count;
	memcpy(damage->slots, rig->disk.slots, sizeof(damage->slots));
}

void damage_undo(struct damage *damage)
{
	struct disk *disk = &damage->rig.disk;

	uint8_t *segments = snapshot_take(&damage->image, 0);

	for (uint64_t i = disk->lent_count; i < DISK_SEGMENTS_MAX; i++) {
		free(disk->segments[i]);
		disk->segments[i] = NULL;
	}
	for (uint64_t i = 0; i < disk->lent_count; i++)
		disk->segments[i] = segments + i * segment_bytes(damage);
	disk->extent = (struct store_extent){.count = damage->segment_count};
	memcpy(disk->slots, damage->slots, sizeof(damage->slots));
	damage->forged = false;
}

/** Make the checksum of a header or a slot right: it lies at the same place in both. */
static void mend(uint8_t *bytes, size_t size_bytes)
{
	uint32_t crc;

	memset(bytes + 8, 0, sizeof(crc));
	crc = qr_crc32c(0, bytes, size_bytes);
	memcpy(bytes + 8, &crc, sizeof(crc));
}

void damage_apply(struct damage *damage, enum damage_kind kind, const uint8_t change[DAMAGE_BYTES])
{
	struct disk *disk = &damage->rig.disk;
	uint64_t blocks = damage->segment_count * disk->segment_blocks;
	uint8_t *block = disk_block(disk, change[1] % blocks);
	uint8_t *slot = disk->slots + (size_t)(change[5] % 2) * STORE_SLOT_BYTES;
	size_t at = ((size_t)change[2] << 8 | change[3]) % QR_BLOCK_BYTES;

	switch (kind) {
	case DAMAGE_XOR:
		block[at] ^= change[4];
		break;
	case DAMAGE_ZERO:
		memset(block + at / DISK_SECTOR_BYTES * DISK_SECTOR_BYTES, 0, DISK_SECTOR_BYTES);
		break;
	case DAMAGE_COPY:
		memmove(disk_block(disk, change[5] % blocks), block, QR_BLOCK_BYTES);
		break;
	case DAMAGE_MEND:
		block[at % STORE_ENTRY_HEADER_BYTES] = change[4];
		mend(block, STORE_ENTRY_HEADER_BYTES);
		damage->forged = true;
		break;
	case DAMAGE_SLOT:
		slot[at % 160] ^= change[4];
		if (change[1] % 2 == 1) {
			mend(slot, STORE_SLOT_BYTES);
			damage->forged = true;
		}
		break;
	case DAMAGE_KINDS:
	default:
		break;
	}
}
