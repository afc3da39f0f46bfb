/*
 * An entry that the disk has lost is written again, at its own place, from bytes that a peer gave.
 *
 * Only what is committed and was durable here is ever repaired, in a running log or by recovery, so
 * no other write can meet this one, and nothing that it stands for can be cut off. The bytes are
 * judged as if they had been read: the whole entry, at its position, after its predecessor. A crash
 * in the middle leaves the entry as damaged as it was, or torn; it is found again.
 */
#include "consensus/base/assert.h"
#include "storage/engine/internal.h"

#include <string.h>

bool store_is_mending(const struct store_log *log)
{
	return log->condition == QR_AGAIN && log->recovery.phase == STORE_RECOVERY_MEND;
}

/** Committed, and durable here once; at a start, the entry that recovery waits for. */
static enum qr_error check_range(const struct store_log *log, qr_index index, qr_block end)
{
	qr_block ready = store_segment_block(log, log->segments.ready);
	bool belongs = index <= log->writes.flushed.index && index <= log->released &&
		       index > log->origin.base.index && end <= log->writes.flushed.block;

	if (store_is_mending(log)) {
		belongs = index == log->last.index + 1 &&
			  index <= log->slots.current.settled.index && end <= ready;
	} else if (log->condition != QR_OK && log->condition != QR_NO_SPACE) {
		return log->condition;
	}
	return belongs ? QR_OK : QR_OUT_OF_RANGE;
}

enum qr_error store_repair_write(struct store_log *log, const struct store_missing *missing,
				 qr_block block, uint8_t *bytes, uint32_t entry_bytes)
{
	struct store_repair *repair = &log->repair;
	uint32_t blocks = qr_blocks_for(entry_bytes);
	struct store_expected expected = {
		.cluster = log->parameters.cluster,
		.group = log->parameters.group,
		.index = missing->before.index + 1,
		.term_min = missing->before.term,
		.block = block,
		.blocks_max = blocks,
		.linked = missing->linked,
		.chain = missing->before.chain,
		.first_offset = missing->before.offset,
	};
	struct store_entry entry;
	enum qr_error error;

	QR_ASSERT(!store_repair_is_busy(log));
	error = check_range(log, expected.index, block + blocks);
	if (error != QR_OK)
		return error;
	if (block != missing->before.block &&
	    (missing->placed || block != store_stride_end(log, missing->before.block)))
		return QR_STALE;
	if (blocks > store_stride_rest(log, block))
		return QR_MALFORMED;
	memset(bytes + entry_bytes, 0, (size_t)blocks * QR_BLOCK_BYTES - entry_bytes);
	error = store_entry_verify(bytes, &expected, &entry);
	if (error != QR_OK)
		return error;
	if (store_entry_bytes(&entry) != entry_bytes ||
	    (missing->digest != 0 && store_entry_digest(bytes) != missing->digest))
		return QR_STALE;
	*repair = (struct store_repair){
		.block = block, .blocks = blocks, .data = bytes, .wanted = true};
	return QR_OK;
}

bool store_repair_is_busy(const struct store_log *log)
{
	bool goes_on =
		log->condition == QR_OK || log->condition == QR_NO_SPACE || store_is_mending(log);

	return log->repair.inflight || (goes_on && log->repair.wanted);
}

unsigned store_repair_poll(struct store_log *log, struct store_op *ret_op)
{
	struct store_repair *repair = &log->repair;

	if (!repair->wanted)
		return 0;
	if (repair->block < store_segment_block(log, log->origin.segment)) {
		repair->wanted = false; /* given up meanwhile */
		return 0;
	}
	*ret_op = (struct store_op){.kind = store_write_kind(log),
				    .data = repair->data,
				    .size_bytes = repair->blocks * QR_BLOCK_BYTES,
				    .blocks = repair->blocks,
				    .tag = store_tag(STORE_PART_REPAIR, 0)};
	store_op_locate(log, ret_op, repair->block);
	repair->wanted = false;
	repair->inflight = true;
	return 1;
}

void store_repair_complete(struct store_log *log, enum qr_error result)
{
	QR_ASSERT(log->repair.inflight);
	log->repair.inflight = false;
	if (result != QR_OK) {
		store_log_poison(log);
	} else {
		log->counters.repairs++;
	}
}
