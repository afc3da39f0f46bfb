/*
 * Plugging devices in. What the kernel refuses later, deep inside a driver, without a word, is
 * asked for here first: does the interface exist, may we open it, is the NIC bound.
 */
#include "dataplane/port/vdev.h"

#include "consensus/base/assert.h"
#include "dataplane/port/memif.h"
#include "dataplane/port/pool.h"

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>
#include <rte_pci.h>
#include <rte_string_fns.h>

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define MEMIF_DATAGRAM_MAX 8192u
#define PACKET_FRAME_MAX 8192u
#define STANDARD_MTU 1500u
#define IPV4_UDP_BYTES 28u
#define PACKET_RING_BYTES (4u << 20) /* of AF_PACKET, each way and queue */
#define PACKET_BLOCK_BYTES (64u << 10)
#define PACKET_HEADER_BYTES 32u /* tpacket2_hdr, as the driver counts it */
/* In front of the datagram as the kernel counts it: its header up to the Ethernet header, and ours.
 */
#define PACKET_OVERHEAD_BYTES                                                                      \
	(PACKET_HEADER_BYTES + DP_POOL_SLACK_BYTES + (uint32_t)DP_FRAME_OVERHEAD)
#define ARGUMENTS_BYTES 512

struct dp_vdev {
	enum dp_vdev_kind kind;
	bool is_plugged;
	char bus[8];
	char device[RTE_DEV_NAME_MAX_LEN];
	struct dp_memif *memif; /* DP_VDEV_MEMIF */
};

/* ---- kernel interfaces ---- */

/** Ask the kernel about an interface. @return 0 or errno. */
static int interface_mtu(const char *interface, uint32_t *ret_mtu)
{
	struct ifreq request = {0};
	int number = 0;
	int fd;

	if (strlen(interface) >= sizeof(request.ifr_name))
		return ENODEV;
	memcpy(request.ifr_name, interface, strlen(interface));
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno;
	if (ioctl(fd, SIOCGIFMTU, &request) == 0) {
		*ret_mtu = (uint32_t)request.ifr_mtu;
	} else {
		number = errno;
	}
	(void)close(fd);
	return number;
}

static enum qr_error check_interface(const char *interface, const struct dp_port_problem *problem)
{
	uint32_t mtu;
	int fd;

	if (interface == NULL || interface[0] == '\0' || strpbrk(interface, ",/ ") != NULL) {
		return dp_port_fail(problem, QR_CONFIG,
				    "no interface is named: set `device =` of the node");
	}
	if (interface_mtu(interface, &mtu) != 0) {
		return dp_port_fail(
			problem, QR_NOT_FOUND,
			"there is no interface %s (`ip link` lists them): correct "
			"`device =`, or make a pair with `ip link add %s type veth peer "
			"name %sp`",
			interface, interface, interface);
	}
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		return dp_port_fail(
			problem, QR_DENIED,
			"interface %s may not be opened: start with CAP_NET_RAW (`setcap "
			"cap_net_raw,cap_net_admin+ep` on the binary, or as root), or use "
			"--profile dev",
			interface);
	}
	(void)close(fd);
	return QR_OK;
}

/** The frame size of AF_PACKET's rings: blocks are a multiple of it, so it is a power of two. */
static uint32_t packet_frame_bytes(uint32_t datagram_max)
{
	return rte_align32pow2(datagram_max + PACKET_OVERHEAD_BYTES);
}

static enum qr_error describe_packet(const struct dp_vdev_config *config, struct dp_vdev *vdev,
				     char *arguments, const struct dp_port_problem *problem)
{
	uint32_t frame_bytes = packet_frame_bytes(config->datagram_max);
	enum qr_error error = check_interface(config->device, problem);

	if (error != QR_OK)
		return error;
	/* The driver wants every mbuf to hold whatever its ring can. */
	if (frame_bytes - PACKET_HEADER_BYTES > dp_pool_room_bytes(config->datagram_max)) {
		return dp_port_fail(problem, QR_UNSUPPORTED,
				    "AF_PACKET on %s works in frames of a power of two: set "
				    "[dataplane] datagram_max_bytes to %u, not %u",
				    config->device, frame_bytes / 2 - PACKET_OVERHEAD_BYTES,
				    config->datagram_max);
	}
	(void)snprintf(vdev->device, sizeof(vdev->device), "net_af_packet_%s", config->device);
	(void)snprintf(arguments, ARGUMENTS_BYTES,
		       "iface=%s,qpairs=%u,blocksz=%u,framesz=%u,framecnt=%u", config->device,
		       config->cores, PACKET_BLOCK_BYTES, frame_bytes,
		       PACKET_RING_BYTES / frame_bytes);
	return QR_OK;
}

static enum qr_error describe_xdp(const struct dp_vdev_config *config, struct dp_vdev *vdev,
				  char *arguments, const struct dp_port_problem *problem)
{
	enum qr_error error = check_interface(config->device, problem);

	if (error != QR_OK)
		return error;
	if (geteuid() != 0) {
		return dp_port_fail(
			problem, QR_DENIED,
			"AF_XDP on %s needs root: start as root, or use link = af_packet",
			config->device);
	}
	(void)snprintf(vdev->device, sizeof(vdev->device), "net_af_xdp_%s", config->device);
	(void)snprintf(arguments, ARGUMENTS_BYTES, "iface=%s,queue_count=%u", config->device,
		       config->cores);
	return QR_OK;
}

/* ---- memif ---- */

static enum qr_error describe_memif(const struct dp_vdev_config *config, struct dp_vdev *vdev,
				    char *arguments, const struct dp_port_problem *problem)
{
	enum qr_error error;

	QR_ASSERT(config->node != config->peer);
	error = dp_memif_create(config, &vdev->memif, problem);
	if (error != QR_OK)
		return error;
	(void)snprintf(vdev->device, sizeof(vdev->device), "net_memif_%u_%u", config->node,
		       config->peer);
	if (!dp_memif_arguments(vdev->memif, config->datagram_max, arguments, ARGUMENTS_BYTES)) {
		return dp_port_fail(problem, QR_CONFIG,
				    "%s is too long: choose a shorter [dataplane] run_dir",
				    config->run_dir);
	}
	return QR_OK;
}

/* ---- PCI ---- */

/** The name of the kernel driver that a PCI device is bound to; "" if none. */
static void pci_driver(const char *address, char *ret_driver, size_t driver_bytes)
{
	char path[128];
	char target[256];
	const char *base;
	ssize_t size;

	ret_driver[0] = '\0';
	(void)snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", address);
	size = readlink(path, target, sizeof(target) - 1);
	if (size <= 0)
		return;
	target[size] = '\0';
	base = strrchr(target, '/');
	(void)rte_strscpy(ret_driver, base != NULL ? base + 1 : target, driver_bytes);
}

static bool pci_driver_serves(const char *driver)
{
	/* Bound to user space, or (mlx) shared with the kernel. */
	static const char *const known[] = {"vfio-pci", "igb_uio", "uio_pci_generic", "mlx5_core",
					    "mlx4_core"};
	size_t i;

	for (i = 0; i < RTE_DIM(known); i++) {
		if (strcmp(driver, known[i]) == 0)
			return true;
	}
	return false;
}

static enum qr_error describe_pci(const struct dp_vdev_config *config, struct dp_vdev *vdev,
				  const struct dp_port_problem *problem)
{
	const char *address = config->device;
	struct rte_pci_addr parsed;
	char driver[64];
	char path[128];
	struct stat status;

	if (address == NULL || rte_pci_addr_parse(address, &parsed) != 0) {
		return dp_port_fail(
			problem, QR_CONFIG,
			"'%s' is not a PCI address such as 0000:01:00.0: `dpdk-devbind.py "
			"--status-dev net` lists the NICs; set `device =` of the node",
			address != NULL ? address : "");
	}
	(void)snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", address);
	if (stat(path, &status) != 0) {
		return dp_port_fail(problem, QR_NOT_FOUND,
				    "there is no PCI device %s: `dpdk-devbind.py --status-dev net` "
				    "lists the NICs; correct `device =`, or use --profile dev",
				    address);
	}
	pci_driver(address, driver, sizeof(driver));
	if (!pci_driver_serves(driver)) {
		return dp_port_fail(
			problem, QR_UNSUPPORTED,
			"NIC %s is bound to %s, not to vfio-pci: `modprobe vfio-pci && "
			"dpdk-devbind.py -b vfio-pci %s` (its kernel interface goes away; "
			"do not take the one you are logged in through)",
			address, driver[0] != '\0' ? driver : "no driver", address);
	}
	(void)snprintf(vdev->device, sizeof(vdev->device), "%s", address);
	(void)snprintf(vdev->bus, sizeof(vdev->bus), "pci");
	return QR_OK;
}

/* ---- all ---- */

static enum qr_error describe(const struct dp_vdev_config *config, struct dp_vdev *vdev,
			      char *arguments, const struct dp_port_problem *problem)
{
	(void)snprintf(vdev->bus, sizeof(vdev->bus), "vdev");
	switch (config->kind) {
	case DP_VDEV_MEMIF:
		return describe_memif(config, vdev, arguments, problem);
	case DP_VDEV_AF_PACKET:
		return describe_packet(config, vdev, arguments, problem);
	case DP_VDEV_AF_XDP:
		return describe_xdp(config, vdev, arguments, problem);
	case DP_VDEV_PCI:
		return describe_pci(config, vdev, problem);
	}
	return QR_CONFIG;
}

static const char *hint(enum dp_vdev_kind kind)
{
	/* The driver names its fanout group by pid ^ interface index, in one space for all. */
	return kind == DP_VDEV_AF_PACKET ? "; if it is PACKET_FANOUT, another node's process has a "
					   "colliding id: start "
					   "this one again"
					 : "";
}

static enum qr_error plug(struct dp_vdev *vdev, const char *arguments,
			  const struct dp_port_problem *problem)
{
	uint16_t port_id;
	int result;

	/* EAL probes PCI devices that its command line allows by itself. */
	if (rte_eth_dev_get_port_by_name(vdev->device, &port_id) == 0) {
		return vdev->kind == DP_VDEV_PCI
			       ? QR_OK
			       : dp_port_fail(problem, QR_LOCKED,
					      "device %s is in use by another node of this process",
					      vdev->device);
	}
	result = rte_eal_hotplug_add(vdev->bus, vdev->device, arguments);
	if (result != 0 || rte_eth_dev_get_port_by_name(vdev->device, &port_id) != 0) {
		return dp_port_fail(
			problem, QR_UNSUPPORTED,
			"DPDK cannot use device %s (%s): %s; `--log-level=lib.eal:debug` "
			"shows why%s",
			vdev->device, arguments,
			result != 0 ? rte_strerror(-result) : "no driver took it",
			hint(vdev->kind));
	}
	vdev->is_plugged = true;
	return QR_OK;
}

enum qr_error dp_vdev_open(const struct dp_vdev_config *config, struct dp_vdev **ret_vdev,
			   char *problem, size_t problem_bytes)
{
	const struct dp_port_problem words = {problem, problem_bytes};
	struct dp_vdev *vdev = rte_zmalloc("vdev", sizeof(*vdev), 0);
	char arguments[ARGUMENTS_BYTES] = "";
	enum qr_error error;

	if (vdev == NULL)
		return dp_port_fail(&words, QR_NO_MEMORY, "no memory for a device");
	vdev->kind = config->kind;
	error = describe(config, vdev, arguments, &words);
	if (error == QR_OK)
		error = plug(vdev, arguments, &words);
	if (error != QR_OK) {
		dp_vdev_close(vdev);
		return error;
	}
	*ret_vdev = vdev;
	return QR_OK;
}

const char *dp_vdev_device(const struct dp_vdev *vdev)
{
	return vdev->device;
}

struct dp_memif *dp_vdev_memif(struct dp_vdev *vdev)
{
	return vdev->memif;
}

void dp_vdev_close(struct dp_vdev *vdev)
{
	if (vdev == NULL)
		return;
	if (vdev->is_plugged)
		(void)rte_eal_hotplug_remove(vdev->bus, vdev->device);
	dp_memif_destroy(vdev->memif);
	rte_free(vdev);
}

/** The largest datagram that wastes no memory in AF_PACKET's frames. */
static uint32_t packet_datagram_max(uint32_t most)
{
	uint32_t frame_bytes = packet_frame_bytes(most);

	if (frame_bytes > PACKET_FRAME_MAX)
		return PACKET_FRAME_MAX - PACKET_OVERHEAD_BYTES;
	if (frame_bytes - PACKET_HEADER_BYTES > dp_pool_room_bytes(most))
		return frame_bytes / 2 - PACKET_OVERHEAD_BYTES;
	return most;
}

uint32_t dp_vdev_datagram_max(enum dp_vdev_kind kind, const char *device)
{
	uint32_t mtu = STANDARD_MTU;

	if (device != NULL && (kind == DP_VDEV_AF_PACKET || kind == DP_VDEV_AF_XDP))
		(void)interface_mtu(device, &mtu);
	mtu = RTE_MAX(mtu, IPV4_UDP_BYTES + 1);
	switch (kind) {
	case DP_VDEV_MEMIF:
		return MEMIF_DATAGRAM_MAX;
	case DP_VDEV_AF_PACKET:
		return packet_datagram_max(mtu - IPV4_UDP_BYTES);
	case DP_VDEV_AF_XDP:
		return RTE_MIN(mtu - IPV4_UDP_BYTES, DP_VDEV_AF_XDP_DATAGRAM_MAX);
	case DP_VDEV_PCI:
		break;
	}
	return STANDARD_MTU - IPV4_UDP_BYTES;
}
