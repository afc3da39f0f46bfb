/*
 * A story: a world without any fault of its own, in which a test lets happen what it is about. The
 * oracle checks everything after every turn; what it finds fails the test. What a story ends with
 * is a world's usual end: calm, every append answered, all replicas equal, a power cut of all, and
 * the same again.
 */
#ifndef QR_TEST_SIM_STORY_H
#define QR_TEST_SIM_STORY_H

#include "dataplane/node/state.h"
#include "storage/engine/internal.h"
#include "tests/sim/world.h"
#include "tests/unit/unit.h"

#define STORY_MS ((qr_ns)1000000)
#define STORY_SECOND (1000 * STORY_MS)
#define STORY_FOR_EVER (3600 * STORY_SECOND) /* until the story ends it */
#define STORY_ELECTION_NS (500 * STORY_MS)   /* timeout */
#define STORY_STEP_NS (2 * STORY_MS)

struct story {
	struct sim_plan plan; /* may be changed until story_begin */
	struct sim_world world;
};

/** A plan: one group, two clients, quick disks and links. */
struct story *story_create(uint64_t seed, qr_node nodes);
/** Start it, and wait until clients have got answers. */
void story_begin(struct story *story);
/** The end that every story has; frees it. */
void story_end(struct story *story);

void story_run(struct story *story, qr_ns for_ns);
/** Until so many more records are acknowledged than now. */
void story_run_acked(struct story *story, uint64_t records);

/** A fault begins now: its kind and whom it is about. @return its number. */
uint32_t story_fault(struct story *story, struct sim_fault fault, qr_ns for_ns);
/** One of the network ends. */
void story_heal(struct story *story, uint32_t number);
/** No disk has room but those of the others; 0: all have. */
void story_fill_disks(struct story *story, qr_nodes full);
/** A paused node goes on. */
void story_resume(struct story *story, qr_node node);
/** Node `id` gets a datagram at once; `port` is the one of its process. */
void story_deliver(struct story *story, qr_node id, struct qr_span datagram, uint8_t port);

/** Somebody asks node `id` for a pass of the scrub; 0: as fast as it goes. */
void story_scrub(struct story *story, qr_node id, uint64_t bytes_per_second);
/** The pass has ended. */
bool story_scrub_ended(const struct story *story, qr_node id);
/** What it has seen of the group so far. */
struct dp_scrub_group story_scrubbed(const struct story *story, qr_node id);

/** The node that leads; there is one. */
qr_node story_leader(const struct story *story);
/** The others, counted on from `node`. */
qr_node story_next(const struct story *story, qr_node node, qr_node steps);
/** The group as the node runs it; it does. */
struct dp_group *story_group(const struct story *story, qr_node node);
uint64_t story_drops(const struct story *story, qr_node node, enum wire_drop drop);

/** One step more of waiting, or the test fails: `what` did not come. */
void story_wait(struct story *story, qr_ns end_ns, qr_ns step_ns, const char *what);

/** Run until `condition` holds; bounded. */
#define STORY_AWAIT_IN(story, step_ns, within_ns, condition)                                       \
	for (qr_ns story_end_ns = (story)->world.now_ns + (within_ns); !(condition);) {            \
		story_wait((story), story_end_ns, (step_ns), #condition);                          \
	}
#define STORY_AWAIT(story, condition)                                                              \
	STORY_AWAIT_IN(story, STORY_STEP_NS, 60 * STORY_SECOND, condition)

#endif
