/*
 * The dispatch to the kinds, and what all of them share: checks at opening, counters.
 *
 * Invariants: a port's settings never change once it is open; counters[c] is written by the lcore
 * of core c only, and read by anybody.
 */
#include "dataplane/port/internal.h"

#include "consensus/base/assert.h"
#include "dataplane/port/pool.h"

#include <stdarg.h>
#include <stdio.h>

enum qr_error dp_port_fail(const struct dp_port_problem *problem, enum qr_error error,
			   const char *format, ...)
{
	va_list arguments;

	if (problem->text != NULL) {
		va_start(arguments, format);
		(void)vsnprintf(problem->text, problem->size_bytes, format, arguments);
		va_end(arguments);
	}
	return error;
}

enum qr_error dp_port_init(struct dp_port *port, const struct dp_port_ops *ops,
			   const struct dp_port_common *common,
			   const struct dp_port_problem *problem)
{
	uint32_t room_bytes;

	if (common->cores == 0 || common->cores > DP_PORT_CORES_MAX ||
	    common->udp_base + common->cores - 1 > UINT16_MAX) {
		return dp_port_fail(problem, QR_CONFIG,
				    "%u cores on UDP ports from %u: a node has 1 to %u cores, and "
				    "its last port is at most 65535",
				    common->cores, common->udp_base, DP_PORT_CORES_MAX);
	}
	room_bytes = rte_pktmbuf_data_room_size(common->pool) - RTE_PKTMBUF_HEADROOM;
	if (common->datagram_max > DP_POOL_DATAGRAM_MAX ||
	    room_bytes < common->datagram_max + DP_FRAME_OVERHEAD) {
		return dp_port_fail(problem, QR_TOO_LARGE,
				    "datagrams of %u bytes do not fit the pool's buffers of %u: "
				    "lower [dataplane] datagram_max_bytes",
				    common->datagram_max, room_bytes);
	}
	port->ops = ops;
	port->common = *common;
	port->queues = common->cores;
	return QR_OK;
}

void dp_port_drop(struct dp_port *port, uint8_t core, struct rte_mbuf **mbufs, unsigned count)
{
	if (count == 0)
		return;
	rte_pktmbuf_free_bulk(mbufs, count);
	dp_port_count(&port->counters[core].stats.tx_dropped, count);
}

uint8_t dp_port_queues(const struct dp_port *port)
{
	return port->queues;
}

unsigned dp_port_rx(struct dp_port *port, uint8_t queue, struct dp_rx *rx, unsigned max)
{
	QR_ASSERT(queue < port->queues);
	return port->ops->rx(port, queue, rx, max < DP_BURST ? max : DP_BURST);
}

void dp_port_tx(struct dp_port *port, uint8_t core, struct rte_mbuf **mbufs,
		const struct dp_address *to, unsigned count)
{
	unsigned done;

	QR_ASSERT(core < port->common.cores);
	for (done = 0; done < count; done += DP_BURST) {
		unsigned burst = count - done < DP_BURST ? count - done : DP_BURST;

		port->ops->tx(port, core, mbufs + done, to + done, burst);
	}
}

void dp_port_tick(struct dp_port *port, qr_ns now_ns)
{
	if (port->ops->tick != NULL)
		port->ops->tick(port, now_ns);
}

bool dp_port_is_up(const struct dp_port *port)
{
	return port->ops->is_up == NULL || port->ops->is_up(port);
}

int dp_port_event_fd(const struct dp_port *port, uint8_t queue)
{
	QR_ASSERT(queue < port->queues);
	return port->ops->event_fd != NULL ? port->ops->event_fd(port, queue) : -1;
}

static void add(uint64_t *sum, const uint64_t *counter)
{
	*sum += __atomic_load_n(counter, __ATOMIC_RELAXED);
}

void dp_port_read_stats(const struct dp_port *port, struct dp_port_stats *ret_stats)
{
	unsigned core;

	*ret_stats = (struct dp_port_stats){0};
	for (core = 0; core < port->common.cores; core++) {
		const struct dp_port_stats *stats = &port->counters[core].stats;

		add(&ret_stats->rx_frames, &stats->rx_frames);
		add(&ret_stats->tx_frames, &stats->tx_frames);
		add(&ret_stats->rx_ignored, &stats->rx_ignored);
		add(&ret_stats->tx_dropped, &stats->tx_dropped);
		add(&ret_stats->arp_replies, &stats->arp_replies);
		add(&ret_stats->icmp_replies, &stats->icmp_replies);
	}
}

const char *dp_port_name(const struct dp_port *port)
{
	return port->name;
}

void dp_port_close(struct dp_port *port)
{
	if (port != NULL)
		port->ops->close(port);
}
