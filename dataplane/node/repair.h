/*
 * What a replication core holds for disks that have lost something, its own and its peers': entries
 * and snapshots on their way. The functions of transfer.c are here, the others in internal.h.
 */
#ifndef DP_NODE_REPAIR_H
#define DP_NODE_REPAIR_H

#include "dataplane/node/core.h"
#include "storage/engine/recover.h"

#define DP_FETCH_BYTES (64u << 10) /* asked for at a time */
#define DP_PATIENCE_TIMES 8	   /* of the retransmission floor: then it is asked for again */

struct dp_core;
struct dp_group;
struct wire_fetch;
struct wire_fetched;
struct dp_reader;

/** Bytes that a peer gives, piece by piece: transfer.c. */
struct dp_transfer {
	qr_node peer;  /* that is being asked; 0: nobody yet */
	uint32_t asks; /* since it last answered */
	qr_block block;
	uint32_t size_bytes;	 /* of all of it, as its first piece says */
	uint32_t received_bytes; /* without a hole */
	uint32_t until_bytes;	 /* what was asked for ends here */
	qr_ns at_ns;		 /* of the next request */
};

/** Of nothing so far; to be asked for now. */
void dp_transfer_begin(const struct dp_core *core, struct dp_transfer *transfer, qr_node peer);
/** Ask for the next piece of what `fetch` names. @return false: no buffer is left. */
bool dp_transfer_ask(struct dp_core *core, struct dp_transfer *transfer,
		     const struct dp_group *group, struct wire_fetch fetch);
/** A piece, to its place in `memory`. Errors: QR_AGAIN  more is to come; QR_STALE  not of this. */
QR_MUST_USE enum qr_error dp_transfer_take(const struct dp_core *core, struct dp_transfer *transfer,
					   const struct wire_fetched *fetched, uint8_t *memory,
					   size_t memory_bytes);

/** A peer's request for an entry that its disk has lost. */
struct dp_fetch {
	struct dp_group *group; /* NULL: none */
	qr_index index;
	qr_block block;	 /* where the peer looked for it */
	uint32_t offset; /* of what is sent next */
	uint32_t left_bytes;
	struct dp_reader *reader;
};

/** A piece of a snapshot's file, for a peer. */
struct dp_piece {
	struct store_snapshot_buffer buffer;
	struct dp_group *group;
	qr_index index; /* of the base; 0: it holds nothing */
	uint32_t at_bytes;
	uint32_t size_bytes;
	uint32_t file_bytes;
	bool reading;
};

/** An entry that this node's disk has lost. */
struct dp_repair {
	uint8_t *bytes;
	uint32_t bytes_max;
	struct dp_group *group; /* NULL: nothing is being repaired */
	struct store_missing missing;
	struct dp_transfer transfer;
	qr_nodes asked; /* so far */
	bool writing;	/* it is here, and on its way to the disk */
	bool unfit;	/* somebody gave an entry that does not follow what is here */
	bool unheard;	/* somebody may have it, and did not say so */
};

/** A snapshot that a leader gives. */
struct dp_install {
	struct dp_group *group; /* NULL: none */
	qr_index index;		/* of its base */
	struct dp_transfer transfer;
	bool writing; /* it is here, and on its way to the disk */
};

/** The reading of everything: slowly and for ever, or now, because somebody asked. */
struct dp_scrub {
	uint32_t position; /* of the group */
	qr_index index;	   /* the next entry */
	bool resumes;	   /* at `from`: it was damaged */
	struct store_missing from;
	qr_ns at_ns; /* of the next piece */
	bool waits;  /* for the disk, or for a repair: those wake it */
	struct dp_reader *reader;

	/* the pass that was asked for last */
	struct dp_scrub_request asked;
	bool asked_runs;
	uint32_t left;		/* groups that it has not done with */
	uint32_t unready;	/* of them, one after the other, so many could not be read */
	qr_ns unready_until_ns; /* so long they are waited for; 0: one was read since */
	qr_index damaged_index; /* found last, and neither repaired nor lost yet; 0: none */
	uint32_t tries;		/* to have it repaired, that failed */
	qr_ns unheard_until_ns; /* so long members that say nothing are asked again; 0: all did */
};

#endif
