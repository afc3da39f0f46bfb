/* The commands of quorate-log, and what they print with. */
#ifndef QR_STORE_TOOL_TOOL_H
#define QR_STORE_TOOL_TOOL_H

#include "storage/tool/replica.h"

#define TOOL_DIRECTORIES_MAX 16

struct tool_options {
	const char *command;
	uint32_t operand_count;
	const char *operands[TOOL_DIRECTORIES_MAX]; /* directories; of `restore` a file and one */
	bool group_given;
	qr_group group;
	qr_index from;
	uint64_t count; /* dump: at most that many; 0: all */
	bool json;
	const char *output;  /* backup: NULL: standard output */
	qr_node node;	     /* restore: 0: not given */
	const char *cluster; /* restore: NULL: that of the backup */
	bool check;	     /* restore: write nothing */
};

/* Exit statuses of a command. */
#define TOOL_OK 0
#define TOOL_FAILED 1
#define TOOL_USAGE 2

int tool_verify(const struct tool_options *options);
int tool_diff(const struct tool_options *options);
int tool_dump(const struct tool_options *options);
int tool_backup(const struct tool_options *options);
int tool_restore(const struct tool_options *options);

/** What the snapshot files of a group are worth to a start. */
struct tool_snapshots {
	uint32_t sound;
	uint32_t unfinished; /* what a crash leaves of a write, and a start does without */
	enum qr_error error; /* QR_OK: none is damaged */
	struct store_problem problem;
};

enum tool_snapshot_state {
	TOOL_SNAPSHOT_UNUSED,
	TOOL_SNAPSHOT_UNFINISHED,
	TOOL_SNAPSHOT_HEADER_ONLY,
	TOOL_SNAPSHOT_SOUND,
};

/** One of the files. */
struct tool_snapshot {
	enum tool_snapshot_state state;
	uint32_t number;	      /* of the file */
	struct store_snapshot header; /* HEADER_ONLY, SOUND */
};

/** What each file is by itself. Of a node that runs, an error may be a file that was being written.
 */
void tool_snapshots_read(const struct tool_replica *replica, uint64_t cluster,
			 struct tool_snapshot ret_files[STORE_SNAPSHOTS],
			 struct tool_snapshots *ret_snapshots);
/** @param replica  open; its slots and segments are known. */
void tool_snapshots_examine(const struct tool_replica *replica, uint64_t cluster,
			    struct tool_snapshots *ret_snapshots);

/** A string of JSON with its quotes. */
void tool_print_string(const char *text);
/** "error: ..." on standard error. */
void tool_complain(const char *text);

#endif
