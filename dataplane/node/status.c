/*
 * What a core knows of itself: answers to STATUS and DESCRIBE, and telemetry.
 */
#include "dataplane/node/internal.h"

/** Log space behind `match`; a follower that lags out of the window counts as a window's worth. */
static uint64_t lag_bytes(const struct dp_group *group, qr_index match)
{
	struct store_location at;
	struct qr_span bytes;

	if (match >= group->raft.last)
		return 0;
	if (store_window_entry(group->log, match + 1, &at, &bytes) != QR_OK)
		return store_log_window(group->log).size_bytes;
	return (store_log_tail(group->log) - at.block) * QR_BLOCK_BYTES;
}

static void describe_peers(const struct dp_core *core, const struct dp_group *group,
			   struct wire_status_group *status)
{
	for (uint32_t p = 0; p < core->peer_count && status->peer_count < WIRE_STATUS_PEERS; p++) {
		const struct dp_peer *peer = &core->peers[p];
		struct wire_status_peer *out = &status->peers[status->peer_count];
		const struct raft_progress *progress;

		if (!qr_nodes_has(group->config->replicas, peer->config.node))
			continue;
		progress = group->raft.role == RAFT_LEADER
				   ? raft_progress_of(&group->raft, peer->config.node)
				   : NULL;
		*out = (struct wire_status_peer){
			.node = peer->config.node,
			.match = progress == NULL ? 0 : progress->match,
			.connected =
				peer->heard_ns != 0 && core->now_ns - peer->heard_ns <
							       2 * core->config.election_timeout_ns,
		};
		if (progress != NULL)
			out->lag_bytes = lag_bytes(group, progress->match);
		status->peer_count++;
	}
}

/** Log space from where the log begins; its tail may still be in front of that segment. */
static uint64_t log_bytes(const struct dp_core *core, const struct dp_group *group)
{
	qr_block first = store_log_start(group->log).segment * core->config.geometry.segment_blocks;
	qr_block tail = store_log_tail(group->log);

	return tail > first ? (tail - first) * QR_BLOCK_BYTES : 0;
}

uint64_t dp_core_dropped_segments(const struct dp_core *core)
{
	uint64_t sum = 0;

	for (uint32_t g = 0; g < core->group_count; g++)
		sum += store_log_counters(core->groups[g].log).dropped;
	return sum;
}

enum qr_error dp_core_describe_group(const struct dp_core *core, uint32_t position,
				     struct wire_status_group *ret_status)
{
	const struct dp_group *group;

	if (position >= core->group_count)
		return QR_NOT_FOUND;
	group = &core->groups[position];
	*ret_status = (struct wire_status_group){
		.group = group->config->group,
		.durability = (uint8_t)group->config->durability,
		.condition = (uint8_t)dp_group_refusal(group),
	};
	if (group->phase != DP_PHASE_RUNNING)
		return QR_OK;
	ret_status->condition = (uint8_t)store_log_condition(group->log);
	ret_status->role =
		group->raft.state.amnesia ? WIRE_ROLE_NON_VOTER : (uint8_t)group->raft.role;
	ret_status->leader = group->raft.leader;
	ret_status->term = group->raft.state.term;
	ret_status->last = group->raft.last;
	ret_status->durable = group->raft.durable.index;
	ret_status->commit = group->raft.commit;
	ret_status->start = store_log_start(group->log).offset;
	ret_status->end = group->committed_end;
	ret_status->log_bytes = log_bytes(core, group);
	ret_status->sessions = dp_sessions_count(group->sessions);
	ret_status->elections = group->elections;
	describe_peers(core, group, ret_status);
	return QR_OK;
}

void dp_status_fill(struct dp_core *core, const struct wire_status *request, size_t room_bytes,
		    struct wire_status_reply *ret_reply)
{
	size_t used_bytes = WIRE_STATUS_REPLY_BYTES;
	const struct dp_stats *stats = &core->stats;

	memset(ret_reply, 0, sizeof(*ret_reply));
	ret_reply->request = request->request;
	ret_reply->node = core->config.node;
	ret_reply->core = core->config.core;
	ret_reply->cores = core->config.cores;
	ret_reply->direct_io = core->config.direct_io;
	ret_reply->uptime_ns = core->now_ns - core->started_ns;
	ret_reply->rx_datagrams = stats->rx_datagrams;
	ret_reply->tx_datagrams = stats->tx_datagrams;
	ret_reply->rx_bytes = stats->rx_bytes;
	ret_reply->tx_bytes = stats->tx_bytes;
	ret_reply->acked_records = stats->acked_records;
	ret_reply->busy_replies = stats->busy_replies;
	ret_reply->polls = stats->polls;
	ret_reply->polls_empty = stats->polls_empty;
	ret_reply->retransmits = stats->retransmits;
	ret_reply->damaged_entries = stats->damaged_entries;
	ret_reply->repaired_entries = stats->repaired_entries;
	ret_reply->scrubbed_bytes = stats->scrubbed_bytes;
	memcpy(ret_reply->drops, stats->drops, sizeof(ret_reply->drops));
	for (uint32_t s = 0; s < WIRE_STAGES; s++) {
		ret_reply->stages[s].count = stats->stages[s].count;
		ret_reply->stages[s].p50_ns = qr_histogram_quantile(&stats->stages[s], 0.5);
		ret_reply->stages[s].p99_ns = qr_histogram_quantile(&stats->stages[s], 0.99);
	}
	ret_reply->total = core->group_count;
	ret_reply->first = request->first;
	while (ret_reply->group_count < WIRE_STATUS_GROUPS) {
		struct wire_status_group *group = &ret_reply->groups[ret_reply->group_count];

		if (dp_core_describe_group(core, request->first + ret_reply->group_count, group) !=
		    QR_OK)
			break;
		used_bytes += WIRE_STATUS_GROUP_BYTES +
			      (size_t)group->peer_count * WIRE_STATUS_PEER_BYTES;
		if (used_bytes > room_bytes)
			break;
		ret_reply->group_count++;
	}
}

void dp_status_describe(struct dp_core *core, const struct wire_describe *request,
			struct wire_description *ret_description)
{
	const struct dp_core_config *config = &core->config;

	memset(ret_description, 0, sizeof(*ret_description));
	ret_description->request = request->request;
	ret_description->total = config->group_count;
	ret_description->first = request->first;
	for (uint32_t g = request->first;
	     g < config->group_count &&
	     ret_description->partition_count < WIRE_DESCRIPTION_PARTITIONS;
	     g++) {
		const struct dp_group_config *from = &config->groups[g];
		const struct dp_group *group = dp_core_find_group(core, from->group);
		struct wire_partition *to =
			&ret_description->partitions[ret_description->partition_count++];

		to->group = from->group;
		to->partition = from->partition;
		to->replicas = from->replicas;
		to->durability = (uint8_t)from->durability;
		to->leader =
			group != NULL && group->phase == DP_PHASE_RUNNING ? group->raft.leader : 0;
		memcpy(to->name, from->name, sizeof(to->name));
	}
	for (uint32_t n = 0; n < config->endpoint_count && n < WIRE_DESCRIPTION_NODES; n++)
		ret_description->nodes[ret_description->node_count++] = config->endpoints[n];
}
