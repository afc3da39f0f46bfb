/*
 * Disks: whether a data directory takes direct I/O, and what the device under it does with a write.
 * Looks only: the one file that is opened has no name and is gone when it is closed.
 */
#include "control/cli/doctor.h"
#include "control/cli/heap.h"
#include "control/cli/units.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define SPACE_BYTES (2ull << 30)

struct disk {
	struct ctl_report *report;
	const struct ctl_machine *machine;
	const char *directory; /* as it was given */
	char *existing;	       /* it, or the nearest parent that exists */
};

static const char *file_system_name(long type)
{
	static const struct {
		long type;
		const char *name;
	} known[] = {
		{0xEF53, "ext4"},      {0x58465342, "xfs"},	{0x9123683E, "btrfs"},
		{0x01021994, "tmpfs"}, {0x794c7630, "overlay"}, {0x2FC12FC1, "zfs"},
		{0x6969, "nfs"},       {0xF2F52010, "f2fs"},	{0x65735546, "fuse"},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (known[i].type == type)
			return known[i].name;
	}
	return "unknown";
}

/* The directory itself or the nearest parent that is there; to free(). */
static char *nearest_existing(const char *directory)
{
	char *path = ctl_heap_print("%s", directory);

	while (access(path, F_OK) != 0) {
		char *slash = strrchr(path, '/');

		if (slash == NULL || slash == path) {
			free(path);
			return ctl_heap_print("%s", slash == NULL ? "." : "/");
		}
		*slash = '\0';
	}
	return path;
}

static void check_space(struct disk *disk)
{
	struct statfs fs = {0};
	double free_bytes;

	if (statfs(disk->existing, &fs) != 0) {
		ctl_report_bad(disk->report, CTL_PROFILES_ALL, "file system", "%s",
			       strerrordesc_np(errno));
		ctl_report_fix(disk->report, "mkdir -p %s", disk->directory);
		return;
	}
	free_bytes = (double)fs.f_bavail * (double)fs.f_bsize;
	if (free_bytes >= (double)SPACE_BYTES) {
		ctl_report_ok(disk->report, "file system", "%s, %s free",
			      file_system_name(fs.f_type), ctl_units_bytes(free_bytes).text);
		return;
	}
	ctl_report_bad(disk->report, CTL_PROFILES_NONE, "file system",
		       "%s, only %s free: segments are allocated ahead",
		       file_system_name(fs.f_type), ctl_units_bytes(free_bytes).text);
	ctl_report_fix(disk->report, "free space there, or lower '[storage] segment'");
}

static void report_direct(struct disk *disk, int fd)
{
#ifdef STATX_DIOALIGN
	struct statx info = {0};

	if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &info) == 0 &&
	    (info.stx_mask & STATX_DIOALIGN) != 0) {
		if (info.stx_dio_offset_align > QR_BLOCK_BYTES) {
			ctl_report_bad(disk->report, CTL_PROFILES_ALL, "O_DIRECT",
				       "aligned to %u B, but a log's block has %u B",
				       info.stx_dio_offset_align, QR_BLOCK_BYTES);
			ctl_report_fix(disk->report, "put the data on a device with blocks of at "
						     "most 4 KiB");
			return;
		}
		ctl_report_ok(disk->report, "O_DIRECT", "supported, aligned to %u B (memory %u B)",
			      info.stx_dio_offset_align, info.stx_dio_mem_align);
		return;
	}
#else
	(void)fd;
#endif
	ctl_report_ok(disk->report, "O_DIRECT", "supported");
}

static void check_direct(struct disk *disk)
{
	int fd = open(disk->existing, O_TMPFILE | O_RDWR | O_DIRECT | O_CLOEXEC, 0600);
	int error = errno;

	if (fd >= 0) {
		report_direct(disk, fd);
		(void)close(fd);
	} else if (error == EOPNOTSUPP || error == EISDIR || error == ENOENT) {
		ctl_report_ok(disk->report, "O_DIRECT",
			      "not known: the file system has no unnamed files; quorated tells");
	} else if (error == EINVAL) {
		ctl_report_bad(disk->report, CTL_PROFILES_ALL, "O_DIRECT",
			       "not supported by this file system");
		ctl_report_fix(disk->report, "put the data on ext4 or xfs, or set '[storage] "
					     "direct_io = off' (shown in every banner)");
	} else {
		ctl_report_bad(disk->report, CTL_PROFILES_ALL, "O_DIRECT", "cannot write there: %s",
			       strerrordesc_np(error));
		ctl_report_fix(disk->report, "install -d -o \"$USER\" %s", disk->directory);
	}
}

static bool read_queue(const struct disk *disk, const char *device, const char *key,
		       char ret_text[CTL_MACHINE_TEXT_BYTES])
{
	/* a partition has no queue of its own */
	return ctl_machine_read(ctl_machine_path(disk->machine, "%s/queue/%s", device, key),
				ret_text) ||
	       ctl_machine_read(ctl_machine_path(disk->machine, "%s/../queue/%s", device, key),
				ret_text);
}

static void check_blocks(struct disk *disk, const char *device, const char *name)
{
	char logical[CTL_MACHINE_TEXT_BYTES];
	char physical[CTL_MACHINE_TEXT_BYTES];

	(void)read_queue(disk, device, "logical_block_size", logical);
	(void)read_queue(disk, device, "physical_block_size", physical);
	if (strtoul(physical, NULL, 10) <= QR_BLOCK_BYTES) {
		ctl_report_ok(disk->report, "blocks", "%s: %.16s B logical, %.16s B physical", name,
			      logical, physical);
		return;
	}
	ctl_report_bad(disk->report, CTL_PROFILES_NONE, "blocks",
		       "%s: %.16s B physical: every 4 KiB write is a read and a write there", name,
		       physical);
	ctl_report_fix(disk->report, "use a device whose physical block is 4 KiB or less");
}

static void check_cache(struct disk *disk, const char *device, const char *name)
{
	char cache[CTL_MACHINE_TEXT_BYTES];
	char fua[CTL_MACHINE_TEXT_BYTES];

	if (!read_queue(disk, device, "write_cache", cache))
		return;
	(void)read_queue(disk, device, "fua", fua);
	if (strcmp(cache, "write back") != 0) {
		ctl_report_ok(disk->report, "write cache", "none that is volatile (%.32s)", cache);
	} else if (strcmp(fua, "1") == 0) {
		ctl_report_ok(disk->report, "write cache",
			      "volatile, with FUA: a durable write is one command");
	} else {
		ctl_report_bad(disk->report, CTL_PROFILES_NONE, "write cache",
			       "volatile, without FUA: every durable write waits for a flush");
		ctl_report_fix(disk->report,
			       "only if the cache is safe from power loss: echo 'write "
			       "through' >/sys/block/%s/queue/write_cache",
			       name);
	}
}

static void check_scheduler(struct disk *disk, const char *device, const char *name)
{
	char text[CTL_MACHINE_TEXT_BYTES];
	const char *open_bracket;

	if (!read_queue(disk, device, "scheduler", text))
		return;
	open_bracket = strchr(text, '[');
	if (strcmp(text, "none") == 0 || strstr(text, "[none]") != NULL || open_bracket == NULL) {
		ctl_report_ok(disk->report, "scheduler", "none");
		return;
	}
	ctl_report_bad(disk->report, CTL_PROFILES_NONE, "scheduler",
		       "%.*s: it reorders what is in order already",
		       (int)strcspn(open_bracket + 1, "]"), open_bracket + 1);
	ctl_report_fix(disk->report, "echo none >/sys/block/%s/queue/scheduler", name);
}

static void check_device(struct disk *disk, const char *lcores)
{
	char device[64];
	char name[CTL_MACHINE_NAME_BYTES];
	struct stat info = {0};

	if (stat(disk->existing, &info) != 0)
		return;
	(void)snprintf(device, sizeof(device), "/sys/dev/block/%u:%u", major(info.st_dev),
		       minor(info.st_dev));
	if (!ctl_machine_read_link(ctl_machine_path(disk->machine, "%s", device), name)) {
		ctl_report_bad(disk->report, CTL_PROFILES_NONE, "device",
			       "none known: what is under this file system cannot be judged");
		ctl_report_fix(disk->report, "put the data on ext4 or xfs on a local device");
		return;
	}
	if (ctl_machine_has(ctl_machine_path(disk->machine, "%s/partition", device))) {
		char target[CTL_MACHINE_NAME_BYTES];
		struct ctl_path parent = ctl_machine_path(disk->machine, "%s/..", device);
		char *real = realpath(parent.text, NULL);

		if (real != NULL) {
			(void)snprintf(target, sizeof(target), "%.255s", strrchr(real, '/') + 1);
			memcpy(name, target, sizeof(name));
		}
		free(real);
	}
	check_blocks(disk, device, name);
	check_cache(disk, device, name);
	check_scheduler(disk, device, name);
	ctl_doctor_interrupts(disk->report, disk->machine, "disk irq", device, lcores);
}

void ctl_doctor_disk(struct ctl_report *report, const struct ctl_machine *machine,
		     const char *directory, const char *lcores)
{
	struct disk disk = {
		.report = report,
		.machine = machine,
		.directory = directory,
		.existing = nearest_existing(directory),
	};

	check_space(&disk);
	check_direct(&disk);
	check_device(&disk, lcores);
	free(disk.existing);
}
