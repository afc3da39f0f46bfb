#include "consensus/raft/raft.h"
#include "control/cli/health.h"
#include "control/cli/status_print.h"
#include "control/cli/terminal.h"

#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

_Static_assert((int)CTL_ROLE_LEADER == (int)RAFT_LEADER,
	       "roles on the wire are those of consensus");

#define NODES 3

static struct wire_partition partition;
static struct ctl_replica replicas[NODES];
static struct ctl_cluster cluster;

/* Three nodes, one group, node 2 leads in term 5. */
static int set_up(void **state)
{
	(void)state;
	memset(&cluster, 0, sizeof(cluster));
	partition = (struct wire_partition){.group = 1, .replicas = 0xe, .name = "events"};
	cluster.partitions = &partition;
	cluster.partition_count = 1;
	cluster.replicas = replicas;
	cluster.replica_count = NODES;
	cluster.member_count = NODES;
	strcpy(cluster.name, "demo");
	for (qr_node node = 1; node <= NODES; node++) {
		struct ctl_member *member = &cluster.members[node - 1];

		member->endpoint = (struct wire_endpoint){
			.node = node, .cores = 1, .port = 7000, .ipv4 = 0x7f000001};
		member->cores[0].answered = true;
		member->cores[0].status = (struct wire_status_reply){
			.node = node,
			.cores = 1,
			.direct_io = 1,
			.uptime_ns = 12345678901234,
			.rx_bytes = 123456789012,
			.tx_bytes = 123456789012,
			.acked_records = 1234567890,
		};
		for (unsigned stage = 0; stage < WIRE_STAGES; stage++) {
			member->cores[0].status.stages[stage].count = 1;
			member->cores[0].status.stages[stage].p50_ns = 65200;
			member->cores[0].status.stages[stage].p99_ns = 99900;
		}
		replicas[node - 1] = (struct ctl_replica){
			.node = node,
			.group = {.group = 1,
				  .role = node == 2 ? RAFT_LEADER : RAFT_FOLLOWER,
				  .leader = 2,
				  .term = 5,
				  .commit = 1234567,
				  .durable = 1234567,
				  .end = 98765432,
				  .peer_count = 2,
				  .peers = {{.node = 1, .lag_bytes = 4096}, {.node = 3}}},
		};
	}
	return 0;
}

static void expect_problem(const char *part)
{
	struct ctl_findings problems;
	bool found = false;

	ctl_health_problems(&cluster, &problems);
	for (uint32_t i = 0; i < problems.count; i++)
		found |= strstr(problems.texts[i], part) != NULL;
	if (problems.count == 0)
		found = part[0] == '\0';
	assert_true(found);
	ctl_findings_fini(&problems);
}

static void a_cluster_with_all_in_place_is_well(void **state)
{
	(void)state;
	assert_ptr_equal(ctl_cluster_leader(&cluster, 1), &replicas[1]);
	expect_problem("");
}

static void a_node_away_is_named_with_its_address(void **state)
{
	(void)state;
	cluster.members[2].cores[0].answered = false;
	cluster.replica_count = 2;
	assert_ptr_equal(ctl_cluster_leader(&cluster, 1), &replicas[1]);
	expect_problem("node 3 is away: no answer from 127.0.0.1:7000");
	cluster.members[2].cores[0].refused = true;
	expect_problem("node 3 is away: nothing listens at 127.0.0.1:7000");
}

static void a_leader_that_few_follow_is_none(void **state)
{
	(void)state;
	replicas[0].group.leader = 0;
	replicas[2].group.leader = 0;
	assert_null(ctl_cluster_leader(&cluster, 1));
	expect_problem("events/0 has no leader: 3 of its 3 replicas answer, 2 are needed");
}

static void of_two_that_claim_to_lead_the_later_term_counts(void **state)
{
	(void)state;
	replicas[0].group.role = RAFT_LEADER;
	replicas[0].group.leader = 1;
	replicas[0].group.term = 4;
	assert_ptr_equal(ctl_cluster_leader(&cluster, 1), &replicas[1]);
}

static void a_damaged_store_is_told_with_what_to_do(void **state)
{
	(void)state;
	replicas[2].group.condition = QR_NO_SPACE;
	expect_problem("events/0 on node 3: no space left on the device; free space");
}

static void what_weakens_promises_is_loud(void **state)
{
	struct ctl_findings warnings;

	(void)state;
	partition.durability = WIRE_DURABLE_MEMORY;
	cluster.members[0].cores[0].status.direct_io = 0;
	ctl_health_warnings(&cluster, &warnings);
	assert_int_equal(warnings.count, 2);
	assert_non_null(strstr(warnings.texts[0], "DURABILITY OFF: log 'events'"));
	assert_non_null(strstr(warnings.texts[1], "DIRECT I/O OFF: node 1"));
	ctl_findings_fini(&warnings);
}

static void tables_fit_eighty_columns(void **state)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	char *rest;
	char *line;

	(void)state;
	cluster.members[1].cores[0].status.drops[WIRE_DROP_FOREIGN] = 12;
	ctl_status_print_tables(&cluster, stream, 80);
	assert_int_equal(fclose(stream), 0);
	assert_non_null(strstr(text, "foreign"));
	rest = text;
	while ((line = strsep(&rest, "\n")) != NULL)
		assert_true(ctl_terminal_cells(line, strlen(line)) <= 80);
	free(text);
}

static void json_has_what_the_tables_have(void **state)
{
	struct ctl_findings none = {0};
	json_t *object = ctl_status_print_json(&cluster, &none, &none);
	json_t *group = json_array_get(json_object_get(object, "groups"), 0);
	json_t *node = json_array_get(json_object_get(object, "nodes"), 1);
	double p99 = 0;

	(void)state;
	assert_true(json_is_true(json_object_get(object, "healthy")));
	assert_int_equal(json_integer_value(json_object_get(group, "leader")), 2);
	assert_int_equal(json_array_size(json_object_get(group, "replicas")), NODES);
	assert_int_equal(
		json_unpack(node, "{s:[{s:{s:{s:F}}}]}", "cores", "stages_us", "disk", "p99", &p99),
		0);
	assert_true(p99 > 99.8 && p99 < 100);
	json_decref(object);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_cluster_with_all_in_place_is_well, set_up),
		cmocka_unit_test_setup(a_node_away_is_named_with_its_address, set_up),
		cmocka_unit_test_setup(a_leader_that_few_follow_is_none, set_up),
		cmocka_unit_test_setup(of_two_that_claim_to_lead_the_later_term_counts, set_up),
		cmocka_unit_test_setup(a_damaged_store_is_told_with_what_to_do, set_up),
		cmocka_unit_test_setup(what_weakens_promises_is_loud, set_up),
		cmocka_unit_test_setup(tables_fit_eighty_columns, set_up),
		cmocka_unit_test_setup(json_has_what_the_tables_have, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
