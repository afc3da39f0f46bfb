/*
 * Who uses the client library here: appends bursts of records at a rate (what could not be appended
 * is owed, up to a bound), asks for the tail now and then, reads along, and begins anew when a
 * producer has ended. Owns the machine's memory.
 */
#include "tests/sim/client.h"

#include "consensus/base/assert.h"
#include "dataplane/client/internal.h"
#include "tests/sim/memory.h"
#include "tests/sim/world.h"

#include <string.h>

#define MS ((qr_ns)1000000)
#define SECOND ((qr_ns)1000000000)
#define TX_BURST 32
#define OWED_MAX 4000u /* records */
#define MILLION 1000000u
#define BUFFER_BYTES (1u << 17)
#define READ_BYTES 16384u
#define MEMORY_BYTES ((size_t)1 << 21) /* the arena asserts that it is enough */

/* ---- what the machine tells ---- */

static void answered(void *context, uint64_t sequence, uint32_t count, qr_offset offset,
		     enum qr_error error)
{
	struct sim_producer *producer = context;
	struct sim_world *world = producer->client->world;

	if (error != QR_OK) {
		producer->ended = true;
		return;
	}
	if (sequence != producer->answered || sequence + count > producer->appended) {
		sim_fail(world, 14, "client %u is told of records %lu..%lu, next was %lu of %lu",
			 producer->client->id, (unsigned long)sequence,
			 (unsigned long)(sequence + count), (unsigned long)producer->answered,
			 (unsigned long)producer->appended);
	}
	sim_trace(world, SIM_TRACE_ANSWER, producer->client->id, producer->group, offset, count);
	for (uint32_t r = 0; r < count; r++)
		sim_oracle_acked(world, producer->records[sequence + r], offset + r);
	producer->answered += count;
}

static void got_records(void *context, const struct dp_batch *batch)
{
	struct sim_consumer *consumer = context;

	sim_oracle_read(consumer->client->world, consumer->group, consumer->since, batch);
	consumer->since = consumer->client->world->count.events;
}

static void got_tail(void *context, const struct dp_answer *answer)
{
	struct sim_question *question = context;

	question->asked = false;
	if (answer->error == QR_OK && answer->type == WIRE_TAIL_REPLY &&
	    answer->tail.status == QR_OK) {
		sim_oracle_tail(question->client->world, question, answer->tail.end);
	}
}

/* ---- building ---- */

static struct dp_producer_config producer_config(const struct sim_world *world,
						 struct sim_producer *producer)
{
	struct dp_producer_config config = dp_producer_config_default();

	config.group = producer->group;
	config.replicas = raft_configuration_members(&world->plan->configuration);
	config.buffer_bytes = BUFFER_BYTES;
	config.record_max_bytes = world->plan->record_max_bytes;
	config.timeout_ns = world->plan->append_timeout_ns;
	config.on_done = answered;
	config.context = producer;
	return config;
}

static struct dp_consumer_config consumer_config(struct sim_world *world,
						 struct sim_consumer *consumer)
{
	struct dp_consumer_config config = dp_consumer_config_default();
	const struct sim_log *log = &world->oracle.logs[consumer->group];

	QR_ASSERT(world->plan->node_count != 0);
	config.group = consumer->group;
	config.replicas = raft_configuration_members(&world->plan->configuration);
	config.prefer = (qr_node)(1 + consumer->client->id % world->plan->node_count);
	config.from = log->record_count > 400 ? log->record_count - 400 : 0;
	if (sim_percent(world, 30))
		config.from = sim_between(world, 0, log->record_count);
	if (config.from < log->start.offset && sim_percent(world, 80))
		config.from = log->start.offset;
	config.follow = true;
	config.read_bytes = READ_BYTES;
	config.wait_ms = 2000;
	config.record_max_bytes = world->plan->record_max_bytes;
	config.reorder_slots = 8;
	config.timeout_ns = 20 * SECOND;
	config.on_batch = got_records;
	config.context = consumer;
	return config;
}

/** The machine and all that hangs on it. */
static struct dp_client *build(struct sim_world *world, struct sim_client *client,
			       struct qr_arena *arena)
{
	struct dp_client_config config = dp_client_config_default();
	struct dp_client *machine;
	bool reads = world->plan->client_count == 1 || client->id == 1;

	config.cluster = SIM_CLUSTER;
	config.incarnation = (uint32_t)qr_prng_next(&world->prng);
	config.random_seed = qr_prng_next(&world->prng);
	config.datagram_max = world->plan->datagram_max;
	config.retransmit_min_ns = world->plan->retransmit_min_ns * 2;
	config.retransmit_max_ns = 2 * SECOND;
	config.backoff_min_ns = 20 * MS;
	config.backoff_max_ns = 500 * MS;
	machine = dp_client_create(arena, &config, world->now_ns);
	for (qr_node node = 1; node <= world->plan->node_count; node++) {
		struct wire_endpoint endpoint = {.node = node, .cores = 1, .port = 1, .ipv4 = node};

		dp_client_set_node(machine, &endpoint);
	}
	for (uint32_t p = 0; p < client->producer_count; p++) {
		struct sim_producer *producer = &client->producers[p];
		struct dp_producer_config appends = producer_config(world, producer);

		producer->machine = dp_producer_create(arena, machine, &appends);
	}
	for (qr_group group = 1; group <= world->plan->group_count; group++) {
		struct sim_consumer *consumer = &client->consumers[group];
		struct dp_consumer_config follows = consumer_config(world, consumer);

		if (reads)
			consumer->machine = dp_consumer_create(arena, machine, &follows);
	}
	return machine;
}

static void begin(struct sim_world *world, struct sim_client *client)
{
	struct qr_arena arena;

	client->again = false;
	for (uint32_t p = 0; p < client->producer_count; p++) {
		struct sim_producer *producer = &client->producers[p];

		producer->client = client;
		producer->group = p % world->plan->group_count + 1;
		producer->appended = 0;
		producer->answered = 0;
		producer->ended = false;
	}
	for (qr_group group = 1; group <= world->plan->group_count; group++) {
		client->consumers[group] = (struct sim_consumer){
			.client = client, .group = group, .since = world->count.events};
		client->questions[group] = (struct sim_question){.client = client, .group = group};
	}
	qr_arena_init(&arena, client->memory, MEMORY_BYTES);
	client->machine = build(world, client, &arena);
}

void sim_client_init(struct sim_world *world, uint32_t id)
{
	struct sim_client *client = &world->clients[id];

	*client = (struct sim_client){.world = world, .id = id};
	client->producer_count = world->plan->group_count * world->plan->producers_per_group;
	client->memory = sim_must(aligned_alloc(4096, MEMORY_BYTES));
	client->owed_at_ns = world->now_ns;
	client->burst_at_ns = world->now_ns + sim_between(world, 1, 100) * MS;
	client->question_at_ns = client->burst_at_ns;
	client->turn_at_ns = UINT64_MAX;
	begin(world, client);
	sim_client_wake(world, id, world->now_ns);
}

void sim_client_fini(struct sim_world *world, uint32_t id)
{
	struct sim_client *client = &world->clients[id];

	for (uint32_t p = 0; p < client->producer_count; p++)
		sim_free(client->producers[p].records);
	sim_free(client->memory);
}

/* ---- using it ---- */

void sim_client_wake(struct sim_world *world, uint32_t id, qr_ns at_ns)
{
	struct sim_client *client = &world->clients[id];

	if (at_ns < world->now_ns)
		at_ns = world->now_ns;
	if (at_ns < client->paused_until_ns)
		at_ns = client->paused_until_ns;
	if (at_ns >= client->turn_at_ns)
		return;
	client->turn_at_ns = at_ns;
	sim_queue_add(&world->queue,
		      (struct sim_event){.at_ns = at_ns, .kind = SIM_EVENT_CLIENT, .host = id});
}

void sim_client_arrive(struct sim_world *world, struct sim_packet *packet)
{
	uint32_t id = packet->to - (uint32_t)world->plan->node_count;
	struct sim_client *client = &world->clients[id];
	struct qr_span datagram = {packet->data, packet->size_bytes};

	/* While it is paused its socket takes what fits; here nothing does. */
	if (client->paused_until_ns <= world->now_ns && !client->again) {
		dp_client_receive(client->machine, datagram, world->now_ns);
		sim_client_wake(world, id, world->now_ns);
	}
	sim_net_packet_free(&world->net, packet);
}

static void note(struct sim_producer *producer, uint32_t record)
{
	if (producer->appended == producer->room) {
		producer->room = producer->room == 0 ? 1024 : 2 * producer->room;
		producer->records =
			sim_resize(producer->records, producer->room * sizeof(*producer->records));
	}
	producer->records[producer->appended++] = record;
}

/** @return false: it takes no more now, or has ended. */
static bool append_one(struct sim_world *world, struct sim_producer *producer)
{
	uint8_t bytes[65536];
	uint32_t most = world->plan->record_bytes;
	uint32_t size_bytes;
	uint32_t record = world->oracle.record_count;
	uint64_t sequence;
	enum qr_error error;

	if (sim_percent(world, 1))
		most = world->plan->record_max_bytes;
	size_bytes = (uint32_t)sim_between(world, SIM_RECORD_MIN_BYTES, most);
	(void)sim_oracle_append(world, producer->group, bytes, size_bytes);
	error = dp_producer_append(producer->machine, bytes, size_bytes, &sequence);
	if (error != QR_OK) {
		world->oracle.record_count = record; /* it was never handed over */
		producer->ended = producer->ended || error != QR_AGAIN;
		return false;
	}
	if (sequence != producer->appended) {
		sim_fail(world, 14, "client %u appends sequence %lu after %lu",
			 producer->client->id, (unsigned long)sequence,
			 (unsigned long)producer->appended);
	}
	note(producer, record);
	world->count.appended++;
	return true;
}

bool sim_client_append(struct sim_world *world, uint32_t id, qr_group group)
{
	struct sim_client *client = &world->clients[id];

	if (client->again || !append_one(world, &client->producers[group - 1]))
		return false;
	sim_client_wake(world, id, world->now_ns);
	return true;
}

static void append_burst(struct sim_world *world, struct sim_client *client)
{
	const struct sim_plan *plan = world->plan;
	uint64_t rate = plan->appends_per_second;
	uint64_t most = sim_between(world, 1, plan->burst);

	client->owed += (world->now_ns - client->owed_at_ns) / 1000 * rate / plan->client_count;
	client->owed_at_ns = world->now_ns;
	if (client->owed > (uint64_t)OWED_MAX * MILLION)
		client->owed = (uint64_t)OWED_MAX * MILLION;
	/* What is owed from a time without a leader is appended faster than what comes. */
	if (most < client->owed / MILLION / 4)
		most = client->owed / MILLION / 4;
	for (uint64_t r = 0; r < most && client->owed >= MILLION; r++) {
		uint64_t producer = sim_between(world, 0, client->producer_count - 1);

		if (!append_one(world, &client->producers[producer]))
			break;
		client->owed -= MILLION;
	}
	client->burst_at_ns = world->now_ns + (uint64_t)plan->burst * plan->client_count * SECOND /
						      2 / rate * sim_between(world, 50, 150) / 100;
}

static void ask(struct sim_world *world, struct sim_client *client, qr_group group, qr_node node)
{
	struct sim_question *question = &client->questions[group];
	struct dp_question tail = {
		.group = group,
		.replicas = raft_configuration_members(&world->plan->configuration),
		.node = node,
		.timeout_ns = 4 * SECOND,
		.on_answer = got_tail,
		.context = question,
	};

	if (question->asked)
		return;
	question->asked = true;
	question->acked_end = world->oracle.logs[group].acked_end;
	question->since = world->count.events;
	if (dp_client_ask_tail(client->machine, &tail) != QR_OK)
		question->asked = false;
}

static void ask_anything(struct sim_world *world, struct sim_client *client)
{
	qr_group group = (qr_group)sim_between(world, 1, world->plan->group_count);
	qr_node node = (qr_node)sim_between(world, 1, world->plan->node_count);

	client->question_at_ns = world->now_ns + sim_between(world, 100, 900) * MS;
	ask(world, client, group, node);
}

/** A redirect of long ago arrives: what is unanswered goes to that node. */
static void misdirect(struct sim_world *world, struct sim_client *client, qr_node node)
{
	for (uint32_t p = 0; p < client->producer_count; p++) {
		struct dp_producer *machine = client->producers[p].machine;

		if (machine->state == DP_PRODUCER_OPEN &&
		    dp_route_not_leader(client->machine, &machine->route, machine->route.target,
					node, world->now_ns))
			dp_producer_rewind(machine, machine->first, false);
	}
}

void sim_client_ask(struct sim_world *world, uint32_t id, qr_node node)
{
	struct sim_client *client = &world->clients[id];

	if (world->quiet || client->again)
		return;
	for (qr_group group = 1; group <= world->plan->group_count; group++)
		ask(world, client, group, node);
	if (sim_percent(world, 25))
		misdirect(world, client, node);
	sim_client_wake(world, id, world->now_ns);
}

static void look_for_ends(struct sim_world *world, struct sim_client *client)
{
	for (uint32_t p = 0; p < client->producer_count; p++) {
		const struct sim_producer *producer = &client->producers[p];

		if (producer->ended) {
			if (dp_producer_error(producer->machine) == QR_TIMED_OUT && world->quiet &&
			    world->now_ns > world->quiet_ns + SIM_ANSWERED_WITHIN_NS / 2) {
				sim_fail(world, 19, "no faults, and client %u gives up on group %u",
					 client->id, producer->group);
			}
			sim_trace(world, SIM_TRACE_SESSION, client->id, producer->group,
				  dp_producer_error(producer->machine), 0);
			sim_client_end(world, client->id);
			return;
		}
	}
	for (qr_group group = 1; group <= world->plan->group_count; group++) {
		const struct sim_consumer *consumer = &client->consumers[group];

		if (consumer->machine != NULL &&
		    dp_consumer_error(consumer->machine) == QR_CORRUPT &&
		    !sim_world_had_damage(world)) {
			sim_fail(world, 9, "client %u reads group %u and gets: damaged", client->id,
				 group);
		}
	}
}

void sim_client_end(struct sim_world *world, uint32_t id)
{
	struct sim_client *client = &world->clients[id];

	if (client->again)
		return;
	client->again = true;
	client->again_at_ns = world->now_ns + sim_between(world, 1, 300) * MS;
	sim_client_wake(world, id, client->again_at_ns);
}

static void send_all(struct sim_world *world, struct sim_client *client)
{
	static _Alignas(64) uint8_t buffers[TX_BURST][SIM_DATAGRAM_MAX];
	struct dp_client_tx tx[TX_BURST];
	unsigned count = TX_BURST;

	for (unsigned t = 0; t < TX_BURST; t++) {
		tx[t].data = buffers[t];
		tx[t].capacity_bytes = SIM_DATAGRAM_MAX;
	}
	while (count == TX_BURST) {
		count = dp_client_poll(client->machine, world->now_ns, tx, TX_BURST);
		for (unsigned t = 0; t < count; t++) {
			sim_net_send(world, (uint8_t)(world->plan->node_count + client->id),
				     tx[t].node, tx[t].data, tx[t].size_bytes);
		}
	}
}

void sim_client_turn(struct sim_world *world, uint32_t id)
{
	struct sim_client *client = &world->clients[id];
	qr_ns next_ns;

	client->turn_at_ns = UINT64_MAX;
	if (client->again) {
		if (world->now_ns < client->again_at_ns) {
			sim_client_wake(world, id, client->again_at_ns);
			return;
		}
		begin(world, client);
	}
	if (!world->quiet && world->now_ns >= client->burst_at_ns)
		append_burst(world, client);
	if (!world->quiet && world->now_ns >= client->question_at_ns)
		ask_anything(world, client);
	send_all(world, client);
	look_for_ends(world, client);
	if (client->again)
		return;
	next_ns = dp_client_next_deadline(client->machine);
	if (!world->quiet && client->burst_at_ns < next_ns)
		next_ns = client->burst_at_ns;
	if (!world->quiet && client->question_at_ns < next_ns)
		next_ns = client->question_at_ns;
	if (next_ns <= world->now_ns)
		next_ns = world->now_ns + MS / 10;
	if (next_ns != UINT64_MAX)
		sim_client_wake(world, id, next_ns);
}

bool sim_client_is_idle(const struct sim_world *world, uint32_t id)
{
	const struct sim_client *client = &world->clients[id];

	if (client->again)
		return false;
	for (uint32_t p = 0; p < client->producer_count; p++) {
		if (client->producers[p].answered != client->producers[p].appended)
			return false;
	}
	return true;
}
