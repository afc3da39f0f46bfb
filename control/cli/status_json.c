/*
 * Status as one JSON object. Names are for keeps: programs read them. Times are in microseconds
 * where the name ends in _us; counts are since the start of the node.
 */
#include "control/cli/status_print.h"
#include "control/cli/units.h"

#include "consensus/base/assert.h"

#include <stdlib.h>

static json_t *whole(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static void set(json_t *object, const char *key, json_t *value)
{
	int failed = json_object_set_new(object, key, value);

	QR_ASSERT(failed == 0);
}

static void append(json_t *array, json_t *value)
{
	int failed = json_array_append_new(array, value);

	QR_ASSERT(failed == 0);
}

static json_t *nodes_array(qr_nodes nodes)
{
	json_t *array = json_array();

	while (nodes != 0)
		append(array, whole(qr_nodes_take(&nodes)));
	return array;
}

static json_t *stages_object(const struct wire_status_reply *status)
{
	static const char *const names[WIRE_STAGES] = {"rx", "batch", "disk", "quorum", "ack"};
	json_t *stages = json_object();

	for (unsigned i = 0; i < WIRE_STAGES; i++) {
		json_t *stage = json_object();

		set(stage, "count", whole(status->stages[i].count));
		set(stage, "p50", json_real((double)status->stages[i].p50_ns / 1000));
		set(stage, "p99", json_real((double)status->stages[i].p99_ns / 1000));
		set(stages, names[i], stage);
	}
	return stages;
}

static json_t *core_object(const struct wire_status_reply *status)
{
	json_t *core = json_object();
	json_t *drops = json_object();

	for (unsigned i = 0; i < WIRE_DROPS; i++)
		set(drops, wire_drop_name((enum wire_drop)i), whole(status->drops[i]));
	set(core, "core", whole(status->core));
	set(core, "uptime_s", json_real((double)status->uptime_ns / 1e9));
	set(core, "rx_datagrams", whole(status->rx_datagrams));
	set(core, "tx_datagrams", whole(status->tx_datagrams));
	set(core, "rx_bytes", whole(status->rx_bytes));
	set(core, "tx_bytes", whole(status->tx_bytes));
	set(core, "acked_records", whole(status->acked_records));
	set(core, "busy_replies", whole(status->busy_replies));
	set(core, "polls", whole(status->polls));
	set(core, "polls_empty", whole(status->polls_empty));
	set(core, "retransmits", whole(status->retransmits));
	set(core, "damaged_entries", whole(status->damaged_entries));
	set(core, "repaired_entries", whole(status->repaired_entries));
	set(core, "scrubbed_bytes", whole(status->scrubbed_bytes));
	set(core, "drops", drops);
	set(core, "stages_us", stages_object(status));
	return core;
}

static json_t *node_object(const struct ctl_member *member)
{
	uint32_t present = ctl_cluster_present(member);
	json_t *node = json_object();
	json_t *cores = json_array();

	for (uint8_t i = 0; i < member->endpoint.cores; i++) {
		if (member->cores[i].answered)
			append(cores, core_object(&member->cores[i].status));
	}
	set(node, "node", whole(member->endpoint.node));
	set(node, "address",
	    json_string(ctl_units_address(member->endpoint.ipv4, member->endpoint.port).text));
	set(node, "state",
	    json_string(present == member->endpoint.cores ? "up"
			: present > 0			  ? "partial"
							  : "away"));
	set(node, "direct_io",
	    member->cores[0].answered ? json_boolean(member->cores[0].status.direct_io != 0)
				      : json_null());
	set(node, "cores", cores);
	return node;
}

static json_t *replica_object(const struct ctl_replica *replica, const struct ctl_replica *leader)
{
	const struct wire_status_group *group = &replica->group;
	json_t *object = json_object();
	json_t *lag = json_null();

	for (uint32_t i = 0; leader != NULL && i < leader->group.peer_count; i++) {
		if (leader->group.peers[i].node == replica->node)
			lag = whole(leader->group.peers[i].lag_bytes);
	}
	if (leader == replica) {
		json_decref(lag);
		lag = whole(0);
	}
	set(object, "node", whole(replica->node));
	set(object, "role", json_string(ctl_cluster_role(group->role)));
	set(object, "term", whole(group->term));
	set(object, "last", whole(group->last));
	set(object, "durable", whole(group->durable));
	set(object, "commit", whole(group->commit));
	set(object, "start", whole(group->start));
	set(object, "end", whole(group->end));
	set(object, "log_bytes", whole(group->log_bytes));
	set(object, "sessions", whole(group->sessions));
	set(object, "elections", whole(group->elections));
	set(object, "lag_bytes", lag);
	set(object, "condition", json_string(qr_error_name((enum qr_error)group->condition)));
	return object;
}

static json_t *group_object(const struct ctl_cluster *cluster, qr_group group)
{
	const struct wire_partition *partition = ctl_cluster_partition(cluster, group);
	const struct ctl_replica *leader = ctl_cluster_leader(cluster, group);
	json_t *object = json_object();
	json_t *replicas = json_array();

	set(object, "group", whole(group));
	if (partition != NULL) {
		set(object, "log", json_string(partition->name));
		set(object, "partition", whole(partition->partition));
		set(object, "durability",
		    json_string(partition->durability == WIRE_DURABLE_MEMORY ? "memory"
									     : "quorum"));
		set(object, "nodes", nodes_array(partition->replicas));
	}
	set(object, "leader", leader != NULL ? whole(leader->node) : json_null());
	for (uint32_t i = 0; i < cluster->replica_count; i++) {
		if (cluster->replicas[i].group.group == group)
			append(replicas, replica_object(&cluster->replicas[i], leader));
	}
	set(object, "replicas", replicas);
	return object;
}

static json_t *groups_array(const struct ctl_cluster *cluster)
{
	json_t *array = json_array();

	for (uint32_t i = 0; i < cluster->partition_count; i++)
		append(array, group_object(cluster, cluster->partitions[i].group));
	for (uint32_t i = 0; i < cluster->replica_count; i++) {
		qr_group group = cluster->replicas[i].group.group;

		if (ctl_cluster_partition(cluster, group) == NULL &&
		    (i == 0 || cluster->replicas[i - 1].group.group != group))
			append(array, group_object(cluster, group));
	}
	return array;
}

static json_t *texts_array(const struct ctl_findings *findings)
{
	json_t *array = json_array();

	for (uint32_t i = 0; i < findings->count; i++)
		append(array, json_string(findings->texts[i]));
	return array;
}

json_t *ctl_status_print_json(const struct ctl_cluster *cluster,
			      const struct ctl_findings *problems,
			      const struct ctl_findings *warnings)
{
	json_t *object = json_object();
	json_t *nodes = json_array();

	for (uint32_t i = 0; i < cluster->member_count; i++)
		append(nodes, node_object(&cluster->members[i]));
	set(object, "cluster", json_string(cluster->name));
	set(object, "healthy", json_boolean(problems->count == 0));
	set(object, "problems", texts_array(problems));
	set(object, "warnings", texts_array(warnings));
	set(object, "nodes", nodes);
	set(object, "groups", groups_array(cluster));
	return object;
}
