/* The commands of quorate-log, and what they print with. */
#ifndef QR_STORE_TOOL_TOOL_H
#define QR_STORE_TOOL_TOOL_H

#include "storage/tool/replica.h"

#define TOOL_DIRECTORIES_MAX 16

struct tool_options {
	const char *command;
	uint32_t directory_count;
	const char *directories[TOOL_DIRECTORIES_MAX];
	bool group_given;
	qr_group group;
	qr_index from;
	uint64_t count; /* dump: at most that many; 0: all */
	bool json;
};

/* Exit statuses of a command. */
#define TOOL_OK 0
#define TOOL_FAILED 1
#define TOOL_USAGE 2

int tool_verify(const struct tool_options *options);
int tool_diff(const struct tool_options *options);
int tool_dump(const struct tool_options *options);

/** A string of JSON with its quotes. */
void tool_print_string(const char *text);
/** "error: ..." on standard error. */
void tool_complain(const char *text);

#endif
