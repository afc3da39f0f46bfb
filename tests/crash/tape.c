/*
 * A tape in memory and in a file.
 *
 * The file is a magic word and one frame per event: u32 length, then kind, node and the fields of
 * that kind, little-endian; the bytes of a write come last, so that a loaded tape borrows them from
 * the mapping. A file that ends in the middle of a frame, because recording was ended from outside,
 * is a tape up to there: a prefix of a run is a run.
 */
#include "tests/crash/tape.h"

#include "consensus/base/assert.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define TAPE_MAGIC 0x32305041544b5251u /* "QRKTAP02" */
#define FRAME_BYTES_MAX 256	       /* without the bytes of a write */
#define CHUNK_BYTES ((size_t)8 << 20)

struct tape_chunk {
	struct tape_chunk *next;
	size_t used_bytes;
	size_t size_bytes;
	uint8_t data[];
};

/* ---- in memory ---- */

void tape_init(struct tape *tape)
{
	*tape = (struct tape){0};
}

void tape_fini(struct tape *tape)
{
	while (tape->chunks != NULL) {
		struct tape_chunk *next = tape->chunks->next;

		free(tape->chunks);
		tape->chunks = next;
	}
	if (tape->mapping != NULL)
		(void)munmap(tape->mapping, tape->mapping_bytes);
	free(tape->events);
	tape_init(tape);
}

uint8_t *tape_keep(struct tape *tape, const uint8_t *data, size_t size_bytes)
{
	struct tape_chunk *chunk = tape->chunks;
	uint8_t *kept;

	if (chunk == NULL || chunk->size_bytes - chunk->used_bytes < size_bytes) {
		size_t room = size_bytes > CHUNK_BYTES ? size_bytes : CHUNK_BYTES;

		chunk = malloc(sizeof(*chunk) + room);
		QR_ASSERT(chunk != NULL);
		chunk->next = tape->chunks;
		chunk->used_bytes = 0;
		chunk->size_bytes = room;
		tape->chunks = chunk;
	}
	kept = chunk->data + chunk->used_bytes;
	memcpy(kept, data, size_bytes);
	chunk->used_bytes += size_bytes;
	return kept;
}

static struct tape_event *add(struct tape *tape, const struct tape_event *event)
{
	if (tape->count == tape->room) {
		tape->room = tape->room == 0 ? 4096 : tape->room * 2;
		tape->events = realloc(tape->events, tape->room * sizeof(*tape->events));
		QR_ASSERT(tape->events != NULL);
	}
	tape->events[tape->count] = *event;
	return &tape->events[tape->count++];
}

static bool is_zero(const uint8_t *data, size_t size_bytes)
{
	return data[0] == 0 && memcmp(data, data + 1, size_bytes - 1) == 0;
}

const struct tape_event *tape_put(struct tape *tape, const struct tape_event *event)
{
	struct tape_event *copy = add(tape, event);

	if (copy->kind == TAPE_BEGIN && copy->op.data != NULL) {
		QR_ASSERT(copy->op.size_bytes > 0);
		copy->op.data = is_zero(event->op.data, event->op.size_bytes)
					? NULL
					: tape_keep(tape, event->op.data, event->op.size_bytes);
	}
	return copy;
}

/* ---- the fields of each kind ---- */

static void write_round(struct qr_writer *to, const struct tape_round *round)
{
	qr_write_u64(to, round->seed);
	qr_write_u32(to, round->segment_blocks);
	qr_write_u32(to, round->stride_blocks);
	qr_write_u32(to, round->window_blocks);
	qr_write_u32(to, round->write_depth);
	qr_write_u32(to, round->write_max_blocks);
	qr_write_u32(to, round->group_count);
	qr_write_u32(to, round->lazy_groups);
	qr_write_u32(to, round->snapshot_blocks);
	qr_write_u32(to, round->retention_blocks);
	qr_write_u32(to, round->clock_rate);
}

static void read_round(struct qr_reader *from, struct tape_round *round)
{
	round->seed = qr_read_u64(from);
	round->segment_blocks = qr_read_u32(from);
	round->stride_blocks = qr_read_u32(from);
	round->window_blocks = qr_read_u32(from);
	round->write_depth = qr_read_u32(from);
	round->write_max_blocks = qr_read_u32(from);
	round->group_count = qr_read_u32(from);
	round->lazy_groups = qr_read_u32(from);
	round->snapshot_blocks = qr_read_u32(from);
	round->retention_blocks = qr_read_u32(from);
	round->clock_rate = qr_read_u32(from);
}

static void write_op(struct qr_writer *to, const struct tape_op *op)
{
	qr_write_u8(to, (uint8_t)op->kind);
	qr_write_u32(to, op->id);
	qr_write_u32(to, op->file);
	qr_write_u32(to, op->folder);
	qr_write_bytes(to, op->name, TAPE_NAME_BYTES);
	qr_write_bytes(to, op->new_name, TAPE_NAME_BYTES);
	qr_write_u32(to, op->offset_bytes);
	qr_write_u32(to, op->size_bytes);
	qr_write_u8(to, op->dsync);
	qr_write_u8(to, op->data != NULL);
}

static void read_name(struct qr_reader *from, char name[TAPE_NAME_BYTES])
{
	const uint8_t *bytes = qr_read_bytes(from, TAPE_NAME_BYTES);

	if (bytes != NULL && bytes[TAPE_NAME_BYTES - 1] == 0) {
		memcpy(name, bytes, TAPE_NAME_BYTES);
	} else {
		from->failed = true;
	}
}

static void read_op(struct qr_reader *from, struct tape_op *op)
{
	bool has_data;

	op->kind = qr_read_u8(from);
	op->id = qr_read_u32(from);
	op->file = qr_read_u32(from);
	op->folder = qr_read_u32(from);
	read_name(from, op->name);
	read_name(from, op->new_name);
	op->offset_bytes = qr_read_u32(from);
	op->size_bytes = qr_read_u32(from);
	op->dsync = qr_read_u8(from) != 0;
	has_data = qr_read_u8(from) != 0;
	op->data = has_data ? qr_read_bytes(from, op->size_bytes) : NULL;
	if (op->kind == 0 || op->kind >= TAPE_OP_KINDS)
		from->failed = true;
}

static void write_said(struct qr_writer *to, const struct tape_said *said)
{
	qr_write_u8(to, (uint8_t)said->kind);
	qr_write_u32(to, said->group);
	qr_write_u64(to, said->term);
	qr_write_u8(to, said->vote);
	qr_write_u64(to, said->index);
}

static void read_said(struct qr_reader *from, struct tape_said *said)
{
	said->kind = qr_read_u8(from);
	said->group = qr_read_u32(from);
	said->term = qr_read_u64(from);
	said->vote = qr_read_u8(from);
	said->index = qr_read_u64(from);
	if (said->kind == 0 || said->kind >= TAPE_SAID_KINDS)
		from->failed = true;
}

static void write_event(struct qr_writer *to, const struct tape_event *event)
{
	qr_write_u8(to, (uint8_t)event->kind);
	qr_write_u8(to, event->node);
	switch (event->kind) {
	case TAPE_ROUND:
		write_round(to, &event->round);
		break;
	case TAPE_CUT:
		qr_write_u64(to, event->seed);
		break;
	case TAPE_BEGIN:
		write_op(to, &event->op);
		break;
	case TAPE_END:
		qr_write_u32(to, event->end.id);
		qr_write_u8(to, event->end.failed);
		break;
	case TAPE_SAID:
		write_said(to, &event->said);
		break;
	case TAPE_APPENDED:
		qr_write_u32(to, event->appended.producer);
		qr_write_u64(to, event->appended.sequence);
		qr_write_u32(to, event->appended.size_bytes);
		break;
	case TAPE_ANSWERED:
		qr_write_u32(to, event->answered.group);
		qr_write_u64(to, event->answered.session);
		qr_write_u64(to, event->answered.sequence);
		qr_write_u32(to, event->answered.count);
		qr_write_u64(to, event->answered.offset);
		break;
	case TAPE_START:
	case TAPE_KILL:
	case TAPE_KINDS:
	default:
		break;
	}
}

static bool read_event(struct qr_reader *from, struct tape_event *event)
{
	event->kind = qr_read_u8(from);
	event->node = qr_read_u8(from);
	switch (event->kind) {
	case TAPE_ROUND:
		read_round(from, &event->round);
		break;
	case TAPE_CUT:
		event->seed = qr_read_u64(from);
		break;
	case TAPE_BEGIN:
		read_op(from, &event->op);
		break;
	case TAPE_END:
		event->end.id = qr_read_u32(from);
		event->end.failed = qr_read_u8(from) != 0;
		break;
	case TAPE_SAID:
		read_said(from, &event->said);
		break;
	case TAPE_APPENDED:
		event->appended.producer = qr_read_u32(from);
		event->appended.sequence = qr_read_u64(from);
		event->appended.size_bytes = qr_read_u32(from);
		break;
	case TAPE_ANSWERED:
		event->answered.group = qr_read_u32(from);
		event->answered.session = qr_read_u64(from);
		event->answered.sequence = qr_read_u64(from);
		event->answered.count = qr_read_u32(from);
		event->answered.offset = qr_read_u64(from);
		break;
	case TAPE_START:
	case TAPE_KILL:
		break;
	case TAPE_KINDS:
	default:
		from->failed = true;
		break;
	}
	return !from->failed && qr_reader_left(from) == 0 && event->node <= TAPE_NODES;
}

/* ---- files ---- */

static bool save_event(FILE *to, const struct tape_event *event)
{
	uint8_t frame[FRAME_BYTES_MAX];
	struct qr_writer writer = qr_writer_over(frame + 4, sizeof(frame) - 4);
	struct qr_writer length = qr_writer_over(frame, 4);
	bool has_data = event->kind == TAPE_BEGIN && event->op.data != NULL;
	size_t data_bytes = has_data ? event->op.size_bytes : 0;
	size_t size_bytes;

	write_event(&writer, event);
	QR_ASSERT(!writer.failed);
	size_bytes = qr_writer_size(&writer);
	qr_write_u32(&length, (uint32_t)(size_bytes + data_bytes));
	if (fwrite(frame, 1, 4 + size_bytes, to) != 4 + size_bytes)
		return false;
	return data_bytes == 0 || fwrite(event->op.data, 1, data_bytes, to) == data_bytes;
}

bool tape_save(const struct tape *tape, const char *path)
{
	FILE *to = fopen(path, "wb");
	uint8_t magic[8];
	struct qr_writer writer = qr_writer_over(magic, sizeof(magic));
	bool well;

	if (to == NULL)
		return false;
	qr_write_u64(&writer, TAPE_MAGIC);
	well = fwrite(magic, 1, sizeof(magic), to) == sizeof(magic);
	for (uint64_t i = 0; well && i < tape->count; i++)
		well = save_event(to, &tape->events[i]);
	return fclose(to) == 0 && well;
}

static bool map(struct tape *tape, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status;
	void *mapping = MAP_FAILED;

	if (fd < 0)
		return false;
	if (fstat(fd, &status) == 0 && status.st_size > 0)
		mapping = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	(void)close(fd);
	if (mapping == MAP_FAILED)
		return false;
	tape->mapping = mapping;
	tape->mapping_bytes = (size_t)status.st_size;
	return true;
}

bool tape_load(struct tape *tape, const char *path, const char **ret_problem)
{
	struct qr_reader reader;

	tape_init(tape);
	if (!map(tape, path)) {
		*ret_problem = errno != 0 ? strerrordesc_np(errno) : "it is empty";
		return false;
	}
	reader = qr_reader_over(tape->mapping, tape->mapping_bytes);
	if (qr_read_u64(&reader) != TAPE_MAGIC) {
		*ret_problem = "it is no tape of this version";
		return false;
	}
	while (qr_reader_left(&reader) > 0) {
		uint32_t size_bytes = qr_read_u32(&reader);
		const uint8_t *frame = qr_read_bytes(&reader, size_bytes);
		struct tape_event event = {0};
		struct qr_reader fields;

		if (frame == NULL)
			break; /* recording was ended here */
		fields = qr_reader_over(frame, size_bytes);
		if (!read_event(&fields, &event)) {
			*ret_problem = "an event is malformed";
			return false;
		}
		(void)add(tape, &event);
	}
	return true;
}
