/*
 * Reading what the kernel tells of a machine in /proc and /sys. Everything goes through one root,
 * so that tests can show another machine's files.
 */
#ifndef CTL_CLI_MACHINE_H
#define CTL_CLI_MACHINE_H

#include "consensus/base/types.h"

#define CTL_MACHINE_TEXT_BYTES 4096
#define CTL_MACHINE_NAME_BYTES 256

struct ctl_machine {
	const char *root; /* "" for this one */
};

/** A path below the root. */
struct ctl_path {
	char text[512];
};

struct ctl_path ctl_machine_path(const struct ctl_machine *machine, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/** The content without trailing white space, at most what fits; false: not there, ret_text "". */
bool ctl_machine_read(struct ctl_path path, char ret_text[CTL_MACHINE_TEXT_BYTES]);
/** A file that holds one whole number. */
bool ctl_machine_read_u64(struct ctl_path path, uint64_t *ret_value);
/** The last part of what a symbolic link points to. */
bool ctl_machine_read_link(struct ctl_path path, char ret_name[CTL_MACHINE_NAME_BYTES]);
bool ctl_machine_has(struct ctl_path path);

/** Names in a directory, sorted, without those that start with a dot. */
struct ctl_names {
	size_t count;
	char **names;
};

/** To be given to ctl_machine_names_fini; empty if the directory is not there. */
void ctl_machine_names(struct ctl_path path, struct ctl_names *ret_names);
void ctl_machine_names_fini(struct ctl_names *names);

#endif
