/* EAL for a test: no huge pages, no PCI, no root; everything it leaves is in a directory of its
 * own. */
#ifndef QR_TESTS_PORT_EAL_H
#define QR_TESTS_PORT_EAL_H

#include "consensus/base/codec.h"

struct rte_mbuf;
struct rte_mempool;

/** Start EAL; false says why on stderr. Once a process. */
bool test_eal_start(void);
/** The directory: sockets go there too. */
const char *test_eal_dir(void);
/** Stop EAL and remove the directory. */
void test_eal_stop(void);

/** An mbuf of the pool with `size` bytes at its data, filled from `seed`. Never NULL. */
struct rte_mbuf *test_mbuf(struct rte_mempool *pool, uint32_t size, uint8_t seed);
/** Whether bytes are what test_mbuf fills in. */
bool test_bytes_match(struct qr_span bytes, uint32_t size, uint8_t seed);
/** Monotonic ns. */
qr_ns test_now(void);

#endif
