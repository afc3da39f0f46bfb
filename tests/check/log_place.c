/*
 * Where each append must be. An answer that told the offset says it. Otherwise, a value that
 * exactly one loose append can have supplied, and that was shown at exactly one offset which no
 * other append fills, says it too. What is left over stays loose, for the walk.
 *
 * Counting settles a part of the questions by itself: a value shown more often than it was appended
 * was doubled or invented, whatever the times are.
 */
#include "tests/check/log_internal.h"

#include "consensus/base/assert.h"
#include "tests/check/memory.h"

#include <stdlib.h>
#include <string.h>

/** What is known of a value. */
struct fact {
	bool known;
	uint64_t value;
	uint64_t supply; /* records of loose appends that hold it */
	uint32_t item;	 /* the last of them, and which of its records */
	uint32_t element;
	uint64_t demand; /* offsets where it was shown and that no placed append fills */
	uint64_t offset; /* the last of them */
	bool placed;	 /* some placed append holds it, at: */
	uint64_t placed_at;
};

struct facts {
	struct fact *table;
	size_t capacity; /* a power of two */
	bool wild;	 /* a loose append may hold anything: counting proves nothing */
};

/* ---- sorting; ties by index, so that the order is the same everywhere ---- */

static int compare(uint64_t left, uint64_t right)
{
	return (left > right) - (left < right);
}

static int by_offset(const void *left, const void *right, void *context)
{
	const struct check_log *log = context;
	const uint32_t *a = left;
	const uint32_t *b = right;
	int order = compare(log->items[*a].offset, log->items[*b].offset);

	return order != 0 ? order : compare(*a, *b);
}

static int by_invocation(const void *left, const void *right, void *context)
{
	const struct check_log *log = context;
	const uint32_t *a = left;
	const uint32_t *b = right;
	int order = compare(log->items[*a].when.invoked, log->items[*b].when.invoked);

	return order != 0 ? order : compare(*a, *b);
}

static int by_answer(const void *left, const void *right, void *context)
{
	const struct check_log *log = context;
	const uint32_t *a = left;
	const uint32_t *b = right;
	int order = compare(log->items[*a].when.answered, log->items[*b].when.answered);

	return order != 0 ? order : compare(*a, *b);
}

static int by_low(const void *left, const void *right, void *context)
{
	const struct check_log *log = context;
	const uint32_t *a = left;
	const uint32_t *b = right;
	int order = compare(log->claims[*a].low, log->claims[*b].low);

	return order != 0 ? order : compare(*a, *b);
}

static int by_high(const void *left, const void *right, void *context)
{
	const struct check_log *log = context;
	const uint32_t *a = left;
	const uint32_t *b = right;
	int order = compare(log->claims[*a].high, log->claims[*b].high);

	return order != 0 ? order : compare(*a, *b);
}

static void sort(struct check_log *log, uint32_t *indexes, size_t count,
		 int (*order)(const void *, const void *, void *))
{
	qsort_r(indexes, count, sizeof(*indexes), order, log);
}

/* ---- lists ---- */

static void list_placed(struct check_log *log)
{
	log->placed_count = 0;
	for (uint32_t i = 0; i < log->item_count; i++) {
		if (log->items[i].offset != CHECK_UNTOLD)
			log->placed[log->placed_count++] = i;
	}
	sort(log, log->placed, log->placed_count, by_offset);
}

static void list_loose(struct check_log *log)
{
	log->loose_count = log->owed_count = 0;
	for (uint32_t i = 0; i < log->item_count; i++) {
		if (log->items[i].offset != CHECK_UNTOLD)
			continue;
		log->loose[log->loose_count++] = i;
		if (log->items[i].when.answered != CHECK_NEVER)
			log->owed[log->owed_count++] = i;
	}
	sort(log, log->loose, log->loose_count, by_invocation);
	sort(log, log->owed, log->owed_count, by_answer);
}

static void list_claims(struct check_log *log)
{
	for (uint32_t i = 0; i < log->claim_count; i++)
		log->by_low[i] = log->by_high[i] = i;
	sort(log, log->by_low, log->claim_count, by_low);
	sort(log, log->by_high, log->claim_count, by_high);
	for (log->high_count = 0; log->high_count < log->claim_count; log->high_count++) {
		if (log->claims[log->by_high[log->high_count]].high == CHECK_UNTOLD)
			break;
	}
}

static void begin(struct check_log *log)
{
	log->placed = check_memory_take(log->item_count, sizeof(uint32_t));
	log->loose = check_memory_take(log->item_count, sizeof(uint32_t));
	log->owed = check_memory_take(log->item_count, sizeof(uint32_t));
	log->by_low = check_memory_take(log->claim_count, sizeof(uint32_t));
	log->by_high = check_memory_take(log->claim_count, sizeof(uint32_t));
	for (size_t i = 0; i < log->item_count; i++) {
		struct check_item *item = &log->items[i];

		item->used = false;
		if (!item->told)
			item->offset = CHECK_UNTOLD;
	}
	list_placed(log);
	list_claims(log);
}

/* ---- what is impossible at once ---- */

/**
 * Nothing was told of an offset that all appends together do not reach. If something was, log->end
 * is set so that counting finds which record is one too many, if records were shown.
 */
static bool is_within_reach(struct check_log *log, struct check_problem *ret_problem)
{
	uint64_t reach = log->start;
	uint64_t name = CHECK_NOBODY;

	for (size_t i = 0; i < log->item_count; i++)
		reach += log->items[i].count;
	log->end = log->start;
	for (size_t i = 0; i < log->claim_count; i++) {
		if (log->claims[i].low > log->end) {
			log->end = log->claims[i].low;
			name = log->claims[i].when.name;
		}
	}
	for (size_t i = 0; i < log->placed_count; i++) {
		const struct check_item *item = &log->items[log->placed[i]];
		uint64_t end = check_item_end(item);

		if (end < item->offset)
			end = UINT64_MAX;
		if (end > log->end) {
			log->end = end;
			name = item->when.name;
		}
	}
	if (log->end <= reach)
		return true;
	*ret_problem = (struct check_problem){.kind = CHECK_BEYOND,
					      .first = name,
					      .second = CHECK_NOBODY,
					      .offset = log->end - 1,
					      .other = reach};
	log->end = reach + 1;
	return false;
}

static bool do_not_overlap(struct check_log *log)
{
	uint64_t end = log->start;
	uint64_t name = CHECK_NOBODY;

	for (size_t i = 0; i < log->placed_count; i++) {
		const struct check_item *item = &log->items[log->placed[i]];

		if (item->offset < end) {
			check_log_reject(log, &(struct check_problem){.kind = CHECK_OVERLAP,
								      .first = item->when.name,
								      .second = name,
								      .offset = item->offset});
			return false;
		}
		end = check_item_end(item);
		name = item->when.name;
	}
	return true;
}

/** What placed appends hold is what was shown there. */
static bool agree(struct check_log *log)
{
	for (size_t i = 0; i < log->placed_count; i++) {
		const struct check_item *item = &log->items[log->placed[i]];

		for (uint32_t e = 0; item->values != CHECK_NO_VALUES && e < item->count; e++) {
			uint64_t value;
			uint64_t name = check_spine_at(&log->spine, item->offset + e, &value);

			if (name == CHECK_NOBODY || value == log->pool[item->values + e])
				continue;
			check_log_reject(log, &(struct check_problem){.kind = CHECK_DIFFERENT,
								      .first = item->when.name,
								      .second = name,
								      .offset = item->offset + e});
			return false;
		}
	}
	return true;
}

/* ---- counting ---- */

static struct fact *fact_of(struct facts *facts, uint64_t value)
{
	size_t at = check_mix(value) & (facts->capacity - 1);

	while (facts->table[at].known && facts->table[at].value != value)
		at = (at + 1) & (facts->capacity - 1);
	if (!facts->table[at].known)
		facts->table[at] = (struct fact){.known = true, .value = value};
	return &facts->table[at];
}

static void count_supply(struct check_log *log, struct facts *facts)
{
	for (uint32_t i = 0; i < log->item_count; i++) {
		const struct check_item *item = &log->items[i];

		if (item->values == CHECK_NO_VALUES) {
			facts->wild |= item->offset == CHECK_UNTOLD;
			continue;
		}
		for (uint32_t e = 0; e < item->count; e++) {
			struct fact *fact = fact_of(facts, log->pool[item->values + e]);

			if (item->offset != CHECK_UNTOLD) {
				fact->placed = true;
				fact->placed_at = item->offset + e;
			} else {
				fact->supply++;
				fact->item = i;
				fact->element = e;
			}
		}
	}
}

/** Call back for every offset that was shown and that no placed append fills. */
static bool each_open(struct check_log *log, struct facts *facts,
		      bool (*call)(struct check_log *, struct facts *, uint64_t, uint64_t))
{
	uint64_t offset = log->start;
	size_t next = 0;

	while (offset < log->end) {
		uint64_t begin =
			next < log->placed_count ? log->items[log->placed[next]].offset : log->end;
		uint64_t value;

		if (begin == offset) {
			offset = check_item_end(&log->items[log->placed[next++]]);
			continue;
		}
		if (check_spine_skip(&log->spine, offset) != offset) {
			offset = check_spine_skip(&log->spine, offset);
			offset = offset < begin ? offset : begin;
			continue;
		}
		if (check_spine_at(&log->spine, offset, &value) != CHECK_NOBODY &&
		    !call(log, facts, offset, value))
			return false;
		offset++;
	}
	return true;
}

static bool count_demand(struct check_log *log, struct facts *facts, uint64_t offset,
			 uint64_t value)
{
	struct fact *fact = fact_of(facts, value);
	struct check_problem problem = {.second = CHECK_NOBODY, .offset = offset};
	uint64_t unused;

	fact->demand++;
	if (fact->demand > fact->supply && !facts->wild) {
		problem.first = check_spine_at(&log->spine, offset, &unused);
		problem.kind = CHECK_INVENTED;
		if (fact->demand > 1 || fact->placed) {
			problem.kind = CHECK_DUPLICATE;
			problem.other = fact->demand > 1 ? fact->offset : fact->placed_at;
			problem.second = check_spine_at(&log->spine, problem.other, &unused);
		}
		check_log_reject(log, &problem);
		return false;
	}
	fact->offset = offset;
	return true;
}

static bool place_by_value(struct check_log *log, struct facts *facts, uint64_t offset,
			   uint64_t value)
{
	const struct fact *fact = fact_of(facts, value);
	struct check_item *item = &log->items[fact->item];
	uint64_t unused;

	if (fact->supply != 1)
		return true;
	if (item->offset == CHECK_UNTOLD && offset >= log->start + fact->element) {
		item->offset = offset - fact->element;
		return true;
	}
	if (item->offset != CHECK_UNTOLD && item->offset + fact->element == offset)
		return true;
	check_log_reject(
		log, &(struct check_problem){.kind = CHECK_SPLIT,
					     .first = check_spine_at(&log->spine, offset, &unused),
					     .second = item->when.name,
					     .offset = offset});
	return false;
}

/* ---- kinds ---- */

static uint64_t relevant_value(const struct check_log *log, struct facts *facts,
			       const struct check_item *item, uint32_t element, bool *ret_relevant)
{
	const struct fact *fact = fact_of(facts, log->pool[item->values + element]);

	*ret_relevant = fact->demand > 0;
	return fact->demand > 0 ? fact->value : 0;
}

struct kinds {
	struct check_log *log;
	struct facts *facts;
};

/** Loose appends that differ only in records which nobody saw are of one kind. */
static int by_kind(const void *left, const void *right, void *context)
{
	const struct kinds *kinds = context;
	const struct check_item *a = &kinds->log->items[*(const uint32_t *)left];
	const struct check_item *b = &kinds->log->items[*(const uint32_t *)right];
	int order = compare(a->count, b->count);

	if (order == 0) {
		order = compare(a->values == CHECK_NO_VALUES, b->values == CHECK_NO_VALUES);
	}
	for (uint32_t e = 0; order == 0 && a->values != CHECK_NO_VALUES && e < a->count; e++) {
		bool a_is;
		bool b_is;
		uint64_t of_a = relevant_value(kinds->log, kinds->facts, a, e, &a_is);
		uint64_t of_b = relevant_value(kinds->log, kinds->facts, b, e, &b_is);

		order = a_is != b_is ? compare(a_is, b_is) : compare(of_a, of_b);
	}
	return order;
}

static void number_kinds(struct check_log *log, struct facts *facts)
{
	struct kinds kinds = {.log = log, .facts = facts};
	uint32_t *sorted = check_memory_take(log->loose_count, sizeof(*sorted));
	uint32_t kind = 0;

	memcpy(sorted, log->loose, log->loose_count * sizeof(*sorted));
	qsort_r(sorted, log->loose_count, sizeof(*sorted), by_kind, &kinds);
	for (size_t i = 0; i < log->loose_count; i++) {
		if (i > 0 && by_kind(&sorted[i - 1], &sorted[i], &kinds) != 0)
			kind++;
		log->items[sorted[i]].kind = kind;
	}
	free(sorted);
}

static bool place_loose(struct check_log *log, struct facts *facts)
{
	if (!facts->wild && !each_open(log, facts, place_by_value))
		return false;
	list_placed(log);
	if (!do_not_overlap(log) || !agree(log))
		return false;
	list_loose(log);
	number_kinds(log, facts);
	return true;
}

bool check_log_place(struct check_log *log)
{
	struct facts facts = {.capacity = 64};
	struct check_problem beyond;
	bool placed;
	bool reached;

	begin(log);
	reached = is_within_reach(log, &beyond);
	if (!do_not_overlap(log) || !agree(log))
		return false;
	while (facts.capacity < 2 * (log->pool_count + log->spine.page_count * CHECK_PAGE_VALUES))
		facts.capacity *= 2;
	facts.table = check_memory_take(facts.capacity, sizeof(*facts.table));
	count_supply(log, &facts);
	placed = each_open(log, &facts, count_demand);
	if (placed && !reached) {
		check_log_reject(log, &beyond);
		placed = false;
	}
	placed = placed && place_loose(log, &facts);
	free(facts.table);
	return placed;
}
