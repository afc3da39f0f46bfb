#include "tests/fuzz/image_log.h"

#include "tests/fuzz/image.h"
#include "tests/fuzz/node_peer.h"

#define LEADER 1
#define LONG_ENTRIES 26u

void image_log_send(struct forge *forge, const uint8_t bytes[8])
{
	const struct forge_entry *entry = forge_next(forge, 0, bytes);

	forge_send(forge, LEADER, entry,
		   forge_fragment(forge, entry, 0, store_entry_bytes(&entry->header)));
	rig_drain(forge->rig);
}

void image_log_wait(struct rig *rig)
{
	rig->now_ns += DP_RETRY_NS;
	rig_drain(rig);
}

/** A heartbeat: all that the log has is committed, or a term begins. */
static void beat(struct rig *rig, bool next_term)
{
	const struct dp_group *group = rig_group(rig, 0);
	const struct raft_message message = {
		.kind = RAFT_MESSAGE_HEARTBEAT,
		.term = group->raft.state.term + next_term,
		.commit = group->raft.last,
	};

	peer_send(rig, LEADER, group->config->group, &message);
	rig_drain(rig);
}

static void open_session(struct forge *forge)
{
	image_log_send(forge, (const uint8_t[8]){0, 4, 0, 0, (uint8_t)forge->opened_count});
}

/** A session that used its whole ring, and ended. */
static void fill_long(struct forge *forge)
{
	open_session(forge);
	for (unsigned e = 0; e < LONG_ENTRIES; e++)
		image_log_send(forge, IMAGE_CHUNKS);
	image_log_send(forge, (const uint8_t[8]){0, 5});
	image_log_send(forge, IMAGE_NOTHING);
}

uint32_t image_log_files(const struct rig *rig)
{
	uint32_t count = 0;

	while (count < STORE_SNAPSHOTS && rig->disks[0].file_bytes[count] != 0)
		count++;
	return count;
}

/** Entries until a segment has been begun, and so a snapshot was taken in front of it. */
static void fill_segment(struct forge *forge)
{
	uint32_t count = image_log_files(forge->rig);

	while (image_log_files(forge->rig) == count)
		image_log_send(forge, IMAGE_NOTHING);
}

/** The log begins where the older one of its snapshots lets it. */
static void trim(struct forge *forge)
{
	uint8_t older = (uint8_t)(image_log_files(forge->rig) - 2);

	image_log_send(forge, (const uint8_t[8]){0, 6, older, 0, FORGE_TRIM});
	image_log_send(forge, IMAGE_NOTHING);
	image_log_wait(forge->rig);
}

/** Chunks of the newest session, in a term of their own; the first entries have eight each. */
static void fill(struct forge *forge)
{
	uint8_t newest = (uint8_t)(forge->opened_count - 1);

	beat(forge->rig, true);
	image_log_send(forge, (const uint8_t[8]){0, 7, newest, 0, 2, 2});
	image_log_send(forge, (const uint8_t[8]){0, 7, newest, 0, 2, 2});
	image_log_send(forge, (const uint8_t[8]){0, 0, newest, 0, 20, 1});
	image_log_send(forge, IMAGE_NOTHING);
	beat(forge->rig, false);
}

struct rig *image_log_prepare(void *memory, enum image_log log, struct forge *forge)
{
	struct rig *rig = rig_create(memory);
	const struct dp_group *group;

	forge_begin(forge, rig);
	rig_drain(rig);
	if (log == IMAGE_LOG_LONG)
		fill_long(forge);
	open_session(forge);
	open_session(forge);
	for (unsigned turn = 0; turn < 2; turn++) {
		fill(forge);
		fill_segment(forge);
		image_log_wait(rig);
	}
	if (log == IMAGE_LOG_TRIMMED) {
		trim(forge);
		fill_segment(forge);
		QR_ASSERT(rig->disks[0].extent.first > 0);
	}
	if (log != IMAGE_LOG_SETTLED)
		fill(forge);
	beat(rig, false);
	image_log_wait(rig);
	group = rig_group(rig, 0);
	QR_ASSERT(group->phase == DP_PHASE_RUNNING && rig->pending_count == 0);
	QR_ASSERT(group->raft.commit == group->raft.last);
	QR_ASSERT(image_log_files(rig) >= IMAGE_FILES && image_log_files(rig) < STORE_SNAPSHOTS);
	return rig;
}
