/*
 * soak-client history: few clients that do one call at a time, each call and its answer a line of
 * JSON, for a checker of linearizability.
 *
 *	{"process":1,"type":"invoke","f":"append","key":"soak","value":[11,12],"time":5}
 *	{"process":1,"type":"ok","f":"append","key":"soak","value":{"offset":70},"time":9}
 *	{"process":2,"type":"invoke","f":"read","key":"soak","value":null,"time":6}
 *	{"process":2,"type":"ok","f":"read","key":"soak","value":{"offset":70,"values":[11],
 *	"tail":71},"time":9}
 *
 * An append is one chunk of 1 to CHUNK_MAX records, each of a value that no other has. A read asks
 *for the end of the log and then for the last records before it: at some instant between, the log
 *ended at "tail". What may or may not have been done is "info"; a process number is never used
 *again after it.
 *
 * A thread for each client, which owns everything of its own; the file is shared, under a lock, and
 *so its lines are in the order of their times. The last line of a call that was under way when the
 * process was killed may be missing.
 */
#include "tests/soak/soak.h"

#include "consensus/base/assert.h"
#include "consensus/base/prng.h"

#include <endian.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CLIENTS_MAX 16u
#define CHUNK_MAX 8u
#define READ_MAX 32u /* records before the end */
#define PAUSE_MAX_NS 40000000u
#define NUMBER_BITS 40u /* a value: the process above, and a count */

struct history {
	const struct soak_options *options;
	pthread_mutex_t lock; /* of what follows */
	FILE *file;
	uint32_t processes; /* numbers given out */
};

struct client {
	struct history *history;
	struct quorate_client *client;
	struct quorate_producer *producer;
	struct qr_prng prng;
	uint32_t process;
	uint64_t counter;
	int status;
	/* the append under way */
	uint32_t acked;
	uint64_t offset;
	bool split;
	/* the read under way */
	uint64_t values[READ_MAX];
	uint32_t value_count;
	bool wrong_size;
};

/* ---- lines ---- */

/** Begin a line; the lock is held until end_line. */
static FILE *begin_line(const struct client *client, const char *type, const char *function)
{
	struct history *history = client->history;

	(void)pthread_mutex_lock(&history->lock);
	(void)fprintf(history->file,
		      "{\"process\":%" PRIu32
		      ",\"type\":\"%s\",\"f\":\"%s\",\"key\":\"%s\",\"value\":",
		      client->process, type, function, history->options->log);
	return history->file;
}

static void end_line(const struct client *client)
{
	struct history *history = client->history;

	(void)fprintf(history->file, ",\"time\":%" PRIu64 "}\n", soak_now());
	(void)pthread_mutex_unlock(&history->lock);
}

static void put_values(FILE *file, const uint64_t *values, uint32_t count)
{
	(void)fprintf(file, "[");
	for (uint32_t i = 0; i < count; i++)
		(void)fprintf(file, "%s%" PRIu64, i == 0 ? "" : ",", values[i]);
	(void)fprintf(file, "]");
}

/** Nobody knows whether it was done. */
static void put_info(struct client *client, const char *function)
{
	(void)fprintf(begin_line(client, "info", function), "null");
	end_line(client);
}

static void take_process(struct client *client)
{
	struct history *history = client->history;

	(void)pthread_mutex_lock(&history->lock);
	client->process = ++history->processes;
	(void)pthread_mutex_unlock(&history->lock);
	client->counter = 0;
}

/* ---- appends ---- */

static void on_done(void *user, uint64_t sequence, uint32_t count, uint64_t offset, int error)
{
	struct client *client = user;

	(void)sequence;
	if (error != QUORATE_OK)
		return;
	if (client->acked == 0)
		client->offset = offset;
	client->split = client->split || offset != client->offset + client->acked;
	client->acked += count;
}

static int open_producer(struct client *client)
{
	const struct quorate_producer_options options = {.on_done = on_done, .user = client};

	quorate_producer_close(client->producer);
	client->producer = NULL;
	take_process(client);
	return quorate_producer_open(client->client, client->history->options->log, 0, &options,
				     &client->producer);
}

static int append(struct client *client)
{
	uint64_t values[CHUNK_MAX];
	uint32_t count = 1 + (uint32_t)qr_prng_below(&client->prng, CHUNK_MAX);
	int error = QUORATE_OK;

	for (uint32_t i = 0; i < count; i++)
		values[i] = (uint64_t)client->process << NUMBER_BITS | client->counter++;
	client->acked = 0;
	client->split = false;
	put_values(begin_line(client, "invoke", "append"), values, count);
	end_line(client);

	for (uint32_t i = 0; error == QUORATE_OK && i < count; i++) {
		uint64_t word = htole64(values[i]);

		error = quorate_append(client->producer, &word, sizeof(word), NULL);
	}
	if (error == QUORATE_OK)
		error = quorate_flush(client->producer);
	if (error != QUORATE_OK) {
		(void)soak_complain("append", error);
		put_info(client, "append");
		return open_producer(client);
	}
	if (client->acked != count || client->split) {
		(void)printf("{\"fault\":\"split\",\"offset\":%" PRIu64 "}\n", client->offset);
		client->status = 1;
	}
	(void)fprintf(begin_line(client, "ok", "append"), "{\"offset\":%" PRIu64 "}",
		      client->offset);
	end_line(client);
	return QUORATE_OK;
}

/* ---- reads ---- */

static void on_batch(void *user, const struct quorate_batch *batch)
{
	struct client *client = user;
	const void *data;
	size_t size_bytes;
	size_t cursor = 0;

	while (quorate_batch_next(batch, &cursor, &data, &size_bytes)) {
		uint64_t word = 0;

		if (size_bytes != sizeof(word) || client->value_count == READ_MAX) {
			client->wrong_size = true;
			return;
		}
		memcpy(&word, data, sizeof(word));
		client->values[client->value_count++] = le64toh(word);
	}
}

static int read_last(struct client *client, uint64_t *ret_from, uint64_t *ret_end)
{
	const char *log = client->history->options->log;
	struct quorate_reader_options options = {.on_batch = on_batch, .user = client};
	struct quorate_reader *reader;
	uint64_t start;
	int error = quorate_tail(client->client, log, 0, &start, &options.until);

	client->value_count = 0;
	if (error != QUORATE_OK)
		return error;
	options.from = options.until - start > READ_MAX ? options.until - READ_MAX : start;
	*ret_from = options.from;
	*ret_end = options.until;
	if (options.from == options.until)
		return QUORATE_OK;
	error = quorate_reader_open(client->client, log, 0, &options, &reader);
	if (error != QUORATE_OK)
		return error;
	error = quorate_reader_drain(reader);
	quorate_reader_close(reader);
	return error;
}

static int read_some(struct client *client)
{
	uint64_t from;
	uint64_t end;
	FILE *file;
	int error;

	(void)fprintf(begin_line(client, "invoke", "read"), "null");
	end_line(client);
	error = read_last(client, &from, &end);
	if (error != QUORATE_OK) {
		(void)soak_complain("read", error);
		put_info(client, "read");
		return open_producer(client);
	}
	if (client->wrong_size || client->value_count != end - from) {
		(void)printf("{\"fault\":\"changed\",\"offset\":%" PRIu64 "}\n", from);
		client->status = 1;
		client->wrong_size = false;
	}
	file = begin_line(client, "ok", "read");
	(void)fprintf(file, "{\"offset\":%" PRIu64 ",\"values\":", from);
	put_values(file, client->values, client->value_count);
	(void)fprintf(file, ",\"tail\":%" PRIu64 "}", end);
	end_line(client);
	return QUORATE_OK;
}

/* ---- clients ---- */

static void rest(struct client *client)
{
	const struct timespec time = {
		.tv_nsec = (long)(1 + qr_prng_below(&client->prng, PAUSE_MAX_NS))};

	(void)nanosleep(&time, NULL);
}

static void *run(void *argument)
{
	struct client *client = argument;
	int error = soak_connect(client->history->options, &client->client);

	if (error == QUORATE_OK)
		error = open_producer(client);
	while (error == QUORATE_OK && !soak_is_stopping()) {
		error = qr_prng_below(&client->prng, 3) == 0 ? read_some(client) : append(client);
		rest(client);
	}
	if (error != QUORATE_OK)
		client->status = soak_complain("history", error);
	quorate_close(client->client);
	return NULL;
}

static int run_all(struct history *history, struct client *clients)
{
	pthread_t threads[CLIENTS_MAX];
	uint32_t started = 0;
	int status = 0;

	while (started < history->options->producers) {
		struct client *client = &clients[started];

		client->history = history;
		qr_prng_init(&client->prng, history->options->load * CLIENTS_MAX + started);
		if (pthread_create(&threads[started], NULL, run, client) != 0) {
			status = soak_complain_errno("start a thread");
			break;
		}
		started++;
	}
	for (uint32_t i = 0; i < started; i++) {
		(void)pthread_join(threads[i], NULL);
		if (clients[i].status > status)
			status = clients[i].status;
	}
	return status;
}

int soak_history(const struct soak_options *options)
{
	struct history history = {.options = options, .lock = PTHREAD_MUTEX_INITIALIZER};
	struct client *clients;
	int status;

	if (options->producers > CLIENTS_MAX) {
		(void)fprintf(stderr, "soak-client: at most %u clients\n", CLIENTS_MAX);
		return 2;
	}
	clients = calloc(options->producers, sizeof(*clients));
	if (clients == NULL)
		return soak_complain_errno("take memory");
	history.file = fopen(options->claims, "wxe");
	if (history.file == NULL) {
		free(clients);
		return soak_complain_errno(options->claims);
	}
	soak_stop_at_signals();
	status = run_all(&history, clients);
	if (fclose(history.file) != 0)
		status = soak_complain_errno(options->claims);
	free(clients);
	return status;
}
