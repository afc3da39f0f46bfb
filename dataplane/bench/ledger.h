/*
 * What was acknowledged: per stream, which sequences went to which offsets. Acks that continue each
 * other are one run, so a stream that is alone in its log needs a single one.
 *
 * The memory is reserved at init and touched as it is used: adding never allocates.
 *
 * Threads: one at a time.
 */
#ifndef DP_BENCH_LEDGER_H
#define DP_BENCH_LEDGER_H

#include "consensus/base/error.h"
#include "consensus/base/types.h"

struct dp_bench_acks {
	uint64_t sequence;
	uint64_t count;
	qr_offset offset; /* of the record `sequence` */
};

struct dp_bench_ledger {
	struct dp_bench_acks *runs;
	size_t run_count;
	size_t capacity;
	uint64_t records;
	bool overflowed; /* an ack found no room: the run cannot be verified */
};

/** Errors: QR_NO_MEMORY. */
QR_MUST_USE enum qr_error dp_bench_ledger_init(struct dp_bench_ledger *ledger, size_t capacity);
void dp_bench_ledger_fini(struct dp_bench_ledger *ledger);

/** Records sequence.. sequence + count - 1 are durable at offset..; count > 0. */
void dp_bench_ledger_add(struct dp_bench_ledger *ledger, uint64_t sequence, uint64_t count,
			 qr_offset offset);
/**
 * Order by sequence: acks may have come in any order.
 * @return false if a sequence was acknowledged twice; ret_twice then tells which.
 */
QR_MUST_USE bool dp_bench_ledger_sort(struct dp_bench_ledger *ledger, uint64_t *ret_twice);

#endif
