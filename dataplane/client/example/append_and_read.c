/*
 * Append some records to a log and read them back.
 *
 *	cc append_and_read.c $(pkg-config --cflags --libs quorate) -o append_and_read
 *	./append_and_read 127.0.0.1:7400 dev events 1000
 *
 * Arguments: ENDPOINTS CLUSTER LOG [COUNT]. Exits 0 when every record came back where its
 * acknowledgement said, as it was.
 */
#include <inttypes.h>
#include <quorate.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct run {
	uint64_t count;
	uint64_t acked;
	uint64_t first_offset; /* of the first record */
	uint64_t found;
};

static int complain(const char *what, int error)
{
	(void)fprintf(stderr, "%s: %s\n", what, quorate_strerror(error));
	return 1;
}

static size_t record_text(uint64_t number, char *text, size_t size_bytes)
{
	int length = snprintf(text, size_bytes, "record %" PRIu64, number);

	return length > 0 ? (size_t)length : 0;
}

/* Called while polling: records sequence.. are durable on a quorum, or the producer has ended. */
static void on_done(void *user, uint64_t sequence, uint32_t count, uint64_t offset, int error)
{
	struct run *run = user;

	if (sequence == 0)
		run->first_offset = offset;
	if (error == QUORATE_OK)
		run->acked += count;
}

static int append_all(struct quorate_client *client, const char *log, struct run *run)
{
	const struct quorate_producer_options options = {.on_done = on_done, .user = run};
	struct quorate_producer *producer;
	int error = quorate_producer_open(client, log, 0, &options, &producer);
	char text[64];

	if (error != QUORATE_OK)
		return error;
	for (uint64_t i = 0; error == QUORATE_OK && i < run->count;) {
		error = quorate_append(producer, text, record_text(i, text, sizeof(text)), NULL);
		if (error == QUORATE_OK) {
			i++;
		} else if (error == QUORATE_AGAIN) { /* the window is full: let it move */
			error = quorate_poll(client, 1000);
		}
	}
	if (error == QUORATE_OK)
		error = quorate_flush(producer);
	quorate_producer_close(producer);
	return error;
}

/* Called while polling: the next records of the log. Others may have appended in between. */
static void on_batch(void *user, const struct quorate_batch *batch)
{
	struct run *run = user;
	size_t cursor = 0;
	const void *data;
	size_t size_bytes;
	char text[64];

	while (quorate_batch_next(batch, &cursor, &data, &size_bytes)) {
		size_t expected = record_text(run->found, text, sizeof(text));

		if (size_bytes == expected && memcmp(data, text, expected) == 0)
			run->found++;
	}
}

static int read_all(struct quorate_client *client, const char *log, struct run *run)
{
	struct quorate_reader_options options = {
		.from = run->first_offset, .on_batch = on_batch, .user = run};
	struct quorate_reader *reader;
	uint64_t start;
	int error = quorate_tail(client, log, 0, &start, &options.until);

	if (error == QUORATE_OK)
		error = quorate_reader_open(client, log, 0, &options, &reader);
	if (error != QUORATE_OK)
		return error;
	error = quorate_reader_drain(reader);
	quorate_reader_close(reader);
	return error;
}

int main(int argc, char **argv)
{
	struct run run = {.count = argc > 4 ? strtoull(argv[4], NULL, 10) : 1000};
	struct quorate_options options = {0};
	struct quorate_client *client;
	int error;

	if (argc < 4 || run.count == 0) {
		(void)fprintf(stderr, "usage: %s ENDPOINTS CLUSTER LOG [COUNT]\n", argv[0]);
		return 2;
	}
	options.endpoints = argv[1];
	options.cluster = argv[2];
	error = quorate_connect(&options, &client);
	if (error != QUORATE_OK)
		return complain("connect", error);
	error = append_all(client, argv[3], &run);
	if (error == QUORATE_OK)
		error = read_all(client, argv[3], &run);
	quorate_close(client);
	if (error != QUORATE_OK)
		return complain("append and read", error);
	(void)printf("%" PRIu64 " appended, %" PRIu64 " read back, the first at offset %" PRIu64
		     "\n",
		     run.acked, run.found, run.first_offset);
	return run.acked == run.count && run.found == run.count ? 0 : 1;
}
