/* The configuration: what a file may say, what it means, and what a person is told otherwise. */
#include "tests/unit/unit.h"

#include "dataplane/config/config.h"
#include "dataplane/config/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NODES "[node 1]\ndata = /d/1\n[node 2]\ndata = /d/2\n[node 3]\ndata = /d/3\n"
#define WHOLE NODES "[log events]\n"
#define LAB                                                                                        \
	"[cluster]\nprofile = lab\n[node 1]\ndata = /d\ndevice = eth0\naddress = 10.0.0.1/24\n"    \
	"[log events]\n"

static struct dp_config config;
static struct dp_config_problem problem;

static enum qr_error parse(const char *text)
{
	dp_config_defaults(&config);
	problem.text[0] = '\0';
	return dp_config_parse(&config, text, "t.ini", &problem);
}

static enum qr_error finish(const char *text)
{
	enum qr_error error = parse(text);

	return error == QR_OK ? dp_config_finish(&config, &problem) : error;
}

static void assert_says(const char *text, const char *message)
{
	assert_int_equal(finish(text), QR_CONFIG);
	if (strstr(problem.text, message) == NULL)
		fail_msg("'%s' does not contain '%s'", problem.text, message);
}

static void the_smallest_file_is_a_cluster_of_three(void **state)
{
	(void)state;
	assert_int_equal(finish(WHOLE), QR_OK);
	assert_int_equal(config.node_count, 3);
	assert_string_equal(config.cluster, "quorate");
	assert_int_equal(config.profile, DP_PROFILE_DEV);
	assert_int_equal(config.election_timeout_ms, 150);
	assert_int_equal(config.heartbeat_ms, 30);
	assert_int_equal(config.segment_bytes, 64 << 20);
	assert_int_equal(config.window_bytes, 16 << 20);
	assert_int_equal(config.sessions_max, 4096);
	assert_true(config.direct_io);
	assert_int_equal(config.nodes[1].host_ipv4, 0x7f000001);
	assert_int_equal(config.nodes[1].host_port, 7200);
	assert_int_equal(config.nodes[1].priority, 50);
	assert_int_equal(config.logs[0].replicas, 0xe);
	assert_int_equal(config.logs[0].first_group, 1);
}

static void profiles_decide_what_the_file_leaves_open(void **state)
{
	(void)state;
	assert_int_equal(finish(LAB), QR_OK);
	assert_int_equal(config.link, DP_LINK_AF_PACKET);
	assert_int_equal(config.idle, DP_IDLE_ADAPTIVE);
	assert_int_equal(config.election_timeout_ms, 50);
	assert_int_equal(dp_config_link(&config, 2), DP_LINK_AF_PACKET);
	assert_int_equal(finish("[cluster]\nprofile = bare-metal\n[node 1]\ndata = /d\n"
				"device = 0000:01:00.0\naddress = 10.0.0.1/24\n[log a]\n"),
			 QR_OK);
	assert_int_equal(config.idle, DP_IDLE_POLL);
	assert_int_equal(config.link, DP_LINK_PCI);
	assert_int_equal(config.election_timeout_ms, 10);
	assert_int_equal(config.heartbeat_ms, 2);
	assert_string_equal(config.nodes[0].device, "0000:01:00.0");
}

static void rings_are_for_a_process_that_hosts_all_nodes(void **state)
{
	(void)state;
	assert_int_equal(finish(WHOLE), QR_OK);
	assert_int_equal(dp_config_link(&config, 0xe), DP_LINK_RING);
	assert_int_equal(dp_config_link(&config, 0x6), DP_LINK_MEMIF);
	assert_int_equal(finish("[dataplane]\nlink = memif\n" WHOLE), QR_OK);
	assert_int_equal(dp_config_link(&config, 0xe), DP_LINK_MEMIF);
}

static void groups_are_numbered_in_the_order_of_the_file(void **state)
{
	(void)state;
	assert_int_equal(finish(NODES "[log b]\npartitions = 3\n[log a]\nreplicas = 1,3\n"), QR_OK);
	assert_int_equal(config.logs[0].first_group, 1);
	assert_int_equal(config.logs[1].first_group, 4);
	assert_int_equal(config.logs[1].replicas, 0xa);
}

static void lines_may_be_indented_and_commented(void **state)
{
	(void)state;
	assert_int_equal(finish("; c\n# c\n  [storage] ; c\n\twrite_depth = 8 # c\n"
				"  sessions = 64 ; c\r\n" WHOLE),
			 QR_OK);
	assert_int_equal(config.write_depth, 8);
	assert_int_equal(config.sessions_max, 64);
}

static void an_unknown_key_names_its_line_and_the_nearest_one(void **state)
{
	(void)state;
	assert_says("[storage]\n\nsegmnt = 64M\n", "t.ini:3: unknown key 'segmnt': did you mean "
						   "'segment'?");
	assert_says("[storage]\nzzzzzzzz = 1\n", "t.ini:2: unknown key 'zzzzzzzz' in [storage]");
	assert_says("[strage]\n", "t.ini:1: unknown section [strage]: did you mean [storage]?");
	assert_says("[nothing]\n", "there are [cluster]");
}

static void what_a_line_cannot_mean_names_the_line(void **state)
{
	(void)state;
	assert_says("name = x\n", "t.ini:1: 'name' stands in front of the first section");
	assert_says("[cluster]\nname\n", "t.ini:2: neither");
	assert_says("[cluster\n", "t.ini:1: neither");
	assert_says("[cluster]\nname = a\nname = b\n", "t.ini:3: name is given a second time");
	assert_says("[cluster]\nnme\nnaame = 3\n", "t.ini:2: neither");
	assert_says("[node 0]\n", "from 1 to 63");
	assert_says("[node 64]\n", "from 1 to 63");
	assert_says("[node]\n", "from 1 to 63");
	assert_says("[node x]\n", "from 1 to 63");
	assert_says("[log .x]\n", "is not a name");
	assert_says("[log]\n", "is not a name");
}

static void a_long_line_is_refused_not_cut(void **state)
{
	char text[512];

	(void)state;
	(void)snprintf(text, sizeof(text), "[node 1]\ndata = /%0400d\n", 1);
	assert_says(text, "t.ini:2: the line is longer than");
	(void)snprintf(text, sizeof(text), "[log %063d]\n" NODES, 1);
	assert_int_equal(finish(text), QR_OK);
	assert_int_equal(strlen(config.logs[0].name), 63);
	(void)snprintf(text, sizeof(text), "[log %0100d]\n" NODES, 1);
	assert_says(text, "longer than");
}

struct bad_value {
	const char *text;
	const char *says;
};

static void a_bad_value_says_what_is_allowed(void **state)
{
	static const struct bad_value bad[] = {
		{"[cluster]\nname = a b\n", "is not a name"},
		{"[cluster]\nprofile = prod\n", "use one of dev, lab, bare-metal"},
		{"[dataplane]\nidle = spin\n", "use one of adaptive, poll"},
		{"[dataplane]\ncores = 0\n", "is not a whole number from 1 to 16"},
		{"[dataplane]\ncores = 17\n", "is not a whole number from 1 to 16"},
		{"[dataplane]\ncores = -1\n", "is not a whole number from 1 to 16"},
		{"[dataplane]\ncores = two\n", "is not a whole number from 1 to 16"},
		{"[dataplane]\ncores =\n", "is not a whole number from 1 to 16"},
		{"[dataplane]\nlcore_list = 2,\n", "is not a list of CPU numbers"},
		{"[dataplane]\nlcore_list = 5-2\n", "is not a list of CPU numbers"},
		{"[dataplane]\nrun_dir =\n", "must not be empty"},
		{"[storage]\ndirect_io = yes\n", "is neither on nor off"},
		{"[storage]\nsegment = 63\n", "is not a size from 1M to 4G"},
		{"[storage]\nsegment = 64X\n", "is not a size from 1M to 4G"},
		{"[storage]\nsegment = 99999999999999999999G\n", "is not a size from 1M to 4G"},
		{"[storage]\nstride = 1048577\n", "is not a multiple of 4K"},
		{"[node 1]\ndata =\n", "must not be empty"},
		{"[node 1]\ndata =;x\n", "use another name"},
		{"[node 1]\ndevice = a b\n", "use another name"},
		{"[node 1]\nhost = 0.0.0.0:80\n", "such as 127.0.0.1:7100"},
		{"[node 1]\nhost = localhost:1\n", "such as 127.0.0.1:7100"},
		{"[node 1]\nhost = 127.0.0.1\n", "such as 127.0.0.1:7100"},
		{"[node 1]\nhost = 127.0.0.256:80\n", "such as 127.0.0.1:7100"},
		{"[node 1]\nhost = 127.0.0.1:65001\n", "such as 127.0.0.1:7100"},
		{"[node 1]\naddress = 10.0.0.1/33\n", "such as 10.0.0.1/24"},
		{"[node 1]\ngateway = 10.0.0\n", "is not an IPv4 address"},
		{"[node 1]\nvlan = 4095\n", "from 0 to 4094"},
		{"[log a]\nreplicas = 1,1\n", "list of different node numbers"},
		{"[log a]\nreplicas = 1,64\n", "list of different node numbers"},
		{"[log a]\nreplicas = 1;2\n", ""},
		{"[log a]\nreplicas = 1x\n", "where a comma is due"},
		{"[log a]\ndurability = none\n", "use one of quorum, memory"},
		{"[log a]\nretention_bytes = -1\n", "is not a size from 0 to 1024T"},
		{"[log a]\nretention_bytes = 1025T\n", "is not a size from 0 to 1024T"},
		{"[log a]\nretention_age = 7\n", "such as 7d or 12h"},
		{"[log a]\nretention_age = d\n", "such as 7d or 12h"},
		{"[log a]\nretention_age = 7w\n", "such as 7d or 12h"},
		{"[log a]\nretention_age = 7dd\n", "such as 7d or 12h"},
		{"[log a]\nretention_age = 1.5h\n", "such as 7d or 12h"},
		{"[log a]\nretention_age = 36501d\n", "is not a duration up to 36500d"},
		{"[log a]\nretention_age = 99999999999999999999s\n", "up to 36500d"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_says(bad[i].text, bad[i].says);
}

static void keys_must_agree_with_each_other(void **state)
{
	static const struct bad_value bad[] = {
		{"[log a]\n", "there is no node"},
		{NODES, "there is no log"},
		{"[node 1]\n[log a]\n", "[node 1] needs data"},
		{"[node 1]\ndata = /d\n[node 2]\ndata = /d/\n[log a]\n", "one data directory"},
		{"[dataplane]\ncores = 4\n[node 1]\ndata = /1\nhost = 127.0.0.1:80\n[node 2]\n"
		 "data = /2\nhost = 127.0.0.1:83\n[log a]\n",
		 "overlap"},
		{WHOLE "replicas = 1,2,4\n", "names node 4"},
		{"[storage]\nwindow = 12M\n" WHOLE, "not a whole number of strides"},
		{"[storage]\nwindow = 8M\n" WHOLE, "two at least"},
		{"[storage]\nsegment = 12M\n" WHOLE, "not a whole number of strides"},
		{"[storage]\nstride = 2M\nwindow = 16M\n" WHOLE, "is too small"},
		{"[dataplane]\nheartbeat_ms = 60\n" WHOLE, "more than a third"},
		{"[dataplane]\nelection_timeout_ms = 4\n" WHOLE, "no less than 5"},
		{"[dataplane]\nlink = pci\n" WHOLE, "does not belong to the profile"},
		{"[dataplane]\ndatagram_max = 100\n" WHOLE, "too small"},
		{"[cluster]\nprofile = lab\n" WHOLE, "needs device and address"},
		{LAB "[node 1]\ngateway = 10.1.0.1\n", "outside the network"},
		{WHOLE "durability = memory\nretention_bytes = 1G\n",
		 "[log events] retention_bytes does not go with durability = memory"},
		{WHOLE "durability = memory\nretention_age = 1d\n",
		 "[log events] retention_age does not go with durability = memory"},
		{WHOLE "retention_bytes = 127M\n",
		 "[log events] retention_bytes = 127M is too small: with segment = 64M and "
		 "snapshot "
		 "= 128M a log gives up 128M at a time; use 128M or more, or 0"},
		{"[storage]\nsegment = 96M\n" WHOLE "retention_bytes = 128M\n", "use 192M or more"},
		{"[dataplane]\nrun_dir = "
		 "/0123456789012345678901234567890123456789012345678901234567"
		 "8901234567890123456789\n" WHOLE,
		 "longer than 64 bytes"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_says(bad[i].text, bad[i].says);
}

static void a_log_keeps_everything_unless_told_otherwise(void **state)
{
	(void)state;
	assert_int_equal(finish(WHOLE), QR_OK);
	assert_int_equal(config.logs[0].retention_bytes, 0);
	assert_int_equal(config.logs[0].retention_ns, 0);
	assert_int_equal(finish(WHOLE "retention_bytes = 128M\nretention_age = 90m\n"
				      "[log b]\nretention_bytes = 2T\n[log c]\nretention_age = 7d\n"
				      "[log d]\ndurability = memory\nretention_age = 0\n"),
			 QR_OK);
	assert_int_equal(config.logs[0].retention_bytes, 128 << 20);
	assert_int_equal(config.logs[0].retention_ns, (uint64_t)5400 * 1000000000);
	assert_int_equal(config.logs[1].retention_bytes, (uint64_t)2 << 40);
	assert_int_equal(config.logs[1].retention_ns, 0);
	assert_int_equal(config.logs[2].retention_ns, (uint64_t)7 * 86400 * 1000000000);
	assert_int_equal(dp_config_set(&config, "log.b.retention_age", "36500d", &problem), QR_OK);
	assert_int_equal(dp_config_set(&config, "log.b.retention_bytes", "0", &problem), QR_OK);
	assert_int_equal(config.logs[1].retention_bytes, 0);
}

static void a_log_has_seven_replicas_at_most(void **state)
{
	char text[1024] = "[log a]\n";

	(void)state;
	for (int i = 1; i <= 8; i++) {
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text),
			       "[node %d]\ndata = /%d\n", i, i);
	}
	assert_says(text, "at most 7");
	assert_int_equal(dp_config_set(&config, "log.a.replicas", "1,2,3", &problem), QR_OK);
	assert_int_equal(dp_config_finish(&config, &problem), QR_OK);
}

static void one_setting_has_a_name_with_dots(void **state)
{
	(void)state;
	assert_int_equal(parse(WHOLE "[log a.b]\n"), QR_OK);
	assert_int_equal(dp_config_set(&config, "storage.segment", "32M", &problem), QR_OK);
	assert_int_equal(dp_config_set(&config, "node.2.data", "/x", &problem), QR_OK);
	assert_int_equal(dp_config_set(&config, "log.a.b.partitions", "5", &problem), QR_OK);
	assert_int_equal(config.segment_bytes, 32 << 20);
	assert_string_equal(config.nodes[1].data, "/x");
	assert_int_equal(config.logs[1].partitions, 5);
	assert_int_equal(dp_config_set(&config, "segment", "1", &problem), QR_CONFIG);
	assert_non_null(strstr(problem.text, "not of the form section.key"));
	assert_int_equal(dp_config_set(&config, "storage.segmen", "1", &problem), QR_CONFIG);
	assert_non_null(strstr(problem.text, "storage.segmen: unknown key"));
}

/* NOLINTBEGIN(concurrency-mt-unsafe): one thread */

static void the_environment_names_a_section_and_a_key(void **state)
{
	(void)state;
	assert_int_equal(parse(WHOLE "[log my-log]\n[log my]\n"), QR_OK);
	assert_int_equal(setenv("QUORATE_STORAGE_WRITE_DEPTH", "9", 1), 0);
	assert_int_equal(setenv("QUORATE_NODE_3_DATA", "/env", 1), 0);
	assert_int_equal(setenv("QUORATE_LOG_MY_LOG_PARTITIONS", "6", 1), 0);
	assert_int_equal(setenv("QUORATE_BUILD", "ignored", 1), 0);
	assert_int_equal(dp_config_environment(&config, &problem), QR_OK);
	assert_int_equal(config.write_depth, 9);
	assert_string_equal(config.nodes[2].data, "/env");
	assert_int_equal(config.logs[1].partitions, 6);
	assert_int_equal(setenv("QUORATE_STORAGE_WRITE_DEPHT", "9", 1), 0);
	assert_int_equal(dp_config_environment(&config, &problem), QR_CONFIG);
	assert_non_null(strstr(problem.text, "environment"));
	assert_non_null(strstr(problem.text, "did you mean 'write_depth'?"));
	assert_int_equal(unsetenv("QUORATE_STORAGE_WRITE_DEPHT"), 0);
	assert_int_equal(unsetenv("QUORATE_STORAGE_WRITE_DEPTH"), 0);
	assert_int_equal(unsetenv("QUORATE_NODE_3_DATA"), 0);
	assert_int_equal(unsetenv("QUORATE_LOG_MY_LOG_PARTITIONS"), 0);
}

/* NOLINTEND(concurrency-mt-unsafe) */

static void what_is_printed_says_the_same(void **state)
{
	static char first[65536];
	static char second[65536];

	(void)state;
	assert_int_equal(finish("[dataplane]\nlcore_list = 0,2-3\n[storage]\nrecord_max = 65535\n"
				"direct_io = off\n" WHOLE "durability = memory\n"
				"[log a]\nretention_bytes = 1536M\nretention_age = 36h\n"),
			 QR_OK);
	assert_true(dp_config_print(&config, first, sizeof(first)) < sizeof(first));
	assert_non_null(strstr(first, "record_max = 65535\n"));
	assert_non_null(strstr(first, "segment = 64M\n"));
	assert_non_null(strstr(first, "replicas = 1,2,3\n"));
	assert_non_null(strstr(first, "retention_bytes = 0\nretention_age = 0\n"));
	assert_non_null(strstr(first, "retention_bytes = 1536M\nretention_age = 36h\n"));
	assert_int_equal(finish(first), QR_OK);
	assert_true(dp_config_print(&config, second, sizeof(second)) < sizeof(second));
	assert_string_equal(first, second);
}

/* A line of the file is bounded, and so is what a flag may say: it is printed as such a line. */
static void the_longest_path_is_printed_as_a_line_that_can_be_read(void **state)
{
	static char printed[65536];
	char path[DP_CONFIG_PATH_MAX];
	size_t length = 1;

	(void)state;
	assert_int_equal(finish(WHOLE), QR_OK);
	memset(path, 'x', sizeof(path));
	path[0] = '/';
	for (; length < sizeof(path); length++) {
		path[length] = '\0';
		if (dp_config_set(&config, "dataplane.run_dir", path, &problem) != QR_OK ||
		    dp_config_set(&config, "node.1.data", path, &problem) != QR_OK)
			break;
		path[length] = 'x';
	}
	assert_true(length > 100 && length < sizeof(path));
	assert_non_null(strstr(problem.text, "too long"));
	assert_true(dp_config_print(&config, printed, sizeof(printed)) < sizeof(printed));
	dp_config_defaults(&config);
	assert_int_equal(dp_config_parse(&config, printed, "t.ini", &problem), QR_OK);
	assert_int_equal(strlen(config.nodes[0].data), length - 1);
}

static void a_path_has_no_blank_at_either_end(void **state)
{
	(void)state;
	assert_int_equal(finish(WHOLE), QR_OK);
	assert_int_equal(dp_config_set(&config, "node.1.data", "/a b", &problem), QR_OK);
	assert_int_equal(dp_config_set(&config, "node.1.data", "/a ", &problem), QR_CONFIG);
	assert_int_equal(dp_config_set(&config, "node.1.data", " /a", &problem), QR_CONFIG);
}

static void a_missing_file_is_named(void **state)
{
	(void)state;
	dp_config_defaults(&config);
	assert_int_equal(dp_config_load(&config, "/nonexistent/quorate.ini", &problem),
			 QR_NOT_FOUND);
	assert_non_null(strstr(problem.text, "/nonexistent/quorate.ini"));
}

/** The documentation has a row for every key of the table. */
static void every_key_is_documented(void **state)
{
	static char page[65536];
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): one thread */
	const char *source = getenv("QUORATE_SOURCE");
	char path[4096];
	uint32_t count;
	const struct dp_config_key *keys = dp_config_keys(&count);
	FILE *file;
	size_t size;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/docs/operations/configuration.md",
		       source != NULL ? source : ".");
	file = fopen(path, "r");
	assert_non_null(file);
	size = fread(page, 1, sizeof(page) - 1, file);
	assert_int_equal(fclose(file), 0);
	page[size] = '\0';
	for (uint32_t i = 0; i < count; i++) {
		char heading[32];
		char row[64];
		const char *section;
		const char *next;
		const char *found;

		(void)snprintf(heading, sizeof(heading), "\n## [%s", keys[i].section);
		(void)snprintf(row, sizeof(row), "\n| `%s` |", keys[i].name);
		section = strstr(page, heading);
		assert_non_null(section);
		found = strstr(section, row);
		next = strstr(section + 1, "\n## ");
		if (found == NULL || (next != NULL && found > next) ||
		    strstr(found, keys[i].help) == NULL) {
			fail_msg("[%s] %s is not documented as the table has it", keys[i].section,
				 keys[i].name);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_smallest_file_is_a_cluster_of_three),
		cmocka_unit_test(profiles_decide_what_the_file_leaves_open),
		cmocka_unit_test(rings_are_for_a_process_that_hosts_all_nodes),
		cmocka_unit_test(groups_are_numbered_in_the_order_of_the_file),
		cmocka_unit_test(lines_may_be_indented_and_commented),
		cmocka_unit_test(an_unknown_key_names_its_line_and_the_nearest_one),
		cmocka_unit_test(what_a_line_cannot_mean_names_the_line),
		cmocka_unit_test(a_long_line_is_refused_not_cut),
		cmocka_unit_test(a_bad_value_says_what_is_allowed),
		cmocka_unit_test(keys_must_agree_with_each_other),
		cmocka_unit_test(a_log_keeps_everything_unless_told_otherwise),
		cmocka_unit_test(a_log_has_seven_replicas_at_most),
		cmocka_unit_test(one_setting_has_a_name_with_dots),
		cmocka_unit_test(the_environment_names_a_section_and_a_key),
		cmocka_unit_test(what_is_printed_says_the_same),
		cmocka_unit_test(the_longest_path_is_printed_as_a_line_that_can_be_read),
		cmocka_unit_test(a_path_has_no_blank_at_either_end),
		cmocka_unit_test(a_missing_file_is_named),
		cmocka_unit_test(every_key_is_documented),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
