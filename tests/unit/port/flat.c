#include "tests/unit/port/flat.h"

#include <rte_mbuf.h>

#include <stdlib.h>
#include <string.h>

bool flat_init(struct rte_mbuf *mbuf, const void *bytes, size_t size_bytes)
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

bool flat_cut(struct rte_mbuf *mbuf, const struct rte_mbuf *from, size_t size_bytes)
{
	return flat_init(mbuf, rte_pktmbuf_mtod(from, const void *), size_bytes);
}

void flat_fini(struct rte_mbuf *mbuf)
{
	free(mbuf->buf_addr);
}
