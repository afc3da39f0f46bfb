/*
 * Owns the datagrams that nobody has received yet. Order is not kept: each draws its own delay.
 */
#include "tests/sim/net.h"

#include "consensus/base/assert.h"
#include "tests/sim/memory.h"
#include "tests/sim/world.h"

#include <string.h>

void sim_net_init(struct sim_net *net)
{
	memset(net, 0, sizeof(*net));
	net->delay_times = 1;
}

void sim_net_fini(struct sim_net *net)
{
	for (uint32_t r = 0; r < SIM_REMEMBERED; r++)
		sim_free(net->remembered[r]);
	while (net->free != NULL) {
		struct sim_packet *packet = net->free;

		net->free = packet->next;
		sim_free(packet);
	}
}

static struct sim_packet *packet_of(struct sim_net *net, uint8_t from, uint8_t to,
				    const uint8_t *data, uint32_t size_bytes)
{
	struct sim_packet *packet = net->free;

	QR_ASSERT(size_bytes <= SIM_DATAGRAM_MAX);
	if (packet == NULL) {
		packet = sim_must(malloc(sizeof(*packet)));
	} else {
		net->free = packet->next;
	}
	packet->from = from;
	packet->to = to;
	packet->size_bytes = size_bytes;
	packet->wrong = false;
	packet->next = NULL;
	memcpy(packet->data, data, size_bytes);
	return packet;
}

void sim_net_packet_free(struct sim_net *net, struct sim_packet *packet)
{
	packet->next = net->free;
	net->free = packet;
}

static void post(struct sim_world *world, struct sim_packet *packet)
{
	const struct sim_plan *plan = world->plan;
	struct sim_net *net = &world->net;
	qr_ns due_ns = world->now_ns + net->delay_times * sim_between(world, plan->delay_min_ns,
								      plan->delay_max_ns);

	/* Now and then one takes much longer, and comes behind many later ones. */
	if (sim_percent(world, 1))
		due_ns += 10 * (due_ns - world->now_ns);
	if (due_ns < net->clogged_until_ns[packet->from][packet->to])
		due_ns += net->clogged_until_ns[packet->from][packet->to] - world->now_ns;
	sim_queue_add(&world->queue, (struct sim_event){.at_ns = due_ns,
							.kind = SIM_EVENT_PACKET,
							.host = packet->to,
							.data = packet});
}

static void remember(struct sim_world *world, const struct sim_packet *packet)
{
	struct sim_net *net = &world->net;
	uint32_t at = net->remembered_next++ % SIM_REMEMBERED;

	if (net->remembered[at] != NULL)
		sim_net_packet_free(net, net->remembered[at]);
	net->remembered[at] =
		packet_of(net, packet->from, packet->to, packet->data, packet->size_bytes);
}

/** Those that leave together with the first. */
static bool loses_fragment(struct sim_world *world, uint8_t from, enum sim_effect effect)
{
	struct sim_net *net = &world->net;

	if (effect != SIM_EFFECT_FRAGMENT || from != net->fragments_lost_of)
		return false;
	if (net->fragments_lost_until_ns == UINT64_MAX)
		net->fragments_lost_until_ns = world->now_ns + world->plan->turn_ns;
	return world->now_ns <= net->fragments_lost_until_ns;
}

void sim_net_send(struct sim_world *world, uint8_t from, uint8_t to, const uint8_t *data,
		  uint32_t size_bytes)
{
	struct sim_net *net = &world->net;
	enum sim_effect effect = sim_effect_of_datagram((struct qr_span){data, size_bytes});
	struct sim_packet *packet;

	world->count.datagrams++;
	if (net->cut[from][to] || (net->muted[from] >> effect & 1) != 0 ||
	    loses_fragment(world, from, effect) ||
	    (net->loss_percent != 0 && sim_percent(world, net->loss_percent))) {
		sim_point(world, effect, SIM_FAILS_LOST);
		return;
	}
	packet = packet_of(net, from, to, data, size_bytes);
	if (net->flip_percent != 0 && sim_percent(world, net->flip_percent)) {
		uint64_t bit = qr_prng_below(&world->prng, 8ull * size_bytes);

		packet->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		packet->wrong = true;
		sim_point(world, effect, SIM_FAILS_WRONG);
	} else if (world->keeps_packets && sim_percent(world, 2)) {
		remember(world, packet);
	}
	post(world, packet);
	while (net->duplicate_percent != 0 && sim_percent(world, net->duplicate_percent)) {
		post(world, packet_of(net, from, to, data, size_bytes));
		sim_point(world, effect, SIM_FAILS_TWICE);
	}
}

/* ---- faults in force ---- */

static void cut_both(struct sim_net *net, uint8_t a, uint8_t b)
{
	net->cut[a][b] = true;
	net->cut[b][a] = true;
}

/** Whether the fault keeps two nodes apart. */
static bool parts(const struct sim_fault *fault, const struct sim_deposed *deposed, qr_node a,
		  qr_node b)
{
	switch ((unsigned)fault->kind) {
	case SIM_FAULT_ISOLATE:
		return a == fault->a || b == fault->a;
	case SIM_FAULT_DEPOSE:
		return (a == deposed->leader || a == deposed->companion) !=
		       (b == deposed->leader || b == deposed->companion);
	case SIM_FAULT_CHAIN:
		return b - a > 1;
	case SIM_FAULT_SPLIT:
		return (fault->amount >> a & 1) != (fault->amount >> b & 1);
	default:
		return false;
	}
}

static void mute(struct sim_net *net, const struct sim_fault *fault)
{
	for (uint8_t a = 1; a <= SIM_HOSTS_MAX; a++) {
		if (a == fault->a || fault->amount / SIM_EFFECT_WRITE % 2 == 0)
			net->muted[a] |= 1u << fault->amount % SIM_EFFECT_WRITE;
	}
}

static void wire_links(struct sim_world *world, uint32_t number)
{
	const struct sim_fault *fault = &world->plan->faults[number];
	struct sim_net *net = &world->net;
	qr_node nodes = world->plan->node_count;

	for (qr_node a = 1; a <= nodes; a++) {
		for (qr_node b = (qr_node)(a + 1); b <= nodes; b++) {
			if (parts(fault, &world->deposed[number], a, b))
				cut_both(net, a, b);
		}
	}
	for (uint8_t c = 1; c <= world->plan->client_count; c++) {
		if (fault->kind == SIM_FAULT_ISOLATE)
			cut_both(net, fault->a, (uint8_t)(nodes + c));
	}
	if (fault->kind == SIM_FAULT_ONE_WAY)
		net->cut[fault->a][fault->b] = true;
	if (fault->kind == SIM_FAULT_CLOG)
		net->clogged_until_ns[fault->a][fault->b] = world->start_ns + fault->until_ns;
	if (fault->kind == SIM_FAULT_MUTE)
		mute(net, fault);
}

static void wire_rates(struct sim_net *net, const struct sim_fault *fault)
{
	if (fault->kind == SIM_FAULT_LOSS && fault->amount > net->loss_percent)
		net->loss_percent = fault->amount;
	if (fault->kind == SIM_FAULT_DUPLICATES && fault->amount > net->duplicate_percent)
		net->duplicate_percent = fault->amount;
	if (fault->kind == SIM_FAULT_FLIPS && fault->amount > net->flip_percent)
		net->flip_percent = fault->amount;
	if (fault->kind == SIM_FAULT_DELAY && fault->amount > net->delay_times)
		net->delay_times = fault->amount;
}

void sim_net_rewire(struct sim_world *world)
{
	struct sim_net *net = &world->net;

	memset(net->cut, 0, sizeof(net->cut));
	memset(net->muted, 0, sizeof(net->muted));
	memset(net->clogged_until_ns, 0, sizeof(net->clogged_until_ns));
	net->loss_percent = 0;
	net->duplicate_percent = 0;
	net->flip_percent = 0;
	net->delay_times = 1;
	for (uint32_t f = 0; f < world->plan->fault_count; f++) {
		if (world->in_force[f]) {
			wire_links(world, f);
			wire_rates(net, &world->plan->faults[f]);
		}
	}
	for (uint8_t a = 1; a <= SIM_NODES_MAX && world->how_away != SIM_AWAY_STUCK; a++) {
		for (uint8_t b = 1; b <= SIM_HOSTS_MAX && qr_nodes_has(world->away, a); b++) {
			net->cut[b][a] = true;
			net->cut[a][b] = net->cut[a][b] || world->how_away == SIM_AWAY_CUT;
		}
	}
}

void sim_net_replay(struct sim_world *world)
{
	for (uint32_t r = 0; r < SIM_REMEMBERED; r++) {
		const struct sim_packet *packet = world->net.remembered[r];

		if (packet != NULL && sim_percent(world, 50)) {
			post(world, packet_of(&world->net, packet->from, packet->to, packet->data,
					      packet->size_bytes));
		}
	}
}

/* ---- hostile datagrams ---- */

static uint32_t noise(struct sim_world *world, uint8_t *data)
{
	uint32_t size_bytes = (uint32_t)sim_between(world, 1, world->plan->datagram_max);

	for (uint32_t b = 0; b < size_bytes; b++)
		data[b] = (uint8_t)qr_prng_next(&world->prng);
	return size_bytes;
}

/** A sound datagram that does not belong here: a vote for a stranger, or another cluster's. */
static uint32_t stranger(struct sim_world *world, qr_node node, uint8_t *data)
{
	bool foreign = sim_percent(world, 50);
	struct wire_header header = {
		.source = WIRE_FROM_PEER,
		.from = foreign ? 1 : 60,
		.to = node,
		.cluster = foreign ? SIM_CLUSTER + 1 : SIM_CLUSTER,
		.incarnation = 77,
		.counter = 1,
	};
	struct raft_message vote = {.kind = RAFT_MESSAGE_VOTE, .term = 1000, .index = 1000};
	struct qr_writer writer = qr_writer_over(data, SIM_DATAGRAM_MAX);

	vote.log_term = 999;
	wire_begin(&writer);
	wire_put_raft(&writer, 1, &vote);
	return (uint32_t)wire_finish(&writer, &header);
}

void sim_net_garbage(struct sim_world *world, qr_node node)
{
	uint8_t data[SIM_DATAGRAM_MAX];

	for (uint32_t n = 0; n < 8; n++) {
		uint32_t size_bytes =
			sim_percent(world, 70) ? noise(world, data) : stranger(world, node, data);
		struct sim_packet *packet =
			packet_of(&world->net, (uint8_t)(world->plan->node_count + 1), node, data,
				  size_bytes);

		packet->wrong = true;
		post(world, packet);
	}
}
