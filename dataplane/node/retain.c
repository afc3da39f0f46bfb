/*
 * Retention: the leader says where the log shall begin, in an entry like any other, and every
 * replica follows when that is committed. So they all begin at the same record, whoever leads.
 *
 * What lies further back than retention_bytes, or is older than retention_ns, may go. A log begins
 * at a segment in front of which there is a snapshot, so a little more is kept than asked.
 *
 * A follower that is being filled from what would be given up is waited for, as long as it makes
 * progress: else it would have to begin anew from a later place, again and again.
 */
#include "dataplane/node/internal.h"

/** It got something since it was last looked at, or has been told where to begin. */
static bool moves(const struct dp_core *core, struct dp_link *link,
		  const struct raft_progress *progress)
{
	qr_index to = progress->match > progress->offered ? progress->match : progress->offered;

	if (to != link->moved_to || link->moved_ns == 0) {
		link->moved_to = to;
		link->moved_ns = core->now_ns;
	}
	return core->now_ns - link->moved_ns < core->config.retention_hold_ns;
}

/** Whether somebody who is behind `start` is being filled. */
static bool is_held(const struct dp_core *core, struct dp_group *group,
		    const struct store_start *start)
{
	bool held = false;

	for (uint32_t p = 0; p < core->peer_count; p++) {
		const struct raft_progress *progress =
			raft_progress_of(&group->raft, core->peers[p].config.node);

		if (progress != NULL && progress->match < start->before &&
		    moves(core, &group->links[p], progress))
			held = true;
	}
	return held;
}

static bool is_wanted(const struct dp_core *core, const struct dp_group *group,
		      struct store_start *ret_start)
{
	const struct dp_group_config *config = group->config;
	uint64_t wall_ns = dp_core_wall_clock(core);
	struct store_retention retention = {.keep_blocks =
						    config->retention_bytes / QR_BLOCK_BYTES};

	if (config->retention_ns != 0 && wall_ns > config->retention_ns)
		retention.before_ns = wall_ns - config->retention_ns;
	return store_trim_wanted(group->log, &retention, ret_start);
}

void dp_retain_tick(struct dp_core *core, struct dp_group *group)
{
	struct store_start start;

	/* What earlier leaders said of it is known, and so is what became of the latest of ours. */
	if (!dp_group_is_leader(group) || !raft_can_propose(&group->raft) ||
	    group->applied < group->raft.term_start || group->applied < group->trim_index ||
	    !is_wanted(core, group, &start) || is_held(core, group, &start))
		return;
	if (dp_append_trim(core, group, &start) == QR_OK)
		group->trim_index = group->raft.last;
}

/* ---- what the log says ---- */

bool dp_retain_append(struct dp_group *group, qr_index index, struct qr_span payload)
{
	struct dp_trim *oldest = &group->trims[0];
	struct store_start start;

	if (store_trim_decode(payload, &start) != QR_OK)
		return false;
	for (uint32_t t = 1; t < DP_TRIMS_MAX; t++) {
		if (group->trims[t].index < oldest->index)
			oldest = &group->trims[t];
	}
	*oldest = (struct dp_trim){.index = index, .start = start};
	return true;
}

void dp_retain_commit(struct dp_group *group, qr_index commit)
{
	for (uint32_t t = 0; t < DP_TRIMS_MAX; t++) {
		struct dp_trim *trim = &group->trims[t];

		if (trim->index == 0 || trim->index > commit)
			continue;
		(void)store_trim(group->log, &trim->start); /* the latest of them counts */
		trim->index = 0;
	}
}

void dp_retain_cut(struct dp_group *group, qr_index to)
{
	for (uint32_t t = 0; t < DP_TRIMS_MAX; t++) {
		if (group->trims[t].index > to)
			group->trims[t].index = 0;
	}
}
