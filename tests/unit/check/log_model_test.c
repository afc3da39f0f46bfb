/*
 * The log model: one test per rule, and a comparison with trying every order, over random small
 * histories. Half of those come from a log that really was operated on, so that they are
 * linearizable unless a mutation made them otherwise; most mutations are near the border.
 */
#include "tests/check/log_model.h"

#include "consensus/base/prng.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPS_MAX 7u
#define RECORDS_MAX 32u
#define CHUNK_MAX 3u
#define WILD UINT64_MAX /* a record of which nothing is known */

/* ---- histories, as both sides see them ---- */

struct operation {
	bool is_append;
	struct check_when when;
	uint64_t offset;
	uint64_t count;
	bool has_values;
	uint64_t values[RECORDS_MAX];
	uint64_t tail;	  /* of a read */
	uint64_t at_most; /* of a read */
};

struct history {
	uint64_t start;
	size_t count;
	struct operation operations[OPS_MAX];
};

static enum check_verdict decide(const struct history *history, struct check_problem *ret_problem)
{
	struct check_log *log = check_log_create(history->start);
	enum check_verdict verdict;

	for (size_t i = 0; i < history->count; i++) {
		const struct operation *op = &history->operations[i];

		if (op->is_append) {
			check_log_append(log, &(struct check_append){
						      .when = op->when,
						      .offset = op->offset,
						      .count = (uint32_t)op->count,
						      .values = op->has_values ? op->values : NULL,
					      });
		} else {
			check_log_read(log, &(struct check_read){
						    .when = op->when,
						    .offset = op->offset,
						    .count = op->count,
						    .values = op->has_values ? op->values : NULL,
						    .tail = op->tail,
						    .at_most = op->at_most,
					    });
		}
	}
	verdict = check_log_decide(log, CHECK_BUDGET, ret_problem);
	check_log_destroy(log);
	return verdict;
}

/* ---- trying every order ---- */

struct state {
	uint64_t length;
	uint64_t records[RECORDS_MAX];
	unsigned used; /* operations, a mask */
	unsigned next; /* the next one to try from here */
};

static bool apply_append(struct state *state, const struct operation *op)
{
	if (op->offset != CHECK_UNTOLD && op->offset != state->length)
		return false;
	for (uint64_t i = 0; i < op->count; i++)
		state->records[state->length++] = op->has_values ? op->values[i] : WILD;
	return true;
}

/* A record of which nothing is known becomes what the first read of it says. */
static bool apply_read(struct state *state, const struct operation *op)
{
	if (op->count > 0 && op->offset + op->count > state->length)
		return false;
	if ((op->tail != CHECK_UNTOLD && op->tail != state->length) || state->length > op->at_most)
		return false;
	for (uint64_t i = 0; op->has_values && i < op->count; i++) {
		uint64_t *record = &state->records[op->offset + i];

		if (*record == WILD)
			*record = op->values[i];
		if (*record != op->values[i])
			return false;
	}
	return true;
}

static bool may_be_next(const struct history *history, unsigned used, unsigned op)
{
	for (unsigned i = 0; i < history->count; i++) {
		if ((used >> i & 1) == 0 &&
		    history->operations[i].when.answered < history->operations[op].when.invoked)
			return false;
	}
	return (used >> op & 1) == 0;
}

static bool is_complete(const struct history *history, unsigned used)
{
	for (unsigned i = 0; i < history->count; i++) {
		if ((used >> i & 1) == 0 && history->operations[i].when.answered != CHECK_NEVER)
			return false;
	}
	return true;
}

static bool every_order_fails(const struct history *history)
{
	struct state stack[OPS_MAX + 1] = {{.length = history->start}};
	unsigned depth = 0;

	for (uint64_t i = 0; i < history->start; i++)
		stack[0].records[i] = WILD;
	while (true) {
		struct state *at = &stack[depth];
		unsigned op = at->next++;
		struct state after = *at;

		if (is_complete(history, at->used))
			return false;
		if (op >= history->count) {
			if (depth-- == 0)
				return true;
			continue;
		}
		if (!may_be_next(history, at->used, op))
			continue;
		after.used |= 1u << op;
		after.next = 0;
		if (history->operations[op].is_append
			    ? apply_append(&after, &history->operations[op])
			    : apply_read(&after, &history->operations[op]))
			stack[++depth] = after;
	}
}

/* ---- random histories ---- */

struct shape {
	unsigned told;	 /* of 4 answers, how many tell the offset */
	unsigned known;	 /* of 4 appends, how many have values */
	unsigned lost;	 /* of 8 appends, how many are never answered */
	unsigned values; /* different ones; 0: all different */
	unsigned chunk;
	unsigned pieces; /* of 4 reads, how many are of a piece */
	unsigned quick;	 /* the smaller, the more operations overlap */
};

static struct qr_prng prng;

static unsigned below(unsigned bound)
{
	return (unsigned)qr_prng_below(&prng, bound);
}

static struct shape random_shape(void)
{
	return (struct shape){
		.told = below(5),
		.known = below(3) == 0 ? below(5) : 4,
		.lost = below(4),
		.values = below(3) == 0 ? 1 + below(3) : 0,
		.chunk = 1 + below(CHUNK_MAX),
		.pieces = below(5),
		.quick = 1 + below(8),
	};
}

static uint64_t random_value(const struct shape *shape)
{
	static uint64_t fresh = 1000;

	return shape->values != 0 ? below(shape->values) : fresh++;
}

static void make_append(struct operation *op, const struct shape *shape)
{
	op->is_append = true;
	op->count = 1 + below(shape->chunk);
	op->has_values = below(4) < shape->known;
	for (uint64_t i = 0; i < op->count; i++)
		op->values[i] = random_value(shape);
}

/* The read of a log as it is: in full, a piece of it, or its length. */
static void make_read(struct operation *op, const struct shape *shape, const struct state *state,
		      uint64_t start)
{
	op->offset = start;
	op->count = state->length - start;
	op->has_values = true;
	op->tail = state->length;
	if (below(4) < shape->pieces) {
		op->offset = start + below((unsigned)(op->count + 1));
		op->count = below((unsigned)(state->length - op->offset + 1));
		op->tail = below(2) == 0 ? CHECK_UNTOLD : state->length;
	}
	op->at_most =
		op->tail == CHECK_UNTOLD && below(2) == 0 ? state->length + below(2) : CHECK_UNTOLD;
	if (below(4) == 0)
		op->count = 0;
	if (below(6) == 0)
		op->has_values = false;
	for (uint64_t i = 0; i < op->count; i++) {
		op->values[i] = state->records[op->offset + i];
		op->has_values = op->has_values && op->values[i] != WILD;
	}
}

/* Operations take effect in their order at times 10, 20, ...; calls and answers are around those.
 */
static void make_history(struct history *history, const struct shape *shape)
{
	struct state state = {0};

	*history = (struct history){.start = below(3) == 0 ? below(3) : 0,
				    .count = 1 + below(OPS_MAX)};
	state.length = history->start;
	for (size_t i = 0; i < history->count; i++) {
		struct operation *op = &history->operations[i];
		uint64_t now = 100 + 10 * i;
		bool happens = true;

		op->when = (struct check_when){.invoked = now - below(100 / shape->quick),
					       .answered = now + below(100 / shape->quick),
					       .name = i};
		if (below(2) == 0) {
			make_append(op, shape);
			op->offset = below(4) < shape->told ? state.length : CHECK_UNTOLD;
			if (below(8) < shape->lost) {
				op->when.answered = CHECK_NEVER;
				happens = below(2) == 0;
				op->offset = CHECK_UNTOLD;
			}
			for (uint64_t r = 0; happens && r < op->count; r++) {
				state.records[state.length++] =
					op->has_values ? op->values[r] : WILD;
			}
		} else {
			make_read(op, shape, &state, history->start);
		}
	}
}

static void nudge(uint64_t *number, uint64_t least)
{
	if (*number == CHECK_UNTOLD)
		return;
	if (below(2) == 0 && *number > least) {
		*number -= 1;
	} else {
		*number += 1;
	}
}

static void mutate(struct history *history, const struct shape *shape)
{
	struct operation *op = &history->operations[below((unsigned)history->count)];

	switch (below(6)) {
	case 0:
		nudge(&op->offset, op->is_append ? 0 : history->start);
		break;
	case 1:
		if (!op->is_append)
			nudge(&op->tail, history->start);
		break;
	case 2:
		if (op->count > 0)
			op->values[below((unsigned)op->count)] =
				below(2) == 0 ? random_value(shape) : op->values[0];
		break;
	case 3:
		op->when.invoked += below(60);
		if (op->when.answered < op->when.invoked)
			op->when.answered = op->when.invoked;
		break;
	case 4:
		if (op->when.answered != CHECK_NEVER && op->when.answered > op->when.invoked)
			op->when.answered -=
				below((unsigned)(op->when.answered - op->when.invoked));
		break;
	default:
		if (!op->is_append && op->count > 1)
			op->count--;
		break;
	}
}

static void print_history(const struct history *history)
{
	print_message("start %lu\n", history->start);
	for (size_t i = 0; i < history->count; i++) {
		const struct operation *op = &history->operations[i];

		print_message("%zu %s %ld..%ld offset %ld count %lu tail %ld at most %ld:", i,
			      op->is_append ? "append" : "read", (long)op->when.invoked,
			      (long)op->when.answered, (long)op->offset, op->count, (long)op->tail,
			      (long)op->at_most);
		for (uint64_t v = 0; op->has_values && v < op->count; v++)
			print_message(" %lu", op->values[v]);
		print_message("\n");
	}
}

static void test_every_order(void **state)
{
	const char *text = getenv("CHECK_HISTORIES"); /* NOLINT(concurrency-mt-unsafe) */
	unsigned long rounds = text != NULL ? strtoul(text, NULL, 10) : 60000;
	unsigned long bad = 0;

	(void)state;
	qr_prng_init(&prng, 1);
	for (unsigned long i = 0; i < rounds; i++) {
		struct shape shape = random_shape();
		struct check_problem problem = {CHECK_NO_PROBLEM};
		enum check_verdict verdict;
		struct history history;
		bool fails;

		make_history(&history, &shape);
		for (unsigned m = below(6); m > 0; m--)
			mutate(&history, &shape);
		verdict = decide(&history, &problem);
		fails = every_order_fails(&history);
		if (verdict != (fails ? CHECK_VIOLATED : CHECK_LINEARIZABLE)) {
			print_history(&history);
			fail_msg("history %lu: verdict %d, every order %s", i, (int)verdict,
				 fails ? "fails" : "does not fail");
		}
		assert_true(!fails || problem.kind != CHECK_NO_PROBLEM);
		bad += fails;
	}
	assert_in_range(bad, rounds / 6, rounds * 5 / 6); /* both sides are tried */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_order),
	};

	return cmocka_run_group_tests_name("check/log_model", tests, NULL, NULL);
}
