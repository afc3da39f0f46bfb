/*
 * The administration socket: RUN_DIR/admin-PREFIX.sock, SOCK_SEQPACKET, one packet a command, one
 * packet an answer, both text. Only root and the user that the process runs as are let in.
 *
 *   links                  the links of the hosted nodes and their state
 *   link down NODE PEER    neither send to PEER nor take from it, for maintenance
 *   link up NODE PEER
 *   ports                  counters of the hosted nodes' ports
 *   scrub start NODE RATE  read all logs of NODE now, RATE bytes a second (0: no bound)
 *   scrub status NODE N    what that pass has seen of the node's logs, from number N on
 *
 * `scrub status` answers with a line of the node and one for each log, as many as fit:
 *
 *   node 1 pass 81472 running rate 0            or `ended`; pass 0: there was none
 *   group 1 events/0 state done reason OK verified 8192 passed 8192 total 8192
 *       damaged 1 repaired 1 lost 0 unheard 0   (on the same line); with "lost", then for the
 *                                               first of them " at INDEX NEXT"
 *   next 17                                     more logs: ask for them
 *
 * An answer begins with "ok" or "error: ".
 */
#ifndef DP_ADMIN_COMMANDS_H
#define DP_ADMIN_COMMANDS_H

#include "dataplane/lcore/host.h"

#define DP_COMMAND_MAX 128
#define DP_COMMAND_ANSWER_MAX 8192

/** Carry out one command. @param answer  DP_COMMAND_ANSWER_MAX bytes. Context: the main thread. */
void dp_command_run(struct dp_process *process, qr_nodes hosted, const char *command, char *answer);

#define DP_COMMAND_CLIENTS_MAX 8

struct dp_command_server {
	struct dp_process *process;
	qr_nodes hosted;
	char path[108];
	int listener;			     /* -1: closed */
	int clients[DP_COMMAND_CLIENTS_MAX]; /* -1: free */
};

/** Errors: QR_IO, QR_PORT_TAKEN. */
QR_MUST_USE enum qr_error dp_command_open(struct dp_command_server *server,
					  struct dp_process *process, qr_nodes hosted,
					  const char *run_dir, struct dp_problem *ret_problem);
/** Descriptors to poll, at most 1 + DP_COMMAND_CLIENTS_MAX. @return how many. */
unsigned dp_command_descriptors(const struct dp_command_server *server, int *fds);
/** One of them is readable. Never waits. */
void dp_command_serve(struct dp_command_server *server, int fd);
/** Takes one that was never opened but zeroed. */
void dp_command_close(struct dp_command_server *server);

#endif
