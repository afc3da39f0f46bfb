/* An mbuf without EAL: its buffer is of the exact size, so that a sanitizer sees a byte too far. */
#ifndef QR_TESTS_PORT_FLAT_H
#define QR_TESTS_PORT_FLAT_H

#include <stdbool.h>
#include <stddef.h>

struct rte_mbuf;

/** A headroom and these bytes, nothing behind them. False: no memory. */
bool flat_init(struct rte_mbuf *mbuf, const void *bytes, size_t size_bytes);
/** A flat mbuf that ends where the first `size_bytes` of the frame in `from` do. */
bool flat_cut(struct rte_mbuf *mbuf, const struct rte_mbuf *from, size_t size_bytes);
void flat_fini(struct rte_mbuf *mbuf);

#endif
