/*
 * The list of what differs on purpose: tests/scenario/etcd-deviations.txt.
 *
 *     # a comment
 *     reason NAME | why, in a sentence or two
 *     unsupported KEY | NAME
 *     differs FILE:LINE | COMMAND | OUTCOME | THERE | HERE | NAME
 *
 * `differs` explains one outcome: the one of that name, of the directive at that line of a file
 * whose path ends in FILE, and only while etcd's value and ours are the ones given. `unsupported`
 * explains what the core cannot do; the keys are the driver's.
 */
#ifndef QR_TESTS_REPLAY_LIST_H
#define QR_TESTS_REPLAY_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct list_reason {
	struct list_reason *next;
	char *name;
	char *text;
};

struct list_entry {
	bool unsupported;
	bool used;
	unsigned line; /* of the list */
	char *file;    /* or the key */
	uint64_t file_line;
	char *command;
	char *outcome;
	char *there;
	char *here;
	const struct list_reason *reason;
};

struct list {
	struct list_reason *reasons; /* the newest first */
	uint32_t entry_count;
	struct list_entry *entries;
};

/** One outcome that differs. */
struct list_difference {
	const char *path;
	unsigned line;
	const char *command;
	const char *outcome;
	const char *there;
	const char *here;
};

/**
 * Read the text of a list.
 *
 * @param ret_bad_line  the first line that is malformed or names an unknown reason.
 * @return              false: there is such a line. list_free is due either way.
 */
bool list_parse(struct list *ret_list, const char *text, unsigned *ret_bad_line);
void list_free(struct list *list);

/** Why it differs, or NULL: the list does not say. Marks the entry as used. */
const char *list_explain(struct list *list, const struct list_difference *difference);
/** Why the core cannot do that, or NULL. */
const char *list_unsupported(struct list *list, const char *key);
/** Whether `path` ends in `file`, by whole components. */
bool list_is_file(const char *path, const char *file);

#endif
