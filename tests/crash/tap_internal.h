/*
 * What tap.c (system calls) and tap_ring.c (io_uring) share. Nobody else includes this.
 */
#ifndef QR_TESTS_CRASH_TAP_INTERNAL_H
#define QR_TESTS_CRASH_TAP_INTERNAL_H

#include "tests/crash/tap.h"

/** Whose operations are taken down now; 0: nobody's. */
qr_node tap_node(void);
/** The file behind a descriptor of the node; MEDIA_NONE: none of ours. */
uint32_t tap_file_of(int fd);

/** Take down that an operation begins; `op` without its id. @return the id. */
uint32_t tap_begin(struct tape_op *op);
/** Of the node that is entered. */
void tap_end(uint32_t id, bool failed);

/**
 * Take down what opening a name does: nothing, a new file, or an old one cut to nothing.
 * @param ret_id  of the operation that has begun, if one has.
 * @return the file; MEDIA_NONE: there is none.
 */
uint32_t tap_open(uint32_t folder, const char *name, int flags, uint32_t *ret_id);
struct tape_op tap_op_rename(uint32_t folder, const char *name, const char *new_name);
struct tape_op tap_op_unlink(uint32_t folder, const char *name);

void tap_ring_forget(qr_node node);

#endif
