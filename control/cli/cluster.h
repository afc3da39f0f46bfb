/*
 * A picture of the cluster, put together from what each replication core says of itself. Nodes that
 * do not answer are in it as such.
 */
#ifndef CTL_CLI_CLUSTER_H
#define CTL_CLI_CLUSTER_H

#include "control/cli/target.h"

#include "consensus/wire/client.h"

#define CTL_CLUSTER_CORES_MAX 16

struct ctl_core {
	bool answered;
	bool refused;			 /* nothing listens there */
	struct wire_status_reply status; /* its groups are in the replicas */
};

struct ctl_member {
	struct wire_endpoint endpoint;
	struct ctl_core cores[CTL_CLUSTER_CORES_MAX];
};

/** A group on a node. */
struct ctl_replica {
	qr_node node;
	struct wire_status_group group;
};

struct ctl_cluster {
	char name[WIRE_NAME_MAX + 1];
	uint32_t member_count;
	struct ctl_member members[CTL_TARGET_NODES_MAX];
	uint32_t partition_count;
	struct wire_partition *partitions;
	uint32_t replica_count;
	struct ctl_replica *replicas; /* by partition, then by node, once asked */
};

/** To be given to ctl_cluster_destroy, which takes NULL. */
struct ctl_cluster *ctl_cluster_create(void);
void ctl_cluster_destroy(struct ctl_cluster *cluster);
/**
 * Nodes and logs: from the configuration, else asked of any endpoint. What is wrong has been told
 * when not OK.
 */
enum ctl_exit ctl_cluster_discover(struct ctl_cluster *cluster, const struct ctl_target *target,
				   qr_ns timeout);
/** Status of every core of every node. */
enum ctl_exit ctl_cluster_ask(struct ctl_cluster *cluster, qr_ns timeout);

/** Cores of a member that answered. */
uint32_t ctl_cluster_present(const struct ctl_member *member);
/** The partition of a group; NULL: not known (the control group, or a newer log). */
const struct wire_partition *ctl_cluster_partition(const struct ctl_cluster *cluster,
						   qr_group group);
/** A group on a node, or NULL. */
const struct ctl_replica *ctl_cluster_replica(const struct ctl_cluster *cluster, qr_group group,
					      qr_node node);
/** The replica that leads the group, as most of its replicas say; NULL: none. */
const struct ctl_replica *ctl_cluster_leader(const struct ctl_cluster *cluster, qr_group group);
/** A role's word; its values are those of consensus. */
const char *ctl_cluster_role(uint8_t role);

#define CTL_ROLE_LEADER 3

#endif
