/*
 * The administration sockets of the quorated processes of this machine: RUN_DIR/admin-PREFIX.sock,
 * SOCK_SEQPACKET, one text command and one text answer a packet; dataplane/admin/commands.h has the
 * commands. A process may host several nodes, so sockets are tried until one has the node.
 */
#ifndef CTL_CLI_ADMIN_H
#define CTL_CLI_ADMIN_H

#include "control/cli/machine.h"

/** Paths of the sockets in a run directory; to be given to ctl_machine_names_fini. */
void ctl_admin_find(const char *run_dir, struct ctl_names *ret_sockets);
/**
 * One exchange. @return the answer, to free(); NULL: none, and errno says why.
 */
char *ctl_admin_exchange(const char *socket_path, const char *command, qr_ns timeout);
/** The text after "ok"; NULL: an error, whose text (one line) is in ret_error, within `answer`. */
const char *ctl_admin_accepted(char *answer, const char **ret_error);

/**
 * Tell that no process hosts the node (0: any), and why nobody answered.
 * @param error  errno of the latest exchange that failed; ENOENT: there was none.
 */
void ctl_admin_complain_of_absence(const char *run_dir, qr_node node, int error);

/** What a node says of its links. */
struct ctl_links {
	qr_node node;
	qr_nodes down;
};

/**
 * The next line of an answer to "links", such as "node 1: link to 2 down".
 * @return where to go on; NULL: no line is left, and ret_links is untouched.
 */
const char *ctl_admin_next_links(const char *text, struct ctl_links *ret_links);

#endif
