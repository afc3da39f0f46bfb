/*
 * The disk of one node: what is stable lies in the files; what is not, in order in `pending`.
 *
 * Invariants
 *   - A firm effect stays in the list only behind an older one that it must not overtake: of the
 *     same sectors, or of names in the same folder. So whatever survives, later contents win.
 *   - `named` never goes back: an inode that may become a log's file is looked at as one.
 */
#include "tests/crash/media_internal.h"

#include "consensus/base/assert.h"

#include <stdlib.h>

static bool is_temporary(const char *name)
{
	size_t length = strlen(name);

	return length >= 4 && strcmp(name + length - 4, ".tmp") == 0;
}

/* ---- files ---- */

static void make(struct media *media, uint32_t file, bool folder)
{
	struct media_file *made = &media->files[file];

	QR_ASSERT(file == media->file_count && file < MEDIA_FILES_MAX);
	media->file_count++;
	*made = (struct media_file){.exists = true, .folder = folder, .named = folder};
	if (folder) {
		made->names = calloc(MEDIA_NAMES_MAX, sizeof(*made->names));
		QR_ASSERT(made->names != NULL);
	}
}

const struct media_file *media_file(const struct media *media, uint32_t file)
{
	QR_ASSERT(file < media->file_count && media->files[file].exists);
	return &media->files[file];
}

void media_init(struct media *media)
{
	*media = (struct media){0};
	media->files = calloc(MEDIA_FILES_MAX, sizeof(*media->files));
	QR_ASSERT(media->files != NULL);
	make(media, TAPE_TOP, true);
}

void media_fini(struct media *media)
{
	for (uint32_t f = 0; f < media->file_count; f++) {
		free(media->files[f].data);
		free(media->files[f].names);
	}
	free(media->files);
	media_list_fini(&media->pending);
	free(media->undo.records);
	free(media->undo.bytes);
	*media = (struct media){0};
}

uint32_t media_find(const struct media *media, uint32_t folder, const char *name)
{
	const struct media_file *in = media_file(media, folder);

	QR_ASSERT(in->folder);
	for (uint32_t n = 0; n < in->name_count; n++) {
		if (strcmp(in->names[n].name, name) == 0)
			return in->names[n].file;
	}
	return MEDIA_NONE;
}

uint32_t media_find_visible(struct media *media, uint32_t folder, const char *name)
{
	struct media_pick everything = media_pick_of(MEDIA_PICK_ALL, 0, 0);
	uint32_t mark = media_mark(media);
	uint32_t found;

	media_apply(media, &media->pending, &everything);
	found = media_find(media, folder, name);
	media_rewind(media, mark);
	return found;
}

/* ---- lists ---- */

static struct media_effect *push(struct media_list *list, const struct tape_op *op)
{
	struct media_effect *added;

	if (list->count == list->room) {
		list->room = list->room == 0 ? 64 : list->room * 2;
		list->items = realloc(list->items, list->room * sizeof(*list->items));
		QR_ASSERT(list->items != NULL);
	}
	added = &list->items[list->count++];
	*added = (struct media_effect){.op = *op, .state = MEDIA_INFLIGHT};
	return added;
}

void media_list_copy(struct media_list *to, const struct media_list *from)
{
	to->count = 0;
	for (uint32_t i = 0; i < from->count; i++)
		*push(to, &from->items[i].op) = from->items[i];
}

void media_list_fini(struct media_list *list)
{
	free(list->items);
	*list = (struct media_list){0};
}

void media_list_kill(struct media_list *list)
{
	for (uint32_t i = 0; i < list->count; i++) {
		if (list->items[i].state == MEDIA_INFLIGHT)
			list->items[i].state = MEDIA_CACHED;
	}
}

struct media_effect *media_write(struct media *media, struct media_list *list,
				 const struct tape_op *op)
{
	media_apply_whole(media, op);
	return push(list, op);
}

/** What a sync of `file` is about. */
static bool is_synced(const struct tape_op *op, uint32_t file)
{
	return media_is_of_names(op) ? op->folder == file : op->file == file;
}

void media_list_sync(struct media_list *list, uint32_t file)
{
	for (uint32_t i = 0; i < list->count; i++) {
		struct media_effect *effect = &list->items[i];

		if (effect->state == MEDIA_CACHED && is_synced(&effect->op, file))
			effect->state = MEDIA_FIRM;
	}
}

/* ---- what becomes stable ---- */

static bool overlap(const struct tape_op *a, const struct tape_op *b)
{
	return a->offset_bytes < b->offset_bytes + b->size_bytes &&
	       b->offset_bytes < a->offset_bytes + a->size_bytes;
}

/** Whether `later` must stay behind `earlier`. */
static bool is_ordered(const struct tape_op *earlier, const struct tape_op *later)
{
	if (media_is_of_names(earlier) != media_is_of_names(later))
		return false;
	if (media_is_of_names(earlier))
		return earlier->folder == later->folder;
	if (earlier->file != later->file)
		return false;
	return earlier->kind != TAPE_OP_WRITE || later->kind != TAPE_OP_WRITE ||
	       overlap(earlier, later);
}

static bool is_blocked(const struct media_list *kept, const struct tape_op *op)
{
	for (uint32_t i = 0; i < kept->count; i++) {
		if (is_ordered(&kept->items[i].op, op))
			return true;
	}
	return false;
}

/** Move firm effects from the list into the bytes. */
static void settle(struct media *media)
{
	struct media_list kept = {.items = media->pending.items};

	QR_ASSERT(media->undo.count == 0);
	for (uint32_t i = 0; i < media->pending.count; i++) {
		struct media_effect effect = media->pending.items[i];

		if (effect.state == MEDIA_FIRM && !is_blocked(&kept, &effect.op)) {
			media_apply_whole(media, &effect.op);
			media->version++;
		} else {
			kept.items[kept.count++] = effect;
		}
	}
	media->pending.count = kept.count;
	media_forget_undo(media);
}

static void make_firm(struct media *media, struct media_effect *effect)
{
	effect->state = MEDIA_FIRM;
	if (media->on_firm != NULL)
		media->on_firm(media->context, &effect->op);
}

static void end_sync(struct media *media, uint32_t number, bool failed)
{
	struct media_sync sync = media->syncs[number];

	media->syncs[number] = media->syncs[--media->sync_count];
	for (uint32_t i = 0; !failed && i < media->pending.count; i++) {
		struct media_effect *effect = &media->pending.items[i];

		if (effect->state == MEDIA_CACHED && is_synced(&effect->op, sync.file) &&
		    effect->ended <= sync.begun)
			make_firm(media, effect);
	}
	settle(media);
}

/* ---- events ---- */

void media_begin(struct media *media, const struct tape_op *op)
{
	media->clock++;
	if (op->kind == TAPE_OP_SYNC) {
		QR_ASSERT(media->sync_count < MEDIA_SYNCS_MAX);
		media->syncs[media->sync_count++] =
			(struct media_sync){.id = op->id, .file = op->file, .begun = media->clock};
		return;
	}
	if (op->kind == TAPE_OP_MKDIR || op->kind == TAPE_OP_CREATE)
		make(media, op->file, op->kind == TAPE_OP_MKDIR);
	if ((op->kind == TAPE_OP_CREATE && !is_temporary(op->name)) ||
	    (op->kind == TAPE_OP_RENAME && !is_temporary(op->new_name)))
		media->files[op->file].named = true;
	(void)push(&media->pending, op);
}

void media_end(struct media *media, uint32_t id, bool failed)
{
	struct media_list *pending = &media->pending;

	media->clock++;
	for (uint32_t s = 0; s < media->sync_count; s++) {
		if (media->syncs[s].id == id) {
			end_sync(media, s, failed);
			return;
		}
	}
	for (uint32_t i = 0; i < pending->count; i++) {
		struct media_effect *effect = &pending->items[i];

		if (effect->op.id != id || effect->state != MEDIA_INFLIGHT)
			continue;
		effect->ended = media->clock;
		effect->state = MEDIA_CACHED;
		if (failed) {
			memmove(effect, effect + 1,
				(pending->count - i - 1) * sizeof(*pending->items));
			pending->count--;
		} else if (effect->op.dsync) {
			make_firm(media, effect);
		}
		settle(media);
		return;
	}
	QR_ASSERT(false); /* what ends has begun */
}

void media_kill(struct media *media)
{
	media->clock++;
	for (uint32_t i = 0; i < media->pending.count; i++)
		media->pending.items[i].ended = media->clock;
	media_list_kill(&media->pending);
	media->sync_count = 0;
}

void media_cut(struct media *media, struct media_pick *pick)
{
	media_apply(media, &media->pending, pick);
	media_forget_undo(media);
	media->pending.count = 0;
	media->sync_count = 0;
	media->version++;
}

/* ---- questions ---- */

bool media_overlaps_inflight(const struct media *media, const struct tape_op *op)
{
	for (uint32_t i = 0; i < media->pending.count; i++) {
		const struct media_effect *effect = &media->pending.items[i];

		if (effect->state == MEDIA_INFLIGHT && effect->op.kind == TAPE_OP_WRITE &&
		    effect->op.file == op->file && overlap(&effect->op, op))
			return true;
	}
	return false;
}

bool media_is_overwritten(const struct media *media, const struct tape_op *op)
{
	const struct media_list *pending = &media->pending;
	uint32_t i = 0;

	while (i < pending->count && &pending->items[i].op != op)
		i++;
	for (i++; i < pending->count; i++) {
		const struct tape_op *later = &pending->items[i].op;

		if (later->kind == TAPE_OP_WRITE && later->file == op->file && overlap(later, op))
			return true;
	}
	return false;
}

bool media_matters(const struct media *media, const struct tape_op *op)
{
	switch (op->kind) {
	case TAPE_OP_MKDIR:
	case TAPE_OP_RENAME:
		return true;
	case TAPE_OP_CREATE:
	case TAPE_OP_UNLINK:
		return !is_temporary(op->name);
	case TAPE_OP_TRUNCATE:
	case TAPE_OP_EXTEND:
	case TAPE_OP_WRITE:
	case TAPE_OP_SYNC:
	case TAPE_OP_KINDS:
	default:
		return media->files[op->file].named;
	}
}

struct media_size media_size(const struct media *media, const struct media_list *list)
{
	struct media_size size = {0};

	for (uint32_t i = 0; i < list->count; i++) {
		const struct media_effect *effect = &list->items[i];

		if (effect->state == MEDIA_FIRM || !media_matters(media, &effect->op))
			continue;
		size.effects++;
		size.sectors += media_units(&effect->op);
		size.names = size.names || media_is_of_names(&effect->op);
	}
	return size;
}
