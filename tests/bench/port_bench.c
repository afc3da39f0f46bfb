/*
 * What links carry: million datagrams and gigabytes of payload a second, one way, for memif between
 * two processes, the in-process ring and the host port over loopback, by datagram size.
 *
 * Sender and receiver share the machine's CPUs with whoever else is there; an empty poll yields.
 * Ring and host are sent and received by one thread in turn, so their figure is the cost of both.
 *
 *	port_bench [memif|ring|host] [SECONDS]
 */
#include "dataplane/port/pool.h"
#include "dataplane/port/port.h"
#include "dataplane/port/vdev.h"
#include "tests/unit/port/eal.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000ull
#define UDP_BASE 17000
#define BUFFERS 8192
#define LOOPBACK RTE_IPV4(127, 0, 0, 1)

static const uint32_t sizes[] = {1400, 4096, 8192, 16384};
static qr_ns run_ns = 2 * SECOND;

struct measured {
	uint64_t datagrams;
	qr_ns elapsed_ns;
	qr_ns cpu_ns; /* of this process */
};

static void print(const char *link, uint32_t size, const struct measured *measured)
{
	double seconds = (double)measured->elapsed_ns / 1e9;

	printf("%-6s %6u B  %7.3f Mpps  %6.2f GB/s  %6.0f ns of this process's CPU each\n", link,
	       size, (double)measured->datagrams / seconds / 1e6,
	       (double)measured->datagrams * size / seconds / 1e9,
	       (double)measured->cpu_ns / (double)measured->datagrams);
	(void)fflush(stdout);
}

static qr_ns cpu_now(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (qr_ns)now.tv_sec * SECOND + (qr_ns)now.tv_nsec;
}

static struct rte_mempool *pool_or_exit(uint32_t size)
{
	struct rte_mempool *pool = dp_pool_create(BUFFERS, size, SOCKET_ID_ANY);

	if (pool == NULL) {
		(void)fprintf(stderr, "no memory for %u buffers of %u bytes\n", BUFFERS, size);
		_exit(1);
	}
	return pool;
}

/** A burst to one place, filled as a sender must: each byte written once. */
static void send_burst(struct dp_port *port, struct rte_mempool *pool, uint32_t size,
		       const struct dp_address *to)
{
	struct rte_mbuf *mbufs[DP_BURST];
	struct dp_address all[DP_BURST];
	unsigned i;

	if (rte_pktmbuf_alloc_bulk(pool, mbufs, DP_BURST) != 0)
		return;
	for (i = 0; i < DP_BURST; i++) {
		memset(rte_pktmbuf_append(mbufs[i], (uint16_t)size), (int)i, size);
		all[i] = *to;
	}
	dp_port_tx(port, 0, mbufs, all, DP_BURST);
}

static unsigned receive(struct dp_port *port)
{
	struct dp_rx rx[DP_BURST];
	unsigned n = dp_port_rx(port, 0, rx, DP_BURST);
	unsigned i;

	for (i = 0; i < n; i++)
		rte_pktmbuf_free(rx[i].mbuf);
	return n;
}

/** Send and receive in turn. */
static struct measured run_pair(struct dp_port *from, struct dp_port *into,
				struct rte_mempool *pool, uint32_t size,
				const struct dp_address *to)
{
	struct measured measured = {0};
	qr_ns start = test_now();
	qr_ns cpu = cpu_now();

	while (measured.elapsed_ns < run_ns) {
		unsigned n;

		send_burst(from, pool, size, to);
		while ((n = receive(into)) > 0)
			measured.datagrams += n;
		measured.elapsed_ns = test_now() - start;
	}
	measured.cpu_ns = cpu_now() - cpu;
	return measured;
}

static void bench_ring(uint32_t size)
{
	struct rte_mempool *pool = pool_or_exit(size);
	struct dp_fabric *fabric = dp_fabric_create(2, 1, 1024);
	const struct dp_port_common common = {.cores = 1, .pool = pool, .datagram_max = size};
	const struct dp_address to = {.ipv4 = 1};
	struct dp_port *ports[2];
	struct measured measured;

	if (fabric == NULL || dp_ring_open(fabric, 0, &common, &ports[0]) != QR_OK ||
	    dp_ring_open(fabric, 1, &common, &ports[1]) != QR_OK)
		_exit(1);
	measured = run_pair(ports[0], ports[1], pool, size, &to);
	print("ring", size, &measured);
	dp_port_close(ports[0]);
	dp_port_close(ports[1]);
	dp_fabric_destroy(fabric);
	rte_mempool_free(pool);
}

static void bench_host(uint32_t size)
{
	struct rte_mempool *pool = pool_or_exit(size);
	struct dp_host_config config = {
		.common = {.cores = 1, .udp_base = UDP_BASE, .pool = pool, .datagram_max = size},
		.ipv4 = LOOPBACK,
	};
	const struct dp_address to = {.ipv4 = LOOPBACK, .udp = UDP_BASE + 1};
	char problem[256] = "";
	struct dp_port *ports[2];
	struct measured measured;

	if (dp_host_open(&config, &ports[0], problem, sizeof(problem)) != QR_OK)
		goto failed;
	config.common.udp_base++;
	if (dp_host_open(&config, &ports[1], problem, sizeof(problem)) != QR_OK)
		goto failed;
	measured = run_pair(ports[0], ports[1], pool, size, &to);
	print("host", size, &measured);
	dp_port_close(ports[0]);
	dp_port_close(ports[1]);
	rte_mempool_free(pool);
	return;
failed:
	(void)fprintf(stderr, "%s\n", problem);
	_exit(1);
}

/* ---- memif: the sender is another process ---- */

struct side {
	struct rte_mempool *pool;
	struct dp_vdev *vdev;
	struct dp_port *port;
};

static void side_open(struct side *side, const char *run_dir, qr_node node, uint32_t size)
{
	const struct dp_vdev_config vdev = {
		.kind = DP_VDEV_MEMIF,
		.cores = 1,
		.datagram_max = size,
		.run_dir = run_dir,
		.node = node,
		.peer = (qr_node)(3 - node),
	};
	struct dp_ether_config ether = {
		.common = {.cores = 1, .udp_base = UDP_BASE, .datagram_max = size},
		.ipv4 = 0xc6120000u + node,
		.prefix_bits = 24,
	};
	char problem[256] = "";

	side->pool = pool_or_exit(size);
	ether.common.pool = side->pool;
	if (dp_vdev_open(&vdev, &side->vdev, problem, sizeof(problem)) == QR_OK) {
		ether.vdev = side->vdev;
		if (dp_ether_open(&ether, &side->port, problem, sizeof(problem)) == QR_OK)
			return;
	}
	(void)fprintf(stderr, "%s\n", problem);
	_exit(1);
}

static int run_sender(const char *run_dir, uint32_t size)
{
	const struct dp_address to = {.ipv4 = 0xc6120001u, .udp = UDP_BASE};
	struct dp_port_stats before;
	struct dp_port_stats after;
	struct side side;
	qr_ns end;

	if (!test_eal_start())
		return 1;
	side_open(&side, run_dir, 2, size);
	end = test_now() + run_ns + 5 * SECOND;
	while (test_now() < end && getppid() != 1) {
		dp_port_tick(side.port, test_now());
		(void)receive(side.port);
		dp_port_read_stats(side.port, &before);
		send_burst(side.port, side.pool, size, &to);
		dp_port_read_stats(side.port, &after);
		/* The ring is full: the receiver needs the CPU more than we do. */
		if (after.tx_dropped != before.tx_dropped)
			(void)sched_yield();
	}
	return 0;
}

static pid_t spawn_sender(uint32_t size)
{
	char number[16];
	char seconds[16];
	pid_t pid;

	(void)snprintf(number, sizeof(number), "%u", size);
	(void)snprintf(seconds, sizeof(seconds), "%u", (unsigned)(run_ns / SECOND));
	pid = fork();
	if (pid == 0) {
		/* DPDK's sockets do not close on exec. */
		(void)close_range(STDERR_FILENO + 1, ~0u, 0);
		(void)execl("/proc/self/exe", "port_bench", "send", test_eal_dir(), number, seconds,
			    (char *)NULL);
		_exit(127);
	}
	return pid;
}

static void bench_memif(uint32_t size)
{
	struct measured measured = {0};
	struct side side;
	qr_ns start = 0;
	qr_ns cpu = 0;
	qr_ns limit;
	pid_t pid;

	side_open(&side, test_eal_dir(), 1, size);
	pid = spawn_sender(size);
	limit = test_now() + run_ns + 4 * SECOND;
	while (measured.elapsed_ns < run_ns && test_now() < limit) {
		unsigned n = receive(side.port);

		dp_port_tick(side.port, test_now());
		if (n == 0)
			(void)sched_yield();
		if (start == 0 && n > 0) {
			start = test_now();
			cpu = cpu_now();
		}
		measured.datagrams += n;
		measured.elapsed_ns = start != 0 ? test_now() - start : 0;
	}
	measured.cpu_ns = cpu_now() - cpu;
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	print("memif", size, &measured);
	dp_port_close(side.port);
	dp_vdev_close(side.vdev);
	rte_mempool_free(side.pool);
}

static bool is_wanted(int argc, char **argv, const char *link)
{
	return argc < 2 || strcmp(argv[1], link) == 0;
}

int main(int argc, char **argv)
{
	size_t i;

	if (argc == 5 && strcmp(argv[1], "send") == 0) {
		run_ns = strtoull(argv[4], NULL, 10) * SECOND;
		return run_sender(argv[2], (uint32_t)strtoul(argv[3], NULL, 10));
	}
	if (argc > 2)
		run_ns = strtoull(argv[2], NULL, 10) * SECOND;
	if (!test_eal_start())
		return 1;
	for (i = 0; i < RTE_DIM(sizes); i++) {
		if (is_wanted(argc, argv, "memif"))
			bench_memif(sizes[i]);
		if (is_wanted(argc, argv, "ring"))
			bench_ring(sizes[i]);
		if (is_wanted(argc, argv, "host"))
			bench_host(sizes[i]);
	}
	test_eal_stop();
	return 0;
}
