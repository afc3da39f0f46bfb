/*
 * A cold reader over a log whose disk changes under it: bits that rot, blocks that are lost or land
 * elsewhere, reads that fail or end too soon. What it gives are the entries that were written, in
 * order, every byte of them, or an error that stays; unless a checksum was mended on purpose.
 *
 * The first byte chooses the buffer; then come steps of six bytes: changes as in damage.h, starts,
 * reads, stops.
 */
#include "consensus/base/assert.h"
#include "storage/engine/reader.h"
#include "tests/fuzz/damage.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

#define STEPS_MAX 64
#define TAG 5
#define BUFFER_BLOCKS_MAX 24u

enum step_kind {
	STEP_START_INDEX = DAMAGE_KINDS,
	STEP_START_OFFSET,
	STEP_READ,
	STEP_READ_ON,
	STEP_FAIL,
	STEP_STOP,
	STEPS
};

static struct damage damage;
static uint8_t *written; /* all segments, as they were */
static _Alignas(QR_BLOCK_BYTES) uint8_t memory[(BUFFER_BLOCKS_MAX + 2) * QR_BLOCK_BYTES];
static struct store_reader *reader;
static bool started;
static bool reading; /* an op was started and has not come back */
static struct store_op pending;
static qr_index next_index; /* 0: any */
static enum qr_error failed;
static enum qr_error fail_next;

static void begin(uint8_t choice)
{
	struct qr_arena arena;

	qr_arena_init(&arena, memory, sizeof(memory));
	reader = store_reader_create(&arena, 8 * (1u + choice % 3u));
	started = false;
	reading = false;
	next_index = 0;
	failed = QR_OK;
	fail_next = QR_OK;
}

/** Bring back the read that is under way. */
static void complete(void)
{
	struct store_completion completion = {
		.kind = pending.kind, .group = pending.group, .tag = pending.tag};

	if (fail_next == QR_OK) {
		struct disk *disk = &damage.rig.disk;
		qr_block block = pending.segment * disk->segment_blocks +
				 pending.offset_bytes / QR_BLOCK_BYTES;

		QR_ASSERT(pending.tag == TAG && pending.size_bytes != 0);
		QR_ASSERT(pending.segment < damage.segment_count);
		memcpy(pending.data, disk_block(disk, block), pending.size_bytes);
	}
	completion.result = fail_next;
	fail_next = QR_OK;
	reading = false;
	store_reader_complete(reader, &completion);
}

static void check_entry(const struct store_location *at, struct qr_span bytes)
{
	qr_block last = damage.segment_count * damage.rig.disk.segment_blocks;

	QR_ASSERT(next_index == 0 || at->index == next_index);
	next_index = at->index + 1;
	QR_ASSERT(bytes.size_bytes == at->bytes && at->block + at->blocks <= last);
	if (damage.forged)
		return;
	QR_ASSERT(at->index >= 1 && at->index <= DAMAGE_ENTRIES);
	QR_ASSERT(memcmp(bytes.data, written + at->block * QR_BLOCK_BYTES, bytes.size_bytes) == 0);
}

/** Entries, until there are enough of them or none comes. */
static void read_entries(unsigned count)
{
	while (started && count > 0) {
		struct store_location at;
		struct qr_span bytes;
		enum qr_error error = store_reader_next(reader, &at, &bytes);

		QR_ASSERT(failed == QR_OK || error == failed);
		if (error == QR_OK) {
			check_entry(&at, bytes);
			count--;
		} else if (error != QR_AGAIN) {
			failed = error == QR_NOT_FOUND ? QR_OK : error;
			return;
		}
		if (!reading)
			reading = store_reader_poll(reader, &pending) == 1;
		QR_ASSERT(error != QR_AGAIN || reading); /* it waits for something */
		if (error == QR_AGAIN)
			complete();
	}
}

static void stop(void)
{
	store_reader_stop(reader);
	started = false;
	if (reading)
		complete();
	QR_ASSERT(store_reader_is_idle(reader));
	failed = QR_OK;
	fail_next = QR_OK;
}

static void start(bool by_offset, uint64_t at)
{
	stop();
	if (by_offset) {
		store_reader_start_offset(reader, damage.rig.log, at, TAG);
	} else {
		store_reader_start_index(reader, damage.rig.log, at, TAG);
	}
	started = true;
	next_index = by_offset ? 0 : at;
}

static void one_step(const uint8_t step[DAMAGE_BYTES])
{
	static const enum qr_error errors[4] = {QR_IO, QR_NOT_FOUND, QR_IO, QR_NO_SPACE};
	unsigned kind = step[0] % STEPS;

	if (kind < DAMAGE_KINDS) {
		damage_apply(&damage, (enum damage_kind)kind, step);
		return;
	}
	switch ((enum step_kind)kind) {
	case STEP_START_INDEX:
		start(false, 1 + step[1] % (DAMAGE_ENTRIES + 2));
		break;
	case STEP_START_OFFSET:
		start(true, fuzz_near(step[2], step[1]));
		break;
	case STEP_READ:
		read_entries(1u + step[1] % 4u);
		break;
	case STEP_READ_ON:
		read_entries(DAMAGE_ENTRIES);
		break;
	case STEP_FAIL:
		fail_next = errors[step[1] % 4];
		break;
	case STEP_STOP:
	case STEPS:
	default:
		stop();
		break;
	}
}

static void prepare(void)
{
	size_t segment_bytes;

	damage_init(&damage);
	segment_bytes = (size_t)damage.rig.disk.segment_blocks * QR_BLOCK_BYTES;
	written = malloc(damage.segment_count * segment_bytes);
	QR_ASSERT(written != NULL);
	memcpy(written, damage.rig.disk.segments[0], damage.segment_count * segment_bytes);
}

/* NOLINTNEXTLINE(readability-identifier-naming) */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
	if (damage.segment_count == 0)
		prepare();
	if (size_bytes == 0)
		return 0;
	damage_undo(&damage);
	begin(*data++);
	size_bytes--;
	for (unsigned i = 0; i < STEPS_MAX && size_bytes >= DAMAGE_BYTES; i++) {
		one_step(data);
		data += DAMAGE_BYTES;
		size_bytes -= DAMAGE_BYTES;
	}
	stop();
	return 0;
}
