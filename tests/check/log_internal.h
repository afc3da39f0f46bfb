/*
 * The inside of a log of operations; a file per concern:
 *
 *   log_model.c    operations come in; the spine of what was shown
 *   log_place.c    where each append must be, by what was told and shown
 *   log_length.c   how long it can have been
 *   log_walk.c     the log from its start to its end, against the clock
 *   log_memo.c     where the search has been
 *   log_problem.c  words
 *
 * The spine is the content of the one log that all answers must agree on, as far as anybody showed
 * it. A *placed* append has a position there; a *loose* one was told none and is seen nowhere for
 * certain: answered, it must be somewhere (*owed*); unanswered, it may be.
 */
#ifndef CHECK_LOG_INTERNAL_H
#define CHECK_LOG_INTERNAL_H

#include "tests/check/log_model.h"

#define CHECK_NO_VALUES SIZE_MAX

/** An append. */
struct check_item {
	struct check_when when;
	uint64_t offset; /* CHECK_UNTOLD: loose */
	size_t values;	 /* where in the pool; CHECK_NO_VALUES: any */
	uint32_t count;
	bool told; /* by its answer, rather than placed by what was read */
	/* loose ones, while deciding */
	bool used;
	uint32_t kind; /* equal: either can stand wherever the other can */
};

/** A read, as a claim: at some instant the log had at least `low` and at most `high` records. */
struct check_claim {
	struct check_when when;
	uint64_t low;
	uint64_t high; /* CHECK_UNTOLD: no bound */
};

#define CHECK_PAGE_VALUES 256u

/** A piece of the spine: what is at an offset, and who showed it (CHECK_NOBODY: not known). */
struct check_page {
	uint64_t number;
	uint64_t value[CHECK_PAGE_VALUES];
	uint64_t shown_by[CHECK_PAGE_VALUES];
};

struct check_spine {
	struct check_page **pages; /* a hash table by number; a power of two */
	size_t capacity;
	size_t page_count;
	struct check_page *recent; /* NULL: none */
};

/** A set of visited states: a position, and a set of bits. */
struct check_memo {
	size_t words; /* of a set */
	uint64_t *entries;
	size_t entry_capacity; /* in words */
	size_t entry_count;
	uint32_t *slots; /* entry + 1; a power of two */
	size_t slot_count;
};

struct check_log {
	uint64_t start;
	struct check_item *items;
	size_t item_capacity;
	size_t item_count;
	struct check_claim *claims;
	size_t claim_capacity;
	size_t claim_count;
	uint64_t *pool;
	size_t pool_capacity;
	size_t pool_count;
	struct check_spine spine;
	struct check_problem problem; /* the first one that showed itself */
	uint64_t states;

	/* while deciding; indexes of items */
	uint32_t *placed; /* by offset */
	size_t placed_count;
	uint32_t *loose; /* by invocation */
	size_t loose_count;
	uint32_t *owed; /* loose ones that were answered, by answer */
	size_t owed_count;
	uint32_t *by_low; /* claims */
	uint32_t *by_high;
	size_t high_count; /* those with a bound */
	uint64_t end;	   /* the shortest log that shows all that was told and read */
	struct check_memo memo;
};

/** @return who showed what is at an offset, or CHECK_NOBODY. */
uint64_t check_spine_at(struct check_spine *spine, uint64_t offset, uint64_t *ret_value);

/** The first offset from this one on that may be shown: it passes over what certainly is not. */
uint64_t check_spine_skip(struct check_spine *spine, uint64_t offset);

/**
 * Place what can be placed, sort everything. @return false: not linearizable, the log has the
 * problem.
 */
QR_MUST_USE bool check_log_place(struct check_log *log);

/** @return false: some length that was shown is impossible; the log has the problem. */
QR_MUST_USE bool check_log_lengths_fit(struct check_log *log);

/** Walk the log from its start. */
enum check_verdict check_log_walk(struct check_log *log, uint64_t budget);

void check_memo_init(struct check_memo *memo, size_t bits);
void check_memo_fini(struct check_memo *memo);
/**
 * Visit a state. `hash` follows from it. @return false if it has been visited before.
 */
QR_MUST_USE bool check_memo_visit(struct check_memo *memo, uint64_t position, const uint64_t *set,
				  uint64_t hash);
/** Bytes that it holds. */
size_t check_memo_bytes(const struct check_memo *memo);

static inline uint64_t check_item_end(const struct check_item *item)
{
	return item->offset + item->count;
}

static inline uint64_t check_mix(uint64_t bits) /* splitmix64's finalizer */
{
	bits += 0x9e3779b97f4a7c15ull;
	bits = (bits ^ bits >> 30) * 0xbf58476d1ce4e5b9ull;
	bits = (bits ^ bits >> 27) * 0x94d049bb133111ebull;
	return bits ^ bits >> 31;
}

#endif
