/*
 * Operations come in, in any order. An append is kept as it is. A read becomes a claim about the
 * log's length, and its records go into the spine at once, so that reads of the whole log, again
 * and again, take no memory of their own. What contradicts the spine is noted and told when the
 * decision is asked for.
 */
#include "tests/check/log_internal.h"

#include "consensus/base/assert.h"
#include "tests/check/memory.h"

#include <stdlib.h>
#include <string.h>

#define PAGES_MIN 64u

struct check_log *check_log_create(uint64_t start)
{
	struct check_log *log = check_memory_take(1, sizeof(*log));

	check_log_reset(log, start);
	return log;
}

static void free_pages(struct check_spine *spine)
{
	for (size_t i = 0; i < spine->capacity; i++) {
		free(spine->pages[i]);
		spine->pages[i] = NULL;
	}
	spine->page_count = 0;
	spine->recent = NULL;
}

void check_log_destroy(struct check_log *log)
{
	if (log == NULL)
		return;
	free_pages(&log->spine);
	free(log->spine.pages);
	free(log->items);
	free(log->claims);
	free(log->pool);
	free(log);
}

void check_log_reset(struct check_log *log, uint64_t start)
{
	free_pages(&log->spine);
	log->start = start;
	log->item_count = 0;
	log->claim_count = 0;
	log->pool_count = 0;
	log->states = 0;
	log->problem = (struct check_problem){.first = CHECK_NOBODY, .second = CHECK_NOBODY};
}

void check_log_reject(struct check_log *log, const struct check_problem *problem)
{
	if (log->problem.kind == CHECK_NO_PROBLEM)
		log->problem = *problem;
}

uint64_t check_log_states(const struct check_log *log)
{
	return log->states;
}

/* ---- the spine ---- */

static struct check_page **find_slot(struct check_page **pages, size_t capacity, uint64_t number)
{
	size_t at = check_mix(number) & (capacity - 1);

	while (pages[at] != NULL && pages[at]->number != number)
		at = (at + 1) & (capacity - 1);
	return &pages[at];
}

static void make_room(struct check_spine *spine)
{
	size_t capacity = spine->capacity != 0 ? spine->capacity * 2 : PAGES_MIN;
	struct check_page **pages;

	if (spine->page_count * 2 < spine->capacity)
		return;
	/* NOLINTNEXTLINE(bugprone-sizeof-expression): it is a table of pointers */
	pages = check_memory_take(capacity, sizeof(struct check_page *));
	for (size_t i = 0; i < spine->capacity; i++) {
		if (spine->pages[i] != NULL)
			*find_slot(pages, capacity, spine->pages[i]->number) = spine->pages[i];
	}
	free(spine->pages);
	spine->pages = pages;
	spine->capacity = capacity;
}

static struct check_page *take_page(struct check_spine *spine, uint64_t number)
{
	struct check_page **slot;

	if (spine->recent != NULL && spine->recent->number == number)
		return spine->recent;
	make_room(spine);
	slot = find_slot(spine->pages, spine->capacity, number);
	if (*slot == NULL) {
		*slot = check_memory_take(1, sizeof(**slot));
		(*slot)->number = number;
		memset((*slot)->shown_by, 0xff, sizeof((*slot)->shown_by));
		spine->page_count++;
	}
	spine->recent = *slot;
	return *slot;
}

_Static_assert(CHECK_NOBODY == UINT64_MAX, "a page is filled with it byte by byte");

/** The page of an offset; NULL: nothing was shown there. */
static struct check_page *look_up(struct check_spine *spine, uint64_t offset)
{
	uint64_t number = offset / CHECK_PAGE_VALUES;
	struct check_page *page = spine->recent;

	if (page != NULL && page->number == number)
		return page;
	page = spine->capacity != 0 ? *find_slot(spine->pages, spine->capacity, number) : NULL;
	if (page != NULL)
		spine->recent = page;
	return page;
}

uint64_t check_spine_at(struct check_spine *spine, uint64_t offset, uint64_t *ret_value)
{
	const struct check_page *page = look_up(spine, offset);

	if (page == NULL)
		return CHECK_NOBODY;
	*ret_value = page->value[offset % CHECK_PAGE_VALUES];
	return page->shown_by[offset % CHECK_PAGE_VALUES];
}

uint64_t check_spine_skip(struct check_spine *spine, uint64_t offset)
{
	return look_up(spine, offset) != NULL
		       ? offset
		       : (offset / CHECK_PAGE_VALUES + 1) * CHECK_PAGE_VALUES;
}

/** `name` shows a value at an offset. */
static void show(struct check_log *log, uint64_t name, uint64_t offset, uint64_t value)
{
	struct check_page *page = take_page(&log->spine, offset / CHECK_PAGE_VALUES);
	uint64_t at = offset % CHECK_PAGE_VALUES;

	if (page->shown_by[at] == CHECK_NOBODY) {
		page->shown_by[at] = name;
		page->value[at] = value;
	} else if (page->value[at] != value) {
		check_log_reject(log, &(struct check_problem){.kind = CHECK_DIFFERENT,
							      .first = page->shown_by[at],
							      .second = name,
							      .offset = offset});
	}
}

/* ---- operations ---- */

static void assert_when(const struct check_when *when)
{
	QR_ASSERT(when->invoked != CHECK_NEVER && when->invoked <= when->answered);
	QR_ASSERT(when->name != CHECK_NOBODY);
}

void check_log_append(struct check_log *log, const struct check_append *append)
{
	struct check_item *item;

	assert_when(&append->when);
	QR_ASSERT(append->count > 0 && log->item_count < UINT32_MAX - 1);

	log->items = check_memory_grow(log->items, &log->item_capacity, log->item_count + 1,
				       sizeof(*item));
	item = &log->items[log->item_count++];
	*item = (struct check_item){
		.when = append->when,
		.offset = append->offset,
		.told = append->offset != CHECK_UNTOLD,
		.count = append->count,
		.values = CHECK_NO_VALUES,
	};
	if (append->values != NULL) {
		log->pool = check_memory_grow(log->pool, &log->pool_capacity,
					      log->pool_count + append->count, sizeof(*log->pool));
		item->values = log->pool_count;
		memcpy(log->pool + log->pool_count, append->values,
		       append->count * sizeof(*log->pool));
		log->pool_count += append->count;
	}
}

static void claim(struct check_log *log, const struct check_claim *claim)
{
	QR_ASSERT(log->claim_count < UINT32_MAX - 1);

	log->claims = check_memory_grow(log->claims, &log->claim_capacity, log->claim_count + 1,
					sizeof(*log->claims));
	log->claims[log->claim_count++] = *claim;
}

void check_log_read(struct check_log *log, const struct check_read *read)
{
	uint64_t end = read->offset + read->count;
	struct check_claim what = {.when = read->when, .high = read->at_most};

	assert_when(&read->when);
	QR_ASSERT(read->when.answered != CHECK_NEVER && end >= read->offset);

	if (read->count > 0)
		what.low = end;
	if (read->tail < what.high)
		what.high = read->tail;
	if (read->tail != CHECK_UNTOLD && what.low < read->tail)
		what.low = read->tail;
	if (what.high < what.low || what.high < log->start) {
		check_log_reject(log, &(struct check_problem){.kind = CHECK_CONTRADICTION,
							      .first = read->when.name,
							      .second = CHECK_NOBODY,
							      .offset = what.high});
		return;
	}
	for (uint64_t i = 0; read->values != NULL && i < read->count; i++) {
		if (read->offset + i >= log->start)
			show(log, read->when.name, read->offset + i, read->values[i]);
	}
	claim(log, &what);
}

void check_log_tail(struct check_log *log, const struct check_when *when, uint64_t tail)
{
	check_log_read(log,
		       &(struct check_read){.when = *when, .tail = tail, .at_most = CHECK_UNTOLD});
}

/* ---- the decision ---- */

static void forget_decision(struct check_log *log)
{
	free(log->placed);
	free(log->loose);
	free(log->owed);
	free(log->by_low);
	free(log->by_high);
	check_memo_fini(&log->memo);
	log->placed = log->loose = log->owed = log->by_low = log->by_high = NULL;
}

enum check_verdict check_log_decide(struct check_log *log, uint64_t budget,
				    struct check_problem *ret_problem)
{
	enum check_verdict verdict = CHECK_VIOLATED;

	const struct check_problem seen = log->problem;

	log->states = 0;
	if (seen.kind == CHECK_NO_PROBLEM) {
		if (check_log_place(log) && (log->loose_count == 0 || check_log_lengths_fit(log)))
			verdict = check_log_walk(log, budget);
		forget_decision(log);
	}
	if (verdict == CHECK_VIOLATED && ret_problem != NULL)
		*ret_problem = log->problem;
	log->problem = seen; /* what comes may explain the rest */
	return verdict;
}
