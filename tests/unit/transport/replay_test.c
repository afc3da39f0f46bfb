#include "dataplane/transport/replay.h"

#include "consensus/base/prng.h"
#include "tests/unit/unit.h"

#include <string.h>

#define BITS ((uint64_t)DP_REPLAY_BITS)

static void the_first_datagram_of_a_peer_is_a_new_incarnation(void **state)
{
	struct dp_replay replay = {0};

	(void)state;
	assert_int_equal(dp_replay_check(&replay, 7, 1), DP_REPLAY_NEW_INCARNATION);
	assert_int_equal(dp_replay_check(&replay, 7, 2), DP_REPLAY_FRESH);
	assert_int_equal(dp_replay_check(&replay, 7, 1), DP_REPLAY_SEEN);
}

static void incarnation_zero_is_nobody(void **state)
{
	struct dp_replay replay = {0};

	(void)state;
	assert_int_equal(dp_replay_check(&replay, 0, 1), DP_REPLAY_SEEN);
	assert_int_equal(dp_replay_check(&replay, 0, 2), DP_REPLAY_SEEN);
	assert_int_equal(dp_replay_check(&replay, 7, 1), DP_REPLAY_NEW_INCARNATION);
	assert_int_equal(dp_replay_check(&replay, 0, 3), DP_REPLAY_SEEN);
}

static void reordering_within_the_window_is_fine_and_duplicates_are_not(void **state)
{
	struct dp_replay replay = {0};

	(void)state;
	(void)dp_replay_check(&replay, 7, 5000);
	for (uint64_t counter = 5000 - DP_REPLAY_WINDOW + 1; counter < 5000; counter++) {
		assert_int_equal(dp_replay_check(&replay, 7, counter), DP_REPLAY_FRESH);
		assert_int_equal(dp_replay_check(&replay, 7, counter), DP_REPLAY_SEEN);
	}
}

static void what_is_older_than_the_window_is_refused(void **state)
{
	struct dp_replay replay = {0};

	(void)state;
	(void)dp_replay_check(&replay, 7, 5000);
	assert_int_equal(dp_replay_check(&replay, 7, 5000 - DP_REPLAY_WINDOW), DP_REPLAY_SEEN);
	assert_int_equal(dp_replay_check(&replay, 7, 0), DP_REPLAY_SEEN);
}

static void a_leap_forgets_the_whole_window(void **state)
{
	struct dp_replay replay = {0};

	(void)state;
	for (uint64_t counter = 1; counter <= 2 * BITS; counter++)
		(void)dp_replay_check(&replay, 7, counter);
	assert_int_equal(dp_replay_check(&replay, 7, UINT64_MAX), DP_REPLAY_FRESH);
	assert_int_equal(dp_replay_check(&replay, 7, UINT64_MAX), DP_REPLAY_SEEN);
	assert_int_equal(dp_replay_check(&replay, 7, UINT64_MAX - 700), DP_REPLAY_FRESH);
	assert_int_equal(dp_replay_check(&replay, 7, UINT64_MAX - 700), DP_REPLAY_SEEN);
}

static void a_restart_begins_anew_and_the_old_life_stays_dead(void **state)
{
	struct dp_replay replay = {0};

	(void)state;
	(void)dp_replay_check(&replay, 7, 100);
	assert_int_equal(dp_replay_check(&replay, 8, 1), DP_REPLAY_NEW_INCARNATION);
	assert_int_equal(dp_replay_check(&replay, 7, 101), DP_REPLAY_SEEN);
	assert_int_equal(dp_replay_check(&replay, 8, 100), DP_REPLAY_FRESH);
	assert_int_equal(dp_replay_check(&replay, 8, 1), DP_REPLAY_SEEN);
}

/* Found by quorate-sim: two old lives in turn made the living one look like the past. */
static void no_datagram_of_any_earlier_life_mutes_the_living(void **state)
{
	struct dp_replay replay = {0};

	(void)state;
	(void)dp_replay_check(&replay, 6, 50);
	assert_int_equal(dp_replay_check(&replay, 8, 1), DP_REPLAY_NEW_INCARNATION);
	assert_int_equal(dp_replay_check(&replay, 5, 900), DP_REPLAY_SEEN);
	assert_int_equal(dp_replay_check(&replay, 7, 900), DP_REPLAY_SEEN);
	assert_int_equal(dp_replay_check(&replay, 8, 2), DP_REPLAY_FRESH);
}

static bool taken[200000];

static void run_seed(uint64_t seed)
{
	struct dp_replay replay = {0};
	struct qr_prng prng;
	uint64_t next = 1;
	uint64_t highest = 0;

	memset(taken, 0, sizeof(taken));
	qr_prng_init(&prng, seed);
	for (unsigned step = 0; step < 2000; step++) {
		uint64_t back = qr_prng_below(&prng, 2 * BITS);
		uint64_t counter = next;
		bool fresh;

		if (qr_prng_below(&prng, 2) == 0 && back < next) {
			counter = next - back;
		} else {
			next += 1 + qr_prng_below(&prng, 90);
		}
		fresh = !taken[counter] && counter + DP_REPLAY_WINDOW > highest;
		if ((dp_replay_check(&replay, 7, counter) != DP_REPLAY_SEEN) != fresh) {
			fail_msg("seed %lu step %u counter %lu", (unsigned long)seed, step,
				 (unsigned long)counter);
		}
		taken[counter] = true;
		highest = counter > highest ? counter : highest;
	}
}

/* Any order of counters: none is taken twice, and none of the window is refused once. */
static void random_orders_against_a_plain_set(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 200; seed++)
		run_seed(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_datagram_of_a_peer_is_a_new_incarnation),
		cmocka_unit_test(incarnation_zero_is_nobody),
		cmocka_unit_test(reordering_within_the_window_is_fine_and_duplicates_are_not),
		cmocka_unit_test(what_is_older_than_the_window_is_refused),
		cmocka_unit_test(a_leap_forgets_the_whole_window),
		cmocka_unit_test(a_restart_begins_anew_and_the_old_life_stays_dead),
		cmocka_unit_test(no_datagram_of_any_earlier_life_mutes_the_living),
		cmocka_unit_test(random_orders_against_a_plain_set),
	};

	return cmocka_run_group_tests_name("transport/replay", tests, NULL, NULL);
}
