/*
 * What goes wrong in a recorded round, so that the tape has all that a disk sees in a hard life:
 * leaders that lose their suffix, cut and scrubbed logs, votes in many terms, segments prepared
 * while writes are in flight, recoveries, and recoveries of recoveries.
 *
 * Faults come by the number of records answered, drawn from the seed, and then often wait until a
 * node is writing a snapshot; each ends by a condition, with a bound. Everything ends with all
 * nodes up and every record answered.
 */
#include "tests/crash/story.h"

#include "consensus/base/assert.h"
#include "tests/crash/cluster.h"
#include "tests/crash/folder.h"
#include "tests/crash/load.h"
#include "tests/crash/tap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define ROUND_NS_MAX 120000000000u
#define ISOLATION_NS_MAX 2000000000u
#define DOWN_NS_MAX 1000000000u
#define DOWN_NS_LONG 4000000000u
#define DOWN_RECORDS 100	/* several segments */
#define SAVING_NS_MAX 20000000u /* more than a second of the nodes' */
#define SAVING_TURNS 6		/* a body is followed by its header */
#define CLOCK_RATE 64		/* of rounds with snapshots: a node's second takes 16 ms */

enum fault {
	FAULT_CUT_ONE,
	FAULT_CUT_ALL,
	FAULT_KILL_ONE,
	FAULT_KILL_ALL,
	FAULT_ISOLATE, /* and every number above it: lost suffixes are what is rare otherwise */
	FAULTS = 8,
};

struct story {
	struct cluster cluster;
	struct load load;
	struct qr_prng prng;
	struct story_outcome *outcome;
	bool calm;
	qr_ns start_ns;
};

static uint64_t below(struct story *story, uint64_t bound)
{
	return qr_prng_below(&story->prng, bound);
}

/* ---- shape ---- */

static struct tape_round shape(uint64_t seed)
{
	static const uint32_t strides[] = {8, 16, 32};
	static const uint32_t depths[] = {1, 2, 4, 8};
	struct tape_round round = {.seed = seed};
	struct qr_prng prng;

	qr_prng_init(&prng, seed ^ 0x5a9e);
	round.stride_blocks = strides[qr_prng_below(&prng, 3)];
	round.segment_blocks = round.stride_blocks * (1 + (uint32_t)qr_prng_below(&prng, 4));
	round.window_blocks = 128 + round.stride_blocks * (uint32_t)qr_prng_below(&prng, 7);
	round.write_depth = depths[qr_prng_below(&prng, 4)];
	round.write_max_blocks = 1 + (uint32_t)qr_prng_below(&prng, round.stride_blocks);
	round.group_count = 1 + (uint32_t)qr_prng_below(&prng, 2);
	if (qr_prng_below(&prng, 4) == 0)
		round.lazy_groups = 1u << round.group_count;
	round.clock_rate = 1;
	if (seed % 8 != 0) { /* in the others logs are read whole, and settled more rarely */
		round.snapshot_blocks = 4u << qr_prng_below(&prng, 5);
		round.clock_rate = CLOCK_RATE;
	}
	if (seed % 2 != 0) { /* small segments, of which many are given up */
		round.segment_blocks = round.stride_blocks = 8;
		round.snapshot_blocks = 4;
		round.retention_blocks = 8 * (1 + (uint32_t)qr_prng_below(&prng, 4));
		if (round.write_max_blocks > round.stride_blocks)
			round.write_max_blocks = round.stride_blocks;
	}
	return round;
}

/* ---- the run ---- */

static bool is_over(const struct story *story)
{
	return story->outcome->problem[0] != '\0';
}

static void fail(struct story *story, const char *what)
{
	if (!is_over(story)) {
		(void)snprintf(story->outcome->problem, sizeof(story->outcome->problem),
			       "round of seed %llu: %s",
			       (unsigned long long)story->cluster.round.seed, what);
	}
}

static void turn(struct story *story)
{
	cluster_turn(&story->cluster);
	load_turn(&story->load);
	if (load_error(&story->load) != QR_OK)
		fail(story, qr_error_text(load_error(&story->load)));
	if (story->cluster.now_ns - story->start_ns > cluster_ns(&story->cluster, ROUND_NS_MAX))
		fail(story, "no progress");
}

/** Go on until `records` more are answered; at most for a while. */
static void go_on(struct story *story, uint64_t records, qr_ns most_ns)
{
	uint64_t until = load_answered(&story->load) + records;
	qr_ns end_ns = story->cluster.now_ns + cluster_ns(&story->cluster, most_ns);

	while (!is_over(story) && load_answered(&story->load) < until &&
	       story->cluster.now_ns < end_ns && !load_is_done(&story->load))
		turn(story);
}

static void start(struct story *story, qr_node node)
{
	struct store_problem problem = {""};

	if (!cluster_start(&story->cluster, node, &problem))
		fail(story, problem.text);
}

static void stop(struct story *story, qr_node node, bool cut)
{
	if (cut) {
		cluster_cut_power(&story->cluster, node, qr_prng_next(&story->prng));
		story->outcome->cuts++;
	} else {
		cluster_kill(&story->cluster, node);
		story->outcome->kills++;
	}
}

/** Start a node; now and then it ends again within its first turns, in the middle of recovery. */
static void restart(struct story *story, qr_node node)
{
	for (;;) {
		uint64_t turns = below(story, 12);

		start(story, node);
		if (is_over(story) || below(story, 3) != 0)
			return;
		while (turns-- > 0 && !is_over(story))
			turn(story);
		stop(story, node, below(story, 2) == 0);
	}
}

/** The leader of a group is cut off from its peers; clients still reach it and fill its log. */
static void isolate(struct story *story)
{
	qr_group group = 1 + (qr_group)below(story, story->cluster.round.group_count);
	qr_node old = cluster_leader(&story->cluster, group);
	qr_ns end_ns = story->cluster.now_ns + cluster_ns(&story->cluster, ISOLATION_NS_MAX);

	if (old == 0)
		return;
	story->outcome->isolations++;
	story->cluster.cut_off = qr_nodes_of(old);
	while (!is_over(story) && cluster_leader(&story->cluster, group) == old &&
	       story->cluster.now_ns < end_ns)
		turn(story);
	go_on(story, 1 + below(story, 20), ISOLATION_NS_MAX);
	story->cluster.cut_off = 0;
}

static void stop_all(struct story *story, bool cut)
{
	for (qr_node node = 1; node <= TAPE_NODES; node++)
		stop(story, node, cut);
	for (qr_node node = 1; node <= TAPE_NODES; node++)
		restart(story, node);
}

/** A node is down; where logs are trimmed, often for so long that it lacks what the others gave up.
 */
static void stop_one(struct story *story, bool cut, qr_node node)
{
	bool longer = story->cluster.round.retention_blocks != 0 && below(story, 2) == 0;

	stop(story, node, cut);
	go_on(story, longer ? DOWN_RECORDS : below(story, 15), longer ? DOWN_NS_LONG : DOWN_NS_MAX);
	restart(story, node);
}

/** A node that is writing a snapshot; 0: none is. */
static qr_node who_saves(const struct story *story)
{
	for (qr_node node = 1; node <= TAPE_NODES; node++) {
		if (story->cluster.nodes[node].saving > 0)
			return node;
	}
	return 0;
}

/** The moment: often in the middle of a snapshot, if one is due. @return whose it is, or any node.
 */
static qr_node wait_for_moment(struct story *story)
{
	qr_node drawn = 1 + (qr_node)below(story, TAPE_NODES);
	qr_ns end_ns = story->cluster.now_ns + cluster_ns(&story->cluster, SAVING_NS_MAX);
	uint64_t turns = below(story, SAVING_TURNS);
	qr_node found;

	if (story->cluster.round.snapshot_blocks == 0 || below(story, 4) == 0)
		return drawn;
	while (who_saves(story) == 0 && story->cluster.now_ns < end_ns)
		cluster_turn(&story->cluster); /* without load, which is for later */
	found = who_saves(story);
	while (turns-- > 0 && who_saves(story) == found)
		cluster_turn(&story->cluster);
	return found != 0 ? found : drawn;
}

static void go_wrong(struct story *story)
{
	qr_node node = wait_for_moment(story);

	story->cluster.slow = (qr_node)below(story, TAPE_NODES + 1);
	switch ((enum fault)below(story, FAULTS)) {
	case FAULT_CUT_ONE:
		stop_one(story, true, node);
		break;
	case FAULT_CUT_ALL:
		stop_all(story, true);
		break;
	case FAULT_KILL_ONE:
		stop_one(story, false, node);
		break;
	case FAULT_KILL_ALL:
		stop_all(story, false);
		break;
	case FAULT_ISOLATE:
	case FAULTS:
	default:
		isolate(story);
		break;
	}
}

static void tell(struct story *story)
{
	for (qr_node node = 1; node <= TAPE_NODES; node++)
		start(story, node);
	while (!is_over(story) && !load_is_done(&story->load)) {
		go_on(story, 5 + below(story, 25), ROUND_NS_MAX);
		if (!is_over(story) && !load_is_done(&story->load) && !story->calm)
			go_wrong(story);
	}
}

bool story_record(struct tape *tape, const struct story_options *options,
		  struct story_outcome *ret_outcome)
{
	struct story *story = calloc(1, sizeof(*story));
	struct media media[TAPE_NODES + 1];
	struct tape_round round = shape(options->seed);

	QR_ASSERT(story != NULL);
	*ret_outcome = (struct story_outcome){0};
	story->outcome = ret_outcome;
	story->calm = options->calm;
	qr_prng_init(&story->prng, options->seed ^ 0x570);
	for (qr_node node = 0; node <= TAPE_NODES; node++)
		media_init(&media[node]);
	folder_remove(options->path);
	if (mkdir(options->path, 0750) != 0) {
		(void)snprintf(ret_outcome->problem, sizeof(ret_outcome->problem), "%s: %s",
			       options->path, strerrordesc_np(errno));
	}
	tap_attach(tape, media);
	tap_put(&(struct tape_event){.kind = TAPE_ROUND, .round = round});
	cluster_init(&story->cluster, &round, options->path, media);
	story->cluster.slow = (qr_node)below(story, TAPE_NODES + 1);
	story->cluster.loss_permille = (uint32_t)below(story, 3) * 10;
	story->start_ns = story->cluster.now_ns;
	load_init(&story->load, &story->cluster,
		  (round.retention_blocks != 0 ? 3 : 1) * options->bytes_per_group /
			  LOAD_PRODUCERS_PER_GROUP);
	tell(story);
	ret_outcome->records = load_answered(&story->load);
	ret_outcome->operations = tap_count();
	cluster_fini(&story->cluster);
	load_fini(&story->load);
	tap_detach();
	folder_remove(options->path);
	for (qr_node node = 0; node <= TAPE_NODES; node++)
		media_fini(&media[node]);
	free(story);
	return ret_outcome->problem[0] == '\0';
}
