/*
 * What replication costs in CPU: three replication cores in one thread, datagrams handed over by a
 * copy, disk operations done at once, one client with a window of chunks. No system call in the
 * measured loop, so the figure is the code's own: records per core-second for leader and two
 * followers together, and bytes per second through all of it.
 *
 *	node-bench [RECORD_BYTES [DATAGRAM_BYTES [SECONDS]]]
 */
#include "consensus/base/crc.h"
#include "dataplane/node/core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NODES 3
#define TX_BURST 64
#define OPS_BURST 32
#define WINDOW_CHUNKS 48
#define DATAGRAM_MAX 65507u
#define START_MAX_NS 5000000000u

struct bench_node {
	struct dp_core *core;
	uint8_t slots[STORE_SLOTS * STORE_SLOT_BYTES];
};

struct bench {
	struct bench_node nodes[NODES + 1];
	struct dp_group_config groups[NODES + 1]; /* node 1 is preferred as the leader */
	qr_ns now_ns;
	uint64_t session;
	uint64_t sequence; /* next to send */
	uint64_t answered; /* records */
	uint32_t unanswered;
	uint32_t chunk_records;
	uint32_t body_bytes;
	uint32_t datagram_bytes;
	uint8_t *body;
	uint32_t crc;
	uint64_t counter;
};

static qr_ns clock_ns(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (qr_ns)time.tv_sec * 1000000000u + (qr_ns)time.tv_nsec;
}

static void *must(void *memory)
{
	if (memory == NULL)
		abort();
	return memory;
}

/* ---- the client ---- */

static void client_send(struct bench *bench, struct qr_writer *writer)
{
	struct wire_header header = {
		.cluster = 1, .to = 1, .incarnation = 9, .counter = ++bench->counter};
	size_t size_bytes = wire_finish(writer, &header);
	struct dp_address from = {.udp = 1};

	dp_core_receive(bench->nodes[1].core, (struct qr_span){writer->start, size_bytes}, from,
			bench->now_ns);
}

static void client_open(struct bench *bench)
{
	uint8_t buffer[1024];
	struct qr_writer writer = qr_writer_over(buffer, sizeof(buffer));

	wire_begin(&writer);
	wire_put_session_open(&writer, 1, &(struct wire_session_open){.nonce = {1, 2}});
	client_send(bench, &writer);
}

static void client_append(struct bench *bench)
{
	static uint8_t buffer[DATAGRAM_MAX];
	struct qr_writer writer = qr_writer_over(buffer, sizeof(buffer));
	struct wire_chunk chunk = {.session = bench->session,
				   .sequence = bench->sequence,
				   .count = bench->chunk_records,
				   .crc = bench->crc,
				   .total_bytes = bench->body_bytes,
				   .bulk = {bench->body, bench->body_bytes}};

	wire_begin(&writer);
	wire_put_chunk(&writer, 1, &chunk);
	qr_write_bytes(&writer, bench->body, bench->body_bytes);
	client_send(bench, &writer);
	bench->sequence += bench->chunk_records;
	bench->unanswered++;
}

static void client_receive(struct bench *bench, struct qr_span datagram)
{
	struct wire_header header;
	struct wire_message message;
	struct qr_reader messages;

	if (wire_open(datagram, &header, &messages) != QR_OK)
		abort();
	while (wire_next(&messages, &message) == QR_OK) {
		struct wire_session_reply session;
		struct wire_chunk_reply reply;

		if (message.type == WIRE_SESSION_REPLY &&
		    wire_get_session_reply(&message, &session) == QR_OK &&
		    session.status == QR_OK) {
			bench->session = session.session;
		} else if (message.type == WIRE_CHUNK_REPLY &&
			   wire_get_chunk_reply(&message, &reply) == QR_OK) {
			if (reply.status != QR_OK) /* a full window: the chunk goes again */
				bench->sequence = reply.expected;
			bench->unanswered -= reply.status == QR_OK ? reply.answer_count : 1;
			for (uint32_t a = 0; a < reply.answer_count; a++)
				bench->answered += reply.answers[a].count;
		}
	}
}

/* ---- the edges ---- */

static void carry_out(struct bench_node *node, const struct store_op *op, qr_ns now_ns)
{
	struct store_completion done = {.kind = op->kind, .group = op->group, .tag = op->tag};

	if (op->kind == STORE_OP_READ_SNAPSHOT) {
		done.result = QR_NOT_FOUND;
	} else if (op->kind == STORE_OP_READ_SLOTS) {
		memcpy(op->data, node->slots, op->size_bytes);
	} else if (op->kind == STORE_OP_WRITE_SLOT) {
		memcpy(node->slots + op->offset_bytes, op->data, op->size_bytes);
	}
	/* Log writes cost the CPU no copy with direct I/O: nothing is copied here either. */
	dp_core_complete(node->core, &done, now_ns);
}

static void deliver(struct bench *bench, uint32_t from, const struct dp_tx *tx)
{
	struct dp_address address = {.ipv4 = from};
	struct qr_span datagram = {tx->data, tx->size_bytes};

	if (tx->peer == 0) {
		client_receive(bench, datagram);
	} else {
		dp_core_receive(bench->nodes[tx->peer].core, datagram, address, bench->now_ns);
	}
}

static void poll_node(struct bench *bench, uint32_t number)
{
	static uint8_t buffers[TX_BURST][DATAGRAM_MAX];
	struct bench_node *node = &bench->nodes[number];
	struct dp_tx tx[TX_BURST];
	struct store_op ops[OPS_BURST];
	struct dp_turn turn = {.now_ns = bench->now_ns, .random = (uint32_t)bench->now_ns};
	unsigned count;

	for (unsigned t = 0; t < TX_BURST; t++) {
		tx[t].data = buffers[t];
		tx[t].capacity_bytes = bench->datagram_bytes;
	}
	count = dp_core_poll(node->core, &turn, tx, TX_BURST);
	for (unsigned t = 0; t < count; t++)
		deliver(bench, number, &tx[t]);
	count = dp_core_poll_disk(node->core, ops, OPS_BURST);
	for (unsigned o = 0; o < count; o++)
		carry_out(node, &ops[o], bench->now_ns);
}

static void turn(struct bench *bench)
{
	bench->now_ns = clock_ns();
	for (uint32_t node = 1; node <= NODES; node++)
		poll_node(bench, node);
}

static void create_node(struct bench *bench, uint32_t number)
{
	struct dp_core_config config = {
		.cluster = 1,
		.node = (qr_node)number,
		.cores = 1,
		.incarnation = number,
		.election_timeout_ns = 500000000,
		.heartbeat_interval_ns = 50000000,
		.retransmit_min_ns = 100000000,
		.geometry = {.segment_blocks = 16384, .stride_blocks = 2048},
		.window_blocks = 4096,
		.write_depth = 4,
		.write_max_blocks = 256,
		.segments_ahead = 4,
		.checkpoints_max = 1024,
		.entry_max_bytes = 1 << 20,
		.record_max_bytes = 1 << 20,
		.sessions_max = 16,
		.inflight_entries = 256,
		.inflight_bytes = 4 << 20,
		.readers = 3,
		.client_datagram_max = bench->datagram_bytes,
		.group_count = 1,
		.groups = &bench->groups[number],
	};
	struct qr_arena arena;

	bench->groups[number] = (struct dp_group_config){
		.group = 1, .replicas = 0xe, .priority = number == 1 ? 100 : 0};
	for (uint32_t peer = 1; peer <= NODES; peer++) {
		if (peer != number) {
			config.peers[config.peer_count++] =
				(struct dp_peer_config){.node = (qr_node)peer,
							.cores = 1,
							.datagram_max = bench->datagram_bytes};
		}
	}
	qr_arena_init(&arena, NULL, 0);
	(void)dp_core_create(&arena, &config, clock_ns());
	qr_arena_init(&arena, must(aligned_alloc(1 << 21, (arena.used_bytes | 0x1fffff) + 1)),
		      arena.used_bytes);
	memset(arena.base, 0, arena.size_bytes);
	bench->nodes[number].core = dp_core_create(&arena, &config, clock_ns());
}

int main(int argc, char **argv)
{
	static struct bench bench;
	uint32_t record_bytes = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 64;
	uint32_t seconds = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 3;
	qr_ns start_ns;
	qr_ns end_ns;
	struct qr_writer body;

	bench.datagram_bytes = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 16384;
	bench.chunk_records = (bench.datagram_bytes - 200) / (record_bytes + 4);
	bench.body_bytes = bench.chunk_records * (record_bytes + 4);
	bench.body = must(calloc(1, bench.body_bytes));
	body = qr_writer_over(bench.body, bench.body_bytes);
	for (uint32_t r = 0; r < bench.chunk_records; r++) {
		qr_write_u32(&body, record_bytes);
		qr_write_zeros(&body, record_bytes);
	}
	bench.crc = qr_crc32c(0, bench.body, bench.body_bytes);
	for (uint32_t node = 1; node <= NODES; node++)
		create_node(&bench, node);
	for (start_ns = clock_ns(); bench.session == 0;) {
		turn(&bench);
		client_open(&bench);
		if (bench.now_ns - start_ns > START_MAX_NS) {
			(void)fprintf(stderr, "node-bench: node 1 was not elected\n");
			return 1;
		}
	}
	start_ns = clock_ns();
	end_ns = start_ns + (qr_ns)seconds * 1000000000u;
	bench.answered = 0;
	while (bench.now_ns < end_ns) {
		while (bench.unanswered < WINDOW_CHUNKS)
			client_append(&bench);
		turn(&bench);
	}
	printf("record_bytes %u datagram_bytes %u records_per_s %.0f mib_per_s %.0f ns_per_record "
	       "%.1f\n",
	       record_bytes, bench.datagram_bytes,
	       (double)bench.answered * 1e9 / (double)(bench.now_ns - start_ns),
	       (double)bench.answered * record_bytes * 1e9 / (double)(bench.now_ns - start_ns) /
		       1048576.0,
	       (double)(bench.now_ns - start_ns) / (double)bench.answered);
	return 0;
}
