/*
 * Snapshots on their way to the disk, a piece at a time, so that the log's own writes never wait
 * for one.
 *
 * The two files take turns: the one that is being written is the older one, body first, header
 * last. A crash at any line leaves the newer one whole. What it contains is committed, and the
 * slots say so on stable media before its header is written: a snapshot that knows of more than the
 * slots is proof that a write of a slot was lost (restore.c).
 *
 * After a crash the newest one may have been read from the device's cache. It is made durable
 * before the other one is overwritten.
 *
 * No space is not a failure: the snapshot is given up, and the log is read from further back at
 * the next start. Any other failed write poisons the log, as everywhere.
 */
#include "consensus/base/assert.h"
#include "consensus/base/crc.h"
#include "storage/engine/internal.h"

#include <string.h>

#define PIECE_BYTES (256u << 10)

size_t store_snapshot_bytes(uint32_t checkpoints_max, size_t state_bytes)
{
	const struct store_snapshot largest = {.state_bytes = (uint32_t)state_bytes,
					       .checkpoint_count = checkpoints_max};

	QR_ASSERT(state_bytes <= UINT32_MAX);
	return store_snapshot_file_bytes(&largest);
}

bool store_snapshot_is_due(const struct store_log *log, qr_index index)
{
	const struct store_snapshots *snapshots = &log->snapshots;
	uint32_t after_blocks = log->parameters.snapshot_blocks;

	if (after_blocks == 0 || log->parameters.lazy || snapshots->phase != STORE_SNAPSHOT_IDLE ||
	    log->condition != QR_OK || index == 0 || !store_index_knows(log, index))
		return false;
	return store_index_prefix(log, index).block >= snapshots->newest.base.block + after_blocks;
}

static void put_checkpoints(const struct store_log *log, uint8_t *at, uint32_t count)
{
	for (uint32_t c = 0; c < count; c++, at += STORE_CHECKPOINT_BYTES)
		store_checkpoint_encode(at, &log->index.checkpoints[c]);
}

void store_snapshot_take(struct store_log *log, qr_index index, struct store_snapshot_buffer buffer,
			 size_t state_bytes)
{
	struct store_snapshots *snapshots = &log->snapshots;
	struct store_snapshot *taken = &snapshots->taken;
	uint8_t *body = buffer.data + STORE_SNAPSHOT_STATE_AT;
	uint64_t body_bytes;
	uint64_t file_bytes;

	QR_ASSERT(snapshots->phase == STORE_SNAPSHOT_IDLE && !snapshots->inflight);
	QR_ASSERT(state_bytes <= UINT32_MAX && index <= log->last.index);
	*taken = (struct store_snapshot){
		.serial = snapshots->newest.serial + 1,
		.cluster = log->parameters.cluster,
		.group = log->parameters.group,
		.geometry = log->parameters.geometry,
		.base = store_index_prefix(log, index),
		.state_bytes = (uint32_t)state_bytes,
		.checkpoint_count = store_index_checkpoints_upto(log, index),
		.spacing_blocks = log->index.spacing_blocks,
	};
	body_bytes = store_snapshot_body_bytes(taken);
	file_bytes = store_snapshot_file_bytes(taken);
	QR_ASSERT(file_bytes <= buffer.size_bytes);
	put_checkpoints(log, body + state_bytes, taken->checkpoint_count);
	memset(body + body_bytes, 0, file_bytes - STORE_SNAPSHOT_HEADER_BYTES - body_bytes);
	taken->body_crc = qr_crc32c(0, body, body_bytes);
	store_snapshot_encode(buffer.data, taken);
	snapshots->buffer = buffer;
	snapshots->next_bytes = STORE_SNAPSHOT_HEADER_BYTES;
	snapshots->phase = STORE_SNAPSHOT_SETTLE;
}

bool store_snapshot_is_busy(const struct store_log *log)
{
	const struct store_snapshots *snapshots = &log->snapshots;
	bool goes_on = log->condition == QR_OK || log->condition == QR_NO_SPACE;

	return snapshots->inflight || (goes_on && snapshots->phase != STORE_SNAPSHOT_IDLE);
}

static struct store_op file_op(const struct store_log *log, enum store_op_kind kind,
			       uint64_t serial)
{
	return (struct store_op){
		.kind = kind,
		.group = log->parameters.group,
		.segment = serial % STORE_SNAPSHOTS,
		.tag = store_tag(STORE_PART_SNAPSHOT, 0),
	};
}

static struct store_op write_op(struct store_log *log, uint64_t at_bytes, uint64_t size_bytes)
{
	struct store_snapshots *snapshots = &log->snapshots;
	struct store_op op = file_op(log, STORE_OP_WRITE_SNAPSHOT, snapshots->taken.serial);

	snapshots->piece_bytes = size_bytes < PIECE_BYTES ? (uint32_t)size_bytes : PIECE_BYTES;
	op.offset_bytes = at_bytes;
	op.data = snapshots->buffer.data + at_bytes;
	op.size_bytes = snapshots->piece_bytes;
	op.blocks = snapshots->piece_bytes / QR_BLOCK_BYTES;
	return op;
}

unsigned store_snapshot_poll(struct store_log *log, struct store_op *ret_op)
{
	struct store_snapshots *snapshots = &log->snapshots;
	const struct store_snapshot *taken = &snapshots->taken;

	if (snapshots->inflight)
		return 0;
	switch (snapshots->phase) {
	case STORE_SNAPSHOT_SETTLE:
		if (log->slots.durable_settled < taken->base.index)
			return 0;
		if (snapshots->newest.serial != 0 && !snapshots->newest_is_stable) {
			snapshots->phase = STORE_SNAPSHOT_SYNC;
			*ret_op = file_op(log, STORE_OP_SYNC_SNAPSHOT, snapshots->newest.serial);
			break;
		}
		snapshots->phase = STORE_SNAPSHOT_BODY;
		/* fallthrough */
	case STORE_SNAPSHOT_BODY:
		*ret_op = write_op(log, snapshots->next_bytes,
				   store_snapshot_file_bytes(taken) - snapshots->next_bytes);
		break;
	case STORE_SNAPSHOT_HEADER:
		*ret_op = write_op(log, 0, STORE_SNAPSHOT_HEADER_BYTES);
		break;
	case STORE_SNAPSHOT_SYNC:
	case STORE_SNAPSHOT_IDLE:
	default:
		return 0;
	}
	snapshots->inflight = true;
	return 1;
}

/** What was in flight is done. */
static void go_on(struct store_log *log)
{
	struct store_snapshots *snapshots = &log->snapshots;

	switch (snapshots->phase) {
	case STORE_SNAPSHOT_SYNC:
		snapshots->newest_is_stable = true;
		snapshots->phase = STORE_SNAPSHOT_BODY;
		break;
	case STORE_SNAPSHOT_BODY:
		snapshots->next_bytes += snapshots->piece_bytes;
		if (snapshots->next_bytes == store_snapshot_file_bytes(&snapshots->taken))
			snapshots->phase = STORE_SNAPSHOT_HEADER;
		break;
	case STORE_SNAPSHOT_HEADER:
		snapshots->newest = snapshots->taken;
		snapshots->newest_is_stable = true;
		snapshots->phase = STORE_SNAPSHOT_IDLE;
		log->counters.snapshots++;
		break;
	case STORE_SNAPSHOT_SETTLE:
	case STORE_SNAPSHOT_IDLE:
	default:
		QR_ASSERT(false);
	}
}

void store_snapshot_complete(struct store_log *log, enum qr_error result)
{
	struct store_snapshots *snapshots = &log->snapshots;

	QR_ASSERT(snapshots->inflight);
	snapshots->inflight = false;
	if (result == QR_OK) {
		go_on(log);
	} else if (result == QR_NO_SPACE) {
		snapshots->phase = STORE_SNAPSHOT_IDLE;
	} else {
		store_log_poison(log);
	}
}
