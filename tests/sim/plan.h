/*
 * Everything that a seed decides before the first event: the size of the cluster and of all that is
 * in it, and the faults with their times. The plan is a value: shrinking a failure is running it
 * again with fewer faults.
 *
 * Each seed allows a random part of the fault classes only (swarm testing: Groce et al., ISSTA
 * 2012), since a fault that is always there hides what needs its absence.
 */
#ifndef QR_TEST_SIM_PLAN_H
#define QR_TEST_SIM_PLAN_H

#include "consensus/base/prng.h"
#include "tests/sim/media.h"

#define SIM_NODES_MAX 7
#define SIM_CLIENTS_MAX 4
#define SIM_PRODUCERS_MAX (2 * SIM_GROUPS_MAX) /* of a client */
#define SIM_FAULTS_MAX 512
#define SIM_DATAGRAM_MAX 4096
#define SIM_HEADER_TO 7 /* docs/formats/wire.md: the byte that names the receiver */
#define SIM_HEADER_INCARNATION 16
#define SIM_HEADER_CHECKSUM 20
#define SIM_HEADER_COUNTER 24

/*        name, word shown, what it does (a: node or client, b: another node, amount) */
#define SIM_FAULTS(X)                                                                              \
	X(KILL, "kill")			/* the process of a ends; the device keeps its cache */    \
	X(POWER, "power")		/* a loses power */                                        \
	X(POWER_ALL, "power-all")	/* all nodes do, at once */                                \
	X(CRASH_MIDWAY, "crash-midway") /* a loses power between two effects of a turn */          \
	X(STOP, "stop")			/* a is asked to end, hands over, and starts again */      \
	X(PAUSE, "pause")		/* a's process does not run (SIGSTOP) */                   \
	X(CLIENT_PAUSE, "client-pause")                                                            \
	X(CLIENT_NEW, "client-new")   /* client a ends; another one begins */                      \
	X(ISOLATE, "isolate")	      /* a has no link at all */                                   \
	X(SPLIT, "split")	      /* nodes in mask `amount` do not reach the others */         \
	X(ONE_WAY, "one-way")	      /* a's datagrams do not reach b */                           \
	X(DEPOSE, "depose")	      /* who leads hears at most one node; clients append there */ \
	X(CHAIN, "chain")	      /* each node reaches its neighbours in number only */        \
	X(CLOG, "clog")		      /* from a to b all waits until the fault ends */             \
	X(LOSS, "loss")		      /* percent */                                                \
	X(DUPLICATES, "duplicates")   /* percent */                                                \
	X(MUTE, "mute")		      /* no datagram of the kind `amount` leaves a, or anybody */  \
	X(DELAY, "delay")	      /* times as long */                                          \
	X(FLIPS, "flips")	      /* percent of datagrams with a wrong bit */                  \
	X(REPLAY, "replay")	      /* old datagrams again, of any incarnation */                \
	X(GARBAGE, "garbage")	      /* noise, foreign clusters, strangers, to a */               \
	X(DISK_SLOW, "disk-slow")     /* a's disk takes `amount` times as long */                  \
	X(DISK_STUCK, "disk-stuck")   /* a's disk answers when the fault ends */                   \
	X(DISK_FULL, "disk-full")     /* a has no room for another segment */                      \
	X(WRITE_ERROR, "write-error") /* a's next write fails; part of it may be there */          \
	X(READ_ERROR, "read-error")   /* a's next reads fail */                                    \
	X(SYNC_ERROR, "sync-error")   /* a's next sync fails */                                    \
	X(READ_FLIP, "read-flip")     /* one read of a returns a wrong bit, once */                \
	X(ROT, "rot")		      /* a bit of a's settled log has flipped */                   \
	X(ROT_SLOT, "rot-slot")	      /* a bit of one of a's two slots has */                      \
	X(FORGET, "forget")	      /* a starts again without both slots of a group */           \
	X(ROT_SNAPSHOT, "rot-snapshot") /* a bit of one of a's snapshots has, or of both */        \
	X(LOST_WRITE, "lost-write")	/* a write of a is answered, and never happened */         \
	X(MISDIRECTED, "misdirected")	/* a write of a went elsewhere in its settled log */       \
	X(CLOCK, "clock") /* a's monotonic clock runs at a tenth to five times its speed */        \
	X(WALL_JUMP, "wall-jump") /* a's wall clock is an hour off */

enum sim_fault_kind {
#define SIM_FAULT_ENUM(name, word) SIM_FAULT_##name,
	SIM_FAULTS(SIM_FAULT_ENUM)
#undef SIM_FAULT_ENUM
		SIM_FAULT_KINDS
};

const char *sim_fault_name(enum sim_fault_kind kind);

struct sim_fault {
	qr_ns at_ns;
	qr_ns until_ns;
	enum sim_fault_kind kind;
	uint8_t a;
	uint8_t b;
	uint32_t amount;
	bool left_out; /* by shrinking */
};

struct sim_plan {
	uint64_t seed;

	/* the cluster */
	qr_node node_count;
	uint32_t group_count;
	struct raft_configuration configuration; /* of every group */
	qr_ns election_timeout_ns;
	qr_ns heartbeat_interval_ns;
	qr_ns retransmit_min_ns;
	struct store_geometry geometry;
	uint32_t window_blocks;
	uint32_t write_depth;
	uint32_t write_max_blocks;
	uint32_t segments_ahead;
	uint32_t entry_max_bytes;
	uint32_t record_max_bytes;
	uint32_t sessions_max;
	uint32_t snapshot_blocks;
	uint32_t retention_blocks;
	qr_ns retention_ns;
	qr_ns retention_hold_ns;
	uint32_t scrub_bytes_per_second;
	bool asks_scrub; /* every start is followed by a pass that somebody asks for */
	uint32_t asked_bytes_per_second;
	uint32_t inflight_entries;
	uint32_t inflight_bytes;
	uint64_t fill_bytes_per_second;
	uint32_t datagram_max;
	bool priorities;

	/* the edges */
	qr_ns turn_ns; /* between two turns of a busy loop */
	qr_ns delay_min_ns;
	qr_ns delay_max_ns;
	qr_ns disk_min_ns;
	qr_ns disk_max_ns;
	uint32_t disk_late_percent; /* of operations take much longer */
	uint32_t drift_ppm;	    /* clocks run up to this much too fast or too slow */

	/* the clients */
	uint32_t client_count;
	uint32_t producers_per_group; /* of a client */
	uint32_t appends_per_second;  /* of all clients together */
	uint32_t burst;		      /* records appended at a time, at most */
	uint32_t record_bytes;	      /* at most, usually */
	qr_ns append_timeout_ns;

	bool in_parts;	  /* the calm comes to a quorum first */
	bool tries_links; /* in the calm: one fails at a time */
	qr_ns calm_at_ns; /* faults end here: since the start */
	uint32_t fault_count;
	struct sim_fault faults[SIM_FAULTS_MAX];
};

/** @param seconds  how long faults last; 0: decided by the seed. */
void sim_plan_make(struct sim_plan *plan, uint64_t seed, uint32_t seconds);

#endif
