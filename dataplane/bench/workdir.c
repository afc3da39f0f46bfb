/*
 * The benchmark's directory. Its name is drawn by mkdtemp, so removing it can never reach anything
 * that was there before. A crash leaves it behind: its name says what it is.
 */
#include "dataplane/bench/workdir.h"

#include <errno.h>
#include <ftw.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define DESCRIPTORS_MAX 16

static bool is_on_disk(const char *path)
{
	struct statfs about;

	return statfs(path, &about) == 0 && about.f_type != TMPFS_MAGIC &&
	       about.f_type != RAMFS_MAGIC;
}

static const char *default_parent(void)
{
	/* The main thread, before there is another. */
	const char *named = getenv("TMPDIR"); // NOLINT(concurrency-mt-unsafe)

	if (named != NULL && is_on_disk(named))
		return named;
	return is_on_disk("/var/tmp") ? "/var/tmp" : NULL;
}

enum qr_error dp_bench_workdir_create(struct dp_bench_workdir *workdir, const char *parent,
				      struct dp_bench_problem *ret_problem)
{
	char *text = ret_problem->text;
	const size_t size = sizeof(ret_problem->text);
	int length;

	workdir->path[0] = '\0';
	if (parent == NULL)
		parent = default_parent();
	if (parent == NULL) {
		(void)snprintf(text, size,
			       "neither TMPDIR nor /var/tmp is on a disk: name one with --dir");
		return QR_UNSUPPORTED;
	}
	length = snprintf(workdir->path, sizeof(workdir->path), "%s/quorate-bench.XXXXXX", parent);
	if (length >= (int)sizeof(workdir->path)) {
		(void)snprintf(text, size, "%s: too long: name a shorter directory with --dir",
			       parent);
		workdir->path[0] = '\0';
		return QR_TOO_LARGE;
	}
	if (mkdtemp(workdir->path) == NULL) {
		int code = errno;

		(void)snprintf(text, size, "%s: %s: name a directory of yours with --dir", parent,
			       strerrordesc_np(code));
		workdir->path[0] = '\0';
		return code == ENOENT ? QR_NOT_FOUND : QR_IO;
	}
	return QR_OK;
}

uint64_t dp_bench_workdir_free_bytes(const struct dp_bench_workdir *workdir)
{
	struct statvfs about;

	if (statvfs(workdir->path, &about) != 0)
		return 0;
	return (uint64_t)about.f_bavail * about.f_frsize;
}

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *where)
{
	(void)about;
	(void)kind;
	(void)where;
	/* What cannot be removed stays, with a name that says whose it is. */
	(void)(remove(path) == 0);
	return 0;
}

void dp_bench_workdir_remove(struct dp_bench_workdir *workdir)
{
	if (workdir->path[0] != '\0') {
		/* One thread is left. NOLINTNEXTLINE(concurrency-mt-unsafe) */
		(void)nftw(workdir->path, remove_one, DESCRIPTORS_MAX,
			   FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	}
	workdir->path[0] = '\0';
}
