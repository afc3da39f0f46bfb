/*
 * A cluster of three as a client sees it, and the network in between, without either: one log that
 * all nodes share, one of them leading, datagrams that are lost, doubled and delayed at will. It
 * obeys the contract of consensus/wire/client.h and nothing more.
 */
#ifndef QR_TESTS_UNIT_CLIENT_FAKE_H
#define QR_TESTS_UNIT_CLIENT_FAKE_H

#include "consensus/base/prng.h"
#include "dataplane/client/machine.h"

#define FAKE_NODES 3
#define FAKE_GROUP 5u
#define FAKE_CLUSTER 0xc1u
#define FAKE_RECORDS_MAX 60000
#define FAKE_LOG_BYTES (32u << 20)
#define FAKE_CHUNKS_MAX 20000
#define FAKE_SESSIONS_MAX 4
#define FAKE_PACKETS_MAX 8192
#define FAKE_PARTS_BYTES (2u << 20)

struct fake_packet {
	qr_ns due_ns;
	qr_node node;
	bool to_client;
	uint8_t core;
	uint32_t size_bytes;
	uint8_t *data;
};

struct fake_session {
	uint64_t nonce[2];
	uint64_t id;
	bool expired;
	uint64_t expected;  /* appended */
	uint64_t committed; /* sequences below it */
};

struct fake_chunk {
	uint32_t session;
	uint64_t sequence;
	uint32_t count;
	qr_offset offset;
};

struct fake_record {
	uint8_t *data;
	uint32_t size_bytes;
};

struct fake {
	struct dp_client *client;
	qr_ns now_ns;
	struct qr_prng prng;

	/* the network */
	unsigned loss_percent;
	unsigned double_percent;
	qr_ns delay_min_ns;
	qr_ns delay_max_ns;
	bool node_down[FAKE_NODES + 1];
	bool node_busy[FAKE_NODES + 1]; /* for reads */
	uint32_t datagram_max;
	uint32_t packet_count;
	struct fake_packet packets[FAKE_PACKETS_MAX];

	/* the cluster */
	qr_node leader; /* 0: none */
	qr_node hint;	/* what the others say; 0: they do not know */
	bool hold_commits;
	unsigned busy_left;	   /* chunks and opens to refuse with BUSY */
	enum qr_error refuse_with; /* chunks, once */
	uint32_t record_max_bytes;
	uint32_t window_chunks;
	uint32_t session_count;
	struct fake_session sessions[FAKE_SESSIONS_MAX];
	uint32_t chunk_count;
	struct fake_chunk chunks[FAKE_CHUNKS_MAX];
	uint32_t committed_chunks;
	uint32_t record_count;
	uint32_t committed_records;
	struct fake_record records[FAKE_RECORDS_MAX];
	uint8_t *log;
	uint32_t log_bytes;
	qr_offset start;	      /* first record kept */
	uint32_t lag[FAKE_NODES + 1]; /* records that a node does not know to be committed */
	uint8_t *parts;
	uint64_t parts_sequence;
	uint32_t parts_bytes;
	uint8_t parts_seen[FAKE_PARTS_BYTES / 512];

	/* what was seen */
	uint64_t last_read_request;
	unsigned appended_twice; /* chunks that came again after they were taken */
	unsigned received[FAKE_NODES + 1];
	unsigned largest_window; /* chunks appended and not committed, at most */
};

/** Make a cluster whose node 1 leads, and a client that knows it. */
struct fake *fake_create(uint64_t seed, uint32_t datagram_max);
void fake_destroy(struct fake *fake);

struct dp_producer *fake_producer(struct fake *fake, const struct dp_producer_config *config);
struct dp_consumer *fake_consumer(struct fake *fake, const struct dp_consumer_config *config);
/** A producer's and a consumer's configuration for the log of this cluster. */
struct dp_producer_config fake_producer_config(dp_done_fn on_done, void *context);
struct dp_consumer_config fake_consumer_config(dp_batch_fn on_batch, void *context);

/** One step: the client's turn, and the clock to whatever comes next, `limit_ns` at most. */
void fake_step(struct fake *fake, qr_ns limit_ns);
/** Steps until `for_ns` have passed. */
void fake_run(struct fake *fake, qr_ns for_ns);
/** Commit what was appended, and answer. */
void fake_commit(struct fake *fake);
/** Leadership moves; what was not committed is lost. */
void fake_elect(struct fake *fake, qr_node leader);
/** Put a committed record into the log. */
void fake_put(struct fake *fake, const void *data, uint32_t size_bytes);
/** Give the client a datagram with one message of a node, as it is. */
void fake_deliver(struct fake *fake, const uint8_t *data, size_t size_bytes);

#endif
