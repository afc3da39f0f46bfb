/*
 * Register histories.
 *
 *   read    answered with the value; null or nothing: it was unset
 *   write   called with the value; what it is answered with says nothing
 *   cas     called with [expected, new], or {"expected": e, "new": n} (also "old" for "expected");
 *           answered ok with false: it was compared and refused; ok with anything else: done
 *
 * `fail` says that nothing happened: such operations are left out, a failed cas too, since it may
 * have failed without being compared.
 */
#include "tests/check/forms.h"

static check_value named(struct check_values *values, check_value object, const char *name)
{
	return check_value_member(values, object, check_values_string(values, name));
}

static bool read_pair(struct check_values *values, check_value pair, check_value *ret_expected,
		      check_value *ret_value)
{
	if (check_value_kind(values, pair) == CHECK_VALUE_OBJECT) {
		*ret_value = named(values, pair, "new");
		*ret_expected = named(values, pair, "expected");
		if (*ret_expected == CHECK_ABSENT)
			*ret_expected = named(values, pair, "old");
		return *ret_expected != CHECK_ABSENT && *ret_value != CHECK_ABSENT;
	}
	if (check_value_kind(values, pair) == CHECK_VALUE_LIST) {
		size_t count;
		const check_value *items = check_value_items(values, pair, &count);

		if (count != 2)
			return false;
		*ret_expected = items[0];
		*ret_value = items[1];
		return true;
	}
	return false;
}

static bool form_cas(const struct check_history *history, const struct check_operation *operation,
		     struct check_register_op *op, struct check_mistake *mistake)
{
	struct check_values *values = history->values;
	check_value expected;
	check_value value;
	char text[64];

	if (!read_pair(values, operation->called_with, &expected, &value)) {
		return check_mistake_say(
			mistake, operation->called_line,
			"a cas is called with [expected, new], not with %s",
			check_value_print(values, operation->called_with, text, sizeof(text)));
	}
	op->kind = CHECK_CAS;
	op->expected = expected;
	op->value = value;
	if (operation->outcome == CHECK_OK &&
	    check_value_kind(values, operation->answered_with) == CHECK_VALUE_FALSE)
		op->kind = CHECK_CAS_REFUSED;
	return true;
}

/** A value that is not there is null. */
static check_value value_or_null(const struct check_history *history, check_value value)
{
	return value != CHECK_ABSENT ? value : check_values_word(history->values, CHECK_VALUE_NULL);
}

static bool form_one(const struct check_history *history, const struct check_operation *operation,
		     struct check_register_op *op, struct check_mistake *mistake)
{
	switch (operation->f) {
	case CHECK_F_READ:
		op->kind = CHECK_READ;
		op->value = value_or_null(history, operation->answered_with);
		return true;
	case CHECK_F_WRITE:
		op->kind = CHECK_WRITE;
		op->value = value_or_null(history, operation->called_with);
		return true;
	case CHECK_F_CAS:
		return form_cas(history, operation, op, mistake);
	case CHECK_F_APPEND:
		break;
	}
	return check_mistake_say(mistake, operation->called_line,
				 "a register has no append: use --model log");
}

bool check_register_form(const struct check_part *part, struct check_register_op *ops,
			 size_t *ret_count, struct check_mistake *ret_mistake)
{
	size_t count = 0;

	for (size_t i = 0; i < part->count; i++) {
		uint32_t index = part->operations[i];
		const struct check_operation *operation = &part->history->operations[index];
		struct check_register_op *op = &ops[count];

		*op = (struct check_register_op){
			.when = {operation->called, operation->answered, index}};
		if (!form_one(part->history, operation, op, ret_mistake))
			return false;
		count += operation->outcome != CHECK_FAILED;
	}
	*ret_count = count;
	return true;
}
