/*
 * Driving the engine's recovery over files that are only read. It asks for slots and strides, which
 * are served by pread, strides by a thread (reads.c), so that they come while the caller is busy
 * with those before; its first wish to write (zeros over a torn tail, a sync, a slot) says that all
 * entries have been given.
 */
#include "storage/tool/replica.h"

#include "consensus/base/assert.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define WINDOW_STRIDES 4
#define MEMORY_ALIGN_BYTES ((size_t)2 << 20)
#define OPS_MAX 8

/* ---- directories ---- */

static int by_number(const void *left, const void *right)
{
	qr_group a = *(const qr_group *)left;
	qr_group b = *(const qr_group *)right;

	return (a > b) - (a < b);
}

static void list_groups(struct tool_directory *directory)
{
	int fd = openat(directory->directory.fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (stream == NULL && fd >= 0)
		(void)close(fd);
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of our own */
	while (stream != NULL && (entry = readdir(stream)) != NULL) {
		char expected[STORE_NAME_BYTES];
		qr_group group;

		if (strncmp(entry->d_name, "group-", 6) != 0 ||
		    directory->group_count == TOOL_GROUPS_MAX)
			continue;
		group = (qr_group)strtoul(entry->d_name + 6, NULL, 16);
		store_group_name(expected, group);
		if (strcmp(entry->d_name, expected) == 0)
			directory->groups[directory->group_count++] = group;
	}
	if (stream != NULL)
		(void)closedir(stream);
	qsort(directory->groups, directory->group_count, sizeof(qr_group), by_number);
}

enum qr_error tool_directory_open(const char *path, bool running,
				  struct tool_directory *ret_directory,
				  struct store_problem *ret_problem)
{
	enum qr_error error;

	memset(ret_directory, 0, sizeof(*ret_directory));
	ret_directory->path = path;
	error = store_directory_inspect(path, running, &ret_directory->directory,
					&ret_directory->identity, ret_problem);
	if (error == QR_OK)
		list_groups(ret_directory);
	return error;
}

void tool_directory_close(struct tool_directory *directory)
{
	store_directory_close(&directory->directory);
}

bool tool_directory_has(const struct tool_directory *directory, qr_group group)
{
	return bsearch(&group, directory->groups, directory->group_count, sizeof(group),
		       by_number) != NULL;
}

/* ---- serving reads ---- */

static enum qr_error read_slots(const struct tool_replica *replica, uint8_t *bytes)
{
	const struct store_op op = {.data = bytes, .size_bytes = STORE_SLOTS * STORE_SLOT_BYTES};
	int fd = openat(replica->folder, STORE_STATE_NAME, O_RDONLY | O_CLOEXEC);
	enum qr_error error;

	if (fd < 0)
		return errno == ENOENT ? QR_CORRUPT : QR_IO;
	error = tool_read_at(fd, &op);
	(void)close(fd);
	return error == QR_NOT_FOUND ? QR_CORRUPT : error;
}

static void serve_op(struct tool_replica *replica, const struct store_op *op)
{
	struct store_completion completion = {.kind = op->kind, .group = op->group, .tag = op->tag};

	if (op->kind == STORE_OP_READ) {
		tool_reads_submit(replica->reads, op);
	} else if (op->kind == STORE_OP_READ_SLOTS) {
		completion.result = read_slots(replica, op->data);
		store_log_complete(replica->log, &completion, 0);
	} else { /* never carried out */
		replica->ended = true;
		/* Zeros go over the tail from the top down. */
		if (op->kind == STORE_OP_WRITE || op->kind == STORE_OP_WRITE_LAZY)
			replica->torn_blocks = store_log_torn_blocks(replica->log);
	}
}

/** Begin with what the log asks for, and take what is done. @param waits  for one at least. */
static void serve(struct tool_replica *replica, bool waits)
{
	struct store_op ops[OPS_MAX];
	struct store_completion completion;
	unsigned count = store_log_poll(replica->log, ops, OPS_MAX);

	for (unsigned i = 0; i < count; i++)
		serve_op(replica, &ops[i]);
	waits = waits && count == 0;
	while (tool_reads_reap(replica->reads, waits, &completion)) {
		store_log_complete(replica->log, &completion, 0);
		waits = false;
	}
}

/* ---- replicas ---- */

static bool has_segment(int folder, uint64_t segment)
{
	char name[STORE_NAME_BYTES];
	struct stat status;

	store_segment_name(name, segment);
	return fstatat(folder, name, &status, 0) == 0;
}

/** Segments without a hole, around the one where the log begins. */
static struct store_extent find_segments(int folder, uint64_t start)
{
	struct store_extent found = {.first = start};

	while (found.first > 0 && has_segment(folder, found.first - 1))
		found.first--;
	while (has_segment(folder, found.first + found.count))
		found.count++;
	return found;
}

static enum qr_error create_log(struct tool_replica *replica,
				const struct tool_directory *directory)
{
	const struct store_slot *slot = &replica->slot;
	const struct store_log_parameters parameters = {
		.cluster = directory->identity.cluster,
		.node = directory->identity.node,
		.group = slot->group,
		.geometry = slot->geometry,
		.configuration = slot->configuration,
		.window_blocks = WINDOW_STRIDES * slot->geometry.stride_blocks,
		.write_depth = 1,
		.write_max_blocks = 1,
		.checkpoints_max = 2,
		.lazy = slot->lazy,
	};
	struct qr_arena arena;
	size_t size_bytes;

	qr_arena_init(&arena, NULL, 0);
	(void)store_log_create(&arena, &parameters);
	size_bytes = (arena.used_bytes + MEMORY_ALIGN_BYTES - 1) / MEMORY_ALIGN_BYTES *
		     MEMORY_ALIGN_BYTES;
	replica->memory = aligned_alloc(MEMORY_ALIGN_BYTES, size_bytes);
	if (replica->memory == NULL)
		return QR_NO_MEMORY;
	(void)madvise(replica->memory, size_bytes,
		      MADV_HUGEPAGE); /* else reads are of 4 KiB pages */
	qr_arena_init(&arena, replica->memory, size_bytes);
	replica->log = store_log_create(&arena, &parameters);
	replica->reads = tool_reads_create(replica->folder);
	return replica->reads != NULL ? QR_OK : QR_NO_MEMORY;
}

enum qr_error tool_replica_slot(const struct tool_replica *replica, struct store_slot *ret_slot)
{
	static uint8_t slots[STORE_SLOTS * STORE_SLOT_BYTES];
	enum qr_error error = read_slots(replica, slots);

	return error == QR_OK ? store_slot_choose(slots, ret_slot) : error;
}

static enum qr_error look(struct tool_replica *replica, qr_group group)
{
	enum qr_error error = tool_replica_slot(replica, &replica->slot);

	replica->segments = find_segments(replica->folder, replica->slot.start.segment);
	if (error == QR_NOT_FOUND && replica->segments.count > 0)
		return QR_CORRUPT;
	if (error == QR_OK && replica->slot.group != group)
		return QR_FOREIGN;
	replica->commit = replica->slot.settled.index;
	return error;
}

enum qr_error tool_replica_look(const struct tool_directory *directory, qr_group group,
				struct tool_replica *ret_replica, struct store_problem *ret_problem)
{
	char name[STORE_NAME_BYTES];
	enum qr_error error;

	*ret_replica = (struct tool_replica){.folder = -1};
	store_group_name(name, group);
	ret_replica->folder =
		openat(directory->directory.fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (ret_replica->folder < 0) {
		(void)snprintf(ret_problem->text, sizeof(ret_problem->text), "%s/%s: %s",
			       directory->path, name, strerrordesc_np(errno));
		return QR_IO;
	}
	error = look(ret_replica, group);
	if (error != QR_OK) {
		(void)snprintf(ret_problem->text, sizeof(ret_problem->text),
			       "%s/%s/" STORE_STATE_NAME ": %s", directory->path, name,
			       qr_error_text(error));
		tool_replica_close(ret_replica);
	}
	return error;
}

enum qr_error tool_replica_begin(const struct tool_directory *directory,
				 struct tool_replica *replica, uint64_t first)
{
	struct store_extent segments = replica->segments;
	enum qr_error error = create_log(replica, directory);

	QR_ASSERT(first >= segments.first);
	segments.count = first < segments.first + segments.count
				 ? segments.first + segments.count - first
				 : 0;
	segments.first = first;
	if (error == QR_OK) /* all of it is looked at, whatever a snapshot says */
		store_recover_begin(replica->log, segments, NULL);
	return error;
}

enum qr_error tool_replica_open(const struct tool_directory *directory, qr_group group,
				struct tool_replica *ret_replica, struct store_problem *ret_problem)
{
	enum qr_error error = tool_replica_look(directory, group, ret_replica, ret_problem);

	if (error != QR_OK)
		return error;
	error = tool_replica_begin(directory, ret_replica, ret_replica->segments.first);
	if (error != QR_OK) {
		(void)snprintf(ret_problem->text, sizeof(ret_problem->text), "%s: %s",
			       directory->path, qr_error_text(error));
		tool_replica_close(ret_replica);
	}
	return error;
}

void tool_replica_close(struct tool_replica *replica)
{
	tool_reads_destroy(replica->reads); /* it writes into the memory */
	replica->reads = NULL;
	if (replica->folder >= 0)
		(void)close(replica->folder);
	free(replica->memory);
	replica->memory = NULL;
	replica->log = NULL;
	replica->folder = -1;
}

enum qr_error tool_replica_next(struct tool_replica *replica, struct store_entry *ret_entry,
				struct qr_span *ret_bytes)
{
	struct store_recovered_entry recovered;
	enum qr_error error;

	serve(replica, false); /* what lies ahead is read meanwhile */
	while ((error = store_recover_next(replica->log, &recovered)) == QR_AGAIN &&
	       !replica->ended)
		serve(replica, true);
	if (error == QR_AGAIN)
		return QR_NOT_FOUND;
	if (error != QR_OK)
		return error;
	*ret_entry = recovered.entry;
	ret_bytes->data = recovered.payload.data - STORE_ENTRY_HEADER_BYTES;
	ret_bytes->size_bytes = (size_t)recovered.entry.blocks * QR_BLOCK_BYTES;
	if (replica->entries++ == 0) {
		replica->before = (struct store_prefix){
			.index = recovered.entry.index - 1,
			.block = recovered.entry.block,
			.offset = recovered.entry.first_offset,
		};
	}
	replica->last = (struct store_prefix){
		.index = recovered.entry.index,
		.term = recovered.entry.term,
		.block = recovered.entry.block + recovered.entry.blocks,
		.offset = recovered.entry.first_offset + recovered.entry.record_count,
		.chain = store_entry_digest(ret_bytes->data),
	};
	if (replica->commit < recovered.entry.commit)
		replica->commit = recovered.entry.commit;
	return QR_OK;
}
