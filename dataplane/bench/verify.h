/*
 * The check of a log against what its producers were told: reads the records of one log in order,
 * and holds them against the ledgers.
 *
 *   dense       offsets come one by one
 *   content     every byte of a record of this run is what its stream made
 *   order       a stream's sequences appear one by one: none missing, none twice
 *   placement   an acknowledged record is at the offset that its ack named
 *   complete    at the end, nothing acknowledged is missing
 *
 * Records that were never acknowledged may follow a stream's acknowledged ones: they were in flight
 * when the load ended. Records of others are passed over on a shared log, and a fault on one's own.
 *
 * Pure but for the memory of its ledgers.
 */
#ifndef DP_BENCH_VERIFY_H
#define DP_BENCH_VERIFY_H

#include "consensus/base/codec.h"
#include "dataplane/bench/ledger.h"

/** One producer in the log that is checked. */
struct dp_bench_stream {
	uint64_t token;
	struct qr_span pattern;		/* a record of it, as dp_bench_content_fill makes it */
	struct dp_bench_ledger *ledger; /* sorted */
	/* kept by the check */
	uint64_t next; /* sequence */
	size_t run;    /* of the ledger: the first that ends above `next` */
};

struct dp_bench_verify {
	struct dp_bench_stream *streams;
	uint32_t stream_count;
	uint32_t first_number; /* streams[i] has token number first_number + i */
	bool shared;	       /* others may append to this log too */
	qr_offset next;	       /* offset expected next */
	uint64_t verified;     /* acknowledged records compared */
	uint64_t unacked;      /* of this run, never acknowledged */
	uint64_t foreign;      /* of others */
	char problem[256];     /* the first fault, empty: none */
};

/** Begin at `start`; sorts the ledgers. @return false: a fault in the acks themselves. */
QR_MUST_USE bool dp_bench_verify_begin(struct dp_bench_verify *verify, qr_offset start);
/** The next record of the log. @return false: a fault, see `problem`; nothing more is checked. */
QR_MUST_USE bool dp_bench_verify_record(struct dp_bench_verify *verify, qr_offset offset,
					struct qr_span record);
/** The log ends here. */
QR_MUST_USE bool dp_bench_verify_end(struct dp_bench_verify *verify);

#endif
