/*
 * Frames. DPDK's header structs are laid over the buffer only behind a length check (`view`), and
 * only once: the reader never goes beyond what the check covered.
 *
 * Lengths shrink on the way in: bytes on the wire >= IPv4 total length >= UDP length. Ethernet pads
 * short frames, so bytes behind the IPv4 packet are cut off; an IPv4 packet that is longer than its
 * UDP datagram has no business here and is ignored.
 *
 * What we send is an atomic datagram (RFC 6864): DF set, identification 0, never a fragment.
 */
#include "dataplane/port/frame.h"

#include "consensus/base/assert.h"
#include "dataplane/port/pool.h"

#include <rte_byteorder.h>
#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_udp.h>

#define VERSION_4 (4u << 4)
#define IHL_PLAIN (sizeof(struct rte_ipv4_hdr) / 4)
#define TTL 64
#define MULTICAST_MIN 0xe0000000u /* 224.0.0.0; RTE_IPV4 shifts into the sign */

/** The bytes [offset, offset + size) of a flat frame, or NULL. */
static void *view(const struct rte_mbuf *mbuf, uint32_t offset, size_t size_bytes)
{
	if (offset > mbuf->data_len || mbuf->data_len - offset < size_bytes)
		return NULL;
	return rte_pktmbuf_mtod_offset(mbuf, void *, offset);
}

/* ---- receiving ---- */

/** The VLAN of a frame is ours; steps over the tag. Priority-tagged frames (id 0) are untagged. */
static bool vlan_matches(const struct dp_frame_local *local, const struct rte_mbuf *mbuf,
			 rte_be16_t *type, uint32_t *offset)
{
	uint16_t vlan = 0;

	if ((mbuf->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0) {
		vlan = mbuf->vlan_tci & RTE_ETHER_MAX_VLAN_ID;
	} else if (*type == RTE_BE16(RTE_ETHER_TYPE_VLAN)) {
		const struct rte_vlan_hdr *tag = view(mbuf, *offset, sizeof(*tag));

		if (tag == NULL)
			return false;
		vlan = rte_be_to_cpu_16(tag->vlan_tci) & RTE_ETHER_MAX_VLAN_ID;
		*type = tag->eth_proto;
		*offset += (uint32_t)sizeof(*tag);
	}
	return vlan == local->vlan;
}

/** The Ethernet header is for us. `ret_type` and `ret_offset`: what follows, and where. */
static bool parse_ether(const struct dp_frame_local *local, const struct rte_mbuf *mbuf,
			rte_be16_t *ret_type, uint32_t *ret_offset)
{
	const struct rte_ether_hdr *ether = view(mbuf, 0, sizeof(*ether));

	if (ether == NULL)
		return false;
	*ret_type = ether->ether_type;
	*ret_offset = sizeof(*ether);
	if (!vlan_matches(local, mbuf, ret_type, ret_offset))
		return false;
	if (rte_is_same_ether_addr(&ether->dst_addr, &local->mac))
		return true;
	/* Whoever looks for us does not know our MAC yet. */
	return *ret_type == RTE_BE16(RTE_ETHER_TYPE_ARP) &&
	       rte_is_broadcast_ether_addr(&ether->dst_addr);
}

static bool ipv4_checksum_holds(const struct rte_ipv4_hdr *ip, size_t header_bytes, uint64_t flags)
{
	uint64_t verdict = flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;

	if (verdict == RTE_MBUF_F_RX_IP_CKSUM_GOOD)
		return true;
	if (verdict == RTE_MBUF_F_RX_IP_CKSUM_BAD)
		return false;
	return rte_raw_cksum(ip, header_bytes) == 0xffff;
}

/** A sender that can be answered: no multicast, broadcast, loopback, unspecified, nor ourselves. */
static bool is_sender(const struct dp_frame_local *local, uint32_t ipv4)
{
	return ipv4 != 0 && ipv4 != local->ipv4 && ipv4 < MULTICAST_MIN && ipv4 >> 24 != 127;
}

/** A whole, unfragmented IPv4 packet to us; fills the offsets. @return its header or NULL. */
static const struct rte_ipv4_hdr *parse_ipv4(const struct dp_frame_local *local,
					     const struct rte_mbuf *mbuf, struct dp_frame *frame)
{
	const struct rte_ipv4_hdr *ip = view(mbuf, frame->l3_offset, sizeof(*ip));
	uint32_t header_bytes;
	uint32_t total_bytes;

	if (ip == NULL || ip->version_ihl >> 4 != 4)
		return NULL;
	header_bytes = (ip->version_ihl & RTE_IPV4_HDR_IHL_MASK) * RTE_IPV4_IHL_MULTIPLIER;
	total_bytes = rte_be_to_cpu_16(ip->total_length);
	if (header_bytes < sizeof(*ip) || total_bytes < header_bytes ||
	    view(mbuf, frame->l3_offset, total_bytes) == NULL)
		return NULL;
	if ((ip->fragment_offset & RTE_BE16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK)) != 0)
		return NULL;
	if (rte_be_to_cpu_32(ip->dst_addr) != local->ipv4 ||
	    !is_sender(local, rte_be_to_cpu_32(ip->src_addr)) ||
	    !ipv4_checksum_holds(ip, header_bytes, mbuf->ol_flags))
		return NULL;
	frame->l4_offset = frame->l3_offset + header_bytes;
	frame->l4_bytes = total_bytes - header_bytes;
	frame->from_ipv4 = rte_be_to_cpu_32(ip->src_addr);
	return ip;
}

/** One's complement sum (RFC 1071). */
static uint16_t ones_sum(uint32_t a, uint32_t b)
{
	uint32_t sum = a + b;

	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

/** The UDP length was checked against what is there. */
static bool udp_checksum_holds(const struct rte_ipv4_hdr *ip, const struct rte_udp_hdr *udp,
			       uint64_t flags)
{
	uint64_t verdict = flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;

	if (udp->dgram_cksum == 0 || verdict == RTE_MBUF_F_RX_L4_CKSUM_GOOD)
		return true;
	if (verdict == RTE_MBUF_F_RX_L4_CKSUM_BAD)
		return false;
	return ones_sum(rte_ipv4_phdr_cksum(ip, 0),
			rte_raw_cksum(udp, rte_be_to_cpu_16(udp->dgram_len))) == 0xffff;
}

/** A datagram for one of our cores. */
static bool parse_udp(const struct dp_frame_local *local, const struct rte_mbuf *mbuf,
		      const struct rte_ipv4_hdr *ip, struct dp_frame *frame)
{
	const struct rte_udp_hdr *udp = view(mbuf, frame->l4_offset, sizeof(*udp));
	uint16_t port;

	if (udp == NULL || frame->l4_bytes < sizeof(*udp) ||
	    rte_be_to_cpu_16(udp->dgram_len) != frame->l4_bytes)
		return false;
	port = rte_be_to_cpu_16(udp->dst_port);
	if (port < local->udp_base || port - local->udp_base >= local->cores || udp->src_port == 0)
		return false;
	if (!udp_checksum_holds(ip, udp, mbuf->ol_flags))
		return false;
	frame->payload.data = (const uint8_t *)(udp + 1);
	frame->payload.size_bytes = frame->l4_bytes - sizeof(*udp);
	frame->from_udp = rte_be_to_cpu_16(udp->src_port);
	frame->core = (uint8_t)(port - local->udp_base);
	return true;
}

enum dp_frame_kind dp_frame_parse(const struct dp_frame_local *local, struct rte_mbuf *mbuf,
				  struct dp_frame *ret_frame)
{
	struct dp_frame frame = {0};
	const struct rte_ipv4_hdr *ip;
	enum dp_frame_kind kind = DP_FRAME_IGNORED;
	rte_be16_t type;

	if (mbuf->nb_segs != 1 && rte_pktmbuf_linearize(mbuf) != 0)
		return DP_FRAME_IGNORED;
	if (!parse_ether(local, mbuf, &type, &frame.l3_offset))
		return DP_FRAME_IGNORED;
	if (type == RTE_BE16(RTE_ETHER_TYPE_ARP)) {
		kind = DP_FRAME_ARP;
	} else if (type == RTE_BE16(RTE_ETHER_TYPE_IPV4)) {
		ip = parse_ipv4(local, mbuf, &frame);
		if (ip == NULL)
			return DP_FRAME_IGNORED;
		if (ip->next_proto_id == IPPROTO_UDP && parse_udp(local, mbuf, ip, &frame)) {
			kind = DP_FRAME_DATAGRAM;
		} else if (ip->next_proto_id == IPPROTO_ICMP) {
			kind = DP_FRAME_ICMP;
		}
	}
	if (kind != DP_FRAME_IGNORED)
		*ret_frame = frame;
	return kind;
}

/* ---- sending ---- */

bool dp_frame_put_ether(const struct dp_frame_local *local, const struct rte_ether_addr *to,
			rte_be16_t ether_type, struct rte_mbuf *mbuf)
{
	size_t tag_bytes = local->vlan != 0 ? sizeof(struct rte_vlan_hdr) : 0;
	struct rte_ether_hdr *ether = (struct rte_ether_hdr *)(void *)rte_pktmbuf_prepend(
		mbuf, (uint16_t)(sizeof(*ether) + tag_bytes));

	if (ether == NULL)
		return false;
	ether->dst_addr = *to;
	ether->src_addr = local->mac;
	ether->ether_type = ether_type;
	if (local->vlan != 0) {
		struct rte_vlan_hdr *tag = (struct rte_vlan_hdr *)(ether + 1);

		tag->vlan_tci = rte_cpu_to_be_16(local->vlan);
		tag->eth_proto = ether_type;
		ether->ether_type = RTE_BE16(RTE_ETHER_TYPE_VLAN);
	}
	return true;
}

/** UDP's checksum over all segments; the headers start at the mbuf's data. */
static rte_be16_t udp_checksum(const struct rte_mbuf *mbuf, const struct rte_ipv4_hdr *ip)
{
	uint32_t udp_bytes = mbuf->pkt_len - (uint32_t)sizeof(*ip);
	uint16_t raw = 0;
	uint16_t sum;

	if (rte_raw_cksum_mbuf(mbuf, sizeof(*ip), udp_bytes, &raw) != 0)
		return 0;
	sum = ones_sum(raw, rte_ipv4_phdr_cksum(ip, 0));
	/* 0 means none, and in one's complement all ones is the same number. */
	return (rte_be16_t)(sum == 0xffff ? 0xffff : ~sum & 0xffff);
}

static void fill_checksums(const struct dp_frame_local *local, struct rte_mbuf *mbuf,
			   struct rte_ipv4_hdr *ip, struct rte_udp_hdr *udp)
{
	switch (local->checksum) {
	case DP_CHECKSUM_NONE:
		ip->hdr_checksum = rte_ipv4_cksum(ip);
		break;
	case DP_CHECKSUM_SOFTWARE:
		ip->hdr_checksum = rte_ipv4_cksum(ip);
		udp->dgram_cksum = udp_checksum(mbuf, ip);
		break;
	case DP_CHECKSUM_OFFLOAD:
		mbuf->l2_len = sizeof(struct rte_ether_hdr) +
			       (local->vlan != 0 ? sizeof(struct rte_vlan_hdr) : 0);
		mbuf->l3_len = sizeof(*ip);
		mbuf->ol_flags |=
			RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_UDP_CKSUM;
		udp->dgram_cksum = rte_ipv4_phdr_cksum(ip, mbuf->ol_flags);
		break;
	}
}

bool dp_frame_build(const struct dp_frame_local *local, const struct dp_frame_route *route,
		    struct rte_mbuf *mbuf)
{
	uint32_t datagram_bytes = mbuf->pkt_len;
	struct rte_ipv4_hdr *ip;
	struct rte_udp_hdr *udp;

	if (datagram_bytes > UINT16_MAX - sizeof(*ip) - sizeof(*udp) ||
	    rte_pktmbuf_headroom(mbuf) < DP_FRAME_OVERHEAD)
		return false;
	ip = (struct rte_ipv4_hdr *)(void *)rte_pktmbuf_prepend(mbuf, sizeof(*ip) + sizeof(*udp));
	udp = (struct rte_udp_hdr *)(ip + 1);
	*ip = (struct rte_ipv4_hdr){
		.version_ihl = VERSION_4 | IHL_PLAIN,
		.total_length = rte_cpu_to_be_16((uint16_t)mbuf->pkt_len),
		.fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG),
		.time_to_live = TTL,
		.next_proto_id = IPPROTO_UDP,
		.src_addr = rte_cpu_to_be_32(local->ipv4),
		.dst_addr = rte_cpu_to_be_32(route->ipv4),
	};
	*udp = (struct rte_udp_hdr){
		.src_port = rte_cpu_to_be_16(route->from_udp),
		.dst_port = rte_cpu_to_be_16(route->udp),
		.dgram_len = rte_cpu_to_be_16((uint16_t)(datagram_bytes + sizeof(*udp))),
	};
	fill_checksums(local, mbuf, ip, udp);
	return dp_frame_put_ether(local, &route->mac, RTE_BE16(RTE_ETHER_TYPE_IPV4), mbuf);
}

/* ---- ICMP echo ---- */

bool dp_frame_answer_echo(const struct dp_frame_local *local, const struct dp_frame *frame,
			  struct rte_mbuf *mbuf)
{
	struct rte_icmp_hdr *icmp = view(mbuf, frame->l4_offset, frame->l4_bytes);
	struct rte_ipv4_hdr *ip = view(mbuf, frame->l3_offset, sizeof(*ip));
	struct rte_ether_hdr *ether = view(mbuf, 0, sizeof(*ether));
	struct rte_ether_addr asker;

	if (icmp == NULL || ip == NULL || ether == NULL || frame->l4_bytes < sizeof(*icmp) ||
	    icmp->icmp_type != RTE_IP_ICMP_ECHO_REQUEST || icmp->icmp_code != 0 ||
	    !rte_is_unicast_ether_addr(&ether->src_addr) ||
	    rte_raw_cksum(icmp, frame->l4_bytes) != 0xffff)
		return false;
	/* Padding and options do not go back. */
	asker = ether->src_addr;
	mbuf->data_len = (uint16_t)(frame->l4_offset + frame->l4_bytes);
	mbuf->pkt_len = mbuf->data_len;
	icmp->icmp_type = RTE_IP_ICMP_ECHO_REPLY;
	icmp->icmp_cksum = 0;
	icmp->icmp_cksum = (rte_be16_t)~rte_raw_cksum(icmp, frame->l4_bytes);

	(void)rte_pktmbuf_adj(mbuf, (uint16_t)(frame->l4_offset - sizeof(*ip)));
	ip = rte_pktmbuf_mtod(mbuf, struct rte_ipv4_hdr *);
	*ip = (struct rte_ipv4_hdr){
		.version_ihl = VERSION_4 | IHL_PLAIN,
		.total_length = rte_cpu_to_be_16(mbuf->data_len),
		.fragment_offset = RTE_BE16(RTE_IPV4_HDR_DF_FLAG),
		.time_to_live = TTL,
		.next_proto_id = IPPROTO_ICMP,
		.src_addr = rte_cpu_to_be_32(local->ipv4),
		.dst_addr = rte_cpu_to_be_32(frame->from_ipv4),
	};
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	mbuf->ol_flags = 0;
	return dp_frame_put_ether(local, &asker, RTE_BE16(RTE_ETHER_TYPE_IPV4), mbuf);
}
