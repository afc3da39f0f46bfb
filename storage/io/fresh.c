/*
 * A data directory that is made of a backup instead of by a node.
 *
 * Its identity is written last, when everything else is on stable media: a node that finds groups
 * without an identity refuses to start. So that there is one from the beginning, the first thing in
 * it is a folder that looks like a group's, and the last thing to go. A crash at any line, or an
 * input that ends too soon, leaves either a directory that is whole or one that nobody opens, and
 * that is to be removed. Were it taken for an empty one, a node would begin without its log.
 */
#include "storage/io/internal.h"

#include "consensus/base/assert.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_MODE 0640
#define GROUP_PREFIX "group-"
#define MARK_NAME GROUP_PREFIX "unfinished"
#define MARK_MODE 0750

static bool is_own(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/** A file system's own folder is no content. */
static bool is_content(const char *name)
{
	return !is_own(name) && strcmp(name, "lost+found") != 0;
}

/** Errors: QR_CONFIG  there is something in it; QR_IO. */
static enum qr_error check_empty(int folder, const char *path, struct store_problem *problem)
{
	DIR *stream = io_list(folder);
	const struct dirent *entry;
	enum qr_error error = QR_OK;

	if (stream == NULL)
		return io_told(problem, path, errno);
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of our own */
	while (error == QR_OK && (entry = readdir(stream)) != NULL) {
		if (!is_content(entry->d_name))
			continue;
		error = store_problem_set(
			problem, QR_CONFIG,
			"%s is not empty ('%.64s'): name another directory, or remove what is in "
			"it, such as what a restore left that did not come to its end",
			path, entry->d_name);
	}
	(void)closedir(stream);
	return error;
}

static enum qr_error create(struct store_directory *directory, const char *path,
			    struct store_problem *problem)
{
	int made = io_make_path(path);
	enum qr_error error;

	if (made != 0)
		return io_told(problem, path, made);
	directory->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory->fd < 0)
		return io_told(problem, path, errno);
	error = check_empty(directory->fd, path, problem);
	if (error != QR_OK)
		return error;
	/* Of two that found it empty, one has it. */
	if (mkdirat(directory->fd, MARK_NAME, MARK_MODE) != 0 || fsync(directory->fd) != 0)
		return io_told(problem, path, errno);
	directory->lock_fd =
		openat(directory->fd, IO_LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC, LOCK_MODE);
	if (directory->lock_fd < 0)
		return io_told(problem, path, errno);
	return io_take_lock(directory, path, LOCK_EX, problem);
}

enum qr_error store_directory_create(const char *path, struct store_directory *ret_directory,
				     struct store_problem *ret_problem)
{
	struct store_directory directory = {.fd = -1, .lock_fd = -1};
	enum qr_error error = create(&directory, path, ret_problem);

	if (error == QR_OK) {
		*ret_directory = directory;
	} else {
		store_directory_close(&directory);
	}
	return error;
}

enum qr_error store_directory_seal(struct store_directory *directory,
				   const struct store_identity *identity,
				   struct store_problem *ret_problem)
{
	enum qr_error error;

	QR_ASSERT(identity->node >= 1 && identity->node <= QR_NODE_MAX);
	if (fsync(directory->fd) != 0)
		return io_told(ret_problem, "the data directory", errno);
	error = io_write_identity(directory->fd, identity, ret_problem);
	if (error == QR_OK) /* if it stays, nobody minds any more */
		(void)unlinkat(directory->fd, MARK_NAME, AT_REMOVEDIR);
	return error;
}

/* ---- taking back ---- */

/** A folder of files, without folders in it. */
static void remove_folder(int parent, const char *name)
{
	int folder = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = folder < 0 ? NULL : io_list(folder);
	const struct dirent *entry;

	/* NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of our own */
	while (stream != NULL && (entry = readdir(stream)) != NULL) {
		if (!is_own(entry->d_name))
			(void)unlinkat(folder, entry->d_name, 0);
	}
	if (stream != NULL)
		(void)closedir(stream);
	if (folder >= 0)
		(void)close(folder);
	(void)unlinkat(parent, name, AT_REMOVEDIR);
}

void store_directory_discard_group(struct store_directory *directory, qr_group group)
{
	char name[STORE_NAME_BYTES];

	store_group_name(name, group);
	remove_folder(directory->fd, name);
}

void store_directory_discard(struct store_directory *directory)
{
	DIR *stream = io_list(directory->fd);
	const struct dirent *entry;

	/* NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of our own */
	while (stream != NULL && (entry = readdir(stream)) != NULL) {
		if (strncmp(entry->d_name, GROUP_PREFIX, strlen(GROUP_PREFIX)) == 0 &&
		    strcmp(entry->d_name, MARK_NAME) != 0)
			remove_folder(directory->fd, entry->d_name);
	}
	if (stream != NULL)
		(void)closedir(stream);
	(void)unlinkat(directory->fd, "node.tmp", 0);
	(void)unlinkat(directory->fd, IO_LOCK_NAME, 0);
	(void)unlinkat(directory->fd, MARK_NAME, AT_REMOVEDIR);
}
