/* From the configuration to what is built: groups, cores, endpoints, memory. */
#include "tests/unit/unit.h"

#include "dataplane/lcore/plan.h"
#include "dataplane/port/vdev.h"

#include <string.h>

#define NODES "[node 1]\ndata = /1\npriority = 9\n[node 2]\ndata = /2\n[node 5]\ndata = /5\n"

static struct dp_config config;
static struct dp_plan plan;
static struct dp_group_config groups[16];
static struct dp_core_config core;
static struct dp_budget budget;

static void make(const char *text, qr_nodes hosted)
{
	struct dp_config_problem problem;

	dp_config_defaults(&config);
	assert_int_equal(dp_config_parse(&config, text, "t.ini", &problem), QR_OK);
	assert_int_equal(dp_config_finish(&config, &problem), QR_OK);
	dp_plan_init(&plan, &config, hosted, 2);
}

static void groups_are_the_same_on_every_node_but_for_the_priority(void **state)
{
	struct dp_group_config other[16];

	(void)state;
	make(NODES "[log a]\npartitions = 2\n[log b]\nreplicas = 1,2\ndurability = memory\n", 2);
	assert_int_equal(plan.group_count, 3);
	dp_plan_groups(&plan, 1, groups);
	dp_plan_groups(&plan, 2, other);
	assert_int_equal(groups[0].group, 1);
	assert_int_equal(groups[1].group, 2);
	assert_int_equal(groups[1].partition, 1);
	assert_string_equal(groups[2].name, "b");
	assert_int_equal(groups[2].durability, WIRE_DURABLE_MEMORY);
	assert_int_equal(groups[2].replicas, 6);
	assert_int_equal(groups[0].priority, 9);
	assert_int_equal(other[0].priority, 50);
}

static void what_a_log_keeps_holds_for_each_of_its_groups(void **state)
{
	(void)state;
	make(NODES "[log a]\npartitions = 2\nretention_bytes = 1G\n[log b]\nretention_age = 2h\n",
	     2);
	dp_plan_groups(&plan, 1, groups);
	assert_int_equal(groups[0].retention_bytes, 1 << 30);
	assert_int_equal(groups[1].retention_bytes, 1 << 30);
	assert_int_equal(groups[1].retention_ns, 0);
	assert_int_equal(groups[2].retention_bytes, 0);
	assert_int_equal(groups[2].retention_ns, (uint64_t)7200 * 1000000000);
}

static void a_core_knows_its_peers_and_all_endpoints(void **state)
{
	(void)state;
	make("[dataplane]\ncores = 2\n" NODES "[log a]\n", 4);
	dp_plan_groups(&plan, 2, groups);
	dp_plan_core(&plan, 2, 1, groups, &core);
	assert_int_equal(core.peer_count, 2);
	assert_int_equal(core.peers[0].node, 1);
	assert_int_equal(core.peers[1].node, 5);
	assert_int_equal(core.peers[0].cores, 2);
	assert_int_equal(core.endpoint_count, 3);
	assert_int_equal(core.endpoints[2].node, 5);
	assert_int_equal(core.endpoints[2].port, 7500);
	assert_int_equal(core.geometry.segment_blocks, (64u << 20) / 4096);
	assert_int_equal(core.election_timeout_ns, 150000000);
	assert_int_equal(core.core, 1);
	assert_true(core.readers >= 1 + core.peer_count);
	assert_int_equal(core.cluster, wire_cluster_id("quorate"));
}

static void extra_endpoints_follow_the_highest_node(void **state)
{
	(void)state;
	make(NODES "[log a]\n", 0x26);
	assert_int_equal(plan.link, DP_LINK_RING);
	assert_int_equal(dp_plan_highest_node(&plan), 5);
	assert_int_equal(dp_plan_endpoints(&plan), 8);
	assert_int_equal(dp_plan_slots(&plan), 3);
	assert_int_equal(plan.lcores, 3);
}

static void datagrams_fit_the_link_and_the_clients(void **state)
{
	(void)state;
	make(NODES "[log a]\n", 0x26);
	assert_int_equal(plan.peer_datagram_bytes, DP_RING_DATAGRAM_MAX);
	assert_int_equal(plan.client_datagram_bytes, DP_HOST_DATAGRAM_MAX);
	make(NODES "host = 10.0.0.5:7000\n[log a]\n", 2);
	assert_int_equal(plan.client_datagram_bytes, 1472);
	make("[dataplane]\ndatagram_max = 1500\n" NODES "[log a]\n", 2);
	assert_int_equal(plan.peer_datagram_bytes, 1500);
}

static void the_budget_is_the_sum_of_its_rows_and_grows_with_the_groups(void **state)
{
	uint64_t sum = 0;
	uint64_t one;

	(void)state;
	make(NODES "[log a]\n", 2);
	assert_int_equal(dp_plan_budget(&plan, &budget), QR_OK);
	for (uint32_t i = 0; i < budget.row_count; i++)
		sum += budget.rows[i].bytes;
	assert_int_equal(sum, budget.total_bytes);
	one = budget.total_bytes;
	make(NODES "[log a]\npartitions = 3\n", 2);
	assert_int_equal(dp_plan_budget(&plan, &budget), QR_OK);
	assert_true(budget.total_bytes >= one + 2 * config.window_bytes);
}

static void a_budget_is_printed_with_its_total(void **state)
{
	char text[4096];

	(void)state;
	make(NODES "[log a]\n", 2);
	assert_int_equal(dp_plan_budget(&plan, &budget), QR_OK);
	assert_true(dp_budget_print(&budget, text, sizeof(text)) < sizeof(text));
	assert_non_null(strstr(text, "packet buffers"));
	assert_non_null(strstr(text, "node 1 core 0: log windows (1 groups)"));
	assert_non_null(strstr(text, "total"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(groups_are_the_same_on_every_node_but_for_the_priority),
		cmocka_unit_test(what_a_log_keeps_holds_for_each_of_its_groups),
		cmocka_unit_test(a_core_knows_its_peers_and_all_endpoints),
		cmocka_unit_test(extra_endpoints_follow_the_highest_node),
		cmocka_unit_test(datagrams_fit_the_link_and_the_clients),
		cmocka_unit_test(the_budget_is_the_sum_of_its_rows_and_grows_with_the_groups),
		cmocka_unit_test(a_budget_is_printed_with_its_total),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
