/*
 * The messages between clients and nodes. Every request can be repeated without harm: an answer may
 * be lost, and the client asks again. Byte table: docs/formats/wire.md.
 */
#ifndef QR_WIRE_CLIENT_H
#define QR_WIRE_CLIENT_H

#include "consensus/wire/status.h"
#include "consensus/wire/wire.h"

#define WIRE_NAME_MAX 63    /* bytes of a log's name */
#define WIRE_TICKET_MAX 256 /* bytes of a capability ticket; empty for now */
#define WIRE_WINDOW_CHUNKS                                                                         \
	64 /* chunks of a session that can be unanswered: the answers kept for retries */

/* ---- DESCRIBE: which logs are there, and who leads them (from any node) ---- */

struct wire_describe {
	uint64_t request;
	uint32_t first; /* paging: the first partition wanted, by position */
};

/** One partition of a log. Its group runs on core `group % cores` of each replica. */
struct wire_partition {
	qr_group group;
	uint32_t partition;
	qr_node leader; /* as this node believes; 0 unknown */
	qr_nodes replicas;
	uint8_t durability; /* enum wire_durability */
	char name[WIRE_NAME_MAX + 1];
};

enum wire_durability { WIRE_DURABLE_QUORUM = 0, WIRE_DURABLE_MEMORY = 1 };

/** A node's address for clients: UDP, base port; core c listens at port + c. IPv4, host order. */
struct wire_endpoint {
	qr_node node;
	uint8_t cores;
	uint16_t port;
	uint32_t ipv4;
};

#define WIRE_DESCRIPTION_PARTITIONS 8
#define WIRE_DESCRIPTION_NODES 16

struct wire_description {
	uint64_t request;
	uint32_t total; /* partitions in all */
	uint32_t first; /* position of the first one here */
	uint32_t partition_count;
	struct wire_partition partitions[WIRE_DESCRIPTION_PARTITIONS];
	uint32_t node_count;
	struct wire_endpoint nodes[WIRE_DESCRIPTION_NODES];
};

void wire_put_describe(struct qr_writer *writer, const struct wire_describe *describe);
QR_MUST_USE enum qr_error wire_get_describe(const struct wire_message *message,
					    struct wire_describe *ret_describe);
void wire_put_description(struct qr_writer *writer, const struct wire_description *description);
QR_MUST_USE enum qr_error wire_get_description(const struct wire_message *message,
					       struct wire_description *ret_description);

/* ---- sessions ---- */

/** The nonce makes a repeated open find the session that the first one made. */
struct wire_session_open {
	uint64_t nonce[2];
	struct qr_span ticket;
};

struct wire_session_reply {
	uint64_t nonce[2];
	enum qr_error status;	/* OK, NOT_LEADER, BUSY, DENIED, UNKNOWN_GROUP */
	qr_node leader;		/* NOT_LEADER: who is; 0 unknown */
	uint32_t retry_us;	/* BUSY: not before */
	uint64_t session;	/* OK: the log index of the entry that opened it */
	uint32_t window_chunks; /* from the oldest unanswered chunk on; <= WIRE_WINDOW_CHUNKS */
	uint32_t record_max_bytes;
	uint32_t chunk_max_bytes;
};

void wire_put_session_open(struct qr_writer *writer, qr_group group,
			   const struct wire_session_open *open);
QR_MUST_USE enum qr_error wire_get_session_open(const struct wire_message *message,
						struct wire_session_open *ret_open);
void wire_put_session_reply(struct qr_writer *writer, qr_group group,
			    const struct wire_session_reply *reply);
QR_MUST_USE enum qr_error wire_get_session_reply(const struct wire_message *message,
						 struct wire_session_reply *ret_reply);

/* ---- appending ---- */

enum wire_chunk_kind {
	WIRE_CHUNK_RECORDS = 0, /* native: each record a u32 length and its bytes */
	WIRE_CHUNK_OPAQUE = 1,	/* a producer's batch, kept verbatim */
};

/*
 * CHUNK: `bulk` is bytes [offset, offset + bulk) of a chunk's body of `total_bytes`. Most chunks
 * are one datagram. Sequences count records: the next chunk starts at sequence + count.
 */
struct wire_chunk {
	uint64_t session;
	uint64_t sequence; /* of the first record, from 0 */
	uint32_t count;	   /* records */
	uint32_t crc;	   /* CRC32C of the whole body; kept with the chunk, checked by readers */
	uint64_t time_ns;  /* the client's wall clock, ns since 1970; informative */
	uint32_t total_bytes;
	uint32_t offset;
	enum wire_chunk_kind kind;
	struct qr_span bulk;
};

#define WIRE_CHUNK_BYTES 48 /* fixed fields in front of the bulk */

/** Everything but the bulk, which the caller appends last. */
void wire_put_chunk(struct qr_writer *writer, qr_group group, const struct wire_chunk *chunk);
QR_MUST_USE enum qr_error wire_get_chunk(const struct wire_message *message,
					 struct wire_chunk *ret_chunk);

#define WIRE_ANSWERS_MAX WIRE_WINDOW_CHUNKS
#define WIRE_CHUNK_REPLY_BYTES 32 /* without the answers */
#define WIRE_ANSWER_BYTES 20
#define WIRE_ANSWERS_FIT_MIN 58 /* answers that fit a datagram of WIRE_DATAGRAM_MIN */

/** The chunk that starts at `sequence` is durable on a quorum; its first record is at `offset`. */
struct wire_answer {
	uint64_t sequence;
	uint32_t count;
	qr_offset offset;
};

/*
 * CHUNK_REPLY: OK carries answers, to a retry also those of all later chunks that are committed.
 * Any other status speaks of the chunk at `sequence`: NOT_LEADER (leader; also said by a node that
 * has not read its log yet), BUSY (retry_us), GAP (expected: send again from there), EXPIRED,
 * TOO_LARGE, NO_SPACE, CHECKSUM, MALFORMED, UNKNOWN_GROUP.
 */
struct wire_chunk_reply {
	uint64_t session;
	enum qr_error status;
	qr_node leader;
	uint32_t retry_us;
	uint64_t sequence;
	uint64_t expected; /* the next sequence that the leader would append */
	uint32_t answer_count;
	struct wire_answer answers[WIRE_ANSWERS_MAX];
};

void wire_put_chunk_reply(struct qr_writer *writer, qr_group group,
			  const struct wire_chunk_reply *reply);
QR_MUST_USE enum qr_error wire_get_chunk_reply(const struct wire_message *message,
					       struct wire_chunk_reply *ret_reply);

/* ---- reading ---- */

/** Committed records from `offset`, from any replica. */
struct wire_read {
	uint64_t request;
	qr_offset offset;
	uint32_t max_bytes; /* of record bodies in the answer; at least one record comes anyway */
	uint32_t wait_ms;   /* at the end of the log: hold the request this long for new records */
};

/*
 * RECORDS: a slice of the answer. Native records come whole, as in a chunk (u32 length, bytes),
 * `count` of them from `offset`; one too large for a datagram comes in pieces: count 1,
 * piece_total its length prefix included, piece_offset where the bulk belongs. An opaque chunk
 * comes likewise in pieces, with its record count.
 */
struct wire_records {
	uint64_t request;
	enum qr_error status; /* OK, OUT_OF_RANGE, BUSY, UNKNOWN_GROUP, CORRUPT */
	qr_offset offset;
	uint32_t count;
	enum wire_chunk_kind kind;
	bool last;	      /* the answer ends here; `slices` of them in all */
	uint32_t slice;	      /* number of this slice in the answer, from 0 */
	uint32_t piece_total; /* 0: whole records */
	uint32_t piece_offset;
	qr_offset committed; /* the log's end as this replica knows it */
	struct qr_span bulk;
};

#define WIRE_RECORDS_BYTES 48

void wire_put_read(struct qr_writer *writer, qr_group group, const struct wire_read *read);
QR_MUST_USE enum qr_error wire_get_read(const struct wire_message *message,
					struct wire_read *ret_read);
/** Everything but the bulk, which the caller appends last. */
void wire_put_records(struct qr_writer *writer, qr_group group, const struct wire_records *records);
QR_MUST_USE enum qr_error wire_get_records(const struct wire_message *message,
					   struct wire_records *ret_records);

/** TAIL: the log's end, linearizable (ReadIndex, thesis §6.4). Leader only. */
struct wire_tail {
	uint64_t request;
};

struct wire_tail_reply {
	uint64_t request;
	enum qr_error status; /* OK, NOT_LEADER, BUSY, UNKNOWN_GROUP */
	qr_node leader;
	qr_offset start;
	qr_offset end; /* one past the last committed record */
};

void wire_put_tail(struct qr_writer *writer, qr_group group, const struct wire_tail *tail);
QR_MUST_USE enum qr_error wire_get_tail(const struct wire_message *message,
					struct wire_tail *ret_tail);
void wire_put_tail_reply(struct qr_writer *writer, qr_group group,
			 const struct wire_tail_reply *reply);
QR_MUST_USE enum qr_error wire_get_tail_reply(const struct wire_message *message,
					      struct wire_tail_reply *ret_reply);

#endif
