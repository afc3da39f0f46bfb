#include "consensus/base/prng.h"

#include "tests/unit/unit.h"

static void the_sequence_is_the_published_one(void **state)
{
	/* The authors' generator from the state {1, 2, 3, 4}. */
	static const uint64_t expected[] = {11520, 0, 1509978240, 1215971899390074240u};
	struct qr_prng prng = {.state = {1, 2, 3, 4}};

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		assert_true(qr_prng_next(&prng) == expected[i]);
}

static void the_seeding_is_splitmix64(void **state)
{
	struct qr_prng prng;

	(void)state;
	qr_prng_init(&prng, 1234567);
	assert_true(prng.state[0] == 6457827717110365317u);
	assert_true(prng.state[1] == 3203168211198807973u);
	assert_true(prng.state[2] == 9817491932198370423u);
	assert_true(prng.state[3] == 4593380528125082431u);
}

static void one_seed_gives_one_sequence(void **state)
{
	struct qr_prng a;
	struct qr_prng b;
	struct qr_prng other;
	unsigned same = 0;

	(void)state;
	qr_prng_init(&a, 0);
	qr_prng_init(&b, 0);
	qr_prng_init(&other, 1);
	for (unsigned i = 0; i < 1000; i++) {
		uint64_t value = qr_prng_next(&a);

		assert_true(value == qr_prng_next(&b));
		same += value == qr_prng_next(&other);
	}
	assert_int_equal(same, 0);
}

static void below_stays_below_and_reaches_everything(void **state)
{
	struct qr_prng prng;
	unsigned seen[10] = {0};

	(void)state;
	qr_prng_init(&prng, 42);
	for (unsigned i = 0; i < 10000; i++) {
		uint64_t value = qr_prng_below(&prng, 10);

		assert_true(value < 10);
		seen[value]++;
	}
	for (unsigned i = 0; i < 10; i++)
		assert_in_range(seen[i], 850, 1150);
	assert_true(qr_prng_below(&prng, 1) == 0);
	for (unsigned i = 0; i < 1000; i++)
		assert_true(qr_prng_below(&prng, ((uint64_t)1 << 63) + 1) <= (uint64_t)1 << 63);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_sequence_is_the_published_one),
		cmocka_unit_test(the_seeding_is_splitmix64),
		cmocka_unit_test(one_seed_gives_one_sequence),
		cmocka_unit_test(below_stays_below_and_reaches_everything),
	};

	return cmocka_run_group_tests_name("base/prng", tests, NULL, NULL);
}
