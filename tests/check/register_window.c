/*
 * Explanations: the few operations of a long history that already cannot be ordered.
 *
 *   1. The prefix. Up to which answer can the history be ordered? Operations without an answer by
 *      then are unanswered; the shorter the prefix, the less it demands, so bisection finds it.
 *   2. The window. From which call on does it fail even if the register held anything at all
 *      before? What was answered earlier is left out; what was under way then may or may not still
 *      happen. The later it begins, the less it demands.
 *   3. The rest. Reads are left out, and then writes that nothing observes: without them there is
 *      less to fail. What still fails without them does not need them.
 *
 * Each of the three only ever drops demands, so what is shown fails for certain. A decision that
 * spends its budget counts as "can be ordered": the explanation gets longer, not wrong.
 */
#include "tests/check/register_internal.h"

#include "consensus/base/assert.h"
#include "tests/check/memory.h"

#include <stdlib.h>
#include <string.h>

#define WINDOW_MAX 256u	   /* operations that may fail with any start */
#define DECISIONS_MAX 400u /* while leaving out */
#define POSSIBLE_TRIES 32u
#define DECISION_SHARE 20u /* of the budget, for one decision */

struct window {
	const struct check_register *history;
	uint64_t budget;	       /* for all decisions together */
	uint64_t states;	       /* spent */
	struct check_register_op *ops; /* the part in question */
	size_t *from;		       /* by op: index in the history */
	size_t count;
	bool free_start;
	uint64_t begin; /* if so: its time */
	unsigned decisions;
	/* room for a part of the part */
	struct check_register_op *kept;
	bool *out;
};

static int compare(uint64_t left, uint64_t right)
{
	return (left > right) - (left < right);
}

static int ascending(const void *left, const void *right)
{
	return compare(*(const uint64_t *)left, *(const uint64_t *)right);
}

/* ---- deciding a part ---- */

static bool is_listed(const uint64_t *values, size_t count, uint64_t value)
{
	for (size_t i = 0; i < count; i++) {
		if (values[i] == value)
			return true;
	}
	return false;
}

static enum check_verdict decide(struct window *window, const struct check_register_op *ops,
				 size_t count, uint64_t initial)
{
	const struct check_register part = {.ops = ops, .count = count, .initial = initial};
	enum check_verdict verdict;
	uint64_t states;

	if (window->states > window->budget)
		return CHECK_UNDECIDED;
	verdict = check_register_decide(&part, window->budget / DECISION_SHARE, &states);
	window->states += states;
	return verdict;
}

static bool fails_from(struct window *window, const struct check_register_op *ops, size_t count,
		       uint64_t initial)
{
	return decide(window, ops, count, initial) == CHECK_VIOLATED;
}

/** A value that none of the operations names. */
static uint64_t other_value(const struct check_register_op *ops, size_t count)
{
	uint64_t value = 0;

	for (size_t i = 0; i < count;) {
		bool same = ops[i].value == value || ops[i].expected == value;

		value += same;
		i = same ? 0 : i + 1;
	}
	return value;
}

static bool fails_from_anything(struct window *window, const struct check_register_op *ops,
				size_t count)
{
	uint64_t tried[WINDOW_MAX];
	size_t tried_count = 0;

	if (!fails_from(window, ops, count, other_value(ops, count)))
		return false;
	for (size_t i = 0; i < count; i++) {
		uint64_t value = ops[i].kind == CHECK_READ ? ops[i].value : ops[i].expected;

		if (ops[i].kind == CHECK_WRITE || is_listed(tried, tried_count, value))
			continue;
		if (tried_count == WINDOW_MAX)
			return false;
		tried[tried_count++] = value;
		if (!fails_from(window, ops, count, value))
			return false;
	}
	return true;
}

static bool fails(struct window *window, const struct check_register_op *ops, size_t count)
{
	window->decisions++;
	return window->free_start ? fails_from_anything(window, ops, count)
				  : fails_from(window, ops, count, window->history->initial);
}

/* ---- the prefix ---- */

/** The history as far as it was known at a time. */
static void take_prefix(struct window *window, uint64_t until)
{
	window->count = 0;
	for (size_t i = 0; i < window->history->count; i++) {
		struct check_register_op op = window->history->ops[i];

		if (op.when.invoked > until)
			continue;
		if (op.when.answered > until)
			op.when.answered = CHECK_NEVER;
		window->from[window->count] = i;
		window->ops[window->count++] = op;
	}
}

/** The shortest prefix that fails, by the answer that ends it. */
static size_t find_prefix(struct window *window)
{
	const struct check_register *history = window->history;
	uint64_t *answers = check_memory_take(history->count, sizeof(*answers));
	size_t good = 0;
	size_t bad = 0;
	size_t last = 0;
	uint64_t until;

	for (size_t i = 0; i < history->count; i++) {
		if (history->ops[i].when.answered != CHECK_NEVER)
			answers[bad++] = history->ops[i].when.answered;
	}
	qsort(answers, bad, sizeof(*answers), ascending);
	for (bad = bad > 0 ? bad - 1 : 0; good < bad;) {
		size_t middle = (good + bad) / 2;

		take_prefix(window, answers[middle]);
		if (fails(window, window->ops, window->count)) {
			bad = middle;
		} else {
			good = middle + 1;
		}
	}
	until = answers[bad];
	free(answers);
	take_prefix(window, until);
	while (history->ops[last].when.answered != until)
		last++;
	return last;
}

/* ---- the window ---- */

/**
 * Of the part, what is left if it begins at a time.
 *
 * @param into, names  room for it and, or NULL, for where it comes from; may be the part's own.
 */
static size_t begin_at(const struct window *window, uint64_t time, struct check_register_op *into,
		       size_t *names)
{
	size_t count = 0;

	for (size_t i = 0; i < window->count; i++) {
		struct check_register_op op = window->ops[i];

		if (op.when.answered < time)
			continue;
		if (op.when.invoked < time)
			op.when.answered = CHECK_NEVER;
		if (names != NULL)
			names[count] = window->from[i];
		into[count++] = op;
	}
	return count;
}

static bool fails_from_time(struct window *window, uint64_t time)
{
	return fails(window, window->kept, begin_at(window, time, window->kept, NULL));
}

/** Begin as late as it fails from anything; not at all if that takes too many operations. */
static void find_window(struct window *window)
{
	uint64_t *calls = check_memory_take(window->count, sizeof(*calls));
	size_t count = 0;
	size_t good = 0; /* so many of the last calls can be ordered */
	size_t bad = 0;	 /* so many cannot; 0: not found */

	for (size_t i = 0; i < window->count; i++) {
		if (window->ops[i].when.answered != CHECK_NEVER)
			calls[count++] = window->ops[i].when.invoked;
	}
	qsort(calls, count, sizeof(*calls), ascending);
	window->free_start = true;
	for (size_t size = 1; bad == 0 && size <= WINDOW_MAX && good < count; size *= 2) {
		size_t tried = size < count ? size : count;

		if (fails_from_time(window, calls[count - tried])) {
			bad = tried;
		} else {
			good = tried;
		}
	}
	while (bad != 0 && bad - good > 1) {
		size_t middle = (good + bad) / 2;

		if (fails_from_time(window, calls[count - middle])) {
			bad = middle;
		} else {
			good = middle;
		}
	}
	window->free_start = bad != 0;
	if (bad != 0) {
		window->begin = calls[count - bad];
		window->count = begin_at(window, window->begin, window->ops, window->from);
	}
	free(calls);
}

/* ---- leaving out ---- */

static bool fails_without(struct window *window)
{
	size_t count = 0;

	if (window->decisions > DECISIONS_MAX)
		return false;
	for (size_t i = 0; i < window->count; i++) {
		if (!window->out[i])
			window->kept[count++] = window->ops[i];
	}
	return fails(window, window->kept, count);
}

static bool is_observed(const struct window *window, uint64_t value)
{
	for (size_t i = 0; i < window->count; i++) {
		const struct check_register_op *op = &window->ops[i];

		if (window->out[i])
			continue;
		if ((op->kind == CHECK_READ && op->value == value) ||
		    (op->kind == CHECK_CAS && op->expected == value) ||
		    op->kind == CHECK_CAS_REFUSED)
			return true;
	}
	return false;
}

static bool may_go(const struct window *window, size_t at, bool writes)
{
	const struct check_register_op *op = &window->ops[at];

	if (window->out[at])
		return false;
	if (op->kind == CHECK_READ || op->kind == CHECK_CAS_REFUSED)
		return !writes;
	return writes && !is_observed(window, op->value);
}

/** Leave out of [first, end) what may go; all of it or nothing. @return whether it was. */
static bool leave_out(struct window *window, size_t first, size_t end, bool writes)
{
	bool *before = check_memory_take(end - first, sizeof(*before));
	bool any = false;
	bool done;

	memcpy(before, window->out + first, (end - first) * sizeof(*before));
	for (size_t i = first; i < end; i++) {
		if (may_go(window, i, writes))
			window->out[i] = any = true;
	}
	done = any && fails_without(window);
	if (any && !done)
		memcpy(window->out + first, before, (end - first) * sizeof(*before));
	free(before);
	return done;
}

static void compact(struct window *window)
{
	size_t count = 0;

	for (size_t i = 0; i < window->count; i++) {
		if (window->out[i])
			continue;
		window->from[count] = window->from[i];
		window->ops[count++] = window->ops[i];
	}
	window->count = count;
	memset(window->out, 0, count * sizeof(*window->out));
}

static void thin(struct window *window)
{
	for (int round = 0; round < 2; round++) {
		bool writes = round == 1;

		for (size_t size = window->count; size > 0; size /= 2) {
			for (size_t at = 0; at < window->count; at += size) {
				size_t end = at + size < window->count ? at + size : window->count;

				(void)leave_out(window, at, end, writes);
			}
			compact(window);
			if (size > window->count)
				size = window->count;
			if (size == 0)
				break;
		}
	}
}

/* ---- what else a read could have returned ---- */

/** Whether the part, in which the operation at `at` is a read, could be ordered with this value. */
static void try_value(struct window *window, size_t at, uint64_t value,
		      struct check_register_why *why)
{
	window->ops[at].value = value;
	if (decide(window, window->ops, window->count, window->history->initial) ==
	    CHECK_LINEARIZABLE)
		why->possible[why->possible_count++] = value;
}

/** Try what was written last, and what was there at first. */
static void find_possible(struct window *window, struct check_register_why *why)
{
	uint64_t tried[POSSIBLE_TRIES + 1];
	size_t count = 0;
	size_t at = 0;

	while (window->from[at] != why->last)
		at++;
	if (window->ops[at].kind != CHECK_READ)
		return;
	tried[count++] = window->ops[at].value;
	for (size_t i = window->count; i-- > 0 && count < POSSIBLE_TRIES;) {
		const struct check_register_op *op = &window->ops[i];

		if (op->kind != CHECK_WRITE && op->kind != CHECK_CAS)
			continue;
		if (is_listed(tried, count, op->value) || why->possible_count == CHECK_POSSIBLE_MAX)
			continue;
		tried[count++] = op->value;
		try_value(window, at, op->value, why);
	}
	if (!is_listed(tried, count, window->history->initial) &&
	    why->possible_count < CHECK_POSSIBLE_MAX)
		try_value(window, at, window->history->initial, why);
}

/* ---- all of it ---- */

/** Those that were answered first: they are what cannot be ordered. */
static void show(const struct window *window, struct check_register_why *why)
{
	why->free_start = window->free_start;
	why->begin = window->begin;
	why->count = window->count;
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < window->count && why->shown < CHECK_WINDOW_MAX; i++) {
			bool answered = window->ops[i].when.answered != CHECK_NEVER;

			if (answered == (round == 0))
				why->window[why->shown++] = window->from[i];
		}
	}
}

void check_register_explain(const struct check_register *history, uint64_t budget,
			    struct check_register_why *ret_why)
{
	struct window window = {
		.history = history,
		.budget = budget,
		.ops = check_memory_take(history->count, sizeof(*window.ops)),
		.from = check_memory_take(history->count, sizeof(*window.from)),
		.kept = check_memory_take(history->count, sizeof(*window.kept)),
		.out = check_memory_take(history->count, sizeof(*window.out)),
	};

	QR_ASSERT(history->count > 0);
	*ret_why = (struct check_register_why){.last = find_prefix(&window)};
	find_window(&window);
	window.decisions = 0;
	thin(&window);
	show(&window, ret_why);
	take_prefix(&window, history->ops[ret_why->last].when.answered);
	find_possible(&window, ret_why);
	free(window.ops);
	free(window.from);
	free(window.kept);
	free(window.out);
}
