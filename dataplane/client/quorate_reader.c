/*
 * The public interface: reading. Owns a reader's memory.
 */
#include "consensus/base/assert.h"
#include "dataplane/client/library.h"

#include <stdlib.h>

static void on_batch(void *context, const struct dp_batch *batch)
{
	struct quorate_reader *reader = context;
	const struct quorate_batch shown = {
		.offset = batch->offset,
		.count = batch->count,
		.opaque = batch->kind == WIRE_CHUNK_OPAQUE,
		.data = batch->body.data,
		.size_bytes = batch->body.size_bytes,
	};

	reader->on_batch(reader->user, &shown);
}

static int create_machine(struct quorate_reader *reader, const struct dp_consumer_config *config)
{
	struct dp_client *machine = reader->client->machine;
	struct qr_arena arena;

	qr_arena_init(&arena, NULL, 0);
	(void)dp_consumer_create(&arena, machine, config);
	arena = quorate_arena(&arena);
	if (arena.base == NULL)
		return QUORATE_NO_MEMORY;
	reader->machine = dp_consumer_create(&arena, machine, config);
	if (reader->machine != NULL)
		return QUORATE_OK;
	free(arena.base);
	return QUORATE_CONFIG; /* too many */
}

int quorate_reader_open(struct quorate_client *client, const char *log, uint32_t partition,
			const struct quorate_reader_options *options,
			struct quorate_reader **ret_reader)
{
	struct dp_consumer_config config = dp_consumer_config_default();
	const struct quorate_partition *found;
	struct quorate_reader *reader;
	int error = quorate_find(client, log, partition, &found);

	if (error != QUORATE_OK)
		return error;
	if (options == NULL || options->on_batch == NULL ||
	    options->record_max_bytes > UINT32_MAX / 4)
		return QUORATE_CONFIG;
	config.group = found->group;
	config.replicas = found->replicas;
	config.prefer = found->leader;
	config.from = options->from;
	config.until = options->until != 0 ? options->until : UINT64_MAX;
	config.follow = options->follow;
	config.timeout_ns = client->timeout_ns;
	config.on_batch = on_batch;
	if (options->record_max_bytes != 0)
		config.record_max_bytes = options->record_max_bytes;
	if (options->read_bytes != 0)
		config.read_bytes = options->read_bytes;

	reader = calloc(1, sizeof(*reader));
	if (reader == NULL)
		return QUORATE_NO_MEMORY;
	reader->client = client;
	reader->on_batch = options->on_batch;
	reader->user = options->user;
	config.context = reader;
	error = create_machine(reader, &config);
	if (error != QUORATE_OK) {
		free(reader);
		return error;
	}
	reader->next = client->readers;
	client->readers = reader;
	*ret_reader = reader;
	return QUORATE_OK;
}

void quorate_reader_close(struct quorate_reader *reader)
{
	struct quorate_reader **at;

	if (reader == NULL)
		return;
	at = &reader->client->readers;
	while (*at != reader)
		at = &(*at)->next;
	*at = reader->next;
	dp_consumer_remove(reader->machine);
	free(reader->machine); /* the arena's memory begins with it */
	free(reader);
}

bool quorate_reader_done(const struct quorate_reader *reader, int *ret_error)
{
	if (!dp_consumer_is_done(reader->machine))
		return false;
	if (ret_error != NULL)
		*ret_error = (int)dp_consumer_error(reader->machine);
	return true;
}

uint64_t quorate_reader_start(const struct quorate_reader *reader)
{
	return dp_consumer_start(reader->machine);
}

uint64_t quorate_reader_next(const struct quorate_reader *reader)
{
	return dp_consumer_next(reader->machine);
}

void quorate_reader_pause(struct quorate_reader *reader, bool paused)
{
	dp_consumer_pause(reader->machine, paused);
}

int quorate_reader_drain(struct quorate_reader *reader)
{
	while (!dp_consumer_is_done(reader->machine)) {
		enum qr_error error = dp_udp_turn(&reader->client->udp, UINT64_MAX);

		if (error != QR_OK)
			return (int)error;
	}
	return (int)dp_consumer_error(reader->machine);
}

bool quorate_batch_next(const struct quorate_batch *batch, size_t *cursor, const void **ret_data,
			size_t *ret_size_bytes)
{
	struct qr_reader reader =
		qr_reader_over((const uint8_t *)batch->data + *cursor, batch->size_bytes - *cursor);
	uint32_t size_bytes;

	if (batch->opaque || *cursor >= batch->size_bytes)
		return false;
	size_bytes = qr_read_u32(&reader);
	*ret_data = qr_read_bytes(&reader, size_bytes);
	if (*ret_data == NULL)
		return false; /* never: the machine checked the whole batch */
	*ret_size_bytes = size_bytes;
	*cursor = batch->size_bytes - qr_reader_left(&reader);
	return true;
}
