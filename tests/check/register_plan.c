/*
 * From operations to what the search walks over. Dropped here, because whatever order works with
 * them works without: reads that were not answered, and unanswered writes and compare-and-sets of a
 * value that nothing can have observed.
 */
#include "tests/check/register_internal.h"

#include "consensus/base/assert.h"
#include "tests/check/memory.h"

#include <stdlib.h>
#include <string.h>

static int compare(uint64_t left, uint64_t right)
{
	return (left > right) - (left < right);
}

/* ---- values ---- */

struct values {
	uint64_t *names; /* sorted, each once */
	size_t count;
};

static int by_name(const void *left, const void *right)
{
	return compare(*(const uint64_t *)left, *(const uint64_t *)right);
}

static void name_values(struct values *values, const struct check_register *history)
{
	size_t kept = 0;

	values->names = check_memory_take(2 * history->count + 1, sizeof(uint64_t));
	values->names[values->count++] = history->initial;
	for (size_t i = 0; i < history->count; i++) {
		const struct check_register_op *op = &history->ops[i];

		if (op->kind != CHECK_CAS_REFUSED)
			values->names[values->count++] = op->value;
		if (op->kind == CHECK_CAS || op->kind == CHECK_CAS_REFUSED)
			values->names[values->count++] = op->expected;
	}
	qsort(values->names, values->count, sizeof(uint64_t), by_name);
	for (size_t i = 0; i < values->count; i++) {
		if (kept == 0 || values->names[kept - 1] != values->names[i])
			values->names[kept++] = values->names[i];
	}
	values->count = kept;
}

static uint32_t number_of(const struct values *values, uint64_t name)
{
	const uint64_t *found =
		bsearch(&name, values->names, values->count, sizeof(uint64_t), by_name);

	QR_ASSERT(found != NULL);
	return (uint32_t)(found - values->names);
}

/* ---- acts ---- */

/** Values that something may have observed; by number. NULL stands for all of them. */
static bool *find_observed(const struct values *values, const struct check_register *history)
{
	bool *observed = check_memory_take(values->count, sizeof(*observed));

	for (size_t i = 0; i < history->count; i++) {
		const struct check_register_op *op = &history->ops[i];
		bool answered = op->when.answered != CHECK_NEVER;

		if (op->kind == CHECK_CAS_REFUSED && answered) {
			free(observed);
			return NULL;
		}
		if (op->kind == CHECK_READ && answered)
			observed[number_of(values, op->value)] = true;
		if (op->kind == CHECK_CAS)
			observed[number_of(values, op->expected)] = true;
	}
	return observed;
}

static bool counts(const struct values *values, const bool *observed,
		   const struct check_register_op *op)
{
	if (op->when.answered != CHECK_NEVER)
		return true;
	if (op->kind == CHECK_READ || op->kind == CHECK_CAS_REFUSED)
		return false;
	return observed == NULL || observed[number_of(values, op->value)];
}

static void add_event(struct check_plan *plan, uint64_t time, uint32_t act, bool answer)
{
	plan->events[plan->event_count++] = (struct check_event){time, act, answer};
}

static void make_acts(struct check_plan *plan, const struct values *values,
		      const struct check_register *history)
{
	bool *observed = find_observed(values, history);

	plan->acts = check_memory_take(history->count, sizeof(*plan->acts));
	plan->events = check_memory_take(2 * history->count, sizeof(*plan->events));
	for (size_t i = 0; i < history->count; i++) {
		const struct check_register_op *op = &history->ops[i];
		uint32_t number = plan->act_count;
		struct check_act *act = &plan->acts[number];

		QR_ASSERT(op->when.invoked <= op->when.answered);
		if (!counts(values, observed, op))
			continue;
		plan->act_count++;
		act->kind = op->kind;
		act->answered = op->when.answered == CHECK_NEVER ? CHECK_NO_OP : 0;
		if (op->kind != CHECK_CAS_REFUSED)
			act->value = number_of(values, op->value);
		if (op->kind == CHECK_CAS || op->kind == CHECK_CAS_REFUSED)
			act->expected = number_of(values, op->expected);
		add_event(plan, op->when.invoked, number, false);
		if (op->when.answered != CHECK_NEVER)
			add_event(plan, op->when.answered, number, true);
	}
	free(observed);
}

/* At one time, calls come before answers: that leaves the operations concurrent. */
static int by_time(const void *left, const void *right)
{
	const struct check_event *a = left;
	const struct check_event *b = right;

	if (a->time != b->time)
		return compare(a->time, b->time);
	if (a->answer != b->answer)
		return compare(a->answer, b->answer);
	return compare(a->act, b->act);
}

static void order_events(struct check_plan *plan)
{
	uint32_t *unused = check_memory_take(plan->act_count, sizeof(*unused));
	uint32_t unused_count = 0;

	qsort(plan->events, plan->event_count, sizeof(*plan->events), by_time);
	for (uint32_t i = 0; i < plan->event_count; i++) {
		struct check_act *act = &plan->acts[plan->events[i].act];

		if (plan->events[i].answer) {
			act->answered = i;
			unused[unused_count++] = act->slot;
			continue;
		}
		act->invoked = i;
		if (act->answered == CHECK_NO_OP)
			continue;
		act->slot = unused_count > 0 ? unused[--unused_count] : plan->slot_count++;
	}
	free(unused);
}

/* ---- classes ---- */

static int by_class(const void *left, const void *right, void *context)
{
	const struct check_act *acts = context;
	const struct check_act *a = &acts[*(const uint32_t *)left];
	const struct check_act *b = &acts[*(const uint32_t *)right];

	if (a->kind != b->kind)
		return compare(a->kind, b->kind);
	if (a->value != b->value)
		return compare(a->value, b->value);
	if (a->expected != b->expected)
		return compare(a->expected, b->expected);
	return compare(a->invoked, b->invoked);
}

static bool is_class(const struct check_class *class, const struct check_act *act)
{
	return class->kind == act->kind && class->value == act->value &&
	       class->expected == act->expected;
}

static struct check_class *class_for(struct check_plan *plan, const struct check_act *act)
{
	struct check_class *class = &plan->classes[plan->class_count];

	if (plan->class_count > 0 && is_class(class - 1, act))
		return class - 1;
	*class = (struct check_class){
		.kind = act->kind,
		.value = act->value,
		.expected = act->expected,
		.first_optional = plan->optional_count,
		.next_from = CHECK_NO_OP,
	};
	if (act->kind == CHECK_WRITE)
		plan->write_class[act->value] = plan->class_count;
	if (act->kind == CHECK_CAS) {
		class->next_from = plan->cas_class[act->expected];
		plan->cas_class[act->expected] = plan->class_count;
	}
	plan->class_count++;
	return class;
}

static void make_classes(struct check_plan *plan)
{
	uint32_t *sorted = check_memory_take(plan->act_count, sizeof(*sorted));

	plan->classes = check_memory_take(plan->act_count, sizeof(*plan->classes));
	plan->optional = check_memory_take(plan->act_count, sizeof(*plan->optional));
	plan->write_class = check_memory_take(plan->value_count, sizeof(uint32_t));
	plan->cas_class = check_memory_take(plan->value_count, sizeof(uint32_t));
	memset(plan->write_class, 0xff, plan->value_count * sizeof(uint32_t));
	memset(plan->cas_class, 0xff, plan->value_count * sizeof(uint32_t));
	for (uint32_t i = 0; i < plan->act_count; i++)
		sorted[i] = i;
	qsort_r(sorted, plan->act_count, sizeof(*sorted), by_class, plan->acts);
	for (uint32_t i = 0; i < plan->act_count; i++) {
		struct check_act *act = &plan->acts[sorted[i]];
		struct check_class *class = class_for(plan, act);

		act->class = (uint32_t)(class - plan->classes);
		if (act->answered == CHECK_NO_OP) {
			plan->optional[plan->optional_count++] = sorted[i];
			class->optional_count++;
		}
	}
	free(sorted);
}

void check_plan_init(struct check_plan *plan, const struct check_register *history)
{
	struct values values = {0};

	QR_ASSERT(history->count < UINT32_MAX / 4);
	*plan = (struct check_plan){0};
	name_values(&values, history);
	plan->value_count = (uint32_t)values.count;
	plan->initial = number_of(&values, history->initial);
	make_acts(plan, &values, history);
	order_events(plan);
	make_classes(plan);
	free(values.names);
}

void check_plan_fini(struct check_plan *plan)
{
	free(plan->acts);
	free(plan->events);
	free(plan->classes);
	free(plan->optional);
	free(plan->write_class);
	free(plan->cas_class);
}
