/*
 * A real cluster in one thread: three replication cores, each with its own data directory, its own
 * io_uring and the real clock. Only the network is not real: datagrams wait in a queue, and links
 * can be cut. What the nodes ask of their disks and what they promise goes to a tape.
 *
 * A round lasts about a second, and once a second a node notes how far its log is settled and may
 * take a snapshot. So that this happens often enough, the clock that nodes and clients are shown
 * may run faster than the real one; their timeouts are stretched with it.
 *
 * A node ends in one of two ways, both on the tape, and its files are then rewritten to be what
 * that left: power is cut (a subset of what was not stable, drawn from a seed), or the process is
 * killed (all that was handed to the kernel is there, and nothing further happens).
 */
#ifndef QR_TESTS_CRASH_CLUSTER_H
#define QR_TESTS_CRASH_CLUSTER_H

#include "dataplane/node/core.h"
#include "storage/io/io.h"
#include "tests/crash/media.h"

#include <limits.h>

#define CLUSTER_GROUPS_MAX 4
#define CLUSTER_ID 0xc4a5
#define CLUSTER_DATAGRAM_MAX 4096
#define CLUSTER_OPS_MAX 32
#define CLUSTER_CHECKPOINTS 64
#define CLUSTER_SESSIONS_MAX 8 /* of a group */

struct cluster_node {
	bool up;
	char path[PATH_MAX];
	struct store_directory directory;
	struct store_io *io;
	struct dp_core *core;
	uint8_t *memory;
	uint32_t incarnation;
	uint32_t lag;	   /* turns in which completions are not looked at */
	uint32_t saving;   /* writes of snapshots in flight */
	uint32_t op_count; /* that the ring had no room for yet */
	struct store_op ops[CLUSTER_OPS_MAX];
	struct tape_said said[CLUSTER_GROUPS_MAX + 1][TAPE_SAID_KINDS]; /* the latest of each */
};

struct cluster_packet {
	qr_node from; /* 0: the client */
	qr_node to;   /* 0: the client */
	uint32_t size_bytes;
	uint8_t *data;
};

/** Takes what nodes send to clients. */
typedef void (*cluster_receive)(void *context, struct qr_span datagram, qr_ns now_ns);

struct cluster {
	struct tape_round round;
	struct media *media; /* [1..TAPE_NODES] */
	struct dp_group_config groups[CLUSTER_GROUPS_MAX];
	struct cluster_node nodes[TAPE_NODES + 1];
	struct qr_prng prng;
	qr_ns begun_ns;	  /* on the real clock, and on the nodes' */
	qr_ns now_ns;	  /* on the nodes' */
	qr_nodes cut_off; /* nodes without links to others; clients still reach them */
	uint32_t loss_permille;
	qr_node slow; /* whose completions are seen late, so that others overtake it; 0: nobody's */
	struct cluster_packet *packets;
	uint32_t packet_count;
	uint64_t moves; /* datagrams and disk completions: whether anything happens */
	cluster_receive receive;
	void *context;
};

void cluster_init(struct cluster *cluster, const struct tape_round *round, const char *path,
		  struct media *media);
/** Nodes that are up end as if killed. Their directories stay. */
void cluster_fini(struct cluster *cluster);

/** A process starts on the node's directory. @return false: ret_problem says why. */
bool cluster_start(struct cluster *cluster, qr_node node, struct store_problem *ret_problem);
void cluster_cut_power(struct cluster *cluster, qr_node node, uint64_t seed);
void cluster_kill(struct cluster *cluster, qr_node node);

/** A datagram of the client to a node. */
void cluster_send(struct cluster *cluster, qr_node to, struct qr_span datagram);
/** One turn of every node that is up; waits a little when nothing happens. */
void cluster_turn(struct cluster *cluster);

/** How long some real time is on the nodes' clock. */
qr_ns cluster_ns(const struct cluster *cluster, qr_ns real_ns);
/** The node that leads the group in the highest term; 0: none. */
qr_node cluster_leader(const struct cluster *cluster, qr_group group);
struct wire_status_group cluster_status(const struct cluster *cluster, qr_node node,
					qr_group group);

#endif
