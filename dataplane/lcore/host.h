/*
 * A process that hosts nodes: the environment (EAL, pool), the nodes with their ports, memory and
 * rings to the disk, and the lcores that poll them. quorated is a configuration and this;
 * `quorate bench --embedded` is this and a client.
 *
 * A node is an object, never a global: a process hosts one or several. A lcore polls one or several
 * replication cores in turn; nothing is shared between cores but read-only configuration (RCU), the
 * hand-over rings and statistics.
 *
 * Threads: all calls from the main thread. Start-up may block; nothing after dp_host_start does.
 */
#ifndef DP_LCORE_HOST_H
#define DP_LCORE_HOST_H

#include "dataplane/config/config.h"
#include "dataplane/node/core.h"

struct dp_process; /* the hosting process */
struct rte_mempool;
struct dp_fabric;

/** Something else that a lcore polls: the benchmark's clients. @return whether it had work. */
typedef bool (*dp_poller)(void *context, qr_ns now_ns);

struct dp_process_options {
	const struct dp_config *config;
	qr_nodes nodes;	       /* hosted here */
	uint32_t fabric_extra; /* more endpoints on the in-process fabric, for clients */
	bool quiet;	       /* do not print the memory budget and the banner */
};

struct dp_problem {
	char text[512];
};

/** Initialise EAL and build everything up to, but not including, polling. */
QR_MUST_USE enum qr_error dp_process_create(const struct dp_process_options *options,
					    struct dp_process **ret_process,
					    struct dp_problem *ret_problem);

/** Client endpoints of the fabric are numbered after the nodes': node n is endpoint n. */
struct dp_fabric *dp_process_fabric(struct dp_process *process);
uint32_t dp_process_extra_endpoint(const struct dp_process *process, uint32_t number);
struct rte_mempool *dp_process_pool(struct dp_process *process);
/** Have lcore `lcore` (0..lcores-1) call it every turn. Before start. */
void dp_process_add_poller(struct dp_process *process, unsigned lcore, dp_poller poller,
			   void *context);

QR_MUST_USE enum qr_error dp_process_start(struct dp_process *process,
					   struct dp_problem *ret_problem);
/** Ask for an orderly stop: leadership is handed over, writes finish. Async-signal-safe. */
void dp_process_request_stop(struct dp_process *process);
/** Whether every core has stopped and its thread ended; waits for it at most `timeout_ns`. */
bool dp_process_has_ended(struct dp_process *process, qr_ns timeout_ns);
/** Wait until every core has stopped, at most `timeout_ns`. Errors: QR_TIMED_OUT. */
QR_MUST_USE enum qr_error dp_process_join(struct dp_process *process, qr_ns timeout_ns);
void dp_process_destroy(struct dp_process *process);

/** Cores of hosted nodes, for telemetry and waiting; NULL beyond the last. */
struct dp_core *dp_process_core(struct dp_process *process, unsigned number);
/** Publish another set of links that are down for a hosted node; returns after a grace period. */
QR_MUST_USE enum qr_error dp_process_set_links(struct dp_process *process, qr_node node,
					       qr_nodes links_down);

/**
 * Have the scrub read everything of a hosted node now; a pass that runs goes on, and is the one.
 * @param bytes_per_second  0: no bound of its own.
 * @param ret_joined        one was running, at the rate that it was begun with.
 * Errors: QR_NOT_FOUND  not hosted here.
 */
QR_MUST_USE enum qr_error dp_process_scrub(struct dp_process *process, qr_node node,
					   uint64_t bytes_per_second, bool *ret_joined);

/** Monotonic ns; the clock of every poll loop. */
qr_ns dp_clock_now(void);

#endif
