/*
 * What recovery asks of the disk: both slots, strides a few ahead, and a sync of what it has read.
 */
#include "consensus/base/assert.h"
#include "storage/engine/internal.h"

static struct store_recovery_read *read_of(struct store_log *log, uint64_t stride)
{
	return &log->recovery.reads[stride % (log->recovery.ahead + 1)];
}

uint8_t *store_recovery_memory(const struct store_log *log, uint64_t stride)
{
	const struct store_recovery *recovery = &log->recovery;

	if (recovery->phase == STORE_RECOVERY_LOOK && stride > recovery->stride_hole) {
		stride = recovery->stride_hole + 1 +
			 (stride - recovery->stride_hole - 1) % recovery->ahead;
	}
	return store_window_at(log, stride * log->stride_blocks);
}

uint64_t store_recovery_tail_stride(const struct store_log *log)
{
	uint64_t stride = log->last.block / log->stride_blocks;

	return stride < log->recovery.stride_first ? log->recovery.stride_first : stride;
}

/** One past the last stride that may be asked for now. */
static uint64_t read_bound(const struct store_log *log)
{
	const struct store_recovery *recovery = &log->recovery;
	uint64_t bound = 0;

	if (recovery->phase == STORE_RECOVERY_SCAN) {
		bound = log->last.block / log->stride_blocks + recovery->ahead + 1;
	} else if (recovery->phase == STORE_RECOVERY_LOOK) {
		bound = recovery->stride_look + recovery->ahead;
	}
	return bound < recovery->stride_count ? bound : recovery->stride_count;
}

static void ask_stride(struct store_log *log, struct store_op *ret_op)
{
	struct store_recovery *recovery = &log->recovery;
	uint64_t stride = recovery->stride_next++;
	struct store_recovery_read *read = read_of(log, stride);

	QR_ASSERT(!read->inflight);
	*read = (struct store_recovery_read){.stride = stride, .inflight = true};
	*ret_op = (struct store_op){
		.kind = STORE_OP_READ,
		.data = store_recovery_memory(log, stride),
		.size_bytes = log->stride_blocks * QR_BLOCK_BYTES,
		.blocks = log->stride_blocks,
		.tag = store_tag(STORE_PART_RECOVERY, (uint32_t)(stride % (recovery->ahead + 1))),
	};
	store_op_locate(log, ret_op, stride * log->stride_blocks);
}

bool store_recovery_wants_sync(const struct store_log *log)
{
	const struct store_recovery *recovery = &log->recovery;
	uint64_t next = recovery->sync_next;

	return recovery->phase == STORE_RECOVERY_SYNC && !log->parameters.lazy &&
	       next < log->segments.ready &&
	       store_segment_block(log, next) < store_reach(log, log->last.block);
}

unsigned store_recovery_poll(struct store_log *log, struct store_op *ops, unsigned max)
{
	struct store_recovery *recovery = &log->recovery;
	unsigned taken = 0;

	if (recovery->phase == STORE_RECOVERY_SLOTS && !recovery->slots_asked && max > 0) {
		ops[taken++] = (struct store_op){
			.kind = STORE_OP_READ_SLOTS,
			.group = log->parameters.group,
			.data = log->slots.blocks,
			.size_bytes = STORE_SLOTS * STORE_SLOT_BYTES,
			.blocks = STORE_SLOTS,
			.tag = store_tag(STORE_PART_RECOVERY_SLOTS, 0),
		};
		recovery->slots_asked = true;
		recovery->slots_result = QR_AGAIN;
	}
	if (recovery->phase == STORE_RECOVERY_RESET && recovery->reset_is_stable && taken < max &&
	    log->segments.first < log->segments.ready)
		taken += store_segments_drop(log, &ops[taken]);
	if (recovery->phase == STORE_RECOVERY_STATE && taken < max)
		taken += store_restore_poll(log, &ops[taken]);
	while (taken < max && recovery->stride_next < read_bound(log))
		ask_stride(log, &ops[taken++]);
	if (taken < max && store_recovery_wants_sync(log) && !recovery->sync_inflight) {
		ops[taken++] = (struct store_op){
			.kind = STORE_OP_SYNC,
			.group = log->parameters.group,
			.segment = recovery->sync_next,
			.tag = store_tag(STORE_PART_RECOVERY_SYNC, 0),
		};
		recovery->sync_inflight = true;
	}
	return taken;
}

void store_recovery_complete(struct store_log *log, uint32_t number, enum qr_error result)
{
	struct store_recovery_read *read;

	QR_ASSERT(number <= log->recovery.ahead);
	read = &log->recovery.reads[number];
	QR_ASSERT(read->inflight);
	read->inflight = false;
	read->done = true;
	read->result = result;
}

void store_recovery_complete_sync(struct store_log *log, enum qr_error result)
{
	QR_ASSERT(log->recovery.sync_inflight);
	log->recovery.sync_inflight = false;
	log->recovery.sync_next++;
	if (result != QR_OK)
		store_log_poison(log);
}

void store_recovery_complete_slots(struct store_log *log, enum qr_error result)
{
	QR_ASSERT(log->recovery.slots_asked && log->recovery.slots_result == QR_AGAIN);
	log->recovery.slots_result = result;
}

enum qr_error store_recovery_stride_state(struct store_log *log, uint64_t stride)
{
	const struct store_recovery_read *read = read_of(log, stride);

	if (stride < log->recovery.stride_first || stride >= log->recovery.stride_count)
		return QR_NOT_FOUND;
	if (read->stride != stride || !read->done)
		return QR_AGAIN;
	if (read->result == QR_OK)
		return QR_OK;
	return read->result == QR_NOT_FOUND ? QR_CORRUPT : QR_IO; /* a file that ends too soon */
}
