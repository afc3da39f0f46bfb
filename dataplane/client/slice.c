/*
 * Slices of answers, put in order. What starts at or before the next offset is delivered from there
 * on; what starts beyond is kept in one of a few slots, or dropped and asked for again.
 *
 * A record that comes in pieces grows from its beginning in memory of its own. Every length is
 * checked before anything of a slice is delivered.
 */
#include "dataplane/client/internal.h"

enum verdict { TAKEN, TOO_EARLY, USELESS };

static void deliver(struct dp_consumer *consumer, qr_offset offset, uint32_t count,
		    enum wire_chunk_kind kind, struct qr_span body)
{
	const struct dp_batch batch = {offset, count, kind, body};

	/* Before the callback, which may look. */
	consumer->next = offset + count;
	consumer->piece_total = 0;
	consumer->piece_filled = 0;
	if (!consumer->config.follow && consumer->next >= consumer->config.until)
		consumer->done = true;
	consumer->config.on_batch(consumer->config.context, &batch);
}

/** Whole native records: check them all, pass over those that were delivered, stop at `until`. */
static enum verdict take_native(struct dp_consumer *consumer, const struct wire_records *records)
{
	struct qr_reader reader = qr_reader_over(records->bulk.data, records->bulk.size_bytes);
	uint32_t skip = (uint32_t)(consumer->next - records->offset);
	uint32_t end = records->count;
	const uint8_t *from = reader.at;
	const uint8_t *until = reader.end;

	if (!consumer->config.follow && records->offset + end > consumer->config.until)
		end = (uint32_t)(consumer->config.until - records->offset);
	for (uint32_t i = 0; i < records->count; i++) {
		if (i == skip)
			from = reader.at;
		if (i == end)
			until = reader.at;
		(void)qr_read_bytes(&reader, qr_read_u32(&reader));
	}
	if (reader.failed || reader.at != reader.end || skip >= end)
		return USELESS;
	deliver(consumer, consumer->next, end - skip, WIRE_CHUNK_RECORDS,
		(struct qr_span){from, (size_t)(until - from)});
	return TAKEN;
}

static void deliver_pieces(struct dp_consumer *consumer, const struct wire_records *records)
{
	struct qr_span body = {consumer->piece, consumer->piece_total};
	struct qr_reader reader = qr_reader_over(body.data, body.size_bytes);

	if (records->kind == WIRE_CHUNK_RECORDS &&
	    (qr_read_u32(&reader) != qr_reader_left(&reader) || reader.failed)) {
		dp_consumer_end(consumer, QR_CORRUPT); /* whole, and yet not a record */
		return;
	}
	deliver(consumer, records->offset, records->count, records->kind, body);
}

static enum verdict take_piece(struct dp_consumer *consumer, const struct wire_records *records)
{
	uint32_t end = records->piece_offset + (uint32_t)records->bulk.size_bytes;
	uint32_t overlap;

	if (records->piece_total > consumer->config.record_max_bytes + DP_PREFIX_BYTES) {
		dp_consumer_end(consumer, QR_TOO_LARGE);
		return USELESS;
	}
	if (consumer->piece_filled != 0 && records->piece_total != consumer->piece_total)
		return USELESS;
	if (records->piece_offset > consumer->piece_filled)
		return TOO_EARLY;
	if (end <= consumer->piece_filled)
		return USELESS;
	overlap = consumer->piece_filled - records->piece_offset;
	memcpy(consumer->piece + consumer->piece_filled, records->bulk.data + overlap,
	       end - consumer->piece_filled);
	consumer->piece_total = records->piece_total;
	consumer->piece_filled = end;
	if (end == records->piece_total)
		deliver_pieces(consumer, records);
	return TAKEN;
}

static enum verdict take_one(struct dp_consumer *consumer, const struct wire_records *records)
{
	if (records->count == 0 || records->offset + records->count <= consumer->next)
		return USELESS;
	if (records->offset > consumer->next)
		return TOO_EARLY;
	if (records->piece_total == 0 && records->kind == WIRE_CHUNK_RECORDS)
		return take_native(consumer, records);
	if (records->offset != consumer->next)
		return USELESS; /* an opaque chunk cannot be cut */
	if (records->piece_total != 0)
		return take_piece(consumer, records);
	deliver(consumer, records->offset, records->count, records->kind, records->bulk);
	return TAKEN;
}

static void keep(struct dp_consumer *consumer, const struct wire_records *records)
{
	struct dp_early *free = NULL;

	if (records->bulk.size_bytes > consumer->client->config.datagram_max)
		return;
	for (uint32_t i = 0; i < consumer->config.reorder_slots; i++) {
		struct dp_early *early = &consumer->early[i];

		if (!early->used) {
			free = early;
		} else if (early->records.offset == records->offset &&
			   early->records.piece_offset == records->piece_offset) {
			return;
		}
	}
	if (free == NULL)
		return;
	free->used = true;
	free->records = *records;
	memcpy(free->data, records->bulk.data, records->bulk.size_bytes);
	free->records.bulk.data = free->data;
	consumer->early_count++;
}

/** After something was delivered: what was kept may follow, or have become useless. */
static bool take_early(struct dp_consumer *consumer)
{
	bool any = false;

	for (uint32_t i = 0; i < consumer->config.reorder_slots; i++) {
		struct dp_early *early = &consumer->early[i];
		enum verdict verdict;

		if (!early->used || consumer->done)
			continue;
		verdict = take_one(consumer, &early->records);
		if (verdict == TOO_EARLY)
			continue;
		early->used = false;
		consumer->early_count--;
		any |= verdict == TAKEN;
	}
	return any;
}

void dp_consumer_take(struct dp_consumer *consumer, const struct wire_records *records)
{
	enum verdict verdict = take_one(consumer, records);

	if (verdict == TOO_EARLY)
		keep(consumer, records);
	while (verdict == TAKEN && consumer->early_count != 0 && !consumer->done &&
	       take_early(consumer))
		continue;
}
