/*
 * quorate: the command line. Reads the words up to the command's name, and hands the rest to it.
 */
#include "control/cli/command.h"
#include "control/cli/heap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct line {
	struct ctl_options *options;
	int command_at; /* 0: no command was named */
};

static void print_version(FILE *stream, struct argp_state *state)
{
	(void)state;
	fprintf(stream, "quorate %s\n", QUORATE_VERSION);
}

static const char doc[] = "The command line of Quorate, a durable replicated log.\n"
			  "\v"
			  "'quorate COMMAND --help' tells more of one.\n"
			  "\n"
			  "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 unhealthy.\n"
			  "\n"
			  "Examples:\n"
			  "  quorate --config /etc/quorate/quorate.ini status\n"
			  "  quorate --endpoints 127.0.0.1:7001 --cluster demo log list\n"
			  "  quorate append events --file /var/log/syslog";

static char *commands_text(void)
{
	char *all = ctl_heap_print("Commands:\n");

	for (size_t i = 0; i < ctl_command_count; i++) {
		char *more = ctl_heap_print("%s  %-14s %s\n", all, ctl_commands[i].name,
					    ctl_commands[i].summary);

		free(all);
		all = more;
	}
	return all;
}

static char *help_filter(int key, const char *text, void *input)
{
	char *commands;
	char *filtered;

	(void)input;
	if (key != ARGP_KEY_HELP_PRE_DOC || text == NULL)
		return (char *)text;
	commands = commands_text();
	filtered = ctl_heap_print("%s\n%s", text, commands);
	free(commands);
	return filtered; /* argp frees what differs from the text */
}

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct line *line = state->input;

	(void)argument;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = line->options;
		return 0;
	case ARGP_KEY_ARG:
		line->command_at = state->next - 1;
		state->next = state->argc; /* the rest is the command's */
		return 0;
	case ARGP_KEY_NO_ARGS:
		/* NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread yet */
		argp_state_help(state, stderr, ARGP_HELP_STD_HELP & ~ARGP_HELP_EXIT_OK);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.parser = parse,
	.args_doc = "COMMAND [ARGUMENT...]",
	.doc = doc,
	.children = ctl_options_children,
	.help_filter = help_filter,
};

/* `quorate help [COMMAND]` is `quorate [COMMAND] --help`. */
static void turn_help_around(int *argc, char **argv)
{
	static char flag[] = "--help";

	for (int i = 0; i + 1 < *argc; i++)
		argv[i] = argv[i + 1];
	argv[*argc - 1] = flag;
}

int main(int argc, char **argv)
{
	static char program[] = "quorate";
	struct ctl_options options = {0};
	struct line line = {.options = &options};
	const struct ctl_command *command;
	enum ctl_exit result;
	char *name;
	int words;

	/* without argp's remark on mandatory arguments, unless somebody wants it otherwise */
	(void)setenv("ARGP_HELP_FMT", "no-dup-args-note", 0); // NOLINT(concurrency-mt-unsafe)
	(void)setvbuf(stderr, NULL, _IOLBF, BUFSIZ); /* a message is one write, and not torn */
	argp_program_version_hook = print_version;
	argp_err_exit_status = CTL_EXIT_USAGE;
	argv[0] = program;
	/* in order: options behind the name are the command's.
	 * NOLINTNEXTLINE(concurrency-mt-unsafe) */
	if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &line) != 0 || line.command_at == 0)
		return CTL_EXIT_USAGE;

	options.words = argv + 1;
	options.word_count = line.command_at - 1;
	argc -= line.command_at;
	argv += line.command_at;
	if (strcmp(argv[0], "help") == 0) {
		turn_help_around(&argc, argv);
		if (argc == 1) {
			char *help[] = {program, argv[0], NULL};

			(void)ctl_options_parse(&argp, 2, help, &line);
			return CTL_EXIT_OK;
		}
	}
	command = ctl_command_find(argc, argv, &words);
	if (command == NULL)
		return CTL_EXIT_USAGE;
	name = ctl_heap_print("quorate %s", command->name);
	argv[words - 1] = name;
	result = command->run(argc - words + 1, argv + words - 1, &options);
	if (fflush(stdout) != 0 && result == CTL_EXIT_OK)
		result = CTL_EXIT_FAILED;
	free(name);
	return (int)result;
}
