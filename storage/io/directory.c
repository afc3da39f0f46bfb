/*
 * A node's data directory: who may use it, whose it is, and the folders of its groups.
 *
 * The lock is flock on DIR/lock: it goes away with the process, however that ends. The identity is
 * written once, as a temporary file that is renamed, and so are the state files of groups: a crash
 * leaves either none of it or all of it, and *.tmp, which the next start removes. Folders are
 * synced at every start: a name that a killed process gave without having lived to sync it becomes
 * durable before anything is built on it.
 */
#include "consensus/base/assert.h"
#include "consensus/base/crc.h"
#include "storage/format/entry.h"
#include "storage/format/put.h"
#include "storage/format/slot.h"
#include "storage/format/snapshot.h"
#include "storage/io/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* DIR/node: 0 magic, 4 version u16, 6 node u8, 7 zero, 8 crc (its place zero), 12 zero, 16 cluster
 */
#define IDENTITY_MAGIC 0x314e5251u /* "QRN1" */
#define IDENTITY_BYTES 24
#define IDENTITY_NAME "node"
#define PROBE_NAME "probe.tmp"
#define TEMPORARY_SUFFIX ".tmp"
#define SEGMENT_SUFFIX ".seg"
#define SEGMENT_DIGITS 16
#define STATE_BYTES ((size_t)STORE_SLOTS * STORE_SLOT_BYTES)
#define DIRECTORY_MODE 0750
#define FILE_MODE 0640

/* ---- small things ---- */

enum qr_error store_problem_set(struct store_problem *problem, enum qr_error error,
				const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(problem->text, sizeof(problem->text), format, arguments);
	va_end(arguments);
	return error;
}

enum qr_error store_error_of(int number)
{
	switch (number) {
	case 0:
		return QR_OK;
	case ENOSPC:
	case EDQUOT:
		return QR_NO_SPACE;
	case ENOENT:
		return QR_NOT_FOUND;
	case ENOMEM:
		return QR_NO_MEMORY;
	default:
		return QR_IO;
	}
}

enum qr_error io_told(struct store_problem *problem, const char *name, int number)
{
	return store_problem_set(problem, store_error_of(number), "%s: %s", name,
				 strerrordesc_np(number));
}

void store_group_name(char *name, qr_group group)
{
	(void)snprintf(name, STORE_NAME_BYTES, "group-%08x", group);
}

void store_segment_name(char *name, uint64_t segment)
{
	(void)snprintf(name, STORE_NAME_BYTES, "%016llx" SEGMENT_SUFFIX,
		       (unsigned long long)segment);
}

void store_snapshot_name(char *name, uint32_t number)
{
	(void)snprintf(name, STORE_NAME_BYTES, "snapshot-%u", number);
}

/** A small file that is there whole, with its name durable, or not at all. */
static enum qr_error write_file(int folder, const char *name, struct qr_span bytes,
				struct store_problem *problem)
{
	char temporary[STORE_NAME_BYTES];
	int failed;
	int fd;

	(void)snprintf(temporary, sizeof(temporary), "%s" TEMPORARY_SUFFIX, name);
	fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, FILE_MODE);
	if (fd < 0)
		return io_told(problem, name, errno);
	errno = ENOSPC; /* for a short write */
	failed = pwrite(fd, bytes.data, bytes.size_bytes, 0) == (ssize_t)bytes.size_bytes &&
				 fsync(fd) == 0
			 ? 0
			 : errno;
	if (close(fd) != 0 && failed == 0)
		failed = errno;
	if (failed == 0 && renameat(folder, temporary, folder, name) != 0)
		failed = errno;
	if (failed == 0 && fsync(folder) != 0)
		failed = errno;
	return failed == 0 ? QR_OK : io_told(problem, name, failed);
}

static bool ends_with(const char *name, const char *suffix)
{
	size_t length = strlen(name);
	size_t suffix_length = strlen(suffix);

	return length >= suffix_length && strcmp(name + length - suffix_length, suffix) == 0;
}

DIR *io_list(int folder)
{
	int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);

	if (stream == NULL && fd >= 0)
		(void)close(fd);
	return stream;
}

/* ---- lock and identity ---- */

enum qr_error io_take_lock(struct store_directory *directory, const char *path, int how,
			   struct store_problem *problem)
{
	if (flock(directory->lock_fd, how | LOCK_NB) == 0)
		return QR_OK;
	if (errno != EWOULDBLOCK)
		return io_told(problem, path, errno);
	if (how == LOCK_SH) {
		return store_problem_set(problem, QR_LOCKED,
					 "%s is in use by a running node: stop it first", path);
	}
	return store_problem_set(problem, QR_LOCKED,
				 "%s is in use by another process: stop it, or give this node a "
				 "directory of its own",
				 path);
}

static uint32_t identity_crc(const uint8_t bytes[IDENTITY_BYTES])
{
	uint8_t copy[IDENTITY_BYTES];

	memcpy(copy, bytes, sizeof(copy));
	store_put_u32(copy + 8, 0);
	return qr_crc32c(0, copy, sizeof(copy));
}

enum qr_error io_write_identity(int folder, const struct store_identity *identity,
				struct store_problem *problem)
{
	uint8_t bytes[IDENTITY_BYTES] = {0};

	store_put_u32(bytes, IDENTITY_MAGIC);
	store_put_u16(bytes + 4, STORE_FORMAT_VERSION);
	bytes[6] = identity->node;
	store_put_u64(bytes + 16, identity->cluster);
	store_put_u32(bytes + 8, identity_crc(bytes));
	return write_file(folder, IDENTITY_NAME, (struct qr_span){bytes, sizeof(bytes)}, problem);
}

static enum qr_error decode_identity(const uint8_t bytes[IDENTITY_BYTES],
				     struct store_identity *ret_identity)
{
	struct qr_reader reader = qr_reader_over(bytes, IDENTITY_BYTES);
	uint32_t magic = qr_read_u32(&reader);
	uint16_t version = qr_read_u16(&reader);
	qr_node node = qr_read_u8(&reader);
	uint32_t crc;

	(void)qr_read_u8(&reader);
	crc = qr_read_u32(&reader);
	(void)qr_read_u32(&reader);
	if (magic != IDENTITY_MAGIC || crc != identity_crc(bytes) || node == 0 ||
	    node > QR_NODE_MAX)
		return QR_CORRUPT;
	if (version != STORE_FORMAT_VERSION)
		return QR_VERSION;
	ret_identity->node = node;
	ret_identity->cluster = qr_read_u64(&reader);
	return QR_OK;
}

/** Errors: QR_NOT_FOUND without a text: there is none. */
static enum qr_error read_identity(const struct store_directory *directory, const char *path,
				   struct store_identity *ret_identity,
				   struct store_problem *problem)
{
	uint8_t bytes[IDENTITY_BYTES] = {0};
	int fd = openat(directory->fd, IDENTITY_NAME, O_RDONLY | O_CLOEXEC);
	enum qr_error error = QR_CORRUPT;

	if (fd < 0)
		return errno == ENOENT ? QR_NOT_FOUND : io_told(problem, path, errno);
	if (pread(fd, bytes, sizeof(bytes), 0) == (ssize_t)sizeof(bytes))
		error = decode_identity(bytes, ret_identity);
	(void)close(fd);
	if (error == QR_VERSION) {
		return store_problem_set(
			problem, error,
			"%s was written in another format version: use the release "
			"that wrote it",
			path);
	}
	if (error != QR_OK) {
		return store_problem_set(problem, error,
					 "%s/" IDENTITY_NAME
					 " is damaged: restore it, or start this node with "
					 "an empty directory and --lost-data",
					 path);
	}
	return QR_OK;
}

bool io_has_groups(int folder)
{
	DIR *stream = io_list(folder);
	const struct dirent *entry;
	bool found = false;

	/* NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of our own */
	while (stream != NULL && !found && (entry = readdir(stream)) != NULL)
		found = strncmp(entry->d_name, "group-", 6) == 0;
	if (stream != NULL)
		(void)closedir(stream);
	return found;
}

static enum qr_error check_identity(const struct store_directory *directory, const char *path,
				    const struct store_identity *wanted,
				    struct store_problem *problem)
{
	struct store_identity found = {0};
	enum qr_error error = read_identity(directory, path, &found, problem);

	if (error == QR_NOT_FOUND) {
		if (io_has_groups(directory->fd)) {
			return store_problem_set(problem, QR_CORRUPT,
						 "%s holds logs but no identity file: restore "
						 "%s/" IDENTITY_NAME,
						 path, path);
		}
		return io_write_identity(directory->fd, wanted, problem);
	}
	if (error != QR_OK)
		return error;
	if (found.cluster != wanted->cluster) {
		return store_problem_set(problem, QR_FOREIGN,
					 "%s belongs to cluster %016llx, not %016llx: check the "
					 "configured directory and cluster",
					 path, (unsigned long long)found.cluster,
					 (unsigned long long)wanted->cluster);
	}
	if (found.node != wanted->node) {
		return store_problem_set(problem, QR_FOREIGN,
					 "%s belongs to node %u, not %u: check the configured "
					 "directory and node",
					 path, found.node, wanted->node);
	}
	return QR_OK;
}

/* ---- O_DIRECT ---- */

/** Write and read one block the way the log will. @return 0 or errno. */
static int probe_direct(int folder)
{
	static _Alignas(QR_BLOCK_BYTES) uint8_t block[QR_BLOCK_BYTES];
	int fd = openat(folder, PROBE_NAME, O_RDWR | O_CREAT | O_TRUNC | O_DIRECT | O_CLOEXEC,
			FILE_MODE);
	int failed = errno;

	if (fd >= 0) {
		const ssize_t whole = (ssize_t)sizeof(block);

		errno = EIO; /* for a short write or read */
		if (pwrite(fd, block, sizeof(block), 0) == whole &&
		    pread(fd, block, sizeof(block), 0) == whole) {
			failed = 0;
		} else {
			failed = errno;
		}
		(void)close(fd);
	}
	(void)unlinkat(folder, PROBE_NAME, 0);
	return failed;
}

/**
 * A full disk has no room for a probe, and that says nothing about direct I/O. The node has to
 * start all the same: it can read, vote, and go on when there is room. That a file opens so must do
 * then.
 */
static bool can_direct(int folder)
{
	int failed = probe_direct(folder);
	int fd;

	if (failed != ENOSPC && failed != EDQUOT)
		return failed == 0;
	fd = openat(folder, IO_LOCK_NAME, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (fd >= 0)
		(void)close(fd);
	return fd >= 0;
}

/* ---- opening and closing ---- */

/** Make one folder; its name is durable when it was new. @return 0 or errno. */
static int make_folder(const char *path, size_t parent_bytes)
{
	char parent[PATH_MAX];
	int result;
	int fd;

	if (mkdir(path, DIRECTORY_MODE) != 0)
		return errno == EEXIST ? 0 : errno;
	if (parent_bytes == 0) { /* "/" or the working directory */
		(void)snprintf(parent, sizeof(parent), "%s", path[0] == '/' ? "/" : ".");
	} else {
		memcpy(parent, path, parent_bytes);
		parent[parent_bytes] = 0;
	}
	fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	result = fsync(fd) == 0 ? 0 : errno;
	(void)close(fd);
	return result;
}

int io_make_path(const char *path)
{
	char part[PATH_MAX];
	size_t size_bytes = strlen(path);
	size_t parent_bytes = 0;
	int result = 0;

	if (size_bytes >= sizeof(part))
		return ENAMETOOLONG;
	for (size_t at = 1; at <= size_bytes && result == 0; at++) {
		if (path[at] != '/' && path[at] != 0)
			continue;
		memcpy(part, path, at);
		part[at] = 0;
		result = make_folder(part, parent_bytes);
		parent_bytes = at;
	}
	return result;
}

static enum qr_error open_all(struct store_directory *directory, const char *path,
			      const struct store_identity *identity, bool direct,
			      struct store_problem *problem)
{
	int made = io_make_path(path);
	enum qr_error error;

	if (made != 0)
		return io_told(problem, path, made);
	directory->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory->fd < 0)
		return io_told(problem, path, errno);
	directory->lock_fd =
		openat(directory->fd, IO_LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC, FILE_MODE);
	if (directory->lock_fd < 0)
		return io_told(problem, path, errno);
	error = io_take_lock(directory, path, LOCK_EX, problem);
	if (error == QR_OK)
		error = check_identity(directory, path, identity, problem);
	if (error != QR_OK)
		return error;
	directory->direct = direct;
	if (direct && !can_direct(directory->fd)) {
		return store_problem_set(
			problem, QR_NO_DIRECT_IO,
			"the file system of %s does not support O_DIRECT: use ext4 "
			"or xfs, or run with --direct-io=off",
			path);
	}
	return fsync(directory->fd) == 0 ? QR_OK : io_told(problem, path, errno);
}

/* NOLINTNEXTLINE(readability-function-size): six, and each is the caller's to say */
enum qr_error store_directory_open(const char *path, uint64_t cluster, qr_node node, bool direct,
				   struct store_directory *ret_directory,
				   struct store_problem *ret_problem)
{
	const struct store_identity identity = {.cluster = cluster, .node = node};
	struct store_directory directory = {.fd = -1, .lock_fd = -1};
	enum qr_error error;

	QR_ASSERT(node >= 1 && node <= QR_NODE_MAX);
	error = open_all(&directory, path, &identity, direct, ret_problem);
	if (error == QR_OK) {
		io_find_lost(&directory);
		*ret_directory = directory;
	} else {
		store_directory_close(&directory);
	}
	return error;
}

bool store_directory_is_in_use(const struct store_directory *directory)
{
	if (directory->lock_fd < 0)
		return false;
	if (flock(directory->lock_fd, LOCK_SH | LOCK_NB) != 0)
		return errno == EWOULDBLOCK;
	(void)flock(directory->lock_fd, LOCK_UN);
	return false;
}

enum qr_error store_directory_inspect(const char *path, bool running,
				      struct store_directory *ret_directory,
				      struct store_identity *ret_identity,
				      struct store_problem *ret_problem)
{
	struct store_directory directory = {.fd = -1, .lock_fd = -1};
	enum qr_error error = QR_OK;

	directory.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory.fd < 0)
		return io_told(ret_problem, path, errno);
	directory.lock_fd = openat(directory.fd, IO_LOCK_NAME, O_RDONLY | O_CLOEXEC);
	if (directory.lock_fd >= 0 && !running)
		error = io_take_lock(&directory, path, LOCK_SH, ret_problem);
	if (error == QR_OK) {
		error = read_identity(&directory, path, ret_identity, ret_problem);
		if (error == QR_NOT_FOUND) {
			error = store_problem_set(ret_problem, error,
						  "%s is not a node's data directory", path);
		}
	}
	if (error == QR_OK) {
		*ret_directory = directory;
	} else {
		store_directory_close(&directory);
	}
	return error;
}

void store_directory_close(struct store_directory *directory)
{
	if (directory->lock_fd > 0)
		(void)close(directory->lock_fd);
	if (directory->fd > 0)
		(void)close(directory->fd);
	*directory = (struct store_directory){.fd = -1, .lock_fd = -1};
}

/* ---- groups ---- */

/** The number in a segment's file name. */
static bool parse_segment(const char *name, uint64_t *ret_segment)
{
	char expected[STORE_NAME_BYTES];
	char *end;

	if (!ends_with(name, SEGMENT_SUFFIX))
		return false;
	*ret_segment = strtoull(name, &end, 16);
	store_segment_name(expected, *ret_segment);
	return strcmp(name, expected) == 0;
}

/** Find the segments, and remove what a crash left half made. */
static enum qr_error scan_group(int folder, const char *name, struct store_extent *ret_segments,
				struct store_problem *problem)
{
	DIR *stream = io_list(folder);
	const struct dirent *entry;
	struct store_extent found = {.first = UINT64_MAX};
	uint64_t end = 0;
	uint64_t segment;

	if (stream == NULL)
		return io_told(problem, name, errno);
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of our own */
	while ((entry = readdir(stream)) != NULL) {
		if (ends_with(entry->d_name, TEMPORARY_SUFFIX))
			(void)unlinkat(folder, entry->d_name, 0);
		if (!parse_segment(entry->d_name, &segment))
			continue;
		found.count++;
		if (segment >= end)
			end = segment + 1;
		if (segment < found.first)
			found.first = segment;
	}
	(void)closedir(stream);
	if (found.count == 0)
		found.first = 0;
	if (found.first + found.count != end) {
		return store_problem_set(
			problem, QR_CORRUPT,
			"%s: %llu of its %llu segments are missing: restore them, or start "
			"this node with an empty directory and --lost-data",
			name, (unsigned long long)(end - found.first - found.count),
			(unsigned long long)(end - found.first));
	}
	*ret_segments = found;
	return QR_OK;
}

/** Slots that were never written; or that hold nothing which can be read, where they were lost. */
static enum qr_error make_state(int folder, bool lost, struct store_problem *problem)
{
	uint8_t bytes[STATE_BYTES];

	memset(bytes, lost ? 0xff : 0, sizeof(bytes));
	return write_file(folder, STORE_STATE_NAME, (struct qr_span){bytes, sizeof(bytes)},
			  problem);
}

static enum qr_error check_state(const struct store_directory *directory, int folder,
				 const char *name, uint64_t segment_count,
				 struct store_problem *problem)
{
	struct stat status;

	if (fstatat(folder, STORE_STATE_NAME, &status, 0) != 0) {
		if (errno != ENOENT)
			return io_told(problem, name, errno);
		return make_state(folder, directory->lost_data || segment_count > 0, problem);
	}
	if (status.st_size == (off_t)STATE_BYTES)
		return QR_OK;
	return store_problem_set(problem, QR_CORRUPT,
				 "%s/" STORE_STATE_NAME " has not the size that it should have: "
				 "restore it, or start this node with an empty directory and "
				 "--lost-data",
				 name);
}

/** Empty ones; the folder is synced afterwards. */
static enum qr_error create_snapshots(int folder, struct store_problem *problem)
{
	char name[STORE_NAME_BYTES];

	for (uint32_t number = 0; number < STORE_SNAPSHOTS; number++) {
		int fd;

		store_snapshot_name(name, number);
		fd = openat(folder, name, O_WRONLY | O_CREAT | O_CLOEXEC, FILE_MODE);
		if (fd < 0 || close(fd) != 0)
			return io_told(problem, name, errno);
	}
	return QR_OK;
}

enum qr_error store_directory_group(struct store_directory *directory, qr_group group,
				    struct store_extent *ret_segments,
				    struct store_problem *ret_problem)
{
	char name[STORE_NAME_BYTES];
	struct store_extent segments = {0};
	enum qr_error error;
	int folder;

	store_group_name(name, group);
	if (mkdirat(directory->fd, name, DIRECTORY_MODE) != 0 && errno != EEXIST)
		return io_told(ret_problem, name, errno);
	folder = openat(directory->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return io_told(ret_problem, name, errno);
	error = scan_group(folder, name, &segments, ret_problem);
	if (error == QR_OK)
		error = check_state(directory, folder, name, segments.count, ret_problem);
	if (error == QR_OK)
		error = create_snapshots(folder, ret_problem);
	if (error == QR_OK && (fsync(folder) != 0 || fsync(directory->fd) != 0))
		error = io_told(ret_problem, name, errno);
	(void)close(folder);
	if (error == QR_OK)
		*ret_segments = segments;
	return error;
}
