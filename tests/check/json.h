/*
 * A JSON text (RFC 8259) into a set of values. Bytes of strings are taken as they are: they need
 * not be UTF-8, so that a record that is not text can still be compared.
 *
 * Threads: one.
 */
#ifndef CHECK_JSON_H
#define CHECK_JSON_H

#include "tests/check/values.h"

#define CHECK_JSON_DEPTH_MAX 64u

struct check_json_error {
	size_t at;	  /* byte of the text */
	const char *what; /* "expected ..." */
};

/** @return CHECK_ABSENT if it is no JSON; then ret_error is written. */
check_value check_json_parse(struct check_values *values, const char *text, size_t size_bytes,
			     struct check_json_error *ret_error);

#endif
