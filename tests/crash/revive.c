/*
 * Driving the engine's recovery.
 *
 * In memory, a read copies from the image at once; a write is seen at once and firm when it ends;
 * operations end in any order. Power may be cut again between any two of these events: what the
 * recovery had in flight is then in `list`, for the next image.
 *
 * The rules of the disk code for a directory (storage/io/directory.c) are followed here only as far
 * as finding the files goes; that they are what they are is shown on the images that are recovered
 * from real directories.
 */
#include "tests/crash/revive.h"

#include "consensus/base/assert.h"
#include "storage/engine/internal.h"
#include "storage/io/io.h"

#include <sched.h>
#include <stdlib.h>

#define SEGMENTS_MAX 256
#define OPS_MAX 16
#define MEMORY_ALIGN ((size_t)2 << 20)
#define KEPT_MAX 256
#define STATE_BYTES (STORE_SLOTS * STORE_SLOT_BYTES)

/** An operation that has begun. */
struct running {
	struct store_op op;
	uint32_t effect; /* of a write: its place in the list */
};

/** The files of a group in the image. */
struct files {
	uint32_t state; /* MEDIA_NONE: a new group */
	uint32_t snapshots[STORE_SNAPSHOTS];
	uint32_t folder;
	struct store_extent extent;
	uint32_t segments[SEGMENTS_MAX]; /* from the first on */
};

/* ---- memory ---- */

static struct store_log_parameters parameters_of(const struct truth *truth, qr_node node,
						 qr_group group)
{
	const struct tape_round *round = &truth->round;

	return (struct store_log_parameters){
		.cluster = CLUSTER_ID,
		.node = node,
		.group = group,
		.geometry = {.segment_blocks = round->segment_blocks,
			     .stride_blocks = round->stride_blocks},
		.configuration = {.voters = ((qr_nodes)1 << (TAPE_NODES + 1)) - 2},
		.window_blocks = round->window_blocks,
		.write_depth = round->write_depth,
		.write_max_blocks = round->write_max_blocks,
		.segments_ahead = 1,
		.checkpoints_max = CLUSTER_CHECKPOINTS,
		.snapshot_blocks = round->snapshot_blocks,
		.lazy = truth_is_lazy(truth, group),
	};
}

void revive_init(struct revive *revive, struct truth *truth)
{
	struct store_log_parameters parameters = parameters_of(truth, 1, 1);
	struct qr_arena arena;

	*revive = (struct revive){.truth = truth, .events_left = REVIVE_NEVER};
	qr_arena_init(&arena, NULL, 0);
	(void)store_log_create(&arena, &parameters);
	revive->memory_bytes = (arena.used_bytes + MEMORY_ALIGN - 1) / MEMORY_ALIGN * MEMORY_ALIGN;
	revive->memory = aligned_alloc(MEMORY_ALIGN, revive->memory_bytes);
	revive->slots = malloc((size_t)KEPT_MAX * STORE_SLOT_BYTES);
	revive->buffer.size_bytes = store_snapshot_bytes(CLUSTER_CHECKPOINTS, saved_bytes_max());
	revive->buffer.data = aligned_alloc(QR_BLOCK_BYTES, revive->buffer.size_bytes);
	QR_ASSERT(revive->memory != NULL && revive->slots != NULL && revive->buffer.data != NULL);
	saved_init(&revive->saved);
}

void revive_fini(struct revive *revive)
{
	free(revive->memory);
	free(revive->slots);
	free(revive->buffer.data);
	saved_fini(&revive->saved);
	revive->buffer.data = NULL;
	revive->memory = NULL;
	revive->slots = NULL;
}

void revive_reset(struct revive *revive)
{
	revive->kept = 0;
}

void revived_fini(struct revived *revived)
{
	free(revived->versions);
	*revived = (struct revived){0};
}

static void begin_log(struct revive *revive, qr_group group, struct store_extent segments)
{
	struct store_log_parameters parameters = parameters_of(revive->truth, revive->node, group);
	struct qr_arena arena;

	qr_arena_init(&arena, revive->memory, revive->memory_bytes);
	revive->log = store_log_create(&arena, &parameters);
	revive->has_begun = false;
	store_recover_begin(revive->log, segments, &revive->buffer);
}

/* ---- what it gives ---- */

static void begin_revived(struct revived *revived)
{
	revived->result = QR_AGAIN;
	revived->damage = (struct store_damage){0};
	revived->invented = false;
	revived->remains = false;
	revived->trimmed = false;
	revived->base = 0;
	revived->wrong = NULL;
	revived->missing = 0;
	revived->last = 0;
	revived->has_slot = false;
}

static void note_slot(const struct revive *revive, struct revived *revived)
{
	if (revived->has_slot)
		return;
	revived->slot = *store_log_slot(revive->log);
	revived->has_slot = true;
}

/** Room for entry `index`. */
static void make_room(struct revived *revived, qr_index index)
{
	if (index < revived->room)
		return;
	if (revived->room == 0)
		revived->room = 1024;
	while (revived->room <= index)
		revived->room *= 2;
	revived->versions = realloc(revived->versions, revived->room * sizeof(*revived->versions));
	QR_ASSERT(revived->versions != NULL);
}

/** The entries that it stands for are the log that ends with the base's, if there is such a one. */
static void note_snapshot(struct revive *revive, qr_group group, struct revived *revived,
			  const struct store_recovered_state *found)
{
	const struct truth *truth = revive->truth;
	const struct store_prefix *base = &found->base;
	uint32_t version = truth_find(truth, group, base->chain);
	const struct store_entry *entry = &truth->versions[version].entry;

	revived->base = base->index;
	if (version == TRUTH_NONE || entry->index != base->index || entry->term != base->term ||
	    entry->block + entry->blocks != base->block ||
	    entry->first_offset + entry->record_count != base->offset) {
		revived->wrong = "nobody wrote that entry";
		version = TRUTH_NONE;
	}
	make_room(revived, base->index);
	for (qr_index i = base->index; i > 0; i--) {
		revived->versions[i] = version;
		version = truth->versions[version].parent;
	}
	revived->last = base->index;
	if (revived->wrong == NULL)
		revived->wrong = saved_problem(&revive->saved, truth, revived->versions, found);
}

/** Which version it is, if it is one: every byte is compared. */
static void note_entry(const struct revive *revive, struct revived *revived,
		       const struct store_recovered_entry *found)
{
	const struct truth *truth = revive->truth;
	const uint8_t *bytes = found->payload.data - STORE_ENTRY_HEADER_BYTES;
	uint32_t last = revived->last == 0 ? TRUTH_NONE : revived->versions[revived->last];
	uint32_t version = truth_find(truth, found->entry.group, store_entry_digest(bytes));

	if (version == TRUTH_NONE || truth->versions[version].parent != last ||
	    memcmp(truth->versions[version].bytes, bytes, store_entry_bytes(&found->entry)) != 0) {
		revived->invented = true;
		version = TRUTH_NONE;
	}
	make_room(revived, ++revived->last);
	revived->versions[revived->last] = version;
}

/** What there is to begin with. @return false: that is not known yet. */
static bool ask_state(struct revive *revive, qr_group group, struct revived *revived)
{
	struct store_recovered_state found;
	enum qr_error error = store_recover_state(revive->log, &found);

	if (error == QR_AGAIN)
		return false;
	if (error == QR_OK)
		note_snapshot(revive, group, revived, &found);
	revive->has_begun = true;
	return true; /* an error stays, and comes again instead of the first entry */
}

/** @return false: nothing more to ask until an operation has ended, or ever. */
static bool ask(struct revive *revive, qr_group group, struct revived *revived)
{
	struct store_recovered_entry found;
	enum qr_error error;

	if (!revive->has_begun && !ask_state(revive, group, revived))
		return false;
	error = store_recover_next(revive->log, &found);
	revived->result = error;
	if (error == QR_OK)
		note_entry(revive, revived, &found);
	if (error == QR_OK || error == QR_NOT_FOUND)
		note_slot(revive, revived);
	if (error != QR_OK && error != QR_AGAIN && error != QR_NOT_FOUND)
		revived->damage = store_log_damage(revive->log);
	return error == QR_OK;
}

/* ---- over the image in memory ---- */

/** @return false: the disk code would refuse the directory. */
static bool find_files(const struct revive *revive, qr_group group, struct files *files)
{
	const struct media *media = revive->media;
	char name[STORE_NAME_BYTES];
	uint32_t folder = media_find(media, TAPE_TOP, "data");
	uint64_t first = UINT64_MAX;
	uint64_t count = 0;

	files->state = MEDIA_NONE;
	for (uint32_t s = 0; s < STORE_SNAPSHOTS; s++)
		files->snapshots[s] = MEDIA_NONE;
	files->extent = (struct store_extent){0};
	store_group_name(name, group);
	if (folder != MEDIA_NONE)
		folder = media_find(media, folder, name);
	if (folder == MEDIA_NONE)
		return true;
	files->state = media_find(media, folder, STORE_STATE_NAME);
	for (uint32_t s = 0; s < STORE_SNAPSHOTS; s++) {
		store_snapshot_name(name, s);
		files->snapshots[s] = media_find(media, folder, name);
	}
	for (uint32_t n = 0; n < media_file(media, folder)->name_count; n++) {
		const char *given = media_file(media, folder)->names[n].name;
		uint64_t segment;

		if (strlen(given) != 20 || strcmp(given + 16, ".seg") != 0)
			continue;
		segment = strtoull(given, NULL, 16);
		first = segment < first ? segment : first;
		count++;
	}
	QR_ASSERT(count <= SEGMENTS_MAX);
	files->folder = folder;
	for (uint64_t s = 0; s < count; s++) {
		store_segment_name(name, first + s);
		files->segments[s] = media_find(media, folder, name);
		if (files->segments[s] == MEDIA_NONE)
			return false;
	}
	files->extent = (struct store_extent){.first = count == 0 ? 0 : first, .count = count};
	if (files->state == MEDIA_NONE)
		return count == 0;
	return media_file(media, files->state)->size_bytes == STATE_BYTES;
}

static bool is_read(const struct store_op *op)
{
	return op->kind == STORE_OP_READ || op->kind == STORE_OP_READ_SLOTS ||
	       op->kind == STORE_OP_READ_SNAPSHOT;
}

static uint32_t segment_of(const struct files *files, uint64_t segment)
{
	if (segment < files->extent.first || segment - files->extent.first >= files->extent.count)
		return MEDIA_NONE;
	return files->segments[segment - files->extent.first];
}

static uint32_t file_of(const struct files *files, const struct store_op *op)
{
	if (op->kind == STORE_OP_READ_SLOTS || op->kind == STORE_OP_WRITE_SLOT)
		return files->state;
	if (op->kind == STORE_OP_READ_SNAPSHOT || op->kind == STORE_OP_SYNC_SNAPSHOT)
		return files->snapshots[op->segment];
	return segment_of(files, op->segment);
}

static enum qr_error read_image(const struct revive *revive, const struct files *files,
				const struct store_op *op)
{
	uint32_t number = file_of(files, op);
	const struct media_file *file;

	if (number == MEDIA_NONE && op->kind == STORE_OP_READ_SLOTS) {
		memset(op->data, 0, op->size_bytes); /* the disk code would have made it */
		return QR_OK;
	}
	if (number == MEDIA_NONE)
		return QR_NOT_FOUND; /* so is a read of the empty snapshot that would be made */
	file = media_file(revive->media, number);
	if (op->offset_bytes + op->size_bytes > file->size_bytes)
		return QR_NOT_FOUND;
	memcpy(op->data, file->data + op->offset_bytes, op->size_bytes);
	return QR_OK;
}

/** The engine goes on to use its memory: a copy for the list. */
static const uint8_t *keep_slot(struct revive *revive, const uint8_t *data)
{
	uint8_t *kept = revive->slots + (size_t)revive->kept * STORE_SLOT_BYTES;

	QR_ASSERT(revive->kept++ < KEPT_MAX);
	memcpy(kept, data, STORE_SLOT_BYTES);
	return kept;
}

/** The first segment goes away, for good once that has ended. */
static void drop(struct revive *revive, struct files *files, struct running *running)
{
	struct tape_op unlink = {.kind = TAPE_OP_UNLINK, .folder = files->folder};

	QR_ASSERT(files->extent.count > 0 && running->op.segment == files->extent.first);
	store_segment_name(unlink.name, running->op.segment);
	running->effect = revive->list->count;
	(void)media_write(revive->media, revive->list, &unlink);
	files->extent.first++;
	files->extent.count--;
	memmove(files->segments, files->segments + 1,
		files->extent.count * sizeof(files->segments[0]));
}

/** A write begins: it is seen from now on. */
static void begin_op(struct revive *revive, struct files *files, struct running *running)
{
	const struct store_op *op = &running->op;
	bool slot = op->kind == STORE_OP_WRITE_SLOT;
	struct tape_op write = {
		.kind = TAPE_OP_WRITE,
		.file = file_of(files, op),
		.offset_bytes = (uint32_t)op->offset_bytes,
		.size_bytes = op->size_bytes,
		.dsync = op->kind != STORE_OP_WRITE_LAZY,
	};

	running->effect = MEDIA_NONE;
	QR_ASSERT(op->kind != STORE_OP_WRITE_SNAPSHOT); /* a node takes one when it runs */
	if (op->kind == STORE_OP_DROP)
		drop(revive, files, running);
	if (!slot && op->kind != STORE_OP_WRITE && op->kind != STORE_OP_WRITE_LAZY)
		return;
	if (write.file == MEDIA_NONE)
		return; /* the slots of a new group, whose file is not in this image */
	/* A recovery writes slots and zeros, nothing else. */
	QR_ASSERT(slot ||
		  (op->data[0] == 0 && memcmp(op->data, op->data + 1, op->size_bytes - 1) == 0));
	write.data = slot ? keep_slot(revive, op->data) : NULL;
	running->effect = revive->list->count;
	(void)media_write(revive->media, revive->list, &write);
}

static enum qr_error end_op(struct revive *revive, const struct files *files,
			    const struct running *running)
{
	const struct store_op *op = &running->op;

	if (is_read(op))
		return read_image(revive, files, op);
	if (op->kind == STORE_OP_SYNC || op->kind == STORE_OP_SYNC_SNAPSHOT) {
		if (file_of(files, op) == MEDIA_NONE)
			return QR_NOT_FOUND;
		media_list_sync(revive->list, file_of(files, op));
	} else if (running->effect != MEDIA_NONE) {
		struct media_effect *effect = &revive->list->items[running->effect];

		effect->state = effect->op.dsync ? MEDIA_FIRM : MEDIA_CACHED;
	}
	if (op->kind == STORE_OP_DROP) /* the folder is synced */
		media_list_sync(revive->list, files->folder);
	return QR_OK;
}

/** Whether something behind the end could ever be taken for an entry of this log. */
static bool has_remains(const struct revive *revive, qr_group group, const struct files *files,
			qr_index last)
{
	uint32_t segment_blocks = revive->truth->round.segment_blocks;
	qr_block end = (files->extent.first + files->extent.count) * segment_blocks;

	for (qr_block block = store_log_tail(revive->log); block < end; block++) {
		uint32_t number = segment_of(files, block / segment_blocks);
		const struct media_file *file =
			number == MEDIA_NONE ? NULL : media_file(revive->media, number);
		uint32_t at = (uint32_t)(block % segment_blocks) * QR_BLOCK_BYTES;
		struct store_entry entry;

		if (file != NULL && at < file->size_bytes &&
		    store_entry_decode(file->data + at, &entry) == QR_OK && entry.group == group &&
		    entry.block == block && entry.index > last)
			return true;
	}
	return false;
}

/**
 * An entry that was not read, for the snapshot stands for it, and that is not there; 0: none. What
 * lies in front of the log's origin may be gone.
 */
static qr_index find_missing(const struct revive *revive, const struct files *files,
			     const struct revived *revived)
{
	uint32_t segment_blocks = revive->truth->round.segment_blocks;

	for (qr_index i = store_log_origin(revive->log).index + 1; i <= revived->base; i++) {
		const struct truth_version *version =
			truth_version(revive->truth, revived->versions[i]);
		const struct store_entry *entry = &version->entry;
		uint64_t segment = entry->block / segment_blocks;
		uint64_t at = entry->block % segment_blocks * QR_BLOCK_BYTES;
		uint64_t size_bytes = (uint64_t)entry->blocks * QR_BLOCK_BYTES;
		const struct media_file *file;

		if (segment_of(files, segment) == MEDIA_NONE)
			return i;
		file = media_file(revive->media, segment_of(files, segment));
		if (at + size_bytes > file->size_bytes ||
		    memcmp(file->data + at, version->bytes, size_bytes) != 0)
			return i;
	}
	return 0;
}

/** Where a reader would begin, an entry begins. */
static bool is_index_right(const struct revive *revive, const struct revived *revived)
{
	const struct store_index *index = &revive->log->index;

	for (uint32_t c = 0; c < index->checkpoint_count; c++) {
		const struct store_checkpoint *at = &index->checkpoints[c];
		const struct store_entry *entry =
			&truth_version(revive->truth, revived->versions[at->index])->entry;

		if (entry->block != at->block || entry->first_offset != at->first_offset)
			return false;
	}
	return true;
}

/** The log is open. */
static void look_around(const struct revive *revive, qr_group group, const struct files *files,
			struct revived *revived)
{
	revived->trimmed = files->extent.first > 0;
	revived->remains = has_remains(revive, group, files, revived->last);
	if (revived->base == 0 || revived->wrong != NULL || revived->invented)
		return;
	revived->missing = find_missing(revive, files, revived);
	if (store_log_origin(revive->log).index > revived->slot.start.before)
		revived->wrong = "the log begins behind where it may";
	if (!is_index_right(revive, revived))
		revived->wrong = "the index points elsewhere";
}

/** One operation ends. @return false: power was cut instead. */
static bool end_one(struct revive *revive, const struct files *files, struct running *ops,
		    unsigned *count)
{
	unsigned number = (unsigned)qr_prng_below(&revive->prng, *count);
	struct running running = ops[number];
	struct store_completion completion = {
		.kind = running.op.kind, .group = running.op.group, .tag = running.op.tag};

	if (!is_read(&running.op) && revive->events_left-- == 0)
		return false;
	ops[number] = ops[--*count];
	completion.result = end_op(revive, files, &running);
	store_log_complete(revive->log, &completion, 0);
	return true;
}

void revive_group(struct revive *revive, qr_group group, struct revived *ret_revived)
{
	struct running ops[OPS_MAX];
	struct store_op asked[OPS_MAX];
	struct files files;
	unsigned running = 0;

	begin_revived(ret_revived);
	if (!find_files(revive, group, &files)) {
		ret_revived->result = QR_CORRUPT;
		return;
	}
	if (files.state != MEDIA_NONE) /* a start syncs the folder before it looks any further */
		media_list_sync(revive->list, files.folder);
	begin_log(revive, group, files.extent);
	for (;;) {
		unsigned count;

		while (ask(revive, group, ret_revived))
			continue;
		if (ret_revived->result == QR_NOT_FOUND)
			look_around(revive, group, &files, ret_revived);
		if (ret_revived->result != QR_AGAIN)
			return;
		count = store_log_poll(revive->log, asked, OPS_MAX - running);
		QR_ASSERT(count + running > 0);
		for (unsigned i = 0; i < count; i++) {
			ops[running] = (struct running){.op = asked[i]};
			begin_op(revive, &files, &ops[running++]);
		}
		if (!end_one(revive, &files, ops, &running))
			return;
	}
}

/* ---- over a real directory ---- */

/** Until its recovery has ended; the ring waits for the disk. */
static void drive(struct revive *revive, struct store_io *io, qr_group group,
		  struct revived *revived)
{
	struct store_op ops[OPS_MAX];
	struct store_completion completions[OPS_MAX];

	for (;;) {
		unsigned count;

		while (ask(revive, group, revived))
			continue;
		if (revived->result != QR_AGAIN)
			return;
		count = store_log_poll(revive->log, ops, OPS_MAX);
		QR_ASSERT(store_io_submit(io, ops, count) == count);
		count = store_io_reap(io, completions, OPS_MAX);
		for (unsigned i = 0; i < count; i++)
			store_log_complete(revive->log, &completions[i], 0);
		if (count == 0)
			(void)sched_yield();
	}
}

static enum qr_error revive_group_in(struct revive *revive, struct store_directory *directory,
				     qr_group group, struct revived *revived,
				     struct store_problem *problem)
{
	struct store_io_parameters parameters = {
		.directory = directory, .depth = 2 * OPS_MAX, .groups = &group, .group_count = 1};
	struct store_io *io = NULL;
	struct store_extent segments = {0};
	enum qr_error error;

	begin_revived(revived);
	error = store_directory_group(directory, group, &segments, problem);
	if (error == QR_OK)
		error = store_io_create(&parameters, &io, problem);
	if (error != QR_OK)
		return error;
	begin_log(revive, group, segments);
	drive(revive, io, group, revived);
	store_io_destroy(io);
	return QR_OK;
}

enum qr_error revive_folder(struct revive *revive, const char *path, struct revived *ret_revived,
			    struct store_problem *ret_problem)
{
	struct store_directory directory;
	enum qr_error error = store_directory_open(path, CLUSTER_ID, revive->node, false,
						   &directory, ret_problem);

	if (error != QR_OK)
		return error;
	for (qr_group g = 1; g <= revive->truth->round.group_count && error == QR_OK; g++)
		error = revive_group_in(revive, &directory, g, &ret_revived[g], ret_problem);
	store_directory_close(&directory);
	return error;
}
