/*
 * A recorded history: JSON lines to operations. docs/formats/history.md has the format.
 *
 * Threads: a history belongs to one thread. Running out of memory aborts.
 */
#ifndef CHECK_HISTORY_H
#define CHECK_HISTORY_H

#include "tests/check/log_model.h"
#include "tests/check/values.h"

enum check_function {
	CHECK_F_READ,
	CHECK_F_WRITE,
	CHECK_F_CAS,
	CHECK_F_APPEND,
};

#define CHECK_FUNCTIONS 4u

enum check_outcome {
	CHECK_OPEN, /* no line says how it ended, or one says that it is not known */
	CHECK_OK,
	CHECK_FAILED, /* it did not happen */
};

struct check_operation {
	check_value process;
	check_value key; /* CHECK_ABSENT: none */
	enum check_function f;
	enum check_outcome outcome;
	check_value called_with; /* the values of its lines */
	check_value answered_with;
	uint32_t called_line;
	uint32_t answered_line; /* 0: none */
	/* instants, each one's own: smaller is earlier */
	uint64_t called;
	uint64_t answered; /* CHECK_NEVER: open */
};

/** What is wrong with a file, and what to do about it. */
struct check_mistake {
	uint32_t line; /* 0: no line */
	char text[512];
};

struct check_history {
	struct check_values *values;
	struct check_operation *operations; /* in order of their call lines */
	size_t operation_capacity;
	size_t operation_count;
	size_t process_count;
	uint32_t line_count;
	size_t counts[CHECK_FUNCTIONS]; /* operations of each */
};

/**
 * Read a history.
 *
 * @param text  all of it; borrowed until return.
 * @return false if it is malformed: then ret_mistake is written. To be given to
 *         check_history_fini either way.
 */
QR_MUST_USE bool check_history_read(struct check_history *history, const char *text,
				    size_t size_bytes, struct check_mistake *ret_mistake);
void check_history_fini(struct check_history *history);

const char *check_function_name(enum check_function f);

/** Write a mistake. @return false, always. */
__attribute__((format(printf, 3, 4))) bool
check_mistake_say(struct check_mistake *mistake, uint32_t line, const char *format, ...);

#endif
