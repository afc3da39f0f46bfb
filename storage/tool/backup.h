/* One group on its way into a backup. */
#ifndef QR_STORE_TOOL_BACKUP_H
#define QR_STORE_TOOL_BACKUP_H

#include "storage/format/backup.h"
#include "storage/tool/output.h"
#include "storage/tool/source.h"

#include <stdio.h>

struct tool_backup {
	struct tool_output *output;
	const struct tool_directory
		*directories; /* the first one's logs; others where it is damaged */
	uint32_t count;
	qr_group group;
	struct store_backup_group begin; /* as it was written */
	struct store_backup_end end;
	struct store_problem problem;
};

/**
 * Write the group: its beginning, snapshots, committed entries, its end.
 * Errors: QR_NOT_FOUND  never used: nothing was written;
 *         QR_AGAIN      its beginning was given up meanwhile: once more supersedes what was
 * written; others        backup->problem says what; a failed write is the output's to tell.
 */
QR_MUST_USE enum qr_error tool_backup_group(struct tool_backup *backup);

/** One line of what a backup has of a group. */
void tool_backup_print(FILE *stream, const struct store_backup_group *begin,
		       const struct store_backup_end *end);
/** The wall clock. */
uint64_t tool_wall_ns(void);

#endif
