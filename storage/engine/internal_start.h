/*
 * What the files of the engine share, continued: the parts of a log that a start needs, and that
 * provide for one. Included by internal.h only.
 */
#ifndef QR_STORE_ENGINE_INTERNAL_START_H
#define QR_STORE_ENGINE_INTERNAL_START_H

#include "storage/engine/recover.h"

#define STORE_RECOVERY_AHEAD_MAX 3

/* ---- snapshot.c ---- */

enum store_snapshot_phase {
	STORE_SNAPSHOT_IDLE,
	STORE_SNAPSHOT_CONFIRM, /* the one that a start has found is being made durable */
	STORE_SNAPSHOT_SETTLE,	/* the slots do not say yet that the base is settled */
	STORE_SNAPSHOT_SYNC,	/* the one before is being made durable */
	STORE_SNAPSHOT_VOID,	/* what the file held before does not count any more */
	STORE_SNAPSHOT_BODY,
	STORE_SNAPSHOT_HEADER,
	STORE_SNAPSHOT_NAME, /* one that was given is there: the slots are to say that it counts */
};

struct store_snapshots {
	enum store_snapshot_phase phase;
	struct store_snapshot_buffer buffer;	      /* lent */
	struct store_snapshot taken;		      /* the one that is being written, */
	uint32_t file;				      /* to this one */
	struct store_snapshot files[STORE_SNAPSHOTS]; /* serial 0: of no use */
	bool newest_is_stable; /* else it was read after a crash, and may be in a cache only */
	uint64_t next_bytes;   /* of the file, to be written next */
	uint32_t piece_bytes;  /* in flight */
	bool inflight;
};

/** NULL: there is none. */
const struct store_snapshot *store_snapshot_newest(const struct store_log *log);
unsigned store_snapshot_poll(struct store_log *log, struct store_op *ret_op);
void store_snapshot_complete(struct store_log *log, enum qr_error result);

/** Whether it is this group's. Errors: QR_FOREIGN  another's; QR_CONFIG  another geometry. */
enum qr_error store_snapshot_check_owner(const struct store_log *log,
					 const struct store_snapshot *snapshot);
/** Write one as it is in the buffer, but for what its header says. */
void store_snapshot_lend(struct store_log *log, const struct store_snapshot *snapshot,
			 struct store_snapshot_buffer buffer);

/* ---- give.c ---- */

struct store_give {
	struct store_snapshot_buffer piece; /* lent */
	uint32_t file;
	uint32_t at_bytes;
	uint32_t file_bytes;
	bool wanted;
	bool inflight;
	enum qr_error result;
};

unsigned store_give_poll(struct store_log *log, struct store_op *ret_op);
void store_give_complete(struct store_log *log, enum qr_error result);

/* ---- install.c ---- */

/** The snapshot is on the disk: from now on it is the log. */
void store_install_name(struct store_log *log);

/* ---- restore.c ---- */

struct store_restore {
	struct store_snapshot_buffer buffer; /* lent; NULL: nothing is looked at */
	uint32_t known;	     /* files whose headers were read, into snapshots.files */
	uint32_t chosen;     /* whose body is being read; STORE_SNAPSHOTS: nobody's */
	uint64_t next_bytes; /* of that file, to be read next */
	uint32_t piece_bytes;
	bool inflight;
	bool forgets;	       /* all that are there are of a log that was lost, */
	bool voiding;	       /* and one of them is being made void */
	bool found;	       /* the chosen one holds */
	enum qr_error refused; /* not QR_OK: a header says that nothing here can be used */
};

unsigned store_restore_poll(struct store_log *log, struct store_op *ret_op);
void store_restore_complete(struct store_log *log, enum qr_error result);
/** The log begins behind it. Errors: QR_AGAIN; QR_NOT_FOUND  there is none; others: refused. */
enum qr_error store_restore_step(struct store_log *log);

/* ---- repair.c ---- */

struct store_repair {
	qr_block block;
	uint32_t blocks;
	uint8_t *data; /* the caller's */
	bool wanted;
	bool inflight;
};

/** Recovery waits for an entry that a peer has. */
bool store_is_mending(const struct store_log *log);
unsigned store_repair_poll(struct store_log *log, struct store_op *ret_op);
void store_repair_complete(struct store_log *log, enum qr_error result);

/* ---- start.c ---- */

/** From where on everything is there: behind a snapshot, or the very first block. */
struct store_origin {
	uint64_t segment;
	struct store_prefix base; /* the last entry in front of it; empty: none */
};

/** Give up what may be: the slots name a later start for good, and snapshots stand for it. */
void store_origin_advance(struct store_log *log);
/** At a start, once slots and snapshots are known. */
void store_origin_restore(struct store_log *log);

/* ---- recover.c ---- */

enum store_recovery_phase {
	STORE_RECOVERY_NONE,  /* not begun */
	STORE_RECOVERY_SLOTS, /* both slots are being read */
	STORE_RECOVERY_RESET, /* the segments that are there are of no use, and removed */
	STORE_RECOVERY_STATE, /* so is a snapshot */
	STORE_RECOVERY_SCAN,  /* entry after entry */
	STORE_RECOVERY_MEND,  /* until somebody has given the next one */
	STORE_RECOVERY_LOOK,  /* behind the first hole: torn, or damage? */
	STORE_RECOVERY_SCRUB, /* the torn tail is being zeroed */
	STORE_RECOVERY_SYNC,  /* what was read is being made durable */
	STORE_RECOVERY_SAVE,  /* so are the slots */
	STORE_RECOVERY_DONE,
	STORE_RECOVERY_FAILED,
};

struct store_recovery_read {
	uint64_t stride;
	bool inflight;
	bool done;
	enum qr_error result;
};

struct store_recovery {
	enum store_recovery_phase phase;
	enum qr_error result; /* FAILED: why */
	bool slots_asked;
	bool slots_doubted; /* they were of no use, and are read again */
	enum qr_error slots_result;
	uint64_t stride_first; /* strides first..count-1 exist */
	uint64_t stride_count;
	bool reset_is_saved;  /* the slots that say so are written anew, */
	bool reset_is_stable; /* and they are on stable media */
	bool adopts;	      /* the log begins with whatever the first of them holds */
	uint64_t stride_next; /* the next to be read */
	uint64_t stride_hole; /* LOOK: the stride of the hole */
	uint64_t stride_look; /* LOOK: the next to be looked at */
	qr_block read_again;  /* what lies below was read again since it was verified */
	uint32_t ahead;	      /* strides read ahead */
	qr_block torn_end;    /* one past the last block behind the hole that is not zero */
	uint64_t sync_next;   /* SYNC: the next segment, up to the tail's */
	bool sync_inflight;
	struct store_recovery_read reads[STORE_RECOVERY_AHEAD_MAX + 1];
	struct store_damage damage;
};

/** Nothing is opened. Returns the error. */
enum qr_error store_recovery_fail(struct store_log *log, enum qr_error error);
/** The next entry should be at `block`, and is not. */
void store_recovery_note_damage(struct store_log *log, qr_block block, enum qr_error reason);

/* ---- recover_slots.c ---- */

/** As far as the state to begin with is known. Errors: as store_recover_next. */
enum qr_error store_recover_to_state(struct store_log *log);

/* ---- recover_read.c ---- */

/** The stride of the next entry, or the first one if that entry's is gone. */
uint64_t store_recovery_tail_stride(const struct store_log *log);
/** QR_OK when the stride's bytes are in memory; QR_NOT_FOUND beyond what exists. */
enum qr_error store_recovery_stride_state(struct store_log *log, uint64_t stride);
/**
 * Where they are. Behind the hole the strides follow each other through the `ahead` places after
 * the hole's own, so that the older part of the window stays as it is.
 */
uint8_t *store_recovery_memory(const struct store_log *log, uint64_t stride);
/** Up to the last segment within reach of the end: zeros may lie behind it in a cache only. */
bool store_recovery_wants_sync(const struct store_log *log);
unsigned store_recovery_poll(struct store_log *log, struct store_op *ops, unsigned max);
void store_recovery_complete(struct store_log *log, uint32_t number, enum qr_error result);
void store_recovery_complete_sync(struct store_log *log, enum qr_error result);
void store_recovery_complete_slots(struct store_log *log, enum qr_error result);

#endif
