/*
 * The inside of a register's decision:
 *
 *   register_plan.c    operations become events in order, values become small numbers
 *   register_state.c   what is known at one point of the search, and how it changes
 *   register_visited.c where the search has been
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
	uint32_t rank;	   /* unanswered ones: place in their class */
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

/** Of a value. */
struct check_uses {
	uint32_t first_source; /* of plan.sources: what brings it, by invocation */
	uint32_t source_count;
	uint32_t first_observer; /* of plan.observers: answered ones that must see it, by answer */
	uint32_t observer_count;
	uint32_t cas_class; /* the first that expects it; or NO_OP */
	/* if it has one source, and observers: of all of these, events */
	bool single;
	uint32_t first_answer;
	uint32_t last_call;
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
	struct check_uses *uses; /* by value */
	uint32_t value_count;
	uint32_t *sources; /* acts, by value */
	uint32_t *observers;
	uint32_t *singles; /* values, by first answer */
	uint32_t single_count;
	uint32_t initial;
	uint32_t slot_count;
};

void check_plan_init(struct check_plan *plan, const struct check_register *history);
void check_plan_fini(struct check_plan *plan);
/**
 * Judge by zones alone (Gibbons and Korach, 1997): a value that comes once has one epoch, and two
 * of these can exclude each other. Where all values are such and there are only reads and writes,
 * that decides, given that every value can come to those who saw it.
 */
enum check_verdict check_plan_judge_zones(const struct check_plan *plan);

static inline bool check_act_observes(const struct check_act *act)
{
	return act->kind == CHECK_READ || act->kind == CHECK_CAS_REFUSED;
}

/** Whether a read or a refused compare-and-set may happen while the register holds `value`. */
static inline bool check_act_matches(const struct check_act *act, uint32_t value)
{
	return act->kind == CHECK_READ ? act->value == value : act->expected != value;
}

/* ---- register_state.c ---- */

struct check_undo {
	uint32_t cell;
	uint64_t was;
};

struct check_state {
	const struct check_plan *plan;
	uint64_t *cells;
	uint32_t cell_count;
	/* where arrays of cells begin */
	uint32_t wanted;    /* by value: observers that are not done */
	uint32_t source_at; /* by value: all sources in front of this one are spent */
	uint32_t observer_at;
	uint32_t under_way; /* by slot: act + 1 */
	uint32_t done;	    /* bits, by slot */
	uint32_t free;	    /* bits, by slot */
	uint32_t spent;	    /* by class: unanswered ones done */
	uint32_t words;	    /* of bits by slot */
	uint32_t *optional_classes;
	uint32_t optional_class_count;
	struct check_undo *log;
	size_t log_capacity;
	size_t log_count;
};

void check_state_init(struct check_state *state, const struct check_plan *plan);
void check_state_fini(struct check_state *state);
/** Whether all that must be observed can be, as far as the values tell. */
bool check_state_is_possible(struct check_state *state);

/** Forget what was changed since the log had this height. */
void check_state_roll_back(struct check_state *state, size_t height);

enum check_progress {
	CHECK_STUCK, /* at an answer whose operation is not done */
	CHECK_CLOSED,
	CHECK_FINISHED,
};

/** Take events up to an answer whose operation is not done. */
enum check_progress check_state_advance(struct check_state *state);
/**
 * Do a write or a compare-and-set that the register's value permits.
 *
 * @param act  CHECK_NO_OP: the next unanswered one of the class.
 * @return false: the way is closed.
 */
QR_MUST_USE bool check_state_perform(struct check_state *state, uint32_t class, uint32_t act,
				     bool needs_cas);
/** The write whose answer is due is free: let it be answered unseen. @return as perform. */
QR_MUST_USE bool check_state_discharge(struct check_state *state);

uint32_t check_state_event(const struct check_state *state);
uint32_t check_state_holds(const struct check_state *state);
/** The value was brought for a compare-and-set, which must come next. */
bool check_state_needs_cas(const struct check_state *state);
/** The act in a slot that is under way and not done; or CHECK_NO_OP. */
uint32_t check_state_open(const struct check_state *state, uint32_t slot);
bool check_state_is_free(const struct check_state *state, const struct check_act *act);
/** Whether something under way would observe a change to `value` at once. */
bool check_state_is_awaited(const struct check_state *state, uint32_t value);
/** Whether a compare-and-set could come next if the register held `value`. */
bool check_state_is_followed(const struct check_state *state, uint32_t value);
/** Whether an unanswered operation of the class can be done. */
bool check_state_has_optional(const struct check_state *state, uint32_t class);

/** The state besides the event and what is spent, in words. */
void check_state_key(const struct check_state *state, uint64_t *key);
uint32_t check_state_key_words(const struct check_state *state);
/** Which unanswered operations are spent, as a set: of each class those invoked first. */
void check_state_spent(const struct check_state *state, uint64_t *set);
uint32_t check_state_spent_words(const struct check_state *state);

/* ---- register_visited.c ---- */

/** A hash table of entries. */
struct check_visits {
	uint32_t *slots;   /* entry + 1 */
	size_t slot_count; /* a power of two */
	uint32_t used;
};

/** The states that were visited, each with what it had spent. */
struct check_visited {
	uint32_t key_words;
	uint32_t set_words;
	uint64_t *entries;
	size_t entry_capacity; /* in words */
	uint32_t entry_count;
	struct check_visits keys; /* the newest of each key */
	struct check_visits states;
};

void check_visited_init(struct check_visited *visited, uint32_t key_words, uint32_t set_words);
void check_visited_fini(struct check_visited *visited);
size_t check_visited_bytes(const struct check_visited *visited);
/**
 * Visit a state.
 *
 * @param key  the first word is the event.
 * @return false if it was visited before, having spent the same or less.
 */
QR_MUST_USE bool check_visited_visit(struct check_visited *visited, const uint64_t *key,
				     const uint64_t *set);

#endif
