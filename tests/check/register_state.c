/*
 * What is known at one point of the search; the ideas are in register_search.c. Everything that
 * changes is in one array of cells with a log of what was overwritten, so that a branch costs what
 * it changes, and so does going back.
 *
 * Two things close a way long before it would come to a stop. Each is a proof that nothing works
 * from there:
 *
 *   No way back. The register is about to lose a value that an operation must still observe, and
 *   all that could bring it again has been done, or is invoked after that operation was answered.
 *
 *   Too early. The register is about to get a value that has one source in all: so all its
 *   observers must come now. Another such value is still to come, and one of its operations was
 *   answered before one of these is invoked.
 */
#include "tests/check/register_internal.h"

#include "consensus/base/assert.h"
#include "tests/check/memory.h"

#include <stdlib.h>
#include <string.h>

#define WORD_BITS 64u

/* Cells that are one each. */
enum { AT, HOLDS, NEEDS_CAS, REFUSED_LEFT, SINGLE_AT, FIRST_ARRAY };

/* ---- cells ---- */

static void set(struct check_state *state, uint32_t cell, uint64_t value)
{
	if (state->cells[cell] == value)
		return;
	state->log = check_memory_grow(state->log, &state->log_capacity, state->log_count + 1,
				       sizeof(*state->log));
	state->log[state->log_count++] = (struct check_undo){cell, state->cells[cell]};
	state->cells[cell] = value;
}

static void add(struct check_state *state, uint32_t cell, int64_t amount)
{
	set(state, cell, state->cells[cell] + (uint64_t)amount);
}

void check_state_roll_back(struct check_state *state, size_t height)
{
	while (state->log_count > height) {
		const struct check_undo *undo = &state->log[--state->log_count];

		state->cells[undo->cell] = undo->was;
	}
}

static bool has_bit(const struct check_state *state, uint32_t array, uint32_t slot)
{
	return (state->cells[array + slot / WORD_BITS] >> slot % WORD_BITS & 1) != 0;
}

static void set_bit(struct check_state *state, uint32_t array, uint32_t slot, bool value)
{
	uint32_t cell = array + slot / WORD_BITS;
	uint64_t bit = (uint64_t)1 << slot % WORD_BITS;

	set(state, cell, value ? state->cells[cell] | bit : state->cells[cell] & ~bit);
}

uint32_t check_state_event(const struct check_state *state)
{
	return (uint32_t)state->cells[AT];
}

uint32_t check_state_holds(const struct check_state *state)
{
	return (uint32_t)state->cells[HOLDS];
}

bool check_state_needs_cas(const struct check_state *state)
{
	return state->cells[NEEDS_CAS] != 0;
}

uint32_t check_state_open(const struct check_state *state, uint32_t slot)
{
	uint64_t act = state->cells[state->under_way + slot];

	return act == 0 || has_bit(state, state->done, slot) ? CHECK_NO_OP : (uint32_t)act - 1;
}

bool check_state_is_free(const struct check_state *state, const struct check_act *act)
{
	return has_bit(state, state->free, act->slot);
}

/** Whether an operation has had its instant, or has been answered. */
static bool is_spent(const struct check_state *state, const struct check_act *act)
{
	if (act->answered == CHECK_NO_OP)
		return act->rank < state->cells[state->spent + act->class];
	if (act->answered < state->cells[AT])
		return true;
	return act->invoked < state->cells[AT] && has_bit(state, state->done, act->slot);
}

/* ---- what closes a way ---- */

/** The first of a list that is not spent; NULL: none. The cell remembers those that are. */
static const struct check_act *first_unspent(struct check_state *state, const uint32_t *acts,
					     uint32_t count, uint32_t cell)
{
	uint64_t at = state->cells[cell];

	while (at < count && is_spent(state, &state->plan->acts[acts[at]]))
		at++;
	set(state, cell, at);
	return at < count ? &state->plan->acts[acts[at]] : NULL;
}

/** Whether `value`, if the register does not hold it, can come to all that must observe it. */
static bool can_come(struct check_state *state, uint32_t value)
{
	const struct check_plan *plan = state->plan;
	const struct check_uses *uses = &plan->uses[value];
	const struct check_act *observer;
	const struct check_act *source;

	if (state->cells[state->wanted + value] == 0)
		return true;
	observer = first_unspent(state, plan->observers + uses->first_observer,
				 uses->observer_count, state->observer_at + value);
	source = first_unspent(state, plan->sources + uses->first_source, uses->source_count,
			       state->source_at + value);
	return source != NULL && (observer == NULL || source->invoked < observer->answered);
}

/** Whether `value`, if it has one source, would come before another such that must be first. */
static bool is_too_early(struct check_state *state, uint32_t value)
{
	const struct check_plan *plan = state->plan;
	uint64_t at = state->cells[SINGLE_AT];
	bool first = true;

	if (!plan->uses[value].single)
		return false;
	for (; at < plan->single_count; at++) {
		const struct check_uses *uses = &plan->uses[plan->singles[at]];

		if (uses->first_answer >= plan->uses[value].last_call)
			return false;
		if (!is_spent(state, &plan->acts[plan->sources[uses->first_source]])) {
			if (plan->singles[at] != value)
				return true;
			first = false;
		}
		if (first)
			set(state, SINGLE_AT, at + 1);
	}
	return false;
}

/* ---- doing ---- */

static void observe(struct check_state *state, const struct check_act *act)
{
	set_bit(state, state->done, act->slot, true);
	if (act->kind == CHECK_READ) {
		add(state, state->wanted + act->value, -1);
	} else {
		add(state, REFUSED_LEFT, -1);
	}
}

/** What the register holds now was given to it: all that waited for it sees it, writes are free. */
static void let_see(struct check_state *state, bool written)
{
	for (uint32_t slot = 0; slot < state->plan->slot_count; slot++) {
		uint32_t number = check_state_open(state, slot);
		const struct check_act *act;

		if (number == CHECK_NO_OP)
			continue;
		act = &state->plan->acts[number];
		if (written && act->kind == CHECK_WRITE) {
			set_bit(state, state->free, slot, true);
		} else if (check_act_observes(act) &&
			   check_act_matches(act, check_state_holds(state))) {
			observe(state, act);
		}
	}
}

bool check_state_perform(struct check_state *state, uint32_t class_number, uint32_t act,
			 bool needs_cas)
{
	const struct check_class *class = &state->plan->classes[class_number];
	uint32_t before = check_state_holds(state);

	if (before != class->value && is_too_early(state, class->value))
		return false;
	if (act == CHECK_NO_OP) {
		add(state, state->spent + class_number, 1);
	} else {
		set_bit(state, state->done, state->plan->acts[act].slot, true);
		if (class->kind == CHECK_CAS)
			add(state, state->wanted + class->expected, -1);
	}
	set(state, HOLDS, class->value);
	set(state, NEEDS_CAS, needs_cas);
	if (before != class->value && !can_come(state, before))
		return false;
	let_see(state, class->kind == CHECK_WRITE);
	return true;
}

/* ---- events ---- */

static void invoke(struct check_state *state, const struct check_act *act, uint32_t number)
{
	if (act->answered == CHECK_NO_OP)
		return;
	set(state, state->under_way + act->slot, number + 1);
	if (check_act_observes(act) && check_act_matches(act, check_state_holds(state)))
		observe(state, act);
}

/** The operation whose answer is due has been answered. */
static void leave(struct check_state *state, const struct check_act *act)
{
	set(state, state->under_way + act->slot, 0);
	set_bit(state, state->done, act->slot, false);
	set_bit(state, state->free, act->slot, false);
	add(state, AT, 1);
}

static const struct check_act *act_at(const struct check_state *state)
{
	return &state->plan->acts[state->plan->events[state->cells[AT]].act];
}

bool check_state_discharge(struct check_state *state)
{
	const struct check_act *act = act_at(state);

	leave(state, act);
	return act->value == check_state_holds(state) || can_come(state, act->value);
}

/** Whether something could observe a value at some time from now on. */
static bool may_be_observed(const struct check_state *state, uint32_t value)
{
	const struct check_plan *plan = state->plan;

	if (state->cells[state->wanted + value] != 0 || state->cells[REFUSED_LEFT] != 0)
		return true;
	for (uint32_t c = plan->uses[value].cas_class; c != CHECK_NO_OP;
	     c = plan->classes[c].next_from) {
		if (plan->classes[c].optional_count > state->cells[state->spent + c])
			return true;
	}
	return false;
}

enum check_progress check_state_advance(struct check_state *state)
{
	const struct check_plan *plan = state->plan;

	while (state->cells[AT] < plan->event_count) {
		const struct check_event *event = &plan->events[state->cells[AT]];
		const struct check_act *act = &plan->acts[event->act];

		if (!event->answer) {
			invoke(state, act, event->act);
			add(state, AT, 1);
		} else if (has_bit(state, state->done, act->slot)) {
			leave(state, act);
		} else if (check_state_is_free(state, act) && !may_be_observed(state, act->value)) {
			if (!check_state_discharge(state))
				return CHECK_CLOSED;
		} else {
			return CHECK_STUCK;
		}
	}
	return CHECK_FINISHED;
}

/* ---- questions ---- */

bool check_state_is_awaited(const struct check_state *state, uint32_t value)
{
	for (uint32_t slot = 0; slot < state->plan->slot_count; slot++) {
		uint32_t number = check_state_open(state, slot);
		const struct check_act *act =
			number != CHECK_NO_OP ? &state->plan->acts[number] : NULL;

		if (act != NULL && check_act_observes(act) && check_act_matches(act, value))
			return true;
	}
	return false;
}

bool check_state_has_optional(const struct check_state *state, uint32_t class)
{
	const struct check_plan *plan = state->plan;
	uint64_t spent = state->cells[state->spent + class];
	uint32_t act;

	if (spent == plan->classes[class].optional_count)
		return false;
	act = plan->optional[plan->classes[class].first_optional + spent];
	return plan->acts[act].invoked < state->cells[AT];
}

bool check_state_is_followed(const struct check_state *state, uint32_t value)
{
	const struct check_plan *plan = state->plan;

	for (uint32_t slot = 0; slot < plan->slot_count; slot++) {
		uint32_t number = check_state_open(state, slot);

		if (number != CHECK_NO_OP && plan->acts[number].kind == CHECK_CAS &&
		    plan->acts[number].expected == value)
			return true;
	}
	for (uint32_t c = plan->uses[value].cas_class; c != CHECK_NO_OP;
	     c = plan->classes[c].next_from) {
		if (check_state_has_optional(state, c))
			return true;
	}
	return false;
}

/* ---- as a key ---- */

uint32_t check_state_key_words(const struct check_state *state)
{
	return 1 + 2 * state->words;
}

void check_state_key(const struct check_state *state, uint64_t *key)
{
	uint32_t count = 0;

	key[count++] = state->cells[HOLDS] << 1 | state->cells[NEEDS_CAS];
	for (uint32_t i = 0; i < state->words; i++) {
		key[count++] = state->cells[state->done + i];
		key[count++] = state->cells[state->free + i];
	}
	QR_ASSERT(count == check_state_key_words(state));
}

uint32_t check_state_spent_words(const struct check_state *state)
{
	return (state->plan->optional_count + WORD_BITS - 1) / WORD_BITS;
}

/* What is spent of a class does not matter where nothing can observe its value any more. */
void check_state_spent(const struct check_state *state, uint64_t *set)
{
	memset(set, 0, check_state_spent_words(state) * sizeof(*set));
	for (uint32_t i = 0; i < state->optional_class_count; i++) {
		uint32_t number = state->optional_classes[i];
		const struct check_class *class = &state->plan->classes[number];
		uint64_t spent = state->cells[state->spent + number];

		if (spent == 0 || !may_be_observed(state, class->value))
			continue;
		for (uint64_t bit = class->first_optional; bit < class->first_optional + spent;
		     bit++)
			set[bit / WORD_BITS] |= (uint64_t)1 << bit % WORD_BITS;
	}
}

/* ---- begin and end ---- */

static void lay_out(struct check_state *state)
{
	const struct check_plan *plan = state->plan;

	state->words = (plan->slot_count + WORD_BITS - 1) / WORD_BITS;
	state->wanted = FIRST_ARRAY;
	state->source_at = state->wanted + plan->value_count;
	state->observer_at = state->source_at + plan->value_count;
	state->under_way = state->observer_at + plan->value_count;
	state->done = state->under_way + plan->slot_count;
	state->free = state->done + state->words;
	state->spent = state->free + state->words;
	state->cell_count = state->spent + plan->class_count;
}

void check_state_init(struct check_state *state, const struct check_plan *plan)
{
	*state = (struct check_state){.plan = plan};
	lay_out(state);
	state->cells = check_memory_take(state->cell_count, sizeof(*state->cells));
	state->cells[HOLDS] = plan->initial;
	for (uint32_t value = 0; value < plan->value_count; value++)
		state->cells[state->wanted + value] = plan->uses[value].observer_count;
	for (uint32_t i = 0; i < plan->act_count; i++)
		state->cells[REFUSED_LEFT] += plan->acts[i].kind == CHECK_CAS_REFUSED;
	state->optional_classes = check_memory_take(plan->class_count, sizeof(uint32_t));
	for (uint32_t c = 0; c < plan->class_count; c++) {
		if (plan->classes[c].optional_count > 0)
			state->optional_classes[state->optional_class_count++] = c;
	}
}

void check_state_fini(struct check_state *state)
{
	free(state->cells);
	free(state->log);
	free(state->optional_classes);
}

bool check_state_is_possible(struct check_state *state)
{
	for (uint32_t value = 0; value < state->plan->value_count; value++) {
		if (value != state->plan->initial && !can_come(state, value))
			return false;
	}
	return true;
}
