/*
 * Nodes: roles, terms, promises. Owns the records that clients made; the committed logs are
 * committed.c's.
 */
#include "tests/sim/oracle.h"

#include "consensus/base/assert.h"
#include "dataplane/client/machine.h"
#include "dataplane/node/state.h"
#include "storage/engine/internal.h"
#include "tests/sim/memory.h"
#include "tests/sim/world.h"

#include <string.h>

void sim_oracle_init(struct sim_oracle *oracle)
{
	memset(oracle, 0, sizeof(*oracle));
}

void sim_oracle_fini(struct sim_oracle *oracle)
{
	for (uint32_t g = 0; g <= SIM_GROUPS_MAX; g++) {
		sim_free(oracle->logs[g].entries);
		sim_free(oracle->logs[g].records);
		sim_free(oracle->logs[g].sessions);
		sim_free(oracle->logs[g].leaders);
	}
	sim_free(oracle->records);
	sim_free(oracle->entry);
}

/* ---- what a datagram promises ---- */

/** (term, vote) as the device promised it. */
static struct store_slot promised_state(struct sim_world *world, qr_node node, qr_group group)
{
	uint8_t both[STORE_SLOTS * STORE_SLOT_BYTES];
	struct store_slot slot = {0};

	for (uint32_t s = 0; s < STORE_SLOTS; s++) {
		struct sim_place place = {group, SIM_SLOTS_SEGMENT, s};

		memcpy(both + (size_t)s * STORE_SLOT_BYTES,
		       sim_media_promised(&world->nodes[node].disk.media, place), STORE_SLOT_BYTES);
	}
	if (store_slot_choose(both, &slot) != QR_OK)
		return (struct store_slot){0};
	return slot;
}

static void check_state_is_stable(struct sim_world *world, qr_node node, qr_group group,
				  const struct raft_message *message)
{
	struct sim_seen *seen = &world->nodes[node].seen[group];
	bool vote = message->kind == RAFT_MESSAGE_VOTE_REPLY && !message->reject;
	qr_term term = message->term;
	struct store_slot slot;

	/* Asks about the term above its own, and so does the grant. */
	if (message->kind == RAFT_MESSAGE_PRE_VOTE || message->kind == RAFT_MESSAGE_PRE_VOTE_REPLY)
		return;
	if (!vote && term <= seen->stable_term)
		return;
	slot = promised_state(world, node, group);
	if (slot.state.term < term) {
		sim_fail(world, 10, "node %u sends term %lu, its media say %lu", node,
			 (unsigned long)term, (unsigned long)slot.state.term);
	}
	if (vote && slot.state.term == term && slot.state.vote != message->to) {
		sim_fail(world, 10, "node %u grants its vote of term %lu to %u, its media say %u",
			 node, (unsigned long)term, message->to, slot.state.vote);
	}
	seen->stable_term = slot.state.term;
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
	if (seen->checked == 0) {
		qr_index committed = world->nodes[node].core->groups[group - 1].raft.commit;

		seen->checked = committed;
	}
	if (index > log->last.index) {
		sim_fail(world, 8, "node %u acknowledges entry %lu, its log ends at %lu", node,
			 (unsigned long)index, (unsigned long)log->last.index);
	}
	for (; seen->checked < index; seen->checked++) {
		struct store_entry entry;
		struct sim_entry wanted = {0};

		at = store_index_at(log, seen->checked + 1);
		if (at == NULL)
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

void sim_oracle_sent(struct sim_world *world, qr_node node, struct qr_span datagram)
{
	struct qr_reader messages = qr_reader_over(datagram.data + WIRE_HEADER_BYTES,
						   datagram.size_bytes - WIRE_HEADER_BYTES);
	struct wire_message message;

	while (wire_next(&messages, &message) == QR_OK) {
		struct raft_message raft;

		if (message.type != WIRE_RAFT || wire_get_raft(&message, &raft) != QR_OK)
			continue;
		raft.to = datagram.data[SIM_HEADER_TO];
		check_state_is_stable(world, node, message.group, &raft);
		/* Written in this turn, before a newer leader was heard in it: it was so. */
		if (raft.term < sim_node_group(&world->nodes[node], message.group)->raft.state.term)
			continue;
		if ((raft.kind == RAFT_MESSAGE_APPEND_REPLY ||
		     raft.kind == RAFT_MESSAGE_HEARTBEAT_REPLY) &&
		    !raft.reject && raft.index != 0)
			check_log_is_stable(world, node, message.group, raft.index);
	}
}

/* ---- after a turn ---- */

static void check_election(struct sim_world *world, qr_node node, qr_group number,
			   const struct dp_group *group)
{
	struct sim_log *log = &world->oracle.logs[number];
	qr_term term = group->raft.state.term;
	const struct store_index_entry *last;

	while (term >= log->term_room) {
		qr_term room = log->term_room == 0 ? 64 : 2 * log->term_room;

		log->leaders = sim_resize(log->leaders, room * sizeof(*log->leaders));
		memset(&log->leaders[log->term_room], 0,
		       (room - log->term_room) * sizeof(*log->leaders));
		log->term_room = room;
	}
	if (log->leaders[term] != 0 && log->leaders[term] != node) {
		sim_fail(world, 1, "nodes %u and %u both lead group %u in term %lu",
			 log->leaders[term], node, number, (unsigned long)term);
	}
	if (log->leaders[term] == 0)
		world->count.elections++;
	log->leaders[term] = node;
	if (log->count == 0)
		return;
	last = store_index_at(group->log, log->count);
	if (group->raft.last < log->count ||
	    (last != NULL && last->digest != log->entries[log->count - 1].digest)) {
		sim_fail(world, 4, "node %u leads group %u in term %lu without committed entry %lu",
			 node, number, (unsigned long)term, (unsigned long)log->count);
	}
}

static void check_against_seen(struct sim_world *world, qr_node node, qr_group number,
			       const struct raft_group *raft)
{
	const struct sim_seen *seen = &world->nodes[node].seen[number];

	if (raft->state.term < seen->term) {
		sim_fail(world, 10, "node %u went from term %lu back to %lu", node,
			 (unsigned long)seen->term, (unsigned long)raft->state.term);
	}
	if (raft->state.term == seen->term && seen->vote != 0 && raft->state.vote != seen->vote) {
		sim_fail(world, 10, "node %u voted for %u and for %u in term %lu", node, seen->vote,
			 raft->state.vote, (unsigned long)seen->term);
	}
	if (raft->commit < seen->commit) {
		sim_fail(world, 7, "the commit index of node %u went from %lu back to %lu", node,
			 (unsigned long)seen->commit, (unsigned long)raft->commit);
	}
	if (raft->role == RAFT_LEADER && seen->role == RAFT_LEADER &&
	    raft->state.term == seen->term && raft->last < seen->last) {
		sim_fail(world, 2, "node %u leads and its log went from entry %lu back to %lu",
			 node, (unsigned long)seen->last, (unsigned long)raft->last);
	}
}

static void check_commit(struct sim_world *world, qr_node node, qr_group number,
			 const struct dp_group *group)
{
	const struct raft_group *raft = &group->raft;

	if (group->applied > raft->commit) {
		sim_fail(world, 7, "node %u applied entry %lu, committed is %lu", node,
			 (unsigned long)group->applied, (unsigned long)raft->commit);
	}
	if (raft->role == RAFT_LEADER && raft_term_at(raft, raft->commit) != raft->state.term) {
		sim_fail(world, 6,
			 "node %u leads in term %lu and commits entry %lu of term %lu by counting",
			 node, (unsigned long)raft->state.term, (unsigned long)raft->commit,
			 (unsigned long)raft_term_at(raft, raft->commit));
	}
	sim_committed(world, node, number, raft->commit);
	sim_trace(world, SIM_TRACE_COMMIT, node, number, raft->commit, 0);
}

static void look_at_group(struct sim_world *world, qr_node node, qr_group number,
			  const struct dp_group *group)
{
	struct sim_seen *seen = &world->nodes[node].seen[number];
	const struct raft_group *raft = &group->raft;

	raft_invariants_check(raft);
	if (!seen->running) {
		sim_oracle_recovered(world, node, number);
		seen->running = true;
		seen->commit = 0;
	}
	check_against_seen(world, node, number, raft);
	if (raft->role != seen->role || raft->state.term != seen->term) {
		sim_trace(world, SIM_TRACE_ROLE, node, number, raft->role, raft->state.term);
		if (raft->role == RAFT_LEADER)
			check_election(world, node, number, group);
	}
	if (raft->commit != seen->commit)
		check_commit(world, node, number, group);
	seen->role = raft->role;
	seen->term = raft->state.term;
	seen->vote = raft->state.vote;
	seen->commit = raft->commit;
	seen->last = raft->last;
}

/** Recovery refused: right if there was damage, or a read that lied. */
static void look_at_refusal(struct sim_world *world, qr_node id, const struct dp_group *group)
{
	struct sim_node *node = &world->nodes[id];

	if (sim_media_damage_count(&node->disk.media) == 0 && !node->disk.lied) {
		struct store_damage damage = store_log_damage(group->log);

		sim_fail(world, 11,
			 "node %u refuses sound media: %s at entry %lu (segment %lu, byte %lu, %s)",
			 id, qr_error_name(group->damage), (unsigned long)damage.index,
			 (unsigned long)damage.segment, (unsigned long)damage.offset_bytes,
			 qr_error_name(damage.reason));
	}
}

void sim_oracle_turned(struct sim_world *world, qr_node id)
{
	struct sim_node *node = &world->nodes[id];

	for (qr_group number = 1; number <= world->plan->group_count; number++) {
		const struct dp_group *group = &node->core->groups[number - 1];

		if (group->phase == DP_PHASE_RUNNING) {
			look_at_group(world, id, number, group);
		} else if (group->phase == DP_PHASE_DAMAGED) {
			look_at_refusal(world, id, group);
		}
	}
}

void sim_oracle_ended(struct sim_world *world, qr_node id)
{
	(void)world;
	(void)id;
}

/* ---- the calm ---- */

qr_term sim_oracle_term(const struct sim_world *world, qr_group number)
{
	qr_term term = 0;

	for (qr_node id = 1; id <= world->plan->node_count; id++) {
		const struct dp_group *group = sim_node_group(&world->nodes[id], number);

		if (group != NULL && group->raft.state.term > term)
			term = group->raft.state.term;
	}
	return term;
}

qr_node sim_oracle_leader(const struct sim_world *world, qr_group number)
{
	qr_node leader = 0;
	qr_term term = 0;

	for (qr_node id = 1; id <= world->plan->node_count; id++) {
		const struct dp_group *group = sim_node_group(&world->nodes[id], number);

		if (group != NULL && group->raft.role == RAFT_LEADER &&
		    group->raft.state.term > term) {
			leader = id;
			term = group->raft.state.term;
		}
	}
	return leader;
}

bool sim_oracle_is_converged(const struct sim_world *world)
{
	for (qr_group number = 1; number <= world->plan->group_count; number++) {
		qr_node leader = sim_oracle_leader(world, number);
		const struct dp_group *leading;

		if (leader == 0)
			return false;
		leading = sim_node_group(&world->nodes[leader], number);
		for (qr_node id = 1; id <= world->plan->node_count; id++) {
			const struct dp_group *group = sim_node_group(&world->nodes[id], number);

			if (group == NULL || group->raft.last != leading->raft.last ||
			    group->raft.commit != leading->raft.last ||
			    group->raft.durable.index != leading->raft.last)
				return false;
		}
	}
	return true;
}
