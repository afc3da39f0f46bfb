/*
 * The picture of a cluster: gathered in two rounds, who is there (DESCRIBE, only without a
 * configuration), and how they are (STATUS, to each core at its own port).
 */
#include "control/cli/cluster.h"
#include "control/cli/heap.h"
#include "control/cli/query.h"

#include "consensus/base/assert.h"

#include <stdlib.h>
#include <string.h>

struct ctl_cluster *ctl_cluster_create(void)
{
	return ctl_heap_take(1, sizeof(struct ctl_cluster));
}

void ctl_cluster_destroy(struct ctl_cluster *cluster)
{
	if (cluster == NULL)
		return;
	free(cluster->partitions);
	free(cluster->replicas);
	free(cluster);
}

static struct wire_partition *add_partition(struct ctl_cluster *cluster)
{
	cluster->partitions = ctl_heap_resize(cluster->partitions, cluster->partition_count + 1,
					      sizeof(*cluster->partitions));
	return &cluster->partitions[cluster->partition_count++];
}

static void take_config(struct ctl_cluster *cluster, const struct dp_config *config)
{
	for (uint32_t i = 0; i < config->log_count; i++) {
		const struct dp_log_config *log = &config->logs[i];

		for (uint32_t partition = 0; partition < log->partitions; partition++) {
			struct wire_partition *added = add_partition(cluster);

			*added = (struct wire_partition){
				.group = log->first_group + partition,
				.partition = partition,
				.replicas = log->replicas,
				.durability = (uint8_t)log->durability,
			};
			memcpy(added->name, log->name, sizeof(added->name));
		}
	}
}

static void take_description(struct ctl_ask *ask, const struct ctl_answer *answer)
{
	const struct wire_description *description = &answer->description;
	struct ctl_cluster *cluster = ask->context;

	if (description->first != ask->first)
		return; /* a repeated page */
	cluster->member_count = 0;
	for (uint32_t i = 0; i < description->node_count && i < CTL_TARGET_NODES_MAX; i++) {
		struct wire_endpoint endpoint = description->nodes[i];

		if (endpoint.cores > CTL_CLUSTER_CORES_MAX)
			endpoint.cores = CTL_CLUSTER_CORES_MAX;
		cluster->members[cluster->member_count++].endpoint = endpoint;
	}
	for (uint32_t i = 0; i < description->partition_count; i++)
		*add_partition(cluster) = description->partitions[i];
	ask->first += description->partition_count;
	ask->done = ask->first >= description->total || description->partition_count == 0;
}

/* Ask one endpoint after the other: each is given its share of the time. */
static enum ctl_exit discover(struct ctl_cluster *cluster, const struct ctl_target *target,
			      qr_ns timeout)
{
	for (uint32_t i = 0; i < target->node_count; i++) {
		struct ctl_ask ask = {
			.ipv4 = target->nodes[i].ipv4,
			.port = target->nodes[i].port,
			.type = WIRE_DESCRIBE,
			.context = cluster,
		};

		cluster->partition_count = 0;
		if (ctl_query(cluster->name, &ask, 1, timeout / target->node_count,
			      take_description) != QR_OK)
			return CTL_EXIT_FAILED;
		if (ask.done)
			return CTL_EXIT_OK;
	}
	ctl_complain("no node of cluster '%s' answers at the endpoints given: check that quorated "
		     "runs there, and the cluster's name",
		     cluster->name);
	return CTL_EXIT_UNHEALTHY;
}

enum ctl_exit ctl_cluster_discover(struct ctl_cluster *cluster, const struct ctl_target *target,
				   qr_ns timeout)
{
	memcpy(cluster->name, target->cluster, sizeof(cluster->name));
	if (!target->discovered)
		return discover(cluster, target, timeout);
	QR_ASSERT(target->config != NULL);
	cluster->member_count = target->node_count;
	for (uint32_t i = 0; i < target->node_count; i++)
		cluster->members[i].endpoint = target->nodes[i];
	take_config(cluster, target->config);
	return CTL_EXIT_OK;
}

static void take_status(struct ctl_ask *ask, const struct ctl_answer *answer)
{
	const struct wire_status_reply *status = &answer->status;
	struct ctl_cluster *cluster = ask->context;
	struct ctl_member *member = NULL;
	struct ctl_core *core;

	for (uint32_t i = 0; i < cluster->member_count; i++) {
		if (cluster->members[i].endpoint.node == ask->node)
			member = &cluster->members[i];
	}
	if (member == NULL || status->node != ask->node || status->first != ask->first)
		return;
	core = &member->cores[ask->port - member->endpoint.port];
	core->answered = true;
	core->status = *status;
	cluster->replicas =
		ctl_heap_resize(cluster->replicas, cluster->replica_count + status->group_count,
				sizeof(*cluster->replicas));
	for (uint32_t i = 0; i < status->group_count; i++) {
		cluster->replicas[cluster->replica_count++] = (struct ctl_replica){
			.node = status->node,
			.group = status->groups[i],
		};
	}
	ask->first += status->group_count;
	ask->done = ask->first >= status->total || status->group_count == 0;
}

static int by_group_and_node(const void *left, const void *right)
{
	const struct ctl_replica *a = left;
	const struct ctl_replica *b = right;

	if (a->group.group != b->group.group)
		return a->group.group < b->group.group ? -1 : 1;
	return (a->node > b->node) - (a->node < b->node);
}

static void forget(struct ctl_cluster *cluster)
{
	cluster->replica_count = 0;
	for (uint32_t i = 0; i < cluster->member_count; i++) {
		for (uint32_t j = 0; j < CTL_CLUSTER_CORES_MAX; j++) {
			cluster->members[i].cores[j].answered =
				cluster->members[i].cores[j].refused = false;
		}
	}
}

enum ctl_exit ctl_cluster_ask(struct ctl_cluster *cluster, qr_ns timeout)
{
	struct ctl_ask asks[CTL_TARGET_NODES_MAX * CTL_CLUSTER_CORES_MAX];
	size_t ask_count = 0;

	forget(cluster);
	for (uint32_t i = 0; i < cluster->member_count; i++) {
		const struct wire_endpoint *endpoint = &cluster->members[i].endpoint;

		for (uint8_t core = 0; core < endpoint->cores; core++) {
			asks[ask_count++] = (struct ctl_ask){
				.ipv4 = endpoint->ipv4,
				.port = (uint16_t)(endpoint->port + core),
				.node = endpoint->node,
				.type = WIRE_STATUS,
				.context = cluster,
			};
		}
	}
	if (ctl_query(cluster->name, asks, ask_count, timeout, take_status) != QR_OK)
		return CTL_EXIT_FAILED;
	ask_count = 0;
	for (uint32_t i = 0; i < cluster->member_count; i++) {
		struct ctl_member *member = &cluster->members[i];

		for (uint8_t core = 0; core < member->endpoint.cores; core++)
			member->cores[core].refused = asks[ask_count++].refused;
	}
	if (cluster->replica_count != 0) {
		qsort(cluster->replicas, cluster->replica_count, sizeof(*cluster->replicas),
		      by_group_and_node);
	}
	return CTL_EXIT_OK;
}

uint32_t ctl_cluster_present(const struct ctl_member *member)
{
	uint32_t present = 0;

	for (uint8_t core = 0; core < member->endpoint.cores; core++)
		present += member->cores[core].answered;
	return present;
}

const struct wire_partition *ctl_cluster_partition(const struct ctl_cluster *cluster,
						   qr_group group)
{
	for (uint32_t i = 0; i < cluster->partition_count; i++) {
		if (cluster->partitions[i].group == group)
			return &cluster->partitions[i];
	}
	return NULL;
}

const struct ctl_replica *ctl_cluster_replica(const struct ctl_cluster *cluster, qr_group group,
					      qr_node node)
{
	for (uint32_t i = 0; i < cluster->replica_count; i++) {
		const struct ctl_replica *replica = &cluster->replicas[i];

		if (replica->group.group == group && replica->node == node)
			return replica;
	}
	return NULL;
}

const struct ctl_replica *ctl_cluster_leader(const struct ctl_cluster *cluster, qr_group group)
{
	const struct wire_partition *partition = ctl_cluster_partition(cluster, group);
	const struct ctl_replica *leader = NULL;
	qr_nodes followers = 0;
	qr_nodes replicas = 0;

	for (uint32_t i = 0; i < cluster->replica_count; i++) {
		const struct ctl_replica *replica = &cluster->replicas[i];

		if (replica->group.group != group)
			continue;
		replicas |= qr_nodes_of(replica->node);
		if (replica->group.role == CTL_ROLE_LEADER &&
		    (leader == NULL || replica->group.term > leader->group.term))
			leader = replica;
	}
	if (leader == NULL)
		return NULL;
	for (uint32_t i = 0; i < cluster->replica_count; i++) {
		const struct ctl_replica *replica = &cluster->replicas[i];

		if (replica->group.group == group && replica->group.term == leader->group.term &&
		    replica->group.leader == leader->node)
			followers |= qr_nodes_of(replica->node);
	}
	/* a leader that was cut off may still believe in itself: most replicas decide */
	if (partition != NULL)
		replicas = partition->replicas;
	followers |= qr_nodes_of(leader->node);
	return 2 * qr_nodes_count(followers & replicas) > qr_nodes_count(replicas) ? leader : NULL;
}

const char *ctl_cluster_role(uint8_t role)
{
	static const char *const roles[] = {"follower", "pre-candidate", "candidate", "leader",
					    "non-voter"};

	_Static_assert(sizeof(roles) / sizeof(roles[0]) == WIRE_ROLE_NON_VOTER + 1,
		       "one word a role");
	return role <= WIRE_ROLE_NON_VOTER ? roles[role] : "unknown";
}
