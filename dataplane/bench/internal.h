/*
 * The inside of a load; a file per concern:
 *
 *   load.c      memory, phases
 *   find.c      which groups the log has, and where each ends
 *   readback.c  reading a group and holding it against the ledgers
 */
#ifndef DP_BENCH_INTERNAL_H
#define DP_BENCH_INTERNAL_H

#include "dataplane/bench/load.h"

#define DP_BENCH_TIMEOUT_NS 30000000000ull

/** One partition: who appends to it, and what must be in it. */
struct dp_bench_group {
	struct dp_bench_load *load;
	bool found;
	qr_group group;
	qr_nodes replicas;
	qr_node leader;

	bool tail_asked;
	bool tail_known;
	qr_offset tail;	 /* the newest answer */
	qr_offset start; /* where this run's records begin */

	struct dp_bench_lane *lanes;	 /* options.sessions of them */
	struct dp_bench_stream *streams; /* the same, as the verification sees them */
	struct dp_bench_verify verify;
	struct dp_consumer *consumer;
};

struct dp_bench_load {
	struct dp_bench_load_config config;
	enum dp_bench_phase phase; /* written by the thread that turns (release) */
	bool begun;		   /* written by the main thread, after `times` (release) */
	struct dp_bench_times times;
	struct dp_bench_tally tally;
	char problem[512];

	void *client_memory;
	struct dp_client *client;
	void *memory; /* the arena's */
	struct qr_arena arena;

	uint32_t lane_count; /* of all loads */
	uint32_t group_count;
	struct dp_bench_group *groups;

	bool describing;
	bool described;
	uint32_t described_next; /* paging */
	uint32_t partitions;	 /* of the log, as far as seen */
	uint32_t replicas;
	enum wire_durability durability;

	bool status_asked; /* of the core that leads the first partition */
	bool status_known;
	uint32_t cores;
	struct dp_bench_stage stages[WIRE_STAGES];

	uint32_t reading;      /* group */
	uint64_t records_read; /* read by others (relaxed) */
};

/** Give up: the first reason stands. */
__attribute__((format(printf, 2, 3))) void dp_bench_load_fail(struct dp_bench_load *load,
							      const char *format, ...);

/* ---- find.c ---- */

/** Ask on. @return whether everything about the groups is known. */
bool dp_bench_find_groups(struct dp_bench_load *load);
/** Forget the ends that are known, so that they are asked for again. */
void dp_bench_forget_tails(struct dp_bench_load *load);
/** Ask on for the end of every group. @return whether all are known. */
bool dp_bench_find_tails(struct dp_bench_load *load);

/** Ask on for the stages of the core that leads the first partition. @return whether known. */
bool dp_bench_find_stages(struct dp_bench_load *load);

/* ---- readback.c ---- */

/** What a reader of a group is made from. */
struct dp_consumer_config dp_bench_readback_config(const struct dp_bench_load *load);
/** Read and compare on. @return whether all groups are through, or one has failed. */
bool dp_bench_readback_turn(struct dp_bench_load *load);

#endif
