/*
 * The client as a whole: what hangs on it, datagrams in, turns out. Owns the counter of outgoing
 * datagrams and what is known of the nodes.
 *
 * Hostile input: a datagram is validated whole, must be of this cluster and from a node, and a
 * message must answer something that is under way; else it is counted and dropped.
 */
#include "dataplane/client/internal.h"

struct dp_client_config dp_client_config_default(void)
{
	return (struct dp_client_config){
		.datagram_max = 1452,
		.retransmit_min_ns = 2000000,
		.retransmit_max_ns = 500000000,
		.backoff_min_ns = 1000000,
		.backoff_max_ns = 50000000,
	};
}

struct dp_client *dp_client_create(struct qr_arena *arena, const struct dp_client_config *config,
				   qr_ns now_ns)
{
	struct dp_client *client = qr_arena_take(arena, sizeof(*client), 64);

	QR_ASSERT(config->datagram_max >= WIRE_DATAGRAM_MIN);
	QR_ASSERT(config->datagram_max <= WIRE_DATAGRAM_MAX);
	QR_ASSERT(config->seed_count <= DP_CLIENT_SEEDS_MAX);
	QR_ASSERT(config->retransmit_min_ns != 0 && config->backoff_min_ns != 0);
	QR_ASSERT(config->retransmit_min_ns <= config->retransmit_max_ns);
	QR_ASSERT(config->backoff_min_ns <= config->backoff_max_ns);

	if (client == NULL)
		return NULL;
	client->config = *config;
	client->now_ns = now_ns;
	qr_prng_init(&client->prng, config->random_seed);
	/* Answers to an earlier life of this port must not fit. */
	client->serial = qr_prng_next(&client->prng) >> 16;
	return client;
}

void dp_client_set_node(struct dp_client *client, const struct wire_endpoint *endpoint)
{
	QR_ASSERT(endpoint->node != 0 && endpoint->node <= QR_NODE_MAX && endpoint->cores != 0);
	client->nodes[endpoint->node] = *endpoint;
}

const struct wire_endpoint *dp_client_node(const struct dp_client *client, qr_node node)
{
	QR_ASSERT(node <= QR_NODE_MAX);
	return &client->nodes[node];
}

void dp_client_set_wall_clock(struct dp_client *client, uint64_t time_ns, qr_ns now_ns)
{
	client->wall_ns = time_ns;
	client->wall_at_ns = now_ns;
}

const struct dp_client_stats *dp_client_stats(const struct dp_client *client)
{
	return &client->stats;
}

/* ---- datagrams in ---- */

static enum qr_error receive_session(struct dp_client *client, qr_node from,
				     const struct wire_message *message)
{
	struct wire_session_reply reply;
	enum qr_error error = wire_get_session_reply(message, &reply);

	if (error != QR_OK)
		return error;
	for (uint32_t i = 0; i < client->producer_count; i++) {
		struct dp_producer *producer = client->producers[i];

		if (producer->config.group == message->group &&
		    producer->nonce[0] == reply.nonce[0] && producer->nonce[1] == reply.nonce[1]) {
			dp_producer_opened(producer, from, &reply);
			return QR_OK;
		}
	}
	return QR_STALE;
}

static enum qr_error receive_chunk_reply(struct dp_client *client, qr_node from,
					 const struct wire_message *message)
{
	struct wire_chunk_reply *reply = &client->chunk_reply;
	enum qr_error error = wire_get_chunk_reply(message, reply);

	if (error != QR_OK)
		return error;
	for (uint32_t i = 0; i < client->producer_count; i++) {
		struct dp_producer *producer = client->producers[i];

		if (producer->session == reply->session &&
		    producer->config.group == message->group &&
		    producer->state == DP_PRODUCER_OPEN) {
			dp_producer_replied(producer, from, reply);
			return QR_OK;
		}
	}
	return QR_STALE;
}

static enum qr_error receive_records(struct dp_client *client, qr_node from,
				     const struct wire_message *message)
{
	struct wire_records records;
	enum qr_error error = wire_get_records(message, &records);
	struct dp_consumer *consumer;
	uint32_t slot;

	if (error != QR_OK)
		return error;
	slot = records.request & 0xff;
	consumer = slot < DP_CLIENT_CONSUMERS_MAX ? client->consumers[slot] : NULL;
	if (consumer == NULL || consumer->config.group != message->group ||
	    records.request >> 8 < consumer->serial_first || records.request > consumer->request)
		return QR_STALE;
	dp_consumer_received(consumer, from, &records);
	return QR_OK;
}

static enum qr_error receive_message(struct dp_client *client, qr_node from,
				     const struct wire_message *message)
{
	switch (message->type) {
	case WIRE_SESSION_REPLY:
		return receive_session(client, from, message);
	case WIRE_CHUNK_REPLY:
		return receive_chunk_reply(client, from, message);
	case WIRE_RECORDS:
		return receive_records(client, from, message);
	case WIRE_DESCRIPTION:
	case WIRE_TAIL_REPLY:
	case WIRE_STATUS_REPLY:
		return dp_client_answered(client, from, message);
	case WIRE_RAFT:
	case WIRE_FRAGMENT:
	case WIRE_ACK:
	case WIRE_FETCH:
	case WIRE_FETCHED:
	case WIRE_DESCRIBE:
	case WIRE_SESSION_OPEN:
	case WIRE_CHUNK:
	case WIRE_READ:
	case WIRE_TAIL:
	case WIRE_STATUS:
		break;
	}
	return QR_MALFORMED;
}

void dp_client_receive(struct dp_client *client, struct qr_span datagram, qr_ns now_ns)
{
	struct wire_header header;
	struct wire_message message;
	struct qr_reader messages;
	enum qr_error error = wire_open(datagram, &header, &messages);

	client->now_ns = now_ns;
	client->stats.rx_datagrams++;
	if (error != QR_OK || header.cluster != client->config.cluster || header.from == 0 ||
	    header.to != 0) {
		client->stats.drops++;
		return;
	}
	while ((error = wire_next(&messages, &message)) == QR_OK) {
		if (receive_message(client, header.from, &message) != QR_OK)
			client->stats.drops++;
	}
	if (error != QR_AGAIN)
		client->stats.drops++;
}

/* ---- datagrams out ---- */

struct dp_client_tx *dp_client_turn_begin(struct dp_client_turn *turn, struct qr_writer *ret_writer)
{
	struct dp_client_tx *tx;

	if (dp_client_turn_is_full(turn))
		return NULL;
	tx = &turn->tx[turn->count];
	QR_ASSERT(tx->capacity_bytes >= turn->client->config.datagram_max);
	*ret_writer = qr_writer_over(tx->data, turn->client->config.datagram_max);
	wire_begin(ret_writer);
	return tx;
}

void dp_client_turn_send(struct dp_client_turn *turn, struct dp_client_tx *tx,
			 struct qr_writer *writer, qr_node node, uint8_t core)
{
	struct dp_client *client = turn->client;
	const struct wire_header header = {
		.source = WIRE_FROM_CLIENT,
		.to = node,
		.cluster = client->config.cluster,
		.incarnation = client->config.incarnation,
		.counter = ++client->counter,
	};

	QR_ASSERT(tx == &turn->tx[turn->count]);
	tx->size_bytes = (uint32_t)wire_finish(writer, &header);
	QR_ASSERT(tx->size_bytes != 0); /* every sender knows what fits */
	tx->node = node;
	tx->core = core;
	turn->count++;
	client->stats.tx_datagrams++;
}

unsigned dp_client_poll(struct dp_client *client, qr_ns now_ns, struct dp_client_tx *tx,
			unsigned max)
{
	struct dp_client_turn turn = {.client = client, .now_ns = now_ns, .tx = tx, .max = max};

	client->now_ns = now_ns;
	for (uint32_t i = 0; i < DP_CLIENT_REQUESTS_MAX; i++) {
		if (client->pending[i].used)
			dp_pending_poll(&client->pending[i], &turn);
	}
	for (uint32_t i = 0; i < DP_CLIENT_CONSUMERS_MAX; i++) {
		if (client->consumers[i] != NULL)
			dp_consumer_poll(client->consumers[i], &turn);
	}
	for (uint32_t i = 0; i < client->producer_count; i++) {
		dp_producer_poll(
			client->producers[(client->producer_first + i) % client->producer_count],
			&turn);
	}
	if (client->producer_count != 0)
		client->producer_first = (client->producer_first + 1) % client->producer_count;
	return turn.count;
}

static qr_ns earlier(qr_ns left, qr_ns right)
{
	return left < right ? left : right;
}

qr_ns dp_client_next_deadline(const struct dp_client *client)
{
	qr_ns deadline = DP_NEVER;

	for (uint32_t i = 0; i < DP_CLIENT_REQUESTS_MAX; i++) {
		if (client->pending[i].used)
			deadline = earlier(deadline, dp_pending_deadline(&client->pending[i]));
	}
	for (uint32_t i = 0; i < DP_CLIENT_CONSUMERS_MAX; i++) {
		if (client->consumers[i] != NULL)
			deadline = earlier(deadline, dp_consumer_deadline(client->consumers[i]));
	}
	for (uint32_t i = 0; i < client->producer_count; i++)
		deadline = earlier(deadline, dp_producer_deadline(client->producers[i]));
	return deadline;
}
