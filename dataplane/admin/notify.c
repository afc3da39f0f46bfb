/* One datagram to the service manager; whoever does not listen misses nothing that matters. */
#include "dataplane/admin/notify.h"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void dp_notify(const char *socket_path, const char *state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = socket_path == NULL ? 0 : strlen(socket_path);
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
	int fd;

	if (length == 0 || length >= sizeof(address.sun_path))
		return;
	memcpy(address.sun_path, socket_path, length);
	if (address.sun_path[0] == '@')
		address.sun_path[0] = '\0'; /* an abstract socket */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	(void)sendto(fd, state, strlen(state), MSG_DONTWAIT | MSG_NOSIGNAL,
		     (const struct sockaddr *)&address, size);
	(void)close(fd);
}
