/*
 * libquorate: append to and read from the logs of a Quorate cluster.
 *
 *	struct quorate_client *client;
 *	struct quorate_producer *producer;
 *	uint64_t offset;
 *	int error;
 *
 *	error = quorate_connect(&(struct quorate_options){
 *		.endpoints = "10.0.0.1:7400,10.0.0.2:7400", .cluster = "prod"}, &client);
 *	error = quorate_producer_open(client, "events", 0, NULL, &producer);
 *	error = quorate_append_wait(producer, "hello", 5, &offset);
 *	quorate_producer_close(producer);
 *	quorate_close(client);
 *
 * A record that was acknowledged is on stable media on a quorum of the replicas. Retries inside the
 * library are exactly-once, across changes of the leader too.
 *
 * Threads: a client and everything opened from it may be used by one thread at a time; different
 * clients are independent. The library starts no threads, handles no signals and prints nothing.
 *
 * Calls return QUORATE_OK (0) or another enum quorate_error, and write outputs on QUORATE_OK only.
 * Times are in milliseconds, sizes in bytes. Memory is taken by quorate_connect, quorate_describe
 * and the open calls only.
 */
#ifndef QUORATE_H
#define QUORATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define QUORATE_API __attribute__((visibility("default")))

enum quorate_error {
	QUORATE_OK = 0,
	QUORATE_BUSY,	       /* overloaded: later */
	QUORATE_NOT_LEADER,    /* not seen by users of this library */
	QUORATE_NO_QUORUM,     /* nodes answer, but no leader could commit in time */
	QUORATE_TIMED_OUT,     /* nobody answered in time */
	QUORATE_AGAIN,	       /* the window is full: quorate_poll, then again */
	QUORATE_MALFORMED,     /* refused by the node as malformed */
	QUORATE_CHECKSUM,      /* damaged on the way, again and again */
	QUORATE_WRONG_VERSION, /* the cluster speaks another version */
	QUORATE_FOREIGN,       /* another cluster */
	QUORATE_UNKNOWN_GROUP, /* no node knows the partition any more */
	QUORATE_STALE,	       /* answered too long ago to be known: it is in the log */
	QUORATE_GAP,	       /* not seen by users of this library */
	QUORATE_EXPIRED,       /* the session has expired: open another producer */
	QUORATE_DENIED,	       /* the ticket does not permit it */
	QUORATE_TOO_LARGE,     /* the record is over the limit */
	QUORATE_OUT_OF_RANGE,  /* beyond the log's end, or given up: quorate_reader_start */
	QUORATE_CONFIG,	       /* an option or endpoint is invalid */
	QUORATE_LOCKED,
	QUORATE_NOT_FOUND, /* no such log or partition */
	QUORATE_NO_DIRECT_IO,
	QUORATE_PORT_TAKEN,
	QUORATE_UNSUPPORTED,
	QUORATE_NO_SPACE,  /* the cluster's disks are full */
	QUORATE_NO_MEMORY, /* out of memory here */
	QUORATE_IO,	   /* a system call failed here */
	QUORATE_CORRUPT,   /* stored data is damaged on every replica asked */
	QUORATE_POISONED,  /* the store failed a write */
};

/** One short sentence for a person; for any value. Any thread. */
QUORATE_API const char *quorate_strerror(int error);

/* ---- the cluster ---- */

struct quorate_client;

struct quorate_options {
	const char *endpoints; /* "host:port,host:port": any nodes, core 0's port; IPv4 */
	const char *cluster;   /* the cluster's name */
	const void *ticket;    /* capability of this client; NULL none. At most 256 bytes */
	size_t ticket_bytes;
	uint32_t datagram_bytes; /* largest one sent, 1280..65507; 0: 1452. Loopback: 16384 is
				    faster */
	uint32_t timeout_ms;	 /* bound of every blocking call and every append; 0: 30000 */
};

/**
 * Connect: ask the endpoints in turn until one describes the cluster.
 *
 * @param options  read until return.
 * Errors: CONFIG, TIMED_OUT, NO_MEMORY, IO. Blocks for at most the timeout.
 */
QUORATE_API int quorate_connect(const struct quorate_options *options,
				struct quorate_client **ret_client);
/** Close what is still open from it as well. NULL is fine. */
QUORATE_API void quorate_close(struct quorate_client *client);

struct quorate_partition {
	char log[64];
	uint32_t partition;
	uint32_t group;	   /* the consensus group behind it */
	uint64_t replicas; /* bit n: node n */
	uint8_t leader;	   /* 0: unknown */
	bool durable;	   /* false: kept in memory only, for comparison */
};

struct quorate_node {
	uint8_t node;
	uint8_t cores;
	uint16_t port; /* of core 0 */
	uint32_t ipv4; /* host order */
};

struct quorate_description {
	const struct quorate_partition *partitions;
	size_t partition_count;
	const struct quorate_node *nodes;
	size_t node_count;
};

/**
 * Ask which logs there are, where, and who leads them.
 *
 * @param ret_description  borrowed from the client until the next call or quorate_close.
 * Errors: TIMED_OUT, NO_MEMORY, IO. Blocks for at most the timeout.
 */
QUORATE_API int quorate_describe(struct quorate_client *client,
				 struct quorate_description *ret_description);

/**
 * The log's first kept offset, and one past its last committed record: linearizable, confirmed by
 * the leader with a quorum.
 * Errors: NOT_FOUND, NO_QUORUM, TIMED_OUT, IO. Blocks for at most the timeout.
 */
QUORATE_API int quorate_tail(struct quorate_client *client, const char *log, uint32_t partition,
			     uint64_t *ret_start, uint64_t *ret_end);

/**
 * Send what was appended, take what has come, call the callbacks.
 *
 * @param timeout_ms  how long to wait if nothing has come; 0: not at all; -1: no bound.
 * Returns when something came, the time is over, a timer of the client was served, or a signal
 * arrived. Errors: IO.
 */
QUORATE_API int quorate_poll(struct quorate_client *client, int timeout_ms);

/** For event loops: readable means call quorate_poll(client, 0). */
QUORATE_API int quorate_fd(const struct quorate_client *client);
/** For event loops: call quorate_poll no later than this many ms from now; -1: no bound. */
QUORATE_API int quorate_next_timeout(const struct quorate_client *client);

/* ---- appending ---- */

struct quorate_producer;

/**
 * Consecutive records are done: `count` of them, the first being number `sequence` of the producer.
 *
 * @param error  QUORATE_OK: durable on a quorum, at `offset` and on. Otherwise the producer has
 * ended, and this is its last completion: the records may or may not be in the log (TIMED_OUT,
 *               NO_QUORUM, EXPIRED, ...). They are never appended again behind the caller's back.
 * In order, each record once, from inside quorate_poll, quorate_flush and quorate_append_wait. May
 * append; may not open, close, or call anything that blocks.
 */
typedef void (*quorate_done_fn)(void *user, uint64_t sequence, uint32_t count, uint64_t offset,
				int error);

struct quorate_producer_options {
	quorate_done_fn on_done; /* NULL: none */
	void *user;
	uint32_t window_chunks; /* unanswered at most, 1..64; 0: 64 */
	uint32_t
		window_bytes; /* in flight at most; 0: 131072, what a default socket buffer holds */
	uint32_t buffer_bytes;	   /* 0: 4 MiB */
	uint32_t record_max_bytes; /* 0: 1 MiB; the cluster's limit holds besides */
};

/**
 * Open a session with a partition.
 *
 * @param options  read until return; NULL: all defaults.
 * Errors: NOT_FOUND, DENIED, NO_QUORUM, TIMED_OUT, CONFIG, NO_MEMORY, IO. Blocks for at most the
 *         timeout.
 */
QUORATE_API int quorate_producer_open(struct quorate_client *client, const char *log,
				      uint32_t partition,
				      const struct quorate_producer_options *options,
				      struct quorate_producer **ret_producer);
/** Records that are not done are given up: flush first. NULL is fine. */
QUORATE_API void quorate_producer_close(struct quorate_producer *producer);

/**
 * Append a record; copied before return, sent by the next quorate_poll or quorate_flush, together
 * with what else was appended since the last. Never blocks, makes no system call.
 *
 * @param ret_sequence  its number in this producer, from 0; NULL is fine.
 * Errors: AGAIN, TOO_LARGE: nothing was taken. Any other: the producer has ended with it.
 */
QUORATE_API int quorate_append(struct quorate_producer *producer, const void *data,
			       size_t size_bytes, uint64_t *ret_sequence);
/** Wait until everything appended is done. Errors: what ended the producer; IO. */
QUORATE_API int quorate_flush(struct quorate_producer *producer);
/** Append one record and wait for it. on_done is called for it too. Errors: of append and flush. */
QUORATE_API int quorate_append_wait(struct quorate_producer *producer, const void *data,
				    size_t size_bytes, uint64_t *ret_offset);
/** Records appended and not done. */
QUORATE_API uint64_t quorate_pending(const struct quorate_producer *producer);

/* ---- reading ---- */

struct quorate_reader;

/** Consecutive committed records; borrowed until the callback returns. */
struct quorate_batch {
	uint64_t offset; /* of the first */
	uint32_t count;
	bool opaque;	  /* one producer's batch, verbatim, that counts as `count` records */
	const void *data; /* not opaque: for quorate_batch_next */
	size_t size_bytes;
};

/**
 * The next record of a batch that is not opaque. Start with *cursor = 0.
 * @return false when there are no more. Any thread that may read the batch.
 */
QUORATE_API bool quorate_batch_next(const struct quorate_batch *batch, size_t *cursor,
				    const void **ret_data, size_t *ret_size_bytes);

/**
 * Called in order of offset, each record once, from inside quorate_poll. May append; may not open,
 * close, or call anything that blocks.
 */
typedef void (*quorate_batch_fn)(void *user, const struct quorate_batch *batch);

struct quorate_reader_options {
	uint64_t from; /* offset of the first record wanted */
	uint64_t
		until; /* one past the last; 0: the end that the replica knows when it is reached */
	bool follow;   /* never done: wait for new records */
	uint32_t record_max_bytes; /* 0: 1 MiB */
	uint32_t read_bytes;	   /* asked for at a time; 0: 131072 */
	quorate_batch_fn on_batch;
	void *user;
};

/**
 * Begin to read a partition; records come with quorate_poll.
 *
 * @param options  read until return.
 * Errors: NOT_FOUND, CONFIG, NO_MEMORY. Does not block.
 */
QUORATE_API int quorate_reader_open(struct quorate_client *client, const char *log,
				    uint32_t partition,
				    const struct quorate_reader_options *options,
				    struct quorate_reader **ret_reader);
/** NULL is fine. */
QUORATE_API void quorate_reader_close(struct quorate_reader *reader);
/** Whether it has come to its end; ret_error then says whether by an error (NULL is fine). */
QUORATE_API bool quorate_reader_done(const struct quorate_reader *reader, int *ret_error);
/**
 * After OUT_OF_RANGE: the offset of the first record that is kept, when the next one to come is
 * older than what the log's retention keeps; a new reader can begin there. 0: it lies beyond the
 * end.
 */
QUORATE_API uint64_t quorate_reader_start(const struct quorate_reader *reader);
/** The offset of the next record to come. */
QUORATE_API uint64_t quorate_reader_next(const struct quorate_reader *reader);
/** Stop and resume asking for more; a little may still come after a stop. */
QUORATE_API void quorate_reader_pause(struct quorate_reader *reader, bool paused);
/** Poll until the reader is done. Errors: what ended it; IO. Not for readers that follow. */
QUORATE_API int quorate_reader_drain(struct quorate_reader *reader);

#ifdef __cplusplus
}
#endif

#endif
