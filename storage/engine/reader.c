/*
 * Cold reads: verified entries, streamed from the segments through a buffer of the reader's own.
 *
 * The buffer is one part or two; each takes whole strides, from the entry that is wanted to the end
 * of a stride, so that no entry ever crosses from one part to the next. While one is consumed the
 * other is read. Nothing beyond the durable prefix is ever asked for; when that prefix grows, so
 * does what the reader gives.
 *
 * An entry is given when its header, payload and padding hold, its position is right, and it is the
 * successor by chain of the one before. What was read ahead above the commit index may be cut off
 * meanwhile and replaced: then what the parts hold is the past, and is read again. Where the reader
 * starts, the link is known if the index
 * still has the entry in front; otherwise the first one is verified by itself.
 */
#include "consensus/base/assert.h"
#include "storage/engine/internal.h"

#define READER_PARTS 2

/* PART_VOID: in flight, and of no use when it comes: what it reads has been cut off. */
enum part_state { PART_EMPTY, PART_WANTED, PART_INFLIGHT, PART_VOID, PART_READY };

struct part {
	enum part_state state;
	qr_block block;
	uint32_t blocks;
	uint8_t *data;
};

struct store_reader {
	uint8_t *buffer;
	uint32_t buffer_blocks;

	struct store_log *log; /* NULL: stopped */
	uint64_t tag;
	uint32_t part_blocks; /* of each part: whole strides */
	uint32_t part_count;
	uint32_t current;
	struct part parts[READER_PARTS];
	bool inflight;
	uint64_t completions;
	enum qr_error error; /* stays */

	struct store_prefix before; /* the prefix in front of the next entry */
	bool linked;		    /* all of it is known, not only its index and block */
	bool placed;		    /* the next entry begins at before.block, if it is there */
	qr_block behind;	    /* where the entry before ends: before.block, without a gap */
	uint64_t generation;	    /* of the log when the parts were filled */
	bool by_offset;		    /* skip up to the record `offset`, else up to entry `index` */
	qr_index index;
	qr_offset offset;
};

struct store_reader *store_reader_create(struct qr_arena *arena, uint32_t buffer_blocks)
{
	struct store_reader *reader = qr_arena_take(arena, sizeof(*reader), 64);
	uint8_t *buffer =
		qr_arena_take(arena, (size_t)buffer_blocks * QR_BLOCK_BYTES, QR_BLOCK_BYTES);

	QR_ASSERT(buffer_blocks > 0);
	if (reader == NULL)
		return NULL;
	reader->buffer = buffer;
	reader->buffer_blocks = buffer_blocks;
	return reader;
}

struct qr_span store_reader_buffer(const struct store_reader *reader)
{
	return (struct qr_span){reader->buffer, (size_t)reader->buffer_blocks * QR_BLOCK_BYTES};
}

static void start(struct store_reader *reader, struct store_log *log, uint64_t tag)
{
	uint32_t strides = reader->buffer_blocks / log->stride_blocks;

	QR_ASSERT(!reader->inflight && reader->log == NULL);
	QR_ASSERT(strides >= 1);
	QR_ASSERT((tag & STORE_TAG_LOG) == 0);
	reader->log = log;
	reader->tag = tag;
	reader->part_count = strides >= READER_PARTS ? READER_PARTS : 1;
	reader->part_blocks = strides / reader->part_count * log->stride_blocks;
	reader->current = 0;
	reader->generation = log->generation;
	reader->error = QR_OK;
	for (uint32_t i = 0; i < reader->part_count; i++) {
		reader->parts[i] = (struct part){
			.data = reader->buffer + (size_t)i * reader->part_blocks * QR_BLOCK_BYTES};
	}
}

/** Begin at a checkpoint, or right at an entry when it is still in the dense index. */
static void begin_at(struct store_reader *reader, struct store_checkpoint checkpoint)
{
	const struct store_log *log = reader->log;
	qr_index before = checkpoint.index - 1;

	reader->linked = store_index_knows(log, before);
	if (reader->linked) {
		reader->before = store_index_prefix(log, before);
	} else {
		reader->before = (struct store_prefix){.index = before};
	}
	reader->behind = reader->linked ? reader->before.block : checkpoint.block;
	/* Where the entry itself begins: behind a gap that its predecessor cannot know of. */
	reader->before.block = checkpoint.block;
	reader->placed = true;
}

void store_reader_start_index(struct store_reader *reader, struct store_log *log, qr_index index,
			      uint64_t tag)
{
	const struct store_index_entry *entry = store_index_at(log, index);
	struct store_checkpoint checkpoint = store_index_before(log, index);

	QR_ASSERT(index >= 1);
	start(reader, log, tag);
	reader->by_offset = false;
	reader->index = index;
	if (entry != NULL) {
		checkpoint = (struct store_checkpoint){
			.index = index, .first_offset = entry->first_offset, .block = entry->block};
	}
	begin_at(reader, checkpoint);
}

void store_reader_start_at(struct store_reader *reader, struct store_log *log,
			   const struct store_missing *missing, uint64_t tag)
{
	start(reader, log, tag);
	reader->by_offset = false;
	reader->index = missing->before.index + 1;
	reader->linked = missing->linked;
	reader->before = missing->before;
	reader->behind = missing->before.block;
	reader->placed = missing->placed;
}

void store_reader_start_offset(struct store_reader *reader, struct store_log *log, qr_offset offset,
			       uint64_t tag)
{
	start(reader, log, tag);
	reader->by_offset = true;
	reader->offset = offset;
	begin_at(reader, store_index_before_offset(log, offset));
}

/* ---- the buffer ---- */

static bool is_inflight(const struct part *part)
{
	return part->state == PART_INFLIGHT || part->state == PART_VOID;
}

/** A suffix was cut off since the parts were filled: they may hold it. */
static void forget_what_was_cut(struct store_reader *reader)
{
	if (reader->generation == reader->log->generation)
		return;
	reader->generation = reader->log->generation;
	for (uint32_t i = 0; i < reader->part_count; i++) {
		struct part *part = &reader->parts[i];

		part->state = is_inflight(part) ? PART_VOID : PART_EMPTY;
	}
	reader->before.block = reader->behind;
	if (reader->linked)
		reader->placed = false;
}

/** What to read from `block` on: to the end of a stride, of the segment, of what is durable. */
static uint32_t extent(const struct store_reader *reader, qr_block block)
{
	const struct store_log *log = reader->log;
	uint32_t segment_blocks = log->parameters.geometry.segment_blocks;
	qr_block end = block / log->stride_blocks * log->stride_blocks + reader->part_blocks;
	qr_block segment_end = (block / segment_blocks + 1) * segment_blocks;

	if (end > segment_end)
		end = segment_end;
	if (end > log->writes.flushed.block)
		end = log->writes.flushed.block;
	return end > block ? (uint32_t)(end - block) : 0;
}

static bool part_holds(const struct part *part, qr_block block)
{
	return part->state != PART_EMPTY && part->state != PART_VOID && block >= part->block &&
	       block - part->block < part->blocks;
}

static void want(const struct store_reader *reader, struct part *part, qr_block block)
{
	uint32_t blocks = extent(reader, block);

	QR_ASSERT(!is_inflight(part));
	part->state = blocks > 0 ? PART_WANTED : PART_EMPTY;
	part->block = block;
	part->blocks = blocks;
}

/** The bytes at `block`, or NULL while they are being read. */
static const uint8_t *bytes_at(struct store_reader *reader, qr_block block)
{
	struct part *current = &reader->parts[reader->current];
	struct part *other = &reader->parts[(reader->current + 1) % reader->part_count];

	if (!part_holds(current, block) && part_holds(other, block)) {
		struct part *swapped = current;

		reader->current = (uint32_t)(other - reader->parts);
		current = other;
		other = swapped;
	}
	if (!part_holds(current, block) && !is_inflight(current))
		want(reader, current, block);
	if (current->state != PART_READY || !part_holds(current, block))
		return NULL;
	/* Read ahead while this part is consumed. */
	if (other != current && !is_inflight(other) && other->state != PART_WANTED &&
	    !part_holds(other, current->block + current->blocks))
		want(reader, other, current->block + current->blocks);
	return current->data + (size_t)(block - current->block) * QR_BLOCK_BYTES;
}

unsigned store_reader_poll(struct store_reader *reader, struct store_op *ret_op)
{
	struct part *part = &reader->parts[reader->current];

	if (reader->log == NULL || reader->inflight || reader->error != QR_OK)
		return 0;
	forget_what_was_cut(reader);
	if (part->state != PART_WANTED)
		part = &reader->parts[(reader->current + 1) % reader->part_count];
	if (part->state != PART_WANTED)
		return 0;
	*ret_op = (struct store_op){.kind = STORE_OP_READ,
				    .data = part->data,
				    .size_bytes = part->blocks * QR_BLOCK_BYTES,
				    .blocks = part->blocks,
				    .tag = reader->tag};
	store_op_locate(reader->log, ret_op, part->block);
	part->state = PART_INFLIGHT;
	reader->inflight = true;
	return 1;
}

void store_reader_complete(struct store_reader *reader, const struct store_completion *completion)
{
	QR_ASSERT(reader->inflight);
	reader->inflight = false;
	reader->completions++;
	if (reader->log == NULL)
		return; /* stopped meanwhile */
	QR_ASSERT(completion->tag == reader->tag);
	forget_what_was_cut(reader);
	for (uint32_t i = 0; i < reader->part_count; i++) {
		struct part *part = &reader->parts[i];

		if (is_inflight(part))
			part->state = part->state == PART_VOID ? PART_EMPTY : PART_READY;
	}
	if (completion->result != QR_OK)
		reader->error = completion->result == QR_NOT_FOUND ? QR_CORRUPT : QR_IO;
}

/* ---- entries ---- */

/** The entry after `before`, if it starts at `block`. */
static enum qr_error probe(struct store_reader *reader, qr_block block,
			   struct store_entry *ret_entry, const uint8_t **ret_bytes)
{
	const struct store_log *log = reader->log;
	const uint8_t *bytes;
	struct store_expected expected = {
		.cluster = log->parameters.cluster,
		.group = log->parameters.group,
		.index = reader->before.index + 1,
		.term_min = reader->before.term,
		.block = block,
		.linked = reader->linked,
		.chain = reader->before.chain,
		.first_offset = reader->before.offset,
	};

	if (block >= log->writes.flushed.block)
		return QR_NOT_FOUND;
	bytes = bytes_at(reader, block);
	if (bytes == NULL)
		return QR_AGAIN;
	expected.blocks_max = store_stride_rest(log, block);
	if (log->writes.flushed.block - block < expected.blocks_max)
		expected.blocks_max = (uint32_t)(log->writes.flushed.block - block);
	*ret_bytes = bytes;
	return store_entry_verify(bytes, &expected, ret_entry);
}

/**
 * An entry that the index still has is where it says, and is that one. Without this a cut suffix
 * whose zeros the device has lost would be read in place of what replaced it: both are successors
 * of the entry before.
 */
static enum qr_error step_known(struct store_reader *reader, const struct store_index_entry *known,
				struct store_entry *ret_entry, const uint8_t **ret_bytes)
{
	enum qr_error error;

	reader->before.block = known->block;
	error = probe(reader, known->block, ret_entry, ret_bytes);
	if (error == QR_OK && store_entry_digest(*ret_bytes) != known->digest)
		return QR_STALE;
	return error;
}

/** The next entry at either of its two places; or at its one, where that is known. */
static enum qr_error step(struct store_reader *reader, struct store_entry *ret_entry,
			  const uint8_t **ret_bytes)
{
	const struct store_index_entry *known =
		store_index_at(reader->log, reader->before.index + 1);
	qr_block tail = reader->before.block;
	qr_block next = store_stride_end(reader->log, tail);
	enum qr_error error;

	if (known != NULL)
		return step_known(reader, known, ret_entry, ret_bytes);
	error = probe(reader, tail, ret_entry, ret_bytes);
	if (error == QR_OK || error == QR_AGAIN || next == tail || reader->placed)
		return error;
	reader->before.block = next; /* a gap: do not look there again */
	return probe(reader, next, ret_entry, ret_bytes);
}

static bool is_wanted(const struct store_reader *reader, const struct store_entry *entry)
{
	if (reader->by_offset)
		return entry->first_offset + entry->record_count > reader->offset;
	return entry->index >= reader->index;
}

enum qr_error store_reader_next(struct store_reader *reader, struct store_location *ret_location,
				struct qr_span *ret_bytes)
{
	struct store_entry entry;
	const uint8_t *bytes = NULL;
	enum qr_error error;

	QR_ASSERT(reader->log != NULL);
	forget_what_was_cut(reader);
	do {
		if (reader->error != QR_OK)
			return reader->error;
		if (reader->before.index >= reader->log->writes.flushed.index)
			return QR_NOT_FOUND;
		error = step(reader, &entry, &bytes);
		if (error == QR_AGAIN)
			return QR_AGAIN;
		if (error != QR_OK) {
			reader->error = QR_CORRUPT;
			return QR_CORRUPT;
		}
		reader->before = store_index_prefix_after(&entry, store_entry_digest(bytes));
		reader->behind = reader->before.block;
		reader->linked = true;
		reader->placed = false;
	} while (!is_wanted(reader, &entry));

	*ret_location = (struct store_location){
		.index = entry.index,
		.term = entry.term,
		.block = entry.block,
		.blocks = entry.blocks,
		.bytes = store_entry_bytes(&entry),
		.first_offset = entry.first_offset,
		.record_count = entry.record_count,
		.kind = entry.kind,
	};
	*ret_bytes = (struct qr_span){bytes, ret_location->bytes};
	return QR_OK;
}

struct store_missing store_reader_missing(const struct store_reader *reader)
{
	const struct store_index_entry *known =
		store_index_at(reader->log, reader->before.index + 1);
	struct store_missing missing = {
		.before = reader->before, .linked = reader->linked, .placed = reader->placed};

	QR_ASSERT(reader->error == QR_CORRUPT || reader->error == QR_IO);
	if (known != NULL) {
		missing.before.block = known->block;
		missing.placed = true;
		missing.digest = known->digest;
	} else if (!reader->placed) {
		missing.before.block = reader->behind;
	}
	return missing;
}

qr_index store_reader_index(const struct store_reader *reader)
{
	return reader->before.index + 1;
}

uint64_t store_reader_owed(const struct store_reader *reader)
{
	return reader->inflight ? reader->completions + 1 : 0;
}

void store_reader_stop(struct store_reader *reader)
{
	reader->log = NULL;
}

bool store_reader_is_idle(const struct store_reader *reader)
{
	return reader->log == NULL && !reader->inflight;
}
