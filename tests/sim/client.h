/*
 * A client of the simulated world: the client library's machine (dataplane/client), with a producer
 * and perhaps a consumer on every group, and somebody who uses them.
 */
#ifndef QR_TEST_SIM_CLIENT_H
#define QR_TEST_SIM_CLIENT_H

#include "tests/sim/net.h"
#include "tests/sim/plan.h"

struct dp_client;
struct dp_producer;
struct dp_consumer;
struct sim_client;

/** One producer, of one or more on its group: its records by sequence. */
struct sim_producer {
	struct sim_client *client;
	qr_group group;
	struct dp_producer *machine;
	uint64_t appended; /* the next sequence */
	uint64_t answered;
	uint32_t room;
	uint32_t *records; /* by sequence: the oracle's numbers */
	bool ended;
};

struct sim_consumer {
	struct sim_client *client;
	qr_group group;
	struct dp_consumer *machine;
	uint64_t since; /* count of events, when it got the batch before */
};

/** A linearizable question under way. */
struct sim_question {
	struct sim_client *client;
	qr_group group;
	bool asked;
	qr_offset acked_end; /* when it was asked */
	uint64_t since;	     /* count of events */
};

struct sim_client {
	struct sim_world *world;
	uint32_t id; /* from 1 */
	struct dp_client *machine;
	uint8_t *memory;
	bool again; /* it has ended, and another one begins at the next turn */
	qr_ns again_at_ns;

	uint32_t producer_count;
	struct sim_producer producers[SIM_PRODUCERS_MAX];
	struct sim_consumer consumers[SIM_GROUPS_MAX + 1];
	struct sim_question questions[SIM_GROUPS_MAX + 1];

	uint64_t owed; /* records that should have been appended by now, in millionths */
	qr_ns owed_at_ns;
	qr_ns burst_at_ns;
	qr_ns question_at_ns;
	qr_ns turn_at_ns;
	qr_ns paused_until_ns;
};

void sim_client_init(struct sim_world *world, uint32_t id);
void sim_client_fini(struct sim_world *world, uint32_t id);
void sim_client_arrive(struct sim_world *world, struct sim_packet *packet);
void sim_client_turn(struct sim_world *world, uint32_t id);
void sim_client_wake(struct sim_world *world, uint32_t id, qr_ns at_ns);
/** It appends a record to a group. @return false: it takes none now. */
bool sim_client_append(struct sim_world *world, uint32_t id, qr_group group);
/** It ends, and another one begins: what was unanswered stays so. */
void sim_client_end(struct sim_world *world, uint32_t id);
/** Linearizable questions, one a group, to that node first; now and then appends as well. */
void sim_client_ask(struct sim_world *world, uint32_t id, qr_node node);
/** Every record of this client is answered, or its producer has ended. */
bool sim_client_is_idle(const struct sim_world *world, uint32_t id);

#endif
