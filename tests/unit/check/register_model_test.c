/*
 * The register model against trying every order, over random small histories; and what it says
 * about those that fail, against the same.
 */
#include "tests/check/judge.h"

#include "tests/unit/check/oracle.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPS_MAX ORACLE_OPS_MAX
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

static bool every_order_fails(const struct history *history)
{
	return oracle_register_fails(&(struct check_register){
		.ops = history->ops, .count = history->count, .initial = history->initial});
}

/* Through lines of JSON. */
static enum check_verdict judge_lines(const struct history *history, struct qr_prng *forms)
{
	const struct check_register whole = {
		.ops = history->ops, .count = history->count, .initial = history->initial};
	struct check_judgement judgement = {0};
	struct check_history lines;
	struct check_mistake mistake;
	char initial[32];
	const struct check_options options = {
		.model = CHECK_MODEL_REGISTER, .budget = CHECK_BUDGET, .initial = initial};
	char *text = NULL;
	size_t size_bytes = 0;
	FILE *out = open_memstream(&text, &size_bytes);

	assert_non_null(out);
	oracle_register_render(&whole, forms, out);
	assert_int_equal(fclose(out), 0);
	(void)snprintf(initial, sizeof(initial), "%lu", history->initial);
	if (!check_history_read(&lines, text, size_bytes, &mistake) ||
	    !check_judge(&lines, &options, &judgement, &mistake))
		fail_msg("line %u: %s\n%s", mistake.line, mistake.text, text);
	check_history_fini(&lines);
	free(text);
	return judgement.verdict;
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
		if (op->when.answered != CHECK_NEVER && op->when.answered > op->when.invoked) {
			op->when.answered -=
				below((unsigned)(op->when.answered - op->when.invoked));
		}
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

static unsigned long rounds_of(unsigned long otherwise)
{
	const char *text = getenv("CHECK_HISTORIES"); /* NOLINT(concurrency-mt-unsafe) */

	return text != NULL ? strtoul(text, NULL, 10) : otherwise;
}

static void random_history(struct history *history)
{
	struct shape shape = random_shape();

	make_history(history, &shape);
	for (unsigned m = below(6); m > 0; m--)
		mutate(history, &shape);
}

static void compare(const struct history *history, enum check_verdict verdict, bool fails,
		    unsigned long number)
{
	if (verdict == (fails ? CHECK_VIOLATED : CHECK_LINEARIZABLE))
		return;
	print_history(history);
	fail_msg("history %lu: verdict %d, every order %s", number, (int)verdict,
		 fails ? "fails" : "does not fail");
}

static void test_every_order(void **state)
{
	unsigned long rounds = rounds_of(60000);
	unsigned long bad = 0;

	(void)state;
	qr_prng_init(&prng, 1);
	for (unsigned long i = 0; i < rounds; i++) {
		struct history history;
		bool fails;

		random_history(&history);
		fails = every_order_fails(&history);
		compare(&history, decide(&history), fails, i);
		if (fails && i % 4 == 0)
			judge_explanation(&history);
		bad += fails;
	}
	assert_in_range(bad, rounds / 6, rounds * 5 / 6); /* both sides are tried */
}

static void test_every_form(void **state)
{
	unsigned long rounds = rounds_of(20000);
	struct qr_prng forms;

	(void)state;
	qr_prng_init(&prng, 2);
	qr_prng_init(&forms, 3);
	for (unsigned long i = 0; i < rounds; i++) {
		struct history history;

		random_history(&history);
		for (size_t o = 0; o < history.count; o++) {
			struct check_register_op *op = &history.ops[o];

			/* nobody can say of it that it was refused */
			if (op->kind == CHECK_CAS_REFUSED && op->when.answered == CHECK_NEVER)
				op->kind = CHECK_CAS;
		}
		compare(&history, judge_lines(&history, &forms), every_order_fails(&history), i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_order),
		cmocka_unit_test(test_every_form),
	};

	return cmocka_run_group_tests_name("check/register_model", tests, NULL, NULL);
}
