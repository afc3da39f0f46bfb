/*
 * etcd's commands on our nodes. A command carries out what it can; what it cannot it tells
 * (interaction_complain), or ends the comparison of the file where everything after it would be
 * about other clusters (interaction_end_comparison).
 */
#include "consensus/base/assert.h"
#include "tests/scenario/replay/interaction_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ROUNDS_MAX 10000

/* arguments */

static bool to_node(struct interaction *self, const char *text, qr_node *ret_node)
{
	uint64_t number;

	if (!script_number(text, &number) || number == 0 || self->world == NULL ||
	    number > world_node_count(self->world)) {
		interaction_complain(self, INTERACTION_MALFORMED, "no such node");
		return false;
	}
	*ret_node = (qr_node)number;
	return true;
}

/* The first argument names the node. */
static bool take_subject(struct interaction *self, qr_node *ret_node)
{
	if (self->directive->argument_count == 0) {
		interaction_complain(self, INTERACTION_MALFORMED, "no node is named");
		return false;
	}
	return to_node(self, self->directive->arguments[0].key, ret_node);
}

/* The nodes among the arguments, in their order. */
static bool take_nodes(struct interaction *self, qr_node nodes[QR_NODE_MAX], uint32_t *ret_count)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < self->directive->argument_count; i++) {
		const struct script_argument *argument = &self->directive->arguments[i];

		if (argument->value_count > 0)
			continue;
		if (count == QR_NODE_MAX) {
			interaction_complain(self, INTERACTION_MALFORMED, "too many nodes");
			return false;
		}
		if (!to_node(self, argument->key, &nodes[count]))
			return false;
		count++;
	}
	*ret_count = count;
	return true;
}

static bool is_true(const char *value)
{
	return strcasecmp(value, "true") == 0 || strcasecmp(value, "t") == 0 ||
	       strcmp(value, "1") == 0;
}

/* add-nodes */

struct beginning {
	struct raft_configuration configuration;
	bool given; /* it begins with something */
	uint64_t last;
};

/* Values are ids, or several with blanks between them. */
static bool add_members(const struct script_argument *argument, qr_nodes *nodes)
{
	for (uint32_t i = 0; i < argument->value_count; i++) {
		char *copy = strdup(argument->values[i]);
		char *rest = copy;
		char *word;
		bool good = true;

		QR_ASSERT(copy != NULL);
		while (good && (word = strsep(&rest, " ")) != NULL) {
			uint64_t number = 0;

			good = script_number(word, &number) && number >= 1 && number <= QR_NODE_MAX;
			if (good)
				*nodes |= qr_nodes_of((qr_node)number);
		}
		free(copy);
		if (!good)
			return false;
	}
	return true;
}

/* Options that change nothing here: what they are about is not compared, or a later issue. */
static bool is_idle_option(const char *key)
{
	static const char *const keys[] = {
		"content",   "max-committed-size-per-ready", "disable-conf-change-validation",
		"read-only", "step-down-on-removal",
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strcmp(keys[i], key) == 0)
			return true;
	}
	return false;
}

static bool take_flag(struct world_options *options, const char *key, const char *value)
{
	if (strcmp(key, "prevote") == 0) {
		options->prevote = is_true(value);
	} else if (strcmp(key, "checkquorum") == 0) {
		options->checkquorum = is_true(value);
	} else if (strcmp(key, "async-storage-writes") == 0) {
		options->async_storage_writes = is_true(value);
	} else {
		return false;
	}
	return true;
}

static void take_option(struct interaction *self, const struct script_argument *argument,
			struct beginning *beginning)
{
	const char *value = argument->value_count > 0 ? argument->values[0] : "";
	struct raft_configuration *configuration = &beginning->configuration;
	uint64_t number = 0;
	bool good = true;

	if (strcmp(argument->key, "voters") == 0) {
		good = add_members(argument, &configuration->voters);
		beginning->given = true;
	} else if (strcmp(argument->key, "learners") == 0) {
		good = add_members(argument, &configuration->learners);
		beginning->given = true;
	} else if (strcmp(argument->key, "index") == 0) {
		good = script_number(value, &beginning->last);
		beginning->given = true;
	} else if (strcmp(argument->key, "inflight") == 0) {
		good = script_number(value, &number) && number <= UINT32_MAX;
		self->options.inflight = (uint32_t)number;
	} else if (!take_flag(&self->options, argument->key, value) &&
		   !is_idle_option(argument->key)) {
		interaction_complain(self, INTERACTION_UNKNOWN, argument->key);
		self->skip = false;
	}
	if (!good)
		interaction_complain(self, INTERACTION_MALFORMED, argument->key);
}

static void write_members(char *text, const char *label, qr_nodes nodes)
{
	size_t length = strlen(text);
	bool first = true;

	length += (size_t)snprintf(text + length, KNOWN_CONFIGURATION_MAX - length, "%s=(", label);
	while (nodes != 0) {
		length += (size_t)snprintf(text + length, KNOWN_CONFIGURATION_MAX - length, "%s%u",
					   first ? "" : " ", qr_nodes_take(&nodes));
		first = false;
	}
	(void)snprintf(text + length, KNOWN_CONFIGURATION_MAX - length, ")");
}

/* What the nodes of this directive begin with. False: they cannot. */
static bool configure(struct interaction *self, const struct beginning *beginning)
{
	const struct raft_configuration *configuration = &beginning->configuration;
	char text[KNOWN_CONFIGURATION_MAX] = "";

	if (!beginning->given)
		return true; /* an empty node: it gets the configuration that the others have */
	write_members(text, "voters", configuration->voters);
	if (configuration->learners != 0)
		write_members(text, " learners", configuration->learners);
	if (self->configuration[0] != '\0' && strcmp(self->configuration, text) != 0) {
		interaction_end_comparison(self, INTERACTION_CONFIGURATION,
					   "nodes begin with different configurations");
		return false;
	}
	if (beginning->last <= 1) {
		interaction_complain(self, INTERACTION_MALFORMED,
				     "a configuration without an index above 1");
		return false;
	}
	if (!world_configure(self->world, configuration)) {
		interaction_end_comparison(self, INTERACTION_ROOM,
					   "a configuration that the core cannot hold");
		return false;
	}
	(void)snprintf(self->configuration, sizeof(self->configuration), "%s", text);
	return true;
}

static void start_nodes(struct interaction *self, uint64_t count, uint64_t last)
{
	const struct raft_configuration *configuration = world_configuration(self->world);

	for (; count > 0 && self->void_key == NULL; count--) {
		qr_node node = (qr_node)(world_node_count(self->world) + 1);
		const char *why;

		if (self->configuration[0] == '\0' ||
		    (node <= QR_NODE_MAX &&
		     !qr_nodes_has(raft_configuration_members(configuration), node))) {
			interaction_end_comparison(
				self, INTERACTION_CONFIGURATION,
				"node %u is in no configuration that is in force", node);
			return;
		}
		why = world_add_node(self->world, last);
		if (why != NULL)
			interaction_end_comparison(self, INTERACTION_ROOM, "%s", why);
	}
}

static void do_add_nodes(struct interaction *self)
{
	const struct script_directive *directive = self->directive;
	struct beginning beginning = {0};
	uint64_t count;

	if (directive->argument_count == 0 || !script_number(directive->arguments[0].key, &count) ||
	    count == 0) {
		interaction_complain(self, INTERACTION_MALFORMED, "how many nodes");
		return;
	}
	for (uint32_t i = 1; i < directive->argument_count && !self->skip; i++)
		take_option(self, &directive->arguments[i], &beginning);
	if (self->skip)
		return;
	if (self->world == NULL)
		self->world = world_create();
	world_set_options(self->world, &self->options);
	if (configure(self, &beginning))
		start_nodes(self, count, beginning.last);
}

/* what happens to a node */

static void do_campaign(struct interaction *self)
{
	qr_node node;

	if (take_subject(self, &node))
		world_campaign(self->world, node);
}

static void tick(struct interaction *self, unsigned count)
{
	qr_node node;

	if (!take_subject(self, &node))
		return;
	for (unsigned i = 0; i < count; i++)
		world_tick(self->world, node);
}

static void do_tick_heartbeat(struct interaction *self)
{
	tick(self, 1);
}

static void do_tick_election(struct interaction *self)
{
	tick(self, 3);
}

static void do_set_timeout(struct interaction *self)
{
	const struct script_argument *timeout = script_argument(self->directive, "timeout");
	uint64_t ticks;
	qr_node node;

	if (!take_subject(self, &node))
		return;
	if (timeout == NULL || timeout->value_count != 1 ||
	    !script_number(timeout->values[0], &ticks) || ticks == 0 || ticks > 1000) {
		interaction_complain(self, INTERACTION_MALFORMED, "timeout");
		return;
	}
	world_set_election_timeout(self->world, node, (uint32_t)ticks);
}

static void do_transfer(struct interaction *self)
{
	const struct script_argument *from = script_argument(self->directive, "from");
	const struct script_argument *to = script_argument(self->directive, "to");
	qr_node leader;
	qr_node target;

	if (from == NULL || to == NULL || from->value_count != 1 || to->value_count != 1) {
		interaction_complain(self, INTERACTION_MALFORMED, "from and to");
		return;
	}
	if (to_node(self, from->values[0], &leader) && to_node(self, to->values[0], &target))
		world_transfer(self->world, leader, target);
}

/* A leader is forgotten where one is known; otherwise nothing happens in etcd either. */
static void do_forget_leader(struct interaction *self)
{
	const struct raft_group *group;
	qr_node node;

	if (!take_subject(self, &node))
		return;
	group = world_group(self->world, node);
	if (group->role == RAFT_FOLLOWER && group->leader != 0) {
		interaction_end_comparison(self, INTERACTION_FORGET,
					   "node %u is to forget its leader", node);
	}
}

/* proposals */

/* A string as etcd prints it: quoted, with escapes. */
static void write_quoted(FILE *out, const char *text)
{
	(void)fputc('"', out);
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			(void)fputc('\\', out);
		(void)fputc(*text, out);
	}
	(void)fputc('"', out);
}

static void propose(struct interaction *self, qr_node node, const char *text)
{
	bool refused = strstr(self->directive->expected, "raft proposal dropped") != NULL;
	bool taken = world_propose(self->world, node, text);

	interaction_judge(self, node, "proposal", refused ? "refused" : "taken",
			  taken ? "taken" : "refused");
}

static void do_propose(struct interaction *self)
{
	const struct script_directive *directive = self->directive;
	qr_node node;
	char *text = NULL;
	size_t size = 0;
	FILE *out;

	if (!take_subject(self, &node))
		return;
	if (directive->argument_count != 2 || directive->arguments[1].value_count > 0) {
		interaction_complain(self, INTERACTION_MALFORMED, "one word is proposed");
		return;
	}
	out = open_memstream(&text, &size);
	QR_ASSERT(out != NULL);
	(void)fputs("EntryNormal ", out);
	write_quoted(out, directive->arguments[1].key);
	QR_ASSERT(fclose(out) == 0);
	propose(self, node, text);
	free(text);
}

/* An entry like any other, until it is applied: see the top of this file. */
static void do_propose_change(struct interaction *self)
{
	const struct script_argument *v1 = script_argument(self->directive, "v1");
	bool old = v1 != NULL && v1->value_count == 1 && is_true(v1->values[0]);
	qr_node node;
	char text[INTERACTION_DETAIL_MAX];

	if (!take_subject(self, &node))
		return;
	(void)snprintf(text, sizeof(text), "%s%s%s", old ? "EntryConfChange" : "EntryConfChangeV2",
		       self->directive->input[0] == '\0' ? "" : " ", self->directive->input);
	propose(self, node, text);
}

/* messages, Ready, storage */

static void do_deliver(struct interaction *self)
{
	const struct script_directive *directive = self->directive;
	const struct script_argument *type = script_argument(directive, "type");
	const char *name = type != NULL && type->value_count == 1 ? type->values[0] : NULL;
	const struct script_argument *drop = script_argument(directive, "drop");
	qr_node nodes[QR_NODE_MAX];
	uint32_t count;
	qr_nodes dropped = 0;

	if (!take_nodes(self, nodes, &count))
		return;
	if (type != NULL && (name == NULL || !world_knows_type(name))) {
		interaction_complain(self, INTERACTION_UNKNOWN, "a type of messages");
		return;
	}
	if (drop != NULL && !add_members(drop, &dropped)) {
		interaction_complain(self, INTERACTION_MALFORMED, "drop");
		return;
	}
	for (uint32_t i = 0; i < count; i++)
		world_deliver(self->world, nodes[i], name);
	while (dropped != 0 && self->world != NULL)
		world_drop(self->world, qr_nodes_take(&dropped), name);
}

static void for_each_node(struct interaction *self,
			  void (*process)(struct world *world, qr_node node))
{
	qr_node nodes[QR_NODE_MAX];
	uint32_t count;

	if (!take_nodes(self, nodes, &count))
		return;
	for (uint32_t i = 0; i < count; i++)
		process(self->world, nodes[i]);
}

static void do_process_ready(struct interaction *self)
{
	for_each_node(self, world_process_ready);
}

static void do_process_append(struct interaction *self)
{
	for_each_node(self, world_process_append);
}

/* What is committed counts as applied: there is nothing to do. */
static void do_nothing(struct interaction *self)
{
	(void)self;
}

static void do_show(struct interaction *self)
{
	qr_node node;

	(void)take_subject(self, &node);
}

/* One round: everybody's Ready, then everybody's messages, then the disks. False: it is quiet. */
static bool go_round(struct world *world, const qr_node *nodes, uint32_t count)
{
	bool busy = false;

	for (uint32_t i = 0; i < count; i++) {
		if (world_has_ready(world, nodes[i])) {
			world_process_ready(world, nodes[i]);
			busy = true;
		}
	}
	for (uint32_t i = 0; i < count; i++) {
		if (world_has_messages(world, nodes[i])) {
			world_deliver(world, nodes[i], NULL);
			busy = true;
		}
	}
	for (uint32_t i = 0; i < count; i++) {
		while (world_has_appends(world, nodes[i])) {
			world_process_append(world, nodes[i]);
			busy = true;
		}
	}
	return busy;
}

static void do_stabilize(struct interaction *self)
{
	qr_node nodes[QR_NODE_MAX];
	uint32_t count;
	unsigned rounds = 0;

	if (!take_nodes(self, nodes, &count))
		return;
	if (count == 0 && self->world != NULL) {
		for (qr_node node = 1; node <= world_node_count(self->world); node++)
			nodes[count++] = node;
	}
	while (count > 0 && world_overflow(self->world) == NULL &&
	       go_round(self->world, nodes, count)) {
		if (++rounds == ROUNDS_MAX) {
			interaction_judge(self, nodes[0], "stabilize", "comes to rest",
					  "goes on and on");
			return;
		}
	}
}

static void do_send_snapshot(struct interaction *self)
{
	interaction_end_comparison(self, INTERACTION_SNAPSHOT, "a snapshot is sent");
}

static void do_log_level(struct interaction *self)
{
	static const char *const levels[] = {"debug", "info", "warn", "error", "fatal", "none"};

	if (self->directive->argument_count > 0) {
		for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
			if (strcasecmp(self->directive->arguments[0].key, levels[i]) == 0) {
				self->level = levels[i];
				return;
			}
		}
	}
	interaction_complain(self, INTERACTION_MALFORMED, "a log level");
}

static const struct interaction_command commands[] = {
	{"_breakpoint", false, do_nothing},
	{"add-nodes", true, do_add_nodes},
	{"campaign", true, do_campaign},
	{"compact", false,
	 do_show}, /* logs are kept whole: nothing here depends on their beginning */
	{"deliver-msgs", true, do_deliver},
	{"forget-leader", true, do_forget_leader},
	{"log-level", false, do_log_level},
	{"process-append-thread", true, do_process_append},
	{"process-apply-thread", true, do_nothing},
	{"process-ready", true, do_process_ready},
	{"propose", true, do_propose},
	{"propose-conf-change", true, do_propose_change},
	{"raft-log", false, do_show},
	{"raft-state", false, do_nothing},
	{"report-unreachable", true, do_nothing}, /* the core hears nothing of the kind */
	{"send-snapshot", true, do_send_snapshot},
	{"set-randomized-election-timeout", true, do_set_timeout},
	{"stabilize", true, do_stabilize},
	{"status", false, do_show},
	{"tick-election", true, do_tick_election},
	{"tick-heartbeat", true, do_tick_heartbeat},
	{"transfer-leadership", true, do_transfer},
};

const struct interaction_command *interaction_find(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}
