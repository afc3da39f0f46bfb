/*
 * What kind of device is under a path, as sysfs tells it. Nothing here fails: what cannot be found
 * out stays zero, and whoever shows it says "unknown".
 */
#include "storage/io/io.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define ATTRIBUTE_BYTES 64
#define PATH_BYTES 512

/** One line of a file of sysfs, without its end. */
static bool read_attribute(const char *folder, const char *attribute, char *text)
{
	char path[PATH_BYTES];
	ssize_t size = -1;
	int fd;

	if (snprintf(path, sizeof(path), "%s/%s", folder, attribute) >= (int)sizeof(path))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		size = read(fd, text, ATTRIBUTE_BYTES - 1);
		(void)close(fd);
	}
	if (size < 0)
		return false;
	text[size] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return true;
}

static unsigned long read_number(const char *folder, const char *attribute)
{
	char text[ATTRIBUTE_BYTES];

	return read_attribute(folder, attribute, text) ? strtoul(text, NULL, 10) : 0;
}

/** The folder of the whole device: a partition's queue is its parent's. */
static bool find_folder(const char *path, char *folder)
{
	struct stat status;
	char link[PATH_BYTES];
	char resolved[PATH_MAX];
	char text[ATTRIBUTE_BYTES];

	if (stat(path, &status) != 0)
		return false;
	(void)snprintf(link, sizeof(link), "/sys/dev/block/%u:%u", major(status.st_dev),
		       minor(status.st_dev));
	if (realpath(link, resolved) == NULL)
		return false;
	if (read_attribute(resolved, "partition", text))
		*strrchr(resolved, '/') = '\0';
	return snprintf(folder, PATH_BYTES, "%s", resolved) < PATH_BYTES;
}

void store_device_probe(const char *path, struct store_device *ret_device)
{
	char folder[PATH_BYTES];
	char text[ATTRIBUTE_BYTES];

	*ret_device = (struct store_device){0};
	if (!find_folder(path, folder))
		return;
	(void)snprintf(ret_device->name, sizeof(ret_device->name), "%.31s",
		       strrchr(folder, '/') + 1);
	if (read_attribute(folder, "queue/write_cache", text))
		ret_device->volatile_cache = strcmp(text, "write back") == 0;
	ret_device->fua = read_number(folder, "queue/fua") != 0;
	ret_device->rotational = read_number(folder, "queue/rotational") != 0;
	ret_device->logical_block_bytes = (uint32_t)read_number(folder, "queue/logical_block_size");
}
