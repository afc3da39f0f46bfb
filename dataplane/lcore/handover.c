/*
 * The hand-over between cores. The mbuf travels alone: the datagram becomes its whole data, and its
 * source stands where drivers put the RSS hash, which nobody reads after reception.
 */
#include "dataplane/lcore/handover.h"

#include "consensus/base/assert.h"

#include <rte_mbuf.h>

_Static_assert(sizeof(struct dp_address) <= sizeof(((struct rte_mbuf *)NULL)->hash),
	       "an address fits an mbuf's hash");

bool dp_handover_send(struct rte_ring *ring, const struct dp_rx *rx)
{
	struct rte_mbuf *mbuf = rx->mbuf;

	QR_ASSERT(rx->bytes.size_bytes <= UINT16_MAX);
	mbuf->data_off = (uint16_t)(rx->bytes.data - (const uint8_t *)mbuf->buf_addr);
	mbuf->data_len = (uint16_t)rx->bytes.size_bytes;
	mbuf->pkt_len = (uint32_t)rx->bytes.size_bytes;
	memcpy(&mbuf->hash, &rx->from, sizeof(rx->from));
	if (rte_ring_sp_enqueue(ring, mbuf) == 0)
		return true;
	rte_pktmbuf_free(mbuf);
	return false;
}

unsigned dp_handover_take(struct rte_ring *ring, struct dp_rx *rx, unsigned max)
{
	struct rte_mbuf *mbufs[DP_BURST];
	unsigned count = rte_ring_sc_dequeue_burst(ring, (void **)mbufs,
						   max < DP_BURST ? max : DP_BURST, NULL);

	for (unsigned i = 0; i < count; i++) {
		rx[i] = (struct dp_rx){
			.bytes = {rte_pktmbuf_mtod(mbufs[i], const uint8_t *),
				  rte_pktmbuf_data_len(mbufs[i])},
			.mbuf = mbufs[i],
		};
		memcpy(&rx[i].from, &mbufs[i]->hash, sizeof(rx[i].from));
	}
	return count;
}
