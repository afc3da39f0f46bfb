/*
 * The system calls of storage/io: opening a directory, making groups, the identity and state files.
 *
 * Each is one operation that begins before the call and ends after it, so that there is a place on
 * the tape in between: power may be cut inside of a call. Which file a descriptor or a name means
 * is asked of the node's media, which has seen everything that was ever taken down.
 */
#include "tests/crash/tap_internal.h"

#include "consensus/base/assert.h"

#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#define FDS_MAX 4096
#define ROOT_NAME "data"

struct tap_fd {
	qr_node node; /* 0: not ours */
	uint32_t file;
};

static struct {
	struct tape *tape;
	struct media *media;
	qr_node node;
	uint64_t count;
	uint32_t next_id[TAPE_NODES + 1];
	char roots[TAPE_NODES + 1][PATH_MAX];
	struct tap_fd fds[FDS_MAX];
} tap;

/* ---- from outside ---- */

void tap_attach(struct tape *tape, struct media *media)
{
	memset(&tap, 0, sizeof(tap));
	tap.tape = tape;
	tap.media = media;
}

void tap_detach(void)
{
	for (qr_node node = 1; node <= TAPE_NODES; node++)
		tap_forget(node);
	tap.tape = NULL;
	tap.media = NULL;
}

void tap_set_root(qr_node node, const char *path)
{
	QR_ASSERT(strlen(path) < PATH_MAX && strrchr(path, '/') != NULL);
	memcpy(tap.roots[node], path, strlen(path) + 1);
}

void tap_enter(qr_node node)
{
	QR_ASSERT(tap.tape != NULL && tap.node == 0);
	tap.node = node;
}

void tap_leave(void)
{
	QR_ASSERT(tap.node != 0);
	tap.node = 0;
}

void tap_forget(qr_node node)
{
	for (unsigned fd = 0; fd < FDS_MAX; fd++) {
		if (tap.fds[fd].node == node)
			tap.fds[fd].node = 0;
	}
	tap_ring_forget(node);
}

void tap_put(const struct tape_event *event)
{
	(void)tape_put(tap.tape, event);
}

uint64_t tap_count(void)
{
	return tap.count;
}

/* ---- operations ---- */

qr_node tap_node(void)
{
	return tap.node;
}

uint32_t tap_file_of(int fd)
{
	if (fd < 0 || fd >= FDS_MAX || tap.fds[fd].node == 0 || tap.fds[fd].node != tap.node)
		return MEDIA_NONE;
	return tap.fds[fd].file;
}

static void set_fd(int fd, uint32_t file)
{
	if (fd < 0)
		return;
	QR_ASSERT(fd < FDS_MAX);
	tap.fds[fd] = (struct tap_fd){.node = file == MEDIA_NONE ? 0 : tap.node, .file = file};
}

uint32_t tap_begin(struct tape_op *op)
{
	struct tape_event event = {.kind = TAPE_BEGIN, .node = tap.node};

	QR_ASSERT(tap.node != 0);
	op->id = ++tap.next_id[tap.node];
	event.op = *op;
	tap.count++;
	media_begin(&tap.media[tap.node], &tape_put(tap.tape, &event)->op);
	return op->id;
}

void tap_end(uint32_t id, bool failed)
{
	const struct tape_event event = {
		.kind = TAPE_END, .node = tap.node, .end = {.id = id, .failed = failed}};

	(void)tape_put(tap.tape, &event);
	media_end(&tap.media[tap.node], id, failed);
}

static void set_name(char to[TAPE_NAME_BYTES], const char *name)
{
	QR_ASSERT(strlen(name) < TAPE_NAME_BYTES);
	memcpy(to, name, strlen(name) + 1);
}

static struct tape_op op_make(enum tape_op_kind kind, uint32_t folder, const char *name)
{
	struct tape_op op = {
		.kind = kind, .folder = folder, .file = tap.media[tap.node].file_count};

	set_name(op.name, name);
	return op;
}

uint32_t tap_open(uint32_t folder, const char *name, int flags, uint32_t *ret_id)
{
	uint32_t file = media_find_visible(&tap.media[tap.node], folder, name);
	struct tape_op op;

	*ret_id = 0;
	if (file == MEDIA_NONE && (flags & O_CREAT) != 0) {
		op = op_make(TAPE_OP_CREATE, folder, name);
		*ret_id = tap_begin(&op);
		return op.file;
	}
	if (file != MEDIA_NONE && (flags & O_TRUNC) != 0) {
		op = (struct tape_op){.kind = TAPE_OP_TRUNCATE, .file = file};
		*ret_id = tap_begin(&op);
	}
	return file;
}

struct tape_op tap_op_rename(uint32_t folder, const char *name, const char *new_name)
{
	struct tape_op op = {.kind = TAPE_OP_RENAME, .folder = folder};

	op.file = media_find_visible(&tap.media[tap.node], folder, name);
	QR_ASSERT(op.file != MEDIA_NONE);
	set_name(op.name, name);
	set_name(op.new_name, new_name);
	return op;
}

struct tape_op tap_op_unlink(uint32_t folder, const char *name)
{
	struct tape_op op = {.kind = TAPE_OP_UNLINK, .folder = folder};

	set_name(op.name, name);
	return op;
}

/** The folder that an absolute path means: the data directory or the one above it. */
static uint32_t folder_of_path(const char *path)
{
	const char *root = tap.roots[tap.node];
	size_t above = (size_t)(strrchr(root, '/') - root);

	if (strcmp(path, root) == 0)
		return media_find_visible(&tap.media[tap.node], TAPE_TOP, ROOT_NAME);
	if (strlen(path) == above && strncmp(path, root, above) == 0)
		return TAPE_TOP;
	return MEDIA_NONE;
}

/** Making what is there, or removing what is not, has no effect: nothing to take down. */
static bool has_name(uint32_t folder, const char *name)
{
	return media_find_visible(&tap.media[tap.node], folder, name) != MEDIA_NONE;
}

/* ---- the calls; the linker puts these in the place of libc's ---- */

/* NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming): the linker decides how
 * these are called */

int __real_mkdir(const char *path, mode_t mode);
int __real_mkdirat(int at, const char *name, mode_t mode);
int __real_open64(const char *path, int flags, ...);
int __real_openat64(int at, const char *name, int flags, ...);
int __real_close(int fd);
ssize_t __real_pwrite64(int fd, const void *data, size_t size_bytes, off_t offset);
int __real_fsync(int fd);
int __real_renameat(int from, const char *name, int to, const char *new_name);
int __real_unlinkat(int at, const char *name, int flags);

int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_mkdirat(int at, const char *name, mode_t mode);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_openat64(int at, const char *name, int flags, ...);
int __wrap_close(int fd);
ssize_t __wrap_pwrite64(int fd, const void *data, size_t size_bytes, off_t offset);
int __wrap_fsync(int fd);
int __wrap_renameat(int from, const char *name, int to, const char *new_name);
int __wrap_unlinkat(int at, const char *name, int flags);

int __wrap_mkdir(const char *path, mode_t mode)
{
	struct tape_op op;
	uint32_t id;
	int result;

	if (tap.node == 0 || strcmp(path, tap.roots[tap.node]) != 0 ||
	    has_name(TAPE_TOP, ROOT_NAME))
		return __real_mkdir(path, mode);
	op = op_make(TAPE_OP_MKDIR, TAPE_TOP, ROOT_NAME);
	id = tap_begin(&op);
	result = __real_mkdir(path, mode);
	tap_end(id, result != 0);
	return result;
}

int __wrap_mkdirat(int at, const char *name, mode_t mode)
{
	uint32_t folder = tap_file_of(at);
	struct tape_op op;
	uint32_t id;
	int result;

	if (folder == MEDIA_NONE || has_name(folder, name))
		return __real_mkdirat(at, name, mode);
	op = op_make(TAPE_OP_MKDIR, folder, name);
	id = tap_begin(&op);
	result = __real_mkdirat(at, name, mode);
	tap_end(id, result != 0);
	return result;
}

int __wrap_open64(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list arguments;
	int fd;

	if ((flags & O_CREAT) != 0) {
		va_start(arguments, flags);
		mode = va_arg(arguments, mode_t);
		va_end(arguments);
	}
	fd = __real_open64(path, flags, mode);
	if (tap.node != 0)
		set_fd(fd, folder_of_path(path));
	return fd;
}

int __wrap_openat64(int at, const char *name, int flags, ...)
{
	uint32_t folder = tap_file_of(at);
	uint32_t file = folder;
	uint32_t id = 0;
	mode_t mode = 0;
	va_list arguments;
	int fd;

	if ((flags & O_CREAT) != 0) {
		va_start(arguments, flags);
		mode = va_arg(arguments, mode_t);
		va_end(arguments);
	}
	if (folder != MEDIA_NONE && strcmp(name, ".") != 0)
		file = tap_open(folder, name, flags, &id);
	fd = __real_openat64(at, name, flags, mode);
	if (id != 0)
		tap_end(id, fd < 0);
	set_fd(fd, file);
	return fd;
}

int __wrap_close(int fd)
{
	if (fd >= 0 && fd < FDS_MAX && tap.node != 0)
		tap.fds[fd].node = 0;
	return __real_close(fd);
}

ssize_t __wrap_pwrite64(int fd, const void *data, size_t size_bytes, off_t offset)
{
	struct tape_op op = {
		.kind = TAPE_OP_WRITE,
		.file = tap_file_of(fd),
		.offset_bytes = (uint32_t)offset,
		.size_bytes = (uint32_t)size_bytes,
		.data = data,
	};
	ssize_t result;
	uint32_t id;

	if (op.file == MEDIA_NONE)
		return __real_pwrite64(fd, data, size_bytes, offset);
	id = tap_begin(&op);
	result = __real_pwrite64(fd, data, size_bytes, offset);
	QR_ASSERT(result == (ssize_t)size_bytes); /* recording needs a disk that works */
	tap_end(id, false);
	return result;
}

int __wrap_fsync(int fd)
{
	struct tape_op op = {.kind = TAPE_OP_SYNC, .file = tap_file_of(fd)};
	uint32_t id;
	int result;

	if (op.file == MEDIA_NONE)
		return __real_fsync(fd);
	id = tap_begin(&op);
	result = __real_fsync(fd);
	tap_end(id, result != 0);
	return result;
}

int __wrap_renameat(int from, const char *name, int to, const char *new_name)
{
	uint32_t folder = tap_file_of(from);
	struct tape_op op;
	uint32_t id;
	int result;

	if (folder == MEDIA_NONE)
		return __real_renameat(from, name, to, new_name);
	QR_ASSERT(tap_file_of(to) == folder);
	op = tap_op_rename(folder, name, new_name);
	id = tap_begin(&op);
	result = __real_renameat(from, name, to, new_name);
	tap_end(id, result != 0);
	return result;
}

int __wrap_unlinkat(int at, const char *name, int flags)
{
	uint32_t folder = tap_file_of(at);
	struct tape_op op;
	uint32_t id;
	int result;

	if (folder == MEDIA_NONE || !has_name(folder, name))
		return __real_unlinkat(at, name, flags);
	op = tap_op_unlink(folder, name);
	id = tap_begin(&op);
	result = __real_unlinkat(at, name, flags);
	tap_end(id, result != 0);
	return result;
}

/* NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming) */
