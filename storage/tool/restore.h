/* One group of a backup on its way into a data directory. */
#ifndef QR_STORE_TOOL_RESTORE_H
#define QR_STORE_TOOL_RESTORE_H

#include "storage/format/backup.h"
#include "storage/io/io.h"

/** A segment file that is being written from its beginning to its end. */
struct tool_segment {
	int fd; /* -1: none is open */
	uint64_t number;
	uint32_t at_blocks;	 /* how far it is written, */
	uint32_t started_blocks; /* and how far its way to the disk has begun */
};

struct tool_restored {
	struct store_directory *directory;
	qr_node node;
	uint64_t cluster; /* that it is to belong to: what carries another one is written anew */

	/* Of the group under way: */
	int folder; /* -1: none is */
	struct store_backup_group group;
	uint32_t segment_blocks;
	struct tool_segment segment;
	int unsynced; /* the segment before it, whose bytes are on their way; -1 */
	uint64_t chain;
	struct store_snapshot snapshots[STORE_SNAPSHOTS];
	uint32_t snapshot_count;
	struct store_problem problem;
};

/** @param cluster  of the backup, or another one. */
void tool_restored_init(struct tool_restored *ret_restored, struct store_directory *directory,
			qr_node node, uint64_t cluster);
/** Also from the beginning again. Errors: QR_NO_SPACE, QR_IO and so on; restored->problem. */
QR_MUST_USE enum qr_error tool_restored_group(struct tool_restored *restored,
					      const struct store_backup_group *group);
QR_MUST_USE enum qr_error tool_restored_snapshot(struct tool_restored *restored,
						 const struct store_snapshot *snapshot,
						 const uint8_t *bytes);
/** @param bytes  changed when the cluster is. */
QR_MUST_USE enum qr_error tool_restored_entry(struct tool_restored *restored,
					      const struct store_entry *entry, uint8_t *bytes);
/** Durability: all of the group is on stable media when this returns QR_OK. */
QR_MUST_USE enum qr_error tool_restored_end(struct tool_restored *restored,
					    const struct store_backup_end *end);
/** After a failure too; what was written stays for store_directory_discard. */
void tool_restored_fini(struct tool_restored *restored);

#endif
