/*
 * Entries that this node's disk has lost come back from a peer, while the group goes on.
 *
 * Whoever reads from the disk and does not get an entry says so here: a client's read, a stream to
 * a follower, an answer to a peer, and the scrub (scrub.c). One entry of a core is repaired at a
 * time: its bytes are asked of one member after the other, verified as if they had been read, and
 * written to their place. Readers that need it wait meanwhile; if nobody has it, they are told so,
 * and it is tried again later.
 *
 * Only committed entries are asked for, and peers give nothing else: they are the same everywhere.
 * A group that misses a settled one at its start asks for it in the same way, and gives others what
 * it has verified so far.
 *
 * Consensus knows nothing of it. A crash at any line leaves the damage as it was, or the entry
 * torn, and it is found again.
 */
#include "dataplane/node/internal.h"

#define ASKS_MAX 4		 /* of one peer, without an answer */
#define LATER_NS_MAX 1000000000u /* nobody has it: the longest time until it is tried again */

static size_t entry_bytes_max(const struct dp_core_config *config)
{
	size_t bytes = (size_t)config->entry_max_bytes + config->record_max_bytes + 8192;
	size_t most = (size_t)config->geometry.stride_blocks * QR_BLOCK_BYTES;

	bytes = (bytes + QR_BLOCK_BYTES - 1) / QR_BLOCK_BYTES * QR_BLOCK_BYTES;
	return bytes < most ? bytes : most;
}

void dp_repair_create(struct dp_core *core, struct qr_arena *arena,
		      const struct dp_core_config *config)
{
	uint8_t *bytes = qr_arena_take(arena, entry_bytes_max(config), QR_BLOCK_BYTES);

	if (core == NULL)
		return;
	core->repair.bytes = bytes;
	core->repair.bytes_max = (uint32_t)entry_bytes_max(config);
	core->scrub.at_ns = core->now_ns;
}

/* ---- what is missing ---- */

bool dp_repair_is_hopeless(const struct dp_core *core, const struct dp_group *group, qr_index index)
{
	return group->lost_index == index && core->now_ns < group->lost_until_ns;
}

bool dp_repair_ask(struct dp_core *core, struct dp_group *group,
		   const struct store_missing *missing)
{
	struct dp_repair *repair = &core->repair;
	qr_index index = missing->before.index + 1;

	if (core->peer_count == 0 || (!group->mends && index > group->applied) ||
	    dp_repair_is_hopeless(core, group, index))
		return false;
	group->waits_for_repair = repair->group != NULL;
	if (group->waits_for_repair)
		return true;
	*repair = (struct dp_repair){
		.bytes = repair->bytes,
		.bytes_max = repair->bytes_max,
		.group = group,
		.missing = *missing,
	};
	dp_transfer_begin(core, &repair->transfer, 0);
	core->stats.damaged_entries += group->lost_index != index;
	return true;
}

bool dp_repair_is_under_way(const struct dp_core *core, const struct dp_group *group)
{
	return core->repair.group == group ||
	       (core->repair.group != NULL && group->waits_for_repair);
}

/* ---- asking ---- */

static void end(struct dp_repair *repair)
{
	repair->group = NULL;
}

static void give_up(struct dp_core *core)
{
	struct dp_repair *repair = &core->repair;
	struct dp_group *group = repair->group;
	qr_index index = repair->missing.before.index + 1;

	group->unfit = repair->unfit;
	group->lost_unheard = repair->unheard;
	if (group->lost_index != index) {
		group->lost_index = index;
		group->lost_for_ns = DP_PATIENCE_TIMES * core->config.retransmit_min_ns;
	} else if (group->lost_for_ns < LATER_NS_MAX) {
		group->lost_for_ns *= 2; /* others start at the same time, and get further */
	}
	group->lost_until_ns = core->now_ns + group->lost_for_ns;
	end(repair);
}

/** The next member that was not asked; 0: all were. Who leads has it most surely. */
static qr_node next_peer(const struct dp_core *core, const struct dp_repair *repair)
{
	const struct raft_group *raft = &repair->group->raft;
	qr_nodes left =
		dp_group_members(repair->group) & ~repair->asked & ~qr_nodes_of(core->config.node);

	if (raft->leader != 0 && qr_nodes_has(left, raft->leader))
		return raft->leader;
	return left == 0 ? 0 : qr_nodes_take(&left);
}

static void ask_another(struct dp_core *core)
{
	struct dp_repair *repair = &core->repair;

	dp_transfer_begin(core, &repair->transfer, next_peer(core, repair));
	if (repair->transfer.peer == 0) {
		give_up(core);
	} else {
		repair->asked |= qr_nodes_of(repair->transfer.peer);
	}
}

static bool can_repair(const struct dp_group *group)
{
	return group->mends || (group->phase == DP_PHASE_RUNNING && !group->raft.failed);
}

static void pump_repair(struct dp_core *core)
{
	struct dp_repair *repair = &core->repair;
	const struct wire_fetch fetch = {
		.index = repair->missing.before.index + 1,
		.block = repair->missing.before.block,
	};

	if (repair->group == NULL)
		return;
	if (!can_repair(repair->group)) {
		if (!store_repair_is_busy(repair->group->log))
			end(repair);
		return;
	}
	if (repair->writing) {
		if (!store_repair_is_busy(repair->group->log)) {
			core->stats.repaired_entries++;
			dp_reader_forget(core, repair->group);
			end(repair);
		}
		return;
	}
	while (repair->group != NULL && core->now_ns >= repair->transfer.at_ns) {
		if (repair->transfer.peer == 0 || repair->transfer.asks == ASKS_MAX) {
			repair->unheard = repair->unheard || repair->transfer.peer != 0;
			ask_another(core);
		} else if (!dp_transfer_ask(core, &repair->transfer, repair->group, fetch)) {
			return;
		}
	}
}

/* ---- answers ---- */

/** The entry is whole, as far as can be told: written if it is the one. */
static void take_entry(struct dp_core *core)
{
	struct dp_repair *repair = &core->repair;
	qr_term term = raft_term_at(&repair->group->raft, repair->missing.before.index + 1);
	uint32_t size_bytes = repair->transfer.size_bytes;
	struct store_entry entry;
	enum qr_error error = size_bytes < STORE_ENTRY_HEADER_BYTES
				      ? QR_MALFORMED
				      : store_entry_decode(repair->bytes, &entry);

	if (error == QR_OK && term != 0 && entry.term != term)
		error = QR_STALE;
	if (error == QR_OK) {
		error = store_repair_write(repair->group->log, &repair->missing,
					   repair->transfer.block, repair->bytes, size_bytes);
	}
	repair->writing = error == QR_OK;
	if (error != QR_OK) {
		dp_core_drop(core, WIRE_DROP_STALE);
		repair->unfit = true;
		ask_another(core);
	}
}

void dp_repair_fetched(struct dp_core *core, struct dp_group *group, const struct dp_peer *peer,
		       const struct wire_fetched *fetched)
{
	struct dp_repair *repair = &core->repair;
	enum qr_error error = fetched->status;

	if (repair->group != group || repair->writing ||
	    repair->transfer.peer != peer->config.node ||
	    fetched->index != repair->missing.before.index + 1)
		return; /* late */
	if (error == QR_OUT_OF_RANGE && fetched->block >= fetched->index)
		dp_install_instead(core, group, peer->config.node, fetched->block);
	if (error == QR_OK) {
		error = dp_transfer_take(core, &repair->transfer, fetched, repair->bytes,
					 repair->bytes_max);
	}
	if (error == QR_OK) {
		take_entry(core);
	} else if (error != QR_AGAIN) {
		/* It does not know yet that the entry is committed. */
		repair->unheard = repair->unheard || error == QR_OUT_OF_RANGE;
		ask_another(core);
	}
}

void dp_repair_pump(struct dp_core *core)
{
	pump_repair(core);
	dp_scrub_pump(core);
}

qr_ns dp_repair_deadline(const struct dp_core *core)
{
	const struct dp_repair *repair = &core->repair;
	qr_ns deadline_ns = dp_scrub_deadline(core);

	if (repair->group != NULL && !repair->writing && repair->transfer.at_ns < deadline_ns)
		deadline_ns = repair->transfer.at_ns;
	return deadline_ns;
}
