/*
 * One log over a simulated disk: start, stop, crash, and the usual ways to fill it. What was ever
 * laid out is remembered by (index, header digest), so that a test can say "nothing was invented".
 */
#ifndef QR_TESTS_STORAGE_RIG_H
#define QR_TESTS_STORAGE_RIG_H

#include "tests/unit/storage/disk.h"

#define RIG_CLUSTER 0x1122334455667788u
#define RIG_GROUP 7
#define RIG_NODE 2
#define RIG_ENTRIES_MAX 8192

struct rig_entry {
	qr_index index;
	uint64_t digest;
};

struct rig {
	struct store_log_parameters parameters;
	struct disk disk;
	struct qr_prng prng;
	uint8_t *memory;
	size_t memory_bytes;
	struct store_snapshot_buffer snapshot; /* none: snapshots are not looked at */
	struct store_log *log;
	uint64_t generation;
	qr_term term;
	uint32_t laid_count;
	struct rig_entry laid[RIG_ENTRIES_MAX];
	enum qr_error recovered;	    /* how the latest recovery ended */
	struct store_prefix recovered_base; /* of the snapshot that it began with */
	uint32_t recovered_state_bytes;
	uint8_t recovered_state[DISK_SNAPSHOT_BYTES];
	qr_index recovered_last;
	qr_term recovered_term;			     /* of the last entry */
	uint64_t recovered_digests[RIG_ENTRIES_MAX]; /* by index */
};

/** Strides of 8 blocks, segments of 4 strides, a window of 8 strides, 4 writes of up to 4 blocks.
 */
struct store_log_parameters rig_parameters(void);
void rig_init(struct rig *rig, const struct store_log_parameters *parameters, uint64_t seed);
void rig_fini(struct rig *rig);
/**
 * Lose power, if anything is in flight, and start the log anew over what the disk has.
 * @return how recovery ended.
 */
enum qr_error rig_open(struct rig *rig);
/** The same; `recovered` says how it ended. */
void rig_crash_and_open(struct rig *rig);

/** Start what the log wants, without finishing any of it. @return how many were started. */
unsigned rig_poll(struct rig *rig);
/** Finish pending operation `number`. */
void rig_finish(struct rig *rig, uint32_t number);
/** Start and finish, in random order, until nothing is left. */
void rig_drain(struct rig *rig);
/** Finish everything that is not a write to a segment. */
void rig_settle(struct rig *rig);
/** How many writes to segments are in flight. */
unsigned rig_writes(const struct rig *rig);

/** Lay out an entry of `payload_bytes`, as a leader, and have it written. QR_OK or the refusal. */
enum qr_error rig_append(struct rig *rig, uint32_t payload_bytes);
/** The same without store_write. */
enum qr_error rig_lay(struct rig *rig, uint32_t payload_bytes);
/** Cut off, as a new term with a new generation. */
void rig_truncate(struct rig *rig, qr_index to);
bool rig_was_laid(const struct rig *rig, qr_index index, uint64_t digest);
/** Take a snapshot after entry `index` with that state, and have it written. */
void rig_snapshot(struct rig *rig, qr_index index, const void *state, uint32_t state_bytes);
/** The durable index is reached, or the test fails. */
void rig_expect_durable(struct rig *rig, qr_index index);
/** The digest of an entry as the window has it. */
uint64_t rig_digest(const struct rig *rig, qr_index index);

#endif
