/*
 * The oracle knows nothing of how the models decide: it tries operation after operation, depth
 * first, and keeps every condition as it stands in the definition.
 */
#include "tests/unit/check/oracle.h"

#include "consensus/base/assert.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- order in time ---- */

/** Whether `op` may come next: nothing that was answered before its call is left. */
static bool may_be_next(const struct check_when *const *whens, size_t count, unsigned used,
			unsigned op)
{
	for (unsigned i = 0; i < count; i++) {
		if ((used >> i & 1) == 0 && whens[i]->answered < whens[op]->invoked)
			return false;
	}
	return (used >> op & 1) == 0;
}

static bool is_complete(const struct check_when *const *whens, size_t count, unsigned used)
{
	for (unsigned i = 0; i < count; i++) {
		if ((used >> i & 1) == 0 && whens[i]->answered != CHECK_NEVER)
			return false;
	}
	return true;
}

/* ---- logs ---- */

struct log_state {
	uint64_t length;
	uint64_t records[ORACLE_RECORDS_MAX];
	unsigned used; /* operations, a mask */
	unsigned next; /* the next one to try from here */
};

static bool append(struct log_state *state, const struct oracle_log_op *op)
{
	if (op->offset != CHECK_UNTOLD && op->offset != state->length)
		return false;
	QR_ASSERT(state->length + op->count <= ORACLE_RECORDS_MAX);
	for (uint64_t i = 0; i < op->count; i++) {
		state->records[state->length++] =
			op->values != NULL ? op->values[i] : ORACLE_UNKNOWN;
	}
	return true;
}

/* A record of which nothing is known becomes what the first read of it says. */
static bool read_log(struct log_state *state, const struct oracle_log_op *op)
{
	if (op->count > 0 && op->offset + op->count > state->length)
		return false;
	if ((op->tail != CHECK_UNTOLD && op->tail != state->length) || state->length > op->at_most)
		return false;
	for (uint64_t i = 0; op->values != NULL && i < op->count; i++) {
		uint64_t *record = &state->records[op->offset + i];

		if (*record == ORACLE_UNKNOWN)
			*record = op->values[i];
		if (*record != op->values[i])
			return false;
	}
	return true;
}

bool oracle_log_fails(const struct oracle_log *history)
{
	struct log_state stack[ORACLE_OPS_MAX + 1] = {{.length = history->start}};
	const struct check_when *whens[ORACLE_OPS_MAX];
	unsigned depth = 0;

	QR_ASSERT(history->count <= ORACLE_OPS_MAX);
	for (size_t i = 0; i < history->count; i++)
		whens[i] = &history->ops[i].when;
	for (uint64_t i = 0; i < history->start; i++)
		stack[0].records[i] = ORACLE_UNKNOWN;
	while (true) {
		struct log_state *at = &stack[depth];
		unsigned op = at->next++;

		if (is_complete(whens, history->count, at->used))
			return false;
		if (op >= history->count) {
			if (depth-- == 0)
				return true;
			continue;
		}
		if (!may_be_next(whens, history->count, at->used, op))
			continue;
		stack[depth + 1] = *at;
		stack[depth + 1].used |= 1u << op;
		stack[depth + 1].next = 0;
		depth += history->ops[op].is_append
				 ? append(&stack[depth + 1], &history->ops[op])
				 : read_log(&stack[depth + 1], &history->ops[op]);
	}
}

/* ---- registers ---- */

struct register_state {
	uint64_t value;
	unsigned used;
	unsigned next;
};

static bool apply(struct register_state *state, const struct check_register_op *op)
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

bool oracle_register_fails(const struct check_register *history)
{
	/* by the operations used and the value: orders that differ only in how they came here */
	static bool seen[1u << ORACLE_OPS_MAX][ORACLE_VALUES_MAX];
	struct register_state stack[ORACLE_OPS_MAX + 1] = {{.value = history->initial}};
	const struct check_when *whens[ORACLE_OPS_MAX];
	unsigned depth = 0;

	QR_ASSERT(history->count <= ORACLE_OPS_MAX);
	for (size_t i = 0; i < history->count; i++)
		whens[i] = &history->ops[i].when;
	memset(seen, 0, sizeof(seen[0]) << history->count);
	while (true) {
		struct register_state *at = &stack[depth];
		struct register_state after = *at;
		unsigned op = at->next++;

		if (is_complete(whens, history->count, at->used))
			return false;
		if (op >= history->count) {
			if (depth-- == 0)
				return true;
			continue;
		}
		if (!may_be_next(whens, history->count, at->used, op))
			continue;
		after.used |= 1u << op;
		after.next = 0;
		if (apply(&after, &history->ops[op]) && !seen[after.used][after.value]) {
			seen[after.used][after.value] = true;
			stack[++depth] = after;
		}
	}
}

/* ---- lines ---- */

struct line {
	uint64_t time;
	bool answer;
	size_t op;
};

struct lines {
	struct line *lines;
	size_t count;
	size_t *process; /* by operation */
	struct qr_prng *prng;
	FILE *out;
	bool timed;
};

static unsigned below(struct qr_prng *prng, unsigned bound)
{
	return (unsigned)qr_prng_below(prng, bound);
}

static int by_time(const void *left, const void *right)
{
	const struct line *a = left;
	const struct line *b = right;

	if (a->time != b->time)
		return a->time < b->time ? -1 : 1;
	if (a->answer != b->answer)
		return a->answer ? 1 : -1;
	return a->op < b->op ? -1 : 1;
}

/** Lines in order of time, and a process for each operation that has no other under way. */
static void begin(struct lines *lines, const struct check_when *first, size_t stride, size_t count)
{
	size_t *idle = calloc(count + 1, sizeof(*idle));
	size_t idle_count = 0;
	size_t processes = 0;

	lines->lines = calloc(2 * count + 1, sizeof(*lines->lines));
	lines->process = calloc(count + 1, sizeof(*lines->process));
	QR_ASSERT(idle != NULL && lines->lines != NULL && lines->process != NULL);
	for (size_t i = 0; i < count; i++) {
		const struct check_when *when = (const void *)((const char *)first + i * stride);

		lines->lines[lines->count++] = (struct line){when->invoked, false, i};
		if (when->answered != CHECK_NEVER)
			lines->lines[lines->count++] = (struct line){when->answered, true, i};
	}
	qsort(lines->lines, lines->count, sizeof(*lines->lines), by_time);
	for (size_t i = 0; i < lines->count; i++) {
		const struct line *line = &lines->lines[i];

		if (line->answer) {
			idle[idle_count++] = lines->process[line->op];
		} else {
			lines->process[line->op] =
				idle_count > 0 ? idle[--idle_count] : processes++;
		}
	}
	lines->timed = below(lines->prng, 2) == 0;
	free(idle);
}

static void end(struct lines *lines)
{
	free(lines->lines);
	free(lines->process);
}

static void begin_line(const struct lines *lines, const struct line *line, const char *type,
		       const char *f)
{
	(void)fprintf(lines->out, "{\"process\": %zu, \"type\": \"%s\", \"f\": \"%s\"",
		      lines->process[line->op], type, f);
	if (lines->timed)
		(void)fprintf(lines->out, ", \"time\": %" PRIu64, line->time);
	(void)fprintf(lines->out, ", \"value\": ");
}

static void end_line(const struct lines *lines)
{
	(void)fprintf(lines->out, "}\n");
}

/** An unanswered operation may say so, or say nothing. `name`: of the operation. */
static void put_info(const struct lines *lines, const struct line *line, const char *name)
{
	if (below(lines->prng, 2) == 0) {
		begin_line(lines, line, "info", name);
		(void)fprintf(lines->out, "null");
		end_line(lines);
	}
}

/* ---- log forms ---- */

static void put_values(FILE *out, const struct oracle_log_op *op)
{
	(void)fprintf(out, "[");
	for (uint64_t i = 0; i < op->count; i++)
		(void)fprintf(out, "%s\"v%" PRIu64 "\"", i > 0 ? ", " : "", op->values[i]);
	(void)fprintf(out, "]");
}

static void put_appended(const struct lines *lines, const struct oracle_log_op *op)
{
	if (op->values == NULL) {
		(void)fprintf(lines->out, "{\"count\": %" PRIu64 "}", op->count);
	} else if (op->count == 1) {
		(void)fprintf(lines->out, "\"v%" PRIu64 "\"", op->values[0]);
	} else {
		put_values(lines->out, op);
	}
}

static void put_told(const struct lines *lines, const struct oracle_log_op *op)
{
	switch (below(lines->prng, 4)) {
	case 0:
		(void)fprintf(lines->out, "%" PRIu64, op->offset);
		return;
	case 1:
		(void)fprintf(lines->out, "[%" PRIu64 ", ", op->offset);
		put_appended(lines, op);
		(void)fprintf(lines->out, "]");
		return;
	case 2:
		(void)fprintf(lines->out, "{\"offset\": %" PRIu64 ", \"value\": ", op->offset);
		put_appended(lines, op);
		(void)fprintf(lines->out, "}");
		return;
	default:
		(void)fprintf(lines->out, "{\"offset\": %" PRIu64 "}", op->offset);
		return;
	}
}

static void put_append_answer(const struct lines *lines, const struct oracle_log_op *op)
{
	static const char *const words[] = {"null", "true"};

	if (op->offset != CHECK_UNTOLD) {
		put_told(lines, op);
	} else if (below(lines->prng, 2) == 0) {
		put_appended(lines, op);
	} else {
		(void)fprintf(lines->out, "%s", words[below(lines->prng, 2)]);
	}
}

static bool shows_to_the_end(const struct oracle_log_op *op)
{
	return op->values != NULL && op->count > 0 && op->tail == op->offset + op->count &&
	       op->at_most == CHECK_UNTOLD;
}

static void put_numbered(const struct lines *lines, const struct oracle_log_op *op)
{
	(void)fprintf(lines->out, "[");
	for (uint64_t i = 0; i < op->count; i++) {
		(void)fprintf(lines->out, "%s[%" PRIu64 ", \"v%" PRIu64 "\"]", i > 0 ? ", " : "",
			      op->offset + i, op->values[i]);
	}
	(void)fprintf(lines->out, "]");
}

/** A bound without a tail has one form only: asking for an offset and finding nothing there. */
static bool finds_nothing(const struct oracle_log_op *op)
{
	return op->count == 0 && op->tail == CHECK_UNTOLD && op->at_most != CHECK_UNTOLD;
}

static void put_read_call(const struct lines *lines, const struct oracle_log *history,
			  const struct oracle_log_op *op)
{
	if (finds_nothing(op)) {
		(void)fprintf(lines->out, "%" PRIu64, op->at_most);
	} else if (shows_to_the_end(op) && op->offset != history->start) {
		(void)fprintf(lines->out, "{\"offset\": %" PRIu64 "}", op->offset);
	} else {
		(void)fprintf(lines->out, "null");
	}
}

static void put_read_answer(const struct lines *lines, const struct oracle_log_op *op)
{
	if (finds_nothing(op)) {
		(void)fprintf(lines->out, "%s", below(lines->prng, 2) == 0 ? "null" : "[]");
		return;
	}
	if (shows_to_the_end(op) && below(lines->prng, 3) == 0) {
		put_values(lines->out, op);
		return;
	}
	if (shows_to_the_end(op) && below(lines->prng, 2) == 0) {
		put_numbered(lines, op);
		return;
	}
	(void)fprintf(lines->out, "{\"offset\": %" PRIu64 ", \"values\": ", op->offset);
	if (op->count > 0) {
		put_values(lines->out, op);
	} else {
		(void)fprintf(lines->out, "[]");
	}
	if (op->tail != CHECK_UNTOLD)
		(void)fprintf(lines->out, ", \"tail\": %" PRIu64, op->tail);
	(void)fprintf(lines->out, "}");
}

void oracle_log_render(const struct oracle_log *history, struct qr_prng *prng, FILE *out)
{
	struct lines lines = {.prng = prng, .out = out};

	begin(&lines, &history->ops[0].when, sizeof(history->ops[0]), history->count);
	for (size_t i = 0; i < lines.count; i++) {
		const struct line *line = &lines.lines[i];
		const struct oracle_log_op *op = &history->ops[line->op];
		const char *f = op->is_append ? "append" : "read";

		begin_line(&lines, line, line->answer ? "ok" : "invoke", f);
		if (op->is_append && !line->answer) {
			put_appended(&lines, op);
		} else if (op->is_append) {
			put_append_answer(&lines, op);
		} else if (!line->answer) {
			put_read_call(&lines, history, op);
		} else {
			put_read_answer(&lines, op);
		}
		end_line(&lines);
		if (op->when.answered == CHECK_NEVER)
			put_info(&lines, line, f);
	}
	end(&lines);
}

/* ---- register forms ---- */

static const char *register_f(const struct check_register_op *op)
{
	return op->kind == CHECK_READ ? "read" : op->kind == CHECK_WRITE ? "write" : "cas";
}

static void put_register_call(const struct lines *lines, const struct check_register_op *op)
{
	switch (op->kind) {
	case CHECK_READ:
		(void)fprintf(lines->out, "null");
		return;
	case CHECK_WRITE:
		(void)fprintf(lines->out, "%" PRIu64, op->value);
		return;
	case CHECK_CAS:
	case CHECK_CAS_REFUSED:
		(void)fprintf(lines->out,
			      below(lines->prng, 2) == 0 ? "[%" PRIu64 ", %" PRIu64 "]"
							 : "{\"expected\": %" PRIu64
							   ", \"new\": %" PRIu64 "}",
			      op->expected, op->value);
		return;
	}
}

static void put_register_answer(const struct lines *lines, const struct check_register_op *op)
{
	static const char *const words[] = {"null", "true"};

	if (op->kind == CHECK_READ) {
		(void)fprintf(lines->out, "%" PRIu64, op->value);
	} else if (op->kind == CHECK_CAS_REFUSED) {
		(void)fprintf(lines->out, "false");
	} else if (below(lines->prng, 2) == 0) {
		put_register_call(lines, op);
	} else {
		(void)fprintf(lines->out, "%s", words[below(lines->prng, 2)]);
	}
}

void oracle_register_render(const struct check_register *history, struct qr_prng *prng, FILE *out)
{
	struct lines lines = {.prng = prng, .out = out};

	begin(&lines, &history->ops[0].when, sizeof(history->ops[0]), history->count);
	for (size_t i = 0; i < lines.count; i++) {
		const struct line *line = &lines.lines[i];
		const struct check_register_op *op = &history->ops[line->op];

		begin_line(&lines, line, line->answer ? "ok" : "invoke", register_f(op));
		if (line->answer) {
			put_register_answer(&lines, op);
		} else {
			put_register_call(&lines, op);
		}
		end_line(&lines);
		if (op->when.answered == CHECK_NEVER)
			put_info(&lines, line, register_f(op));
	}
	end(&lines);
}
