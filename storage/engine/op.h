/*
 * What the storage engine asks of the disk, and what comes back. The engine is pure: storage/io
 * carries these out with io_uring, the simulator with an image in memory.
 */
#ifndef QR_STORE_ENGINE_OP_H
#define QR_STORE_ENGINE_OP_H

#include "consensus/base/error.h"
#include "consensus/base/types.h"

/** The segments of a group that exist on disk: from `first` on, so many, without a hole. */
struct store_extent {
	uint64_t first;
	uint64_t count;
};

enum store_op_kind {
	STORE_OP_WRITE,		 /* to a segment; done when it is on stable media (O_DSYNC) */
	STORE_OP_WRITE_LAZY,	 /* durability = memory: done when the kernel has it */
	STORE_OP_READ,		 /* from a segment */
	STORE_OP_READ_SLOTS,	 /* both slots of the group's state file */
	STORE_OP_WRITE_SLOT,	 /* one slot, at `offset_bytes`; done when on stable media */
	STORE_OP_SYNC,		 /* make what was written to a segment before durable (fdatasync) */
	STORE_OP_READ_SNAPSHOT,	 /* from the group's snapshot file number `segment` */
	STORE_OP_WRITE_SNAPSHOT, /* to it; it grows as needed; done when on stable media */
	STORE_OP_SYNC_SNAPSHOT,	 /* make what was written to it before durable */
	STORE_OP_PREPARE, /* create `segment`: allocated, written with zeros, durable, also its
			     name; from the file of segment `recycled`, if there is one */
	STORE_OP_DROP,	  /* remove `segment`; done when it is gone for good */
};

#define STORE_NONE_RECYCLED UINT64_MAX

/** Set in every tag of a log's own ops, so that the tags of readers (below it) stay apart. */
#define STORE_TAG_LOG ((uint64_t)1 << 63)

/** Offsets, sizes and addresses are multiples of QR_BLOCK_BYTES. */
struct store_op {
	enum store_op_kind kind;
	qr_group group;
	uint64_t segment;
	uint64_t recycled;     /* PREPARE: whose file is used again, or STORE_NONE_RECYCLED */
	uint64_t offset_bytes; /* in the file */
	uint8_t *data;	       /* stays valid and, for writes, unchanged until completion */
	uint32_t size_bytes;   /* PREPARE: of the whole segment */
	uint32_t blocks;       /* the same in blocks */
	uint64_t tag;	       /* comes back */
};

/**
 * Errors: QR_IO, QR_NO_SPACE; a read of a file or range that does not exist is QR_NOT_FOUND.
 * A short write is QR_IO. Nothing is retried below.
 */
struct store_completion {
	enum store_op_kind kind;
	qr_group group;
	uint64_t tag;
	enum qr_error result;
};

#endif
