/*
 * Single questions: DESCRIBE, TAIL, STATUS. Asked again until answered or out of time; DESCRIBE of
 * anybody (the addresses that the user gave, and the nodes known), TAIL of the leader, STATUS of
 * one core of one node.
 */
#include "dataplane/client/internal.h"

#define SLOT_BITS 8

_Static_assert(DP_CLIENT_REQUESTS_MAX <= 1 << SLOT_BITS, "a slot fits the request's number");

static enum qr_error start(struct dp_client *client, enum wire_type type,
			   const struct dp_question *question)
{
	struct dp_pending *pending = NULL;
	uint32_t slot;

	QR_ASSERT(question->on_answer != NULL && question->timeout_ns != 0);
	for (slot = 0; slot < DP_CLIENT_REQUESTS_MAX; slot++) {
		pending = &client->pending[slot];
		if (!pending->used)
			break;
	}
	if (slot == DP_CLIENT_REQUESTS_MAX)
		return QR_AGAIN;
	*pending = (struct dp_pending){
		.used = true,
		.type = type,
		.request = ++client->serial << SLOT_BITS | slot,
		.question = *question,
	};
	/* For DESCRIBE and STATUS only the timers of the route are used. */
	dp_route_init(client, &pending->route, question->group,
		      type == WIRE_TAIL ? question->replicas : (qr_nodes)2, question->node);
	return QR_OK;
}

enum qr_error dp_client_ask_describe(struct dp_client *client, const struct dp_question *question)
{
	return start(client, WIRE_DESCRIBE, question);
}

enum qr_error dp_client_ask_tail(struct dp_client *client, const struct dp_question *question)
{
	return start(client, WIRE_TAIL, question);
}

enum qr_error dp_client_ask_status(struct dp_client *client, const struct dp_question *question)
{
	QR_ASSERT(question->node != 0 && question->node <= QR_NODE_MAX);
	return start(client, WIRE_STATUS, question);
}

/* ---- asking ---- */

/** Who is asked for a description: seeds and known nodes in turn. @return false: nobody. */
static bool choose(const struct dp_client *client, struct dp_pending *pending, qr_node *ret_node,
		   uint32_t *ret_seed)
{
	uint32_t all = client->config.seed_count + QR_NODE_MAX;

	*ret_seed = 0;
	*ret_node = pending->question.node;
	if (*ret_node != 0)
		return true;
	for (uint32_t i = 0; i < all; i++) {
		uint32_t at = (pending->cursor + i) % all;

		if (at < client->config.seed_count) {
			*ret_seed = at;
		} else {
			*ret_node = (qr_node)(at - client->config.seed_count + 1);
			if (client->nodes[*ret_node].cores == 0) {
				*ret_node = 0;
				continue;
			}
		}
		pending->cursor = at + 1;
		return true;
	}
	return false;
}

static void put(struct qr_writer *writer, const struct dp_pending *pending)
{
	const struct wire_describe describe = {pending->request, pending->question.first};
	const struct wire_status status = {pending->request, pending->question.first};
	const struct wire_tail tail = {pending->request};

	if (pending->type == WIRE_DESCRIBE) {
		wire_put_describe(writer, &describe);
	} else if (pending->type == WIRE_STATUS) {
		wire_put_status(writer, &status);
	} else {
		wire_put_tail(writer, pending->question.group, &tail);
	}
}

static void ask(struct dp_pending *pending, struct dp_client_turn *turn)
{
	qr_node node = pending->route.target;
	uint8_t core = dp_route_core(turn->client, &pending->route);
	uint32_t seed = 0;
	struct dp_client_tx *tx;
	struct qr_writer writer;

	if (pending->type == WIRE_DESCRIBE && !choose(turn->client, pending, &node, &seed))
		return;
	if (pending->type == WIRE_DESCRIBE)
		core = 0;
	if (pending->type == WIRE_STATUS) {
		node = pending->question.node;
		core = pending->question.core;
	}
	tx = dp_client_turn_begin(turn, &writer);
	if (tx == NULL)
		return;
	put(&writer, pending);
	tx->seed = seed;
	dp_client_turn_send(turn, tx, &writer, node, core);
	dp_route_wait(&pending->route, turn->now_ns);
}

static void answer(struct dp_client *client, struct dp_pending *pending, enum qr_error error)
{
	dp_answer_fn on_answer = pending->question.on_answer;
	void *context = pending->question.context;

	client->answer.error = error;
	pending->used = false; /* the callback may ask the next question */
	on_answer(context, &client->answer);
}

void dp_pending_poll(struct dp_pending *pending, struct dp_client_turn *turn)
{
	if (pending->deadline_ns == 0)
		pending->deadline_ns = turn->now_ns + pending->question.timeout_ns;
	if (turn->now_ns >= pending->deadline_ns) {
		answer(turn->client, pending, dp_route_verdict(&pending->route));
		return;
	}
	if (dp_route_is_late(&pending->route, turn->now_ns)) {
		dp_route_timeout(turn->client, &pending->route, turn->now_ns);
		if (pending->type != WIRE_TAIL)
			pending->route.hold_until = 0; /* the next one is somebody else anyway */
	}
	if (pending->route.timer_at == 0 && turn->now_ns >= pending->route.hold_until)
		ask(pending, turn);
}

qr_ns dp_pending_deadline(const struct dp_pending *pending)
{
	qr_ns next =
		pending->route.timer_at != 0 ? pending->route.timer_at : pending->route.hold_until;

	return next < pending->deadline_ns ? next : pending->deadline_ns;
}

/* ---- answers ---- */

static struct dp_pending *find(struct dp_client *client, enum wire_type type, uint64_t request)
{
	uint32_t slot = request & ((1u << SLOT_BITS) - 1);
	struct dp_pending *pending;

	if (slot >= DP_CLIENT_REQUESTS_MAX)
		return NULL;
	pending = &client->pending[slot];
	return pending->used && pending->type == type && pending->request == request ? pending
										     : NULL;
}

static void learn(struct dp_client *client, const struct wire_description *description)
{
	for (uint32_t i = 0; i < description->node_count; i++)
		dp_client_set_node(client, &description->nodes[i]);
}

static enum qr_error described(struct dp_client *client, const struct wire_message *message)
{
	struct wire_description *description = &client->answer.description;
	enum qr_error error = wire_get_description(message, description);
	struct dp_pending *pending;

	if (error != QR_OK)
		return error;
	pending = find(client, WIRE_DESCRIBE, description->request);
	if (pending == NULL || description->first != pending->question.first)
		return QR_STALE;
	learn(client, description);
	answer(client, pending, QR_OK);
	return QR_OK;
}

static enum qr_error tail_told(struct dp_client *client, qr_node from,
			       const struct wire_message *message)
{
	struct wire_tail_reply *tail = &client->answer.tail;
	enum qr_error error = wire_get_tail_reply(message, tail);
	struct dp_pending *pending;

	if (error != QR_OK)
		return error;
	pending = find(client, WIRE_TAIL, tail->request);
	if (pending == NULL || pending->question.group != message->group)
		return QR_STALE;
	if (tail->status == QR_OK) {
		answer(client, pending, QR_OK);
	} else if (from != pending->route.target) {
		return QR_STALE;
	} else if (tail->status == QR_NOT_LEADER) {
		(void)dp_route_not_leader(client, &pending->route, from, tail->leader,
					  client->now_ns);
	} else if (tail->status == QR_BUSY) {
		dp_route_later(client, &pending->route, QR_BUSY, 0, client->now_ns);
	} else {
		dp_route_refused(client, &pending->route, tail->status, client->now_ns);
	}
	return QR_OK;
}

static enum qr_error status_told(struct dp_client *client, const struct wire_message *message)
{
	struct wire_status_reply *status = &client->answer.status;
	enum qr_error error = wire_get_status_reply(message, status);
	struct dp_pending *pending;

	if (error != QR_OK)
		return error;
	pending = find(client, WIRE_STATUS, status->request);
	if (pending == NULL || pending->question.node != status->node)
		return QR_STALE;
	answer(client, pending, QR_OK);
	return QR_OK;
}

enum qr_error dp_client_answered(struct dp_client *client, qr_node from,
				 const struct wire_message *message)
{
	client->answer.type = message->type;
	client->answer.from = from;
	if (message->type == WIRE_DESCRIPTION)
		return described(client, message);
	if (message->type == WIRE_TAIL_REPLY)
		return tail_told(client, from, message);
	QR_ASSERT(message->type == WIRE_STATUS_REPLY);
	return status_told(client, message);
}
