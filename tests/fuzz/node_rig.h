/*
 * One node with two groups, of a cluster of three, over a simulated disk: what node_fuzz plays
 * with. Node 2 is real; 1 and 3 are whatever the input says. Group 1 waits for the disk, group 2
 * does not (durability = memory), group 3 lives elsewhere.
 *
 * The rig lies in memory that a snapshot keeps, the core's memory and the disk's bytes behind it.
 */
#ifndef QR_TESTS_FUZZ_NODE_RIG_H
#define QR_TESTS_FUZZ_NODE_RIG_H

#include "dataplane/node/internal.h"
#include "storage/format/snapshot.h"
#include "tests/fuzz/snapshot.h"

#define RIG_SELF 2
#define RIG_CLUSTER 0xc1u
#define RIG_GROUPS 2	/* here */
#define RIG_SEGMENTS 12 /* that there is space for, of a group */
#define RIG_SEGMENT_BLOCKS 16u
#define RIG_STRIDE_BLOCKS 4u
#define RIG_WINDOW_BLOCKS 16u
#define RIG_FILE_BLOCKS 40u /* more than a snapshot of this node ever takes */
#define RIG_PENDING_MAX 64
#define RIG_TX_MAX 32
#define RIG_TX_BYTES 1452u
#define RIG_SENT_MAX 16
#define RIG_RECORD_MAX 6000u
#define RIG_ENTRY_MAX 4096u
#define RIG_SESSIONS 3
#define RIG_TIMEOUT_NS 10000000u
#define RIG_TOLD_MAX 64
#define RIG_KEEP_BLOCKS (2 * RIG_SEGMENT_BLOCKS) /* of a log, at least */

struct rig_pending {
	struct store_op op;
	uint32_t crc; /* of a write's bytes when it started */
};

struct rig_disk {
	struct store_extent extent;
	uint8_t *slots;
	uint8_t *segments;		 /* number s lies at s % RIG_SEGMENTS */
	bool used[RIG_SEGMENTS];	 /* bytes of an earlier segment may lie there */
	uint8_t *files[STORE_SNAPSHOTS]; /* of snapshots of the group */
	uint64_t file_bytes[STORE_SNAPSHOTS];
};

/** A consensus message that left. */
struct rig_sent {
	qr_group group;
	struct raft_message message;
};

/** A piece of a snapshot, or of an entry, that it asked a peer for. */
struct rig_asked {
	qr_group group; /* 0: none so far */
	qr_node of;
	qr_index index;
	uint32_t offset;
};

/** An answer that left: the same question may never get another one. */
struct rig_told {
	qr_group group;
	uint64_t session;
	uint64_t sequence;
	uint32_t count;
	qr_offset offset;
};

/** What hostile senders pretend to be. */
struct rig_sender {
	uint32_t incarnation;
	uint64_t counter;
};

struct rig {
	struct dp_core_config config;
	struct dp_group_config groups[RIG_GROUPS + 1];
	struct wire_endpoint endpoints[3];
	struct dp_published published;
	uint8_t *core_memory;
	size_t core_bytes;
	struct dp_core *core;
	qr_ns now_ns;
	qr_ns idle_until; /* what a loop with nothing to do was told; 0: something happened since */
	uint32_t restarts;
	struct rig_disk disks[RIG_GROUPS];
	uint32_t pending_count;
	struct rig_pending pending[RIG_PENDING_MAX];
	struct rig_sender senders[4]; /* by node; 0: clients */
	uint32_t sent_count;	      /* ever: the newest are kept */
	struct rig_sent sent[RIG_SENT_MAX];
	uint32_t told_count;
	struct rig_told told[RIG_TOLD_MAX];
	struct rig_asked asked;	      /* the newest, of a snapshot */
	struct rig_asked asked_entry; /* and of an entry */
	uint64_t sessions[4];	      /* that clients were told of, the newest ones */
	uint32_t session_count;
	uint8_t tx[RIG_TX_MAX][RIG_TX_BYTES];
};

/** How much a snapshot must hold. */
size_t rig_size_bytes(void);
/** A node that has not looked at its disk yet. */
struct rig *rig_create(void *memory);
/** Lose power: of each write in flight sector i arrives if bit i % 8 of `torn` says so. */
void rig_restart(struct rig *rig, const struct snapshot *snapshot, uint8_t torn);

/** A turn, with up to `max` buffers. What leaves is checked. */
void rig_turn(struct rig *rig, unsigned max);
/** End a disk operation. */
void rig_finish(struct rig *rig, uint32_t number, enum qr_error result);
/** End all of them, and what they bring about, without an error. */
void rig_drain(struct rig *rig);

/**
 * A datagram of `from` (0: a client) with the messages in `writer`, begun by wire_begin. The bytes
 * that the core sees end where the datagram ends.
 */
void rig_send(struct rig *rig, qr_node from, struct qr_writer *writer);
/** The group `1 + which % RIG_GROUPS`, as it is. */
struct dp_group *rig_group(struct rig *rig, uint8_t which);
/** A block of the disk, or NULL. */
uint8_t *rig_block(struct rig *rig, qr_group group, qr_block block);

/* node_check.c */

/** All that must hold between two calls. */
void rig_check(const struct rig *rig);
/** All that must hold of a snapshot whose header has just been written. */
void rig_check_file(const struct rig *rig, const struct store_op *op);
/** All that must hold of a datagram that leaves. */
void rig_check_datagram(struct rig *rig, const struct dp_tx *tx);

#endif
