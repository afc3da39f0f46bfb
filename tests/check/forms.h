/*
 * From the values of a history's lines to the operations of a model: the forms in which people
 * write down what was asked and answered. docs/formats/history.md lists them.
 *
 * Threads: one per history.
 */
#ifndef CHECK_FORMS_H
#define CHECK_FORMS_H

#include "tests/check/history.h"
#include "tests/check/register_model.h"

/** Operations on one key, in order of their calls. */
struct check_part {
	const struct check_history *history;
	const uint32_t *operations; /* indexes */
	size_t count;
};

/** What integers mean; the same in all of a history. */
struct check_log_forms {
	bool integers_are_offsets;  /* where they answer an append of an integer */
	bool integers_are_appended; /* some record is one */
};

struct check_log_forms check_log_forms_of(const struct check_history *history);

/**
 * Give a key's operations to a log that was reset; operations are named by their index in the
 * history.
 * @return false: some value cannot be understood; ret_mistake is written.
 */
QR_MUST_USE bool check_log_form(const struct check_part *part, const struct check_log_forms *forms,
				uint64_t start, struct check_log *log,
				struct check_mistake *ret_mistake);

/**
 * Make a key's operations those of a register; named likewise. What failed is left out.
 *
 * @param ops  room for part->count.
 */
QR_MUST_USE bool check_register_form(const struct check_part *part, struct check_register_op *ops,
				     size_t *ret_count, struct check_mistake *ret_mistake);

#endif
