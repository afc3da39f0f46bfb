/* Term runs against a plain array of terms. */
#include "consensus/base/prng.h"
#include "consensus/raft/internal.h"
#include "tests/unit/unit.h"

#include <string.h>

#define LENGTH 4000

static struct raft_group group;
static qr_term terms[LENGTH + 1]; /* what every entry really has */

static void append(qr_term term)
{
	raft_terms_append(&group, group.last + 1, term);
	group.last++;
	terms[group.last] = term;
}

static void truncate_to(qr_index last)
{
	raft_terms_truncate(&group, last);
	group.last = last;
}

static void start(void)
{
	memset(&group, 0, sizeof(group));
	memset(terms, 0, sizeof(terms));
}

static qr_index known_from(void)
{
	return group.run_count == 0 ? 1 : group.runs[group.run_head].first;
}

static void expect_as_in_the_array(void)
{
	for (qr_index index = 0; index <= group.last + 2 && index <= LENGTH; index++) {
		bool known = index >= known_from() && index <= group.last;

		assert_int_equal(raft_term_at(&group, index), known ? terms[index] : 0);
	}
}

static void test_an_empty_log_has_no_terms(void **state)
{
	(void)state;
	start();
	assert_int_equal(raft_term_at(&group, 0), 0);
	assert_int_equal(raft_term_at(&group, 1), 0);
	assert_int_equal(raft_term_at(&group, UINT64_MAX), 0);
}

static void test_any_mix_of_appends_and_cuts_is_remembered(void **state)
{
	struct qr_prng prng;
	qr_term term = 1;

	(void)state;
	qr_prng_init(&prng, 7);
	start();
	for (unsigned step = 0; step < 20000; step++) {
		if (group.last < LENGTH - 1 && qr_prng_below(&prng, 20) != 0) {
			term += qr_prng_below(&prng, 4) == 0;
			append(term);
		} else if (group.last > known_from()) {
			qr_index span = group.last - known_from();

			truncate_to(group.last - qr_prng_below(&prng, span < 40 ? span : 40));
			term++;
		}
		if (step % 500 == 0)
			expect_as_in_the_array();
	}
	expect_as_in_the_array();
}

static void test_a_full_ring_forgets_the_oldest_run(void **state)
{
	(void)state;
	start();
	for (qr_term term = 1; term <= RAFT_TERM_RUNS_MAX; term++) {
		append(term);
		append(term);
	}
	assert_int_equal(raft_term_at(&group, 1), 1);
	append(RAFT_TERM_RUNS_MAX + 1);
	assert_int_equal(raft_term_at(&group, 1), 0);
	assert_int_equal(raft_term_at(&group, 2), 0);
	assert_int_equal(raft_term_at(&group, 3), 2);
	expect_as_in_the_array();
}

static void test_recovery_keeps_the_newest_runs(void **state)
{
	static struct raft_term_run runs[RAFT_TERM_RUNS_MAX * 2];

	(void)state;
	start();
	for (uint32_t i = 0; i < RAFT_TERM_RUNS_MAX * 2; i++) {
		runs[i] = (struct raft_term_run){i + 1, i + 1};
		terms[i + 1] = i + 1;
	}
	group.last = 2ull * RAFT_TERM_RUNS_MAX;
	raft_terms_init(&group, runs, RAFT_TERM_RUNS_MAX * 2);
	assert_int_equal(known_from(), RAFT_TERM_RUNS_MAX + 1);
	expect_as_in_the_array();
}

static void test_a_log_can_be_cut_to_nothing(void **state)
{
	(void)state;
	start();
	append(3);
	append(4);
	truncate_to(0);
	assert_int_equal(group.run_count, 0);
	append(2);
	expect_as_in_the_array();
}

static void test_find_at_most_is_the_last_entry_of_no_higher_term(void **state)
{
	static const qr_term log[] = {1, 1, 3, 3, 3, 4, 7, 7};

	(void)state;
	start();
	for (size_t i = 0; i < sizeof(log) / sizeof(log[0]); i++)
		append(log[i]);
	for (qr_index index = 0; index <= group.last; index++) {
		for (qr_term term = 0; term <= 8; term++) {
			qr_index expected = index;

			while (expected > 0 && terms[expected] > term)
				expected--;
			assert_int_equal(raft_terms_find_at_most(&group, index, term), expected);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_empty_log_has_no_terms),
		cmocka_unit_test(test_any_mix_of_appends_and_cuts_is_remembered),
		cmocka_unit_test(test_a_full_ring_forgets_the_oldest_run),
		cmocka_unit_test(test_recovery_keeps_the_newest_runs),
		cmocka_unit_test(test_a_log_can_be_cut_to_nothing),
		cmocka_unit_test(test_find_at_most_is_the_last_entry_of_no_higher_term),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
