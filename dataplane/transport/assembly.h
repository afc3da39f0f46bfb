/*
 * The receiving half of the transport: which bytes of which entries have arrived, of one group from
 * its present leader. Fragments come in any order and are placed at their final position in the log
 * window at once; this only keeps the account, so there are no reassembly buffers.
 *
 * An account per entry: contiguous bytes from its start, and a few islands behind the first hole.
 * What has no room in the account is dropped, or given up for what is nearer, and comes again.
 *
 * Pure.
 */
#ifndef DP_TRANSPORT_ASSEMBLY_H
#define DP_TRANSPORT_ASSEMBLY_H

#include "consensus/base/arena.h"
#include "consensus/base/error.h"
#include "consensus/wire/wire.h"

#define DP_ASSEMBLY_ENTRIES                                                                        \
	512		       /* entries after the tail that can be partly here; a power of two   \
				*/
#define DP_ASSEMBLY_ISLANDS 11 /* an entry's account is two cache lines */
#define DP_ASSEMBLY_ENTRY_BYTES_MIN 128u	       /* an entry's header */
#define DP_ASSEMBLY_ENTRY_BYTES_MAX (4u * 1024 * 1024) /* more is not an entry but nonsense */

struct dp_assembly;

/** An empty account of term 0: it takes nothing before the first reset. NULL while measuring. */
struct dp_assembly *dp_assembly_create(struct qr_arena *arena);

/** Forget everything; the next entry to become whole is `next`. New leader, truncation, restart. */
void dp_assembly_reset(struct dp_assembly *assembly, qr_term term, qr_index next);

/** The leader's term and the entry that is to become whole next. */
qr_term dp_assembly_term(const struct dp_assembly *assembly);
qr_index dp_assembly_next(const struct dp_assembly *assembly);

/**
 * Account for a fragment. On QR_OK the caller must place its bytes: so it checks first that the
 * entry's blocks are below its limit, and drops the fragment itself if they are not.
 *
 * Errors: QR_OK     place its bytes;
 *         QR_STALE  all of it is here already, or it is of another leader's term;
 *         QR_BUSY   too far ahead, or too many islands: drop it;
 *         QR_MALFORMED  impossible, or contradicts what the same leader said of this entry before.
 * Whatever the error: a fragment of the present leader deserves an ACK, it may be a probe.
 */
QR_MUST_USE enum qr_error dp_assembly_add(struct dp_assembly *assembly,
					  const struct wire_fragment *fragment);

/** An entry that is whole. */
struct dp_assembled {
	qr_index index;
	qr_term entry_term;
	qr_term prev_term;
	qr_block block;
	uint32_t entry_bytes;
};

/** The next entry, once whole. Errors: QR_AGAIN. */
QR_MUST_USE enum qr_error dp_assembly_head(const struct dp_assembly *assembly,
					   struct dp_assembled *ret_entry);
/** It has been accepted: on to the one after it. */
void dp_assembly_pop(struct dp_assembly *assembly);
/** It did not validate: nothing that was said of it counts, its bytes must come again. */
void dp_assembly_spoil(struct dp_assembly *assembly);

/**
 * Fill in received, received_bytes and the missing ranges (those with something behind them).
 *
 * Received counts accepted entries only: one that is whole but was not popped yet may still be
 * spoiled, and reports all its bytes but one.
 */
void dp_assembly_report(const struct dp_assembly *assembly, struct wire_ack *ack);
/** Whether there is a hole with something behind it: worth an ACK at once. */
bool dp_assembly_has_hole(const struct dp_assembly *assembly);

#endif
