/* The flow window and its sizes against plain sums. */
#include "consensus/base/prng.h"
#include "consensus/raft/internal.h"
#include "tests/unit/unit.h"

#include <string.h>

#define LENGTH 30000

static struct raft_group group;
static uint32_t blocks[LENGTH + 1]; /* what every entry really has, as far as it is known */

static void start(qr_index recovered, uint32_t window_entries, uint32_t window_blocks)
{
	memset(&group, 0, sizeof(group));
	group.parameters.window_entries = window_entries;
	group.parameters.window_blocks = window_blocks;
	group.last = recovered;
	for (qr_index index = 1; index <= recovered; index++)
		blocks[index] = 1;
	raft_sizes_init(&group);
}

static void append(uint32_t size)
{
	raft_sizes_append(&group, group.last + 1, size);
	group.last++;
	blocks[group.last] = size;
}

static uint64_t plain_sum(qr_index after, qr_index upto)
{
	uint64_t sum = 0;

	for (qr_index index = after + 1; index <= upto; index++)
		sum += blocks[index];
	return sum;
}

static void test_sums_are_right_within_the_ring(void **state)
{
	struct qr_prng prng;

	(void)state;
	qr_prng_init(&prng, 3);
	start(50, 64, 64);
	for (unsigned i = 0; i < 3u * RAFT_SIZES_MAX; i++) {
		append((uint32_t)(1 + qr_prng_below(&prng, 100)));
		if (qr_prng_below(&prng, 64) == 0) {
			qr_index to = group.last - qr_prng_below(&prng, group.last - 50);

			to = to + 40 < group.last ? group.last - 40 : to;
			raft_sizes_truncate(&group, to < 50 ? 50 : to);
			group.last = to < 50 ? 50 : to;
		}
		if (i % 97 == 0) {
			qr_index span =
				group.last < RAFT_SIZES_MAX ? group.last : RAFT_SIZES_MAX - 1;
			qr_index after = group.last - qr_prng_below(&prng, span);

			assert_int_equal(raft_sizes_between(&group, after, group.last),
					 plain_sum(after, group.last));
		}
	}
}

static void test_what_is_below_the_ring_counts_one_block_each(void **state)
{
	qr_index floor;

	(void)state;
	start(0, 64, 64);
	for (unsigned i = 0; i < RAFT_SIZES_MAX + 100u; i++)
		append(7);
	floor = group.last - RAFT_SIZES_MAX + 1;
	assert_int_equal(raft_sizes_between(&group, floor, group.last), 7 * (RAFT_SIZES_MAX - 1));
	assert_int_equal(raft_sizes_between(&group, floor - 10, floor), 10);
	assert_int_equal(raft_sizes_between(&group, floor - 10, floor + 2), 10 + 14);
}

static void test_the_largest_entries_do_not_overflow(void **state)
{
	(void)state;
	start(0, 64, 64);
	for (unsigned i = 0; i < 2u * RAFT_SIZES_MAX; i++)
		append(RAFT_ENTRY_BLOCKS_MAX);
	assert_int_equal(raft_sizes_between(&group, group.last - RAFT_SIZES_MAX + 1, group.last),
			 (uint64_t)RAFT_ENTRY_BLOCKS_MAX * (RAFT_SIZES_MAX - 1));
}

static void test_a_cut_below_the_ring_starts_it_anew(void **state)
{
	(void)state;
	start(100, 64, 64);
	for (unsigned i = 0; i < 10; i++)
		append(5);
	raft_sizes_truncate(&group, 30);
	group.last = 30;
	assert_int_equal(raft_sizes_between(&group, 20, 30), 10);
	append(9);
	assert_int_equal(raft_sizes_between(&group, 29, 31), 10);
}

/* The end of the window is the last entry that a plain walk would let out. */
static qr_index plain_window_end(const struct raft_progress *progress)
{
	qr_index end = progress->next - 1;

	while (end < group.last && end + 1 - progress->match <= group.parameters.window_entries &&
	       (plain_sum(progress->match, end + 1) <= group.parameters.window_blocks ||
		end == progress->match))
		end++;
	return end;
}

static void test_the_window_ends_where_a_plain_walk_says(void **state)
{
	struct qr_prng prng;

	(void)state;
	qr_prng_init(&prng, 11);
	for (unsigned round = 0; round < 20000; round++) {
		struct raft_progress progress = {.state = RAFT_REPLICATE};

		if (round % 100 == 0) {
			start(qr_prng_below(&prng, 30), (uint32_t)(1 + qr_prng_below(&prng, 20)),
			      (uint32_t)(1 + qr_prng_below(&prng, 60)));
			for (unsigned i = 0; i < 60; i++)
				append((uint32_t)(1 + qr_prng_below(&prng, 20)));
		}
		progress.match = qr_prng_below(&prng, group.last + 1);
		progress.next = progress.match + 1;
		progress.next += qr_prng_below(&prng, group.last - progress.match + 1);
		assert_int_equal(raft_progress_window_end(&group, &progress),
				 plain_window_end(&progress));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sums_are_right_within_the_ring),
		cmocka_unit_test(test_what_is_below_the_ring_counts_one_block_each),
		cmocka_unit_test(test_the_largest_entries_do_not_overflow),
		cmocka_unit_test(test_a_cut_below_the_ring_starts_it_anew),
		cmocka_unit_test(test_the_window_ends_where_a_plain_walk_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
