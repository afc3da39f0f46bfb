/*
 * Records for clients, from the log window when recent, else through a cold reader; and the
 * linearizable tail.
 *
 * What is served is committed: never beyond `applied`. A request is served in slices, each a
 * datagram, with the buffers that the turn has left, and no more of them than a turn may be made
 * longer by; so readers never hold up appends. At the end
 * of the log a request may be held until something is committed or its time is over.
 *
 * A reader that a request gives back keeps its place: the next request of a client that streams
 * usually continues there.
 */
#include "dataplane/node/internal.h"

#define SPANS_MAX 16 /* runs of records, of as many chunks, in one slice */
#define LENGTH_BYTES 4

_Static_assert(DP_TAILS_MAX <= RAFT_READS_MAX, "consensus takes all tails of one group");

/* ---- cold readers ---- */

void dp_read_create(struct dp_core *core, struct qr_arena *arena,
		    const struct dp_core_config *config)
{
	struct dp_reader *readers =
		qr_arena_take(arena, config->readers * sizeof(*readers), sizeof(void *));
	uint32_t blocks = config->geometry.stride_blocks;

	for (uint32_t r = 0; r < config->readers; r++) {
		struct store_reader *reader = store_reader_create(arena, blocks);

		if (readers != NULL)
			readers[r].reader = reader;
	}
	if (core != NULL) {
		core->readers = readers;
		core->reader_count = config->readers;
	}
}

uint64_t dp_reader_tag(const struct dp_core *core, const struct dp_reader *reader)
{
	return (uint64_t)(reader - core->readers);
}

bool dp_reader_of_tag(struct dp_core *core, uint64_t tag, struct dp_reader **ret_reader)
{
	if ((tag & STORE_TAG_LOG) != 0)
		return false;
	QR_ASSERT(tag < core->reader_count);
	*ret_reader = &core->readers[tag];
	return true;
}

static void take(struct dp_core *core, struct dp_reader *reader)
{
	reader->busy = true;
	reader->used_turn = core->turn;
	reader->used_ns = core->now_ns;
}

/** The one that nobody holds for the longest time; NULL: all are held. */
static struct dp_reader *oldest_free(struct dp_core *core)
{
	struct dp_reader *oldest = NULL;

	for (uint32_t r = 0; r < core->reader_count; r++) {
		struct dp_reader *reader = &core->readers[r];

		if (!reader->busy && (oldest == NULL || reader->used_turn < oldest->used_turn))
			oldest = reader;
	}
	return oldest;
}

struct dp_reader *dp_reader_acquire(struct dp_core *core, struct dp_group *group)
{
	struct dp_reader *oldest = oldest_free(core);

	if (oldest == NULL)
		return NULL;
	store_reader_stop(oldest->reader);
	oldest->has_entry = false;
	oldest->keeps_ns = 0;
	if (!store_reader_is_idle(oldest->reader))
		return NULL; /* it read ahead: when that has come back */
	oldest->group = group;
	take(core, oldest);
	return oldest;
}

struct dp_reader *dp_reader_acquire_at(struct dp_core *core, struct dp_group *group, qr_index index)
{
	for (uint32_t r = 0; r < core->reader_count; r++) {
		struct dp_reader *reader = &core->readers[r];

		if (!reader->busy && reader->group == group && reader->has_entry &&
		    reader->location.index == index) {
			take(core, reader);
			return reader;
		}
	}
	return NULL;
}

void dp_reader_release(struct dp_reader *reader)
{
	QR_ASSERT(reader->busy);
	reader->busy = false;
	if (!reader->has_entry)
		store_reader_stop(reader->reader);
}

void dp_reader_cut(struct dp_core *core, const struct dp_group *group, qr_index to)
{
	for (uint32_t r = 0; r < core->reader_count; r++) {
		struct dp_reader *reader = &core->readers[r];

		if (reader->group != group || !reader->has_entry || reader->location.index <= to)
			continue;
		reader->has_entry = false;
		if (!reader->busy)
			store_reader_stop(reader->reader);
	}
}

void dp_reader_forget(struct dp_core *core, const struct dp_group *group)
{
	for (uint32_t r = 0; r < core->reader_count; r++) {
		struct dp_reader *reader = &core->readers[r];

		if (reader->group != group || reader->busy)
			continue;
		reader->has_entry = false;
		store_reader_stop(reader->reader);
	}
}

/**
 * Index and term name one entry for ever (log matching), and consensus has the terms in memory. So
 * an entry that was cut off, and whose place took neither the zeros nor what replaced it, is told
 * here: on the disk it is a sound successor of the entry before.
 */
static bool is_of_its_term(const struct dp_reader *reader)
{
	qr_term term = raft_term_at(&reader->group->raft, reader->location.index);

	return term == 0 || reader->location.term == term;
}

enum qr_error dp_reader_peek(struct dp_reader *reader)
{
	enum qr_error error = store_reader_next(reader->reader, &reader->location, &reader->bytes);

	reader->is_stale = error == QR_OK && !is_of_its_term(reader);
	reader->has_entry = error == QR_OK && !reader->is_stale;
	return reader->is_stale ? QR_CORRUPT : error;
}

/** What the reader did not get, or in whose place it found another one. */
static struct store_missing missing_of(const struct dp_reader *reader)
{
	const struct store_location *at = &reader->location;

	if (!reader->is_stale)
		return store_reader_missing(reader->reader);
	return (struct store_missing){.before = {.index = at->index - 1, .block = at->block},
				      .placed = true};
}

enum qr_error dp_reader_next(struct dp_core *core, struct dp_reader *reader)
{
	enum qr_error error = dp_reader_peek(reader);
	struct store_missing missing;

	if (error != QR_CORRUPT && error != QR_IO)
		return error;
	missing = missing_of(reader);
	return dp_repair_ask(core, reader->group, &missing) ? QR_BUSY : error;
}

uint32_t dp_reader_count_free(const struct dp_core *core)
{
	uint32_t count = 0;

	for (uint32_t r = 0; r < core->reader_count; r++)
		count += !core->readers[r].busy;
	return count;
}

static bool stands_at(const struct dp_reader *reader, const struct dp_group *group,
		      qr_offset offset)
{
	return reader->group == group && reader->has_entry &&
	       offset >= reader->location.first_offset &&
	       offset <= reader->location.first_offset + reader->location.record_count;
}

/**
 * A client that streams gives its reader back after each request. When there are more of them than
 * readers, the oldest one is always the one that is wanted next, and each request would begin anew:
 * so each keeps its reader for a while.
 */
static bool is_kept(const struct dp_core *core, const struct dp_reader *reader)
{
	return reader->has_entry && core->now_ns < reader->keeps_ns &&
	       core->now_ns - reader->used_ns < DP_READER_IDLE_NS;
}

/** A reader for a client's read: one that stands there already, or a fresh start. */
static struct dp_reader *reader_for(struct dp_core *core, struct dp_read *read)
{
	struct dp_reader *reader;

	for (uint32_t r = 0; r < core->reader_count; r++) {
		reader = &core->readers[r];
		if (!reader->busy && stands_at(reader, read->group, read->next)) {
			take(core, reader);
			return reader;
		}
	}
	reader = oldest_free(core);
	if (reader == NULL || is_kept(core, reader))
		return NULL;
	reader = dp_reader_acquire(core, read->group);
	if (reader != NULL) {
		reader->keeps_ns = core->now_ns + DP_READER_KEEP_NS;
		store_reader_start_offset(reader->reader, read->group->log, read->next,
					  dp_reader_tag(core, reader));
	}
	return reader;
}

/* ---- finding the entry ---- */

static void release_reader(struct dp_read *read)
{
	if (read->reader != NULL)
		dp_reader_release(read->reader);
	read->reader = NULL;
}

static bool holds(const struct store_location *at, qr_offset offset)
{
	return offset >= at->first_offset && offset < at->first_offset + at->record_count;
}

static enum qr_error find_cold(struct dp_core *core, struct dp_read *read,
			       struct store_location *ret_at, struct qr_span *ret_bytes)
{
	enum qr_error error = QR_OK;

	if (dp_repair_is_under_way(core, read->group)) {
		release_reader(read);
		return QR_AGAIN;
	}
	if (read->reader == NULL)
		read->reader = reader_for(core, read);
	if (read->reader == NULL)
		return QR_AGAIN;
	while (error == QR_OK &&
	       !(read->reader->has_entry && holds(&read->reader->location, read->next)))
		error = dp_reader_next(core, read->reader);
	if (error == QR_BUSY) {
		release_reader(read);
		return QR_AGAIN;
	}
	if (error != QR_OK)
		return error;
	*ret_at = read->reader->location;
	*ret_bytes = read->reader->bytes;
	return QR_OK;
}

static enum qr_error find_entry(struct dp_core *core, struct dp_read *read,
				struct store_location *ret_at, struct qr_span *ret_bytes)
{
	if (store_window_find(read->group->log, read->next, ret_at, ret_bytes) == QR_OK) {
		release_reader(read);
		return QR_OK;
	}
	return find_cold(core, read, ret_at, ret_bytes);
}

/* ---- a slice ---- */

struct slice {
	struct wire_records records;
	uint32_t span_count;
	struct qr_span spans[SPANS_MAX];
	uint32_t bytes;
	uint32_t room;
	uint32_t limit; /* of bytes, once there is one record */
	bool full;
};

static void add_span(struct slice *slice, const uint8_t *data, uint32_t size_bytes)
{
	QR_ASSERT(slice->span_count < SPANS_MAX);
	slice->spans[slice->span_count++] = (struct qr_span){data, size_bytes};
	slice->bytes += size_bytes;
}

/** Part of something that does not fit one datagram: a record with its length, an opaque body. */
static void add_piece(struct slice *slice, struct dp_read *read, struct qr_span whole)
{
	uint32_t total = (uint32_t)whole.size_bytes;
	uint32_t size_bytes = total - read->piece_offset;

	if (size_bytes > slice->room)
		size_bytes = slice->room;
	slice->records.piece_total = total;
	slice->records.piece_offset = read->piece_offset;
	add_span(slice, whole.data + read->piece_offset, size_bytes);
	read->piece_offset += size_bytes;
	slice->full = true;
	if (read->piece_offset == total)
		read->piece_offset = 0;
}

/** Whole records of a native chunk from record `skip` on, as many as fit. */
static void add_records(struct slice *slice, struct dp_read *read, struct qr_span body,
			uint32_t skip)
{
	struct qr_reader reader = qr_reader_over(body.data, body.size_bytes);
	const uint8_t *from = NULL;
	uint32_t bytes = 0;

	while (qr_reader_left(&reader) != 0) {
		const uint8_t *at = reader.at;
		uint32_t size_bytes = qr_read_u32(&reader);

		if (qr_read_bytes(&reader, size_bytes) == NULL)
			break; /* checked when it was appended; the checksum held since */
		if (skip != 0) {
			skip--;
			continue;
		}
		size_bytes += LENGTH_BYTES;
		if (slice->records.count == 0 && size_bytes > slice->room) {
			slice->records.count = 1;
			add_piece(slice, read, (struct qr_span){at, size_bytes});
			read->next += read->piece_offset == 0;
			return;
		}
		if (slice->records.count != 0 && slice->bytes + bytes + size_bytes > slice->limit) {
			slice->full = true;
			break;
		}
		from = from == NULL ? at : from;
		bytes += size_bytes;
		slice->records.count++;
		read->next++;
	}
	if (bytes != 0)
		add_span(slice, from, bytes);
}

static void add_opaque(struct slice *slice, struct dp_read *read, const struct store_chunk *chunk,
		       struct qr_span body, qr_offset first)
{
	slice->records.kind = WIRE_CHUNK_OPAQUE;
	slice->records.offset = first;
	slice->records.count = chunk->count;
	if (body.size_bytes > slice->room) {
		add_piece(slice, read, body);
	} else {
		add_span(slice, body.data, (uint32_t)body.size_bytes);
		slice->full = true;
	}
	if (read->piece_offset == 0)
		read->next = first + chunk->count;
}

/** Fill a slice from an entry, from read->next on. */
static void fill_slice(struct slice *slice, struct dp_read *read, const struct store_location *at,
		       struct qr_span bytes)
{
	struct qr_reader payload = qr_reader_over(bytes.data + STORE_ENTRY_HEADER_BYTES,
						  bytes.size_bytes - STORE_ENTRY_HEADER_BYTES);
	qr_offset first = at->first_offset;
	struct store_chunk chunk;
	struct qr_span body;

	slice->records.offset = read->next;
	while (!slice->full && slice->span_count < SPANS_MAX &&
	       store_chunk_next(&payload, &chunk, &body) == QR_OK) {
		qr_offset end = first + chunk.count;

		if (read->next < end && chunk.kind == WIRE_CHUNK_RECORDS) {
			add_records(slice, read, body, (uint32_t)(read->next - first));
		} else if (read->next < end && slice->records.count == 0) {
			add_opaque(slice, read, &chunk, body, first);
		} else if (read->next < end) {
			break; /* an opaque chunk goes alone */
		}
		first = end;
	}
}

static void send_slice(struct dp_core *core, struct dp_read *read, struct slice *slice,
		       struct dp_tx *tx, struct qr_writer *writer)
{
	const struct dp_group *group = read->group;

	read->left_bytes -= slice->bytes < read->left_bytes ? slice->bytes : read->left_bytes;
	slice->records.request = read->request;
	slice->records.slice = read->slice++;
	slice->records.committed = group->committed_end;
	slice->records.last = read->piece_offset == 0 &&
			      (read->left_bytes == 0 || read->next >= group->committed_end);
	slice->records.bulk.size_bytes = slice->bytes;
	wire_put_records(writer, group->config->group, &slice->records);
	for (uint32_t s = 0; s < slice->span_count; s++)
		qr_write_bytes(writer, slice->spans[s].data, slice->spans[s].size_bytes);
	tx->to = read->to;
	dp_core_tx_finish(core, tx, writer);
}

static void finish(struct dp_core *core, struct dp_read *read)
{
	release_reader(read);
	read->used = false;
	core->read_count--;
}

static void refuse(struct dp_core *core, struct dp_group *group, uint64_t request,
		   enum qr_error status, struct dp_address to)
{
	struct dp_reply *reply = dp_reply_post(core, DP_REPLY_RECORDS, group->config->group, to);

	if (reply == NULL)
		return;
	reply->records = (struct wire_records){
		.request = request,
		.status = status,
		.last = true,
		.offset = status == QR_OUT_OF_RANGE ? store_log_start(group->log).offset
						    : group->committed_end,
		.committed = group->committed_end,
	};
}

/** One slice. Errors: QR_AGAIN  nothing now; QR_BUSY  no buffer is left; QR_NOT_FOUND  it is over.
 */
static enum qr_error serve(struct dp_core *core, struct dp_read *read)
{
	struct store_location at;
	struct qr_span bytes;
	struct qr_writer writer;
	struct dp_tx *tx;
	struct slice slice = {.records = {.status = QR_OK}};
	enum qr_error error;

	if (read->next >= read->group->committed_end) {
		if (core->now_ns < read->until_ns)
			return QR_AGAIN;
		refuse(core, read->group, read->request, QR_OK, read->to);
		return QR_NOT_FOUND;
	}
	error = find_entry(core, read, &at, &bytes);
	if (error == QR_AGAIN)
		return QR_AGAIN;
	if (read->next < store_log_start(read->group->log).offset)
		error = QR_OUT_OF_RANGE; /* given up meanwhile */
	if (error != QR_OK) {
		refuse(core, read->group, read->request, error == QR_NOT_FOUND ? QR_BUSY : error,
		       read->to);
		return QR_NOT_FOUND;
	}
	tx = dp_core_tx_begin(core, &writer);
	if (tx == NULL)
		return QR_BUSY;
	if ((size_t)(writer.end - writer.start) > core->config.client_datagram_max)
		writer.end = writer.start + core->config.client_datagram_max;
	slice.room =
		(uint32_t)qr_writer_left(&writer) - WIRE_MESSAGE_HEADER_BYTES - WIRE_RECORDS_BYTES;
	slice.limit = read->left_bytes < slice.room ? read->left_bytes : slice.room;
	fill_slice(&slice, read, &at, bytes);
	if (slice.records.count == 0) {
		/* The leader that took these records did not look at them. */
		refuse(core, read->group, read->request, QR_CORRUPT, read->to);
		return QR_NOT_FOUND;
	}
	send_slice(core, read, &slice, tx, &writer);
	return slice.records.last ? QR_NOT_FOUND : QR_OK;
}

/** Slices, up to `until_bytes` that were sent. @return when it wants the next turn. */
static qr_ns pump_one(struct dp_core *core, struct dp_read *read, uint64_t until_bytes)
{
	enum qr_error error = QR_OK;

	while (read->used && error == QR_OK && core->stats.tx_bytes < until_bytes) {
		error = serve(core, read);
		if (error == QR_NOT_FOUND)
			finish(core, read);
	}
	if (!read->used)
		return UINT64_MAX;
	if (error == QR_AGAIN && read->next >= read->group->committed_end)
		return read->until_ns;
	return core->now_ns;
}

void dp_read_end(struct dp_core *core, const struct dp_group *group)
{
	for (uint32_t r = 0; r < DP_READS_MAX; r++) {
		struct dp_read *read = &core->reads[r];

		if (!read->used || read->group != group)
			continue;
		refuse(core, read->group, read->request, QR_BUSY, read->to);
		finish(core, read);
	}
}

void dp_read_pump(struct dp_core *core)
{
	uint64_t until_bytes = core->stats.tx_bytes + DP_READ_TURN_BYTES;
	uint32_t first = core->read_cursor++;

	core->read_at_ns = UINT64_MAX;
	if (core->read_count == 0)
		return;
	for (uint32_t n = 0; n < DP_READS_MAX; n++) {
		uint32_t r = (first + n) % DP_READS_MAX;
		qr_ns again_ns;

		if (core->stats.tx_bytes >= until_bytes) {
			core->read_cursor = r; /* the others are first in the next turn */
			core->read_at_ns = core->now_ns;
			return;
		}
		again_ns = pump_one(core, &core->reads[r], until_bytes);
		if (again_ns < core->read_at_ns)
			core->read_at_ns = again_ns;
	}
}

void dp_read_request(struct dp_core *core, struct dp_group *group, const struct wire_read *request,
		     struct dp_address from)
{
	struct dp_read *free = NULL;

	if (dp_group_refusal(group) != QR_OK || request->offset > group->committed_end ||
	    request->offset < store_log_start(group->log).offset) {
		enum qr_error error = dp_group_refusal(group);

		refuse(core, group, request->request, error != QR_OK ? error : QR_OUT_OF_RANGE,
		       from);
		return;
	}
	for (uint32_t r = 0; r < DP_READS_MAX; r++) {
		struct dp_read *read = &core->reads[r];

		if (!read->used) {
			free = free == NULL ? read : free;
		} else if (read->request == request->request && read->to.ipv4 == from.ipv4 &&
			   read->to.udp == from.udp && read->to.port == from.port) {
			return; /* a repeated request: it is being served */
		}
	}
	if (free == NULL) {
		refuse(core, group, request->request, QR_BUSY, from);
		return;
	}
	*free = (struct dp_read){
		.used = true,
		.group = group,
		.to = from,
		.request = request->request,
		.next = request->offset,
		.left_bytes = request->max_bytes == 0 ? 1 : request->max_bytes,
		.until_ns = core->now_ns + (qr_ns)request->wait_ms * 1000000u,
	};
	core->read_count++;
}

/* ---- the linearizable tail ---- */

static void tail_reply(struct dp_core *core, const struct dp_group *group, uint64_t request,
		       enum qr_error status, struct dp_address to)
{
	struct dp_reply *reply = dp_reply_post(core, DP_REPLY_TAIL, group->config->group, to);

	if (reply == NULL)
		return;
	reply->tail = (struct wire_tail_reply){
		.request = request,
		.status = status,
		.leader = status == QR_NOT_LEADER ? group->raft.leader : 0,
		.start = status == QR_OK ? store_log_start(group->log).offset : 0,
		.end = group->committed_end,
	};
}

void dp_read_tail(struct dp_core *core, struct dp_group *group, uint64_t request,
		  struct dp_address from)
{
	struct raft_event event = {.kind = RAFT_EVENT_READ};
	struct dp_tail *tail = NULL;
	enum qr_error error = dp_group_leader_refusal(group);

	for (uint32_t t = 0; t < DP_TAILS_MAX && tail == NULL; t++)
		tail = core->tails[t].used ? NULL : &core->tails[t];
	if (error == QR_OK && tail == NULL)
		error = QR_BUSY;
	if (error != QR_OK) {
		tail_reply(core, group, request, error, from);
		return;
	}
	*tail = (struct dp_tail){.used = true,
				 .group = group,
				 .to = from,
				 .request = request,
				 .context = ++core->tail_context};
	event.context = tail->context;
	dp_group_step(core, group, &event);
}

void dp_read_tail_done(struct dp_core *core, const struct raft_read_done *done)
{
	for (uint32_t t = 0; t < DP_TAILS_MAX; t++) {
		struct dp_tail *tail = &core->tails[t];

		if (!tail->used || tail->context != done->context)
			continue;
		if (done->failed) {
			tail->used = false;
			tail_reply(core, tail->group, tail->request, QR_NOT_LEADER, tail->to);
			return;
		}
		tail->ready = true;
		tail->index = done->index;
		dp_read_tail_applied(core, tail->group);
		return;
	}
}

void dp_read_tail_applied(struct dp_core *core, struct dp_group *group)
{
	for (uint32_t t = 0; t < DP_TAILS_MAX; t++) {
		struct dp_tail *tail = &core->tails[t];

		if (!tail->used || !tail->ready || tail->group != group ||
		    tail->index > group->applied)
			continue;
		tail->used = false;
		tail_reply(core, group, tail->request, QR_OK, tail->to);
	}
}
