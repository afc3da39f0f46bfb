/*
 * The snapshot files of a group: what a start could make of them. Owns nothing; it only reads.
 *
 * What a crash leaves of a write is no damage. The body is written first, over what was there, then
 * the header, each of them durable before the next begins; and never over the newest file. So a
 * crash leaves, and a start does without:
 *
 * - an empty file: never used, nor any of those behind it;
 * - a header of zeros: a first write, which had not come to its header;
 * - a header that is not that of its body: an older snapshot that was being written over;
 * - one of a peer that is ahead of the slots: an install, which had not come to them.
 *
 * It never leaves, and so it is damage:
 *
 * - a header that does not hold: its fields lie in one sector of 512 bytes, and the rest of its
 *   block is zero before and after, so it is the old one or the new one;
 * - the newest without its body: nothing is written over it;
 * - an empty one in front of others: they are used in order, and a start looks no further;
 * - one that knows more than the slots: they are durable before it is written;
 * - nothing sound where segments are gone: nothing says what was in them.
 *
 * An older body that the disk has lost cannot be told from one that was being written over: it is
 * counted among the unfinished, since a start does without it just the same. That holds for the one
 * at which the log begins, too: when the power goes, the beginning that the slots name may have
 * moved on to a file that is being written over.
 */
#include "storage/tool/tool.h"

#include "consensus/base/crc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PIECE_BYTES (1u << 20)

static void complain(struct tool_snapshots *snapshots, uint32_t number, enum qr_error why,
		     const char *what)
{
	(void)snprintf(snapshots->problem.text, sizeof(snapshots->problem.text), "snapshot-%u: %s",
		       number, what != NULL ? what : qr_error_text(why));
	snapshots->error = why;
}

/** What the file has of `size_bytes` from `at_bytes` on. Errors: QR_IO. */
static enum qr_error read_some(int fd, uint8_t *bytes, uint64_t at_bytes, size_t size_bytes,
			       size_t *ret_bytes)
{
	size_t done = 0;

	while (done < size_bytes) {
		ssize_t got = pread(fd, bytes + done, size_bytes - done, (off_t)(at_bytes + done));

		if (got < 0)
			return QR_IO;
		if (got == 0)
			break;
		done += (size_t)got;
	}
	*ret_bytes = done;
	return QR_OK;
}

/** Errors: QR_IO. */
static enum qr_error check_body(int fd, const struct store_snapshot *header, bool *ret_sound)
{
	static uint8_t piece[PIECE_BYTES];
	uint64_t at_bytes = STORE_SNAPSHOT_HEADER_BYTES;
	uint64_t left_bytes = store_snapshot_body_bytes(header);
	uint32_t crc = 0;

	while (left_bytes > 0) {
		size_t wanted = left_bytes < PIECE_BYTES ? (size_t)left_bytes : PIECE_BYTES;
		size_t got = 0;
		enum qr_error error = read_some(fd, piece, at_bytes, wanted, &got);

		if (error != QR_OK)
			return error;
		crc = qr_crc32c(crc, piece, got);
		at_bytes += got;
		left_bytes -= got;
		if (got < wanted)
			break;
	}
	*ret_sound = left_bytes == 0 && crc == header->body_crc;
	return QR_OK;
}

/** What the header says against what the group is. NULL: nothing. */
static const char *contradiction(const struct tool_replica *replica, uint64_t cluster,
				 const struct store_snapshot *header)
{
	const struct store_slot *slot = &replica->slot;
	const struct store_prefix *base = &header->base;

	if (header->cluster != cluster || header->group != slot->group ||
	    header->geometry.segment_blocks != slot->geometry.segment_blocks ||
	    header->geometry.stride_blocks != slot->geometry.stride_blocks)
		return "it is of another group or cluster";
	if (base->index > slot->settled.index || base->term > slot->state.term)
		return "it knows of more than " STORE_STATE_NAME " does, of which a write was lost";
	if (base->index == slot->settled.index && memcmp(base, &slot->settled, sizeof(*base)) != 0)
		return "it knows the last settled entry as another than " STORE_STATE_NAME;
	return NULL;
}

static bool is_given_too_early(const struct tool_replica *replica,
			       const struct store_snapshot *header)
{
	return header->given && header->base.index > replica->slot.settled.index;
}

static enum qr_error examine_header(const struct tool_replica *replica, uint64_t cluster, int fd,
				    struct tool_snapshot *file, const char **ret_what)
{
	static uint8_t block[STORE_SNAPSHOT_HEADER_BYTES];
	size_t got = 0;
	enum qr_error error = read_some(fd, block, 0, sizeof(block), &got);

	*ret_what = NULL;
	if (error != QR_OK || got == 0)
		return error;
	memset(block + got, 0, sizeof(block) - got);
	error = store_snapshot_decode(block, &file->header);
	if (error == QR_NOT_FOUND ||
	    (error == QR_OK && is_given_too_early(replica, &file->header))) {
		file->state = TOOL_SNAPSHOT_UNFINISHED;
		return QR_OK;
	}
	if (error != QR_OK)
		return error;
	file->state = TOOL_SNAPSHOT_HEADER_ONLY;
	*ret_what = contradiction(replica, cluster, &file->header);
	return *ret_what == NULL ? QR_OK : QR_CORRUPT;
}

static void examine_file(const struct tool_replica *replica, uint64_t cluster, uint32_t number,
			 struct tool_snapshot *file, struct tool_snapshots *snapshots)
{
	char name[STORE_NAME_BYTES];
	const char *what = NULL;
	bool sound = false;
	enum qr_error error;
	int fd;

	file->number = number;
	store_snapshot_name(name, number);
	fd = openat(replica->folder, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return; /* as one that is empty */
	error = fd < 0 ? QR_IO : examine_header(replica, cluster, fd, file, &what);
	if (error == QR_OK && file->state == TOOL_SNAPSHOT_HEADER_ONLY) {
		error = check_body(fd, &file->header, &sound);
		if (error == QR_OK && sound)
			file->state = TOOL_SNAPSHOT_SOUND;
	}
	if (error != QR_OK)
		complain(snapshots, number, error, what);
	if (fd >= 0)
		(void)close(fd);
}

/** Whether a start that begins with it finds all that follows it. */
static bool is_usable(const struct tool_replica *replica, const struct tool_snapshot *file)
{
	uint64_t first = replica->segments.first;

	return file->state == TOOL_SNAPSHOT_SOUND &&
	       (file->header.segment >= first ||
		file->header.base.block >= first * replica->slot.geometry.segment_blocks);
}

/** Those that are never written over must be whole. */
static void judge(const struct tool_replica *replica,
		  const struct tool_snapshot files[STORE_SNAPSHOTS],
		  struct tool_snapshots *snapshots)
{
	uint64_t first = replica->segments.first;
	uint64_t newest = 0;
	bool usable = false;

	for (uint32_t n = 0; n < STORE_SNAPSHOTS; n++) {
		if (files[n].state >= TOOL_SNAPSHOT_HEADER_ONLY && files[n].header.serial > newest)
			newest = files[n].header.serial;
	}
	for (uint32_t n = 0; n < STORE_SNAPSHOTS; n++) {
		usable = usable || is_usable(replica, &files[n]);
		snapshots->sound += files[n].state == TOOL_SNAPSHOT_SOUND;
		snapshots->unfinished += files[n].state == TOOL_SNAPSHOT_UNFINISHED ||
					 files[n].state == TOOL_SNAPSHOT_HEADER_ONLY;
		if (files[n].state == TOOL_SNAPSHOT_HEADER_ONLY &&
		    files[n].header.serial == newest) {
			complain(snapshots, n, QR_CORRUPT,
				 "the newest one, and its body does not hold");
		}
	}
	if (first > 0 && !usable && snapshots->error == QR_OK) {
		snapshots->error = QR_CORRUPT;
		(void)snprintf(snapshots->problem.text, sizeof(snapshots->problem.text),
			       "the log begins at segment %llu, and no snapshot says what was in "
			       "front of it",
			       (unsigned long long)first);
	}
}

/** A start looks at them in order, up to the first that was never used. */
static void find_gap(const struct tool_snapshot files[STORE_SNAPSHOTS],
		     struct tool_snapshots *snapshots)
{
	for (uint32_t n = 1; n < STORE_SNAPSHOTS; n++) {
		if (files[n - 1].state == TOOL_SNAPSHOT_UNUSED &&
		    files[n].state != TOOL_SNAPSHOT_UNUSED && snapshots->error == QR_OK) {
			complain(snapshots, n - 1, QR_CORRUPT,
				 "empty, so a start does not look at those behind it");
		}
	}
}

void tool_snapshots_read(const struct tool_replica *replica, uint64_t cluster,
			 struct tool_snapshot ret_files[STORE_SNAPSHOTS],
			 struct tool_snapshots *ret_snapshots)
{
	*ret_snapshots = (struct tool_snapshots){.error = QR_OK};
	memset(ret_files, 0, STORE_SNAPSHOTS * sizeof(*ret_files));
	for (uint32_t n = 0; n < STORE_SNAPSHOTS; n++)
		examine_file(replica, cluster, n, &ret_files[n], ret_snapshots);
}

void tool_snapshots_examine(const struct tool_replica *replica, uint64_t cluster,
			    struct tool_snapshots *ret_snapshots)
{
	struct tool_snapshot files[STORE_SNAPSHOTS];

	tool_snapshots_read(replica, cluster, files, ret_snapshots);
	judge(replica, files, ret_snapshots);
	find_gap(files, ret_snapshots);
}
