/*
 * Snapshots on their way to the disk, a piece at a time, so that the log's own writes never wait
 * for one.
 *
 * The files take turns: zeros over the old header, so that it never stands before another body,
 * then the body, and the header last; never over the newest one, which a crash at any line leaves
 * whole. What it contains is committed, and the slots say so on stable media before its header is
 * written: a snapshot that knows of more than the slots is proof that a write of a slot was lost
 * (restore.c).
 *
 * When all files are in use, one in the middle gives way, so that those that stay lie about evenly
 * over the log, however long it is: they are the places where it can begin (start.c).
 *
 * After a crash the newest one may have been read from the device's cache. It is made durable
 * before another one is overwritten, and before a segment goes that is not needed because of it.
 *
 * No space is not a failure: the snapshot is given up, and the log is read from further back at
 * the next start. A full disk is no reason not to try: an old file of the size is overwritten, and
 * without a newer snapshot a log gives up nothing that would make room. Any other failed write
 * poisons the log, as everywhere.
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

const struct store_snapshot *store_snapshot_newest(const struct store_log *log)
{
	const struct store_snapshot *newest = NULL;

	for (uint32_t n = 0; n < STORE_SNAPSHOTS; n++) {
		const struct store_snapshot *file = &log->snapshots.files[n];

		if (file->serial != 0 && (newest == NULL || file->serial > newest->serial))
			newest = file;
	}
	return newest;
}

enum qr_error store_snapshot_check_owner(const struct store_log *log,
					 const struct store_snapshot *snapshot)
{
	const struct store_log_parameters *own = &log->parameters;

	if (snapshot->cluster != own->cluster || snapshot->group != own->group)
		return QR_FOREIGN;
	if (snapshot->geometry.segment_blocks != own->geometry.segment_blocks ||
	    snapshot->geometry.stride_blocks != own->geometry.stride_blocks)
		return QR_CONFIG;
	return QR_OK;
}

/** The segment that the entry after `index` begins; 0: it is in the middle of one, or not known. */
static uint64_t segment_behind(const struct store_log *log, qr_index index)
{
	const struct store_index_entry *next = store_index_at(log, index + 1);
	uint32_t segment_blocks = log->parameters.geometry.segment_blocks;

	return next != NULL && next->block % segment_blocks == 0 ? next->block / segment_blocks : 0;
}

bool store_snapshot_is_due(const struct store_log *log, qr_index index)
{
	const struct store_snapshots *snapshots = &log->snapshots;
	uint32_t after_blocks = log->parameters.snapshot_blocks;
	const struct store_snapshot *newest;

	/* Asked before every entry that is applied: nearly all are in the middle of a segment. */
	if (segment_behind(log, index) == 0)
		return false;
	if (after_blocks == 0 || log->parameters.lazy || snapshots->phase != STORE_SNAPSHOT_IDLE ||
	    (log->condition != QR_OK && log->condition != QR_NO_SPACE) || index == 0 ||
	    !store_index_knows(log, index))
		return false;
	newest = store_snapshot_newest(log);
	return store_index_prefix(log, index).block >=
	       (newest == NULL ? 0 : newest->base.block) + after_blocks;
}

/* ---- which file ---- */

/** Between what stands before it and behind it: how far apart they would be without it. */
static qr_block gap_without(const struct store_snapshots *snapshots, uint32_t number)
{
	qr_block block = snapshots->files[number].base.block;
	qr_block before = 0;
	qr_block behind = UINT64_MAX;

	for (uint32_t n = 0; n < STORE_SNAPSHOTS; n++) {
		qr_block other = snapshots->files[n].base.block;

		if (n == number || snapshots->files[n].serial == 0)
			continue;
		if (other <= block && other > before)
			before = other;
		if (other >= block && other < behind)
			behind = other;
	}
	return behind - before;
}

/** How much a file would be missed; UINT64_MAX: it stays. */
static qr_block worth(const struct store_log *log, uint32_t number)
{
	const struct store_snapshot *file = &log->snapshots.files[number];

	if (file->serial == 0) /* on a full disk the last resort: there is no space for it */
		return log->condition == QR_NO_SPACE ? UINT64_MAX - 1 : 1;
	/* Where the log begins, or could begin next, and the newest. */
	if (file == store_snapshot_newest(log) ||
	    (file->segment != 0 && file->segment == log->origin.segment))
		return UINT64_MAX;
	if (file->segment < log->origin.segment)
		return 0;
	return gap_without(&log->snapshots, number);
}

/** One that nobody needs: older than where the log begins, empty, or the most dispensable. */
static uint32_t file_to_use(const struct store_log *log)
{
	uint32_t best = STORE_SNAPSHOTS;
	qr_block least = UINT64_MAX;

	for (uint32_t n = 0; n < STORE_SNAPSHOTS; n++) {
		if (worth(log, n) < least) {
			least = worth(log, n);
			best = n;
		}
	}
	QR_ASSERT(best < STORE_SNAPSHOTS);
	return best;
}

/* ---- taking one ---- */

static void put_checkpoints(const struct store_log *log, uint8_t *at, uint32_t count)
{
	for (uint32_t c = 0; c < count; c++, at += STORE_CHECKPOINT_BYTES)
		store_checkpoint_encode(at, &log->index.checkpoints[c]);
}

void store_snapshot_lend(struct store_log *log, const struct store_snapshot *snapshot,
			 struct store_snapshot_buffer buffer)
{
	struct store_snapshots *snapshots = &log->snapshots;
	const struct store_snapshot *newest = store_snapshot_newest(log);
	struct store_snapshot *taken = &snapshots->taken;
	uint8_t *body = buffer.data + STORE_SNAPSHOT_STATE_AT;

	*taken = *snapshot;
	taken->serial = newest == NULL ? 1 : newest->serial + 1;
	taken->body_crc = qr_crc32c(0, body, store_snapshot_body_bytes(taken));
	memset(body + store_snapshot_body_bytes(taken), 0,
	       store_snapshot_file_bytes(taken) - STORE_SNAPSHOT_HEADER_BYTES -
		       store_snapshot_body_bytes(taken));
	store_snapshot_encode(buffer.data, taken);
	snapshots->buffer = buffer;
	snapshots->next_bytes = STORE_SNAPSHOT_HEADER_BYTES;
	snapshots->phase = STORE_SNAPSHOT_SETTLE;
}

/* NOLINTNEXTLINE(readability-function-size): five, and the state's length is its own */
void store_snapshot_take(struct store_log *log, qr_index index, uint64_t time_ns,
			 struct store_snapshot_buffer buffer, size_t state_bytes)
{
	struct store_snapshot taken;

	QR_ASSERT(log->snapshots.phase == STORE_SNAPSHOT_IDLE && !log->snapshots.inflight);
	QR_ASSERT(state_bytes <= UINT32_MAX && index <= log->last.index);
	taken = (struct store_snapshot){
		.cluster = log->parameters.cluster,
		.group = log->parameters.group,
		.geometry = log->parameters.geometry,
		.base = store_index_prefix(log, index),
		.state_bytes = (uint32_t)state_bytes,
		.checkpoint_count = store_index_checkpoints_upto(log, index),
		.spacing_blocks = log->index.spacing_blocks,
		.time_ns = time_ns,
		.segment = segment_behind(log, index),
	};
	QR_ASSERT(store_snapshot_file_bytes(&taken) <= buffer.size_bytes);
	put_checkpoints(log, buffer.data + STORE_SNAPSHOT_STATE_AT + state_bytes,
			taken.checkpoint_count);
	store_snapshot_lend(log, &taken, buffer);
}

bool store_snapshot_is_busy(const struct store_log *log)
{
	const struct store_snapshots *snapshots = &log->snapshots;
	bool goes_on =
		log->condition == QR_OK || log->condition == QR_NO_SPACE || store_is_mending(log);

	return snapshots->inflight || (goes_on && snapshots->phase != STORE_SNAPSHOT_IDLE);
}

static struct store_op file_op(const struct store_log *log, enum store_op_kind kind, uint64_t file)
{
	return (struct store_op){
		.kind = kind,
		.group = log->parameters.group,
		.segment = file,
		.tag = store_tag(STORE_PART_SNAPSHOT, 0),
	};
}

static struct store_op write_op(struct store_log *log, uint64_t at_bytes, uint64_t size_bytes)
{
	struct store_snapshots *snapshots = &log->snapshots;
	struct store_op op = file_op(log, STORE_OP_WRITE_SNAPSHOT, snapshots->file);

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
	const struct store_snapshot *newest;

	if (snapshots->inflight)
		return 0;
	switch (snapshots->phase) {
	case STORE_SNAPSHOT_SETTLE:
		if (!taken->given && log->slots.durable_settled < taken->base.index) {
			store_slots_touch(log); /* sooner than it would */
			return 0;
		}
		newest = store_snapshot_newest(log);
		if (newest != NULL && !snapshots->newest_is_stable) {
			snapshots->phase = STORE_SNAPSHOT_SYNC;
			*ret_op = file_op(log, STORE_OP_SYNC_SNAPSHOT,
					  (uint64_t)(newest - snapshots->files));
			break;
		}
		snapshots->phase = STORE_SNAPSHOT_VOID;
		/* fallthrough */
	case STORE_SNAPSHOT_VOID:
		/* Not before: while it waited, the log may have begun at the one that was
		 * dispensable. */
		snapshots->file = file_to_use(log);
		snapshots->files[snapshots->file].serial = 0;
		*ret_op = write_op(log, 0, STORE_SNAPSHOT_HEADER_BYTES);
		ret_op->data = log->scrub.zeros;
		break;
	case STORE_SNAPSHOT_BODY:
		*ret_op = write_op(log, snapshots->next_bytes,
				   store_snapshot_file_bytes(taken) - snapshots->next_bytes);
		break;
	case STORE_SNAPSHOT_HEADER:
		*ret_op = write_op(log, 0, STORE_SNAPSHOT_HEADER_BYTES);
		break;
	case STORE_SNAPSHOT_IDLE:
		newest = store_snapshot_newest(log);
		if (newest == NULL || snapshots->newest_is_stable ||
		    log->origin.segment <= log->segments.first)
			return 0;
		snapshots->phase = STORE_SNAPSHOT_CONFIRM;
		*ret_op =
			file_op(log, STORE_OP_SYNC_SNAPSHOT, (uint64_t)(newest - snapshots->files));
		break;
	case STORE_SNAPSHOT_SYNC:
	case STORE_SNAPSHOT_CONFIRM:
	case STORE_SNAPSHOT_NAME:
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
		snapshots->phase = STORE_SNAPSHOT_VOID;
		break;
	case STORE_SNAPSHOT_CONFIRM:
		snapshots->newest_is_stable = true;
		snapshots->phase = STORE_SNAPSHOT_IDLE;
		break;
	case STORE_SNAPSHOT_VOID:
		snapshots->phase = STORE_SNAPSHOT_BODY;
		break;
	case STORE_SNAPSHOT_BODY:
		snapshots->next_bytes += snapshots->piece_bytes;
		if (snapshots->next_bytes == store_snapshot_file_bytes(&snapshots->taken))
			snapshots->phase = STORE_SNAPSHOT_HEADER;
		break;
	case STORE_SNAPSHOT_HEADER:
		snapshots->newest_is_stable = true;
		if (snapshots->taken.given) {
			snapshots->phase = STORE_SNAPSHOT_NAME;
			store_install_name(log);
			break;
		}
		snapshots->files[snapshots->file] = snapshots->taken;
		snapshots->phase = STORE_SNAPSHOT_IDLE;
		log->counters.snapshots++;
		store_origin_advance(log);
		break;
	case STORE_SNAPSHOT_SETTLE:
	case STORE_SNAPSHOT_NAME:
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
	} else if (result == QR_NO_SPACE && snapshots->phase != STORE_SNAPSHOT_CONFIRM) {
		snapshots->phase = STORE_SNAPSHOT_IDLE;
	} else {
		store_log_poison(log);
	}
}
