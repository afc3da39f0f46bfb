/*
 * The register model against trying every order, over random small histories; and what it says
 * about those that fail, against the same.
 */
#include "tests/check/register_model.h"

#include "consensus/base/prng.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#define OPS_MAX 11u
#define VALUES_MAX 12u

struct history {
	uint64_t initial;
	size_t count;
	struct check_register_op ops[OPS_MAX];
};

static enum check_verdict decide(const struct history *history)
{
	return check_register_decide(&(struct check_register){.ops = history->ops,
							      .count = history->count,
							      .initial = history->initial},
				     CHECK_BUDGET, NULL);
}

/* ---- trying every order ---- */

struct state {
	uint64_t value;
	unsigned used;
	unsigned next;
};

static bool apply(struct state *state, const struct check_register_op *op)
{
	switch (op->kind) {
	case CHECK_READ:
		return state->value == op->value;
	case CHECK_WRITE:
		state->value = op->value;
		return true;
	case CHECK_CAS:
		if (state->value != op->expected)
			return false;
		state->value = op->value;
		return true;
	case CHECK_CAS_REFUSED:
		return state->value != op->expected;
	}
	return false;
}

static bool may_be_next(const struct history *history, unsigned used, unsigned op)
{
	for (unsigned i = 0; i < history->count; i++) {
		if ((used >> i & 1) == 0 &&
		    history->ops[i].when.answered < history->ops[op].when.invoked)
			return false;
	}
	return (used >> op & 1) == 0;
}

static bool is_complete(const struct history *history, unsigned used)
{
	for (unsigned i = 0; i < history->count; i++) {
		if ((used >> i & 1) == 0 && history->ops[i].when.answered != CHECK_NEVER)
			return false;
	}
	return true;
}

static bool every_order_fails(const struct history *history)
{
	/* by the operations used and the value: orders that differ only in how they came here */
	static bool seen[1u << OPS_MAX][VALUES_MAX + 1];
	struct state stack[OPS_MAX + 1] = {{.value = history->initial}};
	unsigned depth = 0;

	memset(seen, 0, sizeof(seen[0]) << history->count);
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
		if (apply(&after, &history->ops[op]) && !seen[after.used][after.value]) {
			seen[after.used][after.value] = true;
			stack[++depth] = after;
		}
	}
}

/* ---- random histories ---- */

static struct qr_prng prng;

static unsigned below(unsigned bound)
{
	return (unsigned)qr_prng_below(&prng, bound);
}

struct shape {
	unsigned values;
	bool once;	/* each value is written at most once */
	unsigned lost;	/* of 8, how many are not answered */
	unsigned quick; /* the smaller, the more operations overlap */
	unsigned reads; /* of 8 */
	unsigned cas;	/* of 8 */
};

static struct shape random_shape(void)
{
	return (struct shape){
		.values = 1 + below(4),
		.once = below(4) == 0,
		.lost = below(4),
		.quick = 1 + below(8),
		.reads = 1 + below(5),
		.cas = below(4),
	};
}

/* What an operation does to a register that holds `value`. @return what it holds then. */
static uint64_t make_op(struct check_register_op *op, const struct shape *shape, uint64_t value,
			uint64_t fresh)
{
	unsigned what = below(8);

	op->value = shape->once ? fresh : below(shape->values);
	if (what < shape->reads) {
		op->kind = CHECK_READ;
		op->value = value;
		return value;
	}
	if (what >= shape->reads + shape->cas) {
		op->kind = CHECK_WRITE;
		return op->value;
	}
	op->expected = below(4) == 0 ? below(shape->values) : value;
	op->kind = op->expected == value ? CHECK_CAS : CHECK_CAS_REFUSED;
	return op->expected == value ? op->value : value;
}

static void make_history(struct history *history, const struct shape *shape)
{
	uint64_t value = shape->once ? 0 : below(shape->values);

	*history = (struct history){.initial = value, .count = 1 + below(OPS_MAX)};
	for (size_t i = 0; i < history->count; i++) {
		struct check_register_op *op = &history->ops[i];
		uint64_t now = 100 + 10 * i;
		uint64_t after = make_op(op, shape, value, i + 1);

		op->when = (struct check_when){.invoked = now - below(100 / shape->quick),
					       .answered = now + below(100 / shape->quick),
					       .name = i};
		if (below(8) < shape->lost) {
			op->when.answered = CHECK_NEVER;
			if (below(2) == 0)
				continue; /* it did not happen */
		}
		value = after;
	}
}

static void mutate(struct history *history, const struct shape *shape)
{
	struct check_register_op *op = &history->ops[below((unsigned)history->count)];

	switch (below(5)) {
	case 0:
		op->value = below(shape->once && op->kind == CHECK_READ ? OPS_MAX : shape->values);
		break;
	case 1:
		op->expected = below(shape->values);
		break;
	case 2:
		op->when.invoked += below(60);
		if (op->when.answered < op->when.invoked)
			op->when.answered = op->when.invoked;
		break;
	case 3:
		if (op->when.answered != CHECK_NEVER && op->when.answered > op->when.invoked)
			op->when.answered -=
				below((unsigned)(op->when.answered - op->when.invoked));
		break;
	default:
		op->kind = (enum check_register_kind)below(4);
		break;
	}
}

static void print_history(const struct history *history)
{
	static const char *const kinds[] = {"read", "write", "cas", "refused"};

	print_message("initial %lu\n", history->initial);
	for (size_t i = 0; i < history->count; i++) {
		const struct check_register_op *op = &history->ops[i];

		print_message("%zu %s %lu (expected %lu) %ld..%ld\n", i, kinds[op->kind], op->value,
			      op->expected, (long)op->when.invoked, (long)op->when.answered);
	}
}

/* ---- explanations ---- */

/* The history up to an answer, that included or not. */
static struct history prefix(const struct history *history, uint64_t until, bool included)
{
	struct history part = {.initial = history->initial};

	for (size_t i = 0; i < history->count; i++) {
		struct check_register_op op = history->ops[i];

		if (op.when.invoked > until)
			continue;
		if (op.when.answered > until || (!included && op.when.answered == until))
			op.when.answered = CHECK_NEVER;
		part.ops[part.count++] = op;
	}
	return part;
}

static bool window_fails(const struct history *history, const struct check_register_why *why)
{
	uint64_t until = history->ops[why->last].when.answered;
	struct history part = {.initial = history->initial};

	for (size_t i = 0; i < why->shown; i++) {
		struct check_register_op op = history->ops[why->window[i]];

		if (op.when.answered > until || (why->free_start && op.when.invoked < why->begin))
			op.when.answered = CHECK_NEVER;
		part.ops[part.count++] = op;
	}
	if (!why->free_start)
		return every_order_fails(&part);
	for (uint64_t value = 0; value <= VALUES_MAX; value++) {
		part.initial = value;
		if (!every_order_fails(&part))
			return false;
	}
	return true;
}

static void judge_explanation(const struct history *history)
{
	const struct check_register whole = {
		.ops = history->ops, .count = history->count, .initial = history->initial};
	struct check_register_why why;
	struct history part;
	uint64_t until;

	check_register_explain(&whole, CHECK_BUDGET, &why);
	until = history->ops[why.last].when.answered;
	part = prefix(history, until, true);
	assert_true(every_order_fails(&part));
	part = prefix(history, until, false);
	assert_false(every_order_fails(&part));
	assert_int_equal(why.count, why.shown);
	assert_true(window_fails(history, &why));
	for (size_t i = 0; i < why.possible_count; i++) {
		struct history other = *history;

		other.ops[why.last].value = why.possible[i];
		part = prefix(&other, until, true);
		assert_false(every_order_fails(&part));
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
		struct history history;
		enum check_verdict verdict;
		bool fails;

		make_history(&history, &shape);
		for (unsigned m = below(6); m > 0; m--)
			mutate(&history, &shape);
		verdict = decide(&history);
		fails = every_order_fails(&history);
		if (verdict != (fails ? CHECK_VIOLATED : CHECK_LINEARIZABLE)) {
			print_history(&history);
			fail_msg("history %lu: verdict %d, every order %s", i, (int)verdict,
				 fails ? "fails" : "does not fail");
		}
		if (fails && i % 4 == 0)
			judge_explanation(&history);
		bad += fails;
	}
	assert_in_range(bad, rounds / 6, rounds * 5 / 6); /* both sides are tried */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_order),
	};

	return cmocka_run_group_tests_name("check/register_model", tests, NULL, NULL);
}
