/*
 * The objects of a hosting process and who owns them:
 *
 *   process   has hosted nodes, lcores, the pool and the fabric; the main thread's
 *   host      one hosted node: its data directory, ports, routes, published configuration
 *   slot      one replication core of a host: the pure core, its disk ring, its armed buffers, its
 *             inboxes. After start it belongs to the lcore that polls it.
 *   lcore     a polling thread: slots and pollers in turn
 *
 * What crosses threads, and how:
 *   inboxes            single-producer single-consumer rings of mbufs, one per pair of cores
 *   host.published     RCU (QSBR): main thread publishes, every turn copies
 *   slot.recovered ... atomics written by the lcore, read by others
 *   slot.snapshots     sequence locks
 *   process.stopping   an atomic that a signal handler may set
 */
#ifndef DP_LCORE_INTERNAL_H
#define DP_LCORE_INTERNAL_H

#include "consensus/base/assert.h"
#include "consensus/base/prng.h"
#include "dataplane/lcore/environment.h"
#include "dataplane/lcore/handover.h"
#include "dataplane/lcore/host.h"
#include "dataplane/lcore/idle.h"
#include "dataplane/lcore/memory.h"
#include "dataplane/lcore/observe.h"
#include "dataplane/lcore/plan.h"
#include "dataplane/lcore/snapshot.h"
#include "dataplane/port/port.h"
#include "dataplane/port/vdev.h"
#include "storage/io/io.h"

#include <semaphore.h>

#define DP_LCORES_MAX 64
#define DP_POLLERS_MAX 8     /* of a lcore */
#define DP_HANDOVER_SIZE 512 /* mbufs underway from one core of a node to another */
#define DP_RING_SIZE 1024    /* of an in-process endpoint */
#define DP_DISK_BATCH 64
#define DP_HOST_POLL_NS                                                                            \
	5000u /* an idle kernel socket is asked this often: asking is a system call */

/** How to reach a peer. */
struct dp_route {
	uint8_t port; /* position in host.ports */
	uint16_t udp_base;
	uint32_t ipv4;
};

struct dp_slot;

struct dp_host {
	qr_node node;
	const struct dp_node_config *config;
	bool has_directory;
	struct store_directory directory;
	uint32_t incarnation;
	struct dp_group_config *groups; /* plan.group_count of them */

	uint32_t port_count;
	struct dp_port *ports[DP_PORTS_MAX];
	struct dp_vdev *vdevs[DP_PORTS_MAX]; /* of the port at the same position, or NULL */
	struct dp_route routes[QR_NODE_MAX + 1];

	struct dp_published *published;	 /* RCU */
	struct dp_published versions[2]; /* the one in force and the one before */
	struct dp_slot *slots;		 /* its cores, config.cores of them */
};

/** Datagrams of one turn for one port. */
struct dp_batch {
	unsigned count;
	struct rte_mbuf *mbufs[DP_BURST];
	struct dp_address to[DP_BURST];
};

struct dp_slot {
	struct dp_core *core;
	struct dp_host *host;
	uint8_t number; /* of the core in its node */
	uint8_t cores;
	uint32_t datagram_bytes; /* the largest of any kind */
	struct rte_mempool *pool;
	struct store_io *io;
	struct dp_memory memory;
	struct qr_arena arena;

	unsigned armed; /* tx[0..armed) have a buffer */
	struct dp_tx tx[DP_BURST];
	struct dp_batch batches[DP_PORTS_MAX];
	unsigned pending_count; /* operations that the disk ring had no room for */
	struct store_op pending[DP_DISK_BATCH];
	struct rte_ring *inboxes[DP_PORT_CORES_MAX]; /* from core i of the same node */
	struct dp_published published;		     /* this turn's copy */
	qr_ns host_poll_at_ns[DP_PORTS_MAX];
	qr_ns tick_at_ns;
	bool told_to_stop;

	/* Read by other threads. */
	struct dp_slot_counters counters;
	uint32_t snapshot_next;
	uint32_t snapshot_count;
	struct dp_snapshot *snapshots; /* one a group of this core */
	bool recovered;
	bool stopped;
	uint64_t scrub_ended; /* dp_core_scrub_ended, when all snapshots say the same */
	uint32_t ready_segments;
	uint64_t dropped_segments;
} __rte_cache_aligned;

struct dp_lcore {
	struct dp_process *process;
	unsigned number;
	uint32_t slot_count;
	struct dp_slot **slots;
	uint32_t poller_count;
	struct {
		dp_poller call;
		void *context;
	} pollers[DP_POLLERS_MAX];
	struct dp_idler idler;
	struct qr_prng prng;
	struct pollfd *descriptors; /* what can wake it */
	uint32_t descriptor_count;
	enum qr_error start_error;
	struct store_problem start_problem;
} __rte_cache_aligned;

struct dp_process {
	struct dp_plan plan;
	struct dp_config config; /* a copy: the caller's may go */
	struct dp_budget budget;
	struct dp_environment environment;
	struct rte_mempool *pool;
	struct dp_fabric *fabric;
	uint32_t host_count;
	struct dp_host *hosts;
	uint32_t slot_count;
	struct dp_slot *slots;
	struct dp_lcore *lcores; /* environment.lcore_count of them */
	uint32_t running;	 /* threads that were launched and not yet joined */
	sem_t started;		 /* posted by each thread when it polls or has failed */
	sem_t ended;		 /* posted by each thread as its last act */
	bool has_semaphores;

	/* Atomics. */
	uint32_t stopped_slots;
	int stopping;  /* hand over and finish */
	int abandoned; /* leave now */
};

/** Fill `problem` by a format. */
void dp_complain(struct dp_problem *problem, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/** A hosted node; NULL: it is not hosted here. */
struct dp_host *dp_process_host(const struct dp_process *process, qr_node node);

/** Print the banner and the budget to standard output. */
void dp_process_show(const struct dp_process *process);

/* ---- node.c: a hosted node ---- */

/** Open its data directory. Before EAL: this is where most mistakes are found. */
QR_MUST_USE enum qr_error dp_host_open_directory(struct dp_process *process, struct dp_host *host,
						 struct dp_problem *problem);
/** Its cores: arenas, groups, inboxes. */
QR_MUST_USE enum qr_error dp_host_build(struct dp_process *process, struct dp_host *host,
					struct dp_problem *problem);
/** Takes half-built ones. */
void dp_host_close(struct dp_process *process, struct dp_host *host);

/* ---- links.c: its ports and routes ---- */

QR_MUST_USE enum qr_error dp_host_open_ports(struct dp_process *process, struct dp_host *host,
					     struct dp_problem *problem);
void dp_host_close_ports(struct dp_host *host);

/* ---- slot.c: one core in the loop ---- */

/** The disk ring, in the thread that will use it. */
QR_MUST_USE enum qr_error dp_slot_start(struct dp_slot *slot, struct store_problem *problem);
void dp_slot_end(struct dp_slot *slot);
/** One turn. @return whether there was work. */
bool dp_slot_turn(struct dp_slot *slot, qr_ns now_ns, uint32_t random);

/* ---- loop.c ---- */

/** The thread of a lcore; `context` is its struct dp_lcore. */
int dp_lcore_run(void *context);

#endif
