/*
 * Lines come in the order in which they were written. A process has at most one operation under
 * way; what a line with `ok`, `fail` or `info` ends is the one of its process.
 *
 * The order of the lines is the order of the events, as long as the times on them, if there are
 * any, do not go back. Where they do, the lines are of several recorders, put one behind the other:
 * then the times order the events, and calls come before answers of the same time, which leaves
 * these concurrent.
 */
#include "tests/check/history.h"

#include "tests/check/json.h"
#include "tests/check/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_OPERATION 0u /* of a process; else the index + 1 */

/** A line that is part of an operation. */
struct event {
	uint32_t operation;
	bool answer;
	bool timed;
	double time;
	int64_t exact; /* the same, when all are integers */
};

struct reader {
	struct check_history *history;
	struct check_mistake *mistake;
	uint32_t line;
	check_value process_key;
	check_value type_key;
	check_value f_key;
	check_value key_key;
	check_value value_key;
	check_value time_key;
	check_value null;
	check_value nemesis;
	check_value types[4]; /* invoke, ok, fail, info */
	check_value functions[CHECK_FUNCTIONS];
	uint32_t *under_way; /* by process: its operation + 1 */
	bool *known;	     /* by process */
	size_t process_capacity;
	struct event *events;
	size_t event_capacity;
	size_t event_count;
	bool all_timed;
	bool all_exact;
};

enum type { INVOKE, OK, FAIL, INFO };

static const char *const type_names[] = {"invoke", "ok", "fail", "info"};
static const char *const function_names[] = {
	[CHECK_F_READ] = "read",
	[CHECK_F_WRITE] = "write",
	[CHECK_F_CAS] = "cas",
	[CHECK_F_APPEND] = "append",
};

const char *check_function_name(enum check_function f)
{
	return function_names[f];
}

bool check_mistake_say(struct check_mistake *mistake, uint32_t line, const char *format, ...)
{
	va_list arguments;

	mistake->line = line;
	va_start(arguments, format);
	(void)vsnprintf(mistake->text, sizeof(mistake->text), format, arguments);
	va_end(arguments);
	return false;
}

/* ---- one line ---- */

static const char *print(const struct reader *reader, check_value value, char *text,
			 size_t size_bytes)
{
	return check_value_print(reader->history->values, value, text, size_bytes);
}

static check_value member(const struct reader *reader, check_value object, check_value key)
{
	check_value value = check_value_member(reader->history->values, object, key);

	return value == reader->null && key != reader->value_key ? CHECK_ABSENT : value;
}

/** One of a list of words. @return its place; `count`: none. */
static size_t find_word(const check_value *words, size_t count, check_value value)
{
	size_t at = 0;

	while (at < count && words[at] != value)
		at++;
	return at;
}

static bool refuse_word(struct reader *reader, const char *field, check_value value,
			const char *expected)
{
	char text[64];

	if (value == CHECK_ABSENT) {
		return check_mistake_say(reader->mistake, reader->line,
					 "\"%s\" is missing: give %s", field, expected);
	}
	return check_mistake_say(reader->mistake, reader->line, "\"%s\" is %s: give %s", field,
				 print(reader, value, text, sizeof(text)), expected);
}

static void note_process(struct reader *reader, check_value process)
{
	size_t capacity = reader->process_capacity;

	if (process >= capacity) {
		size_t known_capacity = capacity;

		reader->under_way = check_memory_grow(reader->under_way, &reader->process_capacity,
						      (size_t)process + 1, sizeof(uint32_t));
		reader->known = check_memory_grow(reader->known, &known_capacity,
						  reader->process_capacity, sizeof(bool));
		memset(reader->under_way + capacity, 0,
		       (reader->process_capacity - capacity) * sizeof(uint32_t));
		memset(reader->known + capacity, 0, reader->process_capacity - capacity);
	}
	if (!reader->known[process])
		reader->history->process_count++;
	reader->known[process] = true;
}

static void note_event(struct reader *reader, check_value object, uint32_t operation, bool answer)
{
	const struct check_values *values = reader->history->values;
	check_value time = member(reader, object, reader->time_key);
	struct event event = {.operation = operation, .answer = answer};

	event.timed =
		time != CHECK_ABSENT && (check_value_kind(values, time) == CHECK_VALUE_INTEGER ||
					 check_value_kind(values, time) == CHECK_VALUE_REAL);
	event.time = check_value_real(values, time);
	reader->all_exact &= check_value_integer(values, time, &event.exact);
	reader->all_timed &= event.timed;
	reader->events = check_memory_grow(reader->events, &reader->event_capacity,
					   reader->event_count + 1, sizeof(event));
	reader->events[reader->event_count++] = event;
}

static bool take_invoke(struct reader *reader, check_value object, check_value process)
{
	struct check_history *history = reader->history;
	check_value f = member(reader, object, reader->f_key);
	size_t function = find_word(reader->functions, CHECK_FUNCTIONS, f);
	struct check_operation *operation;
	char text[64];

	if (function == CHECK_FUNCTIONS)
		return refuse_word(reader, "f", f, "\"append\", \"read\", \"write\" or \"cas\"");
	if (reader->under_way[process] != NO_OPERATION) {
		return check_mistake_say(
			reader->mistake, reader->line,
			"process %s invokes again while its operation of line %u has no answer: "
			"end that with ok, fail or info first, or use another process",
			print(reader, process, text, sizeof(text)),
			history->operations[reader->under_way[process] - 1].called_line);
	}
	history->operations = check_memory_grow(history->operations, &history->operation_capacity,
						history->operation_count + 1, sizeof(*operation));
	operation = &history->operations[history->operation_count++];
	*operation = (struct check_operation){
		.process = process,
		.key = member(reader, object, reader->key_key),
		.f = (enum check_function)function,
		.called_with = member(reader, object, reader->value_key),
		.called_line = reader->line,
		.answered = CHECK_NEVER,
	};
	history->counts[function]++;
	reader->under_way[process] = (uint32_t)history->operation_count;
	note_event(reader, object, (uint32_t)history->operation_count - 1, false);
	return true;
}

/** The fields of an answer, where they are there, are those of the call. */
static bool matches_call(struct reader *reader, check_value object,
			 const struct check_operation *operation)
{
	check_value f = member(reader, object, reader->f_key);
	check_value key = member(reader, object, reader->key_key);
	char given[64];
	char called[64];

	if (f != CHECK_ABSENT && f != reader->functions[operation->f]) {
		return check_mistake_say(reader->mistake, reader->line,
					 "\"f\" is %s, but line %u invoked %s: make them equal",
					 print(reader, f, given, sizeof(given)),
					 operation->called_line, function_names[operation->f]);
	}
	if (key != CHECK_ABSENT && key != operation->key) {
		return check_mistake_say(reader->mistake, reader->line,
					 "\"key\" is %s, but line %u invoked %s: make them equal",
					 print(reader, key, given, sizeof(given)),
					 operation->called_line,
					 print(reader, operation->key, called, sizeof(called)));
	}
	return true;
}

static bool take_answer(struct reader *reader, check_value object, check_value process,
			enum type type)
{
	struct check_operation *operation;
	uint32_t number = reader->under_way[process];
	char text[64];

	if (number == NO_OPERATION) {
		return check_mistake_say(reader->mistake, reader->line,
					 "process %s has no operation that this %s could end: "
					 "begin it with a line of type invoke",
					 print(reader, process, text, sizeof(text)),
					 type_names[type]);
	}
	operation = &reader->history->operations[number - 1];
	if (!matches_call(reader, object, operation))
		return false;
	operation->answered_line = reader->line;
	operation->answered_with = member(reader, object, reader->value_key);
	operation->outcome = type == OK ? CHECK_OK : type == FAIL ? CHECK_FAILED : CHECK_OPEN;
	reader->under_way[process] = NO_OPERATION;
	note_event(reader, object, number - 1, true);
	return true;
}

static bool take_line(struct reader *reader, const char *text, size_t size_bytes)
{
	struct check_json_error error;
	check_value object = check_json_parse(reader->history->values, text, size_bytes, &error);
	check_value process;
	check_value word;
	size_t type;

	if (object == CHECK_ABSENT) {
		return check_mistake_say(reader->mistake, reader->line,
					 "no JSON: %s at byte %zu; each line is one object",
					 error.what, error.at + 1);
	}
	if (check_value_kind(reader->history->values, object) != CHECK_VALUE_OBJECT) {
		return check_mistake_say(reader->mistake, reader->line,
					 "no JSON object: each line is one (an array of them "
					 "becomes lines with 'jq -c .[]')");
	}
	process = member(reader, object, reader->process_key);
	if (process == reader->nemesis)
		return true; /* what was done to the system says nothing about its answers */
	word = member(reader, object, reader->type_key);
	type = find_word(reader->types, 4, word);
	if (type == 4) {
		return refuse_word(reader, "type", word,
				   "\"invoke\", \"ok\", \"fail\" or \"info\"");
	}
	if (process == CHECK_ABSENT)
		return refuse_word(reader, "process", process, "a number or a name");
	note_process(reader, process);
	return type == INVOKE ? take_invoke(reader, object, process)
			      : take_answer(reader, object, process, (enum type)type);
}

/* ---- all lines ---- */

static bool is_blank(const char *text, size_t size_bytes)
{
	for (size_t i = 0; i < size_bytes; i++) {
		if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r')
			return false;
	}
	return true;
}

static bool take_lines(struct reader *reader, const char *text, size_t size_bytes)
{
	const char *end = text + size_bytes;

	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t size = (size_t)((newline != NULL ? newline : end) - text);

		if (reader->line == UINT32_MAX)
			return check_mistake_say(reader->mistake, 0, "too many lines: split it");
		reader->line++;
		if (!is_blank(text, size) && !take_line(reader, text, size))
			return false;
		text += size + 1;
	}
	reader->history->line_count = reader->line;
	return true;
}

/* ---- order ---- */

static int compare_times(const struct event *a, const struct event *b, bool exact)
{
	if (exact)
		return (a->exact > b->exact) - (a->exact < b->exact);
	return (a->time > b->time) - (a->time < b->time);
}

static bool go_back(const struct reader *reader)
{
	for (size_t i = 1; reader->all_timed && i < reader->event_count; i++) {
		if (compare_times(&reader->events[i - 1], &reader->events[i], reader->all_exact) >
		    0)
			return true;
	}
	return false;
}

static int by_time(const void *left, const void *right, void *context)
{
	const struct reader *reader = context;
	const struct event *a = left;
	const struct event *b = right;
	int order = compare_times(a, b, reader->all_exact);

	if (order != 0)
		return order;
	if (a->answer != b->answer)
		return a->answer ? 1 : -1;
	return (a->operation > b->operation) - (a->operation < b->operation);
}

static bool order_events(struct reader *reader)
{
	struct check_operation *operations = reader->history->operations;

	if (go_back(reader)) {
		qsort_r(reader->events, reader->event_count, sizeof(*reader->events), by_time,
			reader);
	}
	for (size_t i = 0; i < reader->event_count; i++) {
		const struct event *event = &reader->events[i];
		struct check_operation *operation = &operations[event->operation];

		if (!event->answer) {
			operation->called = i + 1;
		} else if (operation->called == 0) {
			return check_mistake_say(reader->mistake, operation->answered_line,
						 "its time is before that of line %u, which "
						 "invoked the operation: take both from one clock",
						 operation->called_line);
		} else if (operation->outcome == CHECK_OK) {
			operation->answered = i + 1;
		}
	}
	return true;
}

/* ---- begin and end ---- */

static void name_words(struct reader *reader)
{
	struct check_values *values = reader->history->values;

	reader->process_key = check_values_string(values, "process");
	reader->type_key = check_values_string(values, "type");
	reader->f_key = check_values_string(values, "f");
	reader->key_key = check_values_string(values, "key");
	reader->value_key = check_values_string(values, "value");
	reader->time_key = check_values_string(values, "time");
	reader->nemesis = check_values_string(values, "nemesis");
	reader->null = check_values_word(values, CHECK_VALUE_NULL);
	for (unsigned i = 0; i < 4; i++)
		reader->types[i] = check_values_string(values, type_names[i]);
	for (unsigned i = 0; i < CHECK_FUNCTIONS; i++)
		reader->functions[i] = check_values_string(values, function_names[i]);
}

bool check_history_read(struct check_history *history, const char *text, size_t size_bytes,
			struct check_mistake *ret_mistake)
{
	struct reader reader = {
		.history = history,
		.mistake = ret_mistake,
		.all_timed = true,
		.all_exact = true,
	};
	bool whole;

	*history = (struct check_history){.values = check_values_create()};
	name_words(&reader);
	whole = take_lines(&reader, text, size_bytes) && order_events(&reader);
	free(reader.under_way);
	free(reader.known);
	free(reader.events);
	return whole;
}

void check_history_fini(struct check_history *history)
{
	check_values_destroy(history->values);
	free(history->operations);
	*history = (struct check_history){0};
}
