/* Reads of segments, carried out one after the other by a thread. */
#ifndef QR_STORE_TOOL_READS_H
#define QR_STORE_TOOL_READS_H

#include "consensus/base/error.h"
#include "storage/engine/op.h"

struct tool_reads;

/** @param folder  of a group; outlives it. @return NULL: there is no memory, or no thread. */
struct tool_reads *tool_reads_create(int folder);
/** What was not begun is dropped, and the one under way is waited for. NULL is fine. */
void tool_reads_destroy(struct tool_reads *reads);

/** There is room for all that a log asks for at a time. */
void tool_reads_submit(struct tool_reads *reads, const struct store_op *op);
/**
 * @param waits  until one is done, if any is under way.
 * @return whether there is one.
 */
bool tool_reads_reap(struct tool_reads *reads, bool waits, struct store_completion *ret_completion);

/** All that the op wants of an open file. Errors: QR_NOT_FOUND  it ends before; QR_IO. */
QR_MUST_USE enum qr_error tool_read_at(int fd, const struct store_op *op);

#endif
