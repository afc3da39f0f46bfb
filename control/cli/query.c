/*
 * Asking nodes. Owns one socket for the time of a call. Request ids are drawn at random and answers
 * are matched by them, so a stale answer of an earlier call or a forged one finds no question.
 */
#include "control/cli/query.h"
#include "control/cli/clock.h"
#include "control/cli/complain.h"
#include "control/cli/heap.h"

#include "consensus/base/assert.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define MILLISECOND 1000000ull
#define REPEAT (100 * MILLISECOND) /* the first repetition; then twice as long each time */
#define REPEAT_DOUBLINGS 4

struct query {
	int socket;
	uint64_t cluster;
	uint64_t request; /* of asks[0]; asks[i] has request + i */
	uint64_t counter;
	uint32_t incarnation;
	struct ctl_ask *asks;
	size_t ask_count;
	ctl_query_taker take;
	uint8_t datagram[WIRE_DATAGRAM_MAX];
	struct ctl_answer answer;
};

static struct sockaddr_in address_of(const struct ctl_ask *ask)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons(ask->port),
		.sin_addr.s_addr = htonl(ask->ipv4),
	};
}

static void put_question(struct qr_writer *writer, const struct ctl_ask *ask, uint64_t request)
{
	if (ask->type == WIRE_DESCRIBE) {
		wire_put_describe(writer,
				  &(struct wire_describe){.request = request, .first = ask->first});
	} else if (ask->type == WIRE_STATUS) {
		wire_put_status(writer,
				&(struct wire_status){.request = request, .first = ask->first});
	} else {
		wire_put_tail(writer, ask->group, &(struct wire_tail){.request = request});
	}
}

static void send_question(struct query *query, struct ctl_ask *ask, qr_ns now)
{
	struct wire_header header = {
		.source = WIRE_FROM_CLIENT,
		.to = ask->node,
		.cluster = query->cluster,
		.incarnation = query->incarnation,
		.counter = ++query->counter,
	};
	struct sockaddr_in address = address_of(ask);
	struct qr_writer writer = qr_writer_over(query->datagram, WIRE_DATAGRAM_MIN);
	size_t bytes;

	wire_begin(&writer);
	put_question(&writer, ask, query->request + (uint64_t)(ask - query->asks));
	bytes = wire_finish(&writer, &header);
	QR_ASSERT(bytes != 0);
	ask->sent = now;
	ask->tries++;
	/*
	 * The first call may fail for an earlier datagram, to another node that refused it: this
	 * one has not left then. Lost or refused itself: the repetition, or the error queue, sees
	 * to it.
	 */
	if (sendto(query->socket, query->datagram, bytes, 0, (struct sockaddr *)&address,
		   sizeof(address)) < 0) {
		(void)sendto(query->socket, query->datagram, bytes, 0, (struct sockaddr *)&address,
			     sizeof(address));
	}
}

static qr_ns due(const struct ctl_ask *ask)
{
	uint32_t doublings = ask->tries < REPEAT_DOUBLINGS ? ask->tries : REPEAT_DOUBLINGS;

	return ask->tries == 0 ? 0 : ask->sent + ((REPEAT / 2) << doublings);
}

static bool is_open(const struct ctl_ask *ask)
{
	return !ask->done && !ask->refused;
}

/* Send what is due. Returns when the next one is; UINT64_MAX: nothing is open any more. */
static qr_ns send_due(struct query *query, qr_ns now)
{
	qr_ns next = UINT64_MAX;

	for (size_t i = 0; i < query->ask_count; i++) {
		struct ctl_ask *ask = &query->asks[i];

		if (!is_open(ask))
			continue;
		if (due(ask) <= now)
			send_question(query, ask, now);
		if (due(ask) < next)
			next = due(ask);
	}
	return next;
}

/* Decode an answer; false if it is none. */
static bool decode(struct query *query, const struct wire_message *message, uint64_t *ret_request)
{
	struct ctl_answer *answer = &query->answer;

	if (message->type == WIRE_DESCRIPTION) {
		answer->type = WIRE_DESCRIBE;
		if (wire_get_description(message, &answer->description) != QR_OK)
			return false;
		*ret_request = answer->description.request;
	} else if (message->type == WIRE_STATUS_REPLY) {
		answer->type = WIRE_STATUS;
		if (wire_get_status_reply(message, &answer->status) != QR_OK)
			return false;
		*ret_request = answer->status.request;
	} else if (message->type == WIRE_TAIL_REPLY) {
		answer->type = WIRE_TAIL;
		if (wire_get_tail_reply(message, &answer->tail) != QR_OK)
			return false;
		*ret_request = answer->tail.request;
	} else {
		return false;
	}
	return true;
}

static void take_message(struct query *query, const struct wire_message *message, qr_ns now)
{
	struct ctl_ask *ask;
	uint64_t request;
	uint32_t first;

	if (!decode(query, message, &request) || request - query->request >= query->ask_count)
		return;
	ask = &query->asks[request - query->request];
	if (!is_open(ask) || ask->type != query->answer.type)
		return;
	first = ask->first;
	query->take(ask, &query->answer);
	if (!ask->done && ask->first != first) {
		ask->tries = 0;
		send_question(query, ask, now);
	}
}

static void take_datagram(struct query *query, size_t bytes, qr_ns now)
{
	struct wire_message message;
	struct wire_header header;
	struct qr_reader messages;
	uint8_t *copy = query->datagram;

	if (wire_open((struct qr_span){.data = copy, .size_bytes = bytes}, &header, &messages) !=
		    QR_OK ||
	    header.cluster != query->cluster)
		return;
	/* take_message may send, which overwrites the datagram: an answer is one message */
	if (wire_next(&messages, &message) == QR_OK)
		take_message(query, &message, now);
}

/*
 * Which address did the kernel find closed? Its questions need not wait. False: none is known of.
 * What is queued here outlives the error that a call returns, and keeps poll from sleeping.
 */
static bool take_refusal(struct query *query)
{
	struct sockaddr_in address;
	char control[256];
	struct iovec payload = {.iov_base = query->datagram, .iov_len = sizeof(query->datagram)};
	struct msghdr message = {
		.msg_name = &address,
		.msg_namelen = sizeof(address),
		.msg_iov = &payload,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};

	if (recvmsg(query->socket, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0)
		return false;
	for (size_t i = 0; i < query->ask_count; i++) {
		struct ctl_ask *ask = &query->asks[i];

		if (htons(ask->port) == address.sin_port &&
		    htonl(ask->ipv4) == address.sin_addr.s_addr)
			ask->refused = true;
	}
	return true;
}

static void receive(struct query *query, qr_ns now)
{
	while (take_refusal(query))
		;
	for (;;) {
		ssize_t got =
			recv(query->socket, query->datagram, sizeof(query->datagram), MSG_DONTWAIT);

		if (got >= 0) {
			take_datagram(query, (size_t)got, now);
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			return;
		} else if (errno != EINTR) {
			(void)take_refusal(query);
		}
	}
}

static void run(struct query *query, qr_ns timeout)
{
	qr_ns deadline = ctl_clock_now() + timeout;

	for (;;) {
		struct pollfd wait = {.fd = query->socket, .events = POLLIN};
		qr_ns now = ctl_clock_now();
		qr_ns next = send_due(query, now);

		if (next == UINT64_MAX || now >= deadline)
			return;
		next = next < deadline ? next : deadline;
		if (poll(&wait, 1, ctl_clock_poll_ms(now, next)) > 0)
			receive(query, ctl_clock_now());
	}
}

enum qr_error ctl_query(const char *cluster, struct ctl_ask *asks, size_t ask_count, qr_ns timeout,
			ctl_query_taker take)
{
	struct query *query = ctl_heap_take(1, sizeof(*query));
	int one = 1;
	enum qr_error error = QR_OK;

	query->cluster = wire_cluster_id(cluster);
	query->asks = asks;
	query->ask_count = ask_count;
	query->take = take;
	query->socket = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (query->socket < 0 ||
	    getrandom(&query->incarnation, sizeof(query->incarnation), 0) < 0 ||
	    getrandom(&query->request, sizeof(query->request), 0) < 0) {
		ctl_complain("no UDP socket: %s", strerrordesc_np(errno));
		error = QR_IO;
	} else {
		(void)setsockopt(query->socket, IPPROTO_IP, IP_RECVERR, &one, sizeof(one));
		run(query, timeout);
	}
	if (query->socket >= 0)
		(void)close(query->socket);
	free(query);
	return error;
}
