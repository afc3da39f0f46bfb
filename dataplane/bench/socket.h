/*
 * The edge of a load outside the cluster's processes: a thread with a kernel UDP socket, as any
 * client without DPDK has it.
 */
#ifndef DP_BENCH_SOCKET_H
#define DP_BENCH_SOCKET_H

#include "dataplane/bench/load.h"
#include "dataplane/client/udp.h"

struct dp_bench_socket;

/**
 * Open a socket for `load` and turn it in a thread of its own.
 * @param seeds  addresses to ask first; read until return.
 * Errors: QR_IO, QR_NO_MEMORY.
 */
QR_MUST_USE enum qr_error dp_bench_socket_start(struct dp_bench_load *load,
						const struct dp_udp *seeds, uint32_t datagram_max,
						struct dp_bench_socket **ret_socket);
/** End the thread and close; NULL is fine. The load stays. */
void dp_bench_socket_stop(struct dp_bench_socket *edge);

#endif
