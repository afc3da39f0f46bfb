/*
 * The commands. One row each in command.c; what it does is in the file of its name.
 */
#ifndef CTL_CLI_COMMAND_H
#define CTL_CLI_COMMAND_H

#include "control/cli/complain.h"
#include "control/cli/options.h"

struct ctl_command {
	const char *name; /* one word, or a noun and a verb */
	const char *summary;
	/** @param argv  argv[0] is the command in full, such as "quorate log list". */
	enum ctl_exit (*run)(int argc, char **argv, struct ctl_options *options);
};

extern const struct ctl_command ctl_commands[];
extern const size_t ctl_command_count;

/**
 * The command that `argv` starts with, and how many words its name took. NULL: none; then the cause
 * and a suggestion have been told.
 */
const struct ctl_command *ctl_command_find(int argc, char **argv, int *ret_words);

enum ctl_exit ctl_append_run(int argc, char **argv, struct ctl_options *options);
enum ctl_exit ctl_completion_run(int argc, char **argv, struct ctl_options *options);
enum ctl_exit ctl_doctor_run(int argc, char **argv, struct ctl_options *options);
enum ctl_exit ctl_launch_backup(int argc, char **argv, struct ctl_options *options);
enum ctl_exit ctl_launch_bench(int argc, char **argv, struct ctl_options *options);
enum ctl_exit ctl_launch_diff(int argc, char **argv, struct ctl_options *options);
enum ctl_exit ctl_launch_dump(int argc, char **argv, struct ctl_options *options);
enum ctl_exit ctl_launch_restore(int argc, char **argv, struct ctl_options *options);
enum ctl_exit ctl_launch_verify(int argc, char **argv, struct ctl_options *options);
enum ctl_exit ctl_link_down(int argc, char **argv, struct ctl_options *options);
enum ctl_exit ctl_link_list(int argc, char **argv, struct ctl_options *options);
enum ctl_exit ctl_link_up(int argc, char **argv, struct ctl_options *options);
enum ctl_exit ctl_log_describe(int argc, char **argv, struct ctl_options *options);
enum ctl_exit ctl_log_list(int argc, char **argv, struct ctl_options *options);
enum ctl_exit ctl_read_run(int argc, char **argv, struct ctl_options *options);
enum ctl_exit ctl_scrub_run(int argc, char **argv, struct ctl_options *options);
enum ctl_exit ctl_status_run(int argc, char **argv, struct ctl_options *options);

#endif
