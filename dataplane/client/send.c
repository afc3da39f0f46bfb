/*
 * What a producer sends, and when again.
 *
 * A node takes the chunks of a session in order only. So what is in flight is a window that goes
 * back: on a gap, to the sequence that the leader expects; on a timer, to the oldest chunk, alone,
 * as a probe, until somebody answers it. Chunks that a leader already has are dropped there and
 * answered when they commit, so sending one again is never wrong, only wasteful.
 *
 * Bytes in flight adapt: halved when something was lost, grown back by what is acknowledged. A
 * chunk of many datagrams has no answer before it is whole, so its pieces are paced instead.
 */
#include "dataplane/client/internal.h"

#define PACE_NS 500000u /* pause between bursts of pieces */

/* ---- the window ---- */

void dp_producer_rewind(struct dp_producer *producer, uint64_t number, bool lost)
{
	uint32_t floor_bytes = 2 * producer->client->config.datagram_max;

	QR_ASSERT(number >= producer->first && number <= producer->closed);
	producer->next = number;
	producer->piece_at = 0;
	producer->burst_bytes = 0;
	producer->pace_until = 0;
	if (lost && producer->config.window_bytes != 0) {
		producer->allowed_bytes /= 2;
		if (producer->allowed_bytes < floor_bytes)
			producer->allowed_bytes = floor_bytes;
	}
}

/** Bodies that were sent and are not answered. */
static uint64_t inflight_bytes(struct dp_producer *producer)
{
	const struct dp_chunk *first = dp_producer_chunk(producer, producer->first);
	const struct dp_chunk *last;

	if (producer->next == producer->first)
		return 0;
	last = dp_producer_chunk(producer, producer->next - 1);
	return last->bytes_until - (first->bytes_until - first->body_bytes);
}

/** Make `next` a chunk that may leave now. */
static bool has_next(struct dp_producer *producer, qr_ns now_ns)
{
	uint32_t probes = producer->route.confirmed ? producer->window_chunks : 1;

	if (now_ns < producer->route.hold_until || now_ns < producer->pace_until)
		return false;
	while (producer->next < producer->closed &&
	       dp_producer_chunk(producer, producer->next)->answered)
		producer->next++;
	if (producer->next - producer->first >= probes)
		return false;
	if (producer->next == producer->closed &&
	    (producer->open_count == 0 || !dp_producer_close_chunk(producer)))
		return false;
	return producer->piece_at != 0 || producer->next == producer->first ||
	       inflight_bytes(producer) + dp_producer_chunk(producer, producer->next)->body_bytes <=
		       producer->allowed_bytes;
}

/* ---- datagrams ---- */

static void send_open(struct dp_producer *producer, struct dp_client_turn *turn)
{
	const struct wire_session_open open = {
		.nonce = {producer->nonce[0], producer->nonce[1]},
		.ticket = producer->config.ticket,
	};
	struct qr_writer writer;
	struct dp_client_tx *tx = dp_client_turn_begin(turn, &writer);

	if (tx == NULL)
		return;
	wire_put_session_open(&writer, producer->config.group, &open);
	dp_client_turn_send(turn, tx, &writer, producer->route.target,
			    dp_route_core(producer->client, &producer->route));
	producer->asked_ns = turn->now_ns;
	dp_route_wait(&producer->route, turn->now_ns);
}

/** A whole chunk, or its next piece. */
static bool send_chunk(struct dp_producer *producer, struct dp_client_turn *turn)
{
	struct dp_chunk *chunk = dp_producer_chunk(producer, producer->next);
	uint32_t room = producer->client->config.datagram_max - DP_CHUNK_OVERHEAD;
	uint32_t left = chunk->body_bytes - producer->piece_at;
	struct wire_chunk message = {
		.session = producer->session,
		.sequence = chunk->sequence,
		.count = chunk->count,
		.crc = chunk->crc,
		.time_ns = chunk->time_ns,
		.total_bytes = chunk->body_bytes,
		.offset = producer->piece_at,
		.kind = WIRE_CHUNK_RECORDS,
		.bulk = {producer->ring + chunk->start + producer->piece_at,
			 left < room ? left : room},
	};
	struct qr_writer writer;
	struct dp_client_tx *tx = dp_client_turn_begin(turn, &writer);

	if (tx == NULL)
		return false;
	wire_put_chunk(&writer, producer->config.group, &message);
	qr_write_bytes(&writer, message.bulk.data, message.bulk.size_bytes);
	dp_client_turn_send(turn, tx, &writer, producer->route.target,
			    dp_route_core(producer->client, &producer->route));
	if (left <= room) {
		turn->client->stats.retransmits += chunk->sends != 0;
		chunk->sends++;
		chunk->sent_ns = turn->now_ns;
		producer->next++;
		producer->piece_at = 0;
		dp_route_wait(&producer->route, turn->now_ns);
		return true;
	}
	producer->piece_at += room;
	producer->burst_bytes += room;
	if (producer->burst_bytes >= producer->allowed_bytes) {
		producer->burst_bytes = 0;
		producer->pace_until = turn->now_ns + PACE_NS;
	}
	return true;
}

/* ---- time ---- */

/** The time of an append begins with the first turn that sees it. */
static void stamp(struct dp_producer *producer, qr_ns now_ns)
{
	for (; producer->stamped < producer->closed; producer->stamped++) {
		struct dp_chunk *chunk = dp_producer_chunk(producer, producer->stamped);

		if (chunk->opened_ns == 0)
			chunk->opened_ns = now_ns;
	}
	if (producer->open_count != 0 && producer->open_ns == 0)
		producer->open_ns = now_ns;
	if (producer->created_ns == 0)
		producer->created_ns = now_ns;
}

/** When the oldest unanswered append, or the opening, has taken too long. */
static qr_ns expires_at(const struct dp_producer *producer)
{
	qr_ns since = DP_NEVER;

	if (producer->first < producer->stamped) {
		since = producer->chunks[producer->first & (DP_CHUNK_SLOTS - 1)].opened_ns;
	} else if (producer->first == producer->closed && producer->open_count != 0 &&
		   producer->open_ns != 0) {
		since = producer->open_ns;
	} else if (producer->state == DP_PRODUCER_OPENING && producer->created_ns != 0) {
		since = producer->created_ns;
	}
	return since == DP_NEVER ? DP_NEVER : since + producer->config.timeout_ns;
}

static void check_timer(struct dp_producer *producer, qr_ns now_ns)
{
	if (!dp_route_is_late(&producer->route, now_ns))
		return;
	dp_route_timeout(producer->client, &producer->route, now_ns);
	if (producer->state == DP_PRODUCER_OPEN)
		dp_producer_rewind(producer, producer->first, true);
}

void dp_producer_poll(struct dp_producer *producer, struct dp_client_turn *turn)
{
	if (producer->state == DP_PRODUCER_ENDED)
		return;
	stamp(producer, turn->now_ns);
	if (turn->now_ns >= expires_at(producer)) {
		dp_producer_end(producer, dp_route_verdict(&producer->route));
		return;
	}
	check_timer(producer, turn->now_ns);
	if (producer->state == DP_PRODUCER_OPENING) {
		if (producer->route.timer_at == 0 && turn->now_ns >= producer->route.hold_until)
			send_open(producer, turn);
		return;
	}
	while (has_next(producer, turn->now_ns) && send_chunk(producer, turn))
		continue;
}

qr_ns dp_producer_deadline(const struct dp_producer *producer)
{
	const struct dp_route *route = &producer->route;
	bool wants_to_send =
		producer->state == DP_PRODUCER_OPENING
			? route->timer_at == 0
			: producer->next < producer->closed || producer->open_count != 0;
	qr_ns deadline = expires_at(producer);
	qr_ns may_send =
		route->hold_until > producer->pace_until ? route->hold_until : producer->pace_until;

	if (producer->state == DP_PRODUCER_ENDED)
		return DP_NEVER;
	if (route->timer_at != 0 && route->timer_at < deadline)
		deadline = route->timer_at;
	/* Held back by the window alone, only an answer or the timer changes anything. */
	if (wants_to_send && (may_send > producer->client->now_ns || route->timer_at == 0) &&
	    may_send < deadline)
		deadline = may_send;
	return deadline;
}
