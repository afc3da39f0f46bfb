/*
 * The fabric edge. It owns its port and a stock of empty buffers, so that the client always writes
 * straight into what is sent.
 */
#include "dataplane/bench/fabric.h"

#include "consensus/base/assert.h"
#include "dataplane/port/port.h"
#include "dataplane/port/vdev.h"

#include <rte_mbuf.h>

#include <stdlib.h>

#define RECEIVE_BURSTS 4 /* in one turn */

struct dp_bench_fabric {
	struct dp_bench_load *load;
	struct dp_client *client;
	struct dp_port *port;
	struct rte_mempool *pool;
	unsigned empty_count;
	struct rte_mbuf *empty[DP_BURST];
	struct dp_client_tx tx[DP_BURST]; /* over `empty` */
};

uint32_t dp_bench_fabric_datagram_bytes(void)
{
	return DP_RING_DATAGRAM_MAX;
}

static void restock(struct dp_bench_fabric *fabric)
{
	while (fabric->empty_count < DP_BURST) {
		struct rte_mbuf *mbuf = rte_pktmbuf_alloc(fabric->pool);
		unsigned at = fabric->empty_count;

		if (mbuf == NULL)
			return;
		QR_ASSERT(rte_pktmbuf_tailroom(mbuf) >= DP_RING_DATAGRAM_MAX);
		fabric->empty[at] = mbuf;
		fabric->tx[at].data = rte_pktmbuf_mtod(mbuf, uint8_t *);
		fabric->tx[at].capacity_bytes = DP_RING_DATAGRAM_MAX;
		fabric->empty_count++;
	}
}

static bool receive(struct dp_bench_fabric *fabric, qr_ns now)
{
	struct dp_rx rx[DP_BURST];
	bool any = false;

	for (unsigned burst = 0; burst < RECEIVE_BURSTS; burst++) {
		unsigned count = dp_port_rx(fabric->port, 0, rx, DP_BURST);

		for (unsigned i = 0; i < count; i++) {
			dp_client_receive(fabric->client, rx[i].bytes, now);
			rte_pktmbuf_free(rx[i].mbuf);
		}
		any = any || count > 0;
		if (count < DP_BURST)
			break;
	}
	return any;
}

/** Node n is endpoint n. Seeds are tried in the order of nodes. */
static struct dp_address address_of(const struct dp_client_tx *tx)
{
	return (struct dp_address){.ipv4 = tx->node != 0 ? tx->node : tx->seed + 1,
				   .udp = tx->core};
}

static bool transmit(struct dp_bench_fabric *fabric, qr_ns now)
{
	struct dp_address to[DP_BURST];
	unsigned count;

	restock(fabric);
	count = dp_client_poll(fabric->client, now, fabric->tx, fabric->empty_count);
	if (count == 0)
		return false;
	for (unsigned i = 0; i < count; i++) {
		struct rte_mbuf *mbuf = fabric->empty[i];

		mbuf->data_len = (uint16_t)fabric->tx[i].size_bytes;
		mbuf->pkt_len = fabric->tx[i].size_bytes;
		to[i] = address_of(&fabric->tx[i]);
	}
	dp_port_tx(fabric->port, 0, fabric->empty, to, count);
	fabric->empty_count -= count;
	for (unsigned i = 0; i < fabric->empty_count; i++) {
		fabric->empty[i] = fabric->empty[i + count];
		fabric->tx[i] = fabric->tx[i + count];
	}
	return true;
}

static bool poll_fabric(void *context, qr_ns now)
{
	struct dp_bench_fabric *fabric = context;
	bool busy = receive(fabric, now);

	busy |= dp_bench_load_turn(fabric->load, now);
	busy |= transmit(fabric, now);
	return busy;
}

enum qr_error dp_bench_fabric_attach(struct dp_process *process, uint32_t number, unsigned lcore,
				     struct dp_bench_load *load,
				     struct dp_bench_fabric **ret_fabric)
{
	const struct dp_port_common common = {
		.cores = 1,
		.pool = dp_process_pool(process),
		.datagram_max = DP_RING_DATAGRAM_MAX,
	};
	struct dp_bench_fabric *fabric = calloc(1, sizeof(*fabric));
	enum qr_error error;

	if (fabric == NULL)
		return QR_NO_MEMORY;
	fabric->load = load;
	fabric->client = dp_bench_load_client(load);
	fabric->pool = common.pool;
	error = dp_ring_open(dp_process_fabric(process), dp_process_extra_endpoint(process, number),
			     &common, &fabric->port);
	if (error != QR_OK) {
		free(fabric);
		return error;
	}
	dp_process_add_poller(process, lcore, poll_fabric, fabric);
	*ret_fabric = fabric;
	return QR_OK;
}

void dp_bench_fabric_detach(struct dp_bench_fabric *fabric)
{
	if (fabric == NULL)
		return;
	rte_pktmbuf_free_bulk(fabric->empty, fabric->empty_count);
	dp_port_close(fabric->port);
	free(fabric);
}
