#include "dataplane/port/neighbour.h"

#include "tests/unit/port/flat.h"
#include "tests/unit/unit.h"

#include <rte_arp.h>
#include <rte_ip.h>

#define MS 1000000ull
#define STRANGER 0xc0000201u /* 192.0.2.1 */
#define OURS RTE_IPV4(10, 0, 0, 1)
#define THEIRS RTE_IPV4(10, 0, 0, 2)
#define GATEWAY RTE_IPV4(10, 0, 0, 254)

static const struct dp_frame_local local = {.mac = {{2, 0, 0, 0, 0, 1}}, .ipv4 = OURS};
static const struct dp_frame_local peer = {.mac = {{2, 0, 0, 0, 0, 2}}, .ipv4 = THEIRS};

static struct dp_neighbours table;

static struct dp_arp said(bool is_request, uint32_t ipv4, uint8_t last)
{
	return (struct dp_arp){
		.is_request = is_request,
		.sender_ipv4 = ipv4,
		.sender_mac = {{2, 0, 0, 0, 0, last}},
	};
}

static void learn(bool is_request, uint32_t ipv4, uint8_t last, qr_ns now_ns)
{
	const struct dp_arp arp = said(is_request, ipv4, last);

	dp_neighbours_learn(&table, &arp, now_ns);
}

static bool is_known(uint32_t ipv4)
{
	struct rte_ether_addr mac;

	return dp_neighbours_find(&table, ipv4, &mac);
}

/** Whom a tick asks: the only one, or 0. */
static uint32_t asked_at(qr_ns now_ns)
{
	uint32_t ask[8];
	unsigned n = dp_neighbours_tick(&table, now_ns, ask, RTE_DIM(ask));

	assert_true(n <= 1);
	return n == 1 ? ask[0] : 0;
}

static int fresh(void **state)
{
	(void)state;
	dp_neighbours_init(&table, OURS, 24, GATEWAY);
	return 0;
}

static void believes_an_answer_to_what_it_asked(void **state)
{
	struct rte_ether_addr mac;

	(void)state;
	dp_neighbours_want(&table, 3, THEIRS);
	assert_false(is_known(THEIRS));
	assert_int_equal(asked_at(1), THEIRS);
	learn(false, THEIRS, 9, 2);
	assert_true(dp_neighbours_find(&table, THEIRS, &mac));
	assert_int_equal(mac.addr_bytes[5], 9);
}

static void believes_no_answer_that_nobody_asked_for(void **state)
{
	(void)state;
	learn(false, THEIRS, 9, 1);
	assert_false(is_known(THEIRS));
	/* Nor a second answer to one question. */
	dp_neighbours_want(&table, 0, THEIRS);
	assert_int_equal(asked_at(2), THEIRS);
	learn(false, THEIRS, 9, 3);
	learn(false, THEIRS, 66, 4);
	{
		struct rte_ether_addr mac;

		assert_true(dp_neighbours_find(&table, THEIRS, &mac));
		assert_int_equal(mac.addr_bytes[5], 9);
	}
}

static void believes_who_asks_for_us(void **state)
{
	struct rte_ether_addr mac;

	(void)state;
	learn(true, THEIRS, 9, 1);
	assert_true(is_known(THEIRS));
	learn(true, THEIRS, 10, 2); /* it came back with another card */
	assert_true(dp_neighbours_find(&table, THEIRS, &mac));
	assert_int_equal(mac.addr_bytes[5], 10);
}

static void asks_again_with_growing_pauses(void **state)
{
	qr_ns now = 1;
	qr_ns last = 0;
	qr_ns pause = 0;
	unsigned asked = 0;

	(void)state;
	for (; now < 20000 * MS; now += MS) {
		dp_neighbours_want(&table, 0, THEIRS);
		if (asked_at(now) == 0)
			continue;
		if (asked > 0) {
			assert_true(now - last >= pause);
			pause = now - last;
		}
		last = now;
		asked++;
	}
	assert_true(asked >= 20 && asked <= 40);
	assert_int_equal(pause, 1000 * MS);
}

static void confirms_and_forgets_the_silent(void **state)
{
	qr_ns now = 1;
	unsigned asked = 0;

	(void)state;
	dp_neighbours_want(&table, 0, THEIRS);
	assert_int_equal(asked_at(now), THEIRS);
	learn(false, THEIRS, 9, now);
	for (; now < 29000 * MS; now += MS)
		assert_int_equal(asked_at(now), 0);
	/* In use while it is asked for again, until several requests stay without an answer. */
	for (; asked < 3; now += MS)
		asked += asked_at(now) != 0 ? 1 : 0;
	assert_true(is_known(THEIRS));
	for (; asked < 4; now += MS)
		asked += asked_at(now) != 0 ? 1 : 0;
	assert_false(is_known(THEIRS));
	/* Nobody wants it any more: no requests for ever. */
	for (; now < 200000 * MS; now += MS)
		(void)asked_at(now);
	for (; now < 210000 * MS; now += MS)
		assert_int_equal(asked_at(now), 0);
}

static void is_bounded(void **state)
{
	uint32_t i;

	(void)state;
	/* Those that we send to stay, whatever number of strangers speaks to us. */
	dp_neighbours_want(&table, 0, THEIRS);
	assert_int_equal(asked_at(1), THEIRS);
	learn(false, THEIRS, 9, 1);
	for (i = 0; i < 1000; i++)
		learn(true, RTE_IPV4(10, 0, 0, 0) + 3 + i % 250, (uint8_t)i, 2 + i);
	assert_true(is_known(THEIRS));
	/* And a new one that we want finds a place. */
	dp_neighbours_want(&table, 0, GATEWAY);
	{
		uint32_t ask[DP_NEIGHBOURS_MAX];

		assert_true(dp_neighbours_tick(&table, 2000, ask, RTE_DIM(ask)) >= 1);
	}
	learn(false, GATEWAY, 11, 2001);
	assert_true(is_known(GATEWAY));
}

static void sends_strangers_through_the_gateway(void **state)
{
	(void)state;
	assert_int_equal(dp_neighbours_next_hop(&table, THEIRS), THEIRS);
	assert_int_equal(dp_neighbours_next_hop(&table, STRANGER), GATEWAY);
	dp_neighbours_init(&table, OURS, 24, 0);
	assert_int_equal(dp_neighbours_next_hop(&table, STRANGER), STRANGER);
	assert_false(is_known(0));
}

/* ---- frames ---- */

/** What `local` makes of a frame of the peer's. */
static bool parse(struct rte_mbuf *mbuf, struct dp_arp *ret_arp)
{
	struct dp_frame frame;

	return dp_frame_parse(&local, mbuf, &frame) == DP_FRAME_ARP &&
	       dp_arp_parse(&local, &table, &frame, mbuf, ret_arp);
}

/** An empty mbuf with room for an ARP frame. */
static void empty(struct rte_mbuf *mbuf)
{
	static const uint8_t nothing[64];

	assert_true(flat_init(mbuf, nothing, sizeof(nothing)));
	mbuf->data_len = 0;
	mbuf->pkt_len = 0;
}

static void understands_a_request_and_its_answer(void **state)
{
	struct rte_mbuf request;
	struct rte_mbuf reply;
	struct dp_frame frame;
	struct dp_arp arp = {0};

	(void)state;
	empty(&request);
	assert_true(dp_arp_put_request(&peer, OURS, &request));
	assert_true(parse(&request, &arp));
	assert_true(arp.is_request);
	assert_int_equal(arp.sender_ipv4, THEIRS);
	assert_memory_equal(&arp.sender_mac, &peer.mac, RTE_ETHER_ADDR_LEN);

	empty(&reply);
	assert_true(dp_arp_put_reply(&local, &arp, &reply));
	assert_int_equal(reply.data_len, sizeof(struct rte_ether_hdr) + sizeof(struct rte_arp_hdr));
	/* The peer understands it. */
	{
		struct dp_neighbours theirs;

		dp_neighbours_init(&theirs, THEIRS, 24, 0);
		assert_int_equal(dp_frame_parse(&peer, &reply, &frame), DP_FRAME_ARP);
		assert_true(dp_arp_parse(&peer, &theirs, &frame, &reply, &arp));
	}
	assert_false(arp.is_request);
	assert_int_equal(arp.sender_ipv4, OURS);
	assert_memory_equal(&arp.sender_mac, &local.mac, RTE_ETHER_ADDR_LEN);
	flat_fini(&request);
	flat_fini(&reply);
}

static struct rte_arp_hdr *arp_of(struct rte_mbuf *mbuf)
{
	return rte_pktmbuf_mtod_offset(mbuf, struct rte_arp_hdr *, sizeof(struct rte_ether_hdr));
}

static void for_somebody_else(struct rte_mbuf *mbuf)
{
	arp_of(mbuf)->arp_data.arp_tip = rte_cpu_to_be_32(OURS + 9);
}

static void in_anothers_name(struct rte_mbuf *mbuf)
{
	arp_of(mbuf)->arp_data.arp_sha.addr_bytes[5] = 77;
}

static void with_our_address(struct rte_mbuf *mbuf)
{
	arp_of(mbuf)->arp_data.arp_sip = rte_cpu_to_be_32(OURS);
}

static void from_another_network(struct rte_mbuf *mbuf)
{
	arp_of(mbuf)->arp_data.arp_sip = rte_cpu_to_be_32(STRANGER);
}

static void from_multicast(struct rte_mbuf *mbuf)
{
	rte_pktmbuf_mtod(mbuf, struct rte_ether_hdr *)->src_addr.addr_bytes[0] = 3;
	arp_of(mbuf)->arp_data.arp_sha.addr_bytes[0] = 3;
}

static void of_another_hardware(struct rte_mbuf *mbuf)
{
	arp_of(mbuf)->arp_hlen = 8;
}

static void of_an_odd_operation(struct rte_mbuf *mbuf)
{
	arp_of(mbuf)->arp_opcode = RTE_BE16(3);
}

static void as_broadcast_answer(struct rte_mbuf *mbuf)
{
	arp_of(mbuf)->arp_opcode = RTE_BE16(RTE_ARP_OP_REPLY); /* its Ethernet is a broadcast */
}

static void ignores_other_arp(void **state)
{
	static void (*const changes[])(struct rte_mbuf *) = {
		for_somebody_else, in_anothers_name,	with_our_address,    from_another_network,
		from_multicast,	   of_another_hardware, of_an_odd_operation, as_broadcast_answer,
	};
	struct rte_mbuf mbuf;
	struct dp_arp arp = {0};
	size_t i;

	(void)state;
	for (i = 0; i < RTE_DIM(changes); i++) {
		empty(&mbuf);
		assert_true(dp_arp_put_request(&peer, OURS, &mbuf));
		changes[i](&mbuf);
		if (parse(&mbuf, &arp))
			fail_msg("change %zu was accepted", i);
		flat_fini(&mbuf);
	}
}

static void ignores_every_truncated_arp(void **state)
{
	struct rte_mbuf whole;
	struct dp_arp arp = {0};
	size_t size;

	(void)state;
	empty(&whole);
	assert_true(dp_arp_put_request(&peer, OURS, &whole));
	for (size = 0; size < whole.data_len; size++) {
		struct rte_mbuf cut;

		assert_true(flat_cut(&cut, &whole, size));
		assert_false(parse(&cut, &arp));
		flat_fini(&cut);
	}
	flat_fini(&whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(believes_an_answer_to_what_it_asked, fresh),
		cmocka_unit_test_setup(believes_no_answer_that_nobody_asked_for, fresh),
		cmocka_unit_test_setup(believes_who_asks_for_us, fresh),
		cmocka_unit_test_setup(asks_again_with_growing_pauses, fresh),
		cmocka_unit_test_setup(confirms_and_forgets_the_silent, fresh),
		cmocka_unit_test_setup(is_bounded, fresh),
		cmocka_unit_test_setup(sends_strangers_through_the_gateway, fresh),
		cmocka_unit_test_setup(understands_a_request_and_its_answer, fresh),
		cmocka_unit_test_setup(ignores_other_arp, fresh),
		cmocka_unit_test_setup(ignores_every_truncated_arp, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
