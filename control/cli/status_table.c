/*
 * Status as tables: nodes, groups, the latency of each stage, drops where there were any.
 */
#include "control/cli/status_print.h"
#include "control/cli/table.h"
#include "control/cli/units.h"

#include <stdlib.h>
#include <string.h>

struct traffic {
	uint64_t rx_bytes;
	uint64_t tx_bytes;
	uint64_t acked;
	uint64_t drops;
	qr_ns uptime;
};

static struct traffic traffic_of(const struct ctl_member *member)
{
	struct traffic sum = {0};

	for (uint8_t i = 0; i < member->endpoint.cores; i++) {
		const struct wire_status_reply *status = &member->cores[i].status;

		if (!member->cores[i].answered)
			continue;
		sum.rx_bytes += status->rx_bytes;
		sum.tx_bytes += status->tx_bytes;
		sum.acked += status->acked_records;
		for (unsigned drop = 0; drop < WIRE_DROPS; drop++)
			sum.drops += status->drops[drop];
		if (status->uptime_ns > sum.uptime)
			sum.uptime = status->uptime_ns;
	}
	return sum;
}

static void add_state(struct ctl_table *table, const struct ctl_member *member)
{
	uint32_t present = ctl_cluster_present(member);

	if (present == member->endpoint.cores) {
		ctl_table_cell(table, CTL_STYLE_GOOD, "up");
	} else if (present == 0) {
		ctl_table_cell(table, CTL_STYLE_BAD, "away");
	} else {
		ctl_table_cell(table, CTL_STYLE_WARN, "%u/%u cores", present,
			       member->endpoint.cores);
	}
}

static void print_nodes(const struct ctl_cluster *cluster, FILE *stream, unsigned cells)
{
	static const struct ctl_column columns[] = {
		{"NODE", CTL_ALIGN_RIGHT, 0},  {"ADDRESS", CTL_ALIGN_LEFT, 0},
		{"STATE", CTL_ALIGN_LEFT, 0},  {"UPTIME", CTL_ALIGN_RIGHT, 0},
		{"RX", CTL_ALIGN_RIGHT, 0},    {"TX", CTL_ALIGN_RIGHT, 0},
		{"ACKED", CTL_ALIGN_RIGHT, 1}, {"DROPS", CTL_ALIGN_RIGHT, 0},
	};
	struct ctl_table *table = ctl_table_create(columns, 8);

	for (uint32_t i = 0; i < cluster->member_count; i++) {
		const struct ctl_member *member = &cluster->members[i];
		struct traffic sum = traffic_of(member);

		ctl_table_cell(table, CTL_STYLE_NONE, "%u", member->endpoint.node);
		ctl_table_cell(
			table, CTL_STYLE_NONE, "%s",
			ctl_units_address(member->endpoint.ipv4, member->endpoint.port).text);
		add_state(table, member);
		if (ctl_cluster_present(member) == 0) {
			for (unsigned column = 3; column < 8; column++)
				ctl_table_cell(table, CTL_STYLE_DIM, "-");
			continue;
		}
		ctl_table_cell(table, CTL_STYLE_NONE, "%s", ctl_units_span(sum.uptime).text);
		ctl_table_cell(table, CTL_STYLE_NONE, "%s",
			       ctl_units_bytes((double)sum.rx_bytes).text);
		ctl_table_cell(table, CTL_STYLE_NONE, "%s",
			       ctl_units_bytes((double)sum.tx_bytes).text);
		ctl_table_cell(table, CTL_STYLE_NONE, "%s", ctl_units_count(sum.acked).text);
		ctl_table_cell(table, sum.drops != 0 ? CTL_STYLE_WARN : CTL_STYLE_NONE, "%s",
			       ctl_units_count(sum.drops).text);
	}
	ctl_table_print(table, stream, cells);
	ctl_table_destroy(table);
}

/* How far a replica is behind its leader, as the leader knows. */
static void add_lag(struct ctl_table *table, const struct ctl_replica *replica,
		    const struct ctl_replica *leader)
{
	if (leader == NULL) {
		ctl_table_cell(table, CTL_STYLE_DIM, "?");
		return;
	}
	for (uint32_t i = 0; leader != replica && i < leader->group.peer_count; i++) {
		const struct wire_status_peer *peer = &leader->group.peers[i];

		if (peer->node == replica->node) {
			ctl_table_cell(table,
				       peer->lag_bytes > (1u << 20) ? CTL_STYLE_WARN
								    : CTL_STYLE_NONE,
				       "%s", ctl_units_bytes((double)peer->lag_bytes).text);
			return;
		}
	}
	ctl_table_cell(table, CTL_STYLE_DIM, "-");
}

static void add_replica(struct ctl_table *table, const struct ctl_cluster *cluster,
			const struct ctl_replica *replica)
{
	const struct wire_status_group *group = &replica->group;
	const struct ctl_replica *leader = ctl_cluster_leader(cluster, group->group);
	char *name = ctl_health_group_name(cluster, group->group);
	bool leads = leader == replica;

	ctl_table_cell(table, CTL_STYLE_NONE, "%s", name);
	ctl_table_cell(table, CTL_STYLE_NONE, "%u", group->group);
	ctl_table_cell(table, CTL_STYLE_NONE, "%u", replica->node);
	ctl_table_cell(table, leads ? CTL_STYLE_GOOD : CTL_STYLE_NONE, "%s",
		       ctl_cluster_role(group->role));
	ctl_table_cell(table, CTL_STYLE_NONE, "%llu", (unsigned long long)group->term);
	ctl_table_cell(table, CTL_STYLE_NONE, "%llu", (unsigned long long)group->commit);
	ctl_table_cell(table, CTL_STYLE_NONE, "%llu", (unsigned long long)group->durable);
	add_lag(table, replica, leader);
	ctl_table_cell(table, CTL_STYLE_NONE, "%s", ctl_units_count(group->start).text);
	ctl_table_cell(table, CTL_STYLE_NONE, "%s",
		       ctl_units_count(group->end - group->start).text);
	ctl_table_cell(table, group->condition == QR_OK ? CTL_STYLE_GOOD : CTL_STYLE_BAD, "%s",
		       qr_error_name((enum qr_error)group->condition));
	free(name);
}

static void print_groups(const struct ctl_cluster *cluster, FILE *stream, unsigned cells)
{
	static const struct ctl_column columns[] = {
		{"LOG", CTL_ALIGN_LEFT, 0},	  {"GROUP", CTL_ALIGN_RIGHT, 2},
		{"NODE", CTL_ALIGN_RIGHT, 0},	  {"ROLE", CTL_ALIGN_LEFT, 0},
		{"TERM", CTL_ALIGN_RIGHT, 0},	  {"COMMIT", CTL_ALIGN_RIGHT, 0},
		{"DURABLE", CTL_ALIGN_RIGHT, 0},  {"LAG", CTL_ALIGN_RIGHT, 0},
		{"START", CTL_ALIGN_RIGHT, 3},	  {"RECORDS", CTL_ALIGN_RIGHT, 1},
		{"CONDITION", CTL_ALIGN_LEFT, 0},
	};
	struct ctl_table *table = ctl_table_create(columns, 11);

	for (uint32_t i = 0; i < cluster->replica_count; i++)
		add_replica(table, cluster, &cluster->replicas[i]);
	if (ctl_table_rows(table) > 0) {
		fputc('\n', stream);
		ctl_table_print(table, stream, cells);
	}
	ctl_table_destroy(table);
}

static void add_core_name(struct ctl_table *table, const struct ctl_member *member, uint8_t core)
{
	if (member->endpoint.cores == 1) {
		ctl_table_cell(table, CTL_STYLE_NONE, "%u", member->endpoint.node);
	} else {
		ctl_table_cell(table, CTL_STYLE_NONE, "%u.%u", member->endpoint.node, core);
	}
}

static void add_stages(struct ctl_table *table, const struct wire_status_reply *status)
{
	for (unsigned stage = 0; stage < WIRE_STAGES; stage++) {
		if (status->stages[stage].count == 0) {
			ctl_table_cell(table, CTL_STYLE_DIM, "-");
			continue;
		}
		ctl_table_cell(table, CTL_STYLE_NONE, "%s/%s",
			       ctl_units_duration(status->stages[stage].p50_ns).text,
			       ctl_units_duration(status->stages[stage].p99_ns).text);
	}
}

static void print_stages(const struct ctl_cluster *cluster, FILE *stream, unsigned cells)
{
	static const struct ctl_column columns[] = {
		{"NODE", CTL_ALIGN_RIGHT, 0},	{"RX p50/p99", CTL_ALIGN_RIGHT, 0},
		{"BATCH", CTL_ALIGN_RIGHT, 0},	{"DISK", CTL_ALIGN_RIGHT, 0},
		{"QUORUM", CTL_ALIGN_RIGHT, 0}, {"ACK", CTL_ALIGN_RIGHT, 0},
	};
	struct ctl_table *table = ctl_table_create(columns, 6);

	for (uint32_t i = 0; i < cluster->member_count; i++) {
		const struct ctl_member *member = &cluster->members[i];

		for (uint8_t core = 0; core < member->endpoint.cores; core++) {
			if (!member->cores[core].answered)
				continue;
			add_core_name(table, member, core);
			add_stages(table, &member->cores[core].status);
		}
	}
	if (ctl_table_rows(table) > 0) {
		fputc('\n', stream);
		ctl_table_print(table, stream, cells);
	}
	ctl_table_destroy(table);
}

static void print_drops(const struct ctl_cluster *cluster, FILE *stream, unsigned cells)
{
	static const struct ctl_column columns[] = {
		{"NODE", CTL_ALIGN_RIGHT, 0},
		{"DROPPED BECAUSE", CTL_ALIGN_LEFT, 0},
		{"DATAGRAMS", CTL_ALIGN_RIGHT, 0},
	};
	struct ctl_table *table = ctl_table_create(columns, 3);

	for (uint32_t i = 0; i < cluster->member_count; i++) {
		const struct ctl_member *member = &cluster->members[i];

		for (unsigned drop = 0; drop < WIRE_DROPS; drop++) {
			uint64_t count = 0;

			for (uint8_t core = 0; core < member->endpoint.cores; core++)
				count += member->cores[core].status.drops[drop];
			if (count == 0)
				continue;
			ctl_table_cell(table, CTL_STYLE_NONE, "%u", member->endpoint.node);
			ctl_table_cell(table, CTL_STYLE_WARN, "%s",
				       wire_drop_name((enum wire_drop)drop));
			ctl_table_cell(table, CTL_STYLE_NONE, "%s", ctl_units_count(count).text);
		}
	}
	if (ctl_table_rows(table) > 0) {
		fputc('\n', stream);
		ctl_table_print(table, stream, cells);
	}
	ctl_table_destroy(table);
}

void ctl_status_print_tables(const struct ctl_cluster *cluster, FILE *stream, unsigned cells)
{
	print_nodes(cluster, stream, cells);
	print_groups(cluster, stream, cells);
	print_stages(cluster, stream, cells);
	print_drops(cluster, stream, cells);
}
