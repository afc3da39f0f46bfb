/*
 * A hosted node: its data directory and its replication cores. A node is an object; a process has
 * one or several.
 *
 * A crash while building leaves at most empty group folders in the data directory, which the next
 * start takes as they are.
 */
#include "dataplane/lcore/internal.h"

#include <rte_errno.h>
#include <rte_malloc.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum qr_error dp_host_open_directory(struct dp_process *process, struct dp_host *host,
				     struct dp_problem *problem)
{
	struct store_problem store = {""};
	uint64_t cluster = wire_cluster_id(process->config.cluster);
	enum qr_error error =
		store_directory_open(host->config->data, cluster, host->node,
				     process->config.direct_io, &host->directory, &store);

	if (error != QR_OK) {
		dp_complain(problem, "node %u: %s", host->node, store.text);
		return error;
	}
	host->has_directory = true;
	if (host->config->lost_data)
		error = store_directory_lose(&host->directory, host->config->data, &store);
	if (error != QR_OK)
		dp_complain(problem, "node %u: %s", host->node, store.text);
	return error;
}

/* ---- cores ---- */

/** What peers tell this life of the node by from earlier ones. */
static enum qr_error begin(struct dp_host *host, struct dp_problem *problem)
{
	struct store_problem store = {""};
	struct timespec wall;
	enum qr_error error;

	(void)clock_gettime(CLOCK_REALTIME, &wall);
	error = store_directory_begin(&host->directory, (uint64_t)wall.tv_sec, &host->incarnation,
				      &store);
	if (error != QR_OK)
		dp_complain(problem, "node %u: %s", host->node, store.text);
	return error;
}

static enum qr_error build_core(struct dp_process *process, struct dp_host *host,
				struct dp_slot *slot, struct dp_problem *problem)
{
	const struct dp_plan *plan = &process->plan;
	struct dp_core_config config;

	dp_plan_core(plan, host->node, slot->number, host->groups, &config);
	config.incarnation = host->incarnation;
	config.direct_io = host->directory.direct;
	if (dp_memory_map(dp_plan_core_bytes(&config), &slot->memory) != QR_OK) {
		dp_complain(problem,
			    "node %u: no memory for a core of %zu MiB: lower [storage] window or "
			    "sessions, or have fewer partitions",
			    host->node, dp_plan_core_bytes(&config) >> 20);
		return QR_NO_MEMORY;
	}
	qr_arena_init(&slot->arena, slot->memory.base, slot->memory.size_bytes);
	slot->core = dp_core_create(&slot->arena, &config, dp_clock_now());
	qr_arena_seal(&slot->arena);
	slot->snapshot_count = dp_core_group_count(slot->core);
	slot->snapshots = calloc(slot->snapshot_count + 1, sizeof(*slot->snapshots));
	if (slot->snapshots == NULL) {
		dp_complain(problem, "out of memory");
		return QR_NO_MEMORY;
	}
	return QR_OK;
}

/** Make the groups' folders and tell the core how many segments each has. */
static enum qr_error open_groups(struct dp_host *host, struct dp_slot *slot,
				 struct dp_problem *problem)
{
	for (uint32_t g = 0; g < slot->snapshot_count; g++) {
		struct store_problem store = {""};
		qr_group group = dp_core_group(slot->core, g);
		struct store_extent segments = {0};
		enum qr_error error =
			store_directory_group(&host->directory, group, &segments, &store);

		if (error != QR_OK) {
			dp_complain(problem, "node %u: %s", host->node, store.text);
			return error;
		}
		dp_core_set_segments(slot->core, group, segments);
	}
	return QR_OK;
}

/** What was lost is marked as lost, group by group. */
static enum qr_error all_are_there(struct dp_host *host, struct dp_problem *problem)
{
	struct store_problem store = {""};
	enum qr_error error = store_directory_found(&host->directory, &store);

	if (error != QR_OK)
		dp_complain(problem, "node %u: %s", host->node, store.text);
	return error;
}

static enum qr_error build_inboxes(struct dp_slot *slot, struct dp_problem *problem)
{
	for (uint8_t from = 0; from < slot->cores; from++) {
		char name[RTE_RING_NAMESIZE];

		if (from == slot->number)
			continue;
		(void)snprintf(name, sizeof(name), "over_%u_%u_%u", slot->host->node, from,
			       slot->number);
		slot->inboxes[from] = rte_ring_create(name, DP_HANDOVER_SIZE, SOCKET_ID_ANY,
						      RING_F_SP_ENQ | RING_F_SC_DEQ);
		if (slot->inboxes[from] == NULL) {
			dp_complain(problem, "no memory for the hand-over rings (%s)",
				    rte_strerror(rte_errno));
			return QR_NO_MEMORY;
		}
	}
	return QR_OK;
}

enum qr_error dp_host_build(struct dp_process *process, struct dp_host *host,
			    struct dp_problem *problem)
{
	const struct dp_plan *plan = &process->plan;
	enum qr_error begun = begin(host, problem);

	if (begun != QR_OK)
		return begun;
	host->groups = calloc(plan->group_count, sizeof(*host->groups));
	if (host->groups == NULL) {
		dp_complain(problem, "out of memory");
		return QR_NO_MEMORY;
	}
	dp_plan_groups(plan, host->node, host->groups);
	host->published = &host->versions[0];
	for (uint8_t c = 0; c < process->config.cores; c++) {
		struct dp_slot *slot = &host->slots[c];
		enum qr_error error;

		slot->host = host;
		slot->number = c;
		slot->cores = process->config.cores;
		slot->pool = process->pool;
		slot->datagram_bytes = plan->peer_datagram_bytes > plan->client_datagram_bytes
					       ? plan->peer_datagram_bytes
					       : plan->client_datagram_bytes;
		error = build_core(process, host, slot, problem);
		if (error == QR_OK)
			error = open_groups(host, slot, problem);
		if (error == QR_OK)
			error = build_inboxes(slot, problem);
		if (error != QR_OK)
			return error;
	}
	return all_are_there(host, problem);
}

static void drain_inbox(struct rte_ring *inbox)
{
	void *mbuf;

	while (rte_ring_sc_dequeue(inbox, &mbuf) == 0)
		rte_pktmbuf_free(mbuf);
}

void dp_host_close(struct dp_process *process, struct dp_host *host)
{
	for (uint8_t c = 0; host->slots != NULL && c < process->config.cores; c++) {
		struct dp_slot *slot = &host->slots[c];

		for (uint8_t from = 0; from < slot->cores; from++) {
			if (slot->inboxes[from] == NULL)
				continue;
			drain_inbox(slot->inboxes[from]);
			rte_ring_free(slot->inboxes[from]);
		}
		free(slot->snapshots);
		dp_memory_unmap(&slot->memory);
	}
	dp_host_close_ports(host);
	if (host->has_directory)
		store_directory_close(&host->directory);
	free(host->groups);
}
