/*
 * The entry: what a log is made of, on disk, in memory and on the wire alike.
 *
 * An entry takes whole blocks and starts on a block boundary: a 128-byte header, the payload, zeros
 * to the end of its last block (the padding is part of the replicated layout). Its header binds it
 * to one place: cluster, group, index, term, block, and the chain digest of its predecessor's
 * header; so a stale, torn, misdirected or foreign block never validates. The byte table is
 * docs/formats/log.md.
 *
 * Pure: encode, decode, validate; no I/O.
 */
#ifndef QR_STORE_FORMAT_ENTRY_H
#define QR_STORE_FORMAT_ENTRY_H

#include "consensus/base/codec.h"
#include "consensus/base/error.h"
#include "consensus/base/types.h"
#include "consensus/raft/raft.h"

#define STORE_ENTRY_MAGIC 0x31455251u /* "QRE1" */
#define STORE_FORMAT_VERSION 1
#define STORE_ENTRY_HEADER_BYTES 128

struct store_entry {
	enum raft_entry_kind kind;
	uint64_t cluster;
	qr_group group;
	qr_index index;
	qr_term term;
	qr_block block;		/* where it starts in the log space */
	uint32_t blocks;	/* whole blocks, header and padding included */
	uint32_t payload_bytes; /* after the header, without padding */
	uint32_t payload_crc;	/* CRC32C */
	qr_offset first_offset; /* of its first record; of the next one when it has none */
	uint32_t record_count;
	uint64_t chain;	  /* store_entry_digest of the entry before; 0 before the first */
	qr_index commit;  /* the leader's commit index when it closed the entry */
	uint64_t time_ns; /* the leader's wall clock then, ns since 1970; informative */
};

/** Header and payload, without padding. */
static inline uint32_t store_entry_bytes(const struct store_entry *entry)
{
	return STORE_ENTRY_HEADER_BYTES + entry->payload_bytes;
}

/** Writes the header, its checksum included. */
void store_entry_encode(uint8_t bytes[STORE_ENTRY_HEADER_BYTES], const struct store_entry *entry);

/**
 * Decode and check a header by itself: magic, checksum, version, and that its sizes agree.
 * Errors: QR_NOT_FOUND  the magic is not there (never written); QR_CHECKSUM; QR_VERSION;
 * QR_MALFORMED.
 */
QR_MUST_USE enum qr_error store_entry_decode(const uint8_t *bytes, struct store_entry *ret_entry);

/** The chain digest over an encoded header. */
uint64_t store_entry_digest(const uint8_t bytes[STORE_ENTRY_HEADER_BYTES]);

/** The time stamp of an encoded header that was verified before. */
uint64_t store_entry_time(const uint8_t bytes[STORE_ENTRY_HEADER_BYTES]);

/** Where and after what an entry is expected. */
struct store_expected {
	uint64_t cluster;
	qr_group group;
	qr_index index;
	qr_term term_min; /* the term of the entry before */
	qr_block block;
	uint32_t blocks_max; /* up to the end of the stride, or of the bytes at hand */
	bool linked;	     /* `chain` and `first_offset` are known */
	uint64_t chain;
	qr_offset first_offset;
};

/**
 * Whether a decoded header belongs at the place where it was found.
 * Errors: QR_FOREIGN    another cluster's or group's;
 *         QR_STALE      another position, or not the successor of the entry before;
 *         QR_MALFORMED  too long for its place.
 */
QR_MUST_USE enum qr_error store_entry_check_place(const struct store_entry *entry,
						  const struct store_expected *expected);
/** The payload's checksum. `bytes` starts with the header. Errors: QR_CHECKSUM. */
QR_MUST_USE enum qr_error store_entry_check_payload(const uint8_t *bytes,
						    const struct store_entry *entry);
/** Zeros to the end of the last block. Errors: QR_CHECKSUM. */
QR_MUST_USE enum qr_error store_entry_check_padding(const uint8_t *bytes,
						    const struct store_entry *entry);
/**
 * All of the above over an entry as it lies on disk.
 * @param bytes  a block at least; `expected->blocks_max` blocks are readable.
 * Errors: those of store_entry_decode and of the three checks; ret_entry is untouched.
 */
QR_MUST_USE enum qr_error store_entry_verify(const uint8_t *bytes,
					     const struct store_expected *expected,
					     struct store_entry *ret_entry);

/* ---- what the payload of a data entry is made of ---- */

#define STORE_CHUNK_HEADER_BYTES 48
#define STORE_CHUNK_ALIGN_BYTES 8

/** Consecutive records of one producer as it sent them. Its body follows, padded to 8 bytes. */
struct store_chunk {
	uint64_t session;
	uint64_t sequence;   /* of its first record */
	uint32_t count;	     /* records */
	uint32_t body_bytes; /* without padding */
	uint32_t crc;	     /* CRC32C of the body, the producer's own */
	uint8_t kind;	     /* enum wire_chunk_kind */
	uint8_t codec;	     /* 0: none */
	uint32_t epoch;	     /* of the producer; 0 for now */
	uint64_t time_ns;    /* the producer's wall clock */
};

/** Bytes that a chunk takes in a payload. */
static inline uint32_t store_chunk_bytes(uint32_t body_bytes)
{
	return STORE_CHUNK_HEADER_BYTES + (body_bytes + STORE_CHUNK_ALIGN_BYTES - 1) /
						  STORE_CHUNK_ALIGN_BYTES * STORE_CHUNK_ALIGN_BYTES;
}

void store_chunk_encode(uint8_t bytes[STORE_CHUNK_HEADER_BYTES], const struct store_chunk *chunk);

/**
 * The next chunk of a payload.
 * @param ret_body  borrows from the payload.
 * Errors: QR_AGAIN at the end; QR_MALFORMED.
 */
QR_MUST_USE enum qr_error store_chunk_next(struct qr_reader *payload, struct store_chunk *ret_chunk,
					   struct qr_span *ret_body);

/* ---- the payload of a trim entry ---- */

#define STORE_TRIM_BYTES 24

/** Where a log begins: what lies in front of it was given up (retention). All zero: nothing was. */
struct store_start {
	uint64_t segment; /* it begins with this one's first block */
	qr_index before;  /* the last entry in front of it */
	qr_offset offset; /* of the first record */
};

void store_trim_encode(uint8_t bytes[STORE_TRIM_BYTES], const struct store_start *start);
/** Errors: QR_MALFORMED  another length. Whether the log can begin there is another question. */
QR_MUST_USE enum qr_error store_trim_decode(struct qr_span payload, struct store_start *ret_start);

/* ---- session entries: a sequence of these ---- */

#define STORE_SESSION_CHANGE_BYTES 32
#define STORE_SESSION_NUMBER_BITS 8

enum store_session_op { STORE_SESSION_OPEN = 1, STORE_SESSION_EXPIRE = 2 };

struct store_session_change {
	enum store_session_op op;
	uint64_t session;  /* OPEN: index << STORE_SESSION_NUMBER_BITS | its number in the entry:
			      unique for ever */
	uint64_t nonce[2]; /* OPEN: the client's, so that a repeated open finds it */
};

void store_session_change_encode(uint8_t bytes[STORE_SESSION_CHANGE_BYTES],
				 const struct store_session_change *change);
/** Errors: QR_AGAIN at the end; QR_MALFORMED. */
QR_MUST_USE enum qr_error store_session_change_next(struct qr_reader *payload,
						    struct store_session_change *ret_change);

#endif
