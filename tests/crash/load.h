/*
 * The clients of a recorded run: producers of the real client library, whose records can be told
 * apart and checked by anybody who knows the round's seed.
 */
#ifndef QR_TESTS_CRASH_LOAD_H
#define QR_TESTS_CRASH_LOAD_H

#include "dataplane/client/machine.h"
#include "tests/crash/cluster.h"

#define LOAD_PRODUCERS_PER_GROUP 2
#define LOAD_PRODUCERS_MAX (CLUSTER_GROUPS_MAX * LOAD_PRODUCERS_PER_GROUP)
#define LOAD_RECORD_MIN 16
#define LOAD_PENDING_MAX 40 /* records of a producer without an answer */

/* ---- what a record holds ---- */

/** Its producer, its sequence, and bytes that follow from these and the seed. */
void load_record(uint64_t seed, uint32_t producer, uint64_t sequence, struct qr_writer *writer);
/** @return whether `record` is what that producer made as number `sequence`, of any size. */
bool load_is_record(uint64_t seed, struct qr_span record, uint32_t *ret_producer,
		    uint64_t *ret_sequence);

/* ---- the clients ---- */

struct load_producer {
	struct load *load;
	struct dp_producer *machine;
	uint32_t number;
	qr_group group;
	uint64_t appended;
	uint64_t answered;
	uint64_t bytes;
	enum qr_error error;
};

struct load {
	struct cluster *cluster;
	struct dp_client *client;
	struct qr_prng prng;
	uint32_t record_max;
	uint64_t bytes_max; /* per producer; no new records beyond it */
	uint8_t *memory;
	uint32_t producer_count;
	struct load_producer producers[LOAD_PRODUCERS_MAX];
};

void load_init(struct load *load, struct cluster *cluster, uint64_t bytes_max);
void load_fini(struct load *load);
/** Append what the windows allow, and send. */
void load_turn(struct load *load);
/** Records answered. */
uint64_t load_answered(const struct load *load);
/** Everything that will be appended is answered, or a producer has ended. */
bool load_is_done(const struct load *load);
/** QR_OK, or what ended a producer whose log promises to keep its records. */
enum qr_error load_error(const struct load *load);

#endif
