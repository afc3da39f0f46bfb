/*
 * The snapshot where this log begins, for a replica that lacks what lies in front of it: its file,
 * a piece at a time, as it lies there. Nothing is verified: whoever gets it does that.
 *
 * The file may be used again between two pieces. Then it has another base, and the next piece is
 * refused; what was mixed in between does not hold.
 */
#include "consensus/base/assert.h"
#include "storage/engine/internal.h"

/** The earliest that is not in front of the origin. */
const struct store_snapshot *store_snapshot_to_give(const struct store_log *log)
{
	const struct store_snapshot *first = NULL;

	for (uint32_t n = 0; n < STORE_SNAPSHOTS; n++) {
		const struct store_snapshot *file = &log->snapshots.files[n];

		if (file->serial != 0 && file->segment != 0 &&
		    file->segment >= log->origin.segment &&
		    (first == NULL || file->segment < first->segment))
			first = file;
	}
	return first;
}

static const struct store_snapshot *find(const struct store_log *log, qr_index base)
{
	for (uint32_t n = 0; n < STORE_SNAPSHOTS; n++) {
		const struct store_snapshot *file = &log->snapshots.files[n];

		if (file->serial != 0 && file->base.index == base)
			return file;
	}
	return NULL;
}

enum qr_error store_give_begin(struct store_log *log, qr_index base, uint32_t at_bytes,
			       struct store_snapshot_buffer piece)
{
	const struct store_snapshot *file = find(log, base);
	uint64_t file_bytes;

	QR_ASSERT(!store_give_is_busy(log) && at_bytes % QR_BLOCK_BYTES == 0);
	if (file == NULL)
		return QR_NOT_FOUND;
	file_bytes = store_snapshot_file_bytes(file);
	if (at_bytes >= file_bytes)
		return QR_OUT_OF_RANGE;
	if (piece.size_bytes > file_bytes - at_bytes)
		piece.size_bytes = file_bytes - at_bytes;
	log->give = (struct store_give){.file = (uint32_t)(file - log->snapshots.files),
					.at_bytes = at_bytes,
					.file_bytes = (uint32_t)file_bytes,
					.piece = piece,
					.wanted = true,
					.result = QR_AGAIN};
	return QR_OK;
}

bool store_give_is_busy(const struct store_log *log)
{
	return log->give.wanted || log->give.inflight;
}

enum qr_error store_give_end(const struct store_log *log, uint32_t *ret_bytes,
			     uint32_t *ret_file_bytes)
{
	*ret_bytes = (uint32_t)log->give.piece.size_bytes;
	*ret_file_bytes = log->give.file_bytes;
	return log->give.result;
}

unsigned store_give_poll(struct store_log *log, struct store_op *ret_op)
{
	struct store_give *give = &log->give;

	if (!give->wanted)
		return 0;
	*ret_op = (struct store_op){
		.kind = STORE_OP_READ_SNAPSHOT,
		.group = log->parameters.group,
		.segment = give->file,
		.offset_bytes = give->at_bytes,
		.data = give->piece.data,
		.size_bytes = (uint32_t)give->piece.size_bytes,
		.blocks = (uint32_t)(give->piece.size_bytes / QR_BLOCK_BYTES),
		.tag = store_tag(STORE_PART_GIVE, 0),
	};
	give->wanted = false;
	give->inflight = true;
	return 1;
}

void store_give_complete(struct store_log *log, enum qr_error result)
{
	QR_ASSERT(log->give.inflight);
	log->give.inflight = false;
	log->give.result = result;
}
