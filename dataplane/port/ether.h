/* The Ethernet port as ether.c (bursts, answers) and ether_open.c (opening, closing) see it. */
#ifndef DP_PORT_ETHER_H
#define DP_PORT_ETHER_H

#include "dataplane/port/frame.h"
#include "dataplane/port/internal.h"
#include "dataplane/port/memif.h"
#include "dataplane/port/neighbour.h"

#include <rte_ethdev.h>
#include <rte_flow.h>
#include <rte_ring.h>
#include <rte_spinlock.h>

struct ether_core {
	uint32_t gate_seen;	/* the last closed gate that this core knows of */
	rte_spinlock_t tx_lock; /* of the TX queue of this number; taken only when cores share it */
} __rte_cache_aligned;

struct ether_port {
	struct dp_port port;
	uint16_t port_id;
	uint16_t tx_queues;
	bool is_started;
	bool is_checksum_offloaded;
	struct dp_memif *memif; /* or NULL */
	/* Odd: closed, no bursts. Grows with every change; the owner of queue 0 writes it. */
	uint32_t gate;
	struct dp_frame_local local;
	struct dp_neighbours neighbours;
	/* ARP and ICMP that arrived elsewhere than on queue 0. */
	struct rte_ring *strays;
	/* Of the owner of queue 0. */
	qr_ns now_ns; /* at the last tick */
	uint32_t arp_tokens;
	uint32_t icmp_tokens;
	qr_ns tokens_at;
	/* Steering rules, one a queue. */
	struct rte_flow *flows[DP_PORT_CORES_MAX];
	struct ether_core cores[DP_PORT_CORES_MAX];
};

extern const struct dp_port_ops dp_ether_ops;

void dp_ether_close(struct dp_port *port);

#endif
