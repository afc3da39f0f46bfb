/*
 * What media.c (lists of effects), media_image.c (bytes) and pick.c (choices) share. Nobody else
 * includes this.
 */
#ifndef QR_TESTS_CRASH_MEDIA_INTERNAL_H
#define QR_TESTS_CRASH_MEDIA_INTERNAL_H

#include "tests/crash/media.h"

static inline bool media_is_of_names(const struct tape_op *op)
{
	return op->kind == TAPE_OP_MKDIR || op->kind == TAPE_OP_CREATE ||
	       op->kind == TAPE_OP_RENAME || op->kind == TAPE_OP_UNLINK;
}

/** Whether a recovery could see a difference: temporary files are removed unread. */
bool media_matters(const struct media *media, const struct tape_op *op);
/** Sectors of a write, 1 for anything else. */
uint32_t media_units(const struct tape_op *op);

/** All of it, into the bytes. */
void media_apply_whole(struct media *media, const struct tape_op *op);
/** The undo log is dropped: what was applied stays. */
void media_forget_undo(struct media *media);

/** Begin with an effect of `units` units; `matters` as above. */
void media_pick_begin(struct media_pick *pick, uint32_t units, bool matters);
/** Whether unit `unit` of it survives; asked once each, in order. */
bool media_pick_unit(struct media_pick *pick, uint32_t unit);

#endif
