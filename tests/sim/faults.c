/*
 * What each fault does when it begins and when it ends, and the operator who sees to nodes that
 * refuse to go on. Which faults come, and when, is plan.c's.
 */
#include "consensus/base/assert.h"
#include "dataplane/node/state.h"
#include "storage/engine/internal.h"
#include "tests/sim/world.h"

#define A_TENTH_PPM (-900000) /* of its speed: so much too fast */

/** Who led may still believe it when the others have elected another: asked again and again. */
static void question(struct sim_world *world, qr_node leader)
{
	qr_ns tenth_ns = world->plan->election_timeout_ns / 10;

	for (qr_ns after = 9; leader != 0 && after < 20; after++) {
		sim_queue_add(&world->queue,
			      (struct sim_event){.at_ns = world->now_ns + after * tenth_ns,
						 .kind = SIM_EVENT_ASK,
						 .host = leader});
	}
}

/**
 * Its last writes are still under way when another leader's entries replace them; or its clock is
 * slow, and it believes that it leads for longer, perhaps with one that follows it.
 */
static void depose(struct sim_world *world, uint32_t number, qr_ns until_ns)
{
	const struct sim_fault *fault = &world->plan->faults[number];
	qr_node leader = sim_oracle_leader(world, fault->amount % world->plan->group_count + 1);
	struct sim_disk *disk = &world->nodes[leader].disk;
	qr_ns lag_ns = fault->amount / 16 % 4 * world->plan->election_timeout_ns / 8;
	struct sim_deposed *deposed = &world->deposed[number];

	*deposed = (struct sim_deposed){.leader = leader};
	if (leader == 0)
		return;
	question(world, leader);
	if (fault->amount / 1024 % 2 == 0)
		sim_node_set_clock(world, leader, A_TENTH_PPM);
	if (fault->amount / 2048 % 2 == 0 && world->plan->node_count >= 5)
		deposed->companion = (qr_node)(leader % world->plan->node_count + 1);
	if (lag_ns != 0 && disk->stuck_until_ns < until_ns + lag_ns)
		disk->stuck_until_ns = until_ns + lag_ns;
}

/** It cuts off what it appended alone, and loses power or writes in the middle of that. */
static void reinstate(struct sim_world *world, uint32_t number)
{
	qr_node leader = world->deposed[number].leader;
	struct sim_node *node = &world->nodes[leader];
	uint32_t dice = world->plan->faults[number].amount / 64;

	if (leader == 0)
		return;
	sim_node_set_clock(world, leader, node->drift_ppm);
	if (dice % 2 == 0)
		node->effects_left = 1 + dice / 4 % 24;
	if (dice % 4 == 1) {
		node->disk.lose_writes = 2 + dice / 4 % 3;
		node->disk.lose_from_zeros = true;
		node->disk.lose_suffix = true;
		node->disk.losing = false;
	}
}

static bool is_of_the_network(enum sim_fault_kind kind)
{
	return kind == SIM_FAULT_ISOLATE || kind == SIM_FAULT_SPLIT || kind == SIM_FAULT_ONE_WAY ||
	       kind == SIM_FAULT_DEPOSE || kind == SIM_FAULT_CHAIN || kind == SIM_FAULT_CLOG ||
	       kind == SIM_FAULT_LOSS || kind == SIM_FAULT_DUPLICATES || kind == SIM_FAULT_DELAY ||
	       kind == SIM_FAULT_MUTE || kind == SIM_FAULT_FLIPS;
}

static bool crash(struct sim_world *world, qr_node id, bool power, qr_ns until_ns)
{
	return world->nodes[id].up && sim_node_crash(world, id, power, until_ns);
}

static bool crash_all(struct sim_world *world, qr_ns until_ns)
{
	bool any = false;

	for (qr_node id = 1; id <= world->plan->node_count; id++) {
		qr_ns start_ns = until_ns + sim_between(world, 0, 1000000);

		any = crash(world, id, true, start_ns) || any;
	}
	return any;
}

/** @param dice  now and then it does not come to the end of stopping. */
static bool stop(struct sim_world *world, struct sim_node *node, uint32_t dice)
{
	if (!node->up || node->stopping || node->paused_until_ns > world->now_ns)
		return false;
	dp_core_stop(node->core);
	node->stopping = true;
	if (dice % 3 == 0)
		node->effects_left = 1 + dice / 3 % 6;
	sim_node_wake(world, node->id);
	return true;
}

static bool pause(struct sim_world *world, struct sim_node *node, qr_ns until_ns)
{
	qr_ns ask_ns;

	if (!node->up || node->paused_until_ns >= until_ns)
		return false;
	node->paused_until_ns = until_ns;
	node->turn_at_ns = UINT64_MAX; /* a turn that was due comes afterwards */
	sim_node_wake(world, node->id);
	/* The first that it hears when it goes on is a question. */
	ask_ns = until_ns - sim_between(world, 0, 4) * world->plan->delay_max_ns;
	sim_queue_add(&world->queue,
		      (struct sim_event){.at_ns = ask_ns > world->now_ns ? ask_ns : world->now_ns,
					 .kind = SIM_EVENT_ASK,
					 .host = node->id});
	return true;
}

static bool pause_client(struct sim_world *world, uint32_t id, qr_ns until_ns)
{
	struct sim_client *client = &world->clients[id];

	client->paused_until_ns = until_ns;
	client->turn_at_ns = UINT64_MAX;
	sim_client_wake(world, id, until_ns);
	return true;
}

/** Faults of hosts. @return whether there was anything to be done. */
static bool begin_host(struct sim_world *world, const struct sim_fault *fault, qr_ns until_ns)
{
	static const int64_t paces_ppm[] = {A_TENTH_PPM, -600000, -300000, 500000, 4000000};
	struct sim_node *node = &world->nodes[fault->a];

	switch ((unsigned)fault->kind) {
	case SIM_FAULT_KILL:
		return crash(world, fault->a, false, until_ns);
	case SIM_FAULT_POWER:
		return crash(world, fault->a, true, until_ns);
	case SIM_FAULT_POWER_ALL:
		return crash_all(world, until_ns);
	case SIM_FAULT_CRASH_MIDWAY:
		node->effects_left = fault->amount; /* down: early in its next life */
		return true;
	case SIM_FAULT_STOP:
		return stop(world, node, fault->amount);
	case SIM_FAULT_PAUSE:
		return pause(world, node, until_ns);
	case SIM_FAULT_CLIENT_PAUSE:
		return pause_client(world, fault->a, until_ns);
	case SIM_FAULT_CLIENT_NEW:
		sim_client_end(world, fault->a);
		return true;
	case SIM_FAULT_REPLAY:
		sim_net_replay(world);
		return true;
	case SIM_FAULT_GARBAGE:
		sim_net_garbage(world, fault->a);
		return true;
	case SIM_FAULT_CLOCK:
		sim_node_set_clock(world, fault->a, paces_ppm[fault->amount % 5]);
		return true;
	case SIM_FAULT_WALL_JUMP:
		node->wall_offset_ns = ((int64_t)(fault->amount % 7201) - 3600) * 1000000000;
		return true;
	default:
		QR_ASSERT(false);
	}
}

/** A durable entry rots that no slot speaks of yet, and its node starts again. */
static bool rot_and_restart(struct sim_world *world, qr_node id, qr_ns until_ns)
{
	qr_group group = (qr_group)sim_between(world, 1, world->plan->group_count);
	const struct dp_group *running = sim_node_group(&world->nodes[id], group);
	qr_block end;

	if (running == NULL)
		return false;
	end = running->log->writes.flushed.block;
	return crash(world, id, true, until_ns) && sim_disk_rot_unsettled(world, id, group, end);
}

/** Faults of disks. Those that strike later are counted when they do. */
static bool begin_disk(struct sim_world *world, const struct sim_fault *fault, qr_ns until_ns)
{
	struct sim_disk *disk = &world->nodes[fault->a].disk;

	switch ((unsigned)fault->kind) {
	case SIM_FAULT_DISK_SLOW:
		disk->slow_until_ns = until_ns;
		disk->slow_times = fault->amount;
		return true;
	case SIM_FAULT_DISK_STUCK:
		disk->stuck_until_ns = until_ns;
		return true;
	case SIM_FAULT_DISK_FULL:
		disk->full_until_ns = until_ns;
		return true;
	case SIM_FAULT_WRITE_ERROR:
		disk->fail_write = true;
		return false;
	case SIM_FAULT_READ_ERROR:
		disk->read_error_until_ns = until_ns;
		return false;
	case SIM_FAULT_SYNC_ERROR:
		disk->sync_error_until_ns = until_ns;
		return false;
	case SIM_FAULT_READ_FLIP:
		disk->read_flip_until_ns = until_ns;
		return false;
	case SIM_FAULT_LOST_WRITE:
		disk->lose_writes = 1 + fault->amount % 4;
		disk->lose_from_zeros = fault->amount / 4 % 2 == 0;
		disk->lose_suffix = fault->amount / 8 % 2 == 0;
		disk->losing = false;
		return false;
	case SIM_FAULT_MISDIRECTED:
		disk->misdirect_write = true;
		return false;
	case SIM_FAULT_ROT:
		if (fault->amount % 2 == 0)
			return rot_and_restart(world, fault->a, until_ns);
		return sim_disk_rot(world, fault->a);
	case SIM_FAULT_ROT_SLOT:
		return sim_disk_rot_slot(world, fault->a);
	case SIM_FAULT_FORGET:
		sim_forget_and_restart(world, fault->a, until_ns);
		return false;
	case SIM_FAULT_ROT_SNAPSHOT:
		return sim_disk_rot_snapshot(world, fault->a);
	default:
		QR_ASSERT(false);
	}
}

void sim_fault_begin(struct sim_world *world, uint32_t number)
{
	const struct sim_fault *fault = &world->plan->faults[number];
	qr_ns until_ns = world->start_ns + fault->until_ns;
	bool done = true;

	sim_trace(world, SIM_TRACE_FAULT, fault->a, number, fault->kind, fault->amount);
	world->in_force[number] = true;
	world->corrupts = world->corrupts || fault->kind == SIM_FAULT_FLIPS ||
			  fault->kind == SIM_FAULT_GARBAGE;
	if (is_of_the_network(fault->kind)) {
		if (fault->kind == SIM_FAULT_DEPOSE)
			depose(world, number, until_ns);
		sim_net_rewire(world);
		if (fault->kind == SIM_FAULT_SPLIT)
			question(world, sim_oracle_leader(world, 1));
	} else if (fault->kind < SIM_FAULT_DISK_SLOW || fault->kind >= SIM_FAULT_CLOCK) {
		done = begin_host(world, fault, until_ns);
	} else {
		done = begin_disk(world, fault, until_ns);
	}
	world->count.faults[fault->kind] += done;
}

void sim_fault_end(struct sim_world *world, uint32_t number)
{
	const struct sim_fault *fault = &world->plan->faults[number];

	if (!world->in_force[number])
		return;
	world->in_force[number] = false;
	sim_trace(world, SIM_TRACE_HEAL, fault->a, number, fault->kind, 0);
	if (fault->kind == SIM_FAULT_DEPOSE)
		reinstate(world, number);
	if (fault->kind == SIM_FAULT_CLOCK)
		sim_node_set_clock(world, fault->a, world->nodes[fault->a].drift_ppm);
	if (is_of_the_network(fault->kind))
		sim_net_rewire(world);
}

static bool is_in_trouble(const struct sim_world *world, const struct sim_node *node)
{
	for (uint32_t g = 0; g < world->plan->group_count; g++) {
		const struct dp_group *group = &node->core->groups[g];

		if (group->phase == DP_PHASE_DAMAGED ||
		    (group->phase == DP_PHASE_RUNNING &&
		     store_log_condition(group->log) == QR_POISONED))
			return true;
	}
	return false;
}

void sim_fault_operator(struct sim_world *world, qr_node id)
{
	struct sim_node *node = &world->nodes[id];
	qr_ns delay_ns;

	if (node->operator_comes || !is_in_trouble(world, node))
		return;
	node->operator_comes = true;
	delay_ns = world->calm ? 0 : sim_between(world, 0, 8) * world->plan->election_timeout_ns;
	sim_queue_add(&world->queue, (struct sim_event){.at_ns = world->now_ns + delay_ns,
							.kind = SIM_EVENT_MEND,
							.host = id,
							.stamp = node->incarnation});
}

void sim_fault_mend(struct sim_world *world, qr_node id)
{
	struct sim_node *node = &world->nodes[id];

	if (sim_media_damage_count(&node->disk.media) != 0) {
		world->count.damage_found++;
		world->mended_ns = world->now_ns;
		sim_media_mend(&node->disk.media);
	}
	(void)sim_node_crash(world, id, false, world->now_ns + 1000000);
}

void sim_fault_mend_what_is_lost(struct sim_world *world)
{
	for (qr_node id = 1; id <= world->plan->node_count; id++) {
		struct sim_disk *disk = &world->nodes[id].disk;

		for (uint32_t d = sim_media_damage_count(&disk->media); d > 0; d--) {
			if (sim_oracle_is_repairable(world, id, &disk->media.damage.images[d - 1]))
				continue;
			world->mended_ns = world->now_ns;
			disk->lied = world->nodes[id].up; /* it may have read it already */
			sim_media_mend_at(&disk->media, d - 1);
		}
	}
}

static void mend_node(struct sim_world *world, struct sim_node *node)
{
	struct sim_disk *disk = &node->disk;

	disk->stuck_until_ns = 0;
	disk->slow_until_ns = 0;
	disk->full_until_ns = 0;
	disk->read_error_until_ns = 0;
	disk->sync_error_until_ns = 0;
	disk->read_flip_until_ns = 0;
	disk->fail_write = false;
	disk->lose_writes = 0;
	disk->losing = false;
	disk->lose_suffix = false;
	disk->misdirect_write = false;
	node->effects_left = 0;
	node->paused_until_ns = 0;
	sim_node_set_clock(world, node->id, node->drift_ppm);
	if (!node->up) {
		sim_node_start(world, node->id);
	} else if (node->operator_comes || node->stopping) {
		(void)sim_node_crash(world, node->id, false, world->now_ns + 1000000);
	} else {
		node->turn_at_ns = UINT64_MAX;
		sim_node_wake(world, node->id);
	}
}

void sim_faults_end_all(struct sim_world *world)
{
	world->calm = true;
	for (uint32_t f = 0; f < world->plan->fault_count; f++)
		world->in_force[f] = false;
	sim_net_rewire(world);
	sim_fault_mend_what_is_lost(world);
	for (qr_node id = 1; id <= world->plan->node_count; id++)
		mend_node(world, &world->nodes[id]);
	for (uint32_t id = 1; id <= world->plan->client_count; id++) {
		world->clients[id].paused_until_ns = 0;
		world->clients[id].turn_at_ns = UINT64_MAX;
		sim_client_wake(world, id, world->now_ns);
	}
}
