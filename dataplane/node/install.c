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

#define PATIENCE_TIMES 8 /* of the retransmission floor: the leader's disk has to be asked */
#define ASKS_MAX 16

/* ---- fetching ---- */

static void end(struct dp_core *core)
{
	struct dp_install *install = &core->install;

	dp_snapshot_release(core, install->group);
	*install = (struct dp_install){0};
}

void dp_install_wanted(struct dp_core *core, struct dp_group *group,
		       const struct raft_effects *effects)
{
	struct dp_install *install = &core->install;
	bool same = install->group == group && install->index == effects->snapshot_index &&
		    install->peer == group->raft.leader;

	QR_ASSERT(group->raft.leader != 0);
	if (same || (install->group != NULL && install->group != group))
		return;
	if (install->group == NULL && !dp_snapshot_claim(core, group))
		return; /* the leader says it again */
	*install = (struct dp_install){
		.group = group,
		.peer = group->raft.leader,
		.index = effects->snapshot_index,
		.term = effects->snapshot_term,
		.at_ns = core->now_ns,
	};
}

void dp_install_instead(struct dp_core *core, struct dp_group *group, qr_node peer, qr_index index)
{
	struct dp_install *install = &core->install;

	if (!group->mends || install->group != NULL || !dp_snapshot_claim(core, group))
		return;
	*install = (struct dp_install){
		.group = group, .peer = peer, .index = index, .at_ns = core->now_ns};
}

/** @return false: no buffer is left. */
static bool send_request(struct dp_core *core)
{
	struct dp_install *install = &core->install;
	const struct dp_peer *peer = dp_core_find_peer(core, install->peer);
	const struct wire_fetch fetch = {
		.index = install->index,
		.block = WIRE_FETCH_SNAPSHOT,
		.offset = install->received_bytes,
		.size_bytes = DP_FETCH_BYTES,
	};
	struct qr_writer writer;
	struct dp_tx *tx;

	if (peer != NULL && !dp_core_link_is_down(core, install->peer)) {
		tx = dp_core_tx_begin_to(core, peer, &writer);
		if (tx == NULL)
			return false;
		wire_put_fetch(&writer, install->group->config->group, &fetch);
		dp_core_tx_finish(core, tx, &writer);
	}
	install->asks++;
	install->until_bytes = install->received_bytes + DP_FETCH_BYTES;
	install->at_ns = core->now_ns + PATIENCE_TIMES * core->config.retransmit_min_ns;
	return true;
}

/** All of it is here. It is not on the disk before the group has fallen silent. */
static void take_file(struct dp_core *core)
{
	struct dp_install *install = &core->install;
	struct dp_group *group = install->group;
	enum qr_error error =
		store_install_begin(group->log, core->snapshot_buffer, install->file_bytes);

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

	if (install->group != group || install->writing || install->peer != peer->config.node ||
	    install->index != fetched->index)
		return; /* late */
	if (fetched->status != QR_OK || fetched->entry_bytes > core->snapshot_buffer.size_bytes) {
		end(core);
		return;
	}
	if (fetched->offset != install->received_bytes)
		return; /* doubled, or one before it is lost: asked for again */
	if (install->received_bytes == 0)
		install->file_bytes = fetched->entry_bytes;
	if (fetched->entry_bytes != install->file_bytes) {
		end(core); /* another file by now */
		return;
	}
	memcpy(core->snapshot_buffer.data + fetched->offset, fetched->bulk.data,
	       fetched->bulk.size_bytes);
	install->received_bytes += (uint32_t)fetched->bulk.size_bytes;
	install->asks = 0;
	if (install->received_bytes == install->file_bytes) {
		take_file(core);
	} else if (install->received_bytes == install->until_bytes) {
		install->at_ns = core->now_ns; /* the next piece */
	}
}

/* ---- what is asked ---- */

static void pump_fetch(struct dp_core *core)
{
	struct dp_install *install = &core->install;
	const struct dp_group *group = install->group;

	/* Another leader has another log; and what was meant may have come by itself. */
	bool wanted = group->mends ||
		      (group->phase == DP_PHASE_RUNNING && group->raft.leader == install->peer &&
		       group->raft.commit < install->index);

	if (!wanted || install->asks == ASKS_MAX) {
		end(core);
		return;
	}
	if (core->now_ns >= install->at_ns)
		(void)send_request(core);
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

	return install->group == NULL || install->writing ? UINT64_MAX : install->at_ns;
}
