/* Tables of counts. Owns nothing. */
#include "tests/sim/report.h"

#include "dataplane/node/state.h"

#include <inttypes.h>
#include <stdio.h>

void sim_count_add(struct sim_count *sum, const struct sim_count *count)
{
	uint64_t *to = (uint64_t *)sum;
	const uint64_t *from = (const uint64_t *)count;

	_Static_assert(sizeof(*sum) % sizeof(uint64_t) == 0, "a struct of counts only");
	for (size_t i = 0; i < sizeof(*sum) / sizeof(uint64_t); i++)
		to[i] += from[i];
}

double sim_report_rate(const struct sim_count *count)
{
	return count->simulated_ns == 0 ? 0
					: (double)count->acked * 1e9 / (double)count->simulated_ns;
}

#define SEEDS_FOR_POINTS 500 /* fewer cannot hit them all */

static void line(const char *what, uint64_t value)
{
	printf("  %-28s %16" PRIu64 "\n", what, value);
}

/** Failpoints: which were hit, and how often the rarest. */
static void print_points(const struct sim_count *count)
{
	uint64_t exist = 0;
	uint64_t hit = 0;
	uint64_t fewest = UINT64_MAX;

	for (unsigned e = 0; e < SIM_EFFECT_COUNT; e++) {
		for (unsigned f = 0; f < SIM_FAILURE_COUNT; f++) {
			uint64_t times = count->points[e][f];

			if (!sim_point_exists((enum sim_effect)e, (enum sim_failure)f))
				continue;
			exist++;
			hit += times != 0;
			if (times < fewest)
				fewest = times;
			if (times == 0 && count->seeds >= SEEDS_FOR_POINTS) {
				printf("  never: %s, %s\n", sim_effect_name((enum sim_effect)e),
				       sim_failure_name((enum sim_failure)f));
			}
		}
	}
	printf("  %-28s %10" PRIu64 " of %" PRIu64 "\n", "failpoints hit", hit, exist);
	line("the rarest of them, times", fewest);
}

void sim_report_print(const struct sim_count *count, double wall_seconds, double cpu_seconds)
{
	double simulated = (double)count->simulated_ns / 1e9;

	line("seeds", count->seeds);
	printf("  %-28s %16.2f\n", "simulated hours", simulated / 3600);
	printf("  %-28s %16.1f\n", "wall seconds", wall_seconds);
	printf("  %-28s %16.0f\n", "simulated s per core-second",
	       cpu_seconds > 0 ? simulated / cpu_seconds : 0);
	printf("  %-28s %16.1f\n", "appends acked per sim. second", sim_report_rate(count));
	line("appends acked", count->acked);
	line("chunks committed", count->chunks);
	line("entries committed", count->entries);
	line("records read", count->read);
	line("linearizable reads", count->tails);
	line("elections won", count->elections);
	line("crashes", count->crashes);
	line("starts", count->starts);
	line("restored from a snapshot", count->restored);
	line("entries repaired", count->repairs);
	line("damage found by recovery", count->damage_found);
	line("segments refused, disk full", count->no_space);
	line("logs begin later", count->trims);
	line("logs replaced by a snapshot", count->installs);
	line("histories not judged", count->undecided);
	line("datagrams", count->datagrams);
	line("events", count->events);
	print_points(count);
	printf("  faults\n");
	for (unsigned kind = 0; kind < SIM_FAULT_KINDS; kind++)
		line(sim_fault_name((enum sim_fault_kind)kind), count->faults[kind]);
}

void sim_plan_print(const struct sim_plan *plan)
{
	printf("seed %" PRIu64 ": %u nodes (voters %#" PRIx64 ", outgoing %#" PRIx64
	       ", learners %#" PRIx64 "), %u groups, %u clients, %.0f s of faults\n",
	       plan->seed, plan->node_count, plan->configuration.voters,
	       plan->configuration.voters_outgoing, plan->configuration.learners, plan->group_count,
	       plan->client_count, (double)plan->calm_at_ns / 1e9);
	printf("  election %.0f ms, heartbeat %.0f ms, links %.2f..%.2f ms, disk %.2f..%.2f ms\n",
	       (double)plan->election_timeout_ns / 1e6, (double)plan->heartbeat_interval_ns / 1e6,
	       (double)plan->delay_min_ns / 1e6, (double)plan->delay_max_ns / 1e6,
	       (double)plan->disk_min_ns / 1e6, (double)plan->disk_max_ns / 1e6);
	for (uint32_t f = 0; f < plan->fault_count; f++) {
		const struct sim_fault *fault = &plan->faults[f];

		if (!fault->left_out) {
			printf("  #%-4u %9.3f .. %9.3f s  %-14s a %u, b %u, amount %u\n", f,
			       (double)fault->at_ns / 1e9, (double)fault->until_ns / 1e9,
			       sim_fault_name(fault->kind), fault->a, fault->b, fault->amount);
		}
	}
}

static void print_group(const struct dp_group *group)
{
	const struct raft_group *raft = &group->raft;

	if (group->phase != DP_PHASE_RUNNING) {
		printf("  %s %s\n", group->phase == DP_PHASE_DAMAGED ? "refused" : "recovering",
		       qr_error_name(group->damage));
		return;
	}
	printf("  %-13s term %" PRIu64 ", leader %u, commit %" PRIu64 ", durable %" PRIu64
	       ", last %" PRIu64 ", store %s, writes %u, segments ahead %u\n",
	       raft_role_name(raft->role), raft->state.term, raft->leader, raft->commit,
	       raft->durable.index, raft->last, qr_error_name(store_log_condition(group->log)),
	       store_log_pending(group->log), store_log_ready_segments(group->log));
}

void sim_world_print(const struct sim_world *world)
{
	for (qr_node id = 1; id <= world->plan->node_count; id++) {
		const struct sim_node *node = &world->nodes[id];

		for (qr_group group = 1; group <= world->plan->group_count; group++) {
			printf("  node %u group %u:", id, group);
			if (node->up) {
				print_group(&node->core->groups[group - 1]);
			} else {
				printf("  down\n");
			}
		}
	}
	for (uint32_t id = 1; id <= world->plan->client_count; id++) {
		const struct sim_producer *producer = &world->clients[id].producers[0];

		printf("  client %u group 1: %" PRIu64 " appended, %" PRIu64 " answered%s\n", id,
		       producer->appended, producer->answered,
		       world->clients[id].again ? ", begins anew" : "");
	}
}
