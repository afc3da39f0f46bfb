/*
 * soak-client load: producers that append as fast as they may, and claim what was acknowledged.
 *
 * One thread, one client, `producers` sessions with each partition. A session lives through
 * whatever happens to the cluster; one that ends with an error is counted, and is followed by
 * another producer with a new number. What counts as acknowledged is what is in the file of claims:
 * should this process be killed, nothing is claimed that was not acknowledged.
 *
 * Each SOAK_REPORT_NS a line: {"acked":[per partition],"gap_us":N,"ended":N,"pending":N}, where the
 * gap is the longest time in which a partition with something to do had no acknowledgement.
 */
#include "tests/soak/soak.h"

#include "consensus/base/assert.h"
#include "tests/soak/claims.h"
#include "tests/soak/record.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define PRODUCERS_MAX 64u /* of all partitions */
#define BURST 64u	  /* records of a producer in one turn */
#define POLL_MS 5

struct lane {
	struct load *load;
	uint32_t partition;
	uint64_t token;
	uint64_t next; /* sequence */
	struct quorate_producer *producer;
	bool ended;
};

struct partition {
	struct soak_claims_writer claims;
	uint64_t pending;
	qr_ns heard_ns; /* of the last acknowledgement, or since when something is pending */
};

struct load {
	const struct soak_options *options;
	struct quorate_client *client;
	struct partition partitions[SOAK_PARTITIONS_MAX];
	struct lane lanes[PRODUCERS_MAX];
	uint32_t lane_count;
	uint32_t producers; /* numbers given out */
	uint64_t ended;
	qr_ns gap_ns;
	bool failed;	/* the claims cannot be written */
	uint32_t first; /* lane of this turn */

	/* the rate */
	qr_ns started_ns;
	uint64_t appended;
	qr_ns reported_ns;
	uint8_t record[SOAK_RECORD_MAX];
};

static void hear(struct load *load, struct partition *partition, qr_ns now)
{
	if (now - partition->heard_ns > load->gap_ns)
		load->gap_ns = now - partition->heard_ns;
	partition->heard_ns = now;
}

static void on_done(void *user, uint64_t sequence, uint32_t count, uint64_t offset, int error)
{
	struct lane *lane = user;
	struct load *load = lane->load;
	struct partition *partition = &load->partitions[lane->partition];
	const struct soak_claim claim = {lane->token, sequence, offset, count};

	QR_ASSERT(partition->pending >= count && sequence + count <= lane->next);

	hear(load, partition, soak_now());
	partition->pending -= count;
	if (error != QUORATE_OK) {
		(void)fprintf(stderr,
			      "soak-client: producer %" PRIu32 " of partition %" PRIu32
			      " ended at record %" PRIu64 ": %s\n",
			      soak_token_producer(lane->token), lane->partition, sequence,
			      quorate_strerror(error));
		lane->ended = true;
		return;
	}
	if (!soak_claims_add(&partition->claims, &claim))
		load->failed = true;
}

/** A new session, with a producer's number that was never used. */
static int open_lane(struct lane *lane)
{
	struct load *load = lane->load;
	const struct quorate_producer_options options = {
		.on_done = on_done, .user = lane, .record_max_bytes = SOAK_RECORD_MAX};
	int error;

	quorate_producer_close(lane->producer);
	lane->producer = NULL;
	lane->token = load->options->load << SOAK_PRODUCER_BITS | load->producers++;
	lane->next = 0;
	lane->ended = false;
	error = quorate_producer_open(load->client, load->options->log, lane->partition, &options,
				      &lane->producer);
	if (error != QUORATE_OK)
		(void)soak_complain("open a producer", error);
	return error;
}

static bool open_all(struct load *load)
{
	const struct soak_options *options = load->options;

	for (uint32_t p = 0; p < options->partitions; p++) {
		const struct soak_claims_header header = {SOAK_ACKED, options->load, p};
		char path[4096];

		(void)snprintf(path, sizeof(path), "%s/acked-%" PRIu64 "-%" PRIu32, options->claims,
			       options->load, p);
		if (!soak_claims_create(&load->partitions[p].claims, path, &header)) {
			(void)soak_complain_errno(path);
			return false;
		}
		for (uint32_t i = 0; i < options->producers; i++) {
			struct lane *lane = &load->lanes[load->lane_count++];

			lane->load = load;
			lane->partition = p;
			if (open_lane(lane) != QUORATE_OK)
				return false;
		}
	}
	return true;
}

static void report(struct load *load)
{
	uint64_t pending = 0;

	(void)printf("{\"acked\":[");
	for (uint32_t p = 0; p < load->options->partitions; p++) {
		struct partition *partition = &load->partitions[p];

		if (!soak_claims_flush(&partition->claims))
			load->failed = true;
		pending += partition->pending;
		(void)printf("%s%" PRIu64, p == 0 ? "" : ",", partition->claims.records);
	}
	(void)printf("],\"gap_us\":%" PRIu64 ",\"ended\":%" PRIu64 ",\"pending\":%" PRIu64 "}\n",
		     load->gap_ns / 1000, load->ended, pending);
	if (fflush(stdout) != 0)
		load->failed = true;
}

/** How many records may leave now. */
static uint64_t allowance(const struct load *load, qr_ns now)
{
	uint64_t due;

	if (load->options->rate == 0)
		return UINT64_MAX;
	due = (uint64_t)((double)(now - load->started_ns) / 1e9 * (double)load->options->rate);
	return due > load->appended ? due - load->appended : 0;
}

/** @return records appended. */
static uint64_t append_some(struct load *load, struct lane *lane, uint64_t most)
{
	struct partition *partition = &load->partitions[lane->partition];
	uint64_t appended = 0;

	if (most > BURST)
		most = BURST;
	while (appended < most && !lane->ended &&
	       quorate_pending(lane->producer) < load->options->inflight) {
		uint32_t size_bytes = soak_record_make(lane->token, lane->next, load->record);
		uint64_t sequence;
		int error = quorate_append(lane->producer, load->record, size_bytes, &sequence);

		if (error != QUORATE_OK) {
			lane->ended = lane->ended || error != QUORATE_AGAIN;
			break;
		}
		QR_ASSERT(sequence == lane->next);
		if (partition->pending++ == 0)
			partition->heard_ns = soak_now();
		lane->next++;
		appended++;
	}
	load->appended += appended;
	return appended;
}

/** Producers that ended are followed by others; everybody appends. @return QUORATE_OK or why not.
 */
static int turn(struct load *load)
{
	qr_ns now = soak_now();
	uint64_t most = allowance(load, now);
	uint64_t appended = 0;

	/* Another lane is first in each turn: a low rate leaves nothing to the ones behind. */
	load->first = (load->first + 1) % load->lane_count;
	for (uint32_t i = 0; i < load->lane_count; i++) {
		struct lane *lane = &load->lanes[(load->first + i) % load->lane_count];

		if (lane->ended) {
			int error = open_lane(lane);

			load->ended++;
			if (error != QUORATE_OK)
				return error;
		}
		appended += append_some(load, lane, most - appended);
	}
	if (now - load->reported_ns >= SOAK_REPORT_NS) {
		load->reported_ns = now;
		report(load);
	}
	return quorate_poll(load->client, appended > 0 ? 0 : POLL_MS);
}

static int run(struct load *load)
{
	int error = QUORATE_OK;

	load->started_ns = soak_now();
	while (error == QUORATE_OK && !soak_is_stopping() && !load->failed)
		error = turn(load);
	for (uint32_t i = 0; error == QUORATE_OK && i < load->lane_count; i++) {
		error = quorate_flush(load->lanes[i].producer);
		load->ended += load->lanes[i].ended;
	}
	report(load);
	if (load->failed)
		return soak_complain_errno("write the claims");
	return error == QUORATE_OK ? 0 : soak_complain("append", error);
}

int soak_load(const struct soak_options *options)
{
	struct load *load;
	int status = 2;

	if (options->partitions * options->producers > PRODUCERS_MAX) {
		(void)fprintf(stderr, "soak-client: at most %u producers in all\n", PRODUCERS_MAX);
		return 2;
	}
	load = calloc(1, sizeof(*load));
	if (load == NULL)
		return soak_complain_errno("take memory");
	load->options = options;
	soak_stop_at_signals();
	if (soak_connect(options, &load->client) == QUORATE_OK && open_all(load))
		status = run(load);
	quorate_close(load->client);
	free(load);
	return status;
}
