/*
 * The client's state machine: sessions, chunks in flight, exactly-once retries across leader
 *changes, reading in order. Pure: datagrams, calls and the time go in; datagrams and completions
 *come out. The sockets edge (udp.c), the benchmark's DPDK ports and the simulator drive the same
 *object.
 *
 * A turn:
 *
 *	for each datagram that came:    dp_client_receive     completions are called from here
 *	calls: dp_producer_append, ...  any number            nothing leaves yet
 *	dp_client_poll                  fills buffers of the caller with datagrams to send
 *
 * dp_client_poll ends the burst: what was appended since the last turn leaves now, as one chunk, or
 * as several when a chunk is full; while the window is full it keeps filling the next chunk. There
 *is no timer that holds a record back.
 *
 * Nodes are numbers here; where a node's core is reached is the caller's to know. Seeds are the
 * addresses that a user gave, before any node is known.
 *
 * Completions run inside receive and poll. They may append, and open and close nothing.
 *
 * Threads: one client and all that hangs on it belong to one thread.
 */
#ifndef DP_CLIENT_MACHINE_H
#define DP_CLIENT_MACHINE_H

#include "consensus/base/arena.h"
#include "consensus/base/codec.h"
#include "consensus/base/error.h"
#include "consensus/wire/client.h"

#define DP_CLIENT_PRODUCERS_MAX 256
#define DP_CLIENT_CONSUMERS_MAX 64
#define DP_CLIENT_REQUESTS_MAX 16 /* DESCRIBE, TAIL and STATUS under way at once */
#define DP_CLIENT_SEEDS_MAX 16

struct dp_client;
struct dp_producer;
struct dp_consumer;

struct dp_client_config {
	uint64_t cluster;	 /* wire_cluster_id */
	uint32_t incarnation;	 /* drawn at random by the caller */
	uint64_t random_seed;	 /* nonces and back-off; from the kernel's generator, or the
				    simulator's */
	uint32_t datagram_max;	 /* bytes, WIRE_DATAGRAM_MIN..WIRE_DATAGRAM_MAX */
	uint32_t seed_count;	 /* addresses to ask before any node is known */
	qr_ns retransmit_min_ns; /* floor of the timer that follows the round trip */
	qr_ns retransmit_max_ns;
	qr_ns backoff_min_ns; /* between asking replicas that know no leader */
	qr_ns backoff_max_ns;
};

/** 1452-byte datagrams, timers for host links: 2 ms to 500 ms, back-off 1 ms to 50 ms. */
struct dp_client_config dp_client_config_default(void);

struct dp_client_stats {
	uint64_t rx_datagrams;
	uint64_t tx_datagrams;
	uint64_t drops;	      /* foreign, damaged or unasked for */
	uint64_t retransmits; /* chunks sent again */
	uint64_t timeouts;    /* timers that ran out */
	uint64_t redirects;   /* NOT_LEADER answers */
	uint64_t busy;
	uint64_t gaps;
};

/** A buffer of the caller that poll fills: one outgoing datagram. */
struct dp_client_tx {
	uint8_t *data;
	uint32_t capacity_bytes; /* at least config.datagram_max */
	uint32_t size_bytes;	 /* set by poll */
	qr_node node;		 /* to this node's core `core`; 0: to seed number `seed` */
	uint8_t core;
	uint32_t seed;
	void *handle; /* the caller's own */
};

/** NULL when the arena only measures. */
struct dp_client *dp_client_create(struct qr_arena *arena, const struct dp_client_config *config,
				   qr_ns now_ns);
/** Tell of a node and its cores (descriptions do it by themselves). */
void dp_client_set_node(struct dp_client *client, const struct wire_endpoint *endpoint);
/** What is known of a node: `cores` is 0 if nothing. */
const struct wire_endpoint *dp_client_node(const struct dp_client *client, qr_node node);
/** Wall clock for the informative time of chunks; 0 until set. */
void dp_client_set_wall_clock(struct dp_client *client, uint64_t time_ns, qr_ns now_ns);

/** Take a datagram; borrowed until return. Whatever is wrong with it is counted, never fatal. */
void dp_client_receive(struct dp_client *client, struct qr_span datagram, qr_ns now_ns);
/** End the burst. @return how many of `tx` were filled, in order; call again while it is `max`. */
unsigned dp_client_poll(struct dp_client *client, qr_ns now_ns, struct dp_client_tx *tx,
			unsigned max);
/** When poll has something to do if nothing arrives and nothing is called; UINT64_MAX: never. */
qr_ns dp_client_next_deadline(const struct dp_client *client);
const struct dp_client_stats *dp_client_stats(const struct dp_client *client);

/* ---- producers: one session with one group ---- */

/**
 * Records sequence .. sequence + count - 1 are durable on a quorum, at offset .. on; or failed with
 * `error`: then the producer has ended, and whether they are in the log is unknown unless the error
 * says that they cannot be. Called in order of sequence, each record once.
 */
typedef void (*dp_done_fn)(void *context, uint64_t sequence, uint32_t count, qr_offset offset,
			   enum qr_error error);

struct dp_producer_config {
	qr_group group;
	qr_nodes replicas;
	qr_node leader;		/* where to begin; 0 unknown */
	uint32_t buffer_bytes;	/* chunks unanswered: at least one largest record and a chunk */
	uint32_t chunk_bytes;	/* a chunk closes at this; 0: one datagram */
	uint32_t window_chunks; /* unanswered at most, 1..WIRE_WINDOW_CHUNKS; the node may allow
				   fewer */
	uint32_t window_bytes;	/* in flight at most; adapts below this under loss. 0: no bound */
	uint32_t record_max_bytes;
	qr_ns timeout_ns;      /* for one append, retries included */
	struct qr_span ticket; /* copied; at most WIRE_TICKET_MAX */
	dp_done_fn on_done;
	void *context;
};

/** 4 MiB buffer, 64 chunks, 1 MiB records, 30 s. The group and the callback are the caller's. */
struct dp_producer_config dp_producer_config_default(void);

/**
 * Make a producer and begin to open its session; records can be appended at once.
 * @return NULL when the arena only measures, or when there are too many.
 */
struct dp_producer *dp_producer_create(struct qr_arena *arena, struct dp_client *client,
				       const struct dp_producer_config *config);
/** Forget it: what is unanswered is not completed. Its memory is the arena's. */
void dp_producer_remove(struct dp_producer *producer);

/**
 * Append a record, copied before return.
 *
 * @param ret_sequence  its number in this producer, from 0.
 * Errors: QR_AGAIN      the window or the buffer is full: poll, then again; nothing changed.
 *         QR_TOO_LARGE  over record_max_bytes or what the node allows; nothing changed.
 *         any other     the producer has ended with it (dp_producer_error).
 */
QR_MUST_USE enum qr_error dp_producer_append(struct dp_producer *producer, const void *data,
					     uint32_t size_bytes, uint64_t *ret_sequence);
/** The session is open. */
bool dp_producer_is_open(const struct dp_producer *producer);
/** QR_OK, or what ended it: TIMED_OUT, NO_QUORUM, EXPIRED, DENIED, ... */
enum qr_error dp_producer_error(const struct dp_producer *producer);
/** Records appended and not yet completed. */
uint64_t dp_producer_pending(const struct dp_producer *producer);
/** The node that it believes to lead. */
qr_node dp_producer_leader(const struct dp_producer *producer);

/* ---- consumers: one group, in order ---- */

/**
 * Consecutive committed records, in order, none twice: `count` of them from `offset`. Borrowed
 * until return. Native records are a u32 length and bytes each, checked to fill `body`; an opaque
 * chunk is verbatim.
 */
struct dp_batch {
	qr_offset offset;
	uint32_t count;
	enum wire_chunk_kind kind;
	struct qr_span body;
};

typedef void (*dp_batch_fn)(void *context, const struct dp_batch *batch);

struct dp_consumer_config {
	qr_group group;
	qr_nodes replicas;
	qr_node prefer; /* replica to begin with; 0 any */
	qr_offset from;
	qr_offset until;     /* done when reached; UINT64_MAX: when the replica's end is reached */
	bool follow;	     /* never done by itself */
	uint32_t read_bytes; /* asked for at a time */
	uint32_t wait_ms;    /* how long a replica may hold a request at the end of the log */
	uint32_t record_max_bytes; /* memory for one record in pieces */
	uint32_t reorder_slots;	   /* datagrams kept that came too early */
	qr_ns timeout_ns;	   /* without any answer */
	dp_batch_fn on_batch;
	void *context;
};

/** 128 KiB at a time, 1 MiB records, 64 slots, 30 s, from 0 to the replica's end. */
struct dp_consumer_config dp_consumer_config_default(void);

struct dp_consumer *dp_consumer_create(struct qr_arena *arena, struct dp_client *client,
				       const struct dp_consumer_config *config);
void dp_consumer_remove(struct dp_consumer *consumer);
/** The next offset to be delivered. */
qr_offset dp_consumer_next(const struct dp_consumer *consumer);
/** The log's end as the replica last said. */
qr_offset dp_consumer_committed(const struct dp_consumer *consumer);
bool dp_consumer_is_done(const struct dp_consumer *consumer);
/** QR_OK, or what ended it: OUT_OF_RANGE, CORRUPT, TOO_LARGE, TIMED_OUT, ... */
enum qr_error dp_consumer_error(const struct dp_consumer *consumer);
/**
 * After OUT_OF_RANGE: the first record that the log still has, when the next one to be delivered
 * has been given up; 0: it lies beyond the log's end.
 */
qr_offset dp_consumer_start(const struct dp_consumer *consumer);
/** Stop asking until resumed: what has been asked for may still be delivered. */
void dp_consumer_pause(struct dp_consumer *consumer, bool paused);

/* ---- single questions ---- */

/** The answer, borrowed until return; the field of its type is set when error is QR_OK. */
struct dp_answer {
	enum qr_error error; /* OK, TIMED_OUT, NO_QUORUM, UNKNOWN_GROUP */
	enum wire_type type; /* DESCRIPTION, TAIL_REPLY, STATUS_REPLY */
	qr_node from;
	union {
		struct wire_description description;
		struct wire_tail_reply tail;
		struct wire_status_reply status;
	};
};

typedef void (*dp_answer_fn)(void *context, const struct dp_answer *answer);

/** Who is asked, how long, and whom to tell. */
struct dp_question {
	qr_group group;	   /* TAIL */
	qr_nodes replicas; /* TAIL */
	qr_node node;	   /* STATUS: this node; TAIL: where to begin; DESCRIBE: 0 any */
	uint8_t core;	   /* STATUS */
	uint32_t first;	   /* DESCRIBE, STATUS: paging */
	qr_ns timeout_ns;
	dp_answer_fn on_answer;
	void *context;
};

/** Errors: QR_AGAIN  too many under way. The answer comes once, within the timeout. */
QR_MUST_USE enum qr_error dp_client_ask_describe(struct dp_client *client,
						 const struct dp_question *question);
QR_MUST_USE enum qr_error dp_client_ask_tail(struct dp_client *client,
					     const struct dp_question *question);
QR_MUST_USE enum qr_error dp_client_ask_status(struct dp_client *client,
					       const struct dp_question *question);

#endif
