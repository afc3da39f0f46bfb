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
	struct check_uses *uses;

	if (plan->class_count > 0 && is_class(class - 1, act))
		return class - 1;
	*class = (struct check_class){
		.kind = act->kind,
		.value = act->value,
		.expected = act->expected,
		.first_optional = plan->optional_count,
		.next_from = CHECK_NO_OP,
	};
	if (act->kind == CHECK_CAS) {
		uses = &plan->uses[act->expected];
		class->next_from = uses->cas_class;
		uses->cas_class = plan->class_count;
	}
	plan->class_count++;
	return class;
}

static void make_classes(struct check_plan *plan)
{
	uint32_t *sorted = check_memory_take(plan->act_count, sizeof(*sorted));

	plan->classes = check_memory_take(plan->act_count, sizeof(*plan->classes));
	plan->optional = check_memory_take(plan->act_count, sizeof(*plan->optional));
	for (uint32_t i = 0; i < plan->act_count; i++)
		sorted[i] = i;
	qsort_r(sorted, plan->act_count, sizeof(*sorted), by_class, plan->acts);
	for (uint32_t i = 0; i < plan->act_count; i++) {
		struct check_act *act = &plan->acts[sorted[i]];
		struct check_class *class = class_for(plan, act);

		act->class = (uint32_t)(class - plan->classes);
		if (act->answered == CHECK_NO_OP) {
			plan->optional[plan->optional_count++] = sorted[i];
			act->rank = class->optional_count++;
		}
	}
	free(sorted);
}

/* ---- uses ---- */

/** The value that an answered operation must observe; CHECK_NO_OP: none. */
static uint32_t observed_by(const struct check_act *act)
{
	if (act->answered == CHECK_NO_OP)
		return CHECK_NO_OP;
	if (act->kind == CHECK_READ)
		return act->value;
	return act->kind == CHECK_CAS ? act->expected : CHECK_NO_OP;
}

static void count_uses(struct check_plan *plan)
{
	uint32_t sources = 0;
	uint32_t observers = 0;

	for (uint32_t i = 0; i < plan->act_count; i++) {
		const struct check_act *act = &plan->acts[i];

		if (!check_act_observes(act))
			plan->uses[act->value].source_count++;
		if (observed_by(act) != CHECK_NO_OP)
			plan->uses[observed_by(act)].observer_count++;
	}
	for (uint32_t value = 0; value < plan->value_count; value++) {
		struct check_uses *uses = &plan->uses[value];

		uses->first_source = sources;
		uses->first_observer = observers;
		sources += uses->source_count;
		observers += uses->observer_count;
		uses->source_count = uses->observer_count = 0;
		uses->first_answer = CHECK_NO_OP;
	}
}

/** An operation of a value's own; if it was not answered, its only source, which must have been. */
static void note_times(struct check_uses *uses, const struct check_act *act)
{
	if (act->answered < uses->first_answer)
		uses->first_answer = act->answered;
	if (act->invoked > uses->last_call)
		uses->last_call = act->invoked;
}

/* By event, so that sources are in order of invocation and observers in order of answer. */
static void list_uses(struct check_plan *plan)
{
	plan->sources = check_memory_take(plan->act_count, sizeof(uint32_t));
	plan->observers = check_memory_take(plan->act_count, sizeof(uint32_t));
	for (uint32_t i = 0; i < plan->event_count; i++) {
		const struct check_event *event = &plan->events[i];
		const struct check_act *act = &plan->acts[event->act];
		struct check_uses *uses;

		if (!event->answer && !check_act_observes(act)) {
			uses = &plan->uses[act->value];
			plan->sources[uses->first_source + uses->source_count++] = event->act;
			note_times(uses, act);
		}
		if (event->answer && observed_by(act) != CHECK_NO_OP) {
			uses = &plan->uses[observed_by(act)];
			plan->observers[uses->first_observer + uses->observer_count++] = event->act;
			note_times(uses, act);
		}
	}
}

static int by_first_answer(const void *left, const void *right, void *context)
{
	const struct check_plan *plan = context; /* as it was given: to be read */
	const uint32_t *a = left;
	const uint32_t *b = right;

	return compare(plan->uses[*a].first_answer, plan->uses[*b].first_answer);
}

static void find_singles(struct check_plan *plan)
{
	plan->singles = check_memory_take(plan->value_count, sizeof(uint32_t));
	for (uint32_t value = 0; value < plan->value_count; value++) {
		struct check_uses *uses = &plan->uses[value];

		uses->single = uses->source_count == 1 && uses->observer_count > 0 &&
			       value != plan->initial;
		if (uses->single)
			plan->singles[plan->single_count++] = value;
	}
	qsort_r(plan->singles, plan->single_count, sizeof(uint32_t), by_first_answer, plan);
}

/* ---- zones ---- */

/** A value that comes once has one epoch, which holds all of its operations. */
static bool has_one_epoch(const struct check_plan *plan, uint32_t value)
{
	const struct check_uses *uses = &plan->uses[value];

	return uses->first_answer != CHECK_NO_OP &&
	       (value == plan->initial ? uses->source_count == 0 : uses->source_count == 1);
}

/** Its epoch must last from the first answer to the last call, which is later. */
static bool is_forward(const struct check_plan *plan, uint32_t value)
{
	const struct check_uses *uses = &plan->uses[value];

	return value == plan->initial || uses->first_answer < uses->last_call;
}

/** Of forward zones that do not overlap, in order: whether one has this inside. */
static bool is_inside(const struct check_plan *plan, const uint32_t *zones, uint32_t count,
		      const struct check_uses *uses)
{
	uint32_t low = 0;
	uint32_t high = count;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (plan->uses[zones[middle]].first_answer < uses->last_call) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low > 0 && uses->first_answer < plan->uses[zones[low - 1]].last_call;
}

/** The first epoch lasts to the last call of an operation that saw the initial value. */
static bool is_before_the_first(const struct check_plan *plan, const struct check_uses *uses)
{
	return has_one_epoch(plan, plan->initial) &&
	       uses->first_answer < plan->uses[plan->initial].last_call;
}

static bool zones_conflict(const struct check_plan *plan, uint32_t *zones)
{
	uint32_t count = 0;

	for (uint32_t value = 0; value < plan->value_count; value++) {
		if (value == plan->initial || !has_one_epoch(plan, value))
			continue;
		if (is_before_the_first(plan, &plan->uses[value]))
			return true;
		if (is_forward(plan, value))
			zones[count++] = value;
	}
	qsort_r(zones, count, sizeof(*zones), by_first_answer, (void *)plan);
	for (uint32_t i = 1; i < count; i++) {
		if (plan->uses[zones[i]].first_answer < plan->uses[zones[i - 1]].last_call)
			return true;
	}
	for (uint32_t value = 0; value < plan->value_count; value++) {
		if (has_one_epoch(plan, value) && !is_forward(plan, value) &&
		    is_inside(plan, zones, count, &plan->uses[value]))
			return true;
	}
	return false;
}

static bool zones_are_all(const struct check_plan *plan)
{
	for (uint32_t value = 0; value < plan->value_count; value++) {
		if (plan->uses[value].source_count > (value != plan->initial))
			return false;
	}
	for (uint32_t i = 0; i < plan->act_count; i++) {
		if (plan->acts[i].kind != CHECK_READ && plan->acts[i].kind != CHECK_WRITE)
			return false;
	}
	return true;
}

enum check_verdict check_plan_judge_zones(const struct check_plan *plan)
{
	uint32_t *zones = check_memory_take(plan->value_count, sizeof(*zones));
	bool conflict = zones_conflict(plan, zones);

	free(zones);
	if (conflict)
		return CHECK_VIOLATED;
	return zones_are_all(plan) ? CHECK_LINEARIZABLE : CHECK_UNDECIDED;
}

/* ---- all of it ---- */

void check_plan_init(struct check_plan *plan, const struct check_register *history)
{
	struct values values = {0};

	QR_ASSERT(history->count < UINT32_MAX / 4);
	*plan = (struct check_plan){0};
	name_values(&values, history);
	plan->value_count = (uint32_t)values.count;
	plan->initial = number_of(&values, history->initial);
	plan->uses = check_memory_take(plan->value_count, sizeof(*plan->uses));
	for (uint32_t value = 0; value < plan->value_count; value++)
		plan->uses[value].cas_class = CHECK_NO_OP;
	make_acts(plan, &values, history);
	order_events(plan);
	make_classes(plan);
	count_uses(plan);
	list_uses(plan);
	find_singles(plan);
	free(values.names);
}

void check_plan_fini(struct check_plan *plan)
{
	free(plan->acts);
	free(plan->events);
	free(plan->classes);
	free(plan->optional);
	free(plan->uses);
	free(plan->sources);
	free(plan->observers);
	free(plan->singles);
}
