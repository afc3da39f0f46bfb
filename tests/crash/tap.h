/*
 * The tap: what a node's disk code asks of the kernel, taken down as it passes.
 *
 * It sits at the outermost seam there is. The linker binds the system calls and the liburing calls
 * of storage/io to the functions of this folder (--wrap, see meson.build): they take down what is
 * about to happen, call the real one, and take down how it ended. So production code is recorded as
 * it is, without a hook in it, and the tape holds what the kernel got: flags, names and the order
 * of steps included. A forgotten O_DSYNC or a sync in the wrong place is on the tape, where a
 * recorder of the engine's operations would have assumed it to be right.
 *
 * Only between tap_enter and tap_leave, and only for what belongs to that node's directory.
 *
 * Threads: one.
 */
#ifndef QR_TESTS_CRASH_TAP_H
#define QR_TESTS_CRASH_TAP_H

#include "tests/crash/media.h"

/** Begin to write a tape. @param media  [1..TAPE_NODES], kept in step with the tape. */
void tap_attach(struct tape *tape, struct media *media);
void tap_detach(void);

/** The node's data directory: a path without links, whose parent exists. */
void tap_set_root(qr_node node, const char *path);
/** What follows is done by this node's process. */
void tap_enter(qr_node node);
void tap_leave(void);
/** The process has ended: what its ring still does is nobody's. */
void tap_forget(qr_node node);

/** Put an event that is no disk operation. */
void tap_put(const struct tape_event *event);
/** Disk operations taken down so far. */
uint64_t tap_count(void);

#endif
