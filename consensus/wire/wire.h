/*
 * The datagram: one versioned format for peers, clients and tools, over any port.
 *
 * A datagram is a header and a sequence of messages. A message that carries bulk bytes (FRAGMENT,
 * FETCHED, CHUNK, RECORDS) is the last of its datagram. The byte table is docs/formats/wire.md.
 *
 * Validation is whole before anything is believed: length, magic, version, CRC32C of the entire
 * datagram, cluster, destination. A datagram that fails any of it changes nothing and is counted
 * under the reason. After that a message is bounds-checked, not trusted: what its numbers mean is
 * for the receiver to judge.
 *
 * The header has room for an AEAD envelope (key epoch, counter, tag), zero in version 1.
 *
 * Pure: bytes in, values out; spans borrow from the datagram.
 */
#ifndef QR_WIRE_WIRE_H
#define QR_WIRE_WIRE_H

#include "consensus/base/codec.h"
#include "consensus/base/error.h"
#include "consensus/base/types.h"

#define WIRE_MAGIC 0x31545251u /* "QRT1" */
#define WIRE_VERSION 1
#define WIRE_HEADER_BYTES 64
#define WIRE_MESSAGE_HEADER_BYTES 8
#define WIRE_DATAGRAM_MAX 65507u /* UDP over IPv4 */
#define WIRE_DATAGRAM_MIN 1280u	 /* every port carries at least this */

/** Which conversation it belongs to: a client with a node (either may be the sender), or peers. */
enum wire_source { WIRE_FROM_CLIENT = 0, WIRE_FROM_PEER = 1 };

struct wire_header {
	enum wire_source source;
	qr_node from;	      /* 0 for clients */
	qr_node to;	      /* 0: any node (discovery) */
	uint64_t cluster;     /* wire_cluster_id of the cluster's name */
	uint32_t incarnation; /* of a node: grows with every start; of a client: drawn at random */
	uint64_t counter; /* grows with every datagram of an incarnation; later the AEAD nonce */
};

enum wire_type {
	/* between peers */
	WIRE_RAFT = 1,
	WIRE_FRAGMENT = 2,
	WIRE_ACK = 3,
	WIRE_FETCH = 4,
	WIRE_FETCHED = 5,
	/* client to node, and the answers */
	WIRE_DESCRIBE = 16,
	WIRE_DESCRIPTION = 17,
	WIRE_SESSION_OPEN = 18,
	WIRE_SESSION_REPLY = 19,
	WIRE_CHUNK = 20,
	WIRE_CHUNK_REPLY = 21,
	WIRE_READ = 22,
	WIRE_RECORDS = 23,
	WIRE_TAIL = 24,
	WIRE_TAIL_REPLY = 25,
	WIRE_STATUS = 26,
	WIRE_STATUS_REPLY = 27,
};

/**
 * One decoded message. `body` is the type's fixed fields, `bulk` what follows them: both borrow
 * from the datagram.
 */
struct wire_message {
	enum wire_type type;
	qr_group group;
	struct qr_span body;
};

/* ---- datagrams ---- */

/** The id that a cluster's name stands for: CRC64 of the name, never 0. */
uint64_t wire_cluster_id(const char *name);

/** Start a datagram: leaves room for the header. `writer` then takes messages. */
void wire_begin(struct qr_writer *writer);
/**
 * Finish it: writes the header in front and the checksum over everything.
 * @return its size in bytes, 0 if the writer had failed.
 */
size_t wire_finish(struct qr_writer *writer, const struct wire_header *header);

/**
 * Finish a datagram whose last message's bulk stays where it is, for a port that sends two
 * segments: what is in `writer`, then `bulk`. The bulk is read once, for the checksum.
 * @param bulk  exactly what the last message announced.
 * @return the size in bytes of the front part, 0 if the writer had failed or the whole is too
 * large.
 */
size_t wire_finish_bulk(struct qr_writer *writer, const struct wire_header *header,
			struct qr_span bulk);

/**
 * Validate a datagram as a whole.
 * @param ret_messages  a reader over its messages, for wire_next; written only on QR_OK.
 * Errors: QR_MALFORMED, QR_VERSION, QR_CHECKSUM. Cluster and destination are the caller's to check.
 */
QR_MUST_USE enum qr_error wire_open(struct qr_span datagram, struct wire_header *ret_header,
				    struct qr_reader *ret_messages);
/**
 * The next message. Errors: QR_AGAIN at the end; QR_MALFORMED (unknown types included): drop the
 * rest.
 */
QR_MUST_USE enum qr_error wire_next(struct qr_reader *messages, struct wire_message *ret_message);

/* ---- peers ---- */

struct raft_message;

/** RAFT: every consensus message except entries, which travel as fragments. */
void wire_put_raft(struct qr_writer *writer, qr_group group, const struct raft_message *message);
/** Fills all but from and to. Errors: QR_MALFORMED. */
QR_MUST_USE enum qr_error wire_get_raft(const struct wire_message *message,
					struct raft_message *ret_raft);

/*
 * FRAGMENT: bytes [offset, offset + bulk) of the entry at `index`, and all that a receiver needs to
 * place them at once, in any order: no fragment depends on another having arrived.
 */
struct wire_fragment {
	qr_term term;	    /* of the leader that sends */
	qr_index index;	    /* of the entry */
	qr_term entry_term; /* of the entry */
	qr_term prev_term;  /* of the entry before it */
	qr_block block;	    /* where the entry starts in the log space */
	qr_index commit;
	uint32_t entry_bytes; /* header and payload, without padding */
	uint32_t offset;      /* of the bulk in the entry */
	uint64_t sent_ns;     /* the sender's clock, echoed in ACK: measures the round trip */
	struct qr_span bulk;
};

#define WIRE_FRAGMENT_BYTES 64 /* fixed fields in front of the bulk */

/** Everything but the bulk bytes, which the caller appends as the last thing of the datagram. */
void wire_put_fragment(struct qr_writer *writer, qr_group group,
		       const struct wire_fragment *fragment);
QR_MUST_USE enum qr_error wire_get_fragment(const struct wire_message *message,
					    struct wire_fragment *ret_fragment);

#define WIRE_MISSING_MAX 16

/** Bytes [from, until) of the entry at `index` have not arrived. until 0: to its end. */
struct wire_missing {
	qr_index index;
	uint32_t from;
	uint32_t until;
};

/*
 * ACK: what a follower's transport has. Consensus' own acknowledgement (durable) is RAFT's
 * APPEND_REPLY; both usually share a datagram.
 */
struct wire_ack {
	qr_term term;		 /* of the leader whose stream this is */
	qr_index received;	 /* every entry up to here is whole */
	uint32_t received_bytes; /* contiguous bytes of the entry after it */
	qr_block credit;	 /* the leader may send blocks below this position */
	uint64_t echo_ns;	 /* sent_ns of the newest fragment; 0: none since the last ACK */
	uint32_t missing_count;
	struct wire_missing missing[WIRE_MISSING_MAX];
};

void wire_put_ack(struct qr_writer *writer, qr_group group, const struct wire_ack *ack);
QR_MUST_USE enum qr_error wire_get_ack(const struct wire_message *message,
				       struct wire_ack *ret_ack);

/*
 * FETCH: a node whose disk has lost a committed entry asks a peer for bytes
 * [offset, offset + size_bytes) of it. FETCHED: some of them, or why not. Both can be lost, doubled
 * and late: whoever asks takes what he still needs, and asks again.
 *
 * OUT_OF_RANGE, and `block` is not 0: entries like that one are not kept any more, and `block` is
 * the base of a snapshot that stands for them. For that one the same is asked and answered: its
 * `index` is that of its base, and its file is entry_bytes long.
 */
#define WIRE_FETCH_SNAPSHOT UINT64_MAX /* in place of the block */

struct wire_fetch {
	qr_index index; /* of the entry */
	qr_block block; /* it begins here, or at the next stride */
	uint32_t offset;
	uint32_t size_bytes; /* at most; not 0 */
	/* Whoever has this entry has all before it, as they are committed. */
	qr_index committed_index; /* the newest that the asker knows to be; 0: of none */
	qr_term committed_term;
};

struct wire_fetched {
	qr_index index;
	qr_block block;	      /* where the entry starts in the log space, or WIRE_FETCH_SNAPSHOT */
	uint32_t entry_bytes; /* header and payload, without padding */
	uint32_t offset;      /* of the bulk in the entry */
	enum qr_error status; /* not OK: no bulk */
	struct qr_span bulk;
};

#define WIRE_FETCHED_BYTES 32 /* fixed fields in front of the bulk */

void wire_put_fetch(struct qr_writer *writer, qr_group group, const struct wire_fetch *fetch);
QR_MUST_USE enum qr_error wire_get_fetch(const struct wire_message *message,
					 struct wire_fetch *ret_fetch);
/** Everything but the bulk bytes, which the caller appends as the last thing of the datagram. */
void wire_put_fetched(struct qr_writer *writer, qr_group group, const struct wire_fetched *fetched);
QR_MUST_USE enum qr_error wire_get_fetched(const struct wire_message *message,
					   struct wire_fetched *ret_fetched);

#endif
