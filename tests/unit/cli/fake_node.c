/*
 * The fake node. Everything but `stop` belongs to its thread between start and stop.
 */
#include "tests/unit/cli/fake_node.h"

#include "consensus/base/assert.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROLE_LEADER 3
#define SLICE_BYTES 1200
#define SESSION 17

struct exchange {
	struct fake_node *fake;
	struct sockaddr_in asker;
	uint8_t out[WIRE_DATAGRAM_MAX];
	struct qr_writer writer;
};

static void send_out(struct exchange *exchange)
{
	struct fake_node *fake = exchange->fake;
	struct wire_header header = {
		.source = WIRE_FROM_PEER,
		.from = 1,
		.cluster = fake->cluster,
		.incarnation = 1,
		.counter = ++fake->counter,
	};
	size_t bytes = wire_finish(&exchange->writer, &header);

	QR_ASSERT(bytes != 0);
	(void)sendto(fake->socket, exchange->out, bytes, 0,
		     (const struct sockaddr *)&exchange->asker, sizeof(exchange->asker));
}

static struct qr_writer *begin(struct exchange *exchange)
{
	exchange->writer = qr_writer_over(exchange->out, sizeof(exchange->out));
	wire_begin(&exchange->writer);
	return &exchange->writer;
}

static void describe(struct exchange *exchange, const struct wire_message *message)
{
	struct wire_description answer = {.total = FAKE_PARTITIONS, .node_count = 1};
	struct wire_describe question;

	if (wire_get_describe(message, &question) != QR_OK)
		return;
	answer.request = question.request;
	answer.first = question.first;
	answer.nodes[0] = (struct wire_endpoint){
		.node = 1, .cores = 1, .port = exchange->fake->port, .ipv4 = INADDR_LOOPBACK};
	while (question.first + answer.partition_count < FAKE_PARTITIONS &&
	       answer.partition_count < WIRE_DESCRIPTION_PARTITIONS) {
		uint32_t at = question.first + answer.partition_count;

		answer.partitions[answer.partition_count++] = (struct wire_partition){
			.group = at + 1, .partition = at, .replicas = 2, .name = "events"};
	}
	wire_put_description(begin(exchange), &answer);
	send_out(exchange);
}

static void status(struct exchange *exchange, const struct wire_message *message)
{
	struct wire_status_reply answer = {.node = 1, .cores = 1, .total = FAKE_PARTITIONS};
	struct wire_status question;

	if (wire_get_status(message, &question) != QR_OK)
		return;
	answer.request = question.request;
	answer.first = question.first;
	while (question.first + answer.group_count < FAKE_PARTITIONS &&
	       answer.group_count < WIRE_STATUS_GROUPS) {
		qr_group group = question.first + answer.group_count + 1;

		answer.groups[answer.group_count++] = (struct wire_status_group){
			.group = group, .role = ROLE_LEADER, .leader = 1, .term = 2};
	}
	wire_put_status_reply(begin(exchange), &answer);
	send_out(exchange);
}

static void tail(struct exchange *exchange, const struct wire_message *message)
{
	struct wire_tail_reply answer = {.start = atomic_load(&exchange->fake->start),
					 .end = exchange->fake->record_count};
	struct wire_tail question;

	if (wire_get_tail(message, &question) != QR_OK)
		return;
	answer.request = question.request;
	wire_put_tail_reply(begin(exchange), message->group, &answer);
	send_out(exchange);
}

static void open_session(struct exchange *exchange, const struct wire_message *message)
{
	struct wire_session_reply answer = {
		.session = SESSION,
		.window_chunks = WIRE_WINDOW_CHUNKS,
		.record_max_bytes = exchange->fake->record_max_bytes,
		.chunk_max_bytes = 1 << 20,
	};
	struct wire_session_open question;

	if (wire_get_session_open(message, &question) != QR_OK)
		return;
	memcpy(answer.nonce, question.nonce, sizeof(answer.nonce));
	wire_put_session_reply(begin(exchange), message->group, &answer);
	send_out(exchange);
}

static void keep(struct fake_node *fake, const struct wire_chunk *chunk)
{
	struct qr_reader reader = qr_reader_over(fake->chunk, chunk->total_bytes);

	QR_ASSERT(fake->body_bytes + chunk->total_bytes <= FAKE_BODY_BYTES);
	QR_ASSERT(fake->record_count + chunk->count <= FAKE_RECORDS);
	for (uint32_t i = 0; i < chunk->count; i++) {
		uint32_t size_bytes = qr_read_u32(&reader);
		const uint8_t *data = qr_read_bytes(&reader, size_bytes);

		QR_ASSERT(data != NULL);
		memcpy(fake->body + fake->body_bytes, data - 4, size_bytes + 4u);
		fake->body_bytes += size_bytes + 4u;
		fake->starts[++fake->record_count] = fake->body_bytes;
	}
	fake->expected += chunk->count;
}

static void take_chunk(struct exchange *exchange, const struct wire_message *message)
{
	struct fake_node *fake = exchange->fake;
	struct wire_chunk_reply answer = {.session = SESSION};
	struct wire_chunk chunk;

	if (wire_get_chunk(message, &chunk) != QR_OK || chunk.session != SESSION)
		return;
	answer.sequence = chunk.sequence;
	if (chunk.sequence > fake->expected) {
		answer.status = QR_GAP;
	} else {
		if (chunk.sequence == fake->expected) {
			if (chunk.offset == 0 || fake->chunk_sequence != chunk.sequence)
				fake->chunk_got_bytes = 0;
			fake->chunk_sequence = chunk.sequence;
			if (chunk.offset != fake->chunk_got_bytes)
				return; /* pieces in order only: it will come again */
			memcpy(fake->chunk + chunk.offset, chunk.bulk.data, chunk.bulk.size_bytes);
			fake->chunk_got_bytes += (uint32_t)chunk.bulk.size_bytes;
			if (fake->chunk_got_bytes < chunk.total_bytes)
				return;
			keep(fake, &chunk);
		}
		answer.answer_count = 1;
		answer.answers[0] = (struct wire_answer){
			.sequence = chunk.sequence, .count = chunk.count, .offset = chunk.sequence};
	}
	answer.expected = fake->expected;
	wire_put_chunk_reply(begin(exchange), message->group, &answer);
	send_out(exchange);
}

static void send_slice(struct exchange *exchange, qr_group group, struct wire_records *records,
		       size_t at, size_t size_bytes)
{
	struct qr_writer *writer = begin(exchange);

	records->bulk = (struct qr_span){exchange->fake->body + at, size_bytes};
	wire_put_records(writer, group, records);
	qr_write_bytes(writer, records->bulk.data, records->bulk.size_bytes);
	send_out(exchange);
	records->slice++;
}

/* A record too large for a slice. */
static void send_pieces(struct exchange *exchange, qr_group group, struct wire_records *records,
			bool last)
{
	const struct fake_node *fake = exchange->fake;
	size_t start = fake->starts[records->offset];
	size_t total = fake->starts[records->offset + 1] - start;

	records->count = 1;
	records->piece_total = (uint32_t)total;
	for (size_t at = 0; at < total; at += SLICE_BYTES) {
		size_t size_bytes = total - at < SLICE_BYTES ? total - at : SLICE_BYTES;

		records->piece_offset = (uint32_t)at;
		records->last = last && at + size_bytes == total;
		send_slice(exchange, group, records, start + at, size_bytes);
	}
	records->piece_total = 0;
	records->piece_offset = 0;
}

static void refuse(struct exchange *exchange, qr_group group, uint64_t request, qr_offset start)
{
	const struct wire_records records = {
		.request = request,
		.status = QR_OUT_OF_RANGE,
		.offset = start,
		.last = true,
		.committed = exchange->fake->record_count,
	};

	wire_put_records(begin(exchange), group, &records);
	send_out(exchange);
}

static void send_records(struct exchange *exchange, const struct wire_message *message)
{
	const struct fake_node *fake = exchange->fake;
	struct wire_records records = {.committed = fake->record_count};
	struct wire_read question;
	size_t sent_bytes = 0;
	uint64_t next;

	if (wire_get_read(message, &question) != QR_OK || question.offset >= fake->record_count)
		return; /* at the end: nothing to say */
	if (question.offset < atomic_load(&fake->start)) {
		refuse(exchange, message->group, question.request, atomic_load(&fake->start));
		return;
	}
	records.request = question.request;
	next = question.offset;
	while (next < fake->record_count && !records.last) {
		uint64_t first = next;

		while (next < fake->record_count &&
		       fake->starts[next + 1] - fake->starts[first] <= SLICE_BYTES)
			next++;
		records.offset = first;
		records.count = (uint32_t)(next - first);
		next += next == first; /* none fits whole */
		sent_bytes += fake->starts[next] - fake->starts[first];
		records.last = next == fake->record_count || sent_bytes >= question.max_bytes;
		if (records.count == 0) {
			send_pieces(exchange, message->group, &records, records.last);
		} else {
			send_slice(exchange, message->group, &records, fake->starts[first],
				   fake->starts[next] - fake->starts[first]);
		}
	}
}

static void take(struct exchange *exchange, const uint8_t *data, size_t size)
{
	struct wire_message message;
	struct wire_header header;
	struct qr_reader messages;

	if (wire_open((struct qr_span){data, size}, &header, &messages) != QR_OK ||
	    header.cluster != exchange->fake->cluster)
		return;
	while (wire_next(&messages, &message) == QR_OK) {
		if (message.type == WIRE_DESCRIBE) {
			describe(exchange, &message);
		} else if (message.type == WIRE_STATUS) {
			status(exchange, &message);
		} else if (message.type == WIRE_TAIL) {
			tail(exchange, &message);
		} else if (message.type == WIRE_SESSION_OPEN) {
			open_session(exchange, &message);
		} else if (message.type == WIRE_CHUNK) {
			take_chunk(exchange, &message);
		} else if (message.type == WIRE_READ) {
			send_records(exchange, &message);
		}
	}
}

static void *serve(void *context)
{
	struct fake_node *fake = context;
	struct exchange exchange = {.fake = fake};
	static uint8_t data[WIRE_DATAGRAM_MAX];

	while (!atomic_load(&fake->stop)) {
		socklen_t asker_bytes = sizeof(exchange.asker);
		ssize_t got = recvfrom(fake->socket, data, sizeof(data), 0,
				       (struct sockaddr *)&exchange.asker, &asker_bytes);

		if (got <= 0)
			continue;
		fake->seen++;
		if (fake->seen > fake->ignored)
			take(&exchange, data, (size_t)got);
	}
	return NULL;
}

void fake_node_start(struct fake_node *fake, unsigned ignored)
{
	struct timeval patience = {.tv_usec = 20000};
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t address_bytes = sizeof(address);
	int room = 4 << 20;

	memset(fake, 0, sizeof(*fake));
	fake->cluster = wire_cluster_id("demo");
	fake->ignored = ignored;
	fake->record_max_bytes = 1 << 20;
	fake->body = malloc(FAKE_BODY_BYTES);
	fake->chunk = malloc(FAKE_BODY_BYTES);
	fake->socket = socket(AF_INET, SOCK_DGRAM, 0);
	QR_ASSERT(fake->body != NULL && fake->chunk != NULL && fake->socket >= 0);
	QR_ASSERT(bind(fake->socket, (struct sockaddr *)&address, sizeof(address)) == 0);
	QR_ASSERT(getsockname(fake->socket, (struct sockaddr *)&address, &address_bytes) == 0);
	fake->port = ntohs(address.sin_port);
	QR_ASSERT(setsockopt(fake->socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) ==
		  0);
	(void)setsockopt(fake->socket, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	QR_ASSERT(pthread_create(&fake->thread, NULL, serve, fake) == 0);
}

void fake_node_stop(struct fake_node *fake)
{
	atomic_store(&fake->stop, true);
	QR_ASSERT(pthread_join(fake->thread, NULL) == 0);
	(void)close(fake->socket);
	free(fake->body);
	free(fake->chunk);
}
