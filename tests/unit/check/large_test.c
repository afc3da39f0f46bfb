/*
 * Histories as long as real ones. An atomic object is operated on by many clients: their operations
 * are called, take effect and are answered in random interleaving, so the history is linearizable
 * by construction. A mutation that no order survives makes another one that is not. Both claims are
 * held against trying every order, on the same histories made small.
 */
#include "tests/check/judge.h"

#include "tests/unit/check/oracle.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CLIENTS_MAX 64u
#define CHUNK_MAX 3u
#define PIECE_MAX 8u
#define LARGE 10000u
#define SMALL 9u

struct shape {
	const char *name;
	size_t operations;
	unsigned clients;
	unsigned lost;	 /* of 1000, how many are never answered */
	unsigned told;	 /* of 4 appends, how many answers tell the offset */
	unsigned whole;	 /* of 1000 reads, how many are of the whole log */
	unsigned values; /* of a register; 0: each write has its own */
	unsigned cas;	 /* of 10 operations of a register */
};

static struct qr_prng prng;

static unsigned below(unsigned bound)
{
	return (unsigned)qr_prng_below(&prng, bound);
}

static void *take(size_t count, size_t size_bytes)
{
	void *memory = calloc(count + 1, size_bytes);

	assert_non_null(memory);
	return memory;
}

/* ---- the clients ---- */

enum phase { IDLE, CALLED, EFFECTED };

struct client {
	enum phase phase;
	size_t op;
};

struct play {
	const struct shape *shape;
	struct client clients[CLIENTS_MAX];
	struct check_when *(*when)(struct play *, size_t op);
	void (*effect)(struct play *, size_t op, bool lost);
	void *object;
	size_t called;
	size_t under_way;
	uint64_t time;
};

static void act(struct play *play, struct client *client)
{
	struct check_when *when = play->when(play, client->op);
	bool lost = below(1000) < play->shape->lost;

	if (client->phase == CALLED && lost)
		when->answered = CHECK_NEVER;
	if (client->phase == CALLED)
		play->effect(play, client->op, lost);
	client->phase = client->phase == CALLED && !lost ? EFFECTED : IDLE;
	if (client->phase == IDLE) {
		play->under_way--;
		if (when->answered != CHECK_NEVER)
			when->answered = play->time;
	}
}

/** Until all operations are called and answered. */
static void run(struct play *play)
{
	while (play->called < play->shape->operations || play->under_way > 0) {
		struct client *client = &play->clients[below(play->shape->clients)];

		play->time++;
		if (client->phase != IDLE) {
			act(play, client);
		} else if (play->called < play->shape->operations) {
			client->op = play->called++;
			client->phase = CALLED;
			play->under_way++;
			*play->when(play, client->op) =
				(struct check_when){play->time, play->time, client->op};
		}
	}
}

/* ---- a register ---- */

struct real_register {
	struct check_register_op *ops;
	size_t count;
	uint64_t value;
	uint64_t fresh;
};

static struct check_when *when_of_register(struct play *play, size_t op)
{
	struct real_register *real = play->object;

	return &real->ops[op].when;
}

static void effect_on_register(struct play *play, size_t number, bool lost)
{
	struct real_register *real = play->object;
	struct check_register_op *op = &real->ops[number];
	unsigned what = below(10);
	uint64_t value = play->shape->values != 0 ? below(play->shape->values) : ++real->fresh;

	op->kind = CHECK_READ;
	op->value = real->value;
	if (what < 5 || (lost && below(2) == 0))
		return;
	op->value = value;
	op->kind = CHECK_WRITE;
	if (what < 5 + play->shape->cas) {
		op->expected = below(2) == 0 || play->shape->values == 0
				       ? real->value
				       : below(play->shape->values);
		op->kind = op->expected == real->value ? CHECK_CAS : CHECK_CAS_REFUSED;
		if (lost)
			op->kind = CHECK_CAS;
		if (op->expected != real->value)
			return;
	}
	if (!lost || below(2) == 0)
		real->value = value;
}

static struct real_register play_register(const struct shape *shape)
{
	struct real_register real = {.ops = take(shape->operations, sizeof(*real.ops)),
				     .count = shape->operations};
	struct play play = {.shape = shape,
			    .when = when_of_register,
			    .effect = effect_on_register,
			    .object = &real};

	run(&play);
	return real;
}

static bool gives(const struct check_register_op *op)
{
	return (op->kind == CHECK_WRITE || op->kind == CHECK_CAS) &&
	       op->when.answered != CHECK_NEVER;
}

/**
 * Let a read see a value that was overwritten before it was called; values are written once.
 * @return whether there is such a read and such a value.
 */
static bool make_stale(struct real_register *real)
{
	for (unsigned tries = 0; tries < 2000; tries++) {
		struct check_register_op *read = &real->ops[below((unsigned)real->count)];
		const struct check_register_op *old = &real->ops[below((unsigned)real->count)];
		const struct check_register_op *newer = &real->ops[below((unsigned)real->count)];

		if (read->kind == CHECK_READ && read->when.answered != CHECK_NEVER && gives(old) &&
		    gives(newer) && old->when.answered < newer->when.invoked &&
		    newer->when.answered < read->when.invoked) {
			read->value = old->value;
			return true;
		}
	}
	return false;
}

/* ---- a log ---- */

struct real_log {
	struct oracle_log_op *ops;
	size_t count;
	uint64_t *records; /* what the log holds */
	uint64_t length;
	uint64_t *others; /* what was never appended, or was mutated */
	uint64_t other_count;
	uint64_t *cut; /* the values of a mutated read */
	uint64_t fresh;
};

static struct check_when *when_of_log(struct play *play, size_t op)
{
	struct real_log *real = play->object;

	return &real->ops[op].when;
}

static void append_to_log(struct play *play, struct oracle_log_op *op, bool lost)
{
	struct real_log *real = play->object;
	bool happens = !lost || below(2) == 0;
	uint64_t *values =
		happens ? real->records + real->length : real->others + real->other_count;

	op->is_append = true;
	op->count = 1 + below(CHUNK_MAX);
	op->values = values;
	for (uint64_t i = 0; i < op->count; i++)
		values[i] = ++real->fresh;
	op->offset = !lost && below(4) < play->shape->told ? real->length : CHECK_UNTOLD;
	if (happens) {
		real->length += op->count;
	} else {
		real->other_count += op->count;
	}
}

static void effect_on_log(struct play *play, size_t number, bool lost)
{
	struct real_log *real = play->object;
	struct oracle_log_op *op = &real->ops[number];

	*op = (struct oracle_log_op){
		.when = op->when, .tail = CHECK_UNTOLD, .at_most = CHECK_UNTOLD};
	if (below(2) == 0) {
		append_to_log(play, op, lost);
		return;
	}
	op->values = real->records;
	if (below(1000) < play->shape->whole) {
		op->count = op->tail = real->length;
	} else if (below(2) == 0) {
		op->tail = real->length;
	} else {
		op->count = below(PIECE_MAX) % (real->length + 1);
		op->offset = real->length - op->count;
		op->values += op->offset;
		if (op->count == 0)
			op->tail = real->length;
	}
}

static struct real_log play_log(const struct shape *shape)
{
	struct real_log real = {
		.ops = take(shape->operations, sizeof(*real.ops)),
		.count = shape->operations,
		.records = take(shape->operations * CHUNK_MAX, sizeof(uint64_t)),
		.others = take(shape->operations * CHUNK_MAX * 2, sizeof(uint64_t)),
	};
	struct play play = {
		.shape = shape, .when = when_of_log, .effect = effect_on_log, .object = &real};

	run(&play);
	return real;
}

static void free_log(struct real_log *real)
{
	free(real->ops);
	free(real->records);
	free(real->others);
	free(real->cut);
}

static bool is_answered(const struct oracle_log_op *op, bool append)
{
	return op->is_append == append && op->when.answered != CHECK_NEVER;
}

/** Where an append is in the log. */
static uint64_t place_of(const struct real_log *real, const struct oracle_log_op *append)
{
	return (uint64_t)(append->values - real->records);
}

/** Whether an append was answered before another operation was called. */
static bool is_before(const struct oracle_log_op *append, const struct oracle_log_op *op)
{
	return is_answered(append, true) && append->when.answered < op->when.invoked;
}

/** Give a read values of its own: what it read, without one append. */
static void cut_out(struct real_log *real, struct oracle_log_op *read,
		    const struct oracle_log_op *append)
{
	uint64_t place = place_of(real, append);
	uint64_t count = 0;

	real->cut = take(read->count, sizeof(*real->cut));
	for (uint64_t i = 0; i < read->count; i++) {
		if (i < place || i >= place + append->count)
			real->cut[count++] = read->values[i];
	}
	read->values = real->cut;
	read->count = read->tail = count;
}

/** The last read of the whole log no longer shows an append that was answered before its call. */
static bool lose_append(struct real_log *real)
{
	for (size_t r = real->count; r-- > 0;) {
		struct oracle_log_op *read = &real->ops[r];

		if (!is_answered(read, false) || read->count == 0 || read->tail != read->count)
			continue;
		for (size_t a = 0; a < real->count; a++) {
			if (is_before(&real->ops[a], read)) {
				cut_out(real, read, &real->ops[a]);
				return true;
			}
		}
	}
	return false;
}

/** A read shows two records the other way round, although one was answered before the other's call.
 */
static bool swap_records(struct real_log *real)
{
	for (unsigned tries = 0; tries < 20000; tries++) {
		struct oracle_log_op *read = &real->ops[below((unsigned)real->count)];
		const struct oracle_log_op *a = &real->ops[below((unsigned)real->count)];
		const struct oracle_log_op *b = &real->ops[below((unsigned)real->count)];
		uint64_t of_a;
		uint64_t of_b;

		if (!is_answered(read, false) || !is_answered(b, true) || !is_before(a, b))
			continue;
		of_a = place_of(real, a);
		of_b = place_of(real, b);
		if (of_a < read->offset || of_b >= read->offset + read->count)
			continue;
		real->cut = take(read->count, sizeof(*real->cut));
		memcpy(real->cut, read->values, read->count * sizeof(*real->cut));
		real->cut[of_a - read->offset] = real->records[of_b];
		real->cut[of_b - read->offset] = real->records[of_a];
		read->values = real->cut;
		return true;
	}
	return false;
}

/** A read tells a length that what was answered before its call alone exceeds. */
static bool make_tail_stale(struct real_log *real)
{
	for (size_t r = real->count; r-- > 0;) {
		struct oracle_log_op *read = &real->ops[r];
		uint64_t length = 0;

		if (!is_answered(read, false) || read->count > 0)
			continue;
		for (size_t a = 0; a < real->count; a++)
			length += is_before(&real->ops[a], read) ? real->ops[a].count : 0;
		if (length > 0) {
			read->tail = length - 1;
			return true;
		}
	}
	return false;
}

/** Two appends change places, although one was answered before the other's call. */
static bool swap_offsets(struct real_log *real)
{
	for (unsigned tries = 0; tries < 20000; tries++) {
		struct oracle_log_op *a = &real->ops[below((unsigned)real->count)];
		struct oracle_log_op *b = &real->ops[below((unsigned)real->count)];
		uint64_t offset = a->offset;

		if (a->offset == CHECK_UNTOLD || b->offset == CHECK_UNTOLD ||
		    !is_answered(b, true) || !is_before(a, b) || a->count != b->count)
			continue;
		a->offset = b->offset;
		b->offset = offset;
		return true;
	}
	return false;
}

/* ---- judging ---- */

static enum check_verdict judge(const char *text, size_t size_bytes,
				const struct check_options *options)
{
	struct check_judgement judgement = {0};
	struct check_history history;
	struct check_mistake mistake;

	if (!check_history_read(&history, text, size_bytes, &mistake) ||
	    !check_judge(&history, options, &judgement, &mistake))
		fail_msg("line %u: %s", mistake.line, mistake.text);
	check_history_fini(&history);
	return judgement.verdict;
}

static enum check_verdict judge_log(const struct real_log *real)
{
	const struct check_options options = {.model = CHECK_MODEL_LOG, .budget = CHECK_BUDGET};
	const struct oracle_log log = {.count = real->count, .ops = real->ops};
	enum check_verdict verdict;
	size_t size_bytes = 0;
	char *text = NULL;
	FILE *out = open_memstream(&text, &size_bytes);

	assert_non_null(out);
	oracle_log_render(&log, &prng, out);
	assert_int_equal(fclose(out), 0);
	verdict = judge(text, size_bytes, &options);
	free(text);
	return verdict;
}

static enum check_verdict judge_register(const struct real_register *real)
{
	const struct check_options options = {
		.model = CHECK_MODEL_REGISTER, .budget = CHECK_BUDGET, .initial = "0"};
	const struct check_register whole = {.ops = real->ops, .count = real->count};
	enum check_verdict verdict;
	size_t size_bytes = 0;
	char *text = NULL;
	FILE *out = open_memstream(&text, &size_bytes);

	assert_non_null(out);
	oracle_register_render(&whole, &prng, out);
	assert_int_equal(fclose(out), 0);
	verdict = judge(text, size_bytes, &options);
	free(text);
	return verdict;
}

/** What the definition says of a small history. */
static void expect_log(const struct real_log *real, bool fails, const char *what)
{
	const struct oracle_log log = {.count = real->count, .ops = real->ops};
	enum check_verdict verdict;

	if (real->count <= ORACLE_OPS_MAX && oracle_log_fails(&log) != fails)
		fail_msg("%s: the generator is wrong", what);
	verdict = judge_log(real);
	if (verdict != (fails ? CHECK_VIOLATED : CHECK_LINEARIZABLE))
		fail_msg("%s: %zu operations: verdict %d", what, real->count, (int)verdict);
}

static void expect_register(const struct real_register *real, bool fails, const char *what)
{
	const struct check_register whole = {.ops = real->ops, .count = real->count};
	enum check_verdict verdict;

	if (real->count <= ORACLE_OPS_MAX && oracle_register_fails(&whole) != fails)
		fail_msg("%s: the generator is wrong", what);
	verdict = judge_register(real);
	if (verdict != (fails ? CHECK_VIOLATED : CHECK_LINEARIZABLE))
		fail_msg("%s: %zu operations: verdict %d", what, real->count, (int)verdict);
}

/* ---- tests ---- */

static const struct shape register_shapes[] = {
	{.name = "3 clients", .clients = 3},
	{.name = "20 clients", .clients = 20, .lost = 2},
	{.name = "20 clients, compare-and-set", .clients = 20, .cas = 2, .lost = 2},
	{.name = "5 values", .clients = 10, .values = 5, .cas = 2},
	{.name = "5 values, much unanswered", .clients = 10, .values = 5, .cas = 2, .lost = 20},
	{.name = "60 clients", .clients = 60},
};

static const struct shape log_shapes[] = {
	{.name = "offsets told", .clients = 10, .told = 4, .lost = 2, .whole = 2},
	{.name = "some offsets told", .clients = 20, .told = 2, .lost = 2, .whole = 2},
	{.name = "no offset told", .clients = 10, .lost = 2, .whole = 10},
	{.name = "no offset told, nothing read whole", .clients = 3},
	{.name = "much unanswered", .clients = 20, .told = 4, .lost = 50, .whole = 2},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static bool (*const log_mutations[])(struct real_log *) = {lose_append, swap_records,
							   make_tail_stale, swap_offsets};

static unsigned play_and_judge_log(const struct shape *shape)
{
	unsigned mutated = 0;

	for (size_t m = 0; m <= COUNT(log_mutations); m++) {
		struct real_log real = play_log(shape);
		bool fails = m < COUNT(log_mutations) && log_mutations[m](&real);

		expect_log(&real, fails, shape->name);
		mutated += fails;
		free_log(&real);
	}
	return mutated;
}

static unsigned play_and_judge_register(const struct shape *shape)
{
	unsigned mutated = 0;

	for (int m = 0; m < 2; m++) {
		struct real_register real = play_register(shape);
		bool fails = m == 1 && shape->values == 0 && make_stale(&real);

		expect_register(&real, fails, shape->name);
		mutated += fails;
		free(real.ops);
	}
	return mutated;
}

static void test_large_registers(void **state)
{
	unsigned mutated = 0;

	(void)state;
	qr_prng_init(&prng, 11);
	for (size_t i = 0; i < COUNT(register_shapes); i++) {
		struct shape shape = register_shapes[i];

		shape.operations = LARGE;
		mutated += play_and_judge_register(&shape);
	}
	assert_int_equal(mutated, 4);
}

static void test_large_logs(void **state)
{
	unsigned mutated = 0;

	(void)state;
	qr_prng_init(&prng, 12);
	for (size_t i = 0; i < COUNT(log_shapes); i++) {
		struct shape shape = log_shapes[i];

		shape.operations = LARGE;
		mutated += play_and_judge_log(&shape);
	}
	assert_in_range(mutated, 12, 20);
}

/* The same generators and mutations, where every order can be tried. */
static void test_small_ones(void **state)
{
	unsigned registers = 0;
	unsigned logs = 0;

	(void)state;
	qr_prng_init(&prng, 13);
	for (unsigned i = 0; i < 4000; i++) {
		struct shape shape = register_shapes[below(COUNT(register_shapes))];

		shape.operations = 1 + below(SMALL);
		shape.clients = 1 + below(4);
		shape.lost = below(2) * 100;
		registers += play_and_judge_register(&shape);
		shape = log_shapes[below(COUNT(log_shapes))];
		shape.operations = 1 + below(SMALL);
		shape.clients = 1 + below(4);
		shape.lost = below(2) * 100;
		shape.whole = 300;
		logs += play_and_judge_log(&shape);
	}
	assert_in_range(registers, 300, 4000);
	assert_in_range(logs, 1000, 16000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_large_registers),
		cmocka_unit_test(test_large_logs),
		cmocka_unit_test(test_small_ones),
	};

	return cmocka_run_group_tests_name("check/large", tests, NULL, NULL);
}
