/*
 * Claims: "records sequence.. of this producer are at offset.. of the partition", kept in a file.
 * The load writes one for what was acknowledged, a reader for what it was shown. The audit holds
 * the log against all of them, in another process and later.
 *
 * A file: a header of 32 bytes (magic u64, source u64, load u64, partition u64), then claims of 32
 * bytes (token, sequence, offset, count, each u64); little-endian. A writer that was killed leaves
 * whole claims and perhaps a piece of one, which is not read.
 *
 * Threads: one at a time.
 */
#ifndef TESTS_SOAK_CLAIMS_H
#define TESTS_SOAK_CLAIMS_H

#include "consensus/base/types.h"

#define SOAK_CLAIMS_BUFFERED 1024u

enum soak_source {
	SOAK_ACKED = 1, /* by the cluster, to a producer */
	SOAK_SEEN = 2,	/* by a reader, in this order */
};

struct soak_claim {
	uint64_t token;
	uint64_t sequence;
	qr_offset offset; /* of the record `sequence` */
	uint64_t count;	  /* > 0 */
};

struct soak_claims_header {
	enum soak_source source;
	uint64_t load; /* acknowledged: soak_token_load of its producers; seen: 0 */
	uint32_t partition;
};

struct soak_claims_writer {
	int fd;
	uint32_t buffered;
	struct soak_claim claims[SOAK_CLAIMS_BUFFERED];
	uint64_t records; /* in claims that are in the file */
};

/** Create the file; it must not exist. @return false with errno. */
QR_MUST_USE bool soak_claims_create(struct soak_claims_writer *writer, const char *path,
				    const struct soak_claims_header *header);
/** Add a claim, joined to the last one if it continues that. @return false with errno. */
QR_MUST_USE bool soak_claims_add(struct soak_claims_writer *writer, const struct soak_claim *claim);
/** Everything added is in the file after it. @return false with errno. */
QR_MUST_USE bool soak_claims_flush(struct soak_claims_writer *writer);

/** A file in memory. */
struct soak_claims {
	struct soak_claims_header header;
	struct soak_claim *claims; /* of the heap */
	size_t count;
};

/** @return false with errno; ENODATA: the header is not whole; EBADMSG: no such file. */
QR_MUST_USE bool soak_claims_load(struct soak_claims *claims, const char *path);
void soak_claims_free(struct soak_claims *claims);

#endif
