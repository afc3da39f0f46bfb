/*
 * Ethernet II (802.1Q), IPv4 and UDP around a datagram: building in an mbuf's headroom, and parsing
 * what a stranger sent.
 *
 * A frame is ours if it is whole, addressed to our MAC, our VLAN and our IPv4 address, not a
 * fragment, and its checksums hold. Everything else is DP_FRAME_IGNORED: counted, never an error.
 */
#ifndef DP_PORT_FRAME_H
#define DP_PORT_FRAME_H

#include "consensus/base/codec.h"

#include <rte_ether.h>
#include <rte_mbuf.h>

enum dp_frame_checksum {
	DP_CHECKSUM_NONE, /* UDP without (RFC 768): shared memory; the datagram has a CRC32C anyway
			   */
	DP_CHECKSUM_SOFTWARE,
	DP_CHECKSUM_OFFLOAD, /* the device fills IPv4's and UDP's */
};

/** Who we are on a link. */
struct dp_frame_local {
	struct rte_ether_addr mac;
	uint32_t ipv4;	   /* host order */
	uint16_t vlan;	   /* 0: untagged */
	uint16_t udp_base; /* core c is udp_base + c */
	uint8_t cores;
	enum dp_frame_checksum checksum; /* of what we send */
};

enum dp_frame_kind { DP_FRAME_IGNORED, DP_FRAME_DATAGRAM, DP_FRAME_ARP, DP_FRAME_ICMP };

struct dp_frame {
	uint32_t l3_offset; /* of the IPv4 or ARP header from the mbuf's data */
	uint32_t l4_offset; /* not for ARP */
	uint32_t l4_bytes;
	/* DP_FRAME_DATAGRAM */
	struct qr_span payload;
	uint32_t from_ipv4; /* of ICMP too */
	uint16_t from_udp;
	uint8_t core;
};

/** Where a frame goes. */
struct dp_frame_route {
	struct rte_ether_addr mac; /* of the next hop */
	uint32_t ipv4;
	uint16_t udp;
	uint16_t from_udp;
};

/**
 * Parse a received frame. A chain is flattened into its first buffer if that has the room.
 * An ICMP message's own checksum is the caller's to check.
 *
 * @param ret_frame  written unless the result is DP_FRAME_IGNORED; its span borrows from `mbuf`.
 */
enum dp_frame_kind dp_frame_parse(const struct dp_frame_local *local, struct rte_mbuf *mbuf,
				  struct dp_frame *ret_frame);

/** Put the headers in front of a datagram. @return false when it does not fit: mbuf unchanged. */
bool dp_frame_build(const struct dp_frame_local *local, const struct dp_frame_route *route,
		    struct rte_mbuf *mbuf);

/**
 * Put an Ethernet header (and our VLAN's tag) in front of what the mbuf holds.
 * @return false when the headroom does not suffice: mbuf unchanged.
 */
bool dp_frame_put_ether(const struct dp_frame_local *local, const struct rte_ether_addr *to,
			rte_be16_t ether_type, struct rte_mbuf *mbuf);

/**
 * Turn an ICMP echo request, as dp_frame_parse found it, into its reply, in place.
 * @return false if it is something else or its checksum does not hold: mbuf unchanged.
 */
bool dp_frame_answer_echo(const struct dp_frame_local *local, const struct dp_frame *frame,
			  struct rte_mbuf *mbuf);

#endif
