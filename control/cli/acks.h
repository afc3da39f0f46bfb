/*
 * `append --acks`: a line on standard output for every acknowledgement, as it comes. One is of the
 * records that travelled together, as a chunk: they took effect at once, at consecutive offsets.
 */
#ifndef CTL_CLI_ACKS_H
#define CTL_CLI_ACKS_H

#include "consensus/base/types.h"

/** Records handed to the client: those below `end` and not below the burst before. */
struct ctl_acks_burst {
	uint64_t end;
	qr_ns at;
};

struct ctl_acks {
	bool json;
	uint64_t sent;
	uint64_t answered;
	struct ctl_acks_burst *bursts; /* unanswered ones: [head, count) */
	size_t capacity;
	size_t head;
	size_t count;
};

/** Zeroed is fine to begin with. */
void ctl_acks_fini(struct ctl_acks *acks);
/** A record is about to be handed to the client. */
void ctl_acks_sent(struct ctl_acks *acks, qr_ns now);
/** The next `count` records are durable from `offset` on: print it. */
void ctl_acks_done(struct ctl_acks *acks, uint64_t count, qr_offset offset, qr_ns now);
/** Make what was printed seen. @return false: nobody reads it any more. */
bool ctl_acks_flush(void);

#endif
