/*
 * What a person is told on stderr, and what a script is told by the exit code. Every message names
 * the cause and the next step.
 */
#ifndef CTL_CLI_COMPLAIN_H
#define CTL_CLI_COMPLAIN_H

enum ctl_exit {
	CTL_EXIT_OK = 0,
	CTL_EXIT_FAILED = 1,
	CTL_EXIT_USAGE = 2,
	CTL_EXIT_UNHEALTHY = 3,
};

/** One line on stderr, "quorate: " in front of it; a progress bar in its way is wiped first. */
void ctl_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
