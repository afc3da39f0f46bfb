/*
 * `quorate doctor`: what this machine can do. Read-only; every finding comes with the exact command
 * that mends it, and the profiles that are possible here come last.
 */
#include "control/cli/doctor.h"
#include "control/cli/command.h"
#include "control/cli/heap.h"
#include "control/cli/target.h"
#include "control/cli/terminal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define DIRECTORIES_MAX (DP_CONFIG_NODES_MAX + 1)

static const char doc[] =
	"Tell what this machine can do, and how to mend what it cannot. Changes nothing."
	"\v"
	"Exits with 3 when the profile cannot run here. Directories and profile come from the "
	"configuration if there is one.\n"
	"\n"
	"Examples:\n"
	"  quorate doctor --dir /var/lib/quorate\n"
	"  quorate doctor --profile bare-metal -o json";

enum { KEY_PROFILE = 0x2000 };

static const struct argp_option options_table[] = {
	{"dir", 'd', "DIR", 0, "data directory to look at; can be repeated", 0},
	{"profile", KEY_PROFILE, "dev|lab|bare-metal", 0, "the profile to judge by; default dev",
	 0},
	{0},
};

struct arguments {
	struct ctl_options *options;
	const char *directories[DIRECTORIES_MAX];
	size_t directory_count;
	enum dp_profile profile;
	bool has_profile;
};

static void set_profile(struct arguments *arguments, const char *word, struct argp_state *state)
{
	for (unsigned profile = 0; profile < CTL_PROFILES; profile++) {
		if (strcmp(word, ctl_report_profile_name((enum dp_profile)profile)) == 0) {
			arguments->profile = (enum dp_profile)profile;
			arguments->has_profile = true;
			return;
		}
	}
	ctl_options_refuse(state, "unknown profile '%s': there are dev, lab and bare-metal", word);
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct arguments *arguments = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = arguments->options;
		return 0;
	case 'd':
		if (arguments->directory_count == DIRECTORIES_MAX)
			ctl_options_refuse(state, "more than %d directories", DIRECTORIES_MAX);
		arguments->directories[arguments->directory_count++] = argument;
		return 0;
	case KEY_PROFILE:
		set_profile(arguments, argument, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options_table, .parser = parse, .doc = doc, .children = ctl_options_children};

/* Directories of one file system need one look: keep the first of each. */
static size_t distinct(const char **directories, size_t count)
{
	dev_t devices[DIRECTORIES_MAX];
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		struct stat info = {0};
		bool known = stat(directories[i], &info) == 0;
		bool repeated = false;

		for (size_t j = 0; known && j < kept; j++)
			repeated |= devices[j] == info.st_dev;
		if (repeated)
			continue;
		devices[kept] = info.st_dev;
		directories[kept++] = directories[i];
	}
	return kept;
}

static void examine(struct arguments *arguments, const struct dp_config *config,
		    struct ctl_report *report)
{
	static const struct ctl_machine machine = {.root = ""};
	const char *lcores = config != NULL ? config->lcore_list : "";
	char *areas[DIRECTORIES_MAX] = {NULL};
	size_t count;

	if (arguments->directory_count == 0 && config != NULL) {
		for (uint32_t i = 0; i < config->node_count; i++) {
			arguments->directories[arguments->directory_count++] =
				config->nodes[i].data;
		}
	}
	if (arguments->directory_count == 0)
		arguments->directories[arguments->directory_count++] = ".";
	count = distinct(arguments->directories, arguments->directory_count);

	ctl_doctor_kernel(report, &machine);
	ctl_doctor_memory(report, &machine);
	ctl_doctor_cpu(report, &machine, lcores);
	ctl_doctor_network(report, &machine, lcores);
	for (size_t i = 0; i < count; i++) {
		areas[i] = ctl_heap_print("storage %s", arguments->directories[i]);
		report->area = areas[i];
		ctl_doctor_disk(report, &machine, arguments->directories[i], lcores);
	}
	if (arguments->options->json) {
		ctl_report_print_json(report, stdout);
	} else {
		ctl_report_print(report, stdout, ctl_terminal_columns(stdout));
	}
	for (size_t i = 0; i < count; i++)
		free(areas[i]);
}

enum ctl_exit ctl_doctor_run(int argc, char **argv, struct ctl_options *options)
{
	struct arguments arguments = {.options = options};
	struct ctl_report report = {0};
	struct dp_config *config;
	enum ctl_exit result;

	if (!ctl_options_parse(&argp, argc, argv, &arguments))
		return CTL_EXIT_USAGE;
	config = ctl_target_config(options, false, &result);
	if (result != CTL_EXIT_OK)
		return result;
	if (!arguments.has_profile && config != NULL)
		arguments.profile = config->profile;
	report.profile = arguments.profile;
	examine(&arguments, config, &report);
	if (!ctl_report_is_possible(&report, report.profile))
		result = CTL_EXIT_UNHEALTHY;
	ctl_report_fini(&report);
	free(config);
	return result;
}
