/*
 * How long the log can have been at a time: at least what had been acknowledged, at most what had
 * been called. Says little where everything is placed, since the walk sees all of it; but where the
 * walk would have to search, it may save the search.
 */
#include "tests/check/log_internal.h"

#include "tests/check/memory.h"

#include <stdlib.h>

struct moment {
	uint64_t time;
	uint64_t records; /* of all moments up to this one */
};

static int by_time(const void *left, const void *right)
{
	const struct moment *a = left;
	const struct moment *b = right;

	return (a->time > b->time) - (a->time < b->time);
}

static void add_up(struct moment *moments, size_t count)
{
	qsort(moments, count, sizeof(*moments), by_time);
	for (size_t i = 1; i < count; i++)
		moments[i].records += moments[i - 1].records;
}

/** Records of the moments before a time. */
static uint64_t records_before(const struct moment *moments, size_t count, uint64_t time)
{
	size_t low = 0;
	size_t high = count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (moments[middle].time < time) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low > 0 ? moments[low - 1].records : 0;
}

static bool fits(struct check_log *log, const struct check_claim *claim, uint64_t least,
		 uint64_t most)
{
	struct check_problem problem = {.first = claim->when.name, .second = CHECK_NOBODY};

	if (claim->high < least) {
		problem.kind = CHECK_TOO_SHORT;
		problem.offset = claim->high;
		problem.other = least;
	} else if (claim->low > most) {
		problem.kind = CHECK_TOO_LONG;
		problem.offset = claim->low;
		problem.other = most;
	} else {
		return true;
	}
	check_log_reject(log, &problem);
	return false;
}

bool check_log_lengths_fit(struct check_log *log)
{
	struct moment *answers = check_memory_take(log->item_count, sizeof(*answers));
	struct moment *calls = check_memory_take(log->item_count, sizeof(*calls));
	size_t count = log->item_count;
	bool fit = true;

	for (size_t i = 0; i < count; i++) {
		const struct check_item *item = &log->items[i];

		answers[i] = (struct moment){item->when.answered, item->count};
		calls[i] = (struct moment){item->when.invoked, item->count};
	}
	add_up(answers, count);
	add_up(calls, count);
	for (size_t i = 0; i < log->claim_count && fit; i++) {
		const struct check_claim *claim = &log->claims[i];
		uint64_t least = records_before(answers, count, claim->when.invoked);
		uint64_t most = records_before(calls, count, claim->when.answered + 1);

		fit = fits(log, claim, log->start + least, log->start + most);
	}
	free(answers);
	free(calls);
	return fit;
}
