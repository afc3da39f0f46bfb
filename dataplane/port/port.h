/*
 * A port: datagrams in and out, whatever carries them. Four kinds behind one interface:
 *
 *   ether   any DPDK ethdev: memif between processes, AF_XDP and AF_PACKET on an interface, a NIC.
 *           Ethernet, IPv4 and UDP are built and parsed here; ARP and ICMP echo are answered here.
 *   ring    in-process: an endpoint's inbound rte_ring of mbufs, no framing.
 *   host    the kernel's UDP on loopback or a chosen address, for clients without DPDK.
 *
 * Every datagram is one mbuf of the process' pool, so a burst that reaches the wrong core can be
 * handed to the right one by a ring.
 *
 * A port has one queue per replication core of its node where the device can, one otherwise (core 0
 * polls it). Whether a queue receives only its own core's datagrams depends on the link: rte_flow
 * steers by UDP destination port where the driver has it; memif delivers to the queue that the
 * sender's core has; AF_PACKET spreads by flow. So dp_rx.core, not the queue, says whose each is.
 *
 * Threads: a queue belongs to one lcore. Opening, starting and closing are for the main thread.
 */
#ifndef DP_PORT_PORT_H
#define DP_PORT_PORT_H

#include "consensus/base/error.h"
#include "dataplane/node/core.h"

#include <rte_mbuf.h>

#define DP_PORTS_MAX 16	     /* of one node */
#define DP_PORT_CORES_MAX 16 /* of one node */
#define DP_BURST 64
#define DP_PORT_TICK_NS 1000000u /* dp_port_tick wants to be called this often, or so */

struct dp_port;

/** One received datagram: the UDP payload, inside `mbuf`, which the taker frees. */
struct dp_rx {
	struct qr_span bytes;
	struct dp_address from; /* `port` is the number the port was opened with */
	uint8_t core;		/* destination: UDP port - base */
	struct rte_mbuf *mbuf;
};

struct dp_port_stats {
	uint64_t rx_frames;
	uint64_t tx_frames;
	uint64_t rx_ignored; /* not IPv4/UDP to us, bad checksum, fragments, too long */
	uint64_t tx_dropped; /* no room in the device, no neighbour yet, link down, too long */
	uint64_t arp_replies;
	uint64_t icmp_replies;
};

/* ---- opening: one call a kind ---- */

/** What every kind is told. */
struct dp_port_common {
	uint8_t number;	   /* goes to dp_address.port */
	uint8_t cores;	   /* of the node */
	uint16_t udp_base; /* core c is udp_base + c */
	struct rte_mempool *pool;
	/*
	 * What senders will use at most. Refused unless the device's MTU and the pool's buffers
	 * carry it in one piece (dp_vdev_datagram_max advises, dp_pool_create sizes).
	 */
	uint32_t datagram_max;
};

struct dp_vdev;

struct dp_ether_config {
	struct dp_port_common common;
	struct dp_vdev *vdev; /* from dp_vdev_open, closed after the port; or NULL and: */
	const char *device;   /* an ethdev's name as rte_eth_dev_get_port_by_name knows it */
	uint32_t ipv4;	      /* ours, host order */
	uint8_t prefix_bits; /* of our network; everything is on-link (no gateway) unless gateway is
				set */
	uint32_t gateway;    /* 0: none */
	uint16_t vlan;	     /* 0: untagged */
};

/**
 * Configure, set up queues, start. Uses checksum offloads and rte_flow where the driver has them.
 * The link may be down: datagrams are dropped and counted until it is up.
 * Errors: QR_NOT_FOUND    no such device.
 *         QR_UNSUPPORTED  MTU or buffers too small for datagram_max, and others.
 *         `problem` names the cause and the next step.
 */
QR_MUST_USE enum qr_error dp_ether_open(const struct dp_ether_config *config,
					struct dp_port **ret_port, char *problem,
					size_t problem_bytes);

struct dp_host_config {
	struct dp_port_common common;
	uint32_t ipv4; /* to bind, host order */
};

/** Errors: QR_PORT_TAKEN, QR_NOT_FOUND (no such address), QR_IO. */
QR_MUST_USE enum qr_error dp_host_open(const struct dp_host_config *config,
				       struct dp_port **ret_port, char *problem,
				       size_t problem_bytes);

/*
 * The in-process fabric: endpoints, each with one inbound ring per core (many producers, one
 * consumer). dp_address.ipv4 is the sender's endpoint, .udp the sender's core.
 */
struct dp_fabric;
struct dp_fabric *dp_fabric_create(uint32_t endpoints, uint8_t cores, uint32_t ring_size);
void dp_fabric_destroy(struct dp_fabric *fabric);
/** An endpoint of it as a port. */
QR_MUST_USE enum qr_error dp_ring_open(struct dp_fabric *fabric, uint32_t endpoint,
				       const struct dp_port_common *common,
				       struct dp_port **ret_port);

/* ---- using: the same for all ---- */

/** Queues to poll: 1 or the node's cores. Core c polls queue c, if there is one. */
uint8_t dp_port_queues(const struct dp_port *port);

/** @return how many were received, at most DP_BURST. Their mbufs are the caller's to free. */
unsigned dp_port_rx(struct dp_port *port, uint8_t queue, struct dp_rx *rx, unsigned max);

/**
 * Send: each mbuf's data is the datagram (with RTE_PKTMBUF_HEADROOM in front), in one segment or a
 * few; takes them all: what cannot go out is freed and counted (the transport repairs it).
 * @param core  the calling core's number, whatever the number of queues: it also is the source
 * port.
 * @param to    where each goes: for ether and host an IPv4 address and UDP port, for ring an
 *              endpoint (ipv4) and its core (udp).
 */
void dp_port_tx(struct dp_port *port, uint8_t core, struct rte_mbuf **mbufs,
		const struct dp_address *to, unsigned count);

/**
 * Timers of the port: ARP, memif's reconnection and the like. Called by the owner of queue 0 every
 * DP_PORT_TICK_NS or so, also while idle.
 */
void dp_port_tick(struct dp_port *port, qr_ns now_ns);
/** Whether frames can pass at all; a ring and a host port always can. Any thread. */
bool dp_port_is_up(const struct dp_port *port);

/** A descriptor that polls readable when the queue has datagrams; -1 if the kind has none. */
int dp_port_event_fd(const struct dp_port *port, uint8_t queue);
void dp_port_read_stats(const struct dp_port *port, struct dp_port_stats *ret_stats);
const char *dp_port_name(const struct dp_port *port);
void dp_port_close(struct dp_port *port);

#endif
