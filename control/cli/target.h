/*
 * Whom to talk to: the cluster's name and the addresses of nodes, from --endpoints and --cluster,
 * from the configuration, or from both (endpoints go over the configuration's addresses).
 */
#ifndef CTL_CLI_TARGET_H
#define CTL_CLI_TARGET_H

#include "control/cli/complain.h"
#include "control/cli/options.h"

#include "consensus/wire/client.h"
#include "dataplane/config/config.h"

#define CTL_TARGET_NODES_MAX DP_CONFIG_NODES_MAX

struct ctl_target {
	char cluster[WIRE_NAME_MAX + 1];
	bool discovered; /* nodes have numbers and cores; else only addresses are known */
	uint32_t node_count;
	struct wire_endpoint nodes[CTL_TARGET_NODES_MAX];
	struct dp_config *config; /* NULL: none was read */
};

/** Fill `ret_target`, to be given to ctl_target_fini. What is wrong has been told when not OK. */
enum ctl_exit ctl_target_init(struct ctl_target *ret_target, const struct ctl_options *options);
void ctl_target_fini(struct ctl_target *target);

/**
 * The configuration alone, to free(). NULL: there is none or it is wrong, which has been told.
 * @param needed  false: that there is none is no error, and is not told.
 */
struct dp_config *ctl_target_config(const struct ctl_options *options, bool needed,
				    enum ctl_exit *ret_exit);

#endif
