#include "tests/sim/scene.h"

#include "consensus/base/assert.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_MAX 400000

/* What runs now; printed when an assertion of the product fails. */
static uint64_t running_seed;

static void name_seed(const char *expression, const char *file, int line)
{
	printf("# seed %lu: %s:%d: %s\n", running_seed, file, line, expression);
	(void)fflush(stdout);
}

static void route_to_producer(void *context, struct qr_span datagram, struct dp_address from)
{
	struct scene *scene = context;

	/* Answers find their session, so every producer may look at them. */
	for (uint32_t p = 0; p < SCENE_PRODUCERS; p++)
		producer_receive(&scene->producers[p], datagram, from);
	if (scene->other_receive != NULL)
		scene->other_receive(scene->other_context, datagram, from);
}

struct scene *scene_create(uint64_t seed, qr_node nodes)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	assert_non_null(scene);
	scene->seed = running_seed = seed;
	qr_assert_set_hook(name_seed);
	world_init(&scene->world, seed, nodes, 1);
	scene->world.client_receive = route_to_producer;
	scene->world.client_context = scene;
	for (uint32_t p = 0; p < SCENE_PRODUCERS; p++)
		producer_init(&scene->producers[p], &scene->world, p, 1);
	return scene;
}

void scene_destroy(struct scene *scene)
{
	world_fini(&scene->world);
	free(scene);
}

void scene_step(struct scene *scene)
{
	world_step(&scene->world, SCENE_STEP_NS);
	for (uint32_t p = 0; p < SCENE_PRODUCERS; p++)
		producer_step(&scene->producers[p]);
}

uint64_t scene_acked(const struct scene *scene)
{
	uint64_t acked = 0;

	for (uint32_t p = 0; p < SCENE_PRODUCERS; p++)
		acked += scene->producers[p].acked;
	return acked;
}

void scene_run_until_acked(struct scene *scene, uint64_t records)
{
	for (uint32_t s = 0; s < STEPS_MAX && scene_acked(scene) < records; s++)
		scene_step(scene);
	assert_true(scene_acked(scene) >= records);
}

static bool scene_done(const struct scene *scene, uint64_t records)
{
	for (uint32_t p = 0; p < SCENE_PRODUCERS; p++) {
		if (scene->producers[p].acked < records)
			return false;
	}
	return true;
}

static bool scene_converged(const struct scene *scene)
{
	struct wire_status_group first = world_status(&scene->world, 1, 1);

	if (world_leader(&scene->world, 1) == 0)
		return false;
	for (qr_node node = 1; node <= scene->world.node_count; node++) {
		struct wire_status_group status = world_status(&scene->world, node, 1);

		if (!scene->world.nodes[node].up || status.commit != status.last ||
		    status.durable != status.last || status.last != first.last)
			return false;
	}
	return true;
}

void scene_settle(struct scene *scene, uint64_t records)
{
	for (uint32_t p = 0; p < SCENE_PRODUCERS; p++)
		scene->producers[p].stop = records;
	for (uint32_t s = 0; s < STEPS_MAX; s++) {
		if (scene_done(scene, records) && scene_converged(scene))
			return;
		scene_step(scene);
	}
	for (qr_node node = 1; node <= scene->world.node_count; node++) {
		struct wire_status_group status = world_status(&scene->world, node, 1);

		printf("# node %u: role %u term %lu last %lu durable %lu commit %lu condition %u\n",
		       node, status.role, status.term, status.last, status.durable, status.commit,
		       status.condition);
	}
	for (uint32_t p = 0; p < SCENE_PRODUCERS; p++) {
		printf("# producer %u: session %lu acked %lu next %lu window %u target %u\n", p,
		       scene->producers[p].session, scene->producers[p].acked,
		       scene->producers[p].next, scene->producers[p].window,
		       scene->producers[p].target);
	}
	fail_msg("seed %lu: no convergence", scene->seed);
}

/* ---- reading a replica's durable blocks ---- */

struct audit {
	struct scene *scene;
	uint64_t seen[SCENE_PRODUCERS]; /* the next sequence of each producer */
	qr_offset offset;
};

static void audit_record(struct audit *audit, struct qr_reader *records)
{
	uint32_t size_bytes = qr_read_u32(records);
	uint64_t number = qr_read_u64(records);
	uint64_t sequence = qr_read_u64(records);
	struct producer *producer;

	assert_true(number < SCENE_PRODUCERS);
	producer = &audit->scene->producers[number];
	(void)qr_read_bytes(records, size_bytes - 16);
	/* In order, none twice, none missing, where the producer was told. */
	assert_int_equal(sequence, audit->seen[number]);
	if (producer->offsets[sequence] != UINT64_MAX)
		assert_int_equal(producer->offsets[sequence], audit->offset);
	audit->seen[number]++;
	audit->offset++;
}

static void audit_replica(struct scene *scene, qr_node node)
{
	struct audit audit = {.scene = scene};
	qr_index last = world_status(&scene->world, node, 1).last;
	uint8_t *copy = malloc(1 << 20);
	qr_block block = 0;

	assert_non_null(copy);
	for (qr_index index = 1; index <= last; index++) {
		struct store_entry entry;
		const uint8_t *at = world_block(&scene->world, node, 1, block);
		struct qr_reader payload;
		struct store_chunk chunk;
		struct qr_span body;

		if (at == NULL || store_entry_decode(at, &entry) != QR_OK || entry.index != index) {
			block = (block / 64 + 1) * 64;
			at = world_block(&scene->world, node, 1, block);
			assert_non_null(at);
			assert_int_equal(store_entry_decode(at, &entry), QR_OK);
		}
		assert_int_equal(entry.index, index);
		assert_int_equal(entry.first_offset, audit.offset);
		for (uint32_t b = 0; b < entry.blocks; b++) {
			memcpy(copy + (size_t)b * QR_BLOCK_BYTES,
			       world_block(&scene->world, node, 1, block + b), QR_BLOCK_BYTES);
		}
		payload = qr_reader_over(copy + STORE_ENTRY_HEADER_BYTES, entry.payload_bytes);
		while (entry.kind == RAFT_ENTRY_DATA &&
		       store_chunk_next(&payload, &chunk, &body) == QR_OK) {
			struct qr_reader records = qr_reader_over(body.data, body.size_bytes);

			for (uint32_t r = 0; r < chunk.count; r++)
				audit_record(&audit, &records);
		}
		block += entry.blocks;
	}
	for (uint32_t p = 0; p < SCENE_PRODUCERS; p++)
		assert_true(audit.seen[p] >= scene->producers[p].acked);
	free(copy);
}

void scene_audit(struct scene *scene)
{
	for (qr_node node = 1; node <= scene->world.node_count; node++)
		audit_replica(scene, node);
}
