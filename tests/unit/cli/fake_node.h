/*
 * A node of one log without a cluster, a disk or a core: it answers on a loopback socket from a
 * thread and keeps records in memory. What it promises it does not keep; it is for clients to talk
 * to.
 */
#ifndef QR_TESTS_UNIT_CLI_FAKE_NODE_H
#define QR_TESTS_UNIT_CLI_FAKE_NODE_H

#include "consensus/wire/client.h"

#include <pthread.h>
#include <stdatomic.h>

#define FAKE_PARTITIONS 20 /* of the log "events": more than a page of an answer; group 1 works */
#define FAKE_BODY_BYTES (64u << 20)
#define FAKE_RECORDS 200000

struct fake_node {
	int socket;
	uint16_t port;
	uint64_t cluster;
	unsigned ignored;	   /* datagrams at the beginning that are lost */
	uint32_t record_max_bytes; /* what it tells */
	atomic_ullong start;	   /* the first record that it gives */
	atomic_bool stop;
	pthread_t thread;

	unsigned seen;
	uint64_t counter;
	uint64_t expected; /* sequence */
	uint8_t *body;	   /* records as in a chunk, one after the other */
	size_t body_bytes;
	size_t starts[FAKE_RECORDS + 1]; /* of each record in the body */
	uint64_t record_count;
	uint8_t *chunk; /* being put together */
	uint32_t chunk_got_bytes;
	uint64_t chunk_sequence;
};

/** Asserts that it could. The cluster is "demo". */
void fake_node_start(struct fake_node *fake, unsigned ignored);
void fake_node_stop(struct fake_node *fake);

#endif
