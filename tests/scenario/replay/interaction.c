/*
 * etcd's commands on our nodes.
 *
 * A directive goes through four steps: its command is carried out on the world, its expected output
 * is read into what is known of etcd's nodes, what ends the comparison of this file is looked for,
 * and what the output states is compared.
 *
 * The comparison ends where the core lacks what the file is about (a change of the configuration
 * that was applied, a snapshot that was handed over, a leader that was told to be forgotten): from
 * there on the two clusters are not the same, and an agreement would be chance. All later outcomes
 * of the file count as not supported, for that reason.
 *
 * An unknown command or argument does not end it: it is told and counted, and if it mattered the
 * mismatches that follow will say so.
 */
#include "tests/scenario/replay/interaction.h"

#include "consensus/base/assert.h"
#include "tests/scenario/replay/compare.h"
#include "tests/scenario/replay/interaction_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

__attribute__((format(printf, 3, 4))) void
interaction_end_comparison(struct interaction *self, const char *key, const char *format, ...)
{
	va_list arguments;
	char detail[INTERACTION_DETAIL_MAX / 2];

	if (self->void_key != NULL)
		return;
	va_start(arguments, format);
	(void)vsnprintf(detail, sizeof(detail), format, arguments);
	va_end(arguments);
	self->void_key = key;
	(void)snprintf(self->void_detail, sizeof(self->void_detail), "since line %u: %s",
		       self->directive->line, detail);
}

/* The directive asks for something that does not exist. */
void interaction_complain(struct interaction *self, const char *key, const char *detail)
{
	tally_unsupported(self->tally, self->directive, 1, key, detail);
	self->skip = true;
}

void interaction_judge(struct interaction *self, qr_node node, const char *field, const char *there,
		       const char *here)
{
	char name[64];

	(void)snprintf(name, sizeof(name), "%u.%s", node, field);
	tally_outcome(self->tally, self->directive, name, there, here);
}

bool interaction_knows(const char *command)
{
	return interaction_find(command) != NULL;
}

struct interaction *interaction_create(struct tally *tally)
{
	struct interaction *self = calloc(1, sizeof(*self));

	QR_ASSERT(self != NULL);
	self->tally = tally;
	self->level = "debug";
	self->known = calloc(1, sizeof(*self->known));
	QR_ASSERT(self->known != NULL);
	return self;
}

void interaction_destroy(struct interaction *interaction)
{
	if (interaction == NULL)
		return;
	known_free(interaction->known);
	free(interaction->known);
	world_destroy(interaction->world);
	free(interaction);
}

/* Our nodes applied an entry that changes etcd's configuration. */
static bool has_applied_change(const struct world *world)
{
	for (qr_node node = 1; node <= world_node_count(world); node++) {
		const struct raft_group *group = world_group(world, node);
		struct world_entry entry;

		for (qr_index index = 1; index <= group->commit; index++) {
			if (world_entry_at(world, node, index, false, &entry) &&
			    strncmp(entry.text, "EntryConfChange", 15) == 0)
				return true;
		}
	}
	return false;
}

/* What makes every further comparison of this file void. */
static void look_for_an_end(struct interaction *self)
{
	const char *switched_to = self->known->switched_to;

	if (self->world == NULL || self->void_key != NULL)
		return;
	if (switched_to[0] != '\0' && strcmp(switched_to, "voters=()") != 0 &&
	    strcmp(switched_to, self->configuration) != 0) {
		interaction_end_comparison(self, INTERACTION_CONFIGURATION, "etcd switched to %s",
					   switched_to);
	} else if (has_applied_change(self->world)) {
		interaction_end_comparison(self, INTERACTION_CONFIGURATION, "a change was applied");
	} else if (world_overflow(self->world) != NULL) {
		interaction_end_comparison(self, INTERACTION_ROOM, "%s",
					   world_overflow(self->world));
	}
}

/* The first argument, if it is a node: most output without a heading is of that one. */
static qr_node subject_of(const struct script_directive *directive)
{
	uint64_t number;

	if (directive->argument_count == 0 ||
	    !script_number(directive->arguments[0].key, &number) || number > QR_NODE_MAX ||
	    strcmp(directive->command, "stabilize") == 0 ||
	    strcmp(directive->command, "deliver-msgs") == 0 ||
	    (strncmp(directive->command, "process-", 8) == 0 && directive->argument_count > 1))
		return 0;
	return (qr_node)number;
}

/* Whom `stabilize` is about: those that it names, or everybody. */
static qr_nodes settled_by(const struct script_directive *directive)
{
	qr_nodes nodes = 0;
	bool named = false;

	if (strcmp(directive->command, "stabilize") != 0)
		return 0;
	for (uint32_t i = 0; i < directive->argument_count; i++) {
		uint64_t number;

		if (directive->arguments[i].value_count > 0)
			continue;
		named = true;
		if (script_number(directive->arguments[i].key, &number) && number >= 1 &&
		    number <= QR_NODE_MAX)
			nodes |= qr_nodes_of((qr_node)number);
	}
	return named ? nodes : ~qr_nodes_of(0);
}

/* Whether the log level keeps the directive from telling all that it changes. */
static bool is_hidden(const struct interaction *self)
{
	const struct script_argument *argument = script_argument(self->directive, "log-level");
	const char *level =
		argument != NULL && argument->value_count == 1 ? argument->values[0] : self->level;

	return strcasecmp(level, "debug") != 0 && strcasecmp(level, "info") != 0;
}

static void compare(struct interaction *self)
{
	struct compare compare = {
		.tally = self->void_key == NULL ? self->tally : NULL,
		.directive = self->directive,
		.known = self->known,
		.world = self->world,
		.settled = settled_by(self->directive),
	};
	uint64_t count = compare_all(&compare);

	/* A proposal's outcome is judged by its command, and that was not carried out. */
	if (self->void_key != NULL && strncmp(self->directive->command, "propose", 7) == 0 &&
	    !self->carried_out)
		count++;
	if (self->void_key != NULL) {
		tally_unsupported(self->tally, self->directive, count, self->void_key,
				  self->void_detail);
	}
	if (self->world != NULL && world_trouble(self->world) != NULL && !self->told_trouble) {
		tally_outcome(self->tally, self->directive, "safety", "kept",
			      world_trouble(self->world));
		self->told_trouble = true;
	}
}

static void take_unknown(struct interaction *self)
{
	/* etcd does not know it either, and says so. */
	if (strcmp(self->directive->expected, "unknown command\n") == 0) {
		tally_outcome(self->tally, self->directive, "command", "unknown", "unknown");
		return;
	}
	interaction_complain(self, INTERACTION_UNKNOWN, "an unknown command");
	known_forget(self->known);
}

void interaction_run(struct interaction *interaction, const struct script_directive *directive)
{
	const struct interaction_command *command = interaction_find(directive->command);

	interaction->directive = directive;
	interaction->skip = false;
	if (command == NULL) {
		take_unknown(interaction);
		return;
	}
	/* The log level says what is told, even where nothing is compared any more. */
	interaction->carried_out =
		interaction->void_key == NULL || strcmp(command->name, "log-level") == 0;
	if (interaction->carried_out)
		command->run(interaction);
	if (command->changes && is_hidden(interaction))
		known_forget(interaction->known);
	known_read(interaction->known, directive->command, subject_of(directive),
		   directive->expected);
	look_for_an_end(interaction);
	/* What add-nodes tells is what it was given: an agreement would show nothing. */
	if (!interaction->skip && strcmp(command->name, "add-nodes") != 0)
		compare(interaction);
}
