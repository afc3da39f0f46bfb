/*
 * A scene: a world with one group and a few producers, and what every story asks of it in the end.
 */
#ifndef QR_TEST_SIM_SCENE_H
#define QR_TEST_SIM_SCENE_H

#include "tests/sim/producer.h"

#define SCENE_STEP_NS 20000
#define SCENE_PRODUCERS 3

struct scene {
	uint64_t seed;
	struct world world;
	struct producer producers[SCENE_PRODUCERS];
	world_client_receive other_receive; /* sees every datagram to a client, too */
	void *other_context;
};

/** The seed is printed should anything fail. */
struct scene *scene_create(uint64_t seed, qr_node nodes);
void scene_destroy(struct scene *scene);
void scene_step(struct scene *scene);
/** Records that producers were told are durable. */
uint64_t scene_acked(const struct scene *scene);
void scene_run_until_acked(struct scene *scene, uint64_t records);
/** Let each producer finish `records`, and all nodes agree; bounded. */
void scene_settle(struct scene *scene, uint64_t records);
/** Read every replica's durable blocks: each answer there, once, in order. */
void scene_audit(struct scene *scene);

#endif
