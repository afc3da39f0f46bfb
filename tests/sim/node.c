/*
 * The loop around a replication core, as dataplane/lcore/slot.c has it: what arrived goes in, a
 * turn is taken, datagrams and disk operations come out. Owns the core's memory, which every start
 * fills anew.
 *
 * Between any two effects of a turn the node may lose power (crash-midway).
 */
#include "tests/sim/node.h"

#include "consensus/base/assert.h"
#include "dataplane/node/state.h"
#include "tests/sim/memory.h"
#include "tests/sim/world.h"

#include <string.h>

#define TX_BURST 32
#define OPS_BURST 32
#define POLLS_MAX 64 /* a core that never has enough is a bug */
#define MEMORY_ALIGN ((size_t)1 << 21)
#define WALL_START_NS ((uint64_t)1700000000 * 1000000000)

/* ---- clocks ---- */

qr_ns sim_node_clock(const struct sim_world *world, const struct sim_node *node)
{
	int64_t passed = (int64_t)(world->now_ns - node->clock_global_ns);

	return node->clock_local_ns + (qr_ns)(passed + passed * node->clock_ppm / 1000000);
}

void sim_node_set_clock(struct sim_world *world, qr_node id, int64_t ppm)
{
	struct sim_node *node = &world->nodes[id];

	node->clock_local_ns = sim_node_clock(world, node);
	node->clock_global_ns = world->now_ns;
	node->clock_ppm = ppm;
	if (node->up)
		sim_node_wake(world, id); /* its deadlines are at other times now */
}

/** When the world's clock is at least there if the node's is at `local_ns`. */
static qr_ns global_of(const struct sim_world *world, const struct sim_node *node, qr_ns local_ns)
{
	qr_ns now_ns = sim_node_clock(world, node);

	if (local_ns <= now_ns)
		return world->now_ns;
	return world->now_ns +
	       (local_ns - now_ns) * 1000000 / (uint64_t)(1000000 + node->clock_ppm) + 1;
}

/* ---- building ---- */

static void configure(struct sim_world *world, struct sim_node *node)
{
	const struct sim_plan *plan = world->plan;
	struct dp_core_config *config = &node->config;
	struct dp_group_config *groups = sim_take(SIM_GROUPS_MAX * sizeof(*groups));

	for (uint32_t g = 0; g < plan->group_count; g++) {
		groups[g] = (struct dp_group_config){
			.group = g + 1,
			.replicas = raft_configuration_members(&plan->configuration),
			.configuration = plan->configuration,
			.priority = (uint8_t)(plan->priorities ? 100 - 10 * node->id : 0),
			.retention_bytes = (uint64_t)plan->retention_blocks * QR_BLOCK_BYTES,
			.retention_ns = plan->retention_ns,
		};
	}
	*config = (struct dp_core_config){
		.cluster = SIM_CLUSTER,
		.node = node->id,
		.cores = 1,
		.direct_io = true,
		.election_timeout_ns = plan->election_timeout_ns,
		.heartbeat_interval_ns = plan->heartbeat_interval_ns,
		.retransmit_min_ns = plan->retransmit_min_ns,
		.geometry = plan->geometry,
		.window_blocks = plan->window_blocks,
		.write_depth = plan->write_depth,
		.write_max_blocks = plan->write_max_blocks,
		.segments_ahead = plan->segments_ahead,
		.checkpoints_max = 64,
		.snapshot_blocks = plan->snapshot_blocks,
		.scrub_bytes_per_second = plan->scrub_bytes_per_second,
		.scrub_pause_ns = SIM_SCRUB_PAUSE_NS,
		.retention_hold_ns = plan->retention_hold_ns,
		.entry_max_bytes = plan->entry_max_bytes,
		.record_max_bytes = plan->record_max_bytes,
		.sessions_max = plan->sessions_max,
		.inflight_entries = plan->inflight_entries,
		.inflight_bytes = plan->inflight_bytes,
		.fill_bytes_per_second = plan->fill_bytes_per_second,
		.readers = (uint32_t)plan->node_count + 1,
		.client_datagram_max = plan->datagram_max,
		.group_count = plan->group_count,
		.groups = groups,
	};
	for (qr_node peer = 1; peer <= plan->node_count; peer++) {
		if (peer != node->id) {
			config->peers[config->peer_count++] = (struct dp_peer_config){
				.node = peer, .cores = 1, .datagram_max = plan->datagram_max};
		}
	}
}

void sim_node_init(struct sim_world *world, qr_node id)
{
	struct sim_node *node = &world->nodes[id];
	struct qr_arena arena;

	node->id = id;
	sim_disk_init(&node->disk, world->plan->group_count, world->plan->geometry.segment_blocks);
	configure(world, node);
	qr_arena_init(&arena, NULL, 0);
	(void)dp_core_create(&arena, &node->config, 0);
	node->memory_bytes = (arena.used_bytes + MEMORY_ALIGN - 1) & ~(MEMORY_ALIGN - 1);
	node->memory = sim_must(aligned_alloc(MEMORY_ALIGN, node->memory_bytes));
	node->clock_global_ns = world->now_ns;
	node->clock_local_ns = sim_between(world, 1000000000, 100000000000);
	if (world->plan->drift_ppm != 0) {
		node->drift_ppm = (int64_t)sim_between(world, 0, 2ull * world->plan->drift_ppm) -
				  world->plan->drift_ppm;
		node->clock_ppm = node->drift_ppm;
	}
	sim_node_start(world, id);
}

static void empty_inbox(struct sim_world *world, struct sim_node *node)
{
	while (node->inbox_first != NULL) {
		struct sim_packet *packet = node->inbox_first;

		node->inbox_first = packet->next;
		sim_net_packet_free(&world->net, packet);
	}
	node->inbox_count = 0;
	node->inbox_last = &node->inbox_first;
}

void sim_node_fini(struct sim_world *world, qr_node id)
{
	struct sim_node *node = &world->nodes[id];

	empty_inbox(world, node);
	for (qr_node peer = 1; peer <= SIM_NODES_MAX; peer++)
		sim_heard_forget(&node->heard[peer]);
	sim_disk_fini(&node->disk);
	sim_free(node->memory);
	sim_free((void *)node->config.groups);
}

void sim_node_start(struct sim_world *world, qr_node id)
{
	struct sim_node *node = &world->nodes[id];
	struct qr_arena arena;

	QR_ASSERT(!node->up);
	sim_forget_before_start(world, id);
	node->incarnation++;
	node->disk.media.life = node->incarnation;
	node->config.incarnation = node->incarnation;
	qr_arena_init(&arena, node->memory, node->memory_bytes);
	node->core = dp_core_create(&arena, &node->config, sim_node_clock(world, node));
	qr_arena_seal(&arena);
	for (qr_group group = 1; group <= world->plan->group_count; group++) {
		uint32_t first = node->disk.media.groups[group].segment_first;
		uint32_t count = node->disk.media.groups[group].segment_count;

		dp_core_set_segments(node->core, group,
				     (struct store_extent){first, count - first});
		node->seen[group] = (struct sim_seen){0};
	}
	for (qr_node peer = 1; peer <= SIM_NODES_MAX; peer++)
		sim_heard_forget(&node->heard[peer]);
	node->up = true;
	node->published = (struct dp_published){0};
	if (world->plan->asks_scrub) {
		node->published.scrub = (struct dp_scrub_request){
			.pass = node->incarnation,
			.bytes_per_second = world->plan->asked_bytes_per_second};
	}
	node->stopping = false;
	node->operator_comes = false;
	if (node->disk.lied)
		world->mended_ns = world->now_ns;
	node->disk.lied = false;
	node->inbox_last = &node->inbox_first;
	node->turn_at_ns = UINT64_MAX;
	world->count.starts++;
	sim_trace(world, SIM_TRACE_START, id, node->incarnation, 0, 0);
	sim_node_wake(world, id);
}

static void come_back(struct sim_world *world, struct sim_node *node, qr_ns start_at_ns)
{
	node->start_at_ns = start_at_ns;
	sim_queue_add(&world->queue, (struct sim_event){.at_ns = start_at_ns,
							.kind = SIM_EVENT_START,
							.host = node->id,
							.stamp = node->incarnation});
}

bool sim_node_crash(struct sim_world *world, qr_node id, bool power, qr_ns start_at_ns)
{
	struct sim_node *node = &world->nodes[id];

	QR_ASSERT(node->up);
	if (sim_disk_is_fragile(&node->disk))
		return false;
	sim_oracle_ended(world, id);
	sim_disk_crash(world, id, power);
	empty_inbox(world, node);
	node->core = NULL;
	node->up = false;
	node->paused_until_ns = 0;
	world->count.crashes++;
	sim_trace(world, SIM_TRACE_END, id, power, 0, 0);
	come_back(world, node, start_at_ns);
	return true;
}

struct dp_group *sim_node_group(const struct sim_node *node, qr_group group)
{
	if (!node->up || node->core->groups[group - 1].phase != DP_PHASE_RUNNING)
		return NULL;
	return &node->core->groups[group - 1];
}

/* ---- the loop ---- */

static void turn_at(struct sim_world *world, struct sim_node *node, qr_ns at_ns)
{
	if (at_ns < node->turned_ns + world->plan->turn_ns)
		at_ns = node->turned_ns + world->plan->turn_ns;
	if (at_ns < node->paused_until_ns)
		at_ns = node->paused_until_ns;
	if (at_ns >= node->turn_at_ns)
		return;
	node->turn_at_ns = at_ns;
	sim_queue_add(&world->queue, (struct sim_event){.at_ns = at_ns,
							.kind = SIM_EVENT_TURN,
							.host = node->id,
							.stamp = node->incarnation});
}

void sim_node_wake(struct sim_world *world, qr_node id)
{
	turn_at(world, &world->nodes[id], world->now_ns);
}

void sim_node_arrive(struct sim_world *world, struct sim_packet *packet)
{
	struct sim_node *node = &world->nodes[packet->to];

	if (!node->up || node->inbox_count == SIM_INBOX_MAX) {
		sim_net_packet_free(&world->net, packet);
		return;
	}
	*node->inbox_last = packet;
	node->inbox_last = &packet->next;
	node->inbox_count++;
	sim_node_wake(world, node->id);
}

static void take_datagrams(struct sim_world *world, struct sim_node *node, qr_ns clock_ns)
{
	for (struct sim_packet *packet = node->inbox_first; packet != NULL; packet = packet->next)
		sim_hear(world, node->id, packet, clock_ns);
	empty_inbox(world, node);
}

static void take_completions(struct sim_world *world, struct sim_node *node, qr_ns clock_ns)
{
	struct sim_disk *disk = &node->disk;

	(void)world;
	for (uint32_t d = 0; d < disk->done_count; d++) {
		const struct sim_disk_op *op = disk->done[d];
		struct store_completion completion = {.kind = op->op.kind,
						      .group = op->op.group,
						      .tag = op->op.tag,
						      .result = op->result};

		dp_core_complete(node->core, &completion, clock_ns);
		sim_disk_op_free(disk->done[d]);
	}
	disk->done_count = 0;
}

/** One more effect is carried out. @return false: the node has lost power before it. */
static bool carry_on(struct sim_world *world, struct sim_node *node, enum sim_effect effect)
{
	if (node->effects_left == 0 || --node->effects_left > 0)
		return true;
	sim_point(world, effect, SIM_FAILS_CRASH);
	return !sim_node_crash(world, node->id, true,
			       world->now_ns + sim_between(world, 1, 8) *
						       world->plan->election_timeout_ns / 4);
}

static bool send(struct sim_world *world, struct sim_node *node, const struct dp_tx *tx)
{
	uint8_t to = tx->peer != 0 ? tx->peer : (uint8_t)tx->to.udp;

	if (!carry_on(world, node,
		      sim_effect_of_datagram((struct qr_span){tx->data, tx->size_bytes})))
		return false;
	if (tx->peer != 0) {
		sim_oracle_sent(world, node->id, (struct qr_span){tx->data, tx->size_bytes});
	} else {
		sim_oracle_served(world, node->id, (struct qr_span){tx->data, tx->size_bytes});
	}
	sim_net_send(world, node->id, to, tx->data, tx->size_bytes);
	return true;
}

static bool poll_datagrams(struct sim_world *world, struct sim_node *node,
			   const struct dp_turn *turn, uint32_t *ret_sent)
{
	static _Alignas(64) uint8_t buffers[TX_BURST][SIM_DATAGRAM_MAX];
	struct dp_tx tx[TX_BURST];
	unsigned count = TX_BURST;

	for (unsigned t = 0; t < TX_BURST; t++) {
		tx[t].data = buffers[t];
		tx[t].capacity_bytes = world->plan->datagram_max;
	}
	for (unsigned polls = 0; count == TX_BURST; polls++) {
		if (polls == POLLS_MAX) {
			sim_fail(world, 19, "node %u does not come to an end with sending",
				 node->id);
		}
		count = dp_core_poll(node->core, turn, tx, TX_BURST);
		sim_oracle_turned(world, node->id); /* before anybody is told */
		for (unsigned t = 0; t < count; t++) {
			if (!send(world, node, &tx[t]))
				return false;
		}
		*ret_sent += count;
	}
	return true;
}

/** What cold reads have in flight is what an append may have to wait for. */
static void check_cold_reads(const struct dp_core *core)
{
	uint32_t blocks = 0;

	for (uint32_t r = 0; r < core->reader_count; r++)
		blocks += store_reader_inflight(core->readers[r].reader);
	QR_ASSERT(blocks <= STORE_READ_BLOCKS_MAX);
}

static bool poll_disk(struct sim_world *world, struct sim_node *node, uint32_t *ret_started)
{
	struct store_op ops[OPS_BURST];
	unsigned count = OPS_BURST;

	while (count == OPS_BURST) {
		count = dp_core_poll_disk(node->core, ops, OPS_BURST);
		for (unsigned o = 0; o < count; o++) {
			if (!carry_on(world, node, sim_effect_of_op(ops[o].kind)))
				return false;
			sim_disk_start(world, node->id, &ops[o]);
		}
		*ret_started += count;
	}
	check_cold_reads(node->core);
	return true;
}

/** Stopped by request: it has handed over and its writes are done. */
static void end_if_stopped(struct sim_world *world, struct sim_node *node)
{
	if (node->stopping && dp_core_is_stopped(node->core)) {
		(void)sim_node_crash(world, node->id, false,
				     world->now_ns + world->plan->election_timeout_ns);
	}
}

void sim_node_turn(struct sim_world *world, qr_node id)
{
	struct sim_node *node = &world->nodes[id];
	qr_ns clock_ns = sim_node_clock(world, node);
	struct dp_turn turn = {.now_ns = clock_ns, .published = &node->published};
	uint32_t sent = 0;
	uint32_t started = 0;
	qr_ns next_ns;

	node->turn_at_ns = UINT64_MAX;
	node->turned_ns = world->now_ns;
	world->count.turns++;
	turn.random = (uint32_t)qr_prng_next(&world->prng);
	dp_core_set_wall_clock(
		node->core,
		(uint64_t)((int64_t)(WALL_START_NS + world->now_ns) + node->wall_offset_ns),
		clock_ns);
	take_datagrams(world, node, clock_ns);
	take_completions(world, node, clock_ns);
	if (!poll_datagrams(world, node, &turn, &sent) || !poll_disk(world, node, &started))
		return;
	sim_trace(world, SIM_TRACE_TURN, id, sent, started, 0);
	sim_fault_operator(world, id);
	end_if_stopped(world, node);
	if (!node->up)
		return;
	next_ns = dp_core_next_deadline(node->core);
	/* A core that recovers wants turns all the time; the disk decides when they are of use. */
	if (!dp_core_is_recovered(node->core)) {
		turn_at(world, node, world->now_ns + world->plan->disk_min_ns);
	} else if (next_ns != UINT64_MAX) {
		turn_at(world, node, global_of(world, node, next_ns));
	}
}
