/*
 * The kernel-UDP edge. Owns the socket and the buffers of a burst in each direction.
 *
 * A datagram that the kernel does not take is lost, as on any network: the state machine sends it
 * again. Only a broken socket is an error.
 */
#include "dataplane/client/udp.h"

#include "consensus/base/assert.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SOCKET_BUFFER_BYTES (4 << 20) /* asked for; the kernel gives what it may */
#define SEND_WAIT_MS 1

static uint64_t clock_ns(clockid_t id)
{
	struct timespec time = {0};

	(void)clock_gettime(id, &time); /* fails for unknown clocks only */
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

qr_ns dp_udp_now(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

enum qr_error dp_udp_random(void *bytes, size_t size_bytes)
{
	ssize_t got;

	do {
		got = getrandom(bytes, size_bytes, 0);
	} while (got < 0 && errno == EINTR);
	return got == (ssize_t)size_bytes ? QR_OK : QR_IO;
}

/* ---- set-up ---- */

static enum qr_error resolve_one(struct dp_udp *udp, char *endpoint)
{
	const struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_DGRAM};
	char *colon = strrchr(endpoint, ':');
	struct addrinfo *found = NULL;
	unsigned long port;
	char *end = NULL;

	if (colon == NULL || colon == endpoint || udp->seed_count == DP_CLIENT_SEEDS_MAX)
		return QR_CONFIG;
	*colon = '\0';
	port = strtoul(colon + 1, &end, 10);
	if (colon[1] < '0' || colon[1] > '9' || *end != '\0' || port == 0 || port > UINT16_MAX)
		return QR_CONFIG;
	if (getaddrinfo(endpoint, NULL, &hints, &found) != 0)
		return QR_CONFIG;
	memcpy(&udp->seeds[udp->seed_count], found->ai_addr, sizeof(struct sockaddr_in));
	udp->seeds[udp->seed_count++].sin_port = htons((uint16_t)port);
	freeaddrinfo(found);
	return QR_OK;
}

enum qr_error dp_udp_resolve(struct dp_udp *udp, const char *endpoints)
{
	enum qr_error error = QR_CONFIG; /* of an empty list */
	char *copy = strdup(endpoints);
	char *rest = NULL;

	if (copy == NULL)
		return QR_NO_MEMORY;
	udp->seed_count = 0;
	for (char *one = strtok_r(copy, ", ", &rest); one != NULL;
	     one = strtok_r(NULL, ", ", &rest)) {
		error = resolve_one(udp, one);
		if (error != QR_OK)
			break;
	}
	free(copy);
	return error;
}

enum qr_error dp_udp_open(struct dp_udp *udp, uint32_t datagram_max)
{
	const int buffer_bytes = SOCKET_BUFFER_BYTES;

	udp->datagram_max = datagram_max;
	udp->rx = malloc((size_t)DP_UDP_BURST * WIRE_DATAGRAM_MAX);
	udp->tx = malloc((size_t)DP_UDP_BURST * datagram_max);
	if (udp->rx == NULL || udp->tx == NULL)
		return QR_NO_MEMORY;
	udp->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (udp->fd < 0)
		return QR_IO;
	/* Less is given without privileges, and does: losses are repaired. */
	(void)setsockopt(udp->fd, SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof(buffer_bytes));
	(void)setsockopt(udp->fd, SOL_SOCKET, SO_SNDBUF, &buffer_bytes, sizeof(buffer_bytes));
	return QR_OK;
}

void dp_udp_close(struct dp_udp *udp)
{
	if (udp->fd >= 0)
		(void)close(udp->fd);
	udp->fd = -1;
	free(udp->rx);
	free(udp->tx);
	udp->rx = NULL;
	udp->tx = NULL;
}

/* ---- sending ---- */

static struct sockaddr_in address_of(const struct dp_udp *udp, const struct dp_client_tx *tx)
{
	const struct wire_endpoint *node;

	if (tx->node == 0) {
		QR_ASSERT(tx->seed < udp->seed_count);
		return udp->seeds[tx->seed];
	}
	node = dp_client_node(udp->client, tx->node);
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)(node->port + tx->core)),
		.sin_addr.s_addr = htonl(node->ipv4),
	};
}

/** Hand a burst to the kernel; one that is refused is skipped. */
static void send_burst(struct dp_udp *udp, struct mmsghdr *messages, unsigned count)
{
	bool waited = false;
	unsigned sent = 0;

	while (sent < count) {
		int taken = sendmmsg(udp->fd, messages + sent, count - sent, 0);
		struct pollfd writable = {.fd = udp->fd, .events = POLLOUT};

		if (taken > 0) {
			sent += (unsigned)taken;
		} else if (errno == EINTR) {
			continue;
		} else if ((errno == EAGAIN || errno == ENOBUFS) && !waited) {
			waited = true;
			(void)poll(&writable, 1, SEND_WAIT_MS);
		} else {
			sent++;
		}
	}
}

static void flush(struct dp_udp *udp)
{
	struct dp_client_tx tx[DP_UDP_BURST];
	struct sockaddr_in to[DP_UDP_BURST];
	struct iovec spans[DP_UDP_BURST];
	struct mmsghdr messages[DP_UDP_BURST];
	unsigned count;

	do {
		for (unsigned i = 0; i < DP_UDP_BURST; i++) {
			tx[i] = (struct dp_client_tx){
				.data = udp->tx + (size_t)i * udp->datagram_max,
				.capacity_bytes = udp->datagram_max,
			};
		}
		count = dp_client_poll(udp->client, dp_udp_now(), tx, DP_UDP_BURST);
		for (unsigned i = 0; i < count; i++) {
			to[i] = address_of(udp, &tx[i]);
			spans[i] = (struct iovec){tx[i].data, tx[i].size_bytes};
			messages[i] = (struct mmsghdr){.msg_hdr = {.msg_name = &to[i],
								   .msg_namelen = sizeof(to[i]),
								   .msg_iov = &spans[i],
								   .msg_iovlen = 1}};
		}
		if (count != 0)
			send_burst(udp, messages, count);
	} while (count == DP_UDP_BURST);
}

/* ---- receiving ---- */

/** Take a burst. @return how many came; ret_error QR_IO if the socket is broken. */
static unsigned receive(struct dp_udp *udp, enum qr_error *ret_error)
{
	struct iovec spans[DP_UDP_BURST];
	struct mmsghdr messages[DP_UDP_BURST];
	qr_ns now_ns;
	int count;

	for (unsigned i = 0; i < DP_UDP_BURST; i++) {
		spans[i] =
			(struct iovec){udp->rx + (size_t)i * WIRE_DATAGRAM_MAX, WIRE_DATAGRAM_MAX};
		messages[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &spans[i], .msg_iovlen = 1}};
	}
	count = recvmmsg(udp->fd, messages, DP_UDP_BURST, MSG_DONTWAIT, NULL);
	if (count < 0) {
		bool broken = errno == EBADF || errno == ENOTSOCK || errno == EFAULT;

		*ret_error = broken ? QR_IO : QR_OK;
		return 0;
	}
	now_ns = dp_udp_now();
	for (int i = 0; i < count; i++) {
		dp_client_receive(udp->client,
				  (struct qr_span){spans[i].iov_base, messages[i].msg_len}, now_ns);
	}
	*ret_error = QR_OK;
	return (unsigned)count;
}

/** Wait until something comes, which makes it true, or until the machine has something to do. */
static bool wait_until(struct dp_udp *udp, qr_ns until_ns)
{
	struct pollfd readable = {.fd = udp->fd, .events = POLLIN};
	qr_ns deadline_ns = dp_client_next_deadline(udp->client);
	qr_ns now_ns = dp_udp_now();
	struct timespec timeout;
	qr_ns wait_ns;

	if (deadline_ns > until_ns)
		deadline_ns = until_ns;
	wait_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
	timeout.tv_sec = (time_t)(wait_ns / 1000000000u);
	timeout.tv_nsec = (long)(wait_ns % 1000000000u);
	return ppoll(&readable, 1, deadline_ns == UINT64_MAX ? NULL : &timeout, NULL) > 0;
}

enum qr_error dp_udp_turn(struct dp_udp *udp, qr_ns timeout_ns)
{
	qr_ns now_ns = dp_udp_now();
	qr_ns until_ns = timeout_ns > UINT64_MAX - now_ns ? UINT64_MAX : now_ns + timeout_ns;
	enum qr_error error = QR_OK;

	dp_client_set_wall_clock(udp->client, clock_ns(CLOCK_REALTIME), now_ns);
	for (;;) {
		unsigned came;

		flush(udp);
		came = receive(udp, &error);
		if (error != QR_OK)
			return error;
		if (came != 0) {
			flush(udp); /* what the callbacks appended leaves at once */
			return QR_OK;
		}
		if (timeout_ns == 0 || dp_udp_now() >= until_ns)
			return QR_OK;
		if (!wait_until(udp, until_ns)) {
			flush(udp); /* a timer may have ended what the caller waits for */
			return QR_OK;
		}
	}
}
