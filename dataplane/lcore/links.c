/*
 * The ports of a node and how its peers are reached through them.
 *
 *   position 0   the host port: clients
 *   ring         one more: the node's endpoint of the in-process fabric, for peers and clients
 *   memif        one more for each peer: a point-to-point link with a network of its own,
 *                10.LOW.HIGH.0/30, in which the lower node is .1 and the higher .2
 *   a device     one more: af_packet, af_xdp or a NIC, for peers and clients
 */
#include "dataplane/lcore/internal.h"

#define PROBLEM_BYTES sizeof(((struct dp_problem *)NULL)->text)
#define MEMIF_NETWORK_BITS 30

/** The address of `node` on the link between two nodes. */
static uint32_t memif_ipv4(qr_node node, qr_node peer)
{
	uint32_t low = node < peer ? node : peer;
	uint32_t high = node < peer ? peer : node;

	return 10u << 24 | low << 16 | high << 8 | (node < peer ? 1u : 2u);
}

static struct dp_port_common common_of(const struct dp_process *process, const struct dp_host *host,
				       uint16_t udp_base, uint32_t datagram_bytes)
{
	return (struct dp_port_common){
		.number = (uint8_t)host->port_count,
		.cores = process->config.cores,
		.udp_base = udp_base,
		.pool = process->pool,
		.datagram_max = datagram_bytes,
	};
}

static enum qr_error open_host(struct dp_process *process, struct dp_host *host,
			       struct dp_problem *problem)
{
	struct dp_host_config config = {
		.common = common_of(process, host, host->config->host_port,
				    process->plan.client_datagram_bytes),
		.ipv4 = host->config->host_ipv4,
	};
	enum qr_error error;

	QR_ASSERT(host->port_count == DP_HOST_PORT_NUMBER);
	error = dp_host_open(&config, &host->ports[host->port_count], problem->text, PROBLEM_BYTES);

	host->port_count += error == QR_OK;
	return error;
}

static enum qr_error open_ring(struct dp_process *process, struct dp_host *host,
			       struct dp_problem *problem)
{
	const struct dp_config *config = &process->config;
	struct dp_port_common common =
		common_of(process, host, 0, process->plan.peer_datagram_bytes);
	enum qr_error error =
		dp_ring_open(process->fabric, host->node, &common, &host->ports[host->port_count]);

	if (error != QR_OK) {
		dp_complain(problem, "node %u: the in-process link failed: %s", host->node,
			    qr_error_text(error));
		return error;
	}
	for (uint32_t i = 0; i < config->node_count; i++) {
		qr_node peer = config->nodes[i].node;

		host->routes[peer] =
			(struct dp_route){.port = (uint8_t)host->port_count, .ipv4 = peer};
	}
	host->port_count++;
	return QR_OK;
}

/** Plug a device in and open an Ethernet port on it; both stand at the same position. */
static enum qr_error open_ether(struct dp_host *host, const struct dp_vdev_config *vdev,
				struct dp_ether_config *ether, struct dp_problem *problem)
{
	uint32_t at = host->port_count;
	enum qr_error error = dp_vdev_open(vdev, &host->vdevs[at], problem->text, PROBLEM_BYTES);

	if (error != QR_OK)
		return error;
	ether->vdev = host->vdevs[at];
	error = dp_ether_open(ether, &host->ports[at], problem->text, PROBLEM_BYTES);
	if (error == QR_OK) {
		host->port_count++;
		return QR_OK;
	}
	dp_vdev_close(host->vdevs[at]);
	host->vdevs[at] = NULL;
	return error;
}

static enum qr_error open_memif(struct dp_process *process, struct dp_host *host, qr_node peer,
				struct dp_problem *problem)
{
	uint16_t udp_base = process->config.peer_port;
	struct dp_vdev_config vdev = {
		.kind = DP_VDEV_MEMIF,
		.cores = process->config.cores,
		.datagram_max = process->plan.peer_datagram_bytes,
		.run_dir = process->config.run_dir,
		.node = host->node,
		.peer = peer,
	};
	struct dp_ether_config ether = {
		.common = common_of(process, host, udp_base, process->plan.peer_datagram_bytes),
		.ipv4 = memif_ipv4(host->node, peer),
		.prefix_bits = MEMIF_NETWORK_BITS,
	};

	host->routes[peer] = (struct dp_route){
		.port = (uint8_t)host->port_count,
		.udp_base = udp_base,
		.ipv4 = memif_ipv4(peer, host->node),
	};
	return open_ether(host, &vdev, &ether, problem);
}

static enum qr_error open_memifs(struct dp_process *process, struct dp_host *host,
				 struct dp_problem *problem)
{
	_Static_assert(DP_CONFIG_NODES_MAX <= DP_PORTS_MAX, "a host port, and one for each peer");
	for (uint32_t i = 0; i < process->config.node_count; i++) {
		qr_node peer = process->config.nodes[i].node;
		enum qr_error error = QR_OK;

		if (peer != host->node)
			error = open_memif(process, host, peer, problem);
		if (error != QR_OK)
			return error;
	}
	return QR_OK;
}

static enum qr_error open_device(struct dp_process *process, struct dp_host *host,
				 struct dp_problem *problem)
{
	const struct dp_config *config = &process->config;
	struct dp_vdev_config vdev = {
		.kind = process->plan.link == DP_LINK_PCI      ? DP_VDEV_PCI
			: process->plan.link == DP_LINK_AF_XDP ? DP_VDEV_AF_XDP
							       : DP_VDEV_AF_PACKET,
		.cores = config->cores,
		.datagram_max = process->plan.peer_datagram_bytes,
		.run_dir = config->run_dir,
		.node = host->node,
		.device = host->config->device,
	};
	struct dp_ether_config ether = {
		.common = common_of(process, host, config->peer_port,
				    process->plan.peer_datagram_bytes),
		.ipv4 = host->config->ipv4,
		.prefix_bits = host->config->prefix_bits,
		.gateway = host->config->gateway,
		.vlan = host->config->vlan,
	};

	for (uint32_t i = 0; i < config->node_count; i++) {
		host->routes[config->nodes[i].node] = (struct dp_route){
			.port = (uint8_t)host->port_count,
			.udp_base = config->peer_port,
			.ipv4 = config->nodes[i].ipv4,
		};
	}
	return open_ether(host, &vdev, &ether, problem);
}

enum qr_error dp_host_open_ports(struct dp_process *process, struct dp_host *host,
				 struct dp_problem *problem)
{
	enum qr_error error = open_host(process, host, problem);

	if (error != QR_OK)
		return error;
	switch (process->plan.link) {
	case DP_LINK_RING:
		return open_ring(process, host, problem);
	case DP_LINK_MEMIF:
		return open_memifs(process, host, problem);
	case DP_LINK_AF_PACKET:
	case DP_LINK_AF_XDP:
	case DP_LINK_PCI:
		break;
	}
	return open_device(process, host, problem);
}

void dp_host_close_ports(struct dp_host *host)
{
	while (host->port_count > 0) {
		uint32_t at = --host->port_count;

		dp_port_close(host->ports[at]);
		dp_vdev_close(host->vdevs[at]);
		host->ports[at] = NULL;
		host->vdevs[at] = NULL;
	}
}
