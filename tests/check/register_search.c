/*
 * The search for an order: Wing and Gong's, driven by answers as Lowe's just-in-time linearization
 * is, with a memory of the states that it has visited.
 *
 * Events are taken in their order. An operation that is under way can be *done*: it has had its
 * instant. When an answer comes and its operation is not done, operations under way are done one
 * after the other until it is: that is where the search branches. Three exchanges keep the branches
 * few; each turns an order that works into one that works too:
 *
 *   Reads at once. A read under way that matches what the register holds is done there and then.
 *
 *   Writes unseen. A write that nobody observes before the next write can have its instant just in
 *   front of that one, wherever that one is. So when a write is done, every other write under way
 *   becomes *free*: it may be done visibly, but its answer can also come without that. So no write
 *   is tried in front of an answer unless something under way observes it at once, or it is the one
 *   that was answered.
 *
 *   One of a class. Of equal operations under way the one answered first will do, and one that was
 *   never answered only when there is no other.
 *
 * A state is: the event; what the register holds; which operations under way are done or free; how
 * many of each class of unanswered ones are done. One is not looked at again (register_visited.c).
 */
#include "tests/check/register_internal.h"

#include "tests/check/memory.h"

#include <stdlib.h>

#define MEMO_BYTES_MAX ((size_t)2 << 30)
#define DISCHARGE UINT32_MAX /* a move: a free write is answered, unseen */

struct move {
	uint32_t class; /* or DISCHARGE */
	uint32_t act;	/* CHECK_NO_OP: the next unanswered one */
	bool needs_cas; /* nothing would observe it but a compare-and-set: that must be next */
	uint8_t rank;	/* the greatest is tried first */
};

struct node {
	size_t undo;  /* height of the log before it was reached */
	size_t moves; /* [moves, move_end) are left */
	size_t move_end;
};

struct search {
	const struct check_plan *plan;
	struct check_state *state;
	struct node *nodes;
	size_t node_capacity;
	size_t node_count;
	struct move *moves;
	size_t move_capacity;
	size_t move_count;
	uint32_t *candidates; /* acts, while moves are collected */
	uint32_t *seen;	      /* by class: 1 + its candidate */
	struct check_visited visited;
	uint64_t *key; /* the event, and the state's words */
	uint64_t *spent;
	uint64_t states;
};

/* ---- moves ---- */

/** The operation whose answer is due. */
static uint32_t due(const struct search *search)
{
	return search->plan->events[check_state_event(search->state)].act;
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
	const struct check_state *state = search->state;
	const struct check_class *class = &search->plan->classes[class_number];
	const struct check_act *wanted = &search->plan->acts[due(search)];
	bool answered = act != CHECK_NO_OP;
	struct move move = {.class = class_number, .act = act, .rank = answered ? 2 : 1};

	if (class->kind == CHECK_CAS && class->expected != check_state_holds(state))
		return;
	if (class->kind == CHECK_WRITE && check_state_needs_cas(state))
		return;
	if (act == due(search)) {
		/* rather seen than free: who waits for it may find no other */
		move.rank = check_state_is_awaited(state, class->value) ? 6 : 4;
	} else if (check_act_observes(wanted) && check_act_matches(wanted, class->value)) {
		move.rank = answered ? 6 : 5;
	} else if (class->kind == CHECK_CAS && answered) {
		move.rank = 3;
	} else if (!check_state_is_awaited(state, class->value)) {
		if (!check_state_is_followed(state, class->value))
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
		uint32_t number = check_state_open(search->state, slot);
		const struct check_act *act;

		if (number == CHECK_NO_OP || check_act_observes(&plan->acts[number]))
			continue;
		act = &plan->acts[number];
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
	const struct check_state *state = search->state;

	for (uint32_t i = 0; i < state->optional_class_count; i++) {
		uint32_t class = state->optional_classes[i];

		if (search->seen[class] == 0 && check_state_has_optional(state, class))
			consider(search, class, CHECK_NO_OP);
	}
}

static void consider_discharge(struct search *search)
{
	const struct check_act *act = &search->plan->acts[due(search)];

	if (act->kind == CHECK_WRITE && check_state_is_free(search->state, act) &&
	    !check_state_needs_cas(search->state))
		push_move(search, &(struct move){.class = DISCHARGE, .rank = 5});
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
	if (node->move_end - node->moves > 1) {
		qsort(search->moves + node->moves, node->move_end - node->moves,
		      sizeof(*search->moves), by_rank);
	}
}

/* ---- the search ---- */

/** @return false if the state, or one from which as much is possible, has been visited. */
static bool visit(struct search *search)
{
	search->states++;
	search->key[0] = check_state_event(search->state);
	check_state_key(search->state, search->key + 1);
	check_state_spent(search->state, search->spent);
	return check_visited_visit(&search->visited, search->key, search->spent);
}

/** At an answer whose operation is not done: see what can be tried. */
static void arrive(struct search *search, size_t undo)
{
	struct node node = {.undo = undo};

	if (!visit(search)) {
		check_state_roll_back(search->state, undo);
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
	struct check_state *state = search->state;
	size_t undo = state->log_count;
	enum check_progress progress = CHECK_CLOSED;
	bool open;

	if (move->class == DISCHARGE) {
		open = check_state_discharge(state);
	} else {
		open = check_state_perform(state, move->class, move->act, move->needs_cas);
	}
	if (open) {
		progress = check_state_needs_cas(state) ? CHECK_STUCK : check_state_advance(state);
	}
	if (progress == CHECK_STUCK) {
		arrive(search, undo);
	} else if (progress == CHECK_CLOSED) {
		check_state_roll_back(state, undo);
	}
	return progress == CHECK_FINISHED;
}

static enum check_verdict run(struct search *search, uint64_t budget)
{
	enum check_progress progress = check_state_advance(search->state);

	if (progress != CHECK_STUCK)
		return progress == CHECK_FINISHED ? CHECK_LINEARIZABLE : CHECK_VIOLATED;
	arrive(search, 0);
	while (search->node_count > 0) {
		struct node *node = &search->nodes[search->node_count - 1];
		struct move move;

		if (node->moves == node->move_end) {
			search->move_count = node->moves;
			check_state_roll_back(search->state, node->undo);
			search->node_count--;
			continue;
		}
		if (search->states > budget ||
		    check_visited_bytes(&search->visited) > MEMO_BYTES_MAX)
			return CHECK_UNDECIDED;
		move = search->moves[--node->move_end];
		if (make_move(search, &move))
			return CHECK_LINEARIZABLE;
	}
	return CHECK_VIOLATED;
}

static enum check_verdict search_all(const struct check_plan *plan, struct check_state *state,
				     uint64_t budget, uint64_t *ret_states)
{
	uint32_t key_words = check_state_key_words(state) + 1;
	uint32_t spent_words = check_state_spent_words(state);
	struct search search = {
		.plan = plan,
		.state = state,
		.candidates = check_memory_take(plan->slot_count, sizeof(uint32_t)),
		.seen = check_memory_take(plan->class_count, sizeof(uint32_t)),
		.key = check_memory_take(key_words, sizeof(uint64_t)),
		.spent = check_memory_take(spent_words, sizeof(uint64_t)),
	};
	enum check_verdict verdict;

	check_visited_init(&search.visited, key_words, spent_words);
	verdict = run(&search, budget);
	*ret_states = search.states;
	free(search.candidates);
	free(search.seen);
	free(search.key);
	free(search.spent);
	free(search.nodes);
	free(search.moves);
	check_visited_fini(&search.visited);
	return verdict;
}

enum check_verdict check_register_decide(const struct check_register *history, uint64_t budget,
					 uint64_t *ret_states)
{
	enum check_verdict verdict = CHECK_VIOLATED;
	uint64_t states = 0;
	struct check_plan plan;
	struct check_state state;

	check_plan_init(&plan, history);
	check_state_init(&state, &plan);
	if (check_state_is_possible(&state))
		verdict = check_plan_judge_zones(&plan);
	if (verdict == CHECK_UNDECIDED)
		verdict = search_all(&plan, &state, budget, &states);
	if (ret_states != NULL)
		*ret_states = states;
	check_state_fini(&state);
	check_plan_fini(&plan);
	return verdict;
}
