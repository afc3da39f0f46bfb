/*
 * Who counts. A configuration is a value: sets of nodes, no pointers. Every quorum in the project
 * is computed here, over the incoming and (while a joint configuration is in force) the outgoing
 * voters, so that joint consensus changes no caller (Raft §6, thesis §4.3).
 */
#ifndef QR_RAFT_CONFIGURATION_H
#define QR_RAFT_CONFIGURATION_H

#include "consensus/base/types.h"

#define RAFT_VOTERS_MAX 7
#define RAFT_MEMBERS_MAX 16

struct raft_configuration {
	qr_nodes voters;
	qr_nodes voters_outgoing; /* empty unless joint */
	qr_nodes learners;	  /* receive, never count */
};

/** All that receive entries. */
static inline qr_nodes raft_configuration_members(const struct raft_configuration *configuration)
{
	return configuration->voters | configuration->voters_outgoing | configuration->learners;
}

bool raft_configuration_is_voter(const struct raft_configuration *configuration, qr_node node);

/** 1..RAFT_VOTERS_MAX voters in each half, at most RAFT_MEMBERS_MAX members, learners apart. */
bool raft_configuration_is_valid(const struct raft_configuration *configuration);

/** Whether `nodes` hold a majority of the voters, and of the outgoing voters when joint. */
bool raft_configuration_has_quorum(const struct raft_configuration *configuration, qr_nodes nodes);

/** Whether a quorum has become impossible once `nodes` have said no. */
bool raft_configuration_has_blocked(const struct raft_configuration *configuration, qr_nodes nodes);

/**
 * The highest index that a quorum has reached. Raft §5.3; joint: the lower of both halves.
 * @param reached  by node id; only voters are read.
 */
qr_index raft_configuration_committed(const struct raft_configuration *configuration,
				      const qr_index reached[QR_NODE_MAX + 1]);

#endif
