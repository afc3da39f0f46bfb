/*
 * What nodes answer to a producer.
 *
 * An answer to a chunk is true whoever sends it: committed is committed. Everything else is the
 * view of one node and counts only from the one that is being asked, about a chunk that is
 * unanswered.
 *
 * `expected` says what a leader has: it places the window after a probe, and shows a loss.
 */
#include "dataplane/client/internal.h"

static qr_ns now_of(const struct dp_producer *producer)
{
	return producer->client->now_ns;
}

static bool from_target(const struct dp_producer *producer, qr_node from)
{
	return from == producer->route.target;
}

/** The number of the unanswered chunk that starts at `sequence`; `closed` if there is none. */
static uint64_t find(struct dp_producer *producer, uint64_t sequence)
{
	uint64_t number = producer->first;

	while (number < producer->closed &&
	       dp_producer_chunk(producer, number)->sequence != sequence)
		number++;
	return number;
}

/** Asking again, or another node, would not help. Everything else is one node's trouble. */
static bool is_final(enum qr_error status)
{
	return status == QR_EXPIRED || status == QR_DENIED || status == QR_TOO_LARGE ||
	       status == QR_MALFORMED || status == QR_STALE || status == QR_UNSUPPORTED;
}

/* ---- opening ---- */

static void opened(struct dp_producer *producer, qr_node from,
		   const struct wire_session_reply *reply)
{
	producer->session = reply->session;
	producer->state = DP_PRODUCER_OPEN;
	if (reply->window_chunks < producer->window_chunks)
		producer->window_chunks = reply->window_chunks;
	if (reply->record_max_bytes < producer->config.record_max_bytes)
		producer->config.record_max_bytes = reply->record_max_bytes;
	if (reply->chunk_max_bytes < producer->config.chunk_bytes && reply->chunk_max_bytes >= 64)
		producer->config.chunk_bytes = reply->chunk_max_bytes;
	if (qr_nodes_has(producer->route.replicas, from))
		producer->route.target = from;
	if (producer->route.timeouts == 0) {
		dp_route_sample(producer->client, &producer->route,
				now_of(producer) - producer->asked_ns);
	}
	producer->route.timer_at = 0;
	producer->route.hold_until = 0;
	dp_route_progress(producer->client, &producer->route);
}

void dp_producer_opened(struct dp_producer *producer, qr_node from,
			const struct wire_session_reply *reply)
{
	struct dp_client *client = producer->client;

	if (producer->state != DP_PRODUCER_OPENING)
		return;
	if (reply->status == QR_OK) {
		opened(producer, from, reply);
		return;
	}
	if (!from_target(producer, from))
		return;
	if (reply->status == QR_NOT_LEADER) {
		(void)dp_route_not_leader(client, &producer->route, from, reply->leader,
					  now_of(producer));
	} else if (reply->status == QR_BUSY || reply->status == QR_NO_SPACE) {
		dp_route_later(client, &producer->route, reply->status, reply->retry_us,
			       now_of(producer));
	} else if (is_final(reply->status)) {
		dp_producer_end(producer, reply->status);
	} else {
		dp_route_refused(client, &producer->route, reply->status, now_of(producer));
	}
}

/* ---- chunks ---- */

/** Note the answers. @return whether there was a new one. */
static bool take_answers(struct dp_producer *producer, const struct wire_chunk_reply *reply)
{
	uint64_t number = producer->first;
	const struct dp_chunk *newest = NULL;
	bool any = false;

	for (uint32_t i = 0; i < reply->answer_count; i++) {
		const struct wire_answer *answer = &reply->answers[i];
		struct dp_chunk *chunk;

		/* They usually come in order: go on where the last one was found. */
		if (number == producer->closed ||
		    dp_producer_chunk(producer, number)->sequence != answer->sequence)
			number = find(producer, answer->sequence);
		if (number == producer->closed)
			continue;
		chunk = dp_producer_chunk(producer, number++);
		if (chunk->answered || chunk->count != answer->count || chunk->sends == 0)
			continue;
		chunk->answered = true;
		chunk->offset = answer->offset;
		any = true;
		if (chunk->sends == 1) /* else it is not known which copy is answered (Karn) */
			newest = chunk;
	}
	if (newest != NULL) {
		dp_route_sample(producer->client, &producer->route,
				now_of(producer) - newest->sent_ns);
	}
	return any;
}

/** The timer runs while something is in flight. */
static void restart_timer(struct dp_producer *producer)
{
	if (producer->next == producer->first) {
		producer->route.timer_at = 0;
	} else {
		dp_route_wait(&producer->route, now_of(producer));
	}
}

/** Where the window goes on when the target has everything below `expected`. */
static bool place_of(struct dp_producer *producer, uint64_t expected, uint64_t *ret_number)
{
	*ret_number = find(producer, expected);
	return *ret_number != producer->closed ||
	       expected == producer->next_sequence - producer->open_count;
}

/** How long after a chunk was sent a reply may still not know of it. */
static qr_ns patience(const struct dp_producer *producer)
{
	const struct dp_route *route = &producer->route;
	qr_ns most = producer->client->config.retransmit_max_ns;
	qr_ns spread = 4 * route->rttvar;
	qr_ns patience = route->srtt + (spread > route->srtt / 4 ? spread : route->srtt / 4);

	if (route->srtt == 0)
		return route->rto;
	return patience < most ? patience : most;
}

/** @param was_confirmed  before this reply: more than a probe was in flight. */
static void resume(struct dp_producer *producer, uint64_t expected, bool was_confirmed, bool is_gap)
{
	qr_ns now_ns = now_of(producer);
	uint64_t number;

	if (!place_of(producer, expected, &number))
		return;
	if (!was_confirmed) {
		producer->expected = expected;
		dp_producer_rewind(producer, number, false);
		return;
	}
	if (expected < producer->expected || number >= producer->next)
		return; /* overtaken by a later reply; or all that was sent is there */
	producer->expected = expected;
	/* Every chunk behind a gap reports it: mend it once in a round trip. */
	if (expected == producer->mended && now_ns < producer->gap_until)
		return;
	/* A reply that is no complaint may have left before the chunk came. */
	if (!is_gap && now_ns - dp_producer_chunk(producer, number)->sent_ns <= patience(producer))
		return;
	producer->mended = expected;
	producer->gap_until = now_ns + patience(producer);
	dp_producer_rewind(producer, number, true);
}

/** The target refuses the chunk for now. */
static void hold(struct dp_producer *producer, const struct wire_chunk_reply *reply)
{
	uint64_t number = find(producer, reply->sequence);

	if (number > producer->next || number == producer->closed)
		return; /* one before it was refused already */
	dp_producer_rewind(producer, number, false);
	dp_route_later(producer->client, &producer->route, reply->status, reply->retry_us,
		       now_of(producer));
	producer->route.confirmed = false; /* a probe first: not a window of refusals each time */
	restart_timer(producer);
}

static void refused(struct dp_producer *producer, qr_node from,
		    const struct wire_chunk_reply *reply)
{
	struct dp_client *client = producer->client;

	if (find(producer, reply->sequence) >= producer->closed)
		return; /* of a copy that was answered meanwhile */
	if (reply->status == QR_NOT_LEADER) {
		if (dp_route_not_leader(client, &producer->route, from, reply->leader,
					now_of(producer)))
			dp_producer_rewind(producer, producer->first, false);
	} else if (reply->status == QR_BUSY || reply->status == QR_NO_SPACE ||
		   reply->status == QR_CHECKSUM) {
		client->stats.busy += reply->status == QR_BUSY;
		hold(producer, reply);
	} else if (is_final(reply->status)) {
		dp_producer_end(producer, reply->status);
	} else {
		dp_route_refused(client, &producer->route, reply->status, now_of(producer));
		dp_producer_rewind(producer, producer->first, false);
	}
}

/** The target speaks as the leader. A gap before what was committed long ago is of a past one. */
static void served(struct dp_producer *producer, const struct wire_chunk_reply *reply, bool any)
{
	bool was_confirmed = producer->route.confirmed;
	bool is_gap = reply->status == QR_GAP;
	uint64_t number;

	if (is_gap && !place_of(producer, reply->expected, &number))
		return;
	/*
	 * What was sent behind a chunk that is refused for now reports a gap in front of itself:
	 * that the leader waits for the very chunk that is the probe, or will be, tells nothing.
	 */
	if (is_gap && !any && !was_confirmed &&
	    (number == producer->next || number + 1 == producer->next))
		return;
	producer->client->stats.gaps += is_gap;
	if (any || is_gap) {
		enum qr_error trouble = any ? QR_OK : producer->route.trouble;

		dp_route_progress(producer->client, &producer->route);
		producer->route.trouble = trouble; /* which a gap does not end */
		producer->route.timer_at = 0;
	}
	if (producer->route.confirmed)
		resume(producer, reply->expected, was_confirmed, is_gap);
	restart_timer(producer);
}

void dp_producer_replied(struct dp_producer *producer, qr_node from,
			 const struct wire_chunk_reply *reply)
{
	bool any = take_answers(producer, reply);

	if (from_target(producer, from)) {
		if (reply->status == QR_OK || reply->status == QR_GAP) {
			served(producer, reply, any);
		} else {
			refused(producer, from, reply);
		}
	}
	if (any && producer->state == DP_PRODUCER_OPEN)
		dp_producer_complete(producer);
}
