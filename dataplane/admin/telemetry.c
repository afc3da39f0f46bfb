/*
 * /quorate/stats. DPDK limits an answer to 16 KiB: groups are listed for a few cores only, and the
 * first GROUPS_MAX of each; `quorate status` has all of them.
 */
#include "dataplane/admin/telemetry.h"

#include "dataplane/lcore/observe.h"

#include <rte_telemetry.h>

#include <stdio.h>
#include <stdlib.h>

#define GROUPS_MAX 12u
#define SLOTS_WITH_GROUPS_MAX 3u
#define NAME_BYTES 32

/* DPDK's callback has no context: the one global that it forces. Labels T0 and T1 pair up. */
static struct dp_process *observed;

static const char *const stage_names[WIRE_STAGES] = {
	[WIRE_STAGE_RX] = "rx",		[WIRE_STAGE_BATCH] = "batch", [WIRE_STAGE_DISK] = "disk",
	[WIRE_STAGE_QUORUM] = "quorum", [WIRE_STAGE_ACK] = "ack",
};

static uint64_t load(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

/** A dictionary below `into`; NULL when there is no room. */
static struct rte_tel_data *open_dict(struct rte_tel_data *into, const char *name)
{
	struct rte_tel_data *dict = rte_tel_data_alloc();

	if (dict == NULL)
		return NULL;
	(void)rte_tel_data_start_dict(dict);
	if (rte_tel_data_add_dict_container(into, name, dict, 0) == 0)
		return dict;
	rte_tel_data_free(dict);
	return NULL;
}

static void put(struct rte_tel_data *dict, const char *name, uint64_t value)
{
	/* An answer without the last of its values is better than none. */
	(void)rte_tel_data_add_dict_u64(dict, name, value);
}

static void put_counters(struct rte_tel_data *dict, const struct dp_slot_view *view)
{
	const struct dp_stats *stats = view->stats;

	put(dict, "rx_datagrams", load(&stats->rx_datagrams));
	put(dict, "rx_bytes", load(&stats->rx_bytes));
	put(dict, "tx_datagrams", load(&stats->tx_datagrams));
	put(dict, "tx_bytes", load(&stats->tx_bytes));
	put(dict, "acked_records", load(&stats->acked_records));
	put(dict, "acked_chunks", load(&stats->acked_chunks));
	put(dict, "busy_replies", load(&stats->busy_replies));
	put(dict, "entries_closed", load(&stats->entries_closed));
	put(dict, "retransmits", load(&stats->retransmits));
	put(dict, "transfers", load(&stats->transfers));
	put(dict, "damaged_entries", load(&stats->damaged_entries));
	put(dict, "repaired_entries", load(&stats->repaired_entries));
	put(dict, "installs", load(&stats->installs));
	put(dict, "scrubbed_bytes", load(&stats->scrubbed_bytes));
	put(dict, "scrub_passes", load(&stats->scrub_passes));
	put(dict, "polls", load(&stats->polls));
	put(dict, "polls_empty", load(&stats->polls_empty));
	put(dict, "handed_over", view->counters.handed_over);
	put(dict, "handover_dropped", view->counters.handover_dropped);
	put(dict, "disk_submitted", view->counters.disk_submitted);
	put(dict, "disk_deferred", view->counters.disk_deferred);
	put(dict, "buffers_short", view->counters.buffers_short);
	put(dict, "recovered", view->recovered);
	put(dict, "ready_segments", view->ready_segments);
	put(dict, "dropped_segments", view->dropped_segments);
	put(dict, "group_count", view->group_count);
}

static void put_drops(struct rte_tel_data *slot, const struct dp_stats *stats)
{
	struct rte_tel_data *dict = open_dict(slot, "drops");

	for (unsigned i = 0; dict != NULL && i < WIRE_DROPS; i++)
		put(dict, wire_drop_name(i), load(&stats->drops[i]));
}

static void put_stages(struct rte_tel_data *slot, const struct dp_stats *stats)
{
	struct rte_tel_data *stages = open_dict(slot, "stages_ns");

	for (unsigned i = 0; stages != NULL && i < WIRE_STAGES; i++) {
		const struct qr_histogram *histogram = &stats->stages[i];
		struct rte_tel_data *dict = open_dict(stages, stage_names[i]);

		if (dict == NULL)
			return;
		put(dict, "count", load(&histogram->count));
		put(dict, "p50", qr_histogram_quantile(histogram, 0.5));
		put(dict, "p99", qr_histogram_quantile(histogram, 0.99));
		put(dict, "max", load(&histogram->max_ns));
	}
}

static void put_group(struct rte_tel_data *groups, const struct wire_status_group *status)
{
	char name[NAME_BYTES];
	struct rte_tel_data *dict;

	(void)snprintf(name, sizeof(name), "%u", status->group);
	dict = open_dict(groups, name);
	if (dict == NULL)
		return;
	put(dict, "role", status->role);
	put(dict, "leader", status->leader);
	put(dict, "term", status->term);
	put(dict, "last", status->last);
	put(dict, "durable", status->durable);
	put(dict, "commit", status->commit);
	put(dict, "start", status->start);
	put(dict, "records", status->end);
	put(dict, "elections", status->elections);
	put(dict, "sessions", status->sessions);
	(void)rte_tel_data_add_dict_string(dict, "condition", qr_error_name(status->condition));
}

static void put_groups(struct rte_tel_data *slot, struct dp_process *process, unsigned number)
{
	struct rte_tel_data *groups = open_dict(slot, "groups");
	struct wire_status_group status;

	for (uint32_t g = 0; groups != NULL && g < GROUPS_MAX; g++) {
		if (dp_process_view_group(process, number, g, &status))
			put_group(groups, &status);
	}
}

/** "" or NULL: every node (0); else its number; -1: none of ours. */
static int wanted_node(const char *parameters)
{
	char *end;
	unsigned long node;

	if (parameters == NULL || parameters[0] == '\0')
		return 0;
	node = strtoul(parameters, &end, 10);
	return *end == '\0' && node >= 1 && node <= QR_NODE_MAX ? (int)node : -1;
}

static int handle_stats(const char *command, const char *parameters, struct rte_tel_data *answer)
{
	/* T0: acquire. Pairs with T1. */
	struct dp_process *process = __atomic_load_n(&observed, __ATOMIC_ACQUIRE);
	int node = wanted_node(parameters);
	struct dp_slot_view view;
	unsigned listed = 0;

	(void)command;
	if (process == NULL || node < 0)
		return -1;
	(void)rte_tel_data_start_dict(answer);
	for (unsigned number = 0; dp_process_view(process, number, &view); number++) {
		char name[NAME_BYTES];
		struct rte_tel_data *slot;

		if (node != 0 && view.node != node)
			continue;
		(void)snprintf(name, sizeof(name), "node%u_core%u", view.node, view.core);
		slot = open_dict(answer, name);
		if (slot == NULL)
			break;
		put_counters(slot, &view);
		put_drops(slot, view.stats);
		put_stages(slot, view.stats);
		if (listed++ < SLOTS_WITH_GROUPS_MAX)
			put_groups(slot, process, number);
	}
	return 0;
}

enum qr_error dp_telemetry_register(struct dp_process *process)
{
	int result = rte_telemetry_register_cmd(
		"/quorate/stats", handle_stats,
		"Counters, drops, stage times and groups of the hosted cores. Parameter: node");

	/* T1: release; an answer sees a whole process. Pairs with T0. */
	__atomic_store_n(&observed, process, __ATOMIC_RELEASE);
	return result == 0 ? QR_OK : QR_UNSUPPORTED;
}

void dp_telemetry_forget(void)
{
	__atomic_store_n(&observed, NULL, __ATOMIC_RELEASE);
}
