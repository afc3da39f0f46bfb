#include "control/cli/cluster.h"

#include "tests/unit/cli/fake_node.h"
#include "tests/unit/unit.h"

#include <netinet/in.h>
#include <stdio.h>

#define SECOND 1000000000ull

static struct fake_node fake;

static struct ctl_target target_of(const char *cluster)
{
	struct ctl_target target = {.node_count = 1};

	(void)snprintf(target.cluster, sizeof(target.cluster), "%s", cluster);
	target.nodes[0] = (struct wire_endpoint){.ipv4 = INADDR_LOOPBACK, .port = fake.port};
	return target;
}

static void expect_whole(struct ctl_cluster *cluster, const struct ctl_target *target)
{
	assert_int_equal(ctl_cluster_discover(cluster, target, 5 * SECOND), CTL_EXIT_OK);
	assert_int_equal(cluster->member_count, 1);
	assert_int_equal(cluster->partition_count, FAKE_PARTITIONS);
	assert_int_equal(ctl_cluster_ask(cluster, 5 * SECOND), CTL_EXIT_OK);
	assert_int_equal(ctl_cluster_present(&cluster->members[0]), 1);
	assert_int_equal(cluster->replica_count, FAKE_PARTITIONS);
	for (qr_group group = 1; group <= FAKE_PARTITIONS; group++)
		assert_non_null(ctl_cluster_leader(cluster, group));
}

static void pages_are_put_together(void **state)
{
	struct ctl_cluster *cluster = ctl_cluster_create();
	struct ctl_target target;

	(void)state;
	fake_node_start(&fake, 0);
	target = target_of("demo");
	expect_whole(cluster, &target);
	expect_whole(cluster, &target); /* again: nothing is counted twice */
	fake_node_stop(&fake);
	ctl_cluster_destroy(cluster);
}

static void what_was_lost_is_asked_again(void **state)
{
	struct ctl_cluster *cluster = ctl_cluster_create();
	struct ctl_target target;

	(void)state;
	fake_node_start(&fake, 2);
	target = target_of("demo");
	expect_whole(cluster, &target);
	fake_node_stop(&fake);
	ctl_cluster_destroy(cluster);
}

static void another_cluster_does_not_answer(void **state)
{
	struct ctl_cluster *cluster = ctl_cluster_create();
	struct ctl_target target;

	(void)state;
	fake_node_start(&fake, 0);
	target = target_of("other");
	assert_int_equal(ctl_cluster_discover(cluster, &target, SECOND / 10), CTL_EXIT_UNHEALTHY);
	fake_node_stop(&fake);
	ctl_cluster_destroy(cluster);
}

static void a_closed_port_is_refused_at_once(void **state)
{
	struct ctl_cluster *cluster = ctl_cluster_create();

	(void)state;
	fake_node_start(&fake, 0);
	fake_node_stop(&fake); /* its port is free now */
	cluster->member_count = 1;
	cluster->members[0].endpoint = (struct wire_endpoint){
		.node = 1, .cores = 1, .port = fake.port, .ipv4 = INADDR_LOOPBACK};
	assert_int_equal(ctl_cluster_ask(cluster, 60 * SECOND), CTL_EXIT_OK);
	assert_int_equal(ctl_cluster_present(&cluster->members[0]), 0);
	assert_true(cluster->members[0].cores[0].refused);
	ctl_cluster_destroy(cluster);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_are_put_together),
		cmocka_unit_test(what_was_lost_is_asked_again),
		cmocka_unit_test(another_cluster_does_not_answer),
		cmocka_unit_test(a_closed_port_is_refused_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
