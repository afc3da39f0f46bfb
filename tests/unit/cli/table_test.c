#include "control/cli/table.h"

#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

static const struct ctl_column columns[] = {
	{"NAME", CTL_ALIGN_LEFT, 0},
	{"COUNT", CTL_ALIGN_RIGHT, 0},
	{"EXTRA", CTL_ALIGN_RIGHT, 1},
	{"LAST", CTL_ALIGN_LEFT, 2},
};

/* What the table looks like within `cells`, to free. */
static char *print(const struct ctl_table *table, unsigned cells)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	assert_non_null(stream);
	ctl_table_print(table, stream, cells);
	assert_int_equal(fclose(stream), 0);
	return text;
}

static struct ctl_table *two_rows(void)
{
	struct ctl_table *table = ctl_table_create(columns, 4);
	static const char *const cells[] = {"a", "1", "x", "end", "größer", "12345", "yy", ""};

	for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]); i++)
		ctl_table_cell(table, CTL_STYLE_GOOD, "%s", cells[i]);
	return table;
}

static void expect(const struct ctl_table *table, unsigned cells, const char *expected)
{
	char *text = print(table, cells);

	assert_string_equal(text, expected);
	free(text);
}

static void numbers_stand_to_the_right_and_accents_count_as_one(void **state)
{
	struct ctl_table *table = two_rows();

	(void)state;
	assert_int_equal(ctl_table_rows(table), 2);
	expect(table, 0,
	       "NAME    COUNT  EXTRA  LAST\n"
	       "a           1      x  end\n"
	       "größer  12345     yy  \n");
	ctl_table_destroy(table);
}

static void the_most_optional_column_goes_first(void **state)
{
	struct ctl_table *table = two_rows();

	(void)state;
	expect(table, 25,
	       "NAME    COUNT  EXTRA\n"
	       "a           1      x\n"
	       "größer  12345     yy\n");
	expect(table, 19,
	       "NAME    COUNT\n"
	       "a           1\n"
	       "größer  12345\n");
	ctl_table_destroy(table);
}

static void the_widest_text_is_cut_when_nothing_else_is_left(void **state)
{
	struct ctl_table *table = two_rows();

	(void)state;
	expect(table, 11,
	       "NAME  COUNT\n"
	       "a         1\n"
	       "grö…  12345\n");
	ctl_table_destroy(table);
}

static void a_table_without_rows_has_its_titles(void **state)
{
	struct ctl_table *table = ctl_table_create(columns, 2);

	(void)state;
	expect(table, 0, "NAME  COUNT\n");
	ctl_table_destroy(table);
	ctl_table_destroy(NULL);
}

static void cells_are_counted_not_bytes(void **state)
{
	(void)state;
	assert_int_equal(ctl_terminal_cells("abc", 3), 3);
	assert_int_equal(ctl_terminal_cells("µs", strlen("µs")), 2);
	assert_int_equal(ctl_terminal_cells("日本", strlen("日本")), 4);
	assert_int_equal(ctl_terminal_cells("e\u0301", strlen("e\u0301")), 1);
	assert_int_equal(ctl_terminal_cells("\xff\xc3", 2), 2);
	assert_int_equal(ctl_terminal_fit("日本", 3), 3);
	assert_int_equal(ctl_terminal_fit("abc", 10), 3);
}

static void a_file_gets_no_colours(void **state)
{
	FILE *file = tmpfile();

	(void)state;
	assert_non_null(file);
	assert_string_equal(ctl_terminal_style(file, CTL_STYLE_BAD), "");
	assert_int_equal(ctl_terminal_columns(file), 0);
	assert_int_equal(fclose(file), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_stand_to_the_right_and_accents_count_as_one),
		cmocka_unit_test(the_most_optional_column_goes_first),
		cmocka_unit_test(the_widest_text_is_cut_when_nothing_else_is_left),
		cmocka_unit_test(a_table_without_rows_has_its_titles),
		cmocka_unit_test(cells_are_counted_not_bytes),
		cmocka_unit_test(a_file_gets_no_colours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
