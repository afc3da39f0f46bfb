/*
 * The result of a pass: a table for people, with what they can do about it, or JSON.
 */
#include "control/cli/complain.h"
#include "control/cli/scrub_state.h"
#include "control/cli/table.h"
#include "control/cli/units.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* ---- the table ---- */

static void put_state(struct ctl_table *table, const struct ctl_scrub_node *node,
		      const struct ctl_scrub_log *log)
{
	if (node->gone) {
		ctl_table_cell(table, CTL_STYLE_BAD, "node ended");
	} else if (strcmp(log->state, "left-out") == 0) {
		ctl_table_cell(table, CTL_STYLE_BAD, "left out: %s", log->reason);
	} else if (log->lost != 0 && log->listed > 0) {
		ctl_table_cell(table, CTL_STYLE_BAD, "entry %llu%s",
			       (unsigned long long)log->first_lost[0].index,
			       log->lost > 1 ? ", ..." : "");
	} else if (strcmp(log->state, "done") == 0) {
		ctl_table_cell(table, CTL_STYLE_GOOD, "sound");
	} else {
		ctl_table_cell(table, CTL_STYLE_WARN, "not yet read");
	}
}

void ctl_scrub_print(const struct ctl_scrub_node *nodes, size_t count)
{
	static const struct ctl_column columns[] = {
		{"NODE", CTL_ALIGN_RIGHT, 0},	  {"LOG", CTL_ALIGN_LEFT, 0},
		{"VERIFIED", CTL_ALIGN_RIGHT, 0}, {"DAMAGED", CTL_ALIGN_RIGHT, 0},
		{"REPAIRED", CTL_ALIGN_RIGHT, 0}, {"LOST", CTL_ALIGN_RIGHT, 0},
		{"STATE", CTL_ALIGN_LEFT, 0},
	};
	struct ctl_table *table = ctl_table_create(columns, 7);

	for (size_t n = 0; n < count; n++) {
		for (size_t i = 0; i < nodes[n].log_count; i++) {
			const struct ctl_scrub_log *log = &nodes[n].logs[i];

			ctl_table_cell(table, CTL_STYLE_NONE, "%u", nodes[n].node);
			ctl_table_cell(table, CTL_STYLE_NONE, "%s", log->name);
			ctl_table_cell(table, CTL_STYLE_NONE, "%s",
				       ctl_units_bytes((double)log->verified_bytes).text);
			ctl_table_cell(table, log->damaged == 0 ? CTL_STYLE_NONE : CTL_STYLE_WARN,
				       "%s", ctl_units_count(log->damaged).text);
			ctl_table_cell(table, CTL_STYLE_NONE, "%s",
				       ctl_units_count(log->repaired).text);
			ctl_table_cell(table, log->lost == 0 ? CTL_STYLE_NONE : CTL_STYLE_BAD, "%s",
				       ctl_units_count(log->lost).text);
			put_state(table, &nodes[n], log);
		}
	}
	ctl_table_print(table, stdout, ctl_terminal_columns(stdout));
	(void)fflush(stdout);
	ctl_table_destroy(table);
}

static void complain_of_lost(qr_node node, const struct ctl_scrub_log *log)
{
	char text[512] = "";
	size_t used = 0;

	for (unsigned i = 0; i < log->listed; i++) {
		const struct ctl_scrub_lost *lost = &log->first_lost[i];

		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%llu",
					 i == 0 ? "" : ", ", (unsigned long long)lost->index);
		if (lost->next > lost->index + 1) {
			used += (size_t)snprintf(text + used, sizeof(text) - used,
						 " (and unread up to %llu)",
						 (unsigned long long)lost->next - 1);
		}
	}
	ctl_complain("node %u, log %s (group %u): no sound copy of %s %s%s%s: %s, and scrub again; "
		     "else put the segment of a backup in its place: 'quorate verify' of a stopped "
		     "node names it",
		     node, log->name, log->group, log->lost == 1 ? "entry" : "entries", text,
		     log->lost > log->listed ? ", ..." : "",
		     log->unheard ? ", and a replica did not answer" : "",
		     log->unheard ? "start the replica that is away"
				  : "if there is another replica, bring it back");
}

static void complain_of(const struct ctl_scrub_node *node)
{
	for (size_t i = 0; i < node->log_count; i++) {
		const struct ctl_scrub_log *log = &node->logs[i];

		if (log->lost != 0)
			complain_of_lost(node->node, log);
		if (strcmp(log->state, "left-out") == 0) {
			ctl_complain("node %u, log %s (group %u): was not read, since it does not "
				     "serve (%s): 'quorate status' says more; scrub again when it "
				     "does",
				     node->node, log->name, log->group, log->reason);
		}
	}
}

void ctl_scrub_complain(const struct ctl_scrub_node *nodes, size_t count)
{
	for (size_t n = 0; n < count; n++)
		complain_of(&nodes[n]);
}

/* ---- JSON ---- */

static json_t *json_of(const struct ctl_scrub_log *log)
{
	json_t *lost = json_array();
	json_t *object;

	for (unsigned i = 0; i < log->listed; i++) {
		(void)json_array_append_new(
			lost, json_pack("{s:I, s:I}", "index", (json_int_t)log->first_lost[i].index,
					"next", (json_int_t)log->first_lost[i].next));
	}
	object = json_pack("{s:I, s:s, s:s, s:s, s:I, s:I, s:I, s:I}", "group",
			   (json_int_t)log->group, "log", log->name, "state", log->state, "reason",
			   log->reason, "verified_bytes", (json_int_t)log->verified_bytes,
			   "passed_bytes", (json_int_t)log->passed_bytes, "total_bytes",
			   (json_int_t)log->total_bytes, "damaged", (json_int_t)log->damaged);
	(void)json_object_set_new(object, "repaired", json_integer((json_int_t)log->repaired));
	(void)json_object_set_new(object, "lost", json_integer((json_int_t)log->lost));
	(void)json_object_set_new(object, "unheard", json_boolean(log->unheard));
	(void)json_object_set_new(object, "first_lost", lost);
	return object;
}

void ctl_scrub_print_json(const struct ctl_scrub_node *nodes, size_t count)
{
	json_t *all = json_array();

	for (size_t n = 0; n < count; n++) {
		json_t *logs = json_array();

		for (size_t i = 0; i < nodes[n].log_count; i++)
			(void)json_array_append_new(logs, json_of(&nodes[n].logs[i]));
		(void)json_array_append_new(
			all, json_pack("{s:i, s:s, s:b, s:o}", "node", (int)nodes[n].node, "pass",
				       nodes[n].gone   ? "gone"
				       : nodes[n].runs ? "running"
						       : "ended",
				       "joined", (int)nodes[n].joined, "logs", logs));
	}
	(void)json_dumpf(all, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(all);
}
