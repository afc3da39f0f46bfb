/*
 * Any bytes as an Ethernet frame. The first byte chooses what the device claims to have done with
 * it; MAC, address and checksums are mended in a second pass, or little would get past them.
 */
#include "consensus/base/assert.h"
#include "dataplane/port/frame.h"
#include "dataplane/port/neighbour.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/port/flat.h"

#include <rte_arp.h>
#include <rte_ip.h>

#include <stdlib.h>

#define OURS 0x0a000001u
#define ETHER_BYTES sizeof(struct rte_ether_hdr)

static const struct dp_frame_local local = {
	.mac = {{2, 0, 0, 0, 0, 1}},
	.ipv4 = OURS,
	.udp_base = 7000,
	.cores = 4,
};

static void check_datagram(const struct rte_mbuf *mbuf, const struct dp_frame *frame)
{
	const uint8_t *start = rte_pktmbuf_mtod(mbuf, const uint8_t *);
	uint8_t sum = 0;

	QR_ASSERT(frame->payload.data >= start);
	QR_ASSERT(frame->payload.data + frame->payload.size_bytes <= start + mbuf->data_len);
	QR_ASSERT(frame->core < local.cores);
	QR_ASSERT(frame->from_ipv4 != 0 && frame->from_udp != 0);
	for (size_t i = 0; i < frame->payload.size_bytes; i++)
		sum ^= frame->payload.data[i];
	(void)*(volatile uint8_t *)&sum; /* read every byte, so that a sanitizer sees them */
}

static void check_arp(const struct rte_mbuf *mbuf, const struct dp_frame *frame)
{
	static struct dp_neighbours neighbours;
	static qr_ns now_ns = 1;
	uint32_t ask[DP_NEIGHBOURS_MAX];
	struct rte_ether_addr mac;
	struct dp_arp arp;

	if (neighbours.ipv4 == 0)
		dp_neighbours_init(&neighbours, OURS, 24, 0);
	if (!dp_arp_parse(&local, &neighbours, frame, mbuf, &arp))
		return;
	QR_ASSERT(arp.sender_ipv4 != OURS && (arp.sender_ipv4 ^ OURS) >> 8 == 0);
	dp_neighbours_want(&neighbours, 0, OURS + 1 + (uint32_t)(now_ns % 250));
	dp_neighbours_learn(&neighbours, &arp, now_ns);
	if (dp_neighbours_find(&neighbours, arp.sender_ipv4, &mac))
		QR_ASSERT(!rte_is_multicast_ether_addr(&mac));
	now_ns += 1000000;
	QR_ASSERT(dp_neighbours_tick(&neighbours, now_ns, ask, RTE_DIM(ask)) <= RTE_DIM(ask));
}

static void check_icmp(struct rte_mbuf *mbuf, const struct dp_frame *frame)
{
	uint16_t before = mbuf->data_len;

	if (!dp_frame_answer_echo(&local, frame, mbuf))
		return;
	QR_ASSERT(mbuf->data_len <= before && mbuf->pkt_len == mbuf->data_len);
	QR_ASSERT(rte_raw_cksum(rte_pktmbuf_mtod_offset(mbuf, void *, ETHER_BYTES),
				sizeof(struct rte_ipv4_hdr)) == 0xffff);
}

static void check(const uint8_t *bytes, size_t size_bytes, uint8_t claims)
{
	static const uint64_t flags[] = {
		0,
		RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD,
		RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED,
		RTE_MBUF_F_RX_L4_CKSUM_BAD,
	};
	struct dp_frame frame;
	struct rte_mbuf mbuf;

	if (!flat_init(&mbuf, bytes, size_bytes))
		return;
	mbuf.ol_flags = flags[claims % RTE_DIM(flags)];
	switch (dp_frame_parse(&local, &mbuf, &frame)) {
	case DP_FRAME_DATAGRAM:
		check_datagram(&mbuf, &frame);
		break;
	case DP_FRAME_ARP:
		check_arp(&mbuf, &frame);
		break;
	case DP_FRAME_ICMP:
		check_icmp(&mbuf, &frame);
		break;
	case DP_FRAME_IGNORED:
		break;
	}
	flat_fini(&mbuf);
}

/** Make MAC, destination and IPv4 checksum right, as far as they are there. */
static void mend(uint8_t *bytes, size_t size_bytes)
{
	struct rte_ipv4_hdr ip;

	if (size_bytes < ETHER_BYTES + sizeof(ip))
		return;
	memcpy(bytes, local.mac.addr_bytes, RTE_ETHER_ADDR_LEN);
	memcpy(&ip, bytes + ETHER_BYTES, sizeof(ip));
	if (ip.version_ihl != 0x45)
		return;
	ip.dst_addr = rte_cpu_to_be_32(OURS);
	ip.hdr_checksum = 0;
	ip.hdr_checksum = rte_ipv4_cksum(&ip);
	memcpy(bytes + ETHER_BYTES, &ip, sizeof(ip));
	/* No UDP checksum. */
	if (ip.next_proto_id == 17 && size_bytes >= ETHER_BYTES + sizeof(ip) + 8)
		memset(bytes + ETHER_BYTES + sizeof(ip) + 6, 0, 2);
}

/* NOLINTNEXTLINE(readability-identifier-naming) */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	uint8_t *mended;

	if (size_bytes == 0 || size_bytes > 16384)
		return 0;
	check(data + 1, size_bytes - 1, data[0]);
	mended = malloc(size_bytes);
	if (mended == NULL)
		return 0;
	memcpy(mended, data, size_bytes);
	mend(mended + 1, size_bytes - 1);
	check(mended + 1, size_bytes - 1, data[0]);
	free(mended);
	return 0;
}
