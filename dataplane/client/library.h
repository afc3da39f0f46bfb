/*
 * What stands behind the handles of quorate.h. Not for users.
 */
#ifndef DP_CLIENT_LIBRARY_H
#define DP_CLIENT_LIBRARY_H

#include "dataplane/client/quorate.h"
#include "dataplane/client/udp.h"

/** Everything of one client: the machine in memory of its own, the socket, what is open. */
struct quorate_client {
	struct dp_client *machine;
	struct dp_udp udp;
	qr_ns timeout_ns;
	uint8_t ticket[WIRE_TICKET_MAX];
	size_t ticket_bytes;
	struct quorate_producer *producers; /* open ones, for quorate_close */
	struct quorate_reader *readers;

	/* as last described */
	struct quorate_partition *partitions;
	size_t partition_count;
	struct quorate_node *nodes;
	size_t node_count;
};

struct quorate_producer {
	struct quorate_client *client;
	struct quorate_producer *next;
	struct dp_producer *machine;
	quorate_done_fn on_done;
	void *user;
	/* quorate_append_wait */
	uint64_t awaited; /* sequence; UINT64_MAX none */
	uint64_t awaited_offset;
	int awaited_error;
	bool awaited_done;
};

struct quorate_reader {
	struct quorate_client *client;
	struct quorate_reader *next;
	struct dp_consumer *machine;
	quorate_batch_fn on_batch;
	void *user;
};

/** An arena over fresh memory, of the size that `measure` says. NULL base: out of memory. */
struct qr_arena quorate_arena(const struct qr_arena *measured);
/** The partition as last described, asking once more if it is not there. */
int quorate_find(struct quorate_client *client, const char *log, uint32_t partition,
		 const struct quorate_partition **ret_partition);
/** Ask a question and wait for its answer. */
int quorate_ask(struct quorate_client *client,
		enum qr_error (*ask)(struct dp_client *client, const struct dp_question *question),
		const struct dp_question *question, struct dp_answer *ret_answer);

#endif
