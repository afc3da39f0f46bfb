/*
 * Making a segment: created under a temporary name, or from the file of one that is not needed any
 * more, allocated, written with zeros, synced, renamed, its folder synced. Each step is an
 * operation of the ring that starts when the one before is done; a crash before the rename leaves a
 * *.tmp that the next start removes, so a file that has its name is whole.
 *
 * Writing zeros turns the allocated extents into written ones: later writes are overwrites, without
 * a journal commit each (27,000 a second instead of 450 on the ext4 that was measured). It goes in
 * small pieces at low depth, one segment at a time for all groups of the core, so that it takes
 * little from the log's own writes.
 *
 * One that goes is gone for good before the next one can go, and before it is anything else: the
 * folder is synced. Else a crash may bring an earlier one back and not a later one, and the hole
 * between them looks like a loss; or one file with two names, the old one and the new.
 *
 * When a step fails the temporary file is closed and removed first, so that its space is free again
 * by the time "no space" is told.
 */
#include "storage/io/internal.h"

#include "consensus/base/assert.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#define ZERO_PIECE_BYTES (512u << 10)
#define ZERO_DEPTH 2
#define SEGMENT_MODE 0640

static struct io_uring_sqe *step_sqe(struct store_io *io, enum io_prepare_step step)
{
	io->prepare.step = step;
	io->prepare.inflight++;
	return io_sqe(io, IO_USER_PREPARE, 0);
}

static void on_file(struct store_io *io, struct io_uring_sqe *sqe)
{
	sqe->fd = io_file_number(io, io->prepare.file);
	sqe->flags |= IOSQE_FIXED_FILE;
	io_uring_sqe_set_data64(sqe, io_user_data(IO_USER_PREPARE, 0));
}

static int folder(const struct store_io *io)
{
	return io->groups[io->files[io->prepare.file].group].fd;
}

static void start_take(struct store_io *io)
{
	struct io_prepare *prepare = &io->prepare;
	struct io_uring_sqe *sqe = step_sqe(io, IO_PREPARE_TAKE);

	io_uring_prep_renameat(sqe, folder(io), prepare->recycled, folder(io), prepare->temporary,
			       0);
	io_uring_sqe_set_data64(sqe, io_user_data(IO_USER_PREPARE, 0));
}

static void start_open(struct store_io *io)
{
	struct io_prepare *prepare = &io->prepare;
	int flags = O_RDWR | O_CREAT | (io->features.direct ? O_DIRECT : 0) |
		    (prepare->recycled[0] == 0 ? O_TRUNC : 0);
	struct io_uring_sqe *sqe = step_sqe(io, IO_PREPARE_OPEN);

	io_uring_prep_openat_direct(sqe, folder(io), prepare->temporary, flags, SEGMENT_MODE,
				    (unsigned)io_file_number(io, prepare->file));
	io_uring_sqe_set_data64(sqe, io_user_data(IO_USER_PREPARE, 0));
}

static void start_allocate(struct store_io *io)
{
	struct io_uring_sqe *sqe = step_sqe(io, IO_PREPARE_ALLOCATE);

	io_uring_prep_fallocate(sqe, 0, 0, 0, (off_t)io->prepare.size_bytes);
	on_file(io, sqe);
}

/** Keep ZERO_DEPTH pieces in flight. */
static void start_zeros(struct store_io *io)
{
	struct io_prepare *prepare = &io->prepare;

	while (prepare->inflight < ZERO_DEPTH && prepare->asked_bytes < prepare->size_bytes &&
	       prepare->result == QR_OK) {
		uint64_t left = prepare->size_bytes - prepare->asked_bytes;
		unsigned piece = left < ZERO_PIECE_BYTES ? (unsigned)left : ZERO_PIECE_BYTES;
		struct io_uring_sqe *sqe = step_sqe(io, IO_PREPARE_ZERO);

		io_uring_prep_write(sqe, 0, io->zeros, piece, prepare->asked_bytes);
		on_file(io, sqe);
		io_uring_sqe_set_data64(sqe, io_user_data(IO_USER_PREPARE, piece));
		prepare->asked_bytes += piece;
	}
}

static void start_sync(struct store_io *io)
{
	struct io_uring_sqe *sqe = step_sqe(io, IO_PREPARE_SYNC);

	io_uring_prep_fsync(sqe, 0, 0);
	on_file(io, sqe);
}

static void start_rename(struct store_io *io)
{
	struct io_prepare *prepare = &io->prepare;
	struct io_uring_sqe *sqe = step_sqe(io, IO_PREPARE_RENAME);

	io_uring_prep_renameat(sqe, folder(io), prepare->temporary, folder(io),
			       io->files[prepare->file].name, 0);
	io_uring_sqe_set_data64(sqe, io_user_data(IO_USER_PREPARE, 0));
}

static void start_sync_folder(struct store_io *io, enum io_prepare_step step)
{
	struct io_uring_sqe *sqe = step_sqe(io, step);

	io_uring_prep_fsync(sqe, folder(io), 0);
	io_uring_sqe_set_data64(sqe, io_user_data(IO_USER_PREPARE, 0));
}

static void start_close(struct store_io *io)
{
	struct io_uring_sqe *sqe = step_sqe(io, IO_PREPARE_CLOSE);

	io_uring_prep_close_direct(sqe, (unsigned)io_file_number(io, io->prepare.file));
	io_uring_sqe_set_data64(sqe, io_user_data(IO_USER_PREPARE, 0));
}

static void start_unlink(struct store_io *io)
{
	struct io_uring_sqe *sqe = step_sqe(io, IO_PREPARE_UNLINK);

	io_uring_prep_unlinkat(sqe, folder(io), io->prepare.temporary, 0);
	io_uring_sqe_set_data64(sqe, io_user_data(IO_USER_PREPARE, 0));
}

/** The file becomes an ordinary cached one, or its slot an empty one. */
static void finish(struct store_io *io)
{
	struct io_prepare *prepare = &io->prepare;
	struct io_file *file = &io->files[prepare->file];
	uint32_t next;

	file->state = prepare->result == QR_OK ? IO_FILE_OPEN : IO_FILE_EMPTY;
	prepare->step = IO_PREPARE_IDLE;
	io_request_finish(io, prepare->request, prepare->result);
	next = io_list_pop(io, &prepare->waiting);
	if (next != IO_NONE)
		io_prepare_begin(io, next);
}

void io_prepare_begin(struct store_io *io, uint32_t request)
{
	struct io_prepare *prepare = &io->prepare;
	const struct store_op *op = &io->requests[request].op;
	struct io_file *file;

	if (prepare->step != IO_PREPARE_IDLE) {
		io_list_push(io, &prepare->waiting, request);
		return;
	}
	prepare->file = io_files_claim(io);
	prepare->request = request;
	prepare->size_bytes = (uint64_t)op->blocks * QR_BLOCK_BYTES;
	prepare->asked_bytes = 0;
	prepare->inflight = 0;
	prepare->result = QR_OK;
	file = &io->files[prepare->file];
	*file = (struct io_file){.state = IO_FILE_OPENING,
				 .group = io_group_find(io, op->group),
				 .segment = op->segment,
				 .pins = 1,
				 .used = ++io->clock,
				 .waiters = {IO_NONE, IO_NONE}};
	store_segment_name(file->name, op->segment);
	(void)snprintf(prepare->temporary, sizeof(prepare->temporary), "%016llx.tmp",
		       (unsigned long long)op->segment);
	io->requests[request].file = prepare->file;
	prepare->recycled[0] = 0;
	if (op->recycled == STORE_NONE_RECYCLED) {
		start_open(io);
		return;
	}
	io_files_forget(io, file->group, op->recycled);
	store_segment_name(prepare->recycled, op->recycled);
	start_take(io);
}

void io_drop_begin(struct store_io *io, uint32_t number)
{
	struct io_request *request = &io->requests[number];
	uint32_t group = io_group_find(io, request->op.group);
	struct io_uring_sqe *sqe = io_sqe(io, IO_USER_REQUEST, number);

	io_files_forget(io, group, request->op.segment);
	store_segment_name(request->name, request->op.segment);
	io_uring_prep_unlinkat(sqe, io->groups[group].fd, request->name, 0);
	io_uring_sqe_set_data64(sqe, io_user_data(IO_USER_REQUEST, number));
}

bool io_drop_go_on(struct store_io *io, uint32_t number, int result)
{
	struct io_request *request = &io->requests[number];
	struct io_uring_sqe *sqe;

	if (request->unlinked || result < 0)
		return false;
	request->unlinked = true;
	sqe = io_sqe(io, IO_USER_REQUEST, number);
	io_uring_prep_fsync(sqe, io->groups[io_group_find(io, request->op.group)].fd, 0);
	io_uring_sqe_set_data64(sqe, io_user_data(IO_USER_REQUEST, number));
	return true;
}

/** After a failure: what has to be undone. */
static void back_out(struct store_io *io, enum io_prepare_step step)
{
	switch (step) {
	case IO_PREPARE_ALLOCATE:
	case IO_PREPARE_ZERO:
	case IO_PREPARE_SYNC:
	case IO_PREPARE_RENAME:
		start_close(io);
		break;
	case IO_PREPARE_CLOSE:
		start_unlink(io);
		break;
	case IO_PREPARE_TAKE:
	case IO_PREPARE_SYNC_TAKEN:
	case IO_PREPARE_OPEN:
	case IO_PREPARE_SYNC_FOLDER: /* it has its name: whether for good nobody knows */
	case IO_PREPARE_UNLINK:
	case IO_PREPARE_IDLE:
	default:
		finish(io);
		break;
	}
}

static void go_on(struct store_io *io, enum io_prepare_step step)
{
	switch (step) {
	case IO_PREPARE_TAKE:
		start_sync_folder(io, IO_PREPARE_SYNC_TAKEN);
		break;
	case IO_PREPARE_SYNC_TAKEN:
		start_open(io);
		break;
	case IO_PREPARE_OPEN:
		start_allocate(io);
		break;
	case IO_PREPARE_ALLOCATE:
	case IO_PREPARE_ZERO:
		start_zeros(io);
		if (io->prepare.inflight == 0)
			start_sync(io);
		break;
	case IO_PREPARE_SYNC:
		start_rename(io);
		break;
	case IO_PREPARE_RENAME:
		start_sync_folder(io, IO_PREPARE_SYNC_FOLDER);
		break;
	case IO_PREPARE_SYNC_FOLDER:
		finish(io);
		break;
	case IO_PREPARE_CLOSE:
	case IO_PREPARE_UNLINK:
	case IO_PREPARE_IDLE:
	default:
		QR_ASSERT(false); /* only on the way back */
	}
}

/** A file system without fallocate allocates when the zeros are written. */
static bool is_failure(enum io_prepare_step step, int result, uint32_t expected)
{
	if (step == IO_PREPARE_ALLOCATE && result == -EOPNOTSUPP)
		return false;
	if (step == IO_PREPARE_TAKE && result == -ENOENT) /* then a new one is made */
		return false;
	return result < 0 || (uint32_t)result < expected;
}

void io_prepare_advance(struct store_io *io, uint32_t expected, int result)
{
	struct io_prepare *prepare = &io->prepare;
	enum io_prepare_step step = prepare->step;
	bool undoing = step == IO_PREPARE_CLOSE || step == IO_PREPARE_UNLINK;

	QR_ASSERT(prepare->inflight > 0);
	prepare->inflight--;
	if (!undoing && is_failure(step, result, expected) && prepare->result == QR_OK)
		prepare->result = result < 0 ? store_error_of(-result) : QR_NO_SPACE; /* short */
	if (prepare->result == QR_OK) {
		go_on(io, step);
	} else if (prepare->inflight == 0) {
		back_out(io, step);
	}
}
