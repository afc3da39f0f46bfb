/*
 * The public interface: appending. Owns a producer's memory, its ring included.
 */
#include "consensus/base/assert.h"
#include "dataplane/client/library.h"

#include <stdlib.h>

#define WINDOW_BYTES_DEFAULT (128u << 10)
#define BUFFER_ALIGN 64u

static void on_done(void *context, uint64_t sequence, uint32_t count, qr_offset offset,
		    enum qr_error error)
{
	struct quorate_producer *producer = context;

	if (!producer->awaited_done && producer->awaited >= sequence &&
	    producer->awaited - sequence < count) {
		producer->awaited_done = true;
		producer->awaited_error = (int)error;
		producer->awaited_offset = offset + (producer->awaited - sequence);
	}
	if (producer->on_done != NULL)
		producer->on_done(producer->user, sequence, count, offset, (int)error);
}

/** The machine's configuration; false if the options make none. */
static bool configure(const struct quorate_producer *producer,
		      const struct quorate_partition *partition,
		      const struct quorate_producer_options *options,
		      struct dp_producer_config *ret_config)
{
	struct dp_producer_config config = dp_producer_config_default();
	const struct quorate_client *client = producer->client;

	config.group = partition->group;
	config.replicas = partition->replicas;
	config.leader = partition->leader;
	config.timeout_ns = client->timeout_ns;
	config.ticket = (struct qr_span){client->ticket, client->ticket_bytes};
	config.on_done = on_done;
	config.context = (void *)producer;
	config.window_bytes = WINDOW_BYTES_DEFAULT;
	if (options->window_chunks != 0)
		config.window_chunks = options->window_chunks;
	if (options->window_bytes != 0)
		config.window_bytes = options->window_bytes;
	if (options->record_max_bytes != 0)
		config.record_max_bytes = options->record_max_bytes;
	if (options->buffer_bytes != 0)
		config.buffer_bytes = options->buffer_bytes & ~(BUFFER_ALIGN - 1);
	*ret_config = config;
	return config.window_chunks <= WIRE_WINDOW_CHUNKS &&
	       config.record_max_bytes <= UINT32_MAX / 4 &&
	       config.buffer_bytes >=
		       config.record_max_bytes + client->udp.datagram_max + 2 * BUFFER_ALIGN;
}

static int create_machine(struct quorate_producer *producer,
			  const struct dp_producer_config *config)
{
	struct dp_client *machine = producer->client->machine;
	struct qr_arena arena;

	qr_arena_init(&arena, NULL, 0);
	(void)dp_producer_create(&arena, machine, config);
	arena = quorate_arena(&arena);
	if (arena.base == NULL)
		return QUORATE_NO_MEMORY;
	producer->machine = dp_producer_create(&arena, machine, config);
	if (producer->machine != NULL)
		return QUORATE_OK;
	free(arena.base);
	return QUORATE_CONFIG; /* too many */
}

static int wait_until_open(struct quorate_producer *producer)
{
	while (!dp_producer_is_open(producer->machine)) {
		enum qr_error error = dp_producer_error(producer->machine);

		if (error == QR_OK)
			error = dp_udp_turn(&producer->client->udp, UINT64_MAX);
		if (error != QR_OK)
			return (int)error;
	}
	return QUORATE_OK;
}

int quorate_producer_open(struct quorate_client *client, const char *log, uint32_t partition,
			  const struct quorate_producer_options *options,
			  struct quorate_producer **ret_producer)
{
	const struct quorate_producer_options defaults = {0};
	const struct quorate_partition *found;
	struct dp_producer_config config;
	struct quorate_producer *producer;
	int error = quorate_find(client, log, partition, &found);

	if (error != QUORATE_OK)
		return error;
	if (options == NULL)
		options = &defaults;
	producer = calloc(1, sizeof(*producer));
	if (producer == NULL)
		return QUORATE_NO_MEMORY;
	producer->client = client;
	producer->on_done = options->on_done;
	producer->user = options->user;
	producer->awaited_done = true;
	producer->next = client->producers;
	client->producers = producer;

	error = configure(producer, found, options, &config) ? create_machine(producer, &config)
							     : QUORATE_CONFIG;
	if (error == QUORATE_OK)
		error = wait_until_open(producer);
	if (error != QUORATE_OK) {
		quorate_producer_close(producer);
		return error;
	}
	*ret_producer = producer;
	return QUORATE_OK;
}

void quorate_producer_close(struct quorate_producer *producer)
{
	struct quorate_producer **at;

	if (producer == NULL)
		return;
	at = &producer->client->producers;
	while (*at != producer)
		at = &(*at)->next;
	*at = producer->next;
	if (producer->machine != NULL)
		dp_producer_remove(producer->machine);
	free(producer->machine); /* the arena's memory begins with it */
	free(producer);
}

int quorate_append(struct quorate_producer *producer, const void *data, size_t size_bytes,
		   uint64_t *ret_sequence)
{
	uint64_t sequence;
	enum qr_error error;

	if (size_bytes > UINT32_MAX / 4)
		return QUORATE_TOO_LARGE;
	error = dp_producer_append(producer->machine, data, (uint32_t)size_bytes, &sequence);
	if (error == QR_OK && ret_sequence != NULL)
		*ret_sequence = sequence;
	return (int)error;
}

int quorate_flush(struct quorate_producer *producer)
{
	while (dp_producer_error(producer->machine) == QR_OK &&
	       dp_producer_pending(producer->machine) != 0) {
		enum qr_error error = dp_udp_turn(&producer->client->udp, UINT64_MAX);

		if (error != QR_OK)
			return (int)error;
	}
	return (int)dp_producer_error(producer->machine);
}

int quorate_append_wait(struct quorate_producer *producer, const void *data, size_t size_bytes,
			uint64_t *ret_offset)
{
	uint64_t sequence;
	int error;

	while ((error = quorate_append(producer, data, size_bytes, &sequence)) == QUORATE_AGAIN) {
		error = (int)dp_udp_turn(&producer->client->udp, UINT64_MAX);
		if (error != QUORATE_OK)
			return error;
	}
	if (error != QUORATE_OK)
		return error;
	producer->awaited = sequence;
	producer->awaited_done = false;
	while (!producer->awaited_done) {
		error = (int)dp_udp_turn(&producer->client->udp, UINT64_MAX);
		if (error != QUORATE_OK) {
			producer->awaited_done = true;
			return error;
		}
	}
	if (producer->awaited_error == QUORATE_OK && ret_offset != NULL)
		*ret_offset = producer->awaited_offset;
	return producer->awaited_error;
}

uint64_t quorate_pending(const struct quorate_producer *producer)
{
	return dp_producer_pending(producer->machine);
}
