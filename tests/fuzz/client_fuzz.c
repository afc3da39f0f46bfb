/*
 * A client with a session, a reader and questions under way, and nodes that answer anything: each
 * step of the input is a message, with the numbers mended that it takes to be believed. Nothing may
 * be told twice, out of order, or after the end.
 */
#include "consensus/base/assert.h"
#include "dataplane/client/internal.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#define GROUP 5u
#define CLUSTER 0xc1u
#define STEPS_MAX 64

static uint64_t done_next;
static qr_offset read_next;
static unsigned answers;

static void on_done(void *context, uint64_t sequence, uint32_t count, qr_offset offset,
		    enum qr_error error)
{
	(void)context;
	(void)offset;
	(void)error;
	QR_ASSERT(sequence == done_next && count != 0);
	done_next += count;
}

static void on_batch(void *context, const struct dp_batch *batch)
{
	struct qr_reader reader = qr_reader_over(batch->body.data, batch->body.size_bytes);

	(void)context;
	QR_ASSERT(batch->offset == read_next && batch->count != 0);
	read_next += batch->count;
	for (uint32_t i = 0; batch->kind == WIRE_CHUNK_RECORDS && i < batch->count; i++)
		QR_ASSERT(qr_read_bytes(&reader, qr_read_u32(&reader)) != NULL);
	QR_ASSERT(batch->kind != WIRE_CHUNK_RECORDS || qr_reader_left(&reader) == 0);
}

static void on_answer(void *context, const struct dp_answer *answer)
{
	(void)context;
	(void)answer;
	answers++;
}

/* ---- the client, in memory that is used again for every input ---- */

static _Alignas(64) uint8_t memory[1 << 20];

static struct dp_client *make_client(struct dp_producer **ret_producer)
{
	struct dp_client_config config = dp_client_config_default();
	struct dp_producer_config producer = dp_producer_config_default();
	struct dp_consumer_config consumer = dp_consumer_config_default();
	const struct dp_question question = {
		.group = GROUP, .replicas = 0xe, .timeout_ns = 1000000000, .on_answer = on_answer};
	struct qr_arena arena;
	struct dp_client *client;

	qr_arena_init(&arena, memory, sizeof(memory));
	config.cluster = CLUSTER;
	config.seed_count = 1;
	client = dp_client_create(&arena, &config, 1);
	for (qr_node node = 1; node <= 3; node++)
		dp_client_set_node(client, &(struct wire_endpoint){.node = node, .cores = 1});
	producer.group = GROUP;
	producer.replicas = 0xe;
	producer.on_done = on_done;
	producer.buffer_bytes = 64 << 10;
	producer.record_max_bytes = 8 << 10;
	producer.window_bytes = 16 << 10;
	*ret_producer = dp_producer_create(&arena, client, &producer);
	consumer.group = GROUP;
	consumer.replicas = 0xe;
	consumer.follow = true;
	consumer.record_max_bytes = 8 << 10;
	consumer.reorder_slots = 4;
	consumer.on_batch = on_batch;
	QR_ASSERT(dp_consumer_create(&arena, client, &consumer) != NULL);
	QR_ASSERT(dp_client_ask_tail(client, &question) == QR_OK);
	QR_ASSERT(dp_client_ask_describe(client, &question) == QR_OK);
	return client;
}

static void turn(struct dp_client *client, qr_ns now_ns)
{
	static uint8_t buffers[8][1452];
	struct dp_client_tx tx[8];

	for (unsigned i = 0; i < 8; i++)
		tx[i] = (struct dp_client_tx){.data = buffers[i], .capacity_bytes = 1452};
	(void)dp_client_poll(client, now_ns, tx, 8);
	(void)dp_client_next_deadline(client);
}

/* ---- the answers ---- */

/** Overwrite a field of a body that would otherwise never be right. */
static void mend(uint8_t *body, size_t body_bytes, size_t at, uint64_t value)
{
	struct qr_writer writer = qr_writer_over(body, body_bytes);

	(void)qr_write_room(&writer, at);
	qr_write_u64(&writer, value);
}

static void mend_body(const struct dp_client *client, enum wire_type type, uint8_t *body,
		      size_t body_bytes)
{
	if (type == WIRE_SESSION_REPLY) {
		mend(body, body_bytes, 0, client->producers[0]->nonce[0]);
		mend(body, body_bytes, 8, client->producers[0]->nonce[1]);
	} else if (type == WIRE_CHUNK_REPLY) {
		mend(body, body_bytes, 0, client->producers[0]->session);
	} else if (type == WIRE_RECORDS) {
		mend(body, body_bytes, 0, client->consumers[0]->request);
	} else if (type == WIRE_TAIL_REPLY) {
		mend(body, body_bytes, 0, client->pending[0].request);
	} else if (type == WIRE_DESCRIPTION) {
		mend(body, body_bytes, 0, client->pending[1].request);
	}
}

static void deliver(struct dp_client *client, enum wire_type type, struct qr_span body,
		    qr_ns now_ns)
{
	const struct wire_header header = {.from = client->producers[0]->route.target,
					   .cluster = CLUSTER};
	size_t size_bytes = WIRE_HEADER_BYTES + WIRE_MESSAGE_HEADER_BYTES + body.size_bytes;
	uint8_t *bytes = malloc(size_bytes); /* of the exact size: a byte read beyond it is seen */
	struct qr_writer writer;

	if (bytes == NULL)
		return;
	writer = qr_writer_over(bytes, size_bytes);
	wire_begin(&writer);
	qr_write_u8(&writer, (uint8_t)type);
	qr_write_u8(&writer, 0);
	qr_write_u16(&writer, (uint16_t)body.size_bytes);
	qr_write_u32(&writer, GROUP);
	qr_write_bytes(&writer, body.data, body.size_bytes);
	mend_body(client, type, writer.at - body.size_bytes, body.size_bytes);
	QR_ASSERT(wire_finish(&writer, &header) == size_bytes);
	dp_client_receive(client, (struct qr_span){bytes, size_bytes}, now_ns);
	free(bytes);
}

/* NOLINTNEXTLINE(readability-identifier-naming) */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	static const enum wire_type types[] = {WIRE_SESSION_REPLY, WIRE_CHUNK_REPLY,
					       WIRE_RECORDS,	   WIRE_TAIL_REPLY,
					       WIRE_DESCRIPTION,   WIRE_STATUS_REPLY};
	static const uint8_t record[3000];
	struct qr_reader input = qr_reader_over(data, size_bytes);
	struct dp_producer *producer;
	struct dp_client *client;
	qr_ns now_ns = 1;

	done_next = 0;
	read_next = 0;
	answers = 0;
	client = make_client(&producer);
	for (unsigned step = 0; step < STEPS_MAX && qr_reader_left(&input) != 0; step++) {
		uint8_t what = qr_read_u8(&input);
		uint16_t wanted = qr_read_u16(&input);
		size_t left = qr_reader_left(&input);
		size_t body_bytes = wanted < left ? wanted : left;
		uint64_t sequence;

		if (what >= 192) {
			(void)!dp_producer_append(producer, record, wanted % sizeof(record),
						  &sequence);
		} else if (what >= 128) {
			now_ns += (qr_ns)wanted * 10000;
		} else {
			deliver(client, types[what % 6],
				(struct qr_span){qr_read_bytes(&input, body_bytes), body_bytes},
				now_ns);
		}
		turn(client, now_ns);
	}
	QR_ASSERT(answers <= 2);
	return 0;
}
