/*
 * The recorded cluster: what dataplane/lcore does around a core, without DPDK.
 *
 * A turn is that of lcore/slot.c: datagrams in, disk completions in, the core decides, datagrams
 * out, disk operations out. What leaves a node is looked at before it leaves (said.c), so that no
 * power cut can lie between a promise and its place on the tape.
 */
#include "tests/crash/cluster.h"

#include "consensus/base/assert.h"
#include "tests/crash/folder.h"
#include "tests/crash/said.h"
#include "tests/crash/tap.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PACKETS_MAX 16384
#define TX_BURST 64
#define IDLE_NS 300000
#define LAG_TURNS_MAX 40
#define LAG_TURNS_LONG 600 /* past an election */
#define LAG_ONE_IN 8
#define MEMORY_ALIGN ((size_t)2 << 20)
#define ELECTION_NS 30000000
#define HEARTBEAT_NS 6000000
#define RETRANSMIT_NS 2000000
#define RETENTION_HOLD_NS 10000000 /* one that was down for longer gets a snapshot */
#define SPANS_MAX 32

static qr_ns clock_of(clockid_t id)
{
	struct timespec time = {0};

	(void)clock_gettime(id, &time); /* fails for unknown clocks only */
	return (qr_ns)time.tv_sec * 1000000000u + (qr_ns)time.tv_nsec;
}

qr_ns cluster_ns(const struct cluster *cluster, qr_ns real_ns)
{
	return real_ns * cluster->round.clock_rate;
}

/* ---- set-up ---- */

void cluster_init(struct cluster *cluster, const struct tape_round *round, const char *path,
		  struct media *media)
{
	*cluster = (struct cluster){.round = *round, .media = media};
	qr_prng_init(&cluster->prng, round->seed);
	cluster->begun_ns = cluster->now_ns = clock_of(CLOCK_MONOTONIC);
	cluster->packets = calloc(PACKETS_MAX, sizeof(*cluster->packets));
	QR_ASSERT(cluster->packets != NULL && round->group_count <= CLUSTER_GROUPS_MAX);
	for (uint32_t g = 0; g < round->group_count; g++) {
		bool lazy = (round->lazy_groups >> (g + 1) & 1) != 0;

		cluster->groups[g] = (struct dp_group_config){
			.group = g + 1,
			.replicas = ((qr_nodes)1 << (TAPE_NODES + 1)) - 2,
			.durability = lazy ? WIRE_DURABLE_MEMORY : WIRE_DURABLE_QUORUM,
			.retention_bytes = (uint64_t)round->retention_blocks * QR_BLOCK_BYTES,
		};
	}
	for (qr_node node = 1; node <= TAPE_NODES; node++) {
		struct cluster_node *self = &cluster->nodes[node];

		QR_ASSERT(snprintf(self->path, PATH_MAX, "%s/%u", path, node) < PATH_MAX);
		tap_set_root(node, self->path);
	}
}

static struct dp_core_config config_of(struct cluster *cluster, qr_node node)
{
	const struct tape_round *round = &cluster->round;
	struct dp_core_config config = {
		.cluster = CLUSTER_ID,
		.node = node,
		.cores = 1,
		.incarnation = cluster->nodes[node].incarnation,
		.direct_io = cluster->nodes[node].directory.direct,
		.election_timeout_ns = cluster_ns(cluster, ELECTION_NS),
		.heartbeat_interval_ns = cluster_ns(cluster, HEARTBEAT_NS),
		.retransmit_min_ns = cluster_ns(cluster, RETRANSMIT_NS),
		.retention_hold_ns = cluster_ns(cluster, RETENTION_HOLD_NS),
		.geometry = {.segment_blocks = round->segment_blocks,
			     .stride_blocks = round->stride_blocks},
		.window_blocks = round->window_blocks,
		.write_depth = round->write_depth,
		.write_max_blocks = round->write_max_blocks,
		.segments_ahead = 1,
		.checkpoints_max = CLUSTER_CHECKPOINTS,
		.snapshot_blocks = round->snapshot_blocks,
		.entry_max_bytes = round->stride_blocks * QR_BLOCK_BYTES / 4,
		.record_max_bytes = round->stride_blocks * QR_BLOCK_BYTES / 4,
		.sessions_max = CLUSTER_SESSIONS_MAX,
		.inflight_entries = 64,
		.inflight_bytes = 1 << 20,
		.readers = TAPE_NODES + 2,
		.client_datagram_max = CLUSTER_DATAGRAM_MAX,
		.group_count = round->group_count,
		.groups = cluster->groups,
	};

	for (qr_node peer = 1; peer <= TAPE_NODES; peer++) {
		if (peer != node) {
			config.peers[config.peer_count++] = (struct dp_peer_config){
				.node = peer, .cores = 1, .datagram_max = CLUSTER_DATAGRAM_MAX};
		}
	}
	return config;
}

static void create_core(struct cluster *cluster, qr_node node)
{
	struct cluster_node *self = &cluster->nodes[node];
	struct dp_core_config config;
	struct qr_arena arena;
	size_t size_bytes;

	self->incarnation++;
	config = config_of(cluster, node);
	qr_arena_init(&arena, NULL, 0);
	(void)dp_core_create(&arena, &config, cluster->now_ns);
	size_bytes = (arena.used_bytes + MEMORY_ALIGN - 1) / MEMORY_ALIGN * MEMORY_ALIGN;
	self->memory = aligned_alloc(MEMORY_ALIGN, size_bytes);
	QR_ASSERT(self->memory != NULL);
	qr_arena_init(&arena, self->memory, size_bytes);
	self->core = dp_core_create(&arena, &config, cluster->now_ns);
	qr_arena_seal(&arena);
}

/** The directory, its groups, the ring: everything here is taken down. */
static enum qr_error open_files(struct cluster *cluster, qr_node node,
				struct store_problem *problem)
{
	struct cluster_node *self = &cluster->nodes[node];
	struct qr_span spans[SPANS_MAX];
	qr_group groups[CLUSTER_GROUPS_MAX];
	struct store_io_parameters parameters = {
		.directory = &self->directory, .depth = 64, .buffers = spans, .groups = groups};
	enum qr_error error;

	error = store_directory_open(self->path, CLUSTER_ID, node, true, &self->directory, problem);
	if (error == QR_NO_DIRECT_IO) {
		error = store_directory_open(self->path, CLUSTER_ID, node, false, &self->directory,
					     problem);
	}
	if (error != QR_OK)
		return error;
	create_core(cluster, node);
	for (uint32_t g = 0; g < cluster->round.group_count; g++) {
		struct store_extent segments = {0};

		error = store_directory_group(&self->directory, g + 1, &segments, problem);
		if (error != QR_OK)
			return error;
		dp_core_set_segments(self->core, g + 1, segments);
		groups[parameters.group_count++] = g + 1;
	}
	parameters.buffer_count = dp_core_buffers(self->core, spans, SPANS_MAX);
	return store_io_create(&parameters, &self->io, problem);
}

bool cluster_start(struct cluster *cluster, qr_node node, struct store_problem *ret_problem)
{
	struct cluster_node *self = &cluster->nodes[node];
	enum qr_error error;

	QR_ASSERT(!self->up);
	self->saving = 0;
	self->op_count = 0;
	self->lag = 0;
	memset(self->said, 0, sizeof(self->said));
	tap_put(&(struct tape_event){.kind = TAPE_START, .node = node});
	tap_enter(node);
	error = open_files(cluster, node, ret_problem);
	tap_leave();
	/* The calls are bound by name: had one got another name, nothing would be on the tape. */
	QR_ASSERT(error != QR_OK ||
		  media_find_visible(&cluster->media[node], TAPE_TOP, "data") != MEDIA_NONE);
	self->up = true;
	return error == QR_OK;
}

/* ---- ends ---- */

/** The process is gone; what its ring still does is not looked at. */
static void end(struct cluster *cluster, qr_node node)
{
	struct cluster_node *self = &cluster->nodes[node];

	QR_ASSERT(self->up);
	tap_forget(node);
	store_io_destroy(self->io);
	store_directory_close(&self->directory);
	free(self->memory);
	self->io = NULL;
	self->core = NULL;
	self->memory = NULL;
	self->up = false;
}

void cluster_cut_power(struct cluster *cluster, qr_node node, uint64_t seed)
{
	struct media_pick pick = media_pick_of(MEDIA_PICK_RANDOM, 0, seed);

	end(cluster, node);
	tap_put(&(struct tape_event){.kind = TAPE_CUT, .node = node, .seed = seed});
	media_cut(&cluster->media[node], &pick);
	folder_write(&cluster->media[node], cluster->nodes[node].path);
}

void cluster_kill(struct cluster *cluster, qr_node node)
{
	struct media *media = &cluster->media[node];
	struct media_pick everything = media_pick_of(MEDIA_PICK_ALL, 0, 0);
	uint32_t mark = media_mark(media);

	end(cluster, node);
	tap_put(&(struct tape_event){.kind = TAPE_KILL, .node = node});
	media_kill(media);
	media_apply(media, &media->pending, &everything);
	folder_write(media, cluster->nodes[node].path);
	media_rewind(media, mark);
}

void cluster_fini(struct cluster *cluster)
{
	for (qr_node node = 1; node <= TAPE_NODES; node++) {
		if (cluster->nodes[node].up)
			end(cluster, node);
	}
	for (uint32_t p = 0; p < cluster->packet_count; p++)
		free(cluster->packets[p].data);
	free(cluster->packets);
	cluster->packets = NULL;
}

/* ---- the network ---- */

static bool is_lost(struct cluster *cluster, const struct cluster_packet *packet)
{
	if (packet->from == 0 || packet->to == 0)
		return false;
	return qr_nodes_has(cluster->cut_off, packet->from) ||
	       qr_nodes_has(cluster->cut_off, packet->to) ||
	       qr_prng_below(&cluster->prng, 1000) < cluster->loss_permille;
}

static void post(struct cluster *cluster, qr_node from, qr_node to, struct qr_span datagram)
{
	struct cluster_packet packet = {
		.from = from, .to = to, .size_bytes = (uint32_t)datagram.size_bytes};

	if (cluster->packet_count == PACKETS_MAX || is_lost(cluster, &packet))
		return;
	packet.data = malloc(datagram.size_bytes);
	QR_ASSERT(packet.data != NULL);
	memcpy(packet.data, datagram.data, datagram.size_bytes);
	cluster->packets[cluster->packet_count++] = packet;
}

void cluster_send(struct cluster *cluster, qr_node to, struct qr_span datagram)
{
	post(cluster, 0, to, datagram);
}

/** What was posted before this turn; answers to it wait for the next. */
static void deliver(struct cluster *cluster)
{
	uint32_t count = cluster->packet_count;

	for (uint32_t p = 0; p < count; p++) {
		struct cluster_packet packet = cluster->packets[p];
		struct qr_span datagram = {packet.data, packet.size_bytes};
		struct dp_address from = {.ipv4 = packet.from};

		if (packet.to == 0) {
			cluster->receive(cluster->context, datagram, cluster->now_ns);
		} else if (cluster->nodes[packet.to].up) {
			dp_core_receive(cluster->nodes[packet.to].core, datagram, from,
					cluster->now_ns);
		}
		free(packet.data);
	}
	cluster->packet_count -= count;
	memmove(cluster->packets, cluster->packets + count,
		cluster->packet_count * sizeof(*cluster->packets));
	cluster->moves += count;
}

/* ---- a turn ---- */

/**
 * A disk that is slow, as a program sees it: what it has done is not heard of for a while. Several
 * writes are then in flight, and a leader commits what its own disk does not have.
 */
static bool is_lagging(struct cluster *cluster, qr_node node)
{
	struct cluster_node *self = &cluster->nodes[node];

	if (self->lag > 0) {
		self->lag--;
		return true;
	}
	if (cluster->slow == node && qr_prng_below(&cluster->prng, LAG_ONE_IN) == 0) {
		bool longer = qr_prng_below(&cluster->prng, LAG_ONE_IN) == 0;

		self->lag = (uint32_t)qr_prng_below(&cluster->prng,
						    longer ? LAG_TURNS_LONG : LAG_TURNS_MAX);
	}
	return false;
}

static void reap(struct cluster *cluster, qr_node node)
{
	struct cluster_node *self = &cluster->nodes[node];
	struct store_completion completions[CLUSTER_OPS_MAX];
	unsigned count;

	if (is_lagging(cluster, node))
		return;
	count = store_io_reap(self->io, completions, CLUSTER_OPS_MAX);
	for (unsigned i = 0; i < count; i++) {
		/* Recording needs a disk that works; only a snapshot may not be there yet. */
		QR_ASSERT(completions[i].result == QR_OK ||
			  completions[i].kind == STORE_OP_READ_SNAPSHOT);
		self->saving -= completions[i].kind == STORE_OP_WRITE_SNAPSHOT;
		dp_core_complete(self->core, &completions[i], cluster->now_ns);
	}
	cluster->moves += count;
}

static void decide(struct cluster *cluster, qr_node node)
{
	static uint8_t buffers[TX_BURST][CLUSTER_DATAGRAM_MAX];
	struct cluster_node *self = &cluster->nodes[node];
	struct dp_tx tx[TX_BURST];
	struct dp_turn turn = {.now_ns = cluster->now_ns,
			       .random = (uint32_t)qr_prng_next(&cluster->prng)};
	unsigned count;

	for (unsigned t = 0; t < TX_BURST; t++)
		tx[t] = (struct dp_tx){.data = buffers[t], .capacity_bytes = CLUSTER_DATAGRAM_MAX};
	count = dp_core_poll(self->core, &turn, tx, TX_BURST);
	for (unsigned t = 0; t < count; t++) {
		struct qr_span datagram = {tx[t].data, tx[t].size_bytes};

		said_take(self, node, datagram);
		post(cluster, node, tx[t].peer, datagram);
	}
	cluster->moves += count;
}

static void submit(struct cluster_node *self)
{
	unsigned taken;

	self->op_count += dp_core_poll_disk(self->core, self->ops + self->op_count,
					    CLUSTER_OPS_MAX - self->op_count);
	if (self->op_count == 0)
		return;
	taken = store_io_submit(self->io, self->ops, self->op_count);
	for (unsigned i = 0; i < taken; i++)
		self->saving += self->ops[i].kind == STORE_OP_WRITE_SNAPSHOT;
	self->op_count -= taken;
	memmove(self->ops, self->ops + taken, self->op_count * sizeof(self->ops[0]));
}

/** Wait for a disk, or for a moment: the nodes' timers and the client's run on. */
static void rest(const struct cluster *cluster)
{
	const struct timespec moment = {.tv_nsec = IDLE_NS};
	struct pollfd rings[TAPE_NODES];
	nfds_t count = 0;

	for (qr_node node = 1; node <= TAPE_NODES; node++) {
		if (cluster->nodes[node].up) {
			rings[count++] = (struct pollfd){
				.fd = store_io_event_fd(cluster->nodes[node].io), .events = POLLIN};
		}
	}
	(void)ppoll(rings, count, &moment, NULL);
}

void cluster_turn(struct cluster *cluster)
{
	uint64_t before = cluster->moves;

	cluster->now_ns = cluster->begun_ns +
			  cluster_ns(cluster, clock_of(CLOCK_MONOTONIC) - cluster->begun_ns);
	deliver(cluster);
	for (qr_node node = 1; node <= TAPE_NODES; node++) {
		struct cluster_node *self = &cluster->nodes[node];

		if (!self->up)
			continue;
		dp_core_set_wall_clock(self->core, clock_of(CLOCK_REALTIME), cluster->now_ns);
		tap_enter(node);
		reap(cluster, node);
		decide(cluster, node);
		submit(self);
		tap_leave();
	}
	if (cluster->moves == before)
		rest(cluster);
}

/* ---- looking at it ---- */

struct wire_status_group cluster_status(const struct cluster *cluster, qr_node node, qr_group group)
{
	const struct cluster_node *self = &cluster->nodes[node];
	struct wire_status_group status = {0};

	for (uint32_t g = 0; self->up && g < dp_core_group_count(self->core); g++) {
		if (dp_core_describe_group(self->core, g, &status) == QR_OK &&
		    status.group == group)
			return status;
	}
	return (struct wire_status_group){0};
}

qr_node cluster_leader(const struct cluster *cluster, qr_group group)
{
	qr_node leader = 0;
	qr_term term = 0;

	for (qr_node node = 1; node <= TAPE_NODES; node++) {
		struct wire_status_group status = cluster_status(cluster, node, group);

		if (cluster->nodes[node].up && status.role == RAFT_LEADER && status.term > term) {
			leader = node;
			term = status.term;
		}
	}
	return leader;
}
