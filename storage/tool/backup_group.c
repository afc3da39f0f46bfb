/*
 * One group of a backup: where it begins, the snapshots, and the entries that are committed.
 *
 * It begins at the latest snapshot that stands for a segment at or below the log's start: nothing
 * in front of that is ever needed, and a node that runs may be removing it. Snapshots that know of
 * more than the slots said, when they were read first, are left out; so are files that do not hold,
 * which the node may be writing over. Only the one at the beginning cannot be done without.
 */
#include "storage/tool/backup.h"
#include "storage/tool/tool.h"

#include "consensus/base/crc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HELD_BYTES_MIN ((size_t)1 << 20)

/** Entries that nothing has proved to be committed so far, in their order. */
struct held {
	uint8_t *bytes;
	size_t used_bytes;
	size_t room_bytes;
};

static enum qr_error complain(struct tool_backup *backup, enum qr_error error, const char *text)
{
	(void)snprintf(backup->problem.text, sizeof(backup->problem.text), "%.120s: group %u: %s",
		       backup->directories[0].path, backup->group, text);
	return error;
}

/* ---- where it begins ---- */

/** The latest place at or below the start; NULL: the first block. */
static const struct tool_snapshot *find_beginning(const struct tool_replica *replica,
						  const struct tool_snapshot *files)
{
	const struct tool_snapshot *best = NULL;

	for (uint32_t n = 0; n < STORE_SNAPSHOTS; n++) {
		const struct tool_snapshot *file = &files[n];

		if (file->state != TOOL_SNAPSHOT_SOUND || file->header.segment == 0 ||
		    file->header.segment > replica->slot.start.segment ||
		    file->header.segment < replica->segments.first)
			continue;
		if (best == NULL || file->header.segment > best->header.segment)
			best = file;
	}
	return best;
}

static int by_base(const void *left, const void *right)
{
	qr_index a = ((const struct tool_snapshot *)left)->header.base.index;
	qr_index b = ((const struct tool_snapshot *)right)->header.base.index;

	return (a > b) - (a < b);
}

/** Those that go into the backup come first, oldest first. @return how many. */
static uint32_t select_snapshots(struct tool_snapshot *files, const struct store_prefix *before,
				 qr_index settled)
{
	uint32_t count = 0;

	for (uint32_t n = 0; n < STORE_SNAPSHOTS; n++) {
		if (files[n].state == TOOL_SNAPSHOT_SOUND &&
		    files[n].header.base.index >= before->index &&
		    files[n].header.base.index <= settled &&
		    store_snapshot_file_bytes(&files[n].header) <=
			    (uint64_t)STORE_BACKUP_ITEM_BLOCKS_MAX * STORE_BACKUP_BLOCK_BYTES)
			files[count++] = files[n];
	}
	qsort(files, count, sizeof(files[0]), by_base);
	return count;
}

/** Errors: QR_AGAIN, QR_CORRUPT  nothing says what was in front of the first segment. */
static enum qr_error begin(struct tool_backup *backup, const struct tool_source *source,
			   struct tool_snapshot *files)
{
	const struct tool_replica *replica = &source->replica;
	const struct store_slot *slot = &replica->slot;
	const struct tool_snapshot *beginning;
	struct tool_snapshots ignored;

	if (slot->reset) {
		return complain(backup, QR_CONFIG,
				"it is being filled from another node: back up that one");
	}
	tool_snapshots_read(replica, slot->cluster, files, &ignored);
	beginning = find_beginning(replica, files);
	backup->begin = (struct store_backup_group){
		.cluster = slot->cluster,
		.group = backup->group,
		.geometry = slot->geometry,
		.configuration = slot->configuration,
		.term = slot->state.term,
		.start = slot->start,
	};
	if (beginning != NULL) {
		backup->begin.first_segment = beginning->header.segment;
		backup->begin.before = beginning->header.base;
	} else if (replica->segments.first > 0) {
		if (store_directory_is_in_use(&backup->directories[0].directory))
			return QR_AGAIN; /* it may have been written over just now */
		return complain(backup, QR_CORRUPT,
				"its first segments were given up, and no sound snapshot says what "
				"was in them: back up another node");
	}
	backup->begin.snapshot_count =
		select_snapshots(files, &backup->begin.before, slot->settled.index);
	return QR_OK;
}

/* ---- snapshots ---- */

static bool read_whole(int fd, uint8_t *bytes, size_t size_bytes)
{
	size_t done = 0;

	while (done < size_bytes) {
		ssize_t got = pread(fd, bytes + done, size_bytes - done, (off_t)done);

		if (got <= 0)
			return false;
		done += (size_t)got;
	}
	return true;
}

/** Whether it still is what it was when it was chosen; the padding need not be there. */
static bool is_unchanged(uint8_t *bytes, const struct store_snapshot *chosen)
{
	uint64_t body_bytes = store_snapshot_body_bytes(chosen);
	uint8_t *body = bytes + STORE_SNAPSHOT_HEADER_BYTES;
	struct store_snapshot found;

	memset(body + body_bytes, 0,
	       store_snapshot_file_bytes(chosen) - STORE_SNAPSHOT_HEADER_BYTES - body_bytes);
	return store_snapshot_decode(bytes, &found) == QR_OK && found.serial == chosen->serial &&
	       qr_crc32c(0, body, body_bytes) == chosen->body_crc;
}

/** Errors: QR_AGAIN  it was written over since. */
static enum qr_error write_snapshot(struct tool_backup *backup, const struct tool_replica *replica,
				    const struct tool_snapshot *file)
{
	size_t size_bytes = store_snapshot_file_bytes(&file->header);
	size_t used_bytes = STORE_SNAPSHOT_HEADER_BYTES + store_snapshot_body_bytes(&file->header);
	uint8_t *bytes = malloc(size_bytes);
	enum qr_error error = QR_AGAIN;
	char name[STORE_NAME_BYTES];
	int fd;

	if (bytes == NULL)
		return complain(backup, QR_NO_MEMORY, qr_error_text(QR_NO_MEMORY));
	store_snapshot_name(name, file->number);
	fd = openat(replica->folder, name, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && read_whole(fd, bytes, used_bytes) && is_unchanged(bytes, &file->header)) {
		tool_output_write(backup->output, (struct qr_span){bytes, size_bytes});
		error = QR_OK;
	}
	if (fd >= 0)
		(void)close(fd);
	free(bytes);
	return error;
}

static enum qr_error write_beginning(struct tool_backup *backup, const struct tool_replica *replica,
				     const struct tool_snapshot *files)
{
	uint8_t block[STORE_BACKUP_BLOCK_BYTES];
	enum qr_error error = QR_OK;

	store_backup_group_encode(block, &backup->begin);
	tool_output_write(backup->output, (struct qr_span){block, sizeof(block)});
	for (uint32_t n = 0; n < backup->begin.snapshot_count && error == QR_OK; n++)
		error = write_snapshot(backup, replica, &files[n]);
	return error;
}

/* ---- entries ---- */

static void write_entry(struct tool_backup *backup, const struct store_entry *entry,
			const uint8_t *bytes)
{
	struct store_backup_end *end = &backup->end;
	size_t size_bytes = (size_t)entry->blocks * QR_BLOCK_BYTES;

	tool_output_write(backup->output, (struct qr_span){bytes, size_bytes});
	end->last = (struct store_prefix){
		.index = entry->index,
		.term = entry->term,
		.block = entry->block + entry->blocks,
		.offset = entry->first_offset + entry->record_count,
		.chain = store_entry_digest(bytes),
	};
	end->entries++;
	end->records += entry->record_count;
	end->blocks += entry->blocks;
	end->time_ns = entry->time_ns;
}

static bool hold(struct held *held, struct qr_span bytes)
{
	while (held->bytes == NULL || held->room_bytes - held->used_bytes < bytes.size_bytes) {
		size_t room_bytes = held->room_bytes == 0 ? HELD_BYTES_MIN : held->room_bytes * 2;
		uint8_t *larger = realloc(held->bytes, room_bytes);

		if (larger == NULL)
			return false;
		held->bytes = larger;
		held->room_bytes = room_bytes;
	}
	memcpy(held->bytes + held->used_bytes, bytes.data, bytes.size_bytes);
	held->used_bytes += bytes.size_bytes;
	return true;
}

/** Those that are known to be committed by now. */
static void let_go(struct tool_backup *backup, struct held *held, qr_index commit)
{
	size_t at_bytes = 0;
	struct store_entry entry;

	while (at_bytes < held->used_bytes &&
	       store_entry_decode(held->bytes + at_bytes, &entry) == QR_OK &&
	       entry.index <= commit) {
		write_entry(backup, &entry, held->bytes + at_bytes);
		at_bytes += (size_t)entry.blocks * QR_BLOCK_BYTES;
	}
	held->used_bytes -= at_bytes;
	if (at_bytes > 0 && held->used_bytes > 0)
		memmove(held->bytes, held->bytes + at_bytes, held->used_bytes);
}

static enum qr_error write_entries(struct tool_backup *backup, struct tool_source *source,
				   struct held *held)
{
	struct store_entry entry;
	struct qr_span bytes;
	enum qr_error error;

	while ((error = tool_source_next(source, &entry, &bytes)) == QR_OK) {
		if (tool_output_has_failed(backup->output))
			return QR_IO;
		/* Of another directory, which knows of a later election: not settled in this one.
		 */
		if (entry.term > backup->begin.term)
			return QR_OK;
		let_go(backup, held, source->commit);
		if (entry.index <= source->commit) {
			write_entry(backup, &entry, bytes.data);
		} else if (!hold(held, bytes)) {
			return complain(backup, QR_NO_MEMORY, qr_error_text(QR_NO_MEMORY));
		}
	}
	if (error != QR_NOT_FOUND)
		backup->problem = source->problem;
	return error == QR_NOT_FOUND ? QR_OK : error;
}

static void write_end(struct tool_backup *backup)
{
	uint8_t block[STORE_BACKUP_BLOCK_BYTES];

	store_backup_end_encode(block, &backup->end);
	tool_output_write(backup->output, (struct qr_span){block, sizeof(block)});
}

static enum qr_error back_up(struct tool_backup *backup, struct tool_source *source)
{
	struct tool_snapshot files[STORE_SNAPSHOTS];
	struct held held = {0};
	enum qr_error error = begin(backup, source, files);

	if (error != QR_OK)
		return error;
	backup->end = (struct store_backup_end){.cluster = backup->begin.cluster,
						.group = backup->group,
						.last = backup->begin.before};
	error = write_beginning(backup, &source->replica, files);
	if (error == QR_OK) {
		error = tool_source_begin(source, backup->begin.first_segment,
					  &backup->begin.before);
		backup->problem = source->problem;
	}
	if (error == QR_OK)
		error = write_entries(backup, source, &held);
	if (error == QR_OK)
		write_end(backup);
	free(held.bytes);
	return error;
}

enum qr_error tool_backup_group(struct tool_backup *backup)
{
	struct tool_source source;
	enum qr_error error =
		tool_source_look(&source, backup->directories, backup->count, backup->group);

	backup->problem = source.problem;
	if (error != QR_OK)
		return error;
	error = back_up(backup, &source);
	tool_source_close(&source);
	return error;
}
