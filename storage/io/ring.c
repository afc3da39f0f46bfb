/*
 * A core's io_uring: operations of the engine go in, completions come out.
 *
 * An operation takes a request. Reads, writes and syncs need their segment's file in the ring's
 * table (files.c), may wait for it to be opened, and then are one submission each: with the
 * registered buffer that their memory lies in, if there is one, and RWF_DSYNC on what must be on
 * stable media when it completes. PREPARE is a chain (segment.c). A finished request waits in a
 * list for the next reap.
 *
 * Durability is the kernel's answer and nothing else: a write counts when its completion says that
 * all of its bytes were written with RWF_DSYNC. Short, failed or cancelled ones are errors, and
 * nothing is tried again.
 */
#include "storage/io/internal.h"

#include "consensus/base/assert.h"
#include "storage/format/slot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#define ZEROS_BYTES (512u << 10)
#define FILES_PER_GROUP 4
#define FILES_MIN 64
#define REAP_BATCH 64
#define QUEUE_SPARE 16 /* opens and steps of PREPARE, beside the requests */

/* ---- lists of requests ---- */

void io_list_push(struct store_io *io, struct io_list *list, uint32_t request)
{
	io->requests[request].next = IO_NONE;
	if (list->head == IO_NONE) {
		list->head = request;
	} else {
		io->requests[list->tail].next = request;
	}
	list->tail = request;
}

uint32_t io_list_pop(struct store_io *io, struct io_list *list)
{
	uint32_t request = list->head;

	if (request != IO_NONE)
		list->head = io->requests[request].next;
	return request;
}

/* ---- submission ---- */

struct io_uring_sqe *io_sqe(struct store_io *io, enum io_user user, uint32_t number)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&io->ring);

	if (sqe == NULL) {
		(void)io_uring_submit(&io->ring);
		sqe = io_uring_get_sqe(&io->ring);
	}
	QR_ASSERT(sqe != NULL); /* the kernel consumes entries in the call */
	io_uring_sqe_set_data64(sqe, io_user_data(user, number));
	return sqe;
}

uint32_t io_group_find(const struct store_io *io, qr_group group)
{
	uint32_t i = 0;

	while (i < io->group_count && io->groups[i].group != group)
		i++;
	QR_ASSERT(i < io->group_count);
	return i;
}

/** The registered buffer that holds the memory of an operation; -1 if there is none. */
static int buffer_of(const struct store_io *io, const struct store_op *op)
{
	uint32_t low = 0;
	uint32_t high = io->buffer_count;
	const struct io_buffer *buffer;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (io->buffers[middle].start <= op->data) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	if (low == 0 || !io->features.registered_buffers)
		return -1;
	buffer = &io->buffers[low - 1];
	if (op->data + op->size_bytes > buffer->start + buffer->size_bytes)
		return -1;
	return (int)buffer->number;
}

static bool is_write(enum store_op_kind kind)
{
	return kind == STORE_OP_WRITE || kind == STORE_OP_WRITE_LAZY ||
	       kind == STORE_OP_WRITE_SLOT || kind == STORE_OP_WRITE_SNAPSHOT;
}

static bool is_sync(enum store_op_kind kind)
{
	return kind == STORE_OP_SYNC || kind == STORE_OP_SYNC_SNAPSHOT;
}

static bool is_slot(enum store_op_kind kind)
{
	return kind == STORE_OP_READ_SLOTS || kind == STORE_OP_WRITE_SLOT;
}

void io_request_start(struct store_io *io, uint32_t number)
{
	const struct io_request *request = &io->requests[number];
	const struct store_op *op = &request->op;
	struct io_uring_sqe *sqe = io_sqe(io, IO_USER_REQUEST, number);
	int buffer = buffer_of(io, op);
	int file = is_slot(op->kind) ? (int)io_group_find(io, op->group)
				     : io_file_number(io, request->file);

	if (is_sync(op->kind)) {
		io_uring_prep_fsync(sqe, file, IORING_FSYNC_DATASYNC);
	} else if (is_write(op->kind) && buffer >= 0) {
		io_uring_prep_write_fixed(sqe, file, op->data, op->size_bytes, op->offset_bytes,
					  buffer);
	} else if (is_write(op->kind)) {
		io_uring_prep_write(sqe, file, op->data, op->size_bytes, op->offset_bytes);
	} else if (buffer >= 0) {
		io_uring_prep_read_fixed(sqe, file, op->data, op->size_bytes, op->offset_bytes,
					 buffer);
	} else {
		io_uring_prep_read(sqe, file, op->data, op->size_bytes, op->offset_bytes);
	}
	if (is_write(op->kind) && op->kind != STORE_OP_WRITE_LAZY)
		sqe->rw_flags = RWF_DSYNC;
	sqe->flags |= IOSQE_FIXED_FILE;
	io_uring_sqe_set_data64(sqe, io_user_data(IO_USER_REQUEST, number));
}

void io_request_finish(struct store_io *io, uint32_t number, enum qr_error result)
{
	struct io_request *request = &io->requests[number];

	request->result = result;
	if (request->file != IO_NONE)
		io_files_release(io, request->file);
	request->file = IO_NONE;
	io_list_push(io, &io->finished, number);
}

/** The thread that calls first is the one that the ring belongs to. */
static void enable(struct store_io *io)
{
	int result;

	if (io->enabled)
		return;
	/* liburing 2.3 declares io_uring_enable_rings but does not export it. */
	result = io_uring_register((unsigned)io->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL,
				   0);
	QR_ASSERT(result == 0);
	io->enabled = true;
}

unsigned store_io_submit(struct store_io *io, const struct store_op *ops, unsigned count)
{
	unsigned taken = 0;

	enable(io);
	while (taken < count && io->free != IO_NONE) {
		uint32_t number = io->free;
		struct io_request *request = &io->requests[number];

		io->free = request->next;
		io->inflight++;
		*request = (struct io_request){.op = ops[taken], .file = IO_NONE, .next = IO_NONE};
		if (request->op.kind == STORE_OP_PREPARE) {
			io_prepare_begin(io, number);
		} else if (request->op.kind == STORE_OP_DROP) {
			io_drop_begin(io, number);
		} else if (is_slot(request->op.kind)) {
			io_request_start(io, number);
		} else {
			io_files_use(io, number);
		}
		taken++;
	}
	if (io_uring_sq_ready(&io->ring) > 0) {
		(void)io_uring_submit(
			&io->ring); /* what is not taken now is offered at the next reap */
	}
	return taken;
}

/* ---- completion ---- */

static enum qr_error result_of(const struct store_op *op, int result)
{
	if (result < 0)
		return store_error_of(-result);
	if (is_sync(op->kind) || op->kind == STORE_OP_DROP || (uint32_t)result == op->size_bytes)
		return QR_OK;
	return is_write(op->kind) ? QR_IO : QR_NOT_FOUND; /* short: the file ends too soon */
}

static void handle(struct store_io *io, uint64_t user_data, int result)
{
	uint32_t number = (uint32_t)user_data;

	switch ((enum io_user)(user_data >> 32)) {
	case IO_USER_REQUEST:
		QR_ASSERT(number < io->depth);
		if (io->requests[number].op.kind == STORE_OP_DROP &&
		    io_drop_go_on(io, number, result))
			break;
		io_request_finish(io, number, result_of(&io->requests[number].op, result));
		break;
	case IO_USER_OPEN:
		QR_ASSERT(number < io->file_count);
		io_files_opened(io, number, result);
		break;
	case IO_USER_CLOSE:
		QR_ASSERT(number < io->file_count);
		io_files_closed(io, number);
		break;
	case IO_USER_PREPARE:
		io_prepare_advance(io, number, result);
		break;
	default:
		QR_ASSERT(false);
	}
}

/** Take what the kernel has; follow-ups are submitted. */
static void drain(struct store_io *io)
{
	struct io_uring_cqe *cqes[REAP_BATCH];
	unsigned count;

	if ((IO_URING_READ_ONCE(*io->ring.sq.kflags) &
	     (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0)
		(void)io_uring_get_events(&io->ring);
	while ((count = io_uring_peek_batch_cqe(&io->ring, cqes, REAP_BATCH)) > 0) {
		for (unsigned i = 0; i < count; i++)
			handle(io, cqes[i]->user_data, cqes[i]->res);
		io_uring_cq_advance(&io->ring, count);
	}
	if (io_uring_sq_ready(&io->ring) > 0)
		(void)io_uring_submit(&io->ring);
}

unsigned store_io_reap(struct store_io *io, struct store_completion *completions, unsigned max)
{
	unsigned count = 0;
	uint32_t number;

	if (io->inflight == 0)
		return 0;
	enable(io);
	drain(io);
	while (count < max && (number = io_list_pop(io, &io->finished)) != IO_NONE) {
		struct io_request *request = &io->requests[number];

		completions[count++] = (struct store_completion){
			.kind = request->op.kind,
			.group = request->op.group,
			.tag = request->op.tag,
			.result = request->result,
		};
		request->next = io->free;
		io->free = number;
		QR_ASSERT(io->inflight > 0);
		io->inflight--;
	}
	return count;
}

unsigned store_io_inflight(const struct store_io *io)
{
	return io->inflight;
}

int store_io_event_fd(const struct store_io *io)
{
	return io->ring.ring_fd;
}

struct store_io_features store_io_features(const struct store_io *io)
{
	return io->features;
}

/* ---- creation ---- */

/** From the best set-up to the oldest; all are bound to the thread that enables them. */
static const unsigned setups[] = {
	IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
		IORING_SETUP_TASKRUN_FLAG,
	IORING_SETUP_R_DISABLED | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
	IORING_SETUP_R_DISABLED,
};

static enum qr_error create_ring(struct store_io *io, struct store_problem *problem)
{
	int result = -EINVAL;

	for (unsigned i = 0; i < sizeof(setups) / sizeof(setups[0]) && result == -EINVAL; i++) {
		struct io_uring_params params = {.flags = setups[i]};

		result =
			io_uring_queue_init_params(2 * io->depth + QUEUE_SPARE, &io->ring, &params);
		io->features.deferred_taskrun =
			result == 0 && (setups[i] & IORING_SETUP_DEFER_TASKRUN) != 0;
	}
	io->ring_exists = result == 0;
	switch (-result) {
	case 0:
		return QR_OK;
	case EPERM:
		return store_problem_set(problem, QR_UNSUPPORTED,
					 "io_uring is not permitted here: set sysctl "
					 "kernel.io_uring_disabled=0, or allow it in the "
					 "container's seccomp profile");
	case ENOSYS:
		return store_problem_set(
			problem, QR_UNSUPPORTED,
			"this kernel has no io_uring: Linux 6.1 or later is needed");
	case ENOMEM:
		return store_problem_set(problem, QR_NO_MEMORY,
					 "no memory for io_uring: raise the limit of locked memory "
					 "(ulimit -l, LimitMEMLOCK)");
	default:
		return store_problem_set(problem, store_error_of(-result), "io_uring: %s",
					 strerrordesc_np(-result));
	}
}

/** The state files go to the front of the file table and stay there. */
static enum qr_error open_group(struct store_io *io, uint32_t number, int directory_fd,
				struct store_problem *problem)
{
	struct io_group *group = &io->groups[number];
	int flags = O_RDWR | O_CLOEXEC | (io->features.direct ? O_DIRECT : 0);
	char name[STORE_NAME_BYTES];
	int state;
	int result;

	store_group_name(name, group->group);
	group->fd = openat(directory_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (group->fd < 0) {
		return store_problem_set(problem, store_error_of(errno), "%s: %s", name,
					 strerrordesc_np(errno));
	}
	state = openat(group->fd, STORE_STATE_NAME, flags);
	if (state < 0) {
		return store_problem_set(problem, store_error_of(errno), "%s/%s: %s", name,
					 STORE_STATE_NAME, strerrordesc_np(errno));
	}
	result = io_uring_register_files_update(&io->ring, number, &state, 1);
	(void)close(state);
	if (result == 1)
		return QR_OK;
	return store_problem_set(problem, QR_IO, "%s: cannot register its state file: %s", name,
				 strerrordesc_np(result < 0 ? -result : EIO));
}

static enum qr_error open_files(struct store_io *io, int directory_fd,
				struct store_problem *problem)
{
	int result = io_uring_register_files_sparse(&io->ring, io->group_count + io->file_count);

	if (result == -EMFILE) {
		return store_problem_set(problem, QR_CONFIG,
					 "too many files: raise the limit of open files to %u at "
					 "least (ulimit -n, LimitNOFILE)",
					 io->group_count + io->file_count);
	}
	if (result != 0) {
		return store_problem_set(problem, QR_UNSUPPORTED,
					 "io_uring has no sparse file table (%s): Linux 6.1 or "
					 "later is needed",
					 strerrordesc_np(-result));
	}
	for (uint32_t i = 0; i < io->group_count; i++) {
		enum qr_error error = open_group(io, i, directory_fd, problem);

		if (error != QR_OK)
			return error;
	}
	return QR_OK;
}

/** Insertion sort by address; there are few. */
static void sort_buffers(struct store_io *io)
{
	for (uint32_t i = 1; i < io->buffer_count; i++) {
		struct io_buffer moved = io->buffers[i];
		uint32_t at = i;

		for (; at > 0 && io->buffers[at - 1].start > moved.start; at--)
			io->buffers[at] = io->buffers[at - 1];
		io->buffers[at] = moved;
	}
}

/** Without permission to lock that much memory the ring works with plain reads and writes. */
static void register_buffers(struct store_io *io, const struct qr_span *spans)
{
	struct iovec *vectors = calloc(io->buffer_count + 1, sizeof(*vectors));

	if (vectors == NULL)
		return;
	for (uint32_t i = 0; i < io->buffer_count; i++) {
		vectors[i].iov_base = (void *)spans[i].data; /* iovec knows no const */
		vectors[i].iov_len = spans[i].size_bytes;
		io->buffers[i] = (struct io_buffer){spans[i].data, spans[i].size_bytes, i};
	}
	if (io->buffer_count > 0) {
		io->features.registered_buffers =
			io_uring_register_buffers(&io->ring, vectors, io->buffer_count) == 0;
	}
	sort_buffers(io);
	free(vectors);
}

static bool allocate(struct store_io *io)
{
	void *zeros = mmap(NULL, ZEROS_BYTES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	io->zeros = zeros == MAP_FAILED ? NULL : zeros;
	io->groups = calloc(io->group_count + 1, sizeof(*io->groups));
	io->buffers = calloc(io->buffer_count + 1, sizeof(*io->buffers));
	io->files = calloc(io->file_count, sizeof(*io->files));
	io->requests = calloc(io->depth, sizeof(*io->requests));
	return io->zeros != NULL && io->groups != NULL && io->buffers != NULL &&
	       io->files != NULL && io->requests != NULL;
}

static void set_up_lists(struct store_io *io, const qr_group *groups)
{
	const struct io_list empty = {IO_NONE, IO_NONE};

	for (uint32_t i = 0; i < io->group_count; i++)
		io->groups[i] = (struct io_group){.group = groups[i], .fd = -1, .hint = IO_NONE};
	for (uint32_t i = 0; i < io->file_count; i++)
		io->files[i].waiters = empty;
	for (uint32_t i = 0; i < io->depth; i++)
		io->requests[i].next = i + 1 < io->depth ? i + 1 : IO_NONE;
	io->free = 0;
	io->finished = empty;
	io->prepare.waiting = empty;
}

static uint32_t file_count_for(const struct store_io_parameters *parameters)
{
	uint32_t count = parameters->files_max;

	if (count == 0)
		count = parameters->group_count * FILES_PER_GROUP;
	if (count < FILES_MIN && parameters->files_max == 0)
		count = FILES_MIN;
	/*
	 * Every request pins one file at most, and of every group one is closed at a time: with one
	 * more there is always one to replace.
	 */
	return count > parameters->depth + parameters->group_count
		       ? count
		       : parameters->depth + parameters->group_count + 1;
}

enum qr_error store_io_create(const struct store_io_parameters *parameters,
			      struct store_io **ret_io, struct store_problem *ret_problem)
{
	struct store_io *io = calloc(1, sizeof(*io));
	enum qr_error error;

	QR_ASSERT(parameters->depth > 0);
	if (io == NULL)
		goto no_memory;
	io->depth = parameters->depth;
	io->group_count = parameters->group_count;
	io->buffer_count = parameters->buffer_count;
	io->file_count = file_count_for(parameters);
	io->features.direct = parameters->directory->direct;
	if (!allocate(io))
		goto no_memory;
	set_up_lists(io, parameters->groups);
	error = create_ring(io, ret_problem);
	if (error == QR_OK)
		error = open_files(io, parameters->directory->fd, ret_problem);
	if (error != QR_OK)
		goto failed;
	register_buffers(io, parameters->buffers);
	*ret_io = io;
	return QR_OK;

no_memory:
	error = store_problem_set(ret_problem, QR_NO_MEMORY, "no memory for a disk ring");
failed:
	store_io_destroy(io);
	return error;
}

void store_io_destroy(struct store_io *io)
{
	struct store_completion completions[REAP_BATCH];

	if (io == NULL)
		return;
	while (io->ring_exists && io->inflight > 0) {
		struct io_uring_cqe *cqe;

		if (store_io_reap(io, completions, REAP_BATCH) == 0 &&
		    io_uring_wait_cqe(&io->ring, &cqe) < 0)
			break; /* another thread's ring: the kernel waits when it closes it */
	}
	if (io->ring_exists)
		io_uring_queue_exit(&io->ring);
	for (uint32_t i = 0; io->groups != NULL && i < io->group_count; i++) {
		if (io->groups[i].fd > 0)
			(void)close(io->groups[i].fd);
	}
	if (io->zeros != NULL)
		(void)munmap(io->zeros, ZEROS_BYTES);
	free(io->groups);
	free(io->buffers);
	free(io->files);
	free(io->requests);
	free(io);
}
