/*
 * What the files of storage/io share. Nobody outside includes this.
 *
 *   directory.c  the node's directory: lock, identity, group folders
 *   fresh.c      one that is made of a backup
 *   starts.c     the node's start counter
 *   ring.c       creation; operations from submission to completion
 *   files.c      the bounded cache of open segments
 *   segment.c    a new segment, step by step, and the end of one
 *   device.c     what the device can do
 */
#ifndef QR_STORE_IO_INTERNAL_H
#define QR_STORE_IO_INTERNAL_H

#include "storage/io/io.h"

#include <dirent.h>
#include <liburing.h>

#define IO_LOCK_NAME "lock"
#define IO_NONE UINT32_MAX
/* The first snapshot file's place among the segments. */
#define IO_SNAPSHOT_SEGMENT ((uint64_t)1 << 63)

/** Say in `problem` what is wrong and what to do; returns `error`. */
enum qr_error store_problem_set(struct store_problem *problem, enum qr_error error,
				const char *format, ...) __attribute__((format(printf, 3, 4)));
/** errno or a negated result of the ring, as an error of ours. */
enum qr_error store_error_of(int number);

/** The failed system call's errno, told with the name that it was about. */
enum qr_error io_told(struct store_problem *problem, const char *name, int number);

/** A directory stream of its own over an open folder. */
DIR *io_list(int folder);
/**
 * The folder and those above it. A power loss later never takes the name of what was acknowledged.
 * @return 0 or errno.
 */
int io_make_path(const char *path);
/** @param how  LOCK_EX or LOCK_SH. */
enum qr_error io_take_lock(struct store_directory *directory, const char *path, int how,
			   struct store_problem *problem);
/** There whole and durable, or not at all. */
enum qr_error io_write_identity(int folder, const struct store_identity *identity,
				struct store_problem *problem);

/** Whether a folder of a group is there. */
bool io_has_groups(int folder);
/** lost.c: what an earlier start has said of the directory. */
void io_find_lost(struct store_directory *directory);

/* What a completion of the ring belongs to; with a number, in its user data. */
enum io_user { IO_USER_REQUEST = 1, IO_USER_OPEN, IO_USER_CLOSE, IO_USER_PREPARE };

static inline uint64_t io_user_data(enum io_user user, uint32_t number)
{
	return (uint64_t)user << 32 | number;
}

/** An operation of the engine under way. */
struct io_request {
	struct store_op op;
	char name[STORE_NAME_BYTES]; /* DROP: of the file */
	bool unlinked;		     /* DROP: it has no name any more, and the folder is synced */
	enum qr_error result;
	uint32_t file; /* the file slot that it keeps in place; IO_NONE */
	uint32_t next; /* in the free list, in a list of waiters, or among the finished */
};

/** First in, first out, through io_request.next. */
struct io_list {
	uint32_t head;
	uint32_t tail;
};

struct io_group {
	qr_group group;
	int fd;	       /* its folder */
	uint32_t hint; /* the file slot that was used last */
};

enum io_file_state { IO_FILE_EMPTY, IO_FILE_OPENING, IO_FILE_OPEN, IO_FILE_CLOSING };

/** A slot of the ring's file table. */
struct io_file {
	enum io_file_state state;
	uint32_t group;	  /* position in `groups` */
	uint64_t segment; /* or a snapshot file, from IO_SNAPSHOT_SEGMENT on */
	uint32_t pins;	  /* operations that use it */
	uint64_t used;	  /* when last: the smallest is replaced first */
	struct io_list waiters;
	char name[STORE_NAME_BYTES];
};

/* The group of a file that has no name any more: it is closed after its last use. */
#define IO_NO_GROUP UINT32_MAX

enum io_prepare_step {
	IO_PREPARE_IDLE,
	IO_PREPARE_TAKE,
	IO_PREPARE_SYNC_TAKEN,
	IO_PREPARE_OPEN,
	IO_PREPARE_ALLOCATE,
	IO_PREPARE_ZERO,
	IO_PREPARE_SYNC,
	IO_PREPARE_RENAME,
	IO_PREPARE_SYNC_FOLDER,
	IO_PREPARE_CLOSE,
	IO_PREPARE_UNLINK,
};

struct io_prepare {
	enum io_prepare_step step;
	uint32_t request;
	uint32_t file;
	uint64_t size_bytes;
	uint64_t asked_bytes; /* zeros handed out */
	uint32_t inflight;
	enum qr_error result;
	char recycled[STORE_NAME_BYTES]; /* empty: none */
	char temporary[STORE_NAME_BYTES];
	struct io_list waiting; /* PREPAREs of other groups */
};

struct io_buffer {
	const uint8_t *start;
	size_t size_bytes;
	uint32_t number; /* as registered */
};

struct store_io {
	struct io_uring ring;
	bool ring_exists;
	bool enabled; /* bound to its thread */
	struct store_io_features features;

	struct io_group *groups;
	uint32_t group_count;
	struct io_buffer *buffers; /* ascending */
	uint32_t buffer_count;
	uint8_t *zeros;

	/* File table: the groups' state files first, then the cache of segments. */
	struct io_file *files; /* of the cache only */
	uint32_t file_count;
	uint64_t clock;

	struct io_request *requests;
	uint32_t depth;
	uint32_t inflight;
	uint32_t free;
	struct io_list finished;
	struct io_prepare prepare;
};

void io_list_push(struct store_io *io, struct io_list *list, uint32_t request);
uint32_t io_list_pop(struct store_io *io, struct io_list *list);

/** A submission entry; asks the kernel to take the others when there is none. */
struct io_uring_sqe *io_sqe(struct store_io *io, enum io_user user, uint32_t number);
/** Start a request whose file is in place. */
void io_request_start(struct store_io *io, uint32_t number);
void io_request_finish(struct store_io *io, uint32_t number, enum qr_error result);
uint32_t io_group_find(const struct store_io *io, qr_group group);

/** The table's number of a cached file. */
static inline int io_file_number(const struct store_io *io, uint32_t file)
{
	return (int)(io->group_count + file);
}

/** Have the segment of a request opened: the request starts now, or when that is done. */
void io_files_use(struct store_io *io, uint32_t request);
void io_files_opened(struct store_io *io, uint32_t number, int result);
/** An empty slot, the oldest unused one given up for it. There are more slots than requests. */
uint32_t io_files_claim(struct store_io *io);
void io_files_release(struct store_io *io, uint32_t number);

/** The segment's file goes away: it is not found any more, and closed, so that its space is free.
 */
void io_files_forget(struct store_io *io, uint32_t group, uint64_t segment);
void io_files_closed(struct store_io *io, uint32_t number);

void io_drop_begin(struct store_io *io, uint32_t number);
/** A step of it is done. @return false: that was the last one. */
bool io_drop_go_on(struct store_io *io, uint32_t request, int result);
void io_prepare_begin(struct store_io *io, uint32_t request);
/** A step, or a piece of `expected` bytes of one, is done. */
void io_prepare_advance(struct store_io *io, uint32_t expected, int result);

#endif
