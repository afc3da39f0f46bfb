/*
 * Log-linear buckets. Values below 16 have a bucket each; above, the bucket is the position of the
 * highest bit and the 4 bits after it. So bucket bounds are never stored, only computed.
 *
 * Single writer: an update is a relaxed load and a relaxed store, no locked instruction. Readers
 * may see a sample in `count` before its bucket or the other way round; a quantile therefore counts
 * the buckets itself.
 */
#include "consensus/base/histogram.h"

#include "consensus/base/assert.h"

#define STEPS (1u << QR_HISTOGRAM_STEP_BITS)

static uint64_t get(const uint64_t *cell)
{
	return __atomic_load_n(cell, __ATOMIC_RELAXED);
}

static void set(uint64_t *cell, uint64_t value)
{
	__atomic_store_n(cell, value, __ATOMIC_RELAXED);
}

static void add(uint64_t *cell, uint64_t amount)
{
	set(cell, get(cell) + amount);
}

static unsigned bucket_of(qr_ns value)
{
	unsigned top;
	unsigned shift;

	if (value < STEPS)
		return (unsigned)value;
	if (value >> QR_HISTOGRAM_TOP_BITS != 0)
		return QR_HISTOGRAM_BUCKETS - 1;

	top = 63u - (unsigned)__builtin_clzll(value);
	shift = top - QR_HISTOGRAM_STEP_BITS;
	return ((shift + 1) << QR_HISTOGRAM_STEP_BITS) + (unsigned)(value >> shift & (STEPS - 1));
}

/** The highest value that falls into the bucket. */
static qr_ns bucket_bound(unsigned bucket)
{
	unsigned shift;

	if (bucket < STEPS)
		return bucket;
	shift = (bucket >> QR_HISTOGRAM_STEP_BITS) - 1;
	return (((qr_ns)STEPS + (bucket & (STEPS - 1)) + 1) << shift) - 1;
}

void qr_histogram_record(struct qr_histogram *histogram, qr_ns value)
{
	qr_histogram_record_many(histogram, value, 1);
}

void qr_histogram_record_many(struct qr_histogram *histogram, qr_ns value, uint64_t count)
{
	unsigned bucket = bucket_of(value);

	QR_ASSERT(bucket < QR_HISTOGRAM_BUCKETS);

	if (count == 0)
		return;
	if (value > histogram->max_ns)
		set(&histogram->max_ns, value);
	add(&histogram->buckets[bucket], count);
	add(&histogram->sum_ns, value * count);
	add(&histogram->count, count);
}

qr_ns qr_histogram_quantile(const struct qr_histogram *histogram, double quantile)
{
	qr_ns max_ns = get(&histogram->max_ns);
	uint64_t total = 0;
	uint64_t seen = 0;
	double wanted;

	QR_ASSERT(quantile >= 0.0 && quantile <= 1.0);

	for (unsigned i = 0; i < QR_HISTOGRAM_BUCKETS; i++)
		total += get(&histogram->buckets[i]);
	wanted = quantile * (double)total;
	for (unsigned i = 0; i + 1 < QR_HISTOGRAM_BUCKETS; i++) {
		seen += get(&histogram->buckets[i]);
		if (seen != 0 && (double)seen >= wanted) {
			qr_ns bound = bucket_bound(i);

			return bound < max_ns ? bound : max_ns;
		}
	}
	return max_ns; /* none, or in the open-ended last bucket */
}

void qr_histogram_merge(struct qr_histogram *into, const struct qr_histogram *from)
{
	qr_ns max_ns = get(&from->max_ns);

	QR_ASSERT(into != from);

	if (max_ns > into->max_ns)
		set(&into->max_ns, max_ns);
	for (unsigned i = 0; i < QR_HISTOGRAM_BUCKETS; i++)
		add(&into->buckets[i], get(&from->buckets[i]));
	add(&into->sum_ns, get(&from->sum_ns));
	add(&into->count, get(&from->count));
}

void qr_histogram_reset(struct qr_histogram *histogram)
{
	set(&histogram->count, 0);
	set(&histogram->sum_ns, 0);
	set(&histogram->max_ns, 0);
	for (unsigned i = 0; i < QR_HISTOGRAM_BUCKETS; i++)
		set(&histogram->buckets[i], 0);
}
