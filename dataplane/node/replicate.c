/*
 * The leader's streams become fragments.
 *
 * Consensus says which entries a follower shall get; the stream says which bytes go next; here they
 * are found, in the log window or, for a follower that lags behind it, by a cold reader, and copied
 * once into the datagram. Nothing is queued: what has no buffer or no credit stays in the stream.
 *
 * What comes from the segments has a pace, so that a replica that is being filled does not take the
 * disk, the links and the cores from the appends. It is on top of what the log grows by meanwhile:
 * however slow the pace, and however many appends there are, the follower gets nearer. When the
 * group waits for it, there is nothing to spare, and no pace.
 */
#include "dataplane/node/internal.h"

#define FILL_BURST_NS 2000000 /* what was not used of the pace for so long may be caught up */

void dp_replicate_message(struct dp_core *core, struct dp_group *group,
			  const struct raft_message *message)
{
	struct dp_peer *peer = dp_core_find_peer(core, message->to);
	struct dp_link *link;

	if (peer == NULL)
		return;
	link = &group->links[dp_core_peer_position(core, peer)];
	if (message->kind == RAFT_MESSAGE_SNAPSHOT || message->last == message->index) {
		/* A probe: until it is answered, nobody knows where the stream should start. */
		if (link->stream.active)
			dp_stream_stop(&link->stream);
		dp_mail_post(core, group, message);
		return;
	}
	if (!link->stream.active)
		dp_stream_start(&link->stream, message->index, link->credit, core->now_ns);
	dp_stream_extend(&link->stream, message->last);
	dp_group_touch(group);
}

void dp_replicate_ack(struct dp_core *core, struct dp_group *group, struct dp_peer *peer,
		      const struct wire_ack *ack)
{
	struct dp_link *link = &group->links[dp_core_peer_position(core, peer)];

	if (group->raft.role != RAFT_LEADER || ack->term != group->raft.state.term) {
		dp_core_drop(core, WIRE_DROP_STALE);
		return;
	}
	link->credit = ack->credit;
	if (link->stream.active)
		dp_stream_ack(&link->stream, ack, peer->incarnation, core->now_ns);
	dp_group_touch(group);
}

static void release_reader(struct dp_link *link)
{
	if (link->reader != NULL)
		dp_reader_release(link->reader);
	link->reader = NULL;
	link->grown_bytes = 0;
}

void dp_replicate_stop(struct dp_core *core, struct dp_group *group)
{
	for (uint32_t p = 0; p < core->peer_count; p++) {
		struct dp_link *link = &group->links[p];

		if (link->stream.active)
			dp_stream_stop(&link->stream);
		link->credit = 0;
		release_reader(link);
	}
}

/* ---- the pace of filling ---- */

/** Nothing is being committed that should be: it may be the follower that is missing for it. */
static bool is_needed(const struct dp_core *core, const struct dp_group *group)
{
	return group->raft.commit < group->raft.last &&
	       core->now_ns - group->committed_ns > core->config.heartbeat_interval_ns;
}

static bool is_paced(const struct dp_core *core, const struct dp_group *group,
		     const struct dp_link *link)
{
	return link->reader != NULL && link->grown_bytes == 0 && core->now_ns < core->fill_at_ns &&
	       !is_needed(core, group);
}

static void fill_sent(struct dp_core *core, struct dp_link *link, uint64_t bytes)
{
	uint64_t grown_bytes = bytes < link->grown_bytes ? bytes : link->grown_bytes;

	if (core->config.fill_bytes_per_second == 0)
		return;
	link->grown_bytes -= grown_bytes;
	if (core->now_ns < core->fill_at_ns)
		return; /* it goes without a pace, and is no debt of those that have one */
	if (core->fill_at_ns + FILL_BURST_NS < core->now_ns)
		core->fill_at_ns = core->now_ns - FILL_BURST_NS;
	core->fill_at_ns +=
		(bytes - grown_bytes) * 1000000000u / core->config.fill_bytes_per_second;
}

void dp_replicate_grew(const struct dp_core *core, struct dp_group *group, uint64_t bytes)
{
	/* One that does not answer saves up no more than may be on its way to it. */
	uint64_t most_bytes = core->config.inflight_bytes;

	for (uint32_t p = 0; p < core->peer_count; p++) {
		struct dp_link *link = &group->links[p];

		if (link->reader == NULL)
			continue;
		link->grown_bytes += bytes;
		if (link->grown_bytes > most_bytes)
			link->grown_bytes = most_bytes;
	}
}

/* ---- sending ---- */

/** Where an entry's bytes are: in the window, or in a reader's buffer. */
struct found {
	struct store_location at;
	struct qr_span bytes;
};

/** The entry from the segments. Errors: QR_AGAIN (the disk, or no reader is free). */
static enum qr_error find_cold(struct dp_core *core, struct dp_group *group, struct dp_link *link,
			       qr_index index, struct found *ret_found)
{
	struct dp_reader *reader = link->reader;
	enum qr_error error = QR_OK;

	if (dp_repair_is_under_way(core, group) || dp_repair_is_hopeless(core, group, index)) {
		release_reader(link);
		return QR_AGAIN;
	}
	if (reader == NULL) {
		reader = link->reader = dp_reader_acquire(core, group);
		if (reader == NULL)
			return QR_AGAIN;
		store_reader_start_index(reader->reader, group->log, index,
					 dp_reader_tag(core, reader));
	}
	while (error == QR_OK && (!reader->has_entry || reader->location.index < index))
		error = dp_reader_next(core, reader);
	if (error == QR_OK && reader->location.index == index) {
		*ret_found = (struct found){.at = reader->location, .bytes = reader->bytes};
		return QR_OK;
	}
	/* Waiting for the disk; or behind what is wanted again: start over next turn. */
	if (error != QR_AGAIN)
		release_reader(link);
	return QR_AGAIN;
}

static enum qr_error find_entry(struct dp_core *core, struct dp_group *group, struct dp_link *link,
				qr_index index, struct found *ret_found)
{
	if (store_window_entry(group->log, index, &ret_found->at, &ret_found->bytes) == QR_OK) {
		release_reader(link);
		return QR_OK;
	}
	return find_cold(core, group, link, index, ret_found);
}

/** What a fragment of this entry says, bytes apart. */
static struct wire_fragment describe(const struct dp_core *core, const struct dp_group *group,
				     const struct store_location *at)
{
	return (struct wire_fragment){
		.term = group->raft.state.term,
		.index = at->index,
		.entry_term = at->term,
		.prev_term = raft_term_at(&group->raft, at->index - 1),
		.block = at->block,
		.commit = group->raft.commit,
		.entry_bytes = at->bytes,
		.sent_ns = core->now_ns,
	};
}

/** One fragment into one buffer. Errors: QR_BUSY  no buffer is left. */
static enum qr_error put_fragment(struct dp_core *core, const struct dp_group *group,
				  const struct dp_peer *peer, struct wire_fragment *fragment)
{
	struct qr_writer writer;
	struct dp_tx *tx = dp_core_tx_begin_to(core, peer, &writer);
	size_t room;

	if (tx == NULL)
		return QR_BUSY;
	room = qr_writer_left(&writer) - WIRE_MESSAGE_HEADER_BYTES - WIRE_FRAGMENT_BYTES;
	if (fragment->bulk.size_bytes > room)
		fragment->bulk.size_bytes = room;
	wire_put_fragment(&writer, group->config->group, fragment);
	qr_write_bytes(&writer, fragment->bulk.data, fragment->bulk.size_bytes);
	dp_core_tx_finish(core, tx, &writer);
	return QR_OK;
}

/** Send one piece. Errors: QR_AGAIN  nothing to send now; QR_BUSY  no buffer is left. */
static enum qr_error send_next(struct dp_core *core, struct dp_group *group,
			       const struct dp_peer *peer, struct dp_link *link)
{
	struct dp_stream_want want;
	struct found found;
	struct wire_fragment fragment;
	uint32_t until;

	if (is_paced(core, group, link) ||
	    dp_stream_next(&link->stream, core->now_ns, &want) != QR_OK ||
	    find_entry(core, group, link, want.index, &found) != QR_OK)
		return QR_AGAIN;
	if (!want.probe && found.at.block + found.at.blocks > link->stream.credit)
		return QR_AGAIN; /* the next ACK brings credit */
	until = want.until == 0 || want.until > found.at.bytes ? found.at.bytes : want.until;
	fragment = describe(core, group, &found.at);
	if (want.from < until) {
		fragment.offset = want.from;
		fragment.bulk = (struct qr_span){found.bytes.data + want.from, until - want.from};
		if (put_fragment(core, group, peer, &fragment) != QR_OK)
			return QR_BUSY;
		if (link->reader != NULL)
			fill_sent(core, link, fragment.bulk.size_bytes);
	} /* else the ACK claimed more bytes than the entry has */
	dp_stream_sent(&link->stream, &want, (uint32_t)fragment.bulk.size_bytes, found.at.bytes,
		       core->now_ns);
	core->stats.retransmits += want.again;
	return QR_OK;
}

bool dp_replicate_pump(struct dp_core *core, struct dp_group *group)
{
	bool more = false;

	if (!dp_group_is_leader(group))
		return false;
	for (uint32_t n = 0; n < core->peer_count; n++) {
		/* Another peer is first in each turn: buffers are few, and they share them. */
		uint32_t p = (uint32_t)((core->turn + n) % core->peer_count);
		struct dp_peer *peer = &core->peers[p];
		struct dp_link *link = &group->links[p];
		enum qr_error error = QR_OK;

		if (!link->stream.active || dp_core_link_is_down(core, peer->config.node))
			continue;
		while (error == QR_OK)
			error = send_next(core, group, peer, link);
		more = more || error == QR_BUSY ||
		       (link->reader != NULL && !is_paced(core, group, link));
	}
	return more;
}

qr_ns dp_replicate_deadline(const struct dp_core *core, const struct dp_group *group)
{
	qr_ns earliest = UINT64_MAX;

	if (!dp_group_is_leader(group))
		return earliest;
	for (uint32_t p = 0; p < core->peer_count; p++) {
		const struct dp_link *link = &group->links[p];
		qr_ns deadline =
			link->stream.active ? dp_stream_deadline(&link->stream) : UINT64_MAX;

		if (is_paced(core, group, link))
			deadline = core->fill_at_ns;
		if (deadline < earliest)
			earliest = deadline;
	}
	return earliest;
}
