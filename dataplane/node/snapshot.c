/*
 * What a group is after a prefix of its log, on its way to the disk and back: the terms of its
 * entries and its producer table. With it a start reads the log from there on. The byte table is
 * docs/formats/snapshot.md.
 *
 * The state is copied in one turn, so that it is that of one index; the store then writes it at its
 * leisure. It takes about a millisecond for 4,096 sessions that are all in use, microseconds for
 * tens. All groups of a core share the buffer.
 *
 * Invariant: what is saved is committed, and the state after the last entry in front of a segment:
 * it is taken between two entries, before the one that begins the segment is applied.
 *
 * A crash loses the snapshot that was being written, never the one before.
 */
#include "dataplane/node/internal.h"

#define RUN_BYTES 16

static size_t state_bytes_max(const struct dp_core_config *config)
{
	return sizeof(uint32_t) + (size_t)RAFT_TERM_RUNS_MAX * RUN_BYTES +
	       dp_sessions_image_bytes(config->sessions_max);
}

void dp_snapshot_create(struct dp_core *core, struct qr_arena *arena,
			const struct dp_core_config *config)
{
	size_t size_bytes = store_snapshot_bytes(config->checkpoints_max, state_bytes_max(config));
	uint8_t *data = qr_arena_take(arena, size_bytes, QR_BLOCK_BYTES);

	if (core != NULL)
		core->snapshot_buffer = (struct store_snapshot_buffer){data, size_bytes};
}

/* ---- who has the buffer ---- */

bool dp_snapshot_claim(struct dp_core *core, struct dp_group *group)
{
	const struct dp_group *user = core->snapshot_user;

	if (core->install.group != NULL)
		return false;
	/* One that recovers gives it back itself; one that runs, when the store has written it. */
	if (user != NULL &&
	    (user->phase == DP_PHASE_RECOVERING || store_snapshot_is_busy(user->log)))
		return false;
	core->snapshot_user = group;
	return true;
}

void dp_snapshot_release(struct dp_core *core, struct dp_group *group)
{
	if (core->snapshot_user == group)
		core->snapshot_user = NULL;
}

/* ---- saving ---- */

/** The terms of entries up to `index`. */
static void save_runs(const struct raft_group *raft, qr_index index, struct qr_writer *writer)
{
	uint32_t count = 0;

	while (count < raft->run_count &&
	       raft->runs[(raft->run_head + count) % RAFT_TERM_RUNS_MAX].first <= index)
		count++;
	qr_write_u32(writer, count);
	for (uint32_t r = 0; r < count; r++) {
		const struct raft_term_run *run =
			&raft->runs[(raft->run_head + r) % RAFT_TERM_RUNS_MAX];

		qr_write_u64(writer, run->first);
		qr_write_u64(writer, run->term);
	}
}

void dp_snapshot_offer(struct dp_core *core, struct dp_group *group)
{
	struct store_snapshot_buffer buffer = core->snapshot_buffer;
	struct qr_writer writer;

	if (!store_snapshot_is_due(group->log, group->applied) || !dp_snapshot_claim(core, group))
		return;
	writer = qr_writer_over(buffer.data + STORE_SNAPSHOT_STATE_AT,
				state_bytes_max(&core->config));
	save_runs(&group->raft, group->applied, &writer);
	dp_sessions_save(group->sessions, group->applied, &writer);
	QR_ASSERT(!writer.failed);
	store_snapshot_take(group->log, group->applied, group->applied_time_ns, buffer,
			    qr_writer_size(&writer));
}

/* ---- restoring ---- */

/** Runs rise, and the newest is that of the last entry. */
static bool restore_runs(struct dp_group *group, const struct store_prefix *base,
			 struct qr_reader *reader)
{
	uint32_t count = qr_read_u32(reader);

	if (count == 0 || count > RAFT_TERM_RUNS_MAX)
		return false;
	for (uint32_t r = 0; r < count; r++) {
		struct raft_term_run *run = &group->runs[r];

		run->first = qr_read_u64(reader);
		run->term = qr_read_u64(reader);
		if (run->first == 0 || run->first > base->index || run->term == 0 ||
		    (r > 0 && (run->first <= run[-1].first || run->term <= run[-1].term)))
			return false;
	}
	group->run_count = count;
	return !reader->failed && group->runs[count - 1].term == base->term;
}

enum qr_error dp_snapshot_restore(struct dp_core *core, struct dp_group *group)
{
	struct store_recovered_state found;
	struct qr_reader reader;
	enum qr_error error;

	if (core->snapshot_user != group || core->install.group == group)
		return QR_OK; /* done before */
	error = store_recover_state(group->log, &found);
	if (error == QR_AGAIN)
		return QR_AGAIN;
	dp_snapshot_release(core, group);
	if (error != QR_OK)
		return error == QR_NOT_FOUND ? QR_OK : error;
	reader = qr_reader_over(found.state.data, found.state.size_bytes);
	if (!restore_runs(group, &found.base, &reader) ||
	    !dp_sessions_restore(group->sessions, &found.base, &reader))
		return QR_CORRUPT;
	return QR_OK;
}
