/*
 * The calm: nothing is wrong from here on, and everything must come back by itself, within bounds
 * (property 19). Then the links are tried once more, one at a time, and all nodes lose power.
 */
#include "consensus/base/assert.h"
#include "dataplane/node/state.h"
#include "tests/sim/world.h"

#include <inttypes.h>

#define SECOND ((qr_ns)1000000000)
#define QUIET_SECONDS_MAX 600 /* a replica that lost everything is filled an entry at a time */
#define SCRUB_SECONDS_MAX 60  /* a pass, the pause behind it, and the next */

static qr_nodes all_nodes(const struct sim_world *world)
{
	return ((qr_nodes)1 << (world->plan->node_count + 1)) - 2;
}

static bool all_lead(const struct sim_world *world)
{
	for (qr_group group = 1; group <= world->plan->group_count; group++) {
		qr_node leader = sim_oracle_leader(world, group);
		const struct dp_group *leading;

		if (leader == 0)
			return false;
		leading = sim_node_group(&world->nodes[leader], group);
		if (leading->raft.state.term != sim_oracle_term(world, group) ||
		    raft_term_at(&leading->raft, leading->raft.commit) != leading->raft.state.term)
			return false;
	}
	return true;
}

/** And counts, if it can be filled and all others are there, which it asks. */
static bool runs(const struct sim_world *world, qr_node node, qr_group group)
{
	const struct dp_group *running = sim_node_group(&world->nodes[node], group);
	bool is_full = world->nodes[node].disk.full_until_ns > world->now_ns;

	return running != NULL && (world->away != 0 || is_full || !running->raft.state.amnesia);
}

static bool all_run(const struct sim_world *world)
{
	for (qr_node node = 1; node <= world->plan->node_count; node++) {
		for (qr_group group = 1; group <= world->plan->group_count; group++) {
			if (!qr_nodes_has(world->away, node) && !runs(world, node, group))
				return false;
		}
	}
	return true;
}

static bool all_idle(const struct sim_world *world)
{
	for (uint32_t client = 1; client <= world->plan->client_count; client++) {
		if (!sim_client_is_idle(world, client))
			return false;
	}
	return true;
}

static bool has_lost_fragments(const struct sim_world *world)
{
	return world->net.fragments_lost_until_ns != UINT64_MAX || all_idle(world);
}

static void wait_for(struct sim_world *world, bool (*holds)(const struct sim_world *),
		     qr_ns within_ns, const char *what)
{
	qr_ns end_ns = world->now_ns + within_ns;
	qr_ns step_ns = world->plan->election_timeout_ns / 8;

	while (!holds(world)) {
		if (world->now_ns >= end_ns) {
			sim_fail(world, 19, "no faults, and after %" PRIu64 " ms still not: %s",
				 within_ns / 1000000, what);
		}
		sim_world_run_until(world, world->now_ns + step_ns);
	}
}

static void live(struct sim_world *world)
{
	qr_ns timeout_ns = world->plan->election_timeout_ns;

	wait_for(world, all_run, QUIET_SECONDS_MAX * SECOND, "every node has recovered");
	/* What was on its way when the faults ended may still cost a leader its place. */
	sim_world_run_until(world, world->now_ns + 3 * timeout_ns);
	wait_for(world, all_lead, 7 * timeout_ns, "every group has a leader that commits");
}

static void note_terms(const struct sim_world *world, qr_term terms[SIM_GROUPS_MAX + 1])
{
	for (qr_group group = 1; group <= world->plan->group_count; group++)
		terms[group] = sim_oracle_term(world, group);
}

static void check_terms(struct sim_world *world, const qr_term terms[SIM_GROUPS_MAX + 1],
			const char *when)
{
	for (qr_group group = 1; group <= world->plan->group_count; group++) {
		if (sim_oracle_term(world, group) != terms[group]) {
			sim_fail(world, 19, "%s, and the term of group %u grows to %" PRIu64, when,
				 group, sim_oracle_term(world, group));
		}
	}
}

/** Clients begin nothing new, and what they began is answered: the leader is there already. */
static void hush(struct sim_world *world)
{
	world->quiet = true;
	world->quiet_ns = world->now_ns;
	wait_for(world, all_idle, SIM_ANSWERED_WITHIN_NS, "every append is answered");
}

static bool all_whole(const struct sim_world *world)
{
	for (qr_node node = 1; node <= world->plan->node_count; node++) {
		const struct sim_media *media = &world->nodes[node].disk.media;

		for (uint32_t d = 0; d < media->damage.count; d++) {
			const struct sim_place *place = &media->damage.images[d].place;

			/* What was given up since is nobody's concern. */
			if (!sim_place_is_log(place) ||
			    sim_disk_block(&world->nodes[node].disk, place) >=
				    sim_oracle_start(world, place->group))
				return false;
		}
	}
	return true;
}

/** Passes of the scrub that were asked for end, and each damaged entry that they found has an end.
 */
static bool all_scrubbed(const struct sim_world *world)
{
	for (qr_node node = 1; node <= world->plan->node_count; node++) {
		struct dp_core *core = world->nodes[node].core;
		struct dp_scrub_group seen;

		if (dp_core_scrub_ended(core) != world->nodes[node].published.scrub.pass)
			return false;
		for (uint32_t g = 0; dp_core_scrub_group(core, g, &seen) == QR_OK; g++) {
			QR_ASSERT(seen.damaged == seen.repaired + seen.lost);
			QR_ASSERT(seen.pass == 0 || seen.state != DP_SCRUB_WAITS);
			QR_ASSERT(seen.state != DP_SCRUB_DONE || seen.next > seen.goal);
			QR_ASSERT(seen.passed_bytes <= seen.total_bytes);
		}
	}
	return true;
}

static void settle(struct sim_world *world)
{
	qr_term terms[SIM_GROUPS_MAX + 1] = {0};

	note_terms(world, terms);
	hush(world);
	wait_for(world, sim_oracle_is_converged, QUIET_SECONDS_MAX * SECOND,
		 "every replica has everything");
	wait_for(world, all_whole, SCRUB_SECONDS_MAX * SECOND, "what others have is repaired");
	wait_for(world, all_scrubbed, SCRUB_SECONDS_MAX * SECOND, "a pass of the scrub has ended");
	check_terms(world, terms, "no faults");
	sim_oracle_rest(world);
}

/** A leader whom a quorum hears stays one, whatever the node does that does not hear it. */
static void deafen(struct sim_world *world)
{
	qr_nodes all = all_nodes(world);
	qr_node leader = sim_oracle_leader(world, 1);
	qr_node deaf = (qr_node)sim_between(world, 1, world->plan->node_count);
	qr_term terms[SIM_GROUPS_MAX + 1] = {0};

	/* Another group's leader may be the deaf one, and lose the leader of this one. */
	if (deaf == leader || !sim_is_quorum(world, all & ~qr_nodes_of(deaf)) ||
	    !sim_is_quorum(world, all & ~qr_nodes_of(leader)))
		return;
	note_terms(world, terms);
	world->net.cut[leader][deaf] = true;
	world->net.cut[deaf][leader] = sim_percent(world, 50);
	sim_world_run_until(world, world->now_ns + 6 * world->plan->election_timeout_ns);
	sim_net_rewire(world);
	sim_world_run_until(world, world->now_ns + world->plan->election_timeout_ns);
	check_terms(world, terms, "one node does not hear one leader");
}

/**
 * The first fragments of what is appended now are lost, and nothing follows that would tell: they
 * are repeated before consensus would see to it.
 */
static void lose_fragments(struct sim_world *world)
{
	qr_ns timeout_ns = world->plan->election_timeout_ns;

	world->net.fragments_lost_of = sim_oracle_leader(world, 1);
	world->net.fragments_lost_until_ns = UINT64_MAX; /* until the first was */
	if (sim_client_append(world, 1, 1)) {
		wait_for(world, has_lost_fragments, timeout_ns, "a leader sends what was appended");
		wait_for(world, all_idle, timeout_ns * 3 / 4, "lost fragments are repeated");
	}
	world->net.fragments_lost_of = 0;
}

static void cut_power_of_all(struct sim_world *world)
{
	for (qr_node node = 1; node <= world->plan->node_count; node++) {
		if (!sim_node_crash(world, node, true, world->now_ns + SECOND / 10))
			sim_fail(world, 19, "node %u is not whole after the calm", node);
	}
	sim_world_run_until(world, world->now_ns + SECOND / 2);
}

static void set_stuck(struct sim_world *world, qr_ns until_ns)
{
	for (qr_node node = 1; node <= world->plan->node_count; node++) {
		if (qr_nodes_has(world->away, node) && world->how_away == SIM_AWAY_STUCK)
			world->nodes[node].disk.stuck_until_ns = until_ns;
	}
}

static void set_full(struct sim_world *world, qr_nodes nodes, qr_ns until_ns)
{
	for (qr_node node = 1; node <= world->plan->node_count; node++) {
		if (qr_nodes_has(nodes, node))
			world->nodes[node].disk.full_until_ns = until_ns;
	}
}

/** Who counts in every group. */
static qr_nodes all_that_count(struct sim_world *world)
{
	qr_nodes nodes = all_nodes(world);

	for (qr_node node = 1; node <= world->plan->node_count; node++) {
		for (qr_group group = 1; group <= world->plan->group_count; group++) {
			if (sim_has_forgotten(world, node, group))
				nodes &= ~qr_nodes_of(node);
		}
	}
	return nodes;
}

/** Some nodes stay away, and the others go on without them. */
static void live_without_some(struct sim_world *world)
{
	qr_nodes all = all_nodes(world);

	world->away = (qr_nodes)qr_prng_next(&world->prng) & all;
	world->how_away = (enum sim_away)qr_prng_below(&world->prng, SIM_AWAYS);
	if (sim_is_quorum(world, all_that_count(world) & ~world->away)) {
		sim_net_rewire(world);
		set_stuck(world, UINT64_MAX);
		sim_fault_mend_what_is_lost(world);
		live(world);
		sim_world_run_until(world, world->now_ns + 2 * SECOND);
		hush(world);
		world->quiet = false;
		set_stuck(world, 0);
	}
	world->away = 0;
	sim_net_rewire(world);
}

/** Some disks are full, whoever leads: a quorum has room, and so every append is answered. */
static void live_with_full_disks(struct sim_world *world)
{
	qr_nodes all = all_nodes(world);
	qr_nodes full = (qr_nodes)qr_prng_next(&world->prng) & all;

	if (!sim_is_quorum(world, all_that_count(world) & ~full))
		return;
	set_full(world, full, UINT64_MAX);
	live(world);
	sim_world_run_until(world, world->now_ns + 2 * SECOND);
	hush(world);
	world->quiet = false;
	set_full(world, full, 0);
}

void sim_calm(struct sim_world *world)
{
	if (world->plan->in_parts && sim_percent(world, 25)) {
		live_with_full_disks(world);
	} else if (world->plan->in_parts) {
		live_without_some(world);
	}
	live(world);
	sim_world_run_until(world, world->now_ns + 2 * SECOND);
	settle(world);
	if (world->plan->tries_links) {
		deafen(world);
		lose_fragments(world);
		settle(world);
	}
	cut_power_of_all(world);
	live(world);
	settle(world);
	sim_oracle_audit(world);
	sim_history_check(world);
}
