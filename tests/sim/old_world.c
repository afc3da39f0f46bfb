/*
 * The simulated edges. Packets and pending disk operations are unordered arrays that a step scans:
 * they are short, and the order of equal times is then decided by the seed alone.
 */
#include "tests/sim/old_world.h"

#include "consensus/base/assert.h"

#include <stdlib.h>
#include <string.h>

#define PACKETS_MAX 65536
#define PENDING_MAX 1024
#define TX_BURST 64
#define OPS_BURST 32
#define SECTOR_BYTES 512
#define SEGMENT_BLOCKS 256
#define STRIDE_BLOCKS 64
#define WINDOW_BLOCKS 128

static void *must(void *memory)
{
	if (memory == NULL)
		abort();
	return memory;
}

static uint64_t between(struct world *world, uint64_t low, uint64_t high)
{
	return low + qr_prng_below(&world->prng, high - low + 1);
}

static bool percent(struct world *world, uint32_t chance)
{
	return qr_prng_below(&world->prng, 100) < chance;
}

/* ---- building ---- */

static struct dp_core_config config_of(struct world *world, qr_node node)
{
	struct dp_core_config config = world->config;

	config.node = node;
	config.incarnation = world->nodes[node].incarnation;
	config.peer_count = 0;
	for (qr_node peer = 1; peer <= world->node_count; peer++) {
		if (peer != node) {
			config.peers[config.peer_count++] = (struct dp_peer_config){
				.node = peer, .cores = 1, .datagram_max = WORLD_CLIENT_DATAGRAM};
		}
	}
	return config;
}

void world_init(struct world *world, uint64_t seed, qr_node node_count, uint32_t group_count)
{
	memset(world, 0, sizeof(*world));
	qr_prng_init(&world->prng, seed);
	world->now_ns = 1000000000;
	world->node_count = node_count;
	world->faults = (struct world_faults){.delay_min_ns = 10000,
					      .delay_max_ns = 60000,
					      .disk_min_ns = 50000,
					      .disk_max_ns = 200000};
	world->packets = must(calloc(PACKETS_MAX, sizeof(*world->packets)));
	for (uint32_t g = 0; g < group_count; g++) {
		world->groups[g] = (struct dp_group_config){
			.group = g + 1, .replicas = ((qr_nodes)1 << (node_count + 1)) - 2};
	}
	world->config = (struct dp_core_config){
		.cluster = 0x51,
		.cores = 1,
		.direct_io = true,
		.election_timeout_ns = 10000000,
		.heartbeat_interval_ns = 2000000,
		.retransmit_min_ns = 400000,
		.geometry = {.segment_blocks = SEGMENT_BLOCKS, .stride_blocks = STRIDE_BLOCKS},
		.window_blocks = WINDOW_BLOCKS,
		.write_depth = 4,
		.write_max_blocks = 32,
		.segments_ahead = 2,
		.checkpoints_max = 64,
		.entry_max_bytes = 65536,
		.record_max_bytes = 65536,
		.sessions_max = 8,
		.inflight_entries = 64,
		.inflight_bytes = 1 << 20,
		.readers = node_count + 2,
		.client_datagram_max = WORLD_CLIENT_DATAGRAM,
		.group_count = group_count,
		.groups = world->groups,
	};
	for (qr_node node = 1; node <= node_count; node++) {
		world->nodes[node].disk.pending =
			must(calloc(PENDING_MAX, sizeof(*world->nodes[node].disk.pending)));
		world_start_node(world, node);
	}
}

static uint64_t count_segments(const struct world_disk *disk, qr_group group)
{
	uint64_t count = 0;

	for (uint32_t s = 0; s < disk->segment_count; s++)
		count += disk->segments[s].group == group;
	return count;
}

void world_start_node(struct world *world, qr_node node)
{
	struct world_node *self = &world->nodes[node];
	struct qr_arena arena;
	struct dp_core_config config;

	self->incarnation++;
	config = config_of(world, node);
	qr_arena_init(&arena, NULL, 0);
	(void)dp_core_create(&arena, &config, world->now_ns);
	world->memory_bytes = arena.used_bytes;
	self->memory =
		must(aligned_alloc(1 << 21, (arena.used_bytes + (1 << 22)) & ~(size_t)0x1fffff));
	memset(self->memory, 0, arena.used_bytes);
	qr_arena_init(&arena, self->memory, arena.used_bytes);
	self->core = dp_core_create(&arena, &config, world->now_ns);
	qr_arena_seal(&arena);
	for (uint32_t g = 0; g < dp_core_group_count(self->core); g++) {
		qr_group group = dp_core_group(self->core, g);

		dp_core_set_segments(self->core, group, count_segments(&self->disk, group));
	}
	self->up = true;
}

void world_fini(struct world *world)
{
	for (qr_node node = 1; node <= world->node_count; node++) {
		struct world_node *self = &world->nodes[node];

		if (self->up)
			world_crash_node(world, node);
		for (uint32_t s = 0; s < self->disk.segment_count; s++)
			free(self->disk.segments[s].data);
		free(self->disk.segments);
		free(self->disk.pending);
	}
	for (uint32_t p = 0; p < world->packet_count; p++)
		free(world->packets[p].data);
	free(world->packets);
}

/* ---- the disk ---- */

static struct world_segment *find_segment(const struct world_disk *disk, qr_group group,
					  uint64_t number)
{
	for (uint32_t s = 0; s < disk->segment_count; s++) {
		if (disk->segments[s].group == group && disk->segments[s].number == number)
			return &disk->segments[s];
	}
	return NULL;
}

static uint8_t *slots_of(struct world_disk *disk, qr_group group)
{
	for (uint32_t s = 0; s < disk->slots_count; s++) {
		if (disk->slots[s].group == group)
			return disk->slots[s].data;
	}
	QR_ASSERT(disk->slots_count < sizeof(disk->slots) / sizeof(disk->slots[0]));
	disk->slots[disk->slots_count].group = group;
	return disk->slots[disk->slots_count++].data;
}

static enum qr_error prepare(struct world_disk *disk, const struct store_op *op)
{
	if (find_segment(disk, op->group, op->segment) != NULL)
		return QR_OK;
	if (disk->segment_limit != 0 && disk->segment_count >= disk->segment_limit)
		return QR_NO_SPACE;
	disk->segments =
		must(realloc(disk->segments, (disk->segment_count + 1) * sizeof(*disk->segments)));
	disk->segments[disk->segment_count++] = (struct world_segment){
		.group = op->group,
		.number = op->segment,
		.size_bytes = op->blocks * QR_BLOCK_BYTES,
		.data = must(calloc(op->blocks, QR_BLOCK_BYTES)),
	};
	return QR_OK;
}

static uint8_t *place_of(struct world_disk *disk, const struct store_op *op)
{
	struct world_segment *segment;

	if (op->kind == STORE_OP_READ_SLOTS || op->kind == STORE_OP_WRITE_SLOT)
		return slots_of(disk, op->group) + op->offset_bytes;
	segment = find_segment(disk, op->group, op->segment);
	if (segment == NULL)
		return NULL;
	QR_ASSERT(op->offset_bytes + op->size_bytes <= segment->size_bytes);
	return segment->data + op->offset_bytes;
}

static bool is_write(const struct store_op *op)
{
	return op->kind == STORE_OP_WRITE || op->kind == STORE_OP_WRITE_LAZY ||
	       op->kind == STORE_OP_WRITE_SLOT;
}

static enum qr_error carry_out(struct world_disk *disk, const struct world_pending *pending)
{
	const struct store_op *op = &pending->op;
	uint8_t *place;

	if (op->kind == STORE_OP_PREPARE)
		return prepare(disk, op);
	if (op->kind == STORE_OP_SYNC)
		return QR_OK; /* what was completed is on the media: there is no cache */
	place = place_of(disk, op);
	if (place == NULL)
		return QR_NOT_FOUND;
	if (is_write(op) && disk->fail_writes)
		return QR_IO;
	if (is_write(op)) {
		memcpy(place, pending->data, op->size_bytes);
	} else {
		memcpy(op->data, place, op->size_bytes);
	}
	return QR_OK;
}

static void start_op(struct world *world, struct world_disk *disk, const struct store_op *op)
{
	struct world_pending *pending = &disk->pending[disk->pending_count++];

	QR_ASSERT(disk->pending_count < PENDING_MAX);
	pending->op = *op;
	pending->due_ns = world->now_ns +
			  between(world, world->faults.disk_min_ns, world->faults.disk_max_ns);
	pending->data = NULL;
	if (is_write(op)) {
		pending->data = must(malloc(op->size_bytes));
		memcpy(pending->data, op->data, op->size_bytes);
	}
}

static void complete_ops(struct world *world, struct world_node *self)
{
	struct world_disk *disk = &self->disk;

	for (uint32_t p = 0; p < disk->pending_count;) {
		struct world_pending pending = disk->pending[p];
		struct store_completion completion = {
			.kind = pending.op.kind, .group = pending.op.group, .tag = pending.op.tag};

		if (pending.due_ns > world->now_ns) {
			p++;
			continue;
		}
		disk->pending[p] = disk->pending[--disk->pending_count];
		disk->pending[disk->pending_count].data = NULL;
		completion.result = carry_out(disk, &pending);
		free(pending.data);
		dp_core_complete(self->core, &completion, world->now_ns);
	}
}

/** What a power cut leaves of a write in flight: each sector old or new. */
static void tear(struct world *world, struct world_disk *disk, const struct world_pending *pending)
{
	uint8_t *place = place_of(disk, &pending->op);

	if (place == NULL || percent(world, 30))
		return;
	for (uint32_t at = 0; at < pending->op.size_bytes; at += SECTOR_BYTES) {
		if (!percent(world, 20))
			memcpy(place + at, pending->data + at, SECTOR_BYTES);
	}
}

void world_crash_node(struct world *world, qr_node node)
{
	struct world_node *self = &world->nodes[node];

	QR_ASSERT(self->up);
	for (uint32_t p = 0; p < self->disk.pending_count; p++) {
		if (is_write(&self->disk.pending[p].op))
			tear(world, &self->disk, &self->disk.pending[p]);
		free(self->disk.pending[p].data);
	}
	self->disk.pending_count = 0;
	free(self->memory);
	self->memory = NULL;
	self->core = NULL;
	self->up = false;
}

/* ---- the network ---- */

static void post(struct world *world, const struct world_packet *packet, const uint8_t *data)
{
	struct world_packet *slot;

	if (world->packet_count == PACKETS_MAX || percent(world, world->faults.loss_percent))
		return;
	slot = &world->packets[world->packet_count++];
	*slot = *packet;
	slot->due_ns = world->now_ns +
		       between(world, world->faults.delay_min_ns, world->faults.delay_max_ns);
	slot->data = must(malloc(packet->size_bytes));
	memcpy(slot->data, data, packet->size_bytes);
}

static void send(struct world *world, const struct world_packet *packet, const uint8_t *data)
{
	post(world, packet, data);
	if (percent(world, world->faults.duplicate_percent))
		post(world, packet, data);
}

void world_client_send(struct world *world, uint32_t client, qr_node node, const uint8_t *data,
		       uint32_t size_bytes)
{
	struct world_packet packet = {
		.to = node, .from = {.ipv4 = 0, .udp = (uint16_t)client}, .size_bytes = size_bytes};

	send(world, &packet, data);
}

static bool is_cut(const struct world *world, const struct world_packet *packet)
{
	return (packet->to != 0 && qr_nodes_has(world->cut, packet->to)) ||
	       (packet->from.ipv4 != 0 && qr_nodes_has(world->cut, (qr_node)packet->from.ipv4));
}

static void deliver(struct world *world)
{
	for (uint32_t p = 0; p < world->packet_count;) {
		struct world_packet packet = world->packets[p];
		struct qr_span datagram = {packet.data, packet.size_bytes};

		if (packet.due_ns > world->now_ns) {
			p++;
			continue;
		}
		world->packets[p] = world->packets[--world->packet_count];
		world->packets[world->packet_count].data = NULL;
		if (is_cut(world, &packet)) {
			datagram.size_bytes = 0;
		} else if (packet.to == 0 && world->client_receive != NULL) {
			world->client_receive(world->client_context, datagram, packet.from);
		} else if (packet.to != 0 && world->nodes[packet.to].up) {
			dp_core_receive(world->nodes[packet.to].core, datagram, packet.from,
					world->now_ns);
		}
		free(packet.data);
	}
}

static void poll_node(struct world *world, qr_node node)
{
	static uint8_t buffers[TX_BURST][WORLD_CLIENT_DATAGRAM];
	struct world_node *self = &world->nodes[node];
	struct dp_tx tx[TX_BURST];
	struct store_op ops[OPS_BURST];
	struct dp_turn turn = {.now_ns = world->now_ns,
			       .random = (uint32_t)qr_prng_next(&world->prng)};
	unsigned count;

	for (unsigned t = 0; t < TX_BURST; t++) {
		tx[t].data = buffers[t];
		tx[t].capacity_bytes = WORLD_CLIENT_DATAGRAM;
	}
	count = dp_core_poll(self->core, &turn, tx, TX_BURST);
	for (unsigned t = 0; t < count; t++) {
		struct world_packet packet = {.to = tx[t].peer,
					      .client = tx[t].to.udp,
					      .from = {.ipv4 = node},
					      .size_bytes = tx[t].size_bytes};

		send(world, &packet, tx[t].data);
	}
	count = dp_core_poll_disk(self->core, ops, OPS_BURST);
	for (unsigned o = 0; o < count; o++)
		start_op(world, &self->disk, &ops[o]);
}

void world_step(struct world *world, qr_ns step_ns)
{
	world->now_ns += step_ns;
	deliver(world);
	for (qr_node node = 1; node <= world->node_count; node++) {
		if (!world->nodes[node].up)
			continue;
		complete_ops(world, &world->nodes[node]);
		poll_node(world, node);
	}
}

/* ---- looking at it ---- */

struct wire_status_group world_status(const struct world *world, qr_node node, qr_group group)
{
	const struct dp_core *core = world->nodes[node].core;
	struct wire_status_group status = {0};

	for (uint32_t g = 0; core != NULL && g < dp_core_group_count(core); g++) {
		if (dp_core_describe_group(core, g, &status) == QR_OK && status.group == group)
			return status;
	}
	return (struct wire_status_group){0};
}

qr_node world_leader(const struct world *world, qr_group group)
{
	qr_node leader = 0;
	qr_term term = 0;

	for (qr_node node = 1; node <= world->node_count; node++) {
		struct wire_status_group status = world_status(world, node, group);

		if (world->nodes[node].up && status.role == RAFT_LEADER && status.term > term) {
			leader = node;
			term = status.term;
		}
	}
	return leader;
}

const uint8_t *world_block(const struct world *world, qr_node node, qr_group group, qr_block block)
{
	const struct world_segment *segment =
		find_segment(&world->nodes[node].disk, group, block / SEGMENT_BLOCKS);

	return segment == NULL ? NULL : segment->data + block % SEGMENT_BLOCKS * QR_BLOCK_BYTES;
}
