/*
 * What the forms of a log's appends (log_append_form.c) and reads (log_read_form.c) share.
 */
#ifndef CHECK_LOG_FORM_H
#define CHECK_LOG_FORM_H

#include "tests/check/forms.h"

struct check_log_former {
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

static inline enum check_value_kind check_form_kind(const struct check_log_former *form,
						    check_value value)
{
	return check_value_kind(form->values, value);
}

static inline bool check_form_is_nothing(const struct check_log_former *form, check_value value)
{
	enum check_value_kind kind = check_value_kind(form->values, value);

	return kind == CHECK_VALUE_ABSENT || kind == CHECK_VALUE_NULL;
}

static inline check_value check_form_member(const struct check_log_former *form, check_value object,
					    check_value key)
{
	return check_value_member(form->values, object, key);
}

/** "WHAT, not with VALUE". @return false. */
bool check_form_refuse(const struct check_log_former *form, uint32_t line, const char *what,
		       check_value value);
struct check_when check_form_when(const struct check_log_former *form,
				  const struct check_operation *operation);
/** Items as the model's values; good until the next call. */
uint64_t *check_form_widen(struct check_log_former *form, const check_value *items, size_t count);

/** Give an operation to the log. @return false: some value cannot be understood. */
QR_MUST_USE bool check_form_append(struct check_log_former *form,
				   const struct check_operation *operation);
QR_MUST_USE bool check_form_read(struct check_log_former *form,
				 const struct check_operation *operation);

#endif
