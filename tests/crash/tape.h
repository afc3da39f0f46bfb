/*
 * A tape: everything that a recorded run asked of its disks, in the order in which it asked and was
 * answered, and everything that it promised meanwhile. It is the only thing that recording and
 * checking share.
 *
 * Disk operations are those of the kernel: the submissions and completions of the rings and the
 * system calls of a start, not the engine's own idea of them. An operation BEGINs when the kernel
 * gets it and ENDs when the program hears of it. Folders and files are numbers per node; number 0
 * is the folder that holds the node's data directory.
 *
 * Promises are what left a node: a term or a vote in a message, an acknowledged index, an answer to
 * a client. From then on they must survive any power cut.
 */
#ifndef QR_TESTS_CRASH_TAPE_H
#define QR_TESTS_CRASH_TAPE_H

#include "consensus/base/codec.h"
#include "consensus/base/types.h"

#define TAPE_NAME_BYTES 32
#define TAPE_TOP 0 /* the folder above a node's data directory: it is always there */
#define TAPE_NODES 3

enum tape_op_kind {
	TAPE_OP_MKDIR = 1, /* `file` in `folder` under `name` */
	TAPE_OP_CREATE,	   /* likewise, an empty file */
	TAPE_OP_TRUNCATE,  /* to nothing */
	TAPE_OP_EXTEND,	   /* up to offset + size, with zeros */
	TAPE_OP_WRITE,	   /* `data`, or zeros when that is NULL */
	TAPE_OP_SYNC,	   /* what was written to `file`, or the names in it when it is a folder */
	TAPE_OP_RENAME,	   /* `file` in `folder`, from `name` to `new_name` */
	TAPE_OP_UNLINK,	   /* `name` in `folder` */
	TAPE_OP_KINDS,
};

struct tape_op {
	enum tape_op_kind kind;
	uint32_t id; /* of this operation, unique per node */
	uint32_t file;
	uint32_t folder;
	char name[TAPE_NAME_BYTES];
	char new_name[TAPE_NAME_BYTES];
	uint32_t offset_bytes;
	uint32_t size_bytes;
	bool dsync; /* done means: on stable media */
	const uint8_t *data;
};

enum tape_kind {
	TAPE_ROUND = 1, /* a new cluster on empty disks */
	TAPE_START,	/* a process of the node starts */
	TAPE_CUT,	/* power is cut: what was not stable survives as `seed` decides */
	TAPE_KILL,	/* the process ends: all of it is in caches, nothing became stable by it */
	TAPE_BEGIN,
	TAPE_END,
	TAPE_SAID,     /* left the node in a message to a peer */
	TAPE_APPENDED, /* given to the client library by the application */
	TAPE_ANSWERED, /* left the node in a message to a client */
	TAPE_KINDS,
};

/** The shape of a round's cluster. */
struct tape_round {
	uint64_t seed; /* of the story, and of what the records contain */
	uint32_t segment_blocks;
	uint32_t stride_blocks;
	uint32_t window_blocks;
	uint32_t write_depth;
	uint32_t write_max_blocks;
	uint32_t group_count;	   /* groups 1..n */
	uint32_t lazy_groups;	   /* bit g: group g promises nothing (durability = memory) */
	uint32_t snapshot_blocks;  /* of log from one snapshot of a group to the next; 0: none */
	uint32_t retention_blocks; /* that a log keeps at least; 0: all of it */
	uint32_t clock_rate; /* how many times as fast as the real one the nodes' clock runs */
};

enum tape_said_kind {
	TAPE_SAID_TERM = 1, /* that it is in `term` */
	TAPE_SAID_VOTE,	    /* that it voted for `vote` in `term` */
	TAPE_SAID_DURABLE,  /* that its log is durable up to `index` */
	TAPE_SAID_KINDS,
};

struct tape_said {
	enum tape_said_kind kind;
	qr_group group;
	qr_term term;
	qr_node vote;
	qr_index index;
};

struct tape_appended {
	uint32_t producer;
	uint64_t sequence;
	uint32_t size_bytes;
};

struct tape_answered {
	qr_group group;
	uint64_t session;
	uint64_t sequence;
	uint32_t count;
	qr_offset offset;
};

struct tape_event {
	enum tape_kind kind;
	qr_node node; /* 0 where it does not apply */
	union {
		struct tape_round round;
		struct tape_op op;
		struct {
			uint32_t id;
			bool failed;
		} end;
		uint64_t seed;
		struct tape_said said;
		struct tape_appended appended;
		struct tape_answered answered;
	};
};

struct tape_chunk;

/** Events in memory. Bytes that they refer to are the tape's own and never move. */
struct tape {
	struct tape_event *events;
	uint64_t count;
	uint64_t room;
	struct tape_chunk *chunks;
	void *mapping;
	size_t mapping_bytes;
};

void tape_init(struct tape *tape);
void tape_fini(struct tape *tape);
/** Append a copy; the bytes of a write are copied too. @return the copy, valid until the next. */
const struct tape_event *tape_put(struct tape *tape, const struct tape_event *event);
/** A copy of some bytes that lives as long as the tape. */
uint8_t *tape_keep(struct tape *tape, const uint8_t *data, size_t size_bytes);

/** @return false: errno says why. */
bool tape_save(const struct tape *tape, const char *path);
/**
 * @param ret_problem  what is wrong with the file, for a person; untouched on success.
 */
bool tape_load(struct tape *tape, const char *path, const char **ret_problem);

#define TAPE_TEXT_BYTES 256
/** One line for a person. */
void tape_describe(const struct tape_event *event, char *text, size_t size);

#endif
