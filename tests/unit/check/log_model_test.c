/*
 * The log model: one test per rule, and a comparison with trying every order, over random small
 * histories. Half of those come from a log that really was operated on, so that they are
 * linearizable unless a mutation made them otherwise; most mutations are near the border.
 */
#include "tests/check/judge.h"

#include "tests/unit/check/oracle.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPS_MAX 7u
#define CHUNK_MAX 3u

/* ---- deciding ---- */

static enum check_verdict decide(const struct oracle_log *history,
				 struct check_problem *ret_problem)
{
	struct check_log *log = check_log_create(history->start);
	enum check_verdict verdict;

	for (size_t i = 0; i < history->count; i++) {
		const struct oracle_log_op *op = &history->ops[i];

		if (op->is_append) {
			check_log_append(log, &(struct check_append){.when = op->when,
								     .offset = op->offset,
								     .count = (uint32_t)op->count,
								     .values = op->values});
		} else {
			check_log_read(log, &(struct check_read){.when = op->when,
								 .offset = op->offset,
								 .count = op->count,
								 .values = op->values,
								 .tail = op->tail,
								 .at_most = op->at_most});
		}
	}
	verdict = check_log_decide(log, CHECK_BUDGET, ret_problem);
	check_log_destroy(log);
	return verdict;
}

/* The same, through lines of JSON. */
static enum check_verdict judge_lines(const struct oracle_log *history, struct qr_prng *forms)
{
	const struct check_options options = {
		.model = CHECK_MODEL_LOG, .budget = CHECK_BUDGET, .first_offset = history->start};
	struct check_judgement judgement = {0};
	struct check_history lines;
	struct check_mistake mistake;
	char *text = NULL;
	size_t size_bytes = 0;
	FILE *out = open_memstream(&text, &size_bytes);

	assert_non_null(out);
	oracle_log_render(history, forms, out);
	assert_int_equal(fclose(out), 0);
	if (!check_history_read(&lines, text, size_bytes, &mistake) ||
	    !check_judge(&lines, &options, &judgement, &mistake))
		fail_msg("line %u: %s\n%s", mistake.line, mistake.text, text);
	check_history_fini(&lines);
	free(text);
	return judgement.verdict;
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

/* A history with room for its values. */
struct history {
	struct oracle_log log;
	struct oracle_log_op ops[OPS_MAX];
	uint64_t values[OPS_MAX][ORACLE_RECORDS_MAX];
};

/* The log that the operations of a random history really operated on. */
struct real_log {
	uint64_t length;
	uint64_t records[ORACLE_RECORDS_MAX];
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

static void make_append(struct oracle_log_op *op, uint64_t *values, const struct shape *shape)
{
	op->is_append = true;
	op->count = 1 + below(shape->chunk);
	if (below(4) < shape->known)
		op->values = values;
	for (uint64_t i = 0; i < op->count; i++)
		values[i] = random_value(shape);
}

/* The read of a log as it is: in full, a piece of it, or its length. */
static void make_read(struct oracle_log_op *op, uint64_t *values, const struct shape *shape,
		      const struct real_log *real, uint64_t start)
{
	op->offset = start;
	op->count = real->length - start;
	op->values = values;
	op->tail = real->length;
	if (below(4) < shape->pieces) {
		op->offset = start + below((unsigned)(op->count + 1));
		op->count = below((unsigned)(real->length - op->offset + 1));
		op->tail = below(2) == 0 ? CHECK_UNTOLD : real->length;
	}
	op->at_most =
		op->tail == CHECK_UNTOLD && below(2) == 0 ? real->length + below(2) : CHECK_UNTOLD;
	if (below(4) == 0)
		op->count = 0;
	if (below(6) == 0)
		op->values = NULL;
	for (uint64_t i = 0; i < op->count; i++) {
		values[i] = real->records[op->offset + i];
		if (values[i] == ORACLE_UNKNOWN)
			op->values = NULL;
	}
}

static void append_really(struct real_log *real, const struct oracle_log_op *op)
{
	for (uint64_t i = 0; i < op->count; i++) {
		real->records[real->length++] = op->values != NULL ? op->values[i] : ORACLE_UNKNOWN;
	}
}

/* Operations take effect in their order at times 100, 110...; calls and answers are around those.
 */
static void make_history(struct history *history, const struct shape *shape)
{
	struct real_log real;

	*history = (struct history){.log = {.start = below(3) == 0 ? below(3) : 0,
					    .count = 1 + below(OPS_MAX),
					    .ops = history->ops}};
	real.length = history->log.start;
	for (size_t i = 0; i < history->log.count; i++) {
		struct oracle_log_op *op = &history->ops[i];
		uint64_t now = 100 + 10 * i;

		op->when = (struct check_when){.invoked = now - below(100 / shape->quick),
					       .answered = now + below(100 / shape->quick),
					       .name = i};
		if (below(2) == 0) {
			make_read(op, history->values[i], shape, &real, history->log.start);
			continue;
		}
		make_append(op, history->values[i], shape);
		op->offset = below(4) < shape->told ? real.length : CHECK_UNTOLD;
		if (below(8) < shape->lost) {
			op->when.answered = CHECK_NEVER;
			op->offset = CHECK_UNTOLD;
			if (below(2) == 0)
				continue; /* it does not happen */
		}
		append_really(&real, op);
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
	size_t which = below((unsigned)history->log.count);
	struct oracle_log_op *op = &history->ops[which];

	switch (below(6)) {
	case 0:
		nudge(&op->offset, op->is_append ? 0 : history->log.start);
		break;
	case 1:
		if (!op->is_append)
			nudge(&op->tail, history->log.start);
		break;
	case 2:
		if (op->count > 0) {
			history->values[which][below((unsigned)op->count)] =
				below(2) == 0 ? random_value(shape) : history->values[which][0];
		}
		break;
	case 3:
		op->when.invoked += below(60);
		if (op->when.answered < op->when.invoked)
			op->when.answered = op->when.invoked;
		break;
	case 4:
		if (op->when.answered != CHECK_NEVER && op->when.answered > op->when.invoked) {
			op->when.answered -=
				below((unsigned)(op->when.answered - op->when.invoked));
		}
		break;
	default:
		if (!op->is_append && op->count > 1)
			op->count--;
		break;
	}
}

static void print_history(const struct oracle_log *history)
{
	print_message("start %lu\n", history->start);
	for (size_t i = 0; i < history->count; i++) {
		const struct oracle_log_op *op = &history->ops[i];

		print_message("%zu %s %ld..%ld offset %ld count %lu tail %ld at most %ld:", i,
			      op->is_append ? "append" : "read", (long)op->when.invoked,
			      (long)op->when.answered, (long)op->offset, op->count, (long)op->tail,
			      (long)op->at_most);
		for (uint64_t v = 0; op->values != NULL && v < op->count; v++)
			print_message(" %lu", op->values[v]);
		print_message("\n");
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

static void compare(const struct oracle_log *history, enum check_verdict verdict, bool fails,
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
		struct check_problem problem = {.kind = CHECK_NO_PROBLEM};
		struct history history;
		bool fails;

		random_history(&history);
		fails = oracle_log_fails(&history.log);
		compare(&history.log, decide(&history.log, &problem), fails, i);
		assert_true(!fails || problem.kind != CHECK_NO_PROBLEM);
		bad += fails;
	}
	assert_in_range(bad, rounds / 6, rounds * 5 / 6); /* both sides are tried */
}

/* There is no line for a read without values, nor for a bound besides what was shown. */
static bool can_be_written(const struct oracle_log *history)
{
	for (size_t i = 0; i < history->count; i++) {
		const struct oracle_log_op *op = &history->ops[i];

		if (op->is_append)
			continue;
		if (op->count > 0 && (op->values == NULL || op->at_most != CHECK_UNTOLD))
			return false;
		if (op->count == 0 && (op->tail == CHECK_UNTOLD) == (op->at_most == CHECK_UNTOLD))
			return false;
	}
	return true;
}

static void test_every_form(void **state)
{
	unsigned long rounds = rounds_of(20000);
	struct qr_prng forms;

	(void)state;
	qr_prng_init(&prng, 2);
	qr_prng_init(&forms, 3);
	for (unsigned long i = 0; i < rounds;) {
		struct history history;

		random_history(&history);
		if (!can_be_written(&history.log))
			continue;
		compare(&history.log, judge_lines(&history.log, &forms),
			oracle_log_fails(&history.log), i++);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_order),
		cmocka_unit_test(test_every_form),
	};

	return cmocka_run_group_tests_name("check/log_model", tests, NULL, NULL);
}
