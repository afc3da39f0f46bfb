/*
 * The walk: the log grows from its start, append by append, and every operation gets the earliest
 * instant that it can have. With everything placed there is one way to go, and the walk is a merge
 * of sorted lists: Wing and Gong's condition, decided in the order of the log rather than by trying
 * orders. At an offset that no placed append fills, each loose append that fits is tried; that is
 * the search, depth first, and it forgets no state that it has visited.
 *
 * The instant `now` is a time of the history. It is the latest invocation among all that had to
 * come before: so it follows from the position and the set of loose appends used, and these two
 * are the state. Where `now` passes the answer of an operation that has not had its turn, the way
 * is closed, and the operation that set `now` is the other half of the explanation.
 *
 * A read claims that the log had from `low` to `high` records. It is let in as soon as the log has
 * `low`. That costs nothing, unless it was invoked later than now: then it is *held*, until either
 * time has come to it by itself or the log would outgrow `high`, where now is moved on to it.
 *
 * Which loose appends are worth a try: none that would close the way for an owed one at once; and
 * none of a kind of which there is one that can come as early and has to come no later than it.
 * Exchanging the two in any order that works gives one that works.
 */
#include "tests/check/log_internal.h"

#include "consensus/base/assert.h"
#include "tests/check/memory.h"

#include <stdlib.h>
#include <string.h>

#define MEMO_BYTES_MAX ((size_t)2 << 30)

/** The log at one length, on the way. */
struct step {
	uint64_t length;
	uint64_t now;
	uint64_t set_by; /* name of who set now */
	bool set_by_read;
	uint32_t placed; /* the next of log->placed */
	uint32_t low;	 /* the next of log->by_low */
	uint32_t high;	 /* the next of log->by_high */
	uint32_t owed;	 /* the first unused of log->owed */
	uint32_t loose;	 /* its place in log->loose, if it was brought by a loose append */
	uint64_t hash;	 /* of the set of used ones */
	size_t tries;	 /* loose appends to try next: [tries, try_end) of the stack */
	size_t try_end;
};

#define NOT_LOOSE UINT32_MAX

struct walk {
	struct check_log *log;
	struct step *steps;
	size_t step_capacity;
	size_t step_count;
	uint32_t *tries; /* indexes of log->loose, a stack */
	size_t try_capacity;
	size_t try_count;
	uint64_t *used; /* the set, by place in log->loose */
	/* a ring of those that are not, each by its place + 1, around 0 */
	uint32_t *next;
	uint32_t *before;
	uint64_t furthest;
	struct check_problem problem; /* the one at the greatest length */
	uint32_t *kind_try;	      /* by kind: 1 + the newest try of it */
};

/* ---- why a way is closed ---- */

static bool close_way(struct walk *walk, uint64_t length, const struct check_problem *problem)
{
	if (walk->problem.kind == CHECK_NO_PROBLEM || length > walk->furthest) {
		walk->furthest = length;
		walk->problem = *problem;
	}
	return false;
}

/** An append was answered before now; whoever set now does not have it. */
static bool append_is_late(struct walk *walk, const struct step *step,
			   const struct check_item *item, bool owed)
{
	struct check_problem problem = {
		.kind = CHECK_REORDERED,
		.first = item->when.name,
		.second = step->set_by,
		.offset = owed ? CHECK_UNTOLD : step->length,
	};

	if (step->set_by_read) {
		problem.kind = CHECK_STALE_READ;
	} else if (owed) {
		problem.kind = CHECK_LOST;
	}
	return close_way(walk, step->length, &problem);
}

static bool read_is_late(struct walk *walk, const struct step *step,
			 const struct check_claim *claim)
{
	return close_way(
		walk, step->length,
		&(struct check_problem){
			.kind = step->set_by_read ? CHECK_TAIL_WENT_BACK : CHECK_FUTURE_READ,
			.first = claim->when.name,
			.second = step->set_by,
			.offset = claim->low,
		});
}

/* ---- one step ---- */

/** Move now on to an invocation. */
static void reach(struct step *step, const struct check_when *when, bool read)
{
	if (when->invoked <= step->now)
		return;
	step->now = when->invoked;
	step->set_by = when->name;
	step->set_by_read = read;
}

/** The log is about to have `length`: reads that bound it below that have had their turn. */
static void release_reads(const struct check_log *log, struct step *step, uint64_t length)
{
	for (; step->high < log->high_count; step->high++) {
		const struct check_claim *claim = &log->claims[log->by_high[step->high]];

		if (claim->high >= length)
			return;
		reach(step, &claim->when, true);
	}
}

/** The log has its length now: let in the reads that waited for it. `by`: who made it so long. */
static bool admit_reads(struct walk *walk, struct step *step, uint64_t by)
{
	const struct check_log *log = walk->log;

	for (; step->low < log->claim_count; step->low++) {
		const struct check_claim *claim = &log->claims[log->by_low[step->low]];

		if (claim->low > step->length)
			return true;
		if (claim->high < step->length) {
			return close_way(walk, step->length,
					 &(struct check_problem){.kind = CHECK_SPLIT,
								 .first = claim->when.name,
								 .second = by,
								 .offset = claim->high});
		}
		if (claim->when.answered < step->now)
			return read_is_late(walk, step, claim);
	}
	return true;
}

/** No owed append has been left behind. */
static bool owe_nothing_late(struct walk *walk, struct step *step)
{
	const struct check_log *log = walk->log;

	while (step->owed < log->owed_count && log->items[log->owed[step->owed]].used)
		step->owed++;
	if (step->owed == log->owed_count)
		return true;
	if (log->items[log->owed[step->owed]].when.answered < step->now)
		return append_is_late(walk, step, &log->items[log->owed[step->owed]], true);
	return true;
}

/** Append to the log as `step` has it. @return false: the way is closed. */
static bool take(struct walk *walk, struct step *step, const struct check_item *item)
{
	release_reads(walk->log, step, step->length + item->count);
	if (item->when.answered < step->now)
		return append_is_late(walk, step, item, item->offset == CHECK_UNTOLD);
	reach(step, &item->when, false);
	step->length += item->count;
	return admit_reads(walk, step, item->when.name) && owe_nothing_late(walk, step);
}

/* ---- what can come next ---- */

/** The offset where the next placed append is; UINT64_MAX: none. */
static uint64_t next_placed(const struct check_log *log, const struct step *step)
{
	return step->placed < log->placed_count ? log->items[log->placed[step->placed]].offset
						: UINT64_MAX;
}

static bool fits(struct check_log *log, const struct step *step, const struct check_item *item)
{
	if (next_placed(log, step) - step->length < item->count)
		return false;
	for (uint32_t e = 0; item->values != CHECK_NO_VALUES && e < item->count; e++) {
		uint64_t value;

		if (check_spine_at(&log->spine, step->length + e, &value) != CHECK_NOBODY &&
		    value != log->pool[item->values + e])
			return false;
	}
	return true;
}

/** All that was shown is shown: what is left to do is to place the owed ones behind it. */
static bool is_at_end(const struct check_log *log, const struct step *step)
{
	return step->placed == log->placed_count && step->low == log->claim_count;
}

/** At the end: whether the owed ones can simply come after everything. */
static bool is_done(const struct check_log *log, const struct step *step)
{
	struct step after = *step;

	if (!is_at_end(log, step))
		return false;
	if (step->owed == log->owed_count)
		return true;
	release_reads(log, &after, CHECK_UNTOLD);
	return log->items[log->owed[step->owed]].when.answered >= after.now;
}

/** Keep those of a kind that are answered earlier than all that were invoked before them. */
static void add_try(struct walk *walk, const struct step *step, uint32_t loose)
{
	struct check_log *log = walk->log;
	const struct check_item *item = &log->items[log->loose[loose]];
	uint32_t *best = &walk->kind_try[item->kind];

	if (*best != 0) {
		uint32_t *other = &walk->tries[*best - 1];

		if (item->when.answered >= log->items[log->loose[*other]].when.answered)
			return;
		if (item->when.invoked <= step->now) {
			*other = loose;
			return;
		}
	}
	walk->tries = check_memory_grow(walk->tries, &walk->try_capacity, walk->try_count + 1,
					sizeof(*walk->tries));
	walk->tries[walk->try_count++] = loose;
	*best = (uint32_t)walk->try_count;
}

struct order {
	const struct check_log *log;
	uint64_t now;
};

/** Tried last to first: so what should be tried first comes last. */
static int worst_first(const void *left, const void *right, void *context)
{
	const struct order *order = context;
	const struct check_log *log = order->log;
	const struct check_when *a = &log->items[log->loose[*(const uint32_t *)left]].when;
	const struct check_when *b = &log->items[log->loose[*(const uint32_t *)right]].when;
	uint64_t from_a = a->invoked > order->now ? a->invoked : order->now;
	uint64_t from_b = b->invoked > order->now ? b->invoked : order->now;

	if (from_a != from_b)
		return from_a < from_b ? 1 : -1;
	if (a->answered != b->answered)
		return a->answered < b->answered ? 1 : -1;
	return *(const uint32_t *)left < *(const uint32_t *)right ? 1 : -1;
}

/** Put the loose appends that are worth a try at this step on the stack. */
static void find_tries(struct walk *walk, struct step *step)
{
	struct check_log *log = walk->log;
	bool at_end = is_at_end(log, step);
	uint64_t latest = step->owed < log->owed_count
				  ? log->items[log->owed[step->owed]].when.answered
				  : CHECK_NEVER;

	step->tries = walk->try_count;
	for (uint32_t at = walk->next[0]; at != 0; at = walk->next[at]) {
		const struct check_item *item = &log->items[log->loose[at - 1]];

		if (item->when.invoked > latest)
			break;
		if (!(at_end && item->when.answered == CHECK_NEVER) && fits(log, step, item))
			add_try(walk, step, at - 1);
	}
	step->try_end = walk->try_count;
	for (size_t i = step->tries; i < step->try_end; i++)
		walk->kind_try[log->items[log->loose[walk->tries[i]]].kind] = 0;
	if (step->try_end - step->tries > 1) {
		struct order order = {.log = log, .now = step->now};

		qsort_r(walk->tries + step->tries, step->try_end - step->tries,
			sizeof(*walk->tries), worst_first, &order);
	}
}

/* ---- the search ---- */

static void flip(struct walk *walk, struct step *step, uint32_t loose, bool used)
{
	walk->log->items[walk->log->loose[loose]].used = used;
	walk->used[loose / 64] ^= (uint64_t)1 << loose % 64;
	step->hash ^= check_mix(loose);
}

static void use(struct walk *walk, struct step *step, uint32_t loose)
{
	uint32_t at = loose + 1;

	flip(walk, step, loose, true);
	walk->next[walk->before[at]] = walk->next[at];
	walk->before[walk->next[at]] = walk->before[at];
}

/** Undo the newest use: it still knows where it was. */
static void give_back(struct walk *walk, struct step *step, uint32_t loose)
{
	uint32_t at = loose + 1;

	flip(walk, step, loose, false);
	walk->next[walk->before[at]] = at;
	walk->before[walk->next[at]] = at;
}

static void push(struct walk *walk, const struct step *step)
{
	walk->steps = check_memory_grow(walk->steps, &walk->step_capacity, walk->step_count + 1,
					sizeof(*walk->steps));
	walk->steps[walk->step_count++] = *step;
}

static void pop(struct walk *walk)
{
	struct step *step = &walk->steps[--walk->step_count];

	if (step->loose != NOT_LOOSE)
		give_back(walk, step, step->loose);
	walk->try_count = step->tries;
}

/** As far as there is one way: along placed appends. @return false: the way is closed. */
static bool go_along(struct walk *walk, struct step *step)
{
	struct check_log *log = walk->log;

	while (next_placed(log, step) == step->length) {
		if (!take(walk, step, &log->items[log->placed[step->placed]]))
			return false;
		step->placed++;
	}
	return true;
}

static bool nothing_fits(struct walk *walk, const struct step *step)
{
	const struct check_log *log = walk->log;
	struct check_problem problem = {
		.kind = CHECK_HOLE,
		.first = CHECK_NOBODY,
		.second = CHECK_NOBODY,
		.offset = step->length,
	};

	if (step->placed < log->placed_count)
		problem.first = log->items[log->placed[step->placed]].when.name;
	if (step->low < log->claim_count)
		problem.first = log->claims[log->by_low[step->low]].when.name;
	if (is_at_end(log, step))
		return false; /* the owed ones: their lateness has been told */
	return close_way(walk, step->length, &problem);
}

enum outcome { CLOSED, OPEN, DONE };

/** From a step that was just reached: go along, and find what can be tried from there. */
static enum outcome arrive(struct walk *walk, struct step *step)
{
	if (!go_along(walk, step))
		return CLOSED;
	if (is_done(walk->log, step))
		return DONE;
	find_tries(walk, step);
	if (step->try_end == step->tries) {
		(void)nothing_fits(walk, step);
		return CLOSED;
	}
	if (step->try_end - step->tries > 1) {
		walk->log->states++;
		if (!check_memo_visit(&walk->log->memo, step->length, walk->used, step->hash)) {
			walk->try_count = step->tries;
			return CLOSED;
		}
	}
	return OPEN;
}

static enum outcome try_next(struct walk *walk)
{
	struct step *from = &walk->steps[walk->step_count - 1];
	struct step step = *from;
	enum outcome outcome;

	step.loose = walk->tries[--from->try_end];
	use(walk, &step, step.loose);
	outcome = CLOSED;
	if (take(walk, &step, &walk->log->items[walk->log->loose[step.loose]]))
		outcome = arrive(walk, &step);
	if (outcome == OPEN) {
		push(walk, &step);
	} else if (outcome == CLOSED) {
		give_back(walk, &step, step.loose);
	}
	return outcome;
}

static enum check_verdict search(struct walk *walk, uint64_t budget)
{
	while (walk->step_count > 0) {
		struct step *step = &walk->steps[walk->step_count - 1];

		if (step->tries == step->try_end) {
			pop(walk);
			continue;
		}
		if (walk->log->states > budget ||
		    check_memo_bytes(&walk->log->memo) > MEMO_BYTES_MAX)
			return CHECK_UNDECIDED;
		if (try_next(walk) == DONE)
			return CHECK_LINEARIZABLE;
	}
	return CHECK_VIOLATED;
}

static enum check_verdict walk_all(struct walk *walk, uint64_t budget)
{
	struct step first = {
		.length = walk->log->start,
		.set_by = CHECK_NOBODY,
		.loose = NOT_LOOSE,
	};
	enum outcome outcome = CLOSED;

	if (admit_reads(walk, &first, CHECK_NOBODY) && owe_nothing_late(walk, &first))
		outcome = arrive(walk, &first);
	if (outcome == CLOSED)
		return CHECK_VIOLATED;
	if (outcome == DONE)
		return CHECK_LINEARIZABLE;
	push(walk, &first);
	return search(walk, budget);
}

enum check_verdict check_log_walk(struct check_log *log, uint64_t budget)
{
	struct walk walk = {
		.log = log,
		.used = check_memory_take((log->loose_count + 63) / 64, sizeof(uint64_t)),
		.kind_try = check_memory_take(log->loose_count, sizeof(uint32_t)),
		.next = check_memory_take(log->loose_count + 1, sizeof(uint32_t)),
		.before = check_memory_take(log->loose_count + 1, sizeof(uint32_t)),
	};
	enum check_verdict verdict;

	for (uint32_t i = 0; i <= log->loose_count; i++) {
		walk.next[i] = i < log->loose_count ? i + 1 : 0;
		walk.before[i] = i > 0 ? i - 1 : (uint32_t)log->loose_count;
	}
	check_memo_init(&log->memo, log->loose_count);
	verdict = walk_all(&walk, budget);
	if (verdict == CHECK_VIOLATED)
		check_log_reject(log, &walk.problem);
	free(walk.steps);
	free(walk.tries);
	free(walk.used);
	free(walk.next);
	free(walk.before);
	free(walk.kind_try);
	return verdict;
}
