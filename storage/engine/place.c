/*
 * A follower's fragments: bytes of entries that are not accepted yet go straight to their final
 * position in the window, in any order; when an entry is whole it is verified and accepted.
 *
 * What has been accepted may be on its way to the disk or to a peer: bytes below the tail never
 * change. Above it nothing is believed until store_accept has seen every byte: a fragment of an
 * older attempt, or of another leader, only makes a checksum fail.
 */
#include "consensus/base/assert.h"
#include "storage/engine/internal.h"

#include <string.h>

/** Whether the log takes entries from a leader. */
static enum qr_error placing_condition(const struct store_log *log)
{
	if (log->condition == QR_OK || log->condition == QR_NO_SPACE)
		return QR_OK; /* ready segments are still there: `limit` tells where they end */
	return log->condition == QR_AGAIN ? QR_BUSY : log->condition;
}

enum qr_error store_place(struct store_log *log, qr_block block, uint32_t offset,
			  struct qr_span bytes)
{
	enum qr_error error = placing_condition(log);
	uint64_t end_bytes = (uint64_t)offset + bytes.size_bytes;
	qr_block limit;
	qr_block end;

	if (error != QR_OK)
		return error;
	if (block < log->last.block || log->open.active ||
	    block < store_segment_block(log, log->segments.first))
		return QR_STALE;
	if (bytes.size_bytes > UINT32_MAX ||
	    end_bytes > (uint64_t)store_stride_rest(log, block) * QR_BLOCK_BYTES)
		return QR_MALFORMED;
	limit = store_log_limit_overdrawn(log);
	end = qr_blocks_for(end_bytes);
	if (block >= limit || end > limit - block)
		return QR_BUSY;
	end += block;
	if (bytes.size_bytes != 0)
		memcpy(store_window_at(log, block) + offset, bytes.data, bytes.size_bytes);
	store_window_touch(log, end);
	return QR_OK;
}

/** The place where the entry after the last one may lie. */
static bool is_next_place(const struct store_log *log, qr_block block)
{
	return (block == log->last.block || block == store_stride_end(log, log->last.block)) &&
	       block >= store_segment_block(log, log->segments.first);
}

enum qr_error store_accept(struct store_log *log, qr_block block, uint32_t entry_bytes,
			   struct store_entry *ret_entry)
{
	struct store_expected expected = {
		.cluster = log->parameters.cluster,
		.group = log->parameters.group,
		.index = log->last.index + 1,
		.term_min = log->last.term,
		.block = block,
		.blocks_max = store_stride_rest(log, block),
		.linked = true,
		.chain = log->last.chain,
		.first_offset = log->last.offset,
	};
	uint8_t *bytes = store_window_at(log, block);
	struct store_entry entry;
	enum qr_error error = placing_condition(log);

	if (error != QR_OK)
		return error;
	if (block < log->last.block || log->open.active || !is_next_place(log, block))
		return QR_STALE;
	if (entry_bytes < STORE_ENTRY_HEADER_BYTES ||
	    qr_blocks_for(entry_bytes) > expected.blocks_max ||
	    block + qr_blocks_for(entry_bytes) > store_log_limit_overdrawn(log))
		return QR_MALFORMED;
	error = store_entry_decode(bytes, &entry);
	if (error != QR_OK)
		return error == QR_NOT_FOUND ? QR_CHECKSUM : error;
	error = store_entry_check_place(&entry, &expected);
	if (error != QR_OK)
		return error;
	if (store_entry_bytes(&entry) != entry_bytes)
		return QR_MALFORMED;
	error = store_entry_check_payload(bytes, &entry);
	if (error != QR_OK)
		return error;
	/* Padding is part of the layout but does not travel. */
	memset(bytes + entry_bytes, 0, (size_t)entry.blocks * QR_BLOCK_BYTES - entry_bytes);
	store_window_touch(log, block + entry.blocks);
	store_index_append(log, &entry, store_entry_digest(bytes));
	*ret_entry = entry;
	return QR_OK;
}
