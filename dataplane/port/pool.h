/*
 * The process' mbuf pool: one for all its ports, so that a buffer can travel from any port to any
 * core. A buffer holds a whole frame, so no datagram of ours is ever received as a chain.
 */
#ifndef DP_PORT_POOL_H
#define DP_PORT_POOL_H

#include "consensus/base/types.h"

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_udp.h>

/* What a frame has in front of its datagram, an 802.1Q tag included. */
#define DP_FRAME_OVERHEAD                                                                          \
	(sizeof(struct rte_ether_hdr) + sizeof(struct rte_vlan_hdr) +                              \
	 sizeof(struct rte_ipv4_hdr) + sizeof(struct rte_udp_hdr))
/* AF_XDP and AF_PACKET want room for 2 KiB even where datagrams are smaller. */
#define DP_POOL_ROOM_MIN 2048u
/* What AF_PACKET has in front of a frame in its ring beyond what its driver counts. */
#define DP_POOL_SLACK_BYTES 34u
/* The largest datagram_max that a buffer's 16-bit length allows. */
#define DP_POOL_DATAGRAM_MAX                                                                       \
	((uint32_t)RTE_ALIGN_FLOOR(UINT16_MAX - RTE_PKTMBUF_HEADROOM, RTE_CACHE_LINE_SIZE) -       \
	 (uint32_t)DP_FRAME_OVERHEAD - DP_POOL_SLACK_BYTES)

/** Bytes of data behind the headroom that a frame with a datagram of `datagram_max` takes. */
static inline uint32_t dp_pool_room_bytes(uint32_t datagram_max)
{
	uint32_t room = datagram_max + (uint32_t)DP_FRAME_OVERHEAD + DP_POOL_SLACK_BYTES;

	if (room < DP_POOL_ROOM_MIN)
		room = DP_POOL_ROOM_MIN;
	return RTE_ALIGN_CEIL(room, RTE_CACHE_LINE_SIZE);
}

/** Bytes of memory that a pool takes: the budget. */
size_t dp_pool_size_bytes(uint32_t count, uint32_t datagram_max);

/**
 * @param count   buffers. Ports hold some even when idle: DP_BURST a queue of a host port, a RX
 *                ring's worth a queue of a physical or AF_XDP port; a lcore's cache up to 384.
 * @param socket  NUMA socket or SOCKET_ID_ANY.
 * @return NULL when memory is short or datagram_max exceeds DP_POOL_DATAGRAM_MAX. rte_mempool_free
 *         gives it back.
 */
struct rte_mempool *dp_pool_create(uint32_t count, uint32_t datagram_max, int socket);

#endif
