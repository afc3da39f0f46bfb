/*
 * Owns the operations under way. A write reaches the media when its time has come; a crash finds it
 * on its way and leaves any part of it. An operation whose node is gone stays allocated until its
 * event has come.
 */
#include "tests/sim/disk.h"

#include "consensus/base/assert.h"
#include "tests/sim/memory.h"
#include "tests/sim/world.h"

#include <string.h>

#define ALL_SECTORS 0xffu
#define LOOK_AGAIN_NS ((qr_ns)20000000) /* whether a stuck disk still is */

void sim_disk_init(struct sim_disk *disk, uint32_t group_count, uint32_t segment_blocks)
{
	memset(disk, 0, sizeof(*disk));
	sim_media_init(&disk->media, group_count, segment_blocks);
}

void sim_disk_op_free(struct sim_disk_op *op)
{
	sim_free(op->bytes);
	sim_free(op);
}

void sim_disk_fini(struct sim_disk *disk)
{
	/* What is in flight belongs to the queue's events. */
	for (uint32_t d = 0; d < disk->done_count; d++)
		sim_disk_op_free(disk->done[d]);
	sim_media_fini(&disk->media);
}

bool sim_disk_is_write(const struct store_op *op)
{
	return op->kind == STORE_OP_WRITE || op->kind == STORE_OP_WRITE_LAZY ||
	       op->kind == STORE_OP_WRITE_SLOT || op->kind == STORE_OP_WRITE_SNAPSHOT;
}

static bool is_of_slots(const struct store_op *op)
{
	return op->kind == STORE_OP_READ_SLOTS || op->kind == STORE_OP_WRITE_SLOT;
}

static bool is_of_snapshots(const struct store_op *op)
{
	return op->kind == STORE_OP_READ_SNAPSHOT || op->kind == STORE_OP_WRITE_SNAPSHOT ||
	       op->kind == STORE_OP_SYNC_SNAPSHOT;
}

struct sim_place sim_disk_place(const struct store_op *op, uint32_t block)
{
	struct sim_place place = {
		.group = op->group,
		.segment = (uint32_t)op->segment,
		.block = (uint32_t)(op->offset_bytes / QR_BLOCK_BYTES) + block,
	};

	if (is_of_slots(op))
		place.segment = SIM_SLOTS_SEGMENT;
	if (is_of_snapshots(op))
		place.segment += SIM_SNAPSHOT_SEGMENT;
	return place;
}

qr_block sim_disk_block(const struct sim_disk *disk, const struct sim_place *place)
{
	return (qr_block)place->segment * disk->media.segment_blocks + place->block;
}

enum qr_error sim_disk_slot(const struct sim_disk *disk, qr_group group,
			    struct store_slot *ret_slot)
{
	uint8_t both[STORE_SLOTS * STORE_SLOT_BYTES];

	for (uint32_t s = 0; s < STORE_SLOTS; s++) {
		memcpy(both + (size_t)s * STORE_SLOT_BYTES,
		       sim_media_at(&disk->media, (struct sim_place){group, SIM_SLOTS_SEGMENT, s}),
		       STORE_SLOT_BYTES);
	}
	return store_slot_choose(both, ret_slot);
}

/**
 * One past the last block of the group that is settled by what the media say, and will say after a
 * power cut: a slot that a killed process left in the device's cache may fall back.
 */
qr_block sim_disk_settled(const struct sim_disk *disk, qr_group group)
{
	struct store_slot slot;

	for (uint32_t s = 0; s < STORE_SLOTS; s++) {
		if (!sim_media_is_stable(&disk->media,
					 (struct sim_place){group, SIM_SLOTS_SEGMENT, s}))
			return 0;
	}
	return sim_disk_slot(disk, group, &slot) == QR_OK ? slot.settled.block : 0;
}

/* ---- starting ---- */

static qr_ns latency(struct sim_world *world, struct sim_disk *disk, const struct store_op *op)
{
	const struct sim_plan *plan = world->plan;
	qr_ns calm_ns = world->start_ns + plan->calm_at_ns;
	qr_ns took_ns = sim_between(world, plan->disk_min_ns, plan->disk_max_ns);

	if (op->kind == STORE_OP_PREPARE)
		took_ns *= 8;
	/* Now and then one takes much longer, and is overtaken by many later ones. */
	if (!world->calm && plan->disk_late_percent != 0 &&
	    sim_percent(world, plan->disk_late_percent))
		took_ns *= 16;
	/* A slow disk is quick again when the calm begins, also with what it has. */
	if (disk->slow_until_ns > world->now_ns && took_ns < calm_ns - world->now_ns) {
		took_ns *= disk->slow_times;
		if (took_ns > calm_ns - world->now_ns)
			took_ns = calm_ns - world->now_ns;
	}
	return took_ns;
}

void sim_disk_start(struct sim_world *world, qr_node node, const struct store_op *op)
{
	struct sim_disk *disk = &world->nodes[node].disk;
	struct sim_disk_op *flying = sim_take(sizeof(*flying));

	QR_ASSERT(disk->flying_count < SIM_DISK_OPS_MAX);
	QR_ASSERT(op->offset_bytes % QR_BLOCK_BYTES == 0 && op->size_bytes % QR_BLOCK_BYTES == 0);
	flying->op = *op;
	if (sim_disk_is_write(op)) {
		sim_disk_check_write(world, node, op);
		flying->bytes = sim_must(malloc(op->size_bytes));
		memcpy(flying->bytes, op->data, op->size_bytes);
	}
	disk->flying[disk->flying_count++] = flying;
	sim_queue_add(&world->queue,
		      (struct sim_event){.at_ns = world->now_ns + latency(world, disk, op),
					 .kind = SIM_EVENT_DISK,
					 .host = node,
					 .data = flying});
}

/* ---- carrying out ---- */

/** A segment is only given up when nobody writes to it any more. */
static void drop(struct sim_world *world, struct sim_disk *disk, qr_group group, uint64_t segment)
{
	for (uint32_t f = 0; f < disk->flying_count; f++) {
		const struct store_op *op = &disk->flying[f]->op;

		if (sim_disk_is_write(op) && op->group == group &&
		    sim_disk_place(op, 0).segment == segment) {
			sim_fail(world, 13,
				 "segment %lu of group %u is dropped while it is written",
				 (unsigned long)segment, group);
		}
	}
	if (disk->media.groups[group].segment_first != segment ||
	    !sim_media_has_segment(&disk->media, group, segment)) {
		sim_fail(world, 9, "segment %lu of group %u is dropped, the first is %u",
			 (unsigned long)segment, group, disk->media.groups[group].segment_first);
	}
	if (sim_media_damage_count(&disk->media) != 0)
		world->mended_ns = world->now_ns;
	sim_media_drop_segment(&disk->media, group);
}

static enum qr_error prepare(struct sim_world *world, struct sim_disk *disk,
			     const struct store_op *op)
{
	if (sim_media_has_segment(&disk->media, op->group, op->segment))
		return QR_OK;
	if (op->recycled != STORE_NONE_RECYCLED) {
		drop(world, disk, op->group, op->recycled);
		sim_media_add_segment(&disk->media, op->group, op->segment);
		return QR_OK;
	}
	if (disk->full_until_ns > world->now_ns) {
		world->count.no_space++;
		return QR_NO_SPACE;
	}
	sim_media_add_segment(&disk->media, op->group, op->segment);
	return QR_OK;
}

static enum qr_error sync(struct sim_world *world, struct sim_disk *disk, const struct store_op *op)
{
	if (disk->sync_error_until_ns > world->now_ns) {
		disk->sync_error_until_ns = 0;
		world->count.faults[SIM_FAULT_SYNC_ERROR]++;
		return QR_IO;
	}
	if (op->kind == STORE_OP_SYNC &&
	    !sim_media_has_segment(&disk->media, op->group, op->segment))
		return QR_NOT_FOUND;
	sim_media_sync(&disk->media, sim_disk_place(op, 0));
	return QR_OK;
}

/** The first block that is there, and that somebody may still want. */
static qr_block needed_from(const struct sim_world *world, const struct sim_disk *disk,
			    qr_group group)
{
	qr_block first =
		(qr_block)disk->media.groups[group].segment_first * disk->media.segment_blocks;
	qr_block start = sim_oracle_start(world, group);

	return start > first ? start : first;
}

/** A wrong bit in what is returned, where it can be told from a torn tail. */
static void flip_returned(struct sim_world *world, struct sim_disk *disk, const struct store_op *op)
{
	struct sim_place place = sim_disk_place(op, 0);
	qr_block first = sim_disk_block(disk, &place);
	qr_block settled = sim_disk_settled(disk, op->group);
	uint64_t bits;
	uint64_t bit;

	if (op->kind != STORE_OP_READ || settled <= first)
		return;
	bits = settled - first < op->blocks ? settled - first : op->blocks;
	bit = qr_prng_below(&world->prng, bits * QR_BLOCK_BYTES * 8);
	op->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
	disk->read_flip_until_ns = 0;
	disk->lied = true;
	world->count.faults[SIM_FAULT_READ_FLIP]++;
	sim_point(world, SIM_EFFECT_READ_LOG, SIM_FAILS_WRONG);
}

/** Whether the file is there, and long enough to be read. */
static bool has_file(const struct sim_disk *disk, const struct store_op *op)
{
	const struct sim_media_group *group = &disk->media.groups[op->group];

	if (op->kind == STORE_OP_READ_SNAPSHOT) {
		return op->offset_bytes / QR_BLOCK_BYTES + op->blocks <=
		       group->snapshot_blocks[op->segment];
	}
	return is_of_slots(op) || is_of_snapshots(op) ||
	       sim_media_has_segment(&disk->media, op->group, op->segment);
}

/**
 * A snapshot file grows when it is written to.
 * @return false: there is no space for it. What it has is overwritten, for that there is.
 */
static bool grow(struct sim_disk *disk, const struct store_op *op, bool is_full)
{
	uint32_t *blocks = &disk->media.groups[op->group].snapshot_blocks[op->segment];
	uint32_t end = (uint32_t)(op->offset_bytes / QR_BLOCK_BYTES) + op->blocks;

	if (*blocks >= end)
		return true;
	if (!is_full)
		*blocks = end;
	return !is_full;
}

static enum qr_error read_blocks(struct sim_world *world, struct sim_disk *disk,
				 const struct store_op *op)
{
	if (disk->read_error_until_ns > world->now_ns) {
		disk->read_error_until_ns = 0;
		world->count.faults[SIM_FAULT_READ_ERROR]++;
		return QR_IO;
	}
	if (!has_file(disk, op))
		return QR_NOT_FOUND;
	for (uint32_t b = 0; b < op->blocks; b++) {
		memcpy(op->data + (size_t)b * QR_BLOCK_BYTES,
		       sim_media_at(&disk->media, sim_disk_place(op, b)), QR_BLOCK_BYTES);
	}
	if (disk->read_flip_until_ns > world->now_ns)
		flip_returned(world, disk, op);
	return QR_OK;
}

/** The bytes land in the settled log, and their own place keeps what it had. */
static bool misdirect(struct sim_world *world, struct sim_disk *disk,
		      const struct sim_disk_op *flying)
{
	qr_block settled = sim_disk_settled(disk, flying->op.group);
	qr_block at = needed_from(world, disk, flying->op.group);

	if (flying->op.kind != STORE_OP_WRITE || settled < at + flying->op.blocks ||
	    sim_media_damage_count(&disk->media) != 0)
		return false;
	at += qr_prng_below(&world->prng, settled - at - flying->op.blocks + 1);
	for (uint32_t b = 0; b < flying->op.blocks; b++) {
		const uint8_t *bytes = flying->bytes + (size_t)b * QR_BLOCK_BYTES;
		struct sim_place wrong = sim_media_place(&disk->media, flying->op.group, at + b);

		sim_media_damage(&disk->media, wrong, bytes);
		sim_media_lose(&disk->media, sim_disk_place(&flying->op, b), bytes);
	}
	world->count.faults[SIM_FAULT_MISDIRECTED]++;
	sim_point(world, SIM_EFFECT_WRITE, SIM_FAILS_WRONG);
	return true;
}

static bool lose(struct sim_world *world, struct sim_disk *disk, const struct sim_disk_op *flying)
{
	bool first = !disk->losing;

	if (first && sim_media_damage_count(&disk->media) != 0)
		return false;
	/* Behind the zeros of a cut suffix: some of what replaces it. */
	if (disk->lose_suffix && !first &&
	    (flying->op.kind != STORE_OP_WRITE || sim_percent(world, 50)))
		return false;
	if (disk->lose_from_zeros &&
	    (flying->op.kind != STORE_OP_WRITE || !sim_media_is_zero(flying->bytes)))
		return false;
	disk->losing = disk->lose_writes > 1;
	for (uint32_t b = 0; b < flying->op.blocks; b++) {
		sim_media_lose(&disk->media, sim_disk_place(&flying->op, b),
			       flying->bytes + (size_t)b * QR_BLOCK_BYTES);
	}
	world->count.faults[SIM_FAULT_LOST_WRITE]++;
	sim_point(world, sim_effect_of_op(flying->op.kind), SIM_FAILS_LOST);
	return true;
}

static void put(struct sim_world *world, struct sim_disk *disk, const struct sim_disk_op *flying,
		uint32_t percent, bool stable)
{
	for (uint32_t b = 0; b < flying->op.blocks; b++) {
		unsigned sectors = ALL_SECTORS;

		for (unsigned s = 0; percent < 100 && s < 8; s++) {
			if (!sim_percent(world, percent))
				sectors &= ~(1u << s);
		}
		if (sectors != 0) {
			sim_media_write(&disk->media, sim_disk_place(&flying->op, b),
					flying->bytes + (size_t)b * QR_BLOCK_BYTES, sectors,
					stable);
		}
	}
}

static enum qr_error write_blocks(struct sim_world *world, qr_node node,
				  const struct sim_disk_op *flying)
{
	struct sim_disk *disk = &world->nodes[node].disk;
	uint32_t damaged = sim_media_damage_count(&disk->media);

	if (!has_file(disk, &flying->op))
		return QR_NOT_FOUND;
	if (flying->op.kind == STORE_OP_WRITE_SNAPSHOT &&
	    !grow(disk, &flying->op, disk->full_until_ns > world->now_ns))
		return QR_NO_SPACE;
	if (memcmp(flying->bytes, flying->op.data, flying->op.size_bytes) != 0)
		sim_fail(world, 21, "the bytes of a write changed while it was in flight");
	if (disk->fail_write) {
		disk->fail_write = false;
		world->count.faults[SIM_FAULT_WRITE_ERROR]++;
		put(world, disk, flying, 50, true);
		return QR_IO;
	}
	if (disk->misdirect_write && misdirect(world, disk, flying)) {
		disk->misdirect_write = false;
		return QR_OK;
	}
	if (disk->lose_writes > 0 && lose(world, disk, flying)) {
		disk->lose_writes--;
		disk->lose_from_zeros = false;
		return QR_OK;
	}
	put(world, disk, flying, 100, true);
	if (sim_media_damage_count(&disk->media) < damaged)
		world->mended_ns = world->now_ns;
	if (flying->op.kind == STORE_OP_WRITE) {
		sim_oracle_written(world, node, flying->op.group,
				   (struct qr_span){flying->bytes, flying->op.size_bytes});
	}
	return QR_OK;
}

static enum qr_error carry_out(struct sim_world *world, qr_node node,
			       const struct sim_disk_op *flying)
{
	struct sim_disk *disk = &world->nodes[node].disk;

	switch (flying->op.kind) {
	case STORE_OP_PREPARE:
		return prepare(world, disk, &flying->op);
	case STORE_OP_DROP:
		drop(world, disk, flying->op.group, flying->op.segment);
		return QR_OK;
	case STORE_OP_SYNC:
	case STORE_OP_SYNC_SNAPSHOT:
		return sync(world, disk, &flying->op);
	case STORE_OP_READ:
	case STORE_OP_READ_SLOTS:
	case STORE_OP_READ_SNAPSHOT:
		return read_blocks(world, disk, &flying->op);
	case STORE_OP_WRITE:
	case STORE_OP_WRITE_LAZY:
	case STORE_OP_WRITE_SLOT:
	case STORE_OP_WRITE_SNAPSHOT:
	default:
		return write_blocks(world, node, flying);
	}
}

static void take_out(struct sim_disk *disk, const struct sim_disk_op *op)
{
	for (uint32_t f = 0; f < disk->flying_count; f++) {
		if (disk->flying[f] == op) {
			disk->flying[f] = disk->flying[--disk->flying_count];
			return;
		}
	}
	QR_ASSERT(false);
}

bool sim_disk_finish(struct sim_world *world, qr_node node, struct sim_disk_op *op)
{
	struct sim_disk *disk = &world->nodes[node].disk;

	if (op->cancelled) {
		sim_disk_op_free(op);
		return false;
	}
	if (disk->stuck_until_ns > world->now_ns) {
		qr_ns look_ns = world->now_ns + LOOK_AGAIN_NS;

		if (look_ns > disk->stuck_until_ns)
			look_ns = disk->stuck_until_ns;
		sim_queue_add(
			&world->queue,
			(struct sim_event){.at_ns = look_ns +
						    sim_between(world, 0, world->plan->disk_max_ns),
					   .kind = SIM_EVENT_DISK,
					   .host = node,
					   .data = op});
		return false;
	}
	take_out(disk, op);
	op->result = carry_out(world, node, op);
	if (op->result == QR_IO || op->result == QR_NO_SPACE)
		sim_point(world, sim_effect_of_op(op->op.kind), SIM_FAILS_ERROR);
	disk->lied = disk->lied || op->result == QR_IO;
	sim_trace(world, SIM_TRACE_DISK, node, (uint64_t)op->op.kind << 32 | op->op.segment,
		  op->op.offset_bytes, op->result);
	QR_ASSERT(disk->done_count < SIM_DISK_OPS_MAX);
	disk->done[disk->done_count++] = op;
	return true;
}

/* ---- crashes ---- */

/** How much of a write in flight is there afterwards, in percent of its sectors. */
static uint32_t share(struct sim_world *world)
{
	uint64_t dice = qr_prng_below(&world->prng, 10);

	if (dice < 3)
		return 0;
	return dice < 6 ? 100 : (uint32_t)sim_between(world, 1, 99);
}

/** Power went while a sector was being written: it holds neither the old bytes nor the new ones. */
static void shear(struct sim_world *world, struct sim_disk *disk, const struct sim_disk_op *flying)
{
	uint32_t block = (uint32_t)qr_prng_below(&world->prng, flying->op.blocks);
	uint32_t sector = (uint32_t)qr_prng_below(&world->prng, QR_BLOCK_BYTES / SIM_SECTOR_BYTES);
	uint8_t bytes[QR_BLOCK_BYTES];

	if (sim_percent(world, 50))
		block = sector = 0; /* a header, or a slot */
	for (uint32_t b = 0; b < QR_BLOCK_BYTES; b++)
		bytes[b] = (uint8_t)qr_prng_next(&world->prng);
	sim_media_write(&disk->media, sim_disk_place(&flying->op, block), bytes, 1u << sector,
			true);
}

/** Not a slot's very first write: garbage with nothing beside it could be a vote that rotted. */
static bool has_twin(const struct sim_disk *disk, const struct sim_disk_op *flying)
{
	struct sim_place twin = sim_disk_place(&flying->op, 0);
	struct store_slot slot;

	if (flying->op.kind != STORE_OP_WRITE_SLOT)
		return true;
	twin.block = STORE_SLOTS - 1 - twin.block;
	return store_slot_decode(sim_media_at(&disk->media, twin), &slot) == QR_OK;
}

/** A write was in flight: any part of it may be there. */
static void leave_part(struct sim_world *world, struct sim_disk *disk,
		       const struct sim_disk_op *flying, bool power)
{
	uint32_t percent = share(world);

	if (!has_file(disk, &flying->op))
		return;
	if (flying->op.kind == STORE_OP_WRITE_SNAPSHOT)
		(void)grow(disk, &flying->op, false);
	if (!power && percent > 0)
		percent = 100;
	put(world, disk, flying, percent, power);
	if (power && sim_percent(world, 10) && has_twin(disk, flying))
		shear(world, disk, flying);
}

/** A segment that was being made, or given up. */
static void leave_segment(struct sim_world *world, struct sim_disk *disk, const struct store_op *op)
{
	if (op->kind == STORE_OP_DROP) {
		if (sim_percent(world, 50))
			drop(world, disk, op->group, op->segment);
		return;
	}
	if (sim_media_has_segment(&disk->media, op->group, op->segment) || sim_percent(world, 50))
		return;
	if (op->recycled != STORE_NONE_RECYCLED) {
		drop(world, disk, op->group, op->recycled);
		if (sim_percent(world, 50))
			return; /* it has its temporary name */
	} else if (disk->full_until_ns > world->now_ns) {
		return;
	}
	sim_media_add_segment(&disk->media, op->group, op->segment);
}

void sim_disk_crash(struct sim_world *world, qr_node node, bool power)
{
	struct sim_disk *disk = &world->nodes[node].disk;

	if (power)
		sim_media_cut_power(&disk->media, &world->prng);
	for (uint32_t f = 0; f < disk->flying_count; f++) {
		struct sim_disk_op *flying = disk->flying[f];

		flying->cancelled = true;
		sim_point(world, sim_effect_of_op(flying->op.kind), SIM_FAILS_FLIGHT);
		if (flying->op.kind == STORE_OP_PREPARE || flying->op.kind == STORE_OP_DROP) {
			leave_segment(world, disk, &flying->op);
		} else if (sim_disk_is_write(&flying->op)) {
			leave_part(world, disk, flying, power);
		}
	}
	disk->flying_count = 0;
	for (uint32_t d = 0; d < disk->done_count; d++)
		sim_disk_op_free(disk->done[d]);
	disk->done_count = 0;
	disk->fail_write = false;
	disk->lose_writes = 0;
	disk->losing = false;
	disk->lose_suffix = false;
}

/* ---- damage ---- */

static bool slots_are_fragile(const struct sim_disk *disk, qr_group group)
{
	uint8_t promised[STORE_SLOTS * STORE_SLOT_BYTES];
	struct store_slot now;
	struct store_slot then;

	for (uint32_t s = 0; s < STORE_SLOTS; s++) {
		memcpy(promised + (size_t)s * STORE_SLOT_BYTES,
		       sim_media_promised(&disk->media,
					  (struct sim_place){group, SIM_SLOTS_SEGMENT, s}),
		       STORE_SLOT_BYTES);
	}
	if (store_slot_choose(promised, &then) != QR_OK)
		return true;
	/* One that refuses to start has forgotten nothing. */
	return sim_disk_slot(disk, group, &now) == QR_OK && now.serial != then.serial;
}

/** A crash may tear it, and the damaged place has its only other copy. */
static bool is_twin_in_flight(const struct sim_disk *disk, const struct sim_place *slot)
{
	for (uint32_t f = 0; f < disk->flying_count; f++) {
		const struct store_op *op = &disk->flying[f]->op;

		if (op->kind == STORE_OP_WRITE_SLOT && op->group == slot->group &&
		    sim_disk_place(op, 0).block != slot->block)
			return true;
	}
	return false;
}

bool sim_disk_is_fragile(const struct sim_disk *disk)
{
	for (uint32_t d = 0; d < disk->media.damage.count; d++) {
		const struct sim_place *place = &disk->media.damage.images[d].place;

		if (place->segment == SIM_SLOTS_SEGMENT) {
			if (slots_are_fragile(disk, place->group) || is_twin_in_flight(disk, place))
				return true;
		} else if (sim_place_is_log(place) &&
			   sim_disk_block(disk, place) >= sim_disk_settled(disk, place->group)) {
			return true;
		}
	}
	return false;
}

static void flip_bit(struct sim_world *world, struct sim_disk *disk, struct sim_place place)
{
	uint8_t bytes[QR_BLOCK_BYTES];
	uint64_t bit = qr_prng_below(&world->prng, 8ull * QR_BLOCK_BYTES);

	memcpy(bytes, sim_media_at(&disk->media, place), sizeof(bytes));
	bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	sim_media_damage(&disk->media, place, bytes);
}

bool sim_disk_rot(struct sim_world *world, qr_node node)
{
	struct sim_disk *disk = &world->nodes[node].disk;
	qr_group group = (qr_group)sim_between(world, 1, world->plan->group_count);
	qr_block settled = sim_disk_settled(disk, group);
	qr_block from = needed_from(world, disk, group);
	qr_block block;

	if (settled <= from)
		return false;
	block = from + qr_prng_below(&world->prng, settled - from);
	flip_bit(world, disk, sim_media_place(&disk->media, group, block));
	return true;
}

/** Blocks from the settled ones on whose loss is proven by what follows up to `end`. */
static qr_block count_provable(const struct sim_world *world, qr_block settled, qr_block end)
{
	qr_block stride_blocks = world->plan->geometry.stride_blocks;
	qr_block reach_blocks = (STORE_REACH_STRIDES + 1) * stride_blocks;
	/* An entry begins with each stride: one begins beyond reach of what is before this. */
	qr_block before =
		end <= reach_blocks ? 0 : (end - reach_blocks) / stride_blocks * stride_blocks;

	return before > settled ? before - settled : 0;
}

bool sim_disk_rot_unsettled(struct sim_world *world, qr_node node, qr_group group, qr_block end)
{
	struct sim_disk *disk = &world->nodes[node].disk;
	qr_block settled = sim_disk_settled(disk, group);
	qr_block count = count_provable(world, settled, end);
	qr_block block;

	if (count == 0 || sim_media_damage_count(&disk->media) != 0)
		return false;
	block = settled + qr_prng_below(&world->prng, count);
	flip_bit(world, disk, sim_media_place(&disk->media, group, block));
	return true;
}

static uint32_t count_snapshots(const struct sim_disk *disk, qr_group group)
{
	uint32_t count = 0;

	while (count < STORE_SNAPSHOTS && disk->media.groups[group].snapshot_blocks[count] != 0)
		count++;
	return count;
}

bool sim_disk_rot_snapshot(struct sim_world *world, qr_node node)
{
	struct sim_disk *disk = &world->nodes[node].disk;
	qr_group group = (qr_group)sim_between(world, 1, world->plan->group_count);
	uint32_t first = (uint32_t)qr_prng_below(&world->prng, STORE_SNAPSHOTS);
	uint32_t count = sim_percent(world, 75) ? 1 : STORE_SNAPSHOTS;
	bool any = false;

	/* Where the log's beginning was given up, two may not be damaged at once. */
	if (disk->media.groups[group].segment_first > 0) {
		if (sim_media_damage_count(&disk->media) != 0 || count_snapshots(disk, group) == 0)
			return false;
		count = 1;
		first = (uint32_t)qr_prng_below(&world->prng, count_snapshots(disk, group));
	}
	for (uint32_t n = 0; n < count; n++) {
		uint32_t number = (first + n) % STORE_SNAPSHOTS;
		uint32_t blocks = disk->media.groups[group].snapshot_blocks[number];

		if (blocks == 0)
			continue;
		flip_bit(world, disk,
			 (struct sim_place){group, SIM_SNAPSHOT_SEGMENT + number,
					    (uint32_t)qr_prng_below(&world->prng, blocks)});
		any = true;
	}
	return any;
}

bool sim_disk_rot_slot(struct sim_world *world, qr_node node)
{
	struct sim_disk *disk = &world->nodes[node].disk;
	qr_group group = (qr_group)sim_between(world, 1, world->plan->group_count);
	struct sim_place place = {group, SIM_SLOTS_SEGMENT,
				  (uint32_t)qr_prng_below(&world->prng, STORE_SLOTS)};
	struct sim_place twin = {group, SIM_SLOTS_SEGMENT, 1 - place.block};

	/* While they differ, one may be the only copy of what counts; and so while they are read.
	 */
	if ((world->nodes[node].up && sim_node_group(&world->nodes[node], group) == NULL) ||
	    sim_media_damage_count(&disk->media) != 0 || !sim_media_is_stable(&disk->media, twin) ||
	    memcmp(sim_media_at(&disk->media, place), sim_media_at(&disk->media, twin),
		   STORE_SLOT_BYTES) != 0)
		return false;
	flip_bit(world, disk, place);
	if (sim_percent(world, 25))
		flip_bit(world, disk, twin);
	return true;
}
