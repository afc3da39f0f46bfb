/*
 * Recovery of one group of one node by the real engine, from the image that is applied now: over
 * the bytes in memory, or over a real directory with the real disk code.
 *
 * What it finds is compared, entry by entry, with what was ever written (truth.h). It begins with a
 * snapshot where there is one, as a node does. The entries that this stands for are not read: that
 * they are those of the log that ends with the base's entry follows from its digest.
 */
#ifndef QR_TESTS_CRASH_REVIVE_H
#define QR_TESTS_CRASH_REVIVE_H

#include "storage/engine/recover.h"
#include "tests/crash/saved.h"

#define REVIVE_NEVER UINT64_MAX

/** What a recovery found. */
struct revived {
	enum qr_error result; /* QR_NOT_FOUND: the log is open; QR_AGAIN: power was cut before */
	struct store_damage damage;
	bool invented;	   /* it gave an entry that was not written there, or not like that */
	bool trimmed;	   /* its first segments are gone */
	bool remains;	   /* it opened the log, and a valid entry lies behind its end */
	qr_index base;	   /* of the snapshot that it began with; 0: with none */
	const char *wrong; /* about that; NULL: nothing */
	qr_index missing; /* in an image in memory: an entry below the base is not there; 0: none */
	qr_index last;	  /* entries that it gave, with those that the snapshot stands for */
	uint32_t *versions; /* [index] */
	uint64_t room;
	bool has_slot;
	struct store_slot slot; /* as the slots said before they were written anew */
};

void revived_fini(struct revived *revived);

/** One recovering process: memory for a log, and the node's disk. */
struct revive {
	struct truth *truth;
	struct media *media;
	qr_node node;
	struct media_list *list; /* what it writes goes there */
	struct qr_prng prng;	 /* the order in which its operations end */
	uint64_t events_left;	 /* operations that begin or end before power is cut */
	uint8_t *memory;
	size_t memory_bytes;
	struct store_log *log;
	struct store_snapshot_buffer buffer;
	struct saved saved;
	bool has_begun; /* the state to begin with is known */
	uint32_t kept;	/* slots written since revive_reset: `list` refers to them */
	uint8_t *slots;
};

void revive_init(struct revive *revive, struct truth *truth);
void revive_fini(struct revive *revive);
/** Another image: what earlier recoveries wrote is not referred to any more. */
void revive_reset(struct revive *revive);

/** Recover a group from the image in memory. */
void revive_group(struct revive *revive, qr_group group, struct revived *ret_revived);
/**
 * The same from a real directory that holds the image, all groups of the node at once.
 * @param ret_revived  [group]
 * @param ret_problem  what the disk code said when it refused the directory.
 * @return the error of the disk code; QR_OK when every group could be asked.
 */
enum qr_error revive_folder(struct revive *revive, const char *path, struct revived *ret_revived,
			    struct store_problem *ret_problem);

#endif
