/*
 * The parser of datadriven files.
 *
 * It follows what github.com/cockroachdb/datadriven accepts, with two differences: nothing ends
 * the reading, a directive that is malformed carries its trouble and the next one is looked for
 * behind it; and a NUL byte in a file reads as '?'.
 *
 * The text is cut in one pass over its lines. A directive owns copies of its parts, so that
 * nothing of the file is needed afterwards.
 */
#include "tests/scenario/replay/script.h"

#include "consensus/base/assert.h"

#include <stdlib.h>
#include <string.h>

#define SEPARATOR "----"

/* What is left of the file, line by line. */
struct reader {
	const char *at;
	const char *end;
	unsigned line; /* of the line taken last */
};

/* A line, or several, without the newline at the end. */
struct span {
	const char *start;
	size_t length;
};

static void *must_have(void *memory)
{
	QR_ASSERT(memory != NULL);
	return memory;
}

static char *copy_of(struct span span)
{
	return must_have(strndup(span.start, span.length));
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\v' || c == '\f';
}

static struct span trimmed(struct span span)
{
	while (span.length > 0 && is_blank(span.start[0])) {
		span.start++;
		span.length--;
	}
	while (span.length > 0 && is_blank(span.start[span.length - 1]))
		span.length--;
	return span;
}

static bool take_line(struct reader *reader, struct span *ret_line)
{
	const char *newline;

	if (reader->at == reader->end)
		return false;
	newline = memchr(reader->at, '\n', (size_t)(reader->end - reader->at));
	ret_line->start = reader->at;
	ret_line->length = (size_t)((newline == NULL ? reader->end : newline) - reader->at);
	reader->at = newline == NULL ? reader->end : newline + 1;
	reader->line++;
	return true;
}

static bool is_separator(struct span line)
{
	return line.length == strlen(SEPARATOR) && memcmp(line.start, SEPARATOR, line.length) == 0;
}

/* The lines that were read since `start`, up to and not with `end`. */
static struct span lines_between(const char *start, const char *end)
{
	return (struct span){start, (size_t)(end - start)};
}

/* A backslash at the end of a directive continues it on the next line. */
static char *take_wrapped(struct reader *reader, struct span line)
{
	char *text = copy_of(trimmed(line));
	size_t length = strlen(text);

	while (length > 0 && text[length - 1] == '\\' && take_line(reader, &line)) {
		line = trimmed(line);
		text = must_have(realloc(text, length + 1 + line.length));
		text[length - 1] = ' ';
		memcpy(text + length, line.start, line.length);
		length += line.length;
		text[length] = '\0';
	}
	return text;
}

static void skip_blanks(char **at)
{
	while (is_blank(**at))
		(*at)++;
}

/* The word up to one of `ends`, cut off; what ended it is returned, 0 at the end of the line. */
static char take_word(char **at, const char *ends, const char **ret_word)
{
	size_t length = strcspn(*at, ends);
	char end = (*at)[length];

	*ret_word = *at;
	(*at)[length] = '\0';
	*at += end == '\0' ? length : length + 1;
	return end;
}

static void add_value(struct script_argument *argument, const char *value)
{
	size_t size = (argument->value_count + 1) * sizeof(argument->values[0]);

	argument->values = must_have(realloc(argument->values, size));
	argument->values[argument->value_count++] = value;
}

/* Behind "key=(": values between commas; they may hold parentheses. False: it never ends. */
static bool take_values(char **at, struct script_argument *argument)
{
	unsigned depth = 1;
	char *start = *at;

	for (char *c = start; *c != '\0'; c++) {
		depth += *c == '(';
		depth -= *c == ')';
		if (depth > 1 || (*c != ',' && depth == 1))
			continue;
		add_value(argument, start);
		*at = c + 1;
		if (depth == 0) {
			*c = '\0';
			return true;
		}
		*c = '\0';
		while (c[1] == ' ')
			c++;
		start = c + 1;
	}
	return false;
}

static bool take_argument(char **at, struct script_argument *argument)
{
	char end = take_word(at, " \t=", &argument->key);

	if (argument->key[0] == '\0')
		return false;
	if (end != '=')
		return true;
	if (**at == '(') {
		(*at)++;
		return take_values(at, argument);
	}
	add_value(argument, "");
	(void)take_word(at, " \t", &argument->values[0]);
	return true;
}

static void parse_words(struct script_directive *directive)
{
	char *at = directive->words;

	(void)take_word(&at, " \t", &directive->command);
	for (skip_blanks(&at); *at != '\0'; skip_blanks(&at)) {
		size_t size = (directive->argument_count + 1) * sizeof(struct script_argument);
		struct script_argument *argument;

		directive->arguments = must_have(realloc(directive->arguments, size));
		argument = &directive->arguments[directive->argument_count++];
		*argument = (struct script_argument){.key = ""};
		if (!take_argument(&at, argument)) {
			directive->trouble = "the line cannot be parsed";
			return;
		}
	}
}

/* Up to the separator or the end of the file; false: the separator is missing. */
static bool take_input(struct reader *reader, struct script_directive *directive)
{
	const char *start = reader->at;
	struct span line = {reader->at, 0};
	bool found = false;

	while (!found && take_line(reader, &line))
		found = is_separator(line);
	directive->input = copy_of(trimmed(lines_between(start, found ? line.start : reader->end)));
	return found;
}

/* Between two pairs of separators; the first pair is behind us. */
static void take_expected_block(struct reader *reader, struct script_directive *directive)
{
	const char *start = reader->at;
	const char *end = reader->at;
	struct span line;
	bool was_separator = false;

	while (take_line(reader, &line)) {
		bool separator = is_separator(line);

		if (separator && was_separator) {
			directive->expected = copy_of(lines_between(start, end));
			if (take_line(reader, &line) && trimmed(line).length > 0)
				directive->trouble = "text behind the end of its expected output";
			return;
		}
		if (separator)
			end = line.start;
		was_separator = separator;
	}
	directive->expected = copy_of(lines_between(start, reader->end));
	directive->trouble = "its expected output never ends";
}

/* Ends at the first blank line. */
static void take_expected(struct reader *reader, struct script_directive *directive)
{
	const char *start = reader->at;
	struct span line = {reader->at, 0};

	if (take_line(reader, &line) && is_separator(line)) {
		take_expected_block(reader, directive);
		return;
	}
	while (trimmed(line).length > 0 && reader->at < reader->end)
		(void)take_line(reader, &line);
	if (trimmed(line).length > 0)
		line.start = reader->end;
	directive->expected = copy_of(lines_between(start, line.start));
}

static void take_directive(struct reader *reader, struct script *script, struct span line)
{
	size_t size = (script->count + 1) * sizeof(script->directives[0]);
	struct script_directive *directive;

	script->directives = must_have(realloc(script->directives, size));
	directive = &script->directives[script->count++];
	*directive = (struct script_directive){.line = reader->line};
	directive->text = take_wrapped(reader, line);
	directive->words = must_have(strdup(directive->text));
	parse_words(directive);
	/* "subtest NAME" and "subtest end" bracket directives and have neither input nor output. */
	if (strcmp(directive->command, "subtest") != 0 && take_input(reader, directive))
		take_expected(reader, directive);
	if (directive->input == NULL)
		directive->input = must_have(strdup(""));
	if (directive->expected == NULL)
		directive->expected = must_have(strdup(""));
}

/* No carriage returns, no NULs, and a newline at the end. */
static char *cleaned(const char *text, size_t size_bytes, size_t *ret_length)
{
	char *copy = must_have(malloc(size_bytes + 2));
	size_t length = 0;

	for (size_t i = 0; i < size_bytes; i++) {
		if (text[i] == '\r' && (i + 1 == size_bytes || text[i + 1] == '\n'))
			continue;
		copy[length] = text[i];
		if (text[i] == '\0')
			copy[length] = '?';
		length++;
	}
	if (length > 0 && copy[length - 1] != '\n')
		copy[length++] = '\n';
	copy[length] = '\0';
	*ret_length = length;
	return copy;
}

void script_parse(struct script *ret_script, const char *text, size_t size_bytes)
{
	size_t length;
	char *copy = cleaned(text, size_bytes, &length);
	struct reader reader = {.at = copy, .end = copy + length};
	struct span line;

	*ret_script = (struct script){0};
	while (take_line(&reader, &line)) {
		line = trimmed(line);
		if (line.length > 0 && line.start[0] != '#')
			take_directive(&reader, ret_script, line);
	}
	free(copy);
}

void script_free(struct script *script)
{
	for (uint32_t i = 0; i < script->count; i++) {
		struct script_directive *directive = &script->directives[i];

		for (uint32_t k = 0; k < directive->argument_count; k++)
			free(directive->arguments[k].values);
		free(directive->arguments);
		free(directive->text);
		free(directive->words);
		free(directive->input);
		free(directive->expected);
	}
	free(script->directives);
	*script = (struct script){0};
}

const struct script_argument *script_argument(const struct script_directive *directive,
					      const char *key)
{
	for (uint32_t i = 0; i < directive->argument_count; i++) {
		if (strcmp(directive->arguments[i].key, key) == 0)
			return &directive->arguments[i];
	}
	return NULL;
}

bool script_number(const char *text, uint64_t *ret_number)
{
	uint64_t number = 0;

	if (*text == '\0')
		return false;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9' ||
		    __builtin_mul_overflow(number, (uint64_t)10, &number) ||
		    __builtin_add_overflow(number, (uint64_t)(*text - '0'), &number))
			return false;
	}
	*ret_number = number;
	return true;
}
