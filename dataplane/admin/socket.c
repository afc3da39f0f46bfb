/*
 * The administration socket; see commands.h. Served by the main thread, which has nothing else to
 * do; nothing here waits: a client that does not read its answer loses it.
 *
 * A crash leaves the socket's file; the next start with the same prefix replaces it, which is safe
 * because by then it holds the lock of the data directory.
 */
#include "dataplane/admin/commands.h"

#include "dataplane/lcore/observe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static enum qr_error fail(struct dp_command_server *server, struct dp_problem *problem)
{
	int cause = errno;

	(void)snprintf(
		problem->text, sizeof(problem->text),
		"%s: the administration socket cannot be opened (%s): set [dataplane] run_dir "
		"to a directory that you may write",
		server->path, strerrordesc_np(cause));
	dp_command_close(server);
	return cause == EADDRINUSE ? QR_PORT_TAKEN : QR_IO;
}

enum qr_error dp_command_open(struct dp_command_server *server, struct dp_process *process,
			      qr_nodes hosted, const char *run_dir, struct dp_problem *ret_problem)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int length;

	*server = (struct dp_command_server){.process = process, .hosted = hosted, .listener = -1};
	for (unsigned i = 0; i < DP_COMMAND_CLIENTS_MAX; i++)
		server->clients[i] = -1;
	length = snprintf(server->path, sizeof(server->path), "%s/admin-%s.sock", run_dir,
			  dp_process_prefix(process));
	if (length < 0 || (size_t)length >= sizeof(server->path)) {
		server->path[0] = '\0';
		errno = ENAMETOOLONG;
		return fail(server, ret_problem);
	}
	memcpy(address.sun_path, server->path, (size_t)length + 1);
	(void)unlink(server->path);
	server->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (server->listener < 0 ||
	    bind(server->listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(server->listener, DP_COMMAND_CLIENTS_MAX) != 0)
		return fail(server, ret_problem);
	return QR_OK;
}

unsigned dp_command_descriptors(const struct dp_command_server *server, int *fds)
{
	unsigned count = 0;

	if (server->listener >= 0)
		fds[count++] = server->listener;
	for (unsigned i = 0; i < DP_COMMAND_CLIENTS_MAX; i++) {
		if (server->clients[i] >= 0)
			fds[count++] = server->clients[i];
	}
	return count;
}

static bool is_permitted(int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

static void welcome(struct dp_command_server *server)
{
	int fd = accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return;
	for (unsigned i = 0; is_permitted(fd) && i < DP_COMMAND_CLIENTS_MAX; i++) {
		if (server->clients[i] < 0) {
			server->clients[i] = fd;
			return;
		}
	}
	(void)close(fd);
}

void dp_command_serve(struct dp_command_server *server, int fd)
{
	char command[DP_COMMAND_MAX + 1];
	char answer[DP_COMMAND_ANSWER_MAX];
	ssize_t received;

	if (fd == server->listener) {
		welcome(server);
		return;
	}
	received = recv(fd, command, DP_COMMAND_MAX, MSG_DONTWAIT);
	if (received < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (received > 0) {
		command[received] = '\0';
		dp_command_run(server->process, server->hosted, command, answer);
		if (send(fd, answer, strlen(answer), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
			return;
	}
	for (unsigned i = 0; i < DP_COMMAND_CLIENTS_MAX; i++) {
		if (server->clients[i] == fd)
			server->clients[i] = -1;
	}
	(void)close(fd);
}

void dp_command_close(struct dp_command_server *server)
{
	for (unsigned i = 0; server->process != NULL && i < DP_COMMAND_CLIENTS_MAX; i++) {
		if (server->clients[i] >= 0)
			(void)close(server->clients[i]);
		server->clients[i] = -1;
	}
	if (server->process != NULL && server->listener >= 0) {
		(void)close(server->listener);
		(void)unlink(server->path);
	}
	memset(server, 0, sizeof(*server));
	server->listener = -1;
}
