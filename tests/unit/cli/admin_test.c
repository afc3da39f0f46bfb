#include "control/cli/admin.h"

#include "tests/unit/unit.h"

#include <string.h>

static void every_node_of_an_answer_is_found(void **state)
{
	char answer[] = "ok\nnode 1: all links up\nnode 2: link to 1 down link to 3 down \n";
	const char *error = NULL;
	const char *at = ctl_admin_accepted(answer, &error);
	struct ctl_links links;

	(void)state;
	assert_non_null(at);
	at = ctl_admin_next_links(at, &links);
	assert_non_null(at);
	assert_int_equal(links.node, 1);
	assert_true(links.down == 0);
	at = ctl_admin_next_links(at, &links);
	assert_non_null(at);
	assert_int_equal(links.node, 2);
	assert_true(links.down == (qr_nodes_of(1) | qr_nodes_of(3)));
	assert_null(ctl_admin_next_links(at, &links));
}

static void an_error_is_one_line(void **state)
{
	char answer[] = "error: node 9 is not hosted here\nand more\n";
	const char *error = NULL;

	(void)state;
	assert_null(ctl_admin_accepted(answer, &error));
	assert_string_equal(error, "node 9 is not hosted here");
}

static void what_is_no_answer_is_an_error(void **state)
{
	char answer[] = "okay\n";
	const char *error = NULL;

	(void)state;
	assert_null(ctl_admin_accepted(answer, &error));
	assert_string_equal(error, "okay");
}

static void strange_lines_are_skipped(void **state)
{
	char text[2000] = "hello\nnode x: all links up\nnode 64: all links up\n";
	struct ctl_links links = {.node = 7};

	(void)state;
	memset(text + strlen(text), 'n', 1000);
	assert_null(ctl_admin_next_links(text, &links));
	assert_int_equal(links.node, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_node_of_an_answer_is_found),
		cmocka_unit_test(an_error_is_one_line),
		cmocka_unit_test(what_is_no_answer_is_an_error),
		cmocka_unit_test(strange_lines_are_skipped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
