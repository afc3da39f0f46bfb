/*
 * soak-client: what scripts/soak runs beside the cluster, one command a process.
 */
#ifndef TESTS_SOAK_SOAK_H
#define TESTS_SOAK_SOAK_H

#include "consensus/base/types.h"
#include "dataplane/client/quorate.h"

#define SOAK_PARTITIONS_MAX 16u
#define SOAK_REPORT_NS 50000000u /* claims reach their file, and a line the standard output */

struct soak_options {
	const char *command;
	const char *endpoints;
	const char *cluster;
	const char *log;
	const char *claims;  /* directory of the claims; history: the file */
	uint32_t partitions; /* of the log, from 0 */
	uint32_t producers;  /* of each partition; history: clients */
	uint32_t inflight;   /* records of a producer */
	uint64_t rate;	     /* records per second in all; 0: as fast as it goes */
	uint64_t load;	     /* number of this process in the soak, see soak_token_load */
	uint32_t timeout_ms;
};

/*
 * The commands; each returns an exit status: 0 all is well, 1 a fault was found, 2 it could not be
 * done. load, follow and history end at SIGTERM.
 */

/** Append, and claim what was acknowledged. */
int soak_load(const struct soak_options *options);
/** Read what is committed as it comes, and claim what was seen. */
int soak_follow(const struct soak_options *options);
/** Read each partition from its start, against all claims. */
int soak_check(const struct soak_options *options);
/** Few clients, one call at a time each, for a checker of linearizability. */
int soak_history(const struct soak_options *options);

/** SIGTERM and SIGINT end the calling command: soak_is_stopping() is true from then on. */
void soak_stop_at_signals(void);
bool soak_is_stopping(void);

qr_ns soak_now(void);
/** To standard error. @return 2. */
int soak_complain(const char *what, int error);
int soak_complain_errno(const char *what);
/** @return QUORATE_OK, or what soak_complain says. */
int soak_connect(const struct soak_options *options, struct quorate_client **ret_client);

#endif
