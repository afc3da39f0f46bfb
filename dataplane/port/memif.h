/*
 * The control channel of a memif link: who meets whom, when, and how they part.
 *
 * The driver alone (DPDK 22.11) leaves two things open. A memif client whose server is not there
 * fails to start, and does not come back when the server does. And when the other process dies, the
 * EAL's interrupt thread unmaps the shared rings at once, while a lcore may be inside a burst over
 * them: a segmentation fault of the survivor.
 *
 * So the two drivers do not meet directly. Each process stands between its own driver and the other
 * process with a relay of the memif messages (128 bytes, some with a descriptor): the other side's
 * end is seen here first; the driver hears of it only when every lcore is known to be outside its
 * bursts. Data never pass here.
 *
 *	driver (client) -- relay -- RUN/memif-1-2.sock -- relay -- driver (server)
 *	node 2's process				  node 1's process
 *
 * Threads: the owner of queue 0; creation and destruction in the main thread.
 */
#ifndef DP_PORT_MEMIF_H
#define DP_PORT_MEMIF_H

#include "dataplane/port/internal.h"
#include "dataplane/port/vdev.h"

struct dp_memif;

/**
 * Bind the sockets.
 * Errors: QR_LOCKED  another process serves this link; QR_CONFIG  the path is too long or holds a
 * comma; QR_DENIED, QR_NOT_FOUND, QR_IO  run_dir; QR_NO_MEMORY.
 */
QR_MUST_USE enum qr_error dp_memif_create(const struct dp_vdev_config *config,
					  struct dp_memif **ret_memif,
					  const struct dp_port_problem *problem);
/** The driver's device arguments. @return false when they do not fit. */
bool dp_memif_arguments(const struct dp_memif *memif, uint32_t datagram_max, char *ret_text,
			size_t text_bytes);
/** Closes sockets and removes their files; the device was stopped. Takes NULL. */
void dp_memif_destroy(struct dp_memif *memif);

/** The device is configured: from now on the relay starts and stops it. */
QR_MUST_USE enum qr_error dp_memif_attach(struct dp_memif *memif, uint16_t port_id);
/**
 * Go on with meeting or parting.
 *
 * @param is_quiet  every lcore has seen that bursts may not run, and is outside of them.
 * @return whether bursts may run now.
 */
bool dp_memif_tick(struct dp_memif *memif, bool is_quiet, qr_ns now_ns);

/** Part for good: before the device is stopped, in the main thread, when no lcore runs any more. */
void dp_memif_detach(struct dp_memif *memif);

/** The relay of a memif device; NULL for other kinds. */
struct dp_memif *dp_vdev_memif(struct dp_vdev *vdev);

#endif
