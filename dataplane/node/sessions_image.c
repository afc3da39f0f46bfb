/*
 * The producer table as bytes, for snapshots: the committed view at one index, and nothing of what
 * follows it. So two replicas that have applied the same entries know the same sessions.
 *
 * A restored session keeps the answers of the chunks that its ring had of the committed ones; those
 * that were not committed took their places, and they come again, or others in their stead, with
 * the entries behind the snapshot. A client never waits for an answer that is older.
 *
 * The bytes carry a checksum of the store's. They are judged all the same: what no table can be is
 * refused. The byte table is docs/formats/snapshot.md.
 */
#include "dataplane/node/sessions_table.h"

#include "consensus/base/assert.h"

#define SESSION_BYTES 44 /* without its chunks */
#define CHUNK_BYTES 28

size_t dp_sessions_image_bytes(uint32_t capacity)
{
	size_t slots = (size_t)capacity + DP_SESSIONS_EXPIRING_MAX;

	return sizeof(uint32_t) + slots * (SESSION_BYTES + DP_SESSION_RING * CHUNK_BYTES);
}

/* ---- saving ---- */

/** How many of the newest chunks lie above `index`. */
static uint32_t count_above(const struct dp_sessions *sessions, uint32_t slot, qr_index index)
{
	const struct dp_session *session = &sessions->sessions[slot];
	const struct dp_session_chunk *ring = dp_session_ring(sessions, slot);
	uint32_t count = 0;

	while (count < session->kept && ring[dp_session_position(session, count)].index > index)
		count++;
	return count;
}

static bool is_in(const struct dp_sessions *sessions, uint32_t slot, qr_index index)
{
	return sessions->sessions[slot].phase != DP_SESSION_FREE &&
	       sessions->lives[slot].opened <= index;
}

static void save_session(const struct dp_sessions *sessions, uint32_t slot, qr_index index,
			 struct qr_writer *writer)
{
	const struct dp_session *session = &sessions->sessions[slot];
	const struct dp_session_life *life = &sessions->lives[slot];
	const struct dp_session_chunk *ring = dp_session_ring(sessions, slot);
	uint32_t above = count_above(sessions, slot, index);

	qr_write_u64(writer, session->id);
	qr_write_u64(writer, life->nonce[0]);
	qr_write_u64(writer, life->nonce[1]);
	qr_write_u64(writer, life->opened);
	qr_write_u64(writer, session->next_committed);
	qr_write_u32(writer, session->kept - above);
	for (uint32_t age = session->kept; age > above; age--) {
		const struct dp_session_chunk *chunk = &ring[dp_session_position(session, age - 1)];

		qr_write_u64(writer, chunk->sequence);
		qr_write_u64(writer, chunk->offset);
		qr_write_u64(writer, chunk->index);
		qr_write_u32(writer, chunk->count);
	}
}

void dp_sessions_save(const struct dp_sessions *sessions, qr_index index, struct qr_writer *writer)
{
	uint32_t count = 0;

	for (uint32_t slot = 0; slot < sessions->slots; slot++)
		count += is_in(sessions, slot, index);
	qr_write_u32(writer, count);
	for (uint32_t slot = 0; slot < sessions->slots; slot++) {
		if (is_in(sessions, slot, index))
			save_session(sessions, slot, index, writer);
	}
}

/* ---- restoring ---- */

/**
 * Behind the entry that opened the session; sequences without a gap up to the session's next,
 * records in the order of the log.
 */
static bool restore_chunks(struct dp_session *session, struct dp_session_chunk *ring,
			   uint32_t count, const struct store_prefix *base,
			   struct qr_reader *reader)
{
	qr_index index = (session->id >> STORE_SESSION_NUMBER_BITS) + 1;
	uint64_t sequence = 0;
	qr_offset offset = 0;

	for (uint32_t c = 0; c < count; c++) {
		struct dp_session_chunk chunk;

		chunk.sequence = qr_read_u64(reader);
		chunk.offset = qr_read_u64(reader);
		chunk.index = qr_read_u64(reader);
		chunk.count = qr_read_u32(reader);
		if (reader->failed || chunk.count == 0 || chunk.index < index ||
		    chunk.index > base->index || chunk.offset < offset ||
		    chunk.offset > base->offset || chunk.count > base->offset - chunk.offset ||
		    chunk.sequence > UINT64_MAX - chunk.count ||
		    (c > 0 && chunk.sequence != sequence))
			return false;
		sequence = chunk.sequence + chunk.count;
		offset = chunk.offset + chunk.count;
		index = chunk.index;
		session->newest = (uint8_t)((session->newest + 1u) % DP_SESSION_RING);
		ring[session->newest] = chunk;
	}
	session->kept = (uint8_t)count;
	return count == 0 || sequence == session->next_committed;
}

static bool restore_session(struct dp_sessions *sessions, const struct store_prefix *base,
			    struct qr_reader *reader)
{
	struct dp_session session = {0};
	struct dp_session_life life = {.open_committed = true};
	uint32_t count;
	uint32_t slot;

	session.id = qr_read_u64(reader);
	life.nonce[0] = qr_read_u64(reader);
	life.nonce[1] = qr_read_u64(reader);
	life.opened = qr_read_u64(reader);
	session.next_committed = session.next_appended = qr_read_u64(reader);
	count = qr_read_u32(reader);
	if (reader->failed || count > DP_SESSION_RING || life.opened == 0 ||
	    life.opened > base->index || session.id >> STORE_SESSION_NUMBER_BITS != life.opened ||
	    sessions->live == sessions->capacity ||
	    dp_sessions_find(sessions, session.id) != DP_SESSION_NONE)
		return false;
	slot = sessions->free_slots[sessions->free_count - 1];
	if (!restore_chunks(&session, dp_session_ring(sessions, slot), count, base, reader))
		return false;
	sessions->free_count--;
	sessions->sessions[slot] = session;
	sessions->lives[slot] = life;
	dp_slot_map_insert(&sessions->by_id, dp_slot_hash(session.id), slot);
	dp_session_enter_live(sessions, slot);
	return true;
}

bool dp_sessions_restore(struct dp_sessions *sessions, const struct store_prefix *base,
			 struct qr_reader *reader)
{
	uint32_t count = qr_read_u32(reader);
	bool sound = !reader->failed;

	QR_ASSERT(sessions->live == 0 && sessions->expiring_count == 0);
	for (uint32_t s = 0; s < count && sound; s++)
		sound = restore_session(sessions, base, reader);
	sound = sound && qr_reader_left(reader) == 0;
	if (!sound)
		dp_sessions_clear(sessions);
	return sound;
}
