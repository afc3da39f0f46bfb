/*
 * The messages between peers: consensus, fragments of entries, the transport's acknowledgements,
 * and entries that a disk has lost. Owns no state. The byte table is docs/formats/wire.md.
 */
#include "consensus/base/assert.h"
#include "consensus/raft/raft.h"
#include "consensus/wire/message.h"

#define MISSING_BYTES 16

_Static_assert(6 * 8 + 2 * 4 + 8 == WIRE_FRAGMENT_BYTES, "the fixed fields of a fragment");
_Static_assert(2 * 8 + 2 * 4 + 8 == WIRE_FETCHED_BYTES, "the fixed fields of what was fetched");

/*
 * The transport carries what a message promises; that what it requires is durable was the sender's
 * to see to, before it came here.
 */
void wire_put_raft(struct qr_writer *writer, qr_group group, const struct raft_message *message)
{
	uint8_t *header = wire_message_begin(writer, WIRE_RAFT, group);

	qr_write_u8(writer, (uint8_t)message->kind);
	qr_write_u8(writer, message->reject);
	qr_write_u8(writer, message->transfer);
	qr_write_u8(writer, message->full);
	qr_write_u8(writer, message->amnesia);
	qr_write_zeros(writer, 3);
	qr_write_u64(writer, message->term);
	qr_write_u64(writer, message->index);
	qr_write_u64(writer, message->log_term);
	qr_write_u64(writer, message->commit);
	qr_write_u64(writer, message->next_term);
	qr_write_u64(writer, message->last);
	qr_write_u64(writer, message->hint_index);
	qr_write_u64(writer, message->hint_term);
	qr_write_u64(writer, message->round);
	wire_message_end(writer, header, 0);
}

enum qr_error wire_get_raft(const struct wire_message *message, struct raft_message *ret_raft)
{
	struct qr_reader reader = wire_message_reader(message);
	struct raft_message raft = {0};

	QR_ASSERT(message->type == WIRE_RAFT);

	raft.kind = (enum raft_message_kind)wire_read_at_most(&reader, RAFT_MESSAGE_MAX);
	raft.reject = wire_read_bool(&reader);
	raft.transfer = wire_read_bool(&reader);
	raft.full = wire_read_bool(&reader);
	raft.amnesia = wire_read_bool(&reader);
	wire_read_zeros(&reader, 3);
	raft.term = qr_read_u64(&reader);
	raft.index = qr_read_u64(&reader);
	raft.log_term = qr_read_u64(&reader);
	raft.commit = qr_read_u64(&reader);
	raft.next_term = qr_read_u64(&reader);
	raft.last = qr_read_u64(&reader);
	raft.hint_index = qr_read_u64(&reader);
	raft.hint_term = qr_read_u64(&reader);
	raft.round = qr_read_u64(&reader);
	wire_require(&reader, raft.kind >= RAFT_MESSAGE_PRE_VOTE);
	/* A range of entries counts last - index of them. */
	wire_require(&reader, raft.kind != RAFT_MESSAGE_APPEND || raft.last >= raft.index);
	if (!wire_message_is_whole(&reader))
		return QR_MALFORMED;

	*ret_raft = raft;
	return QR_OK;
}

void wire_put_fragment(struct qr_writer *writer, qr_group group,
		       const struct wire_fragment *fragment)
{
	uint8_t *header = wire_message_begin(writer, WIRE_FRAGMENT, group);

	qr_write_u64(writer, fragment->term);
	qr_write_u64(writer, fragment->index);
	qr_write_u64(writer, fragment->entry_term);
	qr_write_u64(writer, fragment->prev_term);
	qr_write_u64(writer, fragment->block);
	qr_write_u64(writer, fragment->commit);
	qr_write_u32(writer, fragment->entry_bytes);
	qr_write_u32(writer, fragment->offset);
	qr_write_u64(writer, fragment->sent_ns);
	wire_message_end(writer, header, fragment->bulk.size_bytes);
}

enum qr_error wire_get_fragment(const struct wire_message *message,
				struct wire_fragment *ret_fragment)
{
	struct qr_reader reader = wire_message_reader(message);
	struct wire_fragment fragment;

	QR_ASSERT(message->type == WIRE_FRAGMENT);

	fragment.term = qr_read_u64(&reader);
	fragment.index = qr_read_u64(&reader);
	fragment.entry_term = qr_read_u64(&reader);
	fragment.prev_term = qr_read_u64(&reader);
	fragment.block = qr_read_u64(&reader);
	fragment.commit = qr_read_u64(&reader);
	fragment.entry_bytes = qr_read_u32(&reader);
	fragment.offset = qr_read_u32(&reader);
	fragment.sent_ns = qr_read_u64(&reader);
	fragment.bulk = wire_read_rest(&reader);
	wire_require(&reader, fragment.bulk.size_bytes != 0);
	wire_require(&reader, fragment.offset < fragment.entry_bytes);
	wire_require(&reader, fragment.bulk.size_bytes <= fragment.entry_bytes - fragment.offset);
	if (!wire_message_is_whole(&reader))
		return QR_MALFORMED;

	*ret_fragment = fragment;
	return QR_OK;
}

void wire_put_ack(struct qr_writer *writer, qr_group group, const struct wire_ack *ack)
{
	uint8_t *header = wire_message_begin(writer, WIRE_ACK, group);

	QR_ASSERT(ack->missing_count <= WIRE_MISSING_MAX);

	qr_write_u64(writer, ack->term);
	qr_write_u64(writer, ack->received);
	qr_write_u64(writer, ack->credit);
	qr_write_u64(writer, ack->echo_ns);
	qr_write_u32(writer, ack->received_bytes);
	qr_write_u32(writer, ack->missing_count);
	for (uint32_t i = 0; i < ack->missing_count; i++) {
		qr_write_u64(writer, ack->missing[i].index);
		qr_write_u32(writer, ack->missing[i].from);
		qr_write_u32(writer, ack->missing[i].until);
	}
	wire_message_end(writer, header, 0);
}

enum qr_error wire_get_ack(const struct wire_message *message, struct wire_ack *ret_ack)
{
	struct qr_reader reader = wire_message_reader(message);
	struct wire_ack ack;

	QR_ASSERT(message->type == WIRE_ACK);

	ack.term = qr_read_u64(&reader);
	ack.received = qr_read_u64(&reader);
	ack.credit = qr_read_u64(&reader);
	ack.echo_ns = qr_read_u64(&reader);
	ack.received_bytes = qr_read_u32(&reader);
	ack.missing_count = qr_read_u32(&reader);
	if (ack.missing_count > WIRE_MISSING_MAX ||
	    qr_reader_left(&reader) != (size_t)ack.missing_count * MISSING_BYTES)
		return QR_MALFORMED;
	for (uint32_t i = 0; i < ack.missing_count; i++) {
		struct wire_missing *missing = &ack.missing[i];

		missing->index = qr_read_u64(&reader);
		missing->from = qr_read_u32(&reader);
		missing->until = qr_read_u32(&reader);
		wire_require(&reader, missing->until == 0 || missing->from < missing->until);
	}
	if (!wire_message_is_whole(&reader))
		return QR_MALFORMED;

	/* The unused tail is not copied: an ACK usually misses nothing. */
	memcpy(ret_ack, &ack, offsetof(struct wire_ack, missing));
	memcpy(ret_ack->missing, ack.missing, ack.missing_count * sizeof(ack.missing[0]));
	return QR_OK;
}

void wire_put_fetch(struct qr_writer *writer, qr_group group, const struct wire_fetch *fetch)
{
	uint8_t *header = wire_message_begin(writer, WIRE_FETCH, group);

	qr_write_u64(writer, fetch->index);
	qr_write_u64(writer, fetch->block);
	qr_write_u32(writer, fetch->offset);
	qr_write_u32(writer, fetch->size_bytes);
	qr_write_u64(writer, fetch->committed_index);
	qr_write_u64(writer, fetch->committed_term);
	wire_message_end(writer, header, 0);
}

enum qr_error wire_get_fetch(const struct wire_message *message, struct wire_fetch *ret_fetch)
{
	struct qr_reader reader = wire_message_reader(message);
	struct wire_fetch fetch;

	QR_ASSERT(message->type == WIRE_FETCH);

	fetch.index = qr_read_u64(&reader);
	fetch.block = qr_read_u64(&reader);
	fetch.offset = qr_read_u32(&reader);
	fetch.size_bytes = qr_read_u32(&reader);
	fetch.committed_index = qr_read_u64(&reader);
	fetch.committed_term = qr_read_u64(&reader);
	wire_require(&reader, fetch.index != 0);
	wire_require(&reader, fetch.size_bytes != 0);
	wire_require(&reader, (fetch.committed_index == 0) == (fetch.committed_term == 0));
	if (!wire_message_is_whole(&reader))
		return QR_MALFORMED;

	*ret_fetch = fetch;
	return QR_OK;
}

void wire_put_fetched(struct qr_writer *writer, qr_group group, const struct wire_fetched *fetched)
{
	uint8_t *header = wire_message_begin(writer, WIRE_FETCHED, group);

	QR_ASSERT((fetched->status == QR_OK) == (fetched->bulk.size_bytes != 0));

	qr_write_u64(writer, fetched->index);
	qr_write_u64(writer, fetched->block);
	qr_write_u32(writer, fetched->entry_bytes);
	qr_write_u32(writer, fetched->offset);
	qr_write_u8(writer, (uint8_t)fetched->status);
	qr_write_zeros(writer, 7);
	wire_message_end(writer, header, fetched->bulk.size_bytes);
}

enum qr_error wire_get_fetched(const struct wire_message *message, struct wire_fetched *ret_fetched)
{
	struct qr_reader reader = wire_message_reader(message);
	struct wire_fetched fetched;

	QR_ASSERT(message->type == WIRE_FETCHED);

	fetched.index = qr_read_u64(&reader);
	fetched.block = qr_read_u64(&reader);
	fetched.entry_bytes = qr_read_u32(&reader);
	fetched.offset = qr_read_u32(&reader);
	fetched.status = wire_read_status(&reader);
	wire_read_zeros(&reader, 7);
	fetched.bulk = wire_read_rest(&reader);
	wire_require(&reader, (fetched.status == QR_OK) == (fetched.bulk.size_bytes != 0));
	if (fetched.status == QR_OK) {
		wire_require(&reader, fetched.offset < fetched.entry_bytes);
		wire_require(&reader,
			     fetched.bulk.size_bytes <= fetched.entry_bytes - fetched.offset);
	}
	if (!wire_message_is_whole(&reader))
		return QR_MALFORMED;

	*ret_fetched = fetched;
	return QR_OK;
}
