/*
 * The Ethernet port over net_ring, whose frames come back to their sender: what the test sends with
 * rte_eth_tx_burst arrives at the port, and what the port sends is found with rte_eth_rx_burst.
 */
#include "dataplane/port/frame.h"
#include "dataplane/port/neighbour.h"
#include "dataplane/port/pool.h"
#include "dataplane/port/port.h"
#include "tests/unit/port/eal.h"
#include "tests/unit/unit.h"

#include <rte_arp.h>
#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_icmp.h>

#include <string.h>

#define OURS 0x0a000001u
#define THEIRS 0x0a000002u
#define UDP_BASE 7000
#define DEVICE "net_ring_test"
#define DATAGRAM_MAX 1400u
#define MS 1000000ull

static struct rte_mempool *pool;
static struct dp_port *port;
static uint16_t port_id;
static struct dp_frame_local us;
static struct dp_frame_local peer = {
	.mac = {{2, 0, 0, 0, 0, 2}},
	.ipv4 = THEIRS,
	.udp_base = UDP_BASE,
	.cores = 1,
	.checksum = DP_CHECKSUM_SOFTWARE,
};
static qr_ns now = MS;

static struct dp_ether_config config(void)
{
	return (struct dp_ether_config){
		.common = {.cores = 1,
			   .udp_base = UDP_BASE,
			   .pool = pool,
			   .datagram_max = DATAGRAM_MAX},
		.device = DEVICE,
		.ipv4 = OURS,
		.prefix_bits = 24,
	};
}

static int open_port(void **state)
{
	const struct dp_ether_config ours = config();
	char problem[256] = "";

	(void)state;
	if (dp_ether_open(&ours, &port, problem, sizeof(problem)) != QR_OK) {
		print_error("%s\n", problem);
		return -1;
	}
	us = (struct dp_frame_local){.ipv4 = OURS, .udp_base = UDP_BASE, .cores = 1};
	if (rte_eth_dev_get_port_by_name(DEVICE, &port_id) != 0 ||
	    rte_eth_macaddr_get(port_id, &us.mac) != 0)
		return -1;
	now += 1000 * MS;
	dp_port_tick(port, now);
	return 0;
}

static int close_port(void **state)
{
	struct rte_mbuf *mbuf;

	(void)state;
	while (rte_eth_rx_burst(port_id, 0, &mbuf, 1) == 1)
		rte_pktmbuf_free(mbuf);
	dp_port_close(port);
	return rte_mempool_in_use_count(pool) == 0 ? 0 : -1;
}

/** A frame on the wire towards the port. */
static void inject(struct rte_mbuf *mbuf)
{
	assert_int_equal(rte_eth_tx_burst(port_id, 0, &mbuf, 1), 1);
}

/** What the port sent last; NULL if nothing. */
static struct rte_mbuf *sent(void)
{
	struct rte_mbuf *mbuf = NULL;

	return rte_eth_rx_burst(port_id, 0, &mbuf, 1) == 1 ? mbuf : NULL;
}

static struct rte_mbuf *datagram(uint32_t size, uint8_t seed)
{
	const struct dp_frame_route route = {
		.mac = us.mac, .ipv4 = OURS, .udp = UDP_BASE, .from_udp = UDP_BASE};
	struct rte_mbuf *mbuf = test_mbuf(pool, size, seed);

	assert_true(dp_frame_build(&peer, &route, mbuf));
	return mbuf;
}

static unsigned receive(struct dp_rx *rx)
{
	return dp_port_rx(port, 0, rx, DP_BURST);
}

static void send_to(uint32_t ipv4, uint32_t size)
{
	const struct dp_address to = {.ipv4 = ipv4, .udp = UDP_BASE};
	struct rte_mbuf *mbuf = test_mbuf(pool, size, 1);

	dp_port_tx(port, 0, &mbuf, &to, 1);
}

static struct dp_port_stats stats(void)
{
	struct dp_port_stats now_stats;

	dp_port_read_stats(port, &now_stats);
	return now_stats;
}

static void receives_a_datagram(void **state)
{
	struct dp_rx rx[DP_BURST];

	(void)state;
	assert_true(dp_port_is_up(port));
	inject(datagram(DATAGRAM_MAX, 9));
	assert_int_equal(receive(rx), 1);
	assert_true(test_bytes_match(rx[0].bytes, DATAGRAM_MAX, 9));
	assert_int_equal(rx[0].from.ipv4, THEIRS);
	rte_pktmbuf_free(rx[0].mbuf);
}

static void flattens_a_chain(void **state)
{
	struct rte_mbuf *head = datagram(100, 9);
	struct rte_mbuf *tail = rte_pktmbuf_alloc(pool);
	struct dp_rx rx[DP_BURST];

	(void)state;
	assert_non_null(tail);
	/* The last 30 bytes in a segment of their own. */
	memcpy(rte_pktmbuf_append(tail, 30), rte_pktmbuf_mtod_offset(head, void *, 112), 30);
	assert_int_equal(rte_pktmbuf_trim(head, 30), 0);
	assert_int_equal(rte_pktmbuf_chain(head, tail), 0);
	inject(head);
	assert_int_equal(receive(rx), 1);
	assert_true(test_bytes_match(rx[0].bytes, 100, 9));
	rte_pktmbuf_free(rx[0].mbuf);
}

static void ignores_a_chain_that_no_buffer_holds(void **state)
{
	struct rte_mbuf *head = datagram(DATAGRAM_MAX, 9);
	struct rte_mbuf *tail = test_mbuf(pool, 1900, 0);
	struct dp_rx rx[DP_BURST];

	(void)state;
	assert_int_equal(rte_pktmbuf_chain(head, tail), 0);
	inject(head);
	assert_int_equal(receive(rx), 0);
	assert_int_equal(stats().rx_ignored, 1);
}

static void ignores_and_counts_garbage(void **state)
{
	struct dp_rx rx[DP_BURST];
	unsigned i;

	(void)state;
	for (i = 0; i < 10; i++)
		inject(test_mbuf(pool, 1 + i * 10, (uint8_t)i));
	assert_int_equal(receive(rx), 0);
	assert_int_equal(stats().rx_ignored, 10);
	assert_int_equal(stats().rx_frames, 10);
}

static void asks_before_it_sends(void **state)
{
	struct rte_mbuf *request;
	struct rte_mbuf *reply;
	struct rte_mbuf *frame_mbuf;
	const struct dp_arp us_asking = {
		.is_request = true, .sender_ipv4 = OURS, .sender_mac = us.mac};
	struct rte_arp_hdr *arp;
	struct dp_frame frame;
	struct dp_rx rx[DP_BURST];

	(void)state;
	send_to(THEIRS, 100);
	assert_int_equal(stats().tx_dropped, 1);
	assert_null(sent());
	now += MS;
	dp_port_tick(port, now);
	request = sent();
	assert_non_null(request);
	assert_int_equal(dp_frame_parse(&peer, request, &frame), DP_FRAME_ARP);
	arp = rte_pktmbuf_mtod_offset(request, struct rte_arp_hdr *, sizeof(struct rte_ether_hdr));
	assert_int_equal(arp->arp_opcode, RTE_BE16(RTE_ARP_OP_REQUEST));
	assert_int_equal(arp->arp_data.arp_tip, rte_cpu_to_be_32(THEIRS));
	assert_int_equal(arp->arp_data.arp_sip, rte_cpu_to_be_32(OURS));
	reply = rte_pktmbuf_alloc(pool);
	assert_non_null(reply);
	assert_true(dp_arp_put_reply(&peer, &us_asking, reply));
	inject(reply);
	assert_int_equal(receive(rx), 0);

	send_to(THEIRS, 100);
	frame_mbuf = sent();
	assert_non_null(frame_mbuf);
	assert_int_equal(dp_frame_parse(&peer, frame_mbuf, &frame), DP_FRAME_DATAGRAM);
	assert_true(test_bytes_match(frame.payload, 100, 1));
	assert_int_equal(frame.from_ipv4, OURS);
	assert_int_equal(stats().tx_dropped, 1);
	rte_pktmbuf_free(request);
	rte_pktmbuf_free(frame_mbuf);
}

static struct rte_mbuf *arp_request(void)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(pool);

	assert_non_null(mbuf);
	assert_true(dp_arp_put_request(&peer, OURS, mbuf));
	return mbuf;
}

static void answers_arp_and_knows_the_asker(void **state)
{
	struct rte_mbuf *reply;
	struct dp_rx rx[DP_BURST];
	struct rte_arp_hdr *arp;

	(void)state;
	inject(arp_request());
	assert_int_equal(receive(rx), 0);
	assert_int_equal(stats().arp_replies, 1);
	reply = sent();
	assert_non_null(reply);
	arp = rte_pktmbuf_mtod_offset(reply, struct rte_arp_hdr *, sizeof(struct rte_ether_hdr));
	assert_int_equal(arp->arp_opcode, RTE_BE16(RTE_ARP_OP_REPLY));
	assert_int_equal(arp->arp_data.arp_sip, rte_cpu_to_be_32(OURS));
	assert_memory_equal(&arp->arp_data.arp_sha, &us.mac, RTE_ETHER_ADDR_LEN);
	assert_memory_equal(&arp->arp_data.arp_tha, &peer.mac, RTE_ETHER_ADDR_LEN);
	rte_pktmbuf_free(reply);

	send_to(THEIRS, 10); /* known now */
	reply = sent();
	assert_non_null(reply);
	rte_pktmbuf_free(reply);
}

static void bounds_its_answers(void **state)
{
	struct dp_rx rx[DP_BURST];
	struct rte_mbuf *mbuf;
	unsigned answered;
	unsigned i;

	(void)state;
	for (i = 0; i < 200; i++) {
		inject(arp_request());
		(void)receive(rx);
		mbuf = sent();
		rte_pktmbuf_free(mbuf);
	}
	answered = (unsigned)stats().arp_replies;
	assert_true(answered >= 32 && answered < 100);
	now += 5 * MS;
	dp_port_tick(port, now);
	inject(arp_request());
	(void)receive(rx);
	mbuf = sent();
	assert_non_null(mbuf);
	rte_pktmbuf_free(mbuf);
}

static void answers_ping(void **state)
{
	struct rte_mbuf *ping = datagram(56 - sizeof(struct rte_udp_hdr), 1);
	struct rte_ipv4_hdr *ip =
		rte_pktmbuf_mtod_offset(ping, struct rte_ipv4_hdr *, sizeof(struct rte_ether_hdr));
	struct rte_icmp_hdr *icmp = (struct rte_icmp_hdr *)(ip + 1);
	struct dp_frame frame;
	struct dp_rx rx[DP_BURST];
	struct rte_mbuf *reply;

	(void)state;
	ip->next_proto_id = IPPROTO_ICMP;
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	*icmp = (struct rte_icmp_hdr){.icmp_type = RTE_IP_ICMP_ECHO_REQUEST};
	icmp->icmp_cksum = (rte_be16_t)~rte_raw_cksum(icmp, 56);
	inject(ping);
	assert_int_equal(receive(rx), 0);
	assert_int_equal(stats().icmp_replies, 1);
	reply = sent();
	assert_non_null(reply);
	assert_int_equal(dp_frame_parse(&peer, reply, &frame), DP_FRAME_ICMP);
	assert_int_equal(frame.l4_bytes, 56);
	rte_pktmbuf_free(reply);
}

static void drops_what_is_too_long(void **state)
{
	struct dp_rx rx[DP_BURST];

	(void)state;
	inject(arp_request());
	(void)receive(rx);
	rte_pktmbuf_free(sent());
	send_to(THEIRS, DATAGRAM_MAX + 1);
	assert_null(sent());
	assert_int_equal(stats().tx_dropped, 1);
}

static void refuses_what_cannot_work(void **state)
{
	struct dp_ether_config bad = config();
	struct dp_port *other = NULL;
	char problem[256] = "";

	(void)state;
	bad.device = "net_ring_missing";
	assert_int_equal(dp_ether_open(&bad, &other, problem, sizeof(problem)), QR_NOT_FOUND);
	assert_non_null(strstr(problem, "no DPDK device net_ring_missing"));
	bad = config();
	bad.common.datagram_max = 9000;
	assert_int_equal(dp_ether_open(&bad, &other, problem, sizeof(problem)), QR_TOO_LARGE);
	assert_non_null(strstr(problem, "datagram_max_bytes"));
	bad = config();
	bad.ipv4 = 0;
	assert_int_equal(dp_ether_open(&bad, &other, problem, sizeof(problem)), QR_CONFIG);
	assert_null(other);
}

#define ETHER_TEST(name) cmocka_unit_test_setup_teardown(name, open_port, close_port)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ETHER_TEST(receives_a_datagram),
		ETHER_TEST(flattens_a_chain),
		ETHER_TEST(ignores_a_chain_that_no_buffer_holds),
		ETHER_TEST(ignores_and_counts_garbage),
		ETHER_TEST(asks_before_it_sends),
		ETHER_TEST(answers_arp_and_knows_the_asker),
		ETHER_TEST(bounds_its_answers),
		ETHER_TEST(answers_ping),
		ETHER_TEST(drops_what_is_too_long),
		cmocka_unit_test(refuses_what_cannot_work),
	};
	int result;

	if (!test_eal_start())
		return 1;
	pool = dp_pool_create(1024, DATAGRAM_MAX, SOCKET_ID_ANY);
	if (pool == NULL || rte_eal_hotplug_add("vdev", DEVICE, "") != 0)
		return 1;
	result = cmocka_run_group_tests(tests, NULL, NULL);
	test_eal_stop();
	return result;
}
