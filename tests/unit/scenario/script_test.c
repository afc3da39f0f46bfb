/* The language of datadriven files, as etcd-replay reads it. */
#include "tests/scenario/replay/script.h"
#include "tests/unit/unit.h"

#include <string.h>

static struct script script;

static const struct script_directive *parse(const char *text)
{
	script_parse(&script, text, strlen(text));
	return script.directives;
}

static int forget(void **state)
{
	(void)state;
	script_free(&script);
	return 0;
}

static void a_directive_has_a_line_input_and_output(void **state)
{
	const struct script_directive *directive = parse("# what for\n"
							 "\n"
							 "  cook rice minutes=12 \n"
							 "\n"
							 "  salt\n"
							 "\n"
							 "pepper\n"
							 "----\n"
							 "done\n"
							 "twice\n"
							 "\n"
							 "serve\n"
							 "----\n");

	(void)state;
	assert_int_equal(script.count, 2);
	assert_int_equal(directive->line, 3);
	assert_null(directive->trouble);
	assert_string_equal(directive->text, "cook rice minutes=12");
	assert_string_equal(directive->command, "cook");
	assert_string_equal(directive->input, "salt\n\npepper");
	assert_string_equal(directive->expected, "done\ntwice\n");
	assert_int_equal(directive[1].line, 12);
	assert_string_equal(directive[1].input, "");
	assert_string_equal(directive[1].expected, "");
}

static void arguments_are_flags_values_and_lists(void **state)
{
	const struct script_directive *directive =
		parse("cmd flag\tone=1 none= many=(a, b c,(d, (e)),) last=(x)\n----\n");
	const struct script_argument *many;

	(void)state;
	assert_null(directive->trouble);
	assert_int_equal(directive->argument_count, 5);
	assert_string_equal(directive->arguments[0].key, "flag");
	assert_int_equal(directive->arguments[0].value_count, 0);
	assert_int_equal(script_argument(directive, "one")->value_count, 1);
	assert_string_equal(script_argument(directive, "one")->values[0], "1");
	assert_int_equal(script_argument(directive, "none")->value_count, 1);
	assert_string_equal(script_argument(directive, "none")->values[0], "");
	many = script_argument(directive, "many");
	assert_int_equal(many->value_count, 4);
	assert_string_equal(many->values[0], "a");
	assert_string_equal(many->values[1], "b c");
	assert_string_equal(many->values[2], "(d, (e))");
	assert_string_equal(many->values[3], "");
	assert_string_equal(script_argument(directive, "last")->values[0], "x");
	assert_null(script_argument(directive, "lost"));
}

static void the_first_argument_of_a_key_counts(void **state)
{
	const struct script_directive *directive = parse("cmd a=1 a=2\n----\n");

	(void)state;
	assert_int_equal(directive->argument_count, 2);
	assert_string_equal(script_argument(directive, "a")->values[0], "1");
}

static void a_line_may_be_wrapped(void **state)
{
	const struct script_directive *directive =
		parse("cmd \\\n   a=1 \\\n   b\ninput\n----\nout\n");

	(void)state;
	assert_int_equal(script.count, 1);
	assert_int_equal(directive->line, 1);
	assert_int_equal(directive->argument_count, 2);
	assert_string_equal(directive->arguments[1].key, "b");
	assert_string_equal(directive->input, "input");
	assert_string_equal(directive->expected, "out\n");
}

static void a_double_separator_lets_output_have_empty_lines(void **state)
{
	const struct script_directive *directive = parse("cmd\n"
							 "----\n"
							 "----\n"
							 "one\n"
							 "\n"
							 "----\n"
							 "two\n"
							 "----\n"
							 "----\n"
							 "\n"
							 "next\n"
							 "----\n"
							 "out\n");

	(void)state;
	assert_int_equal(script.count, 2);
	assert_null(directive->trouble);
	assert_string_equal(directive->expected, "one\n\n----\ntwo\n");
	assert_string_equal(directive[1].command, "next");
	assert_string_equal(directive[1].expected, "out\n");
}

static void the_end_of_the_file_ends_everything(void **state)
{
	(void)state;
	assert_string_equal(parse("cmd\n----\nno newline")->expected, "no newline\n");
	script_free(&script);
	assert_string_equal(parse("cmd\ninput only")->input, "input only");
	script_free(&script);
	assert_string_equal(parse("cmd\n----")->expected, "");
	script_free(&script);
	assert_string_equal(parse("cmd a \\")->command, "cmd");
	script_free(&script);
	parse("");
	assert_int_equal(script.count, 0);
}

static void what_is_malformed_says_so_and_the_next_is_read(void **state)
{
	const struct script_directive *directive = parse("cmd a=(1,2\n"
							 "----\n"
							 "out\n"
							 "\n"
							 "cmd =1\n"
							 "----\n"
							 "\n"
							 "cmd\n"
							 "----\n"
							 "----\n"
							 "out\n"
							 "----\n"
							 "----\n"
							 "too close\n"
							 "\n"
							 "good\n"
							 "----\n"
							 "\n"
							 "cmd\n"
							 "----\n"
							 "----\n"
							 "never ends\n");

	(void)state;
	assert_int_equal(script.count, 5);
	assert_non_null(directive[0].trouble);
	assert_non_null(directive[1].trouble);
	assert_non_null(directive[2].trouble);
	assert_null(directive[3].trouble);
	assert_string_equal(directive[3].command, "good");
	assert_non_null(directive[4].trouble);
	assert_string_equal(directive[4].expected, "never ends\n");
}

static void subtests_bracket_directives(void **state)
{
	const struct script_directive *directive =
		parse("subtest one\ncmd\n----\nout\n\nsubtest end\ncmd\n----\n");

	(void)state;
	assert_int_equal(script.count, 4);
	assert_string_equal(directive[0].command, "subtest");
	assert_string_equal(directive[1].expected, "out\n");
	assert_string_equal(directive[2].arguments[0].key, "end");
	assert_string_equal(directive[3].command, "cmd");
}

static void any_bytes_are_a_script(void **state)
{
	static const char bytes[] = "c\0md\r\n--\xff\n----\r\n\0out\r\n\r\nnext\r";

	(void)state;
	script_parse(&script, bytes, sizeof(bytes) - 1);
	assert_int_equal(script.count, 2);
	assert_string_equal(script.directives[0].command, "c?md");
	assert_string_equal(script.directives[0].input, "--\xff");
	assert_string_equal(script.directives[0].expected, "?out\n");
	assert_string_equal(script.directives[1].command, "next");
}

static void a_number_is_digits_that_fit(void **state)
{
	uint64_t number = 7;

	(void)state;
	assert_true(script_number("18446744073709551615", &number));
	assert_true(number == UINT64_MAX);
	assert_true(script_number("007", &number));
	assert_int_equal(number, 7);
	assert_false(script_number("18446744073709551616", &number));
	assert_false(script_number("", &number));
	assert_false(script_number("-1", &number));
	assert_false(script_number("1 ", &number));
	assert_int_equal(number, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_directive_has_a_line_input_and_output, forget),
		cmocka_unit_test_teardown(arguments_are_flags_values_and_lists, forget),
		cmocka_unit_test_teardown(the_first_argument_of_a_key_counts, forget),
		cmocka_unit_test_teardown(a_line_may_be_wrapped, forget),
		cmocka_unit_test_teardown(a_double_separator_lets_output_have_empty_lines, forget),
		cmocka_unit_test_teardown(the_end_of_the_file_ends_everything, forget),
		cmocka_unit_test_teardown(what_is_malformed_says_so_and_the_next_is_read, forget),
		cmocka_unit_test_teardown(subtests_bracket_directives, forget),
		cmocka_unit_test_teardown(any_bytes_are_a_script, forget),
		cmocka_unit_test(a_number_is_digits_that_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
