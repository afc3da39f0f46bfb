/*
 * The language of "datadriven" test files: directives, their input and what is expected of them.
 *
 *     # a comment
 *     command flag key=value key=(value, value) \
 *         more of the same line
 *     input, until a line of four dashes
 *     ----
 *     expected output, until an empty line
 *
 * Expected output with empty lines in it stands between two pairs of ---- lines.
 */
#ifndef QR_TESTS_REPLAY_SCRIPT_H
#define QR_TESTS_REPLAY_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** `flag` has no values, `key=` one that is empty, `key=(a, b)` two. */
struct script_argument {
	const char *key;
	uint32_t value_count;
	const char **values;
};

struct script_directive {
	unsigned line;	     /* where it begins, from 1 */
	const char *trouble; /* why it cannot be carried out as it stands, or NULL */
	char *text;	     /* its whole line, wrapped lines joined */
	const char *command;
	uint32_t argument_count;
	struct script_argument *arguments;
	char *input;	/* without the blanks around it; "" for none */
	char *expected; /* every line ends in a newline; "" for none */
	char *words;	/* what command, keys and values point into */
};

struct script {
	uint32_t count;
	struct script_directive *directives;
};

/** Any bytes are a script; what is malformed becomes a directive with `trouble`. */
void script_parse(struct script *ret_script, const char *text, size_t size_bytes);
void script_free(struct script *script);

/** The first argument of that key, or NULL. */
const struct script_argument *script_argument(const struct script_directive *directive,
					      const char *key);

/** A decimal number that is nothing else; false: it is none, or too large for 64 bits. */
bool script_number(const char *text, uint64_t *ret_number);

#endif
