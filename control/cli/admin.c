/*
 * Talking to administration sockets. Owns a connection for the time of an exchange; a socket whose
 * process has ended refuses, which is an answer like another.
 */
#include "control/cli/admin.h"
#include "control/cli/complain.h"
#include "control/cli/heap.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_BYTES 65536

void ctl_admin_find(const char *run_dir, struct ctl_names *ret_sockets)
{
	struct ctl_machine here = {.root = ""};
	struct ctl_names names;
	size_t kept = 0;

	ctl_machine_names(ctl_machine_path(&here, "%s", run_dir), &names);
	for (size_t i = 0; i < names.count; i++) {
		char *path = NULL;

		if (fnmatch("admin-*.sock", names.names[i], 0) == 0)
			path = ctl_heap_print("%s/%s", run_dir, names.names[i]);
		free(names.names[i]);
		if (path != NULL)
			names.names[kept++] = path;
	}
	names.count = kept;
	*ret_sockets = names;
}

char *ctl_admin_exchange(const char *socket_path, const char *command, qr_ns timeout)
{
	struct timeval patience = {.tv_sec = (time_t)(timeout / 1000000000u),
				   .tv_usec = (suseconds_t)(timeout % 1000000000u / 1000)};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char *answer = NULL;
	ssize_t got = -1;
	int saved;
	int fd;

	if (strlen(socket_path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return NULL;
	}
	memcpy(address.sun_path, socket_path, strlen(socket_path) + 1);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return NULL;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	    send(fd, command, strlen(command), MSG_NOSIGNAL) >= 0) {
		answer = ctl_heap_take(ANSWER_BYTES + 1, 1);
		got = recv(fd, answer, ANSWER_BYTES, 0);
	}
	saved = got == 0 ? ECONNRESET : errno;
	(void)close(fd);
	if (got <= 0) {
		free(answer);
		answer = NULL;
	}
	errno = saved;
	return answer;
}

const char *ctl_admin_accepted(char *answer, const char **ret_error)
{
	static const char error[] = "error: ";

	if (strncmp(answer, "ok", 2) == 0 && strchr("\n ", answer[2]) != NULL)
		return answer[2] == '\0' ? answer + 2 : answer + 3;
	answer[strcspn(answer, "\n")] = '\0';
	*ret_error = strncmp(answer, error, strlen(error)) == 0 ? answer + strlen(error) : answer;
	return NULL;
}

void ctl_admin_complain_of_absence(const char *run_dir, qr_node node, int error)
{
	char who[32] = "no node";

	if (node != 0)
		(void)snprintf(who, sizeof(who), "node %u does not", node);
	if (error == EACCES || error == EPERM) {
		ctl_complain("%s: %s: run this as the user of quorated, or as root", run_dir,
			     strerrordesc_np(error));
	} else if (error == EAGAIN || error == EWOULDBLOCK) {
		ctl_complain("%s: a process does not answer: is its quorated stopped?", run_dir);
	} else {
		ctl_complain("%s run%s here: none of the sockets %s/admin-*.sock has it; start its "
			     "quorated, or give --run-dir DIR",
			     who, node != 0 ? "" : "s", run_dir);
	}
}

/* The number behind `word` in a line; 0: none. */
static qr_node number_after(const char *line, const char *word)
{
	const char *at = strstr(line, word);
	unsigned long number = at != NULL ? strtoul(at + strlen(word), NULL, 10) : 0;

	return number <= QR_NODE_MAX ? (qr_node)number : 0;
}

const char *ctl_admin_next_links(const char *text, struct ctl_links *ret_links)
{
	static const char link[] = "link to ";

	while (*text != '\0') {
		size_t length = strcspn(text, "\n");
		char line[512];
		const char *at = line;
		struct ctl_links links = {0};

		memcpy(line, text, length < sizeof(line) ? length : sizeof(line) - 1);
		line[length < sizeof(line) ? length : sizeof(line) - 1] = '\0';
		text += length + (text[length] == '\n');
		if (strncmp(line, "node ", 5) != 0)
			continue;
		links.node = number_after(line, "node ");
		while ((at = strstr(at, link)) != NULL) {
			qr_node peer = number_after(at, link);

			if (peer != 0)
				links.down |= qr_nodes_of(peer);
			at += strlen(link);
		}
		if (links.node != 0) {
			*ret_links = links;
			return text;
		}
	}
	return NULL;
}
