#include "tests/unit/storage/rig.h"

#include "consensus/base/assert.h"

#include <stdlib.h>
#include <string.h>

#define RIG_MEMORY_ALIGN (2u << 20)

struct store_log_parameters rig_parameters(void)
{
	return (struct store_log_parameters){
		.cluster = RIG_CLUSTER,
		.node = RIG_NODE,
		.group = RIG_GROUP,
		.geometry = {.segment_blocks = 32, .stride_blocks = 8},
		.configuration = {.voters = 0xe},
		.window_blocks = 64,
		.write_depth = 4,
		.write_max_blocks = 4,
		.segments_ahead = 1,
		.checkpoints_max = 8,
	};
}

void rig_init(struct rig *rig, const struct store_log_parameters *parameters, uint64_t seed)
{
	struct qr_arena arena;

	memset(rig, 0, sizeof(*rig));
	rig->parameters = *parameters;
	rig->term = 1;
	qr_prng_init(&rig->prng, seed);
	disk_init(&rig->disk, parameters->geometry.segment_blocks);
	qr_arena_init(&arena, NULL, 0);
	QR_ASSERT(store_log_create(&arena, parameters) == NULL);
	rig->memory_bytes = arena.used_bytes;
	rig->memory = aligned_alloc(RIG_MEMORY_ALIGN, (arena.used_bytes + RIG_MEMORY_ALIGN - 1) /
							      RIG_MEMORY_ALIGN * RIG_MEMORY_ALIGN);
	rig->snapshot.size_bytes = DISK_SNAPSHOT_BYTES;
	rig->snapshot.data = aligned_alloc(QR_BLOCK_BYTES, DISK_SNAPSHOT_BYTES);
	QR_ASSERT(rig->memory != NULL && rig->snapshot.data != NULL);
}

void rig_fini(struct rig *rig)
{
	disk_fini(&rig->disk);
	free(rig->memory);
	free(rig->snapshot.data);
}

unsigned rig_poll(struct rig *rig)
{
	struct store_op ops[16];
	unsigned count = store_log_poll(rig->log, ops, 16);

	for (unsigned i = 0; i < count; i++)
		disk_start(&rig->disk, &ops[i]);
	return count;
}

void rig_finish(struct rig *rig, uint32_t number)
{
	struct store_completion completion = disk_finish(&rig->disk, number);

	store_log_complete(rig->log, &completion, 0);
}

void rig_drain(struct rig *rig)
{
	while (rig_poll(rig) > 0 || rig->disk.pending_count > 0) {
		if (rig->disk.pending_count > 0) {
			rig_finish(rig,
				   (uint32_t)qr_prng_below(&rig->prng, rig->disk.pending_count));
		}
	}
}

static bool is_segment_write(const struct disk_pending *pending)
{
	return pending->op.kind == STORE_OP_WRITE || pending->op.kind == STORE_OP_WRITE_LAZY;
}

unsigned rig_writes(const struct rig *rig)
{
	unsigned count = 0;

	for (uint32_t i = 0; i < rig->disk.pending_count; i++)
		count += is_segment_write(&rig->disk.pending[i]) ? 1 : 0;
	return count;
}

void rig_settle(struct rig *rig)
{
	uint32_t i = 0;

	(void)rig_poll(rig);
	while (i < rig->disk.pending_count) {
		if (is_segment_write(&rig->disk.pending[i])) {
			i++;
			continue;
		}
		rig_finish(rig, i);
		(void)rig_poll(rig);
		i = 0;
	}
}

static void note_recovered(struct rig *rig, const struct store_recovered_entry *entry)
{
	QR_ASSERT(entry->entry.index == rig->recovered_last + 1);
	QR_ASSERT(entry->entry.index < RIG_ENTRIES_MAX);
	rig->recovered_last = entry->entry.index;
	rig->recovered_term = entry->entry.term;
	rig->recovered_digests[entry->entry.index] =
		store_entry_digest(entry->payload.data - STORE_ENTRY_HEADER_BYTES);
	if (rig->term < entry->entry.term)
		rig->term = entry->entry.term;
}

/** Wait for the disk. */
static void wait_for_disk(struct rig *rig)
{
	QR_ASSERT(rig_poll(rig) > 0 || rig->disk.pending_count > 0);
	if (rig->disk.pending_count > 0)
		rig_finish(rig, (uint32_t)qr_prng_below(&rig->prng, rig->disk.pending_count));
}

static void recover_state(struct rig *rig)
{
	struct store_recovered_state found;
	enum qr_error error;

	while ((error = store_recover_state(rig->log, &found)) == QR_AGAIN)
		wait_for_disk(rig);
	if (error != QR_OK)
		return;
	QR_ASSERT(found.state.size_bytes <= sizeof(rig->recovered_state));
	rig->recovered_base = found.base;
	rig->recovered_last = found.base.index;
	rig->recovered_term = found.base.term;
	rig->recovered_state_bytes = (uint32_t)found.state.size_bytes;
	memcpy(rig->recovered_state, found.state.data, found.state.size_bytes);
	if (rig->term < found.base.term)
		rig->term = found.base.term;
}

enum qr_error rig_open(struct rig *rig)
{
	struct qr_arena arena;
	struct store_recovered_entry entry;
	enum qr_error error;

	disk_crash(&rig->disk, &rig->prng);
	memset(rig->memory, 0xa5, rig->memory_bytes); /* the memory of a new process is not ours */
	qr_arena_init(&arena, rig->memory, rig->memory_bytes);
	rig->log = store_log_create(&arena, &rig->parameters);
	rig->recovered_last = 0;
	rig->recovered_term = 0;
	rig->recovered_base = (struct store_prefix){0};
	rig->recovered_state_bytes = 0;
	rig->generation = 1;
	store_recover_begin(rig->log, rig->disk.extent,
			    rig->snapshot.data != NULL ? &rig->snapshot : NULL);
	recover_state(rig);
	while ((error = store_recover_next(rig->log, &entry)) == QR_OK || error == QR_AGAIN) {
		if (error == QR_OK) {
			note_recovered(rig, &entry);
		} else {
			wait_for_disk(rig);
		}
	}
	rig->recovered = error;
	return error;
}

void rig_crash_and_open(struct rig *rig)
{
	(void)rig_open(rig);
}

/** Start and finish the next write of a slot, and nothing else. */
static void write_slot(struct rig *rig)
{
	struct store_op op;
	unsigned count = store_log_poll(rig->log, &op, 1);

	QR_ASSERT(count == 1 && op.kind == STORE_OP_WRITE_SLOT);
	disk_start(&rig->disk, &op);
	rig_finish(rig, rig->disk.pending_count - 1);
}

/** The term is on stable media, in both slots, before there is an entry of it. */
static void save_term(struct rig *rig)
{
	struct raft_hard_state state = store_log_slot(rig->log)->state;

	if (state.term >= rig->term)
		return;
	state.term = rig->term;
	state.generation++;
	store_save_state(rig->log, &state);
	write_slot(rig);
	write_slot(rig);
}

enum qr_error rig_lay(struct rig *rig, uint32_t payload_bytes)
{
	struct store_entry entry;
	struct store_location location;
	struct qr_span bytes;
	uint8_t *at;
	enum qr_error error = store_entry_open(rig->log, rig->term, RAFT_ENTRY_DATA, payload_bytes);

	if (error != QR_OK)
		return error;
	save_term(rig);
	at = store_entry_take(rig->log, payload_bytes);
	for (uint32_t i = 0; i < payload_bytes; i++)
		at[i] = (uint8_t)(qr_prng_next(&rig->prng) >> 24);
	entry = store_entry_close(rig->log, 1 + payload_bytes / 1000, 0, 1);
	QR_ASSERT(store_window_entry(rig->log, entry.index, &location, &bytes) == QR_OK);
	QR_ASSERT(rig->laid_count < RIG_ENTRIES_MAX);
	rig->laid[rig->laid_count++] =
		(struct rig_entry){.index = entry.index, .digest = store_entry_digest(bytes.data)};
	return QR_OK;
}

enum qr_error rig_append(struct rig *rig, uint32_t payload_bytes)
{
	enum qr_error error = rig_lay(rig, payload_bytes);
	qr_index last = store_log_last(rig->log);

	if (error == QR_OK)
		store_write(rig->log, last, last, rig->generation);
	return error;
}

void rig_truncate(struct rig *rig, qr_index to)
{
	rig->term++;
	store_truncate(rig->log, to, ++rig->generation);
}

void rig_snapshot(struct rig *rig, qr_index index, const void *state, uint32_t state_bytes)
{
	memcpy(rig->snapshot.data + STORE_SNAPSHOT_STATE_AT, state, state_bytes);
	store_snapshot_take(rig->log, index, index, rig->snapshot, state_bytes);
	store_release(rig->log, index);
	store_log_retry(rig->log); /* the slots note that so much is settled */
	rig_drain(rig);
}

bool rig_was_laid(const struct rig *rig, qr_index index, uint64_t digest)
{
	for (uint32_t i = 0; i < rig->laid_count; i++) {
		if (rig->laid[i].index == index && rig->laid[i].digest == digest)
			return true;
	}
	return false;
}

void rig_expect_durable(struct rig *rig, qr_index index)
{
	rig_drain(rig);
	QR_ASSERT(store_log_durable(rig->log).index == index);
}

uint64_t rig_digest(const struct rig *rig, qr_index index)
{
	struct store_location location;
	struct qr_span bytes;

	QR_ASSERT(store_window_entry(rig->log, index, &location, &bytes) == QR_OK);
	return store_entry_digest(bytes.data);
}
