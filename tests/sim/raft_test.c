/*
 * Random clusters of five: loss, duplicates, reordering, partitions, disks that wait, crashes that
 * lose what was not durable, disks that are lost, one at a time, failed stores, transfers and
 * reads, in proportions that each seed chooses for itself (swarm testing). The harness judges every
 * step; afterwards everything is mended, and the cluster must agree within a bound.
 *
 *     raft_test [FIRST [COUNT]]     seeds to run; a failure prints its seed
 */
#include "tests/paper/harness/cluster.h"

#include <stdio.h>
#include <stdlib.h>

#define NODES 5
#define STEPS 10000
#define SETTLE_ROUNDS 40 /* election timeouts until everything agrees, at the most */

static uint64_t seed_first = 1;
static uint64_t seed_count = 2000;

/* How often things happen, in 1/1000 of the steps. */
struct weather {
	uint64_t deliver, drop, duplicate, tick, propose, flush, crash, restart, cut, heal, read;
	uint64_t transfer, fail, forget;
	qr_ns pace_ns; /* from tick to tick, at the most */
	bool disks_wait;
};

struct run {
	struct cluster *cluster;
	struct weather weather;
	uint64_t value;
	uint64_t reads;
};

static uint64_t below(struct run *run, uint64_t bound)
{
	return qr_prng_below(&run->cluster->prng, bound);
}

static qr_node any_node(struct run *run)
{
	return (qr_node)(1 + below(run, NODES));
}

static void choose_weather(struct run *run)
{
	run->weather = (struct weather){
		.deliver = 500 + below(run, 300),
		.drop = below(run, 3) == 0 ? below(run, 150) : below(run, 10),
		.duplicate = below(run, 100),
		.tick = 30 + below(run, 150),
		.propose = 20 + below(run, 150),
		.flush = 50 + below(run, 300),
		.crash = below(run, 3) == 0 ? below(run, 20) : below(run, 4),
		.restart = 1 + below(run, 30),
		.cut = below(run, 2) == 0 ? below(run, 20) : 0,
		.heal = 1 + below(run, 10),
		.read = below(run, 40),
		.transfer = below(run, 5),
		.fail = below(run, 4) == 0 ? below(run, 4) : 0,
		.forget = below(run, 2) == 0 ? below(run, 60) : 0,
		.pace_ns = CLUSTER_HEARTBEAT_NS / (1 + below(run, 8)),
		.disks_wait = below(run, 4) != 0,
	};
	if (below(run, 4) == 0) { /* disks that are hardly worth their name */
		run->weather.crash = 5 + below(run, 20);
		run->weather.restart = 20 + below(run, 100);
		run->weather.forget = 100;
	}
	for (qr_node node = 1; node <= NODES; node++) {
		run->cluster->nodes[node].disk_waits = run->weather.disks_wait;
		run->cluster->nodes[node].keeps_commit = below(run, 2) == 0;
	}
	run->cluster->parameters.window_entries = (uint32_t)(1 + below(run, 40));
	run->cluster->parameters.window_blocks = (uint32_t)(1 + below(run, 100));
	for (qr_node node = 1; node <= NODES; node++) {
		struct raft_parameters *parameters = &cluster_group(run->cluster, node)->parameters;

		parameters->window_entries = run->cluster->parameters.window_entries;
		parameters->window_blocks = run->cluster->parameters.window_blocks;
	}
}

static void do_tick(struct run *run)
{
	qr_node node = any_node(run);

	run->cluster->now_ns += below(run, run->weather.pace_ns);
	if (below(run, 200) == 0)
		run->cluster->now_ns += 3ull * CLUSTER_ELECTION_NS;
	if (run->cluster->nodes[node].up)
		cluster_tick(run->cluster, node);
}

static void do_packet(struct run *run, bool keep, bool drop)
{
	struct cluster *cluster = run->cluster;
	uint32_t position;

	if (cluster->packet_count == 0) {
		do_tick(run);
		return;
	}
	/* Mostly in order, as on a real link; sometimes anything. */
	position = below(run, 4) == 0 ? (uint32_t)below(run, cluster->packet_count) : 0;
	if (drop) {
		cluster_drop_one(cluster, position);
	} else {
		cluster_deliver_one(cluster, position, keep, below(run, 2) == 0);
	}
}

static void do_propose(struct run *run)
{
	qr_node node = any_node(run);
	const struct cluster_node *self = &run->cluster->nodes[node];

	if (self->up && raft_can_propose(&self->raft) && self->raft.last < CLUSTER_LOG_MAX - 64 &&
	    self->write_count < CLUSTER_WRITES_MAX / 2)
		cluster_propose(run->cluster, node, ++run->value);
}

static void do_crash(struct run *run)
{
	qr_node node = any_node(run);
	const struct cluster_node *self = &run->cluster->nodes[node];

	if (self->up)
		cluster_crash(run->cluster, node, (uint32_t)below(run, self->write_count + 1));
}

/** Two that have lost their disks wait for each other. */
static bool all_remember(const struct run *run)
{
	for (qr_node node = 1; node <= NODES; node++) {
		if (run->cluster->nodes[node].disk_state.amnesia)
			return false;
	}
	return true;
}

static void do_restart(struct run *run)
{
	qr_node node = any_node(run);
	struct cluster_node *self = &run->cluster->nodes[node];

	if (self->up && self->raft.failed)
		cluster_crash(run->cluster, node, 0);
	if (self->up)
		return;
	if (below(run, 100) < run->weather.forget && all_remember(run))
		cluster_forget(run->cluster, node);
	cluster_restart(run->cluster, node);
	self->disk_waits = run->weather.disks_wait;
}

static void do_cut(struct run *run)
{
	if (below(run, 2) == 0) {
		cluster_isolate(run->cluster, any_node(run));
	} else {
		run->cluster->cut[any_node(run)][any_node(run)] = true;
	}
}

static void do_client(struct run *run, bool read, bool fail)
{
	qr_node node = any_node(run);

	if (!run->cluster->nodes[node].up)
		return;
	if (read) {
		if (run->reads < CLUSTER_READS_MAX)
			cluster_read(run->cluster, node, run->reads++);
	} else if (fail) {
		cluster_fail_storage(run->cluster, node);
	} else {
		cluster_transfer(run->cluster, node, below(run, 2) == 0 ? any_node(run) : 0);
	}
}

/* One step of the kind that `dice` falls on. */
static void do_something(struct run *run)
{
	const struct weather *weather = &run->weather;
	uint64_t weights[] = {weather->deliver, weather->duplicate, weather->drop,
			      weather->tick,	weather->propose,   weather->flush,
			      weather->crash,	weather->restart,   weather->cut,
			      weather->heal,	weather->read,	    weather->fail,
			      weather->transfer};
	uint64_t sum = 0;
	uint64_t dice;
	unsigned kind = 0;
	qr_node node;

	for (unsigned i = 0; i < sizeof(weights) / sizeof(weights[0]); i++)
		sum += weights[i];
	for (dice = below(run, sum); dice >= weights[kind]; kind++)
		dice -= weights[kind];
	switch (kind) {
	case 0:
	case 1:
	case 2:
		do_packet(run, kind == 1, kind == 2);
		break;
	case 3:
		do_tick(run);
		break;
	case 4:
		do_propose(run);
		break;
	case 5:
		node = any_node(run);
		cluster_flush(run->cluster, node, (uint32_t)below(run, 8));
		break;
	case 6:
		do_crash(run);
		break;
	case 7:
		do_restart(run);
		break;
	case 8:
		do_cut(run);
		break;
	case 9:
		cluster_heal(run->cluster);
		break;
	default:
		do_client(run, kind == 10, kind == 11);
		break;
	}
}

static void mend(struct run *run)
{
	struct cluster *cluster = run->cluster;

	cluster_heal(cluster);
	for (qr_node node = 1; node <= NODES; node++) {
		struct cluster_node *self = &cluster->nodes[node];

		if (self->up && self->raft.failed)
			cluster_crash(cluster, node, 0);
		if (!self->up)
			cluster_restart(cluster, node);
		self->disk_waits = false;
		cluster_flush_all(cluster, node);
	}
}

/* "A leader within 10 election timeouts, terms stop growing, all replicas converge." */
static bool agrees(struct run *run)
{
	struct cluster *cluster = run->cluster;
	qr_node leader;
	qr_term term;

	cluster_live_for(cluster, 10ull * CLUSTER_ELECTION_NS);
	leader = cluster_leader(cluster);
	if (leader == 0) {
		print_error("no leader\n");
		return false;
	}
	term = cluster_group(cluster, leader)->state.term;
	for (unsigned i = 0; i < SETTLE_ROUNDS && !cluster_has_converged(cluster); i++)
		cluster_live_for(cluster, CLUSTER_ELECTION_NS);
	cluster_live_for(cluster, 2ull * CLUSTER_ELECTION_NS);
	if (cluster_leader(cluster) != leader ||
	    cluster_group(cluster, leader)->state.term != term) {
		print_error("terms still grow\n");
		return false;
	}
	if (!cluster_has_converged(cluster))
		print_error("replicas still differ\n");
	return cluster_has_converged(cluster);
}

static bool run_seed(uint64_t seed)
{
	struct run run = {.cluster = cluster_create(NODES, seed)};
	bool sound = true;

	choose_weather(&run);
	for (unsigned step = 0; step < STEPS && sound; step++) {
		do_something(&run);
		sound = run.cluster->trouble[0] == '\0';
	}
	if (sound) {
		mend(&run);
		sound = agrees(&run);
	}
	sound = cluster_is_sound(run.cluster) && sound;
	cluster_destroy(run.cluster);
	return sound;
}

static void test_random_clusters_stay_sound_and_agree_once_mended(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < seed_count; i++) {
		if (!run_seed(seed_first + i))
			fail_msg("seed %ju", (uintmax_t)(seed_first + i));
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_clusters_stay_sound_and_agree_once_mended),
	};

	if (argc > 1)
		seed_first = strtoull(argv[1], NULL, 10);
	if (argc > 2)
		seed_count = strtoull(argv[2], NULL, 10);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
