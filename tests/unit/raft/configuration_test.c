/* Quorums against a brute force that knows nothing of sorting or masks. */
#include "consensus/raft/configuration.h"
#include "tests/unit/unit.h"

static qr_nodes first_nodes(qr_node count)
{
	qr_nodes nodes = 0;

	for (qr_node node = 1; node <= count; node++)
		nodes |= qr_nodes_of(node);
	return nodes;
}

static bool brute_majority(qr_nodes voters, qr_nodes nodes)
{
	int balance = 0;

	for (qr_node node = 1; node <= QR_NODE_MAX; node++) {
		if (qr_nodes_has(voters, node))
			balance += qr_nodes_has(nodes, node) ? 1 : -1;
	}
	return balance > 0;
}

static bool brute_quorum(const struct raft_configuration *configuration, qr_nodes nodes)
{
	return brute_majority(configuration->voters, nodes) &&
	       (configuration->voters_outgoing == 0 ||
		brute_majority(configuration->voters_outgoing, nodes));
}

/* Whether some set of nodes, none of which said no, could still be a quorum. */
static bool brute_blocked(const struct raft_configuration *configuration, qr_nodes refused)
{
	for (qr_nodes nodes = 0; nodes < 1u << 8; nodes += 2) {
		if ((nodes & refused) == 0 && brute_quorum(configuration, nodes))
			return false;
	}
	return true;
}

/* Every pair of halves over seven nodes, every set of answers. */
static void test_quorums_agree_with_brute_force(void **state)
{
	(void)state;
	for (qr_nodes voters = 2; voters < 1u << 8; voters += 2) {
		for (qr_nodes outgoing = 0; outgoing < 1u << 8; outgoing += 2) {
			struct raft_configuration configuration = {
				.voters = voters,
				.voters_outgoing = outgoing,
			};

			for (qr_nodes nodes = 0; nodes < 1u << 8; nodes += 2) {
				assert_int_equal(
					raft_configuration_has_quorum(&configuration, nodes),
					brute_quorum(&configuration, nodes));
			}
		}
	}
}

static void test_blocked_agrees_with_brute_force(void **state)
{
	(void)state;
	for (qr_nodes voters = 2; voters < 1u << 6; voters += 2) {
		for (qr_nodes outgoing = 0; outgoing < 1u << 6; outgoing += 2) {
			struct raft_configuration configuration = {
				.voters = voters,
				.voters_outgoing = outgoing,
			};

			for (qr_nodes nodes = 0; nodes < 1u << 6; nodes += 2) {
				assert_int_equal(
					raft_configuration_has_blocked(&configuration, nodes),
					brute_blocked(&configuration, nodes));
			}
		}
	}
}

/* The highest index such that those who reached it are a quorum. */
static qr_index brute_committed(const struct raft_configuration *configuration,
				const qr_index *reached)
{
	qr_index index;

	for (index = 4; index > 0; index--) {
		qr_nodes nodes = 0;

		for (qr_node node = 1; node <= 7; node++) {
			if (reached[node] >= index)
				nodes |= qr_nodes_of(node);
		}
		if (brute_quorum(configuration, nodes))
			break;
	}
	return index;
}

/* All of up to five voters with up to four indexes each, alone and against a fixed other half. */
static void test_committed_agrees_with_brute_force(void **state)
{
	(void)state;
	for (qr_node count = 1; count <= 5; count++) {
		unsigned cases = 1;

		for (qr_node i = 0; i < count; i++)
			cases *= 4;
		for (unsigned number = 0; number < cases; number++) {
			qr_index reached[QR_NODE_MAX + 1] = {0};
			struct raft_configuration configuration = {.voters = first_nodes(count)};
			unsigned digits = number;

			for (qr_node node = 1; node <= count; node++, digits /= 4)
				reached[node] = digits % 4;
			reached[6] = 2;
			reached[7] = 3;
			assert_int_equal(raft_configuration_committed(&configuration, reached),
					 brute_committed(&configuration, reached));
			configuration.voters_outgoing =
				qr_nodes_of(1) | qr_nodes_of(6) | qr_nodes_of(7);
			assert_int_equal(raft_configuration_committed(&configuration, reached),
					 brute_committed(&configuration, reached));
		}
	}
}

static void test_seven_voters_commit_what_four_have(void **state)
{
	qr_index reached[QR_NODE_MAX + 1] = {0};
	struct raft_configuration configuration = {.voters = first_nodes(7)};

	(void)state;
	for (qr_node node = 1; node <= 7; node++)
		reached[node] = 10ull * node;
	assert_int_equal(raft_configuration_committed(&configuration, reached), 40);
}

static void test_members_are_all_that_receive(void **state)
{
	struct raft_configuration configuration = {
		.voters = qr_nodes_of(1),
		.voters_outgoing = qr_nodes_of(2),
		.learners = qr_nodes_of(63),
	};

	(void)state;
	assert_int_equal(raft_configuration_members(&configuration),
			 qr_nodes_of(1) | qr_nodes_of(2) | qr_nodes_of(63));
	assert_true(raft_configuration_is_voter(&configuration, 1));
	assert_true(raft_configuration_is_voter(&configuration, 2));
	assert_false(raft_configuration_is_voter(&configuration, 63));
	assert_false(raft_configuration_is_voter(&configuration, 3));
}

static void test_only_sane_configurations_are_valid(void **state)
{
	const struct {
		struct raft_configuration configuration;
		bool valid;
	} cases[] = {
		{{.voters = first_nodes(1)}, true},
		{{.voters = first_nodes(7)}, true},
		{{.voters = first_nodes(8)}, false},
		{{.voters = 0}, false},
		{{.voters = 0, .voters_outgoing = first_nodes(3)}, false},
		{{.voters = first_nodes(3), .voters_outgoing = first_nodes(8)}, false},
		{{.voters = first_nodes(3), .voters_outgoing = first_nodes(5)}, true},
		{{.voters = first_nodes(3) | 1}, false},
		{{.voters = first_nodes(3), .learners = qr_nodes_of(3)}, false},
		{{.voters = first_nodes(3), .learners = qr_nodes_of(4)}, true},
		{{.voters = first_nodes(3), .learners = first_nodes(16) & ~first_nodes(3)}, true},
		{{.voters = first_nodes(3), .learners = first_nodes(17) & ~first_nodes(3)}, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(raft_configuration_is_valid(&cases[i].configuration),
				 cases[i].valid);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quorums_agree_with_brute_force),
		cmocka_unit_test(test_blocked_agrees_with_brute_force),
		cmocka_unit_test(test_committed_agrees_with_brute_force),
		cmocka_unit_test(test_seven_voters_commit_what_four_have),
		cmocka_unit_test(test_members_are_all_that_receive),
		cmocka_unit_test(test_only_sane_configurations_are_valid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
