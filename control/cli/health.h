/*
 * Whether a cluster is well, and in words why not. The judgement behind exit code 3.
 */
#ifndef CTL_CLI_HEALTH_H
#define CTL_CLI_HEALTH_H

#include "control/cli/cluster.h"

struct ctl_findings {
	uint32_t count;
	char **texts;
};

/** Why the cluster is unhealthy: nodes away, groups without a leader, damaged stores. Empty: well.
 */
void ctl_health_problems(const struct ctl_cluster *cluster, struct ctl_findings *ret_findings);
/** What weakens its promises though it works: durability and direct I/O switched off. */
void ctl_health_warnings(const struct ctl_cluster *cluster, struct ctl_findings *ret_findings);
void ctl_findings_fini(struct ctl_findings *findings);

/** "demo/0" for a person; "group 7" where the log is not known; to free(). */
char *ctl_health_group_name(const struct ctl_cluster *cluster, qr_group group);

#endif
