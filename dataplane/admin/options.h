/* The command line of quorated: what it says, and the configuration that it leads to. */
#ifndef DP_ADMIN_OPTIONS_H
#define DP_ADMIN_OPTIONS_H

#include "dataplane/config/config.h"

#define DP_SETTINGS_MAX 64

enum dp_exit { DP_EXIT_OK = 0, DP_EXIT_FAILED = 1, DP_EXIT_USAGE = 2 };

struct dp_options {
	const char *config; /* NULL: found */
	qr_nodes nodes;	    /* empty: those of the machine, see dp_options_load */
	bool check;
	bool version;
	bool lost_data;
	const char *data;
	uint32_t setting_count;
	struct {
		char key[DP_CONFIG_PATH_MAX];
		const char *value;
	} settings[DP_SETTINGS_MAX]; /* in the order given */
};

/** Parse; exits with DP_EXIT_USAGE on mistakes and with 0 after --help, as argp does. */
void dp_options_parse(int argc, char **argv, struct dp_options *ret_options);

/**
 * File, environment and flags, in this order of growing weight, checked as a whole. Without --node
 * all nodes are hosted in dev, and the only one elsewhere.
 * Errors: QR_CONFIG, QR_NOT_FOUND; ret_problem says what to mend.
 */
QR_MUST_USE enum qr_error dp_options_load(struct dp_options *options, struct dp_config *ret_config,
					  struct dp_config_problem *ret_problem);

#endif
