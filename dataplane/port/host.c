/*
 * The kernel's UDP: one nonblocking socket per core, for clients without DPDK.
 *
 * Datagrams are received straight into mbufs: each queue keeps up to DP_BURST of them armed, handed
 * to recvmmsg as they stand; those that were filled go up and are replaced from the pool. When the
 * pool is empty fewer are armed, and the kernel's socket buffer takes the wait.
 *
 * Nothing that a socket reports here is fatal: a refused, unreachable or full destination costs the
 * datagram, which is counted, and the transport or the client repairs it.
 */
#include "dataplane/port/internal.h"

#include "consensus/base/assert.h"

#include <rte_malloc.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Room for a burst of large datagrams while the core writes to disk; the kernel doubles it for its
 * own overhead and caps it at net.core.rmem_max. */
#define SOCKET_BUFFER_BYTES (4 << 20)

struct host_queue {
	int fd;
	unsigned armed_count;
	struct rte_mbuf *armed[DP_BURST];
	struct mmsghdr rx_messages[DP_BURST];
	struct iovec rx_spans[DP_BURST];
	struct sockaddr_in rx_from[DP_BURST];
	struct mmsghdr tx_messages[DP_BURST];
	struct iovec tx_spans[DP_BURST * DP_SEGMENTS_MAX];
	struct sockaddr_in tx_to[DP_BURST];
} __rte_cache_aligned;

struct host_port {
	struct dp_port port;
	struct host_queue queues[];
};

static struct host_port *host_of(struct dp_port *port)
{
	return container_of(port, struct host_port, port);
}

/* ---- receiving ---- */

static void arm(struct host_port *self, struct host_queue *queue, unsigned slot,
		struct rte_mbuf *mbuf)
{
	queue->armed[slot] = mbuf;
	queue->rx_spans[slot].iov_base = rte_pktmbuf_mtod(mbuf, void *);
	queue->rx_spans[slot].iov_len =
		RTE_MIN(self->port.common.datagram_max, (uint32_t)rte_pktmbuf_tailroom(mbuf));
}

/** Arm slots up to DP_BURST again, as far as the pool has buffers. */
static void arm_all(struct host_port *self, struct host_queue *queue)
{
	struct rte_mempool *pool = self->port.common.pool;

	while (queue->armed_count < DP_BURST) {
		struct rte_mbuf *mbuf = rte_pktmbuf_alloc(pool);

		if (mbuf == NULL)
			return;
		arm(self, queue, queue->armed_count++, mbuf);
	}
}

/** The first `used` slots were given away: the armed ones move to the front. */
static void close_gap(struct host_port *self, struct host_queue *queue, unsigned used)
{
	unsigned left = queue->armed_count - used;
	unsigned move = left < used ? left : used;
	unsigned i;

	for (i = 0; i < move; i++)
		arm(self, queue, i, queue->armed[queue->armed_count - 1 - i]);
	queue->armed_count = left;
}

/** Give the datagram of a slot up as rx[0]. */
static void take(struct host_port *self, uint8_t number, unsigned slot, struct dp_rx *rx)
{
	struct host_queue *queue = &self->queues[number];
	const struct mmsghdr *message = &queue->rx_messages[slot];
	struct rte_mbuf *mbuf = queue->armed[slot];

	/* Empty or cut off: the decoder refuses it, and counts it where a person looks. */
	if ((message->msg_hdr.msg_flags & MSG_TRUNC) != 0 || message->msg_len == 0)
		dp_port_count(&self->port.counters[number].stats.rx_ignored, 1);
	mbuf->data_len = (uint16_t)message->msg_len;
	mbuf->pkt_len = message->msg_len;
	*rx = (struct dp_rx){
		.bytes = {rte_pktmbuf_mtod(mbuf, const uint8_t *), message->msg_len},
		.from = {.ipv4 = ntohl(queue->rx_from[slot].sin_addr.s_addr),
			 .udp = ntohs(queue->rx_from[slot].sin_port),
			 .port = self->port.common.number},
		.core = number,
		.mbuf = mbuf,
	};
}

static unsigned host_rx(struct dp_port *port, uint8_t number, struct dp_rx *rx, unsigned max)
{
	struct host_port *self = host_of(port);
	struct host_queue *queue = &self->queues[number];
	unsigned count = 0;
	int n;
	int i;

	arm_all(self, queue);
	if (max > queue->armed_count)
		max = queue->armed_count;
	if (max == 0)
		return 0;
	n = recvmmsg(queue->fd, queue->rx_messages, max, MSG_DONTWAIT, NULL);
	if (n <= 0)
		return 0; /* nothing there, or an error of an earlier send that says nothing here */
	for (i = 0; i < n; i++) {
		take(self, number, (unsigned)i, &rx[count++]);
		queue->rx_messages[i].msg_hdr.msg_namelen = sizeof(queue->rx_from[i]);
	}
	close_gap(self, queue, (unsigned)n);
	dp_port_count(&port->counters[number].stats.rx_frames, (unsigned)n);
	return count;
}

/* ---- sending ---- */

/** Describe one datagram to the kernel; false if it has too many segments. */
static bool describe(struct host_queue *queue, unsigned slot, const struct rte_mbuf *mbuf,
		     const struct dp_address *to)
{
	struct iovec *spans = &queue->tx_spans[(size_t)slot * DP_SEGMENTS_MAX];
	unsigned count = 0;

	for (; mbuf != NULL; mbuf = mbuf->next) {
		if (count == DP_SEGMENTS_MAX)
			return false;
		spans[count].iov_base = rte_pktmbuf_mtod(mbuf, void *);
		spans[count++].iov_len = rte_pktmbuf_data_len(mbuf);
	}
	queue->tx_to[slot].sin_addr.s_addr = htonl(to->ipv4);
	queue->tx_to[slot].sin_port = htons(to->udp);
	queue->tx_messages[slot].msg_hdr.msg_iovlen = count;
	return true;
}

/** @return how many of the described messages went out. Skips those that the kernel refuses. */
static unsigned send_all(struct host_queue *queue, unsigned count)
{
	unsigned sent = 0;
	unsigned at = 0;

	while (at < count) {
		int n = sendmmsg(queue->fd, queue->tx_messages + at, count - at, MSG_DONTWAIT);

		if (n > 0) {
			sent += (unsigned)n;
			at += (unsigned)n;
		} else if (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM) {
			break; /* the socket buffer is full: the rest is lost */
		} else {
			at++; /* refused, unreachable, too long: this one alone */
		}
	}
	return sent;
}

static void host_tx(struct dp_port *port, uint8_t core, struct rte_mbuf **mbufs,
		    const struct dp_address *to, unsigned count)
{
	struct host_queue *queue = &host_of(port)->queues[core];
	struct dp_port_stats *stats = &port->counters[core].stats;
	unsigned described = 0;
	unsigned sent;
	unsigned i;

	for (i = 0; i < count; i++)
		described += describe(queue, described, mbufs[i], &to[i]) ? 1 : 0;
	sent = send_all(queue, described);
	rte_pktmbuf_free_bulk(mbufs, count);
	dp_port_count(&stats->tx_frames, sent);
	dp_port_count(&stats->tx_dropped, count - sent);
}

static int host_event_fd(const struct dp_port *port, uint8_t queue)
{
	const struct host_port *self = container_of(port, const struct host_port, port);

	return self->queues[queue].fd;
}

/* ---- opening and closing ---- */

static void host_close(struct dp_port *port)
{
	struct host_port *self = host_of(port);
	unsigned i;

	for (i = 0; i < port->common.cores; i++) {
		struct host_queue *queue = &self->queues[i];

		if (queue->armed_count > 0)
			rte_pktmbuf_free_bulk(queue->armed, queue->armed_count);
		if (queue->fd >= 0)
			(void)close(queue->fd);
	}
	rte_free(self);
}

static const struct dp_port_ops host_ops = {
	.rx = host_rx,
	.tx = host_tx,
	.event_fd = host_event_fd,
	.close = host_close,
};

static void raise_buffers(int fd)
{
	const int wanted = SOCKET_BUFFER_BYTES;

	/* Beyond net.core.*mem_max where we may; what is granted is enough to work. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &wanted, sizeof(wanted)) != 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &wanted, sizeof(wanted));
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof(wanted)) != 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof(wanted));
}

static void link_messages(struct host_queue *queue)
{
	unsigned i;

	for (i = 0; i < DP_BURST; i++) {
		queue->rx_messages[i].msg_hdr = (struct msghdr){
			.msg_name = &queue->rx_from[i],
			.msg_namelen = sizeof(queue->rx_from[i]),
			.msg_iov = &queue->rx_spans[i],
			.msg_iovlen = 1,
		};
		queue->tx_to[i].sin_family = AF_INET;
		queue->tx_messages[i].msg_hdr = (struct msghdr){
			.msg_name = &queue->tx_to[i],
			.msg_namelen = sizeof(queue->tx_to[i]),
			.msg_iov = &queue->tx_spans[(size_t)i * DP_SEGMENTS_MAX],
		};
	}
}

/** errno of socket or bind as one of ours, in words. */
static enum qr_error explain(int number, const struct sockaddr_in *address,
			     const struct dp_port_problem *problem)
{
	char text[INET_ADDRSTRLEN] = "";
	unsigned udp = ntohs(address->sin_port);

	(void)inet_ntop(AF_INET, &address->sin_addr, text, sizeof(text));
	switch (number) {
	case EADDRINUSE:
		return dp_port_fail(problem, QR_PORT_TAKEN,
				    "UDP %s:%u is taken (`ss -lunp sport = %u` names the process): "
				    "end that process, or choose another port in `host =`",
				    text, udp, udp);
	case EADDRNOTAVAIL:
		return dp_port_fail(problem, QR_NOT_FOUND,
				    "this machine has no address %s (`ip -4 addr` lists them): "
				    "correct `host =`",
				    text);
	case EACCES:
		return dp_port_fail(problem, QR_DENIED,
				    "UDP %s:%u may not be bound without CAP_NET_BIND_SERVICE: "
				    "choose a port above 1023 in `host =`",
				    text, udp);
	default:
		return dp_port_fail(problem, QR_IO, "UDP %s:%u: %s", text, udp,
				    strerrordesc_np(number));
	}
}

static enum qr_error open_queue(struct host_queue *queue, const struct sockaddr_in *address,
				const struct dp_port_problem *problem)
{
	queue->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (queue->fd < 0)
		return explain(errno, address, problem);
	raise_buffers(queue->fd);
	if (bind(queue->fd, (const struct sockaddr *)address, sizeof(*address)) != 0)
		return explain(errno, address, problem);
	link_messages(queue);
	return QR_OK;
}

static enum qr_error open_queues(struct host_port *self, uint32_t ipv4,
				 const struct dp_port_problem *problem)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(ipv4)}};
	enum qr_error error = QR_OK;
	unsigned i;

	for (i = 0; i < self->port.common.cores; i++)
		self->queues[i].fd = -1;
	for (i = 0; i < self->port.common.cores && error == QR_OK; i++) {
		address.sin_port = htons((uint16_t)(self->port.common.udp_base + i));
		error = open_queue(&self->queues[i], &address, problem);
	}
	return error;
}

enum qr_error dp_host_open(const struct dp_host_config *config, struct dp_port **ret_port,
			   char *problem, size_t problem_bytes)
{
	const struct dp_port_problem words = {problem, problem_bytes};
	const struct dp_port_common *common = &config->common;
	struct host_port *self;
	enum qr_error error;

	self = rte_zmalloc("host port", sizeof(*self) + common->cores * sizeof(self->queues[0]),
			   RTE_CACHE_LINE_SIZE);
	if (self == NULL)
		return dp_port_fail(&words, QR_NO_MEMORY, "no memory for the host port");
	error = dp_port_init(&self->port, &host_ops, common, &words);
	if (error != QR_OK) {
		rte_free(self);
		return error;
	}
	error = open_queues(self, config->ipv4, &words);
	if (error != QR_OK) {
		host_close(&self->port);
		return error;
	}
	(void)snprintf(self->port.name, sizeof(self->port.name), "host udp/%u", common->udp_base);
	*ret_port = &self->port;
	return QR_OK;
}
