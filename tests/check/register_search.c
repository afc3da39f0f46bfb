/*
 * The search for an order: Wing and Gong's, driven by answers as Lowe's just-in-time linearization
 * is, with a memory of the states that it has visited.
 *
 * Events are taken in their order. An operation that is under way can be *done*: it has had its
 * instant. When an answer comes and its operation is not done, operations under way are done one
 * after the other until it is: that is where the search branches. Four observations keep the
 * branches few. Each exchanges instants in an order that works for ones that work too:
 *
 *   Reads at once. A read under way that matches what the register holds is done there and then.
 *
 *   Writes unseen. A write that nobody observes before the next write can have its instant just in
 *   front of that one, wherever that one is. So when a write is done, every other write under way
 *   becomes *free*: it may be done visibly, but its answer can also come without that. So no write
 * is tried in front of an answer unless something under way observes it at once, or it is the one
 *   that was answered.
 *
 *   One of a class. Of equal operations under way the one answered first will do, and one that was
 *   never answered only when there is no other.
 *
 *   No way back. Where a value is still to be observed, and nothing is left that could bring it,
 * the register cannot hold another value.
 *
 * Everything that changes is in one array of cells with a log of what was overwritten, so that a
 * branch costs what it changes. A state is: the event; what the register holds; which operations
 * under way are done or free; how many of each class of unanswered ones are done.
 */
#include "tests/check/register_internal.h"

#include "consensus/base/assert.h"
#include "tests/check/log_internal.h"
#include "tests/check/memory.h"

#include <stdlib.h>
#include <string.h>

#define MEMO_BYTES_MAX ((size_t)2 << 30)
#define DISCHARGE UINT32_MAX /* a move: a free write is answered, unseen */
#define WORD_BITS 64u

/* Cells that are one each. */
enum { AT, HOLDS, NEEDS_CAS, REFUSED_LEFT, FIRST_ARRAY };

struct undo {
	uint32_t cell;
	uint64_t was;
};

struct move {
	uint32_t class; /* or DISCHARGE */
	uint32_t act;	/* CHECK_NO_OP: the next unanswered one */
	bool needs_cas; /* nothing would observe it but a compare-and-set: that must be next */
	uint8_t rank;	/* the greatest is tried first */
};

struct node {
	size_t undo;  /* height of the log when it was reached */
	size_t moves; /* [moves, move_end) are left */
	size_t move_end;
};

struct search {
	const struct check_plan *plan;
	uint64_t *cells;
	uint32_t wanted;    /* cells, by value: observers that are not done */
	uint32_t supply;    /* cells, by value: what could still bring it */
	uint32_t under_way; /* cells, by slot: act + 1 */
	uint32_t done;	    /* cells: bits, by slot */
	uint32_t free;	    /* cells: bits, by slot */
	uint32_t spent;	    /* cells, by class: unanswered ones done */
	uint32_t words;	    /* of bits by slot */
	uint32_t cell_count;
	struct undo *log;
	size_t log_capacity;
	size_t log_count;
	struct node *nodes;
	size_t node_capacity;
	size_t node_count;
	struct move *moves;
	size_t move_capacity;
	size_t move_count;
	uint32_t *candidates;	    /* acts, while moves are collected */
	uint32_t *seen;		    /* by class: 1 + its candidate */
	uint32_t *optional_classes; /* that have unanswered operations */
	uint32_t optional_class_count;
	struct check_memo memo;
	uint64_t *key;
	uint32_t key_words;
	uint64_t states;
};

/* ---- cells ---- */

static void set(struct search *search, uint32_t cell, uint64_t value)
{
	if (search->cells[cell] == value)
		return;
	search->log = check_memory_grow(search->log, &search->log_capacity, search->log_count + 1,
					sizeof(*search->log));
	search->log[search->log_count++] = (struct undo){cell, search->cells[cell]};
	search->cells[cell] = value;
}

static void add(struct search *search, uint32_t cell, int64_t amount)
{
	set(search, cell, search->cells[cell] + (uint64_t)amount);
}

static void roll_back(struct search *search, size_t height)
{
	while (search->log_count > height) {
		const struct undo *undo = &search->log[--search->log_count];

		search->cells[undo->cell] = undo->was;
	}
}

static bool has_bit(const struct search *search, uint32_t array, uint32_t slot)
{
	return (search->cells[array + slot / WORD_BITS] >> slot % WORD_BITS & 1) != 0;
}

static void set_bit(struct search *search, uint32_t array, uint32_t slot, bool value)
{
	uint32_t cell = array + slot / WORD_BITS;
	uint64_t bit = (uint64_t)1 << slot % WORD_BITS;

	set(search, cell, value ? search->cells[cell] | bit : search->cells[cell] & ~bit);
}

/** The act in a slot, if it is under way and not done; else NULL. */
static const struct check_act *open_act(const struct search *search, uint32_t slot)
{
	uint64_t act = search->cells[search->under_way + slot];

	if (act == 0 || has_bit(search, search->done, slot))
		return NULL;
	return &search->plan->acts[act - 1];
}

static uint32_t holds(const struct search *search)
{
	return (uint32_t)search->cells[HOLDS];
}

/* ---- doing ---- */

/** Whether `value`, if the register does not hold it, can still be observed by all that must. */
static bool is_within_reach(const struct search *search, uint32_t value)
{
	return search->cells[search->wanted + value] == 0 ||
	       search->cells[search->supply + value] != 0;
}

static void observe(struct search *search, const struct check_act *act)
{
	set_bit(search, search->done, act->slot, true);
	if (act->kind == CHECK_READ) {
		add(search, search->wanted + act->value, -1);
	} else {
		add(search, REFUSED_LEFT, -1);
	}
}

static void observe_all(struct search *search)
{
	for (uint32_t slot = 0; slot < search->plan->slot_count; slot++) {
		const struct check_act *act = open_act(search, slot);

		if (act != NULL && check_act_observes(act) && check_act_matches(act, holds(search)))
			observe(search, act);
	}
}

static void free_writes(struct search *search)
{
	for (uint32_t slot = 0; slot < search->plan->slot_count; slot++) {
		const struct check_act *act = open_act(search, slot);

		if (act != NULL && act->kind == CHECK_WRITE)
			set_bit(search, search->free, slot, true);
	}
}

/** Do a write or a compare-and-set. @return false: a value was left that cannot come back. */
static bool perform(struct search *search, const struct move *move)
{
	const struct check_class *class = &search->plan->classes[move->class];
	uint32_t before = holds(search);

	if (move->act != CHECK_NO_OP) {
		set_bit(search, search->done, search->plan->acts[move->act].slot, true);
		if (class->kind == CHECK_CAS)
			add(search, search->wanted + class->expected, -1);
	} else {
		add(search, search->spent + move->class, 1);
	}
	add(search, search->supply + class->value, -1);
	if (class->kind == CHECK_WRITE)
		free_writes(search);
	set(search, HOLDS, class->value);
	set(search, NEEDS_CAS, move->needs_cas);
	if (before != class->value && !is_within_reach(search, before))
		return false;
	observe_all(search);
	return true;
}

/* ---- events ---- */

static void invoke(struct search *search, const struct check_act *act, uint32_t number)
{
	if (act->answered == CHECK_NO_OP)
		return;
	set(search, search->under_way + act->slot, number + 1);
	if (check_act_observes(act) && check_act_matches(act, holds(search)))
		observe(search, act);
}

static void leave(struct search *search, const struct check_act *act)
{
	set(search, search->under_way + act->slot, 0);
	set_bit(search, search->done, act->slot, false);
	set_bit(search, search->free, act->slot, false);
}

/** A free write is answered without having been seen. @return false: it was needed. */
static bool discharge(struct search *search, const struct check_act *act)
{
	add(search, search->supply + act->value, -1);
	leave(search, act);
	return act->value == holds(search) || is_within_reach(search, act->value);
}

/** Whether something could observe a value at some time from now on. */
static bool may_be_observed(const struct search *search, uint32_t value)
{
	const struct check_plan *plan = search->plan;

	if (search->cells[search->wanted + value] != 0 || search->cells[REFUSED_LEFT] != 0)
		return true;
	for (uint32_t c = plan->cas_class[value]; c != CHECK_NO_OP;
	     c = plan->classes[c].next_from) {
		if (plan->classes[c].optional_count > search->cells[search->spent + c])
			return true;
	}
	return false;
}

enum progress { STUCK, CLOSED, FINISHED };

/** Take events up to an answer whose operation is not done. */
static enum progress advance(struct search *search)
{
	const struct check_plan *plan = search->plan;

	for (; search->cells[AT] < plan->event_count; set(search, AT, search->cells[AT] + 1)) {
		const struct check_event *event = &plan->events[search->cells[AT]];
		const struct check_act *act = &plan->acts[event->act];

		if (!event->answer) {
			invoke(search, act, event->act);
		} else if (has_bit(search, search->done, act->slot)) {
			leave(search, act);
		} else if (has_bit(search, search->free, act->slot) &&
			   !may_be_observed(search, act->value)) {
			if (!discharge(search, act))
				return CLOSED;
		} else {
			return STUCK;
		}
	}
	return FINISHED;
}

/* ---- moves ---- */

/** The operation whose answer is due. */
static const struct check_act *due(const struct search *search, uint32_t *ret_number)
{
	const struct check_event *event = &search->plan->events[search->cells[AT]];

	*ret_number = event->act;
	return &search->plan->acts[event->act];
}

/** Whether something under way would observe a change to `value` at once. */
static bool is_awaited(const struct search *search, uint32_t value)
{
	for (uint32_t slot = 0; slot < search->plan->slot_count; slot++) {
		const struct check_act *act = open_act(search, slot);

		if (act != NULL && check_act_observes(act) && check_act_matches(act, value))
			return true;
	}
	return false;
}

/** The next unanswered operation of a class, if it was invoked by now; or CHECK_NO_OP. */
static uint32_t next_optional(const struct search *search, uint32_t class)
{
	const struct check_plan *plan = search->plan;
	uint64_t spent = search->cells[search->spent + class];
	uint32_t act;

	if (spent == plan->classes[class].optional_count)
		return CHECK_NO_OP;
	act = plan->optional[plan->classes[class].first_optional + spent];
	return plan->acts[act].invoked < search->cells[AT] ? act : CHECK_NO_OP;
}

/** Whether a compare-and-set could come next if the register held `value`. */
static bool is_followed(const struct search *search, uint32_t value)
{
	const struct check_plan *plan = search->plan;

	for (uint32_t slot = 0; slot < plan->slot_count; slot++) {
		const struct check_act *act = open_act(search, slot);

		if (act != NULL && act->kind == CHECK_CAS && act->expected == value)
			return true;
	}
	for (uint32_t c = plan->cas_class[value]; c != CHECK_NO_OP;
	     c = plan->classes[c].next_from) {
		if (next_optional(search, c) != CHECK_NO_OP)
			return true;
	}
	return false;
}

static void push_move(struct search *search, const struct move *move)
{
	search->moves = check_memory_grow(search->moves, &search->move_capacity,
					  search->move_count + 1, sizeof(*search->moves));
	search->moves[search->move_count++] = *move;
}

/** Put one operation of a class on the stack if it is worth a try. */
static void consider(struct search *search, uint32_t class_number, uint32_t act)
{
	const struct check_class *class = &search->plan->classes[class_number];
	struct move move = {.class = class_number, .act = act, .rank = act != CHECK_NO_OP ? 2 : 1};
	uint32_t due_number;
	const struct check_act *wanted = due(search, &due_number);

	if (class->kind == CHECK_CAS && class->expected != holds(search))
		return;
	if (class->kind == CHECK_WRITE && search->cells[NEEDS_CAS] != 0)
		return;
	if (act == due_number) {
		move.rank = 4;
	} else if (check_act_observes(wanted) && check_act_matches(wanted, class->value)) {
		move.rank = act != CHECK_NO_OP ? 6 : 5;
	} else if (class->kind == CHECK_CAS && act != CHECK_NO_OP) {
		move.rank = 3;
	} else if (!is_awaited(search, class->value)) {
		if (!is_followed(search, class->value))
			return;
		move.needs_cas = true;
		move.rank = 0;
	}
	push_move(search, &move);
}

/** Of the answered ones of each class under way, the one that is answered first. */
static uint32_t find_candidates(struct search *search)
{
	const struct check_plan *plan = search->plan;
	uint32_t count = 0;

	for (uint32_t slot = 0; slot < plan->slot_count; slot++) {
		const struct check_act *act = open_act(search, slot);
		uint32_t number = (uint32_t)search->cells[search->under_way + slot] - 1;

		if (act == NULL || check_act_observes(act))
			continue;
		if (search->seen[act->class] == 0) {
			search->candidates[count++] = number;
			search->seen[act->class] = count;
		} else {
			uint32_t *other = &search->candidates[search->seen[act->class] - 1];

			if (act->answered < plan->acts[*other].answered)
				*other = number;
		}
	}
	return count;
}

static void consider_optional(struct search *search)
{
	for (uint32_t i = 0; i < search->optional_class_count; i++) {
		uint32_t class = search->optional_classes[i];

		if (search->seen[class] == 0 && next_optional(search, class) != CHECK_NO_OP)
			consider(search, class, CHECK_NO_OP);
	}
}

static void consider_discharge(struct search *search)
{
	uint32_t number;
	const struct check_act *act = due(search, &number);

	if (act->kind != CHECK_WRITE || !has_bit(search, search->free, act->slot) ||
	    search->cells[NEEDS_CAS] != 0)
		return;
	push_move(search, &(struct move){.class = DISCHARGE, .act = number, .rank = 5});
}

static int by_rank(const void *left, const void *right)
{
	const struct move *a = left;
	const struct move *b = right;

	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	return a->class < b->class ? -1 : a->class > b->class;
}

static void find_moves(struct search *search, struct node *node)
{
	uint32_t count = find_candidates(search);

	node->moves = search->move_count;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t act = search->candidates[i];

		consider(search, search->plan->acts[act].class, act);
	}
	consider_optional(search);
	consider_discharge(search);
	for (uint32_t i = 0; i < count; i++)
		search->seen[search->plan->acts[search->candidates[i]].class] = 0;
	node->move_end = search->move_count;
	qsort(search->moves + node->moves, node->move_end - node->moves, sizeof(*search->moves),
	      by_rank);
}

/* ---- the search ---- */

/** @return false if the state has been visited. */
static bool visit(struct search *search)
{
	const uint64_t *cells = search->cells;
	uint64_t hash = 0;
	uint32_t count = 0;

	search->key[count++] = cells[HOLDS] << 1 | cells[NEEDS_CAS];
	for (uint32_t i = 0; i < 2 * search->words; i++)
		search->key[count++] = cells[search->done + i];
	for (uint32_t i = 0; i < search->optional_class_count; i++)
		search->key[count++] = cells[search->spent + search->optional_classes[i]];
	for (uint32_t i = 0; i < count; i++)
		hash = check_mix(hash ^ search->key[i]);
	search->states++;
	return check_memo_visit(&search->memo, cells[AT], search->key, hash);
}

/** At an answer whose operation is not done: see what can be tried. */
static void arrive(struct search *search, size_t undo)
{
	struct node node = {.undo = undo};

	if (!visit(search)) {
		roll_back(search, undo);
		return;
	}
	find_moves(search, &node);
	search->nodes = check_memory_grow(search->nodes, &search->node_capacity,
					  search->node_count + 1, sizeof(*search->nodes));
	search->nodes[search->node_count++] = node;
}

/** Do one move, and what follows from it. @return true: an order was found. */
static bool make_move(struct search *search, const struct move *move)
{
	size_t undo = search->log_count;
	enum progress progress = CLOSED;
	bool open;

	if (move->class == DISCHARGE) {
		open = discharge(search, &search->plan->acts[move->act]);
		set(search, AT, search->cells[AT] + 1);
	} else {
		open = perform(search, move);
	}
	if (open)
		progress = search->cells[NEEDS_CAS] != 0 ? STUCK : advance(search);
	if (progress == STUCK) {
		arrive(search, undo);
	} else if (progress == CLOSED) {
		roll_back(search, undo);
	}
	return progress == FINISHED;
}

static enum check_verdict run(struct search *search, uint64_t budget)
{
	enum progress progress = advance(search);

	if (progress != STUCK)
		return progress == FINISHED ? CHECK_LINEARIZABLE : CHECK_VIOLATED;
	arrive(search, 0);
	while (search->node_count > 0) {
		struct node *node = &search->nodes[search->node_count - 1];
		struct move move;

		if (node->moves == node->move_end) {
			search->move_count = node->moves;
			roll_back(search, node->undo);
			search->node_count--;
			continue;
		}
		if (search->states > budget || check_memo_bytes(&search->memo) > MEMO_BYTES_MAX)
			return CHECK_UNDECIDED;
		move = search->moves[--node->move_end];
		if (make_move(search, &move))
			return CHECK_LINEARIZABLE;
	}
	return CHECK_VIOLATED;
}

/* ---- begin and end ---- */

static void lay_out(struct search *search)
{
	const struct check_plan *plan = search->plan;

	search->words = (plan->slot_count + WORD_BITS - 1) / WORD_BITS;
	search->wanted = FIRST_ARRAY;
	search->supply = search->wanted + plan->value_count;
	search->under_way = search->supply + plan->value_count;
	search->done = search->under_way + plan->slot_count;
	search->free = search->done + search->words;
	search->spent = search->free + search->words;
	search->cell_count = search->spent + plan->class_count;
}

static void count_all(struct search *search)
{
	const struct check_plan *plan = search->plan;

	search->cells[HOLDS] = plan->initial;
	for (uint32_t i = 0; i < plan->act_count; i++) {
		const struct check_act *act = &plan->acts[i];

		if (act->kind == CHECK_READ)
			search->cells[search->wanted + act->value]++;
		if (act->kind == CHECK_CAS && act->answered != CHECK_NO_OP)
			search->cells[search->wanted + act->expected]++;
		if (act->kind == CHECK_CAS_REFUSED)
			search->cells[REFUSED_LEFT]++;
		if (!check_act_observes(act))
			search->cells[search->supply + act->value]++;
	}
	for (uint32_t c = 0; c < plan->class_count; c++) {
		if (plan->classes[c].optional_count > 0)
			search->optional_classes[search->optional_class_count++] = c;
	}
}

static void begin(struct search *search, const struct check_plan *plan)
{
	*search = (struct search){.plan = plan};
	lay_out(search);
	search->cells = check_memory_take(search->cell_count, sizeof(*search->cells));
	search->candidates = check_memory_take(plan->slot_count, sizeof(uint32_t));
	search->seen = check_memory_take(plan->class_count, sizeof(uint32_t));
	search->optional_classes = check_memory_take(plan->class_count, sizeof(uint32_t));
	count_all(search);
	search->key_words = 1 + 2 * search->words + search->optional_class_count;
	search->key = check_memory_take(search->key_words, sizeof(*search->key));
	check_memo_init(&search->memo, (size_t)search->key_words * WORD_BITS);
}

static void end(struct search *search)
{
	free(search->cells);
	free(search->candidates);
	free(search->seen);
	free(search->optional_classes);
	free(search->log);
	free(search->nodes);
	free(search->moves);
	free(search->key);
	check_memo_fini(&search->memo);
}

static bool is_possible(const struct search *search)
{
	for (uint32_t value = 0; value < search->plan->value_count; value++) {
		if (value != search->plan->initial && !is_within_reach(search, value))
			return false;
	}
	return true;
}

enum check_verdict check_register_decide(const struct check_register *history, uint64_t budget,
					 uint64_t *ret_states)
{
	enum check_verdict verdict = CHECK_VIOLATED;
	struct check_plan plan;
	struct search search;

	check_plan_init(&plan, history);
	begin(&search, &plan);
	if (is_possible(&search))
		verdict = run(&search, budget);
	if (ret_states != NULL)
		*ret_states = search.states;
	end(&search);
	check_plan_fini(&plan);
	return verdict;
}
