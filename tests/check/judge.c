/*
 * Keys are judged one after the other, all of them, so that a count of the bad ones can be told;
 * the first bad one is explained.
 */
#include "tests/check/judge.h"

#include "consensus/base/assert.h"
#include "tests/check/json.h"
#include "tests/check/memory.h"

#include <stdlib.h>
#include <string.h>

#define EXPLAIN_BUDGET 2000000u

struct judge {
	const struct check_history *history;
	const struct check_options *options;
	struct check_judgement *judgement;
	struct check_mistake *mistake;
	struct check_log_forms forms;
	check_value initial;
	struct check_log *log;
	struct check_register_op *ops;
};

const char *check_model_name(enum check_model model)
{
	return model == CHECK_MODEL_LOG ? "log" : "register";
}

/* ---- which model ---- */

/** Only reads: a log's answers are lists or name offsets. */
static bool reads_a_log(const struct check_history *history)
{
	for (size_t i = 0; i < history->operation_count; i++) {
		const struct check_operation *operation = &history->operations[i];

		if (operation->outcome == CHECK_OK &&
		    check_value_kind(history->values, operation->answered_with) == CHECK_VALUE_LIST)
			return true;
	}
	return false;
}

static bool guess_model(const struct check_history *history, enum check_model *ret_model,
			struct check_mistake *mistake)
{
	bool log = history->counts[CHECK_F_APPEND] != 0;
	bool plain = history->counts[CHECK_F_WRITE] != 0 || history->counts[CHECK_F_CAS] != 0;

	if (log && plain) {
		return check_mistake_say(
			mistake, 0,
			"it has appends as well as writes or compare-and-sets: "
			"split it into one history of a log and one of a register");
	}
	*ret_model =
		log || (!plain && reads_a_log(history)) ? CHECK_MODEL_LOG : CHECK_MODEL_REGISTER;
	return true;
}

/* ---- keys ---- */

static int by_key(const void *left, const void *right, void *context)
{
	const struct check_operation *operations = context;
	const uint32_t *a = left;
	const uint32_t *b = right;
	check_value of_a = operations[*a].key;
	check_value of_b = operations[*b].key;

	if (of_a != of_b)
		return of_a < of_b ? -1 : 1;
	return (*a > *b) - (*a < *b);
}

/** Keep the first key with the worst verdict. @return whether it is this one. */
static bool note_verdict(struct judge *judge, const struct check_part *part,
			 enum check_verdict verdict)
{
	struct check_judgement *judgement = judge->judgement;
	bool worse = verdict == CHECK_VIOLATED && judgement->verdict != CHECK_VIOLATED;

	judgement->bad_key_count += verdict == CHECK_VIOLATED;
	if (verdict == CHECK_UNDECIDED && judgement->verdict == CHECK_LINEARIZABLE)
		worse = true;
	if (!worse)
		return false;
	judgement->verdict = verdict;
	judgement->key = judge->history->operations[part->operations[0]].key;
	judgement->operation_count = part->count;
	return true;
}

static bool judge_log(struct judge *judge, const struct check_part *part)
{
	struct check_problem problem;
	enum check_verdict verdict;

	check_log_reset(judge->log, judge->options->first_offset);
	if (!check_log_form(part, &judge->forms, judge->options->first_offset, judge->log,
			    judge->mistake))
		return false;
	verdict = check_log_decide(judge->log, judge->options->budget, &problem);
	judge->judgement->states += check_log_states(judge->log);
	if (note_verdict(judge, part, verdict) && verdict == CHECK_VIOLATED)
		judge->judgement->problem = problem;
	return true;
}

static bool is_written(const struct check_register *history, uint64_t value)
{
	bool written = value == history->initial;

	for (size_t i = 0; i < history->count && !written; i++) {
		const struct check_register_op *op = &history->ops[i];

		written = (op->kind == CHECK_WRITE || op->kind == CHECK_CAS) && op->value == value;
	}
	return written;
}

/** An explanation, with the indexes of the whole history. */
static void explain(struct judge *judge, const struct check_register *history)
{
	struct check_register_why *why = &judge->judgement->why;
	const struct check_register_op *last;

	check_register_explain(history, EXPLAIN_BUDGET, why);
	last = &history->ops[why->last];
	judge->judgement->nobody_wrote =
		(last->kind == CHECK_READ && !is_written(history, last->value)) ||
		(last->kind == CHECK_CAS && !is_written(history, last->expected));
	for (size_t i = 0; i < why->shown; i++)
		why->window[i] = history->ops[why->window[i]].when.name;
	why->last = last->when.name;
}

static bool judge_register(struct judge *judge, const struct check_part *part)
{
	struct check_register history = {.ops = judge->ops, .initial = judge->initial};
	enum check_verdict verdict;
	uint64_t states;

	if (!check_register_form(part, judge->ops, &history.count, judge->mistake))
		return false;
	verdict = check_register_decide(&history, judge->options->budget, &states);
	judge->judgement->states += states;
	if (note_verdict(judge, part, verdict) && verdict == CHECK_VIOLATED)
		explain(judge, &history);
	return true;
}

static bool judge_keys(struct judge *judge, uint32_t *sorted)
{
	const struct check_operation *operations = judge->history->operations;
	size_t count = judge->history->operation_count;

	for (size_t first = 0, end; first < count; first = end) {
		struct check_part part = {.history = judge->history, .operations = sorted + first};

		for (end = first + 1; end < count; end++) {
			if (operations[sorted[end]].key != operations[sorted[first]].key)
				break;
		}
		part.count = end - first;
		judge->judgement->key_count++;
		if (!(judge->judgement->model == CHECK_MODEL_LOG ? judge_log(judge, &part)
								 : judge_register(judge, &part)))
			return false;
	}
	return true;
}

static bool read_initial(struct judge *judge)
{
	const char *text = judge->options->initial != NULL ? judge->options->initial : "null";
	struct check_json_error error;

	judge->initial = check_json_parse(judge->history->values, text, strlen(text), &error);
	if (judge->initial != CHECK_ABSENT)
		return true;
	return check_mistake_say(judge->mistake, 0,
				 "the initial value '%s' is no JSON: %s; strings need quotes", text,
				 error.what);
}

bool check_judge(const struct check_history *history, const struct check_options *options,
		 struct check_judgement *ret_judgement, struct check_mistake *ret_mistake)
{
	size_t count = history->operation_count;
	struct judge judge = {
		.history = history,
		.options = options,
		.judgement = ret_judgement,
		.mistake = ret_mistake,
		.forms = check_log_forms_of(history),
	};
	uint32_t *sorted;
	bool judged;

	QR_ASSERT(count < UINT32_MAX);
	*ret_judgement = (struct check_judgement){.model = options->model};
	if (options->model == CHECK_MODEL_GUESSED &&
	    !guess_model(history, &ret_judgement->model, ret_mistake))
		return false;
	if (!read_initial(&judge))
		return false;
	sorted = check_memory_take(count, sizeof(*sorted));
	for (uint32_t i = 0; i < count; i++)
		sorted[i] = i;
	qsort_r(sorted, count, sizeof(*sorted), by_key, history->operations);
	judge.log = check_log_create(options->first_offset);
	judge.ops = check_memory_take(count, sizeof(*judge.ops));
	judged = judge_keys(&judge, sorted);
	check_log_destroy(judge.log);
	free(judge.ops);
	free(sorted);
	return judged;
}
