/*
 * From a seed to a plan. Every draw is a statement of its own: the order of two in one expression
 * would be the compiler's.
 */
#include "tests/sim/plan.h"

#include "consensus/base/assert.h"

#include <string.h>

#define US ((qr_ns)1000)
#define MS ((qr_ns)1000000)
#define SECOND ((qr_ns)1000000000)

const char *sim_fault_name(enum sim_fault_kind kind)
{
	static const char *const names[] = {
#define SIM_FAULT_WORD(name, word) [SIM_FAULT_##name] = (word),
		SIM_FAULTS(SIM_FAULT_WORD)
#undef SIM_FAULT_WORD
	};

	QR_ASSERT(kind < SIM_FAULT_KINDS);
	return names[kind];
}

static uint64_t between(struct qr_prng *prng, uint64_t low, uint64_t high)
{
	return low + qr_prng_below(prng, high - low + 1);
}

static bool one_in(struct qr_prng *prng, uint64_t n)
{
	return qr_prng_below(prng, n) == 0;
}

/** Uniform on a logarithmic scale: as many small ones as large ones. */
static uint64_t spread(struct qr_prng *prng, uint64_t low, uint64_t high)
{
	uint64_t top = low;

	while (top < high && !one_in(prng, 3))
		top *= 2;
	return between(prng, low, top < high ? top : high);
}

/* ---- the cluster ---- */

static void choose_members(struct sim_plan *plan, struct qr_prng *prng)
{
	static const qr_node counts[] = {3, 3, 3, 3, 3, 3, 3, 3, 5, 5, 5, 1, 2, 4, 6, 7};
	qr_nodes all;

	plan->node_count = counts[qr_prng_below(prng, sizeof(counts) / sizeof(counts[0]))];
	all = ((qr_nodes)1 << (plan->node_count + 1)) - 2;
	plan->configuration = (struct raft_configuration){.voters = all};
	if (plan->node_count < 4 || !one_in(prng, 3))
		return;
	if (one_in(prng, 2)) { /* the last one or two learn */
		qr_nodes learners = qr_nodes_of(plan->node_count);

		if (plan->node_count > 4)
			learners |= qr_nodes_of((qr_node)(plan->node_count - 1));
		plan->configuration.voters = all & ~learners;
		plan->configuration.learners = learners;
	} else if (plan->node_count == 7 && one_in(prng, 2)) { /* two of five are replaced */
		plan->configuration.voters_outgoing = 0x3e;
		plan->configuration.voters = all & ~(qr_nodes)0x30;
	} else { /* in the middle of a change: 1..3 to the others, with one in both */
		plan->configuration.voters_outgoing = 0xe;
		plan->configuration.voters = all & ~(qr_nodes)0x6;
	}
}

static void choose_times(struct sim_plan *plan, struct qr_prng *prng)
{
	plan->election_timeout_ns = between(prng, 400, 2000) * MS;
	plan->heartbeat_interval_ns = plan->election_timeout_ns / between(prng, 3, 5);
	plan->delay_min_ns = spread(prng, 20, 2000) * US;
	plan->delay_max_ns = plan->delay_min_ns * between(prng, 1, 8);
	plan->disk_min_ns = spread(prng, 50, 4000) * US;
	plan->disk_max_ns = plan->disk_min_ns * between(prng, 1, 6);
	plan->disk_late_percent = (uint32_t)qr_prng_below(prng, 3);
	plan->retransmit_min_ns = between(prng, 5, 60) * MS;
	plan->turn_ns = spread(prng, 20, 4000) * US;
	plan->drift_ppm = one_in(prng, 2) ? (uint32_t)between(prng, 1, 500) : 0;
	if (one_in(prng, 8))
		plan->drift_ppm = (uint32_t)between(prng, 1000, 100000);
}

static void choose_sizes(struct sim_plan *plan, struct qr_prng *prng)
{
	static const uint32_t strides[] = {16, 16, 16, 16, 32, 64};

	plan->group_count = one_in(prng, 4) ? (uint32_t)between(prng, 2, 3) : 1;
	plan->geometry.stride_blocks = strides[qr_prng_below(prng, 6)];
	plan->geometry.segment_blocks =
		plan->geometry.stride_blocks * (uint32_t)between(prng, 1, 4);
	plan->window_blocks = plan->geometry.stride_blocks * (uint32_t)between(prng, 2, 5);
	plan->write_depth = (uint32_t)between(prng, 1, 6);
	plan->write_max_blocks = (uint32_t)between(prng, 2, plan->geometry.stride_blocks);
	plan->segments_ahead = (uint32_t)between(prng, 1, 2);
	plan->scrub_bytes_per_second =
		one_in(prng, 4) ? 0 : (uint32_t)spread(prng, 1u << 20, 1u << 22);
	plan->snapshot_blocks = one_in(prng, 8) ? 0 : (uint32_t)spread(prng, 4, 256);
	plan->entry_max_bytes = (uint32_t)spread(prng, 1024, 32768);
	plan->record_max_bytes = 16384;
	plan->inflight_entries = (uint32_t)spread(prng, 4, 256);
	plan->inflight_bytes = (uint32_t)spread(prng, 1u << 16, 1u << 20);
	if (one_in(prng, 12)) /* less than an entry */
		plan->inflight_bytes = 4096;
	if (!one_in(prng, 3))
		plan->fill_bytes_per_second = spread(prng, 1u << 18, 1u << 24);
	plan->datagram_max = (uint32_t)between(prng, 1280, SIM_DATAGRAM_MAX);
	plan->priorities = one_in(prng, 4);
}

/** Strides pass quickly: much is in flight, and far from where a slot was last written. */
static void choose_haste(struct sim_plan *plan, struct qr_prng *prng)
{
	plan->geometry.stride_blocks = 16;
	plan->geometry.segment_blocks = 16 * (uint32_t)between(prng, 2, 8);
	plan->window_blocks = 16 * (uint32_t)between(prng, 8, 16);
	plan->write_depth = 16;
	plan->write_max_blocks = (uint32_t)between(prng, 4, 16);
	plan->burst = 64;
	plan->record_bytes = plan->record_max_bytes;
	plan->datagram_max = SIM_DATAGRAM_MAX;
	plan->disk_late_percent = 2;
}

static void choose_clients(struct sim_plan *plan, struct qr_prng *prng)
{
	plan->client_count = (uint32_t)between(prng, 1, SIM_CLIENTS_MAX);
	plan->producers_per_group = one_in(prng, 4) ? 2 : 1;
	plan->sessions_max =
		plan->client_count * plan->producers_per_group + (uint32_t)between(prng, 0, 8);
	plan->appends_per_second = (uint32_t)between(prng, 60, 90);
	plan->burst = (uint32_t)spread(prng, 8, 64);
	plan->record_bytes = (uint32_t)spread(prng, 24, one_in(prng, 12) ? 12000 : 1000);
	plan->append_timeout_ns = between(prng, 5, 60) * SECOND;
}

/* ---- faults ---- */

/** How many of a kind per simulated minute, and how long one lasts in election timeouts / 4. */
struct sim_rate {
	uint32_t per_minute;
	uint32_t quarters_min;
	uint32_t quarters_max;
};

static const struct sim_rate rates[SIM_FAULT_KINDS] = {
	[SIM_FAULT_KILL] = {8, 1, 12},	       [SIM_FAULT_POWER] = {6, 1, 12},
	[SIM_FAULT_POWER_ALL] = {3, 1, 4},     [SIM_FAULT_CRASH_MIDWAY] = {8, 1, 8},
	[SIM_FAULT_STOP] = {3, 1, 8},	       [SIM_FAULT_PAUSE] = {6, 1, 16},
	[SIM_FAULT_CLIENT_PAUSE] = {3, 1, 16}, [SIM_FAULT_CLIENT_NEW] = {6, 1, 1},
	[SIM_FAULT_ISOLATE] = {5, 1, 16},      [SIM_FAULT_SPLIT] = {5, 1, 16},
	[SIM_FAULT_ONE_WAY] = {6, 1, 16},      [SIM_FAULT_CHAIN] = {3, 1, 12},
	[SIM_FAULT_DEPOSE] = {4, 5, 16},       [SIM_FAULT_CLOG] = {6, 1, 12},
	[SIM_FAULT_LOSS] = {4, 4, 40},	       [SIM_FAULT_MUTE] = {3, 1, 12},
	[SIM_FAULT_DUPLICATES] = {4, 4, 40},   [SIM_FAULT_DELAY] = {4, 2, 20},
	[SIM_FAULT_FLIPS] = {4, 2, 20},	       [SIM_FAULT_REPLAY] = {6, 1, 4},
	[SIM_FAULT_GARBAGE] = {6, 1, 1},       [SIM_FAULT_DISK_SLOW] = {4, 2, 16},
	[SIM_FAULT_DISK_STUCK] = {3, 1, 12},   [SIM_FAULT_DISK_FULL] = {4, 4, 24},
	[SIM_FAULT_WRITE_ERROR] = {4, 1, 1},   [SIM_FAULT_READ_ERROR] = {2, 1, 4},
	[SIM_FAULT_SYNC_ERROR] = {2, 1, 4},    [SIM_FAULT_READ_FLIP] = {3, 1, 4},
	[SIM_FAULT_ROT] = {5, 1, 1},	       [SIM_FAULT_ROT_SLOT] = {4, 1, 1},
	[SIM_FAULT_LOST_WRITE] = {4, 1, 1},    [SIM_FAULT_MISDIRECTED] = {4, 1, 1},
	[SIM_FAULT_WALL_JUMP] = {1, 1, 1},     [SIM_FAULT_CLOCK] = {2, 2, 20},
	[SIM_FAULT_ROT_SNAPSHOT] = {5, 1, 1},  [SIM_FAULT_FORGET] = {4, 1, 12},
};

static uint32_t amount_of(struct sim_plan *plan, struct qr_prng *prng, enum sim_fault_kind kind)
{
	switch ((unsigned)kind) {
	case SIM_FAULT_SPLIT:
		return (uint32_t)qr_prng_below(prng, (uint64_t)1 << plan->node_count) << 1;
	case SIM_FAULT_LOSS:
		return (uint32_t)between(prng, 1, 40);
	case SIM_FAULT_DUPLICATES:
		return (uint32_t)between(prng, 5, 60);
	case SIM_FAULT_DELAY:
		return (uint32_t)spread(prng, 4, 200);
	case SIM_FAULT_FLIPS:
		return (uint32_t)between(prng, 1, 20);
	case SIM_FAULT_DISK_SLOW:
		return (uint32_t)spread(prng, 10, 1000);
	case SIM_FAULT_CRASH_MIDWAY:
		return (uint32_t)between(prng, 1, 12);
	default:
		return (uint32_t)qr_prng_next(prng);
	}
}

static void add_fault(struct sim_plan *plan, struct qr_prng *prng, enum sim_fault_kind kind)
{
	struct sim_fault *fault = &plan->faults[plan->fault_count];
	qr_ns quarter_ns = plan->election_timeout_ns / 4;
	uint32_t hosts = kind == SIM_FAULT_CLIENT_PAUSE || kind == SIM_FAULT_CLIENT_NEW
				 ? plan->client_count
				 : plan->node_count;

	if (plan->fault_count == SIM_FAULTS_MAX)
		return;
	fault->kind = kind;
	fault->at_ns = between(prng, 0, plan->calm_at_ns - 1);
	fault->until_ns = fault->at_ns + quarter_ns * between(prng, rates[kind].quarters_min,
							      rates[kind].quarters_max);
	if (fault->until_ns > plan->calm_at_ns)
		fault->until_ns = plan->calm_at_ns;
	fault->a = (uint8_t)between(prng, 1, hosts);
	fault->b = (uint8_t)between(prng, 1, hosts);
	if (fault->b == fault->a)
		fault->b = (uint8_t)(fault->a % hosts + 1);
	fault->amount = amount_of(plan, prng, kind);
	plan->fault_count++;
}

static void choose_faults(struct sim_plan *plan, struct qr_prng *prng)
{
	uint64_t allowed = qr_prng_next(prng);
	uint64_t seconds = plan->calm_at_ns / SECOND + 1;

	if (one_in(prng, 8))
		allowed = UINT64_MAX;
	if (one_in(prng, 20))
		allowed = 0;
	for (unsigned kind = 0; kind < SIM_FAULT_KINDS; kind++) {
		uint64_t most = (uint64_t)rates[kind].per_minute * 2 * seconds / 60 + 1;
		uint64_t count = between(prng, 0, most);

		for (uint64_t n = 0; n < count && (allowed >> kind & 1) != 0; n++)
			add_fault(plan, prng, (enum sim_fault_kind)kind);
	}
}

/** Until what it lacks has been given up: longer than any other fault. */
static void keep_one_away(struct sim_plan *plan, struct qr_prng *prng)
{
	struct sim_fault *fault = &plan->faults[plan->fault_count];
	uint32_t faults = plan->fault_count;

	add_fault(plan, prng, one_in(prng, 2) ? SIM_FAULT_ISOLATE : SIM_FAULT_KILL);
	if (plan->fault_count == faults)
		return;
	fault->until_ns = fault->at_ns + between(prng, 10, 60) * SECOND;
	if (fault->until_ns > plan->calm_at_ns)
		fault->until_ns = plan->calm_at_ns;
}

/** How much of the log is kept: a few segments, or some seconds. */
static void choose_retention(struct sim_plan *plan, struct qr_prng *prng)
{
	uint32_t segments = (uint32_t)between(prng, 1, 6);

	plan->retention_hold_ns = spread(prng, 10, 10000) * MS;
	if (one_in(prng, 3))
		return;
	if (one_in(prng, 4))
		plan->retention_ns = between(prng, 1, 20) * SECOND;
	if (plan->retention_ns == 0 || one_in(prng, 4))
		plan->retention_blocks = segments * plan->geometry.segment_blocks;
	if (plan->fault_count != 0 && one_in(prng, 2))
		keep_one_away(plan, prng);
}

void sim_plan_make(struct sim_plan *plan, uint64_t seed, uint32_t seconds)
{
	struct qr_prng prng;

	memset(plan, 0, sizeof(*plan));
	plan->seed = seed;
	qr_prng_init(&prng, seed);
	choose_members(plan, &prng);
	choose_times(plan, &prng);
	choose_sizes(plan, &prng);
	choose_clients(plan, &prng);
	if (one_in(&prng, 40))
		choose_haste(plan, &prng);
	plan->calm_at_ns = between(&prng, 30, 70) * SECOND;
	if (seconds != 0)
		plan->calm_at_ns = seconds * SECOND;
	choose_faults(plan, &prng);
	plan->in_parts = one_in(&prng, 2);
	plan->tries_links = one_in(&prng, 2);
	choose_retention(plan, &prng);
	plan->asks_scrub = one_in(&prng, 2);
	plan->asked_bytes_per_second =
		one_in(&prng, 2) ? 0 : (uint32_t)spread(&prng, 1u << 20, 1u << 22);
}
