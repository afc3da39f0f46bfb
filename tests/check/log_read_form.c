/*
 * Reads. What one is called with:
 *
 *   nothing  null  []              the whole log
 *   n  {"offset": n}               from n on
 *   {"offset": n, "count": c}      a piece from n on
 *   [n, anything]                  the same: a count, or an end
 *
 * and its answers:
 *
 *   [v, w, ...]                    the log from there to its end; a piece if a piece was asked for
 *   [[n, v], ...]                  the same, with offsets; so is [{"offset": n, "value": v}, ...]
 *   {"offset": n, "values": [...]} a piece
 *   {..., "tail": t}  {"tail": t}  besides, or alone: the log had t records
 *   null  nothing                  nothing was there
 *   v                              called with an offset: what is there; so is [n, v], unless
 *                                  integers are appended, so that it could be two records
 *
 * An answer that contradicts itself is no mistake of the file: it is what the check is for.
 */
#include "tests/check/log_form.h"

/** What a read asked for, and then what it was told. */
struct asked {
	uint64_t from;
	bool ranged; /* it named `from` */
	bool piece;  /* the answer may end before the log does */
};

static bool read_asked_list(const struct check_log_former *form, check_value call,
			    struct asked *asked)
{
	size_t count;
	const check_value *items = check_value_items(form->values, call, &count);

	if (count == 0)
		return true; /* an empty place for what will be read */
	asked->ranged = asked->piece = true;
	return count == 2 && check_value_count(form->values, items[0], &asked->from);
}

static bool read_asked(const struct check_log_former *form, const struct check_operation *operation,
		       struct asked *asked)
{
	check_value call = operation->called_with;
	check_value offset;

	*asked = (struct asked){.from = form->start};
	if (check_form_is_nothing(form, call))
		return true;
	if (check_form_kind(form, call) == CHECK_VALUE_LIST)
		return read_asked_list(form, call, asked);
	asked->ranged = true;
	if (check_form_kind(form, call) != CHECK_VALUE_OBJECT)
		return check_value_count(form->values, call, &asked->from);
	offset = check_form_member(form, call, form->offset_key);
	asked->ranged = offset != CHECK_ABSENT;
	asked->piece = check_form_member(form, call, form->count_key) != CHECK_ABSENT;
	return offset == CHECK_ABSENT || check_value_count(form->values, offset, &asked->from);
}

/** An item that says where it is: [offset, value] or {"offset": n, "value": v}. */
static bool read_numbered(const struct check_log_former *form, check_value item,
			  uint64_t *ret_offset, check_value *ret_value)
{
	const check_value *pair;
	size_t size;

	if (check_form_kind(form, item) == CHECK_VALUE_OBJECT) {
		*ret_value = check_form_member(form, item, form->value_key);
		return *ret_value != CHECK_ABSENT &&
		       check_value_count(form->values,
					 check_form_member(form, item, form->offset_key),
					 ret_offset);
	}
	if (check_form_kind(form, item) != CHECK_VALUE_LIST)
		return false;
	pair = check_value_items(form->values, item, &size);
	if (size != 2 || !check_value_count(form->values, pair[0], ret_offset))
		return false;
	*ret_value = pair[1];
	return true;
}

/** Whether a list is made of these, all of it. */
static bool is_numbered(const struct check_log_former *form, const check_value *items, size_t count)
{
	uint64_t offset;
	check_value value;
	size_t numbered = 0;

	while (numbered < count && read_numbered(form, items[numbered], &offset, &value))
		numbered++;
	return count > 0 && numbered == count;
}

/** Take the numbers off. @return false: they are not one after the other. */
static bool unnumber(struct check_log_former *form, const check_value *items, size_t count,
		     struct check_read *read)
{
	bool dense = true;

	(void)check_form_widen(form, items, count);
	for (size_t i = 0; i < count; i++) {
		uint64_t offset = 0;
		check_value value = CHECK_ABSENT;

		(void)read_numbered(form, items[i], &offset, &value);
		if (i == 0)
			read->offset = offset;
		dense = dense && offset == read->offset + i;
		form->room[i] = value;
	}
	return dense;
}

/**
 * What is at the offset that was asked for, as [offset, value]: told from two records that are read
 * from there on by the first, which is no record then.
 */
static bool is_the_one_asked(const struct check_log_former *form, const struct asked *asked,
			     check_value list)
{
	uint64_t offset;
	check_value value;

	return asked->ranged && !form->forms->integers_are_appended &&
	       read_numbered(form, list, &offset, &value) && offset == asked->from;
}

/** A list that reaches to the end of the log. */
static void bound(const struct asked *asked, struct check_read *read)
{
	if (asked->piece || read->offset != asked->from)
		return;
	if (read->count == 0 && asked->ranged) {
		read->at_most = asked->from;
	} else {
		read->tail = read->offset + read->count;
	}
}

static void form_read_list(struct check_log_former *form, const struct asked *asked,
			   check_value list, struct check_read *read)
{
	size_t count;
	const check_value *items = check_value_items(form->values, list, &count);

	if (is_the_one_asked(form, asked, list)) {
		read->offset = asked->from;
		read->count = 1;
		read->values = check_form_widen(form, items + 1, 1);
		return;
	}
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
		read->values = check_form_widen(form, items, count);
	}
	bound(asked, read);
}

static bool form_read_object(struct check_log_former *form, const struct asked *asked,
			     check_value object, struct check_read *read)
{
	check_value offset = check_form_member(form, object, form->offset_key);
	check_value values = check_form_member(form, object, form->values_key);
	check_value value = check_form_member(form, object, form->value_key);
	check_value tail = check_form_member(form, object, form->tail_key);

	read->offset = asked->from;
	if (!check_form_is_nothing(form, offset) &&
	    !check_value_count(form->values, offset, &read->offset))
		return false;
	if (!check_form_is_nothing(form, tail) &&
	    !check_value_count(form->values, tail, &read->tail))
		return false;
	if (check_form_kind(form, values) == CHECK_VALUE_LIST) {
		const check_value *items = check_value_items(form->values, values, &read->count);

		read->values = check_form_widen(form, items, read->count);
		return true;
	}
	if (!check_form_is_nothing(form, values))
		return false;
	if (value != CHECK_ABSENT) {
		read->count = 1;
		read->values = check_form_widen(form, &value, 1);
	}
	return value != CHECK_ABSENT || tail != CHECK_ABSENT || values != CHECK_ABSENT;
}

static bool form_answer(struct check_log_former *form, const struct asked *asked,
			check_value answer, struct check_read *read)
{
	read->offset = asked->from;
	if (check_form_is_nothing(form, answer)) {
		bound(asked, read);
		return true;
	}
	if (check_form_kind(form, answer) == CHECK_VALUE_LIST) {
		form_read_list(form, asked, answer, read);
		return true;
	}
	if (check_form_kind(form, answer) == CHECK_VALUE_OBJECT)
		return form_read_object(form, asked, answer, read);
	read->count = 1;
	read->values = check_form_widen(form, &answer, 1);
	return asked->ranged;
}

bool check_form_read(struct check_log_former *form, const struct check_operation *operation)
{
	struct check_read read = {.when = check_form_when(form, operation),
				  .tail = CHECK_UNTOLD,
				  .at_most = CHECK_UNTOLD};
	struct asked asked;

	if (!read_asked(form, operation, &asked)) {
		return check_form_refuse(
			form, operation->called_line,
			"a read is called with nothing, an offset, or {\"offset\": n, "
			"\"count\": c}",
			operation->called_with);
	}
	if (operation->outcome != CHECK_OK)
		return true;
	if (!form_answer(form, &asked, operation->answered_with, &read) ||
	    read.offset + read.count < read.offset) {
		return check_form_refuse(
			form, operation->answered_line,
			"a read is answered with a list of records, or with {\"offset\": n, "
			"\"values\": [...], \"tail\": t} or a part of that",
			operation->answered_with);
	}
	check_log_read(form->log, &read);
	return true;
}
