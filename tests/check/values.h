/*
 * JSON values, each kept once: two values are equal when their numbers are. A value that contains
 * others is kept as the numbers of these, so that a list of a thousand records costs 4 KiB.
 *
 * Equal are: strings of the same characters however they were escaped; numbers of the same value
 * (1, 1.0 and 1e0); lists with equal items; objects with equal members in any order.
 *
 * Threads: a set of values belongs to one thread. Running out of memory aborts.
 */
#ifndef CHECK_VALUES_H
#define CHECK_VALUES_H

#include "consensus/base/types.h"

typedef uint32_t check_value; /* the number of a value in its set */

#define CHECK_ABSENT 0u /* no value at all */

enum check_value_kind {
	CHECK_VALUE_ABSENT,
	CHECK_VALUE_NULL,
	CHECK_VALUE_FALSE,
	CHECK_VALUE_TRUE,
	CHECK_VALUE_INTEGER,
	CHECK_VALUE_REAL,
	CHECK_VALUE_HUGE, /* an integer beyond 64 bits, as its digits */
	CHECK_VALUE_STRING,
	CHECK_VALUE_LIST,
	CHECK_VALUE_OBJECT, /* keys and values in turn, by key's number */
};

struct check_values;

struct check_values *check_values_create(void);
/** NULL is fine. */
void check_values_destroy(struct check_values *values);

/* ---- making: the number of an equal value, new or not ---- */

/** NULL, FALSE or TRUE. */
check_value check_values_word(struct check_values *values, enum check_value_kind kind);
check_value check_values_integer(struct check_values *values, int64_t integer);
check_value check_values_real(struct check_values *values, double real);
/** STRING or HUGE; copied. */
check_value check_values_text(struct check_values *values, enum check_value_kind kind,
			      const char *text, size_t size_bytes);
/** A text of C as a string. */
check_value check_values_string(struct check_values *values, const char *text);
/** LIST, or OBJECT in its order; copied. */
check_value check_values_items(struct check_values *values, enum check_value_kind kind,
			       const check_value *items, size_t count);

/* ---- looking ---- */

enum check_value_kind check_value_kind(const struct check_values *values, check_value value);
/** @return false if it is no integer. */
bool check_value_integer(const struct check_values *values, check_value value,
			 int64_t *ret_integer);
/** An integer from 0. @return false if it is none. */
bool check_value_count(const struct check_values *values, check_value value, uint64_t *ret_count);
double check_value_real(const struct check_values *values, check_value value);
/** Items of a list; keys and values of an object; borrowed until a value is made. */
const check_value *check_value_items(const struct check_values *values, check_value value,
				     size_t *ret_count);
/** A member of an object; CHECK_ABSENT if there is none, or if it is no object. */
check_value check_value_member(const struct check_values *values, check_value object,
			       check_value key);
/** How many values there are: numbers are below. */
size_t check_values_count(const struct check_values *values);

/**
 * Write a value as JSON, as far as there is room; what is cut ends with "...".
 * @return text.
 */
const char *check_value_print(const struct check_values *values, check_value value, char *text,
			      size_t size_bytes);

#endif
