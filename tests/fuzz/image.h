/*
 * The files of two snapshots of a group, made of an input; and checksums made right, so that what
 * an input says in them is looked at and not only found out.
 *
 * An input of image_fuzz is which log, flags, how long the first body is (two bytes), both headers
 * as far as they have fields, both bodies without their padding. They take the places of the log's
 * newest two; older ones, where it has any, hold nothing, or with IMAGE_OLDER what they held. Or,
 * with IMAGE_BUILT, which log, flags, and numbers near those of a sound snapshot. What it lacks is
 * zero.
 */
#ifndef QR_TESTS_FUZZ_IMAGE_H
#define QR_TESTS_FUZZ_IMAGE_H

#include "storage/format/snapshot.h"

#define IMAGE_FILES 2u	       /* that an input describes */
#define IMAGE_FIELD_BYTES 116u /* of a header; the rest of it is zero */
#define IMAGE_BODIES_AT (4u + IMAGE_FILES * IMAGE_FIELD_BYTES)

/* Flags: the first two for the older file, shifted left by one for the newest. */
#define IMAGE_UNSEALED 1u /* its checksums are the input's */
#define IMAGE_UNFIT 4u	  /* so are its lengths */
#define IMAGE_OLDER 16u	  /* the log's older snapshots stay what they are */
#define IMAGE_BUILT 64u	  /* the newest snapshot of the log is replaced by one made of numbers */
#define IMAGE_USED 128u	  /* the log goes on, and is read again */

/** Bytes of the body that the header tells of, as far as the file goes. */
size_t image_body_bytes(const uint8_t *file, size_t file_bytes);
/** The header tells of a body of so many bytes: what the checkpoints leave of them is state. */
void image_fit(uint8_t *file, size_t body_bytes);
/** Both checksums. */
void image_seal(uint8_t *file, size_t file_bytes);
/**
 * A snapshot with the base of the one that is there, but for what the numbers say.
 * @param file_max  bytes that there are for it.
 * @return its size.
 */
size_t image_build(uint8_t *file, size_t file_max, struct qr_reader *numbers);

#endif
