/*
 * Trying every order: the definition of linearizability, for histories small enough. And the same
 * histories as lines of JSON, in all the forms that one may write them down in.
 *
 * Threads: one.
 */
#ifndef CHECK_TESTS_ORACLE_H
#define CHECK_TESTS_ORACLE_H

#include "consensus/base/prng.h"
#include "tests/check/register_model.h"

#include <stdio.h>

#define ORACLE_OPS_MAX 11u
#define ORACLE_RECORDS_MAX 64u
#define ORACLE_VALUES_MAX 16u	  /* of registers */
#define ORACLE_UNKNOWN UINT64_MAX /* a record of which nothing is known */

/** An operation on a log, an append or a read: the fields are those of the model's. */
struct oracle_log_op {
	bool is_append;
	struct check_when when;
	uint64_t offset;
	uint64_t count;
	const uint64_t *values; /* NULL: not known */
	uint64_t tail;
	uint64_t at_most;
};

struct oracle_log {
	uint64_t start;
	size_t count;
	const struct oracle_log_op *ops;
};

/** Whether no order of a history of at most ORACLE_OPS_MAX operations works. */
bool oracle_log_fails(const struct oracle_log *history);
bool oracle_register_fails(const struct check_register *history);

/** Write a history as lines, in forms that `prng` chooses. Any number of operations. */
void oracle_log_render(const struct oracle_log *history, struct qr_prng *prng, FILE *out);
void oracle_register_render(const struct check_register *history, struct qr_prng *prng, FILE *out);

#endif
