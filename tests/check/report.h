/*
 * Judgements for a person and for a script.
 */
#ifndef CHECK_REPORT_H
#define CHECK_REPORT_H

#include "tests/check/judge.h"

#include <stdio.h>

struct check_report {
	const char *file; /* as it was named */
	const struct check_history *history;
	const struct check_judgement *judgement;
	double seconds;
};

/** One line if it is linearizable, an explanation if it is not. */
void check_report_text(FILE *out, const struct check_report *report);
/** One line: a JSON object. */
void check_report_json(FILE *out, const struct check_report *report);

/** What is wrong with a file. */
void check_report_mistake_text(FILE *out, const char *file, const struct check_mistake *mistake);
void check_report_mistake_json(FILE *out, const char *file, const struct check_mistake *mistake);

#endif
