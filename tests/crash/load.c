/*
 * Producers. Each has one session with one group and keeps a few records unanswered, so that
 * several writes are in flight and entries hold from one record to many.
 */
#include "tests/crash/load.h"

#include "consensus/base/assert.h"
#include "tests/crash/tap.h"

#include <stdlib.h>

#define TX_BURST 32
#define APPENDS_PER_TURN 6
#define BUFFER_BYTES (256u << 10)
#define TIMEOUT_NS 120000000000u
#define LAZY_TIMEOUT_NS 2000000000u
#define MEMORY_ALIGN 4096u
#define MEMORY_BYTES ((size_t)16 << 20)

/* ---- records ---- */

static uint64_t fill_of(uint64_t seed, uint32_t producer, uint64_t sequence)
{
	uint64_t mixed = seed ^ (uint64_t)producer << 56 ^ sequence * 0x9e3779b97f4a7c15u;

	mixed ^= mixed >> 31;
	return mixed * 0xbf58476d1ce4e5b9u | 1;
}

/** The bytes behind the two numbers. */
static uint8_t fill_byte(uint64_t fill, size_t at)
{
	return (uint8_t)(fill >> 8 * (at % 8)) ^ (uint8_t)(at / 8);
}

void load_record(uint64_t seed, uint32_t producer, uint64_t sequence, struct qr_writer *writer)
{
	uint64_t fill = fill_of(seed, producer, sequence);

	qr_write_u64(writer, producer);
	qr_write_u64(writer, sequence);
	for (size_t at = 0; writer->at < writer->end; at++)
		qr_write_u8(writer, fill_byte(fill, at));
}

bool load_is_record(uint64_t seed, struct qr_span record, uint32_t *ret_producer,
		    uint64_t *ret_sequence)
{
	struct qr_reader reader = qr_reader_over(record.data, record.size_bytes);
	uint32_t producer = (uint32_t)qr_read_u64(&reader);
	uint64_t sequence = qr_read_u64(&reader);
	uint64_t fill = fill_of(seed, producer, sequence);

	if (reader.failed)
		return false;
	for (size_t at = 0; reader.at < reader.end; at++) {
		if (qr_read_u8(&reader) != fill_byte(fill, at))
			return false;
	}
	*ret_producer = producer;
	*ret_sequence = sequence;
	return true;
}

/* ---- producers ---- */

static void on_done(void *context, uint64_t sequence, uint32_t count, qr_offset offset,
		    enum qr_error error)
{
	struct load_producer *producer = context;

	(void)offset; /* said.c has taken it down when it left the node */
	if (error != QR_OK) {
		producer->error = error;
		return;
	}
	QR_ASSERT(sequence == producer->answered);
	producer->answered += count;
}

static void receive(void *context, struct qr_span datagram, qr_ns now_ns)
{
	struct load *load = context;

	dp_client_receive(load->client, datagram, now_ns);
}

static void create_client(struct load *load, struct qr_arena *arena)
{
	struct dp_client_config config = dp_client_config_default();

	config.cluster = CLUSTER_ID;
	config.incarnation = (uint32_t)qr_prng_next(&load->prng) | 1;
	config.random_seed = qr_prng_next(&load->prng);
	config.datagram_max = CLUSTER_DATAGRAM_MAX;
	config.retransmit_min_ns = cluster_ns(load->cluster, config.retransmit_min_ns);
	config.retransmit_max_ns = cluster_ns(load->cluster, config.retransmit_max_ns);
	config.backoff_min_ns = cluster_ns(load->cluster, config.backoff_min_ns);
	config.backoff_max_ns = cluster_ns(load->cluster, config.backoff_max_ns);
	load->client = dp_client_create(arena, &config, load->cluster->now_ns);
	for (qr_node node = 1; node <= TAPE_NODES; node++) {
		const struct wire_endpoint endpoint = {.node = node, .cores = 1, .port = 1};

		dp_client_set_node(load->client, &endpoint);
	}
}

/*
 * A log that promises nothing may lose its sessions, and give their numbers to others: its
 * producers may end early, with an error or without an answer.
 */
static bool is_lazy(const struct load *load, qr_group group)
{
	return load->cluster->groups[group - 1].durability != WIRE_DURABLE_QUORUM;
}

static void create_producer(struct load *load, struct qr_arena *arena, qr_group group)
{
	struct load_producer *producer = &load->producers[load->producer_count];
	struct dp_producer_config config = dp_producer_config_default();

	QR_ASSERT(load->producer_count < LOAD_PRODUCERS_MAX);
	*producer = (struct load_producer){
		.load = load, .number = load->producer_count++, .group = group};
	config.group = group;
	config.replicas = load->cluster->groups[0].replicas;
	config.buffer_bytes = BUFFER_BYTES;
	config.record_max_bytes = load->record_max;
	config.timeout_ns =
		cluster_ns(load->cluster, is_lazy(load, group) ? LAZY_TIMEOUT_NS : TIMEOUT_NS);
	config.on_done = on_done;
	config.context = producer;
	producer->machine = dp_producer_create(arena, load->client, &config);
	QR_ASSERT(producer->machine != NULL);
}

void load_init(struct load *load, struct cluster *cluster, uint64_t bytes_max)
{
	const struct tape_round *round = &cluster->round;
	struct qr_arena arena;

	*load = (struct load){.cluster = cluster, .bytes_max = bytes_max};
	qr_prng_init(&load->prng, round->seed ^ 0x10ad);
	load->record_max = round->stride_blocks * QR_BLOCK_BYTES / 4;
	load->memory = aligned_alloc(MEMORY_ALIGN, MEMORY_BYTES);
	QR_ASSERT(load->memory != NULL);
	qr_arena_init(&arena, load->memory, MEMORY_BYTES);
	create_client(load, &arena);
	for (uint32_t i = 0; i < round->group_count * LOAD_PRODUCERS_PER_GROUP; i++)
		create_producer(load, &arena, i / LOAD_PRODUCERS_PER_GROUP + 1);
	cluster->receive = receive;
	cluster->context = load;
}

void load_fini(struct load *load)
{
	free(load->memory);
	*load = (struct load){0};
}

/* ---- a turn ---- */

/** Mostly small; some of several blocks, so that writes have many sectors to tear. */
static uint32_t draw_size(struct load *load)
{
	static const uint32_t bounds[] = {64, 64, 300, 300, 1500, 4500, 9000, 20000};
	uint32_t bound = bounds[qr_prng_below(&load->prng, sizeof(bounds) / sizeof(bounds[0]))];

	if (bound > load->record_max)
		bound = load->record_max;
	return LOAD_RECORD_MIN + (uint32_t)qr_prng_below(&load->prng, bound - LOAD_RECORD_MIN + 1);
}

/** @return false: not now. */
static bool append(struct load *load, struct load_producer *producer)
{
	static uint8_t record[1u << 20];
	uint32_t size_bytes = draw_size(load);
	struct qr_writer writer = qr_writer_over(record, size_bytes);
	struct tape_event event = {.kind = TAPE_APPENDED};
	uint64_t sequence = 0;

	QR_ASSERT(size_bytes <= sizeof(record));
	load_record(load->cluster->round.seed, producer->number, producer->appended, &writer);
	if (dp_producer_append(producer->machine, record, size_bytes, &sequence) != QR_OK)
		return false;
	QR_ASSERT(sequence == producer->appended);
	producer->appended++;
	producer->bytes += size_bytes;
	event.appended = (struct tape_appended){
		.producer = producer->number, .sequence = sequence, .size_bytes = size_bytes};
	tap_put(&event);
	return true;
}

static void send(struct load *load)
{
	static uint8_t buffers[TX_BURST][CLUSTER_DATAGRAM_MAX];
	struct dp_client_tx tx[TX_BURST];
	unsigned count;

	do {
		for (unsigned t = 0; t < TX_BURST; t++) {
			tx[t] = (struct dp_client_tx){.data = buffers[t],
						      .capacity_bytes = CLUSTER_DATAGRAM_MAX};
		}
		count = dp_client_poll(load->client, load->cluster->now_ns, tx, TX_BURST);
		for (unsigned t = 0; t < count; t++) {
			cluster_send(load->cluster, tx[t].node != 0 ? tx[t].node : 1,
				     (struct qr_span){tx[t].data, tx[t].size_bytes});
		}
	} while (count == TX_BURST);
}

void load_turn(struct load *load)
{
	for (uint32_t p = 0; p < load->producer_count; p++) {
		struct load_producer *producer = &load->producers[p];
		uint64_t count = qr_prng_below(&load->prng, APPENDS_PER_TURN + 1);

		while (count-- > 0 && producer->error == QR_OK &&
		       producer->bytes < load->bytes_max &&
		       producer->appended - producer->answered < LOAD_PENDING_MAX) {
			if (!append(load, producer))
				break;
		}
	}
	send(load);
}

uint64_t load_answered(const struct load *load)
{
	uint64_t answered = 0;

	for (uint32_t p = 0; p < load->producer_count; p++)
		answered += load->producers[p].answered;
	return answered;
}

bool load_is_done(const struct load *load)
{
	for (uint32_t p = 0; p < load->producer_count; p++) {
		const struct load_producer *producer = &load->producers[p];

		if (producer->error == QR_OK &&
		    (producer->bytes < load->bytes_max || producer->answered < producer->appended))
			return false;
	}
	return true;
}

enum qr_error load_error(const struct load *load)
{
	for (uint32_t p = 0; p < load->producer_count; p++) {
		const struct load_producer *producer = &load->producers[p];

		if (producer->error != QR_OK && !is_lazy(load, producer->group))
			return producer->error;
	}
	return QR_OK;
}
