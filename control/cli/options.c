/*
 * The global options, as an argp parser that the commands' own parsers include.
 */
#include "control/cli/options.h"
#include "control/cli/heap.h"
#include "control/cli/units.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_ENDPOINTS = 0x1000, KEY_CLUSTER, KEY_TIMEOUT };

static const struct argp_option options_table[] = {
	{.doc = "Options of every command:", .group = 9},
	{"config", 'c', "FILE", 0,
	 "configuration (else $QUORATE_CONFIG, ./quorate.ini, /etc/quorate/quorate.ini)", 9},
	{"endpoints", KEY_ENDPOINTS, "HOST:PORT[,...]", 0,
	 "nodes to talk to, instead of those of the configuration", 9},
	{"cluster", KEY_CLUSTER, "NAME", 0, "name of the cluster, with --endpoints", 9},
	{"output", 'o', "table|json", 0, "what to print; default table", 9},
	{"timeout", KEY_TIMEOUT, "SECONDS", 0, "how long to wait for an answer", 9},
	{NULL, 'h', NULL, OPTION_HIDDEN, NULL, -1},
	{0},
};

static void set_output(struct ctl_options *options, const char *word, struct argp_state *state)
{
	options->json = strcmp(word, "json") == 0;
	if (!options->json && strcmp(word, "table") != 0) {
		ctl_options_refuse(state, "unknown output '%s': give '-o table' or '-o json'",
				   word);
	}
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct ctl_options *options = state->input;

	switch (key) {
	case 'c':
		options->config = argument;
		return 0;
	case KEY_ENDPOINTS:
		options->endpoints = argument;
		return 0;
	case KEY_CLUSTER:
		options->cluster = argument;
		return 0;
	case 'o':
		set_output(options, argument, state);
		return 0;
	case KEY_TIMEOUT:
		if (ctl_units_parse_seconds(argument, &options->timeout) != QR_OK) {
			ctl_options_refuse(state,
					   "'%s' is no time: give seconds from 0.001 to 86400, "
					   "such as '--timeout 2.5'",
					   argument);
		}
		return 0;
	case 'h':
		/* NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread yet */
		argp_state_help(state, stdout, ARGP_HELP_STD_HELP);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp ctl_options_argp = {.options = options_table, .parser = parse};

const struct argp_child ctl_options_children[] = {{.argp = &ctl_options_argp, .group = 9}, {0}};

bool ctl_options_parse(const struct argp *argp, int argc, char **argv, void *input)
{
	/* argp may exit: there is one thread yet. NOLINTNEXTLINE(concurrency-mt-unsafe) */
	return argp_parse(argp, argc, argv, 0, NULL, input) == 0;
}

void ctl_options_refuse(const struct argp_state *state, const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	text = ctl_heap_vprint(format, arguments);
	va_end(arguments);
	argp_error(state, "%s", text); /* NOLINT(concurrency-mt-unsafe): there is one thread yet */
	free(text);
}

qr_node ctl_options_node(const char *text, const struct argp_state *state)
{
	uint64_t node = 0;

	if (ctl_units_parse_u64(text, QR_NODE_MAX, &node) != QR_OK || node == 0) {
		ctl_options_refuse(state, "'%s' is no node: give a number from 1 to %d", text,
				   QR_NODE_MAX);
	}
	return (qr_node)node;
}
