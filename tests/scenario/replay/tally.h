/*
 * Outcomes, judged, counted and told.
 *
 * An outcome is one value that a file says: of one directive, one node, one field (docs/
 * etcd-replay.md). It matches, or it differs and the list says why, or it cannot be compared since
 * the core lacks something and the list says that, or it is a mismatch.
 */
#ifndef QR_TESTS_REPLAY_TALLY_H
#define QR_TESTS_REPLAY_TALLY_H

#include "tests/scenario/replay/list.h"
#include "tests/scenario/replay/script.h"

#include <stdio.h>

struct tally_counts {
	uint64_t matched;
	uint64_t listed;
	uint64_t unsupported;
	uint64_t mismatched;
};

struct tally {
	struct list *list;
	FILE *out;
	bool verbose;	  /* tell what matched, too */
	const char *path; /* of the file at hand, as it was named */
	char *real_path;  /* for the list */
	uint64_t file_count;
	struct tally_counts file;
	struct tally_counts total;
};

void tally_begin_file(struct tally *tally, const char *path);
/** Tells what the list knows of this file and what was not there. */
void tally_end_file(struct tally *tally, const struct script *script);

/** An outcome with etcd's value and ours. */
void tally_outcome(struct tally *tally, const struct script_directive *directive,
		   const char *outcome, const char *there, const char *here);
/** `count` outcomes of a directive that cannot be compared, and why: a key of the list. */
void tally_unsupported(struct tally *tally, const struct script_directive *directive,
		       uint64_t count, const char *key, const char *detail);

/** The last lines. */
void tally_conclude(struct tally *tally);

#endif
