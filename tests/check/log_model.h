/*
 * Whether a history of appends to a log and reads from it is linearizable: whether every operation
 * can be given one instant between its call and its answer, so that one log, operated on by one
 * client at a time in that order, would have given the same answers.
 *
 *	struct check_log *log = check_log_create(0);
 *	check_log_append(log, &(struct check_append){
 *		.when = {invoked, answered, name}, .offset = 7, .count = 3});
 *	check_log_tail(log, &when, 10);
 *	verdict = check_log_decide(log, CHECK_BUDGET, &problem);
 *	check_log_destroy(log);
 *
 * Times are anything that grows: nanoseconds, or better a counter of events. Two operations are
 * ordered when one was answered at a smaller time than the other was invoked; equal times leave
 * them concurrent. Operations may be added in any order. What failed for certain, and reads that
 * were not answered, say nothing and are not added.
 *
 * Threads: a log belongs to one thread. Memory is allocated; running out of it aborts.
 */
#ifndef CHECK_LOG_MODEL_H
#define CHECK_LOG_MODEL_H

#include "consensus/base/types.h"

#define CHECK_NEVER UINT64_MAX	/* answered: unknown; it may take effect at any time, or never */
#define CHECK_UNTOLD UINT64_MAX /* an offset or a tail that nobody told */
#define CHECK_NOBODY UINT64_MAX /* no operation's name */
#define CHECK_BUDGET 10000000ull

enum check_verdict {
	CHECK_LINEARIZABLE,
	CHECK_VIOLATED,
	CHECK_UNDECIDED, /* the budget is spent */
};

/** When an operation was called and answered, and what its caller calls it. */
struct check_when {
	uint64_t invoked;
	uint64_t answered; /* or CHECK_NEVER */
	uint64_t name;	   /* comes back in a problem; not CHECK_NOBODY */
};

/** Records appended at once: they take effect together, at consecutive offsets. */
struct check_append {
	struct check_when when;
	uint64_t offset;	/* of the first, as the answer told; or CHECK_UNTOLD */
	uint32_t count;		/* at least 1 */
	const uint64_t *values; /* what they hold, copied; NULL: not known, matches anything */
};

/** Records seen: those at `offset` and on were there at some instant of the operation. */
struct check_read {
	struct check_when when;
	uint64_t offset;
	uint64_t count;
	const uint64_t *values; /* borrowed until return; NULL: not looked at */
	uint64_t tail;		/* the log had exactly this many; or CHECK_UNTOLD */
	uint64_t at_most;	/* the log had no more than these; or CHECK_UNTOLD */
};

enum check_problem_kind {
	CHECK_NO_PROBLEM,
	CHECK_REORDERED,      /* first was answered before second was invoked, and is behind it */
	CHECK_STALE_READ,     /* second, invoked after append first was answered, lacks it */
	CHECK_TAIL_WENT_BACK, /* second, invoked after read first was answered, shows less */
	CHECK_FUTURE_READ,    /* read first shows what append second, invoked later, appended */
	CHECK_LOST,	 /* append first was answered; second, invoked later, proves it absent */
	CHECK_OVERLAP,	 /* first and second were told the same offset */
	CHECK_DIFFERENT, /* first and second show different records at `offset` */
	CHECK_DUPLICATE, /* first shows at `offset` what second has shown at `other`, once too often
			  */
	CHECK_INVENTED,	 /* first shows a record at `offset` that nobody appended */
	CHECK_BEYOND,	 /* first tells of `offset`, but too little was ever appended */
	CHECK_CONTRADICTION, /* first contradicts itself at `offset` */
	CHECK_HOLE,	     /* first shows that `offset` was filled; nothing can have filled it */
	CHECK_TOO_SHORT, /* first shows `offset` records, when `other` had been acknowledged before
			    it */
	CHECK_TOO_LONG,	 /* first shows `offset` records, when at most `other` had been appended */
	CHECK_WRONG_ANSWER, /* append first is answered with other records than it was called with
			     */
	CHECK_GAP,	    /* first shows records of which some between are missing */
	CHECK_SPLIT,	    /* first shows `offset` in the middle of what second appended at once */
};

/** Why it is not linearizable. When the search was long, the nearest that was found. */
struct check_problem {
	enum check_problem_kind kind;
	uint64_t first; /* names; or CHECK_NOBODY */
	uint64_t second;
	uint64_t offset;
	uint64_t other;
};

struct check_log;

/** @param start  records that are in the log before the first operation, of unknown content. */
struct check_log *check_log_create(uint64_t start);
/** NULL is fine. */
void check_log_destroy(struct check_log *log);
/** Forget all operations and keep the memory. */
void check_log_reset(struct check_log *log, uint64_t start);

void check_log_append(struct check_log *log, const struct check_append *append);
void check_log_read(struct check_log *log, const struct check_read *read);
/** A read of nothing but the number of records that the log has. */
void check_log_tail(struct check_log *log, const struct check_when *when, uint64_t tail);

/** An answer is wrong in itself: there is this problem, whatever else there is. */
void check_log_reject(struct check_log *log, const struct check_problem *problem);

/**
 * Decide. Near linear where the offsets of the answers and the contents that were read say where
 * each append is; a search, bounded by `budget` states, where they do not.
 *
 * @param ret_problem  written when CHECK_VIOLATED; NULL is fine.
 */
QR_MUST_USE enum check_verdict check_log_decide(struct check_log *log, uint64_t budget,
						struct check_problem *ret_problem);
/** States that the last decision visited. */
uint64_t check_log_states(const struct check_log *log);

/** A problem as a sentence, with these names for `first` and `second`. @return as snprintf. */
int check_problem_describe(const struct check_problem *problem, const char *first,
			   const char *second, char *text, size_t size_bytes);

#endif
