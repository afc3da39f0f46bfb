/*
 * What the files of the world share.
 *
 *   world.c     nodes, clocks and steps: everything that happens to one node
 *   ready.c     when its messages leave and its writes finish
 *   network.c   what is under way
 */
#ifndef QR_TESTS_REPLAY_WORLD_INTERNAL_H
#define QR_TESTS_REPLAY_WORLD_INTERNAL_H

#include "tests/scenario/replay/world.h"

struct world_packet {
	struct cluster_packet packet;
	bool announces; /* a heartbeat in the place of an empty MsgApp */
	char *proposal; /* of the heap: no message of raft, but a proposal on its way to the leader
			 */
};

struct world_packets {
	uint32_t count;
	struct world_packet *packets;
};

struct world_node {
	qr_ns clock_ns;
	struct world_packets outbox;
	/* writes of earlier Readys that are still under way, by Ready, oldest first */
	uint32_t batch_count;
	uint32_t batches[CLUSTER_WRITES_MAX];
	/* as a leader: the commit index that each peer was sent, and in which term */
	qr_term told_term;
	qr_index told[CLUSTER_NODES_MAX + 1];
	/* the timeout that a file set, while the deadline is still that one */
	qr_ns set_deadline_ns;
	uint32_t set_ticks;
};

struct world {
	struct cluster *cluster;
	struct world_options options;
	qr_node node_count;
	qr_index preloaded; /* the longest log that a node began with */
	struct world_node nodes[CLUSTER_NODES_MAX + 1];
	struct world_packets network;
	/* what entries stand for; an entry's value is a position here, 0 is the leader's no-op */
	uint32_t text_count;
	char **texts;
	const char *overflow;
};

/* world.c: a step of `node` goes between begin and end; false: there is no room for it */
struct raft_group *world_group_of(const struct world *world, qr_node node);
bool world_begin(struct world *world, qr_node node);
void world_end(struct world *world, qr_node node);
void world_receive(struct world *world, struct cluster_packet packet);
/** A tick at once, or as soon as the clock of `node` shows `at_ns`; what it sends announces. */
void world_announce(struct world *world, qr_node node, qr_ns at_ns);

/* network.c */
void world_packets_add(struct world_packets *packets, struct world_packet packet);
void world_packets_free(struct world_packets *packets);
/** From the outbox into the network: everything, or only replies. */
void world_packets_depart(struct world *world, qr_node node, bool only_replies);

#endif
