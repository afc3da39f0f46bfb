/*
 * The start counter of a node: DIR/starts, written anew before a start lets anything leave. It
 * gives the incarnation that every datagram carries; peers take a lower one for the past
 * (dataplane/transport/replay.h), so it must grow whatever happens to clocks and files:
 *
 *   - it is above the one in the file, however the wall clock jumped back;
 *   - it is at least the seconds since 2020 by the wall clock, so a node whose directory was wiped,
 *     or whose file is damaged, is not taken for the past either;
 *   - it does not stay at the last number either: the start is refused. Peers remember the highest
 *     one while they run, which is why all nodes have to stop before it can begin anew.
 *
 * Two copies, each in a sector of its own, and the higher one that is sound counts. They are
 * written one after the other, in place, on a file that keeps its block, so that a full disk does
 * not keep a node from starting. A crash damages one of them at most, and then nothing has left
 * yet; damage to one of them later loses nothing. For both the wall clock stands in.
 */
#include "consensus/base/codec.h"
#include "consensus/base/crc.h"
#include "storage/format/put.h"
#include "storage/io/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Each copy: 0 magic, 4 incarnation u32, 8 crc (its place zero), 12 zero */
#define STARTS_MAGIC 0x3153524eu /* "NRS1" */
#define STARTS_BYTES 16
#define STARTS_COPIES 2
#define STARTS_APART_BYTES 512
#define STARTS_NAME "starts"
#define STARTS_MODE 0640
#define EPOCH_2020_S 1577836800u

static uint32_t crc_of(const uint8_t bytes[STARTS_BYTES])
{
	uint8_t copy[STARTS_BYTES];

	memcpy(copy, bytes, sizeof(copy));
	store_put_u32(copy + 8, 0);
	return qr_crc32c(0, copy, sizeof(copy));
}

/** The value of a copy; 0: there is none that can be believed. */
static uint32_t stored_at(int fd, off_t at)
{
	uint8_t bytes[STARTS_BYTES] = {0};
	struct qr_reader reader = qr_reader_over(bytes, sizeof(bytes));
	uint32_t magic;
	uint32_t incarnation;

	if (pread(fd, bytes, sizeof(bytes), at) != (ssize_t)sizeof(bytes))
		return 0;
	magic = qr_read_u32(&reader);
	incarnation = qr_read_u32(&reader);
	if (magic != STARTS_MAGIC || qr_read_u32(&reader) != crc_of(bytes))
		return 0;
	return incarnation;
}

static uint32_t stored(int fd)
{
	uint32_t highest = 0;

	for (off_t copy = 0; copy < STARTS_COPIES; copy++) {
		uint32_t value = stored_at(fd, copy * STARTS_APART_BYTES);

		highest = value > highest ? value : highest;
	}
	return highest;
}

static int store(int fd, int folder, uint32_t incarnation)
{
	uint8_t bytes[STARTS_BYTES] = {0};

	store_put_u32(bytes, STARTS_MAGIC);
	store_put_u32(bytes + 4, incarnation);
	store_put_u32(bytes + 8, crc_of(bytes));
	for (off_t copy = 0; copy < STARTS_COPIES; copy++) {
		errno = ENOSPC; /* for a short write */
		if (pwrite(fd, bytes, sizeof(bytes), copy * STARTS_APART_BYTES) !=
			    (ssize_t)sizeof(bytes) ||
		    fsync(fd) != 0)
			return errno;
	}
	return fsync(folder) != 0 ? errno : 0;
}

/** @return 0: no number is left. A clock beyond the last one is broken, or it is 2156: it would use
 * up all numbers at once, and is not believed.
 */
static uint32_t next_after(uint32_t before, uint64_t wall_s)
{
	uint64_t clock = wall_s > EPOCH_2020_S ? wall_s - EPOCH_2020_S : 1;

	if (before == UINT32_MAX)
		return 0;
	if (clock > UINT32_MAX || clock <= before)
		return before + 1;
	return (uint32_t)clock;
}

static enum qr_error told(struct store_problem *problem, const char *verb, int number)
{
	return store_problem_set(problem, store_error_of(number),
				 "cannot %s " STARTS_NAME " in the data directory: %s; check its "
				 "disk and its permissions",
				 verb, strerrordesc_np(number));
}

enum qr_error store_directory_begin(struct store_directory *directory, uint64_t wall_s,
				    uint32_t *ret_incarnation, struct store_problem *ret_problem)
{
	int fd = openat(directory->fd, STARTS_NAME, O_RDWR | O_CREAT | O_CLOEXEC, STARTS_MODE);
	uint32_t incarnation;
	int failed;

	if (fd < 0 && store_error_of(errno) == QR_NO_SPACE) {
		*ret_incarnation = next_after(0, wall_s);
		return QR_OK;
	}
	if (fd < 0)
		return told(ret_problem, "open", errno);
	incarnation = next_after(stored(fd), wall_s);
	failed = incarnation == 0 ? 0 : store(fd, directory->fd, incarnation);
	(void)close(fd);
	if (incarnation == 0) {
		return store_problem_set(ret_problem, QR_TOO_LARGE,
					 STARTS_NAME " in the data directory has reached its last "
						     "number: stop all nodes, check this clock, "
						     "remove the file, and start them again");
	}
	if (failed != 0 && store_error_of(failed) != QR_NO_SPACE)
		return told(ret_problem, "write", failed);
	*ret_incarnation = incarnation;
	return QR_OK;
}
