/*
 * The judgement of one history: of each key by itself, since a history is linearizable exactly when
 * those of its objects are (Herlihy and Wing: locality).
 *
 * Threads: one per judgement. Running out of memory aborts.
 */
#ifndef CHECK_JUDGE_H
#define CHECK_JUDGE_H

#include "tests/check/forms.h"

enum check_model {
	CHECK_MODEL_GUESSED,
	CHECK_MODEL_REGISTER,
	CHECK_MODEL_LOG,
};

struct check_options {
	enum check_model model;
	uint64_t budget;       /* states, for each key */
	uint64_t first_offset; /* of a log */
	const char *initial;   /* JSON: what a register holds; NULL: null */
};

struct check_judgement {
	enum check_verdict verdict; /* VIOLATED if any key is; else UNDECIDED if any is */
	enum check_model model;
	size_t key_count;
	size_t bad_key_count; /* violated */
	uint64_t states;
	/* of the first key with the verdict, if it is not LINEARIZABLE */
	check_value key; /* CHECK_ABSENT: the history has none */
	size_t operation_count;
	struct check_problem problem;  /* of a log */
	struct check_register_why why; /* of a register; indexes are those of the history */
	bool nobody_wrote; /* a register: the value of why.last is in no write and not initial */
};

/**
 * Judge a history that was read.
 *
 * @return false if a value cannot be understood: then ret_mistake is written.
 */
QR_MUST_USE bool check_judge(const struct check_history *history,
			     const struct check_options *options,
			     struct check_judgement *ret_judgement,
			     struct check_mistake *ret_mistake);

const char *check_model_name(enum check_model model);

#endif
