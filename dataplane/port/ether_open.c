/*
 * Opening and closing an Ethernet port: what the device can do decides how many queues there are,
 * who checksums, and who steers.
 *
 * Queues: one a core, as far as the device has them. A NIC gets one rule per queue that steers the
 * core's UDP port to it; RSS stays off, so everything else (ARP) arrives on queue 0. If a NIC does
 * not take such rules, it is set up again with one RX queue, and core 0 hands over. A virtual
 * device spreads in its own way: memif keeps the sender's queue, AF_PACKET hashes.
 *
 * MTU: memif knows none, its buffers decide. A kernel interface has one that belongs to its owner:
 * it is checked, never changed. A NIC's is set.
 *
 * Errors leave the device stopped and closed, and nothing allocated.
 */
#include "dataplane/port/ether.h"

#include "consensus/base/assert.h"
#include "dataplane/port/pool.h"

#include <rte_bus.h>
#include <rte_malloc.h>

#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define DESCRIPTORS 1024
#define STRAYS 64
#define XDP_ROOM_BYTES 256u
#define IPV4_UDP_BYTES (sizeof(struct rte_ipv4_hdr) + sizeof(struct rte_udp_hdr))

/* What opening goes through. */
struct opening {
	struct ether_port *self;
	const struct dp_ether_config *config;
	const struct dp_port_problem *problem;
	const char *device;
	struct rte_eth_dev_info info;
	bool is_virtual;
};

static bool driver_is(const struct opening *opening, const char *driver)
{
	const char *name = opening->info.driver_name;

	return name != NULL && strcmp(name, driver) == 0;
}

/** The MTU of the kernel interface behind a device; 0 when there is none. */
static uint32_t kernel_mtu(uint32_t if_index, char *ret_name)
{
	struct ifreq request = {0};
	uint32_t mtu = 0;
	int fd;

	if (if_index == 0 || if_indextoname(if_index, ret_name) == NULL)
		return 0;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return 0;
	memcpy(request.ifr_name, ret_name, IF_NAMESIZE);
	if (ioctl(fd, SIOCGIFMTU, &request) == 0 && request.ifr_mtu > 0)
		mtu = (uint32_t)request.ifr_mtu;
	(void)close(fd);
	return mtu;
}

/** The MTU that datagram_max needs fits the link. */
static enum qr_error check_mtu(const struct opening *opening)
{
	uint32_t needed = opening->config->common.datagram_max + (uint32_t)IPV4_UDP_BYTES;
	char interface[IF_NAMESIZE] = "";
	uint32_t kernel = kernel_mtu(opening->info.if_index, interface);

	if (driver_is(opening, "net_memif"))
		return QR_OK;
	if (kernel != 0 && needed > kernel) {
		return dp_port_fail(opening->problem, QR_UNSUPPORTED,
				    "interface %s has an MTU of %u, datagrams of %u bytes need %u: "
				    "`ip link set dev %s mtu %u`, or lower [dataplane] "
				    "datagram_max_bytes",
				    interface, kernel, opening->config->common.datagram_max, needed,
				    interface, needed);
	}
	if (needed > opening->info.max_mtu) {
		return dp_port_fail(
			opening->problem, QR_UNSUPPORTED,
			"%s carries an MTU of %u at most, datagrams of %u bytes need %u: "
			"lower [dataplane] datagram_max_bytes to %u",
			opening->device, opening->info.max_mtu,
			opening->config->common.datagram_max, needed,
			opening->info.max_mtu - (uint32_t)IPV4_UDP_BYTES);
	}
	return QR_OK;
}

/**
 * AF_XDP registers the pool itself with the kernel, whose chunks are at most a page, and which
 * keeps room for XDP programs in front of each frame.
 */
static enum qr_error check_buffers(const struct opening *opening)
{
	const struct rte_mempool *pool = opening->config->common.pool;
	uint32_t object_bytes = pool->header_size + pool->elt_size + pool->trailer_size;
	uint32_t room_bytes =
		rte_pktmbuf_data_room_size(opening->config->common.pool) - RTE_PKTMBUF_HEADROOM;
	uint32_t frame_bytes = opening->config->common.datagram_max + (uint32_t)DP_FRAME_OVERHEAD;

	if (driver_is(opening, "net_af_xdp") &&
	    (object_bytes > (uint32_t)getpagesize() || room_bytes < frame_bytes + XDP_ROOM_BYTES)) {
		return dp_port_fail(
			opening->problem, QR_UNSUPPORTED,
			"AF_XDP takes datagrams of %u bytes at most, in buffers that fit "
			"a page (these have %u): lower [dataplane] datagram_max_bytes, or "
			"use link = af_packet",
			DP_VDEV_AF_XDP_DATAGRAM_MAX, object_bytes);
	}
	return QR_OK;
}

static enum qr_error find_device(struct opening *opening)
{
	const char *device = opening->device;
	uint16_t port_id;

	if (rte_eth_dev_get_port_by_name(device, &port_id) != 0) {
		return dp_port_fail(opening->problem, QR_NOT_FOUND,
				    "no DPDK device %s: `dpdk-devbind.py --status-dev net` lists "
				    "those that there are",
				    device);
	}
	if (rte_eth_dev_info_get(port_id, &opening->info) != 0) {
		return dp_port_fail(opening->problem, QR_UNSUPPORTED,
				    "device %s does not describe itself: is its link partner or "
				    "firmware gone?",
				    device);
	}
	opening->self->port_id = port_id;
	opening->is_virtual = strcmp(rte_bus_name(rte_dev_bus(opening->info.device)), "vdev") == 0;
	return QR_OK;
}

/* ---- configuration ---- */

static struct rte_eth_conf device_conf(struct opening *opening)
{
	const uint64_t rx_checksums = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
	const uint64_t tx_checksums = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
	uint32_t needed = opening->config->common.datagram_max + (uint32_t)IPV4_UDP_BYTES;
	uint64_t tx_capable = opening->info.tx_offload_capa;
	struct rte_eth_conf conf = {.rxmode = {.mq_mode = RTE_ETH_MQ_RX_NONE}};

	conf.rxmode.offloads = opening->info.rx_offload_capa & rx_checksums;
	conf.txmode.offloads = tx_capable & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	opening->self->is_checksum_offloaded = (tx_capable & tx_checksums) == tx_checksums;
	if (opening->self->is_checksum_offloaded)
		conf.txmode.offloads |= tx_checksums;
	/* Where the MTU is the kernel's or nobody's business, ethdev is left at its standard. */
	conf.rxmode.mtu = RTE_ETHER_MTU;
	if (needed > RTE_ETHER_MTU && opening->info.if_index == 0 &&
	    !driver_is(opening, "net_memif"))
		conf.rxmode.mtu = needed;
	return conf;
}

static enum qr_error setup_failed(const struct opening *opening, const char *step, int result)
{
	return dp_port_fail(opening->problem, QR_UNSUPPORTED, "device %s (%s): %s failed: %s",
			    opening->device, opening->info.driver_name, step,
			    rte_strerror(-result));
}

/** Configure the device with so many queues. */
static enum qr_error configure(struct opening *opening, uint16_t rx_queues, uint16_t tx_queues)
{
	struct ether_port *self = opening->self;
	const struct rte_eth_conf conf = device_conf(opening);
	int socket = rte_eth_dev_socket_id(self->port_id);
	uint16_t rx_descriptors = DESCRIPTORS;
	uint16_t tx_descriptors = DESCRIPTORS;
	uint16_t queue;
	int result = rte_eth_dev_configure(self->port_id, rx_queues, tx_queues, &conf);

	if (result != 0)
		return setup_failed(opening, "configuring", result);
	result = rte_eth_dev_adjust_nb_rx_tx_desc(self->port_id, &rx_descriptors, &tx_descriptors);
	if (result != 0)
		return setup_failed(opening, "sizing rings", result);
	for (queue = 0; queue < rx_queues; queue++) {
		result = rte_eth_rx_queue_setup(self->port_id, queue, rx_descriptors,
						(unsigned)socket, NULL,
						opening->config->common.pool);
		if (result != 0)
			return setup_failed(opening, "setting up a receive queue", result);
	}
	for (queue = 0; queue < tx_queues; queue++) {
		result = rte_eth_tx_queue_setup(self->port_id, queue, tx_descriptors,
						(unsigned)socket, NULL);
		if (result != 0)
			return setup_failed(opening, "setting up a transmit queue", result);
	}
	self->port.queues = (uint8_t)rx_queues;
	self->tx_queues = tx_queues;
	return QR_OK;
}

static enum qr_error start(struct opening *opening)
{
	struct ether_port *self = opening->self;
	int result;

	self->memif = opening->config->vdev != NULL ? dp_vdev_memif(opening->config->vdev) : NULL;
	if (self->memif != NULL) {
		self->gate = 1;
		return dp_memif_attach(self->memif, self->port_id);
	}
	result = rte_eth_dev_start(self->port_id);
	if (result != 0)
		return setup_failed(opening, "starting", result);
	self->is_started = true;
	return QR_OK;
}

/* ---- steering ---- */

/** The rule "UDP to this core's port at our address goes to its queue". @return NULL if refused. */
static struct rte_flow *steer(const struct ether_port *self, uint16_t queue)
{
	const struct rte_flow_attr attr = {.ingress = 1};
	const struct rte_flow_item_ipv4 ip = {
		.hdr = {.dst_addr = rte_cpu_to_be_32(self->local.ipv4)},
	};
	const struct rte_flow_item_ipv4 ip_mask = {.hdr = {.dst_addr = RTE_BE32(UINT32_MAX)}};
	const struct rte_flow_item_udp udp = {
		.hdr = {.dst_port = rte_cpu_to_be_16((uint16_t)(self->local.udp_base + queue))},
	};
	const struct rte_flow_item_udp udp_mask = {.hdr = {.dst_port = RTE_BE16(UINT16_MAX)}};
	const struct rte_flow_item pattern[] = {
		{.type = RTE_FLOW_ITEM_TYPE_ETH},
		{.type = RTE_FLOW_ITEM_TYPE_IPV4, .spec = &ip, .mask = &ip_mask},
		{.type = RTE_FLOW_ITEM_TYPE_UDP, .spec = &udp, .mask = &udp_mask},
		{.type = RTE_FLOW_ITEM_TYPE_END},
	};
	const struct rte_flow_action_queue target = {.index = queue};
	const struct rte_flow_action actions[] = {
		{.type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &target},
		{.type = RTE_FLOW_ACTION_TYPE_END},
	};
	struct rte_flow_error error;

	if (rte_flow_validate(self->port_id, &attr, pattern, actions, &error) != 0)
		return NULL;
	return rte_flow_create(self->port_id, &attr, pattern, actions, &error);
}

static void drop_rules(struct ether_port *self)
{
	struct rte_flow_error error;
	unsigned queue;

	for (queue = 0; queue < DP_PORT_CORES_MAX; queue++) {
		if (self->flows[queue] != NULL)
			(void)rte_flow_destroy(self->port_id, self->flows[queue], &error);
		self->flows[queue] = NULL;
	}
}

/** Steer, or go back to one queue. */
static enum qr_error steer_all(struct opening *opening)
{
	struct ether_port *self = opening->self;
	enum qr_error error;
	uint16_t queue;

	if (opening->is_virtual || self->port.queues == 1)
		return QR_OK;
	for (queue = 0; queue < self->port.queues; queue++) {
		self->flows[queue] = steer(self, queue);
		if (self->flows[queue] == NULL)
			break;
	}
	if (queue == self->port.queues)
		return QR_OK;
	drop_rules(self);
	(void)rte_eth_dev_stop(self->port_id);
	self->is_started = false;
	error = configure(opening, 1, self->tx_queues);
	return error == QR_OK ? start(opening) : error;
}

/* ---- opening ---- */

static enum qr_error init_addresses(struct opening *opening)
{
	const struct dp_ether_config *config = opening->config;
	struct ether_port *self = opening->self;
	unsigned core;

	if (rte_eth_macaddr_get(self->port_id, &self->local.mac) != 0) {
		return dp_port_fail(opening->problem, QR_UNSUPPORTED,
				    "device %s has no MAC address", opening->device);
	}
	if (config->ipv4 == 0 || config->prefix_bits > 32 || config->vlan > RTE_ETHER_MAX_VLAN_ID) {
		return dp_port_fail(
			opening->problem, QR_CONFIG,
			"device %s needs `address = A.B.C.D/BITS`, and a vlan below 4096",
			opening->device);
	}
	self->local.ipv4 = config->ipv4;
	self->local.vlan = config->vlan;
	self->local.udp_base = config->common.udp_base;
	self->local.cores = config->common.cores;
	dp_neighbours_init(&self->neighbours, config->ipv4, config->prefix_bits, config->gateway);
	for (core = 0; core < DP_PORT_CORES_MAX; core++)
		rte_spinlock_init(&self->cores[core].tx_lock);
	return QR_OK;
}

static enum qr_error init_strays(struct opening *opening)
{
	struct ether_port *self = opening->self;
	ssize_t size_bytes = rte_ring_get_memsize(STRAYS);

	self->strays = size_bytes > 0
			       ? rte_zmalloc("strays", (size_t)size_bytes, RTE_CACHE_LINE_SIZE)
			       : NULL;
	if (self->strays == NULL ||
	    rte_ring_init(self->strays, "strays", STRAYS, RING_F_MP_RTS_ENQ | RING_F_SC_DEQ) != 0) {
		return dp_port_fail(opening->problem, QR_NO_MEMORY, "no memory for port %s",
				    opening->device);
	}
	return QR_OK;
}

static enum dp_frame_checksum choose_checksum(const struct opening *opening)
{
	if (driver_is(opening, "net_memif"))
		return DP_CHECKSUM_NONE;
	return opening->self->is_checksum_offloaded ? DP_CHECKSUM_OFFLOAD : DP_CHECKSUM_SOFTWARE;
}

static enum qr_error open_device(struct opening *opening)
{
	uint8_t cores = opening->config->common.cores;
	enum qr_error error = find_device(opening);
	uint16_t rx_queues;
	uint16_t tx_queues;

	if (error == QR_OK)
		error = check_mtu(opening);
	if (error == QR_OK)
		error = check_buffers(opening);
	if (error == QR_OK)
		error = init_addresses(opening);
	if (error == QR_OK)
		error = init_strays(opening);
	if (error != QR_OK)
		return error;
	rx_queues = cores < opening->info.max_rx_queues ? cores : opening->info.max_rx_queues;
	tx_queues = cores < opening->info.max_tx_queues ? cores : opening->info.max_tx_queues;
	/* Nobody would poll a second queue of, say, three cores. */
	if (rx_queues < cores && !opening->is_virtual)
		rx_queues = 1;
	error = configure(opening, rx_queues, tx_queues);
	if (error == QR_OK)
		error = start(opening);
	if (error == QR_OK)
		error = steer_all(opening);
	if (error == QR_OK)
		opening->self->local.checksum = choose_checksum(opening);
	return error;
}

enum qr_error dp_ether_open(const struct dp_ether_config *config, struct dp_port **ret_port,
			    char *problem, size_t problem_bytes)
{
	const struct dp_port_problem words = {problem, problem_bytes};
	struct opening opening = {
		.config = config,
		.problem = &words,
		.device = config->vdev != NULL ? dp_vdev_device(config->vdev) : config->device,
	};
	struct ether_port *self = rte_zmalloc("ether port", sizeof(*self), RTE_CACHE_LINE_SIZE);
	enum qr_error error;

	if (self == NULL)
		return dp_port_fail(&words, QR_NO_MEMORY, "no memory for port %s", opening.device);
	self->port_id = RTE_MAX_ETHPORTS;
	opening.self = self;
	error = dp_port_init(&self->port, &dp_ether_ops, &config->common, &words);
	if (error == QR_OK)
		error = open_device(&opening);
	if (error != QR_OK) {
		dp_ether_close(&self->port);
		return error;
	}
	(void)snprintf(self->port.name, sizeof(self->port.name), "%s %s", opening.info.driver_name,
		       opening.device);
	*ret_port = &self->port;
	return QR_OK;
}

void dp_ether_close(struct dp_port *port)
{
	struct ether_port *self = container_of(port, struct ether_port, port);
	struct rte_mbuf *mbuf;

	if (self->port_id != RTE_MAX_ETHPORTS) {
		drop_rules(self);
		if (self->memif != NULL)
			dp_memif_detach(self->memif);
		(void)rte_eth_dev_stop(self->port_id);
	}
	while (self->strays != NULL && rte_ring_dequeue(self->strays, (void **)&mbuf) == 0)
		rte_pktmbuf_free(mbuf);
	rte_free(self->strays);
	rte_free(self);
}
