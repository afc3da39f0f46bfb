/*
 * The table of commands, and finding one by its words.
 */
#include "control/cli/command.h"
#include "control/cli/suggest.h"

#include "consensus/base/assert.h"

#include <stdio.h>
#include <string.h>

#define COMMANDS_MAX 32

const struct ctl_command ctl_commands[] = {
	{"status", "nodes, groups, latency by stage, drops; exit 3 when unhealthy", ctl_status_run},
	{"log list", "the logs of the cluster", ctl_log_list},
	{"log describe", "one log: partitions, leaders, offsets", ctl_log_describe},
	{"append", "append lines of a file or of standard input to a log", ctl_append_run},
	{"read", "print records of a log; --follow waits for new ones", ctl_read_run},
	{"bench", "measure a cluster, or an embedded one", ctl_launch_bench},
	{"doctor", "what this machine can do, and how to mend what it cannot", ctl_doctor_run},
	{"verify", "check every block of a data directory, offline", ctl_launch_verify},
	{"diff", "compare the logs of data directories, offline", ctl_launch_diff},
	{"dump", "print the entries of a data directory, offline", ctl_launch_dump},
	{"scrub", "read all logs of the nodes here, and have repaired what is damaged",
	 ctl_scrub_run},
	{"backup", "the committed logs of a data directory, running or not, as a file",
	 ctl_launch_backup},
	{"restore", "make a data directory of a backup, or check one", ctl_launch_restore},
	{"link list", "the links between nodes of this machine", ctl_link_list},
	{"link down", "close a link, to see what a partition does", ctl_link_down},
	{"link up", "open it again", ctl_link_up},
	{"completion", "completion for a shell: bash", ctl_completion_run},
};

const size_t ctl_command_count = sizeof(ctl_commands) / sizeof(ctl_commands[0]);

_Static_assert(sizeof(ctl_commands) / sizeof(ctl_commands[0]) < COMMANDS_MAX, "room for names");

/* How many of the command's words `argv` starts with; -1: another word stands there. */
static int words_matching(const struct ctl_command *command, int argc, char **argv, int *ret_words)
{
	const char *space = strchr(command->name, ' ');
	size_t noun_bytes = space != NULL ? (size_t)(space - command->name) : strlen(command->name);

	*ret_words = space != NULL ? 2 : 1;
	if (strlen(argv[0]) != noun_bytes || memcmp(argv[0], command->name, noun_bytes) != 0)
		return 0;
	if (space == NULL)
		return 1;
	return argc > 1 && strcmp(argv[1], space + 1) == 0 ? 2 : 1;
}

/* A noun without one of its verbs: say which there are. */
static void complain_of_verb(const char *noun, const char *verb)
{
	const char *verbs[COMMANDS_MAX];
	char all[128] = "";
	size_t verb_count = 0;
	size_t used = 0;
	const char *near;

	for (size_t i = 0; i < ctl_command_count; i++) {
		const char *space = strchr(ctl_commands[i].name, ' ');

		if (space == NULL || strncmp(ctl_commands[i].name, noun, strlen(noun)) != 0 ||
		    (size_t)(space - ctl_commands[i].name) != strlen(noun))
			continue;
		verbs[verb_count++] = space + 1;
		used += (size_t)snprintf(all + used, sizeof(all) - used, "%s%s",
					 verb_count > 1 ? ", " : "", space + 1);
		QR_ASSERT(used < sizeof(all));
	}
	if (verb == NULL || verb[0] == '-') {
		ctl_complain("'%s' needs one of: %s", noun, all);
		return;
	}
	near = ctl_suggest(verb, verbs, verb_count);
	if (near != NULL) {
		ctl_complain("unknown command '%s %s': did you mean '%s %s'?", noun, verb, noun,
			     near);
	} else {
		ctl_complain("unknown command '%s %s': '%s' takes one of: %s", noun, verb, noun,
			     all);
	}
}

static void complain_of_word(const char *word)
{
	const char *names[COMMANDS_MAX];
	const char *near;

	for (size_t i = 0; i < ctl_command_count; i++)
		names[i] = ctl_commands[i].name;
	near = ctl_suggest(word, names, ctl_command_count);
	if (near != NULL) {
		ctl_complain("unknown command '%s': did you mean '%s'? 'quorate help' lists all",
			     word, near);
	} else {
		ctl_complain("unknown command '%s': 'quorate help' lists all", word);
	}
}

const struct ctl_command *ctl_command_find(int argc, char **argv, int *ret_words)
{
	bool noun_known = false;

	QR_ASSERT(argc > 0);
	for (size_t i = 0; i < ctl_command_count; i++) {
		int wanted;
		int matching = words_matching(&ctl_commands[i], argc, argv, &wanted);

		if (matching == wanted) {
			*ret_words = wanted;
			return &ctl_commands[i];
		}
		noun_known |= matching > 0;
	}
	if (noun_known) {
		complain_of_verb(argv[0], argc > 1 ? argv[1] : NULL);
	} else {
		complain_of_word(argv[0]);
	}
	return NULL;
}
