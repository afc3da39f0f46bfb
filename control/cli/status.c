/*
 * `quorate status`: asks every core of every node how it is, prints it, and says by its exit code
 * whether all is well.
 */
#include "control/cli/clock.h"
#include "control/cli/command.h"
#include "control/cli/interrupt.h"
#include "control/cli/status_print.h"
#include "control/cli/terminal.h"
#include "control/cli/units.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND 1000000000ull
#define TIMEOUT (1 * SECOND)

static const char doc[] =
	"Show nodes, groups, the latency of each stage and what was dropped."
	"\v"
	"Exits with 3 when a node is away, a group has no leader, or a store is damaged.\n"
	"\n"
	"Examples:\n"
	"  quorate status --watch\n"
	"  quorate status -o json | jq '.groups[] | {log, leader}'";

static const struct argp_option options_table[] = {
	{"watch", 'w', NULL, 0, "again every second, until interrupted", 0},
	{0},
};

struct arguments {
	struct ctl_options *options;
	bool watch;
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct arguments *arguments = state->input;

	(void)argument;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = arguments->options;
		return 0;
	case 'w':
		arguments->watch = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options_table, .parser = parse, .doc = doc, .children = ctl_options_children};

static void print_findings(const struct ctl_findings *findings, FILE *stream, enum ctl_style style)
{
	for (uint32_t i = 0; i < findings->count; i++) {
		fprintf(stream, "%s%s%s\n", ctl_terminal_style(stream, style), findings->texts[i],
			ctl_terminal_style(stream, CTL_STYLE_NONE));
	}
}

static uint64_t acked_records(const struct ctl_cluster *cluster)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < cluster->member_count; i++) {
		for (uint8_t core = 0; core < cluster->members[i].endpoint.cores; core++)
			sum += cluster->members[i].cores[core].status.acked_records;
	}
	return sum;
}

static void print_heading(const struct ctl_cluster *cluster, bool healthy)
{
	printf("%scluster %s%s: ", ctl_terminal_style(stdout, CTL_STYLE_TITLE), cluster->name,
	       ctl_terminal_style(stdout, CTL_STYLE_NONE));
	printf("%s%s%s\n", ctl_terminal_style(stdout, healthy ? CTL_STYLE_GOOD : CTL_STYLE_BAD),
	       healthy ? "healthy" : "unhealthy", ctl_terminal_style(stdout, CTL_STYLE_NONE));
}

/* Print one picture. Problems of a table go to stderr, or to the screen when it is redrawn. */
static enum ctl_exit print(const struct ctl_cluster *cluster, const struct arguments *arguments)
{
	struct ctl_findings problems;
	struct ctl_findings warnings;
	enum ctl_exit result;

	ctl_health_problems(cluster, &problems);
	ctl_health_warnings(cluster, &warnings);
	result = problems.count == 0 ? CTL_EXIT_OK : CTL_EXIT_UNHEALTHY;
	if (arguments->options->json) {
		json_t *object = ctl_status_print_json(cluster, &problems, &warnings);
		size_t flags = arguments->watch ? JSON_COMPACT : JSON_INDENT(2);

		(void)json_dumpf(object, stdout, flags | JSON_REAL_PRECISION(9));
		putchar('\n');
		json_decref(object);
	} else {
		print_heading(cluster, problems.count == 0);
		print_findings(&warnings, stdout, CTL_STYLE_WARN);
		ctl_status_print_tables(cluster, stdout, ctl_terminal_columns(stdout));
		(void)fflush(stdout);
		if (problems.count != 0)
			fputc('\n', arguments->watch ? stdout : stderr);
		print_findings(&problems, arguments->watch ? stdout : stderr, CTL_STYLE_BAD);
	}
	ctl_findings_fini(&problems);
	ctl_findings_fini(&warnings);
	return result;
}

static enum ctl_exit watch(struct ctl_cluster *cluster, const struct arguments *arguments)
{
	bool redraw = !arguments->options->json && ctl_terminal_is(stdout);
	qr_ns next = ctl_clock_now();
	enum ctl_exit result = CTL_EXIT_OK;
	uint64_t acked = 0;

	ctl_interrupt_catch();
	while (!ctl_interrupt_wait_until(next)) {
		uint64_t before = acked;

		if (ctl_cluster_ask(cluster, ctl_options_timeout(arguments->options, TIMEOUT)) !=
		    CTL_EXIT_OK)
			return CTL_EXIT_FAILED;
		acked = acked_records(cluster);
		if (redraw)
			fputs("\033[H\033[J", stdout);
		result = print(cluster, arguments);
		if (!arguments->options->json && before != 0 && acked >= before) {
			printf("\n%s records/s acknowledged\n",
			       ctl_units_count(acked - before).text);
		}
		if (fflush(stdout) != 0)
			break; /* whoever read it has gone */
		next += SECOND;
	}
	return result;
}

enum ctl_exit ctl_status_run(int argc, char **argv, struct ctl_options *options)
{
	struct arguments arguments = {.options = options};
	struct ctl_cluster *cluster;
	struct ctl_target target;
	enum ctl_exit result;
	qr_ns timeout;

	if (!ctl_options_parse(&argp, argc, argv, &arguments))
		return CTL_EXIT_USAGE;
	timeout = ctl_options_timeout(options, TIMEOUT);
	result = ctl_target_init(&target, options);
	if (result != CTL_EXIT_OK)
		return result;
	cluster = ctl_cluster_create();
	result = ctl_cluster_discover(cluster, &target, timeout);
	if (result == CTL_EXIT_OK && arguments.watch) {
		result = watch(cluster, &arguments);
	} else if (result == CTL_EXIT_OK) {
		result = ctl_cluster_ask(cluster, timeout);
		if (result == CTL_EXIT_OK)
			result = print(cluster, &arguments);
	}
	ctl_cluster_destroy(cluster);
	ctl_target_fini(&target);
	return result;
}
