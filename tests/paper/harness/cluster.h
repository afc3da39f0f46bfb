/*
 * A whole cluster in memory: several groups, a network that the test controls packet by packet, and
 * a store per node that finishes its writes when the test says so, or at once.
 *
 * The store is honest about crashes: what was written may survive, what was not durable may be
 * lost, and a suffix that was cut off may come back until it is overwritten. A message leaves a
 * node only when what it requires is durable there.
 *
 * Judged on every step, beside the invariants of each group (Raft figure 3):
 *   election safety        one leader per term
 *   log matching           an entry is accepted only on the very prefix that its leader had
 *   leader completeness    a new leader has everything that earlier terms decided
 *   state machine safety   no index is ever decided twice with different entries
 *   linearizable reads     an answer covers all that was decided when the read was asked for
 * and that what is decided lies on the disks of a quorum, that what is acknowledged lies on the
 * acknowledging disk, and that no node votes twice in a term, whatever crashed in between.
 */
#ifndef QR_TESTS_CLUSTER_H
#define QR_TESTS_CLUSTER_H

#include "consensus/base/prng.h"
#include "consensus/raft/raft.h"
#include "tests/unit/unit.h"

#define CLUSTER_NODES_MAX 7
#define CLUSTER_LOG_MAX 1024
#define CLUSTER_TERM_MAX 1024
#define CLUSTER_PACKETS_MAX 512
#define CLUSTER_WRITES_MAX 512
#define CLUSTER_HELD_MAX 256
#define CLUSTER_READS_MAX 1024

#define CLUSTER_ELECTION_NS 100000000u
#define CLUSTER_HEARTBEAT_NS 10000000u

/** An entry with something in it: `chain` stands for it and everything before it. */
struct cluster_entry {
	struct raft_entry entry;
	uint64_t value;
	uint64_t chain;
};

struct cluster_packet {
	struct raft_message message;
	struct cluster_entry *entries; /* of the heap; APPEND with a range only */
	uint32_t life;		       /* of the sender */
};

struct cluster_write {
	bool is_state;
	struct raft_hard_state state;
	qr_index first, last;
	qr_index valid_last; /* entries above it have been cut off since */
	uint64_t generation;
	qr_term last_term;
	struct cluster_entry *entries; /* of the heap */
};

struct cluster_node {
	struct raft_group raft;
	bool up;
	bool disk_waits;   /* writes finish only by cluster_flush */
	bool keeps_commit; /* a restart knows what was durable and committed before */

	struct cluster_entry log[CLUSTER_LOG_MAX + 1];

	/* the store: what is on the disk, and what is under way */
	struct cluster_entry disk[CLUSTER_LOG_MAX + 1];
	struct raft_hard_state disk_state;
	qr_index durable;
	uint32_t write_count;
	struct cluster_write writes[CLUSTER_WRITES_MAX];

	uint32_t held_count;
	struct cluster_packet held[CLUSTER_HELD_MAX];

	uint32_t read_count; /* answers so far, and the newest one */
	struct raft_read_done read;
	qr_node voted[CLUSTER_TERM_MAX];       /* what others have been told */
	uint32_t life;			       /* how often it lost its disk */
	uint32_t heard[CLUSTER_NODES_MAX + 1]; /* the latest life of each of the others */
};

struct cluster {
	struct raft_configuration configuration;
	struct raft_parameters parameters;
	qr_node node_count;
	qr_ns now_ns;
	struct qr_prng prng;
	struct cluster_node *nodes; /* [1..node_count] */
	bool cut[CLUSTER_NODES_MAX + 1][CLUSTER_NODES_MAX + 1];

	uint32_t packet_count;
	struct cluster_packet packets[CLUSTER_PACKETS_MAX];

	/* what has been decided, and the leader of each term */
	qr_index decided_count;
	struct cluster_entry decided[CLUSTER_LOG_MAX + 1];
	qr_term decided_in[CLUSTER_LOG_MAX + 1];
	qr_node leader_of[CLUSTER_TERM_MAX];
	qr_index read_floor[CLUSTER_READS_MAX]; /* by context: decided when it was asked for */

	struct raft_group before;
	struct raft_effects effects;
	char trouble[256]; /* what went wrong first; checked by cluster_is_sound */
};

/** Nodes 1..node_count, all voters, at term 0 with empty logs; disks finish at once. */
struct cluster *cluster_create(qr_node node_count, uint64_t seed);
/** Nodes above `voter_count` are learners. */
struct cluster *cluster_create_with_learners(qr_node voter_count, qr_node learner_count);
void cluster_destroy(struct cluster *cluster);

/** Time passes for everybody; every node that is up is ticked each half heartbeat. */
void cluster_run_for(struct cluster *cluster, qr_ns elapsed_ns);
/** The same, and packets are delivered as they come. */
void cluster_live_for(struct cluster *cluster, qr_ns elapsed_ns);
void cluster_tick(struct cluster *cluster, qr_node node);
/** With these random bits, where a test decides what is chance elsewhere. */
void cluster_tick_with(struct cluster *cluster, qr_node node, uint32_t random);
/** Deliver everything, and what follows from it, until the network is empty. */
void cluster_deliver(struct cluster *cluster);
/** Deliver packet `position`, which may be split into single entries; it stays when `keep`. */
void cluster_deliver_one(struct cluster *cluster, uint32_t position, bool keep, bool split);
void cluster_drop_one(struct cluster *cluster, uint32_t position);
void cluster_drop_all(struct cluster *cluster);
/** How many packets of this kind are under way from and to (0: anybody). */
unsigned cluster_under_way(const struct cluster *cluster, enum raft_message_kind kind, qr_node from,
			   qr_node to);

/** Both directions. */
void cluster_isolate(struct cluster *cluster, qr_node node);
void cluster_heal(struct cluster *cluster);

/** The node's election timeout passes and everything is delivered. Fails if it does not lead. */
void cluster_elect(struct cluster *cluster, qr_node node);
/** Only the named node's timeout passes; nothing is delivered. */
void cluster_time_out(struct cluster *cluster, qr_node node);
qr_node cluster_leader(const struct cluster *cluster);
/** Ask node (a leader that can propose) to append `value`; the index. */
qr_index cluster_propose(struct cluster *cluster, qr_node node, uint64_t value);
/** `context` is below CLUSTER_READS_MAX and used once. */
void cluster_read(struct cluster *cluster, qr_node node, uint64_t context);
void cluster_transfer(struct cluster *cluster, qr_node node, qr_node to);

/** The store of `node` finishes its oldest `count` writes. */
void cluster_flush(struct cluster *cluster, qr_node node, uint32_t count);
void cluster_flush_all(struct cluster *cluster, qr_node node);
void cluster_fail_storage(struct cluster *cluster, qr_node node);
/** Power fails: of the writes under way the oldest `survive` reach the disk. */
void cluster_crash(struct cluster *cluster, qr_node node, uint32_t survive);
void cluster_restart(struct cluster *cluster, qr_node node);
/**
 * A node that is down loses what is on its disk, and knows that it did. What it sent before may
 * still arrive, as long as its receiver has heard nothing newer of it.
 */
void cluster_forget(struct cluster *cluster, qr_node node);
/**
 * What a node that is down and never wrote anything finds when it starts: a log of `last` decided
 * entries of term 1, as if it had been given a copy; it knows that they are decided.
 */
void cluster_preload(struct cluster *cluster, qr_node node, qr_index last);
/** How far the log on the disk of `node` hangs together: what a start would recover. */
qr_index cluster_stored_last(const struct cluster *cluster, qr_node node);

/** Every node that is up has the same log, all committed. */
bool cluster_has_converged(const struct cluster *cluster);
/** Nothing forbidden happened so far. */
bool cluster_is_sound(const struct cluster *cluster);
struct raft_group *cluster_group(struct cluster *cluster, qr_node node);

#endif
