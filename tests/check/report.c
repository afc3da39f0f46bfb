/*
 * Text and JSON from the same facts: which operations are shown, and the sentence about them.
 */
#include "tests/check/report.h"

#include <inttypes.h>
#include <string.h>

#define VALUE_BYTES 72u
#define LINES_BYTES 48u
#define SENTENCE_BYTES 512u

static const char *const verdicts[] = {
	[CHECK_LINEARIZABLE] = "linearizable",
	[CHECK_VIOLATED] = "not linearizable",
	[CHECK_UNDECIDED] = "undecided",
};

/* ---- facts ---- */

/** Operations that are shown: at most those of a register's window, or a log's two. */
struct shown {
	size_t count;
	size_t indexes[CHECK_WINDOW_MAX];
	size_t last; /* the one that cannot be placed */
};

static const struct check_operation *operation_at(const struct check_report *report, size_t index)
{
	return &report->history->operations[index];
}

static void add_shown(struct shown *shown, uint64_t index)
{
	if (index == CHECK_NOBODY || (shown->count > 0 && shown->indexes[0] == index))
		return;
	shown->indexes[shown->count++] = index;
}

/** Of two that exclude each other, the one whose answer came last made it impossible. */
static void choose_last(const struct check_report *report, struct shown *shown)
{
	for (size_t i = 0; i < shown->count; i++) {
		const struct check_operation *operation = operation_at(report, shown->indexes[i]);

		if (i == 0 || (operation->answered != CHECK_NEVER &&
			       operation->answered > operation_at(report, shown->last)->answered))
			shown->last = shown->indexes[i];
	}
}

static void find_shown(const struct check_report *report, struct shown *shown)
{
	const struct check_judgement *judgement = report->judgement;

	*shown = (struct shown){0};
	if (judgement->verdict != CHECK_VIOLATED)
		return;
	if (judgement->model == CHECK_MODEL_LOG) {
		add_shown(shown, judgement->problem.first);
		add_shown(shown, judgement->problem.second);
		choose_last(report, shown);
		return;
	}
	shown->count = judgement->why.shown;
	memcpy(shown->indexes, judgement->why.window, shown->count * sizeof(*shown->indexes));
	shown->last = judgement->why.last;
}

static const char *value_text(const struct check_report *report, check_value value, char *text)
{
	return check_value_print(report->history->values, value, text, VALUE_BYTES);
}

static const char *lines_text(const struct check_operation *operation, char *text)
{
	if (operation->answered_line != 0) {
		(void)snprintf(text, LINES_BYTES, "lines %u-%u", operation->called_line,
			       operation->answered_line);
	} else {
		(void)snprintf(text, LINES_BYTES, "line %u, no answer", operation->called_line);
	}
	return text;
}

/** "append "a" -> {"offset": 3}" */
static void describe_operation(const struct check_report *report,
			       const struct check_operation *operation, char *text,
			       size_t size_bytes)
{
	char called[VALUE_BYTES];
	char answered[VALUE_BYTES];
	bool calls = operation->called_with != CHECK_ABSENT &&
		     (operation->f != CHECK_F_READ ||
		      check_value_kind(report->history->values, operation->called_with) !=
			      CHECK_VALUE_NULL);
	bool answers = operation->outcome == CHECK_OK && operation->answered_with != CHECK_ABSENT &&
		       (operation->f == CHECK_F_READ || operation->f == CHECK_F_APPEND);

	(void)snprintf(text, size_bytes, "%s%s%s%s%s%s", check_function_name(operation->f),
		       calls ? " " : "",
		       calls ? value_text(report, operation->called_with, called) : "",
		       answers ? " -> " : "",
		       answers ? value_text(report, operation->answered_with, answered) : "",
		       operation->outcome == CHECK_OPEN ? " (outcome unknown)" : "");
}

static void name_operation(const struct check_report *report, uint64_t index, char *text,
			   size_t size_bytes)
{
	const struct check_operation *operation;
	char lines[LINES_BYTES];

	text[0] = '\0';
	if (index == CHECK_NOBODY)
		return;
	operation = operation_at(report, index);
	(void)snprintf(text, size_bytes, "the %s of %s", check_function_name(operation->f),
		       lines_text(operation, lines));
}

static void explain_register(const struct check_report *report, char *text, size_t size_bytes)
{
	const struct check_register_why *why = &report->judgement->why;
	const struct check_operation *last = operation_at(report, why->last);

	if (report->judgement->nobody_wrote) {
		(void)snprintf(text, size_bytes,
			       "line %u: nobody had written the value that it saw; if the register "
			       "holds that at first, say so with --initial",
			       last->answered_line);
		return;
	}
	(void)snprintf(text, size_bytes,
		       "line %u: up to here everything can be put in an order; with the %s that it "
		       "answers, nothing can",
		       last->answered_line, check_function_name(last->f));
}

static void explain(const struct check_report *report, char *text, size_t size_bytes)
{
	const struct check_problem *problem = &report->judgement->problem;
	char first[96];
	char second[96];

	if (report->judgement->model == CHECK_MODEL_REGISTER) {
		explain_register(report, text, size_bytes);
		return;
	}
	name_operation(report, problem->first, first, sizeof(first));
	name_operation(report, problem->second, second, sizeof(second));
	(void)check_problem_describe(problem, first, second, text, size_bytes);
}

/* ---- text ---- */

static void print_key(FILE *out, const struct check_report *report)
{
	const struct check_judgement *judgement = report->judgement;
	char key[VALUE_BYTES];

	if (judgement->key != CHECK_ABSENT)
		(void)fprintf(out, ", key %s", value_text(report, judgement->key, key));
	if (judgement->bad_key_count > 1) {
		(void)fprintf(out, " (the first of %zu keys that are not)",
			      judgement->bad_key_count);
	}
}

static void print_operation(FILE *out, const struct check_report *report, size_t index, bool last)
{
	const struct check_operation *operation = operation_at(report, index);
	char lines[LINES_BYTES];
	char process[VALUE_BYTES];
	char what[3 * VALUE_BYTES];

	describe_operation(report, operation, what, sizeof(what));
	(void)fprintf(out, "    %-16s process %-4s %s%s\n", lines_text(operation, lines),
		      value_text(report, operation->process, process), what,
		      last ? "    <- cannot be placed" : "");
}

static void print_possible(FILE *out, const struct check_report *report)
{
	const struct check_register_why *why = &report->judgement->why;
	char value[VALUE_BYTES];

	if (report->judgement->model != CHECK_MODEL_REGISTER || why->possible_count == 0)
		return;
	(void)fprintf(out, "  It could have returned");
	for (size_t i = 0; i < why->possible_count; i++) {
		(void)fprintf(out, "%s %s", i > 0 ? "," : "",
			      value_text(report, (check_value)why->possible[i], value));
	}
	(void)fprintf(out, ".\n");
}

static void print_window_head(FILE *out, const struct check_report *report)
{
	const struct check_register_why *why = &report->judgement->why;

	if (report->judgement->model == CHECK_MODEL_LOG)
		return;
	(void)fprintf(out, "  No order works for %s%s:\n", why->count == 1 ? "this" : "these",
		      why->free_start ? ", whatever the register held before" : "");
}

static void print_violation(FILE *out, const struct check_report *report)
{
	char sentence[SENTENCE_BYTES];
	struct shown shown;

	(void)fprintf(out, "%s: not linearizable: %s", report->file,
		      check_model_name(report->judgement->model));
	print_key(out, report);
	explain(report, sentence, sizeof(sentence));
	(void)fprintf(out, "\n  %s\n", sentence);
	find_shown(report, &shown);
	print_window_head(out, report);
	for (size_t i = 0; i < shown.count; i++)
		print_operation(out, report, shown.indexes[i], shown.indexes[i] == shown.last);
	if (report->judgement->why.count > shown.count) {
		(void)fprintf(out, "    and %zu more\n",
			      report->judgement->why.count - shown.count);
	}
	print_possible(out, report);
}

static const char *plural(size_t count)
{
	return count == 1 ? "" : "s";
}

void check_report_text(FILE *out, const struct check_report *report)
{
	const struct check_judgement *judgement = report->judgement;
	size_t operations = report->history->operation_count;

	switch (judgement->verdict) {
	case CHECK_VIOLATED:
		print_violation(out, report);
		return;
	case CHECK_UNDECIDED:
		(void)fprintf(out, "%s: undecided: %s", report->file,
			      check_model_name(judgement->model));
		print_key(out, report);
		(void)fprintf(out,
			      ": %" PRIu64 " states were not enough: give more with --budget, or "
			      "record with fewer clients or fewer unanswered operations\n",
			      judgement->states);
		return;
	case CHECK_LINEARIZABLE:
		(void)fprintf(out,
			      "%s: linearizable: %s, %zu operation%s, %zu key%s, %zu process%s, "
			      "%.3f s\n",
			      report->file, check_model_name(judgement->model), operations,
			      plural(operations), judgement->key_count,
			      plural(judgement->key_count), report->history->process_count,
			      report->history->process_count == 1 ? "" : "es", report->seconds);
		return;
	}
}

void check_report_mistake_text(FILE *out, const char *file, const struct check_mistake *mistake)
{
	if (mistake->line != 0) {
		(void)fprintf(out, "%s:%u: %s\n", file, mistake->line, mistake->text);
	} else {
		(void)fprintf(out, "%s: %s\n", file, mistake->text);
	}
}

/* ---- JSON ---- */

static void put_string(FILE *out, const char *text)
{
	(void)fputc('"', out);
	for (; *text != '\0'; text++) {
		unsigned char byte = (unsigned char)*text;

		if (byte == '"' || byte == '\\')
			(void)fputc('\\', out);
		if (byte < 0x20) {
			(void)fprintf(out, "\\u%04x", byte);
		} else {
			(void)fputc(byte, out);
		}
	}
	(void)fputc('"', out);
}

static void put_member(FILE *out, const char *name, const char *text)
{
	(void)fprintf(out, ", \"%s\": ", name);
	put_string(out, text);
}

static void put_operation(FILE *out, const struct check_report *report, size_t index)
{
	const struct check_operation *operation = operation_at(report, index);
	char text[3 * VALUE_BYTES];

	(void)fprintf(out, "{\"lines\": [%u", operation->called_line);
	if (operation->answered_line != 0)
		(void)fprintf(out, ", %u", operation->answered_line);
	(void)fprintf(out, "]");
	put_member(out, "process", value_text(report, operation->process, text));
	describe_operation(report, operation, text, sizeof(text));
	put_member(out, "operation", text);
	(void)fprintf(out, "}");
}

static void put_violation(FILE *out, const struct check_report *report)
{
	char text[SENTENCE_BYTES];
	struct shown shown;

	find_shown(report, &shown);
	explain(report, text, sizeof(text));
	put_member(out, "problem", text);
	(void)fprintf(out, ", \"window\": [");
	for (size_t i = 0; i < shown.count; i++) {
		(void)fprintf(out, "%s", i > 0 ? ", " : "");
		put_operation(out, report, shown.indexes[i]);
	}
	(void)fprintf(out, "], \"unplaceable\": [");
	if (shown.count > 0)
		put_operation(out, report, shown.last);
	(void)fprintf(out, "]");
}

void check_report_json(FILE *out, const struct check_report *report)
{
	const struct check_judgement *judgement = report->judgement;
	char text[VALUE_BYTES];

	(void)fprintf(out, "{\"file\": ");
	put_string(out, report->file);
	put_member(out, "verdict", verdicts[judgement->verdict]);
	put_member(out, "model", check_model_name(judgement->model));
	(void)fprintf(out,
		      ", \"operations\": %zu, \"keys\": %zu, \"processes\": %zu, "
		      "\"states\": %" PRIu64 ", \"seconds\": %.6f",
		      report->history->operation_count, judgement->key_count,
		      report->history->process_count, judgement->states, report->seconds);
	if (judgement->key != CHECK_ABSENT)
		put_member(out, "key", value_text(report, judgement->key, text));
	if (judgement->verdict == CHECK_VIOLATED)
		put_violation(out, report);
	(void)fprintf(out, "}\n");
}

void check_report_mistake_json(FILE *out, const char *file, const struct check_mistake *mistake)
{
	(void)fprintf(out, "{\"file\": ");
	put_string(out, file);
	put_member(out, "verdict", "malformed");
	if (mistake->line != 0)
		(void)fprintf(out, ", \"line\": %u", mistake->line);
	put_member(out, "problem", mistake->text);
	(void)fprintf(out, "}\n");
}
