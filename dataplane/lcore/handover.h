/*
 * A datagram that came to the wrong core of its node goes to the right one by a ring of mbufs, one
 * ring for each pair of cores: a single producer and a single consumer.
 *
 * Devices that steer by UDP port never need it; AF_PACKET's fan-out and queues without rte_flow do.
 */
#ifndef DP_LCORE_HANDOVER_H
#define DP_LCORE_HANDOVER_H

#include "dataplane/port/port.h"

#include <rte_ring.h>

/**
 * Pass a datagram on; takes its mbuf.
 * @return false when the ring is full: the mbuf is freed, the transport repairs it.
 */
QR_MUST_USE bool dp_handover_send(struct rte_ring *ring, const struct dp_rx *rx);

/** What a ring holds, as if it had just been received. @return how many, at most DP_BURST. */
unsigned dp_handover_take(struct rte_ring *ring, struct dp_rx *rx, unsigned max);

#endif
