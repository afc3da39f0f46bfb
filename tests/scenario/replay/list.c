/*
 * The list of deviations, read line by line. Fields stand between " | "; blanks around them do not
 * count. Reasons have names, since one reason often explains many outcomes.
 */
#include "tests/scenario/replay/list.h"

#include "consensus/base/assert.h"
#include "tests/scenario/replay/script.h"

#include <stdlib.h>
#include <string.h>

#define FIELDS_MAX 6

static char *copy_of(const char *text)
{
	char *copy = strdup(text);

	QR_ASSERT(copy != NULL);
	return copy;
}

static char *trimmed(char *text)
{
	size_t length;

	text += strspn(text, " \t");
	length = strlen(text);
	while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t'))
		text[--length] = '\0';
	return text;
}

/* False: there are more fields than any line has. */
static bool split(char *line, char *fields[FIELDS_MAX], unsigned *ret_count)
{
	unsigned count = 0;

	for (char *next = line; next != NULL;) {
		char *field = next;

		if (count == FIELDS_MAX)
			return false;
		next = strstr(field, " | ");
		if (next != NULL) {
			*next = '\0';
			next += strlen(" | ");
		}
		fields[count++] = trimmed(field);
	}
	*ret_count = count;
	return true;
}

static bool skip_word(char **at, const char *word)
{
	size_t length = strlen(word);

	if (strncmp(*at, word, length) != 0 || (*at)[length] != ' ')
		return false;
	*at = trimmed(*at + length);
	return true;
}

static const struct list_reason *find_reason(const struct list *list, const char *name)
{
	const struct list_reason *reason = list->reasons;

	while (reason != NULL && strcmp(reason->name, name) != 0)
		reason = reason->next;
	return reason;
}

static void add_reason(struct list *list, const char *name, const char *text)
{
	struct list_reason *reason = malloc(sizeof(*reason));

	QR_ASSERT(reason != NULL);
	*reason = (struct list_reason){list->reasons, copy_of(name), copy_of(text)};
	list->reasons = reason;
}

static struct list_entry *add_entry(struct list *list)
{
	size_t size = (list->entry_count + 1) * sizeof(list->entries[0]);

	list->entries = realloc(list->entries, size);
	QR_ASSERT(list->entries != NULL);
	list->entries[list->entry_count] = (struct list_entry){0};
	return &list->entries[list->entry_count++];
}

static bool parse_unsupported(struct list *list, char *fields[FIELDS_MAX], unsigned line)
{
	const struct list_reason *reason = find_reason(list, fields[1]);
	struct list_entry *entry;

	if (reason == NULL)
		return false;
	entry = add_entry(list);
	entry->unsupported = true;
	entry->line = line;
	entry->file = copy_of(fields[0]);
	entry->reason = reason;
	return true;
}

static bool parse_difference(struct list *list, char *fields[FIELDS_MAX], unsigned line)
{
	const struct list_reason *reason = find_reason(list, fields[5]);
	char *colon = strrchr(fields[0], ':');
	struct list_entry *entry;
	uint64_t file_line;

	if (reason == NULL || colon == NULL || !script_number(colon + 1, &file_line))
		return false;
	*colon = '\0';
	entry = add_entry(list);
	entry->line = line;
	entry->file = copy_of(fields[0]);
	entry->file_line = file_line;
	entry->command = copy_of(fields[1]);
	entry->outcome = copy_of(fields[2]);
	entry->there = copy_of(fields[3]);
	entry->here = copy_of(fields[4]);
	entry->reason = reason;
	return true;
}

static bool parse_line(struct list *list, char *line, unsigned number)
{
	char *fields[FIELDS_MAX];
	unsigned count;

	line = trimmed(line);
	if (*line == '\0' || *line == '#')
		return true;
	if (skip_word(&line, "reason")) {
		if (!split(line, fields, &count) || count != 2)
			return false;
		add_reason(list, fields[0], fields[1]);
		return true;
	}
	if (skip_word(&line, "unsupported")) {
		return split(line, fields, &count) && count == 2 &&
		       parse_unsupported(list, fields, number);
	}
	return skip_word(&line, "differs") && split(line, fields, &count) && count == 6 &&
	       parse_difference(list, fields, number);
}

bool list_parse(struct list *ret_list, const char *text, unsigned *ret_bad_line)
{
	char *copy = copy_of(text);
	char *rest = copy;
	char *line;
	unsigned number = 0;
	bool good = true;

	*ret_list = (struct list){0};
	while (good && (line = strsep(&rest, "\n")) != NULL)
		good = parse_line(ret_list, line, ++number);
	free(copy);
	if (!good)
		*ret_bad_line = number;
	return good;
}

void list_free(struct list *list)
{
	while (list->reasons != NULL) {
		struct list_reason *reason = list->reasons;

		list->reasons = reason->next;
		free(reason->name);
		free(reason->text);
		free(reason);
	}
	for (uint32_t i = 0; i < list->entry_count; i++) {
		free(list->entries[i].file);
		free(list->entries[i].command);
		free(list->entries[i].outcome);
		free(list->entries[i].there);
		free(list->entries[i].here);
	}
	free(list->entries);
	*list = (struct list){0};
}

bool list_is_file(const char *path, const char *file)
{
	size_t path_length = strlen(path);
	size_t length = strlen(file);

	if (length == 0 || path_length < length || strcmp(path + path_length - length, file) != 0)
		return false;
	return path_length == length || path[path_length - length - 1] == '/';
}

const char *list_explain(struct list *list, const struct list_difference *difference)
{
	for (uint32_t i = 0; i < list->entry_count; i++) {
		struct list_entry *entry = &list->entries[i];

		if (entry->unsupported || entry->file_line != difference->line ||
		    !list_is_file(difference->path, entry->file) ||
		    strcmp(entry->command, difference->command) != 0 ||
		    strcmp(entry->outcome, difference->outcome) != 0 ||
		    strcmp(entry->there, difference->there) != 0 ||
		    strcmp(entry->here, difference->here) != 0)
			continue;
		entry->used = true;
		return entry->reason->text;
	}
	return NULL;
}

const char *list_unsupported(struct list *list, const char *key)
{
	for (uint32_t i = 0; i < list->entry_count; i++) {
		struct list_entry *entry = &list->entries[i];

		if (entry->unsupported && strcmp(entry->file, key) == 0) {
			entry->used = true;
			return entry->reason->text;
		}
	}
	return NULL;
}
