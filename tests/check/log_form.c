/*
 * Log histories: what their integers mean, and each operation to where its form is read.
 */
#include "tests/check/log_form.h"

#include "tests/check/memory.h"

#include <stdlib.h>

bool check_form_refuse(const struct check_log_former *form, uint32_t line, const char *what,
		       check_value value)
{
	char text[96];

	return check_mistake_say(form->mistake, line, "%s, not with %s", what,
				 check_value_print(form->values, value, text, sizeof(text)));
}

struct check_when check_form_when(const struct check_log_former *form,
				  const struct check_operation *operation)
{
	return (struct check_when){
		.invoked = operation->called,
		.answered = operation->answered,
		.name = (uint64_t)(operation - form->history->operations),
	};
}

/** Copy items to where the model takes values from; they are the model's own numbers then. */
uint64_t *check_form_widen(struct check_log_former *form, const check_value *items, size_t count)
{
	form->room =
		check_memory_grow(form->room, &form->room_capacity, count + 1, sizeof(*form->room));
	for (size_t i = 0; i < count; i++)
		form->room[i] = items[i];
	return form->room;
}

/* ---- all of it ---- */

static bool holds_integer(const struct check_values *values, check_value appended)
{
	const check_value *items;
	size_t count;

	if (check_value_kind(values, appended) == CHECK_VALUE_INTEGER)
		return true;
	if (check_value_kind(values, appended) != CHECK_VALUE_LIST)
		return false;
	items = check_value_items(values, appended, &count);
	for (size_t i = 0; i < count; i++) {
		if (check_value_kind(values, items[i]) == CHECK_VALUE_INTEGER)
			return true;
	}
	return false;
}

struct check_log_forms check_log_forms_of(const struct check_history *history)
{
	const struct check_values *values = history->values;
	struct check_log_forms forms = {false, false};

	for (size_t i = 0; i < history->operation_count; i++) {
		const struct check_operation *operation = &history->operations[i];
		check_value called = operation->called_with;
		check_value answer = operation->answered_with;

		if (operation->f != CHECK_F_APPEND)
			continue;
		forms.integers_are_appended |= holds_integer(values, called);
		forms.integers_are_offsets |=
			operation->outcome == CHECK_OK && answer != called &&
			check_value_kind(values, called) == CHECK_VALUE_INTEGER &&
			check_value_kind(values, answer) == CHECK_VALUE_INTEGER;
	}
	return forms;
}

static bool form_one(struct check_log_former *form, const struct check_operation *operation)
{
	switch (operation->f) {
	case CHECK_F_APPEND:
		return check_form_append(form, operation);
	case CHECK_F_READ:
		return check_form_read(form, operation);
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
	struct check_log_former form = {
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
