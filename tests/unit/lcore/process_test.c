/*
 * A process that hosts a whole cluster, with its threads, disks and rings: it recovers, elects,
 * follows what is published to it, and stops in order. DPDK can be started once in a process, so
 * the tests share one and run in their order.
 */
#include "tests/unit/unit.h"

#include "dataplane/lcore/observe.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECOND ((qr_ns)1000000000u)
#define PATIENCE_NS (30 * SECOND)
#define ALL_NODES 0xe

static char directory[] = "/tmp/quorate-test-XXXXXX";
static struct dp_config config;
static struct dp_process *process;
static uint64_t polled;

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
	(void)status;
	(void)type;
	(void)walk;
	return remove(path);
}

static void configure(void)
{
	struct dp_config_problem problem = {""};
	char text[2048];

	(void)snprintf(text, sizeof(text),
		       "[dataplane]\ncores = 2\nlcores = 2\nrun_dir = %s/run\n"
		       "[storage]\ndirect_io = off\nentry_max = 64K\nrecord_max = 64K\n"
		       "stride = 256K\nsegment = 1M\nwindow = 512K\nsegments_ahead = 1\n"
		       "sessions = 64\nwrite_max = 64K\n"
		       "[node 1]\ndata = %s/1\nhost = 127.0.0.1:27100\n"
		       "[node 2]\ndata = %s/2\nhost = 127.0.0.1:27200\n"
		       "[node 3]\ndata = %s/3\nhost = 127.0.0.1:27300\n"
		       "[log events]\npartitions = 2\n",
		       directory, directory, directory, directory);
	dp_config_defaults(&config);
	assert_int_equal(dp_config_parse(&config, text, "test.ini", &problem), QR_OK);
	assert_int_equal(dp_config_finish(&config, &problem), QR_OK);
}

static int make_directory(void **state)
{
	(void)state;
	if (mkdtemp(directory) == NULL)
		return 1;
	configure();
	return 0;
}

static int remove_directory(void **state)
{
	(void)state;
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): the others have ended */
	return nftw(directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static bool count_turns(void *context, qr_ns now_ns)
{
	(void)now_ns;
	(void)__atomic_add_fetch((uint64_t *)context, 1, __ATOMIC_RELAXED);
	return false;
}

/** Wait for a condition, with a bound. */
static bool wait_until(bool (*holds)(void))
{
	qr_ns until = dp_clock_now() + PATIENCE_NS;

	while (!holds()) {
		if (dp_clock_now() > until)
			return false;
		(void)usleep(1000);
	}
	return true;
}

/** The leader of a core's first group that all nodes name; 0: they do not agree. */
static qr_node agreed_leader(uint8_t core)
{
	struct dp_slot_view view;
	qr_node leader = 0;

	for (unsigned number = 0; dp_process_view(process, number, &view); number++) {
		struct wire_status_group group;

		if (view.core != core)
			continue;
		if (!dp_process_view_group(process, number, 0, &group) || group.leader == 0)
			return 0;
		if (leader != 0 && group.leader != leader)
			return 0;
		leader = group.leader;
	}
	return leader;
}

static bool is_led(void)
{
	return agreed_leader(0) != 0 && agreed_leader(1) != 0;
}

static bool is_recovered(void)
{
	return dp_process_is_recovered(process);
}

static void a_process_that_hosts_nobody_is_refused(void **state)
{
	struct dp_process_options options = {.config = &config, .quiet = true};
	struct dp_problem problem = {""};
	struct dp_process *none = NULL;

	(void)state;
	assert_int_equal(dp_process_create(&options, &none, &problem), QR_CONFIG);
	options.nodes = 0x20;
	assert_int_equal(dp_process_create(&options, &none, &problem), QR_CONFIG);
	assert_non_null(strstr(problem.text, "no [node 5]"));
	assert_null(none);
}

static void it_starts_and_recovers(void **state)
{
	struct dp_process_options options = {
		.config = &config, .nodes = ALL_NODES, .fabric_extra = 1, .quiet = true};
	struct dp_problem problem = {""};

	(void)state;
	if (dp_process_create(&options, &process, &problem) != QR_OK)
		fail_msg("%s", problem.text);
	dp_process_add_poller(process, 1, count_turns, &polled);
	if (dp_process_start(process, &problem) != QR_OK)
		fail_msg("%s", problem.text);
	assert_non_null(dp_process_fabric(process));
	assert_int_equal(dp_process_extra_endpoint(process, 0), 4);
	assert_non_null(dp_process_core(process, 5));
	assert_null(dp_process_core(process, 6));
	assert_true(wait_until(is_recovered));
}

static void groups_of_both_cores_elect_a_leader(void **state)
{
	(void)state;
	assert_true(wait_until(is_led));
	assert_true(__atomic_load_n(&polled, __ATOMIC_RELAXED) > 0);
}

static qr_node cut_off;

/** The others follow somebody else. */
static bool is_replaced(void)
{
	struct dp_slot_view view;

	for (unsigned number = 0; dp_process_view(process, number, &view); number++) {
		struct wire_status_group group;

		if (view.core != 0 || view.node == cut_off)
			continue;
		if (!dp_process_view_group(process, number, 0, &group) || group.leader == 0 ||
		    group.leader == cut_off)
			return false;
	}
	return true;
}

static void a_leader_whose_links_are_down_is_replaced(void **state)
{
	qr_nodes others;

	(void)state;
	assert_true(wait_until(is_led));
	cut_off = agreed_leader(0);
	others = ALL_NODES & ~qr_nodes_of(cut_off);
	assert_int_equal(dp_process_set_links(process, 9, 0), QR_NOT_FOUND);
	assert_int_equal(dp_process_set_links(process, cut_off, others), QR_OK);
	assert_int_equal(dp_process_links(process, cut_off), others);
	assert_true(wait_until(is_replaced));
	assert_int_equal(dp_process_set_links(process, cut_off, 0), QR_OK);
	assert_true(wait_until(is_led));
}

static void publishing_often_disturbs_nobody(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(dp_process_set_links(process, 1, i % 2 == 0 ? 4 : 0), QR_OK);
	assert_int_equal(dp_process_set_links(process, 1, 0), QR_OK);
	assert_true(wait_until(is_led));
}

static bool scrub_runs(void)
{
	bool runs;

	(void)dp_process_scrub_of(process, 2, &runs);
	return runs;
}

static bool scrub_has_ended(void)
{
	return !scrub_runs();
}

/* Its state crosses threads twice: the request by RCU, what was seen by sequence locks. */
static void a_scrub_reads_all_cores_of_its_node(void **state)
{
	struct dp_scrub_view view;
	struct dp_slot_view slot;
	unsigned logs = 0;
	uint64_t pass;
	bool joined;
	bool runs;

	(void)state;
	assert_int_equal(dp_process_scrub(process, 9, 0, &joined), QR_NOT_FOUND);
	for (unsigned round = 0; round < 2; round++) {
		pass = dp_process_scrub_of(process, 2, &runs).pass;
		assert_false(runs);
		assert_int_equal(dp_process_scrub(process, 2, 1 << 20, &joined), QR_OK);
		assert_false(joined);
		assert_true(dp_process_scrub_of(process, 2, &runs).pass != pass);
		assert_true(wait_until(scrub_has_ended));
	}
	pass = dp_process_scrub_of(process, 2, &runs).pass;
	for (unsigned number = 0; dp_process_view(process, number, &slot); number++) {
		assert_true(dp_process_view_scrub(process, number, 0, &view));
		assert_false(dp_process_view_scrub(process, number, 1, &view));
		assert_string_equal(view.name, "events");
		assert_int_equal(view.seen.pass, slot.node == 2 ? pass : 0);
		assert_int_equal(view.seen.state, slot.node == 2 ? DP_SCRUB_DONE : DP_SCRUB_WAITS);
		assert_int_equal(view.seen.passed_bytes, view.seen.total_bytes);
		logs += slot.node == 2 && view.seen.verified_bytes > 0;
	}
	assert_int_equal(logs, 2);
}

static void links_and_scrubs_do_not_forget_each_other(void **state)
{
	uint64_t pass;
	bool joined;
	bool runs;

	(void)state;
	assert_int_equal(dp_process_scrub(process, 2, 0, &joined), QR_OK);
	pass = dp_process_scrub_of(process, 2, &runs).pass;
	assert_int_equal(dp_process_set_links(process, 2, qr_nodes_of(1)), QR_OK);
	assert_int_equal(dp_process_scrub_of(process, 2, &runs).pass, pass);
	assert_true(wait_until(scrub_has_ended));
	assert_int_equal(dp_process_scrub(process, 2, 0, &joined), QR_OK);
	assert_int_equal(dp_process_links(process, 2), qr_nodes_of(1));
	assert_int_equal(dp_process_set_links(process, 2, 0), QR_OK);
	assert_true(wait_until(scrub_has_ended));
}

static void ports_are_seen(void **state)
{
	struct dp_port_view view;

	(void)state;
	assert_true(dp_process_view_port(process, 2, 0, &view));
	assert_true(dp_process_view_port(process, 2, 1, &view));
	assert_true(view.is_up);
	assert_true(view.stats.rx_frames > 0);
	assert_false(dp_process_view_port(process, 2, 2, &view));
	assert_false(dp_process_view_port(process, 9, 0, &view));
}

static void it_stops_in_order(void **state)
{
	(void)state;
	dp_process_request_stop(process);
	assert_int_equal(dp_process_join(process, 5 * SECOND), QR_OK);
	dp_process_destroy(process);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_process_that_hosts_nobody_is_refused),
		cmocka_unit_test(it_starts_and_recovers),
		cmocka_unit_test(groups_of_both_cores_elect_a_leader),
		cmocka_unit_test(a_leader_whose_links_are_down_is_replaced),
		cmocka_unit_test(publishing_often_disturbs_nobody),
		cmocka_unit_test(a_scrub_reads_all_cores_of_its_node),
		cmocka_unit_test(links_and_scrubs_do_not_forget_each_other),
		cmocka_unit_test(ports_are_seen),
		cmocka_unit_test(it_stops_in_order),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
