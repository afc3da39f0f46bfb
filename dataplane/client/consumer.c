/*
 * A consumer: asks a replica for records from an offset, and again from where it stands.
 *
 * One request is under way at a time. Where its answer ends is not known before its last slice has
 * come, so the next request leaves with that slice. A request whose answer stays incomplete is not
 * repaired: another one asks from the next offset that was not delivered. Slices name the offsets
 * of their records, and committed records never change, so late answers to earlier requests are
 * taken like any other. slice.c puts them in order.
 *
 * Any replica may be asked. One that lags refuses offsets that it has not seen committed; only when
 * all of them do so, and none ever delivered, does the offset lie outside the log. One that refuses
 * an offset which it has seen committed has given it up, and so have all, since they agreed on it:
 * its word ends the consumer, and says where the log begins now.
 */
#include "dataplane/client/internal.h"

#define SLOT_BITS 8
#define EMPTY_PAUSE_NS 1000000u /* after an answer without records that did not wait */

_Static_assert(DP_CLIENT_CONSUMERS_MAX <= 1 << SLOT_BITS, "a slot fits the request's number");

struct dp_consumer_config dp_consumer_config_default(void)
{
	return (struct dp_consumer_config){
		.until = UINT64_MAX,
		.read_bytes = 128u << 10,
		.wait_ms = 500,
		.record_max_bytes = 1u << 20,
		.reorder_slots = 64,
		.timeout_ns = 30000000000u,
	};
}

static uint32_t free_slot(const struct dp_client *client)
{
	uint32_t slot = 0;

	while (slot < DP_CLIENT_CONSUMERS_MAX && client->consumers[slot] != NULL)
		slot++;
	return slot;
}

struct dp_consumer *dp_consumer_create(struct qr_arena *arena, struct dp_client *client,
				       const struct dp_consumer_config *config)
{
	struct dp_consumer *consumer = qr_arena_take(arena, sizeof(*consumer), 64);
	struct dp_early *early =
		qr_arena_take(arena, config->reorder_slots * sizeof(*early), sizeof(void *));
	uint8_t *slots = qr_arena_take(
		arena, (size_t)config->reorder_slots * client->config.datagram_max, 64);
	uint8_t *piece =
		qr_arena_take(arena, (size_t)config->record_max_bytes + DP_PREFIX_BYTES, 64);
	uint32_t slot = free_slot(client);

	QR_ASSERT(config->on_batch != NULL && config->read_bytes != 0 && config->timeout_ns != 0);
	if (consumer == NULL || slot == DP_CLIENT_CONSUMERS_MAX)
		return NULL;

	for (uint32_t i = 0; i < config->reorder_slots; i++)
		early[i].data = slots + (size_t)i * client->config.datagram_max;
	consumer->client = client;
	consumer->config = *config;
	consumer->slot = slot;
	consumer->serial_first = client->serial + 1;
	consumer->next = config->from;
	consumer->early = early;
	consumer->piece = piece;
	consumer->heard_ns = 0;
	dp_route_init(client, &consumer->route, config->group, config->replicas, config->prefer);
	client->consumers[slot] = consumer;
	return consumer;
}

void dp_consumer_remove(struct dp_consumer *consumer)
{
	consumer->client->consumers[consumer->slot] = NULL;
	consumer->done = true;
}

qr_offset dp_consumer_next(const struct dp_consumer *consumer)
{
	return consumer->next;
}

qr_offset dp_consumer_committed(const struct dp_consumer *consumer)
{
	return consumer->committed;
}

qr_offset dp_consumer_start(const struct dp_consumer *consumer)
{
	return consumer->start;
}

bool dp_consumer_is_done(const struct dp_consumer *consumer)
{
	return consumer->done;
}

enum qr_error dp_consumer_error(const struct dp_consumer *consumer)
{
	return consumer->error;
}

void dp_consumer_pause(struct dp_consumer *consumer, bool paused)
{
	consumer->paused = paused;
	consumer->heard_ns = 0; /* a pause is not silence */
}

void dp_consumer_end(struct dp_consumer *consumer, enum qr_error error)
{
	QR_ASSERT(error != QR_OK);
	if (consumer->done)
		return;
	consumer->done = true;
	consumer->error = error;
}

/* ---- asking ---- */

static bool waits_at_the_end(const struct dp_consumer *consumer)
{
	return consumer->config.follow || consumer->config.until != UINT64_MAX;
}

static void ask(struct dp_consumer *consumer, struct dp_client_turn *turn)
{
	struct dp_client *client = consumer->client;
	struct qr_writer writer;
	struct dp_client_tx *tx = dp_client_turn_begin(turn, &writer);
	struct wire_read read = {
		.request = ++client->serial << SLOT_BITS | consumer->slot,
		.offset = consumer->next,
		.max_bytes = consumer->config.read_bytes,
		.wait_ms = waits_at_the_end(consumer) ? consumer->config.wait_ms : 0,
	};

	if (tx == NULL)
		return;
	wire_put_read(&writer, consumer->config.group, &read);
	dp_client_turn_send(turn, tx, &writer, consumer->route.target,
			    dp_route_core(client, &consumer->route));
	consumer->request = read.request;
	consumer->asked_ns = turn->now_ns;
	consumer->first_slice = true;
	consumer->progressed = false;
	consumer->last_known = false;
	consumer->route.timer_at =
		turn->now_ns + consumer->route.rto + (qr_ns)read.wait_ms * 1000000u;
}

void dp_consumer_poll(struct dp_consumer *consumer, struct dp_client_turn *turn)
{
	struct dp_route *route = &consumer->route;

	if (consumer->done)
		return;
	if (consumer->heard_ns == 0)
		consumer->heard_ns = turn->now_ns;
	if (!consumer->paused && turn->now_ns >= consumer->heard_ns + consumer->config.timeout_ns) {
		dp_consumer_end(consumer, dp_route_verdict(route));
		return;
	}
	if (dp_route_is_late(route, turn->now_ns)) {
		if (consumer->progressed) {
			route->timer_at = 0; /* a loss on the way, not a silent replica */
		} else {
			dp_route_timeout(consumer->client, route, turn->now_ns);
		}
	}
	if (!consumer->paused && route->timer_at == 0 && turn->now_ns >= route->hold_until &&
	    !dp_client_turn_is_full(turn))
		ask(consumer, turn);
}

qr_ns dp_consumer_deadline(const struct dp_consumer *consumer)
{
	const struct dp_route *route = &consumer->route;
	qr_ns next = route->timer_at != 0 ? route->timer_at : route->hold_until;
	qr_ns end = consumer->heard_ns + consumer->config.timeout_ns;

	if (consumer->done || (consumer->paused && route->timer_at == 0))
		return DP_NEVER;
	return consumer->paused || next < end ? next : end;
}

/* ---- answers ---- */

static void refused(struct dp_consumer *consumer, qr_node from, const struct wire_records *records)
{
	struct dp_client *client = consumer->client;
	struct dp_route *route = &consumer->route;
	bool lags = records->status == QR_OUT_OF_RANGE && records->committed < consumer->next;

	if (from != route->target)
		return;
	if (records->status == QR_BUSY) { /* any replica will do */
		dp_route_refused(client, route, QR_BUSY, client->now_ns);
		return;
	}
	if (records->status == QR_OUT_OF_RANGE && !lags) {
		if (records->offset > consumer->next)
			consumer->start = records->offset;
		dp_consumer_end(consumer, QR_OUT_OF_RANGE);
		return;
	}
	if (++consumer->refusals >= qr_nodes_count(route->replicas) &&
	    consumer->next == consumer->config.from && !waits_at_the_end(consumer)) {
		dp_consumer_end(consumer, records->status);
		return;
	}
	dp_route_refused(client, route, records->status, client->now_ns);
}

/** The current answer is complete: whether to go on, and when. */
static void finished(struct dp_consumer *consumer, bool empty)
{
	struct dp_client *client = consumer->client;
	bool at_end = consumer->next >= consumer->committed;

	consumer->route.timer_at = 0;
	consumer->last_known = false;
	if (consumer->config.follow) {
		consumer->done = false;
	} else if (consumer->config.until == UINT64_MAX) {
		consumer->done = at_end;
	}
	if (empty && client->now_ns < consumer->asked_ns + EMPTY_PAUSE_NS)
		consumer->route.hold_until = client->now_ns + EMPTY_PAUSE_NS;
}

void dp_consumer_received(struct dp_consumer *consumer, qr_node from,
			  const struct wire_records *records)
{
	struct dp_client *client = consumer->client;
	bool current = records->request == consumer->request && consumer->route.timer_at != 0;
	qr_offset before = consumer->next;

	if (consumer->done)
		return;
	if (records->status != QR_OK) {
		if (current)
			refused(consumer, from, records);
		return;
	}
	if (current) {
		consumer->heard_ns = client->now_ns;
		consumer->refusals = 0;
		consumer->committed = records->committed;
		if (consumer->first_slice && client->now_ns - consumer->asked_ns <
						     (qr_ns)consumer->config.wait_ms * 1000000u) {
			dp_route_sample(client, &consumer->route,
					client->now_ns - consumer->asked_ns);
		}
		consumer->first_slice = false;
		dp_route_progress(client, &consumer->route);
		consumer->route.timer_at = client->now_ns + consumer->route.rto;
		if (records->last) {
			consumer->last_known = true;
			consumer->last_end = records->offset + records->count;
		}
	}
	dp_consumer_take(consumer, records);
	if (consumer->next != before || records->piece_total != 0)
		consumer->progressed = true;
	if (!consumer->done && consumer->last_known && consumer->route.timer_at != 0 &&
	    consumer->next >= consumer->last_end)
		finished(consumer, records->count == 0);
}
