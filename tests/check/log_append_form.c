/*
 * Appends. V stands for what an append is called with:
 *
 *   v  [v, w, ...]  {"values": [...]}  {"value": v}   records; those of a list at once
 *   {"count": n}                                      records of which nothing is known
 *
 * and its answers:
 *
 *   V  null  true  nothing         it is in the log; where was not told
 *   {"offset": n}  [n, V]          the first is at n
 *   [n, n+1, ...]                  as many as V has: where each is
 *   n                              the first is at n; but if V is an integer, only where some
 * answer of the history differs from its V: else it is V
 *
 * An answer that contradicts itself is no mistake of the file: it is what the check is for.
 */
#include "tests/check/log_form.h"

/** What is appended: a list of values, or a number of records of which nothing is known. */
struct batch {
	const check_value *items; /* NULL: not known */
	size_t count;
	check_value single; /* items, where it is one value */
	check_value inner;  /* what an object names as its value or values */
	bool list;
};

/* An object without any of these members is a value like any other. */
static void read_batch_object(const struct check_log_former *form, check_value object,
			      struct batch *batch)
{
	check_value values = check_form_member(form, object, form->values_key);
	check_value value = check_form_member(form, object, form->value_key);
	check_value count = check_form_member(form, object, form->count_key);
	uint64_t records;

	if (check_form_kind(form, values) == CHECK_VALUE_LIST) {
		batch->inner = values;
		batch->items = check_value_items(form->values, values, &batch->count);
		batch->list = true;
	} else if (value != CHECK_ABSENT) {
		batch->inner = batch->single = value;
	} else if (check_value_count(form->values, count, &records)) {
		batch->items = NULL;
		batch->list = true;
		batch->count = records;
	}
}

static bool read_batch(const struct check_log_former *form, const struct check_operation *operation,
		       struct batch *batch)
{
	check_value value = operation->called_with;

	*batch = (struct batch){.single = value, .count = 1};
	if (value == CHECK_ABSENT)
		batch->single = check_values_word(form->values, CHECK_VALUE_NULL);
	batch->items = &batch->single;
	if (check_form_kind(form, value) == CHECK_VALUE_LIST) {
		batch->items = check_value_items(form->values, value, &batch->count);
		batch->list = true;
	} else if (check_form_kind(form, value) == CHECK_VALUE_OBJECT) {
		read_batch_object(form, value, batch);
	}
	if (batch->count == 0 || batch->count > UINT32_MAX) {
		return check_form_refuse(
			form, operation->called_line,
			"an append is called with a value, or with a list of at least one", value);
	}
	return true;
}

/** What an answer says of an append. */
struct told {
	uint64_t offset;   /* or CHECK_UNTOLD */
	check_value other; /* it tells of another value, which is this; or CHECK_ABSENT */
};

/** Whether a value that an answer names is what was appended. */
static bool is_appended(const struct check_operation *operation, const struct batch *batch,
			check_value value)
{
	return value == operation->called_with || value == batch->inner ||
	       (batch->items != NULL && batch->count == 1 && value == batch->items[0]);
}

/** [3, 4, 5]: offsets, one after the other. */
static bool are_offsets(const struct check_log_former *form, const check_value *items, size_t count,
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

static bool read_told_list(const struct check_log_former *form,
			   const struct check_operation *operation, const struct batch *batch,
			   struct told *told)
{
	size_t count;
	const check_value *items =
		check_value_items(form->values, operation->answered_with, &count);
	uint64_t offset;

	if (batch->list && count == batch->count && are_offsets(form, items, count, &told->offset))
		return true;
	if (count == 2 && check_value_count(form->values, items[0], &offset)) {
		told->offset = offset;
		if (!is_appended(operation, batch, items[1]))
			told->other = items[1];
		return true;
	}
	if (!batch->list && count == 1 && are_offsets(form, items, count, &told->offset))
		return true;
	return false;
}

static bool read_told_object(const struct check_log_former *form,
			     const struct check_operation *operation, const struct batch *batch,
			     struct told *told)
{
	check_value answer = operation->answered_with;
	check_value offset = check_form_member(form, answer, form->offset_key);
	check_value values = check_form_member(form, answer, form->values_key);
	check_value value = check_form_member(form, answer, form->value_key);

	if (!check_form_is_nothing(form, offset) &&
	    !check_value_count(form->values, offset, &told->offset))
		return false;
	if (values == CHECK_ABSENT)
		values = value;
	if (!check_form_is_nothing(form, values) && !is_appended(operation, batch, values))
		told->other = values;
	return true;
}

static bool is_integer(const struct check_log_former *form, check_value value)
{
	return check_form_kind(form, value) == CHECK_VALUE_INTEGER;
}

/** @return false: the answer cannot be understood. */
static bool read_told(const struct check_log_former *form, const struct check_operation *operation,
		      const struct batch *batch, struct told *told)
{
	check_value answer = operation->answered_with;
	bool bare = is_integer(form, answer) && is_integer(form, operation->called_with);

	*told = (struct told){.offset = CHECK_UNTOLD};
	if (operation->outcome != CHECK_OK || check_form_is_nothing(form, answer))
		return true;
	if (bare && form->forms->integers_are_offsets)
		return check_value_count(form->values, answer, &told->offset);
	if (is_appended(operation, batch, answer) ||
	    check_form_kind(form, answer) == CHECK_VALUE_TRUE)
		return true;
	if (is_integer(form, answer))
		return check_value_count(form->values, answer, &told->offset);
	if (check_form_kind(form, answer) == CHECK_VALUE_LIST)
		return read_told_list(form, operation, batch, told);
	if (check_form_kind(form, answer) == CHECK_VALUE_OBJECT)
		return read_told_object(form, operation, batch, told);
	return false;
}

bool check_form_append(struct check_log_former *form, const struct check_operation *operation)
{
	struct check_append append = {.when = check_form_when(form, operation)};
	struct batch batch;
	struct told told;

	if (!read_batch(form, operation, &batch))
		return false;
	if (!read_told(form, operation, &batch, &told)) {
		return check_form_refuse(form, operation->answered_line,
					 "an append is answered with what was appended, or with "
					 "{\"offset\": n}, [n, value] or n",
					 operation->answered_with);
	}
	if (operation->outcome == CHECK_FAILED)
		return true;
	append.offset = told.offset;
	append.count = (uint32_t)batch.count;
	if (batch.items != NULL)
		append.values = check_form_widen(form, batch.items, batch.count);
	check_log_append(form->log, &append);
	if (told.other != CHECK_ABSENT) {
		check_log_reject(form->log, &(struct check_problem){.kind = CHECK_WRONG_ANSWER,
								    .first = append.when.name,
								    .second = CHECK_NOBODY,
								    .offset = told.offset});
	}
	return true;
}
