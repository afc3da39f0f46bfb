/*
 * soak-client follow: a reader of every partition that takes records as they are committed, checks
 * each byte, and claims where it saw which. What a reader was shown may never be something else
 * later.
 *
 * Each SOAK_REPORT_NS a line: {"seen":[per partition],"again":N}: how often a reader had to be
 * opened again. At SIGTERM it reads on to the end that the log has then.
 */
#include "tests/soak/soak.h"

#include "tests/soak/claims.h"
#include "tests/soak/record.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define POLL_MS 20

struct part {
	struct follow *follow;
	uint32_t number;
	struct quorate_reader *reader;
	qr_offset next;
	struct soak_claims_writer claims;
};

struct follow {
	const struct soak_options *options;
	struct quorate_client *client;
	struct part parts[SOAK_PARTITIONS_MAX];
	uint64_t again;
	bool failed; /* the claims cannot be written */
	bool fault;
};

static void complain_of(struct part *part, const char *what, qr_offset offset)
{
	(void)printf("{\"fault\":\"%s\",\"partition\":%" PRIu32 ",\"offset\":%" PRIu64
		     ",\"reader\":true}\n",
		     what, part->number, offset);
	part->follow->fault = true;
}

static void on_batch(void *user, const struct quorate_batch *batch)
{
	struct part *part = user;
	const void *data;
	size_t size_bytes;
	size_t cursor = 0;

	if (batch->opaque || batch->offset != part->next) {
		complain_of(part, batch->opaque ? "opaque" : "gap", batch->offset);
		part->next = batch->offset;
	}
	while (quorate_batch_next(batch, &cursor, &data, &size_bytes)) {
		const struct qr_span record = {data, size_bytes};
		struct soak_identity identity = {0};
		struct soak_claim claim = {.offset = part->next++, .count = 1};

		if (!soak_record_identify(record, &identity) ||
		    !soak_record_is_intact(record, identity))
			complain_of(part, "changed", claim.offset);
		claim.token = identity.token;
		claim.sequence = identity.sequence;
		if (!soak_claims_add(&part->claims, &claim))
			part->follow->failed = true;
	}
}

static int open_reader(struct part *part)
{
	struct follow *follow = part->follow;
	const struct quorate_reader_options options = {
		.from = part->next,
		.follow = true,
		.record_max_bytes = SOAK_RECORD_MAX,
		.on_batch = on_batch,
		.user = part,
	};

	quorate_reader_close(part->reader);
	part->reader = NULL;
	return quorate_reader_open(follow->client, follow->options->log, part->number, &options,
				   &part->reader);
}

static bool open_all(struct follow *follow)
{
	const struct soak_options *options = follow->options;

	for (uint32_t p = 0; p < options->partitions; p++) {
		const struct soak_claims_header header = {SOAK_SEEN, 0, p};
		struct part *part = &follow->parts[p];
		char path[4096];
		int error;

		(void)snprintf(path, sizeof(path), "%s/seen-%" PRIu64 "-%" PRIu32, options->claims,
			       options->load, p);
		if (!soak_claims_create(&part->claims, path, &header)) {
			(void)soak_complain_errno(path);
			return false;
		}
		part->follow = follow;
		part->number = p;
		error = open_reader(part);
		if (error != QUORATE_OK) {
			(void)soak_complain("open a reader", error);
			return false;
		}
	}
	return true;
}

static void report(struct follow *follow)
{
	(void)printf("{\"seen\":[");
	for (uint32_t p = 0; p < follow->options->partitions; p++) {
		if (!soak_claims_flush(&follow->parts[p].claims))
			follow->failed = true;
		(void)printf("%s%" PRIu64, p == 0 ? "" : ",", follow->parts[p].claims.records);
	}
	(void)printf("],\"again\":%" PRIu64 "}\n", follow->again);
	if (fflush(stdout) != 0)
		follow->failed = true;
}

/** Readers that gave up, because nothing answered them for too long, begin again where they were.
 */
static int revive(struct follow *follow)
{
	for (uint32_t p = 0; p < follow->options->partitions; p++) {
		struct part *part = &follow->parts[p];
		int error = QUORATE_OK;

		if (!quorate_reader_done(part->reader, &error))
			continue;
		(void)soak_complain("a reader ended", error);
		follow->again++;
		error = open_reader(part);
		if (error != QUORATE_OK)
			return error;
	}
	return QUORATE_OK;
}

static int follow_turn(struct follow *follow, qr_ns *reported_ns)
{
	int error = quorate_poll(follow->client, POLL_MS);
	qr_ns now = soak_now();

	if (error == QUORATE_OK)
		error = revive(follow);
	if (now - *reported_ns >= SOAK_REPORT_NS) {
		*reported_ns = now;
		report(follow);
	}
	return error;
}

static int read_to_the_end(struct follow *follow, qr_ns *reported_ns)
{
	for (uint32_t p = 0; p < follow->options->partitions; p++) {
		const qr_ns until = soak_now() + (qr_ns)follow->options->timeout_ms * 1000000u;
		uint64_t start;
		uint64_t end;
		int error = quorate_tail(follow->client, follow->options->log, p, &start, &end);

		while (error == QUORATE_OK && follow->parts[p].next < end) {
			error = follow_turn(follow, reported_ns);
			if (error == QUORATE_OK && soak_now() > until)
				error = QUORATE_TIMED_OUT;
		}
		if (error != QUORATE_OK)
			return error;
	}
	return QUORATE_OK;
}

static int run(struct follow *follow)
{
	qr_ns reported_ns = 0;
	int error = QUORATE_OK;

	while (error == QUORATE_OK && !soak_is_stopping() && !follow->failed)
		error = follow_turn(follow, &reported_ns);
	if (error == QUORATE_OK)
		error = read_to_the_end(follow, &reported_ns);
	report(follow);
	if (follow->failed)
		return soak_complain_errno("write the claims");
	if (error != QUORATE_OK)
		return soak_complain("follow", error);
	return follow->fault ? 1 : 0;
}

int soak_follow(const struct soak_options *options)
{
	struct follow *follow = calloc(1, sizeof(*follow));
	int status = 2;

	if (follow == NULL)
		return soak_complain_errno("take memory");
	follow->options = options;
	soak_stop_at_signals();
	if (soak_connect(options, &follow->client) == QUORATE_OK && open_all(follow))
		status = run(follow);
	quorate_close(follow->client);
	free(follow);
	return status;
}
