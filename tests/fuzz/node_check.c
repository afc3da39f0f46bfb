/*
 * What must hold of a node, seen from outside: consensus' invariants, and of all that leaves, that
 * it decodes, that the disk holds what it promises, and that no answer is ever taken back.
 */
#include "storage/engine/internal.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/node_rig.h"

#include <string.h>

FUZZ_UNSEEN_BEGIN

/** It begins where the slots say for good, and what it needs from there on is there. */
static void check_start(const struct rig *rig, const struct dp_group *group)
{
	const struct rig_disk *disk = &rig->disks[group->config->group - 1];
	const struct store_log *log = group->log;
	struct store_slot slot;

	if (group->phase != DP_PHASE_RUNNING || log->segments.preparing || log->segments.dropping ||
	    log->condition == QR_POISONED || store_slot_choose(disk->slots, &slot) != QR_OK)
		return;
	QR_ASSERT(log->origin.segment <= slot.start.segment);
	QR_ASSERT(slot.start.segment <= log->start.segment);
	QR_ASSERT(disk->extent.first <= log->origin.segment);
	QR_ASSERT(disk->extent.first == log->segments.first);
	QR_ASSERT(disk->extent.first + disk->extent.count == log->segments.ready);
}

void rig_check(const struct rig *rig)
{
	for (uint32_t g = 0; g < rig->core->group_count; g++) {
		const struct dp_group *group = &rig->core->groups[g];

		check_start(rig, group);
		if (group->phase != DP_PHASE_RUNNING)
			continue;
		raft_invariants_check(&group->raft);
		QR_ASSERT(group->raft.last == store_log_last(group->log));
		QR_ASSERT(group->applied <= group->raft.commit);
		QR_ASSERT(group->committed_end <= store_log_end(group->log));
		QR_ASSERT(group->held_count <= DP_HELD_MAX);
		QR_ASSERT(dp_sessions_count(group->sessions) <= RIG_SESSIONS);
	}
	(void)dp_core_next_deadline(rig->core);
}

/* ---- to its own disk ---- */

/**
 * A header counts once it is there: by then so is the body, and the slots know of as much. One that
 * a peer gave says so, and counts later.
 */
void rig_check_file(const struct rig *rig, const struct store_op *op)
{
	const struct rig_disk *disk = &rig->disks[op->group - 1];
	const uint8_t *file;
	struct store_snapshot snapshot;
	struct store_slot slot;
	enum qr_error error;

	if (op->kind != STORE_OP_WRITE_SNAPSHOT || op->offset_bytes != 0)
		return;
	file = disk->files[op->segment];
	error = store_snapshot_decode(file, &snapshot);
	if (error == QR_NOT_FOUND)
		return; /* zeros over an old one */
	QR_ASSERT(error == QR_OK && snapshot.group == op->group);
	QR_ASSERT(store_snapshot_file_bytes(&snapshot) <= disk->file_bytes[op->segment]);
	QR_ASSERT(qr_crc32c(0, file + STORE_SNAPSHOT_HEADER_BYTES,
			    store_snapshot_body_bytes(&snapshot)) == snapshot.body_crc);
	error = store_slot_choose(disk->slots, &slot);
	QR_ASSERT(error == QR_OK && (snapshot.given || snapshot.base.index <= slot.settled.index));
}

/* ---- to peers ---- */

/** The entry is on the disk, every byte of it. */
static void expect_on_disk(struct rig *rig, const struct dp_group *group, qr_index index)
{
	struct store_location at;
	struct qr_span bytes;

	if (index == 0 || store_window_entry(group->log, index, &at, &bytes) != QR_OK)
		return; /* of an earlier life, or long ago */
	for (uint32_t b = 0; b < at.blocks; b++) {
		const uint8_t *block = rig_block(rig, group->config->group, at.block + b);

		QR_ASSERT(block != NULL);
		QR_ASSERT(memcmp(block, bytes.data + (size_t)b * QR_BLOCK_BYTES, QR_BLOCK_BYTES) ==
			  0);
	}
}

static void check_vote(const struct rig *rig, qr_group group, const struct raft_message *message,
		       qr_node to)
{
	struct store_slot slot;
	enum qr_error error = store_slot_choose(rig->disks[group - 1].slots, &slot);

	QR_ASSERT(error == QR_OK);
	if (message->kind == RAFT_MESSAGE_VOTE_REPLY && !message->reject)
		QR_ASSERT(slot.state.term > message->term || slot.state.vote == to);
	if (message->kind != RAFT_MESSAGE_PRE_VOTE && message->kind != RAFT_MESSAGE_PRE_VOTE_REPLY)
		QR_ASSERT(slot.state.term >= message->term);
}

static void check_raft(struct rig *rig, const struct wire_message *message, qr_node to)
{
	struct dp_group *group = dp_core_find_group(rig->core, message->group);
	struct rig_sent *sent = &rig->sent[rig->sent_count++ % RIG_SENT_MAX];
	enum qr_error error = wire_get_raft(message, &sent->message);

	QR_ASSERT(error == QR_OK && group != NULL);
	QR_ASSERT(group->phase ==
		  DP_PHASE_RUNNING); /* it promises nothing of what is about to go */
	sent->group = message->group;
	sent->message.to = to;
	check_vote(rig, message->group, &sent->message, to);
	if (group->config->durability == WIRE_DURABLE_MEMORY || sent->message.reject)
		return;
	if (sent->message.kind == RAFT_MESSAGE_APPEND_REPLY ||
	    sent->message.kind == RAFT_MESSAGE_HEARTBEAT_REPLY)
		expect_on_disk(rig, group, sent->message.index);
}

static void check_fragment(const struct rig *rig, const struct wire_message *message)
{
	const struct dp_group *group = dp_core_find_group(rig->core, message->group);
	struct wire_fragment fragment;
	enum qr_error error = wire_get_fragment(message, &fragment);

	QR_ASSERT(error == QR_OK && group != NULL);
	QR_ASSERT(group->raft.role == RAFT_LEADER && fragment.term == group->raft.state.term);
	QR_ASSERT(fragment.index <= group->raft.last && fragment.commit <= group->raft.commit);
}

static void check_ack(const struct rig *rig, const struct wire_message *message)
{
	const struct dp_group *group = dp_core_find_group(rig->core, message->group);
	struct wire_ack ack;
	enum qr_error error = wire_get_ack(message, &ack);

	QR_ASSERT(error == QR_OK && group != NULL);
	QR_ASSERT(ack.received <= group->raft.last);
	QR_ASSERT(ack.credit <= store_log_limit(group->log));
}

/* ---- to clients ---- */

static void remember_answer(struct rig *rig, const struct rig_told *told)
{
	for (uint32_t t = 0; t < rig->told_count; t++) {
		const struct rig_told *before = &rig->told[t];

		if (before->group != told->group || before->session != told->session)
			continue;
		if (before->sequence == told->sequence) {
			QR_ASSERT(before->count == told->count && before->offset == told->offset);
			return;
		}
		/* Other records, other places; later ones behind earlier ones. */
		QR_ASSERT((before->sequence < told->sequence) == (before->offset < told->offset));
	}
	if (rig->told_count < RIG_TOLD_MAX)
		rig->told[rig->told_count++] = *told;
}

static void check_chunk_reply(struct rig *rig, const struct wire_message *message)
{
	const struct dp_group *group = dp_core_find_group(rig->core, message->group);
	struct wire_chunk_reply reply;
	enum qr_error error = wire_get_chunk_reply(message, &reply);

	QR_ASSERT(error == QR_OK && group != NULL);
	for (uint32_t a = 0; a < reply.answer_count; a++) {
		const struct wire_answer *answer = &reply.answers[a];
		const struct rig_told told = {.group = message->group,
					      .session = reply.session,
					      .sequence = answer->sequence,
					      .count = answer->count,
					      .offset = answer->offset};

		QR_ASSERT(answer->offset + answer->count <= group->committed_end);
		remember_answer(rig, &told);
	}
}

static void check_session_reply(struct rig *rig, const struct wire_message *message)
{
	struct wire_session_reply reply;
	enum qr_error error = wire_get_session_reply(message, &reply);

	QR_ASSERT(error == QR_OK);
	if (reply.status == QR_OK)
		rig->sessions[rig->session_count++ % 4] = reply.session;
}

static void check_records(const struct rig *rig, const struct wire_message *message)
{
	const struct dp_group *group = dp_core_find_group(rig->core, message->group);
	struct wire_records records;
	enum qr_error error = wire_get_records(message, &records);
	struct qr_reader reader;

	QR_ASSERT(error == QR_OK && group != NULL);
	if (group->phase != DP_PHASE_RUNNING) { /* what it knew before its log was exchanged */
		QR_ASSERT(records.count == 0 && records.status != QR_OK);
		return;
	}
	if (records.count != 0)
		QR_ASSERT(records.offset >= store_log_start(group->log).offset);
	QR_ASSERT(records.committed <= group->committed_end);
	QR_ASSERT(records.offset + records.count <= records.committed);
	if (records.piece_total != 0 || records.kind == WIRE_CHUNK_OPAQUE)
		return;
	reader = qr_reader_over(records.bulk.data, records.bulk.size_bytes);
	for (uint32_t r = 0; r < records.count; r++)
		(void)qr_read_bytes(&reader, qr_read_u32(&reader));
	QR_ASSERT(!reader.failed && qr_reader_left(&reader) == 0);
}

static void check_client_message(struct rig *rig, const struct wire_message *message)
{
	struct wire_description description;
	struct wire_status_reply status;
	struct wire_tail_reply tail;
	enum qr_error error = QR_OK;

	if (message->type == WIRE_CHUNK_REPLY) {
		check_chunk_reply(rig, message);
	} else if (message->type == WIRE_SESSION_REPLY) {
		check_session_reply(rig, message);
	} else if (message->type == WIRE_RECORDS) {
		check_records(rig, message);
	} else if (message->type == WIRE_DESCRIPTION) {
		error = wire_get_description(message, &description);
	} else if (message->type == WIRE_STATUS_REPLY) {
		error = wire_get_status_reply(message, &status);
	} else {
		QR_ASSERT(message->type == WIRE_TAIL_REPLY);
		error = wire_get_tail_reply(message, &tail);
	}
	QR_ASSERT(error == QR_OK);
}

/** It asks for what it has applied only; at its start, for what is settled; for a snapshot ahead.
 */
static void check_fetch(struct rig *rig, const struct wire_message *message, qr_node to)
{
	const struct dp_group *group = dp_core_find_group(rig->core, message->group);
	struct wire_fetch fetch;
	enum qr_error error = wire_get_fetch(message, &fetch);

	QR_ASSERT(error == QR_OK && group != NULL);
	QR_ASSERT(fetch.committed_index <= (group->phase == DP_PHASE_RUNNING
						    ? group->raft.commit
						    : store_log_slot(group->log)->settled.index));
	*(fetch.block == WIRE_FETCH_SNAPSHOT ? &rig->asked
					     : &rig->asked_entry) = (struct rig_asked){
		.group = message->group, .of = to, .index = fetch.index, .offset = fetch.offset};
	if (fetch.block == WIRE_FETCH_SNAPSHOT) {
		QR_ASSERT(group->mends ||
			  (group->phase == DP_PHASE_RUNNING && fetch.index > group->raft.commit));
		return;
	}
	QR_ASSERT(fetch.index <=
		  (group->mends ? store_log_slot(group->log)->settled.index : group->applied));
}

/** And it gives nothing else. */
static void check_fetched(const struct rig *rig, const struct wire_message *message)
{
	const struct dp_group *group = dp_core_find_group(rig->core, message->group);
	struct wire_fetched fetched;
	enum qr_error error = wire_get_fetched(message, &fetched);

	QR_ASSERT(error == QR_OK && group != NULL);
	QR_ASSERT(fetched.status != QR_OK || fetched.index <= dp_group_readable(group));
	if (fetched.status == QR_OK && fetched.block == WIRE_FETCH_SNAPSHOT) {
		QR_ASSERT(group->phase == DP_PHASE_RUNNING);
		QR_ASSERT(fetched.entry_bytes % QR_BLOCK_BYTES == 0);
	} else if (fetched.status == QR_OK) {
		QR_ASSERT(fetched.index > store_log_origin(group->log).index);
	}
}

void rig_check_datagram(struct rig *rig, const struct dp_tx *tx)
{
	struct wire_header header;
	struct wire_message message;
	struct qr_reader messages;
	enum qr_error error =
		wire_open((struct qr_span){tx->data, tx->size_bytes}, &header, &messages);

	QR_ASSERT(error == QR_OK);
	QR_ASSERT(header.from == RIG_SELF && header.to == tx->peer);
	QR_ASSERT(tx->size_bytes <= RIG_TX_BYTES);
	while ((error = wire_next(&messages, &message)) == QR_OK) {
		if (tx->peer == 0) {
			check_client_message(rig, &message);
		} else if (message.type == WIRE_RAFT) {
			check_raft(rig, &message, tx->peer);
		} else if (message.type == WIRE_FRAGMENT) {
			check_fragment(rig, &message);
		} else if (message.type == WIRE_FETCH) {
			check_fetch(rig, &message, tx->peer);
		} else if (message.type == WIRE_FETCHED) {
			check_fetched(rig, &message);
		} else {
			QR_ASSERT(message.type == WIRE_ACK);
			check_ack(rig, &message);
		}
	}
	QR_ASSERT(error == QR_AGAIN);
}

FUZZ_UNSEEN_END
