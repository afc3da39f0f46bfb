/*
 * quorate-log: look into, verify and compare the logs of nodes that are not running, back up those
 * of a node that may run, and make data directories of backups. Data directories are only read, but
 * for the one that `restore` makes.
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

#define OPTION_NODE 'N'
#define OPTION_OUTPUT 'o'
#define OPTION_CLUSTER 256
#define OPTION_CHECK 257

static const char doc[] =
	"Look into data directories, back them up, and restore them.\v"
	"Of a node that is not running; nothing is written:\n"
	"  verify DIR        check every block and the chain of each group\n"
	"  diff DIR DIR...   compare replicas block by block, as far as all of them reach\n"
	"  dump DIR          print the entries of one group (--group), one line each\n"
	"\n"
	"Of a node that runs, or does not:\n"
	"  backup DIR [DIR...]  its logs, as far as the directory proves them committed, to -o "
	"FILE "
	"or to standard output. Of a running node the newest second or so is left out; of one that "
	"lags behind the others, more: a line per group says how old the newest entry is. What is "
	"damaged in the first directory comes from the others, which are replicas of it.\n"
	"\n"
	"Of a backup (FILE, or - for standard input):\n"
	"  restore FILE DIR --node N  make a data directory. Restore the same backup for every "
	"node "
	"before any of them is started: nodes with empty directories can outvote one that was "
	"restored, and its log is cut then.\n"
	"  restore --check FILE       only say whether it is sound, and what is in it\n"
	"\n"
	"Exit status: 0 all is well, 1 damage, a difference or a failure, 2 wrong usage.";

static const struct argp_option options_known[] = {
	{"group", OPTION_GROUP, "N", 0, "only this group (dump: required)", 0},
	{"from", OPTION_FROM, "INDEX", 0, "dump: the first entry to print", 0},
	{"count", OPTION_COUNT, "N", 0, "dump: print at most N entries", 0},
	{"json", OPTION_JSON, NULL, 0, "verify, diff, dump: print JSON", 0},
	{"output", OPTION_OUTPUT, "FILE", 0,
	 "backup: into this file, which is replaced when the backup is whole", 0},
	{"node", OPTION_NODE, "N", 0, "restore: whose directory it is to be", 0},
	{"cluster", OPTION_CLUSTER, "NAME", 0,
	 "restore: as logs of this cluster instead of the backup's", 0},
	{"check", OPTION_CHECK, NULL, 0, "restore: check the backup, write nothing", 0},
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
	} else if (options->operand_count < TOOL_DIRECTORIES_MAX) {
		options->operands[options->operand_count++] = argument;
	} else {
		argp_error(state, "at most %d directories", TOOL_DIRECTORIES_MAX);
	}
	return 0;
}

static qr_node parse_node(const char *text, struct argp_state *state)
{
	uint64_t node = parse_number(text, state);

	if (node < 1 || node > QR_NODE_MAX)
		argp_error(state, "a node is a number from 1 to %d", QR_NODE_MAX);
	return (qr_node)node;
}

/** Of `backup` and `restore`. */
static error_t parse_backup_option(int key, char *argument, struct argp_state *state)
{
	struct tool_options *options = state->input;

	switch (key) {
	case OPTION_OUTPUT:
		options->output = argument;
		return 0;
	case OPTION_NODE:
		options->node = parse_node(argument, state);
		return 0;
	case OPTION_CLUSTER:
		if (*argument == '\0')
			argp_error(state, "a cluster has a name");
		options->cluster = argument;
		return 0;
	case OPTION_CHECK:
		options->check = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
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
		return parse_backup_option(key, argument, state);
	}
}

/* NOLINTEND(concurrency-mt-unsafe) */

struct command {
	const char *name;
	uint32_t operands_min;
	uint32_t operands_max;
	int (*run)(const struct tool_options *options);
};

static const struct command commands[] = {
	{"verify", 1, 1, tool_verify},	 {"diff", 2, TOOL_DIRECTORIES_MAX, tool_diff},
	{"dump", 1, 1, tool_dump},	 {"backup", 1, TOOL_DIRECTORIES_MAX, tool_backup},
	{"restore", 1, 2, tool_restore},
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
		if (options->operand_count < command->operands_min ||
		    options->operand_count > command->operands_max) {
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
