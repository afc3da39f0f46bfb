/*
 * `quorate scrub`: every log of the nodes of this machine is read now, and what is damaged comes
 * back from the other nodes. The nodes do it by themselves: this starts them, through their
 * administration sockets, and watches. Ending it ends nothing.
 */
#include "control/cli/admin.h"
#include "control/cli/clock.h"
#include "control/cli/command.h"
#include "control/cli/heap.h"
#include "control/cli/interrupt.h"
#include "control/cli/progress.h"
#include "control/cli/scrub_state.h"
#include "control/cli/target.h"
#include "control/cli/units.h"

#include "dataplane/config/keys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT 5000000000ull
#define LOOK_AGAIN 200000000ull
#define PAGES_MAX 4096 /* of an answer */

static const char doc[] =
	"Read all logs of the nodes of this machine, and have repaired what is damaged.\n"
	"\n"
	"Every entry is verified up to the one that was committed last when the pass began. What "
	"is damaged comes back from another node, while the logs are served. Exits with 1 when "
	"something is lost, which is what no node has, or was not read. Ending this command does "
	"not end the pass: the same command shows it again."
	"\v"
	"Examples:\n"
	"  quorate scrub\n"
	"  quorate scrub --node 1 --rate 64M";

enum { KEY_NODE = 0x2000, KEY_RATE, KEY_NO_WAIT, KEY_RUN_DIR };

static const struct argp_option options_table[] = {
	{"node", KEY_NODE, "N", 0, "only this node", 0},
	{"rate", KEY_RATE, "SIZE", 0,
	 "bytes a second at most of each core of a node, such as 64M; 0, the default: as fast as "
	 "the disk gives them, one read at a time",
	 0},
	{"no-wait", KEY_NO_WAIT, NULL, 0, "start it, or say how far it is, and do not watch", 0},
	{"run-dir", KEY_RUN_DIR, "DIR", 0, "where the sockets are, instead of the configuration's",
	 0},
	{0},
};

struct arguments {
	struct ctl_options *options;
	const char *run_dir;
	qr_node node; /* 0: all */
	uint64_t rate;
	bool no_wait;
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
	case KEY_RATE:
		if (!dp_config_size(argument, &arguments->rate))
			ctl_options_refuse(state, "'%s' is no rate: give bytes, as 64M", argument);
		return 0;
	case KEY_NO_WAIT:
		arguments->no_wait = true;
		return 0;
	case KEY_RUN_DIR:
		arguments->run_dir = argument;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options_table, .parser = parse, .doc = doc, .children = ctl_options_children};

struct scrub {
	const struct arguments *arguments;
	size_t node_count;
	struct ctl_scrub_node *nodes;
	bool failed;
};

/* ---- the nodes ---- */

static char *ask(const struct scrub *scrub, const char *socket_path, const char *command)
{
	return ctl_admin_exchange(socket_path, command,
				  ctl_options_timeout(scrub->arguments->options, TIMEOUT));
}

/* The nodes behind a socket. False: it does not answer, which is no error: it may be a leftover. */
static bool find_behind(struct scrub *scrub, const char *socket_path)
{
	char *answer = ask(scrub, socket_path, "links");
	const char *error;
	const char *at = answer != NULL ? ctl_admin_accepted(answer, &error) : NULL;
	bool answered = answer != NULL;
	struct ctl_links links;

	while (at != NULL && (at = ctl_admin_next_links(at, &links)) != NULL) {
		if (scrub->arguments->node != 0 && scrub->arguments->node != links.node)
			continue;
		scrub->nodes =
			ctl_heap_resize(scrub->nodes, scrub->node_count + 1, sizeof(*scrub->nodes));
		scrub->nodes[scrub->node_count++] =
			(struct ctl_scrub_node){.node = links.node, .socket = socket_path};
	}
	free(answer);
	return answered;
}

static int compare_nodes(const void *a, const void *b)
{
	const struct ctl_scrub_node *one = a;
	const struct ctl_scrub_node *other = b;

	return (one->node > other->node) - (one->node < other->node);
}

static bool find_nodes(struct scrub *scrub, const char *run_dir, const struct ctl_names *sockets)
{
	int error = ENOENT;

	for (size_t i = 0; i < sockets->count; i++) {
		if (!find_behind(scrub, sockets->names[i]))
			error = errno;
	}
	if (scrub->node_count == 0) {
		ctl_admin_complain_of_absence(run_dir, scrub->arguments->node, error);
		return false;
	}
	qsort(scrub->nodes, scrub->node_count, sizeof(*scrub->nodes), compare_nodes);
	return true;
}

/* ---- one exchange with a node ---- */

/* False: it failed, which has been told. */
static bool exchange(struct scrub *scrub, struct ctl_scrub_node *node, const char *command)
{
	const char *error = "its process has ended, or does not answer any more: see to it, then "
			    "scrub again";
	char *answer = ask(scrub, node->socket, command);
	const char *text = answer != NULL ? ctl_admin_accepted(answer, &error) : NULL;
	bool taken;

	if (text != NULL)
		error = "its process does not know 'scrub': it is an older one";
	taken = text != NULL && ctl_scrub_node_parse(node, text);
	if (!taken) {
		ctl_complain("node %u: %s", node->node, error);
		node->gone = true;
		scrub->failed = true;
	}
	free(answer);
	return taken;
}

static void start(struct scrub *scrub, struct ctl_scrub_node *node)
{
	char command[64];

	(void)snprintf(command, sizeof(command), "scrub start %u %llu", node->node,
		       (unsigned long long)scrub->arguments->rate);
	if (!exchange(scrub, node, command))
		return;
	if (node->joined && node->rate != scrub->arguments->rate) {
		ctl_complain("node %u: a pass was running already; it goes on at its own rate",
			     node->node);
	}
}

static void look(struct scrub *scrub, struct ctl_scrub_node *node)
{
	uint64_t pass = node->pass;
	struct ctl_scrub_node before = *node; /* its logs stay, should there be no answer */
	bool runs = false;
	char command[64];

	node->logs = NULL;
	node->log_count = 0;
	for (unsigned page = 0; page == 0 || (node->next != 0 && page < PAGES_MAX); page++) {
		(void)snprintf(command, sizeof(command), "scrub status %u %llu", node->node,
			       (unsigned long long)(page == 0 ? 0 : node->next));
		if (!exchange(scrub, node, command)) {
			ctl_scrub_node_clear(node);
			node->logs = before.logs;
			node->log_count = before.log_count;
			return;
		}
		runs = runs || node->runs;
	}
	node->runs = runs; /* ended between two pages: what the first one said is old */
	ctl_scrub_node_clear(&before);
	if (node->pass != pass) {
		ctl_complain("node %u: it was restarted, and its pass is gone: scrub again",
			     node->node);
		node->gone = true;
		scrub->failed = true;
	}
}

/* ---- all of them ---- */

static struct ctl_scrub_sum look_at_all(struct scrub *scrub, bool *ret_runs)
{
	struct ctl_scrub_sum sum = {0};

	*ret_runs = false;
	for (size_t i = 0; i < scrub->node_count; i++) {
		struct ctl_scrub_node *node = &scrub->nodes[i];

		if (!node->gone && node->runs)
			look(scrub, node);
		*ret_runs = *ret_runs || (!node->gone && node->runs);
		ctl_scrub_add(node, &sum);
	}
	return sum;
}

/* False: interrupted. */
static bool watch(struct scrub *scrub)
{
	struct ctl_progress progress;
	bool runs = true;

	ctl_progress_init(&progress, stderr, "scrub", 0, ctl_clock_now());
	progress.noun = "damaged";
	while (runs && !ctl_interrupt_is_wanted()) {
		struct ctl_scrub_sum sum = look_at_all(scrub, &runs);

		progress.total_bytes = sum.total_bytes;
		ctl_progress_update(&progress, sum.damaged, sum.passed_bytes, ctl_clock_now());
		if (runs)
			(void)ctl_interrupt_wait_until(ctl_clock_now() + LOOK_AGAIN);
	}
	ctl_progress_fini(&progress);
	return !runs;
}

static void report_start(const struct scrub *scrub)
{
	for (size_t i = 0; i < scrub->node_count; i++) {
		const struct ctl_scrub_node *node = &scrub->nodes[i];
		struct ctl_scrub_sum sum = {0};

		ctl_scrub_add(node, &sum);
		if (node->gone) {
			continue;
		} else if (node->joined) {
			printf("node %u: a pass was running already, and has read %s of %s\n",
			       node->node, ctl_units_bytes((double)sum.passed_bytes).text,
			       ctl_units_bytes((double)sum.total_bytes).text);
		} else {
			printf("node %u: started\n", node->node);
		}
	}
}

static enum ctl_exit report(struct scrub *scrub, bool ended)
{
	struct ctl_scrub_sum sum = {0};

	for (size_t i = 0; i < scrub->node_count; i++)
		ctl_scrub_add(&scrub->nodes[i], &sum);
	if (scrub->arguments->options->json) {
		ctl_scrub_print_json(scrub->nodes, scrub->node_count);
	} else if (scrub->arguments->no_wait) {
		report_start(scrub);
	} else {
		ctl_scrub_print(scrub->nodes, scrub->node_count);
	}
	ctl_scrub_complain(scrub->nodes, scrub->node_count);
	if (!ended && !scrub->arguments->no_wait) {
		ctl_complain("interrupted: the pass goes on without you; 'quorate scrub' shows it "
			     "again");
		return CTL_EXIT_FAILED;
	}
	return scrub->failed || sum.lost != 0 || sum.left_out != 0 ? CTL_EXIT_FAILED : CTL_EXIT_OK;
}

static enum ctl_exit run(struct scrub *scrub, const char *run_dir)
{
	enum ctl_exit result = CTL_EXIT_FAILED;
	struct ctl_names sockets;
	bool ended = false;

	ctl_admin_find(run_dir, &sockets);
	if (find_nodes(scrub, run_dir, &sockets)) {
		ctl_interrupt_catch();
		for (size_t i = 0; i < scrub->node_count; i++)
			start(scrub, &scrub->nodes[i]);
		if (scrub->arguments->no_wait) {
			(void)look_at_all(scrub, &ended);
		} else {
			ended = watch(scrub);
		}
		result = report(scrub, ended);
	}
	for (size_t i = 0; i < scrub->node_count; i++)
		ctl_scrub_node_clear(&scrub->nodes[i]);
	free(scrub->nodes);
	ctl_machine_names_fini(&sockets);
	return result;
}

enum ctl_exit ctl_scrub_run(int argc, char **argv, struct ctl_options *options)
{
	struct arguments arguments = {.options = options};
	struct scrub scrub = {.arguments = &arguments};
	enum ctl_exit result = CTL_EXIT_OK;
	struct dp_config *config = NULL;

	if (!ctl_options_parse(&argp, argc, argv, &arguments))
		return CTL_EXIT_USAGE;
	if (arguments.run_dir == NULL) {
		config = ctl_target_config(options, true, &result);
		if (config == NULL)
			return result;
		arguments.run_dir = config->run_dir;
	}
	result = run(&scrub, arguments.run_dir);
	free(config);
	return result;
}
