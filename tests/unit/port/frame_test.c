#include "dataplane/port/frame.h"

#include "consensus/base/prng.h"
#include "tests/unit/port/flat.h"
#include "tests/unit/unit.h"

#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_udp.h>

#define OURS RTE_IPV4(10, 0, 0, 1)
#define THEIRS RTE_IPV4(10, 0, 0, 2)
#define UDP_BASE 7000
#define ETHER_BYTES sizeof(struct rte_ether_hdr)
#define HEADER_BYTES (ETHER_BYTES + sizeof(struct rte_ipv4_hdr) + sizeof(struct rte_udp_hdr))

static const struct dp_frame_local receiver = {
	.mac = {{2, 0, 0, 0, 0, 1}},
	.ipv4 = OURS,
	.udp_base = UDP_BASE,
	.cores = 4,
	.checksum = DP_CHECKSUM_SOFTWARE,
};
static const struct dp_frame_local sender = {
	.mac = {{2, 0, 0, 0, 0, 2}},
	.ipv4 = THEIRS,
	.udp_base = UDP_BASE,
	.cores = 4,
	.checksum = DP_CHECKSUM_SOFTWARE,
};
static const struct dp_frame_route to_receiver = {
	.mac = {{2, 0, 0, 0, 0, 1}},
	.ipv4 = OURS,
	.udp = UDP_BASE + 3,
	.from_udp = UDP_BASE + 1,
};

static uint8_t payload[9000];

/** A frame from the sender to the receiver with a datagram of `size` bytes. */
static void craft(struct rte_mbuf *mbuf, const struct dp_frame_local *from, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++)
		payload[i] = (uint8_t)(i * 31 + 7);
	assert_true(flat_init(mbuf, payload, size));
	assert_true(dp_frame_build(from, &to_receiver, mbuf));
}

static struct rte_ipv4_hdr *ip_of(struct rte_mbuf *mbuf)
{
	return rte_pktmbuf_mtod_offset(mbuf, struct rte_ipv4_hdr *, ETHER_BYTES);
}

static struct rte_udp_hdr *udp_of(struct rte_mbuf *mbuf)
{
	return (struct rte_udp_hdr *)(ip_of(mbuf) + 1);
}

static void mend_ip(struct rte_mbuf *mbuf)
{
	struct rte_ipv4_hdr *ip = ip_of(mbuf);

	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
}

static enum dp_frame_kind kind_of(struct rte_mbuf *mbuf)
{
	struct dp_frame frame;

	return dp_frame_parse(&receiver, mbuf, &frame);
}

static void parses_what_it_builds(void **state)
{
	static const size_t sizes[] = {0, 1, 2, 17, 1472, 8191, 8972};
	static const uint16_t vlans[] = {0, 5, 4095};
	static const enum dp_frame_checksum checksums[] = {DP_CHECKSUM_NONE, DP_CHECKSUM_SOFTWARE};
	size_t i;

	(void)state;
	for (i = 0; i < RTE_DIM(sizes) * RTE_DIM(vlans) * RTE_DIM(checksums); i++) {
		size_t size = sizes[i % RTE_DIM(sizes)];
		struct dp_frame_local from = sender;
		struct dp_frame_local into = receiver;
		struct dp_frame frame;
		struct rte_mbuf mbuf;

		from.vlan = vlans[i / RTE_DIM(sizes) % RTE_DIM(vlans)];
		from.checksum = checksums[i / RTE_DIM(sizes) / RTE_DIM(vlans)];
		into.vlan = from.vlan;
		craft(&mbuf, &from, size);
		assert_int_equal(dp_frame_parse(&into, &mbuf, &frame), DP_FRAME_DATAGRAM);
		assert_int_equal(frame.payload.size_bytes, size);
		assert_memory_equal(frame.payload.data, payload, size);
		assert_int_equal(frame.from_ipv4, THEIRS);
		assert_int_equal(frame.from_udp, UDP_BASE + 1);
		assert_int_equal(frame.core, 3);
		flat_fini(&mbuf);
	}
}

static void ignores_every_truncation(void **state)
{
	struct rte_mbuf whole;
	size_t size;

	(void)state;
	craft(&whole, &sender, 64);
	for (size = 0; size < whole.data_len; size++) {
		struct rte_mbuf cut;

		assert_true(flat_cut(&cut, &whole, size));
		assert_int_equal(kind_of(&cut), DP_FRAME_IGNORED);
		flat_fini(&cut);
	}
	assert_int_equal(kind_of(&whole), DP_FRAME_DATAGRAM);
	flat_fini(&whole);
}

static void ignores_every_flipped_bit(void **state)
{
	struct rte_mbuf whole;
	size_t bit;

	(void)state;
	craft(&whole, &sender, 64);
	for (bit = 0; bit < 8 * (size_t)whole.data_len; bit++) {
		struct rte_mbuf bad;
		bool is_source = bit / 8 / RTE_ETHER_ADDR_LEN == 1; /* the second address */

		assert_true(flat_cut(&bad, &whole, whole.data_len));
		rte_pktmbuf_mtod(&bad, uint8_t *)[bit / 8] ^= (uint8_t)(1 << bit % 8);
		/* Whose MAC a datagram comes from says nothing: a router may stand between. */
		assert_int_equal(kind_of(&bad), is_source ? DP_FRAME_DATAGRAM : DP_FRAME_IGNORED);
		flat_fini(&bad);
	}
	flat_fini(&whole);
}

static void survives_random_bytes(void **state)
{
	struct qr_prng prng;
	unsigned round;

	(void)state;
	qr_prng_init(&prng, 1);
	for (round = 0; round < 100000; round++) {
		uint8_t bytes[128];
		struct rte_mbuf mbuf;
		size_t size = qr_prng_below(&prng, sizeof(bytes));
		size_t i;

		for (i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)qr_prng_next(&prng);
		memcpy(bytes, receiver.mac.addr_bytes, RTE_ETHER_ADDR_LEN);
		bytes[12] = 8;
		bytes[13] = round % 2 == 0 ? 0 : 6;
		assert_true(flat_init(&mbuf, bytes, size));
		assert_int_not_equal(kind_of(&mbuf), DP_FRAME_DATAGRAM);
		flat_fini(&mbuf);
	}
}

static void cuts_ethernet_padding_off(void **state)
{
	uint8_t bytes[64] = {0};
	struct dp_frame frame;
	struct rte_mbuf whole;
	struct rte_mbuf padded;

	(void)state;
	craft(&whole, &sender, 3);
	memset(bytes, 0xee, sizeof(bytes));
	memcpy(bytes, rte_pktmbuf_mtod(&whole, void *), whole.data_len);
	assert_true(flat_init(&padded, bytes, 60));
	assert_int_equal(dp_frame_parse(&receiver, &padded, &frame), DP_FRAME_DATAGRAM);
	assert_int_equal(frame.payload.size_bytes, 3);
	flat_fini(&padded);
	flat_fini(&whole);
}

static void takes_ipv4_options(void **state)
{
	uint8_t bytes[128];
	struct dp_frame frame;
	struct rte_mbuf whole;
	struct rte_mbuf longer;
	struct rte_ipv4_hdr *ip;

	(void)state;
	craft(&whole, &sender, 10);
	memcpy(bytes, rte_pktmbuf_mtod(&whole, void *), ETHER_BYTES + sizeof(*ip));
	memset(bytes + ETHER_BYTES + sizeof(*ip), 1, 4); /* four no-operations */
	memcpy(bytes + ETHER_BYTES + sizeof(*ip) + 4, udp_of(&whole), 18);
	assert_true(flat_init(&longer, bytes, whole.data_len + 4u));
	ip = ip_of(&longer);
	ip->version_ihl = 0x46;
	ip->total_length = rte_cpu_to_be_16(20 + 4 + 18);
	mend_ip(&longer);
	assert_int_equal(dp_frame_parse(&receiver, &longer, &frame), DP_FRAME_DATAGRAM);
	assert_int_equal(frame.payload.size_bytes, 10);
	assert_memory_equal(frame.payload.data, payload, 10);
	flat_fini(&longer);
	flat_fini(&whole);
}

/* Each of these makes a good frame one that is none of ours. */
static void as_more_fragments(struct rte_mbuf *mbuf)
{
	ip_of(mbuf)->fragment_offset |= RTE_BE16(RTE_IPV4_HDR_MF_FLAG);
	mend_ip(mbuf);
}

static void as_last_fragment(struct rte_mbuf *mbuf)
{
	ip_of(mbuf)->fragment_offset |= RTE_BE16(3);
	mend_ip(mbuf);
}

static void as_other_address(struct rte_mbuf *mbuf)
{
	ip_of(mbuf)->dst_addr = rte_cpu_to_be_32(OURS + 5);
	udp_of(mbuf)->dgram_cksum = 0;
	mend_ip(mbuf);
}

static void as_from_ourselves(struct rte_mbuf *mbuf)
{
	ip_of(mbuf)->src_addr = rte_cpu_to_be_32(OURS);
	udp_of(mbuf)->dgram_cksum = 0;
	mend_ip(mbuf);
}

static void as_from_multicast(struct rte_mbuf *mbuf)
{
	ip_of(mbuf)->src_addr = rte_cpu_to_be_32(0xef010101u);
	udp_of(mbuf)->dgram_cksum = 0;
	mend_ip(mbuf);
}

static void as_other_port(struct rte_mbuf *mbuf)
{
	udp_of(mbuf)->dst_port = rte_cpu_to_be_16(UDP_BASE + 4);
	udp_of(mbuf)->dgram_cksum = 0;
}

static void as_lower_port(struct rte_mbuf *mbuf)
{
	udp_of(mbuf)->dst_port = rte_cpu_to_be_16(UDP_BASE - 1);
	udp_of(mbuf)->dgram_cksum = 0;
}

static void as_short_udp(struct rte_mbuf *mbuf)
{
	udp_of(mbuf)->dgram_len = rte_cpu_to_be_16(7);
	udp_of(mbuf)->dgram_cksum = 0;
}

static void as_long_udp(struct rte_mbuf *mbuf)
{
	udp_of(mbuf)->dgram_len = rte_cpu_to_be_16(UINT16_MAX);
	udp_of(mbuf)->dgram_cksum = 0;
}

static void as_long_ip(struct rte_mbuf *mbuf)
{
	ip_of(mbuf)->total_length = rte_cpu_to_be_16(UINT16_MAX);
	mend_ip(mbuf);
}

static void as_short_header(struct rte_mbuf *mbuf)
{
	ip_of(mbuf)->version_ihl = 0x44;
	mend_ip(mbuf);
}

static void as_tcp(struct rte_mbuf *mbuf)
{
	ip_of(mbuf)->next_proto_id = IPPROTO_TCP;
	mend_ip(mbuf);
}

static void as_ipv6(struct rte_mbuf *mbuf)
{
	rte_pktmbuf_mtod(mbuf, struct rte_ether_hdr *)->ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV6);
}

static void as_broadcast(struct rte_mbuf *mbuf)
{
	memset(rte_pktmbuf_mtod(mbuf, void *), 0xff, RTE_ETHER_ADDR_LEN);
}

static void as_stripped_vlan(struct rte_mbuf *mbuf)
{
	mbuf->ol_flags = RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	mbuf->vlan_tci = 9;
}

static void as_bad_ip_says_device(struct rte_mbuf *mbuf)
{
	mbuf->ol_flags = RTE_MBUF_F_RX_IP_CKSUM_BAD;
}

static void as_bad_udp_says_device(struct rte_mbuf *mbuf)
{
	mbuf->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_BAD;
}

static void ignores_what_is_not_ours(void **state)
{
	static void (*const changes[])(struct rte_mbuf *) = {
		as_more_fragments,
		as_last_fragment,
		as_other_address,
		as_from_ourselves,
		as_from_multicast,
		as_other_port,
		as_lower_port,
		as_short_udp,
		as_long_udp,
		as_long_ip,
		as_short_header,
		as_tcp,
		as_ipv6,
		as_broadcast,
		as_stripped_vlan,
		as_bad_ip_says_device,
		as_bad_udp_says_device,
	};
	size_t i;

	(void)state;
	for (i = 0; i < RTE_DIM(changes); i++) {
		struct rte_mbuf mbuf;

		craft(&mbuf, &sender, 40);
		changes[i](&mbuf);
		if (kind_of(&mbuf) != DP_FRAME_IGNORED)
			fail_msg("change %zu was accepted", i);
		flat_fini(&mbuf);
	}
}

static void ignores_a_tagged_frame_on_an_untagged_port(void **state)
{
	struct dp_frame_local tagged = sender;
	struct rte_mbuf mbuf;

	(void)state;
	tagged.vlan = 5;
	craft(&mbuf, &tagged, 40);
	assert_int_equal(kind_of(&mbuf), DP_FRAME_IGNORED);
	flat_fini(&mbuf);
}

static void believes_good_checksums_of_the_device(void **state)
{
	struct rte_mbuf mbuf;

	(void)state;
	craft(&mbuf, &sender, 40);
	udp_of(&mbuf)->dgram_cksum ^= 0x1234;
	ip_of(&mbuf)->hdr_checksum ^= 0x1234;
	assert_int_equal(kind_of(&mbuf), DP_FRAME_IGNORED);
	mbuf.ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD | RTE_MBUF_F_RX_IP_CKSUM_GOOD;
	assert_int_equal(kind_of(&mbuf), DP_FRAME_DATAGRAM);
	flat_fini(&mbuf);
}

static void leaves_checksums_to_a_device_that_can(void **state)
{
	struct dp_frame_local offloading = sender;
	struct rte_mbuf mbuf;

	(void)state;
	offloading.checksum = DP_CHECKSUM_OFFLOAD;
	craft(&mbuf, &offloading, 40);
	assert_int_equal(mbuf.l2_len, ETHER_BYTES);
	assert_int_equal(mbuf.l3_len, sizeof(struct rte_ipv4_hdr));
	assert_int_equal(mbuf.ol_flags,
			 RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_UDP_CKSUM);
	assert_int_equal(ip_of(&mbuf)->hdr_checksum, 0);
	assert_int_equal(udp_of(&mbuf)->dgram_cksum, rte_ipv4_phdr_cksum(ip_of(&mbuf), 0));
	flat_fini(&mbuf);
}

static void refuses_what_does_not_fit(void **state)
{
	static uint8_t large[65535];
	struct rte_mbuf mbuf;

	(void)state;
	assert_true(flat_init(&mbuf, large, 100));
	mbuf.data_off = 20;
	assert_false(dp_frame_build(&sender, &to_receiver, &mbuf));
	assert_int_equal(mbuf.data_len, 100);
	mbuf.data_off = RTE_PKTMBUF_HEADROOM;
	mbuf.pkt_len = 65508; /* one more than IPv4 can carry */
	assert_false(dp_frame_build(&sender, &to_receiver, &mbuf));
	flat_fini(&mbuf);
}

/* ---- ICMP echo ---- */

#define PING_BYTES 40u

/** An echo request from the sender, its options and all. */
static void craft_ping(struct rte_mbuf *mbuf, uint8_t type)
{
	struct rte_icmp_hdr *icmp;

	craft(mbuf, &sender, PING_BYTES - sizeof(struct rte_udp_hdr));
	ip_of(mbuf)->next_proto_id = IPPROTO_ICMP;
	mend_ip(mbuf);
	icmp = (struct rte_icmp_hdr *)(void *)udp_of(mbuf);
	*icmp = (struct rte_icmp_hdr){
		.icmp_type = type,
		.icmp_ident = RTE_BE16(77),
		.icmp_seq_nb = RTE_BE16(3),
	};
	icmp->icmp_cksum = (rte_be16_t)~rte_raw_cksum(icmp, PING_BYTES);
}

static void answers_an_echo_request(void **state)
{
	const struct rte_ether_hdr *ether;
	const struct rte_icmp_hdr *icmp;
	struct dp_frame frame;
	struct rte_mbuf mbuf;

	(void)state;
	craft_ping(&mbuf, RTE_IP_ICMP_ECHO_REQUEST);
	assert_int_equal(dp_frame_parse(&receiver, &mbuf, &frame), DP_FRAME_ICMP);
	assert_true(dp_frame_answer_echo(&receiver, &frame, &mbuf));

	ether = rte_pktmbuf_mtod(&mbuf, const struct rte_ether_hdr *);
	assert_memory_equal(&ether->dst_addr, &sender.mac, RTE_ETHER_ADDR_LEN);
	assert_memory_equal(&ether->src_addr, &receiver.mac, RTE_ETHER_ADDR_LEN);
	assert_int_equal(ip_of(&mbuf)->src_addr, rte_cpu_to_be_32(OURS));
	assert_int_equal(ip_of(&mbuf)->dst_addr, rte_cpu_to_be_32(THEIRS));
	assert_int_equal(rte_raw_cksum(ip_of(&mbuf), sizeof(struct rte_ipv4_hdr)), 0xffff);
	icmp = (const struct rte_icmp_hdr *)(const void *)udp_of(&mbuf);
	assert_int_equal(icmp->icmp_type, RTE_IP_ICMP_ECHO_REPLY);
	assert_int_equal(icmp->icmp_ident, RTE_BE16(77));
	assert_int_equal(icmp->icmp_seq_nb, RTE_BE16(3));
	assert_int_equal(rte_raw_cksum(icmp, PING_BYTES), 0xffff);
	assert_memory_equal(icmp + 1, payload, PING_BYTES - sizeof(*icmp));
	assert_int_equal(mbuf.data_len, ETHER_BYTES + sizeof(struct rte_ipv4_hdr) + PING_BYTES);
	assert_int_equal(mbuf.pkt_len, mbuf.data_len);
	flat_fini(&mbuf);
}

static void answers_no_other_icmp(void **state)
{
	struct dp_frame frame;
	struct rte_mbuf mbuf;
	struct rte_icmp_hdr *icmp;

	(void)state;
	craft_ping(&mbuf, RTE_IP_ICMP_ECHO_REPLY);
	assert_int_equal(dp_frame_parse(&receiver, &mbuf, &frame), DP_FRAME_ICMP);
	assert_false(dp_frame_answer_echo(&receiver, &frame, &mbuf));
	flat_fini(&mbuf);

	craft_ping(&mbuf, RTE_IP_ICMP_ECHO_REQUEST);
	icmp = (struct rte_icmp_hdr *)(void *)udp_of(&mbuf);
	icmp->icmp_cksum ^= 1;
	assert_int_equal(dp_frame_parse(&receiver, &mbuf, &frame), DP_FRAME_ICMP);
	assert_false(dp_frame_answer_echo(&receiver, &frame, &mbuf));
	flat_fini(&mbuf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_what_it_builds),
		cmocka_unit_test(ignores_every_truncation),
		cmocka_unit_test(ignores_every_flipped_bit),
		cmocka_unit_test(survives_random_bytes),
		cmocka_unit_test(cuts_ethernet_padding_off),
		cmocka_unit_test(takes_ipv4_options),
		cmocka_unit_test(ignores_what_is_not_ours),
		cmocka_unit_test(ignores_a_tagged_frame_on_an_untagged_port),
		cmocka_unit_test(believes_good_checksums_of_the_device),
		cmocka_unit_test(leaves_checksums_to_a_device_that_can),
		cmocka_unit_test(refuses_what_does_not_fit),
		cmocka_unit_test(answers_an_echo_request),
		cmocka_unit_test(answers_no_other_icmp),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
