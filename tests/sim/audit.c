/*
 * What lies on the media: after a recovery, and in the calm, on every replica, up to the last byte.
 */
#include "dataplane/node/sessions_table.h"
#include "dataplane/node/state.h"
#include "storage/engine/internal.h"
#include "tests/sim/oracle.h"
#include "tests/sim/world.h"

#include <string.h>

/** What lay behind the end is gone, for the next recovery would read it. */
static void check_nothing_behind(struct sim_world *world, qr_node node, qr_group group)
{
	const struct sim_media *media = &world->nodes[node].disk.media;
	qr_block end = sim_node_group(&world->nodes[node], group)->log->last.block;

	for (qr_block block = end;; block++) {
		struct sim_place place = sim_media_place(media, group, block);

		if (!sim_media_has_segment(media, group, place.segment))
			return;
		if (!sim_media_is_zero(sim_media_promised(media, place))) {
			sim_fail(world, 21,
				 "node %u has something in block %lu of group %u, which ends at "
				 "%lu",
				 node, (unsigned long)block, group, (unsigned long)end);
		}
	}
}

void sim_oracle_ended(struct sim_world *world, qr_node id)
{
	for (qr_group number = 1; number <= world->plan->group_count; number++) {
		const struct dp_group *group = sim_node_group(&world->nodes[id], number);

		if (group != NULL && !store_scrub_is_active(group->log) &&
		    group->log->writes.count == 0 &&
		    group->log->writes.issued == group->log->last.index)
			check_nothing_behind(world, id, number);
	}
}

/** Damage to a committed entry that recovery has just read over. */
void sim_oracle_recovered(struct sim_world *world, qr_node node, qr_group group)
{
	const struct sim_media *media = &world->nodes[node].disk.media;
	const struct sim_log *log = &world->oracle.logs[group];
	/* What a snapshot stands for was not looked at. */
	qr_block read_from = sim_node_group(&world->nodes[node], group)->log->index.base.block;

	world->count.restored += read_from != 0;
	check_nothing_behind(world, node, group);
	for (uint32_t d = 0; d < media->damage.count; d++) {
		const struct sim_place *place = &media->damage.images[d].place;
		qr_block block = (qr_block)place->segment * media->segment_blocks + place->block;

		if (place->group != group || !sim_place_is_log(place) || block < read_from ||
		    media->damage.images[d].life == media->life)
			continue;
		for (qr_index i = 0; i < log->count; i++) {
			const struct sim_entry *entry = &log->entries[i];
			struct store_entry decoded;

			if (block < entry->block || block >= entry->block + entry->blocks)
				continue;
			/* Unless the entry has not been promised here. */
			if (sim_entry_on_media(world, node, group, entry, &decoded) != NULL) {
				sim_fail(world, 9,
					 "node %u recovered over damage in block %lu of group %u, "
					 "entry %lu",
					 node, (unsigned long)block, group, (unsigned long)i + 1);
			}
		}
	}
}

static bool is_damaged(const struct sim_media *media, qr_group group, const struct sim_entry *entry)
{
	for (uint32_t d = 0; d < media->damage.count; d++) {
		const struct sim_place *place = &media->damage.images[d].place;
		qr_block block = (qr_block)place->segment * media->segment_blocks + place->block;

		if (place->group == group && sim_place_is_log(place) && block >= entry->block &&
		    block < entry->block + entry->blocks)
			return true;
	}
	return false;
}

/** Another node has it whole, and will be asked for it. */
static bool is_elsewhere(struct sim_world *world, qr_node node, qr_group group,
			 const struct sim_entry *entry)
{
	struct store_entry decoded;

	for (qr_node other = 1; other <= world->plan->node_count; other++) {
		if (other != node && !qr_nodes_has(world->away, other) &&
		    sim_node_group(&world->nodes[other], group) != NULL &&
		    sim_entry_on_media(world, other, group, entry, &decoded) != NULL &&
		    !is_damaged(&world->nodes[other].disk.media, group, entry))
			return true;
	}
	return false;
}

bool sim_oracle_is_repairable(struct sim_world *world, qr_node node, const struct sim_image *damage)
{
	const struct sim_place *place = &damage->place;
	const struct sim_log *log = &world->oracle.logs[place->group];
	const struct dp_group *group = sim_node_group(&world->nodes[node], place->group);
	qr_block block = sim_disk_block(&world->nodes[node].disk, place);

	if (world->plan->scrub_bytes_per_second == 0 || group == NULL || !sim_place_is_log(place))
		return false;
	for (qr_index i = log->start.before + 1; i <= log->count && i <= group->applied; i++) {
		const struct sim_entry *entry = &log->entries[i - 1];

		if (block >= entry->block && block < entry->block + entry->blocks) {
			return entry->block + entry->blocks <=
				       sim_disk_settled(&world->nodes[node].disk, place->group) &&
			       is_elsewhere(world, node, place->group, entry);
		}
	}
	return false;
}

/** At rest both slots say the same, and nothing lies behind the end of the log. */
static void audit_rest(struct sim_world *world, qr_node node, qr_group number)
{
	const struct sim_media *media = &world->nodes[node].disk.media;
	const struct sim_media_group *group = &media->groups[number];
	const struct store_log *log = sim_node_group(&world->nodes[node], number)->log;

	if (!store_slots_is_busy(log) &&
	    (group->slots[0] == NULL || group->slots[1] == NULL ||
	     memcmp(group->slots[0], group->slots[1], STORE_SLOT_BYTES) != 0))
		sim_fail(world, 10, "the slots of node %u, group %u differ at rest", node, number);
	check_nothing_behind(world, node, number);
}

/** Where a reader would begin, an entry begins. */
static void audit_index(struct sim_world *world, qr_node node, qr_group number)
{
	const struct store_log *log = sim_node_group(&world->nodes[node], number)->log;

	for (uint32_t c = 0; c < log->index.checkpoint_count; c++) {
		const struct store_checkpoint *checkpoint = &log->index.checkpoints[c];
		const uint8_t *bytes =
			sim_media_block(&world->nodes[node].disk.media, number, checkpoint->block);
		struct store_entry entry;

		if (bytes == NULL || store_entry_decode(bytes, &entry) != QR_OK ||
		    entry.index != checkpoint->index) {
			sim_fail(world, 15,
				 "node %u looks for entry %lu of group %u in block %lu: not there",
				 node, (unsigned long)checkpoint->index, number,
				 (unsigned long)checkpoint->block);
		}
	}
}

/** Who is known, and up to where, follows from the committed log alone. */
static void audit_sessions(struct sim_world *world, qr_node node, qr_group number)
{
	const struct sim_log *log = &world->oracle.logs[number];
	const struct dp_sessions *sessions = sim_node_group(&world->nodes[node], number)->sessions;
	uint32_t open = 0;

	for (uint32_t s = 0; s < log->session_count; s++) {
		const struct sim_session *session = &log->sessions[s];
		uint32_t slot = dp_sessions_find(sessions, session->session);

		open += !session->expired;
		if (session->expired
			    ? slot == DP_SESSION_NONE
			    : slot != DP_SESSION_NONE &&
				      sessions->sessions[slot].next_committed == session->next)
			continue;
		sim_fail(world, 14, "node %u, group %u: session %lx is%s in its table, %lu records",
			 node, number, (unsigned long)session->session,
			 slot == DP_SESSION_NONE ? " not" : "", (unsigned long)session->next);
	}
	if (dp_sessions_count(sessions) != open) {
		sim_fail(world, 14, "node %u, group %u: %u sessions of %u in its table", node,
			 number, dp_sessions_count(sessions), open);
	}
}

static void audit_entries(struct sim_world *world, qr_node node, qr_group group)
{
	const struct sim_log *log = &world->oracle.logs[group];

	for (qr_index i = log->start.before; i < log->count; i++) {
		struct store_entry decoded;

		if (sim_entry_on_media(world, node, group, &log->entries[i], &decoded) == NULL) {
			sim_fail(world, 9, "node %u has lost committed entry %lu of group %u", node,
				 (unsigned long)i + 1, group);
		}
	}
}

void sim_oracle_rest(struct sim_world *world)
{
	for (qr_group group = 1; group <= world->plan->group_count; group++) {
		for (qr_node node = 1; node <= world->plan->node_count; node++) {
			audit_rest(world, node, group);
			audit_index(world, node, group);
			audit_sessions(world, node, group);
		}
	}
}

/** Every committed entry, on every replica, as it lies there; and every acknowledged record. */
void sim_oracle_audit(struct sim_world *world)
{
	for (qr_group group = 1; group <= world->plan->group_count; group++) {
		for (qr_node node = 1; node <= world->plan->node_count; node++)
			audit_entries(world, node, group);
	}
	for (uint32_t r = 0; r < world->oracle.record_count; r++) {
		const struct sim_record *record = &world->oracle.records[r];
		const struct sim_log *log = &world->oracle.logs[record->group];

		if (record->acked &&
		    (record->offset >= log->record_count || log->records[record->offset] != r)) {
			sim_fail(world, 9, "acknowledged record %u of group %u is gone", r,
				 record->group);
		}
	}
}
