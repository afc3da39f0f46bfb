/*
 * The order of a turn, and who gets which message.
 *
 * Everything that arrives is taken first (dp_core_receive, dp_core_complete), then dp_core_poll
 * decides: recovery, durable notices, timers, closing of open entries, then datagrams: consensus
 * and acknowledgements first, since others wait for them; client answers; entries; records for
 * readers. So one burst of appends becomes one entry, and what could be decided leaves in the same
 * turn.
 *
 * A crash at any line loses memory only. What may leave a node depends on what the disk has
 * confirmed: that rule is kept by group.c and mail.c, not by the order here.
 */
#include "dataplane/node/internal.h"
#include "dataplane/node/probe.h"

/* ---- create ---- */

/** The parts of a group; `group` is NULL while the arena measures. */
static void group_create(struct dp_group *group, struct qr_arena *arena,
			 const struct dp_core_config *own, const struct dp_group_config *config)
{
	struct store_log_parameters parameters = {
		.cluster = own->cluster,
		.node = own->node,
		.group = config->group,
		.geometry = own->geometry,
		.configuration = config->configuration,
		.window_blocks = own->window_blocks,
		.write_depth = own->write_depth,
		.write_max_blocks = own->write_max_blocks,
		.segments_ahead = own->segments_ahead,
		.checkpoints_max = own->checkpoints_max,
		.snapshot_blocks = own->snapshot_blocks,
		.lazy = config->durability == WIRE_DURABLE_MEMORY,
		.mends = own->peer_count != 0,
	};
	struct store_log *log;
	struct dp_sessions *sessions;
	struct dp_assembly *assembly;

	if (config->configuration.voters == 0)
		parameters.configuration.voters = config->replicas;
	/* The others can do without this one; else nobody would ever fill it. */
	parameters.forgets =
		raft_configuration_has_quorum(&parameters.configuration, ~qr_nodes_of(own->node));
	log = store_log_create(arena, &parameters);
	sessions = dp_sessions_create(arena, own->sessions_max);
	assembly = dp_assembly_create(arena);
	if (group == NULL)
		return;
	group->config = config;
	group->log = log;
	group->sessions = sessions;
	group->assembly = assembly;
	group->deadline_ns = UINT64_MAX;
	for (uint32_t p = 0; p < own->peer_count; p++)
		dp_stream_init(&group->links[p].stream, own->retransmit_min_ns);
}

static bool owns(const struct dp_core_config *config, const struct dp_group_config *group)
{
	return group->group % config->cores == config->core &&
	       qr_nodes_has(group->replicas, config->node);
}

static uint32_t count_own_groups(const struct dp_core_config *config)
{
	uint32_t count = 0;

	for (uint32_t g = 0; g < config->group_count; g++)
		count += owns(config, &config->groups[g]);
	return count;
}

struct dp_core *dp_core_create(struct qr_arena *arena, const struct dp_core_config *config,
			       qr_ns now_ns)
{
	uint32_t group_count = count_own_groups(config);
	struct dp_core *core = qr_arena_take(arena, sizeof(*core), 64);
	struct dp_group *groups = qr_arena_take(arena, group_count * sizeof(*groups), 64);
	uint32_t position = 0;

	QR_ASSERT(config->peer_count <= DP_PEERS_MAX && config->core < config->cores);
	if (core != NULL) {
		core->config = *config;
		core->groups = groups;
		core->group_count = group_count;
		core->recovering = group_count;
		core->peer_count = config->peer_count;
		core->incarnation = config->incarnation;
		core->read_at_ns = UINT64_MAX;
		core->now_ns = core->started_ns = core->polled_ns = now_ns;
		for (uint32_t p = 0; p < config->peer_count; p++)
			core->peers[p].config = config->peers[p];
	}
	dp_read_create(core, arena, config);
	dp_parts_create(core, arena, config);
	dp_snapshot_create(core, arena, config);
	dp_repair_create(core, arena, config);
	dp_fetch_create(core, arena);
	for (uint32_t g = 0; g < config->group_count; g++) {
		struct dp_group *group = core == NULL ? NULL : &groups[position];

		QR_ASSERT(g == 0 || config->groups[g - 1].group < config->groups[g].group);
		if (!owns(config, &config->groups[g]))
			continue;
		group_create(group, arena, config, &config->groups[g]);
		position++;
	}
	return core;
}

/* ---- finding ---- */

struct dp_group *dp_core_find_group(struct dp_core *core, qr_group group)
{
	uint32_t low = 0;
	uint32_t high = core->group_count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (core->groups[middle].config->group < group) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	if (low == core->group_count || core->groups[low].config->group != group)
		return NULL;
	return &core->groups[low];
}

struct dp_peer *dp_core_find_peer(struct dp_core *core, qr_node node)
{
	for (uint32_t p = 0; p < core->peer_count; p++) {
		if (core->peers[p].config.node == node)
			return &core->peers[p];
	}
	return NULL;
}

uint32_t dp_core_group_count(const struct dp_core *core)
{
	return core->group_count;
}

qr_group dp_core_group(const struct dp_core *core, uint32_t position)
{
	QR_ASSERT(position < core->group_count);
	return core->groups[position].config->group;
}

const struct dp_group_config *dp_core_group_config(const struct dp_core *core, uint32_t position)
{
	QR_ASSERT(position < core->group_count);
	return core->groups[position].config;
}

void dp_core_set_segments(struct dp_core *core, qr_group group, struct store_extent segments)
{
	struct dp_group *found = dp_core_find_group(core, group);

	QR_ASSERT(found != NULL && found->phase == DP_PHASE_NEW);
	found->segments = segments;
}

uint32_t dp_core_buffers(const struct dp_core *core, struct qr_span *spans, uint32_t max)
{
	uint32_t count = 0;

	for (uint32_t g = 0; g < core->group_count && count < max; g++)
		spans[count++] = store_log_window(core->groups[g].log);
	for (uint32_t r = 0; r < core->reader_count && count < max; r++)
		spans[count++] = store_reader_buffer(core->readers[r].reader);
	if (count < max) {
		spans[count++] = (struct qr_span){core->snapshot_buffer.data,
						  core->snapshot_buffer.size_bytes};
	}
	if (count < max) {
		spans[count++] =
			(struct qr_span){core->piece.buffer.data, core->piece.buffer.size_bytes};
	}
	return count;
}

struct dp_stats *dp_core_stats(struct dp_core *core)
{
	return &core->stats;
}

/* ---- receiving ---- */

void dp_core_drop(struct dp_core *core, enum wire_drop drop)
{
	core->stats.drops[drop]++;
}

uint64_t dp_core_wall_clock(const struct dp_core *core)
{
	return core->wall_ns == 0 ? 0 : core->wall_ns + (core->now_ns - core->wall_at_ns);
}

bool dp_core_link_is_down(const struct dp_core *core, qr_node node)
{
	return core->published != NULL && qr_nodes_has(core->published->links_down, node);
}

/** A group that waits for an entry at its start asks for it, and is asked for others. */
static bool may_hear(const struct dp_group *group, enum wire_type type)
{
	return group->phase == DP_PHASE_RUNNING ||
	       (group->mends && (type == WIRE_FETCH || type == WIRE_FETCHED));
}

static void receive_fetch(struct dp_core *core, struct dp_group *group, const struct dp_peer *peer,
			  const struct wire_fetch *fetch)
{
	struct raft_event event = {
		.kind = RAFT_EVENT_COMMITTED,
		.position = {.index = fetch->committed_index, .term = fetch->committed_term},
	};

	if (group->phase == DP_PHASE_RUNNING)
		dp_group_step(core, group, &event);
	dp_fetch_request(core, group, peer, fetch);
}

static enum qr_error receive_repair(struct dp_core *core, struct dp_group *group,
				    const struct dp_peer *peer, const struct wire_message *message)
{
	struct wire_fetched fetched;
	struct wire_fetch fetch;
	enum qr_error error;

	if (message->type == WIRE_FETCH) {
		error = wire_get_fetch(message, &fetch);
		if (error == QR_OK)
			receive_fetch(core, group, peer, &fetch);
	} else {
		error = wire_get_fetched(message, &fetched);
		if (error == QR_OK && fetched.block == WIRE_FETCH_SNAPSHOT) {
			dp_install_fetched(core, group, peer, &fetched);
		} else if (error == QR_OK) {
			dp_repair_fetched(core, group, peer, &fetched);
		}
	}
	return error;
}

static void receive_from_peer(struct dp_core *core, struct dp_peer *peer,
			      const struct wire_message *message)
{
	struct dp_group *group = dp_core_find_group(core, message->group);
	enum qr_error error = QR_MALFORMED;

	if (group == NULL || !may_hear(group, message->type)) {
		dp_core_drop(core, WIRE_DROP_UNKNOWN_GROUP);
		return;
	}
	if (!qr_nodes_has(dp_group_members(group), peer->config.node)) {
		dp_core_drop(core, WIRE_DROP_NOT_PEER);
		return;
	}
	if (message->type == WIRE_FETCH || message->type == WIRE_FETCHED) {
		error = receive_repair(core, group, peer, message);
	} else if (message->type == WIRE_FRAGMENT) {
		struct wire_fragment fragment;

		error = wire_get_fragment(message, &fragment);
		if (error == QR_OK)
			dp_follow_fragment(core, group, peer, &fragment);
	} else if (message->type == WIRE_ACK) {
		struct wire_ack ack;

		error = wire_get_ack(message, &ack);
		if (error == QR_OK)
			dp_replicate_ack(core, group, peer, &ack);
	} else if (message->type == WIRE_RAFT) {
		struct raft_message raft;
		struct raft_event event = {.kind = RAFT_EVENT_MESSAGE, .message = &raft};

		error = wire_get_raft(message, &raft);
		if (error == QR_OK) {
			raft.from = peer->config.node;
			raft.to = core->config.node;
			dp_handover_heard(core, group, peer, &raft);
			dp_group_step(core, group, &event);
			if (raft.kind == RAFT_MESSAGE_APPEND)
				dp_follow_probed(group, peer->config.node);
		}
	}
	if (error != QR_OK)
		dp_core_drop(core, WIRE_DROP_MALFORMED);
}

static enum qr_error receive_group_request(struct dp_core *core, struct dp_group *group,
					   const struct wire_message *message,
					   struct dp_address from)
{
	enum qr_error error = QR_MALFORMED;

	if (message->type == WIRE_CHUNK) {
		struct wire_chunk chunk;

		error = wire_get_chunk(message, &chunk);
		if (error == QR_OK)
			dp_append_chunk(core, group, &chunk, from);
	} else if (message->type == WIRE_SESSION_OPEN) {
		struct wire_session_open open;

		error = wire_get_session_open(message, &open);
		if (error == QR_OK)
			dp_append_session(core, group, &open, from);
	} else if (message->type == WIRE_READ) {
		struct wire_read read;

		error = wire_get_read(message, &read);
		if (error == QR_OK)
			dp_read_request(core, group, &read, from);
	} else if (message->type == WIRE_TAIL) {
		struct wire_tail tail;

		error = wire_get_tail(message, &tail);
		if (error == QR_OK)
			dp_read_tail(core, group, tail.request, from);
	}
	return error;
}

/** Requests that concern the node, not a log. */
static enum qr_error receive_node_request(struct dp_core *core, const struct wire_message *message,
					  struct dp_address from)
{
	struct dp_reply *reply;
	enum qr_error error = QR_MALFORMED;

	if (message->type == WIRE_DESCRIBE) {
		struct wire_describe describe;

		error = wire_get_describe(message, &describe);
		reply = error == QR_OK ? dp_reply_post(core, DP_REPLY_DESCRIPTION, 0, from) : NULL;
		if (reply != NULL)
			reply->describe = describe;
	} else if (message->type == WIRE_STATUS) {
		struct wire_status status;

		error = wire_get_status(message, &status);
		reply = error == QR_OK ? dp_reply_post(core, DP_REPLY_STATUS, 0, from) : NULL;
		if (reply != NULL)
			reply->status = status;
	}
	return error;
}

static void receive_from_client(struct dp_core *core, const struct wire_message *message,
				struct dp_address from)
{
	struct dp_group *group;
	enum qr_error error;

	if (message->type == WIRE_DESCRIBE || message->type == WIRE_STATUS) {
		error = receive_node_request(core, message, from);
	} else {
		group = dp_core_find_group(core, message->group);
		if (group == NULL) {
			dp_core_drop(core, WIRE_DROP_UNKNOWN_GROUP);
			return;
		}
		error = receive_group_request(core, group, message, from);
	}
	if (error != QR_OK)
		dp_core_drop(core, WIRE_DROP_MALFORMED);
}

/** The sender of a peer's datagram, once it is known to be fresh; NULL: dropped and counted. */
static struct dp_peer *admit_peer(struct dp_core *core, const struct wire_header *header)
{
	struct dp_peer *peer = dp_core_find_peer(core, header->from);

	if (peer == NULL || header->to != core->config.node) {
		dp_core_drop(core, WIRE_DROP_NOT_PEER);
		return NULL;
	}
	if (dp_core_link_is_down(core, header->from))
		return NULL;
	if (dp_replay_check(&peer->replay, header->incarnation, header->counter) ==
	    DP_REPLAY_SEEN) {
		dp_core_drop(core, WIRE_DROP_REPLAYED);
		return NULL;
	}
	peer->incarnation = header->incarnation;
	peer->heard_ns = core->now_ns;
	return peer;
}

static enum wire_drop drop_reason(enum qr_error error)
{
	if (error == QR_CHECKSUM)
		return WIRE_DROP_CHECKSUM;
	return error == QR_VERSION ? WIRE_DROP_VERSION : WIRE_DROP_MALFORMED;
}

void dp_core_receive(struct dp_core *core, struct qr_span datagram, struct dp_address from,
		     qr_ns now_ns)
{
	struct wire_header header;
	struct wire_message message;
	struct qr_reader messages;
	struct dp_peer *peer = NULL;
	enum qr_error error;

	core->now_ns = now_ns;
	core->stats.rx_datagrams++;
	core->stats.rx_bytes += datagram.size_bytes;
	error = wire_open(datagram, &header, &messages);
	if (error != QR_OK) {
		dp_core_drop(core, drop_reason(error));
		return;
	}
	if (header.cluster != core->config.cluster ||
	    (header.to != 0 && header.to != core->config.node)) {
		dp_core_drop(core, WIRE_DROP_FOREIGN);
		return;
	}
	if (header.source == WIRE_FROM_PEER) {
		if ((core->config.client_ports >> from.port & 1) != 0) {
			dp_core_drop(core, WIRE_DROP_NOT_PEER);
			return;
		}
		peer = admit_peer(core, &header);
		if (peer == NULL)
			return;
	}
	qr_histogram_record(&core->stats.stages[WIRE_STAGE_RX], now_ns - core->polled_ns);
	DP_PROBE_RX(datagram.size_bytes, now_ns - core->polled_ns);
	while ((error = wire_next(&messages, &message)) == QR_OK) {
		bool between_peers = message.type < WIRE_DESCRIBE;

		if (between_peers != (peer != NULL)) {
			dp_core_drop(core, WIRE_DROP_NOT_PEER);
		} else if (peer != NULL) {
			receive_from_peer(core, peer, &message);
		} else {
			receive_from_client(core, &message, from);
		}
	}
	if (error != QR_AGAIN)
		dp_core_drop(core, WIRE_DROP_MALFORMED);
}

void dp_core_complete(struct dp_core *core, const struct store_completion *completion, qr_ns now_ns)
{
	struct dp_group *group = dp_core_find_group(core, completion->group);
	struct dp_reader *reader;

	core->now_ns = now_ns;
	QR_ASSERT(group != NULL);
	if (completion->kind == STORE_OP_READ && dp_reader_of_tag(core, completion->tag, &reader)) {
		store_reader_complete(reader->reader, completion);
		dp_group_touch(group);
		return;
	}
	store_log_complete(group->log, completion, now_ns);
	dp_group_touch(group);
}

/* ---- sending ---- */

struct dp_tx *dp_core_tx_begin(struct dp_core *core, struct qr_writer *writer)
{
	struct dp_tx *tx;

	if (core->tx_used == core->tx_max)
		return NULL;
	tx = &core->tx[core->tx_used];
	tx->peer = 0;
	*writer = qr_writer_over(tx->data, tx->capacity_bytes);
	wire_begin(writer);
	return tx;
}

struct dp_tx *dp_core_tx_begin_to(struct dp_core *core, const struct dp_peer *peer,
				  struct qr_writer *writer)
{
	struct dp_tx *tx = dp_core_tx_begin(core, writer);

	if (tx == NULL)
		return NULL;
	tx->peer = peer->config.node;
	if (tx->capacity_bytes > peer->config.datagram_max)
		writer->end = writer->start + peer->config.datagram_max;
	return tx;
}

void dp_core_tx_finish(struct dp_core *core, struct dp_tx *tx, struct qr_writer *writer)
{
	struct wire_header header = {
		.source = tx->peer != 0 ? WIRE_FROM_PEER : WIRE_FROM_CLIENT,
		.from = core->config.node,
		.to = tx->peer,
		.cluster = core->config.cluster,
		.incarnation = core->incarnation,
		.counter = ++core->counter,
	};

	tx->size_bytes = (uint32_t)wire_finish(writer, &header);
	QR_ASSERT(tx->size_bytes != 0);
	tx->peer_core = core->config.core;
	core->stats.tx_datagrams++;
	core->stats.tx_bytes += tx->size_bytes;
	core->tx_used++;
}

/* ---- a turn ---- */

static void visit_group(struct dp_core *core, struct dp_group *group)
{
	if (group->phase == DP_PHASE_NEW && dp_snapshot_claim(core, group)) {
		store_recover_begin(group->log, group->segments, &core->snapshot_buffer);
		group->phase = DP_PHASE_RECOVERING;
	}
	if (group->phase == DP_PHASE_RECOVERING)
		dp_group_recover(core, group);
	if (group->phase != DP_PHASE_RUNNING)
		return;
	dp_group_sync(core, group);
	if (group->wants_noop)
		dp_append_noop(core, group);
	if (store_entry_is_open(group->log) && store_log_has_slot(group->log))
		dp_append_close(core, group);
	/* A log that is not waiting for the disk (durability = memory) is durable by now. */
	dp_group_sync(core, group);
}

static void run_timers(struct dp_core *core)
{
	qr_ns earliest = UINT64_MAX;

	if (core->now_ns < core->deadline_ns)
		return;
	for (uint32_t g = 0; g < core->group_count; g++) {
		struct dp_group *group = &core->groups[g];

		if (group->phase == DP_PHASE_RUNNING && group->deadline_ns <= core->now_ns) {
			dp_group_tick(core, group);
			dp_group_touch(group);
		}
		if (group->deadline_ns < earliest)
			earliest = group->deadline_ns;
	}
	core->deadline_ns = earliest;
}

/** What a group sends, and when it wants to be visited again. */
static void send_group(struct dp_core *core, struct dp_group *group)
{
	qr_ns deadline_ns;

	group->dirty = dp_replicate_pump(core, group) || group->wants_noop ||
		       store_entry_is_open(group->log);
	deadline_ns = dp_replicate_deadline(core, group);
	if (raft_next_deadline(&group->raft) < deadline_ns)
		deadline_ns = raft_next_deadline(&group->raft);
	if (group->ack_due && group->ack_at_ns < deadline_ns)
		deadline_ns = group->ack_at_ns;
	/* Not left to consensus' deadline: heartbeats push a follower's on and on. */
	if (group->retry_ns < deadline_ns)
		deadline_ns = group->retry_ns;
	group->deadline_ns = deadline_ns;
	if (deadline_ns < core->deadline_ns)
		core->deadline_ns = deadline_ns;
}

static void visit_groups(struct dp_core *core)
{
	for (uint32_t g = 0; g < core->group_count; g++) {
		struct dp_group *group = &core->groups[g];

		if (group->dirty || group->phase <= DP_PHASE_RECOVERING)
			visit_group(core, group);
	}
}

static void send_groups(struct dp_core *core)
{
	for (uint32_t n = 0; n < core->group_count; n++) {
		/* Another one is first in each turn: they share the buffers, and the pace of
		 * filling. */
		struct dp_group *group = &core->groups[(core->turn + n) % core->group_count];

		if (group->dirty && group->phase == DP_PHASE_RUNNING)
			send_group(core, group);
	}
}

unsigned dp_core_poll(struct dp_core *core, const struct dp_turn *turn, struct dp_tx *tx,
		      unsigned max)
{
	core->now_ns = turn->now_ns;
	core->random = turn->random;
	core->published = turn->published;
	core->tx = tx;
	core->tx_max = max;
	core->tx_used = 0;
	core->turn++;

	run_timers(core);
	visit_groups(core);
	dp_mail_flush(core);
	dp_reply_flush(core);
	send_groups(core);
	dp_fetch_pump(core);
	dp_read_pump(core);
	dp_repair_pump(core);
	dp_install_pump(core);
	core->polled_ns = turn->now_ns;
	return core->tx_used;
}

/**
 * Cold reads, as long as they are few: what they have in flight, an append's write waits behind.
 * The readers take turns.
 */
static unsigned poll_readers(struct dp_core *core, struct store_op *ops, unsigned max)
{
	uint32_t first = core->reader_cursor;
	uint32_t inflight = 0;
	unsigned count = 0;

	for (uint32_t r = 0; r < core->reader_count; r++)
		inflight += store_reader_inflight(core->readers[r].reader);
	for (uint32_t n = 0; n < core->reader_count && count < max; n++) {
		uint32_t r = (first + n) % core->reader_count;
		struct store_reader *reader = core->readers[r].reader;
		uint32_t wanted = store_reader_wanted(reader);

		if (wanted == 0)
			continue;
		if (inflight != 0 && inflight + wanted > STORE_READ_BLOCKS_MAX)
			break; /* it is the next one */
		inflight += wanted;
		count += store_reader_poll(reader, &ops[count]);
		core->reader_cursor = (r + 1) % core->reader_count;
	}
	return count;
}

unsigned dp_core_poll_disk(struct dp_core *core, struct store_op *ops, unsigned max)
{
	unsigned count = 0;

	for (uint32_t g = 0; g < core->group_count && count < max; g++) {
		if (core->groups[g].phase != DP_PHASE_NEW)
			count += store_log_poll(core->groups[g].log, &ops[count], max - count);
	}
	return count + poll_readers(core, ops + count, max - count);
}

qr_ns dp_core_next_deadline(const struct dp_core *core)
{
	qr_ns deadline_ns;

	if (core->recovering > core->mending || core->reply_count != 0)
		return core->now_ns;
	deadline_ns = dp_repair_deadline(core);
	if (dp_install_deadline(core) < deadline_ns)
		deadline_ns = dp_install_deadline(core);
	if (core->fetching && core->now_ns + core->config.retransmit_min_ns < deadline_ns)
		deadline_ns = core->now_ns + core->config.retransmit_min_ns;
	if (core->read_at_ns < deadline_ns)
		deadline_ns = core->read_at_ns;
	return core->deadline_ns < deadline_ns ? core->deadline_ns : deadline_ns;
}

void dp_core_set_wall_clock(struct dp_core *core, uint64_t time_ns, qr_ns now_ns)
{
	core->wall_ns = time_ns;
	core->wall_at_ns = now_ns;
}

/* ---- stopping ---- */

void dp_core_stop(struct dp_core *core)
{
	if (core->stopping)
		return;
	core->stopping = true;
	core->stop_at_ns = core->now_ns + 2 * core->config.election_timeout_ns;
	for (uint32_t g = 0; g < core->group_count; g++) {
		struct dp_group *group = &core->groups[g];
		struct raft_event event = {.kind = RAFT_EVENT_TRANSFER, .peer = 0};

		if (dp_group_is_leader(group)) {
			dp_append_close(core, group);
			dp_group_step(core, group, &event);
		}
	}
}

bool dp_core_is_stopped(const struct dp_core *core)
{
	bool leading = false;
	bool writing = false;

	for (uint32_t g = 0; g < core->group_count; g++) {
		const struct dp_group *group = &core->groups[g];

		if (group->phase != DP_PHASE_RUNNING)
			continue;
		leading = leading || group->raft.role == RAFT_LEADER;
		writing = writing || (store_log_condition(group->log) == QR_OK &&
				      store_log_pending(group->log) != 0);
	}
	return core->stopping && !writing && (!leading || core->now_ns >= core->stop_at_ns);
}

bool dp_core_is_recovered(const struct dp_core *core)
{
	return core->recovering == 0;
}

uint32_t dp_core_ready_segments(const struct dp_core *core)
{
	uint32_t fewest = UINT32_MAX;

	for (uint32_t g = 0; g < core->group_count; g++) {
		uint32_t ready = store_log_ready_segments(core->groups[g].log);

		if (ready < fewest)
			fewest = ready;
	}
	return fewest;
}
