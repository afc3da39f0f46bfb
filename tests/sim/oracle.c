/*
 * Nodes: roles, terms, promises. Owns the records that clients made; the committed logs are
 * committed.c's.
 */
#include "tests/sim/oracle.h"

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
		sim_free(oracle->logs[g].told);
		sim_free(oracle->logs[g].leaders);
	}
	sim_free(oracle->records);
	sim_free(oracle->entry);
}

/* ---- after a turn ---- */

/** Nodes that voted for the node in the term, or may have: what they moved on to hides it. */
static qr_nodes granters(struct sim_world *world, qr_node node, qr_group number, qr_term term)
{
	qr_nodes nodes = 0;

	for (qr_node id = 1; id <= world->plan->node_count; id++) {
		struct raft_hard_state state = sim_promised_state(world, id, number);

		/* Or it was lost since: the vote was stable when it was given. */
		if (state.term > term || (state.term == term && state.vote == node) ||
		    sim_has_forgotten(world, id, number))
			nodes |= qr_nodes_of(id);
	}
	return nodes;
}

static void check_mandate(struct sim_world *world, qr_node node, qr_group number, qr_term term)
{
	const struct raft_configuration *configuration = &world->plan->configuration;
	qr_nodes voted = granters(world, node, number, term);

	if (!qr_nodes_has(configuration->voters | configuration->voters_outgoing, node)) {
		sim_fail(world, 16, "node %u leads group %u in term %lu, and is no voter", node,
			 number, (unsigned long)term);
	}
	if (!sim_is_quorum(world, voted)) {
		sim_fail(world, 16,
			 "node %u leads group %u in term %lu by the stable votes of nodes %#lx",
			 node, number, (unsigned long)term, (unsigned long)voted);
	}
}

static void make_room_for_term(struct sim_log *log, qr_term term)
{
	while (term >= log->term_room) {
		qr_term room = log->term_room == 0 ? 64 : 2 * log->term_room;

		log->leaders = sim_resize(log->leaders, room * sizeof(*log->leaders));
		memset(&log->leaders[log->term_room], 0,
		       (room - log->term_room) * sizeof(*log->leaders));
		log->term_room = room;
	}
}

/** What was committed in an earlier term is here; late votes may make a leader of a past one. */
static void check_complete(struct sim_world *world, qr_node node, qr_group number,
			   const struct dp_group *group)
{
	const struct sim_log *log = &world->oracle.logs[number];
	qr_term term = group->raft.state.term;
	qr_index count = log->count;
	const struct store_index_entry *last;

	while (count > 0 && log->entries[count - 1].committed_in >= term)
		count--;
	last = count == 0 ? NULL : store_index_at(group->log, count);
	if (group->raft.last < count ||
	    (last != NULL && last->digest != log->entries[count - 1].digest)) {
		sim_fail(world, 4, "node %u leads group %u in term %lu without committed entry %lu",
			 node, number, (unsigned long)term, (unsigned long)count);
	}
}

static void check_election(struct sim_world *world, qr_node node, qr_group number,
			   const struct dp_group *group)
{
	struct sim_log *log = &world->oracle.logs[number];
	qr_term term = group->raft.state.term;

	make_room_for_term(log, term);
	check_mandate(world, node, number, term);
	if (log->leaders[term] != 0 && log->leaders[term] != node) {
		sim_fail(world, 1, "nodes %u and %u both lead group %u in term %lu",
			 log->leaders[term], node, number, (unsigned long)term);
	}
	if (log->leaders[term] == 0)
		world->count.elections++;
	log->leaders[term] = node;
	check_complete(world, node, number, group);
}

/** What the media promised before the start is what the node goes on with. */
static void check_start(struct sim_world *world, qr_node node, qr_group number,
			const struct raft_hard_state *state)
{
	struct raft_hard_state promised = sim_promised_state(world, node, number);

	if (state->term < promised.term ||
	    (state->term == promised.term && state->vote != promised.vote)) {
		sim_fail(world, 10,
			 "node %u starts in term %lu with a vote for %u, its media said %lu and %u",
			 node, (unsigned long)state->term, state->vote,
			 (unsigned long)promised.term, promised.vote);
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

/** What is committed, and is here, stays here: also between two acknowledgements. */
static void check_held(struct sim_world *world, qr_node node, qr_group number,
		       const struct dp_group *group)
{
	struct sim_seen *seen = &world->nodes[node].seen[number];
	const struct sim_log *log = &world->oracle.logs[number];
	const struct store_index_entry *at;

	at = seen->held == 0 ? NULL : store_index_at(group->log, seen->held);
	if (group->raft.last < seen->held ||
	    (at != NULL && at->digest != log->entries[seen->held - 1].digest)) {
		sim_fail(world, 8, "node %u cuts committed entry %lu of group %u off", node,
			 (unsigned long)seen->held, number);
	}
	while (seen->held < log->count && seen->held < group->raft.last) {
		at = store_index_at(group->log, seen->held + 1);
		if (at != NULL && at->digest != log->entries[seen->held].digest)
			break;
		seen->held++;
	}
}

static void look_at_group(struct sim_world *world, qr_node node, qr_group number,
			  const struct dp_group *group)
{
	struct sim_seen *seen = &world->nodes[node].seen[number];
	const struct raft_group *raft = &group->raft;

	raft_invariants_check(raft);
	if (!seen->running) {
		sim_oracle_recovered(world, node, number);
		check_start(world, node, number, &raft->state);
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
	check_held(world, node, number, group);
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
		} else if (node->seen[number].running) { /* a snapshot takes the log's place */
			node->seen[number].running = false;
			world->count.installs++;
		}
	}
}

/* ---- the calm ---- */

qr_term sim_oracle_term(const struct sim_world *world, qr_group number)
{
	qr_term term = 0;

	for (qr_node id = 1; id <= world->plan->node_count; id++) {
		const struct dp_group *group = sim_node_group(&world->nodes[id], number);

		if (group != NULL && !qr_nodes_has(world->away, id) &&
		    group->raft.state.term > term)
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

		if (group != NULL && !qr_nodes_has(world->away, id) &&
		    group->raft.role == RAFT_LEADER && group->raft.state.term > term) {
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
