#include "tests/unit/storage/disk.h"

#include "consensus/base/assert.h"

#include <stdlib.h>
#include <string.h>

void disk_init(struct disk *disk, uint32_t segment_blocks)
{
	memset(disk, 0, sizeof(*disk));
	disk->segment_blocks = segment_blocks;
	disk->segment_limit = DISK_SEGMENTS_MAX;
}

void disk_fini(struct disk *disk)
{
	for (uint32_t i = 0; i < disk->pending_count; i++)
		free(disk->pending[i].copy);
	for (uint64_t i = disk->lent_count; i < DISK_SEGMENTS_MAX; i++)
		free(disk->segments[i]);
	memset(disk, 0, sizeof(*disk));
}

static bool is_write(const struct store_op *op)
{
	return op->kind == STORE_OP_WRITE || op->kind == STORE_OP_WRITE_LAZY ||
	       op->kind == STORE_OP_WRITE_SLOT || op->kind == STORE_OP_WRITE_SNAPSHOT;
}

static bool is_of_snapshots(const struct store_op *op)
{
	return op->kind == STORE_OP_READ_SNAPSHOT || op->kind == STORE_OP_WRITE_SNAPSHOT;
}

/** The file grows with a write, and ends a read. */
static uint8_t *target_of_snapshot(struct disk *disk, const struct store_op *op)
{
	uint64_t end_bytes = op->offset_bytes + op->size_bytes;

	QR_ASSERT(op->segment < STORE_SNAPSHOTS && end_bytes <= DISK_SNAPSHOT_BYTES);
	if (op->kind == STORE_OP_WRITE_SNAPSHOT && disk->snapshot_bytes[op->segment] < end_bytes)
		disk->snapshot_bytes[op->segment] = end_bytes;
	if (end_bytes > disk->snapshot_bytes[op->segment])
		return NULL;
	return disk->snapshots[op->segment] + op->offset_bytes;
}

/** Where an op's bytes lie; NULL where nothing is. */
static uint8_t *target(struct disk *disk, const struct store_op *op)
{
	if (op->kind == STORE_OP_READ_SLOTS || op->kind == STORE_OP_WRITE_SLOT) {
		QR_ASSERT(op->offset_bytes + op->size_bytes <= sizeof(disk->slots));
		return disk->slots + op->offset_bytes;
	}
	if (is_of_snapshots(op))
		return target_of_snapshot(disk, op);
	if (op->segment >= DISK_SEGMENTS_MAX || disk->segments[op->segment] == NULL)
		return NULL;
	QR_ASSERT(op->offset_bytes + op->size_bytes <=
		  (uint64_t)disk->segment_blocks * QR_BLOCK_BYTES);
	return disk->segments[op->segment] + op->offset_bytes;
}

static bool overlap(const struct store_op *a, const struct store_op *b)
{
	return a->kind == b->kind && a->segment == b->segment &&
	       a->offset_bytes < b->offset_bytes + b->size_bytes &&
	       b->offset_bytes < a->offset_bytes + a->size_bytes;
}

void disk_start(struct disk *disk, const struct store_op *op)
{
	struct disk_pending *pending = &disk->pending[disk->pending_count++];

	QR_ASSERT(disk->pending_count <= DISK_PENDING_MAX);
	QR_ASSERT(((uintptr_t)op->data | op->offset_bytes | op->size_bytes) % QR_BLOCK_BYTES == 0);
	*pending = (struct disk_pending){.op = *op};
	if (!is_write(op))
		return;
	QR_ASSERT(op->size_bytes > 0 && target(disk, op) != NULL);
	for (uint32_t i = 0; i + 1 < disk->pending_count; i++)
		QR_ASSERT(!overlap(&disk->pending[i].op, op));
	pending->copy = malloc(op->size_bytes);
	QR_ASSERT(pending->copy != NULL);
	memcpy(pending->copy, op->data, op->size_bytes);
}

static void drop(struct disk *disk, uint64_t segment)
{
	QR_ASSERT(segment == disk->extent.first && disk->extent.count > 0);
	if (segment >= disk->lent_count)
		free(disk->segments[segment]);
	disk->segments[segment] = NULL;
	disk->extent.first++;
	disk->extent.count--;
}

static enum qr_error prepare(struct disk *disk, const struct store_op *op)
{
	struct store_extent *extent = &disk->extent;

	if (op->recycled != STORE_NONE_RECYCLED)
		drop(disk, op->recycled);
	if (extent->count == 0)
		extent->first = op->segment;
	QR_ASSERT(op->segment == extent->first + extent->count);
	if (extent->count == disk->segment_limit || op->segment == DISK_SEGMENTS_MAX)
		return QR_NO_SPACE;
	disk->segments[op->segment] = calloc(disk->segment_blocks, QR_BLOCK_BYTES);
	QR_ASSERT(disk->segments[op->segment] != NULL);
	extent->count++;
	return QR_OK;
}

static enum qr_error carry_out(struct disk *disk, struct disk_pending *pending)
{
	const struct store_op *op = &pending->op;
	uint8_t *at;
	enum qr_error error;

	if (op->kind == STORE_OP_PREPARE)
		return prepare(disk, op);
	if (op->kind == STORE_OP_DROP) {
		drop(disk, op->segment);
		return QR_OK;
	}
	if (op->kind == STORE_OP_SYNC || op->kind == STORE_OP_SYNC_SNAPSHOT)
		return QR_OK;
	if (op->kind == STORE_OP_WRITE_SNAPSHOT && disk->fail_snapshots != QR_OK)
		return disk->fail_snapshots;
	at = target(disk, op);
	if (at == NULL)
		return QR_NOT_FOUND;
	if (!is_write(op)) {
		memcpy(op->data, at, op->size_bytes);
		return QR_OK;
	}
	QR_ASSERT(memcmp(pending->copy, op->data, op->size_bytes) == 0);
	error = disk->fail_next_write;
	disk->fail_next_write = QR_OK;
	if (error == QR_OK)
		memcpy(at, pending->copy, op->size_bytes);
	return error;
}

struct store_completion disk_finish(struct disk *disk, uint32_t number)
{
	struct disk_pending pending;
	struct store_completion completion;

	QR_ASSERT(number < disk->pending_count);
	pending = disk->pending[number];
	completion = (struct store_completion){
		.kind = pending.op.kind,
		.group = pending.op.group,
		.tag = pending.op.tag,
		.result = carry_out(disk, &pending),
	};
	free(pending.copy);
	disk->pending_count--;
	memmove(&disk->pending[number], &disk->pending[number + 1],
		(disk->pending_count - number) * sizeof(pending));
	return completion;
}

static void tear(struct disk *disk, const struct disk_pending *pending, struct qr_prng *prng)
{
	uint8_t *at = target(disk, &pending->op);
	uint64_t share = qr_prng_below(prng, 5); /* 0: nothing arrives, 4: everything */

	for (uint32_t i = 0; i < pending->op.size_bytes; i += DISK_SECTOR_BYTES) {
		if (qr_prng_below(prng, 4) < share)
			memcpy(at + i, pending->copy + i, DISK_SECTOR_BYTES);
	}
}

void disk_crash(struct disk *disk, struct qr_prng *prng)
{
	for (uint32_t i = 0; i < disk->pending_count; i++) {
		struct disk_pending *pending = &disk->pending[i];

		if (is_write(&pending->op)) {
			tear(disk, pending, prng);
		} else if (pending->op.kind == STORE_OP_PREPARE && qr_prng_below(prng, 2) == 0) {
			(void)prepare(disk, &pending->op);
		} else if (pending->op.kind == STORE_OP_DROP && qr_prng_below(prng, 2) == 0) {
			drop(disk, pending->op.segment);
		}
		free(pending->copy);
	}
	disk->pending_count = 0;
}

uint8_t *disk_block(struct disk *disk, qr_block block)
{
	QR_ASSERT(block / disk->segment_blocks < DISK_SEGMENTS_MAX);
	QR_ASSERT(disk->segments[block / disk->segment_blocks] != NULL);
	return disk->segments[block / disk->segment_blocks] +
	       block % disk->segment_blocks * QR_BLOCK_BYTES;
}
