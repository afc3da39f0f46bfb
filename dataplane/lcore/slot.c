/*
 * One replication core in the poll loop: everything between the pure core and the ports and disk.
 * Run to completion: what arrived is taken, then the core decides once, then its datagrams and disk
 * operations leave in the same turn.
 *
 * A slot belongs to one lcore; its counters have one writer. A crash loses memory only: what must
 * survive is the core's to order and the disk ring's to write.
 */
#include "dataplane/lcore/internal.h"

#include <rte_mbuf.h>
#include <urcu-qsbr.h>

#include <stdlib.h>
#include <time.h>

_Static_assert(DP_BURST <= UINT16_MAX, "bursts are counted in 16 bits by DPDK");

static void count(uint64_t *counter, uint64_t amount)
{
	/* One writer; others read it relaxed. */
	__atomic_store_n(counter, *counter + amount, __ATOMIC_RELAXED);
}

/* ---- start and end ---- */

enum qr_error dp_slot_start(struct dp_slot *slot, struct store_problem *problem)
{
	uint32_t group_count = dp_core_group_count(slot->core);
	/* Windows and readers: nobody has more readers than groups' worth of peers and clients. */
	uint32_t span_max = group_count + DP_PEERS_MAX + DP_DISK_BATCH;
	struct qr_span *spans = calloc(span_max, sizeof(*spans));
	qr_group *groups = calloc(group_count + 1, sizeof(*groups));
	struct store_io_parameters parameters = {
		.directory = &slot->host->directory,
		.depth = 2 * DP_DISK_BATCH,
		.buffers = spans,
		.groups = groups,
		.group_count = group_count,
	};
	enum qr_error error = QR_NO_MEMORY;

	if (spans != NULL && groups != NULL) {
		parameters.buffer_count = dp_core_buffers(slot->core, spans, span_max);
		for (uint32_t g = 0; g < group_count; g++)
			groups[g] = dp_core_group(slot->core, g);
		error = store_io_create(&parameters, &slot->io, problem);
	}
	free(groups);
	free(spans);
	return error;
}

void dp_slot_end(struct dp_slot *slot)
{
	store_io_destroy(slot->io);
	slot->io = NULL;
	for (unsigned i = 0; i < slot->armed; i++)
		rte_pktmbuf_free(slot->tx[i].handle);
	slot->armed = 0;
}

/* ---- receiving ---- */

/** Pass a datagram to the core of this node that it was sent to. */
static void hand_over(struct dp_slot *slot, const struct dp_rx *rx)
{
	if (rx->core >= slot->cores) {
		rte_pktmbuf_free(rx->mbuf);
		count(&slot->counters.handover_dropped, 1);
	} else if (dp_handover_send(slot->host->slots[rx->core].inboxes[slot->number], rx)) {
		count(&slot->counters.handed_over, 1);
	} else {
		count(&slot->counters.handover_dropped, 1);
	}
}

static void take_burst(struct dp_slot *slot, const struct dp_rx *rx, unsigned received,
		       qr_ns now_ns)
{
	struct rte_mbuf *done[DP_BURST];
	unsigned done_count = 0;

	for (unsigned i = 0; i < received; i++) {
		if (rx[i].core != slot->number) {
			hand_over(slot, &rx[i]);
			continue;
		}
		dp_core_receive(slot->core, rx[i].bytes, rx[i].from, now_ns);
		done[done_count++] = rx[i].mbuf;
	}
	rte_pktmbuf_free_bulk(done, done_count);
}

static bool receive_ports(struct dp_slot *slot, qr_ns now_ns)
{
	struct dp_host *host = slot->host;
	bool busy = false;

	for (uint32_t p = 0; p < host->port_count; p++) {
		struct dp_rx rx[DP_BURST];
		unsigned received;

		if (slot->number >= dp_port_queues(host->ports[p]) ||
		    now_ns < slot->host_poll_at_ns[p])
			continue;
		received = dp_port_rx(host->ports[p], slot->number, rx, DP_BURST);
		if (received > 0) {
			take_burst(slot, rx, received, now_ns);
			busy = true;
		} else if (dp_port_event_fd(host->ports[p], slot->number) >= 0) {
			slot->host_poll_at_ns[p] = now_ns + DP_HOST_POLL_NS;
		}
	}
	return busy;
}

static bool receive_inboxes(struct dp_slot *slot, qr_ns now_ns)
{
	bool busy = false;

	for (uint8_t c = 0; c < slot->cores; c++) {
		struct dp_rx rx[DP_BURST];
		unsigned received;

		if (c == slot->number)
			continue;
		received = dp_handover_take(slot->inboxes[c], rx, DP_BURST);
		for (unsigned i = 0; i < received; i++) {
			dp_core_receive(slot->core, rx[i].bytes, rx[i].from, now_ns);
			rte_pktmbuf_free(rx[i].mbuf);
		}
		busy = busy || received > 0;
	}
	return busy;
}

static bool reap(struct dp_slot *slot, qr_ns now_ns)
{
	struct store_completion completions[DP_DISK_BATCH];
	unsigned reaped = store_io_reap(slot->io, completions, DP_DISK_BATCH);

	for (unsigned i = 0; i < reaped; i++)
		dp_core_complete(slot->core, &completions[i], now_ns);
	return reaped > 0;
}

/* ---- sending ---- */

/** Give every place of tx[] a buffer; with a short pool the first ones only. */
static void arm(struct dp_slot *slot)
{
	while (slot->armed < DP_BURST) {
		struct rte_mbuf *mbuf = rte_pktmbuf_alloc(slot->pool);
		struct dp_tx *tx = &slot->tx[slot->armed];

		if (mbuf == NULL) {
			count(&slot->counters.buffers_short, 1);
			return;
		}
		tx->handle = mbuf;
		tx->data = rte_pktmbuf_mtod(mbuf, uint8_t *);
		tx->capacity_bytes = slot->datagram_bytes;
		slot->armed++;
	}
}

/** The first `used` places were given away: the armed ones move to the front. */
static void close_gap(struct dp_slot *slot, unsigned used)
{
	unsigned left = slot->armed - used;
	unsigned moved = left < used ? left : used;

	for (unsigned i = 0; i < moved; i++)
		slot->tx[i] = slot->tx[slot->armed - 1 - i];
	slot->armed = left;
}

/** Where a datagram goes. */
static struct dp_address route(const struct dp_host *host, const struct dp_tx *tx)
{
	const struct dp_route *way;

	if (tx->peer == 0)
		return tx->to;
	way = &host->routes[tx->peer];
	return (struct dp_address){
		.ipv4 = way->ipv4,
		.udp = (uint16_t)(way->udp_base + tx->peer_core),
		.port = way->port,
	};
}

static bool send_datagrams(struct dp_slot *slot, qr_ns now_ns, uint32_t random)
{
	struct dp_host *host = slot->host;
	struct dp_turn turn = {.now_ns = now_ns, .random = random, .published = &slot->published};
	unsigned filled;

	arm(slot);
	filled = dp_core_poll(slot->core, &turn, slot->tx, slot->armed);
	QR_ASSERT(filled <= slot->armed);
	for (unsigned i = 0; i < filled; i++) {
		struct rte_mbuf *mbuf = slot->tx[i].handle;
		struct dp_address to = route(host, &slot->tx[i]);
		struct dp_batch *batch = &slot->batches[to.port];

		QR_ASSERT(to.port < host->port_count);
		QR_ASSERT(slot->tx[i].size_bytes <= slot->tx[i].capacity_bytes);
		mbuf->data_len = (uint16_t)slot->tx[i].size_bytes;
		mbuf->pkt_len = slot->tx[i].size_bytes;
		batch->mbufs[batch->count] = mbuf;
		batch->to[batch->count++] = to;
	}
	if (filled == 0)
		return false;
	close_gap(slot, filled);
	for (uint32_t p = 0; p < host->port_count; p++) {
		struct dp_batch *batch = &slot->batches[p];

		if (batch->count > 0) {
			dp_port_tx(host->ports[p], slot->number, batch->mbufs, batch->to,
				   batch->count);
		}
		batch->count = 0;
	}
	return true;
}

/** What the ring has no room for is kept in its order and offered first the next time. */
static bool submit(struct dp_slot *slot)
{
	unsigned taken;

	slot->pending_count += dp_core_poll_disk(slot->core, slot->pending + slot->pending_count,
						 DP_DISK_BATCH - slot->pending_count);
	if (slot->pending_count == 0)
		return false;
	taken = store_io_submit(slot->io, slot->pending, slot->pending_count);
	QR_ASSERT(taken <= slot->pending_count);
	slot->pending_count -= taken;
	memmove(slot->pending, slot->pending + taken,
		slot->pending_count * sizeof(slot->pending[0]));
	count(&slot->counters.disk_submitted, taken);
	if (slot->pending_count > 0)
		count(&slot->counters.disk_deferred, 1);
	return taken > 0;
}

/* ---- now and then ---- */

static void take_snapshot(struct dp_slot *slot, uint32_t group)
{
	struct dp_group_view view;

	memset(&view, 0, sizeof(view));
	if (dp_core_describe_group(slot->core, group, &view.status) == QR_OK &&
	    dp_core_scrub_group(slot->core, group, &view.scrub) == QR_OK)
		dp_snapshot_write(&slot->snapshots[group], &view);
}

/** One group a tick; and the one that a pass is at; and all of them when it has ended. */
static void take_snapshots(struct dp_slot *slot)
{
	uint64_t ended = dp_core_scrub_ended(slot->core);

	if (slot->snapshot_count != 0) {
		take_snapshot(slot, slot->snapshot_next);
		slot->snapshot_next = (slot->snapshot_next + 1) % slot->snapshot_count;
		if (ended == 0)
			take_snapshot(slot, dp_core_scrub_position(slot->core));
	}
	if (ended == slot->scrub_ended)
		return;
	for (uint32_t g = 0; g < slot->snapshot_count; g++)
		take_snapshot(slot, g);
	/* L3: release; who sees it sees what the pass has seen. Pairs with L2 in observe.c. */
	__atomic_store_n(&slot->scrub_ended, ended, __ATOMIC_RELEASE);
}

static void tick(struct dp_slot *slot, qr_ns now_ns)
{
	struct timespec wall;

	slot->tick_at_ns = now_ns + DP_PORT_TICK_NS;
	(void)clock_gettime(CLOCK_REALTIME, &wall);
	dp_core_set_wall_clock(
		slot->core, (uint64_t)wall.tv_sec * 1000000000u + (uint64_t)wall.tv_nsec, now_ns);
	for (uint32_t p = 0; slot->number == 0 && p < slot->host->port_count; p++)
		dp_port_tick(slot->host->ports[p], now_ns);
	take_snapshots(slot);
	__atomic_store_n(&slot->ready_segments, dp_core_ready_segments(slot->core),
			 __ATOMIC_RELAXED);
	__atomic_store_n(&slot->dropped_segments, dp_core_dropped_segments(slot->core),
			 __ATOMIC_RELAXED);
	/* L0: release; who sees it sees what recovery wrote. Pairs with L1 in process.c. */
	__atomic_store_n(&slot->recovered, dp_core_is_recovered(slot->core), __ATOMIC_RELEASE);
}

bool dp_slot_turn(struct dp_slot *slot, qr_ns now_ns, uint32_t random)
{
	struct dp_stats *stats = dp_core_stats(slot->core);
	bool busy;

	/* A copy: the core may look at it until its next turn, longer than RCU would keep it. */
	slot->published = *rcu_dereference(slot->host->published);
	busy = receive_ports(slot, now_ns);
	busy = receive_inboxes(slot, now_ns) || busy;
	busy = reap(slot, now_ns) || busy;
	busy = send_datagrams(slot, now_ns, random) || busy;
	busy = submit(slot) || busy;
	if (now_ns >= slot->tick_at_ns)
		tick(slot, now_ns);
	count(&stats->polls, 1);
	count(&stats->polls_empty, busy ? 0 : 1);
	return busy;
}
