/*
 * One group: the log, consensus and the producer table joined.
 *
 * Invariants
 *   - Consensus' last entry is the log's last entry, after every step that was carried out.
 *   - The appended view of the sessions covers exactly the log; the committed view and `applied`
 *     cover exactly the committed prefix that has been walked.
 *   - Consensus hears of durable positions only from the store (dp_group_sync).
 *
 * A step's effects are carried out at once and completely, before the next step: cut the suffix,
 * queue the writes, post the messages. None of that waits; what a message promises is checked
 * against what is durable when it is posted (mail.c).
 *
 * What a crash leaves: whatever the store had made durable. Recovery begins with the newest
 * snapshot (snapshot.c), walks the log behind it once, refills the window, the term runs and the
 * sessions, and starts consensus as a follower.
 */
#include "dataplane/node/internal.h"
#include "dataplane/node/probe.h"

#define RECOVERED_PER_TURN 64

/* ---- applying committed entries ---- */

static void commit_session_changes(struct dp_group *group, struct qr_span payload)
{
	struct qr_reader reader = qr_reader_over(payload.data, payload.size_bytes);
	struct store_session_change change;

	while (store_session_change_next(&reader, &change) == QR_OK)
		dp_sessions_commit_change(group->sessions, &change);
}

static uint64_t commit_chunks(struct dp_group *group, qr_offset offset, struct qr_span payload)
{
	struct qr_reader reader = qr_reader_over(payload.data, payload.size_bytes);
	struct store_chunk chunk;
	struct qr_span body;
	uint64_t chunks = 0;

	while (store_chunk_next(&reader, &chunk, &body) == QR_OK) {
		dp_sessions_commit_chunk(group->sessions, &chunk, offset);
		offset += chunk.count;
		chunks++;
	}
	return chunks;
}

/** Walk an entry that the window holds. @return false: only the disk has it now. */
static bool apply_entry(struct dp_core *core, struct dp_group *group, qr_index index)
{
	struct store_location at;
	struct qr_span bytes;
	struct qr_span payload;

	if (store_window_entry(group->log, index, &at, &bytes) != QR_OK)
		return false;
	payload = (struct qr_span){bytes.data + STORE_ENTRY_HEADER_BYTES,
				   bytes.size_bytes - STORE_ENTRY_HEADER_BYTES};
	if (at.kind == RAFT_ENTRY_SESSION) {
		commit_session_changes(group, payload);
		dp_append_sessions_committed(core, group);
	} else if (at.kind == RAFT_ENTRY_TRIM) {
		dp_retain_commit(group, index);
	} else if (at.kind == RAFT_ENTRY_DATA) {
		uint64_t chunks = commit_chunks(group, at.first_offset, payload);

		if (group->raft.role == RAFT_LEADER) {
			core->stats.acked_records += at.record_count;
			core->stats.acked_chunks += chunks;
		}
	}
	group->committed_end = at.first_offset + at.record_count;
	group->applied_time_ns = store_entry_time(bytes.data);
	group->applied = index;
	return true;
}

/** Entries up to `commit`, which end before the record `end`, are committed, and nobody walks them.
 */
static void apply_prefix(struct dp_core *core, struct dp_group *group, qr_index commit,
			 qr_offset end)
{
	dp_sessions_commit_upto(group->sessions, commit);
	dp_append_sessions_committed(core, group);
	dp_retain_commit(group, commit);
	group->committed_end = end;
	group->applied_time_ns = 0;
	group->applied = commit;
}

/**
 * What a restart found in the log and only now turns out to be committed may have left the window:
 * the table knows the entry of every chunk, so it can be told at once. If the index has forgotten
 * where the records of that entry end, a later commit does it: no correct leader's lags so far.
 */
static void apply_unseen(struct dp_core *core, struct dp_group *group, qr_index commit)
{
	qr_offset end;

	if (store_log_offset_after(group->log, commit, &end) == QR_OK)
		apply_prefix(core, group, commit, end);
}

static void note_quorum(struct dp_core *core, const struct dp_group *group, qr_index index)
{
	qr_ns closed_ns = group->times[index % DP_TIMES].closed_ns;

	if (group->raft.role != RAFT_LEADER || closed_ns == 0)
		return;
	qr_histogram_record(&core->stats.stages[WIRE_STAGE_QUORUM], core->now_ns - closed_ns);
	DP_PROBE_QUORUM(group->config->group, index, core->now_ns - closed_ns);
}

static void apply_committed(struct dp_core *core, struct dp_group *group, qr_index commit)
{
	group->committed_ns = core->now_ns;
	while (group->applied < commit) {
		dp_snapshot_offer(core, group);
		if (!apply_entry(core, group, group->applied + 1)) {
			apply_unseen(core, group, commit);
			break;
		}
		note_quorum(core, group, group->applied);
	}
	store_release(group->log, group->applied);
	dp_read_tail_applied(core, group);
}

/* ---- carrying out what consensus wants ---- */

static void cut_suffix(struct dp_core *core, struct dp_group *group, qr_index to,
		       uint64_t generation)
{
	QR_ASSERT(to >= group->applied);
	if (store_entry_is_open(group->log))
		store_entry_drop(group->log);
	store_truncate(group->log, to, generation);
	dp_sessions_truncate(group->sessions, to);
	dp_reader_cut(core, group, to);
	dp_retain_cut(group, to);
	dp_follow_reset(group);
}

static void role_changed(struct dp_core *core, struct dp_group *group)
{
	bool laying_out = store_entry_is_open(group->log);

	if (group->raft.role == RAFT_LEADER) {
		group->elections++;
		group->tenure_ns = core->now_ns;
		for (uint32_t p = 0; p < core->peer_count; p++)
			group->links[p].moved_ns = 0; /* it is looked at anew */
		return;
	}
	if (laying_out) {
		/* Its chunks entered the appended view when they came; nobody was told. */
		store_entry_drop(group->log);
		dp_sessions_truncate(group->sessions, store_log_last(group->log));
	}
	group->wants_noop = false;
	group->trim_index = 0;
	dp_replicate_stop(core, group);
	dp_append_lost(core, group);
}

static void carry_out(struct dp_core *core, struct dp_group *group)
{
	struct raft_effects *effects = &core->effects;

	if (effects->truncated)
		cut_suffix(core, group, effects->truncate_to, effects->generation);
	if (effects->role_changed)
		role_changed(core, group);
	if (effects->save_state)
		store_save_state(group->log, &effects->state);
	if (effects->appended) {
		store_write(group->log, effects->write_first, effects->write_last,
			    effects->generation);
	}
	for (uint32_t m = 0; m < effects->message_count; m++) {
		const struct raft_message *message = &effects->messages[m];

		if (message->kind == RAFT_MESSAGE_APPEND ||
		    message->kind == RAFT_MESSAGE_SNAPSHOT) {
			dp_replicate_message(core, group, message);
		} else {
			dp_mail_post(core, group, message);
		}
	}
	if (effects->commit_moved)
		apply_committed(core, group, effects->commit);
	for (uint32_t r = 0; r < effects->read_count; r++)
		dp_read_tail_done(core, &effects->reads[r]);
	if (effects->wants_noop)
		group->wants_noop = true;
	if (effects->wants_snapshot)
		dp_install_wanted(core, group, effects);
}

void dp_group_step(struct dp_core *core, struct dp_group *group, struct raft_event *event)
{
	event->now_ns = core->now_ns;
	raft_step(&group->raft, event, &core->effects);
	carry_out(core, group);
	QR_ASSERT(group->raft.last == store_log_last(group->log));
	QR_ASSERT(group->applied <= group->raft.commit);
	dp_group_touch(group);
}

/* ---- what became durable ---- */

static void tell_durable(struct dp_core *core, struct dp_group *group,
			 const struct raft_position *durable)
{
	struct raft_event event = {.kind = RAFT_EVENT_ENTRIES_DURABLE, .position = *durable};

	for (qr_index i = group->durable_told.index + 1; i <= durable->index; i++) {
		qr_ns closed_ns = group->times[i % DP_TIMES].closed_ns;

		if (closed_ns == 0)
			continue;
		qr_histogram_record(&core->stats.stages[WIRE_STAGE_DISK], core->now_ns - closed_ns);
		DP_PROBE_DISK(group->config->group, i, core->now_ns - closed_ns);
	}
	group->durable_told = *durable;
	dp_group_step(core, group, &event);
}

void dp_group_sync(struct dp_core *core, struct dp_group *group)
{
	struct raft_position durable = store_log_durable(group->log);
	uint64_t state = store_log_state_durable(group->log);

	if (store_log_condition(group->log) == QR_POISONED && !group->failed_told) {
		struct raft_event event = {.kind = RAFT_EVENT_STORAGE_FAILED};

		group->failed_told = true;
		dp_group_step(core, group, &event);
		return;
	}
	if (state != group->state_told) {
		struct raft_event event = {.kind = RAFT_EVENT_STATE_DURABLE,
					   .state_generation = state};

		group->state_told = state;
		dp_group_step(core, group, &event);
		dp_mail_release(core, group);
	}
	if (durable.index != group->durable_told.index ||
	    durable.generation != group->durable_told.generation) {
		tell_durable(core, group, &durable);
		dp_mail_release(core, group);
	}
}

/** What the group waits for: writes, and reads for followers that lag behind the window. */
static uint64_t count_owed(const struct dp_core *core, const struct dp_group *group)
{
	uint64_t owed = store_log_owed(group->log);

	for (uint32_t p = 0; p < core->peer_count; p++) {
		if (group->links[p].reader != NULL)
			owed += store_reader_owed(group->links[p].reader->reader);
	}
	return owed;
}

/** The disk owes the same as it did an election timeout ago. */
static bool store_hangs(const struct dp_core *core, struct dp_group *group)
{
	uint64_t owed = count_owed(core, group);

	if (owed != group->owed) {
		group->owed = owed;
		group->owed_since_ns = core->now_ns;
	}
	return owed != 0 && core->now_ns - group->owed_since_ns >= core->config.election_timeout_ns;
}

void dp_group_tick(struct dp_core *core, struct dp_group *group)
{
	struct raft_event event = {.kind = RAFT_EVENT_TICK, .random = core->random};

	if (core->now_ns >= group->retry_ns) {
		group->retry_ns = core->now_ns + DP_RETRY_NS;
		store_log_retry(group->log);
		dp_group_set_floor(group);
		dp_retain_tick(core, group);
	}
	/* The groups of a core share the turn's random bits; their numbers keep them apart. */
	event.random ^= group->config->group * 2654435761u;
	event.store_hangs = store_hangs(core, group);
	if (raft_next_deadline(&group->raft) <= core->now_ns)
		dp_group_step(core, group, &event);
	dp_handover_consider(core, group);
}

qr_nodes dp_group_members(const struct dp_group *group)
{
	const struct raft_configuration *configuration =
		group->phase == DP_PHASE_RUNNING ? &group->raft.configuration
						 : &store_log_slot(group->log)->configuration;

	return raft_configuration_members(configuration);
}

qr_index dp_group_readable(const struct dp_group *group)
{
	if (group->phase == DP_PHASE_RUNNING)
		return group->applied;
	/* What recovery has verified below the settled prefix. */
	return group->mends ? store_log_durable(group->log).index : 0;
}

enum qr_error dp_group_refusal(const struct dp_group *group)
{
	if (group->phase == DP_PHASE_DAMAGED)
		return group->damage;
	/* It starts, and misses an entry that none of the others had so far. */
	if (group->mends && group->lost_index == store_log_last(group->log) + 1)
		return QR_CORRUPT;
	if (group->phase != DP_PHASE_RUNNING)
		return QR_BUSY;
	return QR_OK;
}

/*
 * Not BUSY while it recovers: that is for who will serve soon, and a client waits for it; a disk
 * that does not answer keeps a node here for ever, and who leads is somebody else.
 */
enum qr_error dp_group_leader_refusal(const struct dp_group *group)
{
	if (group->phase == DP_PHASE_DAMAGED)
		return group->damage;
	return dp_group_is_leader(group) ? QR_OK : QR_NOT_LEADER;
}

void dp_group_set_floor(struct dp_group *group)
{
	const struct store_snapshot *given = store_snapshot_to_give(group->log);
	struct store_prefix origin = store_log_origin(group->log);

	/* What is in front of the snapshot may be there, but whoever lacks it needs a snapshot. */
	if (given != NULL && origin.index != 0)
		origin = given->base;
	if (origin.index > group->raft.floor ||
	    (origin.index == group->raft.floor && origin.term != group->raft.floor_term))
		raft_set_floor(&group->raft, origin.index, origin.term);
}

/* ---- the log is another one ---- */

static void set_mends(struct dp_core *core, struct dp_group *group, bool mends)
{
	if (mends && !group->mends) {
		core->mending++;
	} else if (!mends && group->mends) {
		core->mending--;
	}
	group->mends = mends;
	group->asked = group->asked && mends;
}

void dp_group_silence(struct dp_core *core, struct dp_group *group)
{
	QR_ASSERT(group->phase == DP_PHASE_RUNNING && group->raft.role != RAFT_LEADER);
	group->phase = DP_PHASE_SILENT;
	group->ack_due = false;
	dp_mail_forget(core, group);
	dp_read_end(core, group);
	dp_fetch_forget(core, group);
	dp_scrub_leave(core, group);
	dp_replicate_stop(core, group);
	dp_reader_forget(core, group);
}

void dp_group_restart(struct dp_core *core, struct dp_group *group)
{
	if (group->phase == DP_PHASE_SILENT)
		core->recovering++;
	set_mends(core, group, false);
	dp_reader_forget(core, group);
	group->segments = store_log_restart(group->log);
	dp_sessions_clear(group->sessions);
	group->phase = DP_PHASE_NEW;
	group->failed_told = false;
	group->lost_index = 0;
	group->run_count = 0;
	group->commit_hint = 0;
	dp_retain_cut(group, 0);
	group->applied = 0;
	group->committed_end = 0;
	group->stream_from = 0;
	group->stream_term = 0;
	group->acked_index = 0;
	group->deadline_ns = UINT64_MAX;
	group->unfit = false;
	memset(group->times, 0, sizeof(group->times));
}

/* ---- recovery ---- */

static void note_term(struct dp_group *group, const struct store_entry *entry)
{
	if (group->run_count != 0 && group->runs[group->run_count - 1].term == entry->term)
		return;
	if (group->run_count == RAFT_TERM_RUNS_MAX) {
		group->run_count--;
		memmove(&group->runs[0], &group->runs[1],
			group->run_count * sizeof(group->runs[0]));
	}
	group->runs[group->run_count++] =
		(struct raft_term_run){.first = entry->index, .term = entry->term};
}

/** Errors: QR_CORRUPT  every checksum holds, and no leader wrote it. */
static enum qr_error take_recovered(struct dp_group *group,
				    const struct store_recovered_entry *found)
{
	note_term(group, &found->entry);
	if (!dp_follow_apply_appended(group, &found->entry, found->payload))
		return QR_CORRUPT;
	/* A leader closed this entry knowing that much committed: true for ever. */
	if (found->entry.commit > group->commit_hint)
		group->commit_hint = found->entry.commit;
	return QR_OK;
}

/** The slots know sets of nodes; only consensus knows which of them are a configuration. */
static bool has_configuration(const struct dp_group *group)
{
	return raft_configuration_is_valid(&store_log_slot(group->log)->configuration);
}

static void start_running(struct dp_core *core, struct dp_group *group)
{
	const struct dp_core_config *own = &core->config;
	const struct store_slot *slot = store_log_slot(group->log);
	struct raft_parameters parameters = {
		.self = own->node,
		.election_timeout_ns = own->election_timeout_ns,
		.heartbeat_interval_ns = own->heartbeat_interval_ns,
		.priority = group->config->priority,
		.window_entries = own->inflight_entries,
		.window_blocks = qr_blocks_for(own->inflight_bytes),
	};
	qr_index last = store_log_last(group->log);
	qr_index known =
		slot->settled.index > group->commit_hint ? slot->settled.index : group->commit_hint;
	struct raft_recovered recovered = {
		.configuration = slot->configuration,
		.state = slot->state,
		.last = last,
		.commit = known < last ? known : last,
	};

	raft_init(&group->raft, &parameters, &recovered, group->runs, group->run_count,
		  core->now_ns);
	group->phase = DP_PHASE_RUNNING;
	set_mends(core, group, false);
	apply_prefix(core, group, slot->settled.index, slot->settled.offset);
	if (recovered.commit > group->applied)
		apply_unseen(core, group, recovered.commit);
	store_release(group->log, group->applied);
	group->durable_told = store_log_durable(group->log);
	group->state_told = store_log_state_durable(group->log);
	dp_group_set_floor(group);
	core->recovering--;
}

static void refuse(struct dp_core *core, struct dp_group *group, enum qr_error damage)
{
	group->phase = DP_PHASE_DAMAGED;
	group->damage = damage;
	set_mends(core, group, false);
	dp_snapshot_release(core, group);
	core->recovering--;
}

/**
 * A settled entry is missing: it is asked of the others, and then its place is looked at again,
 * also if nobody had it: perhaps the disk can read it by now.
 */
static void mend(struct dp_core *core, struct dp_group *group)
{
	struct store_missing missing = store_recover_missing(group->log);

	set_mends(core, group, true);
	group->deadline_ns = UINT64_MAX;
	if (dp_repair_is_under_way(core, group) || core->install.group == group)
		return;
	if (group->unfit) { /* the entries in front of it are not those that were committed */
		refuse(core, group, QR_CORRUPT);
	} else if (group->asked) {
		group->asked = !store_recover_again(group->log);
		group->deadline_ns = core->now_ns;
	} else {
		group->asked = dp_repair_ask(core, group, &missing);
		if (!group->asked)
			group->deadline_ns = group->lost_until_ns;
	}
	if (group->deadline_ns < core->deadline_ns)
		core->deadline_ns = group->deadline_ns;
}

void dp_group_recover(struct dp_core *core, struct dp_group *group)
{
	struct store_recovered_entry found;
	enum qr_error error = dp_snapshot_restore(core, group);

	for (uint32_t n = 0; n < RECOVERED_PER_TURN && error == QR_OK; n++) {
		error = store_recover_next(group->log, &found);
		if (error == QR_OK)
			error = take_recovered(group, &found);
	}
	if (error == QR_BUSY) {
		mend(core, group);
	} else if (error == QR_NOT_FOUND && !has_configuration(group)) {
		refuse(core, group, QR_CORRUPT);
	} else if (error == QR_NOT_FOUND) {
		start_running(core, group);
	} else if (error != QR_OK && error != QR_AGAIN) {
		refuse(core, group, error);
	}
	dp_group_touch(group);
}
