/*
 * A client that appends to a log, asks for its length and reads pieces of it, one operation after
 * the other, and writes down each.
 *
 * Threads: one per client; the options and the stop flag are shared.
 */
#ifndef RECORD_CLIENT_H
#define RECORD_CLIENT_H

#include "consensus/base/prng.h"
#include "dataplane/client/quorate.h"
#include "tests/check/record/lines.h"

#define RECORD_BATCH_MAX 8u

struct record_options {
	const char *endpoints;
	const char *cluster;
	const char *log;
	uint32_t partition;
	unsigned clients;
	unsigned first_process; /* of the history; the clients are numbered from here */
	unsigned rate;		/* operations a second, of each; 0: no bound */
	unsigned appends;	/* of 100 operations */
	uint32_t timeout_ms;	/* of one operation */
	size_t identity_bytes;	/* of a record, that tell it from the others */
	double seconds;		/* 0: until a signal */
	const char *output;	/* NULL: standard output */
};

struct record_counts {
	uint64_t appends; /* answered */
	uint64_t records;
	uint64_t unknown; /* appends without an answer */
	uint64_t tails;
	uint64_t reads;
	uint64_t failed; /* tails and reads without an answer */
};

struct record_client {
	const struct record_options *options;
	const bool *stop; /* set by the main thread (relaxed) */
	struct record_lines *lines;
	unsigned process;
	struct record_counts counts;
	struct qr_prng prng;
	struct quorate_client *client;
	struct quorate_producer *producer;
	struct record_text text;
	uint64_t next_record;
	uint64_t end_seen; /* what is below is committed */
	/* of the append under way */
	unsigned done_calls;
	uint64_t done_offset;
	uint32_t done_count;
	int done_error;
	/* of the read under way */
	uint64_t read_count;
	bool read_opaque;
};

/** The thread of a client: until it is to stop. @param client  a struct record_client. */
void *record_client_run(void *client);

#endif
