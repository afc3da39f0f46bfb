/*
 * One end of a link: sends to the other end and counts what comes from it, for some seconds.
 *
 *	port_probe af_packet|af_xdp INTERFACE OWN_IPV4 PEER_IPV4 SECONDS [DATAGRAM_MAX]
 *
 * PEER_IPV4 0.0.0.0: only receive and answer (ARP, ping). Prints one line of figures; fails when a
 * datagram came back wrong, or none at all. What cannot be opened is said on stderr, status 3.
 */
#include "dataplane/port/pool.h"
#include "dataplane/port/port.h"
#include "dataplane/port/vdev.h"
#include "tests/unit/port/eal.h"

#include <arpa/inet.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND 1000000000ull
#define UDP_BASE 7000
#define BUFFERS 16384

struct probe {
	struct rte_mempool *pool;
	struct dp_vdev *vdev;
	struct dp_port *port;
	uint32_t peer;
	uint32_t datagram_max;
	uint64_t received;
	uint64_t wrong;
};

static bool probe_open(struct probe *probe, enum dp_vdev_kind kind, const char *interface,
		       uint32_t own)
{
	const struct dp_vdev_config vdev = {
		.kind = kind,
		.cores = 1,
		.datagram_max = probe->datagram_max,
		.device = interface,
	};
	struct dp_ether_config ether = {
		.common = {.cores = 1, .udp_base = UDP_BASE, .datagram_max = probe->datagram_max},
		.ipv4 = own,
		.prefix_bits = 24,
	};
	char problem[512] = "no memory for buffers";

	probe->pool = dp_pool_create(BUFFERS, probe->datagram_max, SOCKET_ID_ANY);
	ether.common.pool = probe->pool;
	if (probe->pool != NULL &&
	    dp_vdev_open(&vdev, &probe->vdev, problem, sizeof(problem)) == QR_OK) {
		ether.vdev = probe->vdev;
		if (dp_ether_open(&ether, &probe->port, problem, sizeof(problem)) == QR_OK)
			return true;
	}
	(void)fprintf(stderr, "%s\n", problem);
	return false;
}

static void send_some(struct probe *probe)
{
	struct rte_mbuf *mbufs[DP_BURST / 2];
	struct dp_address to[DP_BURST / 2];
	unsigned i;

	for (i = 0; i < RTE_DIM(mbufs); i++) {
		mbufs[i] = test_mbuf(probe->pool, probe->datagram_max, (uint8_t)i);
		to[i] = (struct dp_address){.ipv4 = probe->peer, .udp = UDP_BASE};
	}
	dp_port_tx(probe->port, 0, mbufs, to, RTE_DIM(mbufs));
}

static unsigned receive_some(struct probe *probe)
{
	struct dp_rx rx[DP_BURST];
	unsigned n = dp_port_rx(probe->port, 0, rx, DP_BURST);
	unsigned i;

	for (i = 0; i < n; i++) {
		/* The first byte tells the seed. */
		if (!test_bytes_match(rx[i].bytes, probe->datagram_max, rx[i].bytes.data[0]))
			probe->wrong++;
		rte_pktmbuf_free(rx[i].mbuf);
	}
	probe->received += n;
	return n;
}

static void run(struct probe *probe, qr_ns run_ns)
{
	qr_ns end = test_now() + run_ns;
	qr_ns now;

	while ((now = test_now()) < end) {
		dp_port_tick(probe->port, now);
		if (probe->peer != 0)
			send_some(probe);
		if (receive_some(probe) == 0)
			(void)sched_yield();
	}
}

static bool read_address(const char *text, uint32_t *ret_ipv4)
{
	struct in_addr address;

	if (inet_pton(AF_INET, text, &address) != 1)
		return false;
	*ret_ipv4 = ntohl(address.s_addr);
	return true;
}

int main(int argc, char **argv)
{
	struct dp_port_stats stats;
	struct probe probe = {0};
	enum dp_vdev_kind kind;
	double seconds;
	uint32_t own;

	if (argc < 6 || !read_address(argv[3], &own) || !read_address(argv[4], &probe.peer) ||
	    !test_eal_start())
		return 2;
	kind = strcmp(argv[1], "af_xdp") == 0 ? DP_VDEV_AF_XDP : DP_VDEV_AF_PACKET;
	seconds = strtod(argv[5], NULL);
	probe.datagram_max = argc > 6 ? (uint32_t)strtoul(argv[6], NULL, 10)
				      : dp_vdev_datagram_max(kind, argv[2]);
	if (!probe_open(&probe, kind, argv[2], own)) {
		test_eal_stop();
		return 3;
	}
	run(&probe, (qr_ns)(seconds * 1e9));
	dp_port_read_stats(probe.port, &stats);
	printf("%s %u B: received %.3f Mpps %.2f GB/s, arp %lu, icmp %lu, ignored %lu, wrong %lu\n",
	       argv[1], probe.datagram_max, (double)probe.received / seconds / 1e6,
	       (double)probe.received * probe.datagram_max / seconds / 1e9, stats.arp_replies,
	       stats.icmp_replies, stats.rx_ignored, probe.wrong);
	dp_port_close(probe.port);
	dp_vdev_close(probe.vdev);
	test_eal_stop();
	return probe.wrong == 0 && (probe.received > 0 || probe.peer == 0) ? 0 : 1;
}
