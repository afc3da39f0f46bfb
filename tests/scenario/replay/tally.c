/*
 * The counts, and every line that the driver prints.
 *
 *     FILE:LINE: COMMAND: OUTCOME: etcd VALUE, here VALUE: REASON      as listed
 *     FILE:LINE: COMMAND: COUNT not supported (DETAIL): REASON
 *     FILE:LINE: COMMAND: OUTCOME: MISMATCH: etcd VALUE, here VALUE
 *     FILE: matched M of N, ...
 *
 * A value is told on one line: newlines in it are written as \n.
 */
#include "tests/scenario/replay/tally.h"

#include "consensus/base/assert.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

void tally_begin_file(struct tally *tally, const char *path)
{
	tally->path = path;
	tally->real_path = realpath(path, NULL);
	if (tally->real_path == NULL)
		tally->real_path = strdup(path);
	QR_ASSERT(tally->real_path != NULL);
	tally->file = (struct tally_counts){0};
	tally->file_count++;
}

static uint64_t sum(const struct tally_counts *counts)
{
	return counts->matched + counts->listed + counts->unsupported + counts->mismatched;
}

static bool has_directive(const struct script *script, const struct list_entry *entry)
{
	for (uint32_t i = 0; i < script->count; i++) {
		if (script->directives[i].line == entry->file_line &&
		    strcmp(script->directives[i].command, entry->command) == 0)
			return true;
	}
	return false;
}

/*
 * A list that speaks of a difference in this file which is not there says something untrue. Where
 * the file has no such directive, the list means another version of it.
 */
static void tell_unused(struct tally *tally, const struct script *script)
{
	for (uint32_t i = 0; i < tally->list->entry_count; i++) {
		struct list_entry *entry = &tally->list->entries[i];

		if (!entry->unsupported && !entry->used &&
		    list_is_file(tally->real_path, entry->file) && has_directive(script, entry)) {
			(void)fprintf(tally->out,
				      "%s:%" PRIu64 ": %s: %s: the list, line %u, knows of a "
				      "difference that is not there\n",
				      tally->path, entry->file_line, entry->command, entry->outcome,
				      entry->line);
		}
		entry->used = false;
	}
}

void tally_end_file(struct tally *tally, const struct script *script)
{
	const struct tally_counts *counts = &tally->file;

	tell_unused(tally, script);
	(void)fprintf(tally->out, "%s: matched %" PRIu64 " of %" PRIu64, tally->path,
		      counts->matched, sum(counts));
	if (counts->listed > 0)
		(void)fprintf(tally->out, ", %" PRIu64 " differ as listed", counts->listed);
	if (counts->unsupported > 0)
		(void)fprintf(tally->out, ", %" PRIu64 " not supported", counts->unsupported);
	if (counts->mismatched > 0)
		(void)fprintf(tally->out, ", %" PRIu64 " MISMATCHED", counts->mismatched);
	(void)fputc('\n', tally->out);
	tally->total.matched += counts->matched;
	tally->total.listed += counts->listed;
	tally->total.unsupported += counts->unsupported;
	tally->total.mismatched += counts->mismatched;
	free(tally->real_path);
	tally->real_path = NULL;
}

static char *on_one_line(const char *value)
{
	char *line = malloc(2 * strlen(value) + 1);
	size_t length = 0;

	QR_ASSERT(line != NULL);
	for (; *value != '\0'; value++) {
		if (*value == '\n')
			line[length++] = '\\';
		line[length++] = *value;
		if (*value == '\n')
			line[length - 1] = 'n';
	}
	line[length] = '\0';
	return line;
}

static void tell_place(const struct tally *tally, const struct script_directive *directive)
{
	(void)fprintf(tally->out, "%s:%u: %s: ", tally->path, directive->line, directive->command);
}

static void judge(struct tally *tally, const struct script_directive *directive,
		  const struct list_difference *difference)
{
	const char *reason = NULL;
	bool same = strcmp(difference->there, difference->here) == 0;

	if (same) {
		tally->file.matched++;
		if (!tally->verbose)
			return;
	} else {
		reason = list_explain(tally->list, difference);
	}
	tally->file.listed += reason != NULL;
	tally->file.mismatched += !same && reason == NULL;
	tell_place(tally, directive);
	if (same) {
		(void)fprintf(tally->out, "%s: %s\n", difference->outcome, difference->there);
	} else if (reason != NULL) {
		(void)fprintf(tally->out, "%s: etcd %s, here %s: %s\n", difference->outcome,
			      difference->there, difference->here, reason);
	} else {
		(void)fprintf(tally->out, "%s: MISMATCH: etcd %s, here %s\n", difference->outcome,
			      difference->there, difference->here);
	}
}

void tally_outcome(struct tally *tally, const struct script_directive *directive,
		   const char *outcome, const char *there, const char *here)
{
	char *there_line = on_one_line(there);
	char *here_line = on_one_line(here);
	struct list_difference difference = {
		.path = tally->real_path,
		.line = directive->line,
		.command = directive->command,
		.outcome = outcome,
		.there = there_line,
		.here = here_line,
	};

	judge(tally, directive, &difference);
	free(there_line);
	free(here_line);
}

void tally_unsupported(struct tally *tally, const struct script_directive *directive,
		       uint64_t count, const char *key, const char *detail)
{
	const char *reason = list_unsupported(tally->list, key);

	if (count == 0)
		return;
	if (reason == NULL) {
		tally->file.mismatched += count;
	} else {
		tally->file.unsupported += count;
	}
	tell_place(tally, directive);
	(void)fprintf(tally->out, "%" PRIu64 " not supported", count);
	if (detail != NULL && *detail != '\0')
		(void)fprintf(tally->out, " (%s)", detail);
	(void)fprintf(tally->out, ": %s\n",
		      reason == NULL ? "MISMATCH: the list gives no reason" : reason);
}

void tally_conclude(struct tally *tally)
{
	const struct tally_counts *counts = &tally->total;

	(void)fprintf(tally->out,
		      "%" PRIu64 " differ as listed, %" PRIu64 " are not supported, %" PRIu64
		      " differ and nothing says why\n",
		      counts->listed, counts->unsupported, counts->mismatched);
	(void)fprintf(tally->out,
		      "matched %" PRIu64 " of %" PRIu64 " outcomes, %" PRIu64 " files\n",
		      counts->matched, sum(counts), tally->file_count);
}
