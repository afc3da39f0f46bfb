/*
 * Ready: when what a node sent leaves it, and when what it wrote is on its disk. See world.c.
 */
#include "consensus/base/assert.h"
#include "tests/scenario/replay/world_internal.h"

#include <string.h>

static bool has_to_announce(const struct world *world, qr_node node)
{
	const struct world_node *self = &world->nodes[node];
	const struct raft_group *group = world_group_of(world, node);

	if (group->role != RAFT_LEADER || world->overflow != NULL)
		return false;
	for (uint32_t i = 0; i < group->progress_count; i++) {
		const struct raft_progress *progress = &group->progress[i];
		qr_index would_tell =
			progress->match < group->commit ? progress->match : group->commit;

		if (progress->node <= CLUSTER_NODES_MAX &&
		    would_tell >
			    (self->told_term == group->state.term ? self->told[progress->node] : 0))
			return true;
	}
	return false;
}

static uint32_t writes_in_batches(const struct world_node *self)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < self->batch_count; i++)
		count += self->batches[i];
	return count;
}

bool world_has_ready(const struct world *world, qr_node node)
{
	const struct world_node *self = &world->nodes[node];

	return self->outbox.count > 0 ||
	       world->cluster->nodes[node].write_count > writes_in_batches(self) ||
	       has_to_announce(world, node);
}

/* The oldest `count` writes of `node` reach the disk. */
static void finish_writes(struct world *world, qr_node node, uint32_t count)
{
	for (; count > 0 && world_begin(world, node); count--) {
		cluster_flush(world->cluster, node, 1);
		world_end(world, node);
	}
}

/* How many of the oldest writes of `node` are of the hard state. */
static uint32_t leading_states(const struct world *world, qr_node node)
{
	const struct cluster_node *self = &world->cluster->nodes[node];
	uint32_t count = 0;

	while (count < self->write_count && self->writes[count].is_state)
		count++;
	return count;
}

void world_process_ready(struct world *world, qr_node node)
{
	struct world_node *self = &world->nodes[node];
	uint32_t count = world->cluster->nodes[node].write_count - writes_in_batches(self);

	if (!world->options.async_storage_writes) {
		finish_writes(world, node, count);
	} else if (count > 0) {
		uint32_t finished = self->batch_count == 0 ? leading_states(world, node) : 0;

		finish_writes(world, node, finished);
		if (self->batch_count < CLUSTER_WRITES_MAX) {
			self->batches[self->batch_count++] = count - finished;
		} else {
			world->overflow = "more Readys wait for their disk than this driver counts";
		}
	}
	if (has_to_announce(world, node)) {
		world_announce(world, node, world_group_of(world, node)->heartbeat_at_ns);
	}
	world_packets_depart(world, node, false);
}

bool world_has_appends(const struct world *world, qr_node node)
{
	return world->nodes[node].batch_count > 0;
}

void world_process_append(struct world *world, qr_node node)
{
	struct world_node *self = &world->nodes[node];
	uint32_t count;

	if (self->batch_count == 0)
		return;
	count = self->batches[0];
	self->batch_count--;
	memmove(&self->batches[0], &self->batches[1], self->batch_count * sizeof(count));
	finish_writes(world, node, count);
	world_packets_depart(world, node, true);
}
