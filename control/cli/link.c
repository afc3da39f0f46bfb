/*
 * `quorate link list|down|up`: maintenance of the links between nodes, through the administration
 * sockets of this machine's processes.
 */
#include "control/cli/admin.h"
#include "control/cli/command.h"
#include "control/cli/heap.h"
#include "control/cli/table.h"
#include "control/cli/target.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT 2000000000ull

static const char list_doc[] = "List the links of the nodes of this machine."
			       "\v"
			       "Example:\n"
			       "  quorate link list --node 1";

static const char down_doc[] =
	"Close a link: NODE neither sends to nor hears from PEER until it is opened again."
	"\v"
	"Example:\n"
	"  quorate link down --node 1 --peer 2";

static const char up_doc[] = "Open a link that was closed."
			     "\v"
			     "Example:\n"
			     "  quorate link up --node 1 --peer 2";

enum { KEY_NODE = 0x2000, KEY_PEER, KEY_RUN_DIR };

static const struct argp_option options_table[] = {
	{"node", KEY_NODE, "N", 0, "the node whose link it is", 0},
	{"peer", KEY_PEER, "M", 0, "the node at the other end", 0},
	{"run-dir", KEY_RUN_DIR, "DIR", 0, "where the sockets are, instead of the configuration's",
	 0},
	{0},
};

static const struct argp_option list_options[] = {
	{"node", KEY_NODE, "N", 0, "only of this node", 0},
	{"run-dir", KEY_RUN_DIR, "DIR", 0, "where the sockets are, instead of the configuration's",
	 0},
	{0},
};

struct arguments {
	struct ctl_options *options;
	const char *run_dir;
	qr_node node; /* 0: all */
	qr_node peer;
	bool needs_both;
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct arguments *arguments = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = arguments->options;
		return 0;
	case KEY_NODE:
		arguments->node = ctl_options_node(argument, state);
		return 0;
	case KEY_PEER:
		arguments->peer = ctl_options_node(argument, state);
		return 0;
	case KEY_RUN_DIR:
		arguments->run_dir = argument;
		return 0;
	case ARGP_KEY_END:
		if (arguments->needs_both && (arguments->node == 0 || arguments->peer == 0))
			ctl_options_refuse(state, "which link? give --node N and --peer M");
		if (arguments->needs_both && arguments->node == arguments->peer)
			ctl_options_refuse(state, "a node has no link to itself");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp list_argp = {.options = list_options,
				      .parser = parse,
				      .doc = list_doc,
				      .children = ctl_options_children};
static const struct argp down_argp = {.options = options_table,
				      .parser = parse,
				      .doc = down_doc,
				      .children = ctl_options_children};
static const struct argp up_argp = {
	.options = options_table, .parser = parse, .doc = up_doc, .children = ctl_options_children};

/* What `list` has found so far. */
struct found {
	struct ctl_table *table;
	json_t *array;
	qr_nodes nodes;
};

static void add_links(struct found *found, const struct ctl_links *links)
{
	json_t *down = json_array();
	char text[4 * QR_NODE_MAX] = "none";
	qr_nodes left = links->down;
	size_t used = 0;

	while (left != 0) {
		qr_node peer = qr_nodes_take(&left);

		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%u",
					 used > 0 ? "," : "", peer);
		(void)json_array_append_new(down, json_integer(peer));
	}
	found->nodes |= qr_nodes_of(links->node);
	ctl_table_cell(found->table, CTL_STYLE_NONE, "%u", links->node);
	ctl_table_cell(found->table, links->down == 0 ? CTL_STYLE_GOOD : CTL_STYLE_BAD, "%s", text);
	(void)json_array_append_new(found->array, json_pack("{s:I, s:o}", "node",
							    (json_int_t)links->node, "down", down));
}

/* Ask one process. False: it does not answer, which is no error: a socket may be a leftover. */
static bool ask(const struct arguments *arguments, const char *socket_path, struct found *found)
{
	char *answer = ctl_admin_exchange(socket_path, "links",
					  ctl_options_timeout(arguments->options, TIMEOUT));
	const char *error = NULL;
	const char *at = answer != NULL ? ctl_admin_accepted(answer, &error) : NULL;
	struct ctl_links links;
	bool answered = answer != NULL;

	if (error != NULL)
		ctl_complain("%s: %s", socket_path, error);
	while (at != NULL && (at = ctl_admin_next_links(at, &links)) != NULL) {
		if (arguments->node == 0 || arguments->node == links.node)
			add_links(found, &links);
	}
	free(answer);
	return answered;
}

static enum ctl_exit list(const struct arguments *arguments, const char *run_dir,
			  const struct ctl_names *sockets)
{
	static const struct ctl_column columns[] = {
		{"NODE", CTL_ALIGN_RIGHT, 0},
		{"LINKS DOWN TO", CTL_ALIGN_LEFT, 0},
	};
	struct found found = {.table = ctl_table_create(columns, 2), .array = json_array()};
	int error = ENOENT;

	for (size_t i = 0; i < sockets->count; i++) {
		if (!ask(arguments, sockets->names[i], &found))
			error = errno;
	}
	if (found.nodes == 0) {
		ctl_admin_complain_of_absence(run_dir, arguments->node, error);
	} else if (arguments->options->json) {
		(void)json_dumpf(found.array, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		ctl_table_print(found.table, stdout, ctl_terminal_columns(stdout));
	}
	json_decref(found.array);
	ctl_table_destroy(found.table);
	return found.nodes != 0 ? CTL_EXIT_OK : CTL_EXIT_FAILED;
}

/* Does the process behind a socket host the node? errno is set when it does not answer. */
static bool hosts(const struct arguments *arguments, const char *socket_path)
{
	char *answer = ctl_admin_exchange(socket_path, "links",
					  ctl_options_timeout(arguments->options, TIMEOUT));
	const char *error;
	const char *at = answer != NULL ? ctl_admin_accepted(answer, &error) : NULL;
	struct ctl_links links = {0};

	while (at != NULL && links.node != arguments->node)
		at = ctl_admin_next_links(at, &links);
	free(answer);
	return links.node == arguments->node;
}

/* The socket of the process that hosts the node; NULL: none, which has been told. */
static const char *find_host(const struct arguments *arguments, const char *run_dir,
			     const struct ctl_names *sockets)
{
	errno = ENOENT;
	for (size_t i = 0; i < sockets->count; i++) {
		if (hosts(arguments, sockets->names[i]))
			return sockets->names[i];
	}
	ctl_admin_complain_of_absence(run_dir, arguments->node, errno);
	return NULL;
}

static enum ctl_exit set(const struct arguments *arguments, const char *host, const char *state)
{
	const char *error = "its process does not answer any more";
	char command[64];
	const char *accepted = NULL;
	char *answer;

	(void)snprintf(command, sizeof(command), "link %s %u %u", state, arguments->node,
		       arguments->peer);
	answer =
		ctl_admin_exchange(host, command, ctl_options_timeout(arguments->options, TIMEOUT));
	if (answer != NULL)
		accepted = ctl_admin_accepted(answer, &error);
	if (accepted == NULL) {
		ctl_complain("node %u: %s", arguments->node, error);
	} else if (arguments->options->json) {
		printf("{\"node\": %u, \"peer\": %u, \"up\": %s}\n", arguments->node,
		       arguments->peer, strcmp(state, "up") == 0 ? "true" : "false");
	} else {
		printf("node %u: link to %u %s\n", arguments->node, arguments->peer, state);
	}
	free(answer);
	return accepted != NULL ? CTL_EXIT_OK : CTL_EXIT_FAILED;
}

/* @param state  NULL: list. */
static enum ctl_exit run(const struct arguments *arguments, const char *state)
{
	const char *run_dir = arguments->run_dir;
	enum ctl_exit result = CTL_EXIT_OK;
	struct dp_config *config = NULL;
	struct ctl_names sockets;
	const char *host;

	if (run_dir == NULL) {
		config = ctl_target_config(arguments->options, true, &result);
		if (config == NULL)
			return result;
		run_dir = config->run_dir;
	}
	ctl_admin_find(run_dir, &sockets);
	if (state == NULL) {
		result = list(arguments, run_dir, &sockets);
	} else {
		host = find_host(arguments, run_dir, &sockets);
		result = host != NULL ? set(arguments, host, state) : CTL_EXIT_FAILED;
	}
	ctl_machine_names_fini(&sockets);
	free(config);
	return result;
}

enum ctl_exit ctl_link_list(int argc, char **argv, struct ctl_options *options)
{
	struct arguments arguments = {.options = options};

	if (!ctl_options_parse(&list_argp, argc, argv, &arguments))
		return CTL_EXIT_USAGE;
	return run(&arguments, NULL);
}

enum ctl_exit ctl_link_down(int argc, char **argv, struct ctl_options *options)
{
	struct arguments arguments = {.options = options, .needs_both = true};

	if (!ctl_options_parse(&down_argp, argc, argv, &arguments))
		return CTL_EXIT_USAGE;
	return run(&arguments, "down");
}

enum ctl_exit ctl_link_up(int argc, char **argv, struct ctl_options *options)
{
	struct arguments arguments = {.options = options, .needs_both = true};

	if (!ctl_options_parse(&up_argp, argc, argv, &arguments))
		return CTL_EXIT_USAGE;
	return run(&arguments, "up");
}
