/* Entries, made from the end of the node's log on. */
#include "tests/fuzz/node_forge.h"

#include "consensus/base/crc.h"
#include "storage/engine/internal.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

void forge_begin(struct forge *forge, struct rig *rig)
{
	forge->rig = rig;
	forge->opened_count = 0;
	forge->count = 0;
	memset(forge->tails, 0, sizeof(forge->tails));
	memset(forge->opened, 0, sizeof(forge->opened));
}

static struct forge_tail tail_after(const struct store_log *log, qr_index index)
{
	struct store_prefix prefix = {0};

	if (store_index_knows(log, index))
		prefix = store_index_prefix(log, index);
	return (struct forge_tail){
		.known = true,
		.index = prefix.index,
		.term = prefix.term,
		.block = prefix.block,
		.offset = prefix.offset,
		.chain = prefix.chain,
	};
}

void forge_rebase(struct forge *forge, uint8_t which, uint32_t back)
{
	const struct dp_group *group = rig_group(forge->rig, which);
	qr_index last = group->phase == DP_PHASE_RUNNING ? store_log_last(group->log) : 0;

	forge->tails[which % RIG_GROUPS] = tail_after(group->log, back < last ? last - back : 0);
}

uint64_t forge_session(const struct forge *forge, uint8_t which)
{
	if (which < 100)
		return forge->opened[which % 4];
	if (which < 200)
		return forge->rig->sessions[which % 4];
	return (uint64_t)which << STORE_SESSION_NUMBER_BITS;
}

/* ---- payloads ---- */

void forge_records(uint8_t *body, uint32_t size_bytes, uint32_t count)
{
	struct qr_writer writer = qr_writer_over(body, size_bytes);

	memset(body, 0x5a, size_bytes);
	for (uint32_t r = 0; r < count; r++) {
		uint32_t left = (uint32_t)(writer.end - writer.at);
		uint32_t share = r + 1 == count ? left : size_bytes / count;

		qr_write_u32(&writer, share >= 4 ? share - 4 : 0);
		(void)qr_write_room(&writer, share >= 4 ? share - 4 : 0);
	}
}

struct payload {
	struct qr_writer writer;
	uint32_t records;
};

static void put_chunk(const struct forge *forge, const struct dp_group *group,
		      struct payload *payload, const uint8_t bytes[8], uint64_t ahead)
{
	uint64_t session = forge_session(forge, bytes[2]);
	uint32_t slot = dp_sessions_find(group->sessions, session);
	uint32_t size_bytes = 8u + bytes[4] * (bytes[5] >= 240 ? 30u : 4u);
	struct store_chunk chunk = {
		.session = session,
		.sequence =
			(slot == DP_SESSION_NONE ? 0
						 : dp_sessions_expected(group->sessions, slot)) +
			ahead + (bytes[3] >= 250 ? bytes[3] - 249u : 0),
		.count = bytes[5] % 4 == 3 ? UINT32_MAX >> bytes[6] % 32 : 1u + bytes[5] % 4,
		.body_bytes = size_bytes,
		.kind = (uint8_t)(bytes[5] >= 192 ? bytes[5] - 191u : WIRE_CHUNK_RECORDS),
	};
	uint8_t *header = qr_write_room(&payload->writer, STORE_CHUNK_HEADER_BYTES);
	uint8_t *body = qr_write_room(&payload->writer,
				      store_chunk_bytes(size_bytes) - STORE_CHUNK_HEADER_BYTES);

	if (header == NULL || body == NULL)
		return;
	memset(body, 0, store_chunk_bytes(size_bytes) - STORE_CHUNK_HEADER_BYTES);
	forge_records(body, size_bytes, chunk.count < 8 ? chunk.count : 8);
	if (bytes[6] >= 250)
		body[bytes[7] % 4] ^= bytes[6];
	chunk.crc = qr_crc32c(0, body, size_bytes);
	store_chunk_encode(header, &chunk);
	payload->records += chunk.count;
}

static void put_change(struct forge *forge, struct payload *payload, qr_index index,
		       const uint8_t bytes[8])
{
	struct store_session_change change = {
		.op = bytes[1] % 8 == 4 ? STORE_SESSION_OPEN : STORE_SESSION_EXPIRE,
		.session = forge_session(forge, bytes[2]),
		.nonce = {bytes[4], 1},
	};
	uint8_t *at = qr_write_room(&payload->writer, STORE_SESSION_CHANGE_BYTES);

	if (at == NULL)
		return;
	if (change.op == STORE_SESSION_OPEN) {
		change.session =
			(index + (bytes[3] >= 250)) << STORE_SESSION_NUMBER_BITS | payload->records;
		forge->opened[forge->opened_count++ % 4] = change.session;
	}
	store_session_change_encode(at, &change);
	if (bytes[6] >= 250)
		at[bytes[7] % STORE_SESSION_CHANGE_BYTES] ^= bytes[6];
}

/** Where one of the snapshots lets the log begin, more or less. */
static void put_trim(const struct dp_group *group, struct payload *payload, const uint8_t bytes[8])
{
	const struct store_snapshot *file =
		&group->log->snapshots.files[bytes[2] % STORE_SNAPSHOTS];
	const struct store_start start = {
		.segment = fuzz_near(file->segment, bytes[3]),
		.before = fuzz_near(file->base.index, bytes[5]),
		.offset = fuzz_near(file->base.offset, bytes[6]),
	};
	uint8_t *at = qr_write_room(&payload->writer, STORE_TRIM_BYTES);

	store_trim_encode(at, &start);
	if (bytes[4] % 4 > FORGE_TRIM) { /* no trim at all, or with records */
		payload->records +=
			qr_write_room(&payload->writer, bytes[4] / 4) != NULL && bytes[4] >= 128;
	}
}

/** @return the payload's size. */
static uint32_t fill_payload(struct forge *forge, const struct dp_group *group,
			     struct forge_entry *entry, const uint8_t bytes[8])
{
	struct payload payload = {.writer = qr_writer_over(entry->bytes + STORE_ENTRY_HEADER_BYTES,
							   FORGE_BYTES - STORE_ENTRY_HEADER_BYTES)};
	uint64_t ahead = 0;

	switch (bytes[1] % 8) {
	case 4:
	case 5:
		entry->header.kind = RAFT_ENTRY_SESSION;
		put_change(forge, &payload, entry->header.index, bytes);
		break;
	case 6:
		if (bytes[4] % 4 >= FORGE_TRIM) {
			entry->header.kind = RAFT_ENTRY_TRIM;
			put_trim(group, &payload, bytes);
			break;
		}
		entry->header.kind = bytes[4] % 2 == 0 ? RAFT_ENTRY_NOOP : RAFT_ENTRY_CONFIGURATION;
		(void)qr_write_room(&payload.writer, bytes[5] >= 128 ? bytes[6] : 0u);
		break;
	default:
		entry->header.kind = RAFT_ENTRY_DATA;
		for (unsigned c = 0; c < 1u + bytes[1] % 8; c++) {
			uint32_t before = payload.records;

			put_chunk(forge, group, &payload, bytes, ahead);
			ahead += payload.records - before;
		}
		break;
	}
	entry->header.record_count = payload.records;
	return (uint32_t)qr_writer_size(&payload.writer);
}

/* ---- headers ---- */

/** One field that is not what a leader would write. */
static void spoil_header(struct store_entry *header, uint8_t what, uint8_t by)
{
	switch (what % 8) {
	case 0:
		header->record_count += by;
		break;
	case 1:
		header->first_offset += by;
		break;
	case 2:
		header->chain += by;
		break;
	case 3:
		header->term += by;
		break;
	case 4:
		header->index += by;
		break;
	case 5:
		header->block += by;
		break;
	case 6:
		header->group += by;
		break;
	default:
		header->commit = header->index - 1;
		break;
	}
}

struct forge_entry *forge_next(struct forge *forge, uint8_t which, const uint8_t bytes[8])
{
	struct dp_group *group = rig_group(forge->rig, which);
	struct forge_tail *tail = &forge->tails[which % RIG_GROUPS];
	struct forge_entry *entry = &forge->entries[forge->count++ % FORGE_ENTRIES];
	qr_term term = group->phase == DP_PHASE_RUNNING ? group->raft.state.term : 1;
	struct store_entry *header = &entry->header;

	if (!tail->known)
		forge_rebase(forge, which, 0);
	entry->group = group->config->group;
	entry->prev_term = tail->term;
	*header = (struct store_entry){
		.cluster = RIG_CLUSTER,
		.group = entry->group,
		.index = tail->index + 1,
		.term = term > tail->term ? term : tail->term,
		.block = tail->block,
		.first_offset = tail->offset,
		.chain = tail->chain,
		.commit = bytes[0] % 2 == 0 ? tail->index : 0,
	};
	header->term += header->term == 0;
	header->payload_bytes = fill_payload(forge, group, entry, bytes);
	header->blocks = qr_blocks_for(store_entry_bytes(header));
	if (header->blocks > RIG_STRIDE_BLOCKS - header->block % RIG_STRIDE_BLOCKS) {
		header->block = (header->block / RIG_STRIDE_BLOCKS + 1) * RIG_STRIDE_BLOCKS;
	}
	header->payload_crc =
		qr_crc32c(0, entry->bytes + STORE_ENTRY_HEADER_BYTES, header->payload_bytes);
	if (bytes[0] >= 240)
		spoil_header(header, bytes[0], bytes[7]);
	store_entry_encode(entry->bytes, header);
	*tail = (struct forge_tail){
		.known = true,
		.index = header->index,
		.term = header->term,
		.block = header->block + header->blocks,
		.offset = header->first_offset + header->record_count,
		.chain = store_entry_digest(entry->bytes),
	};
	return entry;
}

/* ---- on the wire ---- */

struct wire_fragment forge_fragment(const struct forge *forge, const struct forge_entry *entry,
				    uint32_t from, uint32_t until)
{
	const struct dp_group *group = dp_core_find_group(forge->rig->core, entry->group);

	return (struct wire_fragment){
		.term = group->raft.state.term != 0 ? group->raft.state.term : 1,
		.index = entry->header.index,
		.entry_term = entry->header.term,
		.prev_term = entry->prev_term,
		.block = entry->header.block,
		.commit = entry->header.commit,
		.entry_bytes = store_entry_bytes(&entry->header),
		.offset = from,
		.sent_ns = forge->rig->now_ns,
		.bulk = {entry->bytes + from, until - from},
	};
}

void forge_send(struct forge *forge, qr_node from, const struct forge_entry *entry,
		struct wire_fragment fragment)
{
	static uint8_t datagram[WIRE_HEADER_BYTES + WIRE_MESSAGE_HEADER_BYTES +
				WIRE_FRAGMENT_BYTES + FORGE_BYTES];
	struct qr_writer writer = qr_writer_over(datagram, sizeof(datagram));

	wire_begin(&writer);
	wire_put_fragment(&writer, entry->group, &fragment);
	qr_write_bytes(&writer, fragment.bulk.data, fragment.bulk.size_bytes);
	rig_send(forge->rig, from, &writer);
}
