/*
 * What one entry costs the leader of three replicas: PROPOSE; the own write durable; an
 * acknowledgement of each follower. Four steps, and every message that they emit is looked at.
 *
 * Measured at several lengths of the log, up to what a recovery would have found, with IN_FLIGHT
 * entries under way; processor time, so that a neighbour counts less. Figures only.
 */
#include "consensus/raft/raft.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define IN_FLIGHT 64u
#define ENTRIES 1000000u
#define ROUNDS 5
#define ELECTIONS 1000u

struct bench {
	struct raft_group group;
	struct raft_effects effects;
	qr_ns now_ns;
	uint64_t seen; /* keeps the compiler from dropping what nobody reads */
};

static double clock_ns(void)
{
	struct timespec time;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time) != 0)
		abort();
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void step(struct bench *bench, struct raft_event event)
{
	event.now_ns = bench->now_ns;
	raft_step(&bench->group, &event, &bench->effects);
	for (uint32_t i = 0; i < bench->effects.message_count; i++)
		bench->seen += bench->effects.messages[i].last;
	bench->seen += bench->effects.commit;
}

static void receive(struct bench *bench, enum raft_message_kind kind, qr_node from, qr_term term,
		    qr_index index)
{
	struct raft_message message = {
		.kind = kind,
		.from = from,
		.to = 1,
		.term = term,
		.index = index,
		.hint_index = index,
	};

	step(bench, (struct raft_event){.kind = RAFT_EVENT_MESSAGE, .message = &message});
}

static void propose(struct bench *bench, enum raft_entry_kind kind)
{
	step(bench, (struct raft_event){.kind = RAFT_EVENT_PROPOSE,
					.propose = {.kind = kind, .blocks = 2}});
}

static void durable_everywhere(struct bench *bench, qr_index index)
{
	qr_term term = bench->group.state.term;

	step(bench, (struct raft_event){.kind = RAFT_EVENT_ENTRIES_DURABLE,
					.position = {index, term, bench->group.generation}});
	receive(bench, RAFT_MESSAGE_APPEND_REPLY, 2, term, index);
	receive(bench, RAFT_MESSAGE_APPEND_REPLY, 3, term, index);
}

/* A leader on a recovered log of `length` entries that ELECTIONS elections left. */
static void lead(struct bench *bench, qr_index length)
{
	static struct raft_term_run runs[ELECTIONS];
	const struct raft_parameters parameters = {
		.self = 1,
		.election_timeout_ns = 150000000,
		.heartbeat_interval_ns = 15000000,
		.priority = 100,
		.window_entries = 256,
		.window_blocks = 1024,
	};
	const struct raft_recovered recovered = {
		.configuration = {.voters = qr_nodes_of(1) | qr_nodes_of(2) | qr_nodes_of(3)},
		.state = {.term = ELECTIONS, .generation = 1},
		.last = length,
	};

	for (uint32_t i = 0; i < ELECTIONS; i++)
		runs[i] = (struct raft_term_run){1 + i * (length / ELECTIONS), i + 1};
	raft_init(&bench->group, &parameters, &recovered, runs, ELECTIONS, 1);
	bench->now_ns = bench->group.election_at_ns;
	step(bench, (struct raft_event){.kind = RAFT_EVENT_TICK});
	receive(bench, RAFT_MESSAGE_PRE_VOTE_REPLY, 2, ELECTIONS + 1, 0);
	receive(bench, RAFT_MESSAGE_VOTE_REPLY, 2, ELECTIONS + 1, 0);
	step(bench, (struct raft_event){.kind = RAFT_EVENT_STATE_DURABLE,
					.state_generation = bench->group.state.generation});
	propose(bench, RAFT_ENTRY_NOOP);
	durable_everywhere(bench, length);
	durable_everywhere(bench, length + 1);
}

static double measure(struct bench *bench)
{
	double before = clock_ns();

	for (uint32_t i = 0; i < ENTRIES; i++) {
		propose(bench, RAFT_ENTRY_DATA);
		if (i >= IN_FLIGHT)
			durable_everywhere(bench, bench->group.last - IN_FLIGHT);
	}
	return (clock_ns() - before) / ENTRIES;
}

int main(void)
{
	static const qr_index lengths[] = {1000, 1000000, 10000000};
	static struct bench bench;

	printf("leader of three replicas, %u entries in flight: ns per entry (propose, own write, "
	       "two acks)\n%12s %8s %8s\n",
	       IN_FLIGHT, "log length", "best", "worst");
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		double best = 1e9;
		double worst = 0;

		for (unsigned round = 0; round < ROUNDS; round++) {
			double cost;

			lead(&bench, lengths[i]);
			cost = measure(&bench);
			best = cost < best ? cost : best;
			worst = cost > worst ? cost : worst;
		}
		if (bench.group.commit + IN_FLIGHT != bench.group.last)
			return 1;
		printf("%12ju %8.1f %8.1f\n", (uintmax_t)lengths[i], best, worst);
	}
	return bench.seen == 0;
}
