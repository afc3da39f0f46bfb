/*
 * Log-linear histogram of durations: 16 linear steps per power of two, so a quantile is at most
 * 6.25 % too high; 0 to 2^40 ns (18 minutes), above counts in the last bucket.
 *
 * One writer; any number of readers at any time (relaxed loads: a reader may see a sum that lags
 * the buckets by one sample). Recording is a handful of instructions and never a lock.
 */
#ifndef QR_BASE_HISTOGRAM_H
#define QR_BASE_HISTOGRAM_H

#include "consensus/base/types.h"

#define QR_HISTOGRAM_STEP_BITS 4
#define QR_HISTOGRAM_TOP_BITS 40
#define QR_HISTOGRAM_BUCKETS                                                                       \
	((QR_HISTOGRAM_TOP_BITS - QR_HISTOGRAM_STEP_BITS + 1) << QR_HISTOGRAM_STEP_BITS)

struct qr_histogram {
	uint64_t count;
	uint64_t sum_ns;
	uint64_t max_ns;
	uint64_t buckets[QR_HISTOGRAM_BUCKETS];
};

void qr_histogram_record(struct qr_histogram *histogram, qr_ns value);
/** Record `count` samples of one value: what a batch of records that share their times needs. */
void qr_histogram_record_many(struct qr_histogram *histogram, qr_ns value, uint64_t count);
/** The smallest bucket bound that at least `quantile` (0..1) of the samples do not exceed, in ns.
 */
qr_ns qr_histogram_quantile(const struct qr_histogram *histogram, double quantile);
/** Add `from` to `into`; both of one thread, or `from` of another that still writes. */
void qr_histogram_merge(struct qr_histogram *into, const struct qr_histogram *from);
void qr_histogram_reset(struct qr_histogram *histogram);

#endif
