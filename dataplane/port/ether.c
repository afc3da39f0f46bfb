/*
 * The Ethernet port at work: frames in and out, ARP and ICMP echo answered.
 *
 * Every queue parses for itself. What is not a datagram is for the owner of queue 0, who owns the
 * neighbour table and the answers: other queues pass it on through `strays`.
 *
 * The gate. A memif device may not be touched while its driver maps or unmaps its rings, so bursts
 * ask the gate first: odd is closed. A lcore that finds it closed notes so in `gate_seen`, outside
 * of any burst; when all have noted the current value nobody is inside (`is_quiet`). Devices other
 * than memif never close it.
 *
 * Answers are bounded by tokens that the tick refills: a flood of requests costs parsing, not
 * sending.
 */
#include "dataplane/port/ether.h"

#include "consensus/base/assert.h"

#define ANSWERS_BURST 64u
#define ANSWER_NS 1000000u /* one token: a thousand answers a second */
#define ASK_BURST 16u

static struct ether_port *ether_of(struct dp_port *port)
{
	return container_of(port, struct ether_port, port);
}

/* ---- the gate ---- */

/** Bursts may run. Asked by each core before each; G1 pairs with G2, G3 with G4. */
static bool gate_is_open(struct ether_port *self, uint8_t core)
{
	uint32_t gate = __atomic_load_n(&self->gate, __ATOMIC_ACQUIRE); /* G2 */

	if ((gate & 1) == 0)
		return true;
	if (self->cores[core].gate_seen != gate)
		__atomic_store_n(&self->cores[core].gate_seen, gate, __ATOMIC_RELEASE); /* G3 */
	return false;
}

/** Every core that has a queue has seen the gate closed: no burst is running. */
static bool is_quiet(const struct ether_port *self)
{
	unsigned core;

	if ((self->gate & 1) == 0)
		return false;
	for (core = 0; core < self->port.queues; core++) {
		if (__atomic_load_n(&self->cores[core].gate_seen, __ATOMIC_ACQUIRE) !=
		    self->gate) /* G4 */
			return false;
	}
	return true;
}

static void gate_set(struct ether_port *self, bool is_open)
{
	if (is_open != ((self->gate & 1) == 0))
		__atomic_store_n(&self->gate, self->gate + 1, __ATOMIC_RELEASE); /* G1 */
}

/* ---- sending ---- */

/** One burst to the device; what it does not take is dropped. */
static void send_burst(struct ether_port *self, uint8_t core, struct rte_mbuf **mbufs,
		       unsigned count)
{
	uint16_t queue = core % self->tx_queues;
	bool is_shared = self->tx_queues < self->port.common.cores;
	uint16_t ready = (uint16_t)count;
	uint16_t sent;

	if (count == 0)
		return;
	if (is_shared)
		rte_spinlock_lock(&self->cores[queue].tx_lock);
	if (self->is_checksum_offloaded)
		ready = rte_eth_tx_prepare(self->port_id, queue, mbufs, ready);
	sent = rte_eth_tx_burst(self->port_id, queue, mbufs, ready);
	if (is_shared)
		rte_spinlock_unlock(&self->cores[queue].tx_lock);
	dp_port_count(&self->port.counters[core].stats.tx_frames, sent);
	dp_port_drop(&self->port, core, mbufs + sent, count - sent);
}

/** The way to an address; false when its neighbour is not known yet, and is asked for. */
static bool find_route(struct ether_port *self, uint8_t core, const struct dp_address *to,
		       struct dp_frame_route *route)
{
	/* A burst goes to few places: mostly to where the last one went. */
	if (route->ipv4 != to->ipv4 || to->ipv4 == 0) {
		uint32_t next_hop = dp_neighbours_next_hop(&self->neighbours, to->ipv4);

		if (!dp_neighbours_find(&self->neighbours, next_hop, &route->mac)) {
			dp_neighbours_want(&self->neighbours, core, next_hop);
			route->ipv4 = 0;
			return false;
		}
		route->ipv4 = to->ipv4;
	}
	route->udp = to->udp;
	return true;
}

static void ether_tx(struct dp_port *port, uint8_t core, struct rte_mbuf **mbufs,
		     const struct dp_address *to, unsigned count)
{
	struct ether_port *self = ether_of(port);
	struct dp_frame_route route = {.from_udp = (uint16_t)(port->common.udp_base + core)};
	unsigned ready = 0;
	unsigned i;

	if (!gate_is_open(self, core)) {
		dp_port_drop(port, core, mbufs, count);
		return;
	}
	for (i = 0; i < count; i++) {
		struct rte_mbuf *mbuf = mbufs[i];

		if (mbuf->pkt_len > port->common.datagram_max ||
		    !find_route(self, core, &to[i], &route) ||
		    !dp_frame_build(&self->local, &route, mbuf)) {
			dp_port_drop(port, core, &mbuf, 1);
		} else {
			mbufs[ready++] = mbuf;
		}
	}
	send_burst(self, core, mbufs, ready);
}

/* ---- answering ---- */

static void ignore(struct ether_port *self, uint8_t queue, struct rte_mbuf *mbuf)
{
	rte_pktmbuf_free(mbuf);
	dp_port_count(&self->port.counters[queue].stats.rx_ignored, 1);
}

static bool take_token(uint32_t *tokens)
{
	if (*tokens == 0)
		return false;
	(*tokens)--;
	return true;
}

/** Learn from an ARP frame and make it the answer, if it wants one. @return whether it is one. */
static bool answer_arp(struct ether_port *self, const struct dp_frame *frame, struct rte_mbuf *mbuf)
{
	struct dp_arp arp;

	if (!dp_arp_parse(&self->local, &self->neighbours, frame, mbuf, &arp))
		return false;
	dp_neighbours_learn(&self->neighbours, &arp, self->now_ns);
	if (!arp.is_request || !take_token(&self->arp_tokens))
		return false;
	rte_pktmbuf_reset(mbuf);
	if (!dp_arp_put_reply(&self->local, &arp, mbuf))
		return false;
	dp_port_count(&self->port.counters[0].stats.arp_replies, 1);
	return true;
}

static bool answer_icmp(struct ether_port *self, const struct dp_frame *frame,
			struct rte_mbuf *mbuf)
{
	if (!take_token(&self->icmp_tokens) || !dp_frame_answer_echo(&self->local, frame, mbuf))
		return false;
	dp_port_count(&self->port.counters[0].stats.icmp_replies, 1);
	return true;
}

/** ARP or ICMP, in the hands of the owner of queue 0. */
static void answer(struct ether_port *self, enum dp_frame_kind kind, const struct dp_frame *frame,
		   struct rte_mbuf *mbuf)
{
	bool is_answer = kind == DP_FRAME_ARP ? answer_arp(self, frame, mbuf)
					      : answer_icmp(self, frame, mbuf);

	if (is_answer) {
		send_burst(self, 0, &mbuf, 1);
	} else if (kind == DP_FRAME_ARP) {
		rte_pktmbuf_free(mbuf); /* an answer to ours, or of no interest */
	} else {
		ignore(self, 0, mbuf);
	}
}

/* ---- receiving ---- */

/** A frame that is no datagram to us. */
static void other(struct ether_port *self, uint8_t queue, enum dp_frame_kind kind,
		  const struct dp_frame *frame, struct rte_mbuf *mbuf)
{
	if (kind != DP_FRAME_IGNORED && queue == 0) {
		answer(self, kind, frame, mbuf);
	} else if (kind == DP_FRAME_IGNORED || rte_ring_enqueue(self->strays, mbuf) != 0) {
		ignore(self, queue, mbuf);
	}
}

static unsigned ether_rx(struct dp_port *port, uint8_t queue, struct dp_rx *rx, unsigned max)
{
	struct ether_port *self = ether_of(port);
	struct rte_mbuf *mbufs[DP_BURST];
	unsigned count = 0;
	uint16_t n;
	uint16_t i;

	if (!gate_is_open(self, queue))
		return 0;
	n = rte_eth_rx_burst(self->port_id, queue, mbufs, (uint16_t)max);
	for (i = 0; i < n; i++) {
		struct dp_frame frame;
		enum dp_frame_kind kind = dp_frame_parse(&self->local, mbufs[i], &frame);

		if (kind != DP_FRAME_DATAGRAM) {
			other(self, queue, kind, &frame, mbufs[i]);
			continue;
		}
		rx[count++] = (struct dp_rx){
			.bytes = frame.payload,
			.from = {.ipv4 = frame.from_ipv4,
				 .udp = frame.from_udp,
				 .port = port->common.number},
			.core = frame.core,
			.mbuf = mbufs[i],
		};
	}
	if (n > 0)
		dp_port_count(&port->counters[queue].stats.rx_frames, n);
	return count;
}

/* ---- time ---- */

static void refill_tokens(struct ether_port *self, qr_ns now_ns)
{
	qr_ns tokens = (now_ns - self->tokens_at) / ANSWER_NS;

	if (tokens == 0)
		return;
	self->tokens_at = now_ns;
	if (tokens > ANSWERS_BURST)
		tokens = ANSWERS_BURST;
	self->arp_tokens = RTE_MIN(self->arp_tokens + (uint32_t)tokens, ANSWERS_BURST);
	self->icmp_tokens = RTE_MIN(self->icmp_tokens + (uint32_t)tokens, ANSWERS_BURST);
}

static void take_strays(struct ether_port *self)
{
	struct rte_mbuf *mbufs[DP_BURST];
	unsigned n = rte_ring_dequeue_burst(self->strays, (void **)mbufs, DP_BURST, NULL);
	unsigned i;

	for (i = 0; i < n; i++) {
		struct dp_frame frame;
		enum dp_frame_kind kind = dp_frame_parse(&self->local, mbufs[i], &frame);

		other(self, 0, kind, &frame, mbufs[i]);
	}
}

static void ask_neighbours(struct ether_port *self, qr_ns now_ns)
{
	uint32_t ask[ASK_BURST];
	unsigned count = dp_neighbours_tick(&self->neighbours, now_ns, ask, ASK_BURST);
	unsigned i;

	for (i = 0; i < count; i++) {
		struct rte_mbuf *mbuf = rte_pktmbuf_alloc(self->port.common.pool);

		if (mbuf == NULL)
			return;
		if (dp_arp_put_request(&self->local, ask[i], mbuf)) {
			send_burst(self, 0, &mbuf, 1);
		} else {
			rte_pktmbuf_free(mbuf);
		}
	}
}

static void ether_tick(struct dp_port *port, qr_ns now_ns)
{
	struct ether_port *self = ether_of(port);

	self->now_ns = now_ns;
	if (self->memif != NULL)
		gate_set(self, dp_memif_tick(self->memif, is_quiet(self), now_ns));
	if (!gate_is_open(self, 0))
		return;
	refill_tokens(self, now_ns);
	take_strays(self);
	ask_neighbours(self, now_ns);
}

static bool ether_is_up(const struct dp_port *port)
{
	const struct ether_port *self = container_of(port, const struct ether_port, port);
	struct rte_eth_link link;

	return (__atomic_load_n(&self->gate, __ATOMIC_ACQUIRE) & 1) == 0 &&
	       rte_eth_link_get_nowait(self->port_id, &link) == 0 &&
	       link.link_status == RTE_ETH_LINK_UP;
}

const struct dp_port_ops dp_ether_ops = {
	.rx = ether_rx,
	.tx = ether_tx,
	.tick = ether_tick,
	.is_up = ether_is_up,
	.close = dp_ether_close,
};
