/*
 * A small world for real nodes: replication cores (dataplane/node, the very objects that the lcores
 * poll) over a simulated network, disk and clock. One seed decides everything.
 *
 * Only the three edges are simulated:
 *   network  loss, duplication, delay and so reordering, cut links
 *   disk     an image of durable blocks per node, and the writes in flight: a crash keeps any
 * subset of them, torn at any 512 bytes clock    steps of a few microseconds
 */
#ifndef QR_TEST_SIM_WORLD_H
#define QR_TEST_SIM_WORLD_H

#include "consensus/base/prng.h"
#include "dataplane/node/core.h"

#define WORLD_NODES_MAX 7
#define WORLD_CLIENT_DATAGRAM 4096

struct world_faults {
	uint32_t loss_percent;
	uint32_t duplicate_percent;
	qr_ns delay_min_ns;
	qr_ns delay_max_ns;
	qr_ns disk_min_ns;
	qr_ns disk_max_ns;
};

struct world_packet {
	qr_ns due_ns;
	qr_node to;	 /* 0: a client */
	uint32_t client; /* its number, when to == 0 */
	struct dp_address from;
	uint32_t size_bytes;
	uint8_t *data;
};

struct world_pending {
	qr_ns due_ns;
	struct store_op op;
	uint8_t *data; /* writes: the bytes as they were when the write started */
};

struct world_segment {
	qr_group group;
	uint64_t number;
	uint32_t size_bytes;
	uint8_t *data;
};

struct world_slots {
	qr_group group;
	uint8_t data[STORE_SLOTS * STORE_SLOT_BYTES];
};

struct world_disk {
	uint32_t segment_count;
	struct world_segment *segments;
	uint32_t slots_count;
	struct world_slots slots[16];
	uint32_t pending_count;
	struct world_pending *pending;
	uint32_t segment_limit; /* PREPARE beyond it is QR_NO_SPACE; 0: none */
	bool fail_writes;
};

struct world_node {
	bool up;
	uint32_t incarnation;
	struct dp_core *core;
	uint8_t *memory;
	struct world_disk disk;
};

struct world;

/** Takes what nodes send to clients. */
typedef void (*world_client_receive)(void *context, struct qr_span datagram,
				     struct dp_address from);

struct world {
	struct qr_prng prng;
	qr_ns now_ns;
	struct world_faults faults;
	qr_node node_count;
	struct dp_core_config config; /* common to all nodes */
	struct dp_group_config groups[8];
	size_t memory_bytes;
	qr_nodes cut; /* nodes without any link */
	struct world_node nodes[WORLD_NODES_MAX + 1];
	uint32_t packet_count;
	struct world_packet *packets;
	world_client_receive client_receive;
	void *client_context;
};

void world_init(struct world *world, uint64_t seed, qr_node node_count, uint32_t group_count);
void world_fini(struct world *world);
void world_start_node(struct world *world, qr_node node);
/** Stop at once: memory is gone, writes in flight are partly done. */
void world_crash_node(struct world *world, qr_node node);
/** One turn of every node that is up, `step_ns` later. */
void world_step(struct world *world, qr_ns step_ns);
/** A datagram of a client to a node. */
void world_client_send(struct world *world, uint32_t client, qr_node node, const uint8_t *data,
		       uint32_t size_bytes);
/** The node that leads the group in the highest term; 0: none. */
qr_node world_leader(const struct world *world, qr_group group);
/** The durable bytes of a block of a group, or NULL. */
const uint8_t *world_block(const struct world *world, qr_node node, qr_group group, qr_block block);
struct wire_status_group world_status(const struct world *world, qr_node node, qr_group group);

#endif
