#include "tests/unit/client/fake.h"

#include "consensus/base/assert.h"
#include "consensus/base/crc.h"

#include <stdlib.h>

/* ---- the network ---- */

static bool happens(struct fake *fake, unsigned percent)
{
	return qr_prng_below(&fake->prng, 100) < percent;
}

static void enqueue(struct fake *fake, const struct fake_packet *packet, const uint8_t *data)
{
	struct fake_packet *queued;

	if (fake->packet_count == FAKE_PACKETS_MAX)
		return;
	queued = &fake->packets[fake->packet_count++];
	*queued = *packet;
	queued->due_ns = fake->now_ns + fake->delay_min_ns +
			 qr_prng_below(&fake->prng, fake->delay_max_ns - fake->delay_min_ns + 1);
	queued->data = malloc(packet->size_bytes);
	QR_ASSERT(queued->data != NULL);
	memcpy(queued->data, data, packet->size_bytes);
}

static void transmit(struct fake *fake, const struct fake_packet *packet, const uint8_t *data)
{
	if (!happens(fake, fake->loss_percent))
		enqueue(fake, packet, data);
	if (happens(fake, fake->double_percent))
		enqueue(fake, packet, data);
}

static void reply_begin(struct qr_writer *writer, uint8_t *bytes, uint32_t size_bytes)
{
	*writer = qr_writer_over(bytes, size_bytes);
	wire_begin(writer);
}

static void reply_send(struct fake *fake, struct qr_writer *writer, qr_node from)
{
	const struct wire_header header = {
		.source = WIRE_FROM_CLIENT,
		.from = from,
		.cluster = FAKE_CLUSTER,
		.incarnation = 1,
	};
	struct fake_packet packet = {.node = from, .to_client = true};

	packet.size_bytes = (uint32_t)wire_finish(writer, &header);
	QR_ASSERT(packet.size_bytes != 0);
	transmit(fake, &packet, writer->start);
}

/* ---- sessions ---- */

static struct fake_session *session_of(struct fake *fake, uint64_t id)
{
	for (uint32_t i = 0; i < fake->session_count; i++) {
		if (fake->sessions[i].id == id)
			return &fake->sessions[i];
	}
	return NULL;
}

static struct fake_session *open_session(struct fake *fake, const uint64_t nonce[2])
{
	struct fake_session *session;

	for (uint32_t i = 0; i < fake->session_count; i++) {
		session = &fake->sessions[i];
		if (session->nonce[0] == nonce[0] && session->nonce[1] == nonce[1])
			return session;
	}
	QR_ASSERT(fake->session_count < FAKE_SESSIONS_MAX);
	session = &fake->sessions[fake->session_count++];
	*session = (struct fake_session){.nonce = {nonce[0], nonce[1]},
					 .id = (uint64_t)0x100 * fake->session_count};
	return session;
}

static void on_open(struct fake *fake, qr_node node, const struct wire_message *message)
{
	struct wire_session_open open;
	struct wire_session_reply reply = {.status = QR_OK};
	uint8_t bytes[WIRE_DATAGRAM_MIN];
	struct qr_writer writer;

	if (wire_get_session_open(message, &open) != QR_OK)
		return;
	reply.nonce[0] = open.nonce[0];
	reply.nonce[1] = open.nonce[1];
	reply.window_chunks = fake->window_chunks;
	reply.record_max_bytes = fake->record_max_bytes;
	reply.chunk_max_bytes = 1u << 20;
	if (node != fake->leader) {
		reply.status = QR_NOT_LEADER;
		reply.leader = fake->hint;
	} else if (fake->busy_left != 0) {
		fake->busy_left--;
		reply.status = QR_BUSY;
		reply.retry_us = 300;
	} else {
		reply.session = open_session(fake, open.nonce)->id;
	}
	reply_begin(&writer, bytes, sizeof(bytes));
	wire_put_session_reply(&writer, message->group, &reply);
	reply_send(fake, &writer, node);
}

/* ---- chunks ---- */

static void refuse(struct fake *fake, qr_node node, const struct wire_chunk *chunk,
		   enum qr_error status)
{
	const struct fake_session *session = session_of(fake, chunk->session);
	const struct wire_chunk_reply reply = {
		.session = chunk->session,
		.status = status,
		.leader = status == QR_NOT_LEADER ? fake->hint : 0,
		.retry_us = status == QR_BUSY ? 300 : 0,
		.sequence = chunk->sequence,
		.expected = session != NULL ? session->expected : 0,
	};
	uint8_t bytes[WIRE_DATAGRAM_MIN];
	struct qr_writer writer;

	reply_begin(&writer, bytes, sizeof(bytes));
	wire_put_chunk_reply(&writer, FAKE_GROUP, &reply);
	reply_send(fake, &writer, node);
}

static void answer(struct fake *fake, qr_node node, uint32_t first, uint32_t until)
{
	static struct wire_chunk_reply reply;
	uint8_t bytes[WIRE_DATAGRAM_MIN];
	struct qr_writer writer;

	while (first < until) {
		const struct fake_session *session = &fake->sessions[fake->chunks[first].session];

		reply = (struct wire_chunk_reply){.session = session->id,
						  .expected = session->expected};
		while (first < until && reply.answer_count < WIRE_ANSWERS_FIT_MIN &&
		       &fake->sessions[fake->chunks[first].session] == session) {
			const struct fake_chunk *chunk = &fake->chunks[first++];

			reply.answers[reply.answer_count++] =
				(struct wire_answer){chunk->sequence, chunk->count, chunk->offset};
		}
		reply_begin(&writer, bytes, sizeof(bytes));
		wire_put_chunk_reply(&writer, FAKE_GROUP, &reply);
		reply_send(fake, &writer, node);
	}
}

void fake_commit(struct fake *fake)
{
	uint32_t first = fake->committed_chunks;

	for (uint32_t i = first; i < fake->chunk_count; i++) {
		const struct fake_chunk *chunk = &fake->chunks[i];

		fake->sessions[chunk->session].committed = chunk->sequence + chunk->count;
	}
	fake->committed_chunks = fake->chunk_count;
	fake->committed_records = fake->record_count;
	if (fake->leader != 0)
		answer(fake, fake->leader, first, fake->committed_chunks);
}

static void add_record(struct fake *fake, const uint8_t *data, uint32_t size_bytes)
{
	struct fake_record *record = &fake->records[fake->record_count++];

	QR_ASSERT(fake->record_count <= FAKE_RECORDS_MAX);
	QR_ASSERT(fake->log_bytes + size_bytes <= FAKE_LOG_BYTES);
	record->data = fake->log + fake->log_bytes;
	record->size_bytes = size_bytes;
	if (size_bytes != 0)
		memcpy(record->data, data, size_bytes);
	fake->log_bytes += size_bytes;
}

static void append(struct fake *fake, const struct wire_chunk *chunk, const uint8_t *body)
{
	struct fake_session *session = session_of(fake, chunk->session);
	struct qr_reader reader = qr_reader_over(body, chunk->total_bytes);
	unsigned window;

	QR_ASSERT(qr_crc32c(0, body, chunk->total_bytes) == chunk->crc);
	QR_ASSERT(fake->chunk_count < FAKE_CHUNKS_MAX);
	fake->chunks[fake->chunk_count++] = (struct fake_chunk){
		.session = (uint32_t)(session - fake->sessions),
		.sequence = chunk->sequence,
		.count = chunk->count,
		.offset = fake->record_count,
	};
	for (uint32_t i = 0; i < chunk->count; i++) {
		uint32_t size_bytes = qr_read_u32(&reader);
		const uint8_t *data = qr_read_bytes(&reader, size_bytes);

		QR_ASSERT(data != NULL);
		add_record(fake, data, size_bytes);
	}
	QR_ASSERT(qr_reader_left(&reader) == 0);
	session->expected = chunk->sequence + chunk->count;
	window = fake->chunk_count - fake->committed_chunks;
	if (window > fake->largest_window)
		fake->largest_window = window;
	if (!fake->hold_commits)
		fake_commit(fake);
}

/** Pieces of one chunk at a time. @return its body once it is whole. */
static const uint8_t *assemble(struct fake *fake, const struct wire_chunk *chunk)
{
	if (chunk->bulk.size_bytes == chunk->total_bytes)
		return chunk->bulk.data;
	QR_ASSERT(chunk->total_bytes <= FAKE_PARTS_BYTES);
	if (fake->parts_sequence != chunk->sequence) {
		fake->parts_sequence = chunk->sequence;
		fake->parts_bytes = 0;
		memset(fake->parts_seen, 0, sizeof(fake->parts_seen));
	}
	if (fake->parts_seen[chunk->offset / 512] != 0)
		return fake->parts_bytes == chunk->total_bytes ? fake->parts : NULL;
	fake->parts_seen[chunk->offset / 512] = 1;
	memcpy(fake->parts + chunk->offset, chunk->bulk.data, chunk->bulk.size_bytes);
	fake->parts_bytes += (uint32_t)chunk->bulk.size_bytes;
	return fake->parts_bytes == chunk->total_bytes ? fake->parts : NULL;
}

/** Retries of what the session has. */
static void answer_again(struct fake *fake, qr_node node, const struct fake_session *session,
			 const struct wire_chunk *chunk)
{
	fake->appended_twice++;
	for (uint32_t i = 0; i < fake->committed_chunks; i++) {
		if (&fake->sessions[fake->chunks[i].session] == session &&
		    fake->chunks[i].sequence == chunk->sequence)
			answer(fake, node, i, i + 1);
	}
}

static void on_chunk(struct fake *fake, qr_node node, const struct wire_message *message)
{
	struct fake_session *session;
	struct wire_chunk chunk;
	const uint8_t *body;

	QR_ASSERT(wire_get_chunk(message, &chunk) == QR_OK);
	session = session_of(fake, chunk.session);
	if (node != fake->leader) {
		refuse(fake, node, &chunk, QR_NOT_LEADER);
	} else if (fake->busy_left != 0) {
		fake->busy_left--;
		refuse(fake, node, &chunk, QR_BUSY);
	} else if (fake->refuse_with != QR_OK) {
		refuse(fake, node, &chunk, fake->refuse_with);
		fake->refuse_with = QR_OK;
	} else if (session == NULL || session->expired) {
		refuse(fake, node, &chunk, QR_EXPIRED);
	} else if (chunk.sequence < session->expected) {
		answer_again(fake, node, session, &chunk);
	} else if (chunk.sequence > session->expected) {
		refuse(fake, node, &chunk, QR_GAP);
	} else {
		body = assemble(fake, &chunk);
		if (body != NULL)
			append(fake, &chunk, body);
	}
}

void fake_elect(struct fake *fake, qr_node leader)
{
	fake->chunk_count = fake->committed_chunks;
	fake->record_count = fake->committed_records;
	for (uint32_t i = 0; i < fake->session_count; i++)
		fake->sessions[i].expected = fake->sessions[i].committed;
	fake->leader = leader;
	fake->hint = leader;
	fake->parts_sequence = UINT64_MAX;
}

/* ---- reading ---- */

static void send_records(struct fake *fake, qr_node node, struct wire_records *records)
{
	static uint8_t bytes[WIRE_DATAGRAM_MAX];
	struct qr_writer writer;

	reply_begin(&writer, bytes, fake->datagram_max);
	wire_put_records(&writer, FAKE_GROUP, records);
	qr_write_bytes(&writer, records->bulk.data, records->bulk.size_bytes);
	reply_send(fake, &writer, node);
	records->slice++;
}

static void send_pieces(struct fake *fake, qr_node node, struct wire_records *records,
			const uint8_t *data, uint32_t room)
{
	uint32_t total = records->piece_total;

	for (uint32_t at = 0; at < total; at += room) {
		records->piece_offset = at;
		records->bulk = (struct qr_span){data + at, total - at < room ? total - at : room};
		send_records(fake, node, records);
	}
	records->piece_total = 0;
	records->piece_offset = 0;
}

static void serve(struct fake *fake, qr_node node, const struct wire_read *read, qr_offset end)
{
	static uint8_t slice[2 * WIRE_DATAGRAM_MAX + FAKE_PARTS_BYTES];
	uint32_t room = fake->datagram_max - WIRE_HEADER_BYTES - WIRE_MESSAGE_HEADER_BYTES -
			WIRE_RECORDS_BYTES;
	struct wire_records records = {.request = read->request, .committed = end};
	qr_offset at = read->offset;
	uint32_t sent = 0;

	while (at < end && sent < read->max_bytes) {
		struct qr_writer writer = qr_writer_over(slice, sizeof(slice));

		records.offset = at;
		records.count = 0;
		while (at < end) {
			const struct fake_record *record = &fake->records[at];

			if (records.count != 0 &&
			    qr_writer_size(&writer) + 4 + record->size_bytes > room)
				break;
			qr_write_u32(&writer, record->size_bytes);
			qr_write_bytes(&writer, record->data, record->size_bytes);
			records.count++;
			at++;
		}
		sent += (uint32_t)qr_writer_size(&writer);
		records.last = at == end || sent >= read->max_bytes;
		if (qr_writer_size(&writer) > room) {
			records.piece_total = (uint32_t)qr_writer_size(&writer);
			send_pieces(fake, node, &records, slice, room);
			continue;
		}
		records.bulk = (struct qr_span){slice, qr_writer_size(&writer)};
		send_records(fake, node, &records);
	}
}

static void on_read(struct fake *fake, qr_node node, const struct wire_message *message)
{
	qr_offset end = fake->committed_records - fake->lag[node];
	struct wire_records none = {.last = true, .offset = end, .committed = end};
	struct wire_read read;

	QR_ASSERT(wire_get_read(message, &read) == QR_OK);
	none.request = read.request;
	fake->last_read_request = read.request;
	if (fake->node_busy[node]) {
		none.status = QR_BUSY;
	} else if (read.offset > end || read.offset < fake->start) {
		none.status = QR_OUT_OF_RANGE;
		none.offset = fake->start;
	}
	if (none.status != QR_OK || read.offset == end) {
		send_records(fake, node, &none);
	} else {
		serve(fake, node, &read, end);
	}
}

static void on_tail(struct fake *fake, qr_node node, const struct wire_message *message)
{
	struct wire_tail_reply reply = {.start = fake->start, .end = fake->committed_records};
	uint8_t bytes[WIRE_DATAGRAM_MIN];
	struct qr_writer writer;
	struct wire_tail tail;

	QR_ASSERT(wire_get_tail(message, &tail) == QR_OK);
	reply.request = tail.request;
	if (node != fake->leader) {
		reply.status = QR_NOT_LEADER;
		reply.leader = fake->hint;
	}
	reply_begin(&writer, bytes, sizeof(bytes));
	wire_put_tail_reply(&writer, message->group, &reply);
	reply_send(fake, &writer, node);
}

static void on_describe(struct fake *fake, qr_node node, const struct wire_message *message)
{
	struct wire_description reply = {
		.total = 1,
		.partition_count = 1,
		.partitions = {{.group = FAKE_GROUP,
				.leader = fake->hint,
				.replicas = 0xe,
				.name = "log"}},
		.node_count = FAKE_NODES,
	};
	uint8_t bytes[WIRE_DATAGRAM_MIN];
	struct wire_describe describe;
	struct qr_writer writer;

	QR_ASSERT(wire_get_describe(message, &describe) == QR_OK);
	reply.request = describe.request;
	for (qr_node i = 0; i < FAKE_NODES; i++) {
		reply.nodes[i] = (struct wire_endpoint){(qr_node)(i + 1), 2,
							(uint16_t)(7000 + 10 * i), 0x7f000001};
	}
	reply_begin(&writer, bytes, sizeof(bytes));
	wire_put_description(&writer, &reply);
	reply_send(fake, &writer, node);
}

static void on_status(struct fake *fake, qr_node node, const struct wire_message *message)
{
	static struct wire_status_reply reply;
	uint8_t bytes[2 * WIRE_DATAGRAM_MIN];
	struct wire_status status;
	struct qr_writer writer;

	QR_ASSERT(wire_get_status(message, &status) == QR_OK);
	reply = (struct wire_status_reply){.request = status.request, .node = node, .cores = 2};
	reply_begin(&writer, bytes, sizeof(bytes));
	wire_put_status_reply(&writer, &reply);
	reply_send(fake, &writer, node);
}

/* ---- running ---- */

static void receive(struct fake *fake, const struct fake_packet *packet)
{
	struct wire_header header;
	struct wire_message message;
	struct qr_reader messages;
	enum qr_error error =
		wire_open((struct qr_span){packet->data, packet->size_bytes}, &header, &messages);

	QR_ASSERT(error == QR_OK && header.cluster == FAKE_CLUSTER);
	QR_ASSERT(header.to == 0 || header.to == packet->node);
	fake->received[packet->node]++;
	while (wire_next(&messages, &message) == QR_OK) {
		if (message.type == WIRE_SESSION_OPEN) {
			on_open(fake, packet->node, &message);
		} else if (message.type == WIRE_CHUNK) {
			on_chunk(fake, packet->node, &message);
		} else if (message.type == WIRE_READ) {
			on_read(fake, packet->node, &message);
		} else if (message.type == WIRE_TAIL) {
			on_tail(fake, packet->node, &message);
		} else if (message.type == WIRE_DESCRIBE) {
			on_describe(fake, packet->node, &message);
		} else if (message.type == WIRE_STATUS) {
			on_status(fake, packet->node, &message);
		}
	}
}

static void deliver_due(struct fake *fake)
{
	for (uint32_t i = 0; i < fake->packet_count;) {
		struct fake_packet packet = fake->packets[i];

		if (packet.due_ns > fake->now_ns) {
			i++;
			continue;
		}
		/* In the order of sending: the rest moves up. */
		memmove(&fake->packets[i], &fake->packets[i + 1],
			(--fake->packet_count - i) * sizeof(packet));
		if (packet.to_client) {
			dp_client_receive(fake->client,
					  (struct qr_span){packet.data, packet.size_bytes},
					  fake->now_ns);
		} else if (!fake->node_down[packet.node]) {
			receive(fake, &packet);
		}
		free(packet.data);
	}
}

static void take_turn(struct fake *fake)
{
	static uint8_t buffers[16][WIRE_DATAGRAM_MAX];
	struct dp_client_tx tx[16];
	unsigned count;

	do {
		for (unsigned i = 0; i < 16; i++) {
			tx[i] = (struct dp_client_tx){.data = buffers[i],
						      .capacity_bytes = WIRE_DATAGRAM_MAX};
		}
		count = dp_client_poll(fake->client, fake->now_ns, tx, 16);
		for (unsigned i = 0; i < count; i++) {
			struct fake_packet packet = {
				.node = tx[i].node != 0 ? tx[i].node : (qr_node)(tx[i].seed + 1),
				.core = tx[i].core,
				.size_bytes = tx[i].size_bytes,
			};

			QR_ASSERT(tx[i].size_bytes <= fake->datagram_max);
			transmit(fake, &packet, tx[i].data);
		}
	} while (count == 16);
}

void fake_step(struct fake *fake, qr_ns limit_ns)
{
	qr_ns next;

	take_turn(fake);
	next = dp_client_next_deadline(fake->client);
	for (uint32_t i = 0; i < fake->packet_count; i++) {
		if (fake->packets[i].due_ns < next)
			next = fake->packets[i].due_ns;
	}
	if (next > limit_ns)
		next = limit_ns;
	fake->now_ns = next > fake->now_ns ? next : fake->now_ns + 1000;
	deliver_due(fake);
}

void fake_run(struct fake *fake, qr_ns for_ns)
{
	qr_ns until_ns = fake->now_ns + for_ns;

	while (fake->now_ns < until_ns)
		fake_step(fake, until_ns);
}

void fake_put(struct fake *fake, const void *data, uint32_t size_bytes)
{
	add_record(fake, data, size_bytes);
	fake->committed_records = fake->record_count;
}

void fake_deliver(struct fake *fake, const uint8_t *data, size_t size_bytes)
{
	dp_client_receive(fake->client, (struct qr_span){data, size_bytes}, fake->now_ns);
}

/* ---- set-up ---- */

static struct qr_arena arena_of(size_t size_bytes)
{
	struct qr_arena arena;
	void *memory = aligned_alloc(64, (size_bytes + 63) / 64 * 64);

	QR_ASSERT(memory != NULL);
	qr_arena_init(&arena, memory, size_bytes);
	return arena;
}

struct fake *fake_create(uint64_t seed, uint32_t datagram_max)
{
	struct dp_client_config config = dp_client_config_default();
	struct fake *fake = calloc(1, sizeof(*fake));
	struct qr_arena arena;

	QR_ASSERT(fake != NULL);
	fake->log = malloc(FAKE_LOG_BYTES);
	fake->parts = malloc(FAKE_PARTS_BYTES);
	QR_ASSERT(fake->log != NULL && fake->parts != NULL);
	fake->now_ns = 1000000000;
	qr_prng_init(&fake->prng, seed);
	fake->delay_min_ns = 20000;
	fake->delay_max_ns = 20000;
	fake->datagram_max = datagram_max;
	fake->leader = 1;
	fake->hint = 1;
	fake->record_max_bytes = 1u << 20;
	fake->window_chunks = WIRE_WINDOW_CHUNKS;
	fake->parts_sequence = UINT64_MAX;

	config.cluster = FAKE_CLUSTER;
	config.incarnation = 7;
	config.random_seed = seed;
	config.datagram_max = datagram_max;
	config.seed_count = 2;
	qr_arena_init(&arena, NULL, 0);
	(void)dp_client_create(&arena, &config, 0);
	arena = arena_of(arena.used_bytes);
	fake->client = dp_client_create(&arena, &config, fake->now_ns);
	for (qr_node node = 1; node <= FAKE_NODES; node++)
		dp_client_set_node(fake->client, &(struct wire_endpoint){.node = node, .cores = 2});
	return fake;
}

void fake_destroy(struct fake *fake)
{
	for (uint32_t i = 0; i < fake->packet_count; i++)
		free(fake->packets[i].data);
	free(fake->client);
	free(fake->log);
	free(fake->parts);
	free(fake);
}

struct dp_producer *fake_producer(struct fake *fake, const struct dp_producer_config *config)
{
	struct qr_arena arena;

	qr_arena_init(&arena, NULL, 0);
	(void)dp_producer_create(&arena, fake->client, config);
	arena = arena_of(arena.used_bytes);
	return dp_producer_create(&arena, fake->client, config);
}

struct dp_consumer *fake_consumer(struct fake *fake, const struct dp_consumer_config *config)
{
	struct qr_arena arena;

	qr_arena_init(&arena, NULL, 0);
	(void)dp_consumer_create(&arena, fake->client, config);
	arena = arena_of(arena.used_bytes);
	return dp_consumer_create(&arena, fake->client, config);
}

struct dp_producer_config fake_producer_config(dp_done_fn on_done, void *context)
{
	struct dp_producer_config config = dp_producer_config_default();

	config.group = FAKE_GROUP;
	config.replicas = 0xe;
	config.leader = 1;
	config.on_done = on_done;
	config.context = context;
	return config;
}

struct dp_consumer_config fake_consumer_config(dp_batch_fn on_batch, void *context)
{
	struct dp_consumer_config config = dp_consumer_config_default();

	config.group = FAKE_GROUP;
	config.replicas = 0xe;
	config.prefer = 1;
	config.on_batch = on_batch;
	config.context = context;
	return config;
}
