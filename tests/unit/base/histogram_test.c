#include "consensus/base/histogram.h"
#include "consensus/base/prng.h"

#include "tests/unit/unit.h"

static struct qr_histogram histogram;
static struct qr_histogram other;

static int reset(void **state)
{
	(void)state;
	qr_histogram_reset(&histogram);
	qr_histogram_reset(&other);
	return 0;
}

static void an_empty_one_answers_zero(void **state)
{
	(void)state;
	assert_true(qr_histogram_quantile(&histogram, 0.5) == 0);
	assert_true(qr_histogram_quantile(&histogram, 1.0) == 0);
}

static void small_values_are_exact(void **state)
{
	(void)state;
	for (qr_ns value = 1; value <= 10; value++)
		qr_histogram_record(&histogram, value);
	assert_true(histogram.count == 10);
	assert_true(histogram.sum_ns == 55);
	assert_true(histogram.max_ns == 10);
	assert_true(qr_histogram_quantile(&histogram, 0.0) == 1);
	assert_true(qr_histogram_quantile(&histogram, 0.5) == 5);
	assert_true(qr_histogram_quantile(&histogram, 1.0) == 10);
}

static void a_quantile_is_never_low_and_at_most_a_sixteenth_high(void **state)
{
	struct qr_prng prng;

	(void)state;
	qr_prng_init(&prng, 7);
	for (unsigned i = 0; i < 20000; i++) {
		qr_ns value = qr_prng_next(&prng) >> (24 + qr_prng_below(&prng, 40));
		qr_ns found;

		qr_histogram_reset(&histogram);
		qr_histogram_record(&histogram, value);
		qr_histogram_record(&histogram, ((qr_ns)1 << 40) - 1); /* so max does not help */
		found = qr_histogram_quantile(&histogram, 0.5);
		assert_true(found >= value);
		assert_true(found - value <= value / 16);
	}
}

static void what_is_too_long_counts_in_the_last_bucket(void **state)
{
	(void)state;
	qr_histogram_record(&histogram, (qr_ns)1 << 50);
	assert_true(histogram.buckets[QR_HISTOGRAM_BUCKETS - 1] == 1);
	assert_true(qr_histogram_quantile(&histogram, 0.5) == (qr_ns)1 << 50);
}

static void many_samples_of_one_value_count_as_many(void **state)
{
	(void)state;
	qr_histogram_record_many(&histogram, 1000, 500);
	qr_histogram_record_many(&histogram, 5, 0);
	qr_histogram_record(&histogram, 7);
	assert_true(histogram.count == 501);
	assert_true(histogram.sum_ns == 500007);
	assert_true(qr_histogram_quantile(&histogram, 0.001) == 7);
	assert_true(qr_histogram_quantile(&histogram, 0.5) == 1000);
}

static void merging_adds_everything(void **state)
{
	(void)state;
	qr_histogram_record_many(&histogram, 10, 3);
	qr_histogram_record_many(&other, 100, 5);
	qr_histogram_merge(&histogram, &other);
	assert_true(histogram.count == 8);
	assert_true(histogram.sum_ns == 530);
	assert_true(histogram.max_ns == 100);
	assert_true(other.count == 5);
	assert_true(qr_histogram_quantile(&histogram, 0.3) == 10);
	assert_true(qr_histogram_quantile(&histogram, 0.9) == 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(an_empty_one_answers_zero, reset),
		cmocka_unit_test_setup(small_values_are_exact, reset),
		cmocka_unit_test_setup(a_quantile_is_never_low_and_at_most_a_sixteenth_high, reset),
		cmocka_unit_test_setup(what_is_too_long_counts_in_the_last_bucket, reset),
		cmocka_unit_test_setup(many_samples_of_one_value_count_as_many, reset),
		cmocka_unit_test_setup(merging_adds_everything, reset),
	};

	return cmocka_run_group_tests_name("base/histogram", tests, NULL, NULL);
}
