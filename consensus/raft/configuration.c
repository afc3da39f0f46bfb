/*
 * Every quorum of the project. A configuration is a value: sets of node numbers.
 *
 * While a joint configuration is in force, agreement needs a majority of the voters and a majority
 * of the outgoing voters (Raft §6, thesis §4.3). Each function asks both halves, so that no caller
 * knows which case it is in. An empty half is no configuration, and never has a quorum.
 */
#include "consensus/raft/configuration.h"

#include "consensus/base/assert.h"

static bool has_majority(qr_nodes voters, qr_nodes nodes)
{
	return qr_nodes_count(voters & nodes) > qr_nodes_count(voters) / 2;
}

bool raft_configuration_is_voter(const struct raft_configuration *configuration, qr_node node)
{
	return qr_nodes_has(configuration->voters | configuration->voters_outgoing, node);
}

bool raft_configuration_is_valid(const struct raft_configuration *configuration)
{
	qr_nodes voters = configuration->voters | configuration->voters_outgoing;
	qr_nodes members = raft_configuration_members(configuration);

	return configuration->voters != 0 && !qr_nodes_has(members, 0) &&
	       qr_nodes_count(configuration->voters) <= RAFT_VOTERS_MAX &&
	       qr_nodes_count(configuration->voters_outgoing) <= RAFT_VOTERS_MAX &&
	       qr_nodes_count(members) <= RAFT_MEMBERS_MAX &&
	       (voters & configuration->learners) == 0;
}

bool raft_configuration_has_quorum(const struct raft_configuration *configuration, qr_nodes nodes)
{
	if (!has_majority(configuration->voters, nodes))
		return false;
	return configuration->voters_outgoing == 0 ||
	       has_majority(configuration->voters_outgoing, nodes);
}

bool raft_configuration_has_blocked(const struct raft_configuration *configuration, qr_nodes nodes)
{
	return !raft_configuration_has_quorum(configuration, ~nodes);
}

/* The highest index that a majority of `voters` has reached: sorted down, the middle one. */
static qr_index majority_reached(qr_nodes voters, const qr_index reached[QR_NODE_MAX + 1])
{
	qr_index sorted[RAFT_VOTERS_MAX];
	unsigned count = 0;

	QR_ASSERT(voters != 0);
	QR_ASSERT(qr_nodes_count(voters) <= RAFT_VOTERS_MAX);
	while (voters != 0) {
		qr_index index = reached[qr_nodes_take(&voters)];
		unsigned at = count++;

		for (; at > 0 && sorted[at - 1] < index; at--)
			sorted[at] = sorted[at - 1];
		sorted[at] = index;
	}
	return sorted[count / 2];
}

qr_index raft_configuration_committed(const struct raft_configuration *configuration,
				      const qr_index reached[QR_NODE_MAX + 1])
{
	qr_index incoming = majority_reached(configuration->voters, reached);
	qr_index outgoing;

	if (configuration->voters_outgoing == 0)
		return incoming;
	outgoing = majority_reached(configuration->voters_outgoing, reached);
	return outgoing < incoming ? outgoing : incoming;
}
