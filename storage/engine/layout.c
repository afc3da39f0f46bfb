/*
 * The leader's open entry: memory at the tail of the window that is filled in place and closed
 * once.
 *
 * It lies at its final position from the start, so closing copies nothing: it pads, sums the
 * payload in one pass and writes the header. Nothing of an open entry is on the disk; a crash
 * forgets it.
 */
#include "consensus/base/assert.h"
#include "consensus/base/crc.h"
#include "storage/engine/internal.h"

#include <string.h>

/** Where an entry of `blocks` blocks after the last one begins. */
static qr_block place_for(const struct store_log *log, uint32_t blocks)
{
	qr_block tail = log->last.block;

	return blocks <= store_stride_rest(log, tail) ? tail : store_stride_end(log, tail);
}

/** When the disk is full, what is left is kept for what leaders need to work at all, and to make
 * room. */
static bool is_for_reserve(enum raft_entry_kind kind)
{
	return kind == RAFT_ENTRY_NOOP || kind == RAFT_ENTRY_CONFIGURATION ||
	       kind == RAFT_ENTRY_TRIM;
}

/** Without its no-op a leader commits nothing, and what is not committed frees no room. */
static qr_block limit_for(const struct store_log *log, enum raft_entry_kind kind)
{
	qr_block limit = store_log_limit(log);
	qr_block top = store_segments_reserve(log);

	if (is_for_reserve(kind))
		return store_log_limit_overdrawn(log);
	return limit < top ? limit : top;
}

enum qr_error store_entry_open(struct store_log *log, qr_term term, enum raft_entry_kind kind,
			       uint32_t room_bytes)
{
	uint64_t bytes = (uint64_t)STORE_ENTRY_HEADER_BYTES + room_bytes;
	uint32_t blocks = qr_blocks_for(bytes);
	qr_block block;

	QR_ASSERT(!log->open.active);
	QR_ASSERT(term > 0 && term >= log->last.term);
	if (log->condition == QR_NO_SPACE) {
		if (!is_for_reserve(kind))
			return QR_NO_SPACE;
	} else if (log->condition != QR_OK) {
		return log->condition == QR_AGAIN ? QR_BUSY : log->condition;
	}
	if (bytes > (uint64_t)log->stride_blocks * QR_BLOCK_BYTES)
		return QR_TOO_LARGE;
	block = place_for(log, blocks);
	if (block + blocks > limit_for(log, kind))
		return log->condition == QR_NO_SPACE ? QR_NO_SPACE : QR_BUSY;
	log->open = (struct store_open){.active = true, .kind = kind, .term = term, .block = block};
	store_window_touch(log, block + 1);
	return QR_OK;
}

bool store_entry_is_open(const struct store_log *log)
{
	return log->open.active;
}

uint32_t store_entry_room(const struct store_log *log)
{
	qr_block end = log->open.block + store_stride_rest(log, log->open.block);
	qr_block limit = limit_for(log, log->open.kind);
	uint64_t bytes;

	QR_ASSERT(log->open.active);
	if (end > limit)
		end = limit;
	QR_ASSERT(end > log->open.block);
	bytes = (end - log->open.block) * QR_BLOCK_BYTES;
	return (uint32_t)(bytes - STORE_ENTRY_HEADER_BYTES - log->open.used_bytes);
}

uint32_t store_entry_used(const struct store_log *log)
{
	QR_ASSERT(log->open.active);
	return log->open.used_bytes;
}

uint8_t *store_entry_take(struct store_log *log, uint32_t size_bytes)
{
	struct store_open *open = &log->open;
	uint32_t start = STORE_ENTRY_HEADER_BYTES + open->used_bytes;
	qr_block end;

	QR_ASSERT(open->active);
	QR_ASSERT(size_bytes <= store_entry_room(log));
	open->used_bytes += size_bytes;
	end = open->block + qr_blocks_for((uint64_t)start + size_bytes);
	store_window_touch(log, end);
	return store_window_at(log, open->block) + start;
}

qr_index store_entry_index(const struct store_log *log)
{
	return log->last.index + 1;
}

void store_entry_untake(struct store_log *log, uint32_t size_bytes)
{
	QR_ASSERT(log->open.active);
	QR_ASSERT(size_bytes <= log->open.used_bytes);
	log->open.used_bytes -= size_bytes;
}

struct store_entry store_entry_close(struct store_log *log, uint32_t record_count, qr_index commit,
				     uint64_t time_ns)
{
	const struct store_open *open = &log->open;
	uint8_t *bytes = store_window_at(log, open->block);
	uint32_t used = STORE_ENTRY_HEADER_BYTES + open->used_bytes;
	struct store_entry entry = {
		.kind = open->kind,
		.cluster = log->parameters.cluster,
		.group = log->parameters.group,
		.index = log->last.index + 1,
		.term = open->term,
		.block = open->block,
		.blocks = qr_blocks_for(used),
		.payload_bytes = open->used_bytes,
		.payload_crc = qr_crc32c(0, bytes + STORE_ENTRY_HEADER_BYTES, open->used_bytes),
		.first_offset = log->last.offset,
		.record_count = record_count,
		.chain = log->last.chain,
		.commit = commit,
		.time_ns = time_ns,
	};

	QR_ASSERT(open->active);
	QR_ASSERT(commit <= log->last.index);
	memset(bytes + used, 0, (size_t)entry.blocks * QR_BLOCK_BYTES - used);
	store_entry_encode(bytes, &entry);
	store_index_append(log, &entry, store_entry_digest(bytes));
	log->open.active = false;
	return entry;
}

void store_entry_drop(struct store_log *log)
{
	log->open.active = false;
}
