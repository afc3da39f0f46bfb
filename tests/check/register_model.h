/*
 * Whether a history of reads, writes and compare-and-sets of one register is linearizable. The
 * words on times in log_model.h hold here too: equal times leave operations concurrent.
 *
 * Threads: any; a call shares nothing. Memory is allocated; running out of it aborts.
 */
#ifndef CHECK_REGISTER_MODEL_H
#define CHECK_REGISTER_MODEL_H

#include "tests/check/log_model.h"

enum check_register_kind {
	CHECK_READ,	   /* the register held `value` */
	CHECK_WRITE,	   /* it holds `value` now */
	CHECK_CAS,	   /* it held `expected` and holds `value` now */
	CHECK_CAS_REFUSED, /* it held anything but `expected` */
};

/**
 * Not answered (CHECK_NEVER): a write or a compare-and-set may have happened or not, at any time; a
 * read says nothing.
 */
struct check_register_op {
	struct check_when when;
	enum check_register_kind kind;
	uint64_t value; /* any name of the value: only whether names are equal counts */
	uint64_t expected;
};

struct check_register {
	const struct check_register_op *ops; /* in any order */
	size_t count;
	uint64_t initial; /* what the register holds before all of them */
};

/** @param ret_states  states visited; NULL is fine. */
QR_MUST_USE enum check_verdict check_register_decide(const struct check_register *history,
						     uint64_t budget, uint64_t *ret_states);

#define CHECK_WINDOW_MAX 64u
#define CHECK_POSSIBLE_MAX 16u

/**
 * Why a history is not linearizable: a few of its operations that cannot be ordered, whatever the
 * register held before them (`free_start`) or from `initial` on.
 */
struct check_register_why {
	size_t last; /* index of the operation whose answer made it impossible; the rest before it
			can be ordered */
	bool free_start;
	uint64_t begin; /* if so: operations invoked earlier may have happened or not */
	size_t count;	/* of the window; those not shown are counted too */
	size_t shown;
	size_t window[CHECK_WINDOW_MAX]; /* indexes; those answered by then come first */
	/* if `last` is a read: the values that it could have returned instead, as far as tried */
	size_t possible_count;
	uint64_t possible[CHECK_POSSIBLE_MAX];
};

/** Explain a history that is violated. @param budget  states, for all decisions that it takes. */
void check_register_explain(const struct check_register *history, uint64_t budget,
			    struct check_register_why *ret_why);

#endif
