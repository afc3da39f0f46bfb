/*
 * A bare producer for the simulated world: one session on one group, a window of chunks, retries
 * until answered. It speaks the wire protocol by hand, so that nodes are tested against the
 * documented messages and not against our own client library.
 *
 * Record n of a producer holds its number and the producer's, so that the log can be checked
 * against what was acknowledged.
 */
#ifndef QR_TEST_SIM_PRODUCER_H
#define QR_TEST_SIM_PRODUCER_H

#include "tests/sim/old_world.h"

#define PRODUCER_WINDOW 8
#define PRODUCER_RECORDS_MAX 65536

struct producer_chunk {
	uint64_t sequence;
	uint32_t count;
	qr_ns sent_ns;
};

struct producer {
	struct world *world;
	uint32_t number;
	qr_group group;
	uint64_t session; /* 0: not open */
	bool expired;
	qr_node target;
	uint64_t counter;
	qr_ns asked_ns;
	qr_ns heard_ns;
	qr_ns retry_ns;
	uint32_t record_bytes; /* at least 16 */
	uint32_t records_per_chunk;
	uint64_t next; /* sequence of the next new chunk */
	uint64_t stop; /* no records from here on */
	uint32_t window;
	struct producer_chunk chunks[PRODUCER_WINDOW];
	uint64_t acked;
	qr_offset offsets[PRODUCER_RECORDS_MAX]; /* by sequence; UINT64_MAX: not acked */
};

void producer_init(struct producer *producer, struct world *world, uint32_t number, qr_group group);
/** Send what is due. */
void producer_step(struct producer *producer);
/** A datagram for this producer. */
void producer_receive(struct producer *producer, struct qr_span datagram, struct dp_address from);

#endif
