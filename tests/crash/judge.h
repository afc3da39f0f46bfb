/*
 * Images at one place of a tape, and whether what recovers from them keeps every promise.
 *
 * An image is a power cut of the whole cluster. Each node may besides have a harder time: power is
 * cut again in the middle of its recovery, or its process had been killed before, so that what was
 * in caches was seen once and is now gone.
 */
#ifndef QR_TESTS_CRASH_JUDGE_H
#define QR_TESTS_CRASH_JUDGE_H

#include "tests/crash/revive.h"

/** What happens to a node. */
enum judge_course {
	JUDGE_CUT,	   /* power is cut */
	JUDGE_CUT_AGAIN,   /* and again during recovery */
	JUDGE_KILL_CUT,	   /* the process is killed; power is cut when the next one has recovered */
	JUDGE_KILL_CUT_IN, /* or while it recovers */
	JUDGE_COURSES,
};

struct judge_fate {
	enum judge_course course;
	enum media_mode mode; /* of the first cut */
	uint64_t bits;
	uint64_t seed; /* of it, of the second, and of when that comes */
};

struct judge_counts {
	uint64_t images;    /* of the whole cluster */
	uint64_t disks;	    /* recovered: of one node, once */
	uint64_t logs;	    /* of one group of one node */
	uint64_t restored;  /* of these, from a snapshot */
	uint64_t trimmed;   /* and without their first segments */
	uint64_t exchanged; /* and cut while a peer's snapshot took their place */
	uint64_t entries;   /* compared byte by byte */
	uint64_t again;	    /* disks whose power was cut again during or after recovery */
	uint64_t folders;   /* disks recovered as real directories */
	uint64_t promises;  /* answered records that were looked for, summed over the images */
};

struct judge {
	struct truth *truth;
	struct revive revive;
	struct media_list list; /* what recoveries wrote on top of an image */
	const char *folder;	/* for real directories; NULL: none */
	bool fresh[TAPE_NODES + 1];
	struct revived results[TAPE_NODES + 1][CLUSTER_GROUPS_MAX + 1];
	struct revived first[CLUSTER_GROUPS_MAX + 1]; /* of a recovery that was complete */
	struct judge_counts counts;
	struct truth_problem problem; /* the first */
};

void judge_init(struct judge *judge, struct truth *truth, const char *folder);
void judge_fini(struct judge *judge);
/** The node's disk has changed since the last image. */
void judge_stale(struct judge *judge, qr_node node);

/**
 * Make one image and look at it. Media and truth are afterwards as before.
 * @param fates   [1..TAPE_NODES]
 * @param folder  one node is recovered from a real directory too; 0: none.
 * @return false: judge->problem says what was lost or invented.
 */
bool judge_image(struct judge *judge, const struct judge_fate *fates, qr_node folder);

#endif
