/*
 * The parts of the client's state machine as its own files see them. Not for users.
 */
#ifndef DP_CLIENT_INTERNAL_H
#define DP_CLIENT_INTERNAL_H

#include "consensus/base/assert.h"
#include "consensus/base/prng.h"
#include "dataplane/client/machine.h"
#include "dataplane/client/route.h"

#define DP_NEVER UINT64_MAX
#define DP_PREFIX_BYTES 4 /* a record's length */
#define DP_CHUNK_OVERHEAD (WIRE_HEADER_BYTES + WIRE_MESSAGE_HEADER_BYTES + WIRE_CHUNK_BYTES)
#define DP_CHUNK_SLOTS                                                                             \
	128 /* a power of two above the largest window and the chunk being filled                  \
	     */

_Static_assert((DP_CHUNK_SLOTS & (DP_CHUNK_SLOTS - 1)) == 0, "slots are found by masking");
_Static_assert(DP_CHUNK_SLOTS > WIRE_WINDOW_CHUNKS, "a slot for each chunk of the window");

enum dp_producer_state { DP_PRODUCER_OPENING, DP_PRODUCER_OPEN, DP_PRODUCER_ENDED };

/** A closed chunk: immutable until it is answered. Its body lies in the producer's ring. */
struct dp_chunk {
	uint64_t sequence;
	uint32_t count;
	uint32_t start; /* in the ring */
	uint32_t body_bytes;
	uint32_t crc;
	uint64_t bytes_until; /* bodies of all chunks up to the end of this one */
	uint64_t time_ns;     /* wall clock */
	qr_ns opened_ns;
	qr_ns sent_ns; /* last */
	uint32_t sends;
	bool answered;
	qr_offset offset;
};

/*
 * Chunks are numbered. first <= next <= closed:
 *   first .. next-1    sent, not completed
 *   next .. closed-1   closed, to be sent (again)
 * and one chunk may be open, being filled.
 */
struct dp_producer {
	/* the fast path: one cache line */
	uint8_t *open_at; /* where the next record goes */
	uint32_t open_room;
	uint32_t open_count;
	uint64_t next_sequence;
	qr_ns open_ns;
	uint8_t *open_start;
	struct dp_client *client;

	enum dp_producer_state state;
	enum qr_error error;
	struct dp_producer_config config;
	struct dp_route route;
	uint64_t nonce[2];
	uint64_t session;
	uint8_t ticket[WIRE_TICKET_MAX];
	qr_ns created_ns; /* 0 until the first turn */
	qr_ns asked_ns;	  /* for the session, last */

	uint8_t *ring;
	uint32_t ring_bytes;
	uint32_t ring_head; /* where the open chunk lies, or the next one will */

	uint64_t first;
	uint64_t next;
	uint64_t closed;
	uint64_t stamped; /* chunks below it know when their time began */
	uint64_t completed_sequence;
	uint64_t bytes_closed;
	uint32_t window_chunks;
	uint32_t allowed_bytes; /* in flight, adapts */
	uint32_t piece_at;	/* of chunk `next`: bytes that have been sent */
	uint32_t burst_bytes;	/* of pieces since the last pause */
	qr_ns pace_until;
	uint64_t expected; /* by the target, the highest that it named */
	uint64_t mended;   /* the gap in front of which the window was sent again last */
	qr_ns gap_until;   /* its reports may come until then */
	struct dp_chunk chunks[DP_CHUNK_SLOTS];
};

/** A slice that came too early. */
struct dp_early {
	bool used;
	struct wire_records records; /* its bulk: `data` */
	uint8_t *data;
};

struct dp_consumer {
	struct dp_client *client;
	struct dp_consumer_config config;
	struct dp_route route;
	uint32_t slot;
	uint64_t serial_first; /* of the first request of this consumer */
	uint64_t request;      /* the current one; 0 none */
	qr_ns asked_ns;
	qr_ns heard_ns;
	uint32_t refusals; /* by replicas in a row */
	bool first_slice;  /* of the current request is still to come */
	bool progressed;   /* the current request delivered something */
	bool last_known;   /* where the current answer ends */
	qr_offset last_end;

	qr_offset next;
	qr_offset committed;
	qr_offset start; /* that a refusal named; 0 none */
	bool paused;
	bool done;
	enum qr_error error;

	uint8_t *piece; /* the record at `next`, when it comes in pieces */
	uint32_t piece_total;
	uint32_t piece_filled;
	uint32_t early_count;
	struct dp_early *early;
};

struct dp_pending {
	bool used;
	enum wire_type type; /* of the question */
	uint64_t request;
	struct dp_question question;
	struct dp_route route;
	qr_ns deadline_ns;
	uint32_t cursor; /* DESCRIBE: whom to ask next */
	bool waiting;
};

struct dp_client {
	struct dp_client_config config;
	qr_ns now_ns;
	uint64_t wall_ns; /* at wall_at_ns */
	qr_ns wall_at_ns;
	uint64_t counter;
	uint64_t serial;
	struct qr_prng prng;
	struct dp_client_stats stats;

	uint32_t producer_count;
	uint32_t producer_first; /* who is served first, for fairness */
	struct dp_producer *producers[DP_CLIENT_PRODUCERS_MAX];
	struct dp_consumer *consumers[DP_CLIENT_CONSUMERS_MAX];
	struct dp_pending pending[DP_CLIENT_REQUESTS_MAX];
	struct wire_endpoint nodes[QR_NODE_MAX + 1];

	/* decoded messages: too large for every stack */
	struct wire_chunk_reply chunk_reply;
	struct dp_answer answer;
};

/** One call of poll: the caller's buffers, and how many are filled. */
struct dp_client_turn {
	struct dp_client *client;
	qr_ns now_ns;
	struct dp_client_tx *tx;
	unsigned count;
	unsigned max;
};

/** The next buffer with a datagram begun in it; NULL when there is none. */
struct dp_client_tx *dp_client_turn_begin(struct dp_client_turn *turn,
					  struct qr_writer *ret_writer);
/** Finish it, to a core of a node. */
void dp_client_turn_send(struct dp_client_turn *turn, struct dp_client_tx *tx,
			 struct qr_writer *writer, qr_node node, uint8_t core);

static inline bool dp_client_turn_is_full(const struct dp_client_turn *turn)
{
	return turn->count == turn->max;
}

static inline struct dp_chunk *dp_producer_chunk(struct dp_producer *producer, uint64_t number)
{
	return &producer->chunks[number & (DP_CHUNK_SLOTS - 1)];
}

/* producer.c */
bool dp_producer_close_chunk(struct dp_producer *producer);
void dp_producer_complete(struct dp_producer *producer);
void dp_producer_end(struct dp_producer *producer, enum qr_error error);
/* send.c */
void dp_producer_poll(struct dp_producer *producer, struct dp_client_turn *turn);
qr_ns dp_producer_deadline(const struct dp_producer *producer);
void dp_producer_rewind(struct dp_producer *producer, uint64_t number, bool lost);
/* reply.c */
void dp_producer_opened(struct dp_producer *producer, qr_node from,
			const struct wire_session_reply *reply);
void dp_producer_replied(struct dp_producer *producer, qr_node from,
			 const struct wire_chunk_reply *reply);
/* consumer.c, slice.c */
void dp_consumer_poll(struct dp_consumer *consumer, struct dp_client_turn *turn);
qr_ns dp_consumer_deadline(const struct dp_consumer *consumer);
void dp_consumer_received(struct dp_consumer *consumer, qr_node from,
			  const struct wire_records *records);
void dp_consumer_take(struct dp_consumer *consumer, const struct wire_records *records);
void dp_consumer_end(struct dp_consumer *consumer, enum qr_error error);
/* question.c */
void dp_pending_poll(struct dp_pending *pending, struct dp_client_turn *turn);
qr_ns dp_pending_deadline(const struct dp_pending *pending);
/** A message that answers a question, or claims to. */
enum qr_error dp_client_answered(struct dp_client *client, qr_node from,
				 const struct wire_message *message);

#endif
