/*
 * A node that starts without the data that it had: its disk was replaced, or its directory emptied.
 * DIR/lost-data says so from before the first group's folder is made until the last one is there,
 * so that a start which fails in between, or loses power, is not followed by one that takes what is
 * missing for new.
 */
#include "storage/io/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define LOST_NAME "lost-data"
#define LOST_MODE 0640

void io_find_lost(struct store_directory *directory)
{
	directory->lost_data = faccessat(directory->fd, LOST_NAME, F_OK, 0) == 0;
}

enum qr_error store_directory_lose(struct store_directory *directory, const char *path,
				   struct store_problem *ret_problem)
{
	int fd;

	if (directory->lost_data)
		return QR_OK;
	if (io_has_groups(directory->fd)) {
		return store_problem_set(
			ret_problem, QR_CONFIG,
			"%s holds logs, so --lost-data is not for this start: leave "
			"it out, or, if those are not what the node had, empty the "
			"directory first",
			path);
	}
	fd = openat(directory->fd, LOST_NAME, O_WRONLY | O_CREAT | O_CLOEXEC, LOST_MODE);
	if (fd < 0 || close(fd) != 0 || fsync(directory->fd) != 0)
		return io_told(ret_problem, LOST_NAME, errno);
	directory->lost_data = true;
	return QR_OK;
}

enum qr_error store_directory_found(struct store_directory *directory,
				    struct store_problem *ret_problem)
{
	if (!directory->lost_data)
		return QR_OK;
	if (unlinkat(directory->fd, LOST_NAME, 0) != 0 || fsync(directory->fd) != 0)
		return io_told(ret_problem, LOST_NAME, errno);
	directory->lost_data = false;
	return QR_OK;
}
