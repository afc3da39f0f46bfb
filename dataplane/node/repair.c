/*
 * Entries that this node's disk has lost come back from a peer, while the group goes on.
 *
 * Whoever reads from the disk and does not get an entry says so here: a client's read, a stream to
 * a follower, an answer to a peer, and the scrub, which reads every log from its beginning to its
 * end, slowly, for ever. One entry of a core is repaired at a time: its bytes are asked of one
 * member after the other, verified as if they had been read, and written to their place. Readers
 * that need it wait meanwhile; if nobody has it, they are told so, and it is tried again later.
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
#define SCRUB_PIECE_BYTES (256u << 10)

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
		ask_another(core);
	}
}

/* ---- the scrub ---- */

static void next_group(struct dp_core *core)
{
	struct dp_scrub *scrub = &core->scrub;

	scrub->index = 1;
	scrub->at_ns = core->now_ns;
	if (++scrub->position >= core->group_count) {
		scrub->position = 0;
		if (core->recovering > 0) { /* and was left out */
			scrub->at_ns += DP_PATIENCE_TIMES * core->config.retransmit_min_ns;
		} else {
			scrub->at_ns += core->config.scrub_pause_ns;
			core->stats.scrub_passes++;
		}
	}
}

static void stop_reading(struct dp_scrub *scrub)
{
	if (scrub->reader != NULL)
		dp_reader_release(scrub->reader);
	scrub->reader = NULL;
}

/**
 * Read on. Errors: QR_AGAIN  waiting for the disk; QR_NOT_FOUND  the log's end; QR_BUSY  no reader
 * is free, or what was found is being repaired; else damage that nobody can mend.
 */
static enum qr_error scrub_piece(struct dp_core *core, struct dp_group *group)
{
	struct dp_scrub *scrub = &core->scrub;
	uint32_t bytes = 0;

	if (scrub->reader == NULL) {
		/* The last one is left to others. */
		if (dp_reader_count_free(core) < 2)
			return QR_BUSY;
		scrub->reader = dp_reader_acquire(core, group);
		if (scrub->reader == NULL)
			return QR_BUSY;
		if (scrub->resumes) {
			store_reader_start_at(scrub->reader->reader, group->log, &scrub->from,
					      dp_reader_tag(core, scrub->reader));
		} else {
			store_reader_start_index(scrub->reader->reader, group->log, scrub->index,
						 dp_reader_tag(core, scrub->reader));
		}
		scrub->resumes = false;
	}
	while (bytes < SCRUB_PIECE_BYTES) {
		enum qr_error error = QR_NOT_FOUND;

		if (scrub->index <= group->applied)
			error = dp_reader_next(core, scrub->reader);
		if (error != QR_OK)
			return error;
		scrub->index = scrub->reader->location.index + 1;
		bytes += scrub->reader->location.blocks * QR_BLOCK_BYTES;
	}
	scrub->at_ns =
		core->now_ns + (qr_ns)bytes * 1000000000u / core->config.scrub_bytes_per_second;
	core->stats.scrubbed_bytes += bytes;
	return QR_OK;
}

void dp_scrub_leave(struct dp_core *core, const struct dp_group *group)
{
	struct dp_scrub *scrub = &core->scrub;

	if (core->group_count == 0 || &core->groups[scrub->position] != group)
		return;
	stop_reading(scrub);
	scrub->resumes = false;
	scrub->waits = false;
	scrub->index = 1;
}

static void pump_scrub(struct dp_core *core)
{
	struct dp_scrub *scrub = &core->scrub;
	struct dp_group *group = &core->groups[scrub->position];
	enum qr_error error;

	if (core->config.scrub_bytes_per_second == 0 || core->group_count == 0 ||
	    core->now_ns < scrub->at_ns)
		return;
	scrub->waits = core->repair.group != NULL;
	if (scrub->waits)
		return;
	if (group->phase != DP_PHASE_RUNNING) {
		stop_reading(scrub);
		next_group(core);
		return;
	}
	error = scrub_piece(core, group);
	scrub->waits = error == QR_AGAIN;
	if (error == QR_OK || error == QR_AGAIN)
		return;
	stop_reading(scrub);
	if (error == QR_NOT_FOUND) {
		next_group(core);
	} else if (error == QR_BUSY) {
		scrub->resumes = core->repair.group == group;
		scrub->from = core->repair.missing;
		scrub->at_ns = core->now_ns + core->config.retransmit_min_ns;
	} else { /* nobody has it: as far as that goes, what is behind it is looked at */
		scrub->index = store_log_next_start(group->log, scrub->index);
		scrub->resumes = false;
	}
}

void dp_repair_pump(struct dp_core *core)
{
	pump_repair(core);
	pump_scrub(core);
}

qr_ns dp_repair_deadline(const struct dp_core *core)
{
	const struct dp_repair *repair = &core->repair;
	qr_ns deadline_ns = UINT64_MAX;

	if (repair->group != NULL && !repair->writing)
		deadline_ns = repair->transfer.at_ns;
	if (core->config.scrub_bytes_per_second != 0 && !core->scrub.waits &&
	    core->scrub.at_ns < deadline_ns)
		deadline_ns = core->scrub.at_ns;
	return deadline_ns;
}
