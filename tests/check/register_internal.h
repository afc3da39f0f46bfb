/*
 * The inside of a register's decision:
 *
 *   register_plan.c    operations become events in order, values become small numbers
 *   register_search.c  the search
 *   register_window.c  explanations
 */
#ifndef CHECK_REGISTER_INTERNAL_H
#define CHECK_REGISTER_INTERNAL_H

#include "tests/check/register_model.h"

#define CHECK_NO_OP UINT32_MAX

/** An operation that counts. Values are numbers from 0, dense. */
struct check_act {
	enum check_register_kind kind;
	uint32_t value;
	uint32_t expected;
	uint32_t class;	   /* equal: the same operation on the same values */
	uint32_t slot;	   /* answered ones: a place among those under way at once */
	uint32_t invoked;  /* events */
	uint32_t answered; /* CHECK_NO_OP: never */
};

struct check_event {
	uint64_t time;
	uint32_t act;
	bool answer;
};

/** Operations of one kind and the same values. */
struct check_class {
	enum check_register_kind kind;
	uint32_t value;
	uint32_t expected;
	uint32_t first_optional; /* of plan.optional, by invocation */
	uint32_t optional_count;
	uint32_t next_from; /* compare-and-set: the next class that expects the same; or NO_OP */
};

struct check_plan {
	struct check_act *acts;
	uint32_t act_count;
	struct check_event *events;
	uint32_t event_count;
	struct check_class *classes;
	uint32_t class_count;
	uint32_t *optional; /* acts that were never answered, by class */
	uint32_t optional_count;
	uint32_t value_count;
	uint32_t initial;
	uint32_t slot_count;
	uint32_t *write_class; /* by value; or NO_OP */
	uint32_t *cas_class;   /* by expected value: the first; or NO_OP */
};

void check_plan_init(struct check_plan *plan, const struct check_register *history);
void check_plan_fini(struct check_plan *plan);

static inline bool check_act_observes(const struct check_act *act)
{
	return act->kind == CHECK_READ || act->kind == CHECK_CAS_REFUSED;
}

/** Whether a read or a refused compare-and-set may happen while the register holds `value`. */
static inline bool check_act_matches(const struct check_act *act, uint32_t value)
{
	return act->kind == CHECK_READ ? act->value == value : act->expected != value;
}

#endif
