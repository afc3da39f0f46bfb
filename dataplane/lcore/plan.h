/*
 * From the configuration to what a process builds: which groups there are, what each replication
 * core is told, how much memory all of it takes. Nothing is taken or started; so `--check` prints
 * the very budget that a start would take.
 */
#ifndef DP_LCORE_PLAN_H
#define DP_LCORE_PLAN_H

#include "dataplane/config/config.h"
#include "dataplane/node/core.h"

#define DP_HOST_PORT_NUMBER 0 /* a node's port for clients is its first */

/** What a process hosts and over what it talks; decided once at start. */
struct dp_plan {
	const struct dp_config *config;
	qr_nodes hosted;
	enum dp_link link;
	uint32_t fabric_extra; /* endpoints besides the nodes' */
	uint32_t peer_datagram_bytes;
	uint32_t client_datagram_bytes;
	uint32_t lcores; /* polling threads */
	uint32_t group_count;
	struct wire_endpoint endpoints[DP_CONFIG_NODES_MAX];
};

/** Reads the MTU of the hosted nodes' interfaces, where the link has one. */
void dp_plan_init(struct dp_plan *plan, const struct dp_config *config, qr_nodes hosted,
		  uint32_t fabric_extra);
/** All groups as `node` sees them, plan->group_count of them. */
void dp_plan_groups(const struct dp_plan *plan, qr_node node, struct dp_group_config *groups);
/**
 * What a core is told; all but the incarnation.
 * @param groups  from dp_plan_groups for this node; kept.
 */
void dp_plan_core(const struct dp_plan *plan, qr_node node, uint8_t core,
		  const struct dp_group_config *groups, struct dp_core_config *ret_config);

/** Hosted replication cores, in the order of nodes and then of cores. */
uint32_t dp_plan_slots(const struct dp_plan *plan);
/** Endpoints of the in-process fabric: node n is endpoint n, the extra ones follow. */
uint32_t dp_plan_endpoints(const struct dp_plan *plan);
qr_node dp_plan_highest_node(const struct dp_plan *plan);

/* ---- memory ---- */

#define DP_BUDGET_ROWS_MAX (2 * DP_CONFIG_NODES_MAX * 16 + 4)

struct dp_budget_row {
	char name[48];
	uint64_t bytes;
};

struct dp_budget {
	uint32_t mbuf_count;
	uint64_t dpdk_bytes; /* what EAL is asked for: buffers, rings, drivers */
	uint64_t total_bytes;
	uint32_t row_count;
	struct dp_budget_row rows[DP_BUDGET_ROWS_MAX];
};

/** Bytes of a core's arena. */
size_t dp_plan_core_bytes(const struct dp_core_config *config);
/** Errors: QR_NO_MEMORY  for the measuring itself. */
QR_MUST_USE enum qr_error dp_plan_budget(const struct dp_plan *plan, struct dp_budget *ret_budget);
/** The table for a person. @return bytes needed without the 0. */
size_t dp_budget_print(const struct dp_budget *budget, char *text, size_t text_bytes);

#endif
