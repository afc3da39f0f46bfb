/* Owns the world of the story that is told, so that what it violates becomes a failed test. */
#include "tests/sim/story.h"

#include "consensus/base/assert.h"
#include "tests/sim/memory.h"
#include "tests/sim/report.h"

#include <stdio.h>

#define US ((qr_ns)1000)

static const struct sim_world *told;

static void show(void)
{
	if (told != NULL)
		sim_world_print(told);
	(void)fflush(stdout);
}

static void violated(const struct sim_world *world, unsigned property, const char *text)
{
	(void)world;
	show();
	fail_msg("property %u: %s", property, text);
}

static void asserted(const char *expression, const char *file, int line)
{
	show();
	fail_msg("%s:%d: %s", file, line, expression);
}

struct story *story_create(uint64_t seed, qr_node nodes)
{
	struct story *story = sim_take(sizeof(*story));

	story->plan = (struct sim_plan){
		.seed = seed,
		.node_count = nodes,
		.group_count = 1,
		.configuration = {.voters = ((qr_nodes)2 << nodes) - 2},
		.election_timeout_ns = STORY_ELECTION_NS,
		.heartbeat_interval_ns = STORY_ELECTION_NS / 4,
		.retransmit_min_ns = 10 * STORY_MS,
		.geometry = {.stride_blocks = 16, .segment_blocks = 32},
		.window_blocks = 64,
		.write_depth = 4,
		.write_max_blocks = 8,
		.segments_ahead = 1,
		.entry_max_bytes = 16384,
		.record_max_bytes = 16384,
		.producers_per_group = 1,
		.sessions_max = 8,
		.snapshot_blocks = 16,
		.inflight_entries = 64,
		.inflight_bytes = 1u << 18,
		.datagram_max = 1472,
		.turn_ns = 50 * US,
		.delay_min_ns = 50 * US,
		.delay_max_ns = 150 * US,
		.disk_min_ns = 80 * US,
		.disk_max_ns = 200 * US,
		.client_count = 2,
		.appends_per_second = 500,
		.burst = 16,
		.record_bytes = 400,
		.append_timeout_ns = 60 * STORY_SECOND,
		.calm_at_ns = STORY_FOR_EVER,
	};
	return story;
}

void story_begin(struct story *story)
{
	sim_set_observer(violated);
	qr_assert_set_hook(asserted);
	told = &story->world;
	sim_world_init(&story->world, &story->plan, false);
	story_run_acked(story, 100);
}

void story_end(struct story *story)
{
	struct sim_world *world = &story->world;

	story->plan.calm_at_ns = world->now_ns - world->start_ns;
	sim_world_run(world);
	told = NULL;
	sim_world_fini(world);
	sim_free(story);
}

void story_run(struct story *story, qr_ns for_ns)
{
	sim_world_run_until(&story->world, story->world.now_ns + for_ns);
}

void story_wait(struct story *story, qr_ns end_ns, qr_ns step_ns, const char *what)
{
	if (story->world.now_ns >= end_ns) {
		show();
		fail_msg("still not: %s", what);
	}
	story_run(story, step_ns);
}

void story_run_acked(struct story *story, uint64_t records)
{
	uint64_t wanted = story->world.count.acked + records;

	STORY_AWAIT(story, story->world.count.acked >= wanted);
}

uint32_t story_fault(struct story *story, struct sim_fault fault, qr_ns for_ns)
{
	uint32_t number = story->plan.fault_count++;

	assert_true(number < SIM_FAULTS_MAX);
	fault.at_ns = story->world.now_ns - story->world.start_ns;
	fault.until_ns = fault.at_ns + for_ns;
	story->plan.faults[number] = fault;
	sim_fault_begin(&story->world, number);
	return number;
}

void story_heal(struct story *story, uint32_t number)
{
	sim_fault_end(&story->world, number);
}

void story_fill_disks(struct story *story, qr_nodes full)
{
	for (qr_node node = 1; node <= story->plan.node_count; node++) {
		story->world.nodes[node].disk.full_until_ns =
			qr_nodes_has(full, node) ? story->world.now_ns + STORY_FOR_EVER : 0;
	}
}

void story_resume(struct story *story, qr_node node)
{
	story->world.nodes[node].paused_until_ns = 0;
	story->world.nodes[node].turn_at_ns = UINT64_MAX;
	sim_node_wake(&story->world, node);
}

void story_deliver(struct story *story, qr_node id, struct qr_span datagram, uint8_t port)
{
	struct sim_node *node = &story->world.nodes[id];
	struct dp_address from = {.udp = (uint16_t)(story->plan.node_count + 1), .port = port};

	assert_true(node->up);
	dp_core_receive(node->core, datagram, from, sim_node_clock(&story->world, node));
	sim_node_wake(&story->world, id);
}

void story_scrub(struct story *story, qr_node id, uint64_t bytes_per_second)
{
	struct sim_node *node = &story->world.nodes[id];

	node->published.scrub = (struct dp_scrub_request){.pass = node->published.scrub.pass + 1,
							  .bytes_per_second = bytes_per_second};
	sim_node_wake(&story->world, id);
}

bool story_scrub_ended(const struct story *story, qr_node id)
{
	const struct sim_node *node = &story->world.nodes[id];

	return node->up && node->published.scrub.pass != 0 &&
	       dp_core_scrub_ended(node->core) == node->published.scrub.pass;
}

struct dp_scrub_group story_scrubbed(const struct story *story, qr_node id)
{
	struct dp_scrub_group scrubbed = {0};

	assert_int_equal(dp_core_scrub_group(story->world.nodes[id].core, 0, &scrubbed), QR_OK);
	return scrubbed;
}

qr_node story_leader(const struct story *story)
{
	qr_node leader = sim_oracle_leader(&story->world, 1);

	assert_int_not_equal(leader, 0);
	return leader;
}

qr_node story_next(const struct story *story, qr_node node, qr_node steps)
{
	return (qr_node)((node - 1 + steps) % story->plan.node_count + 1);
}

struct dp_group *story_group(const struct story *story, qr_node node)
{
	struct dp_group *group = sim_node_group(&story->world.nodes[node], 1);

	assert_non_null(group);
	return group;
}

uint64_t story_drops(const struct story *story, qr_node node, enum wire_drop drop)
{
	assert_true(story->world.nodes[node].up);
	return dp_core_stats(story->world.nodes[node].core)->drops[drop];
}
