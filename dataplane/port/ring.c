/*
 * The in-process fabric: datagrams travel between endpoints as pointers to mbufs, without a copy.
 *
 * An endpoint has one inbound ring per core: many producers, one consumer. The producers' tail is
 * synchronised the relaxed way (RTS): lcores may share a CPU, and in the classic mode a producer
 * that is preempted between reserving and publishing makes every other one spin until it runs
 * again.
 *
 * The sender's identity is in the mbuf: `port` is its endpoint, `hash.usr` its core.
 *
 * A datagram that refers to bytes of the sender (more than one segment, or an external buffer) is
 * flattened before it goes: the receiver may look at it long after the sender reused those bytes.
 */
#include "dataplane/port/internal.h"

#include "consensus/base/assert.h"

#include <rte_malloc.h>
#include <rte_ring.h>

#include <stdio.h>

struct inbound {
	struct rte_ring *ring;
};

struct dp_fabric {
	uint32_t endpoints;
	uint8_t cores;
	struct inbound inbound[]; /* endpoints x cores */
};

struct ring_port {
	struct dp_port port;
	struct dp_fabric *fabric;
	uint32_t endpoint;
};

static struct ring_port *ring_of(struct dp_port *port)
{
	return container_of(port, struct ring_port, port);
}

static struct rte_ring *ring_at(const struct dp_fabric *fabric, uint32_t endpoint, uint32_t core)
{
	if (endpoint >= fabric->endpoints || core >= fabric->cores)
		return NULL;
	return fabric->inbound[endpoint * fabric->cores + core].ring;
}

static struct rte_ring *ring_create(uint32_t ring_size)
{
	unsigned flags = RING_F_MP_RTS_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ;
	ssize_t size_bytes = rte_ring_get_memsize(rte_align32pow2(ring_size + 1));
	struct rte_ring *ring;

	if (size_bytes < 0)
		return NULL;
	ring = rte_zmalloc("fabric ring", (size_t)size_bytes, RTE_CACHE_LINE_SIZE);
	if (ring == NULL)
		return NULL;
	if (rte_ring_init(ring, "fabric", ring_size, flags) != 0) {
		rte_free(ring);
		return NULL;
	}
	return ring;
}

struct dp_fabric *dp_fabric_create(uint32_t endpoints, uint8_t cores, uint32_t ring_size)
{
	uint32_t count = endpoints * cores;
	struct dp_fabric *fabric;
	uint32_t i;

	QR_ASSERT(endpoints <= UINT16_MAX && ring_size > 0);
	fabric = rte_zmalloc("fabric", sizeof(*fabric) + count * sizeof(struct inbound), 0);
	if (fabric == NULL)
		return NULL;
	fabric->endpoints = endpoints;
	fabric->cores = cores;
	for (i = 0; i < count; i++) {
		fabric->inbound[i].ring = ring_create(ring_size);
		if (fabric->inbound[i].ring == NULL) {
			dp_fabric_destroy(fabric);
			return NULL;
		}
	}
	return fabric;
}

static void ring_drain(struct rte_ring *ring)
{
	struct rte_mbuf *mbufs[DP_BURST];
	unsigned n;

	while ((n = rte_ring_dequeue_burst(ring, (void **)mbufs, DP_BURST, NULL)) > 0)
		rte_pktmbuf_free_bulk(mbufs, n);
}

void dp_fabric_destroy(struct dp_fabric *fabric)
{
	uint32_t i;

	if (fabric == NULL)
		return;
	for (i = 0; i < fabric->endpoints * fabric->cores && fabric->inbound[i].ring != NULL; i++) {
		ring_drain(fabric->inbound[i].ring);
		rte_free(fabric->inbound[i].ring);
	}
	rte_free(fabric);
}

static unsigned ring_rx(struct dp_port *port, uint8_t queue, struct dp_rx *rx, unsigned max)
{
	struct ring_port *self = ring_of(port);
	struct rte_ring *ring = ring_at(self->fabric, self->endpoint, queue);
	struct rte_mbuf *mbufs[DP_BURST];
	unsigned n = rte_ring_dequeue_burst(ring, (void **)mbufs, max, NULL);
	unsigned i;

	for (i = 0; i < n; i++) {
		struct rte_mbuf *mbuf = mbufs[i];

		rx[i] = (struct dp_rx){
			.bytes = {rte_pktmbuf_mtod(mbuf, const uint8_t *),
				  rte_pktmbuf_data_len(mbuf)},
			.from = {.ipv4 = mbuf->port,
				 .udp = (uint16_t)mbuf->hash.usr,
				 .port = port->common.number},
			.core = queue,
			.mbuf = mbuf,
		};
	}
	if (n > 0)
		dp_port_count(&port->counters[queue].stats.rx_frames, n);
	return n;
}

/** A datagram in one segment of the pool's own; NULL and freed if there is no memory for that. */
static struct rte_mbuf *flatten(struct ring_port *self, struct rte_mbuf *mbuf)
{
	struct rte_mbuf *copy;

	if (mbuf->nb_segs == 1 && RTE_MBUF_DIRECT(mbuf))
		return mbuf;
	copy = rte_pktmbuf_copy(mbuf, self->port.common.pool, 0, UINT32_MAX);
	rte_pktmbuf_free(mbuf);
	if (copy != NULL && copy->nb_segs != 1) {
		rte_pktmbuf_free(copy);
		return NULL;
	}
	return copy;
}

/** Send a run of datagrams that go to one ring. @return how many it took. */
static unsigned send_run(struct ring_port *self, uint8_t core, struct rte_mbuf **mbufs,
			 struct rte_ring *ring, unsigned count)
{
	unsigned ready = 0;
	unsigned sent;
	unsigned i;

	for (i = 0; i < count; i++) {
		struct rte_mbuf *mbuf = flatten(self, mbufs[i]);

		if (mbuf == NULL)
			continue;
		mbuf->port = (uint16_t)self->endpoint;
		mbuf->hash.usr = core;
		mbufs[ready++] = mbuf;
	}
	dp_port_count(&self->port.counters[core].stats.tx_dropped, count - ready);
	sent = rte_ring_enqueue_burst(ring, (void **)mbufs, ready, NULL);
	dp_port_drop(&self->port, core, mbufs + sent, ready - sent);
	return sent;
}

static void ring_tx(struct dp_port *port, uint8_t core, struct rte_mbuf **mbufs,
		    const struct dp_address *to, unsigned count)
{
	struct ring_port *self = ring_of(port);
	unsigned sent = 0;
	unsigned start;
	unsigned end;

	for (start = 0; start < count; start = end) {
		struct rte_ring *ring = ring_at(self->fabric, to[start].ipv4, to[start].udp);

		for (end = start + 1; end < count; end++) {
			if (to[end].ipv4 != to[start].ipv4 || to[end].udp != to[start].udp)
				break;
		}
		if (ring != NULL) {
			sent += send_run(self, core, mbufs + start, ring, end - start);
		} else {
			dp_port_drop(port, core, mbufs + start, end - start);
		}
	}
	dp_port_count(&port->counters[core].stats.tx_frames, sent);
}

static void ring_close(struct dp_port *port)
{
	rte_free(ring_of(port));
}

static const struct dp_port_ops ring_ops = {
	.rx = ring_rx,
	.tx = ring_tx,
	.close = ring_close,
};

enum qr_error dp_ring_open(struct dp_fabric *fabric, uint32_t endpoint,
			   const struct dp_port_common *common, struct dp_port **ret_port)
{
	const struct dp_port_problem nobody = {0};
	struct ring_port *self;
	enum qr_error error;

	if (endpoint >= fabric->endpoints || common->cores > fabric->cores)
		return QR_OUT_OF_RANGE;
	self = rte_zmalloc("ring port", sizeof(*self), RTE_CACHE_LINE_SIZE);
	if (self == NULL)
		return QR_NO_MEMORY;
	error = dp_port_init(&self->port, &ring_ops, common, &nobody);
	if (error != QR_OK) {
		rte_free(self);
		return error;
	}
	self->fabric = fabric;
	self->endpoint = endpoint;
	(void)snprintf(self->port.name, sizeof(self->port.name), "ring %u", endpoint);
	*ret_port = &self->port;
	return QR_OK;
}
