/*
 * A node's disk: operations under way over the node's media. Times, results and what is left of
 * them in a crash are decided here.
 *
 * What no log without a second copy can survive is not planted: a write that was lost, or went
 * elsewhere, is only found once the settled prefix has grown past it, so its node is `fragile`
 * until then, and is not made to forget (docs/DECISIONS.md 13).
 */
#ifndef QR_TEST_SIM_DISK_H
#define QR_TEST_SIM_DISK_H

#include "tests/sim/media.h"

#define SIM_DISK_OPS_MAX 256

struct sim_world;

struct sim_disk_op {
	struct store_op op;
	uint8_t *bytes;	      /* writes: as they were when the write started */
	bool cancelled;	      /* its node crashed: the event still has to come */
	enum qr_error result; /* once done */
};

struct sim_disk {
	struct sim_media media;
	uint32_t flying_count;
	struct sim_disk_op *flying[SIM_DISK_OPS_MAX];
	uint32_t done_count; /* completed, and not yet told */
	struct sim_disk_op *done[SIM_DISK_OPS_MAX];

	qr_ns stuck_until_ns;
	qr_ns slow_until_ns;
	uint32_t slow_times;
	qr_ns full_until_ns;
	qr_ns read_error_until_ns;
	qr_ns sync_error_until_ns;
	qr_ns read_flip_until_ns;
	bool lied;	      /* a result since the start that was not the truth, or an error */
	bool fail_write;      /* the next one */
	uint32_t lose_writes; /* so many from the next one on */
	bool lose_from_zeros; /* or rather from the next one of zeros: a suffix that is cut off */
	bool lose_suffix;     /* and then log writes only, some of them */
	bool losing;	      /* some of them were, more will be */
	bool misdirect_write;
};

void sim_disk_init(struct sim_disk *disk, uint32_t group_count, uint32_t segment_blocks);
void sim_disk_fini(struct sim_disk *disk);
void sim_disk_start(struct sim_world *world, qr_node node, const struct store_op *op);
/** An operation's time has come. @return whether it is done, rather than delayed or cancelled. */
bool sim_disk_finish(struct sim_world *world, qr_node node, struct sim_disk_op *op);
/** The node's process has ended. @param power  the device lost its cache, too. */
void sim_disk_crash(struct sim_world *world, qr_node node, bool power);
void sim_disk_op_free(struct sim_disk_op *op);

bool sim_disk_is_write(const struct store_op *op);
/** Where block `block` of an operation is. */
struct sim_place sim_disk_place(const struct store_op *op, uint32_t block);
/** The same as a block of the group's log space. */
qr_block sim_disk_block(const struct sim_disk *disk, const struct sim_place *place);
/** A write begins: may it, beside those that are under way? disk_rules.c. */
void sim_disk_check_write(struct sim_world *world, qr_node node, const struct store_op *op);

/** The newer of both slots as they are on the media. Errors as store_slot_choose. */
QR_MUST_USE enum qr_error sim_disk_slot(const struct sim_disk *disk, qr_group group,
					struct store_slot *ret_slot);
/** One past the last block of the group that is settled by what its media say for good. */
qr_block sim_disk_settled(const struct sim_disk *disk, qr_group group);
/** Losing memory now could lose what was promised: nothing that is built could notice. */
bool sim_disk_is_fragile(const struct sim_disk *disk);
/** @return whether there was something to damage. */
bool sim_disk_rot(struct sim_world *world, qr_node node);
/** The node is down, and was durable up to `end`: something between the settled and that rots. */
bool sim_disk_rot_unsettled(struct sim_world *world, qr_node node, qr_group group, qr_block end);
bool sim_disk_rot_slot(struct sim_world *world, qr_node node);
bool sim_disk_rot_snapshot(struct sim_world *world, qr_node node);

#endif
