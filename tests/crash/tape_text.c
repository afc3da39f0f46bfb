/*
 * Events as a person reads them: one line each.
 */
#include "tests/crash/tape.h"

#include "consensus/base/assert.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const op_words[] = {
	[TAPE_OP_MKDIR] = "mkdir",   [TAPE_OP_CREATE] = "create", [TAPE_OP_TRUNCATE] = "truncate",
	[TAPE_OP_EXTEND] = "extend", [TAPE_OP_WRITE] = "write",	  [TAPE_OP_SYNC] = "sync",
	[TAPE_OP_RENAME] = "rename", [TAPE_OP_UNLINK] = "unlink",
};

static void put_op(const struct tape_op *op, char *text, size_t size)
{
	int used = snprintf(text, size, "begin %" PRIu32 ": %s", op->id, op_words[op->kind]);

	QR_ASSERT(used > 0 && (size_t)used < size);
	text += used;
	size -= (size_t)used;
	switch (op->kind) {
	case TAPE_OP_MKDIR:
	case TAPE_OP_CREATE:
	case TAPE_OP_UNLINK:
		(void)snprintf(text, size, " %s in %" PRIu32 " (file %" PRIu32 ")", op->name,
			       op->folder, op->file);
		break;
	case TAPE_OP_RENAME:
		(void)snprintf(text, size, " %s to %s in %" PRIu32 " (file %" PRIu32 ")", op->name,
			       op->new_name, op->folder, op->file);
		break;
	case TAPE_OP_EXTEND:
	case TAPE_OP_WRITE:
		(void)snprintf(text, size, " file %" PRIu32 " [%" PRIu32 " +%" PRIu32 "]%s%s",
			       op->file, op->offset_bytes, op->size_bytes,
			       op->data == NULL ? " zeros" : "", op->dsync ? " dsync" : "");
		break;
	case TAPE_OP_TRUNCATE:
	case TAPE_OP_SYNC:
	case TAPE_OP_KINDS:
	default:
		(void)snprintf(text, size, " file %" PRIu32, op->file);
		break;
	}
}

static void put_said(const struct tape_said *said, char *text, size_t size)
{
	static const char *const words[] = {[TAPE_SAID_TERM] = "is in",
					    [TAPE_SAID_VOTE] = "voted in",
					    [TAPE_SAID_DURABLE] = "is durable in"};

	(void)snprintf(text, size,
		       "says: group %" PRIu32 " %s term %" PRIu64 ", vote %u, index %" PRIu64,
		       said->group, words[said->kind], said->term, said->vote, said->index);
}

void tape_describe(const struct tape_event *event, char *text, size_t size)
{
	int used = event->node == 0 ? 0 : snprintf(text, size, "node %u ", event->node);

	QR_ASSERT(used >= 0 && (size_t)used < size);
	text += used;
	size -= (size_t)used;
	switch (event->kind) {
	case TAPE_ROUND:
		(void)snprintf(text, size,
			       "ROUND seed %" PRIu64 ": stride %" PRIu32 ", segment %" PRIu32
			       ", window %" PRIu32 " blocks, a snapshot each %" PRIu32 ", %" PRIu32
			       " groups, lazy %" PRIx32 ", clock x%" PRIu32,
			       event->round.seed, event->round.stride_blocks,
			       event->round.segment_blocks, event->round.window_blocks,
			       event->round.snapshot_blocks, event->round.group_count,
			       event->round.lazy_groups, event->round.clock_rate);
		break;
	case TAPE_CUT:
		(void)snprintf(text, size, "POWER CUT, seed %" PRIu64, event->seed);
		break;
	case TAPE_BEGIN:
		put_op(&event->op, text, size);
		break;
	case TAPE_END:
		(void)snprintf(text, size, "end %" PRIu32 "%s", event->end.id,
			       event->end.failed ? ": failed" : "");
		break;
	case TAPE_SAID:
		put_said(&event->said, text, size);
		break;
	case TAPE_APPENDED:
		(void)snprintf(text, size,
			       "producer %" PRIu32 " appends %" PRIu64 ", %" PRIu32 " B",
			       event->appended.producer, event->appended.sequence,
			       event->appended.size_bytes);
		break;
	case TAPE_ANSWERED:
		(void)snprintf(text, size,
			       "answers: group %" PRIu32 " session %" PRIx64 " %" PRIu64
			       " +%" PRIu32 " is at %" PRIu64,
			       event->answered.group, event->answered.session,
			       event->answered.sequence, event->answered.count,
			       event->answered.offset);
		break;
	case TAPE_START:
	case TAPE_KILL:
	case TAPE_KINDS:
	default:
		(void)snprintf(text, size, event->kind == TAPE_KILL ? "KILLED" : "STARTS");
		break;
	}
}
