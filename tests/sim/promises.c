/*
 * What a node promises to others, and whether its media and the committed log bear it out: terms,
 * votes and acknowledgements to its peers, answers to clients. Every datagram is looked at before
 * it leaves, every write once it is there.
 */
#include "consensus/wire/client.h"
#include "dataplane/client/machine.h"
#include "dataplane/node/state.h"
#include "storage/engine/internal.h"
#include "tests/sim/oracle.h"
#include "tests/sim/world.h"

/** What the device promised of a slot. */
static enum qr_error promised_slot(struct sim_world *world, qr_node node, struct sim_place place,
				   struct store_slot *ret_slot)
{
	return store_slot_decode(sim_media_promised(&world->nodes[node].disk.media, place),
				 ret_slot);
}

struct raft_hard_state sim_promised_state(struct sim_world *world, qr_node node, qr_group group)
{
	struct store_slot chosen = {0};

	for (uint32_t s = 0; s < STORE_SLOTS; s++) {
		struct store_slot slot;

		if (promised_slot(world, node, (struct sim_place){group, SIM_SLOTS_SEGMENT, s},
				  &slot) == QR_OK &&
		    slot.serial > chosen.serial)
			chosen = slot;
	}
	return chosen.state;
}

void sim_oracle_slot(struct sim_world *world, qr_node node, qr_group group, uint32_t number)
{
	struct sim_place place = {group, SIM_SLOTS_SEGMENT, number};
	struct store_slot slot;
	struct store_slot twin;

	if (promised_slot(world, node, place, &slot) != QR_OK)
		return;
	place.block = STORE_SLOTS - 1 - number;
	if (promised_slot(world, node, place, &twin) != QR_OK || twin.serial < slot.serial) {
		sim_fail(world, 10, "node %u writes over the only copy of state %lu of group %u",
			 node, (unsigned long)slot.serial, group);
	}
}

static void check_state_is_stable(struct sim_world *world, qr_node node, qr_group group,
				  const struct raft_message *message)
{
	struct sim_seen *seen = &world->nodes[node].seen[group];
	bool vote = message->kind == RAFT_MESSAGE_VOTE_REPLY && !message->reject;
	qr_term term = message->term;
	struct raft_hard_state state;

	/* Asks about the term above its own, and so does the grant. */
	if (message->kind == RAFT_MESSAGE_PRE_VOTE || message->kind == RAFT_MESSAGE_PRE_VOTE_REPLY)
		return;
	if (!vote && term <= seen->stable_term)
		return;
	state = sim_promised_state(world, node, group);
	if (state.term < term) {
		sim_fail(world, 10, "node %u sends term %lu, its media say %lu", node,
			 (unsigned long)term, (unsigned long)state.term);
	}
	if (vote && state.term == term && state.vote != message->to) {
		sim_fail(world, 10, "node %u grants its vote of term %lu to %u, its media say %u",
			 node, (unsigned long)term, message->to, state.vote);
	}
	seen->stable_term = state.term;
}

/** Entries up to `index` are promised: they must be there. */
static void check_log_is_stable(struct sim_world *world, qr_node node, qr_group group,
				qr_index index)
{
	struct sim_seen *seen = &world->nodes[node].seen[group];
	const struct store_log *log = sim_node_group(&world->nodes[node], group)->log;
	const struct store_index_entry *at = store_index_at(log, seen->checked);

	/* What was checked may have been replaced since; what is committed is not. */
	if (seen->checked != 0 && (at == NULL || at->digest != seen->checked_digest))
		seen->checked = 0;
	if (seen->checked == 0)
		seen->checked = sim_node_group(&world->nodes[node], group)->raft.commit;
	if (index > log->last.index) {
		sim_fail(world, 8, "node %u acknowledges entry %lu, its log ends at %lu", node,
			 (unsigned long)index, (unsigned long)log->last.index);
	}
	for (; seen->checked < index; seen->checked++) {
		struct store_entry entry;
		struct sim_entry wanted = {0};

		at = store_index_at(log, seen->checked + 1);
		if (at == NULL || seen->checked < world->oracle.logs[group].start.before)
			continue;
		wanted.block = at->block;
		wanted.blocks = at->blocks;
		wanted.digest = at->digest;
		if (sim_entry_on_media(world, node, group, &wanted, &entry) == NULL) {
			sim_fail(world, 8,
				 "node %u acknowledges entry %lu of group %u, which is not on its "
				 "media",
				 node, (unsigned long)seen->checked + 1, group);
		}
	}
	at = store_index_at(log, seen->checked);
	seen->checked_digest = at == NULL ? 0 : at->digest;
}

/** The transport of a follower speaks of entries: they are its leader's, also before they count. */
static void check_ack(struct sim_world *world, qr_node node, qr_node to, qr_group group,
		      const struct wire_ack *ack)
{
	const struct dp_group *follower = sim_node_group(&world->nodes[node], group);
	const struct dp_group *leader = sim_node_group(&world->nodes[to], group);
	const struct store_index_entry *here;
	const struct store_index_entry *there;

	if (leader == NULL || leader->raft.role != RAFT_LEADER ||
	    leader->raft.state.term != ack->term || follower->raft.state.term != ack->term)
		return;
	here = store_index_at(follower->log, ack->received);
	there = store_index_at(leader->log, ack->received);
	if (ack->received > leader->raft.last ||
	    (here != NULL && there != NULL && here->digest != there->digest)) {
		sim_fail(world, 3,
			 "node %u tells its leader %u that it has entry %lu of group %u, and has "
			 "another one",
			 node, to, (unsigned long)ack->received, group);
	}
}

static void check_raft(struct sim_world *world, qr_node node, qr_group group,
		       const struct raft_message *raft)
{
	check_state_is_stable(world, node, group, raft);
	/* Written in this turn, before a newer leader was heard in it: it was so. */
	if (raft->term < sim_node_group(&world->nodes[node], group)->raft.state.term)
		return;
	if ((raft->kind == RAFT_MESSAGE_APPEND_REPLY ||
	     raft->kind == RAFT_MESSAGE_HEARTBEAT_REPLY) &&
	    !raft->reject && raft->index != 0)
		check_log_is_stable(world, node, group, raft->index);
}

void sim_oracle_sent(struct sim_world *world, qr_node node, struct qr_span datagram)
{
	struct qr_reader messages = qr_reader_over(datagram.data + WIRE_HEADER_BYTES,
						   datagram.size_bytes - WIRE_HEADER_BYTES);
	qr_node to = datagram.data[SIM_HEADER_TO];
	struct wire_message message;

	while (wire_next(&messages, &message) == QR_OK) {
		struct raft_message raft;
		struct wire_ack ack;

		if (message.type == WIRE_RAFT && wire_get_raft(&message, &raft) == QR_OK) {
			raft.to = to;
			check_raft(world, node, message.group, &raft);
		}
		if (message.type == WIRE_ACK && wire_get_ack(&message, &ack) == QR_OK)
			check_ack(world, node, to, message.group, &ack);
	}
}

/** Entries have reached the media: the state of their term was there before them. */
void sim_oracle_written(struct sim_world *world, qr_node node, qr_group group,
			struct qr_span written)
{
	struct sim_seen *seen = &world->nodes[node].seen[group];
	struct store_entry entry;

	for (size_t at = 0; at < written.size_bytes; at += (size_t)entry.blocks * QR_BLOCK_BYTES) {
		if (store_entry_decode(written.data + at, &entry) != QR_OK)
			return; /* zeros */
		if (entry.term <= seen->stable_term)
			continue;
		seen->stable_term = sim_promised_state(world, node, group).term;
		if (entry.term > seen->stable_term) {
			sim_fail(world, 10,
				 "node %u writes entry %lu of group %u in term %lu, its media say "
				 "term %lu",
				 node, (unsigned long)entry.index, group, (unsigned long)entry.term,
				 (unsigned long)seen->stable_term);
		}
	}
}

/* ---- what clients are told ---- */

static void check_session_reply(struct sim_world *world, qr_node node, qr_group group,
				const struct wire_session_reply *reply)
{
	if (reply->status == QR_OK &&
	    sim_find_session(&world->oracle.logs[group], reply->session) == NULL) {
		sim_fail(world, 14, "node %u opens session %lx of group %u, not committed", node,
			 (unsigned long)reply->session, group);
	}
}

static void check_chunk_reply(struct sim_world *world, qr_node node, qr_group group,
			      const struct wire_chunk_reply *reply)
{
	const struct sim_session *session =
		sim_find_session(&world->oracle.logs[group], reply->session);

	if (reply->status == QR_EXPIRED && session != NULL && !session->expired) {
		sim_fail(world, 14, "node %u says that session %lx of group %u expired", node,
			 (unsigned long)reply->session, group);
	}
}

/**
 * It was given a snapshot by a leader whose own of the agreed beginning is damaged: the next one.
 * So it begins there until the log does.
 */
static bool begins_later(const struct sim_world *world, qr_node node, qr_group number,
			 qr_offset start)
{
	const struct dp_group *group = sim_node_group(&world->nodes[node], number);

	return group != NULL && store_log_start(group->log).offset == start &&
	       store_log_origin(group->log).index == store_log_start(group->log).before &&
	       world->count.installs > 0;
}

/** Where the log begins was agreed. */
static void check_start(struct sim_world *world, qr_node node, qr_group group, qr_offset start)
{
	if (start > world->oracle.logs[group].start.offset &&
	    !begins_later(world, node, group, start)) {
		sim_fail(world, 9,
			 "node %u says that group %u begins at record %lu, it does at %lu", node,
			 group, (unsigned long)start,
			 (unsigned long)world->oracle.logs[group].start.offset);
	}
}

/** Nor is anything in front of it given to anybody, also where it is still there. */
static void check_not_given_up(struct sim_world *world, qr_node node, qr_group group,
			       const struct wire_records *records)
{
	const struct dp_group *serving = sim_node_group(&world->nodes[node], group);

	if (serving != NULL && records->offset < store_log_start(serving->log).offset) {
		sim_fail(world, 9, "node %u serves record %lu of group %u, and begins at %lu", node,
			 (unsigned long)records->offset, group,
			 (unsigned long)store_log_start(serving->log).offset);
	}
}

void sim_oracle_served(struct sim_world *world, qr_node node, struct qr_span datagram)
{
	struct qr_reader messages = qr_reader_over(datagram.data + WIRE_HEADER_BYTES,
						   datagram.size_bytes - WIRE_HEADER_BYTES);
	struct wire_message message;

	while (wire_next(&messages, &message) == QR_OK) {
		struct wire_records records;
		struct wire_session_reply opened;
		struct wire_chunk_reply reply;

		if (message.type == WIRE_RECORDS && wire_get_records(&message, &records) == QR_OK &&
		    records.status == QR_OK && records.piece_total == 0) {
			sim_check_served(world, node, message.group,
					 &(struct dp_batch){.offset = records.offset,
							    .count = records.count,
							    .body = records.bulk});
		}
		if (message.type == WIRE_RECORDS && wire_get_records(&message, &records) == QR_OK &&
		    records.status == QR_OK && records.count != 0)
			check_not_given_up(world, node, message.group, &records);
		if (message.type == WIRE_RECORDS && wire_get_records(&message, &records) == QR_OK &&
		    records.status == QR_OUT_OF_RANGE)
			check_start(world, node, message.group, records.offset);
		if (message.type == WIRE_SESSION_REPLY &&
		    wire_get_session_reply(&message, &opened) == QR_OK)
			check_session_reply(world, node, message.group, &opened);
		if (message.type == WIRE_CHUNK_REPLY &&
		    wire_get_chunk_reply(&message, &reply) == QR_OK)
			check_chunk_reply(world, node, message.group, &reply);
	}
}
