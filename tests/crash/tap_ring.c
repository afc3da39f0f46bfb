/*
 * The io_uring calls of storage/io. Submission entries are taken down when the kernel gets them, in
 * their order, and completions when the program sees them.
 *
 * The rings use a table of files instead of descriptors; which of the node's files is in which
 * place is followed here. Reads change nothing and are not taken down.
 */
#include "tests/crash/tap_internal.h"

#include "consensus/base/assert.h"

#include <liburing.h>

#define SLOTS_MAX 4096
#define WAITING_MAX 512

/** An entry that the kernel has and the program has not heard of. */
struct ring_op {
	uint64_t user_data;
	uint32_t id;   /* 0: nothing is on the tape */
	uint32_t slot; /* of the table, that `file` goes to; MEDIA_NONE */
	uint32_t file;
	uint32_t size_bytes; /* the result of a write that did all of it */
};

struct tapped_ring {
	const struct io_uring *ring; /* NULL: none */
	uint32_t waiting_count;
	struct ring_op waiting[WAITING_MAX];
	uint32_t slots[SLOTS_MAX];
};

static struct tapped_ring rings[TAPE_NODES + 1];

void tap_ring_forget(qr_node node)
{
	rings[node].ring = NULL;
}

static struct tapped_ring *find(const struct io_uring *ring)
{
	struct tapped_ring *tapped = &rings[tap_node()];

	return tap_node() != 0 && tapped->ring == ring ? tapped : NULL;
}

/* ---- submission ---- */

static uint32_t file_of(const struct tapped_ring *tapped, const struct io_uring_sqe *sqe)
{
	uint32_t file;

	if ((sqe->flags & IOSQE_FIXED_FILE) == 0)
		return tap_file_of(sqe->fd);
	QR_ASSERT(sqe->fd >= 0 && sqe->fd < SLOTS_MAX);
	file = tapped->slots[sqe->fd];
	QR_ASSERT(file != MEDIA_NONE);
	return file;
}

static struct tape_op write_of(const struct tapped_ring *tapped, const struct io_uring_sqe *sqe)
{
	struct tape_op op = {
		.kind = TAPE_OP_WRITE,
		.file = file_of(tapped, sqe),
		.offset_bytes = (uint32_t)sqe->off,
		.size_bytes = sqe->len,
		.dsync = (sqe->rw_flags & RWF_DSYNC) != 0,
	};

	/* NOLINTNEXTLINE(performance-no-int-to-ptr): the kernel's interface has it as a number */
	op.data = (const uint8_t *)(uintptr_t)sqe->addr;
	return op;
}

static const char *text_at(uint64_t address)
{
	/* NOLINTNEXTLINE(performance-no-int-to-ptr): the kernel's interface has it as a number */
	return (const char *)(uintptr_t)address;
}

static void take_open(struct ring_op *taken, const struct io_uring_sqe *sqe)
{
	uint32_t folder = tap_file_of(sqe->fd);

	QR_ASSERT(folder != MEDIA_NONE && sqe->file_index > 0 && sqe->file_index <= SLOTS_MAX);
	taken->file = tap_open(folder, text_at(sqe->addr), (int)sqe->open_flags, &taken->id);
	taken->slot = sqe->file_index - 1;
}

/** What an entry asks for; an op of kind 0 when that is not taken down. */
static struct tape_op op_of(const struct tapped_ring *tapped, const struct io_uring_sqe *sqe)
{
	switch (sqe->opcode) {
	case IORING_OP_WRITE:
	case IORING_OP_WRITE_FIXED:
		return write_of(tapped, sqe);
	case IORING_OP_FSYNC:
		return (struct tape_op){.kind = TAPE_OP_SYNC, .file = file_of(tapped, sqe)};
	case IORING_OP_FALLOCATE:
		return (struct tape_op){.kind = TAPE_OP_EXTEND,
					.file = file_of(tapped, sqe),
					.offset_bytes = (uint32_t)sqe->off,
					.size_bytes = (uint32_t)sqe->addr};
	case IORING_OP_RENAMEAT:
		return tap_op_rename(tap_file_of(sqe->fd), text_at(sqe->addr), text_at(sqe->addr2));
	case IORING_OP_UNLINKAT:
		return tap_op_unlink(tap_file_of(sqe->fd), text_at(sqe->addr));
	case IORING_OP_CLOSE:
	case IORING_OP_READ:
	case IORING_OP_READ_FIXED:
		return (struct tape_op){0};
	default:
		QR_ASSERT(false); /* storage/io has learned something new: so must the tap */
		return (struct tape_op){0};
	}
}

static void take_entry(struct tapped_ring *tapped, const struct io_uring_sqe *sqe)
{
	struct ring_op taken = {.user_data = sqe->user_data, .slot = MEDIA_NONE};
	struct tape_op op;

	if (sqe->opcode == IORING_OP_OPENAT) {
		take_open(&taken, sqe);
	} else {
		op = op_of(tapped, sqe);
		if (op.kind == 0)
			return;
		QR_ASSERT(op.file != MEDIA_NONE || op.kind == TAPE_OP_UNLINK);
		taken.id = tap_begin(&op);
		taken.size_bytes = op.kind == TAPE_OP_WRITE ? op.size_bytes : 0;
	}
	QR_ASSERT(tapped->waiting_count < WAITING_MAX);
	tapped->waiting[tapped->waiting_count++] = taken;
}

static void take_submission(struct tapped_ring *tapped, const struct io_uring *ring)
{
	const struct io_uring_sq *queue = &ring->sq;

	for (unsigned at = queue->sqe_head; at != queue->sqe_tail; at++)
		take_entry(tapped, &queue->sqes[at & queue->ring_mask]);
}

/* ---- completion ---- */

static void take_completion(struct tapped_ring *tapped, const struct io_uring_cqe *cqe)
{
	for (uint32_t w = 0; w < tapped->waiting_count; w++) {
		struct ring_op done = tapped->waiting[w];

		if (done.user_data != cqe->user_data)
			continue;
		tapped->waiting_count--;
		memmove(&tapped->waiting[w], &tapped->waiting[w + 1],
			(tapped->waiting_count - w) * sizeof(done));
		if (done.slot != MEDIA_NONE)
			tapped->slots[done.slot] = cqe->res >= 0 ? done.file : MEDIA_NONE;
		/* Recording needs a disk that works. */
		QR_ASSERT(done.size_bytes == 0 || cqe->res == (int)done.size_bytes);
		if (done.id != 0)
			tap_end(done.id, cqe->res < 0);
		return;
	}
}

/* ---- the calls; the linker puts these in the place of liburing's ---- */

/* NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming): the linker decides how
 * these are called */

int __real_io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
				      struct io_uring_params *params);
int __real_io_uring_register_files_update(struct io_uring *ring, unsigned off, const int *files,
					  unsigned count);
int __real_io_uring_submit(struct io_uring *ring);
unsigned __real_io_uring_peek_batch_cqe(struct io_uring *ring, struct io_uring_cqe **cqes,
					unsigned count);

int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
				      struct io_uring_params *params);
int __wrap_io_uring_register_files_update(struct io_uring *ring, unsigned off, const int *files,
					  unsigned count);
int __wrap_io_uring_submit(struct io_uring *ring);
unsigned __wrap_io_uring_peek_batch_cqe(struct io_uring *ring, struct io_uring_cqe **cqes,
					unsigned count);

int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
				      struct io_uring_params *params)
{
	struct tapped_ring *tapped = &rings[tap_node()];

	if (tap_node() != 0) {
		tapped->ring = ring;
		tapped->waiting_count = 0;
		for (uint32_t s = 0; s < SLOTS_MAX; s++)
			tapped->slots[s] = MEDIA_NONE;
	}
	return __real_io_uring_queue_init_params(entries, ring, params);
}

int __wrap_io_uring_register_files_update(struct io_uring *ring, unsigned off, const int *files,
					  unsigned count)
{
	struct tapped_ring *tapped = find(ring);

	for (unsigned i = 0; tapped != NULL && i < count; i++) {
		QR_ASSERT(off + i < SLOTS_MAX);
		tapped->slots[off + i] = tap_file_of(files[i]);
	}
	return __real_io_uring_register_files_update(ring, off, files, count);
}

int __wrap_io_uring_submit(struct io_uring *ring)
{
	struct tapped_ring *tapped = find(ring);

	if (tapped != NULL)
		take_submission(tapped, ring);
	return __real_io_uring_submit(ring);
}

unsigned __wrap_io_uring_peek_batch_cqe(struct io_uring *ring, struct io_uring_cqe **cqes,
					unsigned count)
{
	struct tapped_ring *tapped = find(ring);
	unsigned seen = __real_io_uring_peek_batch_cqe(ring, cqes, count);

	for (unsigned i = 0; tapped != NULL && i < seen; i++)
		take_completion(tapped, cqes[i]);
	return seen;
}

/* NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming) */
