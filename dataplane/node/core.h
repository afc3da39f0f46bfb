/*
 * One replication core of one node: its groups, their logs, the transport, the sessions. Pure: the
 * poll loop of an lcore feeds it datagrams, disk completions and the time, and carries out what it
 * asks for; the simulator feeds the very same object.
 *
 * A turn of the loop:
 *
 *	for each datagram that came:    dp_core_receive
 *	for each disk completion:       dp_core_complete
 *	dp_core_poll                    fills buffers of the caller with datagrams to send
 *	dp_core_poll_disk               fills an array with disk operations to start
 *
 * dp_core_poll is where everything is decided that concerns a burst as a whole: open entries close,
 * streams send, acks leave. What did not fit the buffers stays for the next turn.
 *
 * Threads: one core, one thread. Only dp_core_stats may be read by others, with relaxed loads.
 */
#ifndef DP_NODE_CORE_H
#define DP_NODE_CORE_H

#include "consensus/base/arena.h"
#include "consensus/base/codec.h"
#include "consensus/base/histogram.h"
#include "consensus/raft/raft.h"
#include "consensus/wire/client.h"
#include "storage/engine/log.h"

struct dp_core;

/** Where a datagram came from and an answer goes: meaningful to the ports only. */
struct dp_address {
	uint32_t ipv4; /* host order; on in-process rings the endpoint's number */
	uint16_t udp;  /* host order */
	uint8_t port;  /* which port of the process */
};

/** A buffer of the caller that the core fills: one outgoing datagram. */
struct dp_tx {
	uint8_t *data;
	uint32_t capacity_bytes;
	uint32_t size_bytes; /* set by the core */
	qr_node peer;	     /* set: to this node's core `peer_core`; 0: to `to` */
	uint8_t peer_core;
	struct dp_address to;
	void *handle; /* the caller's own */
};

/** One partition of a log as configured. */
struct dp_group_config {
	qr_group group;
	uint32_t partition;
	char name[WIRE_NAME_MAX + 1];
	qr_nodes replicas;
	/* Who of them counts when the group is created; no voters: all of them do. */
	struct raft_configuration configuration;
	enum wire_durability durability;
	uint8_t priority; /* of this node for leading it, 0..100 */
	/* What lies further back, or is older, is given up, whole segments at a time. 0: no bound,
	 * and with neither everything is kept. */
	uint64_t retention_bytes;
	qr_ns retention_ns;
};

struct dp_peer_config {
	qr_node node;
	uint8_t cores;
	uint32_t datagram_max; /* bytes that a datagram to it can carry */
};

#define DP_CHECKPOINTS_MAX (1u << 16)		   /* a good value for checkpoints_max: 1.5 MiB */
#define DP_SCRUB_PAUSE_NS ((qr_ns)60 * 1000000000) /* a good value for scrub_pause_ns */
#define DP_RETENTION_HOLD_NS ((qr_ns)10 * 1000000000) /* a good value for retention_hold_ns */
#define DP_PEERS_MAX RAFT_MEMBERS_MAX
#define DP_STAGES WIRE_STAGES

struct dp_core_config {
	uint64_t cluster;
	qr_node node;
	uint8_t core;
	uint8_t cores; /* of this node; it owns groups with group % cores == core */
	uint32_t incarnation;
	bool direct_io; /* shown in status */

	qr_ns election_timeout_ns;
	qr_ns heartbeat_interval_ns;
	qr_ns retransmit_min_ns; /* floor of the retransmission timer: the scale of a round trip */

	struct store_geometry geometry;
	uint32_t window_blocks;
	uint32_t write_depth;
	uint32_t write_max_blocks;
	uint32_t segments_ahead;
	uint32_t checkpoints_max; /* of a group's sparse index */
	uint32_t snapshot_blocks; /* of log from one snapshot of a group to the next; 0: none */
	uint32_t entry_max_bytes; /* an entry closes at this; one record more may go in */
	uint32_t record_max_bytes;
	uint32_t sessions_max; /* per group */
	uint32_t inflight_entries;
	uint32_t inflight_bytes;
	uint64_t fill_bytes_per_second;	 /* to followers that lag behind the window; 0: no bound */
	uint32_t scrub_bytes_per_second; /* of all groups together; 0: nothing is scrubbed */
	qr_ns scrub_pause_ns;		 /* from the end of a pass to the next one */
	qr_ns retention_hold_ns; /* a follower that did not move for so long holds nothing */
	uint32_t readers; /* cold readers shared by the groups of this core, at least 1 + peers */
	uint32_t client_datagram_max;
	uint32_t client_ports; /* bit p: what comes by port p is a client's, whatever it claims */

	uint32_t peer_count;
	struct dp_peer_config peers[DP_PEERS_MAX];
	uint32_t group_count; /* of all cores; those of others are known for DESCRIBE */
	const struct dp_group_config *groups; /* ascending by group; outlives the core */
	uint32_t endpoint_count;
	const struct wire_endpoint *endpoints; /* of all nodes, for DESCRIBE; outlives the core */
};

/** Counters and histograms of one core; one writer. */
struct dp_stats {
	uint64_t rx_datagrams;
	uint64_t rx_bytes;
	uint64_t tx_datagrams;
	uint64_t tx_bytes;
	uint64_t acked_records;
	uint64_t acked_chunks;
	uint64_t busy_replies;
	uint64_t entries_closed;
	uint64_t retransmits;
	uint64_t transfers;	  /* of leadership to a node with room, that were tried */
	uint64_t damaged_entries; /* that the disk had lost, and peers were asked for */
	uint64_t repaired_entries;
	uint64_t installs; /* snapshots of leaders in the place of a log */
	uint64_t scrubbed_bytes;
	uint64_t scrub_passes; /* over all groups */
	uint64_t polls;	       /* kept by the loop */
	uint64_t polls_empty;  /* kept by the loop */
	uint64_t drops[WIRE_DROPS];
	struct qr_histogram stages[DP_STAGES];
};

/** A pass of the scrub over all logs, now, in the place of the one that always goes on. */
struct dp_scrub_request {
	uint64_t pass; /* its name; 0: none so far. Another one begins when this changes */
	uint64_t bytes_per_second; /* 0: as the disk gives them, one read at a time */
};

/**
 * What can change while running, published by RCU and handed to every turn of the loop.
 */
struct dp_published {
	qr_nodes links_down; /* peers whose datagrams are neither sent nor taken: maintenance */
	struct dp_scrub_request scrub;
};

#define DP_SCRUB_LOST_MAX 8

enum dp_scrub_state {
	DP_SCRUB_WAITS,	   /* its turn has not come, or it is being read */
	DP_SCRUB_DONE,	   /* all that was to be read has been */
	DP_SCRUB_LEFT_OUT, /* the group did not serve, and did not come back in time */
};

/** An entry that no member gave. */
struct dp_scrub_lost {
	qr_index index;
	qr_index next; /* where reading went on: what lies between was not looked at */
};

/** What a pass has seen of a group. Its goal is what was applied when the pass began. */
struct dp_scrub_group {
	uint64_t pass; /* 0: none so far */
	enum dp_scrub_state state;
	enum qr_error reason; /* left out: why */
	bool begun;	      /* the goal is known */
	bool unheard;	      /* of what is lost: a member did not say whether it has it */
	qr_index next;	      /* entry */
	qr_index goal;
	qr_block first;		 /* where the log began, */
	uint64_t total_bytes;	 /* log space from there to the goal, */
	uint64_t passed_bytes;	 /* and from there to the next entry */
	uint64_t verified_bytes; /* of sound entries: less by what is lost and by gaps */
	uint64_t damaged;	 /* entries: repaired, lost, or on their way */
	uint64_t repaired;
	uint64_t lost;
	struct dp_scrub_lost first_lost[DP_SCRUB_LOST_MAX];
};

/**
 * Build a core from the arena; NULL when the arena only measures. The configuration is copied,
 * except what it points to. Groups of this core start recovering with the first turn.
 */
struct dp_core *dp_core_create(struct qr_arena *arena, const struct dp_core_config *config,
			       qr_ns now_ns);

/** Groups 0..n-1 of this core, and which segments each has on disk: before the first turn. */
uint32_t dp_core_group_count(const struct dp_core *core);
qr_group dp_core_group(const struct dp_core *core, uint32_t position);
const struct dp_group_config *dp_core_group_config(const struct dp_core *core, uint32_t position);
void dp_core_set_segments(struct dp_core *core, qr_group group, struct store_extent segments);
/** Memory that disk operations touch, for registration. @return how many spans were written. */
uint32_t dp_core_buffers(const struct dp_core *core, struct qr_span *spans, uint32_t max);

/** Take a datagram; borrowed until return. Whatever is wrong with it is counted, never fatal. */
void dp_core_receive(struct dp_core *core, struct qr_span datagram, struct dp_address from,
		     qr_ns now_ns);
void dp_core_complete(struct dp_core *core, const struct store_completion *completion,
		      qr_ns now_ns);

/** What a turn is told. */
struct dp_turn {
	qr_ns now_ns;
	uint32_t random;		      /* fresh uniform bits */
	const struct dp_published *published; /* read until return; NULL: nothing is */
};

/**
 * The decisions of one turn.
 * @param tx  buffers to fill, in order; unused ones are untouched.
 * @return how many were filled.
 */
unsigned dp_core_poll(struct dp_core *core, const struct dp_turn *turn, struct dp_tx *tx,
		      unsigned max);
unsigned dp_core_poll_disk(struct dp_core *core, struct store_op *ops, unsigned max);

/** When the next turn has something to do if nothing arrives; lets an idle loop sleep. */
qr_ns dp_core_next_deadline(const struct dp_core *core);
/** Wall clock for entries' informative time stamps, ns since 1970; set by the loop now and then. */
void dp_core_set_wall_clock(struct dp_core *core, uint64_t time_ns, qr_ns now_ns);

/** Hand leadership over and finish writes; then dp_core_is_stopped. New appends are refused. */
void dp_core_stop(struct dp_core *core);
bool dp_core_is_stopped(const struct dp_core *core);

/** All groups recovered (or found damaged). */
bool dp_core_is_recovered(const struct dp_core *core);
/** Ready segments in front of the tail, the fewest of its groups: a benchmark waits for them. */
uint32_t dp_core_ready_segments(const struct dp_core *core);
/** Segments that its groups have given up and removed since the start. */
uint64_t dp_core_dropped_segments(const struct dp_core *core);
struct dp_stats *dp_core_stats(struct dp_core *core);

/** The latest pass that was asked for and has ended; 0: none has. */
uint64_t dp_core_scrub_ended(const struct dp_core *core);
/** The group that the scrub is at, if this core has groups. */
uint32_t dp_core_scrub_position(const struct dp_core *core);
/** Errors: QR_NOT_FOUND  beyond the last group. */
QR_MUST_USE enum qr_error dp_core_scrub_group(const struct dp_core *core, uint32_t position,
					      struct dp_scrub_group *ret_group);

/** One group as it is now, for status and for tests. */
QR_MUST_USE enum qr_error dp_core_describe_group(const struct dp_core *core, uint32_t position,
						 struct wire_status_group *ret_status);

#endif
