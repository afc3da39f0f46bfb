/*
 * DPDK telemetry: /quorate/stats[,NODE] for dpdk-telemetry.py and the exporters that speak it.
 * Answers come from a thread of DPDK's and disturb no poll loop.
 */
#ifndef DP_ADMIN_TELEMETRY_H
#define DP_ADMIN_TELEMETRY_H

#include "dataplane/lcore/host.h"

/**
 * Register the command. DPDK hands no context to it, so the process is remembered in a static; it
 * must outlive DPDK.
 */
QR_MUST_USE enum qr_error dp_telemetry_register(struct dp_process *process);
/** The process is about to go: answers are empty from now on. */
void dp_telemetry_forget(void);

#endif
