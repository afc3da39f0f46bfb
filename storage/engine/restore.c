/*
 * The newest sound snapshot, at the start: all headers are read, then the body of the newest, and
 * if that does not hold, that of the one before. With none the log is read from its beginning.
 *
 * A snapshot never knows of more than the slots call settled, since it is written after them, nor
 * of a later term. One that does, whatever its body says, proves that a write of a slot was lost,
 * and perhaps a vote with it: damage. So is one that knows the last settled entry as another.
 *
 * Nothing is written here; a crash leaves everything as it is. Unless the slots were lost: then all
 * snapshots are of a log that is given up, and each is voided. A crash begins that anew.
 */
#include "consensus/base/assert.h"
#include "consensus/base/crc.h"
#include "storage/engine/internal.h"

#include <string.h>

#define PIECE_BYTES (1u << 20)

/* ---- choosing ---- */

/** The newest of those that can still be used. */
static void choose(struct store_log *log)
{
	const struct store_snapshot *newest = store_snapshot_newest(log);

	log->restore.next_bytes = STORE_SNAPSHOT_HEADER_BYTES;
	log->restore.chosen =
		newest == NULL ? STORE_SNAPSHOTS : (uint32_t)(newest - log->snapshots.files);
}

static struct store_snapshot *chosen_of(struct store_log *log)
{
	QR_ASSERT(log->restore.chosen < STORE_SNAPSHOTS);
	return &log->snapshots.files[log->restore.chosen];
}

static void give_up(struct store_log *log)
{
	chosen_of(log)->serial = 0;
	choose(log);
}

static bool contradicts_slots(const struct store_log *log, const struct store_prefix *base)
{
	const struct store_slot *slot = &log->slots.current;

	if (base->index == slot->settled.index && memcmp(base, &slot->settled, sizeof(*base)) != 0)
		return true;
	return base->index > slot->settled.index || base->term > slot->state.term;
}

/** Errors: QR_FOREIGN  somebody else's, written here by mistake; others: nothing can be used. */
static enum qr_error check_header(const struct store_log *log, const struct store_snapshot *header)
{
	if (store_snapshot_check_owner(log, header) != QR_OK)
		return QR_FOREIGN;
	/* The slots were not written any more: the log that was here stays. */
	if (header->given && header->base.index > log->slots.current.settled.index)
		return QR_NOT_FOUND;
	if (contradicts_slots(log, &header->base) ||
	    header->base.block > store_segment_block(log, log->segments.ready))
		return QR_CORRUPT;
	/* What follows it is gone: it stands for an earlier start. */
	if (header->segment < log->segments.first &&
	    header->base.block < store_segment_block(log, log->segments.first))
		return QR_NOT_FOUND;
	return store_snapshot_file_bytes(header) <= log->restore.buffer.size_bytes ? QR_OK
										   : QR_CONFIG;
}

/** The log that the file stands for is given up: its header goes before anything follows. */
static void void_header(struct store_log *log, enum qr_error result)
{
	struct store_restore *restore = &log->restore;
	bool was_read = !restore->voiding;

	restore->voiding = was_read && result != QR_NOT_FOUND;
	if (restore->voiding)
		return;
	if (!was_read && result != QR_OK)
		restore->refused = QR_IO;
	if (++restore->known == STORE_SNAPSHOTS)
		choose(log);
}

static void take_header(struct store_log *log, enum qr_error result)
{
	struct store_restore *restore = &log->restore;
	struct store_snapshot *header = &log->snapshots.files[restore->known];

	if (result == QR_OK)
		result = store_snapshot_decode(restore->buffer.data, header);
	if (result == QR_OK)
		result = check_header(log, header);
	if (result != QR_OK)
		header->serial = 0;
	if (result == QR_CORRUPT || result == QR_CONFIG || result == QR_VERSION)
		restore->refused = result;
	if (++restore->known == STORE_SNAPSHOTS)
		choose(log);
}

/* ---- the body ---- */

static bool are_checkpoints_sound(const struct store_snapshot *snapshot, const uint8_t *bytes)
{
	struct store_checkpoint before = {0};

	for (uint32_t c = 0; c < snapshot->checkpoint_count; c++) {
		struct store_checkpoint at =
			store_checkpoint_decode(bytes + (size_t)c * STORE_CHECKPOINT_BYTES);

		if (at.index <= before.index || at.index > snapshot->base.index ||
		    at.first_offset < before.first_offset ||
		    at.first_offset > snapshot->base.offset || at.block >= snapshot->base.block ||
		    (c > 0 && at.block <= before.block))
			return false;
		before = at;
	}
	return true;
}

static const uint8_t *state_of(const struct store_restore *restore)
{
	return restore->buffer.data + STORE_SNAPSHOT_STATE_AT;
}

static bool is_body_sound(struct store_log *log)
{
	const struct store_snapshot *chosen = chosen_of(log);
	const uint8_t *state = state_of(&log->restore);

	return qr_crc32c(0, state, store_snapshot_body_bytes(chosen)) == chosen->body_crc &&
	       are_checkpoints_sound(chosen, state + chosen->state_bytes);
}

static void take_piece(struct store_log *log, enum qr_error result)
{
	struct store_restore *restore = &log->restore;

	restore->next_bytes += restore->piece_bytes;
	if (result != QR_OK) {
		give_up(log);
	} else if (restore->next_bytes == store_snapshot_file_bytes(chosen_of(log))) {
		restore->found = is_body_sound(log);
		if (!restore->found)
			give_up(log);
	}
}

/* ---- ops ---- */

unsigned store_restore_poll(struct store_log *log, struct store_op *ret_op)
{
	struct store_restore *restore = &log->restore;
	uint64_t left_bytes = STORE_SNAPSHOT_HEADER_BYTES;
	uint64_t at_bytes = 0;
	uint32_t file = restore->known;

	if (restore->buffer.data == NULL || restore->inflight || restore->found ||
	    restore->refused != QR_OK)
		return 0;
	if (restore->known == STORE_SNAPSHOTS) {
		file = restore->chosen;
		if (file == STORE_SNAPSHOTS)
			return 0;
		at_bytes = restore->next_bytes;
		left_bytes = store_snapshot_file_bytes(chosen_of(log)) - at_bytes;
	}
	restore->piece_bytes = left_bytes < PIECE_BYTES ? (uint32_t)left_bytes : PIECE_BYTES;
	restore->inflight = true;
	*ret_op = (struct store_op){
		.kind = STORE_OP_READ_SNAPSHOT,
		.group = log->parameters.group,
		.segment = file,
		.offset_bytes = at_bytes,
		.data = restore->buffer.data + at_bytes,
		.size_bytes = restore->piece_bytes,
		.blocks = restore->piece_bytes / QR_BLOCK_BYTES,
		.tag = store_tag(STORE_PART_RESTORE, 0),
	};
	if (restore->voiding) {
		ret_op->kind = STORE_OP_WRITE_SNAPSHOT;
		ret_op->data = log->scrub.zeros;
	}
	return 1;
}

void store_restore_complete(struct store_log *log, enum qr_error result)
{
	struct store_restore *restore = &log->restore;

	QR_ASSERT(restore->inflight);
	restore->inflight = false;
	if (restore->forgets && restore->known < STORE_SNAPSHOTS) {
		void_header(log, result);
	} else if (restore->known < STORE_SNAPSHOTS) {
		take_header(log, result);
	} else {
		take_piece(log, result);
	}
}

enum qr_error store_restore_step(struct store_log *log)
{
	struct store_restore *restore = &log->restore;
	const struct store_snapshot *chosen;

	if (restore->refused != QR_OK)
		return restore->refused;
	if (restore->buffer.data == NULL ||
	    (restore->known == STORE_SNAPSHOTS && restore->chosen == STORE_SNAPSHOTS))
		return QR_NOT_FOUND;
	if (!restore->found)
		return QR_AGAIN;
	chosen = chosen_of(log);
	store_index_restore(log, chosen, state_of(restore) + chosen->state_bytes);
	return QR_OK;
}

enum qr_error store_recover_state(struct store_log *log, struct store_recovered_state *ret_state)
{
	struct store_restore *restore = &log->restore;
	enum qr_error error = store_recover_to_state(log);

	if (error != QR_OK)
		return error;
	if (!restore->found)
		return QR_NOT_FOUND;
	*ret_state = (struct store_recovered_state){
		.base = log->index.base,
		.state = {state_of(restore), chosen_of(log)->state_bytes},
	};
	return QR_OK;
}
