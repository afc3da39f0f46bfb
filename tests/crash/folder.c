/*
 * Real directories for images. Files are as long as in the image, and have holes where that holds
 * zeros: the contents are the same, and most of a segment is zeros.
 *
 * A system call that fails here means that this machine cannot run the test; it asserts.
 */
#include "tests/crash/folder.h"

#include "consensus/base/assert.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER_MODE 0750
#define FILE_MODE 0640
#define OPEN_MAX_AT_ONCE 16

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
	(void)status;
	(void)kind;
	(void)where;
	return remove(path);
}

void folder_remove(const char *path)
{
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread */
	int result = nftw(path, remove_one, OPEN_MAX_AT_ONCE, FTW_DEPTH | FTW_PHYS);

	QR_ASSERT(result == 0 || errno == ENOENT);
}

static bool is_zero(const uint8_t *bytes, size_t size_bytes)
{
	return bytes[0] == 0 && memcmp(bytes, bytes + 1, size_bytes - 1) == 0;
}

static void write_file(const struct media_file *file, const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);

	QR_ASSERT(fd >= 0);
	QR_ASSERT(ftruncate(fd, (off_t)file->size_bytes) == 0);
	for (uint32_t at = 0; at < file->size_bytes; at += QR_BLOCK_BYTES) {
		uint32_t left = file->size_bytes - at;
		size_t part = left < QR_BLOCK_BYTES ? left : QR_BLOCK_BYTES;

		if (!is_zero(file->data + at, part))
			QR_ASSERT(pwrite(fd, file->data + at, part, (off_t)at) == (ssize_t)part);
	}
	QR_ASSERT(close(fd) == 0);
}

/** One level: a group's folder holds files only. */
static void write_files(const struct media *media, uint32_t folder, const char *path)
{
	const struct media_file *from = media_file(media, folder);
	char name[PATH_MAX];

	QR_ASSERT(mkdir(path, FOLDER_MODE) == 0);
	for (uint32_t n = 0; n < from->name_count; n++) {
		const struct media_file *file = media_file(media, from->names[n].file);

		QR_ASSERT(snprintf(name, sizeof(name), "%s/%s", path, from->names[n].name) <
			  PATH_MAX);
		if (!file->folder)
			write_file(file, name);
	}
}

void folder_write(const struct media *media, const char *path)
{
	uint32_t top = media_find(media, TAPE_TOP, "data");
	const struct media_file *from;
	char name[PATH_MAX];

	folder_remove(path);
	if (top == MEDIA_NONE)
		return;
	write_files(media, top, path);
	from = media_file(media, top);
	for (uint32_t n = 0; n < from->name_count; n++) {
		if (!media_file(media, from->names[n].file)->folder)
			continue;
		QR_ASSERT(snprintf(name, sizeof(name), "%s/%s", path, from->names[n].name) <
			  PATH_MAX);
		write_files(media, from->names[n].file, name);
	}
}
