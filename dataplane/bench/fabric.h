/*
 * The edge of a load inside the process of an embedded cluster: an endpoint of the in-process
 * fabric, polled by a lcore beside the replication cores.
 */
#ifndef DP_BENCH_FABRIC_H
#define DP_BENCH_FABRIC_H

#include "dataplane/bench/load.h"
#include "dataplane/lcore/host.h"

struct dp_bench_fabric;

/** Bytes of a client's datagrams there. */
uint32_t dp_bench_fabric_datagram_bytes(void);

/**
 * Give `load` the process' extra endpoint `number`, polled by `lcore`. Before the process starts;
 * the load outlives its polling. Errors: QR_NO_MEMORY, QR_OUT_OF_RANGE.
 */
QR_MUST_USE enum qr_error dp_bench_fabric_attach(struct dp_process *process, uint32_t number,
						 unsigned lcore, struct dp_bench_load *load,
						 struct dp_bench_fabric **ret_fabric);
/** After the process has stopped and before it is destroyed. */
void dp_bench_fabric_detach(struct dp_bench_fabric *fabric);

#endif
