/*
 * Entries for peers whose disks have lost them, and snapshots for those that lack what the log does
 * not have any more. Of entries: committed ones only, which are the same everywhere,
 * from the log window or through a cold reader, which verifies them. Answers go out with what
 * buffers a turn has left; a request that cannot be served is refused at once, so that the peer
 * asks another one.
 *
 * Damage that is met here is not repaired on a peer's word of where an entry lies: this node's own
 * reads find it.
 *
 * Nothing is remembered for long: a peer that needs more asks again, and its newer request takes
 * the place of the older one.
 */
#include "dataplane/node/internal.h"

static void release_reader(struct dp_fetch *fetch)
{
	if (fetch->reader != NULL)
		dp_reader_release(fetch->reader);
	fetch->reader = NULL;
}

static void finish(struct dp_fetch *fetch)
{
	release_reader(fetch);
	*fetch = (struct dp_fetch){0};
}

void dp_fetch_request(struct dp_core *core, struct dp_group *group, const struct dp_peer *peer,
		      const struct wire_fetch *request)
{
	struct dp_fetch *fetch = &core->fetches[dp_core_peer_position(core, peer)];

	/* Asked again before the disk has answered: that goes on. */
	if (fetch->group != group || fetch->index != request->index)
		release_reader(fetch);
	*fetch = (struct dp_fetch){
		.group = group,
		.index = request->index,
		.block = request->block,
		.offset = request->offset,
		.left_bytes =
			request->size_bytes < DP_FETCH_BYTES ? request->size_bytes : DP_FETCH_BYTES,
		.reader = fetch->reader,
	};
}

/** Errors: QR_AGAIN  the disk, or no reader is free; others: it cannot be given. */
static enum qr_error find(struct dp_core *core, struct dp_fetch *fetch,
			  struct store_location *ret_at, struct qr_span *ret_bytes)
{
	const struct store_missing wanted = {
		.before = {.index = fetch->index - 1, .block = fetch->block}};
	struct dp_group *group = fetch->group;
	enum qr_error error = QR_OK;

	if (fetch->index > dp_group_readable(group) ||
	    fetch->index <= store_log_origin(group->log).index)
		return QR_OUT_OF_RANGE;
	/* The window of one that recovers holds what is being read. */
	if (group->phase == DP_PHASE_RUNNING &&
	    store_window_entry(group->log, fetch->index, ret_at, ret_bytes) == QR_OK)
		return QR_OK;
	if (fetch->reader == NULL)
		fetch->reader = dp_reader_acquire_at(core, group, fetch->index);
	if (fetch->reader == NULL) {
		fetch->reader = dp_reader_acquire(core, group);
		if (fetch->reader == NULL)
			return QR_AGAIN;
		store_reader_start_at(fetch->reader->reader, group->log, &wanted,
				      dp_reader_tag(core, fetch->reader));
	}
	while (error == QR_OK &&
	       (!fetch->reader->has_entry || fetch->reader->location.index < fetch->index))
		error = dp_reader_peek(fetch->reader);
	if (error != QR_OK)
		return error;
	QR_ASSERT(fetch->reader->location.index == fetch->index);
	*ret_at = fetch->reader->location;
	*ret_bytes = fetch->reader->bytes;
	return QR_OK;
}

/* ---- snapshots ---- */

void dp_fetch_create(struct dp_core *core, struct qr_arena *arena)
{
	uint8_t *data = qr_arena_take(arena, DP_FETCH_BYTES, QR_BLOCK_BYTES);

	if (core != NULL)
		core->piece.buffer = (struct store_snapshot_buffer){data, DP_FETCH_BYTES};
}

void dp_fetch_forget(struct dp_core *core, const struct dp_group *group)
{
	for (uint32_t p = 0; p < core->peer_count; p++) {
		if (core->fetches[p].group == group)
			finish(&core->fetches[p]);
	}
	if (core->piece.group == group) {
		core->piece.index = 0;
		core->piece.reading = false;
	}
}

/** Have the piece read that begins with the block of `offset`, or see what became of that. */
static enum qr_error read_piece(struct dp_core *core, const struct dp_fetch *fetch)
{
	struct dp_piece *piece = &core->piece;
	uint32_t at_bytes = fetch->offset / QR_BLOCK_BYTES * QR_BLOCK_BYTES;
	enum qr_error error;

	if (piece->reading) {
		if (store_give_is_busy(piece->group->log))
			return QR_AGAIN;
		piece->reading = false;
		error = store_give_end(piece->group->log, &piece->size_bytes, &piece->file_bytes);
		if (error != QR_OK)
			piece->index = 0;
		return error == QR_OK || piece->group != fetch->group ? QR_OK : error;
	}
	if (store_give_is_busy(fetch->group->log))
		return QR_AGAIN;
	error = store_give_begin(fetch->group->log, fetch->index, at_bytes, piece->buffer);
	if (error != QR_OK)
		return error;
	piece->group = fetch->group;
	piece->index = fetch->index;
	piece->at_bytes = at_bytes;
	piece->reading = true;
	return QR_AGAIN;
}

static bool piece_holds(const struct dp_piece *piece, const struct dp_fetch *fetch)
{
	return !piece->reading && piece->group == fetch->group && piece->index == fetch->index &&
	       fetch->offset >= piece->at_bytes &&
	       fetch->offset - piece->at_bytes < piece->size_bytes;
}

/** Errors: QR_AGAIN  the disk; others: it cannot be given. */
static enum qr_error find_piece(struct dp_core *core, const struct dp_fetch *fetch,
				struct wire_fetched *fetched)
{
	const struct dp_piece *piece = &core->piece;
	uint32_t skip_bytes;
	uint32_t left_bytes;

	fetched->block = WIRE_FETCH_SNAPSHOT; /* also of a refusal: it says what was refused */
	if (fetch->group->phase != DP_PHASE_RUNNING)
		return QR_BUSY;
	while (!piece_holds(piece, fetch)) {
		enum qr_error error = read_piece(core, fetch);

		if (error != QR_OK)
			return error;
	}
	skip_bytes = fetch->offset - piece->at_bytes;
	left_bytes = piece->size_bytes - skip_bytes;
	fetched->entry_bytes = piece->file_bytes;
	fetched->offset = fetch->offset;
	fetched->bulk =
		(struct qr_span){piece->buffer.data + skip_bytes,
				 left_bytes < fetch->left_bytes ? left_bytes : fetch->left_bytes};
	return QR_OK;
}

/* ---- answers ---- */

static enum qr_error find_part(struct dp_core *core, struct dp_fetch *fetch,
			       struct wire_fetched *fetched)
{
	struct store_location at;
	struct qr_span bytes;
	enum qr_error error = find(core, fetch, &at, &bytes);
	uint32_t left_bytes;

	if (error == QR_OK && fetch->offset >= at.bytes)
		error = QR_OUT_OF_RANGE;
	if (error == QR_OUT_OF_RANGE && fetch->index <= fetch->group->raft.floor)
		fetched->block = fetch->group->raft.floor;
	if (error != QR_OK)
		return error;
	left_bytes = at.bytes - fetch->offset;
	fetched->block = at.block;
	fetched->entry_bytes = at.bytes;
	fetched->offset = fetch->offset;
	fetched->bulk =
		(struct qr_span){bytes.data + fetch->offset,
				 left_bytes < fetch->left_bytes ? left_bytes : fetch->left_bytes};
	return QR_OK;
}

/** One datagram. Errors: QR_BUSY  no buffer is left. */
static enum qr_error answer(struct dp_core *core, const struct dp_peer *peer,
			    const struct dp_fetch *fetch, struct wire_fetched *fetched)
{
	struct qr_writer writer;
	struct dp_tx *tx = dp_core_tx_begin_to(core, peer, &writer);
	size_t room;

	if (tx == NULL)
		return QR_BUSY;
	room = qr_writer_left(&writer) - WIRE_MESSAGE_HEADER_BYTES - WIRE_FETCHED_BYTES;
	if (fetched->bulk.size_bytes > room)
		fetched->bulk.size_bytes = room;
	wire_put_fetched(&writer, fetch->group->config->group, fetched);
	qr_write_bytes(&writer, fetched->bulk.data, fetched->bulk.size_bytes);
	dp_core_tx_finish(core, tx, &writer);
	return QR_OK;
}

/** Errors: QR_AGAIN  waiting; QR_BUSY  no buffer is left; QR_NOT_FOUND  it is over. */
static enum qr_error serve(struct dp_core *core, const struct dp_peer *peer, struct dp_fetch *fetch)
{
	struct wire_fetched fetched = {.index = fetch->index};
	enum qr_error error = fetch->block == WIRE_FETCH_SNAPSHOT
				      ? find_piece(core, fetch, &fetched)
				      : find_part(core, fetch, &fetched);

	if (error == QR_AGAIN)
		return QR_AGAIN;
	fetched.status = error;
	if (answer(core, peer, fetch, &fetched) != QR_OK)
		return QR_BUSY;
	fetch->offset += (uint32_t)fetched.bulk.size_bytes;
	fetch->left_bytes -= (uint32_t)fetched.bulk.size_bytes;
	return error != QR_OK || fetch->left_bytes == 0 || fetch->offset == fetched.entry_bytes
		       ? QR_NOT_FOUND
		       : QR_OK;
}

void dp_fetch_pump(struct dp_core *core)
{
	core->fetching = false;
	for (uint32_t p = 0; p < core->peer_count; p++) {
		struct dp_fetch *fetch = &core->fetches[p];
		enum qr_error error = QR_OK;

		if (fetch->group != NULL && dp_core_link_is_down(core, core->peers[p].config.node))
			finish(fetch);
		while (fetch->group != NULL && error == QR_OK) {
			error = serve(core, &core->peers[p], fetch);
			if (error == QR_NOT_FOUND)
				finish(fetch);
		}
		core->fetching = core->fetching || fetch->group != NULL;
	}
}
