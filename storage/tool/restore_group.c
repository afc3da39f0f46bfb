/*
 * The files of one group, out of a backup: segments at the positions that the entries name, the
 * snapshots, and slots that call all of it settled. They are what a node would have that has just
 * applied the last entry: the term is the highest one that the backup's node knew, and nobody has
 * this node's vote. It is for the nodes to be restored alike; docs/operations/backup.md says why.
 *
 * Segments are written whole, zeros included, so that later writes are overwrites
 * (storage/io/segment.c). Their way to the disk begins piece by piece; one is waited for when the
 * next one has been written, so that the disk always has something to do.
 *
 * For another cluster the headers of entries are written anew, and with them the chain: header and
 * digest of each, the bases of the snapshots, the settled prefix. Payloads and positions stay.
 *
 * A crash leaves some of it, in a directory without an identity (storage/io/fresh.c).
 */
#include "storage/tool/restore.h"

#include "consensus/base/assert.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PIECE_BLOCKS ((8u << 20) / QR_BLOCK_BYTES)
#define ZEROS_BYTES ((size_t)256 << 10)
#define SEGMENT_MODE 0640

static const uint8_t zeros[ZEROS_BYTES];

static enum qr_error told(struct tool_restored *restored, const char *name, int number)
{
	(void)snprintf(restored->problem.text, sizeof(restored->problem.text), "group %u: %s: %s",
		       restored->group.group, name, strerrordesc_np(number));
	return number == ENOSPC || number == EDQUOT ? QR_NO_SPACE : QR_IO;
}

/** @return 0 or errno. */
static int write_all(int fd, const uint8_t *data, size_t size_bytes, off_t at)
{
	size_t done = 0;

	while (done < size_bytes) {
		ssize_t written = pwrite(fd, data + done, size_bytes - done, at + (off_t)done);

		if (written < 0 && errno != EINTR)
			return errno;
		done += written > 0 ? (size_t)written : 0;
	}
	return 0;
}

void tool_restored_init(struct tool_restored *ret_restored, struct store_directory *directory,
			qr_node node, uint64_t cluster)
{
	*ret_restored = (struct tool_restored){.directory = directory,
					       .node = node,
					       .cluster = cluster,
					       .folder = -1,
					       .segment = {.fd = -1},
					       .unsynced = -1};
}

static void close_files(struct tool_restored *restored)
{
	int *const files[] = {&restored->segment.fd, &restored->unsynced, &restored->folder};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (*files[i] >= 0)
			(void)close(*files[i]);
		*files[i] = -1;
	}
}

void tool_restored_fini(struct tool_restored *restored)
{
	close_files(restored);
}

/* ---- segments ---- */

/** @return 0 or errno. */
static int append(struct tool_segment *segment, const uint8_t *data, size_t size_bytes)
{
	off_t at = (off_t)segment->at_blocks * QR_BLOCK_BYTES;
	int failed = write_all(segment->fd, data, size_bytes, at);

	segment->at_blocks += qr_blocks_for(size_bytes);
	if (failed == 0 && segment->at_blocks - segment->started_blocks >= PIECE_BLOCKS) {
		(void)sync_file_range(segment->fd, (off_t)segment->started_blocks * QR_BLOCK_BYTES,
				      (off_t)(segment->at_blocks - segment->started_blocks) *
					      QR_BLOCK_BYTES,
				      SYNC_FILE_RANGE_WRITE);
		segment->started_blocks = segment->at_blocks;
	}
	return failed;
}

/** Zeros up to a block of the segment. @return 0 or errno. */
static int append_zeros(struct tool_segment *segment, uint32_t upto_blocks)
{
	int failed = 0;

	QR_ASSERT(upto_blocks >= segment->at_blocks);
	while (failed == 0 && segment->at_blocks < upto_blocks) {
		size_t left_bytes = (size_t)(upto_blocks - segment->at_blocks) * QR_BLOCK_BYTES;

		failed =
			append(segment, zeros, left_bytes < ZEROS_BYTES ? left_bytes : ZEROS_BYTES);
	}
	return failed;
}

/** Nobody here reads it again. @return 0 or errno. */
static int sync_and_close(int *fd)
{
	int failed = 0;

	if (*fd < 0)
		return 0;
	if (fsync(*fd) != 0)
		failed = errno;
	(void)posix_fadvise(*fd, 0, 0, POSIX_FADV_DONTNEED);
	if (close(*fd) != 0 && failed == 0)
		failed = errno;
	*fd = -1;
	return failed;
}

/** The segment is whole; the one before it becomes durable. */
static enum qr_error finish_segment(struct tool_restored *restored)
{
	struct tool_segment *segment = &restored->segment;
	char name[STORE_NAME_BYTES];
	int failed;

	if (segment->fd < 0)
		return QR_OK;
	store_segment_name(name, segment->number);
	failed = append_zeros(segment, restored->segment_blocks);
	if (failed == 0)
		failed = sync_and_close(&restored->unsynced);
	if (failed != 0)
		return told(restored, name, failed);
	restored->unsynced = segment->fd;
	segment->fd = -1;
	return QR_OK;
}

static enum qr_error begin_segment(struct tool_restored *restored, uint64_t number)
{
	struct tool_segment *segment = &restored->segment;
	off_t size_bytes = (off_t)restored->segment_blocks * QR_BLOCK_BYTES;
	char name[STORE_NAME_BYTES];
	int failed;

	store_segment_name(name, number);
	*segment = (struct tool_segment){.number = number};
	segment->fd = openat(restored->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
			     SEGMENT_MODE);
	if (segment->fd < 0)
		return told(restored, name, errno);
	/* In one piece, and a full disk is known before it is written full. */
	failed = posix_fallocate(segment->fd, 0, size_bytes);
	return failed == 0 || failed == EOPNOTSUPP || failed == EINVAL
		       ? QR_OK
		       : told(restored, name, failed);
}

/** Have the segment open, and written up to the block. */
static enum qr_error reach(struct tool_restored *restored, qr_block block)
{
	struct tool_segment *segment = &restored->segment;
	uint64_t number = block / restored->segment_blocks;
	enum qr_error error = QR_OK;
	char name[STORE_NAME_BYTES];
	int failed;

	if (segment->fd >= 0 && segment->number != number)
		error = finish_segment(restored);
	if (error == QR_OK && segment->fd < 0)
		error = begin_segment(restored, number);
	if (error != QR_OK)
		return error;
	failed = append_zeros(segment, (uint32_t)(block % restored->segment_blocks));
	store_segment_name(name, number);
	return failed == 0 ? QR_OK : told(restored, name, failed);
}

/* ---- what comes out of the backup ---- */

enum qr_error tool_restored_group(struct tool_restored *restored,
				  const struct store_backup_group *group)
{
	struct store_extent none;
	char name[STORE_NAME_BYTES];
	enum qr_error error;

	if (restored->folder >= 0) { /* once more, from the beginning */
		close_files(restored);
		store_directory_discard_group(restored->directory, group->group);
	}
	restored->group = *group;
	restored->segment_blocks = group->geometry.segment_blocks;
	restored->chain = group->before.chain;
	restored->snapshot_count = 0;
	error = store_directory_group(restored->directory, group->group, &none, &restored->problem);
	if (error != QR_OK)
		return error;
	store_group_name(name, group->group);
	restored->folder =
		openat(restored->directory->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return restored->folder >= 0 ? QR_OK : told(restored, name, errno);
}

static enum qr_error write_file(struct tool_restored *restored, const char *name,
				struct qr_span bytes)
{
	int fd = openat(restored->folder, name, O_WRONLY | O_CLOEXEC);
	int failed = fd < 0 ? errno : write_all(fd, bytes.data, bytes.size_bytes, 0);
	int closed = sync_and_close(&fd);

	if (failed == 0)
		failed = closed;
	return failed == 0 ? QR_OK : told(restored, name, failed);
}

enum qr_error tool_restored_snapshot(struct tool_restored *restored,
				     const struct store_snapshot *snapshot, const uint8_t *bytes)
{
	uint32_t number = restored->snapshot_count++;
	char name[STORE_NAME_BYTES];

	QR_ASSERT(number < STORE_SNAPSHOTS);
	restored->snapshots[number] = *snapshot;
	store_snapshot_name(name, number);
	return write_file(restored, name,
			  (struct qr_span){bytes, store_snapshot_file_bytes(snapshot)});
}

/** The header anew; what is summed beside it stays. */
static void adopt_entry(struct tool_restored *restored, const struct store_entry *entry,
			uint8_t *bytes)
{
	struct store_entry adopted = *entry;

	adopted.cluster = restored->cluster;
	adopted.chain = restored->chain;
	store_entry_encode(bytes, &adopted);
}

enum qr_error tool_restored_entry(struct tool_restored *restored, const struct store_entry *entry,
				  uint8_t *bytes)
{
	enum qr_error error = reach(restored, entry->block);
	char name[STORE_NAME_BYTES];
	int failed;

	if (error != QR_OK)
		return error;
	if (entry->cluster != restored->cluster)
		adopt_entry(restored, entry, bytes);
	restored->chain = store_entry_digest(bytes);
	for (uint32_t n = 0; n < restored->snapshot_count; n++) {
		if (restored->snapshots[n].base.index == entry->index)
			restored->snapshots[n].base.chain = restored->chain;
	}
	failed = append(&restored->segment, bytes, (size_t)entry->blocks * QR_BLOCK_BYTES);
	store_segment_name(name, restored->segment.number);
	return failed == 0 ? QR_OK : told(restored, name, failed);
}

/* ---- the end of a group ---- */

static enum qr_error adopt_snapshots(struct tool_restored *restored)
{
	uint8_t block[STORE_SNAPSHOT_HEADER_BYTES];
	enum qr_error error = QR_OK;
	char name[STORE_NAME_BYTES];

	for (uint32_t n = 0; n < restored->snapshot_count && error == QR_OK; n++) {
		struct store_snapshot *snapshot = &restored->snapshots[n];

		if (snapshot->cluster == restored->cluster)
			continue;
		snapshot->cluster = restored->cluster;
		store_snapshot_encode(block, snapshot);
		store_snapshot_name(name, n);
		error = write_file(restored, name, (struct qr_span){block, sizeof(block)});
	}
	return error;
}

/** Both slots alike, as they are at rest. */
static enum qr_error write_slots(struct tool_restored *restored, const struct store_prefix *last)
{
	uint8_t blocks[STORE_SLOTS * STORE_SLOT_BYTES];
	struct store_slot slot = {
		.serial = 1,
		.cluster = restored->cluster,
		.node = restored->node,
		.group = restored->group.group,
		.geometry = restored->group.geometry,
		.state = {.generation = 1, .term = restored->group.term},
		.configuration = restored->group.configuration,
		.settled = *last,
		.start = restored->group.start,
	};

	slot.settled.chain = restored->chain;
	for (uint32_t i = 0; i < STORE_SLOTS; i++)
		store_slot_encode(blocks + (size_t)i * STORE_SLOT_BYTES, &slot);
	return write_file(restored, STORE_STATE_NAME, (struct qr_span){blocks, sizeof(blocks)});
}

enum qr_error tool_restored_end(struct tool_restored *restored, const struct store_backup_end *end)
{
	enum qr_error error = finish_segment(restored);
	int failed;

	/* Nothing was committed: it begins as a new one. */
	if (error == QR_OK && end->last.index == 0) {
		close_files(restored);
		store_directory_discard_group(restored->directory, end->group);
		return QR_OK;
	}
	if (error == QR_OK && (failed = sync_and_close(&restored->unsynced)) != 0)
		error = told(restored, "segments", failed);
	if (error == QR_OK)
		error = adopt_snapshots(restored);
	if (error == QR_OK)
		error = write_slots(restored, &end->last);
	if (error == QR_OK && fsync(restored->folder) != 0)
		error = told(restored, "its folder", errno);
	if (error == QR_OK)
		close_files(restored);
	return error;
}
