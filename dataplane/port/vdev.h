/*
 * From what a person configures (an interface, a PCI address, a peer) to an ethdev that
 * dp_ether_open takes. Devices are plugged in after EAL started, so one EAL command line serves all
 * profiles. Whatever is missing is found out here, where it can still be said in words.
 *
 * memif: a point-to-point link between two processes of this machine; a node has one for each
 * peer. The lower node id is the memif server. Both sides come and go as they like: the port links
 * up when the other side is there (see memif.h for why this takes more than the driver).
 *
 * Threads: the main thread.
 */
#ifndef DP_PORT_VDEV_H
#define DP_PORT_VDEV_H

#include "consensus/base/error.h"
#include "consensus/base/types.h"

enum dp_vdev_kind {
	DP_VDEV_MEMIF,
	DP_VDEV_AF_PACKET, /* a kernel interface; CAP_NET_RAW */
	DP_VDEV_AF_XDP,	   /* a kernel interface; root (CAP_NET_ADMIN, CAP_BPF, not in a user
			      namespace) */
	DP_VDEV_PCI, /* a NIC bound to vfio-pci, or one whose driver is shared with the kernel */
};

struct dp_vdev_config {
	enum dp_vdev_kind kind;
	uint8_t cores;	       /* queue pairs wanted: one a core */
	uint32_t datagram_max; /* sizes memif's and AF_PACKET's buffers */
	/* memif */
	const char *run_dir; /* where the two processes meet; exists, shared by both, ours alone */
	qr_node node;
	qr_node peer;
	/* the others */
	const char *device; /* interface name, or PCI address such as 0000:01:00.0 */
};

struct dp_vdev;

/**
 * Plug the device in.
 * Errors: QR_NOT_FOUND, QR_DENIED, QR_UNSUPPORTED, QR_LOCKED, QR_CONFIG, QR_NO_MEMORY; `problem`
 * names the cause and the next step.
 */
QR_MUST_USE enum qr_error dp_vdev_open(const struct dp_vdev_config *config,
				       struct dp_vdev **ret_vdev, char *problem,
				       size_t problem_bytes);
/** The ethdev's name. */
const char *dp_vdev_device(const struct dp_vdev *vdev);
/** Unplug it: after the port on it was closed. Takes NULL. */
void dp_vdev_close(struct dp_vdev *vdev);

/**
 * The datagram_max that serves a kind of link best; for kernel interfaces what their MTU allows.
 * Where it comes from:
 *   memif       8 KiB, in buffers that hold the whole frame: one descriptor each. A datagram costs
 *the receiver some 50 ns and 20 ns a KiB, so smaller ones cost more a byte and larger ones gain no
 *more. The MTU plays no part. A link takes 2 x cores x 4 MiB of shared memory. AF_PACKET   the
 *interface's MTU - 28, at most 8080; its ring has frames of a power of two, so above 1936 only 3984
 *and 8080 waste no memory AF_XDP      the same, at most DP_VDEV_AF_XDP_DATAGRAM_MAX: the kernel
 *takes 256 bytes of each buffer, and wants the whole of it, headers included, to fit a page PCI
 *1472, the standard MTU; jumbo frames need to be asked for, as the switch must agree
 * @param device  interface name; NULL for memif and PCI.
 */
uint32_t dp_vdev_datagram_max(enum dp_vdev_kind kind, const char *device);

#define DP_VDEV_AF_XDP_DATAGRAM_MAX 1728u
#define DP_RING_DATAGRAM_MAX 16384u /* in-process: no copy, so the larger the fewer */
#define DP_HOST_DATAGRAM_MAX 16384u /* loopback */

#endif
