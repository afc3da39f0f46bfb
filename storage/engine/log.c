/*
 * A group's log as a whole: its memory, the routing of ops and completions to its parts, and what
 * the rest of the node asks about it. The crash stories are with the parts: write.c, scrub.c,
 * slots.c, segments.c, snapshot.c, start.c, repair.c, recover.c.
 *
 * Poison. After any write that failed nobody knows what the device holds. The log then starts no
 * write, counts no completion as durable, and takes no entry, until the directory was opened and
 * verified anew. Reads go on.
 */
#include "consensus/base/assert.h"
#include "storage/engine/internal.h"

#define WINDOW_ALIGN_BYTES (2u << 20)

static void check_parameters(const struct store_log_parameters *parameters)
{
	const struct store_geometry *geometry = &parameters->geometry;

	QR_ASSERT(geometry->stride_blocks > 0 && geometry->segment_blocks > 0);
	QR_ASSERT(geometry->stride_blocks <= STORE_STRIDE_BLOCKS_MAX);
	QR_ASSERT(geometry->segment_blocks % geometry->stride_blocks == 0);
	QR_ASSERT(geometry->segment_blocks <= STORE_SEGMENT_BLOCKS_MAX);
	QR_ASSERT(parameters->window_blocks % geometry->stride_blocks == 0);
	QR_ASSERT(parameters->window_blocks / geometry->stride_blocks >= 2);
	QR_ASSERT(parameters->write_depth >= 1 && parameters->write_depth <= STORE_WRITES_MAX);
	QR_ASSERT(parameters->write_max_blocks >= 1);
	QR_ASSERT(parameters->node >= 1 && parameters->node <= QR_NODE_MAX);
}

/** What memory says before the first recovery. */
static void begin(struct store_log *log)
{
	log->window_blocks = log->parameters.window_blocks;
	log->stride_blocks = log->parameters.geometry.stride_blocks;
	log->condition = QR_AGAIN;
	log->generation = 1; /* as consensus counts: 0 stands for no position */
	log->writes.stale_block = STORE_NOT_STALE;
}

struct store_extent store_log_restart(struct store_log *log)
{
	const struct store_log before = *log;

	*log = (struct store_log){
		.parameters = before.parameters,
		.window = before.window,
		.scrub.zeros = before.scrub.zeros,
		.slots.blocks = before.slots.blocks,
		.counters = before.counters,
		.completions = before.completions,
	};
	begin(log);
	store_index_restart(&log->index, &before.index);
	return (struct store_extent){.first = before.segments.first,
				     .count = before.segments.ready - before.segments.first};
}

struct store_log *store_log_create(struct qr_arena *arena,
				   const struct store_log_parameters *parameters)
{
	struct store_log measured = {0};
	struct store_log *taken;
	struct store_log *log;

	check_parameters(parameters);
	taken = qr_arena_take(arena, sizeof(*taken), 64);
	log = taken != NULL ? taken : &measured;
	log->parameters = *parameters;
	begin(log);
	log->window = qr_arena_take(arena, (size_t)log->window_blocks * QR_BLOCK_BYTES,
				    WINDOW_ALIGN_BYTES);
	log->scrub.zeros =
		qr_arena_take(arena, (size_t)STORE_SCRUB_BLOCKS * QR_BLOCK_BYTES, QR_BLOCK_BYTES);
	log->slots.blocks =
		qr_arena_take(arena, (size_t)STORE_SLOTS * STORE_SLOT_BYTES, QR_BLOCK_BYTES);
	store_index_init(&log->index, arena, parameters);
	return taken;
}

struct qr_span store_log_window(const struct store_log *log)
{
	return (struct qr_span){log->window, (size_t)log->window_blocks * QR_BLOCK_BYTES};
}

const struct store_slot *store_log_slot(const struct store_log *log)
{
	return &log->slots.current;
}

/* ---- ops and completions ---- */

static bool is_open_for_writing(const struct store_log *log)
{
	return log->condition == QR_OK || log->condition == QR_NO_SPACE;
}

unsigned store_log_poll(struct store_log *log, struct store_op *ops, unsigned max)
{
	unsigned taken = 0;

	if (log->condition == QR_POISONED || log->condition == QR_CORRUPT)
		return 0;
	/* Hard state first: elections wait for it. */
	if (taken < max)
		taken += store_slots_poll(log, &ops[taken]);
	if (log->condition == QR_AGAIN)
		taken += store_recovery_poll(log, ops + taken, max - taken);
	if (log->condition == QR_AGAIN && taken < max)
		taken += store_repair_poll(log, &ops[taken]);
	if (store_is_mending(log) && taken < max)
		taken += store_snapshot_poll(log, &ops[taken]);
	if (taken < max)
		taken += store_scrub_poll(log, &ops[taken]);
	if (!is_open_for_writing(log) || log->snapshots.phase == STORE_SNAPSHOT_NAME)
		return taken;
	taken += store_writes_poll(log, ops + taken, max - taken);
	if (taken < max)
		taken += store_segments_poll(log, &ops[taken]);
	if (taken < max)
		taken += store_repair_poll(log, &ops[taken]);
	if (taken < max)
		taken += store_snapshot_poll(log, &ops[taken]);
	if (taken < max)
		taken += store_give_poll(log, &ops[taken]);
	return taken;
}

void store_log_complete(struct store_log *log, const struct store_completion *completion,
			qr_ns now_ns)
{
	uint64_t tag = completion->tag & ~STORE_TAG_LOG;
	uint32_t number = (uint32_t)tag;

	(void)now_ns;
	QR_ASSERT((completion->tag & STORE_TAG_LOG) != 0);
	QR_ASSERT(completion->group == log->parameters.group);
	log->completions++;
	switch ((enum store_part)(tag >> 32)) {
	case STORE_PART_WRITE:
		store_writes_complete(log, number, completion->result);
		break;
	case STORE_PART_SCRUB:
		store_scrub_complete(log, completion->result);
		break;
	case STORE_PART_SEGMENTS:
		store_segments_complete(log, completion->result);
		break;
	case STORE_PART_DROP:
		store_segments_dropped(log, completion->result);
		break;
	case STORE_PART_SLOTS:
		store_slots_complete(log, completion->result);
		break;
	case STORE_PART_RECOVERY:
		store_recovery_complete(log, number, completion->result);
		break;
	case STORE_PART_RECOVERY_SLOTS:
		store_recovery_complete_slots(log, completion->result);
		break;
	case STORE_PART_RECOVERY_SYNC:
		store_recovery_complete_sync(log, completion->result);
		break;
	case STORE_PART_SNAPSHOT:
		store_snapshot_complete(log, completion->result);
		break;
	case STORE_PART_REPAIR:
		store_repair_complete(log, completion->result);
		break;
	case STORE_PART_GIVE:
		store_give_complete(log, completion->result);
		break;
	case STORE_PART_RESTORE:
		store_restore_complete(log, completion->result);
		break;
	default:
		QR_ASSERT(false);
	}
}

void store_log_poison(struct store_log *log)
{
	log->condition = QR_POISONED;
	log->open.active = false;
}

void store_log_retry(struct store_log *log)
{
	if (!is_open_for_writing(log))
		return;
	log->segments.full = false;
	log->segments.stuck = false;
	store_slots_touch(log);
}

/* ---- the suffix and the window ---- */

void store_truncate(struct store_log *log, qr_index to, uint64_t generation)
{
	QR_ASSERT(to <= log->last.index && to >= log->released);
	QR_ASSERT(to >= log->slots.current.settled.index);
	QR_ASSERT(generation >= log->generation);
	log->generation = generation;
	log->open.active = false;
	store_writes_truncate(log, to);
	store_index_truncate(log, to);
	store_scrub_from(log, log->last.block);
}

void store_release(struct store_log *log, qr_index index)
{
	const struct store_index_entry *entry = store_index_at(log, index);
	qr_block end;

	QR_ASSERT(index <= log->last.index);
	if (index <= log->released)
		return;
	log->released = index;
	if (entry == NULL)
		return; /* older than anything that the window can hold */
	end = entry->block + entry->blocks;
	if (log->released_block < end)
		log->released_block = end;
}

/** `low`: the window holds nothing below it that is still needed. */
static qr_block limit_above(const struct store_log *log, qr_block low)
{
	qr_block ready = store_segment_block(log, log->segments.ready);
	qr_block limit;

	if (low > log->writes.flushed.block)
		low = log->writes.flushed.block;
	limit = low + log->window_blocks;
	if (limit > ready)
		limit = ready;
	if (log->writes.stale_count == 0)
		return limit;
	/*
	 * The device still reads what was cut off, between stale_block and `end`. After a cut far
	 * below (of entries that were on the disk when the log was opened) that memory may even lie
	 * at the tail's own place in the ring.
	 */
	if (limit > log->writes.stale_block)
		limit = log->writes.stale_block;
	if (log->last.block + log->window_blocks < log->writes.end)
		limit = log->last.block;
	return limit;
}

qr_block store_log_limit(const struct store_log *log)
{
	return limit_above(log, log->released_block);
}

qr_block store_log_limit_overdrawn(const struct store_log *log)
{
	return limit_above(log, log->released_block + log->window_blocks / 2);
}

/* ---- queries ---- */

struct raft_position store_log_durable(const struct store_log *log)
{
	const struct store_writes *writes = &log->writes;
	struct store_prefix prefix = writes->flushed;

	if (log->parameters.lazy && log->condition != QR_POISONED)
		prefix = store_index_prefix(log, writes->queued);
	return (struct raft_position){
		.index = prefix.index, .term = prefix.term, .generation = log->generation};
}

uint64_t store_log_state_durable(const struct store_log *log)
{
	return log->slots.durable_generation;
}

uint64_t store_log_owed(const struct store_log *log)
{
	bool waits = log->condition == QR_NO_SPACE && log->segments.preparing;

	return log->slots.inflight || waits ? log->completions + 1 : 0;
}

enum qr_error store_log_condition(const struct store_log *log)
{
	return log->condition;
}

bool store_log_has_slot(const struct store_log *log)
{
	const struct store_writes *writes = &log->writes;

	return is_open_for_writing(log) && writes->issued == writes->queued &&
	       writes->inflight < log->parameters.write_depth && writes->count < STORE_WRITES_MAX &&
	       !store_scrub_is_active(log);
}

unsigned store_log_pending(const struct store_log *log)
{
	const struct store_writes *writes = &log->writes;

	return writes->inflight + (unsigned)(writes->queued - writes->issued) +
	       (store_scrub_is_active(log) ? 1 : 0);
}

qr_index store_log_last(const struct store_log *log)
{
	return log->last.index;
}

enum qr_error store_log_offset_after(const struct store_log *log, qr_index index,
				     qr_offset *ret_offset)
{
	QR_ASSERT(index <= log->last.index);
	if (!store_index_knows(log, index))
		return QR_NOT_FOUND;
	*ret_offset = store_index_prefix(log, index).offset;
	return QR_OK;
}

enum qr_error store_log_block_after(const struct store_log *log, qr_index index,
				    qr_block *ret_block)
{
	QR_ASSERT(index <= log->last.index);
	if (!store_index_knows(log, index))
		return QR_NOT_FOUND;
	*ret_block = store_index_prefix(log, index).block;
	return QR_OK;
}

qr_offset store_log_end(const struct store_log *log)
{
	return log->last.offset;
}

qr_block store_log_tail(const struct store_log *log)
{
	return log->last.block;
}

struct store_log_counters store_log_counters(const struct store_log *log)
{
	return log->counters;
}
