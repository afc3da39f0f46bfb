/*
 * Any bytes as the newest two snapshots of a group, beside the slots and the segments of a sound
 * log (image_log.h). The node starts: it begins with one of them, or with none, or refuses the
 * group, or waits for an entry that none of the others will ever have. What it begins with is a
 * table, and is saved as the bytes that it came from.
 *
 * A node that runs is a node like any other: it takes entries, takes a snapshot of what it then is,
 * and begins with that the next time.
 *
 * An input is laid out as image.h says.
 */
#include "storage/engine/internal.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/image.h"
#include "tests/fuzz/image_log.h"

#include <stdlib.h>
#include <string.h>

#define BODY_BYTES_MAX ((RIG_FILE_BLOCKS - 1) * (size_t)QR_BLOCK_BYTES)
#define RUN_BYTES 16
#define TURNS_MAX 1000u
#define NEW_ENTRIES 4u

static struct snapshot states;
static struct forge forge;
static struct rig *rig;
static struct dp_sessions *other; /* a table as large as the group's */

static struct dp_sessions *create_table(void)
{
	struct qr_arena arena;
	void *memory;

	qr_arena_init(&arena, NULL, 0);
	(void)dp_sessions_create(&arena, RIG_SESSIONS);
	memory = aligned_alloc(64, (arena.used_bytes + 63) / 64 * 64);
	QR_ASSERT(memory != NULL);
	memset(memory, 0, arena.used_bytes);
	qr_arena_init(&arena, memory, arena.used_bytes);
	return dp_sessions_create(&arena, RIG_SESSIONS);
}

static struct dp_group *group(void)
{
	return rig_group(rig, 0);
}

/* ---- the files ---- */

static void lay_file(uint32_t number, uint8_t flags, const uint8_t *fields, struct qr_span body)
{
	static const uint8_t nothing[IMAGE_FIELD_BYTES];
	struct rig_disk *disk = &rig->disks[0];
	uint8_t *file = disk->files[number];
	bool is_newest = number + 1 == STORE_SNAPSHOTS || disk->file_bytes[number + 1] == 0;
	size_t body_bytes = body.size_bytes < BODY_BYTES_MAX ? body.size_bytes : BODY_BYTES_MAX;
	size_t padded_bytes = (body_bytes + QR_BLOCK_BYTES - 1) / QR_BLOCK_BYTES * QR_BLOCK_BYTES;

	memset(file, 0, disk->file_bytes[number]);
	/* Behind one that was never written there are no others. */
	disk->file_bytes[number] = is_newest ? 0 : STORE_SNAPSHOT_HEADER_BYTES;
	if (body_bytes == 0 && memcmp(fields, nothing, sizeof(nothing)) == 0)
		return;
	disk->file_bytes[number] = STORE_SNAPSHOT_HEADER_BYTES + padded_bytes;
	memcpy(file, fields, IMAGE_FIELD_BYTES);
	if (body_bytes != 0)
		memcpy(file + STORE_SNAPSHOT_HEADER_BYTES, body.data, body_bytes);
	if ((flags & IMAGE_UNFIT) == 0)
		image_fit(file, body_bytes);
	if ((flags & IMAGE_UNSEALED) == 0)
		image_seal(file, disk->file_bytes[number]);
}

/** They hold nothing; but they are there, so that those behind them are looked at. */
static void clear_older(void)
{
	struct rig_disk *disk = &rig->disks[0];

	for (uint32_t file = 0; file < image_log_files(rig) - IMAGE_FILES; file++)
		memset(disk->files[file], 0, disk->file_bytes[file]);
}

/** The newest of the log's own makes room for one that is built; the other stays. */
static void build_file(const uint8_t *data, size_t size_bytes)
{
	struct rig_disk *disk = &rig->disks[0];
	uint32_t newest = image_log_files(rig) - 1;
	struct qr_reader numbers = qr_reader_over(data, size_bytes);

	disk->file_bytes[newest] = image_build(
		disk->files[newest], STORE_SNAPSHOT_HEADER_BYTES + BODY_BYTES_MAX, &numbers);
}

static void lay_files(const uint8_t *data, size_t size_bytes)
{
	uint8_t head[IMAGE_BODIES_AT] = {0};
	size_t head_bytes = size_bytes < sizeof(head) ? size_bytes : sizeof(head);
	struct qr_span first = {data + head_bytes, 0};
	uint32_t newest = image_log_files(rig) - 1;
	struct qr_span second;

	memcpy(head, data, head_bytes);
	size_bytes -= head_bytes;
	first.size_bytes = head[2] | (size_t)head[3] << 8;
	if (first.size_bytes > size_bytes)
		first.size_bytes = size_bytes;
	second = (struct qr_span){first.data + first.size_bytes, size_bytes - first.size_bytes};
	lay_file(newest, head[1] >> 1, head + 4 + IMAGE_FIELD_BYTES, second);
	lay_file(newest - 1, head[1], head + 4, first);
}

/* ---- what a start begins with ---- */

static void check_checkpoint(const struct store_checkpoint *at,
			     const struct store_checkpoint *before, const struct store_prefix *base)
{
	QR_ASSERT(at->index > 0 && at->index <= base->index);
	QR_ASSERT(at->block < base->block && at->first_offset <= base->offset);
	QR_ASSERT(before == NULL || (at->index > before->index && at->block > before->block &&
				     at->first_offset >= before->first_offset));
}

/** Those that came, of which the index may have room for some only. */
static void check_checkpoints(const struct store_log *log, const uint8_t *bytes)
{
	const struct store_snapshot *chosen = store_snapshot_newest(log);
	const struct store_index *index = &log->index;
	struct store_checkpoint before;

	for (uint32_t c = 0; c < chosen->checkpoint_count; c++) {
		struct store_checkpoint at =
			store_checkpoint_decode(bytes + (size_t)c * STORE_CHECKPOINT_BYTES);

		check_checkpoint(&at, c == 0 ? NULL : &before, &chosen->base);
		before = at;
	}
	QR_ASSERT(index->checkpoint_count <= index->checkpoint_max);
	for (uint32_t c = 0; c < index->checkpoint_count; c++) {
		const struct store_checkpoint *at = &index->checkpoints[c];

		check_checkpoint(at, c == 0 ? NULL : at - 1, &chosen->base);
	}
}

static void check_runs(const struct store_prefix *base)
{
	const struct raft_term_run *runs = group()->runs;
	uint32_t count = group()->run_count;

	QR_ASSERT(count <= RAFT_TERM_RUNS_MAX && runs[count - 1].term == base->term);
	QR_ASSERT(runs[0].first > 0 && runs[count - 1].first <= base->index);
	for (uint32_t r = 1; r < count; r++)
		QR_ASSERT(runs[r].first > runs[r - 1].first && runs[r].term > runs[r - 1].term);
}

/** What a log can have left of a session: its chunks fit each other and the base. */
static void check_session(struct qr_reader *reader, const struct store_prefix *base)
{
	uint64_t name = qr_read_u64(reader);
	qr_index newest;
	uint64_t next;
	uint32_t count;
	uint64_t sequence_end = 0;
	qr_offset offset_end = 0;

	(void)qr_read_bytes(reader, 2 * sizeof(uint64_t)); /* the nonce */
	newest = qr_read_u64(reader);
	next = qr_read_u64(reader);
	count = qr_read_u32(reader);
	QR_ASSERT(name >> STORE_SESSION_NUMBER_BITS == newest && newest <= base->index);
	QR_ASSERT(count <= WIRE_WINDOW_CHUNKS);
	for (uint32_t c = 0; c < count; c++) {
		uint64_t sequence = qr_read_u64(reader);
		qr_offset offset = qr_read_u64(reader);
		qr_index index = qr_read_u64(reader);
		uint32_t records = qr_read_u32(reader);

		QR_ASSERT(index >= newest + (c == 0) && index <= base->index);
		QR_ASSERT(offset >= offset_end && offset + records <= base->offset);
		QR_ASSERT(c == 0 || sequence == sequence_end);
		newest = index;
		offset_end = offset + records;
		sequence_end = sequence + records;
		QR_ASSERT(sequence_end > sequence);
	}
	QR_ASSERT(count == 0 || sequence_end == next);
}

static void check_image(struct qr_span image, const struct store_prefix *base)
{
	struct qr_reader reader = qr_reader_over(image.data, image.size_bytes);
	uint32_t count = qr_read_u32(&reader);

	QR_ASSERT(count == dp_sessions_count(group()->sessions) && count <= RIG_SESSIONS);
	while (count-- > 0)
		check_session(&reader, base);
	QR_ASSERT(!reader.failed && qr_reader_left(&reader) == 0);
}

/** @return bytes of no more than the table, so that a read beyond them is seen. */
static struct qr_span save(const struct dp_sessions *sessions, qr_index index)
{
	size_t size_bytes = dp_sessions_image_bytes(RIG_SESSIONS);
	uint8_t *bytes = malloc(size_bytes);
	struct qr_writer writer = qr_writer_over(bytes, size_bytes);
	uint8_t *cut;

	QR_ASSERT(bytes != NULL);
	dp_sessions_save(sessions, index, &writer);
	QR_ASSERT(!writer.failed);
	size_bytes = qr_writer_size(&writer);
	cut = realloc(bytes, size_bytes);
	QR_ASSERT(cut != NULL);
	return (struct qr_span){cut, size_bytes};
}

/** Saved, it is what it came from; so is what comes of that. */
static void check_sessions(const struct store_prefix *base, struct qr_span from)
{
	struct qr_span saved = save(group()->sessions, base->index);
	struct qr_reader reader = qr_reader_over(saved.data, saved.size_bytes);
	struct qr_span again;
	bool sound;

	check_image(saved, base);
	QR_ASSERT(saved.size_bytes == from.size_bytes);
	QR_ASSERT(memcmp(saved.data, from.data, from.size_bytes) == 0);
	dp_sessions_clear(other);
	sound = dp_sessions_restore(other, base, &reader);
	QR_ASSERT(sound);
	again = save(other, base->index);
	QR_ASSERT(again.size_bytes == saved.size_bytes);
	QR_ASSERT(memcmp(again.data, saved.data, saved.size_bytes) == 0);
	free((void *)saved.data);
	free((void *)again.data);
}

/** The group has its state, and nothing yet of the log behind it. */
static void check_restored(void)
{
	const struct store_log *log = group()->log;
	const struct store_snapshot *chosen = store_snapshot_newest(log);
	const uint8_t *state = rig->core->snapshot_buffer.data + STORE_SNAPSHOT_STATE_AT;
	size_t runs_bytes = sizeof(uint32_t) + (size_t)group()->run_count * RUN_BYTES;
	struct store_slot slot;
	enum qr_error error = store_slot_choose(rig->disks[0].slots, &slot);

	QR_ASSERT(error == QR_OK && chosen->base.index <= slot.settled.index);
	QR_ASSERT(chosen->base.term <= slot.state.term);
	QR_ASSERT(chosen->base.index < slot.settled.index ||
		  memcmp(&chosen->base, &slot.settled, sizeof(slot.settled)) == 0);
	QR_ASSERT(memcmp(&chosen->base, &log->last, sizeof(log->last)) == 0);
	for (uint32_t file = 0; file < STORE_SNAPSHOTS; file++)
		QR_ASSERT(log->snapshots.files[file].serial <= chosen->serial);
	check_checkpoints(log, state + chosen->state_bytes);
	check_runs(&chosen->base);
	QR_ASSERT(runs_bytes <= chosen->state_bytes);
	check_sessions(&chosen->base,
		       (struct qr_span){state + runs_bytes, chosen->state_bytes - runs_bytes});
}

static bool is_restored(void)
{
	return group()->phase == DP_PHASE_RECOVERING && group()->log->index.base.index != 0 &&
	       group()->run_count != 0;
}

/** It has not begun with anything yet, nor been refused, nor does it wait for the others. */
static bool is_starting(void)
{
	return group()->phase <= DP_PHASE_RECOVERING && !group()->mends;
}

static void start(void)
{
	bool restored = false;
	unsigned turns = 0;

	rig_restart(rig, &states, 0);
	while (is_starting() || rig->pending_count != 0) {
		while (rig->pending_count != 0)
			rig_finish(rig, 0, QR_OK);
		rig_turn(rig, RIG_TX_MAX);
		if (!restored && is_restored()) {
			check_restored();
			restored = true;
		}
		QR_ASSERT(++turns < TURNS_MAX); /* it ends */
	}
}

/* ---- the log goes on ---- */

/** What the window does not hold is looked for by the checkpoints. */
static void read_records(qr_offset offset)
{
	uint8_t datagram[WIRE_DATAGRAM_MIN];
	struct qr_writer writer = qr_writer_over(datagram, sizeof(datagram));
	const struct wire_read read = {.request = 1, .offset = offset, .max_bytes = 1000};

	wire_begin(&writer);
	wire_put_read(&writer, group()->config->group, &read);
	rig_send(rig, 0, &writer);
	rig_drain(rig);
}

/** The leader's next entry, whatever became of the one before. */
static void send(const uint8_t bytes[8])
{
	forge_rebase(&forge, 0, 0);
	image_log_send(&forge, bytes);
}

/** In front of which a snapshot is taken. */
static void begin_segment(void)
{
	qr_block segment = store_log_tail(group()->log) / RIG_SEGMENT_BLOCKS;

	for (unsigned e = 0; e <= RIG_SEGMENT_BLOCKS; e++) {
		if (store_log_tail(group()->log) / RIG_SEGMENT_BLOCKS == segment)
			send(IMAGE_NOTHING);
	}
	send(IMAGE_NOTHING);
	send(IMAGE_NOTHING);
}

static void use(void)
{
	qr_index last = group()->raft.last;
	uint32_t slot = dp_sessions_oldest(group()->sessions);
	const struct store_snapshot *newest;
	qr_index base;

	forge_begin(&forge, rig);
	if (slot != DP_SESSION_NONE)
		forge.opened[0] = dp_sessions_id(group()->sessions, slot);
	read_records(0);
	read_records(group()->committed_end / 2);
	for (unsigned e = 0; e < NEW_ENTRIES; e++) {
		send(IMAGE_CHUNK); /* the session may have had its last one */
		send(IMAGE_NOTHING);
	}
	QR_ASSERT(group()->raft.last >= last + NEW_ENTRIES);
	begin_segment();
	image_log_wait(rig);
	last = group()->raft.last;
	newest = store_snapshot_newest(group()->log);
	base = newest == NULL ? 0 : newest->base.index; /* none: there was no space for more */
	start();
	QR_ASSERT(group()->phase == DP_PHASE_RUNNING && group()->raft.last == last);
	QR_ASSERT(group()->log->index.base.index == base);
}

/* NOLINTNEXTLINE(readability-identifier-naming) */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	if (states.count == 0) {
		snapshot_init(&states, rig_size_bytes());
		for (enum image_log log = 0; log < IMAGE_LOGS; log++)
			(void)image_log_prepare(snapshot_prepare(&states), log, &forge);
		other = create_table();
	}
	if (size_bytes < 2)
		return 0;
	rig = snapshot_take(&states, data[0] % IMAGE_LOGS);
	if ((data[1] & (IMAGE_OLDER | IMAGE_BUILT)) == 0)
		clear_older();
	if ((data[1] & IMAGE_BUILT) != 0) {
		build_file(data + 2, size_bytes - 2);
	} else {
		lay_files(data, size_bytes);
	}
	start();
	if ((data[1] & IMAGE_USED) != 0 && group()->phase == DP_PHASE_RUNNING)
		use();
	return 0;
}
