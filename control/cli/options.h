/*
 * The options that every command takes, before or after its name.
 */
#ifndef CTL_CLI_OPTIONS_H
#define CTL_CLI_OPTIONS_H

#include "consensus/base/types.h"

#include <argp.h>

struct ctl_options {
	const char *config;    /* NULL: QUORATE_CONFIG, ./quorate.ini, /etc/quorate/quorate.ini */
	const char *endpoints; /* HOST:PORT[,...]; NULL: from the configuration */
	const char *cluster;   /* NULL: from the configuration */
	bool json;
	qr_ns timeout; /* 0: the command's own */
	/* the words in front of the command's name, which programs that take its place get too */
	char **words;
	int word_count;
};

/** Put into a command's struct argp as its children; child input 0 is a struct ctl_options. */
extern const struct argp_child ctl_options_children[];
/** The same, for a parser of its own. */
extern const struct argp ctl_options_argp;

/** Parse a command's line; false: it was refused, which has been told. --help and such exit. */
bool ctl_options_parse(const struct argp *argp, int argc, char **argv, void *input);
/** From within a parser: tell what is wrong and how to get help, and exit with 2. */
void ctl_options_refuse(const struct argp_state *state, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/** The number of a node, or it is refused. */
qr_node ctl_options_node(const char *text, const struct argp_state *state);

static inline qr_ns ctl_options_timeout(const struct ctl_options *options, qr_ns otherwise)
{
	return options->timeout != 0 ? options->timeout : otherwise;
}

#endif
