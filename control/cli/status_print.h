/*
 * The two forms of a cluster's status: tables for a person, an object for programs.
 */
#ifndef CTL_CLI_STATUS_PRINT_H
#define CTL_CLI_STATUS_PRINT_H

#include "control/cli/cluster.h"
#include "control/cli/health.h"

#include <jansson.h>

/** @param cells  width to keep within; 0: any. */
void ctl_status_print_tables(const struct ctl_cluster *cluster, FILE *stream, unsigned cells);
/** A new reference. */
json_t *ctl_status_print_json(const struct ctl_cluster *cluster,
			      const struct ctl_findings *problems,
			      const struct ctl_findings *warnings);

#endif
