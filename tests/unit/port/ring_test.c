#include "dataplane/port/pool.h"
#include "dataplane/port/port.h"
#include "tests/unit/port/eal.h"
#include "tests/unit/unit.h"

#include <string.h>

#define RING_SIZE 100
#define DATAGRAM_MAX 4096u

static struct rte_mempool *pool;
static struct dp_fabric *fabric;
static struct dp_port *ports[3];

static int build(void **state)
{
	const struct dp_port_common common = {
		.number = 5, .cores = 2, .pool = pool, .datagram_max = DATAGRAM_MAX};
	uint32_t i;

	(void)state;
	fabric = dp_fabric_create(3, 2, RING_SIZE);
	if (fabric == NULL)
		return -1;
	for (i = 0; i < RTE_DIM(ports); i++) {
		if (dp_ring_open(fabric, i, &common, &ports[i]) != QR_OK)
			return -1;
	}
	return 0;
}

static int tear_down(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < RTE_DIM(ports); i++)
		dp_port_close(ports[i]);
	dp_fabric_destroy(fabric);
	return rte_mempool_in_use_count(pool) == 0 ? 0 : -1;
}

static void carries_the_very_mbuf(void **state)
{
	const struct dp_address to = {.ipv4 = 2, .udp = 1};
	struct rte_mbuf *mbuf = test_mbuf(pool, 1000, 3);
	struct rte_mbuf *sent = mbuf;
	struct dp_rx rx[DP_BURST];

	(void)state;
	dp_port_tx(ports[0], 1, &mbuf, &to, 1);
	assert_int_equal(dp_port_rx(ports[2], 0, rx, DP_BURST), 0);
	assert_int_equal(dp_port_rx(ports[1], 1, rx, DP_BURST), 0);
	assert_int_equal(dp_port_rx(ports[2], 1, rx, DP_BURST), 1);
	assert_ptr_equal(rx[0].mbuf, sent);
	assert_true(test_bytes_match(rx[0].bytes, 1000, 3));
	assert_int_equal(rx[0].from.ipv4, 0);
	assert_int_equal(rx[0].from.udp, 1);
	assert_int_equal(rx[0].from.port, 5);
	assert_int_equal(rx[0].core, 1);
	rte_pktmbuf_free(rx[0].mbuf);
}

static void keeps_the_order_and_mixes_destinations(void **state)
{
	struct rte_mbuf *mbufs[DP_BURST];
	struct dp_address to[DP_BURST];
	struct dp_rx rx[DP_BURST];
	unsigned place;
	unsigned i;

	(void)state;
	for (i = 0; i < DP_BURST; i++) {
		mbufs[i] = test_mbuf(pool, 10, (uint8_t)i);
		to[i] = (struct dp_address){.ipv4 = 1 + i % 2, .udp = (uint16_t)(i / 2 % 2)};
	}
	dp_port_tx(ports[0], 0, mbufs, to, DP_BURST);
	for (place = 0; place < 4; place++) {
		unsigned n = dp_port_rx(ports[1 + place % 2], (uint8_t)(place / 2), rx, DP_BURST);

		assert_int_equal(n, DP_BURST / 4);
		for (i = 0; i < n; i++) {
			assert_true(test_bytes_match(rx[i].bytes, 10, (uint8_t)(i * 4 + place)));
			rte_pktmbuf_free(rx[i].mbuf);
		}
	}
}

static void drops_and_counts_when_full(void **state)
{
	const struct dp_address to = {.ipv4 = 1};
	struct dp_port_stats stats;
	struct dp_rx rx[DP_BURST];
	unsigned received = 0;
	unsigned n;
	unsigned i;

	(void)state;
	for (i = 0; i < RING_SIZE + 7; i++) {
		struct rte_mbuf *mbuf = test_mbuf(pool, 10, 0);

		dp_port_tx(ports[0], 0, &mbuf, &to, 1);
	}
	dp_port_read_stats(ports[0], &stats);
	assert_int_equal(stats.tx_frames, RING_SIZE);
	assert_int_equal(stats.tx_dropped, 7);
	while ((n = dp_port_rx(ports[1], 0, rx, DP_BURST)) > 0) {
		received += n;
		for (i = 0; i < n; i++)
			rte_pktmbuf_free(rx[i].mbuf);
	}
	assert_int_equal(received, RING_SIZE);
	dp_port_read_stats(ports[1], &stats);
	assert_int_equal(stats.rx_frames, RING_SIZE);
}

static void drops_what_goes_nowhere(void **state)
{
	const struct dp_address nowhere[] = {
		{.ipv4 = 3}, {.ipv4 = 1, .udp = 2}, {.ipv4 = UINT32_MAX}};
	struct rte_mbuf *mbufs[RTE_DIM(nowhere)];
	struct dp_port_stats stats;
	size_t i;

	(void)state;
	for (i = 0; i < RTE_DIM(nowhere); i++)
		mbufs[i] = test_mbuf(pool, 10, 0);
	dp_port_tx(ports[0], 0, mbufs, nowhere, RTE_DIM(nowhere));
	dp_port_read_stats(ports[0], &stats);
	assert_int_equal(stats.tx_dropped, RTE_DIM(nowhere));
}

static void flattens_bytes_of_the_sender(void **state)
{
	const struct dp_address to = {.ipv4 = 1};
	struct rte_mbuf *head = test_mbuf(pool, 100, 1);
	struct rte_mbuf *tail = test_mbuf(pool, 50, (uint8_t)(1 + 100 * 7));
	struct dp_rx rx[DP_BURST];

	(void)state;
	assert_int_equal(rte_pktmbuf_chain(head, tail), 0);
	dp_port_tx(ports[0], 0, &head, &to, 1);
	assert_int_equal(dp_port_rx(ports[1], 0, rx, DP_BURST), 1);
	assert_int_equal(rx[0].mbuf->nb_segs, 1);
	assert_true(test_bytes_match(rx[0].bytes, 150, 1));
	rte_pktmbuf_free(rx[0].mbuf);
}

static void frees_what_nobody_fetched(void **state)
{
	const struct dp_address to = {.ipv4 = 1};
	struct rte_mbuf *mbuf = test_mbuf(pool, 10, 0);

	(void)state; /* tear_down looks for what was lost */
	dp_port_tx(ports[0], 0, &mbuf, &to, 1);
}

static void refuses_what_cannot_work(void **state)
{
	struct dp_port_common common = {.cores = 2, .pool = pool, .datagram_max = DATAGRAM_MAX};
	struct dp_port *port = NULL;

	(void)state;
	assert_int_equal(dp_ring_open(fabric, 3, &common, &port), QR_OUT_OF_RANGE);
	common.cores = 3;
	assert_int_equal(dp_ring_open(fabric, 0, &common, &port), QR_OUT_OF_RANGE);
	common.cores = 0;
	assert_int_equal(dp_ring_open(fabric, 0, &common, &port), QR_CONFIG);
	common.cores = 1;
	common.datagram_max = DATAGRAM_MAX * 2;
	assert_int_equal(dp_ring_open(fabric, 0, &common, &port), QR_TOO_LARGE);
	assert_null(port);
	assert_null(dp_pool_create(16, DP_POOL_DATAGRAM_MAX + 1, SOCKET_ID_ANY));
}

#define RING_TEST(name) cmocka_unit_test_setup_teardown(name, build, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RING_TEST(carries_the_very_mbuf),
		RING_TEST(keeps_the_order_and_mixes_destinations),
		RING_TEST(drops_and_counts_when_full),
		RING_TEST(drops_what_goes_nowhere),
		RING_TEST(flattens_bytes_of_the_sender),
		RING_TEST(frees_what_nobody_fetched),
		RING_TEST(refuses_what_cannot_work),
	};
	int result;

	if (!test_eal_start())
		return 1;
	pool = dp_pool_create(1024, DATAGRAM_MAX, SOCKET_ID_ANY);
	if (pool == NULL)
		return 1;
	result = cmocka_run_group_tests(tests, NULL, NULL);
	test_eal_stop();
	return result;
}
