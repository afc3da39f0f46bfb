/* The command line: what it overrides, and which nodes it hosts. */
#include "tests/unit/unit.h"

#include "dataplane/admin/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARGUMENTS_MAX 16

static char path[] = "/tmp/quorate-options-XXXXXX";
static struct dp_options options;
static struct dp_config config;
static struct dp_config_problem problem;

static void write_file(const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static int make_file(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd < 0 || close(fd) != 0;
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

static enum qr_error load(const char *const *flags)
{
	char *arguments[ARGUMENTS_MAX] = {"quorated", "--config", path};
	int count = 3;

	for (; *flags != NULL; flags++)
		memcpy(&arguments[count++], flags, sizeof(*flags));
	dp_options_parse(count, arguments, &options);
	return dp_options_load(&options, &config, &problem);
}

#define LOAD(...) load((const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

/* NOLINTBEGIN(concurrency-mt-unsafe): one thread */

static void a_flag_wins_over_the_environment_and_that_over_the_file(void **state)
{
	(void)state;
	write_file("[storage]\nwrite_depth = 1\nsessions = 100\nsegments_ahead = 1\n"
		   "[node 1]\ndata = /file\n[log a]\n");
	assert_int_equal(setenv("QUORATE_STORAGE_WRITE_DEPTH", "2", 1), 0);
	assert_int_equal(setenv("QUORATE_STORAGE_SESSIONS", "200", 1), 0);
	assert_int_equal(LOAD("--set", "storage.write_depth=3", "--direct-io=off"), QR_OK);
	assert_int_equal(config.write_depth, 3);
	assert_int_equal(config.sessions_max, 200);
	assert_int_equal(config.segments_ahead, 1);
	assert_false(config.direct_io);
	assert_int_equal(unsetenv("QUORATE_STORAGE_WRITE_DEPTH"), 0);
	assert_int_equal(unsetenv("QUORATE_STORAGE_SESSIONS"), 0);
}

/* NOLINTEND(concurrency-mt-unsafe) */

static void data_belongs_to_the_one_node(void **state)
{
	(void)state;
	write_file("[node 1]\ndata = /1\n[node 2]\ndata = /2\n[log a]\n");
	assert_int_equal(LOAD("--node", "2", "--data", "/other"), QR_OK);
	assert_string_equal(dp_config_node(&config, 2)->data, "/other");
	assert_string_equal(dp_config_node(&config, 1)->data, "/1");
	assert_int_equal(options.nodes, 4);
}

static void without_a_node_dev_hosts_all_and_others_ask(void **state)
{
	(void)state;
	write_file("[node 1]\ndata = /1\ndevice = e1\naddress = 10.0.0.1/8\n"
		   "[node 2]\ndata = /2\ndevice = e2\naddress = 10.0.0.2/8\n[log a]\n");
	assert_int_equal(LOAD(), QR_OK);
	assert_int_equal(options.nodes, 6);
	assert_int_equal(LOAD("--profile", "lab"), QR_CONFIG);
	assert_non_null(strstr(problem.text, "--node N"));
	assert_int_equal(LOAD("--profile", "lab", "-n", "1"), QR_OK);
	assert_int_equal(options.nodes, 2);
}

static void a_bad_setting_is_named(void **state)
{
	(void)state;
	write_file("[node 1]\ndata = /1\n[log a]\n");
	assert_int_equal(LOAD("--set", "storage.segmnt=1M"), QR_CONFIG);
	assert_non_null(strstr(problem.text, "did you mean 'segment'?"));
	assert_int_equal(LOAD("--direct-io=maybe"), QR_CONFIG);
	assert_non_null(strstr(problem.text, "neither on nor off"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flag_wins_over_the_environment_and_that_over_the_file),
		cmocka_unit_test(data_belongs_to_the_one_node),
		cmocka_unit_test(without_a_node_dev_hosts_all_and_others_ask),
		cmocka_unit_test(a_bad_setting_is_named),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
