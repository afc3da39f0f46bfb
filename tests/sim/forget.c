/*
 * Nodes that have lost both slots of a group, and with them what they promised: because a fault
 * says so, or because one had rotted and a power cut brought back the other as it was when it had.
 *
 * It happens to one node at a time, where a quorum is left without it: two wait for each other.
 * Elsewhere the device is mended before the node starts.
 */
#include "dataplane/node/state.h"
#include "tests/sim/oracle.h"
#include "tests/sim/world.h"

#include <string.h>

static struct sim_place slot_of(qr_group group, uint32_t number)
{
	return (struct sim_place){group, SIM_SLOTS_SEGMENT, number};
}

/** What the device promised of them, wherever it brought something else back. */
static void restore_slots(struct sim_media *media, qr_group group)
{
	for (uint32_t number = 0; number < STORE_SLOTS; number++) {
		struct sim_place place = slot_of(group, number);
		uint8_t promised[STORE_SLOT_BYTES];

		memcpy(promised, sim_media_promised(media, place), sizeof(promised));
		sim_media_write(media, place, promised, UINT8_MAX, true);
	}
}

/** Of the whole group: what it gives up must not be mended behind its back. */
static void mend(struct sim_media *media, qr_group group)
{
	for (uint32_t d = media->damage.count; d > 0; d--) {
		if (media->damage.images[d - 1].place.group == group)
			sim_media_mend_at(media, d - 1);
	}
}

/** As far as any leader has heard, or the node itself had it when it ended. */
static void note_acknowledged(struct sim_world *world, qr_node node, qr_group group)
{
	qr_index *lost = &world->nodes[node].lost[group];

	for (qr_node id = 1; id <= world->plan->node_count; id++) {
		const struct dp_group *other = sim_node_group(&world->nodes[id], group);
		const struct raft_progress *progress =
			other == NULL ? NULL : raft_progress_of(&other->raft, node);

		if (id == node && other != NULL)
			*lost = other->raft.durable.index;
		if (progress != NULL && progress->match > *lost)
			*lost = progress->match;
	}
}

void sim_forget(struct sim_world *world, qr_node node, qr_group group)
{
	struct sim_media *media = &world->nodes[node].disk.media;
	uint8_t noise[STORE_SLOT_BYTES];

	note_acknowledged(world, node, group);

	mend(media, group);
	for (uint32_t slot = 0; slot < STORE_SLOTS; slot++) {
		for (size_t i = 0; i < sizeof(noise); i++)
			noise[i] = (uint8_t)qr_prng_next(&world->prng);
		sim_media_write(media, slot_of(group, slot), noise, UINT8_MAX, true);
	}
	world->count.faults[SIM_FAULT_FORGET]++;
}

static bool is_lost(const struct sim_media *media, qr_group group)
{
	struct store_slot slot;
	bool was_written = media->groups[group].segment_count > media->groups[group].segment_first;

	for (uint32_t number = 0; number < STORE_SLOTS; number++) {
		const uint8_t *bytes = sim_media_at(media, slot_of(group, number));

		if (store_slot_decode(bytes, &slot) == QR_OK)
			return false;
		was_written = was_written || !sim_media_is_zero(bytes);
	}
	return was_written;
}

/** The device promised one of them, whatever it has made of it. */
static bool is_promised(const struct sim_media *media, qr_group group)
{
	struct store_slot slot;

	for (uint32_t number = 0; number < STORE_SLOTS; number++) {
		if (store_slot_decode(sim_media_promised(media, slot_of(group, number)), &slot) ==
		    QR_OK)
			return true;
	}
	return false;
}

bool sim_has_forgotten(struct sim_world *world, qr_node node, qr_group group)
{
	const struct sim_node *holder = &world->nodes[node];

	/* One that runs knows what it promised, whatever its slots say. */
	return (sim_node_group(holder, group) == NULL && is_lost(&holder->disk.media, group)) ||
	       sim_promised_state(world, node, group).amnesia;
}

bool sim_has_lost_promises(struct sim_world *world, qr_node node, qr_group group)
{
	return sim_promised_state(world, node, group).amnesia ||
	       (sim_has_forgotten(world, node, group) &&
		!is_promised(&world->nodes[node].disk.media, group));
}

static bool is_large_enough(qr_nodes voters)
{
	return voters == 0 || qr_nodes_count(voters) > 2;
}

static bool may_forget(struct sim_world *world, qr_node id, qr_group group)
{
	const struct raft_configuration *configuration = &world->plan->configuration;

	for (qr_node node = 1; node <= world->plan->node_count; node++) {
		if (node != id && sim_has_forgotten(world, node, group))
			return false;
	}
	return is_large_enough(configuration->voters) &&
	       is_large_enough(configuration->voters_outgoing);
}

void sim_forget_and_restart(struct sim_world *world, qr_node node, qr_ns until_ns)
{
	qr_group group = (qr_group)sim_between(world, 1, world->plan->group_count);

	note_acknowledged(world, node, group);
	if (!world->nodes[node].up || !may_forget(world, node, group) ||
	    sim_media_damage_count(&world->nodes[node].disk.media) != 0 ||
	    !sim_node_crash(world, node, sim_percent(world, 50), until_ns))
		return;
	sim_forget(world, node, group);
}

void sim_forget_before_start(struct sim_world *world, qr_node node)
{
	struct sim_media *media = &world->nodes[node].disk.media;

	for (qr_group group = 1; group <= world->plan->group_count; group++) {
		if (!is_lost(media, group))
			continue;
		if (!may_forget(world, node, group)) {
			restore_slots(media, group);
			mend(media, group);
		} else if (is_promised(media, group)) {
			sim_forget(world, node, group); /* so nothing is promised any more */
		}
	}
}
