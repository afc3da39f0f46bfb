/*
 * `quorate log list` and `quorate log describe NAME`.
 */
#include "control/cli/cluster.h"
#include "control/cli/command.h"
#include "control/cli/heap.h"
#include "control/cli/suggest.h"
#include "control/cli/table.h"
#include "control/cli/units.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT 1000000000ull

static const char list_doc[] = "List the logs of the cluster."
			       "\v"
			       "Example:\n"
			       "  quorate log list -o json";

static const char describe_doc[] =
	"Describe one log: its partitions, who leads them, and the offsets they hold."
	"\v"
	"Example:\n"
	"  quorate log describe events";

struct arguments {
	struct ctl_options *options;
	const char *name; /* of the log; NULL: all */
	bool takes_name;
};

static error_t parse(int key, char *argument, struct argp_state *state)
{
	struct arguments *arguments = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = arguments->options;
		return 0;
	case ARGP_KEY_ARG:
		if (!arguments->takes_name || arguments->name != NULL)
			return ARGP_ERR_UNKNOWN;
		arguments->name = argument;
		return 0;
	case ARGP_KEY_END:
		if (arguments->takes_name && arguments->name == NULL)
			ctl_options_refuse(state, "which log? 'quorate log list' names them");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp list_argp = {
	.parser = parse, .doc = list_doc, .children = ctl_options_children};

static const struct argp describe_argp = {
	.parser = parse, .args_doc = "NAME", .doc = describe_doc, .children = ctl_options_children};

/* What a log holds, as the best informed replica of each partition says. */
struct totals {
	uint32_t partitions;
	uint64_t records;
	uint64_t bytes;
	bool known;
};

/* The replica that knows most of a group: its leader, else the longest. */
static const struct ctl_replica *best_replica(const struct ctl_cluster *cluster, qr_group group)
{
	const struct ctl_replica *best = ctl_cluster_leader(cluster, group);

	for (uint32_t i = 0; best == NULL && i < cluster->replica_count; i++) {
		if (cluster->replicas[i].group.group == group)
			best = &cluster->replicas[i];
	}
	return best;
}

static bool is_same_log(const struct ctl_cluster *cluster, uint32_t a, uint32_t b)
{
	return strcmp(cluster->partitions[a].name, cluster->partitions[b].name) == 0;
}

static struct totals totals_of(const struct ctl_cluster *cluster, uint32_t first)
{
	struct totals totals = {.known = true};

	for (uint32_t i = first; i < cluster->partition_count; i++) {
		const struct ctl_replica *replica;

		if (!is_same_log(cluster, i, first))
			continue;
		totals.partitions++;
		replica = best_replica(cluster, cluster->partitions[i].group);
		if (replica == NULL) {
			totals.known = false;
			continue;
		}
		totals.records += replica->group.end - replica->group.start;
		totals.bytes += replica->group.log_bytes;
	}
	return totals;
}

static bool is_first_of_log(const struct ctl_cluster *cluster, uint32_t partition)
{
	for (uint32_t i = 0; i < partition; i++) {
		if (is_same_log(cluster, i, partition))
			return false;
	}
	return true;
}

static char *nodes_text(qr_nodes nodes)
{
	char *text = ctl_heap_print("%s", "");

	while (nodes != 0) {
		char *more = ctl_heap_print("%s%s%u", text, text[0] != '\0' ? "," : "",
					    qr_nodes_take(&nodes));

		free(text);
		text = more;
	}
	return text;
}

static const char *durability_text(const struct wire_partition *partition)
{
	return partition->durability == WIRE_DURABLE_MEMORY ? "memory" : "quorum";
}

static void print_list(const struct ctl_cluster *cluster)
{
	static const struct ctl_column columns[] = {
		{"LOG", CTL_ALIGN_LEFT, 0},	 {"PARTITIONS", CTL_ALIGN_RIGHT, 0},
		{"REPLICAS", CTL_ALIGN_LEFT, 0}, {"DURABILITY", CTL_ALIGN_LEFT, 0},
		{"RECORDS", CTL_ALIGN_RIGHT, 0}, {"SIZE", CTL_ALIGN_RIGHT, 0},
	};
	struct ctl_table *table = ctl_table_create(columns, 6);

	for (uint32_t i = 0; i < cluster->partition_count; i++) {
		const struct wire_partition *partition = &cluster->partitions[i];
		struct totals totals = totals_of(cluster, i);
		char *nodes;

		if (!is_first_of_log(cluster, i))
			continue;
		nodes = nodes_text(partition->replicas);
		ctl_table_cell(table, CTL_STYLE_NONE, "%s", partition->name);
		ctl_table_cell(table, CTL_STYLE_NONE, "%u", totals.partitions);
		ctl_table_cell(table, CTL_STYLE_NONE, "%s", nodes);
		ctl_table_cell(table,
			       partition->durability == WIRE_DURABLE_MEMORY ? CTL_STYLE_WARN
									    : CTL_STYLE_NONE,
			       "%s", durability_text(partition));
		ctl_table_cell(table, CTL_STYLE_NONE, "%s",
			       totals.known ? ctl_units_count(totals.records).text : "?");
		ctl_table_cell(table, CTL_STYLE_NONE, "%s",
			       totals.known ? ctl_units_bytes((double)totals.bytes).text : "?");
		free(nodes);
	}
	ctl_table_print(table, stdout, ctl_terminal_columns(stdout));
	ctl_table_destroy(table);
}

static json_t *nodes_json(qr_nodes nodes)
{
	json_t *array = json_array();

	while (nodes != 0)
		(void)json_array_append_new(array, json_integer(qr_nodes_take(&nodes)));
	return array;
}

static void print_list_json(const struct ctl_cluster *cluster)
{
	json_t *logs = json_array();

	for (uint32_t i = 0; i < cluster->partition_count; i++) {
		const struct wire_partition *partition = &cluster->partitions[i];
		struct totals totals = totals_of(cluster, i);

		if (!is_first_of_log(cluster, i))
			continue;
		(void)json_array_append_new(
			logs, json_pack("{s:s, s:I, s:o, s:s, s:o, s:o}", "log", partition->name,
					"partitions", (json_int_t)totals.partitions, "nodes",
					nodes_json(partition->replicas), "durability",
					durability_text(partition), "records",
					totals.known ? json_integer((json_int_t)totals.records)
						     : json_null(),
					"log_bytes",
					totals.known ? json_integer((json_int_t)totals.bytes)
						     : json_null()));
	}
	(void)json_dumpf(logs, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(logs);
}

static void print_description(const struct ctl_cluster *cluster, const char *name)
{
	static const struct ctl_column columns[] = {
		{"PARTITION", CTL_ALIGN_RIGHT, 0}, {"GROUP", CTL_ALIGN_RIGHT, 0},
		{"LEADER", CTL_ALIGN_RIGHT, 0},	   {"REPLICAS", CTL_ALIGN_LEFT, 0},
		{"START", CTL_ALIGN_RIGHT, 0},	   {"END", CTL_ALIGN_RIGHT, 0},
		{"SIZE", CTL_ALIGN_RIGHT, 0},	   {"SESSIONS", CTL_ALIGN_RIGHT, 1},
	};
	struct ctl_table *table = ctl_table_create(columns, 8);

	for (uint32_t i = 0; i < cluster->partition_count; i++) {
		const struct wire_partition *partition = &cluster->partitions[i];
		const struct ctl_replica *leader = ctl_cluster_leader(cluster, partition->group);
		const struct ctl_replica *best = best_replica(cluster, partition->group);
		char *nodes;

		if (strcmp(partition->name, name) != 0)
			continue;
		nodes = nodes_text(partition->replicas);
		ctl_table_cell(table, CTL_STYLE_NONE, "%u", partition->partition);
		ctl_table_cell(table, CTL_STYLE_NONE, "%u", partition->group);
		if (leader != NULL) {
			ctl_table_cell(table, CTL_STYLE_GOOD, "%u", leader->node);
		} else {
			ctl_table_cell(table, CTL_STYLE_BAD, "none");
		}
		ctl_table_cell(table, CTL_STYLE_NONE, "%s", nodes);
		ctl_table_cell(table, CTL_STYLE_NONE, "%s",
			       best != NULL ? ctl_units_count(best->group.start).text : "?");
		ctl_table_cell(table, CTL_STYLE_NONE, "%s",
			       best != NULL ? ctl_units_count(best->group.end).text : "?");
		ctl_table_cell(table, CTL_STYLE_NONE, "%s",
			       best != NULL ? ctl_units_bytes((double)best->group.log_bytes).text
					    : "?");
		ctl_table_cell(table, CTL_STYLE_NONE, "%s",
			       best != NULL ? ctl_units_count(best->group.sessions).text : "?");
		free(nodes);
	}
	ctl_table_print(table, stdout, ctl_terminal_columns(stdout));
	ctl_table_destroy(table);
}

static json_t *partition_json(const struct ctl_cluster *cluster,
			      const struct wire_partition *partition)
{
	const struct ctl_replica *leader = ctl_cluster_leader(cluster, partition->group);
	const struct ctl_replica *best = best_replica(cluster, partition->group);
	json_t *object =
		json_pack("{s:I, s:I, s:o, s:o}", "partition", (json_int_t)partition->partition,
			  "group", (json_int_t)partition->group, "leader",
			  leader != NULL ? json_integer(leader->node) : json_null(), "nodes",
			  nodes_json(partition->replicas));

	if (best != NULL) {
		(void)json_object_update_new(object,
					     json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "start",
						       (json_int_t)best->group.start, "end",
						       (json_int_t)best->group.end, "log_bytes",
						       (json_int_t)best->group.log_bytes,
						       "sessions", (json_int_t)best->group.sessions,
						       "term", (json_int_t)best->group.term,
						       "commit", (json_int_t)best->group.commit));
	}
	return object;
}

static void print_description_json(const struct ctl_cluster *cluster, const char *name)
{
	json_t *partitions = json_array();
	const char *durability = "quorum";
	json_t *object;

	for (uint32_t i = 0; i < cluster->partition_count; i++) {
		if (strcmp(cluster->partitions[i].name, name) != 0)
			continue;
		durability = durability_text(&cluster->partitions[i]);
		(void)json_array_append_new(partitions,
					    partition_json(cluster, &cluster->partitions[i]));
	}
	object = json_pack("{s:s, s:s, s:o}", "log", name, "durability", durability, "partitions",
			   partitions);
	(void)json_dumpf(object, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(object);
}

static bool has_log(const struct ctl_cluster *cluster, const char *name)
{
	const char **names = ctl_heap_take(cluster->partition_count, sizeof(*names));
	const char *near;
	bool found = false;

	for (uint32_t i = 0; i < cluster->partition_count; i++) {
		names[i] = cluster->partitions[i].name;
		found |= strcmp(names[i], name) == 0;
	}
	near = ctl_suggest(name, names, cluster->partition_count);
	if (!found && near != NULL) {
		ctl_complain("no log '%s' in cluster '%s': did you mean '%s'?", name, cluster->name,
			     near);
	} else if (!found) {
		ctl_complain(
			"no log '%s' in cluster '%s': 'quorate log list' names those there are",
			name, cluster->name);
	}
	free(names);
	return found;
}

static enum ctl_exit print(const struct ctl_cluster *cluster, const struct arguments *arguments)
{
	if (arguments->name != NULL && !has_log(cluster, arguments->name))
		return CTL_EXIT_FAILED;
	if (arguments->name == NULL && arguments->options->json) {
		print_list_json(cluster);
	} else if (arguments->name == NULL) {
		print_list(cluster);
	} else if (arguments->options->json) {
		print_description_json(cluster, arguments->name);
	} else {
		print_description(cluster, arguments->name);
	}
	return CTL_EXIT_OK;
}

static enum ctl_exit run(const struct arguments *arguments)
{
	qr_ns timeout = ctl_options_timeout(arguments->options, TIMEOUT);
	struct ctl_cluster *cluster;
	struct ctl_target target;
	enum ctl_exit result = ctl_target_init(&target, arguments->options);

	if (result != CTL_EXIT_OK)
		return result;
	cluster = ctl_cluster_create();
	result = ctl_cluster_discover(cluster, &target, timeout);
	if (result == CTL_EXIT_OK)
		result = ctl_cluster_ask(cluster, timeout);
	if (result == CTL_EXIT_OK)
		result = print(cluster, arguments);
	ctl_cluster_destroy(cluster);
	ctl_target_fini(&target);
	return result;
}

enum ctl_exit ctl_log_list(int argc, char **argv, struct ctl_options *options)
{
	struct arguments arguments = {.options = options};

	if (!ctl_options_parse(&list_argp, argc, argv, &arguments))
		return CTL_EXIT_USAGE;
	return run(&arguments);
}

enum ctl_exit ctl_log_describe(int argc, char **argv, struct ctl_options *options)
{
	struct arguments arguments = {.options = options, .takes_name = true};

	if (!ctl_options_parse(&describe_argp, argc, argv, &arguments))
		return CTL_EXIT_USAGE;
	return run(&arguments);
}
