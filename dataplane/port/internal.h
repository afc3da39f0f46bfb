/* What the kinds of ports share: the object that port.c dispatches on. */
#ifndef DP_PORT_INTERNAL_H
#define DP_PORT_INTERNAL_H

#include "dataplane/port/port.h"

#include <rte_common.h>

/* Segments of one outgoing datagram: a header, bulk bytes that stay where they are, and one to
 * spare. */
#define DP_SEGMENTS_MAX 3
#define DP_PORT_NAME_BYTES 80

struct dp_port_ops {
	unsigned (*rx)(struct dp_port *port, uint8_t queue, struct dp_rx *rx, unsigned max);
	/* at most DP_BURST of them */
	void (*tx)(struct dp_port *port, uint8_t core, struct rte_mbuf **mbufs,
		   const struct dp_address *to, unsigned count);
	void (*tick)(struct dp_port *port, qr_ns now_ns);	    /* or NULL */
	bool (*is_up)(const struct dp_port *port);		    /* or NULL: always */
	int (*event_fd)(const struct dp_port *port, uint8_t queue); /* or NULL: has none */
	void (*close)(struct dp_port *port);
};

/* One core's counters. It alone writes them, so an increment is a plain load and a relaxed store.
 */
struct dp_port_counters {
	struct dp_port_stats stats;
} __rte_cache_aligned;

/* The first member of every kind. */
struct dp_port {
	const struct dp_port_ops *ops;
	struct dp_port_common common;
	uint8_t queues;
	char name[DP_PORT_NAME_BYTES];
	struct dp_port_counters counters[DP_PORT_CORES_MAX];
};

static inline void dp_port_count(uint64_t *counter, uint64_t amount)
{
	__atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + amount,
			 __ATOMIC_RELAXED);
}

/* Where the words for a person go; `text` may be NULL. */
struct dp_port_problem {
	char *text;
	size_t size_bytes;
};

/** Say what is wrong and what to do. @return `error`. */
enum qr_error dp_port_fail(const struct dp_port_problem *problem, enum qr_error error,
			   const char *format, ...) __attribute__((format(printf, 3, 4)));

/**
 * Check what all kinds are told, and fill the object.
 * Errors: QR_CONFIG     more than DP_PORT_CORES_MAX cores or none, or UDP ports beyond 65535;
 *         QR_TOO_LARGE  the pool's buffers do not hold datagram_max.
 */
QR_MUST_USE enum qr_error dp_port_init(struct dp_port *port, const struct dp_port_ops *ops,
				       const struct dp_port_common *common,
				       const struct dp_port_problem *problem);
/** Free what cannot go out, and count it. */
void dp_port_drop(struct dp_port *port, uint8_t core, struct rte_mbuf **mbufs, unsigned count);

#endif
