/*
 * Log histories. V stands for what was appended.
 *
 *   append  called with a value, or with a list of values that are appended at once, or with
 *           {"values": [...]}, {"value": v} or {"count": n}
 *           answered with V, null, true or nothing: it is in the log, the offset was not told;
 *           with {"offset": n}, or [n, V], or for a list the list of its offsets: its first offset
 * is n; with an integer: where V is no integer, that is the offset. Where it is one, the whole
 *           history decides: if any answer differs from what was appended, all are offsets.
 *   read    called with nothing: the whole log; with an integer or {"offset": n}: from there on;
 *           with {"offset": n, "count": c}: at most so many
 *           answered with a list: the log from there to its end (unless it was limited); with a
 *           list of [offset, value]: the same, and it names its offsets; with
 *           {"offset": n, "values": [...]}: a piece, that need not reach to the end; either with
 *           "tail": n, or that alone: the log had n records; with null: there was nothing from
 * there on; with a value, if it was called with an offset: what is at that offset
 *
 * An answer that contradicts itself is no mistake of the file: it is what the check is for.
 */
#include "tests/check/forms.h"

#include "tests/check/memory.h"

#include <stdlib.h>

struct form {
	const struct check_history *history;
	const struct check_log_forms *forms;
	struct check_values *values;
	struct check_log *log;
	struct check_mistake *mistake;
	uint64_t start;
	check_value offset_key;
	check_value values_key;
	check_value value_key;
	check_value count_key;
	check_value tail_key;
	uint64_t *room; /* for values */
	size_t room_capacity;
};

static enum check_value_kind kind_of(const struct form *form, check_value value)
{
	return check_value_kind(form->values, value);
}

static bool is_one_of(const struct form *form, check_value value, enum check_value_kind first,
		      enum check_value_kind second)
{
	return kind_of(form, value) == first || kind_of(form, value) == second;
}

static bool is_nothing(const struct form *form, check_value value)
{
	return is_one_of(form, value, CHECK_VALUE_ABSENT, CHECK_VALUE_NULL);
}

static check_value member(const struct form *form, check_value object, check_value key)
{
	return check_value_member(form->values, object, key);
}

static bool refuse(const struct form *form, uint32_t line, const char *what, check_value value)
{
	char text[96];

	return check_mistake_say(form->mistake, line, "%s, not with %s", what,
				 check_value_print(form->values, value, text, sizeof(text)));
}

static struct check_when when_of(const struct form *form, const struct check_operation *operation)
{
	return (struct check_when){
		.invoked = operation->called,
		.answered = operation->answered,
		.name = (uint64_t)(operation - form->history->operations),
	};
}

/** Copy items to where the model takes values from; they are the model's own numbers then. */
static uint64_t *widen(struct form *form, const check_value *items, size_t count)
{
	form->room =
		check_memory_grow(form->room, &form->room_capacity, count + 1, sizeof(*form->room));
	for (size_t i = 0; i < count; i++)
		form->room[i] = items[i];
	return form->room;
}

/* ---- appends ---- */

/** What is appended: a list of values, or a number of records of which nothing is known. */
struct batch {
	const check_value *items; /* NULL: not known */
	size_t count;
	check_value single; /* items, where it is one value */
	bool list;
};

static bool read_batch_object(const struct form *form, check_value object, struct batch *batch)
{
	check_value values = member(form, object, form->values_key);
	check_value value = member(form, object, form->value_key);
	uint64_t count;

	if (kind_of(form, values) == CHECK_VALUE_LIST) {
		batch->items = check_value_items(form->values, values, &batch->count);
		batch->list = true;
		return true;
	}
	if (value != CHECK_ABSENT) {
		batch->single = value;
		return true;
	}
	if (check_value_count(form->values, member(form, object, form->count_key), &count)) {
		batch->items = NULL;
		batch->list = true;
		batch->count = count;
	}
	return true; /* else an object is a value like any other */
}

static bool read_batch(const struct form *form, const struct check_operation *operation,
		       struct batch *batch)
{
	check_value value = operation->called_with;

	*batch = (struct batch){.single = value, .count = 1};
	if (value == CHECK_ABSENT)
		batch->single = check_values_word(form->values, CHECK_VALUE_NULL);
	batch->items = &batch->single;
	if (kind_of(form, value) == CHECK_VALUE_LIST) {
		batch->items = check_value_items(form->values, value, &batch->count);
		batch->list = true;
	} else if (kind_of(form, value) == CHECK_VALUE_OBJECT) {
		(void)read_batch_object(form, value, batch);
	}
	if (batch->count == 0 || batch->count > UINT32_MAX) {
		return refuse(form, operation->called_line,
			      "an append is called with a value, or with a list of at least one",
			      value);
	}
	return true;
}

/** What an answer says of an append. */
struct told {
	uint64_t offset;   /* or CHECK_UNTOLD */
	check_value other; /* it tells of another value, which is this; or CHECK_ABSENT */
};

/** [3, 4, 5]: offsets, one after the other. */
static bool are_offsets(const struct form *form, const check_value *items, size_t count,
			uint64_t *ret_first)
{
	uint64_t offset;

	for (size_t i = 0; i < count; i++) {
		if (!check_value_count(form->values, items[i], &offset))
			return false;
		if (i == 0)
			*ret_first = offset;
		if (offset != *ret_first + i)
			return false;
	}
	return count > 0;
}

static bool read_told_list(const struct form *form, const struct check_operation *operation,
			   const struct batch *batch, struct told *told)
{
	size_t count;
	const check_value *items =
		check_value_items(form->values, operation->answered_with, &count);
	uint64_t offset;

	if (batch->list && count == batch->count && are_offsets(form, items, count, &told->offset))
		return true;
	if (count == 2 && check_value_count(form->values, items[0], &offset)) {
		told->offset = offset;
		if (items[1] != operation->called_with)
			told->other = items[1];
		return true;
	}
	if (!batch->list && count == 1 && are_offsets(form, items, count, &told->offset))
		return true;
	return false;
}

static bool read_told_object(const struct form *form, const struct check_operation *operation,
			     struct told *told)
{
	check_value answer = operation->answered_with;
	check_value offset = member(form, answer, form->offset_key);
	check_value values = member(form, answer, form->values_key);
	check_value value = member(form, answer, form->value_key);

	if (!is_nothing(form, offset) && !check_value_count(form->values, offset, &told->offset))
		return false;
	if (values == CHECK_ABSENT)
		values = value;
	if (!is_nothing(form, values) && values != operation->called_with)
		told->other = values;
	return true;
}

static bool is_integer(const struct form *form, check_value value)
{
	return kind_of(form, value) == CHECK_VALUE_INTEGER;
}

/** @return false: the answer cannot be understood. */
static bool read_told(const struct form *form, const struct check_operation *operation,
		      const struct batch *batch, struct told *told)
{
	check_value answer = operation->answered_with;
	bool bare = is_integer(form, answer) && is_integer(form, operation->called_with);

	*told = (struct told){.offset = CHECK_UNTOLD};
	if (operation->outcome != CHECK_OK || is_nothing(form, answer))
		return true;
	if (bare && form->forms->integers_are_offsets)
		return check_value_count(form->values, answer, &told->offset);
	if (answer == operation->called_with || kind_of(form, answer) == CHECK_VALUE_TRUE ||
	    (batch->items != NULL && batch->count == 1 && answer == batch->items[0]))
		return true;
	if (is_integer(form, answer))
		return check_value_count(form->values, answer, &told->offset);
	if (kind_of(form, answer) == CHECK_VALUE_LIST)
		return read_told_list(form, operation, batch, told);
	if (kind_of(form, answer) == CHECK_VALUE_OBJECT)
		return read_told_object(form, operation, told);
	return false;
}

static bool form_append(struct form *form, const struct check_operation *operation)
{
	struct check_append append = {.when = when_of(form, operation)};
	struct batch batch;
	struct told told;

	if (!read_batch(form, operation, &batch))
		return false;
	if (!read_told(form, operation, &batch, &told)) {
		return refuse(form, operation->answered_line,
			      "an append is answered with what was appended, or with "
			      "{\"offset\": n}, [n, value] or n",
			      operation->answered_with);
	}
	if (operation->outcome == CHECK_FAILED)
		return true;
	append.offset = told.offset;
	append.count = (uint32_t)batch.count;
	if (batch.items != NULL)
		append.values = widen(form, batch.items, batch.count);
	check_log_append(form->log, &append);
	if (told.other != CHECK_ABSENT) {
		check_log_reject(form->log, &(struct check_problem){.kind = CHECK_WRONG_ANSWER,
								    .first = append.when.name,
								    .second = CHECK_NOBODY,
								    .offset = told.offset});
	}
	return true;
}

/* ---- reads ---- */

/** What a read asked for, and then what it was told. */
struct asked {
	uint64_t from;
	uint64_t limit; /* records at most; CHECK_UNTOLD: all */
	bool ranged;	/* it named `from` */
};

static bool read_asked(const struct form *form, const struct check_operation *operation,
		       struct asked *asked)
{
	check_value call = operation->called_with;
	check_value offset;
	check_value count;

	*asked = (struct asked){.from = form->start, .limit = CHECK_UNTOLD};
	if (is_nothing(form, call))
		return true;
	if (kind_of(form, call) == CHECK_VALUE_LIST) {
		size_t items;

		(void)check_value_items(form->values, call, &items);
		return items == 0; /* an empty place for what will be read */
	}
	asked->ranged = true;
	if (kind_of(form, call) != CHECK_VALUE_OBJECT)
		return check_value_count(form->values, call, &asked->from);
	offset = member(form, call, form->offset_key);
	count = member(form, call, form->count_key);
	asked->ranged = offset != CHECK_ABSENT;
	return (offset == CHECK_ABSENT || check_value_count(form->values, offset, &asked->from)) &&
	       (count == CHECK_ABSENT || check_value_count(form->values, count, &asked->limit));
}

/** [offset, value], for each of a list. @return whether the list is made of these. */
static bool is_numbered(const struct form *form, const check_value *items, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const check_value *pair;
		uint64_t offset;
		size_t size;

		if (kind_of(form, items[i]) != CHECK_VALUE_LIST)
			return false;
		pair = check_value_items(form->values, items[i], &size);
		if (size != 2 || !check_value_count(form->values, pair[0], &offset))
			return false;
	}
	return count > 0;
}

/** Take the numbers off. @return false: they are not one after the other. */
static bool unnumber(struct form *form, const check_value *items, size_t count,
		     struct check_read *read)
{
	bool dense = true;

	(void)widen(form, items, count);
	for (size_t i = 0; i < count; i++) {
		uint64_t offset = 0;
		size_t size;
		const check_value *pair = check_value_items(form->values, items[i], &size);

		(void)check_value_count(form->values, pair[0], &offset);
		if (i == 0)
			read->offset = offset;
		dense = dense && offset == read->offset + i;
		form->room[i] = pair[1];
	}
	return dense;
}

/** A list that reaches to the end of the log, unless a limit may have cut it. */
static void bound(const struct asked *asked, struct check_read *read)
{
	if (read->count >= asked->limit || read->offset != asked->from)
		return;
	if (read->count == 0 && asked->ranged) {
		read->at_most = asked->from;
	} else {
		read->tail = read->offset + read->count;
	}
}

static void form_read_list(struct form *form, const struct asked *asked, check_value list,
			   struct check_read *read)
{
	size_t count;
	const check_value *items = check_value_items(form->values, list, &count);

	read->count = count;
	if (is_numbered(form, items, count)) {
		if (!unnumber(form, items, count, read)) {
			check_log_reject(form->log,
					 &(struct check_problem){.kind = CHECK_GAP,
								 .first = read->when.name,
								 .second = CHECK_NOBODY,
								 .offset = read->offset});
		}
		read->values = form->room;
	} else {
		read->offset = asked->from;
		read->values = widen(form, items, count);
	}
	bound(asked, read);
}

static bool form_read_object(struct form *form, const struct asked *asked, check_value object,
			     struct check_read *read)
{
	check_value offset = member(form, object, form->offset_key);
	check_value values = member(form, object, form->values_key);
	check_value value = member(form, object, form->value_key);
	check_value tail = member(form, object, form->tail_key);

	read->offset = asked->from;
	if (!is_nothing(form, offset) && !check_value_count(form->values, offset, &read->offset))
		return false;
	if (!is_nothing(form, tail) && !check_value_count(form->values, tail, &read->tail))
		return false;
	if (kind_of(form, values) == CHECK_VALUE_LIST) {
		const check_value *items = check_value_items(form->values, values, &read->count);

		read->values = widen(form, items, read->count);
		return true;
	}
	if (!is_nothing(form, values))
		return false;
	if (value != CHECK_ABSENT) {
		read->count = 1;
		read->values = widen(form, &value, 1);
	}
	return value != CHECK_ABSENT || tail != CHECK_ABSENT || values != CHECK_ABSENT;
}

static bool form_answer(struct form *form, const struct asked *asked, check_value answer,
			struct check_read *read)
{
	read->offset = asked->from;
	if (is_nothing(form, answer)) {
		bound(asked, read);
		return true;
	}
	if (kind_of(form, answer) == CHECK_VALUE_LIST) {
		form_read_list(form, asked, answer, read);
		return true;
	}
	if (kind_of(form, answer) == CHECK_VALUE_OBJECT)
		return form_read_object(form, asked, answer, read);
	read->count = 1;
	read->values = widen(form, &answer, 1);
	return asked->ranged;
}

static bool form_read(struct form *form, const struct check_operation *operation)
{
	struct check_read read = {
		.when = when_of(form, operation), .tail = CHECK_UNTOLD, .at_most = CHECK_UNTOLD};
	struct asked asked;

	if (!read_asked(form, operation, &asked)) {
		return refuse(form, operation->called_line,
			      "a read is called with nothing, an offset, or {\"offset\": n, "
			      "\"count\": c}",
			      operation->called_with);
	}
	if (operation->outcome != CHECK_OK)
		return true;
	if (!form_answer(form, &asked, operation->answered_with, &read) ||
	    read.offset + read.count < read.offset) {
		return refuse(form, operation->answered_line,
			      "a read is answered with a list of records, or with {\"offset\": n, "
			      "\"values\": [...], \"tail\": t} or a part of that",
			      operation->answered_with);
	}
	check_log_read(form->log, &read);
	return true;
}

/* ---- all of it ---- */

struct check_log_forms check_log_forms_of(const struct check_history *history)
{
	struct check_log_forms forms = {false};

	for (size_t i = 0; i < history->operation_count; i++) {
		const struct check_operation *operation = &history->operations[i];

		forms.integers_are_offsets |=
			operation->f == CHECK_F_APPEND && operation->outcome == CHECK_OK &&
			operation->answered_with != operation->called_with &&
			check_value_kind(history->values, operation->called_with) ==
				CHECK_VALUE_INTEGER &&
			check_value_kind(history->values, operation->answered_with) ==
				CHECK_VALUE_INTEGER;
	}
	return forms;
}

static bool form_one(struct form *form, const struct check_operation *operation)
{
	switch (operation->f) {
	case CHECK_F_APPEND:
		return form_append(form, operation);
	case CHECK_F_READ:
		return form_read(form, operation);
	case CHECK_F_WRITE:
	case CHECK_F_CAS:
		break;
	}
	return check_mistake_say(form->mistake, operation->called_line,
				 "a log has no %s: use --model register",
				 check_function_name(operation->f));
}

bool check_log_form(const struct check_part *part, const struct check_log_forms *forms,
		    uint64_t start, struct check_log *log, struct check_mistake *ret_mistake)
{
	struct check_values *values = part->history->values;
	struct form form = {
		.history = part->history,
		.forms = forms,
		.values = values,
		.log = log,
		.mistake = ret_mistake,
		.start = start,
		.offset_key = check_values_string(values, "offset"),
		.values_key = check_values_string(values, "values"),
		.value_key = check_values_string(values, "value"),
		.count_key = check_values_string(values, "count"),
		.tail_key = check_values_string(values, "tail"),
	};
	bool understood = true;

	for (size_t i = 0; understood && i < part->count; i++)
		understood = form_one(&form, &part->history->operations[part->operations[i]]);
	free(form.room);
	return understood;
}
