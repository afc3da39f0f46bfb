/*
 * The only disk system calls of the project: directories, locks, segment files, and an io_uring per
 * replication core that carries out struct store_op with O_DIRECT and O_DSYNC semantics.
 *
 * Nothing here waits in the poll loop: segments are created and opened by io_uring operations.
 * Opening a directory and a ring happens at start and may block.
 *
 * The files of a node:
 *
 *   DIR/lock                            held while a process uses the directory
 *   DIR/node                            identity: format version, cluster, node
 *   DIR/starts                          start counter
 *   DIR/group-%08x/state                two hard-state slots
 *   DIR/group-%08x/snapshot-%u          snapshots, by turns; empty until they are used
 *   DIR/group-%08x/%016x.seg            segments, by number
 *   DIR/group-%08x/ *.tmp               something half made: removed at start
 */
#ifndef QR_STORE_IO_IO_H
#define QR_STORE_IO_IO_H

#include "consensus/base/codec.h"
#include "storage/engine/op.h"

/* ---- a node's data directory ---- */

struct store_directory {
	int fd;
	int lock_fd;
	bool direct;	/* O_DIRECT is in use */
	bool lost_data; /* it held more once: groups that are not here are lost, and not new */
};

/** What a person needs to see when a directory is refused. */
struct store_problem {
	char text[256]; /* the cause and the next step */
};

/**
 * Open, or create, the data directory of a node: takes the lock, checks or writes its identity
 * file.
 *
 * @param direct  whether to insist on O_DIRECT.
 * Errors: QR_LOCKED, QR_FOREIGN (cluster or node), QR_VERSION, QR_NO_DIRECT_IO, QR_NO_SPACE, QR_IO,
 *         QR_CORRUPT (no valid identity where there are logs); ret_problem then names the cause and
 *         the next step.
 */
QR_MUST_USE enum qr_error store_directory_open(const char *path, uint64_t cluster, qr_node node,
					       bool direct, struct store_directory *ret_directory,
					       struct store_problem *ret_problem);
/**
 * A start of the node, before anything is sent: a number above that of every earlier start.
 *
 * @param wall_s  seconds since 1970, for a directory that remembers no start.
 * Durability: on stable media when this returns; on a full disk perhaps not, then the wall clock
 *             alone lets it grow.
 * Errors: QR_TOO_LARGE (no number is left), or what opening or writing the file failed with, but
 * not QR_NO_SPACE; ret_problem then names the cause and the next step.
 */
QR_MUST_USE enum qr_error store_directory_begin(struct store_directory *directory, uint64_t wall_s,
						uint32_t *ret_incarnation,
						struct store_problem *ret_problem);
/**
 * Before the first group: what the node had is lost. It stays said, over all starts, until
 * store_directory_found.
 * Errors: QR_CONFIG  there are logs, and nobody has said so before; QR_NO_SPACE, QR_IO.
 */
QR_MUST_USE enum qr_error store_directory_lose(struct store_directory *directory, const char *path,
					       struct store_problem *ret_problem);
/** All groups are there. */
QR_MUST_USE enum qr_error store_directory_found(struct store_directory *directory,
						struct store_problem *ret_problem);
/** Closing it lets the lock go. A zeroed or half-opened one is fine. */
void store_directory_close(struct store_directory *directory);

struct store_identity {
	uint64_t cluster;
	qr_node node;
};

/**
 * Open the directory of a node, to look at it: writes nothing, and shares the lock with others that
 * only look. Without a lock file (a copy) there is nothing to share.
 *
 * @param running  the node may run, or start meanwhile: the lock is left alone.
 * Errors: QR_NOT_FOUND, QR_LOCKED, QR_VERSION, QR_CORRUPT, QR_IO.
 */
QR_MUST_USE enum qr_error store_directory_inspect(const char *path, bool running,
						  struct store_directory *ret_directory,
						  struct store_identity *ret_identity,
						  struct store_problem *ret_problem);

/** Whether a process runs on a directory that was opened to look at it. It takes the lock for a
 * moment, in which a start would be refused. */
bool store_directory_is_in_use(const struct store_directory *directory);

/**
 * Begin a data directory that is made of a backup: it is there and empty, or comes to be, and is
 * locked. Until it is sealed no node opens it.
 *
 * Errors: QR_CONFIG (not empty), QR_LOCKED, QR_NO_SPACE, QR_IO; ret_problem then names the cause
 * and the next step.
 */
QR_MUST_USE enum qr_error store_directory_create(const char *path,
						 struct store_directory *ret_directory,
						 struct store_problem *ret_problem);
/** It is a node's from here on. Durability: on stable media when this returns. */
QR_MUST_USE enum qr_error store_directory_seal(struct store_directory *directory,
					       const struct store_identity *identity,
					       struct store_problem *ret_problem);
/** Everything in it goes, as far as that is possible; the directory itself stays, empty. */
void store_directory_discard(struct store_directory *directory);
/** The folder of a group and its files, if they are there. */
void store_directory_discard_group(struct store_directory *directory, qr_group group);

/**
 * Make the group's folder, state file and snapshot files if they are not there. A state file that
 * is missing beside segments, or in a directory whose data was lost, is made as one that cannot be
 * read: the group has forgotten what it promised.
 * Errors: QR_CORRUPT  a segment among others is missing, or the state file is of another size;
 *         QR_NO_SPACE, QR_IO.
 */
QR_MUST_USE enum qr_error store_directory_group(struct store_directory *directory, qr_group group,
						struct store_extent *ret_segments,
						struct store_problem *ret_problem);

/* Names of files, for tools. The buffer holds at least STORE_NAME_BYTES. */
#define STORE_NAME_BYTES 32
void store_group_name(char *name, qr_group group);
void store_segment_name(char *name, uint64_t segment);
void store_snapshot_name(char *name, uint32_t number);
#define STORE_STATE_NAME "state"

/* ---- a core's ring ---- */

/*
 * Threads: a ring may be created by any thread, before the one that will poll starts. The first
 * store_io_submit or store_io_reap binds it to its thread (the kernel insists: IORING_SETUP_
 * SINGLE_ISSUER, DEFER_TASKRUN); all later calls, store_io_destroy included, come from there.
 *
 * Completions of O_DSYNC writes are carried to the ring by kernel workers on the core that serves
 * the device: a thread that polls there must yield between empty polls.
 */
struct store_io;

struct store_io_parameters {
	struct store_directory *directory; /* of the node; outlives the ring */
	uint32_t depth;			   /* operations in flight */
	const struct qr_span *buffers;	   /* memory to register: windows, reader buffers */
	uint32_t buffer_count;
	const qr_group *groups;
	uint32_t group_count;
	uint32_t files_max; /* segments that are kept open; 0: four per group, 64 at least */
};

/**
 * @param parameters  the groups' folders exist (store_directory_group).
 * Errors: QR_UNSUPPORTED (no io_uring, or not permitted), QR_NO_MEMORY, QR_IO.
 */
QR_MUST_USE enum qr_error store_io_create(const struct store_io_parameters *parameters,
					  struct store_io **ret_io,
					  struct store_problem *ret_problem);
/** NULL and half-built rings are fine. Waits for what is in flight. */
void store_io_destroy(struct store_io *io);

/** Start operations. @return how many were taken; the rest is offered again later. */
unsigned store_io_submit(struct store_io *io, const struct store_op *ops, unsigned count);
/** Completions that are there; never waits. */
unsigned store_io_reap(struct store_io *io, struct store_completion *completions, unsigned max);
unsigned store_io_inflight(const struct store_io *io);
/** A descriptor that polls readable when completions are there, for an idle core that sleeps. */
int store_io_event_fd(const struct store_io *io);

/** Which of the kernel's better ways are in use; for banners and `doctor`. */
struct store_io_features {
	bool registered_buffers; /* else RLIMIT_MEMLOCK is too small: plain reads and writes */
	bool deferred_taskrun;	 /* Linux 6.1: completions arrive when this thread asks */
	bool direct;
};
struct store_io_features store_io_features(const struct store_io *io);

/* ---- what kind of device is this ---- */

struct store_device {
	char name[32]; /* such as "vda"; empty if unknown */
	bool volatile_cache;
	bool fua;
	bool rotational;
	uint32_t logical_block_bytes;
};

/** Read from sysfs what is under a path; unknown fields stay 0. */
void store_device_probe(const char *path, struct store_device *ret_device);

#endif
