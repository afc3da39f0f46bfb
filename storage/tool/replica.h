/*
 * One group of one node's data directory, read only: the recovery of the engine itself, driven over
 * plain reads and stopped before its first write. So what a tool says about a log is what a restart
 * would make of it.
 */
#ifndef QR_STORE_TOOL_REPLICA_H
#define QR_STORE_TOOL_REPLICA_H

#include "storage/engine/recover.h"
#include "storage/io/io.h"
#include "storage/tool/reads.h"

#define TOOL_GROUPS_MAX 4096

/** A directory that nobody writes to meanwhile, unless it was opened so. */
struct tool_directory {
	const char *path;
	struct store_directory directory;
	struct store_identity identity;
	uint32_t group_count;
	qr_group groups[TOOL_GROUPS_MAX]; /* ascending */
};

/**
 * @param running  a node may write to it meanwhile (store_directory_inspect).
 * Errors: those of store_directory_inspect.
 */
QR_MUST_USE enum qr_error tool_directory_open(const char *path, bool running,
					      struct tool_directory *ret_directory,
					      struct store_problem *ret_problem);
void tool_directory_close(struct tool_directory *directory);
bool tool_directory_has(const struct tool_directory *directory, qr_group group);

struct tool_replica {
	int folder;
	struct tool_reads *reads;
	struct store_extent segments;
	uint8_t *memory;
	struct store_log *log;
	struct store_slot slot;
	bool ended;
	uint32_t torn_blocks; /* behind the last entry: what a restart would cut */
	uint64_t entries;
	struct store_prefix before; /* the first entry: where it begins */
	struct store_prefix last;
	qr_index commit; /* the highest that any header or slot names */
};

/**
 * Both of the next two: what the slots say and which segments are there, then entries from the
 * first one on.
 * Errors: QR_NOT_FOUND (a new, empty group), QR_CORRUPT, QR_VERSION, QR_FOREIGN, QR_IO,
 * QR_NO_MEMORY.
 */
QR_MUST_USE enum qr_error tool_replica_open(const struct tool_directory *directory, qr_group group,
					    struct tool_replica *ret_replica,
					    struct store_problem *ret_problem);
QR_MUST_USE enum qr_error tool_replica_look(const struct tool_directory *directory, qr_group group,
					    struct tool_replica *ret_replica,
					    struct store_problem *ret_problem);
/** @param first  a segment, from which on the entries are wanted; it need not be there any more. */
QR_MUST_USE enum qr_error tool_replica_begin(const struct tool_directory *directory,
					     struct tool_replica *replica, uint64_t first);
/** What the slots say by now. Errors: those of store_slot_choose; QR_IO. */
QR_MUST_USE enum qr_error tool_replica_slot(const struct tool_replica *replica,
					    struct store_slot *ret_slot);
void tool_replica_close(struct tool_replica *replica);

/**
 * The next verified entry; borrowed until the next call.
 * @param ret_bytes  whole blocks: header, payload and padding.
 * Errors: QR_NOT_FOUND at the end; QR_CORRUPT and the others of store_recover_next.
 */
QR_MUST_USE enum qr_error tool_replica_next(struct tool_replica *replica,
					    struct store_entry *ret_entry,
					    struct qr_span *ret_bytes);

#endif
