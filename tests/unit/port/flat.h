/* An mbuf without EAL: its buffer is of the exact size, so that a sanitizer sees a byte too far. */
#ifndef QR_TESTS_PORT_FLAT_H
#define QR_TESTS_PORT_FLAT_H

#include <rte_mbuf.h>

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/** A headroom and these bytes, nothing behind them. False: no memory. */
static inline bool flat_init(struct rte_mbuf *mbuf, const void *bytes, size_t size_bytes)
{
	uint8_t *buffer = malloc(RTE_PKTMBUF_HEADROOM + size_bytes);

	if (buffer == NULL)
		return false;
	memset(buffer, 0, RTE_PKTMBUF_HEADROOM);
	if (size_bytes != 0)
		memcpy(buffer + RTE_PKTMBUF_HEADROOM, bytes, size_bytes);
	memset(mbuf, 0, sizeof(*mbuf));
	mbuf->buf_addr = buffer;
	mbuf->buf_len = (uint16_t)(RTE_PKTMBUF_HEADROOM + size_bytes);
	mbuf->data_off = RTE_PKTMBUF_HEADROOM;
	mbuf->data_len = (uint16_t)size_bytes;
	mbuf->pkt_len = (uint32_t)size_bytes;
	mbuf->nb_segs = 1;
	mbuf->refcnt = 1;
	return true;
}

static inline void flat_fini(struct rte_mbuf *mbuf)
{
	free(mbuf->buf_addr);
}

/** Copy the frame that `from` holds into a flat mbuf that ends where the first `size_bytes` do. */
static inline bool flat_cut(struct rte_mbuf *mbuf, const struct rte_mbuf *from, size_t size_bytes)
{
	return flat_init(mbuf, rte_pktmbuf_mtod(from, const void *), size_bytes);
}

#endif
