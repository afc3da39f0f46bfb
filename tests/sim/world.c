/*
 * The clockwork: takes one event after the other, and tells the story from the first fault to the
 * last audit. Owns the trace.
 */
#include "tests/sim/world.h"

#include "consensus/base/assert.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND ((qr_ns)1000000000)
#define EVENTS_MAX 30000000 /* of one seed: beyond it nothing comes to an end */

/* ---- failing ---- */

static sim_observer observe;

void sim_set_observer(sim_observer observer)
{
	observe = observer;
}

void sim_fail(struct sim_world *world, unsigned property, const char *format, ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (observe != NULL)
		observe(world, property, text);
	abort();
}

/* ---- the trace ---- */

static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash ^= value;
	hash *= 0x9e3779b97f4a7c15u;
	return hash ^ hash >> 29;
}

void sim_trace_print(const struct sim_world *world, const struct sim_step *step)
{
	static const char *const words[] = {
		[SIM_TRACE_TURN] = "turn",	 [SIM_TRACE_ARRIVE] = "arrive",
		[SIM_TRACE_DISK] = "disk",	 [SIM_TRACE_FAULT] = "fault",
		[SIM_TRACE_HEAL] = "heal",	 [SIM_TRACE_START] = "start",
		[SIM_TRACE_END] = "end",	 [SIM_TRACE_ROLE] = "role",
		[SIM_TRACE_COMMIT] = "commit",	 [SIM_TRACE_ANSWER] = "answer",
		[SIM_TRACE_SESSION] = "session",
	};
	const char *word = words[step->kind];
	double at_ms = (double)(step->at_ns - world->start_ns) / 1e6;

	if (step->kind == SIM_TRACE_FAULT || step->kind == SIM_TRACE_HEAL) {
		printf("%12.3f  %-7s #%" PRIu64 " %s node %u amount %" PRIu64 "\n", at_ms, word,
		       step->a, sim_fault_name((enum sim_fault_kind)step->b), step->host, step->c);
	} else if (step->kind == SIM_TRACE_ROLE) {
		printf("%12.3f  %-7s node %u group %" PRIu64 " %s term %" PRIu64 "\n", at_ms, word,
		       step->host, step->a, raft_role_name((enum raft_role)step->b), step->c);
	} else {
		printf("%12.3f  %-7s host %u  %#" PRIx64 " %" PRIu64 " %" PRIu64 "\n", at_ms, word,
		       step->host, step->a, step->b, step->c);
	}
}

/* NOLINTNEXTLINE(readability-function-size): what happened to whom, and three values of it */
void sim_trace(struct sim_world *world, enum sim_trace_kind kind, uint32_t host, uint64_t a,
	       uint64_t b, uint64_t c)
{
	struct sim_step *step = &world->history[world->step_count++ % SIM_HISTORY];

	*step = (struct sim_step){
		.at_ns = world->now_ns, .kind = kind, .host = host, .a = a, .b = b, .c = c};
	world->hash = mix(world->hash, world->now_ns ^ (uint64_t)kind << 56 ^ (uint64_t)host << 48);
	world->hash = mix(world->hash, a);
	world->hash = mix(world->hash, b ^ c << 32);
	if (world->tracing)
		sim_trace_print(world, step);
}

/* ---- building ---- */

static void plan_faults(struct sim_world *world)
{
	for (uint32_t f = 0; f < world->plan->fault_count; f++) {
		const struct sim_fault *fault = &world->plan->faults[f];

		if (fault->left_out)
			continue;
		world->keeps_packets = world->keeps_packets || fault->kind == SIM_FAULT_REPLAY;
		sim_queue_add(&world->queue,
			      (struct sim_event){.at_ns = world->start_ns + fault->at_ns,
						 .kind = SIM_EVENT_FAULT,
						 .stamp = f});
		sim_queue_add(&world->queue,
			      (struct sim_event){.at_ns = world->start_ns + fault->until_ns,
						 .kind = SIM_EVENT_HEAL,
						 .stamp = f});
	}
}

void sim_world_init(struct sim_world *world, const struct sim_plan *plan, bool tracing)
{
	memset(world, 0, sizeof(*world));
	world->plan = plan;
	world->tracing = tracing;
	world->now_ns = world->start_ns = SECOND;
	/* Not the plan's own sequence: a plan with faults left out draws the same here. */
	qr_prng_init(&world->prng, plan->seed ^ 0x5eed5eed5eed5eedu);
	sim_queue_init(&world->queue);
	sim_net_init(&world->net);
	sim_oracle_init(&world->oracle);
	plan_faults(world);
	for (qr_node node = 1; node <= plan->node_count; node++)
		sim_node_init(world, node);
	for (uint32_t client = 1; client <= plan->client_count; client++)
		sim_client_init(world, client);
}

void sim_world_fini(struct sim_world *world)
{
	while (world->queue.count > 0) {
		struct sim_event event = sim_queue_take(&world->queue);

		if (event.kind == SIM_EVENT_PACKET)
			free(event.data);
		if (event.kind == SIM_EVENT_DISK)
			sim_disk_op_free(event.data);
	}
	for (qr_node node = 1; node <= world->plan->node_count; node++)
		sim_node_fini(world, node);
	for (uint32_t client = 1; client <= world->plan->client_count; client++)
		sim_client_fini(world, client);
	sim_net_fini(&world->net);
	sim_oracle_fini(&world->oracle);
	sim_queue_fini(&world->queue);
}

bool sim_world_had_damage(const struct sim_world *world)
{
	if (world->mended_ns != 0 && world->now_ns - world->mended_ns < 60 * SECOND)
		return true;
	for (qr_node node = 1; node <= world->plan->node_count; node++) {
		if (sim_media_damage_count(&world->nodes[node].disk.media) != 0 ||
		    world->nodes[node].disk.lied)
			return true;
	}
	return false;
}

/* ---- events ---- */

static void arrive(struct sim_world *world, struct sim_packet *packet)
{
	uint32_t checksum = 0;

	if (packet->size_bytes >= WIRE_HEADER_BYTES)
		memcpy(&checksum, packet->data + SIM_HEADER_CHECKSUM, sizeof(checksum));
	sim_trace(world, SIM_TRACE_ARRIVE, packet->to, packet->from, packet->size_bytes, checksum);
	if (packet->to <= world->plan->node_count) {
		sim_node_arrive(world, packet);
	} else {
		sim_client_arrive(world, packet);
	}
}

static void turn(struct sim_world *world, const struct sim_event *event)
{
	struct sim_node *node = &world->nodes[event->host];

	if (!node->up || event->stamp != node->incarnation || event->at_ns != node->turn_at_ns)
		return;
	sim_node_turn(world, node->id);
}

static void happen(struct sim_world *world, const struct sim_event *event)
{
	struct sim_node *node = &world->nodes[event->host < SIM_NODES_MAX + 1 ? event->host : 0];

	switch (event->kind) {
	case SIM_EVENT_PACKET:
		arrive(world, event->data);
		break;
	case SIM_EVENT_DISK:
		if (sim_disk_finish(world, (qr_node)event->host, event->data))
			sim_node_wake(world, (qr_node)event->host);
		break;
	case SIM_EVENT_TURN:
		turn(world, event);
		break;
	case SIM_EVENT_CLIENT:
		if (event->at_ns == world->clients[event->host].turn_at_ns)
			sim_client_turn(world, event->host);
		break;
	case SIM_EVENT_FAULT:
		if (!world->calm)
			sim_fault_begin(world, (uint32_t)event->stamp);
		break;
	case SIM_EVENT_HEAL:
		sim_fault_end(world, (uint32_t)event->stamp);
		break;
	case SIM_EVENT_START:
		if (!node->up && event->stamp == node->incarnation)
			sim_node_start(world, node->id);
		break;
	case SIM_EVENT_ASK:
		for (uint32_t client = 1; client <= world->plan->client_count; client++)
			sim_client_ask(world, client, (qr_node)event->host);
		break;
	case SIM_EVENT_MEND:
		if (node->up && event->stamp == node->incarnation)
			sim_fault_mend(world, node->id);
		break;
	}
}

void sim_world_run_until(struct sim_world *world, qr_ns until_ns)
{
	while (sim_queue_next_ns(&world->queue) <= until_ns) {
		struct sim_event event = sim_queue_take(&world->queue);

		QR_ASSERT(event.at_ns >= world->now_ns);
		world->now_ns = event.at_ns;
		if (++world->count.events > EVENTS_MAX)
			sim_fail(world, 19, "%u events and no end", EVENTS_MAX);
		happen(world, &event);
	}
	world->now_ns = until_ns;
}

/* ---- the story ---- */

void sim_world_run(struct sim_world *world)
{
	sim_world_run_until(world, world->start_ns + world->plan->calm_at_ns);
	sim_faults_end_all(world);
	sim_calm(world);
	world->count.seeds++;
	world->count.simulated_ns += world->now_ns - world->start_ns;
}
