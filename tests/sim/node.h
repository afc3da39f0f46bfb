/*
 * A node of the simulated world: one replication core, its disk, its clock, and the loop around it.
 */
#ifndef QR_TEST_SIM_NODE_H
#define QR_TEST_SIM_NODE_H

#include "tests/sim/disk.h"
#include "tests/sim/net.h"

#define SIM_INBOX_MAX 256
#define SIM_SCRUB_PAUSE_NS ((qr_ns)5000000000)

/** What was seen of a group at the end of the latest turn, to compare the next one with. */
struct sim_seen {
	bool running;
	enum raft_role role;
	qr_term term;
	qr_node vote;
	qr_index commit;
	qr_index last;
	qr_index held;	     /* entries up to here are here, and are committed somewhere */
	qr_term stable_term; /* as the media say */
	qr_index checked; /* entries up to here were found on the media when they were promised */
	uint64_t checked_digest; /* of that entry */
};

/** Datagrams of a peer that a node has taken in this life of both. */
struct sim_heard {
	uint32_t incarnation;
	uint64_t room;	    /* words */
	uint64_t *counters; /* a bit each */
};

struct sim_node {
	qr_node id;
	bool up;
	uint32_t incarnation;
	struct dp_core *core;
	struct dp_core_config config;
	uint8_t *memory;
	size_t memory_bytes;
	struct sim_disk disk;

	uint32_t inbox_count;
	struct sim_packet *inbox_first;
	struct sim_packet **inbox_last;

	qr_ns turned_ns;  /* the latest turn */
	qr_ns turn_at_ns; /* the next one; UINT64_MAX: none is due */
	qr_ns paused_until_ns;
	uint32_t effects_left; /* of crash-midway: crash when they are used up; 0: not planned */
	qr_ns start_at_ns;     /* down: when it starts again */
	bool stopping;
	bool operator_comes;

	qr_ns clock_global_ns; /* the node's clock read clock_local_ns then */
	qr_ns clock_local_ns;
	int64_t clock_ppm; /* too fast */
	int64_t drift_ppm; /* the same, without a fault */
	int64_t wall_offset_ns;

	struct dp_published published; /* of this life */
	struct sim_seen seen[SIM_GROUPS_MAX + 1];
	qr_index
		lost[SIM_GROUPS_MAX + 1]; /* what it may have acknowledged when it lost its slots */
	struct sim_heard heard[SIM_NODES_MAX + 1];
};

void sim_node_init(struct sim_world *world, qr_node id);
void sim_node_fini(struct sim_world *world, qr_node id);
void sim_node_start(struct sim_world *world, qr_node id);
/** Its process ends here and now. @return false: not now, it could lose what was promised. */
bool sim_node_crash(struct sim_world *world, qr_node id, bool power, qr_ns start_at_ns);
/** A datagram has arrived; owned from here on. */
void sim_node_arrive(struct sim_world *world, struct sim_packet *packet);
/** There is something to do: take a turn as soon as the loop comes round. */
void sim_node_wake(struct sim_world *world, qr_node id);
void sim_node_turn(struct sim_world *world, qr_node id);

/** The node's own monotonic clock. */
qr_ns sim_node_clock(const struct sim_world *world, const struct sim_node *node);
/** It goes on from what it says, at another speed. */
void sim_node_set_clock(struct sim_world *world, qr_node id, int64_t ppm);
/** The group as the node holds it; NULL: down, or not running. */
struct dp_group *sim_node_group(const struct sim_node *node, qr_group group);

/* ---- heard.c ---- */

/** The node's core receives a datagram, and may take or refuse it: was that right? */
void sim_hear(struct sim_world *world, qr_node id, const struct sim_packet *packet, qr_ns clock_ns);
void sim_heard_forget(struct sim_heard *heard);

#endif
