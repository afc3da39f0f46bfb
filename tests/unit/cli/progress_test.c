#include "control/cli/progress.h"

#include "tests/unit/unit.h"

#include <string.h>

static char line[CTL_PROGRESS_LINE_BYTES];

static void a_known_size_gives_a_bar_and_the_time_left(void **state)
{
	struct ctl_progress progress = {
		.verb = "append", .noun = "records", .total_bytes = 4 << 20, .rate = 1 << 20};

	(void)state;
	(void)ctl_progress_format(&progress, 12345, 1 << 20, line, 79);
	assert_non_null(strstr(line, "append  "));
	assert_non_null(strstr(line, "█"));
	assert_non_null(strstr(line, "25 %"));
	assert_non_null(strstr(line, "12,345 records  1.00 MiB  1.00 MiB/s  eta 3s"));
}

static void an_unknown_size_gives_figures_only(void **state)
{
	struct ctl_progress progress = {.verb = "append", .noun = "records", .rate = 1 << 20};

	(void)state;
	(void)ctl_progress_format(&progress, 1, 10, line, 79);
	assert_string_equal(line, "append  1 records  10 B  1.00 MiB/s");
}

static void the_line_keeps_within_its_cells(void **state)
{
	struct ctl_progress progress = {
		.verb = "append", .noun = "records", .total_bytes = UINT64_MAX, .rate = 1e9};

	(void)state;
	for (size_t cells = 1; cells < 200; cells++) {
		size_t bytes =
			ctl_progress_format(&progress, UINT64_MAX, UINT64_MAX / 3, line, cells);

		assert_true(ctl_terminal_cells(line, bytes) <= cells);
	}
}

static void a_file_sees_nothing(void **state)
{
	FILE *file = tmpfile();
	struct ctl_progress progress;

	(void)state;
	assert_non_null(file);
	ctl_progress_init(&progress, file, "append", 100, 1);
	ctl_progress_update(&progress, 1, 50, 2000000000);
	ctl_progress_fini(&progress);
	assert_int_equal(ftell(file), 0);
	assert_int_equal(fclose(file), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_known_size_gives_a_bar_and_the_time_left),
		cmocka_unit_test(an_unknown_size_gives_figures_only),
		cmocka_unit_test(the_line_keeps_within_its_cells),
		cmocka_unit_test(a_file_sees_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
