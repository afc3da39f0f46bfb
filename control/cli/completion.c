/*
 * `quorate completion bash`: a completion script, made of the table of commands.
 */
#include "control/cli/command.h"

#include <stdio.h>
#include <string.h>

static const char doc[] = "Print a completion script for bash."
			  "\v"
			  "Example:\n"
			  "  source <(quorate completion bash)";

struct arguments {
	struct ctl_options *options;
	const char *shell;
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct arguments *arguments = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = arguments->options;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num > 0)
			return ARGP_ERR_UNKNOWN;
		arguments->shell = argument;
		return 0;
	case ARGP_KEY_END:
		if (arguments->shell == NULL || strcmp(arguments->shell, "bash") != 0)
			ctl_options_refuse(state, "there is completion for one shell: 'bash'");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.parser = parse, .args_doc = "bash", .doc = doc, .children = ctl_options_children};

enum ctl_exit ctl_completion_run(int argc, char **argv, struct ctl_options *options)
{
	struct arguments arguments = {.options = options};

	if (!ctl_options_parse(&argp, argc, argv, &arguments))
		return CTL_EXIT_USAGE;

	puts("_quorate() {\n"
	     "\tlocal word=${COMP_WORDS[COMP_CWORD]} words options\n"
	     "\tcase ${COMP_WORDS[1]} in");
	for (size_t i = 0; i < ctl_command_count; i++) {
		const char *space = strchr(ctl_commands[i].name, ' ');

		if (space != NULL) {
			printf("\t%.*s) ((COMP_CWORD == 2)) && words+=' %s' ;;&\n",
			       (int)(space - ctl_commands[i].name), ctl_commands[i].name,
			       space + 1);
		}
	}
	puts("\tesac\n"
	     "\toptions='--config --endpoints --cluster --output --timeout --help'\n"
	     "\tif ((COMP_CWORD == 1)); then");
	fputs("\t\twords='help", stdout);
	for (size_t i = 0; i < ctl_command_count; i++)
		printf(" %.*s", (int)strcspn(ctl_commands[i].name, " "), ctl_commands[i].name);
	puts("'\n"
	     "\tfi\n"
	     "\tif [[ $word == -* ]]; then\n"
	     "\t\tCOMPREPLY=($(compgen -W \"$options\" -- \"$word\"))\n"
	     "\telif [[ -n $words ]]; then\n"
	     "\t\tCOMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
	     "\telse\n"
	     "\t\tCOMPREPLY=($(compgen -f -- \"$word\"))\n"
	     "\tfi\n"
	     "}\n"
	     "complete -o filenames -F _quorate quorate");
	return CTL_EXIT_OK;
}
