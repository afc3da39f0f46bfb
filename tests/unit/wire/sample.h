/* Random valid messages of every type, and decoding any message and encoding it again. */
#ifndef QR_TESTS_UNIT_WIRE_SAMPLE_H
#define QR_TESTS_UNIT_WIRE_SAMPLE_H

#include "consensus/base/prng.h"
#include "consensus/raft/raft.h"
#include "consensus/wire/client.h"

#define SAMPLE_BULK_MAX 300

/** Every type of message, for loops. */
extern const enum wire_type sample_types[];
#define SAMPLE_TYPES 17

void sample_raft(struct qr_prng *prng, struct raft_message *ret_message);
void sample_fragment(struct qr_prng *prng, struct wire_fragment *ret_fragment);
void sample_ack(struct qr_prng *prng, struct wire_ack *ret_ack);
void sample_description(struct qr_prng *prng, struct wire_description *ret_description);
void sample_session_reply(struct qr_prng *prng, struct wire_session_reply *ret_reply);
void sample_chunk(struct qr_prng *prng, struct wire_chunk *ret_chunk);
void sample_chunk_reply(struct qr_prng *prng, struct wire_chunk_reply *ret_reply);
void sample_records(struct qr_prng *prng, struct wire_records *ret_records);
void sample_tail_reply(struct qr_prng *prng, struct wire_tail_reply *ret_reply);
void sample_status_reply(struct qr_prng *prng, struct wire_status_reply *ret_reply);

/** Put one random message of the type, its bulk included. */
void sample_put(struct qr_writer *writer, enum wire_type type, struct qr_prng *prng);
/** A whole datagram with one message of the type; its size. */
size_t sample_datagram(uint8_t *buffer, size_t size_bytes, enum wire_type type,
		       struct qr_prng *prng);
/** Decode whatever it is and put it again: the format is canonical, so the bytes are the same. */
enum qr_error sample_reencode(const struct wire_message *message, struct qr_writer *writer);

#endif
