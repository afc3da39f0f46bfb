/*
 * The bounded cache of open segments, and of snapshot files. A log of ten thousand segments uses a
 * few of them at a time: the one at its tail, the next, and what readers are in. Segments are
 * opened by the ring itself, into the ring's own file table, so that no descriptor of the process
 * is used and nobody waits.
 *
 * A slot with operations in flight is pinned; the one that was used longest ago is replaced first.
 */
#include "storage/io/internal.h"

#include "consensus/base/assert.h"
#include "storage/format/snapshot.h"

#include <fcntl.h>
#include <stdio.h>

_Static_assert(IO_SNAPSHOT_SEGMENT > STORE_SEGMENTS_MAX &&
		       STORE_SNAPSHOTS <= UINT64_MAX - IO_SNAPSHOT_SEGMENT,
	       "a snapshot is never taken for a segment");

static uint32_t find(struct store_io *io, uint32_t group, uint64_t segment)
{
	uint32_t hint = io->groups[group].hint;

	if (hint < io->file_count && io->files[hint].state != IO_FILE_EMPTY &&
	    io->files[hint].group == group && io->files[hint].segment == segment)
		return hint;
	for (uint32_t i = 0; i < io->file_count; i++) {
		const struct io_file *file = &io->files[i];

		if (file->state != IO_FILE_EMPTY && file->group == group &&
		    file->segment == segment) {
			io->groups[group].hint = i;
			return i;
		}
	}
	return IO_NONE;
}

uint32_t io_files_claim(struct store_io *io)
{
	uint32_t oldest = IO_NONE;

	for (uint32_t i = 0; i < io->file_count; i++) {
		const struct io_file *file = &io->files[i];

		if (file->pins > 0 || file->state == IO_FILE_OPENING ||
		    file->state == IO_FILE_CLOSING)
			continue;
		if (file->state == IO_FILE_EMPTY)
			return i;
		if (oldest == IO_NONE || file->used < io->files[oldest].used)
			oldest = i;
	}
	QR_ASSERT(oldest != IO_NONE);
	io->files[oldest].state = IO_FILE_EMPTY;
	return oldest;
}

static void close_forgotten(struct store_io *io, uint32_t number)
{
	struct io_file *file = &io->files[number];
	struct io_uring_sqe *sqe;

	if (file->group != IO_NO_GROUP || file->pins > 0 || file->state != IO_FILE_OPEN)
		return;
	file->state = IO_FILE_CLOSING;
	sqe = io_sqe(io, IO_USER_CLOSE, number);
	io_uring_prep_close_direct(sqe, (unsigned)io_file_number(io, number));
	io_uring_sqe_set_data64(sqe, io_user_data(IO_USER_CLOSE, number));
}

void io_files_forget(struct store_io *io, uint32_t group, uint64_t segment)
{
	uint32_t number = find(io, group, segment);

	if (number == IO_NONE)
		return;
	io->files[number].group = IO_NO_GROUP;
	close_forgotten(io, number);
}

void io_files_closed(struct store_io *io, uint32_t number)
{
	QR_ASSERT(io->files[number].state == IO_FILE_CLOSING);
	io->files[number].state = IO_FILE_EMPTY;
}

static void name_file(char *name, uint64_t segment)
{
	if (segment >= IO_SNAPSHOT_SEGMENT) {
		store_snapshot_name(name, (uint32_t)(segment - IO_SNAPSHOT_SEGMENT));
	} else {
		store_segment_name(name, segment);
	}
}

/** Opening over a slot of the table closes what was in it. */
static void open_segment(struct store_io *io, uint32_t number, uint32_t group, uint64_t segment)
{
	struct io_file *file = &io->files[number];
	int flags = O_RDWR | (io->features.direct ? O_DIRECT : 0);
	struct io_uring_sqe *sqe = io_sqe(io, IO_USER_OPEN, number);

	*file = (struct io_file){.state = IO_FILE_OPENING,
				 .group = group,
				 .segment = segment,
				 .waiters = {IO_NONE, IO_NONE}};
	name_file(file->name, segment);
	io_uring_prep_openat_direct(sqe, io->groups[group].fd, file->name, flags, 0,
				    (unsigned)io_file_number(io, number));
	io_uring_sqe_set_data64(sqe, io_user_data(IO_USER_OPEN, number));
	io->groups[group].hint = number;
}

static bool is_snapshot(enum store_op_kind kind)
{
	return kind == STORE_OP_READ_SNAPSHOT || kind == STORE_OP_WRITE_SNAPSHOT ||
	       kind == STORE_OP_SYNC_SNAPSHOT;
}

void io_files_use(struct store_io *io, uint32_t request)
{
	const struct store_op *op = &io->requests[request].op;
	uint64_t segment = op->segment + (is_snapshot(op->kind) ? IO_SNAPSHOT_SEGMENT : 0);
	uint32_t group = io_group_find(io, op->group);
	uint32_t number = find(io, group, segment);
	struct io_file *file;

	if (number == IO_NONE) {
		number = io_files_claim(io);
		open_segment(io, number, group, segment);
	}
	file = &io->files[number];
	file->pins++;
	file->used = ++io->clock;
	io->requests[request].file = number;
	if (file->state == IO_FILE_OPEN) {
		io_request_start(io, request);
	} else {
		io_list_push(io, &file->waiters, request);
	}
}

void io_files_opened(struct store_io *io, uint32_t number, int result)
{
	struct io_file *file = &io->files[number];
	struct io_list waiters = file->waiters;
	uint32_t request;

	QR_ASSERT(file->state == IO_FILE_OPENING);
	file->waiters = (struct io_list){IO_NONE, IO_NONE};
	file->state = result < 0 ? IO_FILE_EMPTY : IO_FILE_OPEN;
	while ((request = io_list_pop(io, &waiters)) != IO_NONE) {
		if (result < 0) {
			io_request_finish(io, request, store_error_of(-result));
		} else {
			io_request_start(io, request);
		}
	}
}

void io_files_release(struct store_io *io, uint32_t number)
{
	QR_ASSERT(number < io->file_count);
	QR_ASSERT(io->files[number].pins > 0);
	io->files[number].pins--;
	close_forgotten(io, number);
}
