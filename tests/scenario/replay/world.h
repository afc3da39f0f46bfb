/*
 * Our nodes in etcd's world.
 *
 * tests/paper/harness runs the groups, their disks and their judge; this module gives them the
 * world that etcd's interaction tests have: nothing leaves a node or reaches its disk before its
 * "Ready" is handled, nothing arrives before it is delivered, and each node has a clock of its own.
 * docs/etcd-replay.md says how etcd's terms, indexes, options and timers map to ours.
 */
#ifndef QR_TESTS_REPLAY_WORLD_H
#define QR_TESTS_REPLAY_WORLD_H

#include "tests/paper/harness/cluster.h"

struct world;

/** How the nodes of a file run; the defaults are etcd's. */
struct world_options {
	bool prevote;
	bool checkquorum;
	bool async_storage_writes;
	uint32_t inflight; /* entries in flight to a follower; 0: no limit */
};

/** A configuration for nodes to come. False: it is none that the core can hold. */
struct world *world_create(void);
void world_destroy(struct world *world);
bool world_configure(struct world *world, const struct raft_configuration *configuration);
void world_set_options(struct world *world, const struct world_options *options);

/**
 * Start the next node.
 *
 * @param last  its log begins with that many decided entries, all nodes' the same.
 * @return      NULL, or why it cannot be.
 */
const char *world_add_node(struct world *world, qr_index last);
qr_node world_node_count(const struct world *world);
/** The group of a node that was started. */
const struct raft_group *world_group(const struct world *world, qr_node node);
const struct raft_configuration *world_configuration(const struct world *world);

/* What happens to one node. */

void world_campaign(struct world *world, qr_node node);
/** One of etcd's ticks: a heartbeat interval, a third of an election timeout. */
void world_tick(struct world *world, qr_node node);
/** Its current election timeout ends that many ticks after it began. */
void world_set_election_timeout(struct world *world, qr_node node, uint32_t ticks);
void world_transfer(struct world *world, qr_node node, qr_node to);
/**
 * To a leader, or to a follower, that passes it on to its leader. `text` is etcd's for the entry:
 * EntryNormal "foo". False: it is not taken.
 */
bool world_propose(struct world *world, qr_node node, const char *text);

/* Ready, the network, and the disk when it is asynchronous. */

bool world_has_ready(const struct world *world, qr_node node);
void world_process_ready(struct world *world, qr_node node);
bool world_has_appends(const struct world *world, qr_node node);
void world_process_append(struct world *world, qr_node node);
/** Whether a message to `node` is under way; deliver, or drop, all those of `type` (NULL: any). */
bool world_has_messages(const struct world *world, qr_node node);
void world_deliver(struct world *world, qr_node node, const char *type);
void world_drop(struct world *world, qr_node node, const char *type);
/** Whether messages have a type of that name (MsgApp). */
bool world_knows_type(const char *type);

/* What came of it, in etcd's terms. */

qr_term world_term(qr_term own);
struct world_entry {
	qr_term term;
	const char *text; /* EntryNormal "foo" */
};
/** The entry at `index` of the log, or of the log on the disk. False: there is none. */
bool world_entry_at(const struct world *world, qr_node node, qr_index index, bool on_disk,
		    struct world_entry *ret_entry);
qr_index world_stored_last(const struct world *world, qr_node node);

/** The judge's complaint: a property of Raft was violated. NULL: none. */
const char *world_trouble(const struct world *world);
/** What the world could not do for lack of room; NULL: nothing. What came later is void. */
const char *world_overflow(const struct world *world);

#endif
