/*
 * Cold reads: verified entries, streamed from the segments through a buffer of the reader's own.
 *
 * The buffer is a ring over the log space, of whole strides: block b lies at b modulo its size, so
 * that an entry, which crosses no stride, is always in one piece. It holds the blocks from `low`,
 * where the entry lies that is looked at, up to `high`; one read at a time adds to that. Nothing
 * beyond the durable prefix is ever asked for; when that prefix grows, so does what the reader
 * gives.
 *
 * A read is small at first, and only as long as what is wanted needs it: who wants one entry costs
 * the disk little more than that. For whoever goes on behind it, each read is twice as long as the
 * one before, up to a bound, and while one is consumed the next is on its way. The bound is what an
 * append may have to wait for in the device's queue; a longer entry takes several reads.
 *
 * A read that fails is done again in parts as small as what is wanted: what is not wanted yet, or
 * ever, costs nobody a sound entry.
 *
 * An entry is given when its header, payload and padding hold, its position is right, and it is the
 * successor by chain of the one before. What was read ahead above the commit index may be cut off
 * meanwhile and replaced: then what the buffer holds is the past, and is read again. Where the
 * reader starts, the link is known if the index still has the entry in front; otherwise the first
 * one is verified by itself.
 */
#include "consensus/base/assert.h"
#include "storage/engine/internal.h"

#define EXTENT_FIRST_BLOCKS 16u
#define EXTENTS_AHEAD 3u /* the consumer takes more than one at once, and pauses in between */

_Static_assert(EXTENT_FIRST_BLOCKS <= STORE_READ_BLOCKS_MAX, "reads grow");

/* READ_VOID: in flight, and of no use when it comes: what it reads has been cut off. */
enum read_state { READ_NONE, READ_WANTED, READ_INFLIGHT, READ_VOID };

struct store_reader {
	uint8_t *buffer;
	uint32_t buffer_blocks;

	struct store_log *log; /* NULL: stopped */
	uint64_t tag;
	uint32_t ring_blocks; /* of the buffer: whole strides */
	qr_block low;	      /* [low, high) is there */
	qr_block high;
	enum read_state state; /* of the read of [high, high + read_blocks) */
	uint32_t read_blocks;
	bool read_is_needed;	/* all of it, for the entry that is looked at */
	bool read_grows;	/* the one after it is twice as long */
	uint32_t extent_blocks; /* of the next read, unless an entry needs more or less */
	qr_block careful_until; /* a read failed: below this nothing is read that is not needed */
	bool streams;		/* it gave an entry: who asks again wants what is behind it */
	uint64_t completions;
	enum qr_error error; /* stays */

	struct store_prefix before; /* the prefix in front of the next entry */
	bool linked;		    /* all of it is known, not only its index and block */
	bool placed;		    /* the next entry begins at before.block, if it is there */
	qr_block behind;	    /* where the entry before ends: before.block, without a gap */
	uint64_t generation;	    /* of the log when the buffer was filled */
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

static bool is_inflight(const struct store_reader *reader)
{
	return reader->state == READ_INFLIGHT || reader->state == READ_VOID;
}

/** As far as one read goes, in a ring that may be short. */
static uint32_t bounded(const struct store_reader *reader, uint32_t blocks)
{
	uint32_t most = reader->ring_blocks < STORE_READ_BLOCKS_MAX ? reader->ring_blocks
								    : STORE_READ_BLOCKS_MAX;

	return blocks < most ? blocks : most;
}

static void start(struct store_reader *reader, struct store_log *log, uint64_t tag)
{
	uint32_t strides = reader->buffer_blocks / log->stride_blocks;

	QR_ASSERT(reader->state == READ_NONE && reader->log == NULL);
	QR_ASSERT(strides >= 1);
	QR_ASSERT((tag & STORE_TAG_LOG) == 0);
	reader->log = log;
	reader->tag = tag;
	reader->ring_blocks = strides * log->stride_blocks;
	reader->low = 0;
	reader->high = 0;
	reader->extent_blocks = bounded(reader, EXTENT_FIRST_BLOCKS);
	reader->careful_until = 0;
	reader->streams = false;
	reader->generation = log->generation;
	reader->error = QR_OK;
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

/** A suffix was cut off since the buffer was filled: it may hold it. */
static void forget_what_was_cut(struct store_reader *reader)
{
	if (reader->generation == reader->log->generation)
		return;
	reader->generation = reader->log->generation;
	reader->low = reader->high;
	reader->state = is_inflight(reader) ? READ_VOID : READ_NONE;
	reader->before.block = reader->behind;
	if (reader->linked)
		reader->placed = false;
}

/** Where a read from `high` on has to end: what is durable, the segment, the ring, its room. */
static qr_block read_end(const struct store_reader *reader)
{
	const struct store_log *log = reader->log;
	uint32_t segment_blocks = log->parameters.geometry.segment_blocks;
	qr_block end = log->writes.flushed.block;
	const qr_block ends[] = {
		(reader->high / segment_blocks + 1) * segment_blocks,
		(reader->high / reader->ring_blocks + 1) * reader->ring_blocks,
		reader->low + reader->ring_blocks,
	};

	for (unsigned i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		end = ends[i] < end ? ends[i] : end;
	return end;
}

/** Read on from `high`; the entry that is looked at ends at `needed`. */
static void want(struct store_reader *reader, qr_block needed)
{
	uint32_t needs = needed > reader->high ? (uint32_t)(needed - reader->high) : 0;
	uint32_t blocks = bounded(reader, needs);
	qr_block end = read_end(reader);

	QR_ASSERT(!is_inflight(reader));
	reader->read_grows = blocks <= reader->extent_blocks; /* nobody needs so much at once */
	if (reader->read_grows && reader->high >= reader->careful_until)
		blocks = reader->extent_blocks;
	if (reader->high + blocks > end)
		blocks = end > reader->high ? (uint32_t)(end - reader->high) : 0;
	reader->state = blocks > 0 ? READ_WANTED : READ_NONE;
	reader->read_blocks = blocks;
	reader->read_is_needed = blocks <= needs;
}

/** The entry that is looked at is there: whether to read on behind it. */
static bool reads_ahead(const struct store_reader *reader, qr_block end)
{
	return reader->streams &&
	       reader->high < end + (qr_block)EXTENTS_AHEAD * reader->extent_blocks &&
	       reader->high + reader->extent_blocks <= reader->low + reader->ring_blocks;
}

/** The bytes of [block, block + blocks), or NULL while they are being read. */
static const uint8_t *bytes_at(struct store_reader *reader, qr_block block, uint32_t blocks)
{
	qr_block end = block + blocks;

	if (block < reader->low || block > reader->high) {
		if (is_inflight(reader))
			return NULL; /* it goes to memory that is needed now */
		reader->low = block;
		reader->high = block;
	}
	reader->low = block;
	if (!is_inflight(reader)) {
		reader->state = READ_NONE;
		if (end > reader->high || reads_ahead(reader, end))
			want(reader, end);
	}
	if (end > reader->high)
		return NULL;
	return reader->buffer + (size_t)(block % reader->ring_blocks) * QR_BLOCK_BYTES;
}

uint32_t store_reader_wanted(const struct store_reader *reader)
{
	bool wants = reader->log != NULL && reader->state == READ_WANTED && reader->error == QR_OK;

	return wants ? reader->read_blocks : 0;
}

uint32_t store_reader_inflight(const struct store_reader *reader)
{
	return is_inflight(reader) ? reader->read_blocks : 0;
}

unsigned store_reader_poll(struct store_reader *reader, struct store_op *ret_op)
{
	qr_block at = reader->high;

	if (reader->log == NULL || is_inflight(reader) || reader->error != QR_OK)
		return 0;
	forget_what_was_cut(reader);
	if (reader->state != READ_WANTED)
		return 0;
	*ret_op = (struct store_op){
		.kind = STORE_OP_READ,
		.data = reader->buffer + (size_t)(at % reader->ring_blocks) * QR_BLOCK_BYTES,
		.size_bytes = reader->read_blocks * QR_BLOCK_BYTES,
		.blocks = reader->read_blocks,
		.tag = reader->tag,
	};
	store_op_locate(reader->log, ret_op, at);
	reader->state = READ_INFLIGHT;
	if (reader->read_grows)
		reader->extent_blocks = bounded(reader, 2 * reader->extent_blocks);
	return 1;
}

/** What it was to read cannot be read, or some of that cannot. */
static void fail(struct store_reader *reader, enum qr_error result)
{
	if (reader->read_is_needed) {
		reader->error = result == QR_NOT_FOUND ? QR_CORRUPT : QR_IO;
		return;
	}
	reader->careful_until = reader->high + reader->read_blocks;
	reader->extent_blocks = bounded(reader, EXTENT_FIRST_BLOCKS);
}

void store_reader_complete(struct store_reader *reader, const struct store_completion *completion)
{
	bool counts;

	QR_ASSERT(is_inflight(reader));
	reader->completions++;
	if (reader->log != NULL) {
		QR_ASSERT(completion->tag == reader->tag);
		forget_what_was_cut(reader);
	}
	counts = reader->log != NULL && reader->state == READ_INFLIGHT; /* not stopped, not cut */
	reader->state = READ_NONE;
	if (!counts)
		return;
	if (completion->result == QR_OK) {
		reader->high += reader->read_blocks;
	} else {
		fail(reader, completion->result);
	}
}

/* ---- entries ---- */

/** The entry after `before`, if it starts at `block`, where so many blocks at least are its. */
static enum qr_error probe(struct store_reader *reader, qr_block block, uint32_t blocks,
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
	struct store_entry header;
	enum qr_error error;

	if (block >= log->writes.flushed.block)
		return QR_NOT_FOUND;
	bytes = bytes_at(reader, block, blocks);
	if (bytes == NULL)
		return QR_AGAIN;
	expected.blocks_max = store_stride_rest(log, block);
	if (log->writes.flushed.block - block < expected.blocks_max)
		expected.blocks_max = (uint32_t)(log->writes.flushed.block - block);
	/* How long it is, its header says. */
	error = store_entry_decode(bytes, &header);
	if (error == QR_OK)
		error = store_entry_check_place(&header, &expected);
	if (error != QR_OK)
		return error;
	if (header.blocks > blocks && bytes_at(reader, block, header.blocks) == NULL)
		return QR_AGAIN;
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
	error = probe(reader, known->block, known->blocks, ret_entry, ret_bytes);
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
	error = probe(reader, tail, 1, ret_entry, ret_bytes);
	if (error == QR_OK || error == QR_AGAIN || next == tail || reader->placed)
		return error;
	reader->before.block = next; /* a gap: do not look there again */
	return probe(reader, next, 1, ret_entry, ret_bytes);
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
		/* Given up meanwhile: what was read there may be anything. */
		if (reader->before.index < reader->log->origin.base.index)
			reader->error = QR_OUT_OF_RANGE;
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
	reader->streams = true;

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
	bool owed = store_reader_wanted(reader) != 0 || is_inflight(reader);

	return owed ? reader->completions + 1 : 0;
}

void store_reader_stop(struct store_reader *reader)
{
	reader->log = NULL;
	if (!is_inflight(reader))
		reader->state = READ_NONE;
}

bool store_reader_is_idle(const struct store_reader *reader)
{
	return reader->log == NULL && !is_inflight(reader);
}
