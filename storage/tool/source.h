/*
 * The entries of one group, out of one directory or, where that is damaged, out of others of the
 * same cluster: what is committed is the same in all of them, byte by byte.
 */
#ifndef QR_STORE_TOOL_SOURCE_H
#define QR_STORE_TOOL_SOURCE_H

#include "storage/tool/replica.h"

struct tool_source {
	const struct tool_directory *directories;
	uint32_t count;
	uint32_t current; /* of them */
	qr_group group;
	struct tool_replica replica; /* of the current one */
	struct store_prefix last; /* the last entry that was given; what lies in front at first */
	qr_index settled;	  /* committed, as the first directory's slots said */
	qr_index commit;	  /* the same, as any slot or header says */
	qr_index stuck_at;	  /* the entry in front of the one that is damaged, */
	uint32_t tried;		  /* and in how many directories */
	struct store_problem problem;
};

/**
 * What the slots of the first directory say, and which segments it has (source->replica).
 * Errors: those of tool_replica_look; source->problem says more.
 */
QR_MUST_USE enum qr_error tool_source_look(struct tool_source *ret_source,
					   const struct tool_directory *directories, uint32_t count,
					   qr_group group);
/** @param before  what lies in front of the first block of segment `first`. */
QR_MUST_USE enum qr_error tool_source_begin(struct tool_source *source, uint64_t first,
					    const struct store_prefix *before);
/**
 * The next verified entry; borrowed until the next call. It need not be committed.
 * Errors: QR_NOT_FOUND  the end;
 *         QR_AGAIN      the node runs, and gives up what was to be read: begin again;
 *         others        damage, or what reading failed with; source->problem says where.
 */
QR_MUST_USE enum qr_error tool_source_next(struct tool_source *source,
					   struct store_entry *ret_entry,
					   struct qr_span *ret_bytes);
void tool_source_close(struct tool_source *source);

#endif
