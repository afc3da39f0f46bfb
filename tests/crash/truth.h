/*
 * What a tape says up to some place: which entries were ever written, which of them every node must
 * still have, and what was promised to whom. It knows the format of entries, slots and snapshots,
 * and nothing of the engine that wrote them.
 *
 * Entries are known by the digest of their header, which covers the payload's checksum and, through
 * the chain, all entries before: so one number stands for a whole prefix of a log.
 *
 * Some promises are judged here as they are made: nothing may be said, to a peer or to a client,
 * before the tape shows that it is on stable media. What must survive a power cut is judged by
 * judge.c, image by image.
 */
#ifndef QR_TESTS_CRASH_TRUTH_H
#define QR_TESTS_CRASH_TRUTH_H

#include "storage/format/entry.h"
#include "storage/format/slot.h"
#include "storage/format/snapshot.h"
#include "tests/crash/load.h"
#include "tests/crash/media.h"

#define TRUTH_SESSIONS_MAX 4
#define TRUTH_STATES_MAX 1024
#define TRUTH_TRIMS_MAX 1024
#define TRUTH_NONE 0 /* no version: the empty log */

struct truth_session {
	uint64_t session;
	uint32_t producer;
	uint64_t next; /* sequence */
};

/** An entry as it was written, on any node. Never changes once it is known. */
struct truth_version {
	struct store_entry entry;
	uint64_t digest;
	uint32_t parent;      /* the version before it in its log; TRUTH_NONE */
	uint32_t child;	      /* the newest that follows it; TRUTH_NONE */
	uint32_t sibling;     /* another one that follows the same parent; TRUTH_NONE */
	const uint8_t *bytes; /* whole blocks */
	/* of the whole prefix that ends with it */
	uint32_t session_count;
	struct truth_session sessions[TRUTH_SESSIONS_MAX];
};

/** A group on one node. */
struct truth_log {
	uint32_t *firm; /* [index]: the version that is on stable media there; TRUTH_NONE */
	uint64_t firm_room;
	qr_index high; /* nothing is firm above */
	/*
	 * firm[1..certain] is a log without a hole. What lies in front of the start of `slot` may
	 * be gone from the files all the same: nothing else may.
	 */
	qr_index certain;
	bool has_slot;
	struct store_slot slot;		/* the newest that is on stable media */
	struct store_snapshot snapshot; /* likewise; serial 0: none was completed */
	struct store_snapshot given;	/* likewise, by a peer, and no stable slot names it yet */
	uint32_t named; /* the version of its base, once a slot that names it began to be written */
	struct store_snapshot files[STORE_SNAPSHOTS]; /* what each holds for good; serial 0: none */
	uint32_t asked_count; /* (term, vote) that slots were written with */
	struct raft_hard_state asked[TRUTH_STATES_MAX];
};

/** A group in the cluster. */
struct truth_group {
	uint32_t root; /* the newest version that begins a log; siblings follow */
	uint32_t trim_count;
	uint32_t trims[TRUTH_TRIMS_MAX]; /* versions that say where the log begins */
	uint32_t answered; /* the version that holds the newest answered record; TRUTH_NONE */
	struct truth_log logs[TAPE_NODES + 1];
};

struct truth_problem {
	char text[256]; /* empty: none */
};

/** Records of one producer, by sequence. */
struct truth_records {
	uint64_t appended;
	uint64_t room;
	uint32_t *sizes;
	qr_offset *answers; /* offset + 1; 0: not answered */
};

/** What a file of a node is for, by the names that it was given. */
enum truth_role_kind {
	TRUTH_ROLE_NONE,
	TRUTH_ROLE_GROUP,
	TRUTH_ROLE_SLOTS,
	TRUTH_ROLE_SNAPSHOT,
	TRUTH_ROLE_SEGMENT,
};
struct truth_role {
	enum truth_role_kind kind;
	qr_group group;
	uint64_t segment; /* or the number of a snapshot's file */
};

struct truth {
	struct tape_round round;
	struct media *media; /* [1..TAPE_NODES]; kept in step by truth_take */
	struct truth_hook {
		struct truth *truth;
		qr_node node;
	} hooks[TAPE_NODES + 1];
	struct truth_version *versions; /* [0] is the empty log */
	uint32_t version_count;
	uint32_t version_room;
	uint32_t *table; /* of versions, by digest; open addressing */
	uint32_t table_room;
	struct truth_group groups[CLUSTER_GROUPS_MAX + 1];
	struct truth_records records[LOAD_PRODUCERS_MAX];
	uint64_t answered_records;
	uint64_t snapshots; /* completed, on all nodes */
	uint64_t trims;	    /* starts that became stable, on all nodes */
	uint64_t installs;  /* snapshots of peers that took the place of a log */
	struct truth_role roles[TAPE_NODES + 1][MEDIA_FILES_MAX];
	struct truth_problem problem; /* the first */
};

/** Begin with a round, on empty disks. */
void truth_init(struct truth *truth, const struct tape_round *round, struct media *media);
void truth_fini(struct truth *truth);

/** Take the next event: media and truth move on. Problems are kept in `problem`. */
void truth_take(struct truth *truth, const struct tape_event *event);

bool truth_is_lazy(const struct truth *truth, qr_group group);
static inline const struct truth_version *truth_version(const struct truth *truth, uint32_t version)
{
	return &truth->versions[version];
}
/** Whether the log that ends with `version` begins with the one that ends with `ancestor`. */
bool truth_descends(const struct truth *truth, uint32_t version, uint32_t ancestor);
/** Whether a slot with this (term, vote) was ever handed to the disk. */
bool truth_asked(const struct truth_log *log, const struct raft_hard_state *state);
/** Whether the log up to `version` is what a snapshot stands for that is taking the log's place. */
static inline bool truth_is_named(const struct truth_log *log, uint32_t version)
{
	return version != TRUTH_NONE && version == log->named;
}
/** The version with this digest; TRUTH_NONE if no such entry was ever written. */
uint32_t truth_find(const struct truth *truth, qr_group group, uint64_t digest);

/* ---- truth_entry.c ---- */

/** An entry is being written: check all of it, once. @return its version; TRUTH_NONE: a problem. */
uint32_t truth_learn(struct truth *truth, qr_group group, qr_block block, struct qr_span bytes);
/** Whether an entry holds the records of an answer, at the offset that was answered. */
bool truth_holds(const struct truth_version *version, const struct tape_answered *answered);
void truth_complain(struct truth *truth, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
