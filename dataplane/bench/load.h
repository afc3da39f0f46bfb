/*
 * The load of one thread: a client with its producers, from finding the log to comparing what is in
 * it. Owns whole groups: all producers of a group and its verification are in one load, so loads
 * share nothing.
 *
 * The edge that carries the datagrams (fabric.h, socket.h) calls dp_bench_load_turn each turn and
 * drives the client for the rest. The main thread looks at the phase and gives the time line.
 *
 * Threads: one for everything but the functions that say so.
 */
#ifndef DP_BENCH_LOAD_H
#define DP_BENCH_LOAD_H

#include "dataplane/bench/device.h"
#include "dataplane/bench/lane.h"
#include "dataplane/bench/report.h"
#include "dataplane/bench/verify.h"

enum dp_bench_phase {
	DP_BENCH_FINDING, /* the log's partitions, the end of each, and sessions */
	DP_BENCH_READY,	  /* waits for the time line */
	DP_BENCH_LOADING,
	DP_BENCH_DRAINING, /* what is in flight is waited for */
	DP_BENCH_ENDING,   /* asks for the end of each partition */
	DP_BENCH_READING,  /* back, and comparing */
	DP_BENCH_FINISHED, /* verified, or failed: see the problem */
};

struct dp_bench_load_config {
	const struct dp_bench_options *options;
	const char *log; /* its name */
	struct dp_client_config client;
	uint32_t window_bytes; /* of a producer, in flight; 0: no bound */
	uint64_t run;	       /* random; the same for all loads of a run */
	uint32_t number; /* of this load: it owns partitions p with p % load_count == number */
	uint32_t load_count;
};

struct dp_bench_load;

/** Errors: QR_NO_MEMORY. */
QR_MUST_USE enum qr_error dp_bench_load_create(const struct dp_bench_load_config *config, qr_ns now,
					       struct dp_bench_load **ret_load);
void dp_bench_load_destroy(struct dp_bench_load *load);

struct dp_client *dp_bench_load_client(struct dp_bench_load *load);
/** Do what is due, between receiving and polling the client. @return whether anything was. */
bool dp_bench_load_turn(struct dp_bench_load *load, qr_ns now);

/** When the next turn has records to append by time alone; UINT64_MAX: never. */
qr_ns dp_bench_load_next_due(const struct dp_bench_load *load);
/** The edge cannot go on: the load is finished, and this is why. */
void dp_bench_load_abandon(struct dp_bench_load *load, const char *why);

/* ---- for the main thread, while another one turns ---- */

enum dp_bench_phase dp_bench_load_phase(const struct dp_bench_load *load);
/** In DP_BENCH_READY, once: begin. */
void dp_bench_load_begin(struct dp_bench_load *load, const struct dp_bench_times *times);
/** Records acknowledged so far. */
uint64_t dp_bench_load_acked(const struct dp_bench_load *load);
/** Records read back so far. */
uint64_t dp_bench_load_read(const struct dp_bench_load *load);

/* ---- for the main thread, in DP_BENCH_FINISHED ---- */

struct dp_bench_result {
	const struct dp_bench_tally *tally;
	uint64_t unsent;
	uint64_t verified;
	uint32_t replicas;
	enum wire_durability durability;
	uint32_t cores;				   /* of the node that leads the first partition */
	struct dp_bench_stage stages[WIRE_STAGES]; /* of that core, since it started */
	const char *problem;			   /* empty: none */
};

struct dp_bench_result dp_bench_load_result(const struct dp_bench_load *load);

#endif
