/*
 * Where the register's search has been: a state is covered by one that had spent a part of the
 * same, and by nothing that differs in its key.
 */
#include "tests/check/register_internal.h"

#include "tests/unit/unit.h"

#define KEY_WORDS 2u
#define SET_WORDS 2u

static struct check_visited visited;

static int begin(void **state)
{
	(void)state;
	check_visited_init(&visited, KEY_WORDS, SET_WORDS);
	return 0;
}

static int end(void **state)
{
	(void)state;
	check_visited_fini(&visited);
	return 0;
}

static bool visit(uint64_t key, uint64_t low, uint64_t high)
{
	const uint64_t words[KEY_WORDS] = {key, ~key};
	const uint64_t set[SET_WORDS] = {low, high};

	return check_visited_visit(&visited, words, set);
}

static void test_covered(void **state)
{
	(void)state;
	assert_true(visit(1, 0x6, 0x1));
	assert_false(visit(1, 0x6, 0x1));
	assert_false(visit(1, 0x7, 0x1));
	assert_false(visit(1, 0x6, 0x3));
	assert_true(visit(1, 0x2, 0x1)); /* less than what was there */
	assert_false(visit(1, 0x3, 0x1));
	assert_true(visit(1, 0x6, 0x0));
	assert_true(visit(1, 0x8, 0x8)); /* neither a part of the other */
	assert_true(visit(2, 0x6, 0x1)); /* another key */
	assert_true(visit(2, 0x0, 0x0));
	assert_false(visit(2, 0xff, 0xff));
}

/* None covers another; each is found, however many came after it. */
static void test_many(void **state)
{
	(void)state;
	for (int round = 0; round < 2; round++) {
		for (uint64_t key = 10; key < 15; key++) {
			for (uint64_t i = 0; i < 2000; i++)
				assert_int_equal(visit(key, i, ~i), round == 0);
		}
	}
	assert_in_range(check_visited_bytes(&visited), 10000 * 7 * 8, 10000 * 300);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_covered, begin, end),
		cmocka_unit_test_setup_teardown(test_many, begin, end),
	};

	return cmocka_run_group_tests_name("check/register_visited", tests, NULL, NULL);
}
