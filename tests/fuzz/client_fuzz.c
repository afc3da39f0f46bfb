/*
 * A client with a session, a reader and questions under way, and nodes that answer anything. What
 * they send names the right session, request or nonce, and says what it likes: answers to chunks
 * that were sent and that were not, records of other offsets and sizes, whole, in pieces, out of
 * order, twice. Nothing may be told twice, out of order, untrue, or after the end.
 *
 * The record at an offset is a function of the offset, so that what is delivered can be checked
 * until a node lies about it. The input is one byte of circumstances and steps of sixteen bytes;
 * one kind of step takes the bytes behind it as the body of a message.
 */
#include "consensus/base/assert.h"
#include "dataplane/client/internal.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#define GROUP 5u
#define CLUSTER 0xc1u
#define STEP_BYTES 16
#define STEPS_MAX 64
#define TOLD_MAX 256
#define RECORD_MAX 4096u
#define BODY_MAX 6000u
#define TX_MAX 8
#define TURNS_MAX 4096
#define QUESTIONS 3

struct told {
	uint64_t sequence;
	uint32_t count;
	qr_offset offset;
};

struct play {
	struct dp_client *client;
	struct dp_producer *producer;
	struct dp_consumer *consumer;
	struct qr_reader input;
	qr_ns now_ns;
	qr_ns idle_until;
	uint64_t done_next;
	bool ended;
	qr_offset read_next;
	bool lied; /* about the contents of records */
	unsigned answers;
	uint32_t told_count;
	struct told told[TOLD_MAX];
};

static struct play play;
static uint8_t body[BODY_MAX];

/* ---- what the client is told ---- */

static bool was_told(uint64_t sequence, uint32_t count, qr_offset offset)
{
	for (uint32_t t = 0; t < play.told_count; t++) {
		const struct told *told = &play.told[t];

		if (told->sequence == sequence && told->count == count && told->offset == offset)
			return true;
	}
	return play.told_count == TOLD_MAX;
}

static void on_done(void *context, uint64_t sequence, uint32_t count, qr_offset offset,
		    enum qr_error error)
{
	(void)context;
	QR_ASSERT(sequence == play.done_next && count != 0);
	QR_ASSERT(error == QR_OK ? !play.ended && was_told(sequence, count, offset) : true);
	play.done_next += count;
	play.ended = play.ended || error != QR_OK;
}

/** Most records fit a datagram, some do not. */
static uint32_t record_bytes(qr_offset offset)
{
	return offset % 16 == 5 ? 2000 : (uint32_t)(offset * 37 % 150);
}

static void on_batch(void *context, const struct dp_batch *batch)
{
	struct qr_reader reader = qr_reader_over(batch->body.data, batch->body.size_bytes);

	(void)context;
	QR_ASSERT(batch->offset == play.read_next && batch->count != 0);
	play.read_next += batch->count;
	for (uint32_t i = 0; batch->kind == WIRE_CHUNK_RECORDS && i < batch->count; i++) {
		uint32_t size_bytes = qr_read_u32(&reader);
		const uint8_t *record = qr_read_bytes(&reader, size_bytes);

		QR_ASSERT(record != NULL);
		if (play.lied)
			continue;
		QR_ASSERT(size_bytes == record_bytes(batch->offset + i));
		QR_ASSERT(size_bytes == 0 || record[0] == (uint8_t)(batch->offset + i));
		QR_ASSERT(size_bytes == 0 ||
			  record[size_bytes - 1] == (uint8_t)(batch->offset + i));
	}
	QR_ASSERT(batch->kind != WIRE_CHUNK_RECORDS || qr_reader_left(&reader) == 0);
}

static void on_answer(void *context, const struct dp_answer *answer)
{
	(void)context;
	QR_ASSERT(answer->error != QR_AGAIN);
	play.answers++;
}

/* ---- the client, in memory that is used again for every input ---- */

static _Alignas(64) uint8_t memory[1 << 20];

static void ask_questions(struct dp_client *client)
{
	struct dp_question question = {
		.group = GROUP, .replicas = 0xe, .timeout_ns = 1000000000, .on_answer = on_answer};
	enum qr_error error = dp_client_ask_tail(client, &question);

	QR_ASSERT(error == QR_OK);
	error = dp_client_ask_describe(client, &question);
	QR_ASSERT(error == QR_OK);
	question.node = 2;
	error = dp_client_ask_status(client, &question);
	QR_ASSERT(error == QR_OK);
}

static void make_client(uint8_t circumstances)
{
	struct dp_client_config config = dp_client_config_default();
	struct dp_producer_config producer = dp_producer_config_default();
	struct dp_consumer_config consumer = dp_consumer_config_default();
	struct qr_arena arena;

	qr_arena_init(&arena, memory, sizeof(memory));
	config.cluster = CLUSTER;
	config.seed_count = 1;
	play.client = dp_client_create(&arena, &config, 1);
	for (qr_node node = 1; node <= 3; node++)
		dp_client_set_node(play.client, &(struct wire_endpoint){.node = node, .cores = 1});
	producer.group = GROUP;
	producer.replicas = 0xe;
	producer.on_done = on_done;
	producer.buffer_bytes = 64 << 10;
	producer.record_max_bytes = 8 << 10;
	producer.chunk_bytes = (circumstances & 1) != 0 ? 4000 : 0;
	producer.window_bytes = 16 << 10;
	play.producer = dp_producer_create(&arena, play.client, &producer);
	consumer.group = GROUP;
	consumer.replicas = 0xe;
	consumer.follow = (circumstances & 2) != 0;
	consumer.until = (circumstances & 4) != 0 ? UINT64_MAX : 40;
	consumer.record_max_bytes = RECORD_MAX;
	consumer.reorder_slots = 4;
	consumer.on_batch = on_batch;
	play.consumer = dp_consumer_create(&arena, play.client, &consumer);
	QR_ASSERT(play.producer != NULL && play.consumer != NULL);
	ask_questions(play.client);
}

/**
 * Send all that is to be sent: it ends, and after that there is a time to wait for.
 * @param time_alone  nothing else has happened since the turn before.
 */
static void turn(bool time_alone)
{
	static uint8_t buffers[TX_MAX][1452];
	struct dp_client_tx tx[TX_MAX];
	unsigned turns = 0;
	unsigned count;

	for (unsigned i = 0; i < TX_MAX; i++)
		tx[i] = (struct dp_client_tx){.data = buffers[i], .capacity_bytes = 1452};
	do {
		count = dp_client_poll(play.client, play.now_ns, tx, TX_MAX);
		/* A loop that sleeps until it was told would have slept over it. */
		QR_ASSERT(count == 0 || !time_alone || play.now_ns >= play.idle_until);
		QR_ASSERT(++turns < TURNS_MAX);
	} while (count == TX_MAX);
	play.idle_until = dp_client_next_deadline(play.client);
	QR_ASSERT(play.idle_until > play.now_ns);
}

/* ---- the nodes ---- */

static void send(uint8_t from, struct qr_writer *writer)
{
	const struct wire_header header = {
		.from = from >= 224 ? 1 + from % 4 : play.producer->route.target,
		.cluster = CLUSTER,
	};
	size_t size_bytes = wire_finish(writer, &header);
	uint8_t *copy;

	if (size_bytes == 0)
		return;
	copy = malloc(size_bytes); /* of the exact size: a byte read beyond it is seen */
	if (copy == NULL)
		return;
	memcpy(copy, writer->start, size_bytes);
	dp_client_receive(play.client, (struct qr_span){copy, size_bytes}, play.now_ns);
	free(copy);
}

static struct qr_writer begin(void)
{
	static uint8_t datagram[BODY_MAX + 256];
	struct qr_writer writer = qr_writer_over(datagram, sizeof(datagram));

	wire_begin(&writer);
	return writer;
}

static enum qr_error status_of(uint8_t byte)
{
	return byte < 160 ? QR_OK : (enum qr_error)(byte % QR_ERROR_COUNT);
}

static void step_session(const uint8_t *bytes)
{
	struct qr_writer writer = begin();
	const struct wire_session_reply reply = {
		.nonce = {play.producer->nonce[0], play.producer->nonce[1] + (bytes[2] == 255)},
		.status = status_of(bytes[3]),
		.leader = bytes[4] % 5,
		.retry_us = bytes[5] * 100u,
		.session = 256,
		.window_chunks = 1 + bytes[6] % WIRE_WINDOW_CHUNKS,
		.record_max_bytes = bytes[7] < 200 ? 8u << 10 : bytes[8],
		.chunk_max_bytes = bytes[7] < 200 ? 8u << 10 : bytes[9] * 8u,
	};

	wire_put_session_reply(&writer, GROUP, &reply);
	send(bytes[1], &writer);
}

/** Answers to chunks that are under way, mostly. */
static void fill_answers(struct wire_chunk_reply *reply, const uint8_t *bytes)
{
	const struct dp_producer *producer = play.producer;
	uint64_t number = producer->first + bytes[4] % 4;

	for (; reply->answer_count < bytes[3] % 8u; reply->answer_count++, number++) {
		struct wire_answer *answer = &reply->answers[reply->answer_count];
		const struct dp_chunk *chunk = &producer->chunks[number % DP_CHUNK_SLOTS];

		*answer = (struct wire_answer){.sequence = chunk->sequence, .count = 1};
		if (number < producer->closed)
			answer->count = chunk->count;
		if (bytes[5] >= 224)
			answer->sequence += bytes[5] - 224u;
		answer->count += bytes[6] == 255;
		answer->offset = answer->sequence * 3 + bytes[7];
		if (play.told_count < TOLD_MAX) {
			play.told[play.told_count++] =
				(struct told){answer->sequence, answer->count, answer->offset};
		}
	}
}

static void step_chunk_reply(const uint8_t *bytes)
{
	const struct dp_producer *producer = play.producer;
	struct qr_writer writer = begin();
	struct wire_chunk_reply reply = {
		.session = producer->session + (bytes[2] == 255),
		.status = status_of(bytes[8]),
		.leader = bytes[9] % 5,
		.retry_us = bytes[10] * 100u,
		.sequence = fuzz_near(producer->completed_sequence, bytes[11]),
		.expected = fuzz_near(bytes[12] < 128 ? producer->completed_sequence
						      : producer->next_sequence,
				      bytes[13]),
	};

	fill_answers(&reply, bytes);
	wire_put_chunk_reply(&writer, GROUP, &reply);
	send(bytes[1], &writer);
}

/** Records from an offset on, as they are; what does not fit is left out. */
static uint32_t put_records(qr_offset offset, uint32_t count, size_t *ret_bytes)
{
	struct qr_writer writer = qr_writer_over(body, sizeof(body));
	uint32_t put = 0;

	for (; put < count; put++) {
		uint32_t size_bytes = record_bytes(offset + put);

		if ((size_t)(writer.end - writer.at) < size_bytes + sizeof(uint32_t))
			break;
		qr_write_u32(&writer, size_bytes);
		memset(writer.at, (uint8_t)(offset + put), size_bytes);
		writer.at += size_bytes;
	}
	*ret_bytes = qr_writer_size(&writer);
	return put;
}

static void cut_piece(struct wire_records *records, const uint8_t *bytes)
{
	size_t total = records->bulk.size_bytes;
	size_t from = total * (bytes[6] % 4u) / 4u;
	size_t until = from + 1 + (total - from - 1) * (bytes[7] % 5u) / 4u;

	records->piece_total = (uint32_t)total;
	records->piece_offset = (uint32_t)from;
	records->bulk = (struct qr_span){body + from, until - from};
}

static void spoil(struct wire_records *records, const uint8_t *bytes)
{
	play.lied = true;
	switch (bytes[13] % 4) {
	case 0:
		body[bytes[14] % (records->bulk.size_bytes != 0 ? records->bulk.size_bytes : 1)] ^=
			bytes[12];
		break;
	case 1:
		records->count += bytes[14];
		break;
	case 2:
		records->piece_total += bytes[14];
		break;
	default:
		records->kind = WIRE_CHUNK_OPAQUE;
		break;
	}
}

static void step_records(const uint8_t *bytes)
{
	struct qr_writer writer = begin();
	struct wire_records records = {
		.request = play.consumer->request + (bytes[2] == 255),
		.status = status_of(bytes[8]),
		.offset = fuzz_near(play.consumer->next, bytes[3]) % UINT32_MAX,
		.last = bytes[9] % 4 == 0,
		.committed = fuzz_near(play.consumer->next, bytes[10]),
	};
	bool piece = bytes[5] >= 128;

	records.count =
		put_records(records.offset, piece ? 1 : bytes[4] % 16u, &records.bulk.size_bytes);
	records.bulk.data = body;
	if (piece && records.bulk.size_bytes != 0)
		cut_piece(&records, bytes);
	if (bytes[12] >= 240)
		spoil(&records, bytes);
	wire_put_records(&writer, GROUP, &records);
	qr_write_bytes(&writer, records.bulk.data, records.bulk.size_bytes);
	send(bytes[1], &writer);
}

static void step_told(const uint8_t *bytes)
{
	static struct wire_status_reply status;
	struct qr_writer writer = begin();
	struct wire_tail_reply tail = {.request = play.client->pending[0].request,
				       .status = status_of(bytes[3]),
				       .leader = bytes[4] % 5,
				       .end = bytes[5]};
	struct wire_description description = {.request = play.client->pending[1].request,
					       .first = bytes[3] == 255,
					       .total = 1,
					       .node_count = bytes[4] % 4};

	for (uint32_t n = 0; n < description.node_count; n++) {
		description.nodes[n] =
			(struct wire_endpoint){.node = (qr_node)(n + 1 + bytes[5] % 60),
					       .cores = (uint8_t)(1 + bytes[6] % 255)};
	}
	status.request = play.client->pending[2].request;
	status.node = bytes[3] == 255 ? 1 : 2;
	if (bytes[2] % 3 == 0) {
		wire_put_tail_reply(&writer, GROUP, &tail);
	} else if (bytes[2] % 3 == 1) {
		wire_put_description(&writer, &description);
	} else {
		wire_put_status_reply(&writer, &status);
	}
	send(bytes[1], &writer);
}

/** The following bytes, as a message that answers something. */
static void step_raw(const uint8_t *bytes)
{
	static const enum wire_type types[] = {WIRE_SESSION_REPLY, WIRE_CHUNK_REPLY,
					       WIRE_RECORDS,	   WIRE_TAIL_REPLY,
					       WIRE_DESCRIPTION,   WIRE_STATUS_REPLY};
	struct qr_writer writer = begin();
	size_t left = qr_reader_left(&play.input);
	size_t size_bytes = bytes[3] < left ? bytes[3] : left;

	qr_write_u8(&writer, (uint8_t)types[bytes[2] % 6]);
	qr_write_u8(&writer, 0);
	qr_write_u16(&writer, (uint16_t)size_bytes);
	qr_write_u32(&writer, GROUP);
	qr_write_bytes(&writer, qr_read_bytes(&play.input, size_bytes), size_bytes);
	play.lied = true;
	send(bytes[1], &writer);
}

static void step_append(const uint8_t *bytes)
{
	static const uint8_t record[8192];
	uint64_t sequence;

	for (unsigned n = 0; n < 1u + bytes[3] % 32u; n++) {
		uint32_t size_bytes = bytes[1] < 200 ? bytes[1] : (bytes[1] - 199u) * 150u;

		if (dp_producer_append(play.producer, record, size_bytes, &sequence) != QR_OK)
			break;
	}
}

static void one_step(const uint8_t *bytes)
{
	switch (bytes[0] % 16) {
	case 0:
	case 1:
		step_append(bytes);
		break;
	case 2:
		play.now_ns += (qr_ns)bytes[1] << bytes[2] % 28;
		break;
	case 3:
		step_session(bytes);
		break;
	case 4:
	case 5:
	case 6:
		step_chunk_reply(bytes);
		break;
	case 7:
		step_told(bytes);
		break;
	case 8:
		step_raw(bytes);
		break;
	case 9:
		dp_consumer_pause(play.consumer, bytes[1] % 2 == 0);
		break;
	default:
		step_records(bytes);
		break;
	}
	if (bytes[15] % 8 != 7) {
		turn(bytes[0] % 16 == 2);
	} else {
		play.idle_until = 0;
	}
}

/* NOLINTNEXTLINE(readability-identifier-naming) */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	if (size_bytes == 0)
		return 0;
	memset(&play, 0, offsetof(struct play, told));
	play.now_ns = 1;
	play.input = qr_reader_over(data + 1, size_bytes - 1);
	make_client(data[0]);
	for (unsigned s = 0; s < STEPS_MAX && qr_reader_left(&play.input) >= STEP_BYTES; s++)
		one_step(qr_read_bytes(&play.input, STEP_BYTES));
	QR_ASSERT(play.answers <= QUESTIONS);
	return 0;
}
