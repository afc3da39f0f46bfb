/* The node, its disk, and its turns. */
#include "tests/fuzz/node_rig.h"

#include "consensus/base/crc.h"

#include <stdio.h>
#include <stdlib.h>

#define SEGMENT_BYTES ((size_t)RIG_SEGMENT_BLOCKS * QR_BLOCK_BYTES)
#define FILE_BYTES ((size_t)RIG_FILE_BLOCKS * QR_BLOCK_BYTES)
#define SLOTS_BYTES ((size_t)STORE_SLOTS * STORE_SLOT_BYTES)
#define DISK_BYTES (SLOTS_BYTES + RIG_SEGMENTS * SEGMENT_BYTES + STORE_SNAPSHOTS * FILE_BYTES)
#define ALIGN_BYTES ((size_t)2 << 20)
#define SECTOR_BYTES 512u
#define DRAIN_MAX 10000u

static size_t round_up(size_t bytes)
{
	return (bytes + ALIGN_BYTES - 1) & ~(ALIGN_BYTES - 1);
}

/* ---- creation ---- */

static void configure(struct rig *rig)
{
	for (uint32_t g = 0; g <= RIG_GROUPS; g++) {
		struct dp_group_config *group = &rig->groups[g];

		group->group = g + 1;
		group->partition = g;
		group->replicas = g == RIG_GROUPS
					  ? qr_nodes_of(1) | qr_nodes_of(3)
					  : qr_nodes_of(1) | qr_nodes_of(2) | qr_nodes_of(3);
		group->durability = g == 1 ? WIRE_DURABLE_MEMORY : WIRE_DURABLE_QUORUM;
		group->priority = 100;
		group->retention_bytes = (uint64_t)RIG_KEEP_BLOCKS * QR_BLOCK_BYTES;
		group->retention_ns = g == 1 ? RIG_TIMEOUT_NS : 0;
		memcpy(group->name, "log", sizeof("log"));
	}
	for (qr_node node = 1; node <= 3; node++) {
		rig->endpoints[node - 1] =
			(struct wire_endpoint){.node = node, .cores = 1, .port = 7000};
	}
	rig->config = (struct dp_core_config){
		.cluster = RIG_CLUSTER,
		.node = RIG_SELF,
		.cores = 1,
		.election_timeout_ns = RIG_TIMEOUT_NS,
		.heartbeat_interval_ns = RIG_TIMEOUT_NS / 5,
		.retransmit_min_ns = RIG_TIMEOUT_NS / 20,
		.retention_hold_ns = 2 * (qr_ns)RIG_TIMEOUT_NS,
		.geometry = {.segment_blocks = RIG_SEGMENT_BLOCKS,
			     .stride_blocks = RIG_STRIDE_BLOCKS},
		.window_blocks = RIG_WINDOW_BLOCKS,
		.write_depth = 3,
		.write_max_blocks = 4,
		.segments_ahead = 1,
		.checkpoints_max = 64,
		.snapshot_blocks = RIG_STRIDE_BLOCKS,
		.entry_max_bytes = RIG_ENTRY_MAX,
		.record_max_bytes = RIG_RECORD_MAX,
		.sessions_max = RIG_SESSIONS,
		.inflight_entries = 8,
		.inflight_bytes = 6 * QR_BLOCK_BYTES,
		.readers = 4,
		.client_datagram_max = RIG_TX_BYTES,
		.client_ports = 2,
		.peer_count = 2,
		.peers = {{.node = 1, .cores = 1, .datagram_max = RIG_TX_BYTES},
			  {.node = 3, .cores = 1, .datagram_max = WIRE_DATAGRAM_MIN}},
		.group_count = RIG_GROUPS + 1,
		.groups = rig->groups,
		.endpoint_count = 3,
		.endpoints = rig->endpoints,
	};
}

static size_t measure_core(const struct dp_core_config *config)
{
	struct qr_arena arena;

	qr_arena_init(&arena, NULL, 0);
	(void)dp_core_create(&arena, config, 0);
	return round_up(arena.used_bytes);
}

size_t rig_size_bytes(void)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	size_t size_bytes = round_up(sizeof(*rig)) + round_up(RIG_GROUPS * DISK_BYTES);

	QR_ASSERT(rig != NULL);
	configure(rig);
	size_bytes += measure_core(&rig->config);
	free(rig);
	return size_bytes;
}

static void start_core(struct rig *rig)
{
	struct qr_arena arena;

	rig->config.incarnation++;
	qr_arena_init(&arena, rig->core_memory, rig->core_bytes);
	rig->core = dp_core_create(&arena, &rig->config, rig->now_ns);
	qr_arena_seal(&arena);
	for (uint32_t g = 0; g < RIG_GROUPS; g++)
		dp_core_set_segments(rig->core, g + 1, rig->disks[g].extent);
}

/** @return one past it. */
static uint8_t *lay_disk(struct rig_disk *disk, uint8_t *at)
{
	disk->slots = at;
	at += SLOTS_BYTES;
	disk->segments = at;
	at += RIG_SEGMENTS * SEGMENT_BYTES;
	for (uint32_t file = 0; file < STORE_SNAPSHOTS; file++, at += FILE_BYTES)
		disk->files[file] = at;
	return at;
}

struct rig *rig_create(void *memory)
{
	struct rig *rig = memory;
	uint8_t *disk = (uint8_t *)memory + round_up(sizeof(*rig));

	configure(rig);
	rig->now_ns = 1000000000;
	for (uint32_t g = 0; g < RIG_GROUPS; g++)
		disk = lay_disk(&rig->disks[g], disk);
	for (unsigned node = 0; node < 4; node++)
		rig->senders[node] = (struct rig_sender){.incarnation = 1};
	rig->core_memory =
		(uint8_t *)memory + round_up(sizeof(*rig)) + round_up(RIG_GROUPS * DISK_BYTES);
	rig->core_bytes = measure_core(&rig->config);
	start_core(rig);
	return rig;
}

/* ---- the disk ---- */

static uint8_t *place_of(const struct rig *rig, const struct store_op *op)
{
	const struct rig_disk *disk = &rig->disks[op->group - 1];

	if (op->kind == STORE_OP_READ_SLOTS || op->kind == STORE_OP_WRITE_SLOT) {
		QR_ASSERT(op->offset_bytes + op->size_bytes <= SLOTS_BYTES);
		return disk->slots + op->offset_bytes;
	}
	if (op->kind == STORE_OP_READ_SNAPSHOT || op->kind == STORE_OP_WRITE_SNAPSHOT) {
		QR_ASSERT(op->segment < STORE_SNAPSHOTS);
		QR_ASSERT(op->offset_bytes + op->size_bytes <= FILE_BYTES);
		return disk->files[op->segment] + op->offset_bytes;
	}
	QR_ASSERT(op->offset_bytes + op->size_bytes <= SEGMENT_BYTES);
	if (op->segment < disk->extent.first ||
	    op->segment >= disk->extent.first + disk->extent.count)
		return NULL;
	return disk->segments + op->segment % RIG_SEGMENTS * SEGMENT_BYTES + op->offset_bytes;
}

uint8_t *rig_block(struct rig *rig, qr_group group, qr_block block)
{
	const struct store_op op = {
		.kind = STORE_OP_READ,
		.group = group,
		.segment = block / RIG_SEGMENT_BLOCKS,
		.offset_bytes = block % RIG_SEGMENT_BLOCKS * QR_BLOCK_BYTES,
		.size_bytes = QR_BLOCK_BYTES,
	};

	return place_of(rig, &op);
}

static bool is_write(const struct store_op *op)
{
	return op->kind == STORE_OP_WRITE || op->kind == STORE_OP_WRITE_LAZY ||
	       op->kind == STORE_OP_WRITE_SLOT || op->kind == STORE_OP_WRITE_SNAPSHOT;
}

static bool is_of_names(const struct store_op *op)
{
	return op->kind == STORE_OP_PREPARE || op->kind == STORE_OP_DROP;
}

/** The core lends one buffer, and another for what a peer is given; no op reaches beyond them. */
static void check_buffer(const struct rig *rig, const struct store_op *op)
{
	const struct store_snapshot_buffer *buffer = &rig->core->snapshot_buffer;
	const struct store_snapshot_buffer *piece = &rig->core->piece.buffer;

	if (op->kind != STORE_OP_READ_SNAPSHOT && op->kind != STORE_OP_WRITE_SNAPSHOT)
		return;
	if (op->kind == STORE_OP_READ_SNAPSHOT && op->data == piece->data) {
		QR_ASSERT(op->size_bytes != 0 && op->size_bytes <= piece->size_bytes);
		return;
	}
	/* A file's old header goes first, under zeros that are the log's own. */
	if (op->kind == STORE_OP_WRITE_SNAPSHOT && op->offset_bytes == 0 && op->data[0] == 0) {
		QR_ASSERT(op->size_bytes == STORE_SNAPSHOT_HEADER_BYTES);
		return;
	}
	QR_ASSERT(op->data == buffer->data + op->offset_bytes && op->size_bytes != 0);
	QR_ASSERT(op->offset_bytes + op->size_bytes <= buffer->size_bytes);
}

static void start_op(struct rig *rig, const struct store_op *op)
{
	struct rig_pending *pending = &rig->pending[rig->pending_count++];

	QR_ASSERT(rig->pending_count <= RIG_PENDING_MAX);
	QR_ASSERT(op->group >= 1 && op->group <= RIG_GROUPS);
	check_buffer(rig, op);
	*pending = (struct rig_pending){.op = *op};
	if (is_write(op)) {
		QR_ASSERT(place_of(rig, op) != NULL);
		pending->crc = qr_crc32c(0, op->data, op->size_bytes);
	}
}

static void grow_file(struct rig_disk *disk, const struct store_op *op)
{
	uint64_t end = op->offset_bytes + op->size_bytes;

	if (op->kind == STORE_OP_WRITE_SNAPSHOT && disk->file_bytes[op->segment] < end)
		disk->file_bytes[op->segment] = end;
}

/** The first segment goes, if it is this one. */
static void drop(struct rig_disk *disk, uint64_t segment)
{
	QR_ASSERT(disk->extent.count == 0 || segment == disk->extent.first);
	if (disk->extent.count == 0)
		return;
	disk->extent.first++;
	disk->extent.count--;
}

/** Its name is the last thing that it gets; another one has lost its own by then. */
static enum qr_error prepare_segment(struct rig_disk *disk, const struct store_op *op,
				     enum qr_error result)
{
	uint64_t place = op->segment % RIG_SEGMENTS;

	if (op->recycled != STORE_NONE_RECYCLED)
		drop(disk, op->recycled);
	if (result != QR_OK)
		return result;
	if (disk->extent.count == RIG_SEGMENTS)
		return QR_NO_SPACE;
	if (disk->extent.count == 0)
		disk->extent.first = op->segment;
	QR_ASSERT(op->segment == disk->extent.first + disk->extent.count);
	disk->extent.count++;
	if (disk->used[place])
		memset(disk->segments + place * SEGMENT_BYTES, 0, SEGMENT_BYTES);
	disk->used[place] = true;
	return QR_OK;
}

/** Names change also where something went wrong in the end. */
static enum qr_error carry_out_name(struct rig_disk *disk, const struct store_op *op,
				    enum qr_error result)
{
	if (op->kind == STORE_OP_PREPARE)
		return prepare_segment(disk, op, result);
	if (result == QR_OK || result == QR_NOT_FOUND)
		drop(disk, op->segment);
	return result;
}

static enum qr_error carry_out(struct rig *rig, const struct rig_pending *pending)
{
	const struct store_op *op = &pending->op;
	struct rig_disk *disk = &rig->disks[op->group - 1];
	uint8_t *place;

	if (op->kind == STORE_OP_SYNC || op->kind == STORE_OP_SYNC_SNAPSHOT)
		return QR_OK;
	if (op->kind == STORE_OP_READ_SNAPSHOT &&
	    op->offset_bytes + op->size_bytes > disk->file_bytes[op->segment])
		return QR_NOT_FOUND;
	place = place_of(rig, op);
	if (place == NULL)
		return QR_NOT_FOUND;
	if (is_write(op)) {
		/* The engine leaves the memory of a write alone. */
		QR_ASSERT(qr_crc32c(0, op->data, op->size_bytes) == pending->crc);
		memcpy(place, op->data, op->size_bytes);
		grow_file(disk, op);
		rig_check_file(rig, op);
	} else {
		memcpy(op->data, place, op->size_bytes);
	}
	return QR_OK;
}

void rig_finish(struct rig *rig, uint32_t number, enum qr_error result)
{
	struct rig_pending pending;
	struct store_completion completion;

	if (rig->pending_count == 0)
		return;
	number %= rig->pending_count;
	rig->idle_until = 0;
	pending = rig->pending[number];
	rig->pending[number] = rig->pending[--rig->pending_count];
	if (is_of_names(&pending.op)) {
		result = carry_out_name(&rig->disks[pending.op.group - 1], &pending.op, result);
	} else if (result == QR_OK) {
		result = carry_out(rig, &pending);
	}
	completion = (struct store_completion){.kind = pending.op.kind,
					       .group = pending.op.group,
					       .tag = pending.op.tag,
					       .result = result};
	dp_core_complete(rig->core, &completion, rig->now_ns);
}

static void tear(struct rig *rig, const struct store_op *op, uint8_t torn)
{
	uint8_t *place = place_of(rig, op);

	if (torn != 0)
		grow_file(&rig->disks[op->group - 1], op);
	for (uint32_t at = 0; place != NULL && at < op->size_bytes; at += SECTOR_BYTES) {
		if ((torn >> at / SECTOR_BYTES % 8 & 1) != 0)
			memcpy(place + at, op->data + at, SECTOR_BYTES);
	}
}

/** Of what was under way with names, the first half is done: one goes, the new one is not there. */
static void tear_name(struct rig_disk *disk, const struct store_op *op)
{
	if (op->kind == STORE_OP_DROP) {
		drop(disk, op->segment);
	} else if (op->recycled != STORE_NONE_RECYCLED) {
		drop(disk, op->recycled);
	}
}

void rig_restart(struct rig *rig, const struct snapshot *snapshot, uint8_t torn)
{
	for (uint32_t p = 0; p < rig->pending_count; p++) {
		const struct store_op *op = &rig->pending[p].op;

		if (is_write(op))
			tear(rig, op, torn);
		if (is_of_names(op) && torn % 2 != 0)
			tear_name(&rig->disks[op->group - 1], op);
	}
	rig->pending_count = 0;
	rig->restarts++;
	rig->idle_until = 0;
	rig->asked.group = 0;
	rig->asked_entry.group = 0;
	rig->told_count = 0; /* another leader may have decided otherwise */
	snapshot_clear(snapshot, rig->core_memory, rig->core_bytes);
	start_core(rig);
}

/* ---- turns ---- */

void rig_turn(struct rig *rig, unsigned max)
{
	struct dp_turn turn = {.now_ns = rig->now_ns,
			       .random = (uint32_t)rig->now_ns * 2654435761u,
			       .published = &rig->published};
	struct dp_tx tx[RIG_TX_MAX];
	struct store_op ops[8];
	unsigned count;
	unsigned op_count;

	for (unsigned t = 0; t < RIG_TX_MAX; t++)
		tx[t] = (struct dp_tx){.data = rig->tx[t], .capacity_bytes = RIG_TX_BYTES};
	count = dp_core_poll(rig->core, &turn, tx, max);
	QR_ASSERT(count <= max);
	/* A loop that sleeps until it was told would have slept over it. */
	QR_ASSERT(count == 0 || rig->now_ns >= rig->idle_until);
	for (unsigned t = 0; t < count; t++)
		rig_check_datagram(rig, &tx[t]);
	op_count = dp_core_poll_disk(rig->core, ops, sizeof(ops) / sizeof(ops[0]));
	for (unsigned o = 0; o < op_count; o++)
		start_op(rig, &ops[o]);
	rig->idle_until = count + op_count == 0 && max != 0 ? dp_core_next_deadline(rig->core) : 0;
	rig_check(rig);
}

void rig_drain(struct rig *rig)
{
	unsigned turns = 0;

	do {
		while (rig->pending_count != 0)
			rig_finish(rig, 0, QR_OK);
		rig_turn(rig, RIG_TX_MAX);
		QR_ASSERT(++turns < DRAIN_MAX); /* it ends */
	} while (rig->pending_count != 0 || !dp_core_is_recovered(rig->core));
}

/* ---- datagrams ---- */

void rig_send(struct rig *rig, qr_node from, struct qr_writer *writer)
{
	struct rig_sender *sender = &rig->senders[from];
	const struct wire_header header = {
		.source = from == 0 ? WIRE_FROM_CLIENT : WIRE_FROM_PEER,
		.from = from,
		.to = RIG_SELF,
		.cluster = RIG_CLUSTER,
		.incarnation = sender->incarnation,
		.counter = ++sender->counter,
	};
	size_t size_bytes = wire_finish(writer, &header);
	uint8_t *copy;

	if (size_bytes == 0)
		return;
	copy = malloc(size_bytes); /* a byte read beyond it is seen */
	if (copy == NULL)
		return;
	memcpy(copy, writer->start, size_bytes);
	rig->idle_until = 0;
	dp_core_receive(rig->core, (struct qr_span){copy, size_bytes},
			(struct dp_address){.ipv4 = from, .udp = 9, .port = from == 0},
			rig->now_ns);
	free(copy);
}

struct dp_group *rig_group(struct rig *rig, uint8_t which)
{
	struct dp_group *group = dp_core_find_group(rig->core, 1u + which % RIG_GROUPS);

	QR_ASSERT(group != NULL);
	return group;
}
