#include "dataplane/port/pool.h"
#include "dataplane/port/port.h"
#include "tests/unit/port/eal.h"
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOOPBACK 0x7f000001u
#define DATAGRAM_MAX 16384u
#define BUFFERS 1024u

static struct rte_mempool *pool;
static uint16_t base;
static struct dp_port *port;

static struct dp_host_config config_at(uint16_t udp_base, uint8_t cores)
{
	return (struct dp_host_config){
		.common = {.number = 4,
			   .cores = cores,
			   .udp_base = udp_base,
			   .pool = pool,
			   .datagram_max = DATAGRAM_MAX},
		.ipv4 = LOOPBACK,
	};
}

/** Two neighbouring UDP ports that nobody has; ports are below the kernel's ephemeral range. */
static int open_two(void **state)
{
	char problem[256] = "";

	(void)state;
	for (base = (uint16_t)(20000 + getpid() % 10000); base < 32000; base += 2) {
		const struct dp_host_config config = config_at(base, 2);

		if (dp_host_open(&config, &port, problem, sizeof(problem)) == QR_OK)
			return 0;
	}
	(void)fprintf(stderr, "%s\n", problem);
	return -1;
}

static int close_all(void **state)
{
	(void)state;
	dp_port_close(port);
	return rte_mempool_in_use_count(pool) == 0 ? 0 : -1;
}

/** Wait until a queue has something, then take it. */
static unsigned receive(uint8_t queue, struct dp_rx *rx)
{
	struct pollfd wait = {.fd = dp_port_event_fd(port, queue), .events = POLLIN};

	assert_true(wait.fd >= 0);
	assert_true(poll(&wait, 1, 5000) == 1);
	return dp_port_rx(port, queue, rx, DP_BURST);
}

static void send_to(uint8_t from_core, uint8_t to_core, struct rte_mbuf *mbuf)
{
	const struct dp_address to = {.ipv4 = LOOPBACK, .udp = (uint16_t)(base + to_core)};

	dp_port_tx(port, from_core, &mbuf, &to, 1);
}

static void carries_datagrams_between_cores(void **state)
{
	static const uint32_t sizes[] = {1, 64, 1472, 9000, DATAGRAM_MAX};
	struct dp_rx rx[DP_BURST];
	size_t i;

	(void)state;
	for (i = 0; i < RTE_DIM(sizes); i++) {
		send_to(0, 1, test_mbuf(pool, sizes[i], (uint8_t)i));
		assert_int_equal(receive(1, rx), 1);
		assert_true(test_bytes_match(rx[0].bytes, sizes[i], (uint8_t)i));
		assert_int_equal(rx[0].from.ipv4, LOOPBACK);
		assert_int_equal(rx[0].from.udp, base);
		assert_int_equal(rx[0].from.port, 4);
		assert_int_equal(rx[0].core, 1);
		rte_pktmbuf_free(rx[0].mbuf);
	}
	assert_int_equal(dp_port_rx(port, 0, rx, DP_BURST), 0);
}

static void carries_bursts_in_order(void **state)
{
	struct rte_mbuf *mbufs[2 * DP_BURST];
	struct dp_address to[2 * DP_BURST];
	struct dp_rx rx[DP_BURST];
	struct dp_port_stats stats;
	unsigned received = 0;
	unsigned i;

	(void)state;
	for (i = 0; i < 2 * DP_BURST; i++) {
		mbufs[i] = test_mbuf(pool, 100, (uint8_t)i);
		to[i] = (struct dp_address){.ipv4 = LOOPBACK, .udp = base};
	}
	dp_port_tx(port, 1, mbufs, to, 2 * DP_BURST);
	while (received < 2 * DP_BURST) {
		/* A short burst leaves armed buffers behind, which must not get mixed up. */
		unsigned n = dp_port_rx(port, 0, rx, received % 13 + 1);

		assert_true(n > 0);
		for (i = 0; i < n; i++) {
			assert_true(test_bytes_match(rx[i].bytes, 100, (uint8_t)(received + i)));
			rte_pktmbuf_free(rx[i].mbuf);
		}
		received += n;
	}
	dp_port_read_stats(port, &stats);
	assert_int_equal(stats.tx_frames, 2 * DP_BURST);
	assert_int_equal(stats.rx_frames, 2 * DP_BURST);
	assert_int_equal(stats.tx_dropped, 0);
}

static void sends_segments_as_one_datagram(void **state)
{
	struct rte_mbuf *head = test_mbuf(pool, 100, 1);
	struct rte_mbuf *tail = test_mbuf(pool, 50, (uint8_t)(1 + 100 * 7));
	struct dp_rx rx[DP_BURST];

	(void)state;
	assert_int_equal(rte_pktmbuf_chain(head, tail), 0);
	send_to(0, 1, head);
	assert_int_equal(receive(1, rx), 1);
	assert_true(test_bytes_match(rx[0].bytes, 150, 1));
	rte_pktmbuf_free(rx[0].mbuf);
}

static void counts_what_the_kernel_refuses(void **state)
{
	struct rte_mbuf *mbufs[3];
	const struct dp_address to[3] = {
		{.ipv4 = LOOPBACK, .udp = base},
		{.ipv4 = LOOPBACK, .udp = 0}, /* no such port */
		{.ipv4 = LOOPBACK, .udp = base},
	};
	struct dp_port_stats stats;
	struct dp_rx rx[DP_BURST];
	unsigned i;

	(void)state;
	for (i = 0; i < 3; i++)
		mbufs[i] = test_mbuf(pool, 10, (uint8_t)i);
	dp_port_tx(port, 1, mbufs, to, 3);
	dp_port_read_stats(port, &stats);
	assert_int_equal(stats.tx_frames, 2);
	assert_int_equal(stats.tx_dropped, 1);
	assert_int_equal(receive(0, rx), 2);
	rte_pktmbuf_free(rx[0].mbuf);
	rte_pktmbuf_free(rx[1].mbuf);
}

static void counts_what_is_too_long_or_empty_and_leaves_it_to_the_decoder(void **state)
{
	static const uint8_t bytes[DATAGRAM_MAX + 1];
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons(base), .sin_addr = {htonl(LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct dp_port_stats stats;
	struct dp_rx rx[DP_BURST];

	(void)state;
	assert_true(sendto(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&to, sizeof(to)) ==
		    (ssize_t)sizeof(bytes));
	assert_true(sendto(fd, bytes, 0, 0, (struct sockaddr *)&to, sizeof(to)) == 0);
	assert_true(sendto(fd, bytes, DATAGRAM_MAX, 0, (struct sockaddr *)&to, sizeof(to)) ==
		    (ssize_t)DATAGRAM_MAX);
	assert_int_equal(receive(0, rx), 3);
	assert_int_equal(rx[0].bytes.size_bytes, DATAGRAM_MAX);
	assert_int_equal(rx[1].bytes.size_bytes, 0);
	assert_int_equal(rx[2].bytes.size_bytes, DATAGRAM_MAX);
	for (unsigned i = 0; i < 3; i++)
		rte_pktmbuf_free(rx[i].mbuf);
	dp_port_read_stats(port, &stats);
	assert_int_equal(stats.rx_ignored, 2);
	(void)close(fd);
}

static void works_on_when_the_pool_was_empty(void **state)
{
	static struct rte_mbuf *all[BUFFERS];
	struct dp_rx rx[DP_BURST];
	unsigned taken = 0;
	unsigned i;

	(void)state;
	send_to(1, 0, test_mbuf(pool, 10, 1));
	while (taken < BUFFERS && (all[taken] = rte_pktmbuf_alloc(pool)) != NULL)
		taken++;
	/* Nothing to receive into: the kernel keeps it. */
	assert_int_equal(dp_port_rx(port, 0, rx, DP_BURST), 0);
	for (i = 0; i < taken; i++)
		rte_pktmbuf_free(all[i]);
	assert_int_equal(receive(0, rx), 1);
	rte_pktmbuf_free(rx[0].mbuf);
}

static void says_who_has_the_port(void **state)
{
	const struct dp_host_config same = config_at(base, 1);
	const struct dp_host_config second_taken = config_at((uint16_t)(base - 1), 2);
	struct dp_host_config elsewhere = config_at(base, 1);
	struct dp_host_config beyond = config_at(65535, 2);
	struct dp_port *other = NULL;
	char problem[256] = "";

	(void)state;
	assert_int_equal(dp_host_open(&same, &other, problem, sizeof(problem)), QR_PORT_TAKEN);
	assert_non_null(strstr(problem, "is taken"));
	assert_non_null(strstr(problem, "ss -lunp"));
	assert_int_equal(dp_host_open(&second_taken, &other, problem, sizeof(problem)),
			 QR_PORT_TAKEN);
	elsewhere.ipv4 = 0xc0000201; /* 192.0.2.1: nobody's */
	assert_int_equal(dp_host_open(&elsewhere, &other, problem, sizeof(problem)), QR_NOT_FOUND);
	assert_non_null(strstr(problem, "no address 192.0.2.1"));
	assert_int_equal(dp_host_open(&beyond, &other, problem, sizeof(problem)), QR_CONFIG);
	assert_null(other);
}

#define HOST_TEST(name) cmocka_unit_test_setup_teardown(name, open_two, close_all)

int main(void)
{
	const struct CMUnitTest tests[] = {
		HOST_TEST(carries_datagrams_between_cores),
		HOST_TEST(carries_bursts_in_order),
		HOST_TEST(sends_segments_as_one_datagram),
		HOST_TEST(counts_what_the_kernel_refuses),
		HOST_TEST(counts_what_is_too_long_or_empty_and_leaves_it_to_the_decoder),
		HOST_TEST(works_on_when_the_pool_was_empty),
		HOST_TEST(says_who_has_the_port),
	};
	int result;

	if (!test_eal_start())
		return 1;
	pool = dp_pool_create(BUFFERS, DATAGRAM_MAX, SOCKET_ID_ANY);
	if (pool == NULL)
		return 1;
	result = cmocka_run_group_tests(tests, NULL, NULL);
	test_eal_stop();
	return result;
}
