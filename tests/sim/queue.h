/*
 * What is going to happen, in order of time. Events of one instant come in the order in which they
 * were added, so that a run depends on its seed alone.
 */
#ifndef QR_TEST_SIM_QUEUE_H
#define QR_TEST_SIM_QUEUE_H

#include "consensus/base/types.h"

enum sim_event_kind {
	SIM_EVENT_PACKET, /* `data` is a struct sim_packet */
	SIM_EVENT_DISK,	  /* `data` is a struct sim_disk_op of `host` */
	SIM_EVENT_TURN,	  /* `host` polls */
	SIM_EVENT_CLIENT, /* client `host` polls */
	SIM_EVENT_FAULT,  /* `stamp` is its place in the plan */
	SIM_EVENT_HEAL,	  /* the same fault ends */
	SIM_EVENT_START,  /* `host` starts again */
	SIM_EVENT_ASK,	  /* all clients ask `host` for the tail */
	SIM_EVENT_MEND,	  /* the operator of `host` mends its disk and starts it again */
};

struct sim_event {
	qr_ns at_ns;
	uint64_t order;
	enum sim_event_kind kind;
	uint32_t host;
	uint64_t stamp; /* the receiver knows by it whether the event still means anything */
	void *data;
};

struct sim_queue {
	struct sim_event *events; /* a binary heap */
	uint32_t count;
	uint32_t room;
	uint64_t order;
};

void sim_queue_init(struct sim_queue *queue);
void sim_queue_fini(struct sim_queue *queue);
void sim_queue_add(struct sim_queue *queue, struct sim_event event);
/** When the next event happens; UINT64_MAX: nothing will. */
qr_ns sim_queue_next_ns(const struct sim_queue *queue);
/** The queue is not empty. */
struct sim_event sim_queue_take(struct sim_queue *queue);

#endif
