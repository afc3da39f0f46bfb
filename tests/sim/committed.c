/*
 * The committed logs, and everything that is compared with them.
 */
#include "consensus/base/assert.h"
#include "dataplane/client/machine.h"
#include "dataplane/node/state.h"
#include "storage/engine/internal.h"
#include "tests/sim/memory.h"
#include "tests/sim/world.h"

#include <stdio.h>
#include <string.h>

/* ---- records ---- */

static uint64_t mixed(uint64_t value)
{
	value ^= value >> 31;
	value *= 0x7fb5d329728ea185u;
	value ^= value >> 27;
	return value;
}

/** A record is its number, and bytes that follow from it. */
static void fill(uint8_t *bytes, uint32_t size_bytes, uint32_t number, uint64_t seed)
{
	uint64_t word = mixed(seed ^ (uint64_t)number << 32);
	uint64_t head = (uint64_t)number << 32 | size_bytes;
	uint32_t at = sizeof(head);

	memcpy(bytes, &head, sizeof(head));
	for (; at + sizeof(word) <= size_bytes; at += sizeof(word)) {
		word += 0x9e3779b97f4a7c15u;
		memcpy(bytes + at, &word, sizeof(word));
	}
	for (; at < size_bytes; at++)
		bytes[at] = (uint8_t)(word >> 8 * (at % sizeof(word)));
}

uint32_t sim_oracle_append(struct sim_world *world, qr_group group, uint8_t *bytes,
			   uint32_t size_bytes)
{
	struct sim_oracle *oracle = &world->oracle;

	if (oracle->record_count == oracle->record_room) {
		oracle->record_room = oracle->record_room == 0 ? 4096 : 2 * oracle->record_room;
		oracle->records =
			sim_resize(oracle->records, oracle->record_room * sizeof(*oracle->records));
	}
	oracle->records[oracle->record_count] = (struct sim_record){.offset = UINT64_MAX,
								    .size_bytes = size_bytes,
								    .group = (uint8_t)group,
								    .invoked = world->count.events};
	fill(bytes, size_bytes, oracle->record_count, world->plan->seed);
	return oracle->record_count++;
}

/** Which record these bytes are; fails when no client ever appended them. */
static uint32_t recognise(struct sim_world *world, qr_group group, struct qr_span bytes)
{
	struct sim_oracle *oracle = &world->oracle;
	uint8_t wanted[65536];
	uint64_t head = 0;
	uint32_t number;

	if (bytes.size_bytes >= sizeof(head))
		memcpy(&head, bytes.data, sizeof(head));
	number = (uint32_t)(head >> 32);
	if (number >= oracle->record_count || oracle->records[number].group != group ||
	    oracle->records[number].size_bytes != bytes.size_bytes ||
	    bytes.size_bytes > sizeof(wanted)) {
		sim_fail(world, 5, "a record of %zu bytes in group %u that nobody appended",
			 bytes.size_bytes, group);
	}
	fill(wanted, (uint32_t)bytes.size_bytes, number, world->plan->seed);
	if (memcmp(wanted, bytes.data, bytes.size_bytes) != 0)
		sim_fail(world, 5, "record %u has other bytes than were appended", number);
	return number;
}

static void add_record(struct sim_world *world, struct sim_log *log, qr_group group,
		       struct qr_span bytes)
{
	uint32_t number = recognise(world, group, bytes);
	struct sim_record *record = &world->oracle.records[number];

	if (record->offset != UINT64_MAX) {
		sim_fail(world, 14, "record %u is at offset %lu and again at %lu", number,
			 (unsigned long)record->offset, (unsigned long)log->record_count);
	}
	if (log->record_count == log->record_room) {
		log->record_room = log->record_room == 0 ? 4096 : 2 * log->record_room;
		log->records = sim_resize(log->records, log->record_room * sizeof(*log->records));
	}
	record->offset = log->record_count;
	log->records[log->record_count++] = number;
}

/* ---- sessions ---- */

struct sim_session *sim_find_session(const struct sim_log *log, uint64_t session)
{
	for (uint32_t s = log->session_count; s > 0; s--) {
		if (log->sessions[s - 1].session == session)
			return &log->sessions[s - 1];
	}
	return NULL;
}

static void add_session_changes(struct sim_world *world, struct sim_log *log,
				struct qr_reader payload)
{
	struct store_session_change change;

	while (store_session_change_next(&payload, &change) == QR_OK) {
		struct sim_session *session = sim_find_session(log, change.session);

		if (change.op == STORE_SESSION_EXPIRE) {
			if (session == NULL || session->expired) {
				sim_fail(world, 14, "session %lx ends and was not open",
					 (unsigned long)change.session);
			}
			session->expired = true;
			continue;
		}
		if (session != NULL) {
			sim_fail(world, 14, "session %lx is opened twice",
				 (unsigned long)change.session);
		}
		if (log->session_count == log->session_room) {
			log->session_room = log->session_room == 0 ? 32 : 2 * log->session_room;
			log->sessions = sim_resize(log->sessions,
						   log->session_room * sizeof(*log->sessions));
		}
		log->sessions[log->session_count++] =
			(struct sim_session){.session = change.session};
	}
}

static void add_chunks(struct sim_world *world, struct sim_log *log, qr_group group,
		       struct qr_reader payload)
{
	struct store_chunk chunk;
	struct qr_span body;

	while (store_chunk_next(&payload, &chunk, &body) == QR_OK) {
		struct sim_session *session = sim_find_session(log, chunk.session);
		struct qr_reader records = qr_reader_over(body.data, body.size_bytes);

		if (session == NULL || session->expired) {
			sim_fail(world, 14, "a chunk of session %lx, which is not open",
				 (unsigned long)chunk.session);
		}
		if (chunk.sequence != session->next) {
			sim_fail(world, 14, "session %lx has sequence %lu after %lu",
				 (unsigned long)chunk.session, (unsigned long)chunk.sequence,
				 (unsigned long)session->next);
		}
		session->next += chunk.count;
		for (uint32_t r = 0; r < chunk.count; r++) {
			struct qr_span bytes = {.size_bytes = qr_read_u32(&records)};

			bytes.data = qr_read_bytes(&records, bytes.size_bytes);
			if (bytes.data == NULL)
				sim_fail(world, 5, "a chunk shorter than its records");
			add_record(world, log, group, bytes);
		}
		world->count.chunks++;
	}
}

/* ---- entries ---- */

/** From the media, as the device promised them. */
static const uint8_t *gather(struct sim_world *world, qr_node node, qr_group group,
			     const struct sim_entry *entry)
{
	const struct sim_media *media = &world->nodes[node].disk.media;
	size_t size_bytes = (size_t)entry->blocks * QR_BLOCK_BYTES;

	if (entry->blocks == 1)
		return sim_media_promised(media, sim_media_place(media, group, entry->block));
	if (world->oracle.entry_room < size_bytes) {
		world->oracle.entry = sim_resize(world->oracle.entry, size_bytes);
		world->oracle.entry_room = size_bytes;
	}
	for (uint32_t b = 0; b < entry->blocks; b++) {
		memcpy(world->oracle.entry + (size_t)b * QR_BLOCK_BYTES,
		       sim_media_promised(media, sim_media_place(media, group, entry->block + b)),
		       QR_BLOCK_BYTES);
	}
	return world->oracle.entry;
}

const uint8_t *sim_entry_on_media(struct sim_world *world, qr_node node, qr_group group,
				  const struct sim_entry *entry, struct store_entry *ret_entry)
{
	const struct sim_media *media = &world->nodes[node].disk.media;
	const uint8_t *bytes;

	if (!sim_media_has_segment(media, group,
				   (entry->block + entry->blocks - 1) / media->segment_blocks))
		return NULL;
	bytes = gather(world, node, group, entry);
	if (store_entry_digest(bytes) != entry->digest ||
	    store_entry_decode(bytes, ret_entry) != QR_OK || ret_entry->blocks != entry->blocks ||
	    ret_entry->block != entry->block ||
	    store_entry_check_payload(bytes, ret_entry) != QR_OK ||
	    store_entry_check_padding(bytes, ret_entry) != QR_OK)
		return NULL;
	return bytes;
}

static bool is_majority(qr_nodes having, qr_nodes of)
{
	return 2 * qr_nodes_count(having & of) > qr_nodes_count(of);
}

bool sim_is_quorum(const struct sim_world *world, qr_nodes nodes)
{
	const struct raft_configuration *configuration = &world->plan->configuration;

	return is_majority(nodes, configuration->voters) &&
	       (configuration->voters_outgoing == 0 ||
		is_majority(nodes, configuration->voters_outgoing));
}

/** The very entry was found on the node's media when the node acknowledged it, in this life. */
static bool was_checked(const struct sim_world *world, qr_node node, qr_group number,
			qr_index index, uint64_t digest)
{
	const struct dp_group *group = sim_node_group(&world->nodes[node], number);
	const struct store_index_entry *at;

	if (group == NULL || world->nodes[node].seen[number].checked < index)
		return false;
	at = store_index_at(group->log, index);
	return at != NULL && at->digest == digest;
}

static bool has_it(struct sim_world *world, qr_node node, qr_group group, qr_index index,
		   const struct sim_entry *entry)
{
	struct store_entry decoded;

	return was_checked(world, node, group, index, entry->digest) ||
	       sim_entry_on_media(world, node, group, entry, &decoded) != NULL;
}

/** Property 8, with a quorum counted here. */
static void check_quorum(struct sim_world *world, qr_group group, qr_index index,
			 const struct sim_entry *entry)
{
	qr_nodes having = 0;

	for (qr_node node = 1; node <= world->plan->node_count; node++) {
		/* Who has lost its slots may have acknowledged what it had, and nothing since. */
		bool has = sim_has_lost_promises(world, node, group)
				   ? index <= world->nodes[node].lost[group]
				   : has_it(world, node, group, index, entry);

		if (has)
			having |= qr_nodes_of(node);
	}
	if (!sim_is_quorum(world, having)) {
		sim_fail(world, 8,
			 "entry %lu of group %u is committed, and only on the media of nodes %#lx",
			 (unsigned long)index, group, (unsigned long)having);
	}
}

qr_block sim_oracle_start(const struct sim_world *world, qr_group group)
{
	return world->oracle.logs[group].start.segment * world->plan->geometry.segment_blocks;
}

/** A start is that of an entry which begins a segment, and only moves on. */
static void add_trim(struct sim_world *world, struct sim_log *log, struct qr_reader payload)
{
	struct store_start start = {0};
	const struct sim_entry *first;
	enum qr_error error =
		store_trim_decode((struct qr_span){payload.at, qr_reader_left(&payload)}, &start);

	if (error != QR_OK || start.before >= log->count || start.segment <= log->start.segment) {
		sim_fail(world, 9, "the log is to begin at segment %lu, behind entry %lu",
			 (unsigned long)start.segment, (unsigned long)start.before);
	}
	first = &log->entries[start.before];
	if (first->block != start.segment * world->plan->geometry.segment_blocks ||
	    first->first_offset != start.offset) {
		sim_fail(world, 9, "the log is to begin at block %lu, record %lu; it has %lu, %lu",
			 (unsigned long)(start.segment * world->plan->geometry.segment_blocks),
			 (unsigned long)start.offset, (unsigned long)first->block,
			 (unsigned long)first->first_offset);
	}
	log->start = start;
	world->count.trims++;
}

static void add_entry(struct sim_world *world, qr_node node, qr_group group,
		      struct sim_entry *entry)
{
	struct sim_log *log = &world->oracle.logs[group];
	const uint8_t *bytes = NULL;
	struct store_entry decoded;
	struct qr_reader payload;

	check_quorum(world, group, log->count + 1, entry);
	for (qr_node any = 1; any <= world->plan->node_count && bytes == NULL; any++)
		bytes = sim_entry_on_media(world, any, group, entry, &decoded);
	QR_ASSERT(bytes != NULL);
	if (decoded.index != log->count + 1 || decoded.first_offset != log->record_count) {
		sim_fail(world, 3, "node %u commits entry %lu with offset %lu as entry %lu of %lu",
			 node, (unsigned long)decoded.index, (unsigned long)decoded.first_offset,
			 (unsigned long)log->count + 1, (unsigned long)log->record_count);
	}
	payload = qr_reader_over(bytes + STORE_ENTRY_HEADER_BYTES, decoded.payload_bytes);
	if (decoded.kind == RAFT_ENTRY_SESSION)
		add_session_changes(world, log, payload);
	if (decoded.kind == RAFT_ENTRY_TRIM)
		add_trim(world, log, payload);
	if (decoded.kind == RAFT_ENTRY_DATA)
		add_chunks(world, log, group, payload);
	if (log->record_count != decoded.first_offset + decoded.record_count) {
		sim_fail(world, 5, "entry %lu says %u records and has %lu",
			 (unsigned long)decoded.index, decoded.record_count,
			 (unsigned long)(log->record_count - decoded.first_offset));
	}
	entry->term = decoded.term;
	entry->committed_in = sim_node_group(&world->nodes[node], group)->raft.state.term;
	entry->first_offset = decoded.first_offset;
	entry->record_count = decoded.record_count;
	if (log->count == log->entry_room) {
		log->entry_room = log->entry_room == 0 ? 1024 : 2 * log->entry_room;
		log->entries = sim_resize(log->entries, log->entry_room * sizeof(*log->entries));
	}
	log->entries[log->count++] = *entry;
	world->count.entries++;
}

void sim_committed(struct sim_world *world, qr_node node, qr_group number, qr_index commit)
{
	const struct dp_group *group = sim_node_group(&world->nodes[node], number);
	struct sim_log *log = &world->oracle.logs[number];
	qr_index from = world->nodes[node].seen[number].commit + 1;

	if (from < group->log->index.first)
		from = group->log->index.first;
	for (qr_index index = from; index <= commit; index++) {
		const struct store_index_entry *at = store_index_at(group->log, index);
		struct sim_entry entry;

		if (at == NULL)
			continue;
		if (index <= log->count) {
			if (log->entries[index - 1].digest != at->digest) {
				sim_fail(world, 5,
					 "node %u commits another entry %lu of group %u than was "
					 "committed before",
					 node, (unsigned long)index, number);
			}
			continue;
		}
		if (index != log->count + 1) {
			sim_fail(world, 4, "node %u commits entry %lu of group %u before %lu", node,
				 (unsigned long)index, number, (unsigned long)log->count + 1);
		}
		entry = (struct sim_entry){
			.block = at->block, .blocks = at->blocks, .digest = at->digest};
		add_entry(world, node, number, &entry);
	}
}

/* ---- clients ---- */

void sim_oracle_acked(struct sim_world *world, uint32_t number, qr_offset offset)
{
	struct sim_record *record = &world->oracle.records[number];
	struct sim_log *log = &world->oracle.logs[record->group];

	if (record->offset != offset) {
		sim_fail(world, record->offset == UINT64_MAX ? 8 : 14,
			 "record %u is acknowledged at offset %lu of group %u, which holds %ld",
			 number, (unsigned long)offset, record->group,
			 offset < log->record_count ? (long)log->records[offset] : -1L);
	}
	if (record->acked)
		sim_fail(world, 14, "record %u is acknowledged twice", number);
	record->acked = true;
	record->answered = world->count.events;
	if (offset + 1 > log->acked_end)
		log->acked_end = offset + 1;
	world->count.acked++;
}

/** Records that somebody says are committed, as they are in a body. */
static void check_records(struct sim_world *world, qr_group group, const struct dp_batch *batch,
			  const char *who)
{
	const struct sim_log *log = &world->oracle.logs[group];
	struct qr_reader records = qr_reader_over(batch->body.data, batch->body.size_bytes);

	for (uint32_t r = 0; r < batch->count; r++) {
		struct qr_span bytes = {.size_bytes = qr_read_u32(&records)};
		qr_offset offset = batch->offset + r;
		uint32_t number;

		bytes.data = qr_read_bytes(&records, bytes.size_bytes);
		if (offset >= log->record_count) {
			sim_fail(world, 15, "%s record %lu, committed are %lu", who,
				 (unsigned long)offset, (unsigned long)log->record_count);
		}
		if (bytes.data == NULL) {
			sim_fail(world, 5, "%s half a record at offset %lu", who,
				 (unsigned long)offset);
		}
		number = recognise(world, group, bytes);
		if (number != log->records[offset]) {
			sim_fail(world, 5, "%s record %u at offset %lu; it is at %ld", who, number,
				 (unsigned long)offset, (long)world->oracle.records[number].offset);
		}
	}
}

void sim_oracle_read(struct sim_world *world, qr_group group, uint64_t since,
		     const struct dp_batch *batch)
{
	check_records(world, group, batch, "a reader gets");
	sim_history_read(world, group, since, batch->offset, batch->count);
	world->count.read += batch->count;
}

void sim_check_served(struct sim_world *world, qr_node node, qr_group group,
		      const struct dp_batch *batch)
{
	char who[32];

	(void)snprintf(who, sizeof(who), "node %u serves", node);
	check_records(world, group, batch, who);
}

void sim_oracle_tail(struct sim_world *world, const struct sim_question *question, qr_offset end)
{
	const struct sim_log *log = &world->oracle.logs[question->group];

	if (end < question->acked_end) {
		sim_fail(world, 15,
			 "a linearizable read of group %u says %lu records; %lu were acknowledged "
			 "before it was asked",
			 question->group, (unsigned long)end, (unsigned long)question->acked_end);
	}
	if (end > log->record_count) {
		sim_fail(world, 15, "a read of group %u says %lu records; committed are %lu",
			 question->group, (unsigned long)end, (unsigned long)log->record_count);
	}
	sim_history_tail(world, question->group, question->since, end);
	world->count.tails++;
}
