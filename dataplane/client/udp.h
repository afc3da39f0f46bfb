/*
 * The kernel-UDP edge of the client: the only system calls. Moves datagrams between a socket and
 * the state machine, and waits. Not for users.
 */
#ifndef DP_CLIENT_UDP_H
#define DP_CLIENT_UDP_H

#include "dataplane/client/machine.h"

#include <netinet/in.h>

#define DP_UDP_BURST 32

struct dp_udp {
	int fd;
	struct dp_client *client;
	uint32_t seed_count;
	struct sockaddr_in seeds[DP_CLIENT_SEEDS_MAX];
	uint8_t *rx; /* DP_UDP_BURST buffers of WIRE_DATAGRAM_MAX */
	uint8_t *tx; /* DP_UDP_BURST buffers of datagram_max */
	uint32_t datagram_max;
};

qr_ns dp_udp_now(void);
/** Random bits of the kernel. Errors: QR_IO. */
QR_MUST_USE enum qr_error dp_udp_random(void *bytes, size_t size_bytes);
/** Resolve "host:port,host:port" into seeds. Errors: QR_CONFIG. Blocks on name service. */
QR_MUST_USE enum qr_error dp_udp_resolve(struct dp_udp *udp, const char *endpoints);
/** Open the socket. The client is set by the caller afterwards. Errors: QR_IO, QR_NO_MEMORY. */
QR_MUST_USE enum qr_error dp_udp_open(struct dp_udp *udp, uint32_t datagram_max);
/** Takes half-built ones. */
void dp_udp_close(struct dp_udp *udp);
/**
 * One turn: send, receive, and send what that caused.
 * @param timeout_ns  wait this long for something to come; UINT64_MAX: without bound. A signal ends
 *                    the wait, and so does a timer of the machine, which may end what it works on.
 * Errors: QR_IO.
 */
QR_MUST_USE enum qr_error dp_udp_turn(struct dp_udp *udp, qr_ns timeout_ns);

#endif
