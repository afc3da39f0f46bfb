/*
 * Reading a log of which a node may be writing the other end.
 *
 * What is at or below the commit index does not change on a disk, but for the repair of an entry by
 * the same bytes, and for retention. So the slots are read first: up to what they call settled
 * everything is there, and anything else is damage, or was given up since, which the slots then
 * say. Above that the end moves: whatever looks wrong there is where a reader ends, if the node
 * runs, since bytes that were read a moment ago stand beside newer ones. In a directory that nobody
 * writes to it is judged as a start would.
 *
 * Owns one open replica. Writes nothing.
 */
#include "storage/tool/source.h"

#include <stdio.h>

enum qr_error tool_source_look(struct tool_source *ret_source,
			       const struct tool_directory *directories, uint32_t count,
			       qr_group group)
{
	struct tool_source *source = ret_source;
	enum qr_error error;

	*source = (struct tool_source){.directories = directories, .count = count, .group = group};
	error = tool_replica_look(&directories[0], group, &source->replica, &source->problem);
	source->settled = source->replica.slot.settled.index;
	source->commit = source->settled;
	source->stuck_at = UINT64_MAX;
	return error;
}

enum qr_error tool_source_begin(struct tool_source *source, uint64_t first,
				const struct store_prefix *before)
{
	enum qr_error error =
		tool_replica_begin(&source->directories[source->current], &source->replica, first);

	source->last = *before;
	if (error != QR_OK) {
		(void)snprintf(source->problem.text, sizeof(source->problem.text), "group %u: %s",
			       source->group, qr_error_text(error));
	}
	return error;
}

void tool_source_close(struct tool_source *source)
{
	tool_replica_close(&source->replica);
}

/* ---- where it ends ---- */

static uint64_t segment_of_next(const struct tool_source *source)
{
	return source->last.block / source->replica.slot.geometry.segment_blocks;
}

/** Whether retention has moved past what is to be read. */
static bool is_given_up(const struct tool_source *source)
{
	struct store_slot now;

	return tool_replica_slot(&source->replica, &now) == QR_OK &&
	       now.start.segment > source->replica.slot.start.segment &&
	       now.start.segment > segment_of_next(source);
}

static bool is_end(const struct tool_source *source, enum qr_error error)
{
	if (source->last.index < source->settled)
		return false;
	return error == QR_NOT_FOUND ||
	       store_directory_is_in_use(&source->directories[source->current].directory);
}

/* ---- damage ---- */

static void tell_damage(struct tool_source *source, enum qr_error error)
{
	struct store_damage damage = store_log_damage(source->replica.log);

	(void)snprintf(source->problem.text, sizeof(source->problem.text),
		       "%.120s: group %u: entry %llu, segment %llu, byte %llu: %s",
		       source->directories[source->current].path, source->group,
		       (unsigned long long)source->last.index + 1,
		       (unsigned long long)damage.segment, (unsigned long long)damage.offset_bytes,
		       qr_error_text(error));
}

/**
 * Go on in the current directory. It is read from its beginning, since a log is not judged from the
 * middle; what is known already is passed over.
 */
static bool go_on(struct tool_source *source)
{
	const struct tool_directory *directory = &source->directories[source->current];
	const struct store_geometry geometry = source->replica.slot.geometry;
	uint64_t segment = segment_of_next(source);
	struct tool_replica *replica = &source->replica;
	struct store_problem ignored;

	tool_replica_close(replica);
	if (tool_replica_look(directory, source->group, replica, &ignored) != QR_OK) {
		replica->slot.geometry = geometry;
		return false;
	}
	if (replica->slot.reset || replica->slot.settled.index <= source->last.index ||
	    replica->slot.geometry.segment_blocks != geometry.segment_blocks ||
	    replica->slot.geometry.stride_blocks != geometry.stride_blocks ||
	    replica->segments.first > segment) {
		replica->slot.geometry = geometry;
		return false;
	}
	return tool_replica_begin(directory, replica, replica->segments.first) == QR_OK;
}

/** To the next directory that can have what is missing here. */
static bool turn_to_another(struct tool_source *source)
{
	if (source->stuck_at != source->last.index) {
		source->stuck_at = source->last.index;
		source->tried = 0;
	}
	while (++source->tried < source->count) {
		source->current = (source->current + 1) % source->count;
		if (go_on(source))
			return true;
	}
	return false;
}

/* ---- entries ---- */

static bool follows(const struct tool_source *source, const struct store_entry *entry)
{
	const struct store_prefix *last = &source->last;

	return entry->index == last->index + 1 && entry->chain == last->chain &&
	       entry->first_offset == last->offset && entry->term >= last->term;
}

/** As tool_source_next, of the current directory alone. */
static enum qr_error next_here(struct tool_source *source, struct store_entry *ret_entry,
			       struct qr_span *ret_bytes)
{
	enum qr_error error;

	do { /* one that was turned to begins with what is known already */
		error = tool_replica_next(&source->replica, ret_entry, ret_bytes);
	} while (error == QR_OK && ret_entry->index <= source->last.index);
	if (error == QR_OK && !follows(source, ret_entry))
		error = QR_CORRUPT;
	if (error != QR_OK)
		return error;
	source->last = source->replica.last;
	if (source->commit < source->replica.commit)
		source->commit = source->replica.commit;
	return QR_OK;
}

enum qr_error tool_source_next(struct tool_source *source, struct store_entry *ret_entry,
			       struct qr_span *ret_bytes)
{
	for (;;) {
		const char *path = source->directories[source->current].path;
		enum qr_error error = next_here(source, ret_entry, ret_bytes);

		if (error == QR_OK)
			return QR_OK;
		if (is_given_up(source))
			return QR_AGAIN;
		if (is_end(source, error))
			return QR_NOT_FOUND;
		if (error == QR_NOT_FOUND || error == QR_AGAIN)
			error = QR_CORRUPT;
		if (source->tried == 0 || source->stuck_at != source->last.index)
			tell_damage(source, error);
		if (!turn_to_another(source))
			return error;
		(void)fprintf(stderr,
			      "quorate-log: %s: group %u: entry %llu is damaged: it and what "
			      "follows come from %s\n",
			      path, source->group, (unsigned long long)source->last.index + 1,
			      source->directories[source->current].path);
	}
}
