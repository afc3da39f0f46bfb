#include "tests/sim/producer.h"

#include "consensus/base/assert.h"
#include "consensus/base/crc.h"

#include <string.h>

#define GAP_PAUSE_NS 150000

void producer_init(struct producer *producer, struct world *world, uint32_t number, qr_group group)
{
	memset(producer, 0, sizeof(*producer));
	producer->world = world;
	producer->number = number;
	producer->group = group;
	producer->target = 1;
	producer->record_bytes = 64;
	producer->records_per_chunk = 8;
	producer->retry_ns = 3000000;
	producer->stop = PRODUCER_RECORDS_MAX;
	memset(producer->offsets, 0xff, sizeof(producer->offsets));
}

static void send(struct producer *producer, struct qr_writer *writer)
{
	struct wire_header header = {.source = WIRE_FROM_CLIENT,
				     .cluster = producer->world->config.cluster,
				     .incarnation = producer->number + 1,
				     .counter = ++producer->counter};
	size_t size_bytes = wire_finish(writer, &header);

	QR_ASSERT(size_bytes != 0);
	world_client_send(producer->world, producer->number, producer->target, writer->start,
			  (uint32_t)size_bytes);
}

static void send_open(struct producer *producer)
{
	uint8_t buffer[WORLD_CLIENT_DATAGRAM];
	struct qr_writer writer = qr_writer_over(buffer, sizeof(buffer));
	struct wire_session_open open = {.nonce = {producer->number + 1, 0x7e57}};

	wire_begin(&writer);
	wire_put_session_open(&writer, producer->group, &open);
	send(producer, &writer);
	producer->asked_ns = producer->world->now_ns;
}

static void send_chunk(struct producer *producer, struct producer_chunk *chunk)
{
	uint8_t body[WORLD_CLIENT_DATAGRAM];
	uint8_t buffer[WORLD_CLIENT_DATAGRAM];
	struct qr_writer records = qr_writer_over(body, sizeof(body));
	struct qr_writer writer = qr_writer_over(buffer, sizeof(buffer));
	struct wire_chunk message = {
		.session = producer->session, .sequence = chunk->sequence, .count = chunk->count};

	for (uint32_t r = 0; r < chunk->count; r++) {
		qr_write_u32(&records, producer->record_bytes);
		qr_write_u64(&records, producer->number);
		qr_write_u64(&records, chunk->sequence + r);
		qr_write_zeros(&records, producer->record_bytes - 16);
	}
	QR_ASSERT(!records.failed);
	message.total_bytes = (uint32_t)qr_writer_size(&records);
	message.crc = qr_crc32c(0, body, message.total_bytes);
	message.bulk = (struct qr_span){body, message.total_bytes};
	wire_begin(&writer);
	wire_put_chunk(&writer, producer->group, &message);
	qr_write_bytes(&writer, body, message.total_bytes);
	send(producer, &writer);
	chunk->sent_ns = producer->world->now_ns;
}

/** Send again what starts at `sequence` or behind it, unless it was sent within `pause_ns`. */
static void send_from(struct producer *producer, uint64_t sequence, qr_ns pause_ns)
{
	for (uint32_t c = 0; c < producer->window; c++) {
		struct producer_chunk *chunk = &producer->chunks[c];

		if (chunk->sequence >= sequence &&
		    producer->world->now_ns - chunk->sent_ns >= pause_ns)
			send_chunk(producer, chunk);
	}
}

static void try_another(struct producer *producer)
{
	producer->target = (qr_node)(producer->target % producer->world->node_count + 1);
}

/** Answers are kept for WIRE_WINDOW_CHUNKS: the oldest unanswered chunk must stay among them. */
static bool may_send_more(const struct producer *producer)
{
	uint64_t span = producer->window == 0 ? 0 : producer->next - producer->chunks[0].sequence;

	return producer->window < PRODUCER_WINDOW &&
	       span < (uint64_t)WIRE_WINDOW_CHUNKS * producer->records_per_chunk &&
	       producer->next + producer->records_per_chunk <= producer->stop;
}

void producer_step(struct producer *producer)
{
	qr_ns now_ns = producer->world->now_ns;
	bool late = false;

	if (producer->expired)
		return;
	if (producer->session == 0) {
		if (producer->asked_ns == 0 || now_ns - producer->asked_ns > producer->retry_ns) {
			try_another(producer);
			send_open(producer);
		}
		return;
	}
	while (may_send_more(producer)) {
		struct producer_chunk *chunk = &producer->chunks[producer->window++];

		*chunk = (struct producer_chunk){.sequence = producer->next,
						 .count = producer->records_per_chunk};
		producer->next += chunk->count;
		send_chunk(producer, chunk);
	}
	for (uint32_t c = 0; c < producer->window; c++)
		late = late || now_ns - producer->chunks[c].sent_ns > producer->retry_ns;
	if (late && now_ns - producer->heard_ns > producer->retry_ns)
		try_another(producer);
	if (late)
		send_from(producer, 0, 0);
}

static void take_answer(struct producer *producer, const struct wire_answer *answer)
{
	for (uint32_t c = 0; c < producer->window; c++) {
		if (producer->chunks[c].sequence != answer->sequence)
			continue;
		QR_ASSERT(producer->chunks[c].count == answer->count);
		for (uint32_t r = 0; r < answer->count; r++)
			producer->offsets[answer->sequence + r] = answer->offset + r;
		producer->acked += answer->count;
		producer->window--;
		memmove(&producer->chunks[c], &producer->chunks[c + 1],
			(producer->window - c) * sizeof(producer->chunks[0]));
		return;
	}
	/* An answer given twice must be the same one. */
	for (uint32_t r = 0; r < answer->count; r++)
		QR_ASSERT(producer->offsets[answer->sequence + r] == answer->offset + r);
}

static void take_session_reply(struct producer *producer, const struct wire_session_reply *reply)
{
	if (reply->nonce[0] != producer->number + 1 || producer->session != 0)
		return;
	if (reply->status == QR_OK) {
		producer->session = reply->session;
	} else if (reply->status == QR_NOT_LEADER && reply->leader != 0 &&
		   reply->leader != producer->target) {
		producer->target = reply->leader;
		send_open(producer);
	}
}

static void take_chunk_reply(struct producer *producer, const struct wire_chunk_reply *reply)
{
	if (reply->session != producer->session)
		return;
	producer->heard_ns = producer->world->now_ns;
	if (reply->status == QR_OK) {
		for (uint32_t a = 0; a < reply->answer_count; a++)
			take_answer(producer, &reply->answers[a]);
	} else if (reply->status == QR_EXPIRED) {
		producer->expired = true;
	} else if (reply->status == QR_GAP) {
		send_from(producer, reply->expected, GAP_PAUSE_NS);
	} else if (reply->status == QR_NOT_LEADER && reply->leader != producer->target) {
		if (reply->leader != 0) {
			producer->target = reply->leader;
		} else {
			try_another(producer);
		}
		send_from(producer, 0, GAP_PAUSE_NS);
	}
}

void producer_receive(struct producer *producer, struct qr_span datagram, struct dp_address from)
{
	struct wire_header header;
	struct wire_message message;
	struct qr_reader messages;

	(void)from;
	if (wire_open(datagram, &header, &messages) != QR_OK)
		return;
	while (wire_next(&messages, &message) == QR_OK) {
		struct wire_session_reply session;
		struct wire_chunk_reply chunk;

		if (message.type == WIRE_SESSION_REPLY &&
		    wire_get_session_reply(&message, &session) == QR_OK) {
			take_session_reply(producer, &session);
		} else if (message.type == WIRE_CHUNK_REPLY &&
			   wire_get_chunk_reply(&message, &chunk) == QR_OK) {
			take_chunk_reply(producer, &chunk);
		}
	}
}
