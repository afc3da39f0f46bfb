/*
 * memif links between two ports: both in this process (their drivers meet through the relays just
 * as those of two processes do), and with a peer process that is killed.
 */
#include "dataplane/port/pool.h"
#include "dataplane/port/port.h"
#include "dataplane/port/vdev.h"
#include "tests/unit/port/eal.h"
#include "tests/unit/unit.h"

#include <rte_ethdev.h>

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECOND 1000000000ull
#define DATAGRAM_MAX 8192u
#define UDP_BASE 7000
#define KILLS 5

static struct rte_mempool *pool;

/* One side of the link. */
struct side {
	qr_node node;
	struct dp_vdev *vdev;
	struct dp_port *port;
};

static uint32_t address_of(qr_node node)
{
	return 0xc6120000u + node; /* 198.18.0.N */
}

static enum qr_error side_open(struct side *side, qr_node node, qr_node peer, uint8_t cores,
			       const char *run_dir)
{
	const struct dp_vdev_config vdev = {
		.kind = DP_VDEV_MEMIF,
		.cores = cores,
		.datagram_max = DATAGRAM_MAX,
		.run_dir = run_dir,
		.node = node,
		.peer = peer,
	};
	struct dp_ether_config ether = {
		.common = {.number = 3,
			   .cores = cores,
			   .udp_base = UDP_BASE,
			   .pool = pool,
			   .datagram_max = DATAGRAM_MAX},
		.ipv4 = address_of(node),
		.prefix_bits = 24,
	};
	char problem[256] = "";
	enum qr_error error = dp_vdev_open(&vdev, &side->vdev, problem, sizeof(problem));

	if (error == QR_OK) {
		ether.vdev = side->vdev;
		error = dp_ether_open(&ether, &side->port, problem, sizeof(problem));
	}
	if (error != QR_OK)
		(void)fprintf(stderr, "%s\n", problem);
	side->node = node;
	return error;
}

static void side_close(struct side *side)
{
	dp_port_close(side->port);
	dp_vdev_close(side->vdev);
}

/** A turn of all cores' loops that throws away what comes. @return how much came. */
static unsigned turn(struct side *side)
{
	struct dp_rx rx[DP_BURST];
	unsigned received = 0;
	uint8_t core;

	dp_port_tick(side->port, test_now());
	for (core = 0; core < dp_port_queues(side->port); core++) {
		unsigned n = dp_port_rx(side->port, core, rx, DP_BURST);
		unsigned i;

		for (i = 0; i < n; i++)
			rte_pktmbuf_free(rx[i].mbuf);
		received += n;
	}
	return received;
}

static void send_one(struct side *side, uint8_t core, qr_node peer, uint32_t size, uint8_t seed)
{
	struct dp_address to = {.ipv4 = address_of(peer), .udp = (uint16_t)(UDP_BASE + core)};
	struct rte_mbuf *mbuf = test_mbuf(pool, size, seed);

	dp_port_tx(side->port, core, &mbuf, &to, 1);
}

/** Both sides turn until both links are up and ARP is through both ways. */
static void wait_until_talking(struct side *a, struct side *b)
{
	qr_ns end = test_now() + 10 * SECOND;
	unsigned heard_a = 0;
	unsigned heard_b = 0;

	while ((heard_a == 0 || heard_b == 0) && test_now() < end) {
		send_one(a, 0, b->node, 64, 0);
		send_one(b, 0, a->node, 64, 0);
		heard_a += turn(a);
		heard_b += turn(b);
		(void)sched_yield();
	}
	assert_true(heard_a > 0 && heard_b > 0);
	while (turn(a) + turn(b) > 0)
		;
}

static void receives_what_was_sent(void **state)
{
	static const uint32_t sizes[] = {1, 64, 1400, 4096, 8191, 8192};
	struct side a;
	struct side b;
	size_t i;

	(void)state;
	assert_int_equal(side_open(&a, 1, 2, 1, test_eal_dir()), QR_OK);
	assert_int_equal(side_open(&b, 2, 1, 1, test_eal_dir()), QR_OK);
	assert_false(dp_port_is_up(a.port));
	wait_until_talking(&a, &b);
	assert_true(dp_port_is_up(a.port));
	for (i = 0; i < RTE_DIM(sizes); i++) {
		struct dp_rx rx[DP_BURST];

		send_one(&a, 0, 2, sizes[i], (uint8_t)i);
		assert_int_equal(dp_port_rx(b.port, 0, rx, DP_BURST), 1);
		assert_true(test_bytes_match(rx[0].bytes, sizes[i], (uint8_t)i));
		assert_int_equal(rx[0].from.ipv4, address_of(1));
		assert_int_equal(rx[0].from.udp, UDP_BASE);
		assert_int_equal(rx[0].from.port, 3);
		assert_int_equal(rx[0].core, 0);
		rte_pktmbuf_free(rx[0].mbuf);
	}
	side_close(&b);
	side_close(&a);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

static void keeps_cores_apart(void **state)
{
	struct side a;
	struct side b;
	struct dp_rx rx[DP_BURST];

	(void)state;
	assert_int_equal(side_open(&a, 1, 2, 2, test_eal_dir()), QR_OK);
	assert_int_equal(side_open(&b, 2, 1, 2, test_eal_dir()), QR_OK);
	assert_int_equal(dp_port_queues(a.port), 2);
	wait_until_talking(&a, &b);
	send_one(&a, 1, 2, 100, 5);
	assert_int_equal(dp_port_rx(b.port, 0, rx, DP_BURST), 0);
	assert_int_equal(dp_port_rx(b.port, 1, rx, DP_BURST), 1);
	assert_int_equal(rx[0].core, 1);
	assert_int_equal(rx[0].from.udp, UDP_BASE + 1);
	rte_pktmbuf_free(rx[0].mbuf);
	side_close(&a);
	side_close(&b);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

/** Each side in turn goes away and comes back, server and client alike. */
static void links_again_when_a_side_returns(void **state)
{
	struct side a;
	struct side b;
	unsigned i;

	(void)state;
	assert_int_equal(side_open(&a, 1, 2, 2, test_eal_dir()), QR_OK);
	assert_int_equal(side_open(&b, 2, 1, 2, test_eal_dir()), QR_OK);
	for (i = 0; i < 6; i++) {
		struct side *leaver = i % 2 == 0 ? &a : &b;
		struct side *stayer = i % 2 == 0 ? &b : &a;
		qr_ns end = test_now() + 10 * SECOND;

		wait_until_talking(&a, &b);
		side_close(leaver);
		while (dp_port_is_up(stayer->port) && test_now() < end) {
			(void)turn(stayer);
			send_one(stayer, 0, leaver->node, 64, 0);
			(void)sched_yield();
		}
		assert_false(dp_port_is_up(stayer->port));
		assert_int_equal(side_open(leaver, leaver->node, stayer->node, 2, test_eal_dir()),
				 QR_OK);
	}
	wait_until_talking(&a, &b);
	side_close(&a);
	side_close(&b);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

static void a_link_has_one_server(void **state)
{
	const struct dp_vdev_config again = {
		.kind = DP_VDEV_MEMIF,
		.cores = 1,
		.datagram_max = DATAGRAM_MAX,
		.run_dir = test_eal_dir(),
		.node = 1,
		.peer = 2,
	};
	struct dp_vdev *vdev = NULL;
	char problem[256] = "";
	struct side a;

	(void)state;
	assert_int_equal(side_open(&a, 1, 2, 1, test_eal_dir()), QR_OK);
	assert_int_equal(dp_vdev_open(&again, &vdev, problem, sizeof(problem)), QR_LOCKED);
	assert_non_null(strstr(problem, "memif-1-2.sock"));
	assert_null(vdev);
	side_close(&a);
}

/* ---- a peer process ---- */

/** What the peer process does: flood the other side until it is killed. */
static int run_peer(const char *run_dir, qr_node node, qr_node peer)
{
	struct side self;
	qr_ns end;

	if (!test_eal_start())
		return 1;
	pool = dp_pool_create(4096, DATAGRAM_MAX, SOCKET_ID_ANY);
	if (pool == NULL || side_open(&self, node, peer, 1, run_dir) != QR_OK)
		return 1;
	end = test_now() + 30 * SECOND;
	while (test_now() < end) {
		unsigned i;

		for (i = 0; i < DP_BURST; i++)
			send_one(&self, 0, peer, DATAGRAM_MAX, 0);
		(void)turn(&self);
	}
	return 0;
}

static pid_t spawn_peer(qr_node node, qr_node peer)
{
	char own[8];
	char other[8];
	pid_t pid;

	(void)snprintf(own, sizeof(own), "%u", node);
	(void)snprintf(other, sizeof(other), "%u", peer);
	pid = fork();
	if (pid == 0) {
		/* DPDK's sockets do not close on exec. */
		(void)close_range(STDERR_FILENO + 1, ~0u, 0);
		(void)execl("/proc/self/exe", "memif_test", "peer", test_eal_dir(), own, other,
			    (char *)NULL);
		_exit(127);
	}
	return pid;
}

/** Flood for a turn. @return how many datagrams came. */
static unsigned flood(struct side *self, qr_node peer)
{
	unsigned n;
	unsigned i;

	for (i = 0; i < DP_BURST / 4; i++)
		send_one(self, 0, peer, DATAGRAM_MAX, 0);
	n = turn(self);
	if (n == 0)
		(void)sched_yield();
	return n;
}

static void survives_kills(qr_node node, qr_node peer)
{
	struct side self;
	unsigned i;

	assert_int_equal(side_open(&self, node, peer, 1, test_eal_dir()), QR_OK);
	for (i = 0; i < KILLS; i++) {
		pid_t pid = spawn_peer(peer, node);
		qr_ns end = test_now() + 10 * SECOND;
		unsigned received = 0;

		assert_true(pid > 0);
		while (received < 1000 && test_now() < end)
			received += flood(&self, peer);
		assert_true(received >= 1000);
		assert_int_equal(kill(pid, SIGKILL), 0);
		while (dp_port_is_up(self.port) && test_now() < end)
			(void)flood(&self, peer);
		assert_false(dp_port_is_up(self.port));
		assert_int_equal(waitpid(pid, NULL, 0), pid);
	}
	side_close(&self);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

static void server_survives_killed_clients(void **state)
{
	(void)state;
	survives_kills(1, 2);
}

static void client_survives_killed_servers(void **state)
{
	(void)state;
	survives_kills(2, 1);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(receives_what_was_sent),
		cmocka_unit_test(keeps_cores_apart),
		cmocka_unit_test(links_again_when_a_side_returns),
		cmocka_unit_test(a_link_has_one_server),
		cmocka_unit_test(server_survives_killed_clients),
		cmocka_unit_test(client_survives_killed_servers),
	};
	int result;

	if (argc == 5 && strcmp(argv[1], "peer") == 0) {
		return run_peer(argv[2], (qr_node)strtoul(argv[3], NULL, 10),
				(qr_node)strtoul(argv[4], NULL, 10));
	}
	if (!test_eal_start())
		return 1;
	pool = dp_pool_create(4096, DATAGRAM_MAX, SOCKET_ID_ANY);
	if (pool == NULL)
		return 1;
	result = cmocka_run_group_tests(tests, NULL, NULL);
	test_eal_stop();
	return result;
}
