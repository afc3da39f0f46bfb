/*
 * The leader takes records.
 *
 * A chunk is checked (leadership, session, sequence, sizes, its own checksum), then copied once,
 * into the open entry at the tail of the log window. The entry closes when the burst is drained and
 * the disk has a free slot (core.c), or here when it is full. There is no timer: a lone record
 * leaves at once, and under load the batch is what arrived during the last write.
 *
 * A chunk enters the appended view of the sessions when it enters the open entry. Should the entry
 * be dropped (leadership lost), the view is taken back with it; nobody was told anything.
 *
 * Bytes of a client are never trusted: every length is checked against what has arrived, and what
 * is refused is answered with the reason.
 */
#include "dataplane/node/internal.h"
#include "dataplane/node/probe.h"

#include "consensus/base/crc.h"

/* ---- answers ---- */

void dp_append_reply(struct dp_core *core, const struct dp_group *group,
		     const struct wire_chunk *chunk, enum qr_error status, struct dp_address to)
{
	struct dp_reply *reply = dp_reply_post(core, DP_REPLY_CHUNK, group->config->group, to);
	uint32_t slot;

	if (reply == NULL)
		return;
	slot = dp_sessions_find(group->sessions, chunk->session);
	reply->chunk.session = chunk->session;
	reply->chunk.sequence = chunk->sequence;
	reply->chunk.status = status;
	reply->chunk.leader = status == QR_NOT_LEADER && group->raft.leader != core->config.node
				      ? group->raft.leader
				      : 0;
	reply->chunk.retry_us = status == QR_BUSY ? DP_BUSY_RETRY_US : 0;
	reply->chunk.expected =
		slot == DP_SESSION_NONE ? 0 : dp_sessions_expected(group->sessions, slot);
	core->stats.busy_replies += status == QR_BUSY;
}

static enum qr_error refusal(const struct dp_core *core, const struct dp_group *group)
{
	enum qr_error error = dp_group_leader_refusal(group);

	if (error != QR_OK)
		return error;
	if (core->stopping || group->wants_noop || !raft_can_propose(&group->raft))
		return QR_BUSY;
	return dp_handover_quorum_has_room(core, group) ? QR_OK : QR_NO_SPACE;
}

/* ---- entries ---- */

static void propose(struct dp_core *core, struct dp_group *group)
{
	uint32_t records = group->open_records;
	struct store_entry entry = store_entry_close(group->log, records, group->raft.commit,
						     dp_core_wall_clock(core));
	struct dp_times *times = &group->times[entry.index % DP_TIMES];
	struct raft_event event = {
		.kind = RAFT_EVENT_PROPOSE,
		.propose = {.kind = entry.kind, .blocks = entry.blocks},
	};

	QR_ASSERT(entry.index == group->raft.last + 1);
	times->opened_ns = group->opened_ns;
	times->closed_ns = core->now_ns;
	group->open_records = 0;
	core->stats.entries_closed++;
	dp_replicate_grew(core, group, STORE_ENTRY_HEADER_BYTES + entry.payload_bytes);
	if (entry.kind == RAFT_ENTRY_DATA) {
		qr_histogram_record(&core->stats.stages[WIRE_STAGE_BATCH],
				    core->now_ns - group->opened_ns);
		DP_PROBE_BATCH(entry.group, entry.index, records, core->now_ns - group->opened_ns);
	}
	dp_group_step(core, group, &event);
}

void dp_append_close(struct dp_core *core, struct dp_group *group)
{
	if (!store_entry_is_open(group->log))
		return;
	if (raft_can_propose(&group->raft)) {
		propose(core, group);
		return;
	}
	/* Leadership is being handed over: the clients ask the next leader. */
	store_entry_drop(group->log);
	group->open_records = 0;
	dp_sessions_truncate(group->sessions, store_log_last(group->log));
}

static enum qr_error open_entry(struct dp_core *core, struct dp_group *group,
				enum raft_entry_kind kind, uint32_t room_bytes)
{
	enum qr_error error =
		store_entry_open(group->log, group->raft.state.term, kind, room_bytes);

	group->opened_ns = core->now_ns;
	group->open_records = 0;
	return error;
}

void dp_append_noop(struct dp_core *core, struct dp_group *group)
{
	QR_ASSERT(group->raft.role == RAFT_LEADER);
	if (open_entry(core, group, RAFT_ENTRY_NOOP, 0) != QR_OK)
		return; /* the window is full of what the last leader left: next turn */
	group->wants_noop = false;
	propose(core, group);
}

enum qr_error dp_append_trim(struct dp_core *core, struct dp_group *group,
			     const struct store_start *start)
{
	struct qr_span payload = {.size_bytes = STORE_TRIM_BYTES};
	uint8_t *bytes;
	bool belongs;
	enum qr_error error;

	dp_append_close(core, group);
	error = open_entry(core, group, RAFT_ENTRY_TRIM, STORE_TRIM_BYTES);
	if (error != QR_OK)
		return error;
	payload.data = bytes = store_entry_take(group->log, STORE_TRIM_BYTES);
	store_trim_encode(bytes, start);
	belongs = dp_retain_append(group, store_entry_index(group->log), payload);
	QR_ASSERT(belongs);
	propose(core, group);
	return QR_OK;
}

/* ---- sessions ---- */

static void session_reply(struct dp_core *core, const struct dp_group *group,
			  const uint64_t nonce[2], enum qr_error status, struct dp_address to)
{
	struct dp_reply *reply = dp_reply_post(core, DP_REPLY_SESSION, group->config->group, to);
	uint32_t slot = dp_sessions_find_nonce(group->sessions, nonce);

	if (reply == NULL)
		return;
	QR_ASSERT(status != QR_OK || slot != DP_SESSION_NONE);
	reply->session = (struct wire_session_reply){
		.nonce = {nonce[0], nonce[1]},
		.status = status,
		.leader = status == QR_NOT_LEADER ? group->raft.leader : 0,
		.retry_us = status == QR_BUSY ? DP_BUSY_RETRY_US : 0,
		.session = status == QR_OK ? dp_sessions_id(group->sessions, slot) : 0,
		.window_chunks = WIRE_WINDOW_CHUNKS,
		.record_max_bytes = core->config.record_max_bytes,
		.chunk_max_bytes = core->config.entry_max_bytes,
	};
}

static void remember_open(struct dp_core *core, struct dp_group *group, const uint64_t nonce[2],
			  struct dp_address from)
{
	struct dp_open *free = NULL;

	for (uint32_t o = 0; o < DP_OPENS_MAX; o++) {
		struct dp_open *open = &core->opens[o];

		if (!open->used) {
			free = free == NULL ? open : free;
		} else if (open->group == group && open->nonce[0] == nonce[0] &&
			   open->nonce[1] == nonce[1]) {
			open->to = from;
			return;
		}
	}
	if (free != NULL) { /* else the client asks again and finds its session */
		*free = (struct dp_open){
			.used = true, .group = group, .to = from, .nonce = {nonce[0], nonce[1]}};
	}
}

/** The open entry, as it would be if it were closed now. */
static struct dp_session_entry open_place(const struct dp_group *group)
{
	return (struct dp_session_entry){.index = store_entry_index(group->log),
					 .commit = group->raft.commit};
}

static void put_change(struct dp_group *group, const struct store_session_change *change)
{
	bool belongs;

	store_session_change_encode(store_entry_take(group->log, STORE_SESSION_CHANGE_BYTES),
				    change);
	belongs = dp_sessions_apply_change(group->sessions, open_place(group), change);
	QR_ASSERT(belongs);
}

/** The session that must go for a new one. Errors: QR_BUSY  wait for expiries to be committed. */
static enum qr_error find_victim(const struct dp_group *group, uint64_t *ret_session)
{
	uint32_t oldest = dp_sessions_oldest(group->sessions);

	*ret_session = 0;
	if (!dp_sessions_is_full(group->sessions))
		return QR_OK;
	if (oldest == DP_SESSION_NONE ||
	    dp_sessions_expiring(group->sessions) >= DP_SESSIONS_EXPIRING_MAX)
		return QR_BUSY;
	*ret_session = dp_sessions_id(group->sessions, oldest);
	return QR_OK;
}

/** An entry that opens the session, and expires the oldest one when the table is full. */
static enum qr_error append_open(struct dp_core *core, struct dp_group *group,
				 const uint64_t nonce[2])
{
	struct store_session_change open = {.op = STORE_SESSION_OPEN,
					    .nonce = {nonce[0], nonce[1]}};
	struct store_session_change expire = {.op = STORE_SESSION_EXPIRE};
	enum qr_error error = find_victim(group, &expire.session);

	if (error != QR_OK)
		return error;
	dp_append_close(core, group);
	error = open_entry(core, group, RAFT_ENTRY_SESSION, 2 * STORE_SESSION_CHANGE_BYTES);
	if (error != QR_OK)
		return error;
	if (expire.session != 0)
		put_change(group, &expire);
	open.session = store_entry_index(group->log) << STORE_SESSION_NUMBER_BITS;
	put_change(group, &open);
	propose(core, group);
	return QR_OK;
}

/** The one place that judges a capability ticket. There are none yet: anybody may. */
static bool ticket_permits(struct qr_span ticket, const struct dp_group *group)
{
	(void)group;
	return ticket.size_bytes == 0;
}

void dp_append_session(struct dp_core *core, struct dp_group *group,
		       const struct wire_session_open *open, struct dp_address from)
{
	enum qr_error error = refusal(core, group);
	uint32_t slot;

	if (error == QR_OK && !ticket_permits(open->ticket, group))
		error = QR_DENIED;
	if (error != QR_OK) {
		session_reply(core, group, open->nonce, error, from);
		return;
	}
	slot = dp_sessions_find_nonce(group->sessions, open->nonce);
	if (slot != DP_SESSION_NONE && dp_sessions_is_open_committed(group->sessions, slot)) {
		session_reply(core, group, open->nonce, QR_OK, from);
		return;
	}
	remember_open(core, group, open->nonce, from);
	if (slot != DP_SESSION_NONE)
		return; /* in the log: the answer comes with the commit */
	error = append_open(core, group, open->nonce);
	if (error != QR_OK)
		session_reply(core, group, open->nonce, error, from);
}

void dp_append_sessions_committed(struct dp_core *core, struct dp_group *group)
{
	for (uint32_t o = 0; o < DP_OPENS_MAX; o++) {
		struct dp_open *open = &core->opens[o];
		uint32_t slot;

		if (!open->used || open->group != group)
			continue;
		slot = dp_sessions_find_nonce(group->sessions, open->nonce);
		if (slot == DP_SESSION_NONE ||
		    !dp_sessions_is_open_committed(group->sessions, slot))
			continue;
		open->used = false;
		session_reply(core, group, open->nonce, QR_OK, open->to);
	}
}

void dp_append_lost(struct dp_core *core, struct dp_group *group)
{
	group->open_records = 0;
	dp_sessions_drop_replies(group->sessions);
	for (uint32_t o = 0; o < DP_OPENS_MAX; o++) {
		struct dp_open *open = &core->opens[o];

		if (!open->used || open->group != group)
			continue;
		open->used = false;
		session_reply(core, group, open->nonce, QR_NOT_LEADER, open->to);
	}
}

/* ---- chunks ---- */

/** Native records: as many as were announced, each within its bounds, nothing behind them. */
static enum qr_error check_records(const struct dp_core *core, const struct wire_chunk *chunk,
				   const uint8_t *body)
{
	struct qr_reader reader = qr_reader_over(body, chunk->total_bytes);

	if (chunk->kind == WIRE_CHUNK_OPAQUE)
		return QR_OK;
	for (uint32_t r = 0; r < chunk->count; r++) {
		uint32_t size_bytes = qr_read_u32(&reader);

		if (size_bytes > core->config.record_max_bytes)
			return QR_TOO_LARGE;
		if (qr_read_bytes(&reader, size_bytes) == NULL)
			return QR_MALFORMED;
	}
	return qr_reader_left(&reader) == 0 ? QR_OK : QR_MALFORMED;
}

static enum qr_error check_body(const struct dp_core *core, const struct wire_chunk *chunk,
				const uint8_t *body)
{
	if (chunk->count == 0)
		return QR_MALFORMED;
	if (qr_crc32c(0, body, chunk->total_bytes) != chunk->crc)
		return QR_CHECKSUM;
	return check_records(core, chunk, body);
}

/** Make sure that the open entry has room for a chunk, its bytes and the count of its records. */
static enum qr_error make_room(struct dp_core *core, struct dp_group *group,
			       const struct wire_chunk *chunk)
{
	uint32_t need_bytes = store_chunk_bytes(chunk->total_bytes);

	if (store_entry_is_open(group->log)) {
		bool fits =
			need_bytes <= store_entry_room(group->log) &&
			store_entry_used(group->log) + need_bytes <= core->config.entry_max_bytes &&
			chunk->count <= UINT32_MAX - group->open_records;

		if (fits)
			return QR_OK;
		dp_append_close(core, group);
	}
	return open_entry(core, group, RAFT_ENTRY_DATA, need_bytes);
}

static void copy_chunk(struct dp_group *group, const struct wire_chunk *chunk, const uint8_t *body)
{
	uint32_t whole_bytes = store_chunk_bytes(chunk->total_bytes);
	uint8_t *to = store_entry_take(group->log, whole_bytes);
	struct store_chunk stored = {
		.session = chunk->session,
		.sequence = chunk->sequence,
		.count = chunk->count,
		.body_bytes = chunk->total_bytes,
		.crc = chunk->crc,
		.kind = (uint8_t)chunk->kind,
		.time_ns = chunk->time_ns,
	};
	qr_offset offset = store_log_end(group->log) + group->open_records;
	uint32_t used_bytes = STORE_CHUNK_HEADER_BYTES + chunk->total_bytes;
	bool belongs;

	store_chunk_encode(to, &stored);
	memcpy(to + STORE_CHUNK_HEADER_BYTES, body, chunk->total_bytes);
	memset(to + used_bytes, 0, whole_bytes - used_bytes);
	belongs = dp_sessions_apply_chunk(group->sessions, open_place(group), &stored, offset);
	QR_ASSERT(belongs);
	group->open_records += chunk->count;
}

/** A whole chunk, next in its session's sequence. */
static void append_body(struct dp_core *core, struct dp_group *group,
			const struct wire_chunk *chunk, const uint8_t *body, struct dp_address from)
{
	enum qr_error error = check_body(core, chunk, body);

	if (error == QR_OK)
		error = make_room(core, group, chunk);
	if (error != QR_OK) {
		dp_append_reply(core, group, chunk, error, from);
		return;
	}
	copy_chunk(group, chunk, body);
	dp_group_touch(group);
}

static void append_piece(struct dp_core *core, struct dp_group *group,
			 const struct wire_chunk *chunk, struct dp_address from)
{
	struct dp_parts *parts;

	if (chunk->bulk.size_bytes == chunk->total_bytes) {
		append_body(core, group, chunk, chunk->bulk.data, from);
		return;
	}
	if (dp_parts_add(core, group->config->group, chunk, &parts) != QR_OK)
		return;
	append_body(core, group, chunk, parts->body, from);
	dp_parts_release(parts);
}

/** The session's own account: QR_OK if the chunk is the next one; else it has been answered. */
static bool is_next(struct dp_core *core, struct dp_group *group, const struct wire_chunk *chunk,
		    struct dp_address from)
{
	uint32_t slot = dp_sessions_find(group->sessions, chunk->session);
	struct wire_answer answer;

	if (slot == DP_SESSION_NONE) {
		/* A leader that was deposed and does not know it never saw the session open. */
		bool gone = chunk->session >> STORE_SESSION_NUMBER_BITS <= group->applied;

		dp_append_reply(core, group, chunk, gone ? QR_EXPIRED : QR_NOT_LEADER, from);
		return false;
	}
	dp_sessions_set_address(group->sessions, slot, from);
	switch (dp_sessions_check(group->sessions, slot, chunk->sequence, chunk->count, &answer)) {
	case DP_SESSION_APPEND:
		return true;
	case DP_SESSION_ANSWERED:
		dp_sessions_answer_again(group->sessions, slot, &answer);
		dp_group_touch(group);
		return false;
	case DP_SESSION_PENDING:
	case DP_SESSION_EXPIRING:
		return false; /* the commit decides */
	case DP_SESSION_FULL:
		dp_append_reply(core, group, chunk, QR_BUSY, from);
		return false;
	case DP_SESSION_GAP:
		dp_append_reply(core, group, chunk, QR_GAP, from);
		return false;
	case DP_SESSION_FORGOTTEN:
		break;
	}
	dp_append_reply(core, group, chunk, QR_STALE, from);
	return false;
}

void dp_append_chunk(struct dp_core *core, struct dp_group *group, const struct wire_chunk *chunk,
		     struct dp_address from)
{
	enum qr_error error = refusal(core, group);
	uint32_t size_max = core->config.entry_max_bytes > core->config.record_max_bytes
				    ? core->config.entry_max_bytes
				    : core->config.record_max_bytes;

	if (error == QR_OK && chunk->total_bytes > size_max + (uint32_t)sizeof(uint32_t))
		error = QR_TOO_LARGE;
	if (error != QR_OK) {
		dp_append_reply(core, group, chunk, error, from);
		return;
	}
	if (is_next(core, group, chunk, from))
		append_piece(core, group, chunk, from);
}
