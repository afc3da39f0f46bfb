/*
 * What the store may ask of a disk, seen when it asks: a device carries out what is under way in
 * any order, and a crash leaves any part of it.
 */
#include "dataplane/node/state.h"
#include "storage/engine/internal.h"
#include "tests/sim/disk.h"
#include "tests/sim/world.h"

/** The device may carry out two writes in any order, so they never meet. */
static void check_apart(struct sim_world *world, qr_node node, const struct store_op *op,
			const struct store_op *other)
{
	if (other->group == op->group &&
	    sim_disk_place(other, 0).segment == sim_disk_place(op, 0).segment &&
	    other->offset_bytes < op->offset_bytes + op->size_bytes &&
	    op->offset_bytes < other->offset_bytes + other->size_bytes) {
		sim_fail(world, 13,
			 "node %u writes bytes %lu.. of segment %lu of group %u while another "
			 "write there is under way",
			 node, (unsigned long)op->offset_bytes, (unsigned long)op->segment,
			 op->group);
	}
}

/** A write to what the node has durable already: an entry that its disk has lost. */
static bool is_repair(const struct sim_world *world, qr_node node, const struct store_op *op)
{
	const struct dp_group *group = &world->nodes[node].core->groups[op->group - 1];
	struct sim_place place = sim_disk_place(op, 0);

	if (op->kind != STORE_OP_WRITE)
		return false;
	if (group->phase == DP_PHASE_RECOVERING)
		return !sim_media_is_zero(op->data);
	return sim_disk_block(&world->nodes[node].disk, &place) + op->blocks <=
	       group->log->writes.flushed.block;
}

/** What is durable stays as it is: nothing but the committed entry of that place goes there. */
static void check_repair(struct sim_world *world, qr_node node, const struct store_op *op)
{
	const struct sim_log *log = &world->oracle.logs[op->group];
	struct sim_place place = sim_disk_place(op, 0);
	qr_block block = sim_disk_block(&world->nodes[node].disk, &place);

	if (!is_repair(world, node, op))
		return;
	world->count.repairs++;
	for (qr_index i = log->count; i > 0 && log->entries[i - 1].block >= block; i--) {
		const struct sim_entry *entry = &log->entries[i - 1];
		struct store_entry decoded;

		if (entry->block == block && entry->blocks == op->blocks &&
		    store_entry_digest(op->data) == entry->digest &&
		    store_entry_decode(op->data, &decoded) == QR_OK &&
		    store_entry_check_payload(op->data, &decoded) == QR_OK &&
		    store_entry_check_padding(op->data, &decoded) == QR_OK)
			return;
	}
	sim_fail(world, 9, "node %u writes over durable block %lu of group %u what was not there",
		 node, (unsigned long)block, op->group);
}

/** Recovery takes what is valid further away for proof that the hole in front of it was durable. */
static void check_reach(struct sim_world *world, qr_node node, const struct store_op *op,
			const struct store_op *other)
{
	const struct sim_disk *disk = &world->nodes[node].disk;
	qr_block stride_blocks = world->plan->geometry.stride_blocks;
	struct sim_place place = sim_disk_place(op, op->blocks - 1);
	struct sim_place first = sim_disk_place(other, 0);
	qr_block reach = (sim_disk_block(disk, &first) / stride_blocks + 1 + STORE_REACH_STRIDES) *
			 stride_blocks;

	if (other->group == op->group && op->kind == STORE_OP_WRITE &&
	    other->kind == STORE_OP_WRITE && !is_repair(world, node, op) &&
	    !is_repair(world, node, other) && sim_disk_block(disk, &place) >= reach) {
		sim_fail(world, 11,
			 "node %u writes block %lu of group %u while block %lu is under way", node,
			 (unsigned long)sim_disk_block(disk, &place), op->group,
			 (unsigned long)sim_disk_block(disk, &first));
	}
}

/** A suffix is zeroed from its end, so that a crash leaves no hole in front of what is sound. */
static void check_zeros(struct sim_world *world, qr_node node, const struct store_op *op)
{
	const struct sim_disk *disk = &world->nodes[node].disk;
	struct sim_place place = sim_disk_place(op, op->blocks);
	qr_block behind = sim_disk_block(disk, &place);

	if (op->kind != STORE_OP_WRITE || !sim_media_is_zero(op->data))
		return;
	for (;; behind++) {
		place = sim_media_place(&disk->media, op->group, behind);
		if (!sim_media_has_segment(&disk->media, op->group, place.segment))
			return;
		if (!sim_media_is_zero(sim_media_promised(&disk->media, place))) {
			sim_fail(world, 11,
				 "node %u zeroes a suffix of group %u below block %lu, which holds "
				 "something",
				 node, op->group, (unsigned long)behind);
		}
	}
}

void sim_disk_check_write(struct sim_world *world, qr_node node, const struct store_op *op)
{
	const struct sim_disk *disk = &world->nodes[node].disk;

	for (uint32_t f = 0; f < disk->flying_count; f++) {
		const struct store_op *other = &disk->flying[f]->op;

		if (!sim_disk_is_write(other))
			continue;
		check_apart(world, node, op, other);
		check_reach(world, node, op, other);
	}
	check_zeros(world, node, op);
	check_repair(world, node, op);
	if (op->kind == STORE_OP_WRITE_SLOT)
		sim_oracle_slot(world, node, op->group, sim_disk_place(op, 0).block);
}
