/*
 * A follower that lacks what its leader's log does not have any more: it fetches the snapshot where
 * that log begins, puts it in the place of its own, and recovers from it like after a crash. Then
 * the ordinary stream brings the rest.
 *
 * The same for a group that recovers, and misses an entry that nobody keeps any more.
 *
 * It asks, piece by piece, with one piece on its way; what is lost is asked for again. It stays a
 * follower meanwhile, with all that is due to it. From the moment that the snapshot is written the
 * group is silent, until recovery has ended: nothing is promised of what is about to go.
 *
 * A leader that begins elsewhere by then says so, and the fetch begins anew. A crash at any line
 * leaves the log that was, or the snapshot in its place (storage/engine/install.c).
 */
#include "dataplane/node/internal.h"

#define ASKS_MAX 16 /* without an answer: the leader's disk has to be asked */

/* ---- fetching ---- */

static void end(struct dp_core *core)
{
	struct dp_install *install = &core->install;

	dp_snapshot_release(core, install->group);
	*install = (struct dp_install){0};
}

static void begin(struct dp_core *core, struct dp_group *group, qr_node peer, qr_index index)
{
	core->install = (struct dp_install){.group = group, .index = index};
	dp_transfer_begin(core, &core->install.transfer, peer);
}

void dp_install_wanted(struct dp_core *core, struct dp_group *group,
		       const struct raft_effects *effects)
{
	struct dp_install *install = &core->install;
	bool same = install->group == group && install->index == effects->snapshot_index &&
		    install->transfer.peer == group->raft.leader;

	QR_ASSERT(group->raft.leader != 0);
	if (same || (install->group != NULL && install->group != group))
		return;
	if (install->group == NULL && !dp_snapshot_claim(core, group))
		return; /* the leader says it again */
	begin(core, group, group->raft.leader, effects->snapshot_index);
}

void dp_install_instead(struct dp_core *core, struct dp_group *group, qr_node peer, qr_index index)
{
	if (!group->mends || core->install.group != NULL || !dp_snapshot_claim(core, group))
		return;
	begin(core, group, peer, index);
}

/** All of it is here. It is not on the disk before the group has fallen silent. */
static void take_file(struct dp_core *core)
{
	struct dp_install *install = &core->install;
	struct dp_group *group = install->group;
	enum qr_error error = store_install_begin(group->log, core->snapshot_buffer,
						  install->transfer.size_bytes);

	if (error != QR_OK) {
		dp_core_drop(core, WIRE_DROP_STALE); /* also damaged where it came from */
		end(core);
		return;
	}
	install->writing = true;
	if (group->phase == DP_PHASE_RUNNING)
		dp_group_silence(core, group);
}

void dp_install_fetched(struct dp_core *core, struct dp_group *group, const struct dp_peer *peer,
			const struct wire_fetched *fetched)
{
	struct dp_install *install = &core->install;
	enum qr_error error = fetched->status;

	if (install->group != group || install->writing ||
	    install->transfer.peer != peer->config.node || install->index != fetched->index)
		return; /* late */
	if (error == QR_OK) {
		error = dp_transfer_take(core, &install->transfer, fetched,
					 core->snapshot_buffer.data,
					 core->snapshot_buffer.size_bytes);
	}
	if (error == QR_OK) {
		take_file(core);
	} else if (error != QR_AGAIN) {
		end(core); /* refused, or another file by now */
	}
}

/* ---- what is asked ---- */

static void pump_fetch(struct dp_core *core)
{
	struct dp_install *install = &core->install;
	const struct dp_group *group = install->group;
	const struct wire_fetch fetch = {.index = install->index, .block = WIRE_FETCH_SNAPSHOT};

	/* Another leader has another log; and what was meant may have come by itself. */
	bool wanted = group->mends || (group->phase == DP_PHASE_RUNNING &&
				       group->raft.leader == install->transfer.peer &&
				       group->raft.commit < install->index);

	if (!wanted || install->transfer.asks == ASKS_MAX) {
		end(core);
		return;
	}
	if (core->now_ns >= install->transfer.at_ns)
		(void)dp_transfer_ask(core, &install->transfer, group, fetch);
}

static void pump_writing(struct dp_core *core)
{
	struct dp_install *install = &core->install;
	struct dp_group *group = install->group;
	enum qr_error error = store_install_end(group->log);

	if (error == QR_AGAIN)
		return;
	if (error == QR_OK) {
		core->stats.installs++;
		dp_group_restart(core, group); /* it keeps the buffer, for its state */
		*install = (struct dp_install){0};
		return;
	}
	if (group->phase == DP_PHASE_SILENT)
		group->phase = DP_PHASE_RUNNING; /* with the log that it had */
	end(core);
}

void dp_install_pump(struct dp_core *core)
{
	if (core->install.group == NULL)
		return;
	if (core->install.writing) {
		pump_writing(core);
	} else {
		pump_fetch(core);
	}
}

qr_ns dp_install_deadline(const struct dp_core *core)
{
	const struct dp_install *install = &core->install;

	return install->group == NULL || install->writing ? UINT64_MAX : install->transfer.at_ns;
}
