/*
 * Whose disk is full, and what a leader makes of it: it hands over to a node that has room, and
 * takes no records when no quorum has any.
 *
 * Such a leader refuses appends and does everything else, so neither its followers nor consensus
 * find anything wrong with it, and the group would take nothing more while the others could. Every
 * consensus message says whether its sender's disk is full; who lately said that it is not has
 * room. The credit of an ACK does not tell: it is bounded by the window as well, and nothing
 * acknowledges while nothing is appended.
 *
 * The rules
 *   - A quorum of the voters must have room, not just the target. A full follower takes only what
 *     its ready segments hold: a leader that needs it commits nothing soon, keeps the clients
 *     waiting that this one tells "no space", and leaves no room for the next leader's no-op.
 *   - When it is the followers that are full, "no space" is the truth as well: what they have no
 *     room for is never committed, and behind it neither is the entry that would make room
 * (retain.c).
 *   - The target has our whole log on stable media, so it can be told at once.
 *   - A leadership lasts a while, and as long again after each attempt. So nodes whose disks fill
 *     and empty in turns do not pass it around, and what does not work is not tried without end.
 *
 * Entries that this leader's disk has lost are no reason. All members were asked for them before
 * they count as lost (repair.c), and a member gives what it is asked for from the very window and
 * segments that it would read as a leader: a target that is heard, as it must be, either has given
 * the entry or lacks it as well. Who could not be asked is asked again a second or so later.
 *
 * A crash at any line loses memory only: the election that follows is an ordinary one.
 */
#include "dataplane/node/internal.h"

#define TENURE_TIMES 4 /* of the election timeout: so long a leadership lasts at least */

void dp_handover_heard(const struct dp_core *core, struct dp_group *group,
		       const struct dp_peer *peer, const struct raft_message *message)
{
	struct dp_link *link = &group->links[dp_core_peer_position(core, peer)];

	link->room_ns = message->full ? 0 : core->now_ns;
	link->full_ns = message->full ? core->now_ns : 0;
}

static bool is_recent(const struct dp_core *core, qr_ns at_ns)
{
	return at_ns != 0 && core->now_ns - at_ns < core->config.election_timeout_ns;
}

/** What it has decides something: it has not lost what it promised (raft.h). */
static bool counts(const struct dp_group *group, qr_node node)
{
	const struct raft_progress *progress = raft_progress_of(&group->raft, node);

	return progress == NULL || !progress->amnesia;
}

bool dp_handover_quorum_has_room(const struct dp_core *core, const struct dp_group *group)
{
	qr_nodes nodes = dp_group_members(group);

	for (uint32_t p = 0; p < core->peer_count; p++) {
		qr_node node = core->peers[p].config.node;

		if (is_recent(core, group->links[p].full_ns) || !counts(group, node))
			nodes &= ~qr_nodes_of(node);
	}
	return raft_configuration_has_quorum(&group->raft.configuration, nodes);
}

/** This node can do its work, or it is too early to say that it cannot. */
static bool may_keep(const struct dp_core *core, const struct dp_group *group)
{
	return store_log_condition(group->log) != QR_NO_SPACE || store_entry_is_open(group->log) ||
	       core->now_ns - group->tenure_ns < TENURE_TIMES * core->config.election_timeout_ns;
}

static qr_nodes nodes_with_room(const struct dp_core *core, const struct dp_group *group)
{
	qr_nodes nodes = 0;

	for (uint32_t p = 0; p < core->peer_count; p++) {
		if (is_recent(core, group->links[p].room_ns) &&
		    counts(group, core->peers[p].config.node))
			nodes |= qr_nodes_of(core->peers[p].config.node);
	}
	return nodes;
}

/** A voter of them that has the whole log; 0: none does. */
static qr_node find_target(const struct dp_core *core, const struct dp_group *group, qr_nodes nodes)
{
	for (uint32_t n = 0; n < core->peer_count; n++) {
		/* Another one is first in each turn: not always the one that did not make it. */
		qr_node node = core->peers[(core->turn + n) % core->peer_count].config.node;
		const struct raft_progress *progress = raft_progress_of(&group->raft, node);

		if (qr_nodes_has(nodes, node) && progress != NULL &&
		    progress->match == group->raft.last &&
		    raft_configuration_is_voter(&group->raft.configuration, node))
			return node;
	}
	return 0;
}

void dp_handover_consider(struct dp_core *core, struct dp_group *group)
{
	struct raft_event event = {.kind = RAFT_EVENT_TRANSFER};
	qr_nodes nodes;

	if (!dp_group_is_leader(group) || core->stopping || may_keep(core, group))
		return;
	nodes = nodes_with_room(core, group);
	if (!raft_configuration_has_quorum(&group->raft.configuration, nodes))
		return;
	event.peer = find_target(core, group, nodes);
	if (event.peer == 0)
		return;
	group->tenure_ns = core->now_ns;
	core->stats.transfers++;
	dp_group_step(core, group, &event);
}
