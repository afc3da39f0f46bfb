/*
 * Finding the partitions of a log: DESCRIBE page by page, then TAIL for each partition, which also
 * waits until the group has a leader. Callbacks note answers; questions are asked from the turn.
 */
#include "dataplane/bench/internal.h"

#include <string.h>

static void note_partition(struct dp_bench_load *load, const struct wire_partition *partition)
{
	const struct dp_bench_load_config *config = &load->config;
	struct dp_bench_group *group;

	if (strcmp(partition->name, config->log) != 0)
		return;
	load->partitions++;
	if (partition->partition >= config->options->groups ||
	    partition->partition % config->load_count != config->number)
		return;
	group = &load->groups[partition->partition / config->load_count];
	group->found = true;
	group->group = partition->group;
	group->replicas = partition->replicas;
	group->leader = partition->leader;
	load->replicas = qr_nodes_count(partition->replicas);
	load->durability = (enum wire_durability)partition->durability;
}

static void check_found(struct dp_bench_load *load)
{
	if (load->partitions == 0) {
		dp_bench_load_fail(load, "the cluster has no log '%s': see `quorate log list`",
				   load->config.log);
	} else if (load->partitions < load->config.options->groups) {
		dp_bench_load_fail(load, "log '%s' has %u partitions: use --groups %u or less",
				   load->config.log, load->partitions, load->partitions);
	}
}

static void on_description(void *context, const struct dp_answer *answer)
{
	struct dp_bench_load *load = context;
	const struct wire_description *description = &answer->description;

	load->describing = false;
	if (answer->error != QR_OK) {
		dp_bench_load_fail(load,
				   "no node answers (%s): is the cluster running, and do its name "
				   "and addresses hold?",
				   qr_error_text(answer->error));
		return;
	}
	for (uint32_t i = 0; i < description->partition_count; i++)
		note_partition(load, &description->partitions[i]);
	load->described_next = description->first + description->partition_count;
	load->described =
		description->partition_count == 0 || load->described_next >= description->total;
	if (load->described)
		check_found(load);
}

bool dp_bench_find_groups(struct dp_bench_load *load)
{
	const struct dp_question question = {
		.first = load->described_next,
		.timeout_ns = DP_BENCH_TIMEOUT_NS,
		.on_answer = on_description,
		.context = load,
	};

	if (load->described)
		return true;
	if (!load->describing)
		load->describing = dp_client_ask_describe(load->client, &question) == QR_OK;
	/* The answer can only come while the client receives or polls. */
	return false;
}

static void on_tail(void *context, const struct dp_answer *answer)
{
	struct dp_bench_group *group = context;

	if (answer->error != QR_OK) {
		dp_bench_load_fail(group->load, "group %u has no leader (%s): see `quorate status`",
				   group->group, qr_error_text(answer->error));
		return;
	}
	group->tail_known = true;
	group->tail = answer->tail.end;
	group->leader = answer->from;
}

void dp_bench_forget_tails(struct dp_bench_load *load)
{
	for (uint32_t i = 0; i < load->group_count; i++) {
		load->groups[i].tail_asked = false;
		load->groups[i].tail_known = false;
	}
}

bool dp_bench_find_tails(struct dp_bench_load *load)
{
	bool all = true;

	for (uint32_t i = 0; i < load->group_count; i++) {
		struct dp_bench_group *group = &load->groups[i];
		const struct dp_question question = {
			.group = group->group,
			.replicas = group->replicas,
			.node = group->leader,
			.timeout_ns = DP_BENCH_TIMEOUT_NS,
			.on_answer = on_tail,
			.context = group,
		};

		if (!group->tail_asked)
			group->tail_asked = dp_client_ask_tail(load->client, &question) == QR_OK;
		all = all && group->tail_known;
	}
	return all;
}

static void on_status(void *context, const struct dp_answer *answer)
{
	struct dp_bench_load *load = context;

	load->status_known = true;
	if (answer->error != QR_OK)
		return; /* the report does without: the records are what counts */
	load->cores = answer->status.cores;
	for (unsigned i = 0; i < WIRE_STAGES; i++) {
		load->stages[i] = (struct dp_bench_stage){
			(double)answer->status.stages[i].p50_ns / 1e3,
			(double)answer->status.stages[i].p99_ns / 1e3,
		};
	}
}

bool dp_bench_find_stages(struct dp_bench_load *load)
{
	const struct dp_bench_group *group = &load->groups[0];
	const struct wire_endpoint *node = dp_client_node(load->client, group->leader);
	const struct dp_question question = {
		.node = group->leader,
		.core = (uint8_t)(node->cores != 0 ? group->group % node->cores : 0),
		.timeout_ns = DP_BENCH_TIMEOUT_NS,
		.on_answer = on_status,
		.context = load,
	};

	if (!load->status_asked)
		load->status_asked = dp_client_ask_status(load->client, &question) == QR_OK;
	return load->status_known;
}
