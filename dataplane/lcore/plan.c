/*
 * The plan of a process: everything that follows from the configuration alone. Owns no state.
 *
 * Group numbers, endpoints and the wiring of cores must come out equal in every process of the
 * cluster: they depend on the file only, never on what is hosted here.
 */
#include "dataplane/lcore/plan.h"

#include "consensus/base/assert.h"
#include "dataplane/port/vdev.h"

#include <string.h>

#define INFLIGHT_ENTRIES 256u
#define INFLIGHT_BYTES (4u << 20)
#define READERS_FOR_CLIENTS 4u
#define REMOTE_CLIENT_DATAGRAM 1472u /* 1500 bytes of IPv4: not fragmented on the way */
#define LOOPBACK 127u

_Static_assert(DP_CONFIG_VOTERS_MAX == RAFT_VOTERS_MAX, "the configuration promises what raft can");
_Static_assert(DP_CONFIG_NODES_MAX <= DP_PEERS_MAX + 1, "every other node can be a peer");
_Static_assert(DP_CONFIG_NODES_MAX <= WIRE_DESCRIPTION_NODES, "DESCRIPTION names every node");

/*
 * The floor of the retransmission timer: above what the link and, where CPUs are shared, the
 * scheduler hold a healthy answer back; below what a person would notice.
 */
static qr_ns retransmit_floor_ns(enum dp_link link)
{
	switch (link) {
	case DP_LINK_PCI:
		return 100000;
	case DP_LINK_AF_PACKET:
	case DP_LINK_AF_XDP:
		return 500000;
	case DP_LINK_RING:
	case DP_LINK_MEMIF:
		break;
	}
	return 2000000;
}

static enum dp_vdev_kind vdev_kind(enum dp_link link)
{
	switch (link) {
	case DP_LINK_AF_PACKET:
		return DP_VDEV_AF_PACKET;
	case DP_LINK_AF_XDP:
		return DP_VDEV_AF_XDP;
	case DP_LINK_PCI:
		return DP_VDEV_PCI;
	case DP_LINK_RING:
	case DP_LINK_MEMIF:
		break;
	}
	return DP_VDEV_MEMIF;
}

/** The smallest of what the hosted nodes' devices carry. */
static uint32_t link_datagram_bytes(const struct dp_plan *plan)
{
	uint32_t least = UINT32_MAX;

	if (plan->config->datagram_max_bytes != 0)
		return plan->config->datagram_max_bytes;
	if (plan->link == DP_LINK_RING)
		return DP_RING_DATAGRAM_MAX;
	if (plan->link == DP_LINK_MEMIF)
		return dp_vdev_datagram_max(DP_VDEV_MEMIF, NULL);
	for (uint32_t i = 0; i < plan->config->node_count; i++) {
		const struct dp_node_config *node = &plan->config->nodes[i];
		uint32_t bytes;

		if (!qr_nodes_has(plan->hosted, node->node))
			continue;
		bytes = dp_vdev_datagram_max(vdev_kind(plan->link), node->device);
		least = bytes < least ? bytes : least;
	}
	return least;
}

/** Clients come by the host port, and on an Ethernet link by that too: what fits both. */
static uint32_t client_datagram_bytes(const struct dp_plan *plan)
{
	uint32_t bytes = DP_HOST_DATAGRAM_MAX;

	for (uint32_t i = 0; i < plan->config->node_count; i++) {
		if (plan->config->nodes[i].host_ipv4 >> 24 != LOOPBACK)
			bytes = REMOTE_CLIENT_DATAGRAM;
	}
	if (plan->link != DP_LINK_RING && plan->link != DP_LINK_MEMIF &&
	    plan->peer_datagram_bytes < bytes)
		bytes = plan->peer_datagram_bytes;
	return bytes;
}

void dp_plan_init(struct dp_plan *plan, const struct dp_config *config, qr_nodes hosted,
		  uint32_t fabric_extra)
{
	memset(plan, 0, sizeof(*plan));
	plan->config = config;
	plan->hosted = hosted;
	plan->link = dp_config_link(config, hosted);
	plan->fabric_extra = fabric_extra;
	plan->peer_datagram_bytes = link_datagram_bytes(plan);
	plan->client_datagram_bytes = client_datagram_bytes(plan);
	plan->lcores = config->lcores != 0 ? config->lcores : dp_plan_slots(plan);
	for (uint32_t i = 0; i < config->log_count; i++)
		plan->group_count += config->logs[i].partitions;
	for (uint32_t i = 0; i < config->node_count; i++) {
		plan->endpoints[i] = (struct wire_endpoint){
			.node = config->nodes[i].node,
			.cores = config->cores,
			.port = config->nodes[i].host_port,
			.ipv4 = config->nodes[i].host_ipv4,
		};
	}
}

void dp_plan_groups(const struct dp_plan *plan, qr_node node, struct dp_group_config *groups)
{
	const struct dp_node_config *own = dp_config_node(plan->config, node);
	uint32_t at = 0;

	QR_ASSERT(own != NULL);
	for (uint32_t i = 0; i < plan->config->log_count; i++) {
		const struct dp_log_config *log = &plan->config->logs[i];

		for (uint32_t p = 0; p < log->partitions; p++) {
			struct dp_group_config *group = &groups[at++];

			group->group = log->first_group + p;
			group->partition = p;
			memcpy(group->name, log->name, sizeof(group->name));
			group->replicas = log->replicas;
			group->durability = log->durability;
			group->retention_bytes = log->retention_bytes;
			group->retention_ns = log->retention_ns;
			group->priority = own->priority;
		}
	}
	QR_ASSERT(at == plan->group_count);
}

static void plan_peers(const struct dp_plan *plan, qr_node node, struct dp_core_config *config)
{
	for (uint32_t i = 0; i < plan->config->node_count; i++) {
		if (plan->config->nodes[i].node == node)
			continue;
		config->peers[config->peer_count++] = (struct dp_peer_config){
			.node = plan->config->nodes[i].node,
			.cores = plan->config->cores,
			.datagram_max = plan->peer_datagram_bytes,
		};
	}
}

void dp_plan_core(const struct dp_plan *plan, qr_node node, uint8_t core,
		  const struct dp_group_config *groups, struct dp_core_config *ret_config)
{
	const struct dp_config *from = plan->config;

	*ret_config = (struct dp_core_config){
		.cluster = wire_cluster_id(from->cluster),
		.node = node,
		.core = core,
		.cores = from->cores,
		.direct_io = from->direct_io,
		.election_timeout_ns = (qr_ns)from->election_timeout_ms * 1000000u,
		.heartbeat_interval_ns = (qr_ns)from->heartbeat_ms * 1000000u,
		.retransmit_min_ns = retransmit_floor_ns(plan->link),
		.geometry = {.segment_blocks = qr_blocks_for(from->segment_bytes),
			     .stride_blocks = qr_blocks_for(from->stride_bytes)},
		.window_blocks = qr_blocks_for(from->window_bytes),
		.write_depth = from->write_depth,
		.write_max_blocks = qr_blocks_for(from->write_max_bytes),
		.segments_ahead = from->segments_ahead,
		.checkpoints_max = DP_CHECKPOINTS_MAX,
		.snapshot_blocks = (uint32_t)(from->snapshot_bytes / QR_BLOCK_BYTES),
		.entry_max_bytes = from->entry_max_bytes,
		.record_max_bytes = from->record_max_bytes,
		.sessions_max = from->sessions_max,
		.fill_bytes_per_second = from->fill_bytes,
		.scrub_bytes_per_second = from->scrub_bytes,
		.scrub_pause_ns = DP_SCRUB_PAUSE_NS,
		.retention_hold_ns = DP_RETENTION_HOLD_NS,
		.inflight_entries = INFLIGHT_ENTRIES,
		.inflight_bytes = INFLIGHT_BYTES,
		.client_datagram_max = plan->client_datagram_bytes,
		.client_ports = 1u << DP_HOST_PORT_NUMBER,
		.group_count = plan->group_count,
		.groups = groups,
		.endpoint_count = from->node_count,
		.endpoints = plan->endpoints,
	};
	plan_peers(plan, node, ret_config);
	ret_config->readers = ret_config->peer_count + READERS_FOR_CLIENTS;
}

uint32_t dp_plan_slots(const struct dp_plan *plan)
{
	return qr_nodes_count(plan->hosted) * plan->config->cores;
}

qr_node dp_plan_highest_node(const struct dp_plan *plan)
{
	qr_node highest = 0;

	for (uint32_t i = 0; i < plan->config->node_count; i++) {
		if (plan->config->nodes[i].node > highest)
			highest = plan->config->nodes[i].node;
	}
	return highest;
}

uint32_t dp_plan_endpoints(const struct dp_plan *plan)
{
	return dp_plan_highest_node(plan) + 1u + plan->fabric_extra;
}
