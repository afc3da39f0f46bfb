/*
 * Problems in words. The names are the caller's, so that they can be lines of a file or operations
 * of a simulation.
 */
#include "tests/check/log_model.h"

#include <inttypes.h>
#include <stdio.h>

/** "FIRST middle SECOND end"; without a middle there is no second. */
struct sentence {
	const char *middle;
	const char *end;
};

static const struct sentence sentences[] = {
	[CHECK_NO_PROBLEM] = {NULL, " is in order"},
	[CHECK_REORDERED] = {" was answered before ", " was invoked, and is behind it in the log"},
	[CHECK_STALE_READ] = {" was answered before ", " was invoked, which does not show it"},
	[CHECK_TAIL_WENT_BACK] = {" was answered before ",
				  " was invoked, which shows a shorter log"},
	[CHECK_FUTURE_READ] = {" was answered before ",
			       " was invoked, and yet shows what that appended"},
	[CHECK_LOST] = {" was answered before ",
			" was invoked, and is nowhere in front of it in the log"},
	[CHECK_OVERLAP] = {" and ", " are told to be at the same place of the log"},
	[CHECK_DIFFERENT] = {" and ", " show different records at one offset"},
	[CHECK_DUPLICATE] = {NULL, " shows a record more often than it was appended"},
	[CHECK_INVENTED] = {NULL, " shows a record that nobody can have appended there"},
	[CHECK_BEYOND] = {NULL, " tells of an offset that all appends together do not reach"},
	[CHECK_CONTRADICTION] = {NULL, " shows more records than it says that there are"},
	[CHECK_HOLE] = {NULL, " tells of a record in front of it that no append can have put "
			      "there by then"},
	[CHECK_TOO_SHORT] = {NULL,
			     " shows fewer records than were acknowledged before it was invoked"},
	[CHECK_TOO_LONG] = {NULL, " shows more records than were appended before it was answered"},
	[CHECK_WRONG_ANSWER] = {NULL, " is answered with something else than it appended"},
	[CHECK_GAP] = {NULL, " leaves out records between those that it shows"},
	[CHECK_SPLIT] = {" does not show in one piece what ", " appended at once"},
};

/** Which offsets a person should be told with it. */
static void name_offsets(const struct check_problem *problem, char *text, size_t size_bytes)
{
	text[0] = '\0';
	if (problem->offset == CHECK_UNTOLD || problem->kind == CHECK_NO_PROBLEM)
		return;
	if (problem->kind == CHECK_TOO_SHORT || problem->kind == CHECK_TOO_LONG) {
		(void)snprintf(text, size_bytes, " (%" PRIu64 " of %" PRIu64 ")", problem->offset,
			       problem->other);
		return;
	}
	if (problem->kind == CHECK_DUPLICATE || problem->kind == CHECK_BEYOND) {
		(void)snprintf(
			text, size_bytes, " (offset %" PRIu64 ", %s %" PRIu64 ")", problem->offset,
			problem->kind == CHECK_BEYOND ? "they end at" : "and", problem->other);
		return;
	}
	(void)snprintf(text, size_bytes, " (offset %" PRIu64 ")", problem->offset);
}

int check_problem_describe(const struct check_problem *problem, const char *first,
			   const char *second, char *text, size_t size_bytes)
{
	const struct sentence *sentence = &sentences[problem->kind];
	bool two = sentence->middle != NULL;
	char more[96];

	if (problem->first == CHECK_NOBODY)
		first = "the state before the history";
	if (problem->second == CHECK_NOBODY)
		second = "the state before the history";
	name_offsets(problem, more, sizeof(more));
	return snprintf(text, size_bytes, "%s%s%s%s%s", first, two ? sentence->middle : "",
			two ? second : "", sentence->end, more);
}
