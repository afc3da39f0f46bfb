/*
 * A world for real nodes and real clients: replication cores (dataplane/node, the very objects that
 * the lcores poll) and client machines (dataplane/client) over a simulated network, disk and clock.
 * One seed decides everything that happens in it.
 *
 * Time jumps from event to event. A host takes a turn when something arrived or when it asked for
 * one, but not more often than its loop would.
 */
#ifndef QR_TEST_SIM_WORLD_H
#define QR_TEST_SIM_WORLD_H

#include "tests/sim/client.h"
#include "tests/sim/disk.h"
#include "tests/sim/net.h"
#include "tests/sim/node.h"
#include "tests/sim/oracle.h"
#include "tests/sim/plan.h"
#include "tests/sim/points.h"
#include "tests/sim/queue.h"

#define SIM_CLUSTER 0x51
#define SIM_ANSWERED_WITHIN_NS ((qr_ns)10000000000) /* of a calm with a leader */
#define SIM_HISTORY 256 /* steps of the trace that are kept for a report */

enum sim_trace_kind {
	SIM_TRACE_TURN,	   /* datagrams sent, disk operations started */
	SIM_TRACE_ARRIVE,  /* from, size, checksum */
	SIM_TRACE_DISK,	   /* kind and segment, offset, result */
	SIM_TRACE_FAULT,   /* place in the plan, kind */
	SIM_TRACE_HEAL,	   /* the same */
	SIM_TRACE_START,   /* incarnation */
	SIM_TRACE_END,	   /* crashed or stopped */
	SIM_TRACE_ROLE,	   /* group, role, term */
	SIM_TRACE_COMMIT,  /* group, index */
	SIM_TRACE_ANSWER,  /* group, first offset, count */
	SIM_TRACE_SESSION, /* client: group, error */
};

/** Whom a fault DEPOSE met; 0: nobody. */
struct sim_deposed {
	qr_node leader;
	qr_node companion; /* who still hears it */
};

/** What is still wrong with a node that is away. */
enum sim_away { SIM_AWAY_CUT, SIM_AWAY_DEAF, SIM_AWAY_STUCK, SIM_AWAYS };

struct sim_step {
	qr_ns at_ns;
	enum sim_trace_kind kind;
	uint32_t host;
	uint64_t a;
	uint64_t b;
	uint64_t c;
};

/** What a run has done: added up over seeds in reports. Only counts; summed as an array. */
struct sim_count {
	uint64_t seeds;
	uint64_t simulated_ns;
	uint64_t events;
	uint64_t turns;
	uint64_t datagrams;
	uint64_t appended; /* records that clients appended */
	uint64_t acked;	   /* records whose answer a client got */
	uint64_t chunks;   /* committed */
	uint64_t entries;  /* committed */
	uint64_t read;	   /* records that consumers got */
	uint64_t tails;	   /* linearizable reads answered */
	uint64_t elections;
	uint64_t crashes;
	uint64_t starts;
	uint64_t restored;     /* recoveries of a group that began with a snapshot */
	uint64_t repairs;      /* entries that a disk had lost, written again */
	uint64_t damage_found; /* recoveries that refused planted damage */
	uint64_t no_space;
	uint64_t trims;
	uint64_t installs;
	uint64_t undecided; /* histories that were too hard to judge */
	uint64_t faults[SIM_FAULT_KINDS];
	uint64_t points[SIM_EFFECT_COUNT][SIM_FAILURE_COUNT];
};

struct sim_world {
	const struct sim_plan *plan;
	struct qr_prng prng;
	qr_ns now_ns;
	qr_ns start_ns;
	bool calm;	/* faults have ended */
	bool quiet;	/* clients begin nothing new */
	qr_ns quiet_ns; /* since then */
	qr_nodes away;	/* nodes that the calm has not come to */
	enum sim_away how_away;
	qr_ns mended_ns; /* when damage was last there and went */
	bool in_force[SIM_FAULTS_MAX];
	struct sim_deposed deposed[SIM_FAULTS_MAX];
	bool keeps_packets; /* the plan has replays */
	bool corrupts;	    /* there have been wrong bytes in datagrams */
	struct sim_queue queue;
	struct sim_net net;
	struct sim_node nodes[SIM_NODES_MAX + 1];
	struct sim_client clients[SIM_CLIENTS_MAX + 1];
	struct sim_oracle oracle;
	struct sim_count count;

	uint64_t hash;
	bool tracing; /* print every step */
	uint64_t step_count;
	struct sim_step history[SIM_HISTORY];
};

/** Build it and start all hosts. @param plan  outlives the world. */
void sim_world_init(struct sim_world *world, const struct sim_plan *plan, bool tracing);
void sim_world_fini(struct sim_world *world);
/** The whole story: faults, then calm, then a power cut of all, and the audit. */
void sim_world_run(struct sim_world *world);
void sim_world_run_until(struct sim_world *world, qr_ns until_ns);

/** A disk holds planted damage or has lied, or did so not long ago: readers may have met it. */
bool sim_world_had_damage(const struct sim_world *world);

/** Everything comes back by itself: calm.c. */
void sim_calm(struct sim_world *world);

/* ---- faults.c ---- */

void sim_fault_begin(struct sim_world *world, uint32_t number);

/* forget.c */

/** Both slots of a group hold nothing that anybody wrote. The node is down. */
void sim_forget(struct sim_world *world, qr_node node, qr_group group);
/** The fault: the node ends, and starts again without; if it may now. */
void sim_forget_and_restart(struct sim_world *world, qr_node node, qr_ns until_ns);
/** What the device did to the slots of a node that is about to start is accepted, or mended. */
void sim_forget_before_start(struct sim_world *world, qr_node node);
/** It has lost both slots, and does not count yet. */
bool sim_has_forgotten(struct sim_world *world, qr_node node, qr_group group);
/** It has, for good: before it starts, what is only damaged may still be mended. */
bool sim_has_lost_promises(struct sim_world *world, qr_node node, qr_group group);
void sim_fault_end(struct sim_world *world, uint32_t number);
/** Damage that the nodes cannot repair for each other is taken back. */
void sim_fault_mend_what_is_lost(struct sim_world *world);
/** Nothing is wrong from here on. */
void sim_faults_end_all(struct sim_world *world);
/** A node that refuses its disk, or whose store is poisoned, is seen to by its operator. */
void sim_fault_operator(struct sim_world *world, qr_node id);
void sim_fault_mend(struct sim_world *world, qr_node id);

static inline uint64_t sim_between(struct sim_world *world, uint64_t low, uint64_t high)
{
	return low == high ? low : low + qr_prng_below(&world->prng, high - low + 1);
}

static inline bool sim_percent(struct sim_world *world, uint32_t chance)
{
	return qr_prng_below(&world->prng, 100) < chance;
}

/** An effect fails here and now. */
static inline void sim_point(struct sim_world *world, enum sim_effect effect,
			     enum sim_failure failure)
{
	if (effect < SIM_EFFECT_COUNT)
		world->count.points[effect][failure]++;
}

/** A step of the trace: part of the hash, and kept for reports. */
void sim_trace(struct sim_world *world, enum sim_trace_kind kind, uint32_t host, uint64_t a,
	       uint64_t b, uint64_t c);
void sim_trace_print(const struct sim_world *world, const struct sim_step *step);

/** A property does not hold: tell the observer, who does not return. Properties: docs. */
_Noreturn void sim_fail(struct sim_world *world, unsigned property, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/** Who is told of a failure; ends the process. */
typedef void (*sim_observer)(const struct sim_world *world, unsigned property, const char *text);
void sim_set_observer(sim_observer observer);

#endif
