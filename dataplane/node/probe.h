/*
 * USDT probes at the stages of an append: a nop each until a tracer attaches.
 *
 *	bpftrace -e 'usdt:/usr/bin/quorated:quorate:quorum { @us = hist(arg2 / 1000) }'
 *
 *   rx      bytes of a datagram, ns since the turn before
 *   batch   group, index, records, ns that the entry was open
 *   disk    group, index, ns from closed to durable here
 *   quorum  group, index, ns from closed to committed
 *   ack     group, answers in the datagram, ns since the commit
 */
#ifndef DP_NODE_PROBE_H
#define DP_NODE_PROBE_H

#include <sys/sdt.h>

#define DP_PROBE_RX(bytes, ns) DTRACE_PROBE2(quorate, rx, bytes, ns)
#define DP_PROBE_BATCH(group, index, records, ns)                                                  \
	DTRACE_PROBE4(quorate, batch, group, index, records, ns)
#define DP_PROBE_DISK(group, index, ns) DTRACE_PROBE3(quorate, disk, group, index, ns)
#define DP_PROBE_QUORUM(group, index, ns) DTRACE_PROBE3(quorate, quorum, group, index, ns)
#define DP_PROBE_ACK(group, answers, ns) DTRACE_PROBE3(quorate, ack, group, answers, ns)

#endif
