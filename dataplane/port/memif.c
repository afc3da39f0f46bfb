/*
 * The relay, a state machine driven by the port's tick:
 *
 *	ABSENT   nobody there. The server accepts; the client connects again and again, and when
 *		 somebody is there starts its driver, which connects to the relay.
 *	JOINING  messages pass both ways until the driver says that its link is up.
 *	UP	 bursts run. Nothing passes towards the driver any more.
 *	LEAVING  the other side is gone, or this one's driver is: bursts are stopped; waits until
 *all lcores have seen it. PARTING  the driver was told (end of file) and cleans up in the interrupt
 *thread. It closes its end last, so end of file in return means that it has finished. Then ABSENT.
 *
 * Bursts run in UP only. Towards the driver an end of file or a DISCONNECT never passes before
 * PARTING: this is what keeps its unmapping and our bursts apart.
 *
 * A crash leaves socket files, which the next start of the same node finds dead and removes.
 */
#include "dataplane/port/memif.h"

#include "consensus/base/assert.h"
#include "dataplane/port/pool.h"

#include <rte_ethdev.h>
#include <rte_malloc.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MS 1000000ull
#define RETRY_NS (10 * MS)
#define JOIN_NS (3000 * MS)
#define PART_NS (2000 * MS)
#define BACKLOG 4
#define DETACH_TURNS 20
#define DETACH_TURN_MS 50

/* The memif protocol, version 2.0 (drivers/net/memif/memif.h): fixed-size messages, type first. */
#define MESSAGE_BYTES 128
enum message_type {
	MESSAGE_ADD_RING = 5,
	MESSAGE_CONNECT = 6,
	MESSAGE_CONNECTED = 7,
	MESSAGE_DISCONNECT = 8,
};

/*
 * A ring's buffers are used round and round, so its bytes and not its slots decide what it costs:
 * 8 KiB datagrams took the receiver 200 ns each with 4 MiB of ring (which stay in the cache), 300
 * with 8 MiB, 370 to 570 with 16. 4 MiB also is what may be in flight to a follower.
 */
#define RING_BYTES (4u << 20)
#define RING_SLOTS_MIN 256u
#define RING_SLOTS_MAX 1024u
#define PATH_BYTES sizeof(((struct sockaddr_un *)NULL)->sun_path)

enum state { ABSENT, JOINING, UP, LEAVING, PARTING };

struct dp_memif {
	bool is_server;
	bool is_started; /* the device */
	bool is_sealed;	 /* the last message towards the driver has passed */
	uint8_t cores;
	qr_node node;
	qr_node peer_node;
	uint16_t port_id;
	unsigned rings; /* that the client announced */
	enum state state;
	qr_ns wait_until; /* ABSENT: not before; JOINING, PARTING: not after */
	int listener;	  /* for the other process (server) or for our driver (client) */
	int peer;	  /* to the other process */
	int driver;	  /* to our driver */
	char meeting_path[PATH_BYTES];
	char driver_path[PATH_BYTES];
};

/* ---- sockets ---- */

static void close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

static struct sockaddr_un address_of(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	return address;
}

static int new_socket(void)
{
	return socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/** @return a connected socket, or -1 when nobody accepts. */
static int connect_to(const char *path)
{
	struct sockaddr_un address = address_of(path);
	int fd = new_socket();

	if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
		close_fd(&fd);
	return fd;
}

static enum qr_error listen_at(const char *path, int *ret_fd, const struct dp_port_problem *problem)
{
	struct sockaddr_un address = address_of(path);
	int fd = connect_to(path);
	int number;

	if (fd >= 0) {
		close_fd(&fd);
		return dp_port_fail(
			problem, QR_LOCKED,
			"%s is served by another process: is this node running already?", path);
	}
	if (unlink(path) != 0 && errno != ENOENT) {
		return dp_port_fail(problem, QR_DENIED, "%s is in the way: %s: remove it", path,
				    strerrordesc_np(errno));
	}
	fd = new_socket();
	if (fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
	    listen(fd, BACKLOG) == 0) {
		*ret_fd = fd;
		return QR_OK;
	}
	number = errno;
	close_fd(&fd);
	return dp_port_fail(
		problem, number == ENOENT ? QR_NOT_FOUND : QR_DENIED,
		"cannot listen at %s: %s: create the directory and give it to this user, "
		"or set [dataplane] run_dir",
		path, strerrordesc_np(number));
}

/* ---- passing messages ---- */

enum passed { PASSED, NOTHING, GONE };

static int descriptor_of(struct msghdr *header)
{
	struct cmsghdr *control;
	int fd = -1;

	for (control = CMSG_FIRSTHDR(header); control != NULL;
	     control = CMSG_NXTHDR(header, control)) {
		if (control->cmsg_level == SOL_SOCKET && control->cmsg_type == SCM_RIGHTS)
			memcpy(&fd, CMSG_DATA(control), sizeof(fd));
	}
	return fd;
}

static bool send_message(int to, uint8_t *message, int fd)
{
	union {
		struct cmsghdr align;
		uint8_t bytes[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec span = {message, MESSAGE_BYTES};
	struct msghdr header = {.msg_iov = &span, .msg_iovlen = 1};

	if (fd >= 0) {
		header.msg_control = control.bytes;
		header.msg_controllen = sizeof(control.bytes);
		*CMSG_FIRSTHDR(&header) = (struct cmsghdr){
			.cmsg_len = CMSG_LEN(sizeof(int)),
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
		};
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&header)), &fd, sizeof(fd));
	}
	return sendmsg(to, &header, MSG_NOSIGNAL) == MESSAGE_BYTES;
}

/**
 * Whether a message may pass towards the driver. A server's driver takes what rings it is given,
 * and would lay the queues it was not given over ring 0: so the client must have announced all.
 */
static bool admit(struct dp_memif *memif, uint16_t type)
{
	if (memif->is_sealed)
		return false;
	if (type == MESSAGE_ADD_RING)
		memif->rings++;
	if (type == MESSAGE_CONNECT && memif->rings != 2u * memif->cores)
		return false;
	if (type == (memif->is_server ? MESSAGE_CONNECT : MESSAGE_CONNECTED))
		memif->is_sealed = true;
	return true;
}

/** Pass one message on. */
static enum passed pass(struct dp_memif *memif, int from, int to)
{
	union {
		struct cmsghdr align;
		uint8_t bytes[CMSG_SPACE(sizeof(int))];
	} control;
	uint8_t message[MESSAGE_BYTES];
	struct iovec span = {message, sizeof(message)};
	struct msghdr header = {
		.msg_iov = &span,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t size = recvmsg(from, &header, MSG_CMSG_CLOEXEC);
	uint16_t type = 0;
	bool is_passed;
	int fd;

	if (size < 0)
		return errno == EAGAIN || errno == EINTR ? NOTHING : GONE;
	if (size == 0)
		return GONE;
	fd = descriptor_of(&header);
	memcpy(&type, message, sizeof(type));
	is_passed = size == MESSAGE_BYTES && type != MESSAGE_DISCONNECT &&
		    (to != memif->driver || admit(memif, type)) && send_message(to, message, fd);
	close_fd(&fd);
	return is_passed ? PASSED : GONE;
}

/** Pass on what there is, both ways. @return false when somebody is gone. */
static bool pump(struct dp_memif *memif)
{
	enum passed passed;

	do {
		passed = pass(memif, memif->peer, memif->driver);
	} while (passed == PASSED);
	if (passed == GONE)
		return false;
	do {
		passed = pass(memif, memif->driver, memif->peer);
	} while (passed == PASSED);
	return passed != GONE;
}

/* ---- states ---- */

/** Both ends of the relay, if the other process is there. */
static bool meet(struct dp_memif *memif)
{
	if (memif->is_server) {
		memif->peer = accept4(memif->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (memif->peer >= 0)
			memif->driver = connect_to(memif->driver_path);
	} else {
		memif->peer = connect_to(memif->meeting_path);
		if (memif->peer >= 0) {
			/* The driver connects in its start, and only there. */
			if (memif->is_started)
				(void)rte_eth_dev_stop(memif->port_id);
			memif->is_started = rte_eth_dev_start(memif->port_id) == 0;
		}
		if (memif->peer >= 0 && memif->is_started) {
			memif->driver =
				accept4(memif->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		}
	}
	if (memif->driver < 0)
		close_fd(&memif->peer);
	return memif->driver >= 0;
}

static bool link_is_up(const struct dp_memif *memif)
{
	struct rte_eth_link link;

	return rte_eth_link_get_nowait(memif->port_id, &link) == 0 &&
	       link.link_status == RTE_ETH_LINK_UP;
}

static void wait_for_peer(struct dp_memif *memif, qr_ns now_ns)
{
	if (now_ns < memif->wait_until)
		return;
	memif->wait_until = now_ns + RETRY_NS;
	if (!meet(memif))
		return;
	memif->state = JOINING;
	memif->wait_until = now_ns + JOIN_NS;
	memif->is_sealed = false;
	memif->rings = 0;
}

static void leave(struct dp_memif *memif)
{
	close_fd(&memif->peer);
	memif->state = LEAVING;
}

/** The driver has closed its end: its cleaning up is over. */
static bool has_parted(struct dp_memif *memif)
{
	uint8_t message[MESSAGE_BYTES];
	ssize_t size;

	do {
		size = recv(memif->driver, message, sizeof(message), 0);
	} while (size > 0);
	return size == 0 || (errno != EAGAIN && errno != EINTR);
}

bool dp_memif_tick(struct dp_memif *memif, bool is_quiet, qr_ns now_ns)
{
	switch (memif->state) {
	case ABSENT:
		wait_for_peer(memif, now_ns);
		break;
	case JOINING:
		if (!pump(memif) || now_ns >= memif->wait_until) {
			leave(memif);
		} else if (memif->is_sealed && link_is_up(memif)) {
			memif->state = UP;
		}
		break;
	case UP:
		if (!pump(memif))
			leave(memif);
		break;
	case LEAVING:
		if (!is_quiet)
			break;
		(void)shutdown(memif->driver, SHUT_WR);
		memif->state = PARTING;
		memif->wait_until = now_ns + PART_NS;
		break;
	case PARTING:
		/* The driver's sockets survive exec: a child of this process may hold one open. */
		if (!has_parted(memif) && now_ns < memif->wait_until)
			break;
		close_fd(&memif->driver);
		memif->state = ABSENT;
		memif->wait_until = now_ns + RETRY_NS;
		break;
	}
	return memif->state == UP;
}

/* ---- creation ---- */

static enum qr_error name_paths(struct dp_memif *memif, const char *run_dir,
				const struct dp_port_problem *problem)
{
	unsigned low = memif->is_server ? memif->node : memif->peer_node;
	unsigned high = memif->is_server ? memif->peer_node : memif->node;
	const char *role = memif->is_server ? "server" : "client";
	int meeting = snprintf(memif->meeting_path, PATH_BYTES, "%s/memif-%u-%u.sock", run_dir, low,
			       high);
	int driver = snprintf(memif->driver_path, PATH_BYTES, "%s/memif-%u-%u-%s.sock", run_dir,
			      low, high, role);

	if (strchr(run_dir, ',') != NULL) {
		return dp_port_fail(problem, QR_CONFIG,
				    "%s: a comma ends a DPDK argument: choose another [dataplane] "
				    "run_dir",
				    run_dir);
	}
	if (meeting < 0 || driver < 0 || (size_t)RTE_MAX(meeting, driver) >= PATH_BYTES) {
		return dp_port_fail(problem, QR_CONFIG,
				    "%s/memif-%u-%u-%s.sock is longer than a socket's name can be "
				    "(%zu): choose a shorter [dataplane] run_dir",
				    run_dir, low, high, role, PATH_BYTES - 1);
	}
	return QR_OK;
}

enum qr_error dp_memif_create(const struct dp_vdev_config *config, struct dp_memif **ret_memif,
			      const struct dp_port_problem *problem)
{
	struct dp_memif *memif = rte_zmalloc("memif", sizeof(*memif), 0);
	enum qr_error error;

	if (memif == NULL)
		return dp_port_fail(problem, QR_NO_MEMORY, "no memory for a memif link");
	memif->is_server = config->node < config->peer;
	memif->cores = config->cores;
	memif->node = config->node;
	memif->peer_node = config->peer;
	memif->listener = memif->peer = memif->driver = -1;
	error = name_paths(memif, config->run_dir, problem);
	if (error != QR_OK) {
		rte_free(memif);
		return error;
	}
	error = listen_at(memif->is_server ? memif->meeting_path : memif->driver_path,
			  &memif->listener, problem);
	if (error != QR_OK) {
		rte_free(memif);
		return error;
	}
	/* The driver will listen there itself; what lies there is from an earlier life of this
	 * node. */
	if (memif->is_server)
		(void)unlink(memif->driver_path);
	*ret_memif = memif;
	return QR_OK;
}

bool dp_memif_arguments(const struct dp_memif *memif, uint32_t datagram_max, char *ret_text,
			size_t text_bytes)
{
	/* A frame in one descriptor, always: 22.11 overruns its ring when a chain meets the end. */
	uint32_t buffer_bytes = dp_pool_room_bytes(datagram_max);
	uint32_t slots = RTE_MIN(rte_align32pow2(RING_BYTES / buffer_bytes), RING_SLOTS_MAX);
	int size = snprintf(ret_text, text_bytes,
			    "role=%s,id=0,socket=%s,socket-abstract=no,bsize=%u,rsize=%u,"
			    "mac=02:71:72:%02x:%02x:00",
			    memif->is_server ? "server" : "client", memif->driver_path,
			    buffer_bytes, rte_log2_u32(RTE_MAX(slots, RING_SLOTS_MIN)), memif->node,
			    memif->peer_node);

	return size > 0 && (size_t)size < text_bytes;
}

enum qr_error dp_memif_attach(struct dp_memif *memif, uint16_t port_id)
{
	memif->port_id = port_id;
	if (memif->is_server) {
		if (rte_eth_dev_start(port_id) != 0)
			return QR_UNSUPPORTED;
		memif->is_started = true;
	}
	return QR_OK;
}

void dp_memif_detach(struct dp_memif *memif)
{
	struct pollfd wait;
	unsigned turn;

	if (memif->driver >= 0 && memif->state != PARTING) {
		leave(memif);
		(void)shutdown(memif->driver, SHUT_WR);
	}
	for (turn = 0; memif->driver >= 0 && turn < DETACH_TURNS; turn++) {
		wait = (struct pollfd){.fd = memif->driver, .events = POLLIN};
		(void)poll(&wait, 1, DETACH_TURN_MS);
		if (has_parted(memif))
			close_fd(&memif->driver);
	}
	close_fd(&memif->driver);
	memif->state = ABSENT;
	memif->wait_until = UINT64_MAX;
}

void dp_memif_destroy(struct dp_memif *memif)
{
	if (memif == NULL)
		return;
	close_fd(&memif->peer);
	close_fd(&memif->driver);
	close_fd(&memif->listener);
	(void)unlink(memif->is_server ? memif->meeting_path : memif->driver_path);
	rte_free(memif);
}
