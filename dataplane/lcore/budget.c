/*
 * The memory of a process, counted before any of it is taken. A core's share comes from building it
 * over an arena that only counts: it cannot disagree with the start.
 */
#include "dataplane/lcore/plan.h"

#include "dataplane/lcore/internal.h"
#include "dataplane/port/pool.h"
#include "dataplane/port/port.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define MIB ((uint64_t)1 << 20)

/* What DPDK takes besides the buffers: rings, memif and driver tables, telemetry. */
#define DPDK_BYTES (48 * MIB)

/* Buffers: see dp_pool_create for who holds some. */
#define BUFFERS_SPARE 1024u
#define BUFFERS_LCORE_CACHE 384u
#define BUFFERS_DEVICE_QUEUE 4096u /* a device that fills its RX ring from the pool */

size_t dp_plan_core_bytes(const struct dp_core_config *config)
{
	struct qr_arena arena;

	qr_arena_init(&arena, NULL, 0);
	(void)dp_core_create(&arena, config, 0);
	return arena.used_bytes;
}

static uint32_t count_buffers(const struct dp_plan *plan)
{
	uint32_t slots = dp_plan_slots(plan);
	/* Armed for receiving on the host port and for sending; underway to another core. */
	uint32_t count = BUFFERS_SPARE + slots * (2 * DP_BURST + DP_HANDOVER_SIZE);

	count += (plan->lcores + 1) * BUFFERS_LCORE_CACHE;
	if (plan->link == DP_LINK_RING)
		count += dp_plan_endpoints(plan) * plan->config->cores * DP_RING_SIZE;
	if (plan->link == DP_LINK_AF_XDP || plan->link == DP_LINK_PCI)
		count += slots * BUFFERS_DEVICE_QUEUE;
	return count;
}

static void add_row(struct dp_budget *budget, uint64_t bytes, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void add_row(struct dp_budget *budget, uint64_t bytes, const char *format, ...)
{
	struct dp_budget_row *row = &budget->rows[budget->row_count];
	va_list arguments;

	QR_ASSERT(budget->row_count < DP_BUDGET_ROWS_MAX);
	va_start(arguments, format);
	(void)vsnprintf(row->name, sizeof(row->name), format, arguments);
	va_end(arguments);
	row->bytes = bytes;
	budget->row_count++;
	budget->total_bytes += bytes;
}

static uint32_t count_groups(const struct dp_core_config *config)
{
	uint32_t count = 0;

	for (uint32_t g = 0; g < config->group_count; g++) {
		if (config->groups[g].group % config->cores == config->core &&
		    qr_nodes_has(config->groups[g].replicas, config->node))
			count++;
	}
	return count;
}

static void add_core(const struct dp_plan *plan, qr_node node, uint8_t core,
		     const struct dp_group_config *groups, struct dp_budget *budget)
{
	struct dp_core_config config;
	uint64_t windows;
	uint32_t count;

	dp_plan_core(plan, node, core, groups, &config);
	count = count_groups(&config);
	windows = (uint64_t)config.window_blocks * QR_BLOCK_BYTES * count;
	add_row(budget, windows, "node %u core %u: log windows (%u groups)", node, core, count);
	add_row(budget, dp_plan_core_bytes(&config) - windows,
		"node %u core %u: sessions, index, readers, snapshots", node, core);
}

enum qr_error dp_plan_budget(const struct dp_plan *plan, struct dp_budget *ret_budget)
{
	struct dp_group_config *groups = calloc(plan->group_count, sizeof(*groups));
	uint32_t room = plan->peer_datagram_bytes > plan->client_datagram_bytes
				? plan->peer_datagram_bytes
				: plan->client_datagram_bytes;
	qr_nodes left = plan->hosted;
	uint64_t buffers;

	if (groups == NULL)
		return QR_NO_MEMORY;
	*ret_budget = (struct dp_budget){.mbuf_count = count_buffers(plan)};
	buffers = dp_pool_size_bytes(ret_budget->mbuf_count, room);
	ret_budget->dpdk_bytes = buffers + DPDK_BYTES;
	add_row(ret_budget, buffers, "packet buffers (%u)", ret_budget->mbuf_count);
	add_row(ret_budget, DPDK_BYTES, "DPDK: rings, drivers");
	while (left != 0) {
		qr_node node = qr_nodes_take(&left);

		dp_plan_groups(plan, node, groups);
		for (uint8_t core = 0; core < plan->config->cores; core++)
			add_core(plan, node, core, groups, ret_budget);
	}
	free(groups);
	return QR_OK;
}

size_t dp_budget_print(const struct dp_budget *budget, char *text, size_t text_bytes)
{
	size_t used = 0;

	for (uint32_t i = 0; i <= budget->row_count; i++) {
		bool is_total = i == budget->row_count;
		const char *name = is_total ? "total" : budget->rows[i].name;
		uint64_t bytes = is_total ? budget->total_bytes : budget->rows[i].bytes;
		int written = snprintf(used < text_bytes ? text + used : NULL,
				       used < text_bytes ? text_bytes - used : 0,
				       "  %-44s %8.1f MiB\n", name, (double)bytes / (double)MIB);

		used += written > 0 ? (size_t)written : 0;
	}
	return used;
}
