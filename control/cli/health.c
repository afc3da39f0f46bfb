/*
 * Judging a picture of the cluster. Every finding says what is wrong and what to do next.
 */
#include "control/cli/health.h"
#include "control/cli/heap.h"
#include "control/cli/units.h"

#include <stdlib.h>
#include <string.h>

static void find(struct ctl_findings *findings, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void find(struct ctl_findings *findings, const char *format, ...)
{
	va_list arguments;

	findings->texts =
		ctl_heap_resize(findings->texts, findings->count + 1, sizeof(*findings->texts));
	va_start(arguments, format);
	findings->texts[findings->count++] = ctl_heap_vprint(format, arguments);
	va_end(arguments);
}

void ctl_findings_fini(struct ctl_findings *findings)
{
	for (uint32_t i = 0; i < findings->count; i++)
		free(findings->texts[i]);
	free(findings->texts);
	*findings = (struct ctl_findings){0};
}

char *ctl_health_group_name(const struct ctl_cluster *cluster, qr_group group)
{
	const struct wire_partition *partition = ctl_cluster_partition(cluster, group);

	if (partition != NULL)
		return ctl_heap_print("%s/%u", partition->name, partition->partition);
	return group == 0 ? ctl_heap_print("control") : ctl_heap_print("group %u", group);
}

static void find_away(const struct ctl_cluster *cluster, struct ctl_findings *findings)
{
	for (uint32_t i = 0; i < cluster->member_count; i++) {
		const struct ctl_member *member = &cluster->members[i];
		uint32_t present = ctl_cluster_present(member);
		struct ctl_text address =
			ctl_units_address(member->endpoint.ipv4, member->endpoint.port);

		if (present == member->endpoint.cores)
			continue;
		if (present > 0) {
			find(findings,
			     "node %u answers on %u of %u cores: see its log for the others",
			     member->endpoint.node, present, member->endpoint.cores);
		} else if (member->cores[0].refused) {
			find(findings, "node %u is away: nothing listens at %s; start its quorated",
			     member->endpoint.node, address.text);
		} else {
			find(findings,
			     "node %u is away: no answer from %s; is the machine up, quorated "
			     "running, the network open?",
			     member->endpoint.node, address.text);
		}
	}
}

/* Groups that somebody hosts or the logs name, each once, in order. */
static void find_leaderless(const struct ctl_cluster *cluster, struct ctl_findings *findings)
{
	for (uint32_t i = 0; i < cluster->partition_count; i++) {
		const struct wire_partition *partition = &cluster->partitions[i];
		unsigned present = 0;

		if (ctl_cluster_leader(cluster, partition->group) != NULL)
			continue;
		for (uint32_t j = 0; j < cluster->replica_count; j++)
			present += cluster->replicas[j].group.group == partition->group;
		find(findings, "%s/%u has no leader: %u of its %u replicas answer, %u are needed%s",
		     partition->name, partition->partition, present,
		     qr_nodes_count(partition->replicas),
		     qr_nodes_count(partition->replicas) / 2 + 1,
		     present > qr_nodes_count(partition->replicas) / 2
			     ? "; an election may be under way: ask again"
			     : "; start the nodes that are away");
	}
}

static const char *advice(enum qr_error condition)
{
	if (condition == QR_NO_SPACE)
		return "free space on its device; it resumes by itself";
	if (condition == QR_CORRUPT)
		return "stop that node and run 'quorate verify' on its data directory";
	if (condition == QR_CONFIG) {
		return "its log was made with other replicas, segments or strides than the "
		       "configuration says: put those back";
	}
	return "restart that node, and look at its disk (dmesg) if it happens again";
}

static void find_conditions(const struct ctl_cluster *cluster, struct ctl_findings *findings)
{
	for (uint32_t i = 0; i < cluster->replica_count; i++) {
		const struct ctl_replica *replica = &cluster->replicas[i];
		enum qr_error condition = (enum qr_error)replica->group.condition;
		char *name;

		if (condition == QR_OK)
			continue;
		name = ctl_health_group_name(cluster, replica->group.group);
		find(findings, "%s on node %u: %s; %s", name, replica->node,
		     qr_error_text(condition), advice(condition));
		free(name);
	}
}

static void find_non_voters(const struct ctl_cluster *cluster, struct ctl_findings *findings)
{
	for (uint32_t i = 0; i < cluster->replica_count; i++) {
		const struct ctl_replica *replica = &cluster->replicas[i];
		char *name;

		if (replica->group.role != WIRE_ROLE_NON_VOTER)
			continue;
		name = ctl_health_group_name(cluster, replica->group.group);
		find(findings,
		     "%s on node %u has lost its hard state and counts for nothing until it was "
		     "filled and has heard from all other nodes: see that they run",
		     name, replica->node);
		free(name);
	}
}

void ctl_health_problems(const struct ctl_cluster *cluster, struct ctl_findings *ret_findings)
{
	*ret_findings = (struct ctl_findings){0};
	find_away(cluster, ret_findings);
	find_leaderless(cluster, ret_findings);
	find_conditions(cluster, ret_findings);
	find_non_voters(cluster, ret_findings);
}

/* A log that is told of already, by an earlier partition? */
static bool is_repeated(const struct ctl_cluster *cluster, uint32_t partition)
{
	return partition > 0 && strcmp(cluster->partitions[partition].name,
				       cluster->partitions[partition - 1].name) == 0;
}

void ctl_health_warnings(const struct ctl_cluster *cluster, struct ctl_findings *ret_findings)
{
	*ret_findings = (struct ctl_findings){0};
	for (uint32_t i = 0; i < cluster->partition_count; i++) {
		if (cluster->partitions[i].durability == WIRE_DURABLE_MEMORY &&
		    !is_repeated(cluster, i)) {
			find(ret_findings,
			     "DURABILITY OFF: log '%s' is acknowledged from memory "
			     "(durability = memory); a power failure loses records",
			     cluster->partitions[i].name);
		}
	}
	for (uint32_t i = 0; i < cluster->member_count; i++) {
		const struct ctl_member *member = &cluster->members[i];

		if (member->cores[0].answered && !member->cores[0].status.direct_io) {
			find(ret_findings,
			     "DIRECT I/O OFF: node %u writes through the page cache "
			     "(direct_io = off); latency is not that of the device",
			     member->endpoint.node);
		}
	}
}
