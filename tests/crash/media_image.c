/*
 * Images in place: the bytes of files, changed by effects or parts of them, and the log that takes
 * the changes back.
 *
 * Invariants
 *   - Bytes beyond the size of a file are zero.
 *   - While an image is applied every change is in the undo log, newest last.
 *
 * A write beyond the end of a file makes it longer: by its last sector that survives, or to its own
 * end, since a file system may keep size and contents apart. Zeros that were handed out in bulk, to
 * write a new file in advance, count as one unit: what they replace is zero already.
 */
#include "tests/crash/media_internal.h"

#include "consensus/base/assert.h"

#include <stdlib.h>

#define ROOM_BYTES_MIN (64u << 10)
#define BULK_BYTES (256u << 10)

enum undo_kind { UNDO_BYTES, UNDO_SIZE, UNDO_NAMES };

struct media_undo_record {
	enum undo_kind kind;
	uint32_t file;
	uint32_t value; /* where the bytes were; the size, or the count of names, before */
	uint32_t saved_bytes;
};

static struct media_file *file_of(struct media *media, uint32_t file)
{
	QR_ASSERT(file < media->file_count && media->files[file].exists);
	return &media->files[file];
}

static void grow(struct media_file *file, uint32_t size_bytes)
{
	uint32_t room = file->room_bytes < ROOM_BYTES_MIN ? ROOM_BYTES_MIN : file->room_bytes;

	if (size_bytes <= file->room_bytes)
		return;
	while (room < size_bytes)
		room *= 2;
	file->data = realloc(file->data, room);
	QR_ASSERT(file->data != NULL);
	memset(file->data + file->room_bytes, 0, room - file->room_bytes);
	file->room_bytes = room;
}

/* ---- the undo log ---- */

static void remember(struct media *media, const struct media_undo_record *record, const void *bytes)
{
	struct media_undo *undo = &media->undo;

	if (undo->count == undo->room) {
		undo->room = undo->room == 0 ? 256 : undo->room * 2;
		undo->records = realloc(undo->records, undo->room * sizeof(*undo->records));
		QR_ASSERT(undo->records != NULL);
	}
	if (undo->used_bytes + record->saved_bytes > undo->room_bytes) {
		undo->room_bytes = 2 * undo->room_bytes + record->saved_bytes + (1u << 20);
		undo->bytes = realloc(undo->bytes, undo->room_bytes);
		QR_ASSERT(undo->bytes != NULL);
	}
	if (record->saved_bytes > 0) {
		QR_ASSERT(bytes != NULL);
		memcpy(undo->bytes + undo->used_bytes, bytes, record->saved_bytes);
	}
	undo->used_bytes += record->saved_bytes;
	undo->records[undo->count++] = *record;
}

uint32_t media_mark(const struct media *media)
{
	return media->undo.count;
}

void media_forget_undo(struct media *media)
{
	media->undo.count = 0;
	media->undo.used_bytes = 0;
}

/** Take one change back; `saved` is what was there. */
static void take_back(struct media *media, const struct media_undo_record *record,
		      const uint8_t *saved)
{
	struct media_file *file = file_of(media, record->file);

	QR_ASSERT(saved != NULL || record->saved_bytes == 0);
	if (record->kind == UNDO_BYTES && record->saved_bytes > 0) {
		memcpy(file->data + record->value, saved, record->saved_bytes);
	} else if (record->kind == UNDO_SIZE) {
		file->size_bytes = record->value;
	} else if (record->kind != UNDO_BYTES) {
		file->name_count = record->value;
		if (record->saved_bytes > 0)
			memcpy(file->names, saved, record->saved_bytes);
	}
}

void media_rewind(struct media *media, uint32_t mark)
{
	struct media_undo *undo = &media->undo;

	QR_ASSERT(mark <= undo->count);
	while (undo->count > mark) {
		const struct media_undo_record *record = &undo->records[--undo->count];

		undo->used_bytes -= record->saved_bytes;
		take_back(media, record,
			  record->saved_bytes > 0 ? undo->bytes + undo->used_bytes : NULL);
	}
}

/* ---- bytes ---- */

static void set_size(struct media *media, uint32_t number, uint32_t size_bytes)
{
	struct media_file *file = file_of(media, number);

	if (file->size_bytes == size_bytes)
		return;
	remember(media,
		 &(struct media_undo_record){
			 .kind = UNDO_SIZE, .file = number, .value = file->size_bytes},
		 NULL);
	grow(file, size_bytes);
	file->size_bytes = size_bytes;
}

static void extend(struct media *media, uint32_t number, uint32_t size_bytes)
{
	if (file_of(media, number)->size_bytes < size_bytes)
		set_size(media, number, size_bytes);
}

/** Bytes [from, until) of a write. */
static void put_range(struct media *media, const struct tape_op *op, uint32_t from, uint32_t until)
{
	struct media_file *file = file_of(media, op->file);
	struct media_undo_record record = {.kind = UNDO_BYTES,
					   .file = op->file,
					   .value = op->offset_bytes + from,
					   .saved_bytes = until - from};
	uint8_t *to;

	grow(file, op->offset_bytes + until);
	to = file->data + op->offset_bytes + from;
	remember(media, &record, to);
	if (op->data != NULL) {
		memcpy(to, op->data + from, until - from);
	} else {
		memset(to, 0, until - from);
	}
	extend(media, op->file, op->offset_bytes + until);
}

static void truncate_file(struct media *media, const struct tape_op *op)
{
	struct media_file *file = file_of(media, op->file);
	struct media_undo_record record = {
		.kind = UNDO_BYTES, .file = op->file, .saved_bytes = file->size_bytes};

	if (file->size_bytes == 0)
		return;
	remember(media, &record, file->data);
	memset(file->data, 0, file->size_bytes);
	set_size(media, op->file, 0);
}

/* ---- names ---- */

static void remove_name(struct media_file *folder, const char *name)
{
	for (uint32_t n = 0; n < folder->name_count; n++) {
		if (strcmp(folder->names[n].name, name) == 0) {
			folder->names[n] = folder->names[--folder->name_count];
			return;
		}
	}
}

static void give_name(struct media_file *folder, const char *name, uint32_t file)
{
	struct media_name *given;

	remove_name(folder, name);
	QR_ASSERT(folder->name_count < MEDIA_NAMES_MAX);
	given = &folder->names[folder->name_count++];
	memcpy(given->name, name, TAPE_NAME_BYTES);
	given->file = file;
}

static void apply_names(struct media *media, const struct tape_op *op)
{
	struct media_file *folder = file_of(media, op->folder);
	struct media_undo_record record = {
		.kind = UNDO_NAMES,
		.file = op->folder,
		.value = folder->name_count,
		.saved_bytes = folder->name_count * (uint32_t)sizeof(*folder->names),
	};

	remember(media, &record, folder->names);
	if (op->kind != TAPE_OP_MKDIR && op->kind != TAPE_OP_CREATE)
		remove_name(folder, op->name);
	if (op->kind == TAPE_OP_RENAME) {
		give_name(folder, op->new_name, op->file);
	} else if (op->kind != TAPE_OP_UNLINK) {
		give_name(folder, op->name, op->file);
	}
}

/* ---- effects ---- */

uint32_t media_units(const struct tape_op *op)
{
	if (op->kind != TAPE_OP_WRITE || (op->data == NULL && op->size_bytes >= BULK_BYTES))
		return 1;
	return (op->size_bytes + MEDIA_SECTOR_BYTES - 1) / MEDIA_SECTOR_BYTES;
}

void media_apply_whole(struct media *media, const struct tape_op *op)
{
	if (media_is_of_names(op)) {
		apply_names(media, op);
	} else if (op->kind == TAPE_OP_WRITE) {
		put_range(media, op, 0, op->size_bytes);
	} else if (op->kind == TAPE_OP_EXTEND) {
		extend(media, op->file, op->offset_bytes + op->size_bytes);
	} else if (op->kind == TAPE_OP_TRUNCATE) {
		truncate_file(media, op);
	}
}

static uint32_t sector_end(const struct tape_op *op, uint32_t unit)
{
	uint32_t end = (unit + 1) * MEDIA_SECTOR_BYTES;

	return end < op->size_bytes ? end : op->size_bytes;
}

/** The sectors that survive, neighbours together. */
static void apply_torn(struct media *media, const struct tape_op *op, struct media_pick *pick)
{
	uint32_t units = media_units(op);
	uint32_t from = 0;
	uint32_t until = 0;

	for (uint32_t unit = 0; unit < units; unit++) {
		if (!media_pick_unit(pick, unit))
			continue;
		if (until != unit * MEDIA_SECTOR_BYTES || until == 0) {
			if (until > from)
				put_range(media, op, from, until);
			from = unit * MEDIA_SECTOR_BYTES;
		}
		until = sector_end(op, unit);
	}
	if (until > from)
		put_range(media, op, from, until);
}

static bool is_longer(const struct media *media, const struct tape_op *op)
{
	return op->kind == TAPE_OP_WRITE &&
	       op->offset_bytes + op->size_bytes > media->files[op->file].size_bytes;
}

void media_apply(struct media *media, const struct media_list *list, struct media_pick *pick)
{
	for (uint32_t i = 0; i < list->count; i++) {
		const struct media_effect *effect = &list->items[i];
		const struct tape_op *op = &effect->op;
		uint32_t units = media_units(op);

		if (effect->state == MEDIA_FIRM) {
			media_apply_whole(media, op);
			continue;
		}
		media_pick_begin(pick, units, media_matters(media, op));
		if (units > 1) {
			apply_torn(media, op, pick);
		} else if (media_pick_unit(pick, 0)) {
			media_apply_whole(media, op);
		}
		if (pick->mode == MEDIA_PICK_RANDOM && is_longer(media, op) &&
		    qr_prng_below(&pick->prng, 2) == 0)
			extend(media, op->file, op->offset_bytes + op->size_bytes);
	}
}
