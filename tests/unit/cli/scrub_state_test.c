/* What nodes answer of a pass of their scrub. */
#include "control/cli/scrub_state.h"

#include "tests/unit/unit.h"

#include <string.h>

static const char answer[] =
	"node 2 pass 81472 running rate 65536\n"
	"group 1 events/0 state done reason OK verified 8192 passed 12288 total 12288 damaged 3 "
	"repaired 1 lost 2 unheard 1 at 17 20 at 40 41\n"
	"group 7 others/3 state left-out reason CORRUPT verified 0 passed 0 total 4096 damaged 0 "
	"repaired 0 lost 0 unheard 0\n"
	"next 17\n";

static void all_of_an_answer_is_taken(void **state)
{
	struct ctl_scrub_node node = {.node = 2};
	struct ctl_scrub_sum sum = {0};

	(void)state;
	assert_true(ctl_scrub_node_parse(&node, answer));
	assert_int_equal(node.pass, 81472);
	assert_int_equal(node.rate, 65536);
	assert_true(node.runs && !node.joined);
	assert_int_equal(node.next, 17);
	assert_int_equal(node.log_count, 2);
	assert_string_equal(node.logs[0].name, "events/0");
	assert_int_equal(node.logs[0].verified_bytes, 8192);
	assert_int_equal(node.logs[0].listed, 2);
	assert_int_equal(node.logs[0].first_lost[1].index, 40);
	assert_int_equal(node.logs[0].first_lost[1].next, 41);
	assert_true(node.logs[0].unheard);
	assert_string_equal(node.logs[1].reason, "CORRUPT");
	ctl_scrub_add(&node, &sum);
	assert_int_equal(sum.total_bytes, 16384);
	assert_int_equal(sum.lost, 2);
	assert_int_equal(sum.left_out, 1);
	ctl_scrub_node_clear(&node);
}

static void the_next_page_is_added(void **state)
{
	struct ctl_scrub_node node = {.node = 2};

	(void)state;
	assert_true(ctl_scrub_node_parse(&node, answer));
	assert_true(ctl_scrub_node_parse(&node, "node 2 pass 81472 ended rate 65536\n"
						"group 9 more/0 state waits reason OK verified 0 "
						"passed 0 total 0 damaged 0 repaired 0 lost 0 "
						"unheard 0\njoined\n"));
	assert_int_equal(node.log_count, 3);
	assert_int_equal(node.next, 0);
	assert_true(!node.runs && node.joined);
	ctl_scrub_node_clear(&node);
}

static void what_is_no_answer_changes_nothing(void **state)
{
	struct ctl_scrub_node node = {.node = 2, .pass = 5};

	(void)state;
	assert_false(ctl_scrub_node_parse(&node, ""));
	assert_false(ctl_scrub_node_parse(&node, "node 3 pass 6 running rate 0\n"));
	assert_false(ctl_scrub_node_parse(&node, "node 2 pass x running rate 0\n"));
	assert_int_equal(node.pass, 5);
	assert_int_equal(node.log_count, 0);
}

static void strange_lines_are_passed_over(void **state)
{
	struct ctl_scrub_node node = {.node = 2};
	char text[5000] = "node 2 pass 1 ended rate 0\ngroup 1 half state done\nhello\n";

	(void)state;
	memset(text + strlen(text), 'g', 3000);
	assert_true(ctl_scrub_node_parse(&node, text));
	assert_int_equal(node.log_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_of_an_answer_is_taken),
		cmocka_unit_test(the_next_page_is_added),
		cmocka_unit_test(what_is_no_answer_changes_nothing),
		cmocka_unit_test(strange_lines_are_passed_over),
	};

	return cmocka_run_group_tests_name("cli/scrub_state", tests, NULL, NULL);
}
