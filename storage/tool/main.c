/*
 * quorate-log: look into, verify and compare the logs of nodes that are not running. It only reads.
 */
#include "storage/tool/tool.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPTION_FROM 'f'
#define OPTION_GROUP 'g'
#define OPTION_COUNT 'n'
#define OPTION_JSON 'j'

static const char doc[] =
	"Look into the logs of nodes that are not running. Nothing is written.\v"
	"Commands:\n"
	"  verify DIR        check every block and the chain of each group\n"
	"  diff DIR DIR...   compare replicas block by block, as far as all of them reach\n"
	"  dump DIR          print the entries of one group (--group), one line each\n"
	"\n"
	"Exit status: 0 all is well, 1 damage, a difference or a failure, 2 wrong usage.";

static const struct argp_option options_known[] = {
	{"group", OPTION_GROUP, "N", 0, "only this group (dump: required)", 0},
	{"from", OPTION_FROM, "INDEX", 0, "dump: the first entry to print", 0},
	{"count", OPTION_COUNT, "N", 0, "dump: print at most N entries", 0},
	{"json", OPTION_JSON, NULL, 0, "print JSON", 0},
	{0},
};

/* NOLINTBEGIN(concurrency-mt-unsafe): argp may exit; there is one thread */
static uint64_t parse_number(const char *text, struct argp_state *state)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 0);
	if (errno != 0 || end == text || *end != '\0' || *text == '-')
		argp_error(state, "'%s' is not a number", text);
	return value;
}

static error_t take_argument(struct tool_options *options, char *argument, struct argp_state *state)
{
	if (options->command == NULL) {
		options->command = argument;
	} else if (options->directory_count < TOOL_DIRECTORIES_MAX) {
		options->directories[options->directory_count++] = argument;
	} else {
		argp_error(state, "at most %d directories", TOOL_DIRECTORIES_MAX);
	}
	return 0;
}

static error_t parse_option(int key, char *argument, struct argp_state *state)
{
	struct tool_options *options = state->input;

	switch (key) {
	case OPTION_GROUP:
		options->group = (qr_group)parse_number(argument, state);
		options->group_given = true;
		return 0;
	case OPTION_FROM:
		options->from = parse_number(argument, state);
		return 0;
	case OPTION_COUNT:
		options->count = parse_number(argument, state);
		return 0;
	case OPTION_JSON:
		options->json = true;
		return 0;
	case ARGP_KEY_ARG:
		return take_argument(options, argument, state);
	case ARGP_KEY_END:
		if (options->command == NULL)
			argp_error(state, "which command?");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* NOLINTEND(concurrency-mt-unsafe) */

struct command {
	const char *name;
	uint32_t directories_min;
	uint32_t directories_max;
	int (*run)(const struct tool_options *options);
};

static const struct command commands[] = {
	{"verify", 1, 1, tool_verify},
	{"diff", 2, TOOL_DIRECTORIES_MAX, tool_diff},
	{"dump", 1, 1, tool_dump},
};

void tool_complain(const char *text)
{
	(void)fprintf(stderr, "quorate-log: %s\n", text);
}

void tool_print_string(const char *text)
{
	(void)putchar('"');
	for (; *text != '\0'; text++) {
		unsigned char byte = (unsigned char)*text;

		if (byte == '"' || byte == '\\') {
			(void)printf("\\%c", byte);
		} else if (byte < 0x20) {
			(void)printf("\\u%04x", byte);
		} else {
			(void)putchar(byte);
		}
	}
	(void)putchar('"');
}

static int run(const struct tool_options *options)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		const struct command *command = &commands[i];

		if (strcmp(command->name, options->command) != 0)
			continue;
		if (options->directory_count < command->directories_min ||
		    options->directory_count > command->directories_max) {
			tool_complain("wrong number of directories: see quorate-log --help");
			return TOOL_USAGE;
		}
		return command->run(options);
	}
	tool_complain("unknown command: see quorate-log --help");
	return TOOL_USAGE;
}

int main(int argc, char **argv)
{
	static const struct argp argp = {options_known, parse_option, "COMMAND DIR...", doc, NULL,
					 NULL,		NULL};
	struct tool_options options = {0};
	int status;

	argp_err_exit_status = TOOL_USAGE;
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread */
	if (argp_parse(&argp, argc, argv, 0, NULL, &options) != 0)
		return TOOL_USAGE;
	status = run(&options);
	return fflush(stdout) == 0 ? status : TOOL_FAILED;
}
