/*
 * A producer: records into chunks, chunks into a ring, completions out.
 *
 * The ring is the store for retransmission: a body stays where it was written until it is answered.
 * Bodies are contiguous; one that does not fit before the end of the ring begins at its start. The
 * open chunk has its room reserved beyond ring_head, which moves only when the chunk closes.
 *
 * Invariants: first <= next <= closed; closed - first <= window_chunks; sequences of chunks follow
 * each other without a hole; completed_sequence is where chunk `first` starts.
 *
 * Once ended, a producer takes and sends nothing. A chunk that was refused or has run out of time
 * leaves a hole in the sequence that nothing may jump over, so all that follow end with it.
 */
#include "consensus/base/crc.h"
#include "dataplane/client/internal.h"

#define RING_ALIGN 8u

struct dp_producer_config dp_producer_config_default(void)
{
	return (struct dp_producer_config){
		.buffer_bytes = 4u << 20,
		.window_chunks = WIRE_WINDOW_CHUNKS,
		.record_max_bytes = 1u << 20,
		.timeout_ns = 30000000000u,
	};
}

static void check_config(const struct dp_client *client, const struct dp_producer_config *config)
{
	QR_ASSERT(config->window_chunks != 0 && config->window_chunks <= WIRE_WINDOW_CHUNKS);
	QR_ASSERT(config->record_max_bytes != 0 && config->record_max_bytes <= UINT32_MAX / 4);
	QR_ASSERT(config->chunk_bytes == 0 || config->chunk_bytes >= 64);
	QR_ASSERT(config->buffer_bytes >= config->record_max_bytes + DP_PREFIX_BYTES +
						  2 * RING_ALIGN + client->config.datagram_max);
	QR_ASSERT(config->buffer_bytes >= config->chunk_bytes);
	QR_ASSERT(config->buffer_bytes % RING_ALIGN == 0);
	QR_ASSERT(config->ticket.size_bytes <= WIRE_TICKET_MAX);
	QR_ASSERT(config->on_done != NULL && config->timeout_ns != 0);
}

struct dp_producer *dp_producer_create(struct qr_arena *arena, struct dp_client *client,
				       const struct dp_producer_config *config)
{
	struct dp_producer *producer = qr_arena_take(arena, sizeof(*producer), 64);
	uint8_t *ring = qr_arena_take(arena, config->buffer_bytes, 64);

	check_config(client, config);
	if (producer == NULL || client->producer_count == DP_CLIENT_PRODUCERS_MAX)
		return NULL;

	producer->client = client;
	producer->config = *config;
	if (config->chunk_bytes == 0)
		producer->config.chunk_bytes = client->config.datagram_max - DP_CHUNK_OVERHEAD;
	if (config->ticket.size_bytes != 0)
		memcpy(producer->ticket, config->ticket.data, config->ticket.size_bytes);
	producer->config.ticket.data = producer->ticket;
	producer->ring = ring;
	producer->ring_bytes = config->buffer_bytes;
	producer->window_chunks = config->window_chunks;
	producer->allowed_bytes = config->window_bytes != 0 ? config->window_bytes : UINT32_MAX;
	producer->nonce[0] = qr_prng_next(&client->prng);
	producer->nonce[1] = qr_prng_next(&client->prng);
	dp_route_init(client, &producer->route, config->group, config->replicas, config->leader);
	client->producers[client->producer_count++] = producer;
	return producer;
}

void dp_producer_remove(struct dp_producer *producer)
{
	struct dp_client *client = producer->client;

	for (uint32_t i = 0; i < client->producer_count; i++) {
		if (client->producers[i] == producer) {
			client->producers[i] = client->producers[--client->producer_count];
			break;
		}
	}
	producer->state = DP_PRODUCER_ENDED;
}

/* ---- the ring ---- */

/** Room for a contiguous body at ring_head, moved to the start of the ring if need be. */
static bool reserve(struct dp_producer *producer, uint32_t size_bytes)
{
	uint32_t head = producer->ring_head;
	uint32_t tail;

	if (producer->first == producer->closed) {
		producer->ring_head = 0;
		return size_bytes <= producer->ring_bytes;
	}
	tail = dp_producer_chunk(producer, producer->first)->start;
	if (head <= tail) /* wrapped; equal: full */
		return size_bytes <= tail - head;
	if (size_bytes <= producer->ring_bytes - head)
		return true;
	if (size_bytes > tail)
		return false;
	producer->ring_head = 0;
	return true;
}

static uint64_t wall_clock(const struct dp_client *client)
{
	return client->wall_ns == 0 ? 0 : client->wall_ns + (client->now_ns - client->wall_at_ns);
}

bool dp_producer_close_chunk(struct dp_producer *producer)
{
	struct dp_chunk *chunk = dp_producer_chunk(producer, producer->closed);
	uint32_t body_bytes = (uint32_t)(producer->open_at - producer->open_start);

	QR_ASSERT(producer->open_count != 0);
	if (producer->closed - producer->first >= producer->window_chunks)
		return false;

	producer->bytes_closed += body_bytes;
	*chunk = (struct dp_chunk){
		.sequence = producer->next_sequence - producer->open_count,
		.count = producer->open_count,
		.start = producer->ring_head,
		.body_bytes = body_bytes,
		.crc = qr_crc32c(0, producer->open_start, body_bytes),
		.bytes_until = producer->bytes_closed,
		.time_ns = wall_clock(producer->client),
		.opened_ns = producer->open_ns,
	};
	producer->ring_head += (body_bytes + RING_ALIGN - 1) & ~(RING_ALIGN - 1);
	QR_ASSERT(producer->ring_head <= producer->ring_bytes);
	producer->closed++;
	producer->open_at = NULL;
	producer->open_room = 0;
	producer->open_count = 0;
	return true;
}

static enum qr_error open_chunk(struct dp_producer *producer, uint32_t need_bytes)
{
	uint32_t room = producer->config.chunk_bytes;

	if (room < need_bytes)
		room = need_bytes; /* alone, in several datagrams */
	room = (room + RING_ALIGN - 1) & ~(RING_ALIGN - 1);
	if (!reserve(producer, room))
		return QR_AGAIN;
	producer->open_start = producer->ring + producer->ring_head;
	producer->open_at = producer->open_start;
	producer->open_room = need_bytes > producer->config.chunk_bytes
				      ? need_bytes
				      : producer->config.chunk_bytes;
	producer->open_ns = 0; /* its time begins with the next turn: now_ns may be long past */
	return QR_OK;
}

/* ---- appending ---- */

/** The record does not fit the open chunk, or there is none. */
static enum qr_error make_room(struct dp_producer *producer, uint32_t size_bytes)
{
	if (producer->state == DP_PRODUCER_ENDED)
		return producer->error;
	if (size_bytes > producer->config.record_max_bytes)
		return QR_TOO_LARGE;
	if (producer->open_count != 0 && !dp_producer_close_chunk(producer))
		return QR_AGAIN;
	return open_chunk(producer, size_bytes + DP_PREFIX_BYTES);
}

enum qr_error dp_producer_append(struct dp_producer *producer, const void *data,
				 uint32_t size_bytes, uint64_t *ret_sequence)
{
	uint32_t length = htole32(size_bytes);

	if (size_bytes > producer->config.record_max_bytes ||
	    size_bytes + DP_PREFIX_BYTES > producer->open_room) {
		enum qr_error error = make_room(producer, size_bytes);

		if (error != QR_OK)
			return error;
	}
	memcpy(producer->open_at, &length, DP_PREFIX_BYTES);
	if (size_bytes != 0)
		memcpy(producer->open_at + DP_PREFIX_BYTES, data, size_bytes);
	producer->open_at += size_bytes + DP_PREFIX_BYTES;
	producer->open_room -= size_bytes + DP_PREFIX_BYTES;
	producer->open_count++;
	*ret_sequence = producer->next_sequence++;
	return QR_OK;
}

/* ---- completions ---- */

void dp_producer_complete(struct dp_producer *producer)
{
	while (producer->first < producer->closed) {
		const struct dp_chunk *chunk = dp_producer_chunk(producer, producer->first);
		uint64_t sequence = chunk->sequence;
		uint32_t count = chunk->count;
		qr_offset offset = chunk->offset;

		if (!chunk->answered)
			return;
		if (producer->allowed_bytes < producer->config.window_bytes)
			producer->allowed_bytes += chunk->body_bytes / 4; /* 1/4 a round trip */
		/* Before the callback, which may append into the room that this makes. */
		producer->first++;
		producer->completed_sequence = sequence + count;
		if (producer->next < producer->first) {
			producer->next = producer->first;
			producer->piece_at = 0;
		}
		producer->config.on_done(producer->config.context, sequence, count, offset, QR_OK);
		if (producer->state == DP_PRODUCER_ENDED)
			return;
	}
}

void dp_producer_end(struct dp_producer *producer, enum qr_error error)
{
	uint64_t from = producer->completed_sequence;
	uint64_t until = producer->next_sequence;

	QR_ASSERT(error != QR_OK && error != QR_AGAIN);
	if (producer->state == DP_PRODUCER_ENDED)
		return;
	producer->state = DP_PRODUCER_ENDED;
	producer->error = error;
	producer->open_room = 0;
	producer->completed_sequence = until;
	while (from < until) {
		uint32_t count = until - from < UINT32_MAX ? (uint32_t)(until - from) : UINT32_MAX;

		producer->config.on_done(producer->config.context, from, count, 0, error);
		from += count;
	}
}

/* ---- what it looks like from outside ---- */

bool dp_producer_is_open(const struct dp_producer *producer)
{
	return producer->state == DP_PRODUCER_OPEN;
}

enum qr_error dp_producer_error(const struct dp_producer *producer)
{
	return producer->error;
}

uint64_t dp_producer_pending(const struct dp_producer *producer)
{
	return producer->next_sequence - producer->completed_sequence;
}

qr_node dp_producer_leader(const struct dp_producer *producer)
{
	return producer->route.target;
}
