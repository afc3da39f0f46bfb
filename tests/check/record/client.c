/*
 * Only libquorate's public calls are used: what is recorded is what any user would have seen.
 *
 * A batch of records is appended between two flushes and is small enough for one chunk, so it takes
 * effect at once; were it ever answered in pieces, the history would claim too much, and the
 * program stops. An append that ended its producer may or may not be in the log: it gets no answer,
 * and a new producer carries on. Tails and reads that fail changed nothing.
 */
#include "tests/check/record/client.h"

#include "consensus/base/assert.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#define RECORD_BYTES_MAX 160u
#define RECORD_BYTES_MIN 40u
#define SECOND_NS 1000000000ull

static unsigned below(struct record_client *self, unsigned bound)
{
	return (unsigned)qr_prng_below(&self->prng, bound);
}

static void write_line(struct record_client *self, const char *type, const char *f, bool value)
{
	const struct record_line line = {self->process, type, f, record_now()};

	record_lines_write(self->lines, &line, value ? &self->text : NULL);
}

static bool may_go_on(const struct record_client *self)
{
	return !__atomic_load_n(self->stop, __ATOMIC_RELAXED) && !self->lines->broken;
}

static void see_end(struct record_client *self, uint64_t end)
{
	if (end > self->end_seen)
		self->end_seen = end;
}

/* ---- appends ---- */

static void on_done(void *user, uint64_t sequence, uint32_t count, uint64_t offset, int error)
{
	struct record_client *self = user;

	(void)sequence;
	if (self->done_calls++ == 0) {
		self->done_offset = offset;
		self->done_error = error;
	}
	self->done_count += count;
}

/** "w3 000000017 17.17.17...": names itself within its first bytes. @return its size. */
static size_t make_record(struct record_client *self, char *record)
{
	uint64_t number = self->next_record++;
	size_t wanted = RECORD_BYTES_MIN + below(self, RECORD_BYTES_MAX - RECORD_BYTES_MIN);
	size_t size = (size_t)snprintf(record, RECORD_BYTES_MAX, "w%u %09" PRIu64 " ",
				       self->process, number);

	while (size < wanted) {
		size += (size_t)snprintf(record + size, RECORD_BYTES_MAX - size, "%" PRIu64 ".",
					 number);
		if (size > wanted)
			size = wanted;
	}
	return size;
}

static size_t identity_of(const struct record_client *self, size_t size_bytes)
{
	return size_bytes < self->options->identity_bytes ? size_bytes
							  : self->options->identity_bytes;
}

static bool open_producer(struct record_client *self)
{
	const struct quorate_producer_options options = {.on_done = on_done, .user = self};

	return self->producer != NULL ||
	       quorate_producer_open(self->client, self->options->log, self->options->partition,
				     &options, &self->producer) == QUORATE_OK;
}

static void append_all(struct record_client *self, char (*records)[RECORD_BYTES_MAX],
		       const size_t *sizes, unsigned count)
{
	int error = QUORATE_OK;

	self->done_calls = 0;
	self->done_count = 0;
	for (unsigned i = 0; i < count && error == QUORATE_OK; i++)
		error = quorate_append(self->producer, records[i], sizes[i], NULL);
	if (error == QUORATE_OK)
		error = quorate_flush(self->producer);
	if (error == QUORATE_OK && self->done_error == QUORATE_OK) {
		/* see above: anything else would make the history a lie */
		QR_ASSERT(self->done_calls == 1 && self->done_count == count);
		return;
	}
	quorate_producer_close(self->producer);
	self->producer = NULL;
}

static void tell_append(struct record_client *self)
{
	if (self->producer == NULL) {
		self->counts.unknown++;
		write_line(self, "info", "append", false);
		return;
	}
	self->counts.appends++;
	self->counts.records += self->done_count;
	record_text_clear(&self->text);
	record_text_put(&self->text, "{\"offset\": %" PRIu64 "}", self->done_offset);
	write_line(self, "ok", "append", true);
	see_end(self, self->done_offset + self->done_count);
}

static void do_append(struct record_client *self)
{
	char records[RECORD_BATCH_MAX][RECORD_BYTES_MAX];
	size_t sizes[RECORD_BATCH_MAX];
	unsigned count = below(self, 2) == 0 ? 1 : 1 + below(self, RECORD_BATCH_MAX);

	if (!open_producer(self))
		return;
	record_text_clear(&self->text);
	record_text_put(&self->text, "[");
	for (unsigned i = 0; i < count; i++) {
		sizes[i] = make_record(self, records[i]);
		record_text_put(&self->text, "%s", i > 0 ? ", " : "");
		record_text_put_bytes(&self->text, records[i], identity_of(self, sizes[i]));
	}
	record_text_put(&self->text, "]");
	write_line(self, "invoke", "append", true);
	append_all(self, records, sizes, count);
	tell_append(self);
}

/* ---- reads ---- */

static void do_tail(struct record_client *self)
{
	uint64_t start;
	uint64_t end;

	write_line(self, "invoke", "read", false);
	if (quorate_tail(self->client, self->options->log, self->options->partition, &start,
			 &end) != QUORATE_OK) {
		self->counts.failed++;
		write_line(self, "fail", "read", false);
		return;
	}
	self->counts.tails++;
	record_text_clear(&self->text);
	record_text_put(&self->text, "{\"tail\": %" PRIu64 "}", end);
	write_line(self, "ok", "read", true);
	see_end(self, end);
}

static void on_batch(void *user, const struct quorate_batch *batch)
{
	struct record_client *self = user;
	size_t cursor = 0;
	const void *data;
	size_t size_bytes;

	self->read_opaque |= batch->opaque;
	while (!batch->opaque && quorate_batch_next(batch, &cursor, &data, &size_bytes)) {
		record_text_put(&self->text, "%s", self->read_count > 0 ? ", " : "");
		record_text_put_bytes(&self->text, data, identity_of(self, size_bytes));
		self->read_count++;
	}
}

static int read_piece(struct record_client *self, uint64_t from, uint64_t until)
{
	const struct quorate_reader_options options = {
		.from = from, .until = until, .on_batch = on_batch, .user = self};
	struct quorate_reader *reader;
	int error = quorate_reader_open(self->client, self->options->log, self->options->partition,
					&options, &reader);

	if (error != QUORATE_OK)
		return error;
	error = quorate_reader_drain(reader);
	quorate_reader_close(reader);
	return error;
}

/** A few records that are known to be committed, near the end. */
static void do_read(struct record_client *self)
{
	uint64_t back = 1 + below(self, 4 * RECORD_BATCH_MAX);
	uint64_t from = self->end_seen > back ? self->end_seen - back : 0;
	uint64_t until = from + 1 + below(self, RECORD_BATCH_MAX);
	int error;

	if (until > self->end_seen)
		until = self->end_seen;
	record_text_clear(&self->text);
	record_text_put(&self->text, "{\"offset\": %" PRIu64 ", \"count\": %" PRIu64 "}", from,
			until - from);
	write_line(self, "invoke", "read", true);
	record_text_clear(&self->text);
	record_text_put(&self->text, "{\"offset\": %" PRIu64 ", \"values\": [", from);
	self->read_count = 0;
	self->read_opaque = false;
	error = read_piece(self, from, until);
	record_text_put(&self->text, "]}");
	if (error != QUORATE_OK || self->read_opaque) {
		self->counts.failed++;
		write_line(self, "fail", "read", false);
		return;
	}
	self->counts.reads++;
	write_line(self, "ok", "read", true);
}

/* ---- the thread ---- */

static void pause_until(qr_ns due)
{
	const struct timespec time = {.tv_sec = (time_t)(due / SECOND_NS),
				      .tv_nsec = (long)(due % SECOND_NS)};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) == EINTR)
		;
}

static void do_one(struct record_client *self)
{
	if (below(self, 100) < self->options->appends) {
		do_append(self);
	} else if (self->end_seen == 0 || below(self, 5) < 3) {
		do_tail(self);
	} else {
		do_read(self);
	}
}

void *record_client_run(void *client)
{
	struct record_client *self = client;
	const struct quorate_options options = {
		.endpoints = self->options->endpoints,
		.cluster = self->options->cluster,
		.timeout_ms = self->options->timeout_ms,
	};
	qr_ns due = record_now();

	while (may_go_on(self) && quorate_connect(&options, &self->client) != QUORATE_OK)
		self->client = NULL;
	while (may_go_on(self) && self->client != NULL) {
		do_one(self);
		if (self->options->rate == 0)
			continue;
		due += SECOND_NS / self->options->rate;
		if (due < record_now())
			due = record_now();
		pause_until(due);
	}
	quorate_producer_close(self->producer);
	quorate_close(self->client);
	record_text_fini(&self->text);
	return NULL;
}
