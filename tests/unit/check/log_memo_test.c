/*
 * The memory of a search: an entry is found by its hash, and is the same only if all of it is.
 */
#include "tests/check/log_internal.h"

#include "tests/unit/unit.h"

#include <string.h>

#define BITS 130u
#define WORDS 3u

static void test_equal_hashes(void **state)
{
	struct check_memo memo;
	uint64_t set[WORDS] = {0};

	(void)state;
	check_memo_init(&memo, BITS);
	assert_true(check_memo_visit(&memo, 1, set, 7));
	assert_false(check_memo_visit(&memo, 1, set, 7));
	for (unsigned bit = 0; bit < BITS; bit++) {
		set[bit / 64] ^= (uint64_t)1 << bit % 64;
		assert_true(check_memo_visit(&memo, 1, set, 7));
		assert_false(check_memo_visit(&memo, 1, set, 7));
		set[bit / 64] ^= (uint64_t)1 << bit % 64;
	}
	assert_true(check_memo_visit(&memo, 2, set, 7));
	assert_false(check_memo_visit(&memo, 2, set, 7));
	check_memo_fini(&memo);
}

static void test_many(void **state)
{
	struct check_memo memo;

	(void)state;
	check_memo_init(&memo, BITS);
	for (int round = 0; round < 2; round++) {
		for (uint64_t i = 0; i < 10000; i++) {
			uint64_t set[WORDS] = {i, ~i, i * i};

			assert_int_equal(check_memo_visit(&memo, i % 3, set, i * 2654435761u),
					 round == 0);
		}
	}
	assert_in_range(check_memo_bytes(&memo), 10000 * (WORDS + 2) * 8, 10000 * 400);
	check_memo_fini(&memo);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equal_hashes),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests_name("check/log_memo", tests, NULL, NULL);
}
