/*
 * A follower's side of replication: fragments become entries.
 *
 * A fragment is self-contained, so each is judged alone:
 *   1. its term against ours: an older leader is told, a newer one is followed (by stepping
 *      consensus with an empty APPEND made of the fragment's own header);
 *   2. an entry that we have: consensus learns that it matches; one that conflicts: consensus cuts
 *      the suffix, before any byte of the replacement is placed;
 *   3. else its bytes go to their final position in the log window, if that is within the limit.
 * When the next entry is whole and validates, it is accepted and given to consensus.
 *
 * Invariant: the assembly's next entry is the log's last + 1, in the term of consensus. So what is
 * placed never touches an accepted entry, and what an older leader sent is forgotten with its term.
 */
#include "dataplane/node/internal.h"

#define ACK_DELAY_DIVISOR 4 /* of the retransmission floor: an ACK alone may wait that long */

void dp_follow_reset(struct dp_group *group)
{
	group->stream_term = group->raft.state.term;
	dp_assembly_reset(group->assembly, group->raft.state.term, store_log_last(group->log) + 1);
}

/* ---- the appended view of the sessions ---- */

static struct dp_session_entry place_of(const struct store_entry *entry)
{
	return (struct dp_session_entry){.index = entry->index, .commit = entry->commit};
}

static bool apply_changes(struct dp_group *group, const struct store_entry *entry,
			  struct qr_span payload)
{
	struct qr_reader reader = qr_reader_over(payload.data, payload.size_bytes);
	struct store_session_change change;
	enum qr_error error;

	while ((error = store_session_change_next(&reader, &change)) == QR_OK) {
		/* A session is named after the entry that opens it, or a later one could not be. */
		if (change.op == STORE_SESSION_OPEN &&
		    change.session >> STORE_SESSION_NUMBER_BITS != entry->index)
			return false;
		if (!dp_sessions_apply_change(group->sessions, place_of(entry), &change))
			return false;
	}
	return error == QR_AGAIN && entry->record_count == 0;
}

static bool apply_chunks(struct dp_group *group, const struct store_entry *entry,
			 struct qr_span payload)
{
	struct qr_reader reader = qr_reader_over(payload.data, payload.size_bytes);
	uint64_t records = 0;
	struct store_chunk chunk;
	struct qr_span body;
	enum qr_error error;

	while ((error = store_chunk_next(&reader, &chunk, &body)) == QR_OK) {
		if (!dp_sessions_apply_chunk(group->sessions, place_of(entry), &chunk,
					     entry->first_offset + records))
			return false;
		records += chunk.count;
	}
	return error == QR_AGAIN && records == entry->record_count;
}

bool dp_follow_apply_appended(struct dp_group *group, const struct store_entry *entry,
			      struct qr_span payload)
{
	if (entry->kind == RAFT_ENTRY_SESSION)
		return apply_changes(group, entry, payload);
	if (entry->kind == RAFT_ENTRY_DATA)
		return apply_chunks(group, entry, payload);
	if (entry->kind == RAFT_ENTRY_TRIM)
		return entry->record_count == 0 && dp_retain_append(group, entry->index, payload);
	return entry->record_count == 0;
}

/* ---- stepping consensus ---- */

/** What the fragment's header says of the log before its entry, without the entry. */
static void step_header(struct dp_core *core, struct dp_group *group, qr_node from,
			const struct wire_fragment *fragment)
{
	struct raft_message message = {
		.kind = RAFT_MESSAGE_APPEND,
		.from = from,
		.to = core->config.node,
		.term = fragment->term,
		.index = fragment->index - 1,
		.log_term = fragment->prev_term,
		.last = fragment->index - 1,
		.next_term = fragment->entry_term,
		.commit = fragment->commit,
	};
	struct raft_event event = {.kind = RAFT_EVENT_MESSAGE, .message = &message};

	dp_group_step(core, group, &event);
}

static void step_entry(struct dp_core *core, struct dp_group *group,
		       const struct wire_fragment *fragment, qr_term prev_term,
		       const struct raft_entry *entry)
{
	struct raft_message message = {
		.kind = RAFT_MESSAGE_APPEND,
		.from = group->stream_from,
		.to = core->config.node,
		.term = fragment->term,
		.index = entry->index - 1,
		.log_term = prev_term,
		.last = entry->index,
		.next_term = entry->term,
		.entries = entry,
		.commit = fragment->commit,
	};
	struct raft_event event = {.kind = RAFT_EVENT_MESSAGE, .message = &message};

	dp_group_step(core, group, &event);
}

/* ---- entries that are whole ---- */

/** What a peer sent contradicts itself: forget it. */
static void refuse_entry(struct dp_core *core, struct dp_group *group)
{
	dp_core_drop(core, WIRE_DROP_MALFORMED);
	dp_follow_reset(group);
}

/** The same of an entry that is in the log's index already, and in the sessions in part. */
static void take_back_entry(struct dp_core *core, struct dp_group *group)
{
	store_truncate(group->log, group->raft.last, group->raft.generation);
	dp_sessions_truncate(group->sessions, group->raft.last);
	dp_retain_cut(group, group->raft.last);
	refuse_entry(core, group);
}

/**
 * The entry is in the log's index: consensus takes it, or it goes again. Its checksums and its
 * place hold, and that is all they say: what it does to the sessions is judged here.
 */
static bool take_entry(struct dp_core *core, struct dp_group *group,
		       const struct wire_fragment *fragment, qr_term prev_term,
		       const struct store_entry *entry)
{
	struct raft_entry light = {.index = entry->index,
				   .term = entry->term,
				   .kind = entry->kind,
				   .blocks = entry->blocks};
	struct dp_times *times = &group->times[entry->index % DP_TIMES];
	struct wire_fragment heard = *fragment;
	struct store_location at;
	struct qr_span bytes;
	enum qr_error error = store_window_entry(group->log, entry->index, &at, &bytes);

	QR_ASSERT(error == QR_OK);
	bytes.data += STORE_ENTRY_HEADER_BYTES;
	bytes.size_bytes -= STORE_ENTRY_HEADER_BYTES;
	if (!dp_follow_apply_appended(group, entry, bytes))
		return false;
	times->opened_ns = times->closed_ns = core->now_ns;
	dp_assembly_pop(group->assembly);
	/* What the entry's own leader knew is true for ever, and the sessions rely on it. */
	if (heard.commit < entry->commit)
		heard.commit = entry->commit;
	step_entry(core, group, &heard, prev_term, &light);
	QR_ASSERT(group->raft.last >= entry->index);
	return true;
}

static void accept_whole_entries(struct dp_core *core, struct dp_group *group,
				 const struct wire_fragment *fragment)
{
	struct dp_assembled head;

	while (dp_assembly_head(group->assembly, &head) == QR_OK) {
		struct store_entry entry;
		enum qr_error error;

		QR_ASSERT(head.index == group->raft.last + 1);
		if (head.prev_term != raft_term_at(&group->raft, head.index - 1)) {
			/* Not a successor of what we have: the leader looks for the match again. */
			step_header(core, group, group->stream_from, fragment);
			dp_follow_reset(group);
			return;
		}
		if (head.entry_term < head.prev_term || head.entry_term > group->raft.state.term) {
			refuse_entry(core, group); /* no log has that */
			return;
		}
		error = store_accept(group->log, head.block, head.entry_bytes, &entry);
		if (error == QR_BUSY)
			return;
		if (error != QR_OK) {
			dp_core_drop(core, WIRE_DROP_CHECKSUM);
			dp_assembly_spoil(group->assembly);
			return;
		}
		QR_ASSERT(entry.index == head.index);
		/* Else the fragments spoke of another entry, or no leader writes such a one. */
		if (entry.term != head.entry_term ||
		    !take_entry(core, group, fragment, head.prev_term, &entry)) {
			take_back_entry(core, group);
			return;
		}
	}
}

/* ---- a fragment ---- */

/** Whether the fragment is of the leader that we follow, after consensus has heard of it. */
static bool follow_sender(struct dp_core *core, struct dp_group *group, qr_node from,
			  const struct wire_fragment *fragment)
{
	if (fragment->term != group->raft.state.term || group->raft.leader != from)
		step_header(core, group, from, fragment);
	if (fragment->term != group->raft.state.term || group->raft.leader != from)
		return false;
	group->stream_from = from;
	if (group->stream_term != group->raft.state.term)
		dp_follow_reset(group);
	return true;
}

static bool has_entry(struct dp_core *core, struct dp_group *group,
		      const struct wire_fragment *fragment)
{
	struct raft_entry known = {.index = fragment->index,
				   .term = fragment->entry_term,
				   .kind = RAFT_ENTRY_DATA,
				   .blocks = qr_blocks_for(fragment->entry_bytes)};

	if (fragment->index > group->raft.last)
		return false;
	if (raft_term_at(&group->raft, fragment->index) != fragment->entry_term) {
		step_header(core, group, group->stream_from, fragment);
		return fragment->index <= group->raft.last;
	}
	if (fragment->index > group->raft.matched)
		step_entry(core, group, fragment, fragment->prev_term, &known);
	return true;
}

static void place(struct dp_core *core, struct dp_group *group,
		  const struct wire_fragment *fragment)
{
	qr_block end = fragment->block + qr_blocks_for(fragment->entry_bytes);
	enum qr_error error;

	if (end > store_log_limit_overdrawn(group->log)) {
		dp_core_drop(core, WIRE_DROP_NO_ROOM);
		return;
	}
	error = dp_assembly_add(group->assembly, fragment);
	if (error == QR_OK) {
		error = store_place(group->log, fragment->block, fragment->offset, fragment->bulk);
		if (error != QR_OK) /* contradicts the layout: forget it all, it comes again */
			dp_follow_reset(group);
	}
	if (error == QR_BUSY) {
		dp_core_drop(core, WIRE_DROP_NO_ROOM);
	} else if (error != QR_OK && error != QR_STALE) {
		dp_core_drop(core, WIRE_DROP_MALFORMED);
	}
}

void dp_follow_fragment(struct dp_core *core, struct dp_group *group, struct dp_peer *peer,
			const struct wire_fragment *fragment)
{
	if (group->raft.failed)
		return; /* the store is poisoned: consensus takes nothing either */
	if (fragment->index == 0 || fragment->term < group->raft.state.term) {
		dp_core_drop(core, WIRE_DROP_STALE);
		if (fragment->index != 0)
			step_header(core, group, peer->config.node, fragment);
		return;
	}
	if (!follow_sender(core, group, peer->config.node, fragment)) {
		dp_core_drop(core, WIRE_DROP_STALE);
		return;
	}
	if (!group->ack_due) {
		group->ack_at_ns =
			core->now_ns + core->config.retransmit_min_ns / ACK_DELAY_DIVISOR;
	}
	group->ack_due = true;
	group->echo_ns = fragment->sent_ns;
	if (!has_entry(core, group, fragment)) {
		place(core, group, fragment);
		accept_whole_entries(core, group, fragment);
	}
	group->ack_now = group->ack_now || dp_assembly_has_hole(group->assembly);
	dp_group_touch(group);
}

/* ---- acknowledgements ---- */

void dp_follow_probed(struct dp_group *group, qr_node from)
{
	if (group->raft.leader != from)
		return;
	group->stream_from = from;
	group->ack_due = true;
	group->ack_now = true;
}

bool dp_follow_ack_is_due(const struct dp_core *core, const struct dp_group *group)
{
	if (!group->ack_due || group->phase != DP_PHASE_RUNNING || group->raft.role == RAFT_LEADER)
		return false;
	return group->ack_now || core->now_ns >= group->ack_at_ns ||
	       store_log_durable(group->log).index != group->acked_index;
}

void dp_follow_put_ack(struct dp_core *core, struct dp_group *group, struct qr_writer *writer)
{
	struct wire_ack ack = {
		.term = group->raft.state.term,
		.received = group->raft.matched,
		.credit = store_log_limit(group->log),
		.echo_ns = group->echo_ns,
	};

	(void)core;
	/* What the log holds beyond the match may yet turn out to be another leader's. */
	if (group->stream_term == group->raft.state.term && group->raft.matched == group->raft.last)
		dp_assembly_report(group->assembly, &ack);
	wire_put_ack(writer, group->config->group, &ack);
	group->acked_index = store_log_durable(group->log).index;
	group->ack_due = false;
	group->ack_now = false;
	group->echo_ns = 0;
}
