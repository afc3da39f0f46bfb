/*
 * Any bytes as what happens to one node: datagrams of peers and clients that are well-formed and
 * say anything, completions of its disk in any order, errors among them, time, power cuts. No
 * assertion may fail, and what leaves the node must be true of its disk (node_check.c).
 *
 * The first byte chooses where it begins, the second with what credit; then come steps of sixteen
 * bytes. Numbers are mostly near what the node knows. The last byte of a step says how the turn
 * after it goes.
 */
#include "consensus/base/crc.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/image.h"
#include "tests/fuzz/node_forge.h"
#include "tests/fuzz/node_peer.h"

#define STEP_BYTES 16
#define STEPS_MAX 64
#define RESTARTS_MAX 1
#define BODY_MAX 12288u

struct play {
	struct rig *rig;
	struct forge forge;
	struct qr_reader input;
};

static struct play play;
static struct snapshot states;
static uint8_t datagram[16384];

static qr_node peer_of(uint8_t byte)
{
	return byte % 4 == 3 ? 3 : 1;
}

static struct qr_writer begin_datagram(void)
{
	struct qr_writer writer = qr_writer_over(datagram, sizeof(datagram));

	wire_begin(&writer);
	return writer;
}

/* ---- peers ---- */

static void step_raft(const uint8_t *bytes)
{
	const struct dp_group *group = rig_group(play.rig, bytes[2] / 64);
	const struct raft_group *raft = &group->raft;
	struct raft_message message = {
		.kind = (enum raft_message_kind)(bytes[1] % RAFT_MESSAGE_MAX + 1),
		.reject = (bytes[1] & 64) != 0,
		.transfer = (bytes[1] & 128) != 0,
		.full = (bytes[1] & 32) != 0,
		.amnesia = bytes[11] >= 240,
	};

	if (group->phase != DP_PHASE_RUNNING)
		return;
	message.term = fuzz_near(raft->state.term, bytes[3]);
	message.index = fuzz_near(raft->last, bytes[4]);
	message.log_term = fuzz_near(raft_term_at(raft, message.index), bytes[5]);
	message.commit = fuzz_near(raft->commit, bytes[6]);
	message.next_term = fuzz_near(message.log_term, bytes[7]);
	message.hint_index = fuzz_near(message.index, bytes[8]);
	message.hint_term = fuzz_near(message.log_term, bytes[9]);
	message.round = fuzz_near(raft->round, bytes[10]);
	message.last = message.index;
	if (message.kind == RAFT_MESSAGE_SNAPSHOT && message.log_term == 0)
		message.log_term = message.term; /* of what the node does not have */
	peer_send(play.rig, peer_of(bytes[2]), group->config->group, &message);
}

/** What a correct peer would reply to the last messages that left, more or less. */
static void step_answer(const uint8_t *bytes)
{
	for (uint32_t age = bytes[1] % 4u; age < bytes[1] % 4u + 1u + bytes[4] % 3u; age++) {
		const struct rig_sent *sent =
			&play.rig->sent[(play.rig->sent_count - 1 - age) % RIG_SENT_MAX];
		const struct dp_group *group;

		if (play.rig->sent_count <= age)
			break;
		group = rig_group(play.rig, (uint8_t)(sent->group - 1));
		peer_reply(play.rig, age, bytes[2] >= 224, fuzz_near(group->raft.last, bytes[3]));
	}
}

static void step_forge(const uint8_t *bytes)
{
	struct forge_entry *entry = forge_next(&play.forge, bytes[9] / 64, bytes + 1);
	uint32_t size_bytes = store_entry_bytes(&entry->header);
	uint32_t parts = 1u + bytes[10] % 4u;
	qr_node from = peer_of(bytes[9]);

	if (bytes[11] >= 224)
		return; /* kept for later */
	for (uint32_t p = 0; p < parts; p++) {
		uint32_t part = bytes[10] >= 128 ? parts - 1 - p : p;
		struct wire_fragment fragment =
			forge_fragment(&play.forge, entry, size_bytes * part / parts,
				       size_bytes * (part + 1) / parts);

		fragment.commit = fuzz_near(fragment.commit, bytes[12]);
		if (bytes[13] >= 200)
			fragment.term = fuzz_near(fragment.term, bytes[14]);
		forge_send(&play.forge, from, entry, fragment);
	}
}

static void step_piece(const uint8_t *bytes)
{
	const struct forge_entry *entry = &play.forge.entries[bytes[1] % FORGE_ENTRIES];
	struct wire_fragment fragment;
	uint32_t size_bytes;
	uint32_t from;

	if (play.forge.count <= bytes[1] % FORGE_ENTRIES)
		return;
	size_bytes = store_entry_bytes(&entry->header);
	from = size_bytes * bytes[2] / 256;
	fragment = forge_fragment(&play.forge, entry, from,
				  from + 1 + (size_bytes - from - 1) * bytes[3] / 255);
	switch (bytes[4] % 16) {
	case 0:
		fragment.term = fuzz_near(fragment.term, bytes[5]);
		break;
	case 1:
		fragment.index = fuzz_near(fragment.index, bytes[5]);
		break;
	case 2:
		fragment.entry_term = fuzz_near(fragment.entry_term, bytes[5]);
		break;
	case 3:
		fragment.prev_term = fuzz_near(fragment.prev_term, bytes[5]);
		break;
	case 4:
		fragment.block = fuzz_near(fragment.block, bytes[5]);
		break;
	case 5:
		fragment.entry_bytes = (uint32_t)fuzz_near(fragment.entry_bytes, bytes[5]);
		break;
	case 6:
		fragment.offset = (uint32_t)fuzz_near(fragment.offset, bytes[5]);
		break;
	default:
		fragment.commit = fuzz_near(fragment.commit, bytes[5]);
		break;
	}
	forge_send(&play.forge, peer_of(bytes[6]), entry, fragment);
}

static void step_ack(const uint8_t *bytes)
{
	const struct dp_group *group = rig_group(play.rig, bytes[2] / 64);
	struct qr_writer writer = begin_datagram();
	struct wire_ack ack = {.missing_count = bytes[3] % 4};

	if (group->phase != DP_PHASE_RUNNING)
		return;
	ack.term = bytes[4] < 224 ? group->raft.state.term
				  : fuzz_near(group->raft.state.term, bytes[5]);
	ack.received = fuzz_near(group->raft.last, bytes[6]);
	ack.received_bytes =
		bytes[7] < 128 ? 0 : (uint32_t)fuzz_near((uint64_t)bytes[8] * 16, bytes[7]);
	ack.credit = bytes[9] < 200 ? store_log_tail(group->log) + bytes[9] / 8
				    : fuzz_near(store_log_tail(group->log), bytes[9]);
	ack.echo_ns = bytes[10] < 200 ? play.rig->now_ns - (qr_ns)bytes[10] * 1000
				      : fuzz_near(play.rig->now_ns, bytes[10]);
	for (uint32_t m = 0; m < ack.missing_count; m++) {
		ack.missing[m].index = fuzz_near(ack.received + 1 + m, bytes[11]);
		ack.missing[m].from = bytes[12] * 16u;
		ack.missing[m].until = bytes[13] % 4 == 0 ? 0 : (bytes[12] + bytes[13]) * 16u;
	}
	wire_put_ack(&writer, group->config->group, &ack);
	rig_send(play.rig, peer_of(bytes[2]), &writer);
}

/* ---- snapshots ---- */

/** A leader's log begins behind what the node has. */
static void step_offer(const uint8_t *bytes)
{
	const struct dp_group *group = rig_group(play.rig, bytes[2] / 64);
	const struct raft_message message = {
		.kind = RAFT_MESSAGE_SNAPSHOT,
		.term = fuzz_near(group->raft.state.term, bytes[3]),
		.index = fuzz_near(group->raft.last + 5, bytes[4]),
		.log_term = fuzz_near(group->raft.state.term, bytes[5]),
	};

	if (group->phase == DP_PHASE_RUNNING)
		peer_send(play.rig, peer_of(bytes[2]), group->config->group, &message);
}

/** Bytes [offset, ...) of the file that was asked for, more or less. */
static void send_piece(const uint8_t *bytes, const uint8_t *file, size_t file_bytes)
{
	const struct rig_asked *asked = &play.rig->asked;
	struct wire_fetched fetched = {
		.index = bytes[1] >= 224 ? fuzz_near(asked->index, bytes[13]) : asked->index,
		.block = WIRE_FETCH_SNAPSHOT,
		.entry_bytes = (uint32_t)file_bytes,
		.offset = asked->offset,
	};
	struct qr_writer writer = begin_datagram();
	uint32_t from;

	if (bytes[1] % 32 == 1)
		fetched.status = QR_NOT_FOUND;
	if (bytes[1] % 32 == 2)
		fetched.offset = (uint32_t)fuzz_near(fetched.offset, bytes[13]);
	if (bytes[1] % 32 == 3)
		fetched.entry_bytes = (uint32_t)fuzz_near(fetched.entry_bytes, bytes[13]);
	if (bytes[1] % 32 == 4)
		fetched.block = fuzz_near(fetched.block, bytes[13]);
	from = fetched.offset < file_bytes ? fetched.offset : 0;
	fetched.bulk.data = file + from;
	if (fetched.status == QR_OK) {
		fetched.bulk.size_bytes =
			bytes[14] < 128 ? file_bytes - from : 1u + bytes[14] * 16u;
	}
	if (fetched.bulk.size_bytes > file_bytes - from)
		fetched.bulk.size_bytes = file_bytes - from;
	wire_put_fetched(&writer, asked->group, &fetched);
	qr_write_bytes(&writer, fetched.bulk.data, fetched.bulk.size_bytes);
	rig_send(play.rig, bytes[1] % 32 == 5 ? 4 - asked->of : asked->of, &writer);
}

/** What a snapshot with that base says, in a log that has nothing but empty entries. */
static struct store_snapshot given_header(const struct dp_group *group, const uint8_t *bytes)
{
	qr_index index = play.rig->asked.index;
	uint64_t segment = store_log_tail(group->log) / RIG_SEGMENT_BLOCKS + 1 + bytes[2] % 2u;
	struct store_snapshot header = {
		.serial = 1u + bytes[12],
		.cluster = RIG_CLUSTER + (bytes[3] == 1),
		.group = play.rig->asked.group + (bytes[3] == 2),
		.geometry = {.segment_blocks = RIG_SEGMENT_BLOCKS << (bytes[3] == 3),
			     .stride_blocks = RIG_STRIDE_BLOCKS},
		.base = {.index = fuzz_near(index, bytes[4]),
			 .term = fuzz_near(group->raft.state.term, bytes[5]),
			 .block = fuzz_near(segment * RIG_SEGMENT_BLOCKS, bytes[6]),
			 .offset = fuzz_near(group->committed_end, bytes[7]),
			 .chain = bytes[8]},
		.checkpoint_count = bytes[9] % 16 == 15,
		.spacing_blocks = 64,
		.time_ns = bytes[10],
		.segment = bytes[3] == 4 ? 0 : segment,
		.given = bytes[3] == 5,
	};

	header.base.index += header.base.index == 0;
	return header;
}

/** What was asked for is not kept any more; a snapshot stands for it. */
static void refuse_entry(const uint8_t *bytes)
{
	const struct rig_asked *asked = &play.rig->asked_entry;
	const struct wire_fetched fetched = {
		.index = asked->index,
		.block = fuzz_near(asked->index + 3, bytes[4]),
		.status = bytes[5] < 224 ? QR_OUT_OF_RANGE : QR_BUSY,
	};
	struct qr_writer writer = begin_datagram();

	wire_put_fetched(&writer, asked->group, &fetched);
	rig_send(play.rig, asked->of, &writer);
}

/** A piece of a snapshot that nobody took, of the one that was asked for last. */
static void step_give(const uint8_t *bytes)
{
	static uint8_t file[3 * QR_BLOCK_BYTES];
	const struct dp_group *group = dp_core_find_group(play.rig->core, play.rig->asked.group);
	struct qr_writer body = qr_writer_over(file + STORE_SNAPSHOT_STATE_AT,
					       sizeof(file) - STORE_SNAPSHOT_STATE_AT);
	struct store_snapshot header;
	size_t file_bytes;

	if (play.rig->asked_entry.group != 0 && (group == NULL || bytes[1] >= 192))
		refuse_entry(bytes);
	if (group == NULL)
		return;
	header = given_header(group, bytes);
	memset(file, 0, sizeof(file));
	qr_write_u32(&body, 1); /* one term */
	qr_write_u64(&body, fuzz_near(1, bytes[11]));
	qr_write_u64(&body, header.base.term);
	qr_write_u32(&body, bytes[11] >= 224); /* no sessions */
	header.state_bytes = (uint32_t)qr_writer_size(&body) + (bytes[9] >= 240 ? 4096u : 0);
	file_bytes = store_snapshot_file_bytes(&header);
	if (bytes[10] >= 224)
		file[STORE_SNAPSHOT_STATE_AT + bytes[10] % 24u] ^= bytes[8];
	store_snapshot_encode(file, &header);
	image_seal(file, file_bytes);
	if (bytes[10] >= 200 && bytes[10] < 224) /* torn on its way */
		file[(size_t)bytes[8] * 16] ^= bytes[10];
	send_piece(bytes, file, file_bytes);
}

/** A peer asks for an entry, or for the snapshot where the log begins. */
static void step_fetch(const uint8_t *bytes)
{
	const struct dp_group *group = rig_group(play.rig, bytes[2] / 64);
	const struct store_snapshot *given = store_snapshot_to_give(group->log);
	bool entry = bytes[1] >= 160;
	qr_index index =
		entry || given == NULL ? store_log_origin(group->log).index + 1 : given->base.index;
	const struct wire_fetch fetch = {
		.index = fuzz_near(index, bytes[3] < 128 ? 0 : bytes[3]),
		.block = entry ? store_log_tail(group->log) * bytes[4] / 256 : WIRE_FETCH_SNAPSHOT,
		.offset = bytes[5] < 200 ? bytes[5] % 4u * 2048u : (uint32_t)fuzz_near(0, bytes[5]),
		.size_bytes = bytes[6] < 200 ? DP_FETCH_BYTES : (uint32_t)fuzz_near(0, bytes[6]),
		.committed_index = bytes[7] < 64 ? 0 : 1 + group->raft.commit,
		.committed_term = bytes[7] < 64 ? 0 : fuzz_near(group->raft.state.term, bytes[7]),
	};
	struct qr_writer writer = begin_datagram();

	wire_put_fetch(&writer, group->config->group, &fetch);
	rig_send(play.rig, peer_of(bytes[2]), &writer);
}

/* ---- clients ---- */

static void step_open(const uint8_t *bytes)
{
	struct qr_writer writer = begin_datagram();
	const struct wire_session_open open = {
		.nonce = {bytes[2] % 8, 7},
		.ticket = {bytes, bytes[3] >= 250 ? bytes[3] - 249u : 0},
	};

	wire_put_session_open(&writer, 1u + bytes[1] % (RIG_GROUPS + 2), &open);
	rig_send(play.rig, 0, &writer);
}

static void step_chunk(const uint8_t *bytes)
{
	static uint8_t body[BODY_MAX];
	const struct dp_group *group = rig_group(play.rig, bytes[1]);
	uint64_t session = forge_session(&play.forge, bytes[2]);
	uint32_t slot = dp_sessions_find(group->sessions, session);
	uint32_t total = bytes[5] < 200 ? 4u + bytes[5] * 4u : (bytes[5] - 199u) * 200u;
	struct wire_chunk chunk = {
		.session = session,
		.sequence = fuzz_near(
			slot == DP_SESSION_NONE ? 0 : dp_sessions_expected(group->sessions, slot),
			bytes[3] < 128 ? 0 : bytes[3]),
		.count = bytes[4] < 200 ? 1u + bytes[4] % 4u : UINT32_MAX >> bytes[4] % 32,
		.total_bytes = total,
		.kind = bytes[6] % 4 == 3 ? WIRE_CHUNK_OPAQUE : WIRE_CHUNK_RECORDS,
		.bulk = {body, total},
	};
	struct qr_writer writer = begin_datagram();

	forge_records(body, total, chunk.count < 64 ? chunk.count : 64);
	if (bytes[7] >= 240)
		body[bytes[8] % total] ^= bytes[7];
	chunk.crc = qr_crc32c(0, body, total) + (bytes[9] == 255);
	if (bytes[10] >= 160) { /* a part of it */
		chunk.offset = total * (bytes[11] % 8u) / 8u;
		chunk.bulk.data = body + chunk.offset;
		chunk.bulk.size_bytes = 1u + (total - chunk.offset - 1) * (bytes[12] % 8u) / 7u;
	}
	wire_put_chunk(&writer, group->config->group, &chunk);
	qr_write_bytes(&writer, chunk.bulk.data, chunk.bulk.size_bytes);
	rig_send(play.rig, 0, &writer);
}

static void step_ask(const uint8_t *bytes)
{
	const struct dp_group *group = rig_group(play.rig, bytes[2]);
	const struct wire_read read = {
		.request = bytes[3] % 8,
		.offset = bytes[4] < 128 ? bytes[4] * group->committed_end / 128
					 : fuzz_near(group->committed_end, bytes[4]),
		.max_bytes = (uint32_t)fuzz_near((uint64_t)bytes[5] * 64, bytes[6]),
		.wait_ms = bytes[7] < 128 ? 0 : (uint32_t)fuzz_near(5, bytes[7]),
	};
	const struct wire_tail tail = {.request = bytes[3]};
	const struct wire_describe describe = {.request = 1,
					       .first = (uint32_t)fuzz_near(0, bytes[4])};
	const struct wire_status status = {.request = 1, .first = (uint32_t)fuzz_near(0, bytes[4])};
	struct qr_writer writer = begin_datagram();

	switch (bytes[1] % 8) {
	case 0:
		wire_put_describe(&writer, &describe);
		break;
	case 1:
		wire_put_status(&writer, &status);
		break;
	case 2:
	case 3:
		wire_put_tail(&writer, group->config->group, &tail);
		break;
	default:
		wire_put_read(&writer, group->config->group, &read);
		break;
	}
	rig_send(play.rig, 0, &writer);
}

/** The following bytes of the input, as one message. */
static void step_raw(const uint8_t *bytes)
{
	static const uint8_t types[16] = {1,  2,  3,  4,  5,  16, 17, 18,
					  20, 21, 22, 23, 24, 25, 26, 28};
	size_t left = qr_reader_left(&play.input);
	size_t size_bytes = bytes[2] < left ? bytes[2] : left;
	struct qr_writer writer = begin_datagram();

	qr_write_u8(&writer, types[bytes[1] % 16]);
	qr_write_u8(&writer, 0);
	qr_write_u16(&writer, (uint16_t)size_bytes);
	qr_write_u32(&writer, bytes[3] % 4);
	qr_write_bytes(&writer, qr_read_bytes(&play.input, size_bytes), size_bytes);
	rig_send(play.rig, bytes[1] % 16 < 5 ? peer_of(bytes[4]) : 0, &writer);
}

/* ---- the node's own world ---- */

static void step_disk(const uint8_t *bytes)
{
	static const enum qr_error results[8] = {QR_OK, QR_OK,	     QR_OK, QR_OK,
						 QR_OK, QR_NO_SPACE, QR_IO, QR_NOT_FOUND};
	const struct rig *rig = play.rig;
	enum qr_error result = bytes[2] >= 240 ? results[bytes[3] % 8] : QR_OK;
	enum store_op_kind kind;

	if (rig->pending_count == 0)
		return;
	/* "No space" is what making a file larger can say, and nothing else. */
	kind = rig->pending[bytes[1] % rig->pending_count].op.kind;
	if (result == QR_NO_SPACE && kind != STORE_OP_PREPARE && kind != STORE_OP_WRITE_SNAPSHOT)
		result = QR_IO;
	rig_finish(play.rig, bytes[1], result);
}

/** The checksum of a header or a slot lies at the same place. */
static void mend(uint8_t *bytes, size_t size_bytes)
{
	uint32_t crc;

	memset(bytes + 8, 0, sizeof(crc));
	crc = qr_crc32c(0, bytes, size_bytes);
	memcpy(bytes + 8, &crc, sizeof(crc));
}

/** The same for a snapshot: a byte of its header or of its body. */
static void damage_file(struct rig_disk *disk, const uint8_t *bytes)
{
	uint32_t number = bytes[3] % STORE_SNAPSHOTS;
	uint8_t *file = disk->files[number];
	size_t file_bytes = disk->file_bytes[number];
	size_t at = bytes[5] * (size_t)256 + bytes[6];
	size_t body_bytes;

	if (file_bytes <= STORE_SNAPSHOT_HEADER_BYTES)
		return;
	body_bytes = image_body_bytes(file, file_bytes);
	if (bytes[4] % 4 == 0 || body_bytes == 0) {
		file[at % IMAGE_FIELD_BYTES] ^= bytes[7];
	} else {
		file[STORE_SNAPSHOT_HEADER_BYTES + at % body_bytes] ^= bytes[7];
	}
	if (bytes[4] < 88)
		image_seal(file, file_bytes);
}

/** Bytes of the disk that change while the power is off, some so that nobody can tell. */
static void damage(const uint8_t *bytes)
{
	qr_group group = 1u + bytes[2] % RIG_GROUPS;
	uint8_t *block = rig_block(play.rig, group, bytes[3]);
	uint8_t *slots = play.rig->disks[group - 1].slots;
	size_t at = bytes[5] * (size_t)256 + bytes[6];

	if (bytes[4] < 64)
		return;
	if (bytes[4] < 96) {
		damage_file(&play.rig->disks[group - 1], bytes);
	} else if (bytes[4] < 160) {
		uint8_t *slot = slots + bytes[5] % 2u * (size_t)STORE_SLOT_BYTES;

		slot[bytes[6] % 128u] ^= bytes[7];
		if (bytes[4] < 128) {
			mend(slot, STORE_SLOT_BYTES);
			memcpy(slots + (slot == slots ? STORE_SLOT_BYTES : 0), slot,
			       STORE_SLOT_BYTES);
		}
	} else if (block != NULL && bytes[4] < 208) {
		block[at % QR_BLOCK_BYTES] ^= bytes[7];
	} else if (block != NULL) {
		block[at % STORE_ENTRY_HEADER_BYTES] ^= bytes[7];
		mend(block, STORE_ENTRY_HEADER_BYTES);
	}
}

static void step_world(const uint8_t *bytes)
{
	struct rig *rig = play.rig;

	rig->idle_until = 0;
	switch (bytes[1] % 8) {
	case 0:
		if (rig->restarts == RESTARTS_MAX)
			break;
		damage(bytes);
		rig_restart(rig, &states, bytes[8]);
		memset(play.forge.tails, 0, sizeof(play.forge.tails));
		break;
	case 3:
		rig->published.links_down = bytes[2] % 2 == 0 ? 0 : qr_nodes_of(peer_of(bytes[3]));
		if (bytes[4] % 4 == 1) {
			rig->published.scrub = (struct dp_scrub_request){
				.pass = rig->published.scrub.pass + 1,
				.bytes_per_second = (uint64_t)bytes[5] << 12};
		}
		break;
	case 4:
		dp_core_stop(rig->core);
		(void)dp_core_is_stopped(rig->core);
		break;
	case 5:
		rig->senders[peer_of(bytes[2])].incarnation = bytes[3];
		rig->senders[peer_of(bytes[2])].counter = bytes[4];
		break;
	case 6:
		dp_core_set_wall_clock(rig->core, fuzz_near(1, bytes[2]), rig->now_ns);
		break;
	case 1:
	case 2:
	default:
		forge_rebase(&play.forge, bytes[2], bytes[3] % 4u);
		break;
	}
}

static void step_time(const uint8_t *bytes)
{
	play.rig->now_ns += (qr_ns)bytes[1] << (10 + bytes[2] % 12);
}

static void one_step(const uint8_t *bytes)
{
	static void (*const steps[16])(const uint8_t *bytes) = {
		step_time,  step_disk,	step_raft, step_raft,	step_forge, step_forge,
		step_forge, step_piece, step_ack,  step_answer, step_open,  step_chunk,
		step_chunk, step_ask,	step_raw,  step_world,
	};

	static void (*const more[3])(const uint8_t *bytes) = {step_offer, step_give, step_fetch};

	if (bytes[0] >= 224) {
		more[bytes[0] % 3](bytes);
	} else {
		steps[bytes[0] % 16](bytes);
	}
	if (bytes[15] % 8 != 7) {
		rig_turn(play.rig, bytes[15] >= 240 ? bytes[15] - 240u : RIG_TX_MAX);
	} else {
		rig_check(play.rig);
	}
	for (unsigned n = bytes[15] / 8 % 4; n > 0 && play.rig->pending_count != 0; n--)
		rig_finish(play.rig, bytes[15] / 32, QR_OK);
}

/* ---- where it begins ---- */

/** Entries of node 1, until there are so many: an opening, then chunks. */
static void follow(unsigned entries)
{
	for (qr_index e = rig_group(play.rig, 0)->raft.last; e < entries; e++) {
		for (uint8_t g = 0; g < RIG_GROUPS; g++) {
			const uint8_t step[STEP_BYTES] = {
				[2] = e == 0 ? 4 : 0,
				[3] = g,
				[5] = 40,
				[9] = (uint8_t)(g * 64),
			};

			step_forge(step);
			rig_drain(play.rig);
		}
	}
	QR_ASSERT(rig_group(play.rig, 0)->raft.last == entries);
}

static void use(unsigned chunks)
{
	for (unsigned c = 0; c <= chunks; c++) {
		for (uint8_t g = 0; g < RIG_GROUPS; g++) {
			const uint8_t step[STEP_BYTES] = {
				[1] = g, [2] = c == 0 ? 1 : 100u + g, [4] = 1, [5] = 30};

			if (c == 0) {
				step_open(step);
			} else {
				step_chunk(step);
			}
			rig_drain(play.rig);
			peer_agree(play.rig);
		}
	}
	QR_ASSERT(rig_group(play.rig, 0)->committed_end != 0);
}

/** A second passes, and with it the store looks after itself. */
static void wait_as_follower(void)
{
	play.rig->now_ns += DP_RETRY_NS;
	rig_drain(play.rig);
}

static void wait_as_leader(void)
{
	qr_ns until_ns = play.rig->now_ns + DP_RETRY_NS;

	while (play.rig->now_ns < until_ns)
		peer_agree(play.rig);
}

/** An entry of node 1 that says that the logs begin where the second snapshot lets them. */
static void trim_as_follower(void)
{
	for (uint8_t g = 0; g < RIG_GROUPS; g++) {
		const uint8_t step[STEP_BYTES] = {
			[2] = 6, [3] = 1, [5] = FORGE_TRIM, [9] = (uint8_t)(g * 64)};

		step_forge(step);
		rig_drain(play.rig);
	}
}

/** Snapshots in some files, entries behind them, and the first segments are gone. */
static void prepare_snapshots(bool leading)
{
	const struct rig_disk *disk = &play.rig->disks[0];

	for (unsigned turn = 0; disk->file_bytes[3] == 0; turn++) {
		if (leading) {
			use(8);
			wait_as_leader();
		} else {
			follow(8 * (turn + 1));
			wait_as_follower();
			if (disk->file_bytes[2] != 0 && disk->extent.first == 0)
				trim_as_follower();
		}
	}
	QR_ASSERT(disk->extent.first > 0);
}

static void prepare(unsigned number)
{
	play.rig = rig_create(snapshot_prepare(&states));
	forge_begin(&play.forge, play.rig);
	if (number > 0)
		rig_drain(play.rig);
	if (number == 2 || number == 5)
		follow(number == 2 ? 4 : 36);
	if (number == 3 || number == 4) {
		peer_follow(play.rig);
		use(number == 3 ? 2 : 24);
	}
	if (number == 5 || number == 7)
		peer_follow(play.rig);
	if (number >= 6)
		prepare_snapshots(number == 7);
}

#define STATES 8

_Static_assert(STATES <= SNAPSHOT_STATES_MAX, "as many are kept");

/* NOLINTNEXTLINE(readability-identifier-naming) */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	if (states.count == 0) {
		snapshot_init(&states, rig_size_bytes());
		for (unsigned s = 0; s < STATES; s++)
			prepare(s);
	}
	if (size_bytes < 2)
		return 0;
	play.rig = snapshot_take(&states, data[0] % STATES);
	forge_begin(&play.forge, play.rig);
	play.input = qr_reader_over(data + 2, size_bytes - 2);
	for (unsigned s = 0; s < STEPS_MAX && qr_reader_left(&play.input) >= STEP_BYTES; s++)
		one_step(qr_read_bytes(&play.input, STEP_BYTES));
	return 0;
}
