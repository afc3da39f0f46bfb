/*
 * What a hosting process shows of itself to telemetry and to whoever waits for it. Reading never
 * disturbs the poll loops: counters are loaded, groups come from snapshots at most some hundred
 * milliseconds old.
 *
 * Threads: any, after dp_process_create and before dp_process_destroy.
 */
#ifndef DP_LCORE_OBSERVE_H
#define DP_LCORE_OBSERVE_H

#include "dataplane/lcore/host.h"
#include "dataplane/port/port.h"

/** Of the loop around a core; the core's own are in dp_core_stats. */
struct dp_slot_counters {
	uint64_t handed_over;	   /* datagrams that came to the wrong core */
	uint64_t handover_dropped; /* its inbox was full */
	uint64_t disk_submitted;
	uint64_t disk_deferred; /* turns in which the disk ring was full */
	uint64_t buffers_short; /* turns in which the pool was empty */
};

/** A hosted replication core. */
struct dp_slot_view {
	qr_node node;
	uint8_t core;
	uint32_t group_count;
	bool recovered;
	uint32_t ready_segments;
	uint64_t dropped_segments; /* given up since the start: removed, or used again */
	struct dp_stats *stats;	   /* relaxed loads only */
	struct dp_slot_counters counters;
};

/** @param number  from 0. @return false beyond the last. */
QR_MUST_USE bool dp_process_view(struct dp_process *process, unsigned number,
				 struct dp_slot_view *ret_view);
/** A group of that core as it was a moment ago. */
QR_MUST_USE bool dp_process_view_group(struct dp_process *process, unsigned number, uint32_t group,
				       struct wire_status_group *ret_status);

/** What the latest pass of the scrub that was asked for has seen of a group. */
struct dp_scrub_view {
	qr_group group;
	uint32_t partition;
	const char *name; /* of the log */
	struct dp_scrub_group seen;
};

/**
 * The same of the scrub; `seen` is of the latest pass, also when that has just begun.
 * Threads: the main thread, which begins passes; so for dp_process_scrub_of.
 */
QR_MUST_USE bool dp_process_view_scrub(struct dp_process *process, unsigned number, uint32_t group,
				       struct dp_scrub_view *ret_view);
/** The latest pass that was asked for of a hosted node. */
struct dp_scrub_request dp_process_scrub_of(struct dp_process *process, qr_node node,
					    bool *ret_runs);

struct dp_port_view {
	const char *name;
	bool is_up;
	struct dp_port_stats stats;
};

/** A port of a hosted node. @return false beyond the last, or when the node is not hosted. */
QR_MUST_USE bool dp_process_view_port(struct dp_process *process, qr_node node, uint32_t number,
				      struct dp_port_view *ret_view);

/** All groups of all hosted cores are recovered, or known to be damaged. */
bool dp_process_is_recovered(struct dp_process *process);
/** The fewest ready segments in front of any group's tail; UINT32_MAX without groups. */
uint32_t dp_process_ready_segments(struct dp_process *process);
/** Links of a hosted node that are down by maintenance. */
qr_nodes dp_process_links(struct dp_process *process, qr_node node);
const char *dp_process_prefix(const struct dp_process *process);

/** Banner and memory budget. @return bytes needed without the 0. */
size_t dp_process_print(const struct dp_process *process, char *text, size_t text_bytes);

#endif
